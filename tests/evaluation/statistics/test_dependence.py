"""Frames of a film: how many independent layouts they are worth, and what follows."""

import numpy as np
import pytest

from evaluation.metrics.work import Context
from evaluation.scoring import score_run
from evaluation.statistics.dependence import effective_number
from evaluation.statistics.intervals import Statistic, paired_difference, resample, resample_counts
from presets.schema import ScoreConfig


def series(rng, n, memory):
    noise, x = rng.normal(size=n), np.empty(n)
    x[0] = noise[0]
    for i in range(1, n):
        x[i] = memory * x[i - 1] + np.sqrt(1 - memory**2) * noise[i]
    return x


@pytest.mark.parametrize("memory", [0.5, 0.8, 0.95])
def test_number_of_independent_pieces(memory):
    rng = np.random.default_rng(0)
    found = np.median([effective_number(series(rng, 1000, memory), film=True) for _ in range(40)])
    assert found == pytest.approx(1000 * (1 - memory) / (1 + memory), rel=0.25)


def test_independent_layouts_count_each_unless_they_are_frames():
    rng = np.random.default_rng(1)
    assert all(effective_number(rng.normal(size=200), film=False) == 200 for _ in range(200))
    assert np.mean([effective_number(rng.normal(size=200), film=True) for _ in range(50)]) > 170
    assert effective_number(series(rng, 200, 0.7), film=False) < 100
    assert effective_number(np.ones(50), film=True) == 50
    assert effective_number(np.full(50, np.nan), film=True) == 50


def test_a_slow_drift_under_noise_is_seen():
    """The lag-1 correlation alone would count 70 pieces."""
    rng = np.random.default_rng(2)
    found = [effective_number(series(rng, 101, 0.97) + 0.6 * rng.normal(size=101), film=True) for _ in range(40)]
    assert np.median(found) < 12


def test_intervals_are_widened_and_hold_the_mean():
    rng, counts = np.random.default_rng(3), resample_counts(400, 300, block=10)
    covered, plain = [], []
    for _ in range(150):
        statistic = Statistic.mean(series(rng, 400, 0.9))
        low, high = resample(statistic, counts, block=10).interval or (-np.inf, np.inf)
        covered.append(low <= 0 <= high)
        low, high = np.quantile(statistic.replicates(counts), [0.025, 0.975])
        plain.append(low <= 0 <= high)
    assert np.mean(plain) < 0.85 < 0.9 < np.mean(covered)


def test_no_p_value_below_thirty_pieces_and_no_interval_below_five():
    rng, counts = np.random.default_rng(4), resample_counts(101, 300, block=10)
    a, b = (Statistic.mean(series(rng, 101, 0.8)) for _ in range(2))
    found = paired_difference(a, b, counts, block=10)
    assert found.p is None and found.interval and "no p-value for fewer than 30" in found.note
    slow = resample(Statistic.mean(np.linspace(0, 1, 101) + 0.01 * rng.normal(size=101)), counts, block=10)
    assert slow.interval is None and "too few for an interval" in slow.note
    many = paired_difference(*(Statistic.mean(rng.normal(size=101)) for _ in range(2)), resample_counts(101, 300))
    assert many.p is not None and many.note == ""


def test_a_run_gives_the_reason(tiny_run, tiny_judge, monkeypatch):
    """Every frame of this film is worth a twentieth of a layout."""
    monkeypatch.setattr("evaluation.statistics.dependence.correlation_time", lambda values: 2.0)
    context = Context(tiny_judge, bootstrap=200, options=ScoreConfig(block=2))
    score_run(tiny_run, context, ["similarity", "differences", "agreement"])
    psnr = tiny_run.scores("similarity")[0].value("PSNR")
    assert psnr.interval and "worth about 6 independent ones; interval widened" in psnr.note
    differences = tiny_run.scores("differences")[0]
    assert differences.details["tests"]["PSNR minus crn"] == {"p": None, "p (Holm)": None}
    assert "no p-value for fewer than 30" in differences.values[0].note
    assert "none below 5, no p-value below 30" in differences.provenance["independent layouts"]
