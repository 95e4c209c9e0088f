"""The metric "differences": every score of every method minus the reference method's, on the same layouts.

Paired bootstrap over layouts; p-values of one score are corrected over the methods by Holm's procedure. They are about
these checkpoints: what another training run would give is for several training seeds to say.
"""

from collections.abc import Callable, Mapping

import numpy as np

from evaluation.metrics.context import Work
from evaluation.run_directory import Value
from evaluation.statistics.intervals import Difference, Statistic, holm, paired_difference

METRIC = "differences"
StatisticsOf = Callable[[Work, str], dict[str, Statistic]]


def all_statistics(work: Work, sources: Mapping[str, StatisticsOf], method: str) -> dict[str, Statistic]:
    """Statistics of one method over all scored metrics, by score name."""
    return {name: statistic for source in sources.values() for name, statistic in source(work, method).items()}


def score(work: Work, sources: Mapping[str, StatisticsOf], inputs_of: Callable[[str], str]) -> None:
    """Write the differences of every method to the reference; nothing when the run lacks the reference."""
    reference = work.context.reference
    others = [method for method in work.methods if method != reference]
    if reference not in work.methods or not others:
        return
    inputs = {method: inputs_of(method) for method in others}
    if all(work.stored(METRIC, method, inputs[method]) for method in others):
        return
    found = _differences(work, sources, reference, others)
    for method in others:
        corrected = {name: p for name, p in _corrected(found, others).items() if method in p}
        tests = {name: {"p": found[method][name].p, "p (Holm)": corrected[name][method]} for name in found[method]}
        values = [Value(f"{name} minus {reference}", d.value, d.interval, d.note, _better(work, sources, name))
                  for name, d in found[method].items()]
        work.write(METRIC, method, inputs[method], values, _protocol(reference, len(others)), details={"tests": tests})


def _differences(work: Work, sources: Mapping[str, StatisticsOf], reference: str,
                 others: list[str]) -> dict[str, dict[str, Difference]]:
    """Of the scores that both methods have; a score that is not defined for one of them has no difference."""
    base = all_statistics(work, sources, reference)
    found = {method: {name: paired_difference(statistic, base[name], work.counts, work.block)
                      for name, statistic in all_statistics(work, sources, method).items() if name in base}
             for method in others}
    return {method: {name: d for name, d in of_scores.items() if np.isfinite(d.value)}
            for method, of_scores in found.items()}


def _corrected(found: dict[str, dict[str, Difference]], others: list[str]) -> dict[str, dict[str, float | None]]:
    """Score name -> method -> adjusted p, over the methods that have one."""
    names = dict.fromkeys(name for method in others for name in found[method])
    result = {}
    for name in names:
        methods = [method for method in others if name in found[method]]
        tested = [method for method in methods if found[method][name].p is not None]
        adjusted = holm([found[m][name].p for m in tested])
        result[name] = dict.fromkeys(methods) | dict(zip(tested, adjusted, strict=True))
    return result


def _better(work: Work, sources: Mapping[str, StatisticsOf], name: str) -> bool | None:
    return all_statistics(work, sources, work.context.reference)[name].higher_is_better


def _protocol(reference: str, methods: int) -> dict:
    return {"reference": reference,
            "test": "paired bootstrap over layouts, two-sided, of these checkpoints: one training seed each",
            "Fréchet distances": "at this N, its bias included, which differs between methods; how closely images "
                                 "follow their own photographs counts too: two methods of one distribution can differ. "
                                 "The kernel distance with the own photograph left out has neither",
            "correction": f"Holm over {methods} methods, for each score"}
