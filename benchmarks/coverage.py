"""Do the suite's intervals contain the truth in 95 % of cases, and are 5 % of its p-values false alarms?

    python -m benchmarks.coverage [--repetitions 400] [--out FILE.json]

Each row draws many data sets from a known distribution and treats them with the code that scores a run. "covered" is
the share of 95 % intervals that contain the true number (for a number that is biased at this N, the mean of all
repetitions: the interval is about sampling, not bias). "false positives" is the share of p-values up to 0.05 between
two methods of one distribution, or of repetitions that settle on a wrong leader. A share of 95 % over 400 repetitions
is known to 1.1 points. Takes some minutes of one core.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.runner import Result, run
from evaluation.metrics import manifolds
from evaluation.metrics.agreement import agreement
from evaluation.metrics.distance_formulas import cmmd_terms, frechet_terms, kernel_terms, own_left_out
from evaluation.metrics.segmentation import pixel_accuracy
from evaluation.statistics.intervals import Statistic, paired_difference, resample, resample_counts
from evaluation.statistics.over_seeds import over_seeds, resolution, settled_leader

RESAMPLES = 500
SIGNIFICANT = 0.05
Statistics = dict[str, Statistic]


@dataclass
class Repetitions:
    """Results of many repetitions for one number. truth: None for the mean of all values."""

    number: str
    case: str
    truth: float | None = None
    values: list[float] = field(default_factory=list)
    intervals: list[tuple[float, float] | None] = field(default_factory=list)
    ps: list[float | None] = field(default_factory=list)

    def summary(self) -> Result:
        """Shares in 0..1, None without any."""
        truth = float(np.mean(self.values)) if self.truth is None and self.values else self.truth
        given = [interval for interval in self.intervals if interval is not None]
        ps = [p for p in self.ps if p is not None]
        return {"number": self.number, "case": self.case, "repetitions": max(len(self.intervals), len(self.ps)),
                "covered": _mean([low <= truth <= high for low, high in given]),
                "without interval": _mean([interval is None for interval in self.intervals]),
                "false positives": _mean([p <= SIGNIFICANT for p in ps]),
                "without p": _mean([p is None for p in self.ps])}


def _mean(flags: list[bool]) -> float | None:
    return float(np.mean(flags)) if flags else None


Simulation = Callable[[np.random.Generator, int], Iterator[Repetitions]]


def of_methods(case: str, draw: Callable[[], tuple[Statistics, Statistics]], repetitions: int, truths: dict[str, float],
               block: int = 1) -> Iterator[Repetitions]:
    """Rows of every number of two methods of one distribution: the first one's interval, the p-value of the two."""
    rows: dict[str, Repetitions] = {}
    for repetition in range(repetitions):
        a, b = draw()
        for name in a:
            row = rows.setdefault(name, Repetitions(name, case, truths.get(name)))
            counts = resample_counts(len(a[name].per_image), RESAMPLES, repetition, block)
            row.values.append(a[name].value())
            row.intervals.append(resample(a[name], counts, block).interval)
            row.ps.append(paired_difference(a[name], b[name], counts, block).p)
    yield from rows.values()


def of_features(x: np.ndarray, y: np.ndarray) -> Statistics:
    """The distances of one method, as the metric makes them."""
    found = {"FD": Statistic.mean(frechet_terms(x, y).per_image),
             "KD": Statistic.mean(kernel_terms(x, y).per_image),
             "KD, own photograph left out": Statistic.mean(own_left_out(x, y).per_image),
             "CMMD": Statistic.mean(cmmd_terms(x, y).per_image)}
    return found | manifolds.statistics(x, y)


def _method(rng: np.random.Generator, photos: np.ndarray, follow: float, scale: float) -> np.ndarray:
    """Features that correlate with the photographs by `follow` and have the photographs' distribution for scale 1."""
    return scale * (follow * photos + np.sqrt(1 - follow**2) * rng.normal(size=photos.shape))


def distances(n: int, dimensions: int, scale: float, follow: tuple[float, float]) -> Simulation:
    """follow: how closely each of the two methods follows its photographs."""
    def simulate(rng: np.random.Generator, repetitions: int) -> Iterator[Repetitions]:
        def draw() -> tuple[Statistics, Statistics]:
            y = rng.normal(size=(n, dimensions))
            a, b = (of_features(_method(rng, y, r, scale), y) for r in follow)
            return a, b

        case = f"N {n}, D {dimensions}, spread {scale}, r {follow[0]} and {follow[1]}"
        truths = {"KD, own photograph left out": 0.0} if scale == 1 else {}
        yield from of_methods(case, draw, repetitions, truths)
    return simulate


def means(rng: np.random.Generator, repetitions: int) -> Iterator[Repetitions]:
    """A mean over images, and a ratio of sums (pixel accuracy with few labelled pixels in some images)."""
    n, share = 100, 0.7

    def draw_one(difficulty: np.ndarray) -> Statistics:
        labelled = rng.integers(10, 1000, n).astype(float)
        right = rng.binomial(labelled.astype(int), difficulty).astype(float)
        wrong = labelled - right
        sums = np.stack([right, np.zeros(n), right, wrong, labelled - wrong, wrong, np.zeros(n), np.zeros(n)], axis=-1)
        return {"mean of images": Statistic.mean(right / labelled), "pixel accuracy": Statistic(sums, pixel_accuracy)}

    def draw() -> tuple[Statistics, Statistics]:
        difficulty = rng.beta(7, 3, n)
        return draw_one(difficulty), draw_one(difficulty)

    yield from of_methods(f"N {n}", draw, repetitions, dict.fromkeys(("mean of images", "pixel accuracy"), share))


