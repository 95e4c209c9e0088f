"""The contract of every registered method, the paper's parameter counts, and the baselines' own rules."""

import pytest
import torch

from baselines.full_resolution import FullResolution, dilations
from baselines.methods import (
    GENERATORS,
    METHODS,
    OBJECTIVES,
    build_generator,
    build_method,
    check_preset_options,
    method_spec,
)
from baselines.pix2pix import PatchGAN
from data.errors import InputError
from models.crn import CRN, base_grid
from models.layers import layout_pyramid, one_hot, upsample
from models.perceptual import PerceptualNet
from models.segmentation import DilatedNet
from presets.schema import Preset

CLASSES, SIZE = 5, (32, 64)
SMALL = Preset(
    generators={"crn": {"widths": [8, 8, 8, 8]}, "unet": {"width": 4, "max_width": 8},
                "recombinator": {"width": 4, "max_width": 8}, "full_resolution": {"layers": 4, "width": 6},
                "pix2pix": {"width": 4}, "dcgan": {"width": 4, "max_width": 8}},
    objectives={"diversity": {"k": 3}, "gan": {"patch_layers": 1, "patch_width": 4},
                "content_gan": {"patch_layers": 1, "patch_width": 4}, "gan_segmentation": {"width": 4}})
PAIRS = [f"{generator}+{objective}" for generator in GENERATORS for objective in OBJECTIVES]


def small_method(name: str, seed: int = 0):
    torch.manual_seed(seed)
    perceptual = PerceptualNet.at_width(0.05).freeze()
    segmenter = DilatedNet(CLASSES, 4).requires_grad_(False)
    torch.manual_seed(seed)
    return build_method(method_spec(name, SMALL), CLASSES, SIZE, perceptual=perceptual, segmenter=segmenter)


@pytest.mark.parametrize("name", [*METHODS, *PAIRS])
def test_contract(name, small_batch):
    method, batch = small_method(name), small_batch()
    torch.manual_seed(1)
    images = method.objective.synthesize(method.generator, batch)
    assert images.shape == (2, method.objective.images, 3, *SIZE)
    assert torch.isfinite(images).all()

    terms = method.objective.generator_terms(batch, images)
    assert all(term.ndim == 0 and torch.isfinite(term) and term >= 0 for term in terms.values())
    sum(terms.values()).backward()
    for key, parameter in method.generator.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, f"no gradient reaches {key}"
    frozen = [p for network in method.objective.networks().values() for p in network.parameters()]
    assert all(p.grad is None for p in frozen), "a network of the loss is being trained"

    if method.objective.adversary is not None:
        method.objective.adversary.zero_grad()
        sum(method.objective.adversary_terms(batch, images.detach()).values()).backward()
        for key, parameter in method.objective.adversary.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, f"no gradient reaches {key}"


@pytest.mark.parametrize("name", METHODS)
def test_same_seed_same_images_and_saving_is_the_identity(name, small_batch):
    method, batch = small_method(name), small_batch()
    method.generator.eval()
    spec = method_spec(name, SMALL)
    torch.manual_seed(9)
    other = build_generator(spec, CLASSES, SIZE, method.objective.images)
    other.load_state_dict(method.generator.state_dict())
    other.eval()
    with torch.no_grad():
        torch.manual_seed(3)
        first = method.generator(batch.layout)
        torch.manual_seed(3)
        assert torch.equal(first, other(batch.layout))


def test_gan_images_stay_in_range_and_depend_on_the_noise(small_batch):
    for name in ("pix2pix", "gan_segmentation"):
        method, batch = small_method(name), small_batch()
        method.generator.eval()
        with torch.no_grad():
            first, second = method.generator(batch.layout), method.generator(batch.layout)
        assert first.abs().max() <= 1
        assert not torch.equal(first, second), f"{name} ignores its noise"


@pytest.mark.parametrize("size, images, count", [
    ((256, 512), 1, 97_863_171), ((256, 512), 9, 97_875_483), ((512, 1024), 1, 98_622_851),
    ((1024, 2048), 1, 98_674_531)])
def test_parameter_counts_of_the_paper(size, images, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in CRN(20, size, images).parameters()) == count


def test_parameters_per_module_of_the_paper():
    with torch.device("meta"):
        blocks = CRN(20, (1024, 2048)).blocks
    counts = [sum(p.numel() for p in block.parameters()) for block in blocks]
    assert counts == [9_625_600, *[19_062_784] * 4, 7_172_096, 4_812_800, 760_832, 51_968]


def test_full_resolution_network_of_the_paper():
    with torch.device("meta"):
        net = FullResolution(20, (256, 512))
    assert sum(p.numel() for p in net.parameters()) == 5_360_387  # about 5.4M
    assert dilations(256, 10) == [64, 32, 16, 8, 4, 2, 1, 1, 1, 1]
    assert dilations(96, 8) == [16, 8, 4, 2, 1, 1, 1, 1]


