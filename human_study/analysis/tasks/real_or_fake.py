"""Single pictures, real or fake: HYPE's two scores (Zhou et al. 2019), clustered by worker and image.

HYPE-infinity: the share of errors over as many photographs as pictures of a method; one half is what chance gives, so
nobody can tell them apart. HYPE-time: the exposure at which a staircase settles, the commonest one of a worker's, in
mean over the workers (the paper's workers have three staircases for one model, of which the mean is taken first).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from evaluation.run_directory import PHOTOS
from evaluation.statistics.intervals import holm
from human_study.analysis.clustered import (
    CONFIDENCE,
    Estimate,
    Share,
    clustered_equivalence,
    clustered_interval,
    clustered_share,
    clustered_test,
)
from human_study.analysis.preference import ALPHA, MARGIN, Comparison, answered, comparisons

UNBALANCED = 0.1  # difference between photographs and pictures, as a share of the answers, that is worth a note


@dataclass(frozen=True)
class Rate:
    """A share of answers, 0..1, with its clustered 95 % interval; None with the reason in `note`."""

    value: float
    n: int
    interval: tuple[float, float] | None
    note: str = ""


@dataclass(frozen=True)
class Realism:
    """Answers to a method's pictures and to the photographs shown with them, at one exposure."""

    method: str
    exposure_ms: float | None  # as requested; None: unlimited
    workers: int
    images: int
    error: Rate  # HYPE: photographs called fake and pictures called real, of all answers
    deceived: Rate  # the method's pictures called real
    doubted: Rate  # photographs called fake
    p: float | None  # of error = one half, clustered
    p_equivalent: float | None  # TOST with MARGIN
    p_holm: float | None = None
    p_equivalent_holm: float | None = None

    @property
    def verdict(self) -> str:
        """What the clustered tests allow to say."""
        if self.p_holm is None:
            return "no clustered test"
        if self.p_equivalent_holm is not None and self.p_equivalent_holm < ALPHA:
            return f"at chance within {MARGIN * 100:g} points"
        if self.p_holm >= ALPHA:
            return "undecided"
        return "told apart" if self.error.value < 0.5 else "more real than photographs"


@dataclass(frozen=True)
class Threshold:
    """HYPE-time of a method, ms: mean over workers of the commonest exposure of their staircase."""

    method: str
    time_ms: Estimate
    workers: int
    trials: float  # per staircase, median
    shortest_ms: float  # of the workers' commonest exposures
    longest_ms: float


def judged(frame: pd.DataFrame, all_answers: bool = False) -> pd.DataFrame:
    """The answers to analyse: a (the photographs), b (the method), photo, outcome (1: error), exposure_req_ms,
    worker_id, image_id (integer codes), adaptive.

    frame: responses after quality.apply_rules. all_answers: as of preference.judgments.
    """
    frame = frame[answered(frame, all_answers)]
    ids = {name: pd.factorize(frame[name], sort=True)[0] for name in ("worker_id", "image_id")}
    method = [condition.partition("_vs_")[2] for condition in frame["condition"]]
    return pd.DataFrame({
        "a": PHOTOS, "b": method, "photo": frame["shown"].eq(PHOTOS).to_numpy(bool),
        "outcome": frame["outcome"].to_numpy(float), "exposure_req_ms": frame["exposure_req_ms"].to_numpy(float),
        "adaptive": frame["adaptive"].fillna(False).to_numpy(bool), **ids})


def realism(frame: pd.DataFrame) -> list[Realism]:
    """One row per method and exposure of `judged`, with Holm's adjustment over all; staircases are left out, because
    they hold the share of errors at one quarter."""
    fixed = frame[~frame["adaptive"]]
    rows = [_realism(str(method), None if math.isinf(ms) else float(ms), group) for (method, ms), group in
            fixed.groupby(["b", fixed["exposure_req_ms"].fillna(np.inf)])]
    return _adjusted(_adjusted(rows, "p"), "p_equivalent")


def _realism(method: str, exposure_ms: float | None, group: pd.DataFrame) -> Realism:
    share = _share(group)
    return Realism(method, exposure_ms, group["worker_id"].nunique(), group["image_id"].nunique(), _rate(group),
                   _rate(group[~group["photo"]]), _rate(group[group["photo"]]), clustered_test(share),
                   clustered_equivalence(share, MARGIN))


def _share(group: pd.DataFrame) -> Share:
    return clustered_share(*(group[name].to_numpy() for name in ("outcome", "worker_id", "image_id")))


def _rate(group: pd.DataFrame) -> Rate:
    share = _share(group)
    return Rate(share.value, share.n, clustered_interval(share), share.missing)


def _adjusted(rows: Sequence[Realism], name: str) -> list[Realism]:
    known = iter(holm([p for row in rows if (p := getattr(row, name)) is not None]))
    return [row if getattr(row, name) is None else replace(row, **{f"{name}_holm": next(known)}) for row in rows]


def unbalanced(frame: pd.DataFrame) -> list[str]:
    """Notes on methods with many more, or fewer, photographs than pictures: who says "fake" to everything is then not
    wrong half of the time. frame: of `judged`; staircases are left out."""
    notes = []
    for method, group in frame[~frame["adaptive"]].groupby("b"):
        photos, n = int(group["photo"].sum()), len(group)
        if abs(2 * photos - n) > UNBALANCED * n:
            notes.append(f"{method}: {photos} answers to photographs and {n - photos} to its pictures: the score "
                         "depends on how readily people say real; compare its two parts.")
    return notes


def error_differences(frame: pd.DataFrame) -> list[Comparison]:
    """Difference of every two methods' errors at fixed exposures."""
    return comparisons(frame[~frame["adaptive"]])


def thresholds(frame: pd.DataFrame) -> list[Threshold]:
    """HYPE-time by method, with Student's t interval over the workers."""
    return [_threshold(str(method), group) for method, group in frame[frame["adaptive"]].groupby("b")]


def _threshold(method: str, group: pd.DataFrame) -> Threshold:
    staircases = group.groupby("worker_id")["exposure_req_ms"]
    commonest = staircases.agg(commonest_exposure).to_numpy(float)
    return Threshold(method, mean_of_workers(commonest), len(commonest), float(staircases.size().median()),
                     float(commonest.min()), float(commonest.max()))


def commonest_exposure(exposures: pd.Series) -> float:
    """The mode of one staircase, ms; the mean of several equally common ones."""
    return float(exposures.mode().mean())


def mean_of_workers(values: np.ndarray) -> Estimate:
    """Mean of one value per worker with Student's t interval."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Estimate(mean, note="one participant: how much participants differ cannot be estimated")
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
    return Estimate(mean, (mean - half, mean + half))
