"""From the table of responses to all results of a study, as one value: `analyse`. Reads and writes no files."""

from collections.abc import Sequence
from dataclasses import dataclass, field, is_dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.errors import InputError
from data.files import fingerprint
from human_study.analysis import bradley_terry, effects, plackett_luce, preference, real_or_fake
from human_study.analysis.agreement import krippendorff_alpha, split_half
from human_study.analysis.bradley_terry import Ranking
from human_study.analysis.clustered import Estimate
from human_study.analysis.mixed import MixedModel, mixed_models
from human_study.analysis.preference import MARGIN, PairCounts, PairDifference, PairResult, by_exposure
from human_study.analysis.quality import apply_rules, by_reasons, guess, reason_names, session_checks
from human_study.analysis.real_or_fake import Realism, Threshold
from human_study.analysis.robustness import Flip, votes_to_flip
from human_study.protocol.rules import QualityRules, pass_rate, sentinels_needed
from human_study.responses.columns import NO_SPECIFICATION, TASKS
from human_study.responses.table import is_simulated
from human_study.responses.tasks import PAIRS, RANKING, REAL_OR_FAKE, methods_shown, of_task

TIES = ("half", "drop")
MANY_EXCLUDED = 0.05  # share of the answers above which a note precedes the numbers
CATEGORIES = ["study_id", "spec_sha256", "platform", "session_id", "session_started", "participant", "block",
              "image_id", "condition", "task", "layout", "left_method", "right_method", "shown", "ranked", "chosen",
              "sentinel", "submit_status", "exclude_reasons"]
NUMBERS = ["trial_index", "outcome", "sentinel_ok", "exposure_req_ms", "adaptive", "exposure_ms", "refresh_hz",
           "dropped_frames", "mask_shown", "onset_ts", "response_ts", "rt_ms", "focus_lost", "asset_error"]


@dataclass(frozen=True)
class StudyIdentity:
    """The study and data of an analysis; printed on every output. `images_sha256`: empty without the study's folder."""

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
    """Requested against measured exposure, in milliseconds."""

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
class PairAgreement:
    """How far participants agree with each other on one pair; a and b None: on all pairs together."""

    a: str | None
    b: str | None
    exposure_ms: float | None  # None: unlimited, or all exposures together
    value: Estimate


@dataclass(frozen=True)
class Participation:
    """Counts of people and rows before and after the rules."""

    participants: int
    participants_used: int
    sessions: int
    sessions_accepted: int
    rows: int
    test_judgments: int  # answered comparisons, before the quality rules
    used: int
    reasons: dict[str, tuple[int, int]]  # reason -> (rows, sessions)
    median_minutes: float | None  # over sessions
    sentinels_per_session: int
    sentinels_needed: int
    guesser_passes: float | None
    honest_passes: float | None  # with 2 % slips


@dataclass(frozen=True)
class Analysis:
    identity: StudyIdentity
    baseline: str
    ties: str
    rules: QualityRules
    preferences: list[PairResult]
    preferences_all: list[PairResult]  # without the quality rules
    task: str = PAIRS
    realism: list[Realism] = field(default_factory=list)  # of single pictures, which have no preferences
    realism_all: list[Realism] = field(default_factory=list)
    thresholds: list[Threshold] = field(default_factory=list)
    mixed: list[MixedModel] = field(default_factory=list)  # of pairs, beside the clustered intervals
    comparisons: list[PairDifference] = field(default_factory=list)
    rankings: list[ExposureRanking] = field(default_factory=list)
    alpha: list[PairAgreement] = field(default_factory=list)  # Krippendorff's
    split_half: list[PairAgreement] = field(default_factory=list)
    side_bias: Estimate | None = None
    side_effect: Estimate | None = None
    order_effect: Estimate | None = None
    exposures: list[Exposure] = field(default_factory=list)
    participation: Participation | None = None
    participants: pd.DataFrame | None = None  # effects.participant_report
    votes: list[dict[str, Any]] = field(default_factory=list)  # preference.votes
    notes: list[str] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, without the report on participants and the votes; NaN becomes null."""
        content = {name: value for name, value in vars(self).items() if name not in ("participants", "votes")}
        return _plain(content | {"rules": self.rules.model_dump(), "margin": MARGIN})


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return _plain(vars(value) | ({"verdict": value.verdict} if hasattr(value, "verdict") else {}))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value


# --- the analysis ----------------------------------------------------------------------------------------------------

def identify(frame: pd.DataFrame) -> StudyIdentity:
    """Identity of a table that comes without its study's folder."""
    specifications = tuple(sorted(set(frame["spec_sha256"]) - {NO_SPECIFICATION}))
    return StudyIdentity(", ".join(sorted(frame["study_id"].unique())), specifications,
                         simulated=is_simulated(frame), platforms=tuple(sorted(frame["platform"].unique())))


