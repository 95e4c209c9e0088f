"""What trainings with several seeds tell of the methods: spread, prediction, order, and how scores separate them.

One number for each training; nothing here is about the layouts of one training (see intervals).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats
from statsmodels.stats.libqsturng import qsturng  # as scipy's, to four digits, 500 times as fast

from evaluation.statistics.intervals import LEVEL

LEAST = 3  # trainings of each method, below which nothing is settled: two give no usable estimate of a spread
LEADER = 0.04  # level of each test of a leader, for at most 5 % wrong ones


@dataclass(frozen=True)
class OverSeeds:
    """One number over n trainings. spread: standard deviation (n-1). interval: t interval of the mean. prediction:
    where one more training falls, mean +- t s sqrt(1 + 1/n)."""

    mean: float
    spread: float
    interval: tuple[float, float]
    prediction: tuple[float, float]
    n: int

    def p_of(self, value: float) -> float:
        """Two-sided p that one more training lies as far from the mean as `value`, of the same t distribution."""
        distance = abs(value - self.mean)
        scale = self.spread * np.sqrt(1 + 1 / self.n)
        return float(2 * stats.t.sf(distance / scale, self.n - 1)) if scale > 0 else float(distance == 0)


def over_seeds(values: Sequence[float]) -> OverSeeds:
    """Raises ValueError for fewer than two values: one training has no spread."""
    x = np.asarray(values, np.float64)
    if len(x) < 2:
        raise ValueError("at least two training seeds are needed for a spread")
    mean, spread = float(x.mean()), float(x.std(ddof=1))
    t = float(stats.t.ppf((1 + LEVEL) / 2, len(x) - 1)) * spread
    of_mean, of_one = t / np.sqrt(len(x)), t * np.sqrt(1 + 1 / len(x))
    return OverSeeds(mean, spread, (float(mean - of_mean), float(mean + of_mean)),
                     (float(mean - of_one), float(mean + of_one)), len(x))


@dataclass(frozen=True)
class Resolution:
    """How well a score separates methods from trainings, of M methods with k seeds each.

    ratio: standard deviation over methods, free of what the seeds alone would give, divided by that over the seeds of
    one method (pooled): at 1 two methods differ as much as two trainings of one. interval: 95 %, exact for normal
    numbers of equal spread. p: of the F test that the methods do not differ at all.
    """

    ratio: float
    interval: tuple[float, float]
    p: float
    methods: int
    seeds: int


def resolution(values: np.ndarray) -> Resolution | None:
    """Of one score [M, k]; None for fewer than two methods or seeds, or where the seeds do not differ.

    With F = k B / W (B: variance of the M means, W: pooled variance over seeds), F divided by its expectation's factor
    1 + k ratio^2 is F distributed, which gives ratio = sqrt(max(0, (F / F_q - 1) / k)); the estimate has F_q = 1.
    """
    m, k = values.shape
    if m < 2 or k < 2 or not (within := values.var(axis=1, ddof=1).mean()) > 0:
        return None
    f, degrees = k * values.mean(axis=1).var(ddof=1) / within, (m - 1, m * (k - 1))
    ratio, low, high = (float(np.sqrt(max(0.0, (f / quantile - 1) / k)))
                        for quantile in (1.0, *stats.f.ppf([(1 + LEVEL) / 2, (1 - LEVEL) / 2], *degrees)))
    return Resolution(ratio, (low, high), float(stats.f.sf(f, *degrees)), m, k)


def settled_pairs(values: Mapping[str, Sequence[float]], higher_is_better: bool) -> set[tuple[str, str]]:
    """(better, worse): pairs of methods whose order holds for the methods, with 95 % confidence in all pairs together.

    Games and Howell's test: Tukey's studentised range with each pair's own spreads and Welch's degrees of freedom,
    since methods' spreads over seeds differ by far. Methods with fewer than LEAST trainings are in no pair.
    """
    enough = {method: x for method, x in values.items() if len(x) >= LEAST}
    found = set()
    for a, b in combinations(enough, 2):
        t, degrees = _welch(enough[a], enough[b], higher_is_better)
        if abs(t) * np.sqrt(2) > qsturng(LEVEL, len(enough), degrees):
            found.add((a, b) if t > 0 else (b, a))
    return found


def settled_leader(values: Mapping[str, Sequence[float]], higher_is_better: bool) -> str | None:
    """The method that is better than every other, wrong in at most 5 % of cases; None if that is not settled.

    Welch's test against each of the others, without a correction for their number: all of them must reject, and the
    worst case is a tie of two methods with the others far behind. LEADER makes up for what Welch's approximation lacks
    with three trainings of unequal spreads (benchmarks.coverage).
    """
    if len(values) < 2 or min(map(len, values.values())) < LEAST:
        return None
    best = (max if higher_is_better else min)(values, key=lambda method: np.mean(values[method]))
    tests = [_welch(values[best], x, higher_is_better) for method, x in values.items() if method != best]
    return best if all(2 * stats.t.sf(t, degrees) < LEADER for t, degrees in tests) else None


def settled_ranks(values: Mapping[str, Sequence[float]], higher_is_better: bool) -> dict[str, tuple[int, int]]:
    """Method -> best and worst rank that the settled pairs leave it."""
    pairs = settled_pairs(values, higher_is_better)
    return {method: (1 + sum((other, method) in pairs for other in values),
                     len(values) - sum((method, other) in pairs for other in values)) for method in values}


def _welch(a: Sequence[float], b: Sequence[float], higher_is_better: bool) -> tuple[float, float]:
    """Welch's t of two methods, positive where the first is better, and its degrees of freedom."""
    gap = (np.mean(a) - np.mean(b)) * (1 if higher_is_better else -1)
    variances, freedom = [np.var(x, ddof=1) / len(x) for x in (a, b)], [len(a) - 1, len(b) - 1]
    if not (both := sum(variances)) > 0:
        return float(np.sign(gap) * np.inf if gap else 0.0), sum(freedom)
    return float(gap / np.sqrt(both)), both**2 / sum(v**2 / n for v, n in zip(variances, freedom, strict=True))