def films(n: int, memory: float) -> Simulation:
    """Per-image values of first-order autoregression: neighbours correlate by `memory`, in blocks of ten."""
    def simulate(rng: np.random.Generator, repetitions: int) -> Iterator[Repetitions]:
        def series() -> np.ndarray:
            noise, x = rng.normal(size=n), np.empty(n)
            x[0] = noise[0]
            for i in range(1, n):
                x[i] = memory * x[i - 1] + np.sqrt(1 - memory**2) * noise[i]
            return x

        pieces = n * (1 - memory) / (1 + memory)
        yield from of_methods(f"film, N {n}, correlation {memory}: {pieces:.1f} pieces", lambda: tuple(
            {"mean of frames": Statistic.mean(series())} for _ in range(2)), repetitions, {"mean of frames": 0.0}, 10)
    return simulate


def seeds(rng: np.random.Generator, repetitions: int) -> Iterator[Repetitions]:
    """The mean of three trainings, one more training minus its prediction, and the resolution of eight methods."""
    mean = Repetitions("mean over training seeds", "3 seeds", 0.0)
    more = Repetitions("one more training", "3 seeds", 0.0)
    for *three, another in rng.normal(size=(repetitions, 4)):
        found = over_seeds(three)
        mean.intervals.append(found.interval)
        more.intervals.append((found.prediction[0] - another, found.prediction[1] - another))
    yield from (mean, more)
    for ratio in (0.0, 1.0, 3.0):
        row = Repetitions("resolution", f"8 methods, 3 seeds, {ratio}", ratio)
        for _ in range(repetitions):
            row.intervals.append(resolution(ratio * rng.normal(size=(8, 1)) + rng.normal(size=(8, 3))).interval)
        yield row


def leaders(methods: int, trainings: int, gap: float, spreads: str) -> Simulation:
    """Is a method that is not the best settled to lead? The first is better than the second by `gap` of its spread over
    seeds (0: neither may be named), the others are far behind. spreads: of the methods over seeds."""
    scale = {"equal": np.ones(methods), "the best 4 times": np.r_[4.0, np.ones(methods - 1)],
             "from 1 to 20": np.geomspace(1, 20, methods)}[spreads][:, None]
    level = np.r_[gap, 0.0, np.full(methods - 2, -100.0)][:, None]

    def simulate(rng: np.random.Generator, repetitions: int) -> Iterator[Repetitions]:
        row = Repetitions("settled leader", f"{methods} methods, {trainings} seeds, gap {gap}, spreads {spreads}")
        for _ in range(repetitions):
            values = level * scale[0] + scale * rng.normal(size=(methods, trainings))
            named = settled_leader({str(i): one for i, one in enumerate(values)}, True)
            row.ps.append(0.0 if named not in (None, "0") or (named and not gap) else 1.0)
        yield row
    return simulate


def orders(rng: np.random.Generator, repetitions: int) -> Iterator[Repetitions]:
    """Kendall's tau of a score that knows nothing of people's order, 8 methods."""
    row, n, counts = Repetitions("tau", "8 methods, no relation", 0.0), 20, resample_counts(20, 100)
    for _ in range(repetitions):
        level = rng.normal(size=8)
        scores = {str(i): Statistic.mean(level[i] + 0.01 * rng.normal(size=n)) for i in range(8)}
        found = agreement(scores, True, {str(i): float(i) for i in range(8)}, counts)
        row.ps.append(found.p)
    yield row


SIMULATIONS: list[tuple[Simulation, float]] = [  # with their share of the repetitions
    (means, 1.0),
    *((distances(100, d, s, r), 0.5) for d, s, r in (
        (16, 1.0, (0.0, 0.0)), (16, 1.0, (0.9, 0.9)), (16, 1.0, (0.9, 0.0)), (64, 1.0, (0.0, 0.0)),
        (64, 0.7, (0.0, 0.0)), (16, 0.7, (0.7, 0.7)))),
    (distances(300, 64, 0.8, (0.3, 0.3)), 0.25),
    *((films(n, memory), 1.0) for n, memory in ((100, 0.0), (100, 0.5), (100, 0.9), (100, 0.97), (500, 0.5),
                                                (500, 0.9))),
    (seeds, 2.0), (orders, 1.0),
    *((leaders(m, k, gap, spreads), 1.0) for m in (2, 8) for k in (3, 5) for gap in (0.0, 1.0, 3.0)
      for spreads in ("equal", "the best 4 times", "from 1 to 20"))]


def measure(args: argparse.Namespace) -> Iterator[Result]:
    """Every simulation has a seed of its own."""
    for seed, (simulation, share) in enumerate(SIMULATIONS):
        for row in simulation(np.random.default_rng(seed), max(2, int(share * args.repetitions))):
            yield row.summary()


def options(usage: argparse.ArgumentParser) -> None:
    usage.add_argument("--repetitions", type=int, default=400, help="default: 400; 4 show whether it works")


def main(argv: Sequence[str] | None = None) -> int:
    return run("coverage", __doc__, options, measure, argv)


if __name__ == "__main__":
    sys.exit(main())