def identity_of(frame: pd.DataFrame, spec: dict) -> StudyIdentity:
    """Raises InputError when the responses belong to another specification."""
    table = identify(frame)
    if foreign := set(table.spec_sha256) - {spec["spec_sha256"]}:
        raise InputError(f"responses carry specification {sorted(foreign)[0][:16]}, the study has "
                         f"{spec['spec_sha256'][:16]}: they were given for other images or rules")
    return StudyIdentity(table.study_id, table.spec_sha256, fingerprint(spec["images_sha256"]), table.simulated,
                         table.platforms, spec["protocol"]["name"])


def lean(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns the analysis needs, texts as categories, rows renumbered: large tables are handled by codes."""
    text = {name: frame[name].astype("category") for name in CATEGORIES}
    return frame[[*CATEGORIES, *NUMBERS]].assign(**text).reset_index(drop=True)


def analyse(frame: pd.DataFrame, baseline: str, rules: QualityRules | None = None, ties: str = "half",
            identity: StudyIdentity | None = None, titles: dict[str, str] | None = None) -> Analysis:
    """Apply the rules and compute every statistic.

    frame: a valid table of responses (responses.table.validate_responses); its `used` and `accepted` are decided again.
    baseline: the method whose preference is given wherever it is compared. titles: names to print.
    Raises InputError for an empty table, one of several tasks, and a baseline that was never shown.
    """
    if ties not in TIES:
        raise InputError(f"ties: '{ties}' is none of {', '.join(TIES)}")
    if not len(frame):
        raise InputError("no responses: nothing to analyse yet")
    tasks = [task for task in TASKS if of_task(frame, task).any()]
    if len(tasks) > 1:
        raise InputError(f"responses of several tasks in one table ({', '.join(tasks)}): analyse them one by one")
    if baseline not in (shown := methods_shown(frame)):
        raise InputError(f"baseline '{baseline}' was never shown; methods in the table: {', '.join(shown)}")
    rules = rules or QualityRules()
    frame = apply_rules(lean(frame), rules)
    summary = session_checks(frame, rules)["summary"]
    if tasks[0] == REAL_OR_FAKE:
        used, everything = (real_or_fake.judged(frame, all_answers=chosen) for chosen in (False, True))
        found = {"preferences": [], "preferences_all": [], "realism": real_or_fake.realism(used),
                 "realism_all": real_or_fake.realism(everything), "thresholds": real_or_fake.thresholds(used),
                 "comparisons": preference.differences(used[~used["adaptive"]]),
                 "notes": _notes(frame, used) + real_or_fake.unbalanced(used)}
    else:
        found = _preferences(frame, baseline, ties)
    return Analysis(
        identity or identify(frame), baseline, ties, rules, task=tasks[0], exposures=_exposures(frame),
        participation=_participation(frame, summary, rules), participants=effects.participant_report(frame, summary),
        titles=titles or {}, **found)


def analyse_counts(counts: Sequence[PairCounts], study_id: str, baseline: str, titles: dict[str, str] | None = None
                   ) -> Analysis:
    """The part that counts alone allow (for example published ones): naive intervals, exact tests, Holm."""
    rows = preference.adjusted([preference.from_counts(one) for one in counts])
    note = ("Counts only: it is unknown which judgments share a participant or an image, so the intervals are those of "
            "independent judgments, too narrow by an unknown factor.")
    return Analysis(StudyIdentity(study_id, ()), baseline, "half", QualityRules(), rows, rows, notes=[note],
                    titles=titles or {})


# --- results ---------------------------------------------------------------------------------------------------------

def _preferences(frame: pd.DataFrame, baseline: str, ties: str) -> dict[str, Any]:
    """Results of pairs; rankings count as the pairs that they decide."""
    ranked = of_task(frame, RANKING).any()
    pairs = plackett_luce.implied_pairs(frame) if ranked else frame
    used, everything = (preference.judgments(pairs, baseline, all_answers=chosen) for chosen in (False, True))
    found = {"preferences": preference.preferences(used, ties),
             "preferences_all": preference.preferences(everything, ties),
             "comparisons": preference.differences(used), "votes": preference.votes(pairs, ties),
             "notes": _notes(frame, used)}
    if not len(used):
        return found
    if ranked:
        note = "not counted for rankings, each of which decides several pairs"
        rankings = [ExposureRanking(None, plackett_luce.rank(frame[preference.answered(frame)]), Flip(note=note))]
    else:
        found["mixed"] = mixed_models(used, ties)
        rankings = [ExposureRanking(ms, bradley_terry.rank(group), votes_to_flip(group))
                    for _, ms, group in by_exposure(used)]
    by_pair = used.groupby(["a", "b"], observed=True)
    alpha = [PairAgreement(None, None, None, krippendorff_alpha(used)),
             *(PairAgreement(str(a), str(b), None, krippendorff_alpha(group)) for (a, b), group in by_pair)]
    # an image seen for 125 ms and the same one seen for 8 s are two units
    halves = [PairAgreement(*pair, ms, split_half(*(cell[name].to_numpy() for name in
                                                    ("outcome", "participant", "image_id"))))
              for pair, ms, cell in by_exposure(used, "a", "b")]
    return found | {"rankings": rankings, "alpha": alpha, "split_half": halves, "side_bias": effects.side_bias(used),
                    "side_effect": effects.side_effect(used), "order_effect": effects.order_effect(used)}


# --- conditions of the answers ---------------------------------------------------------------------------------------

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
    used = frame.loc[frame["used"].astype(bool), "participant"]
    accepted = frame.loc[frame["accepted"].fillna(False).astype(bool), "session_id"]
    sentinels = int(summary["sentinels"].median()) if len(summary) else 0
    chance = guess(frame)
    needed = sentinels_needed(sentinels, rules, chance)
    passes = [pass_rate(sentinels, needed, right) if sentinels else None for right in (chance, 0.98)]
    session, reasons = pd.factorize(frame["session_id"])[0], {}
    for name in reason_names(frame["exclude_reasons"]):
        rows = by_reasons(frame["exclude_reasons"], lambda own, name=name: name in own)
        reasons[name] = int(rows.sum()), len(np.unique(session[rows]))
    comparisons = frame["block"].eq("test") & frame["sentinel"].eq("none") & frame["chosen"].ne("none")
    # from the first onset to the last answer, of sessions measured throughout: a reload of the page restarts its clock
    clocks = frame[frame["chosen"].ne("none")].groupby("session_id", observed=True)
    whole = clocks["onset_ts"].count().eq(clocks.size())
    spans = (clocks["response_ts"].max() - clocks["onset_ts"].min())[whole]
    minutes = float(spans.median() / 60000) if len(spans) else None
    return Participation(
        frame["participant"].nunique(), used.nunique(), frame["session_id"].nunique(), accepted.nunique(), len(frame),
        int(comparisons.sum()), len(used), reasons, minutes, sentinels, needed, *passes)


def _notes(frame: pd.DataFrame, used: pd.DataFrame) -> list[str]:
    """Warnings to print before the numbers."""
    notes = []
    given = frame.loc[frame["block"].eq("test") & frame["sentinel"].eq("none") & frame["chosen"].ne("none"),
                      "exclude_reasons"]
    if given.notna().mean() > MANY_EXCLUDED:
        shares = {name: float(by_reasons(given, lambda own, name=name: name in own).mean())
                  for name in reason_names(given)}
        listed = ", ".join(f"{name} {share:.0%}" for name, share in sorted(shares.items(), key=lambda item: -item[1]))
        notes.append(f"{given.notna().mean():.0%} of the answers are not used: {listed}.".replace("%", " %"))
    if not len(used):
        return [*notes, "No judgment is left after the rules: there is nothing to report but the exclusions."]
    if used["participant"].nunique() == 1:
        notes.append("One participant: the numbers describe this person only; no clustered interval exists.")
    if used["image_id"].nunique() == 1:
        notes.append("One image: the numbers describe this image, not the methods; no clustered interval exists.")
    if frame["adaptive"].fillna(False).astype(bool).any():
        notes.append("Staircases set the exposures and settle where one answer in four is wrong; the score is a time.")
    if (used["outcome"] == 0.5).all():
        notes.append("All judgments are ties.")
    if frame["rt_ms"].isna().all():
        notes.append("No response times in the data: the rules on speed excluded nobody.")
    if used["exposure_req_ms"].notna().any() and frame["exposure_ms"].isna().all():
        notes.append("Exposures were not measured: the times really shown are unknown.")
    return notes
