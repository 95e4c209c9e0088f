"""Losses against cases computed by hand."""

import pytest
import torch
import torch.nn.functional as F

from data.errors import InputError
from models.losses import (
    CODE_LAMBDAS,
    content_terms,
    diversity_loss,
    diversity_tables,
    equalising_lambdas,
    image_space_loss,
    labelled_cross_entropy,
    winning_shares,
)
from models.objectives import Content, Diversity, LayerWeights
from models.perceptual import CONVENTIONS, PerceptualNet


def test_content_terms_and_image_space_loss_are_mean_absolute_differences():
    photo = {"image": torch.tensor([[[[0.0, 4.0]]]]), "conv1_2": torch.zeros(1, 2, 1, 1)}
    image = {"image": torch.tensor([[[[1.0, 1.0]]]]), "conv1_2": torch.tensor([[[[3.0]], [[-1.0]]]])}
    assert {k: float(v) for k, v in content_terms(photo, image).items()} == {"image": 2.0, "conv1_2": 2.0}
    assert float(image_space_loss(photo["image"], image["image"])) == 2.0


@pytest.mark.parametrize("script, divisors", [
    ("code-256p", [1, 1.6, 2.3, 1.8, 2.8, 0.8]), ("code-512p", [1, 2.6, 4.8, 3.7, 5.6, 1.5]),
    ("code-gta5", [1, 1.4, 1.8, 1.3, 2.2, 0.62])])
def test_constants_of_the_authors_code(script, divisors):
    layers = ["image", "conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2"]
    times = [1, 1, 1, 1, 1, 10]
    expected = {layer: factor / divisor for layer, factor, divisor in zip(layers, times, divisors, strict=True)}
    assert CODE_LAMBDAS[script] == pytest.approx(expected)


@pytest.mark.parametrize(("network", "convention"), [("vgg19", "torchvision"), ("vgg16", "caffe")])
@pytest.mark.parametrize("objective", [Content, Diversity])
def test_the_authors_constants_belong_to_their_network(objective, network, convention):
    perceptual = PerceptualNet.at_width(0.05, CONVENTIONS[convention], network)
    message = f"lambdas=code-512p: .* VGG-19 .*Caffe.* is VGG-{network[3:]} with '{convention}'"
    with pytest.raises(InputError, match=message):
        objective(perceptual, lambdas="code-512p")


def test_void_has_no_cross_entropy():
    logits = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.arange(128).view(2, 8, 8) % 4
    assert torch.equal(labelled_cross_entropy(logits, labels, 3), F.cross_entropy(logits, labels, ignore_index=3))
    loss = labelled_cross_entropy(logits, torch.full_like(labels, 3), 3)
    loss.backward()
    assert float(loss.detach()) == 0 and logits.grad.abs().max() == 0


def test_diversity_takes_the_best_image_per_class():
    """One row of two pixels: the left is class 0, the right class 1; each of two images is right in one of them."""
    layout = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
    photo = {"image": torch.tensor([[[[10.0, 20.0]]]])}
    images = {"image": torch.tensor([[[[10.0, 0.0]]], [[[0.0, 20.0]]]])}
    table = diversity_tables(photo, images, layout)["image"]
    assert table.tolist() == [[[0.0, 10.0], [5.0, 0.0]]]  # |difference| * mask, averaged over the two pixels
    assert float(diversity_loss(table)) == 0.0
    assert float(diversity_loss(table, 0.001)) == pytest.approx(0.001 * (2.5 + 5.0))


def test_diversity_sums_layers_before_the_minimum():
    first = torch.tensor([[[0.0], [3.0]]])  # image 0 is best in this layer
    second = torch.tensor([[[4.0], [0.0]]])  # image 1 in that one
    assert float(diversity_loss(first + second)) == 3.0
    assert float(diversity_loss(first) + diversity_loss(second)) == 0.0


@pytest.mark.parametrize("lambdas", ["code-512p", "calibrated"])
def test_one_image_diversity_equals_the_plain_loss(lambdas, small_batch):
    torch.manual_seed(0)
    perceptual = PerceptualNet.at_width(0.05, CONVENTIONS["caffe"]).freeze()
    batch = small_batch()
    images = torch.rand(2, 1, 3, 32, 64, requires_grad=True)
    plain = Content(perceptual, lambdas, calibrate_at=0)
    diverse = Diversity(perceptual, k=1, lambdas=lambdas, calibrate_at=0)
    a = sum(plain.generator_terms(batch, images).values())
    b = sum(diverse.generator_terms(batch, images).values())
    assert float(b.detach()) == pytest.approx(float(a.detach()), rel=1e-5)
    gradients = [torch.autograd.grad(loss, images)[0] for loss in (a, b)]
    assert torch.allclose(*gradients, rtol=1e-3, atol=1e-6)


def test_equalising_lambdas_keep_the_sum():
    means = torch.tensor([60.0, 3.0, 0.5])
    lambdas = equalising_lambdas(means, torch.ones(3))
    contributions = (means * lambdas).tolist()
    assert contributions == pytest.approx([63.5 / 3] * 3)
    assert (means * equalising_lambdas(means, torch.ones(3), total=10)).tolist() == pytest.approx([10 / 3] * 3)


def test_lambdas_are_calibrated_at_the_stated_step_and_go_on_where_they_were_saved():
    whole, resumed = (LayerWeights(["image", "conv1_2"], "calibrated", calibrate_at=3) for _ in range(2))
    for step, terms in enumerate(([4.0, 1.0], [8.0, 3.0], [6.0, 5.0], [100.0, 100.0]), start=1):
        if step == 2:
            assert whole.lambdas.tolist() == [1.0, 1.0]
            resumed.load_state_dict(whole.state_dict())
        for weights in (whole, resumed) if step > 1 else (whole,):
            weights.weigh(dict(zip(weights.layers, terms, strict=True)), torch.tensor(terms))
            weights.after_step(step)
    assert whole.lambdas.tolist() == resumed.lambdas.tolist() == pytest.approx([9 / 2 / 6, 9 / 2 / 3])
    assert resumed.frozen


def test_a_fraction_of_the_budget_becomes_a_step():
    weights = LayerWeights(["image"], "calibrated", calibrate_at=0.5)
    weights.plan(30, "objectives.content.calibrate_at")
    assert weights.calibrate_at == 15
    LayerWeights(["image"], "code-256p", calibrate_at=100).plan(30, "objectives.content.calibrate_at")  # not calibrated


def test_shares_of_the_area_where_an_image_is_the_best():
    layout = torch.zeros(1, 2, 1, 4)
    layout[0, 0, 0, :3], layout[0, 1, 0, 3:] = 1, 1  # class 0 covers three quarters
    table = torch.tensor([[[2.0, 1.0], [1.0, 5.0]]])  # image 1 is nearer in class 0, image 0 in class 1
    assert winning_shares(table, layout).tolist() == [0.25, 0.75]
