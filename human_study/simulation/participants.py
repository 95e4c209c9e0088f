"""Preferences of simulated participants, and how each kind answers. An answer is a side, "real" or "fake", or the
places of a ranking, the best one first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from data.errors import InputError, nearest
from evaluation.run_directory import PHOTOS
from human_study.batch.folder import PlannedTrial, TaskBatch
from human_study.responses.columns import ANSWERS_OF, RANKING, REAL_OR_FAKE, condition_name


@dataclass(frozen=True)
class KnownTruth:
    """Preferences and care of simulated participants.

    preference: by condition, probability of choosing its first method without side bias; of single pictures, whose
    condition is photos_vs_METHOD, of a right answer. Rankings follow the preferences between the first method of their
    condition and each other one. side_bias: added to the log-odds of left; care: probability of a right answer to a
    perceptual sentinel; lapse: share of guesses.
    """

    preference: Mapping[str, float] = field(default_factory=dict)
    default: float = 0.7
    side_bias: float = 0.0
    care: float = 0.98
    lapse: float = 0.3

    def left(self, trial: PlannedTrial) -> float:
        """Probability that an attentive participant answers left."""
        if trial.sentinel == "instruction":
            return float(trial.sentinel_answer == "left")
        if trial.sentinel == "perceptual":
            return self.care if trial.sentinel_answer == "left" else 1 - self.care
        from scipy.special import expit, logit  # loaded late: the command line takes KINDS from this file
        first = self.preference.get(trial.condition, self.default)
        first_is_left = trial.condition == condition_name(*trial.methods)
        return float(expit(logit(first if first_is_left else 1 - first) + self.side_bias))

    def real(self, trial: PlannedTrial) -> float:
        """Probability that an attentive participant calls a single picture real."""
        right = self.care if trial.sentinel == "perceptual" else self.preference.get(trial.condition, self.default)
        return right if trial.methods[0] == PHOTOS else 1 - right

    def order(self, trial: PlannedTrial, rng: np.random.Generator) -> list[int]:
        """A ranking of an attentive participant by Plackett-Luce; the anchor of a sentinel comes last with probability
        `care`."""
        from scipy.special import logit
        first, *others = [name for name in trial.compared if name != trial.sentinel_answer]
        strength = {first: 0.0} | {other: -logit(self.preference.get(condition_name(first, other), self.default))
                                   for other in others}
        lost = 50.0 if rng.random() < self.care else -50.0
        drawn = [rng.gumbel() + strength.get(method, -lost) for method in trial.methods]
        return np.argsort(drawn)[::-1].tolist()


Answer = str | list[int]


def attentive(truth: KnownTruth, trial: PlannedTrial, rng: np.random.Generator) -> Answer:
    if trial.task == RANKING:
        return truth.order(trial, rng)
    if trial.task == REAL_OR_FAKE:
        return "real" if rng.random() < truth.real(trial) else "fake"
    return "left" if rng.random() < truth.left(trial) else "right"


def lapsing(truth: KnownTruth, trial: PlannedTrial, rng: np.random.Generator) -> Answer:
    return bot(truth, trial, rng) if rng.random() < truth.lapse else attentive(truth, trial, rng)


def left_clicker(truth: KnownTruth, trial: PlannedTrial, rng: np.random.Generator) -> Answer:
    """Always the first answer."""
    return list(range(len(trial.methods))) if trial.task == RANKING else ANSWERS_OF[trial.task][0]


def bot(truth: KnownTruth, trial: PlannedTrial, rng: np.random.Generator) -> Answer:
    if trial.task == RANKING:
        return rng.permutation(len(trial.methods)).tolist()
    return ANSWERS_OF[trial.task][0 if rng.random() < 0.5 else 1]


KINDS = {"attentive": attentive, "lapsing": lapsing, "left-clicker": left_clicker, "bot": bot}


def parse_truth(texts: Sequence[str], batch: TaskBatch) -> dict[str, float]:
    """["crn_vs_pix2pix=0.8"] -> {"crn_vs_pix2pix": 0.8}. Raises InputError for an unknown condition or value."""
    known = set()
    for trial in (trial for trials in batch.hits.values() for trial in trials if trial.sentinel == "none"):
        first, *others = trial.compared
        known |= {condition_name(first, other) for other in others} if trial.task == RANKING else {trial.condition}
    preference = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in known:
            raise InputError(f"--truth {text}: unknown comparison '{name}': {nearest(name, known)}")
        try:
            preference[name] = float(value)
        except ValueError:
            preference[name] = -1.0
        if not 0 < preference[name] < 1:
            raise InputError(f"--truth {text}: expected a probability between 0 and 1")
    return preference
