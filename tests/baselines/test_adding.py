"""A baseline added from outside, as README says: one module and one line in a table; nothing else knows it."""

import pytest
import torch
from torch import Tensor, nn

from baselines.methods import GENERATORS, method_spec
from data.errors import InputError
from data.files import read_image
from evaluation.pipeline.dataset import write_dataset
from evaluation.pipeline.synthesis import synthesize
from evaluation.run_directory import RunDirectory
from models.layers import ToImages
from models.options import Count
from presets.schema import Preset
from training.suite import Suite, load_generator


class Toy(nn.Module):
    """Two convolutions: layout [B, C, H, W] -> images [B, K, 3, H, W]."""

    def __init__(self, classes: int, size: tuple[int, int], images: int = 1, maps: Count = 8):
        super().__init__()
        self.first, self.to_images = nn.Conv2d(classes, maps, 3, padding=1), ToImages(maps, images)

    def forward(self, layout: Tensor) -> Tensor:
        return self.to_images(torch.relu(self.first(layout)))


def preset(**options) -> Preset:
    return Preset.model_validate({
        "methods": ["toy+image_space", "toy+gan"], "device": "cpu", "generators": {"toy": options},
        "objectives": {"gan": {"patch_layers": 1, "patch_width": 4}},
        "data": {"dataset": "street", "size": [32, 64], "train": 8, "val": 4},
        "training": {"images_seen": 8, "batch": 2, "precision": "float32"}})


@pytest.fixture(autouse=True)
def added(monkeypatch):
    monkeypatch.setitem(GENERATORS, "toy", Toy)  # the one line


@pytest.mark.parametrize("name", ["toy+image_space", "toy+gan"])
def test_it_is_trained_stored_and_synthesizes_like_any_other(tmp_path, name):
    suite = Suite(preset(maps=6), tmp_path)
    run = RunDirectory(tmp_path)
    write_dataset(run, suite.preset.data, suite.train, suite.val)
    about = suite.train_method(name)
    assert about["images_seen"] == 8 and about["title"] == name.replace("+", " + ")
    generator, described = load_generator(run.method_folder(name))
    assert isinstance(generator, Toy) and generator.first.out_channels == 6 and described["images"] == 1
    synthesize(run, name, 0)
    assert read_image(run.image_file(name, run.layouts()[0])).shape == (32, 64, 3)


def test_its_options_are_checked():
    with pytest.raises(InputError, match="unknown key 'generators.toy.map': did you mean 'maps'?"):
        method_spec("toy+content", preset(map=6))
    with pytest.raises(InputError, match="key 'generators.toy.maps': .* greater than or equal to 1, got 0"):
        method_spec("toy+content", preset(maps=0))
