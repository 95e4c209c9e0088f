"""The presets at the paper's own size say what the paper says, and build what it built."""

import pytest
import torch

from baselines.methods import GENERATORS, build_generator, check_preset_options, method_spec
from benchmarks.train_step import counted_memory, counted_work
from presets.schema import load_preset
from training.start import freeze_all_but_last

PAIRS = {"cityscapes-256p": 2975, "nyu-256p": 1200}


@pytest.mark.parametrize("name", PAIRS)
def test_budget_and_optimiser_of_the_paper(name):
    preset = load_preset(name)
    check_preset_options(preset)
    assert preset.training.images_seen == 200 * PAIRS[name] and preset.training.batch == 1
    assert (preset.training.lr, preset.training.betas, preset.training.lr_decay) == (1e-4, [0.9, 0.999], 0)
    for objective in ("content", "diversity"):
        assert preset.objectives[objective]["calibrate_at"] == 100 / 200  # epochs
    assert preset.objectives["diversity"]["k"] == 9
    assert preset.perceptual.source == "matconvnet" and preset.data.train is None and preset.data.val is None


@pytest.mark.parametrize("method, images, parameters", [
    ("crn", 1, 97_863_171), ("crn_diversity", 9, 97_875_483), ("image_space", 1, 97_863_171)])
def test_crn_at_256p_has_the_paper_s_parameters(method, images, parameters):
    preset = load_preset("cityscapes-256p")
    with torch.device("meta"):
        generator = build_generator(method_spec(method, preset), 20, tuple(preset.data.size), images)
    assert sum(p.numel() for p in generator.parameters()) == parameters


@pytest.mark.parametrize("preset", [*PAIRS, "cityscapes-256p-matched", "camvid-192p"])
@pytest.mark.parametrize("generator", GENERATORS)
def test_every_generator_gives_the_preset_s_size(preset, generator):
    preset = load_preset(preset)
    height, width = preset.data.size
    spec = method_spec(f"{generator}+image_space", preset)
    with torch.device("meta"):
        images = build_generator(spec, 20, (height, width)).eval()(torch.empty(1, 20, height, width))
    assert images.shape == (1, 1, 3, height, width)


def built(preset, method):
    with torch.device("meta"):
        return build_generator(method_spec(method, preset), 20, tuple(preset.data.size), 1)


def parameters(network) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize("name, start, epochs, trainable, count", [
    ("cityscapes-512p", "runs/cityscapes-256p", 20, "all", 98_622_851),
    ("cityscapes-1024p", "runs/cityscapes-512p", 5, 2, 98_674_531)])
def test_the_paper_s_steps_to_higher_resolution(name, start, epochs, trainable, count):
    preset = load_preset(name)
    check_preset_options(preset)
    assert preset.training.start_from == start
    assert preset.training.images_seen == epochs * 2975 and preset.training.batch == 1
    assert preset.training.trainable == trainable and preset.training.lr == 1e-4
    generator = built(preset, "crn")
    assert parameters(generator) == count
    freeze_all_but_last(generator, trainable, "CRN")
    last_two = 760_832 + 51_968 + 3 * 33
    assert parameters(generator) == (count if trainable == "all" else last_two)


def test_baselines_at_their_published_sizes():
    preset = load_preset("cityscapes-256p")
    assert parameters(built(preset, "full_resolution")) == pytest.approx(5.36e6, rel=0.01)
    assert parameters(built(preset, "encoder_decoder")) == pytest.approx(31.0e6, rel=0.01)
    assert parameters(built(preset, "pix2pix")) == pytest.approx(54.4e6, rel=0.01)
    assert preset.objectives["gan"] == {"patch_layers": 3, "patch_width": 64, "l1": 100.0}
    override = preset.overrides["pix2pix"]
    assert (override.lr, override.betas, override.lr_decay) == (2e-4, [0.5, 0.999], 0.5)


@pytest.mark.parametrize("method", [
    "encoder_decoder", "recombinator", "full_resolution", "pix2pix", "gan_segmentation"])
def test_matched_baselines_have_crn_s_capacity(method):
    preset = load_preset("cityscapes-256p-matched")
    check_preset_options(preset)
    assert parameters(built(preset, method)) == pytest.approx(97_863_171, rel=0.01)


@pytest.mark.parametrize("preset, tflop", [
    ("cityscapes-256p", 6.73), ("cityscapes-512p", 10.0), ("cityscapes-1024p", 14.1)])
def test_counted_work_of_a_training_step(preset, tflop):
    assert counted_work(load_preset(preset, ["training.trainable=all"]), "crn") == pytest.approx(tflop, rel=0.005)


def test_1024_rows_fit_the_memory_of_the_gpus_named_in_the_note():
    preset = load_preset("cityscapes-1024p")
    for again, limit_gb in ((False, 80), (True, 24)):
        assert sum(counted_memory(preset, "crn", again).values()) / 1024 < 0.75 * limit_gb


def test_gans_of_the_paper_s_widths_learn_at_the_published_rate():
    preset = load_preset("camvid-192p")
    assert [preset.overrides[name].lr for name in ("gan", "content_gan", "gan_segmentation")] == [2e-4] * 3
