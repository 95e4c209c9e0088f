"""The metric "differences": every score of every method minus the baseline's, on the same layouts.

Paired bootstrap over layouts; p-values of one score are corrected over the methods by Holm's procedure. They are about
these checkpoints: only several training seeds show what another training run would give.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from evaluation.metrics.base import ComparisonMetric, Measured
from evaluation.metrics.work import Work
from evaluation.run_directory import Quantity
from evaluation.statistics.intervals import Difference, holm, paired_difference

Differences = dict[str, dict[Quantity, Difference]]  # method -> score -> difference to the baseline


class DifferencesMetric(ComparisonMetric):
    """Every method but the baseline; nothing where the run lacks the baseline."""

    name, title = "differences", "Differences to the baseline"

    def rows(self, work: Work) -> list[str]:
        baseline = work.context.baseline
        return [method for method in work.methods if method != baseline] if baseline in work.methods else []

    def provenance(self, work: Work) -> dict[str, Any]:
        return {"baseline": work.context.baseline,
                "test": "paired bootstrap over layouts, two-sided, of these checkpoints: one training seed each",
                "Fréchet distances": "at this N, its bias included, which differs between methods; how closely images "
                                     "follow their own photographs counts too: two methods of one distribution can "
                                     "differ. The kernel distance with the own photograph left out has neither",
                "correction": f"Holm over {len(self.rows(work))} methods, for each score"}

    def measure(self, work: Work, row: str) -> Measured:
        found = work.once(self.name, lambda: self._differences(work))
        corrected = work.once((self.name, "corrected"), lambda: _corrected(found))
        baseline, values, tests = work.context.baseline, [], {}
        for quantity, difference in found[row].items():
            value = self.kind(work, quantity).value(replace(quantity, against=baseline), difference.value,
                                              difference.interval, difference.note, difference.independent_layouts)
            values.append(value)
            tests[value.name] = {"p": difference.p, "p (Holm)": corrected[quantity][row]}
        return Measured(values, details={"tests": tests})

    def _differences(self, work: Work) -> Differences:
        """Of the scores that both methods have; a score that is not defined for one of them has no difference."""
        base = self.all_statistics(work, work.context.baseline)
        found = {method: {quantity: paired_difference(statistic, base[quantity], work.counts, work.block)
                          for quantity, statistic in self.all_statistics(work, method).items() if quantity in base}
                 for method in self.rows(work)}
        return {method: {quantity: d for quantity, d in of_scores.items() if np.isfinite(d.value)}
                for method, of_scores in found.items()}


def _corrected(found: Differences) -> dict[Quantity, dict[str, float | None]]:
    """Score -> method -> adjusted p, over the methods that have one."""
    result = {}
    for quantity in dict.fromkeys(quantity for of_scores in found.values() for quantity in of_scores):
        methods = [method for method in found if quantity in found[method]]
        tested = [method for method in methods if found[method][quantity].p is not None]
        adjusted = holm([found[method][quantity].p for method in tested])
        result[quantity] = dict.fromkeys(methods) | dict(zip(tested, adjusted, strict=True))
    return result


METRIC = DifferencesMetric()
