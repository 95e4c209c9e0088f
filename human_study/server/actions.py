"""The calls of the page: (site, session, parsed body) -> JSON. Every call may be repeated safely."""

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from evaluation.run_directory import PHOTOS
from human_study.batch.folder import PlannedTrial
from human_study.page.page import consent_version
from human_study.page.record import Measured, PageMessage
from human_study.protocol.protocols import MOST_RANKED, Protocol
from human_study.responses.columns import ANSWERS_OF, CHOICES
from human_study.server.site import Site
from human_study.server.store import KIOSK, Refusal, Session, Store, plain_text

MEASURED_ONCE = {"screen": {"px_per_mm": (0.5, 60), "viewing_distance_mm": (100, 5000)}, "colour": {}}


class TrialRecord(Measured):
    chosen: Literal[CHOICES]
    ranked: list[int] | None = Field(None, max_length=MOST_RANKED)  # places of the pictures, the best one first
    asset_error: bool = False


class Plain(PageMessage):
    tab: int | None = None


class ShownTrial(Plain):
    trial_index: int = Field(ge=0, le=100_000)
    client_id: str = Field(pattern=r"^[0-9a-f]{32}$")


class AnsweredTrial(ShownTrial):
    record: TrialRecord


class Consent(Plain):
    agreed: Literal[True]
    vision: Literal[True]
    version: str = Field(max_length=64)
    language: str = Field("", max_length=16)
    client_version: str | None = Field(None, pattern=r"^[0-9a-f]{12}$")
    user_agent_family: Literal["Edge", "Opera", "Firefox", "Chrome", "Safari", "other"]


class About(Plain):
    stage: Literal["before", "screen", "colour", "after"]
    answers: dict[str, str | int | float | None] = Field(max_length=50)


def state_of(site: Site, session: Session) -> dict:
    """The state of a session for the page, with its trials but without any hint at their meaning."""
    status = {"invited": "consent", "returned": "withdrawn"}.get(session.status, session.status)
    state = {"status": status, "tab": session.tab}
    if status == "finished":
        return state | ending(site, session)
    if status == "withdrawn":
        return state | {"after": leaving(site, session, status)}
    answered = site.store.answered(session.session_id)
    trials = [shown_trial(site, session, trial) for trial in site.store.trials(session)] if status == "running" else []
    return state | {"trials": trials, "answered": answered, "shown": session.shown == answered,
                    "done": site.store.stages_done(session.session_id)}


def shown_trial(site: Site, session: Session, trial: PlannedTrial) -> dict:
    """A trial for the page. Right answers stay on the server, except for practice pairs with feedback."""
    feedback = site.store.batch.protocol.feedback and trial.block == "practice"
    layout = site.layout_of(trial)
    return {"pictures": [f"/a/{site.picture_name(session, asset)}" for asset in trial.assets],
            "ms": trial.exposure_req_ms, "practice": trial.block == "practice",
            **({"layout": f"/a/{site.picture_name(session, layout)}"} if layout else {}),
            **({"answer": trial.sentinel_answer} if feedback else {})}


def next_at_kiosk(site: Site, session: Session) -> str:
    """Address of the kiosk's start screen for the next participant; empty for other sessions."""
    return f"/k/{site.token('kiosk')}" if session.assignment_id == KIOSK else ""


def ending(site: Site, session: Session) -> dict:
    if after := next_at_kiosk(site, session):
        return {"code": "", "after": after}
    code = site.completion_code or session.code
    return {"code": code, "after": site.panel.complete_url.replace("{code}", code)}


def leaving(site: Site, session: Session, reason: str) -> str:
    """Address for a participant who withdrew or found the study full; empty without one."""
    return next_at_kiosk(site, session) or site.panel.return_url.replace("{reason}", reason)


def act_open(site: Site, session: Session, body: Plain) -> dict:
    return state_of(site, site.store.open(session.session_id))


def act_consent(site: Site, session: Session, body: Consent) -> dict:
    protocol = site.store.batch.protocol
    if body.version != consent_version(protocol):
        raise Refusal("out_of_step")
    if body.language and body.language not in protocol.languages:
        raise Refusal("refused")
    try:
        session = site.store.consent(session.session_id, body.version, body.user_agent_family, body.client_version,
                                     body.language or None)
    except Refusal as refusal:
        if refusal.reason != "full":
            raise
        return {"status": "full", "after": leaving(site, session, "full")}
    return state_of(site, session)


