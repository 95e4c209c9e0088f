"""What the presets at the paper's size need: start weights, frozen modules, parts of a batch, less memory."""

import copy
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from lightning_fabric import Fabric

from baselines.methods import GENERATORS, build_generator, build_method, method_spec
from data.errors import InputError
from evaluation.run import main
from models.crn import CRN
from models.objectives import Batch, Content
from models.perceptual import PerceptualNet
from presets.schema import Preset, TrainingConfig
from tests.training import noise
from training import checkpoint
from training.check import check_methods
from training.feature_cache import PhotoFeatureCache
from training.harness import CHECKPOINT
from training.memory import recompute_activations
from training.step import TrainingStep

suite = partial(noise.suite, widths=(8, 6, 4), images_seen=8)


def trained(folder, name="image_space") -> dict[str, torch.Tensor]:
    return checkpoint.load(folder / "methods" / name / CHECKPOINT)["generator"]


@pytest.fixture(scope="module")
def coarse(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coarse")
    suite(folder).train_method("image_space")
    return folder


@pytest.mark.parametrize("whole_run", [True, False])
def test_a_finer_network_starts_from_all_but_the_last_layer(tmp_path, coarse, whole_run):
    source = coarse if whole_run else coarse / "methods" / "image_space" / CHECKPOINT
    fine = suite(tmp_path, size=(32, 64), widths=(8, 6, 4, 3), start_from=str(source), lr=1e-12)
    fine.train_method("image_space")
    before, after = trained(coarse), trained(tmp_path)
    shared = [key for key in before if not key.startswith("to_images")]
    assert len(shared) == 18 and all(torch.allclose(before[key], after[key], atol=1e-9) for key in shared)
    assert {key.split(".")[1] for key in after.keys() - before.keys()} == {"3"}  # the new module, fresh
    fresh = suite(tmp_path, size=(32, 64), widths=(8, 6, 4, 3)).build(method_spec("image_space", fine.preset))
    for key in ("to_images.weight", "blocks.3.conv1.0.weight"):
        assert torch.allclose(after[key], fresh.generator.state_dict()[key], atol=1e-9)


def test_only_the_last_modules_learn(tmp_path, coarse):
    fine = suite(tmp_path, size=(32, 64), widths=(8, 6, 4, 3), start_from=str(coarse), trainable=2)
    fine.train_method("image_space")
    before, after = trained(coarse), trained(tmp_path)
    for key in before.keys() - {"to_images.weight", "to_images.bias"}:
        assert torch.equal(before[key], after[key]) == (key.split(".")[1] in "01"), key
    saved = checkpoint.load(tmp_path / "methods" / "image_space" / CHECKPOINT)
    assert len(saved["optimiser"]["state"]) == 2 * 6 + 2  # per module 2 x (conv, scale, shift); weight and bias


def test_the_start_shapes_the_result(tmp_path, coarse):
    suite(tmp_path / "a", start_from=str(coarse)).train_method("image_space")
    with pytest.raises(InputError, match="made with other settings"):
        suite(tmp_path / "a").train_method("image_space")
    moved = tmp_path / "moved.pt"
    moved.write_bytes((coarse / "methods" / "image_space" / CHECKPOINT).read_bytes())
    suite(tmp_path / "a", start_from=str(moved)).train_method("image_space")  # same weights elsewhere: finished


@pytest.mark.parametrize("change, message", [
    ({"widths": (8, 5, 4)}, r"blocks\.1\.conv1\.0\.weight is \[6, 12, 3, 3\] there and \[5, 12, 3, 3\] here"),
    ({"size": (8, 16), "widths": (8, 6)}, r"blocks\.2\.\S+ is \S+ \S+ 3, 3\] there and absent here"),
    ({"names": ["road", "car", "void"]}, "4 classes there, 3 here"),
    ({"names": ["road", "tree", "sky", "void"]}, "class 1 is 'car' there and 'tree' here"),
    ({"trainable": 4}, r"trainable=4: Image-space loss has 3 modules"),
])
def test_what_does_not_fit_is_named(tmp_path, coarse, change, message):
    with pytest.raises(InputError, match=message):
        suite(tmp_path, start_from=str(coarse), **change).train_method("image_space")


def test_start_weights_that_are_missing_or_unfinished(tmp_path, coarse):
    with pytest.raises(InputError, match="no such checkpoint"):
        suite(tmp_path, start_from=str(coarse)).train_method("crn")  # that run has no method crn
    unfinished = checkpoint.load(coarse / "methods" / "image_space" / CHECKPOINT) | {"step": 1}
    checkpoint.save(tmp_path / "stopped.pt", unfinished)
    with pytest.raises(InputError, match="stopped at step 1 of 4"):
        suite(tmp_path, start_from=str(tmp_path / "stopped.pt")).train_method("image_space")


@pytest.mark.parametrize("change, message", [
    ({"data": {"size": [375, 500]}}, r"data.size=\[375, 500\] cannot be halved"),
    ({"generators": {"unet": {"depth": 5}}, "data": {"size": [48, 64]}}, "generators.unet.depth=5"),
    ({"objectives": {"content": {"calibrate_at": 900}}, "training": {"images_seen": 80}},
     "objectives.content.calibrate_at=900: training has"),
    ({"objectives": {"content": {"lambdas": "code-512p"}}}, "lambdas=code-512p"),
    ({"training": {"start_from": "x", "trainable": 1}}, "trainable=1: .* is no chain of refinement modules"),
    ({"training": {"start_from": "runs/nowhere"}}, "runs/nowhere: no such checkpoint")])
def test_what_cannot_be_trained_is_refused_before_anything_is(change, message):
    def check(preset):
        names = "full_resolution+image_space", "encoder_decoder", "unet+image_space"
        check_methods(preset, [method_spec(name, preset) for name in names])
    check(Preset())
    with pytest.raises(InputError, match=message):
        check(Preset.model_validate(change))


def test_the_main_job_refuses_it_before_it_makes_a_folder(tmp_path, capsys):
    change = ["--methods", "full_resolution,crn", "--set", "data.size=[375, 500]"]
    with pytest.raises(SystemExit):
        main(["--all", *change, "--out", str(tmp_path / "run")])
    assert "data.size=[375, 500] cannot be halved" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def batch_of(count: int, size=(16, 32)) -> Batch:
    rng = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 4, (count, *size), generator=rng)
    layout = torch.nn.functional.one_hot(labels, 4).permute(0, 3, 1, 2).float()
    return Batch(layout, torch.rand(count, 3, *size, generator=rng) * 2 - 1, labels)


