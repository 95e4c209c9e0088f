"""The metric "agreement": which automatic score puts the methods in the order in which people put them?

For each score Kendall's tau-b between its order of the methods and a human order: the paper's Table 1, and the run's
own human study where its preferences are given. The interval resamples layouts; the human order is taken as it is.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from data.errors import InputError
from data.files import read_json, sha256
from evaluation.context import Work
from evaluation.differences import StatisticsOf, all_statistics
from evaluation.intervals import Statistic, percentile_interval
from evaluation.published_order import TABLE_1, realism
from evaluation.rundir import Value

METRIC = "agreement"
LEAST_METHODS = 3  # two methods have an order right or wrong by the toss of a coin
STUDY = "human-study"


def kendall_tau(scores: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of scores [..., M] with one order [M]: [...]; NaN where all scores are tied.

    Equals scipy.stats.kendalltau, for many resamples at once.
    """
    i, j = np.triu_indices(len(order), 1)
    a, b = np.sign(scores[..., i] - scores[..., j]), np.sign(order[i] - order[j])
    norm = np.sqrt((a != 0).sum(-1) * (b != 0).sum())
    return np.divide((a * b).sum(-1), norm, out=np.full(norm.shape, np.nan), where=norm > 0)


@dataclass(frozen=True)
class Agreement:
    """tau in -1..1 with interval; p: exact two-sided under independence; discordant: pairs of methods put otherwise."""

    tau: float
    interval: tuple[float, float] | None
    p: float | None
    discordant: list[tuple[str, str]]


def agreement(statistics: Mapping[str, Statistic], human: Mapping[str, float], counts: np.ndarray) -> Agreement | None:
    """One score of each method against a human order (higher: more realistic). None for fewer than three methods in
    common, or a score without an order."""
    methods = [method for method in human if method in statistics]
    if len(methods) < LEAST_METHODS or statistics[methods[0]].higher_is_better is None:
        return None
    sign = 1 if statistics[methods[0]].higher_is_better else -1
    values = sign * np.array([statistics[method].value() for method in methods])
    order = np.array([human[method] for method in methods])
    if not np.isfinite(values).all() or len(set(values)) == 1:
        return None
    replicates = sign * np.stack([statistics[method].replicates(counts) for method in methods], axis=-1)
    i, j = np.triu_indices(len(methods), 1)
    wrong = np.sign(values[i] - values[j]) * np.sign(order[i] - order[j]) < 0
    p = float(stats.kendalltau(values, order).pvalue)
    return Agreement(float(kendall_tau(values, order)), percentile_interval(kendall_tau(replicates, order)),
                     p if math.isfinite(p) else None,
                     [(methods[a], methods[b]) for a, b in zip(i[wrong], j[wrong], strict=True)])


@dataclass(frozen=True)
class Preference:
    """`count` people preferred the image of one method to the other's, of the same layout."""

    layout: str
    preferred: str
    other: str
    count: float = 1.0


def read_preferences(file: Path) -> list[Preference]:
    """A JSON list of {"layout", "preferred", "other"[, "count"]}. Raises InputError naming the first bad entry."""
    entries = read_json(file)
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{file}: a list of preferences is expected, [{{layout, preferred, other}}, ...]")
    try:
        return [Preference(str(e["layout"]), str(e["preferred"]), str(e["other"]), float(e.get("count", 1)))
                for e in entries]
    except (TypeError, KeyError, ValueError, AttributeError):
        wrong = next(i for i, e in enumerate(entries) if not isinstance(e, dict)
                     or not {"layout", "preferred", "other"} <= set(e))
        raise InputError(f"{file}: entry {wrong} needs layout, preferred and other, got {entries[wrong]}") from None


def human_order(preferences: Sequence[Preference], methods: Sequence[str]) -> dict[str, float]:
    """Percent of its comparisons (with any of `methods`) that each method won, averaged over its opponents."""
    index = {method: i for i, method in enumerate(methods)}
    wins = np.zeros((len(methods), len(methods)))
    for p in preferences:
        if p.preferred in index and p.other in index:
            wins[index[p.preferred], index[p.other]] += p.count
    total = wins + wins.T
    share = np.divide(wins, total, out=np.full_like(wins, np.nan), where=total > 0)
    return {method: float(100 * np.nanmean(share[i])) for method, i in index.items() if total[i].any()}


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
    """Write scores/agreement/<order>.json for each table of the paper and for the run's own study: one tau per score.

    An order with fewer than three methods of the run is left out.
    """
    everything = [inputs_of(method) for method in work.methods]
    orders = {table: realism(table) for table in TABLE_1}
    preferences = _preferences(work)
    if preferences:
        orders[STUDY] = human_order(preferences, work.methods)
    for name, order in orders.items():
        if len(set(order) & set(work.methods)) < LEAST_METHODS:
            continue
        inputs = work.inputs(METRIC, name, [everything, order, _preferences_hash(work) if name == STUDY else None])
        if not work.stored(METRIC, name, inputs):
            _write(work, sources, name, order, preferences if name == STUDY else [], inputs)


def _preferences(work: Work) -> list[Preference]:
    path = work.context.options.preferences
    return read_preferences(Path(path)) if path else []


def _preferences_hash(work: Work) -> str:
    return sha256(Path(work.context.options.preferences))


def _write(work: Work, sources: Mapping[str, StatisticsOf], name: str, order: dict[str, float],
           preferences: list[Preference], inputs: str) -> None:
    table = {method: all_statistics(work, sources, method) for method in work.methods}
    names = dict.fromkeys(score for statistics in table.values() for score in statistics)
    values, details = [], {"human order": order, "discordant pairs": {}, "p": {}}
    for score_name in names:
        of_methods = {method: s[score_name] for method, s in table.items() if score_name in s}
        if found := agreement(of_methods, order, work.counts):
            values.append(Value(score_name, found.tau, found.interval, higher_is_better=True))
            details["discordant pairs"][score_name] = found.discordant
            details["p"][score_name] = found.p
        if preferences:
            values += _per_image(work, preferences, score_name, of_methods)
    work.write(METRIC, name, inputs, values, _protocol(name, order, work), details=details)


def _per_image(work: Work, preferences: list[Preference], name: str, table: Mapping[str, Statistic]) -> list[Value]:
    """Agreement image by image, for scores that are means over images."""
    plain = {method: s.per_image[:, 0] for method, s in table.items() if s.per_image.shape[1] == 1}
    orders = {s.higher_is_better for s in table.values()}
    if not plain or orders & {None}:
        return []
    statistic = pairwise_agreement(preferences, plain, work.measurements.layouts, orders.pop())
    if statistic is None:
        return []
    return [Value(f"{name}, per image", statistic.value(), percentile_interval(statistic.replicates(work.counts)),
                  higher_is_better=True)]


def _protocol(name: str, order: dict[str, float], work: Work) -> dict:
    source = "the run's own human study" if name == STUDY else f"Chen & Koltun, ICCV 2017, Table 1, {name}"
    methods = [method for method in order if method in work.methods]
    return {"human order": source, "methods": methods, "statistic": "Kendall's tau-b",
            "interval": f"95 %, {work.context.bootstrap} resamples of the layouts; the human order is held fixed"}
