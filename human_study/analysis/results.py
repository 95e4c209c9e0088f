"""From the table of responses to everything the study says, as one value: `analyse`. Reads and writes no files."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from data.errors import InputError
from data.files import fingerprint
from human_study.analysis import bradley_terry, effects, preference
from human_study.analysis.agreement import krippendorff_alpha, split_half
from human_study.analysis.bradley_terry import Ranking
from human_study.analysis.clustered import Estimate
from human_study.analysis.preference import MARGIN, Comparison, Counts, Preference
from human_study.analysis.quality import apply_rules, by_reasons, guess, reason_names, session_checks
from human_study.analysis.robustness import Flip, votes_to_flip
from human_study.analysis.tasks import ranking, real_or_fake
from human_study.analysis.tasks.real_or_fake import Realism, Threshold
from human_study.protocol.rules import QualityRules, pass_rate, sentinels_needed
from human_study.responses.columns import NO_SPECIFICATION, TASKS
from human_study.responses.table import is_simulated
from human_study.responses.tasks import PAIRS, RANKING, REAL_OR_FAKE, methods_shown, of_task

TIES = ("half", "drop")
CATEGORIES = ["study_id", "spec_sha256", "platform", "session_id", "session_started", "worker_id", "block", "image_id",
              "condition", "task", "layout", "left_method", "right_method", "shown", "ranked", "chosen", "sentinel",
              "submit_status", "exclude_reasons"]
NUMBERS = ["trial_index", "outcome", "sentinel_ok", "exposure_req_ms", "adaptive", "exposure_ms", "refresh_hz",
           "dropped_frames", "mask_shown", "onset_ts", "response_ts", "rt_ms", "focus_lost", "asset_error"]


@dataclass(frozen=True)
class Identity:
    """What was analysed; stands on every output. `images_sha256` is empty where the table comes without a study."""

    study_id: str
    spec_sha256: tuple[str, ...]
    images_sha256: str = ""
    simulated: bool = False
    platforms: tuple[str, ...] = ()
    protocol: str = ""

    def line(self) -> str:
        spec = ", ".join(text[:16] for text in self.spec_sha256) or "none"
        images = self.images_sha256[:16] or ("in the specification" if self.spec_sha256 else "none")
        mark = "SIMULATED DATA, no person judged. " if self.simulated else ""
        return f"{mark}Study {self.study_id}, specification sha256 {spec}, images sha256 {images}"


@dataclass(frozen=True)
class Exposure:
    """What was shown of what was asked for, in milliseconds."""

    requested_ms: float
    trials: int
    measured: int  # trials with a measurement
    median_ms: float | None
    low_ms: float | None  # 2.5 % quantile
    high_ms: float | None  # 97.5 %
    dropped_frames: int


@dataclass(frozen=True)
class ExposureRanking:
    exposure_ms: float | None
    ranking: Ranking
    flip: Flip


@dataclass(frozen=True)
class Participation:
    """Counts of people and rows before and after the rules."""

    workers: int
    workers_used: int
    sessions: int
    sessions_accepted: int
    rows: int
    test_judgments: int  # answered comparisons, before the quality rules
    used: int
    reasons: dict[str, tuple[int, int]]  # reason -> (rows, sessions)
    median_minutes: float | None
    sentinels_per_session: int
    sentinels_needed: int
    guesser_passes: float | None
    honest_passes: float | None  # with 2 % slips


@dataclass(frozen=True)
class Analysis:
    identity: Identity
    reference: str
    ties: str
    rules: QualityRules
    preferences: list[Preference]
    preferences_all: list[Preference]  # without the quality rules
    task: str = PAIRS
    realism: list[Realism] = field(default_factory=list)  # of single pictures, which have no preferences
    realism_all: list[Realism] = field(default_factory=list)
    thresholds: list[Threshold] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    rankings: list[ExposureRanking] = field(default_factory=list)
    alpha: dict[str, Estimate] = field(default_factory=dict)  # "all" and by pair
    split_half: dict[str, Estimate] = field(default_factory=dict)  # by pair and exposure
    side_bias: Estimate | None = None
    side_effect: Estimate | None = None
    order_effect: Estimate | None = None
    exposures: list[Exposure] = field(default_factory=list)
    participation: Participation | None = None
    workers: pd.DataFrame | None = None  # effects.worker_report
    votes: list[dict[str, Any]] = field(default_factory=list)  # preference.votes
    notes: list[str] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, without the worker report and the votes; NaN becomes null."""
        content = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("workers", "votes")}
        content["rules"] = self.rules.model_dump()
        content["margin"] = MARGIN
        return _plain(content)


def _plain(value: Any) -> Any:
    if isinstance(value, Preference | Realism):
        return {**_plain(asdict(value)), "verdict": value.verdict}
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value


