"""How often one method is preferred to another: shares, intervals and tests by pair and exposure."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from evaluation.run_directory import PHOTOS
from evaluation.statistics.intervals import holm
from human_study.analysis.clustered import (
    Estimate,
    Share,
    clustered_difference,
    clustered_equivalence,
    clustered_interval,
    clustered_share,
    clustered_test,
)
from human_study.analysis.quality import STRUCTURAL, by_reasons
from human_study.responses.columns import condition_name

ALPHA = 0.05
MARGIN = 0.05  # of the equivalence test: 5 percentage points around one half
FEW = 5  # workers or images up to which an interval is honest but very wide


@dataclass(frozen=True)
class Counts:
    """Votes for method `a` against method `b`; exposure_ms None means unlimited time."""

    a: str
    b: str
    exposure_ms: float | None
    wins: int
    n: int


@dataclass(frozen=True)
class Preference:
    """Judgments of one pair at one exposure. Shares and intervals are 0..1, for method a; None: see `note`."""

    a: str
    b: str
    exposure_ms: float | None  # as requested; None: unlimited
    n: int
    wins: int
    ties: int
    share: float
    naive: tuple[float, float] | None  # Wilson, as if all judgments were independent
    p_exact: float | None  # two-sided binomial test of one half, ties left out, as if independent
    p_equivalent_naive: float | None
    workers: int | None = None
    images: int | None = None
    clustered: tuple[float, float] | None = None
    p_clustered: float | None = None
    p_equivalent: float | None = None  # TOST with MARGIN, clustered
    effective_n: float | None = None
    shown_ms: float | None = None  # median of the measured exposures
    p_exact_holm: float | None = None
    p_clustered_holm: float | None = None
    p_equivalent_holm: float | None = None
    note: str = ""

    @property
    def equivalent(self) -> bool:
        return self.p_equivalent_holm is not None and self.p_equivalent_holm < ALPHA

    @property
    def preferred(self) -> str | None:
        """The method that is preferred by the clustered test, Holm-adjusted over all rows of the table."""
        if self.equivalent or self.p_clustered_holm is None or self.p_clustered_holm >= ALPHA:
            return None
        return self.a if self.share > 0.5 else self.b

    @property
    def verdict(self) -> str:
        """What the clustered tests allow to say."""
        if self.p_clustered_holm is None:
            return "no clustered test"
        if self.equivalent:
            return f"equivalent within {MARGIN * 100:g} points"
        return f"{self.preferred} preferred" if self.preferred else "undecided"


def judgments(frame: pd.DataFrame, reference: str, all_answers: bool = False) -> pd.DataFrame:
    """The rows to analyse, with the pair oriented (a is the photographs, else the reference, else first by name).

    frame: responses after quality.apply_rules. all_answers: every judgment, whatever the quality rules say of it.
    Columns: a, b, condition, left_method, right_method (categories), outcome (for a), a_left, exposure_req_ms,
    exposure_ms, worker_id, image_id, session_id (integer codes), trial_index, chosen. Answers "none" never enter.
    """
    keep = answered(frame, all_answers)
    needed = ["left_method", "right_method", "chosen", "worker_id", "image_id", "session_id", "exposure_req_ms",
              "exposure_ms", "trial_index"]
    frame = frame.loc[keep, needed]
    left, right, names = method_codes(frame)
    priority = np.array([{PHOTOS: -2, reference: -1}.get(name, i) for i, name in enumerate(names)], dtype=float)
    a_left = priority[left] < priority[right]
    a, b = np.where(a_left, left, right), np.where(a_left, right, left)
    left_wins = frame["chosen"].map({"left": 1.0, "right": 0.0, "tie": 0.5}).to_numpy(float)
    ids = {name: pd.factorize(frame[name], sort=True)[0] for name in ("worker_id", "image_id", "session_id")}
    numbers = {name: frame[name].to_numpy(float) for name in ("exposure_req_ms", "exposure_ms", "trial_index")}
    methods = {name: pd.Categorical.from_codes(codes, names) for name, codes in
               {"a": a, "b": b, "left_method": left, "right_method": right}.items()}
    return pd.DataFrame({**methods, "condition": _conditions(a, b, names), "chosen": frame["chosen"].to_numpy(),
                         "outcome": np.where(a_left, left_wins, 1 - left_wins), "a_left": a_left, **ids, **numbers})


def answered(frame: pd.DataFrame, all_answers: bool = False) -> np.ndarray:
    """bool [n]: rows to analyse, those that are used or, with `all_answers`, every judgment."""
    keep = frame["used"].fillna(False).to_numpy(bool)
    if all_answers:
        keep = keep | ~by_reasons(frame["exclude_reasons"], lambda own: any(  # reasons that no rules could lift
            name in STRUCTURAL or name.startswith("import_") for name in own))
    return keep


def method_codes(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Left and right method of every row as codes into one sorted list of names."""
    columns = [frame[name].astype("category").cat for name in ("left_method", "right_method")]
    names = sorted({str(name) for column in columns for name in column.categories})
    place = {name: i for i, name in enumerate(names)}
    left, right = (np.array([place[name] for name in column.categories], dtype=np.int64)[column.codes]
                   if len(column.categories) else column.codes.to_numpy(np.int64) for column in columns)
    return left, right, names