def one_step(method, parts: int, steps: int = 1):
    """Terms of the last step and the generator's gradients."""
    config = TrainingConfig(accumulate=parts, lr=1e-3)
    optimiser = torch.optim.SGD(method.generator.parameters(), lr=1.0)
    adversary = method.objective.adversary
    other = torch.optim.SGD(adversary.parameters(), lr=1e-3) if adversary is not None else None
    fabric = Fabric(accelerator="cpu", devices=1)
    step = TrainingStep(method.generator, method.objective, optimiser, other, config, fabric)
    for number in range(1, steps + 1):
        terms = step(batch_of(4).parts(parts), 1e-4)
        method.objective.after_step(number)
    return terms, [parameter.grad.clone() for parameter in method.generator.parameters()]


def content_method(total: float | None):
    torch.manual_seed(0)
    objective = Content(PerceptualNet.at_width(0.1).freeze(), calibrate_at=2, total=total)
    return SimpleNamespace(generator=CRN(4, (16, 32), 1, [8, 8, 8]), objective=objective)


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("total", [None, 10.0])
def test_parts_of_a_batch_give_the_whole_batch_s_terms_and_gradients(parts, total):
    whole, gradients = one_step(content_method(total), 1, steps=3)  # the lambdas are calibrated after the second step
    divided, summed = one_step(content_method(total), parts, steps=3)
    assert whole.keys() == divided.keys()
    for name in whole:
        torch.testing.assert_close(divided[name], whole[name], rtol=1e-5, atol=1e-6)
    for a, b in zip(summed, gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * float(b.abs().max()))


