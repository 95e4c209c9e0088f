"""Precision, recall, density, coverage: by hand, against loops over the definitions, and how far they scatter."""

import numpy as np
import pytest

from data.errors import InputError
from evaluation.metrics.manifolds import BOUNDS, SetDistances, statistics
from evaluation.statistics.intervals import HalfSampled, half_samples, half_scale, resample, resample_counts


def by_definition(x, y, k):
    """Naeem et al. 2020, Eqs. 1 to 4, one image at a time."""
    def reach(of):
        return [sorted(np.linalg.norm(of - z, axis=1))[k] for z in of]

    real, fake = reach(y), reach(x)
    gap = np.array([[np.linalg.norm(a - b) for b in y] for a in x])
    return {"precision": np.mean([any(gap[i, j] <= real[j] for j in range(len(y))) for i in range(len(x))]),
            "recall": np.mean([any(gap[i, j] <= fake[i] for i in range(len(x))) for j in range(len(y))]),
            "density": sum(gap[i, j] <= real[j] for i in range(len(x)) for j in range(len(y))) / (k * len(x)),
            "coverage": np.mean([any(gap[i, j] <= real[j] for i in range(len(x))) for j in range(len(y))])}


@pytest.mark.parametrize("k", [1, 3, 5])
def test_definitions(k):
    rng = np.random.default_rng(k)
    y = rng.normal(size=(40, 3))
    x = 0.8 * rng.normal(size=(40, 3)) + 0.4
    expected = by_definition(x, y, k)
    found = {name: s.value() for name, s in statistics(x, y, k, k).items()}
    assert found == pytest.approx(expected) and 0 < found["coverage"] < 1


def test_by_hand():
    real, fake = np.array([[0.0], [1.0], [2.0], [10.0]]), np.array([[0.5], [0.6], [50.0], [51.0]])
    found = SetDistances(fake, real, 1).inside(1, 1)  # real balls: 1, 1, 1 and 8 wide
    assert found["density"].tolist() == [2, 2, 0, 0] and found["coverage"].tolist() == [1, 1, 0, 0]


def test_a_set_covers_itself():
    x = np.random.default_rng(0).normal(size=(30, 4))
    found = {name: s.value() for name, s in statistics(x, x).items()}
    assert found["precision"] == found["recall"] == found["coverage"] == 1
    assert found["density"] > 1


def test_spread_is_that_of_independent_sets():
    """Manifolds held fixed, the standard errors are up to 40 % too small here; the halves make them again. Density, of
    which a few wide balls decide, stays a fifth short."""
    rng, values, errors = np.random.default_rng(1), [], []
    counts = resample_counts(80, 400)
    for _ in range(60):
        found = statistics(rng.normal(size=(80, 8)), rng.normal(size=(80, 8)))
        values.append([s.value() for s in found.values()])
        errors.append([s.replicates(counts).std() for s in found.values()])
    ratio = np.mean(errors, axis=0) / np.std(values, axis=0)
    assert (ratio > [0.85, 0.85, 0.7, 0.85]).all() and (ratio < 1.8).all()


def test_intervals_stay_within_what_the_number_can_be():
    rng = np.random.default_rng(2)
    y = rng.normal(size=(60, 6))
    found = statistics(0.98 * y + 0.02 * rng.normal(size=y.shape), y + 1e-3)
    counts = resample_counts(60, 300)
    for name, statistic in found.items():
        interval = resample(statistic, counts).interval
        assert interval is None or BOUNDS[name][0] <= interval[0] <= interval[1] <= BOUNDS[name][1]
    assert resample(found["precision"], counts).note.startswith("the same in every resample")


def test_too_few_images_for_halves_hold_the_manifolds_fixed():
    rng = np.random.default_rng(3)
    few = statistics(rng.normal(size=(10, 2)), rng.normal(size=(10, 2)))
    assert not any(isinstance(s, HalfSampled) for s in few.values())
    with pytest.raises(InputError, match="more than 5 images"):
        statistics(rng.normal(size=(5, 2)), rng.normal(size=(5, 2)))


def test_halves_are_whole_blocks():
    halves = half_samples(21, 50, block=4)
    assert len(halves) == 50 and all(len(half) in (9, 12) for half in halves)
    for half in halves:
        for start in half[half % 4 == 0]:
            assert set(range(start, min(start + 4, 21))) <= set(half.tolist())
    assert half_scale(100, half_samples(100, 3)) == pytest.approx(1)