def analyse(frame: pd.DataFrame, reference: str, rules: QualityRules | None = None, ties: str = "half",
            identity: Identity | None = None, titles: dict[str, str] | None = None) -> Analysis:
    """Apply the rules and compute every statistic.

    frame: a valid table of responses (responses.validate_responses); its `used` and `accepted` are decided anew.
    reference: the method that preferences are given for, wherever it is compared. titles: names to print.
    Raises InputError for an empty table, one of several tasks, and a reference that was never shown.
    """
    rules = rules or QualityRules()
    task = _check(frame, reference, ties)
    frame = apply_rules(lean(frame), rules)
    summary = session_checks(frame, rules)["summary"]
    found = _realism(frame) if task == REAL_OR_FAKE else _preferences(frame, reference, ties)
    return Analysis(
        identity or identify(frame), reference, ties, rules, task=task, exposures=_exposures(frame),
        participation=_participation(frame, summary, rules), workers=effects.worker_report(frame, summary),
        titles=titles or {}, **found)


def _preferences(frame: pd.DataFrame, reference: str, ties: str) -> dict[str, Any]:
    """What pairs say; rankings say it by the pairs that they decide."""
    ranked = of_task(frame, RANKING).any()
    pairs = ranking.implied_pairs(frame) if ranked else frame
    used, everything = (preference.judgments(pairs, reference, all_answers=chosen) for chosen in (False, True))
    return {"preferences": preference.preferences(used, ties), "comparisons": preference.comparisons(used),
            "preferences_all": preference.preferences(everything, ties),
            "rankings": _plackett_luce(frame) if ranked else _rankings(used), **_agreement(used), **_effects(used),
            "votes": preference.votes(pairs, ties), "notes": _notes(frame, used)}


def _plackett_luce(frame: pd.DataFrame) -> list[ExposureRanking]:
    used = frame[preference.answered(frame)]
    note = "not counted for rankings, each of which decides several pairs"
    return [ExposureRanking(None, ranking.rank(used), Flip(note=note))] if len(used) else []


def _realism(frame: pd.DataFrame) -> dict[str, Any]:
    used, everything = (real_or_fake.judged(frame, all_answers=chosen) for chosen in (False, True))
    return {"preferences": [], "preferences_all": [], "realism": real_or_fake.realism(used),
            "realism_all": real_or_fake.realism(everything), "thresholds": real_or_fake.thresholds(used),
            "comparisons": real_or_fake.error_differences(used),
            "notes": _notes(frame, used) + real_or_fake.unbalanced(used)}


