"""Fixtures shared by all tests."""

import os
import shutil

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch starts its threads: tiny networks are fastest on one

from pathlib import Path

import numpy as np
import pytest

from data.files import write_json, write_png
from evaluation.run_directory import PHOTOS, Method, RunDirectory
from tests.scores import fd, score_of, value_of

SHARED = Path(__file__).resolve().parents[2] / "shared"  # real photographs and weights, where a machine has them

METHODS = {"crn": ("CRN", 1), "crn_diversity": ("CRN, diversity", 3), "pix2pix": ("pix2pix", 1),
           "image_space": ("Image-space loss", 1)}


def make_run(folder: Path, layouts: int = 12, size: tuple[int, int] = (32, 64)) -> RunDirectory:
    """A small but complete run directory as the stages before scoring, study and report leave it."""
    rng = np.random.default_rng(0)
    run = RunDirectory(folder)
    names = ["road", "building", "car", "void"]
    colours = [[128, 64, 128], [70, 70, 70], [0, 0, 142], [0, 0, 0]]
    config = {"methods": list(METHODS), "seed": 0, "data": {"dataset": "street", "size": list(size)},
              "training": {"images_seen": 100}, "study": {"baseline": "crn"}}
    write_json(folder / "run.json", {"config": config, "versions": {"torch": "0"}})
    write_json(run.dataset / "labels.json", {"names": names, "colours": colours})
    modes = {}
    for i in range(layouts):
        name = f"{i:05d}"
        layout = rng.integers(0, 4, (size[0] // 8, size[1] // 8), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        photo = np.asarray(colours, np.uint8)[layout] // 2 + rng.integers(0, 90, (*size, 3), dtype=np.uint8)
        write_png(run.dataset / "layouts" / f"{name}.png", layout)
        write_png(run.photo_file(name), photo)
        modes[name] = {"time_of_day": "day", "cars": []}
        for method, (_, k) in METHODS.items():
            for u in range(1, k + 1):
                noise = rng.integers(-30, 30, photo.shape)
                image = (photo.astype(int) + noise).clip(0, 255).astype(np.uint8)
                if k > 1:
                    write_png(run.variant_file(method, name, u), image)
                if u == 1:
                    write_png(run.image_file(method, name), image)
    write_json(run.dataset / "modes.json", modes)
    for method, (title, k) in METHODS.items():
        run.write_method(Method(method, title, generator="crn", objective="content", images_per_layout=k,
                                images_seen=100, parameters=1000, training_seconds=1.5))
        log = "step,images,seconds,total\n" + "".join(f"{s},{s * 4},{s * .1},{10 / s}\n" for s in range(1, 20))
        (run.method_folder(method) / "log.csv").write_text(log)
    return run


def add_scores(run: RunDirectory) -> None:
    """Made-up segmentation and distance scores for every method and the photographs, shaped like the real ones."""
    rng = np.random.default_rng(1)
    layouts = run.layouts()
    for i, method in enumerate([PHOTOS, *(m.name for m in run.methods())]):
        miou = 0.8 - 0.1 * i
        per_image = (miou + rng.normal(0, 0.05, len(layouts))).tolist()
        run.write_score(score_of(
            "segmentation", method,
            [value_of("mIoU", miou, (miou - .02, miou + .02)),
             value_of("pixel accuracy", miou + .1, (miou + .08, miou + .12))],
            {"judge": "test judge", "judge_sha256": "0" * 64, "N": len(layouts), "void": "ignored"},
            per_image={"mIoU": per_image}, details={"IoU per class": {"road": .9, "building": .8, "car": .5}}))
        run.write_score(score_of(
            "distances", method,
            [fd(10. * i, (9. * i, 11. * i))],
            {"extractor": "test judge", "N": len(layouts)}))


@pytest.fixture
def tiny_run(tmp_path) -> RunDirectory:
    return make_run(tmp_path / "run")


@pytest.fixture
def scored_run(tiny_run) -> RunDirectory:
    add_scores(tiny_run)
    return tiny_run


@pytest.fixture
def no_figures(monkeypatch):
    """Reports without figures, for tests of everything else: drawing takes ten times as long."""
    monkeypatch.setattr("reports.report.draw_figures", lambda *about: {})


@pytest.fixture(scope="session")
def read_only_run(tmp_path_factory) -> RunDirectory:
    """A scored run made once, for tests that change nothing in it."""
    run = make_run(tmp_path_factory.mktemp("read-only") / "run")
    add_scores(run)
    return run


@pytest.fixture(scope="session")
def camvid_folder() -> Path:
    folder = SHARED / "data" / "CamVid"
    if not folder.is_dir():
        pytest.skip(f"needs the CamVid photographs at {folder}")
    return folder


@pytest.fixture(scope="session")
def weights_folder() -> Path:
    folder = SHARED / "weights"
    if not folder.is_dir():
        pytest.skip(f"needs the ImageNet weights at {folder}")
    return folder


@pytest.fixture
def browser_page():
    """A page of Debian's Chromium through Playwright, closed after the test."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (the test extra)")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs the browser chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield browser.new_page(viewport={"width": 1280, "height": 900})
        browser.close()


@pytest.fixture(scope="session")
def small_batch():
    """A function (classes, size, seed) -> a random training Batch of two pairs."""
    import torch

    from models.layers import one_hot
    from models.objectives import Batch

    def make(classes: int = 5, size: tuple[int, int] = (32, 64), seed: int = 0) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        labels = torch.randint(0, classes, (2, *size), generator=generator, dtype=torch.uint8)
        photo = torch.rand(2, 3, *size, generator=generator) * 2 - 1
        return Batch(one_hot(labels, classes), photo, labels.long())

    return make


@pytest.fixture
def tiny_judge():
    """A judge with random weights for three classes: made in milliseconds, repeatable."""
    import torch
    from torch import nn

    class TinyJudge(nn.Module):
        def __init__(self):
            super().__init__()
            generator = torch.Generator().manual_seed(0)
            self.body, self.head = nn.Conv2d(3, 12, 5, 2, 2), nn.Conv2d(12, 3, 1)
            for weight in self.parameters():
                weight.data = torch.empty_like(weight).uniform_(-.4, .4, generator=generator)
            self.provenance = {"name": "random judge", "sha256": "ab" * 32, "input size": "as the images"}

        @torch.no_grad()
        def _maps(self, images):
            return self.body(images.float() / 127.5 - 1).relu()

        def predict(self, images):
            logits = self.head(self._maps(images))
            return nn.functional.interpolate(logits, images.shape[-2:]).argmax(1).to(torch.uint8)

        def features(self, images):
            return self._maps(images).mean(dim=(2, 3))

    return TinyJudge().eval()


@pytest.fixture
def engine_name():
    """Registers an extractor with torch-fidelity: the name for calculate_metrics(feature_extractor=...). The engine is
    given float64 features, so that its statistics are float64 too."""
    import torch_fidelity
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase

    def register(extractor):
        class Registered(FeatureExtractorBase):
            def __init__(self, name, features_list, **options):
                super().__init__(name, features_list)

            @staticmethod
            def get_provided_features_list():
                return "features", "logits"

            @staticmethod
            def get_default_feature_layer_for_metric(metric):
                return "logits" if metric == "isc" else "features"

            @staticmethod
            def can_be_compiled():
                return False

            def forward(self, images):
                found = extractor(images)
                return tuple(found[name].double() for name in self.features_list)

        name = f"{extractor.label}-{id(Registered)}"
        torch_fidelity.register_feature_extractor(name, Registered)
        return name
    return register
