"""What every metric is: a class with a table of its scores and what it measures; the steps of scoring are here, once.

    class Brightness(Metric):
        name, title = "brightness", "Brightness"
        scores = {"brightness": ScoreKind("Mean brightness")}

        def consumers(self, work):              # called with every batch of images; its arrays are cached
            return [MeanOfPixels()]

        def statistics(self, work, method):     # what they give for one method, with intervals and differences for free
            means = work.measurements.get(method, MeanOfPixels())["mean"]
            return {Quantity("brightness"): Statistic.of_images(means)}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.files import fingerprint
from evaluation.cache.measurements import Consumer
from evaluation.metrics.work import Work
from evaluation.run_directory import PHOTOS, Quantity, Score, Value
from evaluation.statistics.intervals import Statistic


@dataclass(frozen=True)
class ScoreKind:
    """An entry of a metric's table of scores. title: for readers. higher_is_better: None where there is no order.
    axis: the question that the score answers (a key of run_directory.AXES). leading: 1 for the score that represents
    its axis, 2 for the one that does where the first is missing, and so on."""

    title: str
    higher_is_better: bool | None = True
    unit: str = ""
    axis: str = ""
    leading: int | None = None

    def value(self, quantity: Quantity, number: float, interval: tuple[float, float] | None = None, note: str = "",
              independent_layouts: float | None = None) -> Value:
        return Value(**vars(quantity), value=number, interval=interval, note=note,
                     independent_layouts=independent_layouts, **vars(self))


@dataclass
class Measured:
    """What a metric gives for one row: the changing parts of a Score."""

    values: list[Value]
    provenance: dict[str, Any] = field(default_factory=dict)
    per_image: Mapping[str, np.ndarray] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    subject: str = ""


class Metric:
    """A family of scores. A subclass gives `name`, `title`, `scores` and, for a score of each method, `statistics`;
    everything else has a default that it may replace.

    comparison: made of several methods, after the other metrics (see ComparisonMetric). on_features: looks at images
    with the configured extractors. `Work` gives what has been measured, and remembers what has been made.
    """

    name: str = ""
    title: str = ""
    scores: Mapping[str, ScoreKind] = {}
    comparison: bool = False
    on_features: bool = False

    def applies(self, work: Work) -> bool:
        """Whether this run can have such scores; where it cannot, nothing is written."""
        return True

    def consumers(self, work: Work) -> Sequence[Consumer]:
        """What is to be measured on the images, in the one pass over them."""
        return []

    def rows(self, work: Work) -> list[str]:
        """The score files to write: methods, PHOTOS, FLOOR, or other names for scores of the run as a whole."""
        return work.methods

    def provenance(self, work: Work) -> dict[str, Any]:
        """What makes the numbers, beside what holds for all scores of the run (see Work.provenance)."""
        return {}

    def inputs(self, work: Work, row: str) -> list[Any]:
        """Everything that a row is made from, beside images, dataset and resampling."""
        return [self.provenance(work), work.measurements.images_per_layout(row)]

    def statistics(self, work: Work, method: str) -> dict[Quantity, Statistic]:
        """The scores of one method (or PHOTOS) as functions of per-image means; what the comparisons compare."""
        return {}

    def cached_statistics(self, work: Work, method: str) -> dict[Quantity, Statistic]:
        """`statistics`, made once for this scoring."""
        return work.once((self.name, method), lambda: self.statistics(work, method))

    def measure(self, work: Work, row: str) -> Measured | None:
        """One row; None where it has no score."""
        found = self.cached_statistics(work, row)
        return Measured(self.values(work, found), per_image={
            quantity.name: statistic.per_image[:, 0] for quantity, statistic in found.items()}) if found else None

    def values(self, work: Work, statistics: Mapping[Quantity, Statistic]) -> list[Value]:
        """Values with their bootstrap intervals; numbers that are not defined for this run are left out."""
        values = []
        for quantity, statistic in statistics.items():
            if np.isfinite(number := statistic.value()):
                found = work.resample(statistic)
                values.append(self.value(quantity, number, found.interval, found.note, found.independent_layouts))
        return values

    def value(self, quantity: Quantity, number: float, interval: tuple[float, float] | None = None, note: str = "",
              independent_layouts: float | None = None) -> Value:
        return self.scores[quantity.score].value(quantity, float(number), interval, note, independent_layouts)

    def score(self, work: Work, place: int) -> None:
        """Write scores/<name>/<row>.json for every row whose inputs have changed. place: of the metric in tables."""
        if not self.applies(work):
            return
        for row in self.rows(work):
            inputs = work.inputs(self.name, row, self.inputs(work, row))
            if not work.is_stored(self.name, row, inputs) and (found := self.measure(work, row)):
                made_of = {"images": work.images_of(row, self.comparison), "inputs": inputs}
                provenance = work.provenance() | self.provenance(work) | found.provenance | made_of
                work.run.write_score(Score(
                    self.name, row, found.values, provenance,
                    {name: as_json(numbers) for name, numbers in found.per_image.items()}, found.details,
                    self.title, place, self.comparison, found.subject))


class ComparisonMetric(Metric):
    """Made of the statistics of all other metrics that are scored."""

    comparison = True

    def all_statistics(self, work: Work, method: str) -> dict[Quantity, Statistic]:
        return {quantity: statistic for metric in work.metrics.values() if not metric.comparison
                for quantity, statistic in metric.cached_statistics(work, method).items()}

    def kind(self, work: Work, quantity: Quantity) -> ScoreKind:
        """The entry of a score in the table of its metric."""
        return next(metric.scores[quantity.score] for metric in work.metrics.values()
                    if not metric.comparison and quantity.score in metric.scores)

    def inputs(self, work: Work, row: str) -> list[Any]:
        """Fingerprint of what the statistics of all methods are made from."""
        provenances = {name: metric.provenance(work) for name, metric in work.metrics.items() if not metric.comparison}
        contents = [(name, work.measurements.content(name)) for name in work.methods]
        return [fingerprint(provenances, contents, work.context.baseline)]


def scored_rows(work: Work) -> list[str]:
    """The photographs (oracle row) and every method."""
    return [PHOTOS, *work.methods]


def as_json(numbers: np.ndarray) -> list[float | None]:
    """Numbers with None for NaN, which JSON does not have."""
    return [float(number) if np.isfinite(number) else None for number in np.ravel(numbers)]
