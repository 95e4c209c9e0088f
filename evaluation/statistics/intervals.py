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

from evaluation.statistics.dependence import LEAST_FOR_TEST, Dependence, dependence

LEVEL = 0.95
UNDEFINED = "not defined in most resamples"  # why a number has no interval
UNCHANGED = "the same in every resample; how other layouts would score is unknown"


def first(means: np.ndarray) -> np.ndarray:
    """The formula of a plain mean: [..., 1] -> [...]."""
    return means[..., 0]


def ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """top / bottom, NaN where bottom is 0."""
    return np.divide(top, bottom, out=np.full(np.broadcast(top, bottom).shape, np.nan), where=bottom > 0)


def ratio_of_sums(sums: np.ndarray) -> np.ndarray:
    """The formula of a mean over things of which a layout has several: (their sum, their number), [..., 2] -> [...]."""
    return ratio(sums[..., 0], sums[..., 1])


@dataclass(frozen=True)
class Statistic:
    """A number that is a function of per-image means.

    per_image: float64 [N, S] in layout order. formula: means [..., S] -> values [...]. each: the score of each image by
    itself, [N], where an image has one; what an image adds to a distance between sets is none. bounds: of the number.
    """

    per_image: np.ndarray = field(repr=False)
    formula: Callable[[np.ndarray], np.ndarray] = first
    each: np.ndarray | None = field(default=None, repr=False)
    bounds: tuple[float, float] = (-np.inf, np.inf)

    @classmethod
    def mean(cls, values: np.ndarray) -> "Statistic":
        """The mean of one number per image, [N]."""
        return cls(np.asarray(values, np.float64).reshape(-1, 1))

    @classmethod
    def of_images(cls, values: np.ndarray) -> "Statistic":
        """The mean of a score that each image has by itself, [N]."""
        return replace(cls.mean(values), each=np.asarray(values, np.float64))

    def value(self) -> float:
        return float(self.formula(self.per_image.mean(axis=0)))

    def forms(self, counts: np.ndarray) -> list[np.ndarray]:
        """Values [R] of the resamples of `resample_counts`, in every form that this number has; the widest counts."""
        return [self.formula(counts @ self.per_image / len(self.per_image))]

    def replicates(self, counts: np.ndarray) -> np.ndarray:
        """Values [R] of the resamples of `resample_counts`."""
        return widest(self.forms(counts))

    def influence(self) -> np.ndarray:
        """What each layout adds, [N]: jackknife pseudo-values, whose mean is the number up to its bias."""
        n, total = len(self.per_image), self.per_image.sum(axis=0)
        if n < 2:
            return np.full(n, self.value())
        return n * self.value() - (n - 1) * self.formula((total - self.per_image) / (n - 1))


@dataclass(frozen=True)
class HalfSampled(Statistic):
    """A mean over images of what the other images decide too, such as whether one lies inside a manifold.

    deviations [H]: of the number in random halves of the layouts from its mean over the halves, scaled by
    `half_scale`: the delete-half jackknife (Shao & Wu 1989), errs on the wide side. Resampling `per_image` alone would
    hold the others fixed. Of the two the wider counts.
    """

    deviations: np.ndarray = field(default=None, repr=False)

    def forms(self, counts: np.ndarray) -> list[np.ndarray]:
        normal = _normals(len(counts), len(self.deviations))
        return [*super().forms(counts), self.value() + normal @ self.deviations / np.sqrt(len(self.deviations))]

    def influence(self) -> np.ndarray:
        return self.per_image[:, 0]


def widest(forms: Sequence[np.ndarray]) -> np.ndarray:
    """The replicates that scatter most."""
    return forms[0] if len(forms) == 1 else max(forms, key=lambda replicates: np.nan_to_num(np.nanvar(replicates)))


@lru_cache(maxsize=4)
def _normals(resamples: int, halves: int) -> np.ndarray:
    """Standard normal weights [R, H], the same for all methods."""
    return np.random.default_rng([resamples, halves]).normal(size=(resamples, halves))