def test_an_adversary_sees_the_images_that_the_generator_is_judged_on():
    preset = Preset.model_validate({"generators": {"pix2pix": {"width": 4}}, "objectives": {"gan": {"patch_width": 4}}})
    torch.manual_seed(0)
    method = build_method(method_spec("pix2pix", preset), 4, (32, 64))
    objective, seen = method.objective, {"adversary": [], "generator": []}
    for side, images in seen.items():
        terms = getattr(objective, f"{side}_terms")

        def spy(part, shown, terms=terms, images=images):
            images.append(shown.detach().clone())
            return terms(part, shown)
        setattr(objective, f"{side}_terms", spy)
    config = TrainingConfig(accumulate=2)
    optimisers = [torch.optim.SGD(net.parameters(), lr=0.1) for net in (method.generator, objective.adversary)]
    step = TrainingStep(method.generator, objective, *optimisers, config, Fabric(accelerator="cpu", devices=1))
    step(batch_of(4, (32, 64)).parts(2), 1e-4)
    assert len(seen["adversary"]) == len(seen["generator"]) == 2  # noise is dropout: drawn again, and the same
    assert all(torch.equal(a, b) for a, b in zip(seen["adversary"], seen["generator"], strict=True))


def test_a_batch_must_divide(tmp_path):
    with pytest.raises(InputError, match=r"training.batch=2 cannot be shared equally .*accumulate=3"):
        suite(tmp_path, accumulate=3).train_method("image_space")


@pytest.mark.parametrize("generator", GENERATORS)
def test_activations_computed_again_change_nothing_and_take_less_memory(generator):
    small = {"width": 4}
    preset = Preset.model_validate({"generators": {
        "crn": {"widths": [8, 8, 8, 8]}, "unet": small, "recombinator": small, "pix2pix": small, "dcgan": small,
        "full_resolution": {"width": 4, "layers": 3}}})
    torch.manual_seed(0)
    plain = build_generator(method_spec(f"{generator}+image_space", preset), 4, (32, 64))
    saving = copy.deepcopy(plain)
    recompute_activations(saving)
    gradients, kept = [], []
    for network in (plain, saving):
        torch.manual_seed(1)
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, sizes=sizes: sizes.append(t.numel()) or t, lambda t: t):
            images = network(batch_of(2, (32, 64)).layout)
        images.square().mean().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
        kept.append(sum(sizes))
    assert plain.state_dict().keys() == saving.state_dict().keys()
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert kept[1] < (0.5 if generator == "crn" else 1.0) * kept[0]


def test_cached_features_change_no_result_and_are_shared_by_methods(tmp_path):
    suite(tmp_path / "plain", images_seen=24).train_method("crn")
    cached = suite(tmp_path / "cached", images_seen=24, cache_photo_features_gb=1.0)
    looked = []
    cached.perceptual.register_forward_hook(lambda network, inputs, _: looked.append(len(inputs[0])))
    cached.train_method("crn")
    assert looked.count(1) == 12 and looked.count(2) == 12  # each photograph once in two epochs; every batch of images
    a, b = trained(tmp_path / "plain", "crn"), trained(tmp_path / "cached", "crn")
    for key in a:
        torch.testing.assert_close(a[key], b[key], rtol=1e-4, atol=1e-5)
    looked.clear()
    cached.train_method("unet+content")
    assert looked.count(1) == 0 and looked.count(2) == 12


def test_a_stopped_run_goes_on_with_the_same_features(tmp_path):
    settings = {"images_seen": 24, "cache_photo_features_gb": 1.0}
    suite(tmp_path / "whole", **settings).train_method("crn")
    stopped = suite(tmp_path / "stopped", **settings)
    stopped.loss_networks("crn")
    stopped.train.kill_at = stopped.train.read + 9
    with pytest.raises(noise.Killed):
        stopped.train_method("crn")
    suite(tmp_path / "stopped", **settings).train_method("crn")
    a, b = trained(tmp_path / "whole", "crn"), trained(tmp_path / "stopped", "crn")
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_the_cache_keeps_to_its_memory():
    network = PerceptualNet.at_width(0.1).freeze()
    photos = torch.rand(4, 3, 16, 32)
    one = sum(value.numel() * 4 for value in network(photos[:1]).values())
    cache = PhotoFeatureCache(2.5 * one / 2**30)
    first = cache(network, photos, [5, 6, 7, 8])
    for layer, value in network(photos).items():
        torch.testing.assert_close(first[layer], value)
    looked = []
    network.register_forward_hook(lambda *_: looked.append(1))
    cache(network, photos, [5, 6, 7, 8])
    assert len(looked) == 2
