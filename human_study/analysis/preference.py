"""How often one method is preferred to another: shares, intervals and tests by pair and exposure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

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
    wilson,
)
from human_study.analysis.quality import STRUCTURAL, by_reasons

ALPHA = 0.05
MARGIN = 0.05  # of the equivalence test: 5 percentage points around one half
FEW = 5  # participants or images up to which an interval is honest but very wide


@dataclass(frozen=True)
class PairCounts:
    """Votes for method `a` against method `b`; exposure_ms None: unlimited time."""

    a: str
    b: str
    exposure_ms: float | None
    wins: int
    n: int


@dataclass(frozen=True)
class PairResult:
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
    participants: int | None = None
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
        """The claim that the clustered tests support."""
        if self.p_clustered_holm is None:
            return "no clustered test"
        if self.equivalent:
            return f"equivalent within {MARGIN * 100:g} points"
        return f"{self.preferred} preferred" if self.preferred else "undecided"


@dataclass(frozen=True)
class PairDifference:
    """Preference for a over `second` minus that over `first`, at one exposure, paired by image and participant."""

    a: str
    first: str
    second: str
    exposure_ms: float | None
    difference: Estimate
    p_holm: float | None = None

    @property
    def p(self) -> float | None:
        return self.difference.p


# --- the judgments ---------------------------------------------------------------------------------------------------

def answered(frame: pd.DataFrame, all_answers: bool = False) -> np.ndarray:
    """bool [n]: rows to analyse: those that are used or, with `all_answers`, every judgment, also those that
    the quality rules exclude. frame: responses after quality.apply_rules."""
    keep = frame["used"].fillna(False).to_numpy(bool)
    if all_answers:
        keep = keep | ~by_reasons(frame["exclude_reasons"], lambda own: any(  # reasons that no rules could lift
            name in STRUCTURAL or name.startswith("import_") for name in own))
    return keep


def judgments(frame: pd.DataFrame, baseline: str, all_answers: bool = False) -> pd.DataFrame:
    """The rows to analyse (see `answered`), with the pair oriented: a is the photographs, else the baseline, else the
    first by name.

    Columns: a, b, left_method, right_method (categories), outcome (for a), a_left, exposure_req_ms, exposure_ms,
    participant, image_id, session_id (integer codes), trial_index, chosen. Trials without an answer are left out.
    """
    keep = answered(frame, all_answers)
    needed = ["left_method", "right_method", "chosen", "participant", "image_id", "session_id", "exposure_req_ms",
              "exposure_ms", "trial_index"]
    frame = frame.loc[keep, needed]
    left, right, names = method_codes(frame)
    priority = np.array([{PHOTOS: -2, baseline: -1}.get(name, i) for i, name in enumerate(names)], dtype=float)
    a_left = priority[left] < priority[right]
    left_wins = frame["chosen"].map({"left": 1.0, "right": 0.0, "tie": 0.5}).to_numpy(float)
    methods = {name: pd.Categorical.from_codes(codes, names) for name, codes in
               {"a": np.where(a_left, left, right), "b": np.where(a_left, right, left), "left_method": left,
                "right_method": right}.items()}
    ids = {name: pd.factorize(frame[name], sort=True)[0] for name in ("participant", "image_id", "session_id")}
    numbers = {name: frame[name].to_numpy(float) for name in ("exposure_req_ms", "exposure_ms", "trial_index")}
    return pd.DataFrame({**methods, "chosen": frame["chosen"].to_numpy(),
                         "outcome": np.where(a_left, left_wins, 1 - left_wins), "a_left": a_left, **ids, **numbers})


def method_codes(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Left and right method of every row as codes into one sorted list of names."""
    columns = [frame[name].astype("category").cat for name in ("left_method", "right_method")]
    names = sorted({str(name) for column in columns for name in column.categories})
    place = {name: i for i, name in enumerate(names)}
    left, right = (np.array([place[name] for name in column.categories], dtype=np.int64)[column.codes]
                   if len(column.categories) else column.codes.to_numpy(np.int64) for column in columns)
    return left, right, names


def votes(frame: pd.DataFrame, ties: str = "half") -> list[dict[str, Any]]:
    """Used judgments image by image, at all exposures together: {"layout", "preferred", "other", "count"}, sorted.

    frame: responses after quality.apply_rules. A tie is half a vote each way, or left out.
    """
    used = frame.loc[answered(frame), ["image_id", "left_method", "right_method", "chosen"]]
    left, right, names = method_codes(used)
    parts = []
    for side, preferred, other in (("left", left, right), ("right", right, left)):
        counts = used["chosen"].eq(side) + used["chosen"].eq("tie") * (0.5 if ties == "half" else 0.0)
        parts.append(pd.DataFrame({"layout": used["image_id"], "preferred": pd.Categorical.from_codes(preferred, names),
                                   "other": pd.Categorical.from_codes(other, names), "count": counts}))
    total = pd.concat(parts).groupby(["layout", "preferred", "other"], observed=True)["count"].sum()
    return total[total > 0].sort_index().reset_index().to_dict("records")


