"""Values and scores as the metrics write them, made up for tests of what reads them."""

from dataclasses import replace

from evaluation.run_directory import Quantity, Score, Value
from evaluation.scoring import METRICS
from evaluation.trainings import Training

KINDS = {name: kind for metric in METRICS.values() for name, kind in metric.scores.items() if not metric.comparison}


def value_of(score: str, number: float, interval: tuple[float, float] | None = None, note: str = "", *,
          independent_layouts: float | None = None, **quantity) -> Value:
    """A value of a known score; quantity: features, images, draws ..., see Quantity."""
    return KINDS[score].value(Quantity(score, **quantity), number, interval, note, independent_layouts)


def fd(number: float, interval: tuple[float, float] | None = None, **quantity) -> Value:
    return value_of("FD", number, interval, features="judge", **quantity)


def tau(number: float, interval: tuple[float, float] | None = None, **quantity) -> Value:
    """Of mIoU with people's order."""
    return replace(value_of("mIoU", number, interval, **quantity), axis="", leading=None)


def score_of(metric: str, method: str, values: list[Value], provenance: dict | None = None, **more) -> Score:
    about = METRICS[metric]
    return Score(metric, method, values, provenance or {}, title=about.title, place=list(METRICS).index(metric),
                 comparison=about.comparison, **more)


def moved(training: Training, seed: int, by: float, budget: int | None = None) -> Training:
    """Another training, whose scores are all moved."""
    scores = [replace(score, values=[replace(value, value=value.value + by) for value in score.values])
              for score in training.scores]
    return replace(training, seed=seed, budget=budget or training.budget, scores=scores)
