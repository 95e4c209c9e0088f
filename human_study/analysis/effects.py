"""Effects of side, of the place in the session and of the participant, which should be small."""

import numpy as np
import pandas as pd

from human_study.analysis.agreement import units
from human_study.analysis.clustered import (
    Estimate,
    clustered_difference,
    clustered_interval,
    clustered_share,
    clustered_test,
)


def side_bias(frame: pd.DataFrame) -> Estimate:
    """Share of answers for the left image, ties left out, with the clustered interval and the p value of one half."""
    decided = frame.loc[frame["chosen"].isin(("left", "right")), ["chosen", "participant", "image_id"]]
    share = clustered_share(decided["chosen"].eq("left").to_numpy(float), decided["participant"].to_numpy(),
                            decided["image_id"].to_numpy())
    return Estimate(share.value, clustered_interval(share), clustered_test(share), share.missing)


def side_effect(frame: pd.DataFrame) -> Estimate:
    """Preference for the pair's first method when it is on the left, minus when it is on the right."""
    return _difference(frame, frame["a_left"].to_numpy(bool))


def order_effect(frame: pd.DataFrame) -> Estimate:
    """Preference for the pair's first method in the second half of the sessions, minus in the first half."""
    last = frame.groupby("session_id")["trial_index"].transform("max").to_numpy(float)
    return _difference(frame, frame["trial_index"].to_numpy(float) > last / 2)


def _difference(frame: pd.DataFrame, second: np.ndarray) -> Estimate:
    return clustered_difference(frame["outcome"].to_numpy(float), second, frame["participant"].to_numpy(),
                                frame["image_id"].to_numpy())


def participant_report(frame: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """One row per participant: sessions, trials, judgments used, sentinels, times, sides, agreement, rules broken.

    frame: the whole table after the rules; summary: of quality.session_summary.
    agreement: share of used judgments that equal the majority of the other participants on the same image and condition
    (ties of that majority left out). reasons: other than being a practice or a sentinel trial, joined by ';'.
    """
    first = frame.drop_duplicates("session_id").set_index("session_id")["participant"]
    own = summary.groupby(first.reindex(summary.index).astype("str"))
    report = own[["trials", "answers", "left", "sentinels", "sentinels_right", "repeats", "repeats_alike"]].sum()
    report.insert(0, "sessions", own.size())
    report["left_share"] = report.pop("left") / report["answers"].where(report["answers"] > 0)
    report["longest_streak"] = own["longest_streak"].max()
    report["median_rt_ms"] = own["median_rt_ms"].median()
    used = frame["used"].fillna(False).astype(bool)
    by_participant = used.groupby(frame["participant"], observed=True).sum()
    report.insert(3, "used", by_participant.reindex(report.index, fill_value=0))
    judged = frame.loc[used & frame["outcome"].isin((0, 1)),
                       ["image_id", "condition", "shown", "exposure_req_ms", "outcome", "participant"]]
    if judged["shown"].notna().any():  # of single pictures the photograph of a scene is one image, a method's another
        judged = judged.assign(condition=judged["shown"])
    report["agreement"] = agreement_with_others(judged).reindex(report.index)
    broken = frame[["participant", "exclude_reasons"]].dropna().drop_duplicates().astype("str")
    broken = broken.assign(exclude_reasons=broken["exclude_reasons"].str.split(";")).explode("exclude_reasons")
    broken = broken[~broken["exclude_reasons"].isin(("sentinel", "practice"))].drop_duplicates()
    reasons = broken.groupby("participant")["exclude_reasons"].agg(lambda names: ";".join(sorted(names)))
    report["reasons"] = reasons.reindex(report.index).fillna("")
    return report.rename_axis("participant").reset_index()


def agreement_with_others(frame: pd.DataFrame) -> pd.Series:
    """By participant: share of judgments that equal the others' majority. frame: outcome 0 or 1."""
    unit = units(frame, "image_id", "condition", "exposure_req_ms")
    outcome = frame["outcome"].to_numpy(float)
    ones = np.bincount(unit, outcome)[unit] - outcome
    majority = np.sign(2 * ones - (np.bincount(unit)[unit] - 1))
    alike = np.where(majority == 0, np.nan, majority == np.where(outcome == 1, 1, -1))
    return pd.Series(alike).groupby(frame["participant"].reset_index(drop=True), observed=True).mean()