def _conditions(a: np.ndarray, b: np.ndarray, names: list[str]) -> pd.Categorical:
    codes, pairs = pd.factorize(a * len(names) + b, sort=True)
    return pd.Categorical.from_codes(codes, [condition_name(names[p // len(names)], names[p % len(names)])
                                             for p in pairs])


def preferences(frame: pd.DataFrame, ties: str = "half") -> list[Preference]:
    """One row per pair and exposure of `judgments`, with Holm's adjustment over all of them.

    ties: "half" counts a tie as half a vote for each, "drop" leaves ties out.
    """
    rows = [_preference(*names, group, ties) for names, group in _cells(frame, ["a", "b"])]
    return adjusted(rows)


def votes(frame: pd.DataFrame, ties: str = "half") -> list[dict[str, Any]]:
    """Used judgments image by image, at all exposures together: {"layout", "preferred", "other", "count"}, sorted.

    frame: responses after quality.apply_rules. A tie is half a vote each way, or left out.
    """
    used = frame.loc[frame["used"].fillna(False).to_numpy(bool), ["image_id", "left_method", "right_method", "chosen"]]
    left, right, names = method_codes(used)
    parts = []
    for side, preferred, other in (("left", left, right), ("right", right, left)):
        counts = used["chosen"].eq(side) + used["chosen"].eq("tie") * (0.5 if ties == "half" else 0.0)
        parts.append(pd.DataFrame({"layout": used["image_id"], "preferred": pd.Categorical.from_codes(preferred, names),
                                   "other": pd.Categorical.from_codes(other, names), "count": counts}))
    total = pd.concat(parts).groupby(["layout", "preferred", "other"], observed=True)["count"].sum()
    return total[total > 0].sort_index().reset_index().to_dict("records")


def _cells(frame: pd.DataFrame, names: list[str]) -> Iterator[tuple[tuple, pd.DataFrame]]:
    """Groups by the named columns and the exposure (infinite: unlimited)."""
    exposure = frame["exposure_req_ms"].fillna(math.inf).rename("exposure")
    yield from frame.groupby([*(frame[name] for name in names), exposure], sort=True, observed=True)


def _preference(a: str, b: str, exposure: float, group: pd.DataFrame, ties: str) -> Preference:
    outcome = group["outcome"].to_numpy(float)
    tied = int((outcome == 0.5).sum())
    counted = group[group["outcome"] != 0.5] if ties == "drop" else group
    share = clustered_share(*(counted[name].to_numpy() for name in ("outcome", "worker_id", "image_id")))
    row = from_counts(Counts(a, b, None if math.isinf(exposure) else exposure, int((outcome == 1).sum()), len(group)),
                      tied, ties)
    wide = f"only {share.df + 1} participants or images: the interval is honest but wide"
    few = [wide] if share.df + 1 <= FEW else []
    notes = [row.note] if not row.n else [share.missing] if share.missing else few
    shown = group["exposure_ms"].median()
    return replace(
        row, workers=group["worker_id"].nunique(), images=group["image_id"].nunique(),
        clustered=clustered_interval(share), p_clustered=clustered_test(share), effective_n=share.effective_n,
        p_equivalent=clustered_equivalence(share, MARGIN), shown_ms=None if math.isnan(shown) else float(shown),
        note="; ".join(notes))


def from_counts(counts: Counts, tied: int = 0, ties: str = "half") -> Preference:
    """What counts alone can say: nothing about workers and images, so no clustered interval or test."""
    n = counts.n - tied if ties == "drop" else counts.n
    votes = counts.wins + (0 if ties == "drop" else tied / 2)
    if n == 0:
        return Preference(counts.a, counts.b, counts.exposure_ms, 0, counts.wins, tied, math.nan, None, None, None,
                          note="no judgments but ties" if tied else "no judgments")
    low, high = proportion_confint(votes, n, method="wilson")
    decided = counts.n - tied
    independent = Share(votes / n, n, float(n), math.inf)
    return Preference(
        counts.a, counts.b, counts.exposure_ms, n, counts.wins, tied, votes / n, (float(low), float(high)),
        float(stats.binomtest(counts.wins, decided).pvalue) if decided else None,
        clustered_equivalence(independent, MARGIN), note="counts only: no participants or images to cluster by")


def adjusted(rows: Sequence[Preference]) -> list[Preference]:
    """The rows with Holm-adjusted p values; the family is all rows that have the test."""
    for field in ("p_exact", "p_clustered", "p_equivalent"):
        rows = _holm(rows, lambda row, field=field: getattr(row, field), f"{field}_holm")
    return list(rows)


def _holm(rows: Sequence, p_of: Callable[[Any], float | None], field: str) -> list:
    """The rows with Holm's adjustment of the p values that they have, as `field`."""
    adjusted_p = iter(holm([p for row in rows if (p := p_of(row)) is not None]))
    return [row if p_of(row) is None else replace(row, **{field: next(adjusted_p)}) for row in rows]


@dataclass(frozen=True)
class Comparison:
    """Difference of a's preference over `second` minus over `first` at one exposure, paired by image and worker."""

    a: str
    first: str
    second: str
    exposure_ms: float | None
    difference: Estimate
    p_holm: float | None = None


def comparisons(frame: pd.DataFrame) -> list[Comparison]:
    """Every two pairs that share method a at one exposure; Holm's adjustment over all of them."""
    found = []
    for (a, exposure), group in _cells(frame, ["a"]):
        for first, second in combinations(sorted(group["b"].unique()), 2):
            both = group.loc[group["b"].isin((first, second)), ["b", "outcome", "worker_id", "image_id"]]
            difference = clustered_difference(both["outcome"].to_numpy(), both["b"].eq(second).to_numpy(),
                                              both["worker_id"].to_numpy(), both["image_id"].to_numpy())
            found.append(Comparison(a, first, second, None if math.isinf(exposure) else exposure, difference))
    return _holm(found, lambda row: row.difference.p, "p_holm")
