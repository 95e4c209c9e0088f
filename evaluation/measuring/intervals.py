"""Intervals and tests: the bootstrap over images, paired between methods, for every number of the suite.

One resample draws N of the N layouts with replacement, one by one or in blocks of neighbours. All methods share the
resamples of a run, so differences are paired: what is hard about a layout is hard for every method. A statistic is
kept as one row of sums per image and a formula of their mean, which makes 10,000 resamples one matrix product.
Imports no torch, so that any room can use it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from scipy import stats

LEVEL = 0.95
UNDEFINED = "not defined in most resamples"  # why a number has no interval


def first(means: np.ndarray) -> np.ndarray:
    """The formula of a plain mean: [..., 1] -> [...]."""
    return means[..., 0]


@dataclass(frozen=True)
class Statistic:
    """A number that is a function of per-image means.

    per_image: float64 [N, S] in layout order. formula: means [..., S] -> values [...]. each: the score of each image by
    itself, [N], where an image has one; what an image adds to a distance between sets is none.
    """

    per_image: np.ndarray = field(repr=False)
    formula: Callable[[np.ndarray], np.ndarray] = first
    higher_is_better: bool | None = True
    each: np.ndarray | None = field(default=None, repr=False)

    @classmethod
    def mean(cls, values: np.ndarray, higher_is_better: bool | None = True) -> "Statistic":
        """The mean of one number per image, [N]."""
        return cls(np.asarray(values, np.float64).reshape(-1, 1), higher_is_better=higher_is_better)

    @classmethod
    def of_images(cls, values: np.ndarray, higher_is_better: bool | None = True) -> "Statistic":
        """The mean of a score that each image has by itself, [N]."""
        return replace(cls.mean(values, higher_is_better), each=np.asarray(values, np.float64))

    def value(self) -> float:
        return float(self.formula(self.per_image.mean(axis=0)))

    def replicates(self, counts: np.ndarray) -> np.ndarray:
        """Values [R] of the resamples of `resample_counts`."""
        return self.formula(counts @ self.per_image / len(self.per_image))


@lru_cache(maxsize=4)
def resample_counts(n: int, resamples: int, seed: int = 0, block: int = 1) -> np.ndarray:
    """How often each of n images is drawn in each resample: float64 [resamples, n], rows sum to n. Read-only.

    block: images drawn together, a run of neighbours on the circle of all n (Politis & Romano 1992): the frames of one
    film say nearly the same, and drawn one by one they would pass for that many independent ones.
    """
    rng = np.random.default_rng([seed, n, resamples])
    starts = rng.integers(0, n, (resamples, -(-n // block), 1))
    drawn = ((starts + np.arange(block)) % n).reshape(resamples, -1)[:, :n] + np.arange(resamples)[:, None] * n
    counts = np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float64)
    counts.setflags(write=False)
    return counts


def percentile_interval(replicates: np.ndarray, level: float = LEVEL) -> tuple[float, float] | None:
    """Percentile interval of replicates [R]; None when fewer than half of them are defined."""
    defined = replicates[np.isfinite(replicates)]
    if len(defined) < len(replicates) / 2:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Difference:
    """value(a) - value(b) on the same layouts, with a percentile interval and a two-sided bootstrap p-value."""

    value: float
    interval: tuple[float, float] | None
    p: float


def paired_difference(a: Statistic, b: Statistic, counts: np.ndarray) -> Difference:
    """Paired bootstrap of a - b. p is at least 2/(R+1), the smallest that R resamples can show."""
    replicates = a.replicates(counts) - b.replicates(counts)
    return Difference(a.value() - b.value(), percentile_interval(replicates), two_sided_p(replicates))


def two_sided_p(replicates: np.ndarray) -> float:
    """Twice the share of replicates on the rarer side of 0 (0 counts on both), +1 as in Davison & Hinkley 1997."""
    defined = replicates[np.isfinite(replicates)]
    rarer = min((defined <= 0).sum(), (defined >= 0).sum())
    return float(min(1.0, 2 * (1 + rarer) / (1 + len(defined))))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p)))))
    return adjusted.tolist()


@dataclass(frozen=True)
class OverSeeds:
    """One number over several training seeds: mean, standard deviation (n-1), and the t interval of the mean."""

    mean: float
    spread: float
    interval: tuple[float, float]
    n: int


def over_seeds(values: Sequence[float]) -> OverSeeds:
    """Raises ValueError for fewer than two values: one training run says nothing about the next."""
    x = np.asarray(values, np.float64)
    if len(x) < 2:
        raise ValueError("at least two training seeds are needed for a spread")
    spread = float(x.std(ddof=1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(x) - 1)) * spread / np.sqrt(len(x))
    return OverSeeds(float(x.mean()), spread, (float(x.mean() - half), float(x.mean() + half)), len(x))
