"""Single pictures, real or fake: HYPE's two scores (Zhou et al. 2019), clustered by participant and image.

HYPE-infinity: the share of errors over as many photographs as pictures of a method; at one half, the rate of guessing,
nobody can tell them apart. HYPE-time: the exposure at which a staircase settles, that is its commonest one, averaged
over the participants (the paper's participants have three staircases for one model, which are averaged first).
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from evaluation.run_directory import PHOTOS
from human_study.analysis.clustered import (
    CONFIDENCE,
    Estimate,
    clustered_equivalence,
    clustered_interval,
    clustered_test,
)
from human_study.analysis.preference import ALPHA, MARGIN, answered, by_exposure, share_of, with_holm
from human_study.responses.columns import methods_of

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
    participants: int
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
        """The claim that the clustered tests support."""
        if self.p_holm is None:
            return "no clustered test"
        if self.p_equivalent_holm is not None and self.p_equivalent_holm < ALPHA:
            return f"at chance within {MARGIN * 100:g} points"
        if self.p_holm >= ALPHA:
            return "undecided"
        return "told apart" if self.error.value < 0.5 else "more real than photographs"


@dataclass(frozen=True)
class Threshold:
    """HYPE-time of a method, ms: mean over participants of the commonest exposure of their staircase."""

    method: str
    time_ms: Estimate
    participants: int
    trials: float  # per staircase, median
    shortest_ms: float  # of the participants' commonest exposures
    longest_ms: float


def judged(frame: pd.DataFrame, all_answers: bool = False) -> pd.DataFrame:
    """The answers to analyse (see preference.answered): a (the photographs), b (the method), photo, outcome (1: error),
    exposure_req_ms, participant, image_id (integer codes), adaptive. frame: responses after quality.apply_rules."""
    frame = frame[answered(frame, all_answers)]
    ids = {name: pd.factorize(frame[name], sort=True)[0] for name in ("participant", "image_id")}
    return pd.DataFrame({
        "a": PHOTOS, "b": [methods_of(condition)[1] for condition in frame["condition"]],
        "photo": frame["shown"].eq(PHOTOS).to_numpy(bool), "outcome": frame["outcome"].to_numpy(float),
        "exposure_req_ms": frame["exposure_req_ms"].to_numpy(float),
        "adaptive": frame["adaptive"].fillna(False).to_numpy(bool), **ids})


def realism(frame: pd.DataFrame) -> list[Realism]:
    """One row per method and exposure of `judged`, with Holm's adjustment over all; staircases are left out, because
    they hold the share of errors at one quarter."""
    rows = []
    for (method,), exposure_ms, group in by_exposure(frame[~frame["adaptive"]], "b"):
        share = share_of(group)
        rates = (_rate(group), _rate(group[~group["photo"]]), _rate(group[group["photo"]]))
        rows.append(Realism(method, exposure_ms, group["participant"].nunique(), group["image_id"].nunique(), *rates,
                            clustered_test(share), clustered_equivalence(share, MARGIN)))
    return with_holm(rows, {"p": "p_holm", "p_equivalent": "p_equivalent_holm"})


def _rate(group: pd.DataFrame) -> Rate:
    share = share_of(group)
    return Rate(share.value, share.n, clustered_interval(share), share.missing)


def unbalanced(frame: pd.DataFrame) -> list[str]:
    """Warnings about methods with many more, or fewer, photographs than pictures: a participant who answers "fake" to
    everything is then not wrong half of the time. frame: of `judged`; staircases are left out."""
    notes = []
    for method, group in frame[~frame["adaptive"]].groupby("b"):
        photos, n = int(group["photo"].sum()), len(group)
        if abs(2 * photos - n) > UNBALANCED * n:
            notes.append(f"{method}: {photos} answers to photographs and {n - photos} to its pictures: the score "
                         "depends on how readily people answer \"real\"; compare its two parts.")
    return notes


def thresholds(frame: pd.DataFrame) -> list[Threshold]:
    """HYPE-time by method, with Student's t interval over the participants; several equally common exposures of one
    participant count with their mean."""
    found = []
    for method, group in frame[frame["adaptive"]].groupby("b"):
        staircases = group.groupby("participant")["exposure_req_ms"]
        commonest = staircases.agg(lambda exposures: float(exposures.mode().mean())).to_numpy(float)
        n, mean = len(commonest), float(np.mean(commonest))
        if n < 2:
            time = Estimate(mean, note="one participant: the spread between participants cannot be estimated")
        else:
            half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * np.std(commonest, ddof=1) / math.sqrt(n))
            time = Estimate(mean, (mean - half, mean + half))
        found.append(Threshold(str(method), time, n, float(staircases.size().median()), float(commonest.min()),
                               float(commonest.max())))
    return found
