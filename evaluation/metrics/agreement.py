"""The metric "agreement": which automatic score puts the methods in the order in which people put them?

For each score Kendall's tau-b between its order of the methods and a human order: the paper's Table 1, and the run's
own human study where its preferences are given. The interval resamples layouts, for a study those of the people's
choices too; how tau scatters over other methods it cannot say, so the range that random orders give stands beside it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from data.files import sha256
from evaluation import published
from evaluation.metrics.context import Work
from evaluation.metrics.differences import StatisticsOf, all_statistics
from evaluation.run_directory import Value
from evaluation.statistics.intervals import LEVEL, UNDEFINED, Statistic, holm, percentile_interval, resample
from evaluation.statistics.preferences import HumanOrder, Preference, order_of, preference_files, read_preferences

METRIC = "agreement"
LEAST_METHODS = 3  # two methods have an order right or wrong by the toss of a coin
UNCHANGED = "the order {} changed when layouts were resampled; says nothing about other methods"


def kendall_tau(scores: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of scores [..., M] with an order [M] or orders [..., M]: [...]; NaN where all of one are tied.

    Equals scipy.stats.kendalltau, for many resamples at once.
    """
    i, j = np.triu_indices(order.shape[-1], 1)
    a, b = np.sign(scores[..., i] - scores[..., j]), np.sign(order[..., i] - order[..., j])
    norm = np.sqrt((a != 0).sum(-1) * (b != 0).sum(-1))
    return np.divide((a * b).sum(-1), norm, out=np.full(norm.shape, np.nan), where=norm > 0)


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
    score or the human order does not tell apart, which tau-b leaves out of its norm."""

    tau: float
    interval: tuple[float, float] | None
    note: str
    p: float | None
    random: tuple[float, float]
    discordant: list[tuple[str, str]]
    tied: list[tuple[str, str]]


def agreement(statistics: Mapping[str, Statistic], human: Mapping[str, float], counts: np.ndarray,
              resampled: Mapping[str, np.ndarray] | None = None, block: int = 1) -> Agreement | None:
    """One score of each method against a human order (higher: more realistic); resampled: the human order [R] in the
    resamples of `counts`, where it changes with them. None for fewer than three methods in common, or a score without
    an order."""
    methods = [method for method in human if method in statistics]
    if len(methods) < LEAST_METHODS or statistics[methods[0]].higher_is_better is None:
        return None
    sign = 1 if statistics[methods[0]].higher_is_better else -1
    values = sign * np.array([statistics[method].value() for method in methods])
    order = np.array([human[method] for method in methods])
    if not np.isfinite(values).all() or len(set(values)) == 1:
        return None
    scores = [resample(statistics[method], counts, block) for method in methods]
    replicates = sign * np.stack([score.replicates for score in scores], axis=-1)
    orders = np.stack([resampled[method] for method in methods], axis=-1) if resampled else order
    interval, note = _interval(kendall_tau(replicates, orders))
    fewest = min((score.dependence for score in scores), key=lambda found: found.pieces)
    if fewest.found:
        interval, note = (interval if fewest.interval_possible else None), fewest.note
    i, j = np.triu_indices(len(methods), 1)
    products = np.sign(values[i] - values[j]) * np.sign(order[i] - order[j])

    def pairs(chosen: np.ndarray) -> list[tuple[str, str]]:
        return [(methods[a], methods[b]) for a, b in zip(i[chosen], j[chosen], strict=True)]

    p = float(stats.kendalltau(values, order).pvalue)
    return Agreement(float(kendall_tau(values, order)), interval, note, p if math.isfinite(p) else None,
                     random_range(len(methods)), pairs(products < 0), pairs(products == 0))


def _interval(taus: np.ndarray) -> tuple[tuple[float, float] | None, str]:
    """An interval without width would look like certainty: a note in its place."""
    interval = percentile_interval(taus)
    if interval is None:
        return None, UNDEFINED
    if interval[0] == interval[1]:
        return None, UNCHANGED.format("never" if (taus == interval[0]).all() else "hardly ever")
    return interval, ""


def pairwise_agreement(preferences: Sequence[Preference], per_image: Mapping[str, np.ndarray], layouts: Sequence[str],
                       higher_is_better: bool) -> Statistic | None:
    """Share (0..1) of people's choices between two images that a per-image score would have made too (ties: half).

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
    return Statistic(sums, _share) if sums[:, 1].any() else None


