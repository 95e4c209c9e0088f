"""The metric "trust": which of this run's distances prefer a sharp plausible picture to a blur?

On scenes that can be drawn again the truth is known (see trust_table): another draw of a layout is a photograph of it,
the mean of many draws is a blur. A distance that calls the mean nearer than the draw in more than half of the layouts
rewards blur, however it ranks the methods. Each value is the share of layouts on which the draw is nearer, of a
distance between sets 0 or 1; the detail "mean / draw" is how many times as far the mean is.
"""

from typing import Any

from evaluation.metrics.base import Measured, Metric, ScoreKind
from evaluation.metrics.distances import DistancesMetric
from evaluation.metrics.diversity import DiversityMetric
from evaluation.metrics.modes import known_modes, same_street
from evaluation.metrics.perceptual_distance import PerceptualConsumer, perceptual_consumers
from evaluation.metrics.trust_table import Triples, trust_table
from evaluation.metrics.work import Work
from evaluation.run_directory import Quantity

LAYOUTS = 40
ROW = "redrawn"  # the one file: photographs drawn again
OF_SETS, OF_LAYOUTS = "one comparison of two sets", "share of {} layouts"


class TrustMetric(Metric):
    """One value for each score of the tables that is a distance; only for scenes that this renderer draws."""

    name, title, comparison, on_features = "trust", "Trust in distances", True, True
    scores = {name: ScoreKind(kind.title) for table in (DistancesMetric.scores, DiversityMetric.scores)
              for name, kind in table.items()}

    def applies(self, work: Work) -> bool:
        return known_modes(work) and self._street(work) is not None

    def _street(self, work: Work) -> Any:
        return work.once(self.name, lambda: same_street(work.run))

    def rows(self, work: Work) -> list[str]:
        return [ROW]

    def provenance(self, work: Work) -> dict[str, Any]:
        return {"scenes": work.run.scenes(), "layouts": min(LAYOUTS, work.n),
                "extractors": {c.extractor.label: c.extractor.provenance for c in work.extractors},
                "LPIPS": {c.quantity.name: c.provenance for c in _lpips(work)}}

    def inputs(self, work: Work, row: str) -> list[Any]:
        return [self.provenance(work), work.measurements.dataset_hash]

    def measure(self, work: Work, row: str) -> Measured:
        lpips, extractors = _lpips(work), [c.extractor for c in work.extractors]
        table = trust_table(Triples(self._street(work), LAYOUTS), None, extractors, lpips)
        rows = {Quantity("pixels", images=1): table["pixels"]["L1"]}
        for extractor in extractors:
            found = table[extractor.label]
            terms = {"features": Quantity("distance", features=extractor.label, images=1),
                     "map distance": Quantity("map distance", features=extractor.label, images=1),
                     "FD": extractor.quantity("FD")}
            rows |= {quantity: found[term] for term, quantity in terms.items() if term in found}
        rows |= {Quantity("LPIPS", features=c.quantity.features, images=1): table[c.quantity.name]["maps"]
                 for c in lpips}
        layouts = OF_LAYOUTS.format(min(LAYOUTS, work.n))
        values = [self.value(quantity, found["draw nearer"], None, layouts if quantity.images else OF_SETS)
                  for quantity, found in rows.items()]
        return Measured(values, details={"mean / draw": {quantity.name: found["mean / draw"]
                                                         for quantity, found in rows.items()}})


def _lpips(work: Work) -> list[PerceptualConsumer]:
    return [consumer for consumer in perceptual_consumers(work) if consumer.module is not None]


METRIC = TrustMetric()
