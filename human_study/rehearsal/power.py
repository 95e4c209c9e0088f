"""How many workers and trials a study needs: power by simulation with spread between workers and between images.

The naive column is the power that a binomial test promises, which takes every judgment for independent. The model:
logit P = m + worker + image, both normal; m is set so that the preference over all workers and images is as asked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from data.errors import InputError
from human_study.analysis.clustered import clustered_interval, clustered_share, clustered_test, wilson
from human_study.design.plan import latent

ALPHA = 0.05


@dataclass(frozen=True)
class Design:
    """`workers` people judge `trials` different images each, drawn from `images`; both spreads in log odds."""

    workers: int
    trials: int
    images: int = 500
    preference: float = 0.55
    worker_sd: float = 0.5
    image_sd: float = 0.8

    def check(self) -> "Design":
        """Raises InputError for a design that cannot be."""
        if self.workers < 2 or self.images < 2 or self.trials < 1:
            raise InputError(f"power: at least 2 workers, 2 images and 1 trial are needed, got {self.workers}, "
                             f"{self.images} and {self.trials}")
        if self.trials > self.images:
            raise InputError(f"power: {self.trials} trials per worker need as many images, there are {self.images}")
        if not 0 < self.preference < 1 or min(self.worker_sd, self.image_sd) < 0:
            raise InputError("power: the preference lies between 0 and 1, spreads are not negative")
        return self


@dataclass(frozen=True)
class Power:
    """Of `rounds` simulated studies: share that finds a preference, share whose interval holds the truth."""

    design: Design
    power: float
    naive: float  # power of a binomial test if all judgments were independent
    coverage: float
    naive_coverage: float
    width: float  # median width of the clustered 95 % interval
    rounds: int


def draw(design: Design, rng: np.random.Generator, m: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One study: outcomes (0 or 1), workers and images, each [workers * trials]."""
    worker = np.repeat(np.arange(design.workers), design.trials)
    shuffled = rng.random((design.workers, design.images)).argsort(axis=1)
    image = shuffled[:, : design.trials].ravel()
    logit = m + rng.normal(0, design.worker_sd, design.workers)[worker] + \
        rng.normal(0, design.image_sd, design.images)[image]
    return (rng.random(len(worker)) < special.expit(logit)).astype(float), worker, image


def simulate(design: Design, rounds: int = 400, seed: int = 0) -> Power:
    """Repeat a study `rounds` times and analyse each as human_study.analysis.results does."""
    design.check()
    rng = np.random.default_rng(seed)
    m = latent(design.preference, math.hypot(design.worker_sd, design.image_sd))
    found, n = np.empty((rounds, 4)), design.workers * design.trials
    for i in range(rounds):
        outcomes, workers, images = draw(design, rng, m)
        share = clustered_share(outcomes, workers, images)
        # where all judged one image there is neither interval nor test: such a study finds nothing
        low, high = clustered_interval(share) or (0.0, 1.0)
        p = clustered_test(share)
        naive_low, naive_high = wilson(share.value, n, stats.norm.ppf(1 - ALPHA / 2))
        found[i] = (p is not None and p < ALPHA, low <= design.preference <= high,
                    naive_low <= design.preference <= naive_high, high - low)
    power, coverage, naive_coverage = (float(value) for value in found[:, :3].mean(axis=0))
    return Power(design, power, binomial_power(design.preference, n), coverage, naive_coverage,
                 float(np.median(found[:, 3])), rounds)


def binomial_power(preference: float, n: int, alpha: float = ALPHA) -> float:
    """Power of the exact two-sided binomial test of one half with n independent judgments."""
    low = int(stats.binom.ppf(alpha / 2, n, 0.5)) - 1  # the largest k with P(X <= k) < alpha / 2
    return float(stats.binom.cdf(low, n, preference) + stats.binom.sf(n - low - 1, n, preference))


def answer(results: Sequence[Power], wanted: float = 0.8) -> str:
    """The smallest design (fewest judgments) that reaches the wanted power, in words."""
    enough = [one for one in results if one.power >= wanted]
    if not enough:
        return f"None of these designs finds the preference in {wanted:.0%} of studies: more workers are needed."
    best = min(enough, key=lambda one: (one.design.workers * one.design.trials, one.design.workers))
    return (f"{best.design.workers} workers x {best.design.trials} trials reach a power of {best.power:.2f}, "
            "the fewest judgments of these designs that reach "
            f"{wanted:.0%}.")


def table(results: Sequence[Power]) -> str:
    lines = [" workers  trials  judgments  power  naive  coverage  naive coverage  width, points"]
    for one in results:
        design = one.design
        lines.append(f"{design.workers:8d}{design.trials:8d}{design.workers * design.trials:11d}{one.power:7.2f}"
                     f"{one.naive:7.2f}{one.coverage:10.2f}{one.naive_coverage:16.2f}{one.width * 100:15.1f}")
    return "\n".join(lines)
