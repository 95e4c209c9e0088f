"""What simulated workers think and how they answer, by kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from data.errors import InputError, nearest
from human_study.batch.folder import Batch, PlannedTrial


@dataclass(frozen=True)
class Truth:
    """What simulated workers think.

    preference: by condition, probability of choosing its first method without side bias; side_bias: added to the
    log-odds of left; care: probability of a right answer to a perceptual sentinel; lapse: share of guesses.
    """

    preference: Mapping[str, float] = field(default_factory=dict)
    default: float = 0.7
    side_bias: float = 0.0
    care: float = 0.98
    lapse: float = 0.3

    def left(self, trial: PlannedTrial) -> float:
        """Probability that an attentive worker answers left."""
        if trial.sentinel == "instruction":
            return float(trial.sentinel_answer == "left")
        if trial.sentinel == "perceptual":
            return self.care if trial.sentinel_answer == "left" else 1 - self.care
        from scipy.special import expit, logit  # loaded where it is needed: the command line takes KINDS from this file
        first = self.preference.get(trial.condition, self.default)
        first_is_left = trial.condition == f"{trial.left_method}_vs_{trial.right_method}"
        return float(expit(logit(first if first_is_left else 1 - first) + self.side_bias))


def attentive(truth: Truth, trial: PlannedTrial, rng: np.random.Generator) -> bool:
    return rng.random() < truth.left(trial)


def lapsing(truth: Truth, trial: PlannedTrial, rng: np.random.Generator) -> bool:
    return bot(truth, trial, rng) if rng.random() < truth.lapse else attentive(truth, trial, rng)


def left_clicker(truth: Truth, trial: PlannedTrial, rng: np.random.Generator) -> bool:
    return True


def bot(truth: Truth, trial: PlannedTrial, rng: np.random.Generator) -> bool:
    return rng.random() < 0.5


KINDS = {"attentive": attentive, "lapsing": lapsing, "left-clicker": left_clicker, "bot": bot}  # -> answers left?


def parse_truth(texts: Sequence[str], batch: Batch) -> dict[str, float]:
    """["crn_vs_pix2pix=0.8"] -> {"crn_vs_pix2pix": 0.8}. Raises InputError for an unknown condition or value."""
    known = {trial.condition for trials in batch.hits.values() for trial in trials if trial.sentinel == "none"}
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