@pytest.mark.parametrize("layers, patch", [(1, 16), (2, 34), (3, 70)])
def test_patch_gan_sees_patches_of_the_published_size(layers, patch):
    torch.manual_seed(0)
    net = PatchGAN(2, layers, 4).net
    for module in net.modules():  # instance norm looks at the whole picture; the patch is that of the convolutions
        if isinstance(module, torch.nn.InstanceNorm2d):
            module.forward = lambda x: x
    picture = torch.zeros(1, 5, 128, 128, requires_grad=True)
    scores = net(picture)
    scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2].backward()
    touched = picture.grad[0].abs().sum(0) > 0
    assert (touched.any(1).sum(), touched.any(0).sum()) == (patch, patch)


def test_the_coarsest_grid_and_as_many_widths_as_modules():
    assert base_grid((256, 512)) == ((4, 8), 6) and base_grid((96, 128)) == ((3, 4), 5)
    for widths in ([8, 8], []):
        with pytest.raises(InputError, match=f"64x128 needs 5 modules, but generators.crn.widths names {len(widths)}"):
            CRN(3, (64, 128), widths=widths)


@pytest.mark.parametrize("generator", GENERATORS)
def test_an_odd_size_gives_images_or_is_refused_with_a_size_that_does(generator):
    with torch.device("meta"):
        def images(size):
            network = build_generator(method_spec(f"{generator}+image_space", Preset()), CLASSES, size)
            return network.eval()(torch.empty(1, CLASSES, *size)).shape
        try:
            assert images((375, 500)) == (1, 1, 3, 375, 500)
        except InputError as error:
            assert "data.size=[375, 500] cannot be halved" in str(error) and "for example [384, 512]" in str(error)
            assert images((384, 512)) == (1, 1, 3, 384, 512)


def test_discriminators_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"data.size=\[375, 500\] cannot be halved"):
        OBJECTIVES["gan_segmentation"](CLASSES, (375, 500), None)
    with pytest.raises(InputError, match=r"patch_layers=3: patches do not fit data.size=\[16, 32\]"):
        OBJECTIVES["gan"](CLASSES, (16, 32))
    smallest = OBJECTIVES["gan"](CLASSES, (24, 32), patch_width=4)
    assert smallest.adversary(torch.zeros(1, CLASSES, 24, 32), torch.zeros(1, 3, 24, 32)).shape == (1, 1, 1, 2)


@pytest.mark.parametrize("generator", ["unet", "recombinator"])
def test_a_depth_that_does_not_divide_is_refused(generator):
    preset = Preset(generators={generator: {"width": 4, "depth": 4}})
    with pytest.raises(InputError, match=rf"generators.{generator}.depth=4: data.size=\[40, 64\] .* multiples of 16"):
        build_generator(method_spec(f"{generator}+image_space", preset), CLASSES, (40, 64))


def test_low_resolution_layouts_are_soft_box_averages():
    layout = one_hot(torch.tensor([[[0, 1], [1, 1]]], dtype=torch.uint8), 2)
    coarse, fine = layout_pyramid(layout, 2)
    assert torch.equal(fine, layout)
    assert coarse.flatten().tolist() == [0.25, 0.75]


def test_upsampling_is_bilinear_with_aligned_corners():
    row = torch.tensor([0.0, 3.0]).view(1, 1, 1, 2).expand(1, 1, 2, 2)
    assert upsample(row)[0, 0, 0].tolist() == pytest.approx([0, 1, 2, 3])


@pytest.mark.parametrize(("name", "generators", "message"), [
    ("crm", {}, "unknown method 'crm': did you mean 'crn'?"),
    ("crn+gam", {}, "unknown objective 'gam': did you mean 'gan'?"),
    ("unett+gan", {}, "unknown generator 'unett': did you mean 'unet'?"),
    ("crn", {"crn": {"width": [1]}}, "unknown key 'generators.crn.width': did you mean 'widths'?"),
    ("unet+gan", {"unet": {"width": "w"}}, "key 'generators.unet.width': Input should be a valid integer, got 'w'"),
    ("crn", {"crn": {"widths": [8, 0]}}, "key 'generators.crn.widths': Input should be greater than or equal to 1")])
def test_unknown_names_and_wrong_options_are_named(name, generators, message):
    with pytest.raises(InputError) as error:
        method_spec(name, Preset(generators=generators))
    assert message in str(error.value)


@pytest.mark.parametrize("section, name, key, value", [
    ("objectives", "diversity", "k", 0), ("objectives", "diversity", "mean_weight", 1.5),
    ("objectives", "content", "lambdas", "code-1024p"), ("objectives", "content", "calibrate_at", 1.5),
    ("objectives", "gan", "l1", -1.0), ("objectives", "gan", "patch_layers", 0),
    ("objectives", "gan_segmentation", "segmentation_weight", -1.0), ("objectives", "content_gan", "content", -1.0),
    ("generators", "pix2pix", "dropout", 2.0), ("generators", "recombinator", "convolutions", 0),
    ("generators", "full_resolution", "layers", 0), ("generators", "dcgan", "noise", 0)])
def test_options_out_of_bounds_are_refused(section, name, key, value):
    with pytest.raises(InputError, match=f"key '{section}.{name}.{key}': .*, got {value!r}"):
        check_preset_options(Preset.model_validate({section: {name: {key: value}}}))
