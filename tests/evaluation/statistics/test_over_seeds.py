"""Statistics over training seeds: by hand, against scipy and statsmodels, and what chance gives."""

import numpy as np
import pytest
from scipy.stats import f_oneway

from evaluation.statistics.over_seeds import over_seeds, resolution, settled_leader, settled_pairs, settled_ranks
from reports.reference import load_reference
from reports.tables.seeds import seeds_of


def test_over_seeds_by_hand():
    found = over_seeds([1.0, 2.0, 3.0])
    assert (found.mean, found.spread, found.n) == (2, 1, 3)
    assert found.interval[1] == pytest.approx(2 + 4.302653 / np.sqrt(3), rel=1e-6)
    assert found.prediction[0] == pytest.approx(2 - 4.302653 * np.sqrt(4 / 3), rel=1e-6)
    assert found.p_of(found.prediction[1]) == pytest.approx(0.05) and found.p_of(2) == 1
    with pytest.raises(ValueError, match="at least two"):
        over_seeds([1.0])


def test_prediction_holds_one_more_training():
    rng = np.random.default_rng(0)
    trainings = rng.normal(size=(2000, 4))
    predictions = np.array([over_seeds(one[:3]).prediction for one in trainings])
    held = (predictions[:, 0] <= trainings[:, 3]) & (trainings[:, 3] <= predictions[:, 1])
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)


def test_resolution_by_hand():
    values = np.array([[1.0, 2.0, 3.0], [11.0, 12.0, 13.0]])
    found = resolution(values)
    assert found.ratio == pytest.approx(np.sqrt(50 - 1 / 3)) and (found.methods, found.seeds) == (2, 3)
    assert found.p == pytest.approx(f_oneway(*values).pvalue)
    assert resolution(np.ones((3, 3))) is None and resolution(np.ones((1, 3))) is None


def test_interval_of_the_resolution_holds_it():
    rng = np.random.default_rng(0)
    held = []
    for ratio in (0.0, 1.0, 4.0):
        effects = ratio * rng.normal(size=(500, 8, 1))
        for one in effects + rng.normal(size=(500, 8, 3)):
            low, high = resolution(one).interval
            held.append(low <= ratio <= high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


def test_resolution_of_the_reference():
    """Three seeds of street at 2,400 images."""
    reference = load_reference("street")
    first = [training for training in reference.same_budget if training.seed < 3]
    found = seeds_of(type(reference.trainings)(first), reference.methods).resolution
    assert (round(found["segmentation", "mIoU"].ratio, 1), round(found["distances", "FD-judge"].ratio, 1)) == (2.9, 1.0)
    assert found["segmentation", "mIoU"].interval == pytest.approx((1.6, 6.3), abs=0.05)
    assert found["distances", "FD-judge"].interval == pytest.approx((0.3, 2.4), abs=0.05)


def test_an_order_far_beyond_the_seeds_is_settled():
    values = {"a": [0.9, 0.91, 0.92], "b": [0.5, 0.51, 0.52], "c": [0.1, 0.11, 0.12]}
    assert settled_pairs(values, True) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert settled_leader(values, True) == "a" and settled_leader(values, False) == "c"
    assert settled_ranks(values, True) == {"a": (1, 1), "b": (2, 2), "c": (3, 3)}


def test_two_trainings_or_a_spread_as_wide_as_the_gap_settle_nothing():
    assert settled_leader({"a": [0.9, 0.91], "b": [0.1, 0.11]}, True) is None
    wide = {"a": [0.9, 0.5, 0.7], "b": [0.6, 0.61, 0.62], "c": [0.1, 0.11, 0.12]}
    assert settled_leader(wide, True) is None
    assert settled_ranks(wide, True) == {"a": (1, 3), "b": (1, 2), "c": (2, 3)}


def test_a_leader_is_rarely_settled_by_chance():
    """Two best methods of equal worth, one of which varies four times as much."""
    rng = np.random.default_rng(0)
    scale, level = np.array([[4.0], [1.0], [1.0], [1.0]]), np.array([[0.0], [0.0], [-9.0], [-9.0]])
    named = [settled_leader(dict(enumerate(one)), True) is not None
             for one in level + scale * rng.normal(size=(300, 4, 3))]
    assert np.mean(named) < 0.06