def half_samples(n: int, halves: int, block: int = 1) -> list[np.ndarray]:
    """Indices of random halves of n layouts without replacement, in runs of `block` neighbours; the same every time."""
    rng = np.random.default_rng([n, halves, block])
    blocks = -(-n // block)
    chosen = (rng.permutation(blocks)[: blocks // 2] for _ in range(halves))
    return [np.flatnonzero(np.isin(np.arange(n) // block, half)) for half in chosen]


def half_scale(n: int, halves: Sequence[np.ndarray]) -> float:
    """From the scatter over halves to that over samples of n."""
    kept = np.mean([len(half) for half in halves]) / n
    return float(np.sqrt(kept / (1 - kept)))


@lru_cache(maxsize=4)
def resample_counts(n: int, resamples: int, seed: int = 0, block: int = 1) -> np.ndarray:
    """How often each of n images is drawn in each resample: float64 [resamples, n], rows sum to n. Read-only.

    block: images drawn together, a run of neighbours on the circle of all n (Politis & Romano 1992): the frames of one
    film are nearly equal, and drawn one by one they would pass for that many independent ones.
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
class Resampled:
    """A number's replicates [R], widened where neighbours depend on one another (see `dependence`)."""

    replicates: np.ndarray = field(repr=False)
    dependence: Dependence
    bounds: tuple[float, float] = (-np.inf, np.inf)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Percentile interval; None where `note` gives the reason."""
        found = percentile_interval(self.replicates) if self.dependence.interval_possible else None
        if found is None or found[0] == found[1]:
            return None
        low, high = np.clip(found, *self.bounds)
        return float(low), float(high)

    @property
    def note(self) -> str:
        if not self.dependence.interval_possible:
            return self.dependence.note
        found = percentile_interval(self.replicates)
        if found is None:
            return UNDEFINED
        return UNCHANGED if found[0] == found[1] else self.dependence.note

    @property
    def independent_layouts(self) -> float | None:
        """How many the layouts are worth; None where they do not depend on their neighbours."""
        return self.dependence.pieces if self.dependence.found else None

    @property
    def p(self) -> float | None:
        """Two-sided, that the number is 0; None for too few independent layouts."""
        return two_sided_p(self.replicates) if self.dependence.test_possible else None


def resampled(value: float, forms: Sequence[np.ndarray], influence: np.ndarray, block: int = 1,
              bounds: tuple[float, float] = (-np.inf, np.inf)) -> Resampled:
    """The widest of the forms [R], widened about `value` by the dependence of the layouts in `influence` [N].

    block: more than 1 where neighbouring layouts are frames of a film.
    """
    replicates = widest(forms)
    found = dependence(influence, replicates, block > 1)
    if found.widening > 1:
        replicates = value + (replicates - value) * found.widening
    return Resampled(replicates, found, bounds)


def resample(statistic: Statistic, counts: np.ndarray, block: int = 1) -> Resampled:
    return resampled(statistic.value(), statistic.forms(counts), statistic.influence(), block, statistic.bounds)


def resample_together(statistics: Sequence[Statistic], counts: np.ndarray,
                      block: int = 1) -> tuple[np.ndarray, Dependence]:
    """Replicates [R, M] of M numbers in the same resamples, and the dependence of the one for which the layouts are
    worth the fewest."""
    found = [resample(statistic, counts, block) for statistic in statistics]
    return (np.stack([one.replicates for one in found], axis=-1),
            min((one.dependence for one in found), key=lambda dependence: dependence.pieces))


@dataclass(frozen=True)
class Difference:
    """value(a) - value(b) on the same layouts, with a percentile interval and a two-sided bootstrap p-value; either is
    None where the note gives the reason."""

    value: float
    interval: tuple[float, float] | None
    p: float | None
    note: str = ""
    independent_layouts: float | None = None  # where the layouts depend on their neighbours


def paired_difference(a: Statistic, b: Statistic, counts: np.ndarray, block: int = 1) -> Difference:
    """Paired bootstrap of a - b. p is at least 2/(R+1), the smallest that R resamples can show."""
    forms = [x - y for x, y in zip(a.forms(counts), b.forms(counts), strict=True)]
    value = a.value() - b.value()
    found = resampled(value, forms, a.influence() - b.influence(), block)
    note = found.note
    if found.p is None:
        note += f"; no p-value for fewer than {LEAST_FOR_TEST}"
    return Difference(value, found.interval, found.p, note, found.independent_layouts)


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