def by_exposure(frame: pd.DataFrame, *names: str) -> Iterator[tuple[tuple[str, ...], float | None, pd.DataFrame]]:
    """(values of the named columns, exposure in ms or None for unlimited time, rows) of every group, sorted."""
    exposure = frame["exposure_req_ms"].fillna(math.inf).rename("exposure")
    for (*values, ms), group in frame.groupby([*(frame[name] for name in names), exposure], observed=True):
        yield tuple(map(str, values)), None if math.isinf(ms) else float(ms), group


# --- shares and differences ------------------------------------------------------------------------------------------

def preferences(frame: pd.DataFrame, ties: str = "half") -> list[PairResult]:
    """One row per pair and exposure of `judgments`, with Holm's adjustment over all of them.

    ties: "half" counts a tie as half a vote for each, "drop" leaves ties out.
    """
    rows = []
    for (a, b), exposure_ms, group in by_exposure(frame, "a", "b"):
        outcome = group["outcome"].to_numpy(float)
        share = share_of(group[outcome != 0.5] if ties == "drop" else group)
        counts = PairCounts(a, b, exposure_ms, int((outcome == 1).sum()), len(group))
        row = from_counts(counts, int((outcome == 0.5).sum()), ties)
        few = f"only {share.df + 1} participants or images: the interval is honest but wide"
        shown = group["exposure_ms"].median()
        rows.append(replace(
            row, participants=group["participant"].nunique(), images=group["image_id"].nunique(),
            clustered=clustered_interval(share), p_clustered=clustered_test(share), effective_n=share.effective_n,
            p_equivalent=clustered_equivalence(share, MARGIN), shown_ms=None if math.isnan(shown) else float(shown),
            note=row.note if not row.n else share.missing or (few if share.df + 1 <= FEW else "")))
    return adjusted(rows)


def share_of(judged: pd.DataFrame) -> Share:
    """Share of the outcomes. judged: columns outcome, participant, image_id."""
    return clustered_share(*(judged[name].to_numpy() for name in ("outcome", "participant", "image_id")))


def from_counts(counts: PairCounts, tied: int = 0, ties: str = "half") -> PairResult:
    """A result from counts alone: without participants and images, so without clustered interval and test."""
    decided = counts.n - tied
    n = decided if ties == "drop" else counts.n
    if n == 0:
        return PairResult(counts.a, counts.b, counts.exposure_ms, 0, counts.wins, tied, math.nan, None, None, None,
                          note="no judgments but ties" if tied else "no judgments")
    share = (counts.wins + (0 if ties == "drop" else tied / 2)) / n
    return PairResult(
        counts.a, counts.b, counts.exposure_ms, n, counts.wins, tied, share,
        wilson(share, n, float(stats.norm.ppf(0.975))),
        float(stats.binomtest(counts.wins, decided).pvalue) if decided else None,
        clustered_equivalence(Share(share, n, float(n), math.inf), MARGIN),
        note="counts only: no participants or images to cluster by")


def adjusted(rows: Sequence[PairResult]) -> list[PairResult]:
    return with_holm(rows, {f"p_{test}": f"p_{test}_holm" for test in ("exact", "clustered", "equivalent")})


def with_holm(rows: Sequence[Any], names: dict[str, str]) -> list[Any]:
    """The rows with Holm's adjustment of their p values: {attribute: attribute of the adjusted value}. The family is
    all rows whose value is not None."""
    for name, adjusted_name in names.items():
        found = iter(holm([p for row in rows if (p := getattr(row, name)) is not None]))
        rows = [row if getattr(row, name) is None else replace(row, **{adjusted_name: next(found)}) for row in rows]
    return list(rows)


def differences(frame: pd.DataFrame) -> list[PairDifference]:
    """Every two pairs that share method a at one exposure; Holm's adjustment over all of them."""
    found = []
    for (a,), exposure_ms, group in by_exposure(frame, "a"):
        for first, second in combinations(sorted(group["b"].unique()), 2):
            both = group.loc[group["b"].isin((first, second)), ["b", "outcome", "participant", "image_id"]]
            difference = clustered_difference(both["outcome"].to_numpy(), both["b"].eq(second).to_numpy(),
                                              both["participant"].to_numpy(), both["image_id"].to_numpy())
            found.append(PairDifference(a, first, second, exposure_ms, difference))
    return with_holm(found, {"p": "p_holm"})