def act_shown(site: Site, session: Session, body: ShownTrial) -> dict:
    """The reply holds the exposure if a staircase sets it; the right answers behind it stay on the server."""
    site.store.shown(session.session_id, body.tab, body.trial_index, body.client_id)
    level = exposure_now(site.store, session, body.trial_index)
    return {} if level is None else {"ms": level}


def exposure_now(store: Store, session: Session, index: int) -> int | None:
    """Exposure of trial `index`, ms, by the earlier answers in the staircase of its method; None if the plan fixes
    it."""
    trials = store.trials(session)
    if index >= len(trials) or not trials[index].adaptive:
        return None
    answers = store.chosen(session.session_id)
    right = [(answers[i] == "real") == (trial.methods == (PHOTOS,)) for i, trial in enumerate(trials[:index])
             if trial.adaptive and trial.condition == trials[index].condition and answers.get(i, "none") != "none"]
    return store.batch.protocol.staircase.level(right)


def act_answer(site: Site, session: Session, body: AnsweredTrial) -> dict:
    record = body.record.model_dump(exclude_none=True)
    protocol, trials = site.store.batch.protocol, site.store.trials(session)
    if body.trial_index >= len(trials):
        raise Refusal("out_of_step")
    if not fits(trials[body.trial_index], protocol, record):
        raise Refusal("refused")
    level = exposure_now(site.store, session, body.trial_index)
    if level is not None:
        record["exposure_req_ms"] = level
    site.store.answer(session.session_id, body.tab, body.trial_index, body.client_id, record)
    return {}


def fits(trial: PlannedTrial, protocol: Protocol, record: dict) -> bool:
    """Whether a record answers the question of its trial, or has a reason not to: a picture was missing, or the focus
    was lost while a picture with limited time was shown."""
    chosen = record["chosen"]
    if chosen == "none":
        lost = record.get("focus_lost") and trial.exposure_req_ms is not None
        return bool(record["asset_error"] or lost) and "ranked" not in record
    if chosen not in ANSWERS_OF[trial.task] or (chosen == "tie" and not protocol.ties):
        return False
    if record.get("layout") == "stacked" and not protocol.stacked:
        return False
    places = list(range(len(trial.methods))) if chosen == "ranked" else []
    return sorted(record.get("ranked", ())) == places and ("ranked" in record) == (chosen == "ranked")


def act_about(site: Site, session: Session, body: About) -> dict:
    protocol = site.store.batch.protocol
    if body.stage not in protocol.stages:
        raise Refusal("refused")
    site.store.store_about(session.session_id, body.tab, body.stage, columns_of(protocol, body.stage, body.answers))
    return {}


def columns_of(protocol: Protocol, stage: str, answers: dict) -> dict:
    """Answers by column of the table of responses. Raises Refusal for unknown questions and impossible answers."""
    answers = {name: plain_text(value) if isinstance(value, str) else value for name, value in answers.items()}
    if stage in ("before", "after"):
        questions = {one.name: one for one in protocol.questions if one.when == stage}
        if set(answers) - set(questions) or any(one.problem(answers.get(name)) for name, one in questions.items()):
            raise Refusal("refused")
        return {questions[name].column: value for name, value in answers.items() if value not in (None, "")}
    limits = MEASURED_ONCE[stage] | ({"colour_right": (0, protocol.colour_plates)} if stage == "colour" else {})
    for name, value in answers.items():
        low, high = limits.get(name, (1, 0))
        if value is not None and (isinstance(value, str) or not low <= value <= high):
            raise Refusal("refused")
    return {name: value for name, value in answers.items() if value is not None}


def act_finish(site: Site, session: Session, body: Plain) -> dict:
    if set(site.store.batch.protocol.stages) - set(site.store.stages_done(session.session_id)):
        raise Refusal("out_of_step")
    site.store.finish(session.session_id, body.tab)
    return ending(site, session)


def act_withdraw(site: Site, session: Session, body: Plain) -> dict:
    site.store.withdraw(session.session_id)
    return {"after": leaving(site, session, "withdrawn")}


ACTIONS: dict[str, tuple[type[Plain], Callable]] = {
    "open": (Plain, act_open), "consent": (Consent, act_consent), "shown": (ShownTrial, act_shown),
    "answer": (AnsweredTrial, act_answer), "about": (About, act_about), "finish": (Plain, act_finish),
    "withdraw": (Plain, act_withdraw)}