def lean(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns the analysis needs, texts as categories, rows renumbered: large tables are handled by codes."""
    text = {name: frame[name].astype("category") for name in CATEGORIES}
    return frame[[*CATEGORIES, *NUMBERS]].assign(**text).reset_index(drop=True)


def analyse_counts(counts: Sequence[Counts], study_id: str, reference: str, titles: dict[str, str] | None = None
                   ) -> Analysis:
    """The part that counts alone allow (for example published ones): naive intervals, exact tests, Holm."""
    rows = preference.adjusted([preference.from_counts(one) for one in counts])
    note = ("Counts only: the judgments of one participant or image cannot be told apart, so intervals are those of "
            "independent judgments and too narrow by an unknown factor.")
    return Analysis(Identity(study_id, ()), reference, "half", QualityRules(), rows, rows, notes=[note],
                    titles=titles or {})


def identify(frame: pd.DataFrame) -> Identity:
    """Identity of a table that comes without its study's folder."""
    specifications = tuple(sorted(set(frame["spec_sha256"]) - {NO_SPECIFICATION}))
    return Identity(", ".join(sorted(frame["study_id"].unique())), specifications,
                    simulated=is_simulated(frame), platforms=tuple(sorted(frame["platform"].unique())))


def identity_of(frame: pd.DataFrame, spec: dict) -> Identity:
    """Raises InputError when the responses belong to another specification."""
    table = identify(frame)
    if foreign := set(table.spec_sha256) - {spec["spec_sha256"]}:
        raise InputError(f"responses carry specification {sorted(foreign)[0][:16]}, the study has "
                         f"{spec['spec_sha256'][:16]}: they were given for other images or rules")
    return Identity(table.study_id, table.spec_sha256, fingerprint(spec["images_sha256"]), table.simulated,
                    table.platforms, spec["protocol"]["name"])


def _check(frame: pd.DataFrame, reference: str, ties: str) -> str:
    """The table's task."""
    if ties not in TIES:
        raise InputError(f"ties: '{ties}' is none of {', '.join(TIES)}")
    if not len(frame):
        raise InputError("no responses: nothing to analyse yet")
    tasks = [task for task in TASKS if of_task(frame, task).any()]
    if len(tasks) > 1:
        raise InputError(f"responses of several tasks in one table ({', '.join(tasks)}): analyse them one by one")
    shown = methods_shown(frame)
    if reference not in shown:
        raise InputError(f"reference method '{reference}' was never shown; methods in the table: {', '.join(shown)}")
    return tasks[0]


def _rankings(used: pd.DataFrame) -> list[ExposureRanking]:
    rankings = []
    for exposure, group in used.groupby(used["exposure_req_ms"].fillna(np.inf)):
        rankings.append(ExposureRanking(None if np.isinf(exposure) else float(exposure), bradley_terry.rank(group),
                                        votes_to_flip(group)))
    return rankings


def _agreement(used: pd.DataFrame) -> dict[str, dict[str, Estimate]]:
    alpha, halves = {}, {}
    if len(used):
        alpha["all"] = krippendorff_alpha(used)
    for condition, group in used.groupby("condition", observed=True):
        alpha[condition] = krippendorff_alpha(group)
        # an image seen for 125 ms and the same one seen for 8 s are two units
        for ms, cell in group.groupby(group["exposure_req_ms"].fillna(np.inf)):
            name = condition if np.isinf(ms) else f"{condition}, {ms:g} ms"
            halves[name] = split_half(*(cell[column].to_numpy() for column in ("outcome", "worker_id", "image_id")))
    return {"alpha": alpha, "split_half": halves}


def _effects(used: pd.DataFrame) -> dict[str, Estimate]:
    if not len(used):
        return {}
    return {"side_bias": effects.side_bias(used), "side_effect": effects.side_effect(used),
            "order_effect": effects.order_effect(used)}


def _exposures(frame: pd.DataFrame) -> list[Exposure]:
    fixed = frame["exposure_req_ms"].notna() & ~frame["adaptive"].fillna(False).astype(bool)
    test = frame[fixed & frame["block"].eq("test") & frame["chosen"].ne("none")]
    found = []
    for requested, group in test.groupby("exposure_req_ms"):
        shown = group["exposure_ms"].dropna()
        quantiles = [float(q) for q in shown.quantile([0.5, 0.025, 0.975])] if len(shown) else [None] * 3
        found.append(Exposure(float(requested), len(group), len(shown), *quantiles,
                              int(group["dropped_frames"].fillna(0).sum())))
    return found


def _participation(frame: pd.DataFrame, summary: pd.DataFrame, rules: QualityRules) -> Participation:
    used = frame.loc[frame["used"].astype(bool), ["worker_id"]]
    sentinels = int(summary["sentinels"].median()) if len(summary) else 0
    chance = guess(frame)
    needed = sentinels_needed(sentinels, rules, chance)
    accepted = frame.loc[frame["accepted"].fillna(False).astype(bool), ["session_id"]]
    return Participation(
        frame["worker_id"].nunique(), used["worker_id"].nunique(), frame["session_id"].nunique(),
        accepted["session_id"].nunique(), len(frame),
        int((frame["block"].eq("test") & frame["sentinel"].eq("none") & frame["chosen"].ne("none")).sum()), len(used),
        _reason_counts(frame), _median_minutes(frame),
        sentinels, needed, pass_rate(sentinels, needed, chance) if sentinels else None,
        pass_rate(sentinels, needed, 0.98) if sentinels else None)


def _reason_counts(frame: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Reason -> (rows, sessions)."""
    session, counts = pd.factorize(frame["session_id"])[0], {}
    for name in reason_names(frame["exclude_reasons"]):
        rows = by_reasons(frame["exclude_reasons"], lambda own, name=name: name in own)
        counts[name] = int(rows.sum()), len(np.unique(session[rows]))
    return counts


def _median_minutes(frame: pd.DataFrame) -> float | None:
    """Median over sessions of the time from the first onset to the last answer, where all of it was measured (it is
    not where the page was reloaded)."""
    answered = frame.loc[frame["chosen"].ne("none"), ["session_id", "onset_ts", "response_ts"]]
    sessions = answered.groupby("session_id", observed=True)
    whole = sessions["onset_ts"].count().eq(sessions.size())
    spans = (sessions["response_ts"].max() - sessions["onset_ts"].min())[whole]
    return float(spans.median() / 60000) if len(spans) else None


def _notes(frame: pd.DataFrame, used: pd.DataFrame) -> list[str]:
    """What a reader must know before the numbers."""
    notes = []
    if not len(used):
        notes.append("No judgment is left after the rules: there is nothing to report but the exclusions.")
        return notes
    if used["worker_id"].nunique() == 1:
        notes.append("One participant: the numbers describe this person, not people; no clustered interval exists.")
    if used["image_id"].nunique() == 1:
        notes.append("One image: the numbers describe this image, not the methods; no clustered interval exists.")
    if frame["adaptive"].fillna(False).astype(bool).any():
        notes.append("Staircases set the exposures: where they settle one in four is wrong, and the score is a time.")
    if (used["outcome"] == 0.5).all():
        notes.append("All judgments are ties.")
    if frame["rt_ms"].isna().all():
        notes.append("No response times in the data: the rules on speed excluded nobody.")
    if used["exposure_req_ms"].notna().any() and frame["exposure_ms"].isna().all():
        notes.append("Exposures were not measured: what was really shown is unknown.")
    return notes
