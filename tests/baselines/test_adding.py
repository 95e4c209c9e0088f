"""Baselines added from outside, as README says: one module and one line in a table; nothing else knows them."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from baselines.methods import GENERATORS, OBJECTIVES, method_spec
from data.errors import InputError
from data.files import read_image
from evaluation.pipeline.dataset import write_dataset
from evaluation.pipeline.synthesis import synthesize
from evaluation.run_directory import RunDirectory
from models.layers import ToImages
from models.objectives import Batch, Objective
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


class NoisyToy(Toy):
    """K images of a layout from K noises."""

    def __init__(self, classes: int, size: tuple[int, int], images: int = 1, maps: Count = 8):
        super().__init__(classes + 1, size, 1, maps)
        self.images = images

    def forward(self, layout: Tensor) -> Tensor:
        noises = torch.randn(self.images, *layout[:, :1].shape, dtype=layout.dtype, device=layout.device)
        return torch.cat([super(NoisyToy, self).forward(torch.cat([layout, noise], 1)) for noise in noises], 1)


class TwoScales(nn.Module):
    """Layout and picture -> at each of two scales the features [B, D, h, w] and logits [B, 1, h, w]."""

    def __init__(self, classes: int):
        super().__init__()
        self.features = nn.ModuleList(spectral_norm(nn.Conv2d(classes + 3, 4, 3)) for _ in range(2))
        self.logits = nn.ModuleList(nn.Conv2d(4, 1, 3) for _ in range(2))

    def forward(self, layout: Tensor, picture: Tensor) -> list[tuple[Tensor, Tensor]]:
        pair, found = torch.cat([layout, picture], 1), []
        for features, logits in zip(self.features, self.logits, strict=True):
            hidden = F.leaky_relu(features(pair))
            found.append((hidden, logits(hidden)))
            pair = F.avg_pool2d(pair, 2)
        return found


class FeatureMatching(Objective):
    """Hinge loss at two scales and L1 between the discriminator's features of photograph and images."""

    optimiser = {"lr": 1e-4, "adversary_lr": 4e-4, "betas": [0.0, 0.999], "average": 0.9}

    def __init__(self, classes: int, size: tuple[int, int], k: Count = 2):
        super().__init__()
        self.images, self.adversary = k, TwoScales(classes)

    def _of_each(self, batch: Batch, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        return self.adversary(batch.layout.repeat_interleave(images.shape[1], 0), images.flatten(0, 1))

    def generator_terms(self, batch: Batch, images: Tensor) -> dict[str, Tensor]:
        real, fake = self.adversary(batch.layout, batch.photo), self._of_each(batch, images)
        matching = sum((a.repeat_interleave(images.shape[1], 0) - b).abs().mean()
                       for (a, _), (b, _) in zip(real, fake, strict=True))
        return {"gan": sum(F.softplus(-logits).mean() for _, logits in fake), "matching": matching}

    def adversary_terms(self, batch: Batch, images: Tensor) -> dict[str, Tensor]:
        return {"real": sum(F.relu(1 - logits).mean() for _, logits in self.adversary(batch.layout, batch.photo)),
                "fake": sum(F.relu(1 + logits).mean() for _, logits in self._of_each(batch, images))}


def preset(**options) -> Preset:
    return Preset.model_validate({
        "methods": ["toy+image_space", "toy+gan"], "device": "cpu", "generators": {"toy": options},
        "objectives": {"gan": {"patch_layers": 1, "patch_width": 4}},
        "data": {"dataset": "street", "size": [32, 64], "train": 8, "val": 4},
        "training": {"images_seen": 8, "batch": 2, "precision": "float32", "log_every": 1}})


@pytest.fixture(autouse=True)
def added(monkeypatch):
    monkeypatch.setitem(GENERATORS, "toy", Toy)  # the one line
    monkeypatch.setitem(GENERATORS, "noisy", NoisyToy)
    monkeypatch.setitem(OBJECTIVES, "matching", FeatureMatching)


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


def test_several_scales_matched_features_and_images_from_noise_need_nothing_special(tmp_path):
    suite = Suite(preset(), tmp_path)
    run = RunDirectory(tmp_path)
    write_dataset(run, suite.preset.data, suite.train, suite.val)
    about = suite.train_method("noisy+matching")
    assert about["images_per_layout"] == 2
    log = (run.method_folder("noisy+matching") / "log.csv").read_text(encoding="utf-8")
    assert log.startswith("step,images,seconds,total,gan,matching,adversary real,adversary fake")
    synthesize(run, "noisy+matching", 0)
    one, two = (read_image(run.variant_file("noisy+matching", run.layouts()[0], u)) for u in (1, 2))
    assert (one != two).any()
    assert suite.train_method("toy+matching")["images_seen"] == 8  # any pair works


def test_its_options_are_checked():
    with pytest.raises(InputError, match="unknown key 'generators.toy.map': did you mean 'maps'?"):
        method_spec("toy+content", preset(map=6))
    with pytest.raises(InputError, match="key 'generators.toy.maps': .* greater than or equal to 1, got 0"):
        method_spec("toy+content", preset(maps=0))
