"""The presets at the paper's own size say what the paper says, and build what it built."""

import pytest
import torch

from baselines.methods import GENERATORS, build_generator, check_preset_options, method_spec
from presets.schema import load_preset

PAIRS = {"cityscapes-256p": 2975, "nyu-256p": 1200}


@pytest.mark.parametrize("name", PAIRS)
def test_budget_and_optimiser_of_the_paper(name):
    preset = load_preset(name)
    check_preset_options(preset)
    assert preset.training.images_seen == 200 * PAIRS[name] and preset.training.batch == 1
    assert (preset.training.lr, preset.training.betas, preset.training.lr_decay) == (1e-4, [0.9, 0.999], 0)
    for objective in ("content", "diversity"):
        assert preset.objectives[objective]["calibrate_at"] == 100 * PAIRS[name]
    assert preset.objectives["diversity"]["k"] == 9
    assert preset.perceptual.source == "matconvnet" and preset.data.train is None and preset.data.val is None


@pytest.mark.parametrize("method, images, parameters", [
    ("crn", 1, 97_863_171), ("crn_diversity", 9, 97_875_483), ("image_space", 1, 97_863_171)])
def test_crn_at_256p_has_the_paper_s_parameters(method, images, parameters):
    preset = load_preset("cityscapes-256p")
    with torch.device("meta"):
        generator = build_generator(method_spec(method, preset), 20, tuple(preset.data.size), images)
    assert sum(p.numel() for p in generator.parameters()) == parameters


@pytest.mark.parametrize("preset", PAIRS)
@pytest.mark.parametrize("generator", GENERATORS)
def test_every_generator_gives_the_preset_s_size(preset, generator):
    preset = load_preset(preset)
    height, width = preset.data.size
    spec = method_spec(f"{generator}+image_space", preset)
    with torch.device("meta"):
        images = build_generator(spec, 20, (height, width)).eval()(torch.empty(1, 20, height, width))
    assert images.shape == (1, 1, 3, height, width)
