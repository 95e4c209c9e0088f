"""Intervals and tests: the bootstrap against theory and loops, Holm by hand."""

import subprocess
import sys

import numpy as np
import pytest

from data.errors import InputError
from evaluation.metrics.segmentation import mean_iou, sums
from evaluation.metrics.work import Context
from evaluation.scoring import score_run
from evaluation.statistics.intervals import (
    Statistic,
    holm,
    paired_difference,
    percentile_interval,
    resample_counts,
    two_sided_p,
)
from presets.schema import ScoreConfig, load_preset, preset_names


def test_resamples_are_whole_repeatable_and_uniform():
    counts = resample_counts(20, 500, 3)
    assert (counts.sum(axis=1) == 20).all() and counts.mean() == 1
    assert (counts == resample_counts(20, 500, 3)).all()
    assert (counts != resample_counts(20, 500, 4)).any()
    assert counts.mean(axis=0) == pytest.approx(np.ones(20), abs=0.2)
    with pytest.raises(ValueError):
        counts[0, 0] = 5  # shared by all scores


def test_blocks_are_neighbours_on_a_circle():
    counts = resample_counts(7, 400, block=3)
    starts = np.random.default_rng([0, 7, 400]).integers(0, 7, (400, 3))
    for row, (a, b, c) in zip(counts, starts, strict=True):
        drawn = [a, a + 1, a + 2, b, b + 1, b + 2, c]
        assert row.tolist() == np.bincount(np.mod(drawn, 7), minlength=7).tolist()
    assert (resample_counts(7, 400, block=1) == resample_counts(7, 400)).all()


def test_frames_of_a_film_need_blocks():
    """Ten frames that are equal say as much as one."""
    x = np.repeat(np.random.default_rng(0).normal(size=20), 10)
    alone, blocks = (Statistic.mean(x).replicates(resample_counts(200, 4000, block=block)).std() for block in (1, 10))
    expected = x.std() / np.sqrt(20)
    assert alone < 0.4 * expected and blocks == pytest.approx(expected, rel=0.25)


def test_block_of_a_run_stands_in_every_protocol_and_makes_scores_anew(tiny_run, tiny_judge):
    context = Context(tiny_judge, bootstrap=200)
    widths = []
    for block in (1, 3):
        context.options = ScoreConfig(block=block)
        score_run(tiny_run, context, ["similarity", "agreement"])
        scores = tiny_run.scores()
        drawn = "one by one" if block == 1 else "in circular blocks of 3 in the order of their names"
        assert scores and all(drawn in score.provenance["interval"] for score in scores)
        widths.append(tiny_run.scores("similarity")[0].values[0].interval)
    assert widths[0] != widths[1]
    context.options = ScoreConfig(block=7)
    with pytest.raises(InputError, match="score.block: blocks of 7 of 12 layouts give no intervals; choose 1 to 6"):
        score_run(tiny_run, context, ["similarity"])


def test_presets_of_films_draw_blocks():
    of_camvid = [name for name in preset_names() if name.startswith("camvid")]
    assert of_camvid and all(load_preset(name).score.block == 10 for name in of_camvid)
    assert load_preset("street").score.block == 1


def test_rooms_without_torch_can_use_intervals():
    code = "import sys, evaluation.statistics.intervals as i; assert i.holm([]) == [] and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_interval_of_a_mean_is_the_one_of_theory():
    x = np.random.default_rng(0).normal(3, 2, 400)
    low, high = percentile_interval(Statistic.mean(x).replicates(resample_counts(400, 4000)))
    half = 1.96 * x.std(ddof=1) / 20
    assert low == pytest.approx(x.mean() - half, abs=0.02) and high == pytest.approx(x.mean() + half, abs=0.02)


def test_matrix_product_equals_resampling_in_a_loop():
    rng = np.random.default_rng(1)
    confusion = rng.integers(0, 50, (15, 4, 3))
    statistic = Statistic(sums(confusion), mean_iou)
    counts = resample_counts(15, 20)
    for row, replicate in zip(counts, statistic.replicates(counts), strict=True):
        drawn = np.repeat(np.arange(15), row.astype(int))
        assert replicate == pytest.approx(mean_iou(sums(confusion[drawn]).mean(axis=0)))


def test_coverage_of_the_interval():
    rng = np.random.default_rng(2)
    counts = resample_counts(60, 400)
    covered = 0
    for _ in range(200):
        low, high = percentile_interval(Statistic.mean(rng.exponential(1, 60)).replicates(counts))
        covered += low <= 1 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_pairing_removes_what_all_methods_share():
    rng = np.random.default_rng(3)
    hard = rng.normal(0, 10, 300)
    a, b = hard + 1 + rng.normal(0, 1, 300), hard + rng.normal(0, 1, 300)
    counts = resample_counts(300, 2000)
    difference = paired_difference(Statistic.mean(a), Statistic.mean(b), counts)
    assert difference.interval[0] > 0.7 and difference.interval[1] < 1.3
    assert difference.p == pytest.approx(2 / 2001)
    unpaired = percentile_interval(Statistic.mean(a).replicates(counts))
    assert unpaired[1] - unpaired[0] > 5 * (difference.interval[1] - difference.interval[0])


def test_equal_methods_do_not_differ():
    same = Statistic.mean(np.arange(10.0))
    difference = paired_difference(same, same, resample_counts(10, 200))
    assert difference.value == 0 and difference.p == 1 and difference.interval is None
    assert difference.note.startswith("the same in every resample")


def test_p_values_are_uniform_without_a_difference():
    rng = np.random.default_rng(4)
    counts = resample_counts(80, 300)
    p = [paired_difference(Statistic.mean(rng.normal(size=80)), Statistic.mean(rng.normal(size=80)), counts).p
         for _ in range(200)]
    assert 0.02 <= np.mean(np.array(p) < 0.1) <= 0.19


def test_p_value_by_hand():
    assert two_sided_p(np.array([1.0, 2, 3, -1])) == pytest.approx(2 * 2 / 5)
    assert two_sided_p(np.array([-1.0, -2])) == pytest.approx(2 / 3)
    assert two_sided_p(np.array([np.nan, 1.0])) == 1


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.01, 0.4, 0.012]) == pytest.approx([0.8, 0.04, 0.8, 0.04]) and holm([]) == []


def test_undefined_replicates_give_no_interval():
    assert percentile_interval(np.array([1.0, np.nan, np.nan])) is None
    assert percentile_interval(np.array([1.0, 1.0, np.nan])) == (1, 1)