def _share(means: np.ndarray) -> np.ndarray:
    return np.divide(means[..., 0], means[..., 1], out=np.full(means.shape[:-1], np.nan), where=means[..., 1] > 0)


def score(work: Work, sources: Mapping[str, StatisticsOf], inputs_of: Callable[[str], str]) -> None:
    """Write scores/agreement/<order>.json for each table of the paper and for the run's own studies: a tau per score.

    An order with fewer than three methods of the run is left out.
    """
    everything = [inputs_of(method) for method in work.methods]
    for order, key in _orders(work):
        inputs = work.inputs(METRIC, order.name, [everything, order.realism, key])
        if len(set(order.realism) & set(work.methods)) >= LEAST_METHODS and not work.stored(METRIC, order.name, inputs):
            _write(work, sources, order, inputs)


def _orders(work: Work) -> list[tuple[HumanOrder, str]]:
    """Each with a hash of what it was made from beside the order itself."""
    paper = published.preferences()
    found = [(HumanOrder(dataset, f"{paper.source}, Table 1, {dataset}", paper.realism(dataset)), "")
             for dataset in paper.table_1]
    for name, file in preference_files(work.run, work.context.options.preferences).items():
        order = order_of(name, "the run's own human study, Bradley-Terry strengths (log odds)", read_preferences(file),
                         work.measurements.layouts, work.methods)
        found.append((order, sha256(file)))
    return found


def _write(work: Work, sources: Mapping[str, StatisticsOf], order: HumanOrder, inputs: str) -> None:
    table = {method: all_statistics(work, sources, method) for method in work.methods}
    names = dict.fromkeys(score for statistics in table.values() for score in statistics)
    values, found, resampled = [], {}, order.resampled(work.counts)
    for name in names:
        of_methods = {method: s[name] for method, s in table.items() if name in s}
        if one := agreement(of_methods, order.realism, work.counts, resampled, work.block):
            found[name] = one
            values.append(Value(name, one.tau, one.interval, one.note, higher_is_better=True))
        values += _per_image(work, order.preferences, name, of_methods)
    work.write(METRIC, order.name, inputs, values, _protocol(order, work), details=_details(order, found))


def _details(order: HumanOrder, found: dict[str, Agreement]) -> dict:
    p = {name: one.p for name, one in found.items()}
    tested = [name for name in p if p[name] is not None]
    adjusted = holm([p[name] for name in tested])
    return {"human order": order.realism, "discordant pairs": {name: one.discordant for name, one in found.items()},
            "tied pairs": {name: one.tied for name, one in found.items()},
            "tau of random orders, 95 %": {name: one.random for name, one in found.items()},
            "p": p, "p (Holm)": dict.fromkeys(p) | dict(zip(tested, adjusted, strict=True))}


def _per_image(work: Work, preferences: Sequence[Preference], name: str, table: Mapping[str, Statistic]) -> list[Value]:
    """Agreement image by image, for scores that an image has by itself."""
    each = {method: s.each for method, s in table.items() if s.each is not None}
    orders = {s.higher_is_better for s in table.values()}
    if not preferences or not each or orders & {None}:
        return []
    statistic = pairwise_agreement(preferences, each, work.measurements.layouts, orders.pop())
    if statistic is None:
        return []
    share = work.resample(statistic)
    return [Value(f"{name}, per image", statistic.value(), share.interval, share.note, True)]


def _protocol(order: HumanOrder, work: Work) -> dict:
    held = "is held fixed" if order.wins is None else "is made again of the choices on the layouts drawn; the people " \
                                                      "are the same"
    protocol = {"human order": order.source, "methods": [m for m in order.realism if m in work.methods],
                "statistic": "Kendall's tau-b",
                "ties": "neither right nor wrong, they leave the norm; the range of random orders is that without ties",
                "test": "exact, against independent orders; Holm over the scores of this human order",
                "interval": f"95 %, {work.resampling}; the human order {held}"}
    return protocol | ({"left out": list(order.notes)} if order.notes else {})
