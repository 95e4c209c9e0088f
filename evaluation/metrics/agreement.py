"""The metric "agreement": which automatic score puts the methods in the order in which people put them?

For each score Kendall's tau-b between its order of the methods and a human order: the paper's Table 1, and the run's
own human study where its preferences are given. The interval resamples layouts, for a study those of the people's
choices too; how tau scatters over other methods is not known, so the range that random orders give is kept beside it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from data.files import sha256
from evaluation import published
from evaluation.metrics.base import ComparisonMetric, Measured
from evaluation.metrics.work import Work
from evaluation.run_directory import PER_IMAGE
from evaluation.statistics.intervals import (
    LEVEL,
    UNDEFINED,
    Statistic,
    holm,
    percentile_interval,
    ratio,
    ratio_of_sums,
    resample_together,
)
from evaluation.statistics.preferences import (
    STUDY,
    HumanOrder,
    Preference,
    order_of,
    preference_files,
    read_preferences,
)

LEAST_METHODS = 3  # two methods have an order right or wrong by the toss of a coin
TITLES = {"cityscapes": "Cityscapes", "nyu": "NYU"}  # of the tables
UNCHANGED = "the order {} changed when layouts were resampled; how other methods would fare is unknown"


def kendall_tau(scores: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of scores [..., M] with an order [M] or orders [..., M]: [...]; NaN where all of one are tied.

    Equals scipy.stats.kendalltau, for many resamples at once.
    """
    i, j = np.triu_indices(order.shape[-1], 1)
    a, b = np.sign(scores[..., i] - scores[..., j]), np.sign(order[..., i] - order[..., j])
    return ratio((a * b).sum(-1), np.sqrt((a != 0).sum(-1) * (b != 0).sum(-1)))


def random_range(methods: int) -> tuple[float, float]:
    """The narrowest range around 0 that holds the tau of 95 % of all orders of so many methods without ties: exact.

    An order of m methods is one of m - 1 with a method inserted, which adds 0 to m - 1 discordant pairs, all equally
    often.
    """
    share = np.ones(1)  # of orders, by number of discordant pairs
    for m in range(2, methods + 1):
        share = np.convolve(share, np.full(m, 1 / m))
    tau = np.abs(np.linspace(1, -1, len(share)))
    widest = min(t for t in tau if share[tau <= t + 1e-9].sum() >= LEVEL)
    return -float(widest), float(widest)


@dataclass(frozen=True)
class Agreement:
    """tau in -1..1 with interval, or the note why there is none; p: exact two-sided under independence; random: 95 %
    range of tau under random orders without ties; discordant: pairs of methods put otherwise; tied: pairs that the
    score or the human order does not distinguish, which tau-b leaves out of its norm."""

    tau: float
    interval: tuple[float, float] | None
    note: str
    p: float | None
    random: tuple[float, float]
    discordant: list[tuple[str, str]]
    tied: list[tuple[str, str]]


def agreement(statistics: Mapping[str, Statistic], higher_is_better: bool, human: Mapping[str, float],
              counts: np.ndarray, resampled: Mapping[str, np.ndarray] | None = None,
              block: int = 1) -> Agreement | None:
    """One score of each method against a human order (higher: more realistic); resampled: the human order [R] in the
    resamples of `counts`, where it changes with them. None for fewer than three methods in common."""
    methods = [method for method in human if method in statistics]
    if len(methods) < LEAST_METHODS:
        return None
    sign = 1 if higher_is_better else -1
    values = sign * np.array([statistics[method].value() for method in methods])
    order = np.array([human[method] for method in methods])
    if not np.isfinite(values).all() or len(set(values)) == 1:
        return None
    replicates, fewest = resample_together([statistics[method] for method in methods], counts, block)
    orders = np.stack([resampled[method] for method in methods], axis=-1) if resampled else order
    taus = kendall_tau(sign * replicates, orders)
    interval, note = percentile_interval(taus), ""
    if interval is None:
        note = UNDEFINED
    elif interval[0] == interval[1]:  # it would look like certainty
        note, interval = UNCHANGED.format("never" if (taus == interval[0]).all() else "hardly ever"), None
    if fewest.found:
        interval, note = (interval if fewest.interval_possible else None), fewest.note
    i, j = np.triu_indices(len(methods), 1)
    products = np.sign(values[i] - values[j]) * np.sign(order[i] - order[j])

    def pairs(chosen: np.ndarray) -> list[tuple[str, str]]:
        return [(methods[a], methods[b]) for a, b in zip(i[chosen], j[chosen], strict=True)]

    p = float(stats.kendalltau(values, order).pvalue)
    return Agreement(float(kendall_tau(values, order)), interval, note, p if math.isfinite(p) else None,
                     random_range(len(methods)), pairs(products < 0), pairs(products == 0))


