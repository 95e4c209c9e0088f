"""Which work is paid (`accepted`) and which judgments are analysed (`used`): rules fixed in the study's specification.

The two are separate on purpose: everybody who finishes is paid unless explicit instructions were ignored; perceptual
checks, speed and side habits only decide what is analysed. Every row that is not used names the reason. A trial that
could not be judged (`excused`) never counts against a participant.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from human_study.protocol.rules import QualityRules, sentinels_needed
from human_study.responses.columns import SEPARATOR
from human_study.responses.tasks import RANKING, of_task

# Rows that are no judgment of the comparison under any rules; so are those with a reason of the import (import_...).
STRUCTURAL = ("practice", "sentinel", "no_answer", "asset_error", "stacked", "withdrawn", "returned")
FINISHED = ("submitted", "approved", "rejected")
FEWEST_FOR_SIDES = 10  # answers; fewer are no evidence of a habit


def apply_rules(frame: pd.DataFrame, rules: QualityRules) -> pd.DataFrame:
    """The table with `accepted`, `used` and `exclude_reasons` decided again; reasons given by the import are kept.

    Rows in any order. The result does not depend on the order of rows or on names.
    """
    sessions = session_checks(frame, rules)
    given = frame["exclude_reasons"]
    reasons = [(name, by_reasons(given, lambda own, name=name: name in own)) for name in reason_names(given)
               if name.startswith("import_")]
    reasons += _trial_reasons(frame, rules).items()
    reasons += [(name, frame["session_id"].isin(failed).to_numpy()) for name, failed in sessions["reasons"].items()]
    joined = pd.Series(_join(reasons, len(frame)), frame.index)
    used = joined.eq("")
    text = joined.where(~used).cat.remove_unused_categories()
    if not isinstance(given.dtype, pd.CategoricalDtype):
        text = text.astype(object).astype(given.dtype)
    # pay is decided by session (finished, all answered, instructions followed); a platform's own decision stays
    status = frame["submit_status"]
    accepted = status.eq("approved") | (status.eq("submitted") & ~frame["session_id"].isin(sessions["refused"]))
    return frame.assign(accepted=accepted.astype("boolean"), used=used.astype("boolean"), exclude_reasons=text)


def by_reasons(reasons: pd.Series, holds: Callable[[list[str]], bool]) -> np.ndarray:
    """bool [n]: whether `holds` of the reasons of a row; False without any. Called once per combination."""
    codes, texts = pd.factorize(reasons)
    return np.array([*(holds(text.split(";")) for text in texts), False], dtype=bool)[codes]  # code -1: no reason


def reason_names(reasons: pd.Series) -> list[str]:
    return sorted({name for text in reasons.dropna().unique() for name in text.split(";")})


def _join(reasons: list[tuple[str, np.ndarray]], n: int) -> pd.Categorical:
    """Names of the reasons that hold, joined by ';', for n rows. Works on the few distinct combinations."""
    reasons = [(name, mask) for name, mask in reasons if mask.any()]
    code = np.zeros(n, np.int64)
    for bit, (_, mask) in enumerate(reasons):
        code |= mask.astype(np.int64) << bit
    inverse, distinct = pd.factorize(code)
    texts = [";".join(name for bit, (name, _) in enumerate(reasons) if value >> bit & 1) for value in distinct]
    return pd.Categorical.from_codes(inverse, pd.Index(texts, dtype="str"))


def _trial_reasons(frame: pd.DataFrame, rules: QualityRules) -> dict[str, np.ndarray]:
    status, timed = frame["submit_status"], frame["exposure_req_ms"].notna()
    one_frame_ms = 1000 / frame["refresh_hz"].fillna(60.0).clip(lower=1.0)
    tolerance_ms = _limit(rules.use_exposure_tolerance_frames, np.inf) * one_frame_ms + 0.5
    reasons = {
        "practice": frame["block"].eq("practice"),
        "sentinel": frame["sentinel"].ne("none"),
        "no_answer": frame["chosen"].eq("none"),
        "asset_error": frame["asset_error"].fillna(False),
        "stacked": frame["layout"].eq("stacked") & (not rules.use_stacked),
        "withdrawn": status.eq("withdrawn"),
        "returned": status.eq("returned"),
        "incomplete": status.eq("incomplete") & (not rules.use_incomplete),
        "rejected": status.eq("rejected") & (not rules.use_rejected),
        "rt_invalid": frame["rt_ms"].le(0),
        "focus_lost": frame["focus_lost"].fillna(False) & timed & rules.use_drop_focus_lost,
        "exposure_unknown": timed & frame["exposure_ms"].isna() & frame["refresh_hz"].notna(),
        "exposure_wrong": (frame["exposure_ms"] - frame["exposure_req_ms"]).abs() > tolerance_ms,
        "mask_missing": timed & frame["mask_shown"].eq(False).fillna(False),
    }
    return {name: mask.to_numpy(bool) for name, mask in reasons.items()}


def session_checks(frame: pd.DataFrame, rules: QualityRules) -> dict:
    """{"reasons": {rule: ids of the sessions that break it}, "refused": ids not to be paid, "summary": one row each}.

    Practice trials and trials without an answer do not count, except that an unanswered sentinel is failed unless it
    is excused.
    """
    summary = session_summary(frame, rules)
    chance = guess(frame)
    least = summary["sentinels"].map({n: sentinels_needed(n, rules, chance) for n in summary["sentinels"].unique()})
    broken = {
        "sentinels_failed": summary["sentinels_right"] < least,
        "repeats_inconsistent": summary["repeat_consistency"] < _limit(rules.use_min_repeats_alike, -np.inf),
        "too_fast": (summary["fast_share"] > _limit(rules.use_max_fast, np.inf))
                    | (summary["median_rt_ms"] < _limit(rules.use_min_median_rt_ms, -np.inf)),
        "one_side": (summary["habit_share"] > _limit(rules.use_max_one_side, np.inf))
                    & (summary["answers"] >= FEWEST_FOR_SIDES),
        "side_streak": summary["longest_streak"] > _limit(rules.use_max_streak, np.inf),
        "repeat_participant": summary["earlier_session"] & rules.use_one_session_per_participant,
        "instructions_ignored": summary["instructions_failed"] > _limit(rules.pay_max_instruction_failures, np.inf),
    }
    unpaid = (broken["instructions_ignored"] | (summary["settled_share"] < rules.pay_min_answered)
              | summary["judged"].eq(0))
    return {"reasons": {name: set(summary.index[mask]) for name, mask in broken.items()},
            "refused": set(summary.index[unpaid]), "summary": summary}


def _limit(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def excused(frame: pd.DataFrame) -> pd.Series:
    """bool [n]: trials that could not be judged: a picture was missing, or the page ended a trial with limited time
    because it lost the focus or was reloaded; an untimed one can be looked at again."""
    lost = frame["focus_lost"].fillna(False).astype(bool) & frame["exposure_req_ms"].notna()
    return (frame["chosen"].eq("none") & lost) | frame["asset_error"].fillna(False).astype(bool)


def session_summary(frame: pd.DataFrame, rules: QualityRules) -> pd.DataFrame:
    """One row per session_id: the counts behind the rules and the report on participants."""
    test = frame[frame["block"].eq("test")]
    session = test["session_id"]
    answered = test["chosen"].isin(("left", "right", "real", "fake", "ranked"))
    habit = answer_text(test[answered])
    counted = ~excused(test)
    checks = test["sentinel"].eq("perceptual") & counted
    ok = test["sentinel_ok"].fillna(False).astype(bool)
    repeats = test["sentinel"].eq("repeat") & counted
    timed_answer = answered & test["rt_ms"].notna()
    columns = {
        "trials": session.notna(), "judged": test["chosen"].ne("none"),
        "settled": test["chosen"].ne("none") | ~counted,
        "answers": answered, "left": test["chosen"].isin(("left", "real")),
        "sentinels": checks, "sentinels_right": checks & ok,
        "instructions_failed": test["sentinel"].eq("instruction") & counted & ~ok,
        "repeats": repeats, "repeats_alike": repeats & ok,
        "timed_answers": timed_answer, "fast": timed_answer & test["rt_ms"].lt(rules.use_fast_rt_ms),
    }
    counts = pd.DataFrame({name: mask.astype(np.int64) for name, mask in columns.items()})
    summary = counts.groupby(session, observed=True).sum()
    summary["settled_share"] = summary.pop("settled") / summary["trials"]
    commonest = habit.groupby([session[answered], habit], observed=True).size().groupby(level=0, observed=True).max()
    summary["habit_share"] = commonest.reindex(summary.index) / summary["answers"].where(summary["answers"] > 0)
    summary["repeat_consistency"] = summary["repeats_alike"] / summary["repeats"].where(summary["repeats"] > 0)
    summary["fast_share"] = summary["fast"] / summary["timed_answers"].where(summary["timed_answers"] > 0)
    summary["median_rt_ms"] = test["rt_ms"].where(answered).groupby(session, observed=True).median()
    summary["longest_streak"] = longest_streaks(test[answered]).reindex(summary.index, fill_value=0)
    # a participant's first finished session counts; without starting times that of the smallest session_id
    finished = frame[frame["submit_status"].isin(FINISHED)].drop_duplicates("session_id")
    first = finished.sort_values(["participant", "session_started", "session_id"])
    summary["earlier_session"] = summary.index.isin(set(first[first.duplicated("participant")]["session_id"]))
    return summary


def answer_text(frame: pd.DataFrame) -> pd.Series:
    """The answer as text, of a ranking the places in their order. frame: answered trials."""
    ranking = of_task(frame, RANKING).to_numpy(bool)
    if not ranking.any():
        return frame["chosen"]
    found = frame["chosen"].astype(object)
    cells = zip(frame["shown"][ranking], frame["ranked"][ranking], strict=True)
    found[ranking] = [" ".join(str(shown.split(SEPARATOR).index(one)) for one in ranked.split(SEPARATOR))
                      for shown, ranked in cells]
    return found


def guess(frame: pd.DataFrame) -> float:
    """Probability of a right answer to a sentinel by guessing; in a ranking of n pictures the anchor must be last."""
    shown = frame["shown"][of_task(frame, RANKING)].dropna()
    return 1 / max(shown.iloc[0].count(SEPARATOR) + 1, 2) if len(shown) else 0.5


def longest_streaks(frame: pd.DataFrame) -> pd.Series:
    """Longest run of one answer, in the order shown, by session_id. frame: answered trials only."""
    if not len(frame):
        return pd.Series(dtype="int64")
    session, names = pd.factorize(frame["session_id"])
    order = np.lexsort((frame["trial_index"].to_numpy(float), session))
    session, chosen = session[order], pd.factorize(answer_text(frame))[0][order]
    new = np.concatenate([[True], (session[1:] != session[:-1]) | (chosen[1:] != chosen[:-1])])
    starts = np.flatnonzero(new)
    lengths = np.diff(np.append(starts, len(order)))
    longest = pd.Series(lengths).groupby(session[starts]).max()
    return pd.Series(longest.to_numpy(), pd.Index(names[longest.index]))
