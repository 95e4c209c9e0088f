"""How many participants and trials a study needs: power by simulation with spread between people and between images.

The naive column is the power that a binomial test promises, which takes every judgment for independent. The model:
logit P = m + participant + image, both normal; m is set so that the preference over all participants and images is the
given one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special, stats

from data.errors import InputError
from evaluation.statistics.intervals import holm
from human_study.analysis.clustered import clustered_interval, clustered_share, clustered_test, wilson
from human_study.analysis.preference import ALPHA
from human_study.protocol.protocols import Protocol
from human_study.trials.cast import Cast
from human_study.trials.draw import draw as draw_design
from human_study.trials.plan import IMAGE_SD, PARTICIPANT_SD, PREFERENCE, StudyPlan, latent, shown_in_cells
from human_study.trials.trials import Trial


@dataclass(frozen=True)
class Design:
    """`participants` people judge `trials` different images each, drawn from `images`; both spreads in log odds."""

    participants: int
    trials: int
    images: int = 500
    preference: float = PREFERENCE
    participant_sd: float = PARTICIPANT_SD
    image_sd: float = IMAGE_SD

    def check(self) -> "Design":
        """Raises InputError for an impossible design."""
        if self.participants < 2 or self.images < 2 or self.trials < 1:
            raise InputError("power: at least 2 participants, 2 images and 1 trial are needed, got "
                             f"{self.participants}, {self.images} and {self.trials}")
        if self.trials > self.images:
            raise InputError(f"power: {self.trials} trials each need as many images, there are {self.images}")
        if not 0 < self.preference < 1 or min(self.participant_sd, self.image_sd) < 0:
            raise InputError("power: expected a preference between 0 and 1 and spreads of 0 or more")
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
    """One study: outcomes (0 or 1), participants and images, each [participants * trials]."""
    participant = np.repeat(np.arange(design.participants), design.trials)
    shuffled = rng.random((design.participants, design.images)).argsort(axis=1)
    image = shuffled[:, : design.trials].ravel()
    logit = m + rng.normal(0, design.participant_sd, design.participants)[participant] + \
        rng.normal(0, design.image_sd, design.images)[image]
    return (rng.random(len(participant)) < special.expit(logit)).astype(float), participant, image


def simulate(design: Design, rounds: int = 400, seed: int = 0) -> Power:
    """Repeat a study `rounds` times and analyse each as human_study.analysis.results does."""
    design.check()
    rng = np.random.default_rng(seed)
    m = latent(design.preference, math.hypot(design.participant_sd, design.image_sd))
    found, n = np.empty((rounds, 4)), design.participants * design.trials
    for i in range(rounds):
        outcomes, participants, images = draw(design, rng, m)
        share = clustered_share(outcomes, participants, images)
        # if all judged one image, neither interval nor test exists: such a study finds nothing
        low, high = clustered_interval(share) or (0.0, 1.0)
        p = clustered_test(share)
        naive_low, naive_high = wilson(share.value, n, stats.norm.ppf(1 - ALPHA / 2))
        found[i] = (p is not None and p < ALPHA, low <= design.preference <= high,
                    naive_low <= design.preference <= naive_high, high - low)
    power, coverage, naive_coverage = (float(value) for value in found[:, :3].mean(axis=0))
    return Power(design, power, binomial_power(design.preference, n), coverage, naive_coverage,
                 float(np.median(found[:, 3])), rounds)


def with_power(plan: StudyPlan, protocol: Protocol, cast: Cast, layouts: Sequence[str], seed: int = 0, rounds: int = 200
               ) -> StudyPlan:
    """The plan with the power of every cell: the very trials of the design are answered `rounds` times under the plan's
    assumptions, and every study is analysed as human_study.analysis.results does, Holm's adjustment over all cells too.

    Every cell has the plan's true preference; how far a participant or an image departs from it is drawn anew for every
    comparison and is the same at all of its exposures. Nobody is excluded.
    """
    rng = np.random.default_rng(seed)
    m = latent(plan.preference, math.hypot(plan.participant_sd, plan.image_sd))
    place = {name: i for i, name in enumerate(layouts)}
    cells = [_judged(condition, shown, protocol.assignments, place) for (condition, _), shown in
             shown_in_cells(draw_design(protocol, cast, layouts, "plan", seed)).items()]
    conditions = sorted({condition for condition, _, _ in cells})
    found = np.zeros(len(cells))
    for _ in range(rounds):
        departs = {name: (rng.normal(0, plan.participant_sd, plan.participants),
                          rng.normal(0, plan.image_sd, len(layouts))) for name in conditions}
        p_values = []
        for condition, participants, images in cells:
            by_participant, by_image = departs[condition]
            likely = special.expit(m + by_participant[participants] + by_image[images])
            outcomes = (rng.random(len(participants)) < likely).astype(float)
            p = clustered_test(clustered_share(outcomes, participants, images))
            p_values.append(1.0 if p is None else p)  # one participant or one image: never found
        found += np.array(holm(p_values)) < ALPHA
    return replace(plan, cells=tuple(replace(cell, power=float(share)) for cell, share in
                                     zip(plan.cells, found / rounds, strict=True)))


def _judged(condition: str, shown: Sequence[tuple[int, Trial]], assignments: int, place: Mapping[str, int]
            ) -> tuple[str, np.ndarray, np.ndarray]:
    """Comparison, participant and image (both as numbers) of every judgment; `assignments` people take each HIT."""
    hits = np.array([number for number, _ in shown])
    images = np.array([place[trial.image_id] for _, trial in shown])
    participants = hits * assignments + np.arange(assignments)[:, None]  # [assignments, trials]
    return condition, participants.ravel(), np.tile(images, assignments)


def binomial_power(preference: float, n: int, alpha: float = ALPHA) -> float:
    """Power of the exact two-sided binomial test of one half with n independent judgments."""
    low = int(stats.binom.ppf(alpha / 2, n, 0.5)) - 1  # the largest k with P(X <= k) < alpha / 2
    return float(stats.binom.cdf(low, n, preference) + stats.binom.sf(n - low - 1, n, preference))


def answer(results: Sequence[Power], wanted: float = 0.8) -> str:
    """The smallest design (fewest judgments) that reaches the wanted power, in words."""
    enough = [one for one in results if one.power >= wanted]
    if not enough:
        return f"None of these designs finds the preference in {wanted:.0%} of studies: more participants are needed."
    best = min(enough, key=lambda one: (one.design.participants * one.design.trials, one.design.participants))
    return (f"{best.design.participants} participants x {best.design.trials} trials reach a power of {best.power:.2f}, "
            "the fewest judgments of these designs that reach "
            f"{wanted:.0%}.")


def table(results: Sequence[Power]) -> str:
    lines = [" participants  trials  judgments  power  naive  coverage  naive coverage  width, points"]
    for one in results:
        design = one.design
        lines.append(f"{design.participants:8d}{design.trials:8d}{design.participants * design.trials:11d}"
                     f"{one.power:7.2f}{one.naive:7.2f}{one.coverage:10.2f}{one.naive_coverage:16.2f}"
                     f"{one.width * 100:15.1f}")
    return "\n".join(lines)