def pairwise_agreement(preferences: Sequence[Preference], per_image: Mapping[str, np.ndarray], layouts: Sequence[str],
                       higher_is_better: bool) -> Statistic | None:
    """Share (0..1) of people's choices between two images on which a per-image score agrees (ties: half).

    per_image: method -> [N] in the order of layouts. None when no preference concerns these methods and layouts.
    """
    row = {layout: i for i, layout in enumerate(layouts)}
    sums = np.zeros((len(layouts), 2))
    for p in preferences:
        if p.layout in row and p.preferred in per_image and p.other in per_image:
            i = row[p.layout]
            gap = per_image[p.preferred][i] - per_image[p.other][i]
            if np.isfinite(gap):
                sums[i] += p.count * (0.5 + 0.5 * np.sign(gap if higher_is_better else -gap)), p.count
    return Statistic(sums, ratio_of_sums) if sums[:, 1].any() else None


class AgreementMetric(ComparisonMetric):
    """A tau per score for each table of the paper and for each of the run's own studies. An order with fewer than three
    methods of the run is left out."""

    name, title = "agreement", "Agreement with people’s order"

    def rows(self, work: Work) -> list[str]:
        return [name for name, (order, _) in self._orders(work).items()
                if len(set(order.realism) & set(work.methods)) >= LEAST_METHODS]

    def inputs(self, work: Work, row: str) -> list[Any]:
        order, digest = self._orders(work)[row]
        return [*super().inputs(work, row), order.realism, digest]

    def _orders(self, work: Work) -> dict[str, tuple[HumanOrder, str]]:
        return work.once(self.name, lambda: human_orders(work))

    def measure(self, work: Work, row: str) -> Measured:
        order, _ = self._orders(work)[row]
        table = {method: self.all_statistics(work, method) for method in work.methods}
        values, found, resampled = [], {}, order.resampled(work.counts)
        for quantity in dict.fromkeys(quantity for statistics in table.values() for quantity in statistics):
            kind = self.kind(work, quantity)
            better, kind = kind.higher_is_better, replace(kind, unit="", higher_is_better=True)
            if better is None:
                continue
            of_methods = {method: s[quantity] for method, s in table.items() if quantity in s}
            if one := agreement(of_methods, better, order.realism, work.counts, resampled, work.block):
                found[quantity.name] = one
                values.append(kind.value(quantity, one.tau, one.interval, one.note))
            each = {method: s.each for method, s in of_methods.items() if s.each is not None}
            if share := pairwise_agreement(order.preferences, each, work.measurements.layouts, better):
                spread = work.resample(share)
                values.append(kind.value(replace(quantity, variant=PER_IMAGE), share.value(), spread.interval,
                                         spread.note))
        return Measured(values, _provenance(order, work), details=_details(order, found), subject=order.title)


def human_orders(work: Work) -> dict[str, tuple[HumanOrder, str]]:
    """By name, each with the hash of the file that it was made from (empty for published ones)."""
    paper = published.preferences()
    found = {dataset: (HumanOrder(dataset, f"{paper.source}, Table 1, {dataset}", paper.realism(dataset),
                                  title=f"The paper’s order on {TITLES.get(dataset, dataset)}"), "")
             for dataset in paper.table_1}
    for name, file in preference_files(work.run, work.context.options.preferences).items():
        order = order_of(name, "the run's own human study, Bradley-Terry strengths (log odds)", read_preferences(file),
                         work.measurements.layouts, work.methods)
        study = name.removeprefix(STUDY).lstrip("-")
        order = replace(order, title="This run’s own study" + (f", {study}" if study else ""))
        found[name] = order, sha256(file)
    return found


def _details(order: HumanOrder, found: dict[str, Agreement]) -> dict[str, Any]:
    p = {name: one.p for name, one in found.items()}
    tested = [name for name in p if p[name] is not None]
    adjusted = holm([p[name] for name in tested])
    return {"human order": order.realism, "discordant pairs": {name: one.discordant for name, one in found.items()},
            "tied pairs": {name: one.tied for name, one in found.items()},
            "tau of random orders, 95 %": {name: one.random for name, one in found.items()},
            "p": p, "p (Holm)": dict.fromkeys(p) | dict(zip(tested, adjusted, strict=True))}


def _provenance(order: HumanOrder, work: Work) -> dict[str, Any]:
    fixed = "is the same in all of them" if order.wins is None else \
        "is made again of the choices on the layouts drawn; the people are the same"
    provenance = {"human order": order.source, "methods": [m for m in order.realism if m in work.methods],
                  "statistic": "Kendall's tau-b",
                  "ties": "neither right nor wrong, they leave the norm; the range of random orders is that without "
                          "ties",
                  "test": "exact, against independent orders; Holm over the scores of this human order",
                  "interval": f"95 %, {work.resampling}; the human order {fixed}"}
    return provenance | ({"left out": list(order.notes)} if order.notes else {})


METRIC = AgreementMetric()
