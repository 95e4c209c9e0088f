"""A metric from outside: one class, registered in the one table, is scored, compared, in the report and in the app."""

from dataclasses import dataclass

import numpy as np
import pytest

from evaluation.metrics.base import Metric, ScoreKind
from evaluation.metrics.work import Context
from evaluation.run_directory import Quantity
from evaluation.scoring import METRICS, score_run
from evaluation.statistics.intervals import Statistic
from presets.schema import ScoreConfig
from reports.report import write_report
from tests.reports.app.conftest import app  # noqa: F401


@dataclass(frozen=True)
class MeanOfPixels:
    name: str = "brightness"
    key: str = "mean of pixels"

    def __call__(self, batch):
        return {"mean": batch.images[:, 0].float().mean(dim=(1, 2, 3)).numpy()}


class Brightness(Metric):
    name, title = "brightness", "Brightness of the images"
    scores = {"brightness": ScoreKind("mean brightness", unit="levels")}

    def consumers(self, work):
        return [MeanOfPixels()]

    def statistics(self, work, method):
        return {Quantity("brightness"): Statistic.of_images(work.measurements.get(method, MeanOfPixels())["mean"])}


@pytest.fixture
def run(tiny_run, monkeypatch):
    monkeypatch.setitem(METRICS, "brightness", Brightness())
    chosen = ScoreConfig(metrics=["brightness", "differences"])
    score_run(tiny_run, Context(bootstrap=200, options=chosen))
    return tiny_run


def test_it_is_scored_with_intervals_and_compared(run):
    scores = {score.method: score for score in run.scores("brightness")}
    assert set(scores) == {"crn", "crn_diversity", "pix2pix", "image_space"}
    value = scores["crn"].value("brightness")
    assert value.interval[0] < value.value < value.interval[1] and value.unit == "levels"
    assert value.value == pytest.approx(np.mean(scores["crn"].per_image["brightness"]))
    difference = next(s for s in run.scores("differences") if s.method == "pix2pix").value("brightness minus crn")
    assert difference.value == pytest.approx(scores["pix2pix"].value("brightness").value - value.value)


def test_it_is_in_the_report_and_in_the_app(run, app, no_figures):  # noqa: F811
    write_report(run)
    page = (run.report / "index.html").read_text()
    assert "Brightness of the images" in page and "Mean brightness" in page
    assert "brightness/brightness low" in (run.report / "tables" / "scores.csv").read_text()
    assert "Mean brightness (levels) ↑" in app(run, page="Leaderboard").frame("Mean brightness (levels) ↑").columns
