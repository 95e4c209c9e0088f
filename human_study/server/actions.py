"""What the page may ask of the server: (site, session, parsed body) -> JSON. Every call may be repeated safely."""

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from human_study.batch.folder import PlannedTrial
from human_study.page.page import consent_version
from human_study.page.record import Measured, Said
from human_study.protocol.protocols import MOST_RANKED, Protocol
from human_study.responses.columns import ANSWERS_OF, CHOICES
from human_study.server.exposure import exposure_now
from human_study.server.site import Site
from human_study.server.store import KIOSK, Refusal, Session

MEASURED_ONCE = {"screen": {"px_per_mm": (0.5, 60), "viewing_distance_mm": (100, 5000)}, "colour": {}}


class Record(Measured):
    chosen: Literal[CHOICES]
    ranked: list[int] | None = Field(None, max_length=MOST_RANKED)  # places of the pictures, the best one first
    asset_error: bool = False


class Answer(Said):
    tab: int | None = None
    trial_index: int = Field(ge=0, le=100_000)
    client_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    record: Record


class Shown(Said):
    tab: int | None = None
    trial_index: int = Field(ge=0, le=100_000)
    client_id: str = Field(pattern=r"^[0-9a-f]{32}$")


class Consent(Said):
    tab: int | None = None
    agreed: Literal[True]
    vision: Literal[True]
    version: str = Field(max_length=64)
    language: str = Field("", max_length=16)
    client_version: str | None = Field(None, pattern=r"^[0-9a-f]{12}$")
    user_agent_family: Literal["Edge", "Opera", "Firefox", "Chrome", "Safari", "other"]


class About(Said):
    tab: int | None = None
    stage: Literal["before", "screen", "colour", "after"]
    answers: dict[str, str | int | float | None] = Field(max_length=50)


class Plain(Said):
    tab: int | None = None


def state_of(site: Site, session: Session) -> dict:
    """What the page needs to go on: the trials without any hint at their meaning."""
    status = "consent" if session.status == "invited" else session.status
    state = {"status": status, "tab": session.tab}
    if status == "finished":
        return state | ending(site, session)
    if status == "withdrawn":
        return state | {"after": next_at_kiosk(site, session)}
    answered = site.store.answered(session.session_id)
    trials = [shown_trial(site, session, trial) for trial in site.store.trials(session)] if status == "running" else []
    return state | {"trials": trials, "answered": answered, "shown": session.shown == answered,
                    "done": site.store.stages_done(session.session_id)}


def shown_trial(site: Site, session: Session, trial: PlannedTrial) -> dict:
    """A trial as the page gets it. Right answers stay here, but for practice pairs with feedback."""
    feedback = site.store.batch.protocol.feedback and trial.block == "practice"
    layout = site.layout_of(trial)
    return {"pictures": [f"/a/{site.picture_name(session, asset)}" for asset in trial.assets],
            "ms": trial.exposure_req_ms, "practice": trial.block == "practice",
            **({"layout": f"/a/{site.picture_name(session, layout)}"} if layout else {}),
            **({"answer": trial.sentinel_answer} if feedback else {})}


def next_at_kiosk(site: Site, session: Session) -> str:
    """Where the kiosk's browser goes for the next participant; empty everywhere else."""
    return f"/k/{site.token('kiosk')}" if session.assignment_id == KIOSK else ""


def ending(site: Site, session: Session) -> dict:
    code = site.completion_code or session.code
    if after := next_at_kiosk(site, session):
        return {"code": "", "after": after}
    return {"code": code, "after": site.panel.complete_url.replace("{code}", code)}


def act_open(site: Site, session: Session, body: Plain) -> dict:
    return state_of(site, site.store.open(session.session_id))


def act_consent(site: Site, session: Session, body: Consent) -> dict:
    if body.version != consent_version(site.store.batch.protocol):
        raise Refusal("out_of_step")
    return state_of(site, site.store.consent(session.session_id, body.version, body.user_agent_family,
                                                 body.client_version, body.language or None))


def act_shown(site: Site, session: Session, body: Shown) -> dict:
    """The reply holds the exposure where a staircase sets it: the right answers it follows from stay here."""
    site.store.shown(session.session_id, body.tab, body.trial_index, body.client_id)
    level = exposure_now(site.store, session, body.trial_index)
    return {} if level is None else {"ms": level}


def act_answer(site: Site, session: Session, body: Answer) -> dict:
    record = body.record.model_dump(exclude_none=True)
    if record["chosen"] == "none" and not (record["asset_error"] or record.get("focus_lost")):
        raise Refusal("refused")
    protocol, trials = site.store.batch.protocol, site.store.trials(session)
    if body.trial_index >= len(trials):
        raise Refusal("out_of_step")
    trial = trials[body.trial_index]
    tie, stacked = record["chosen"] == "tie", record.get("layout") == "stacked"
    if (tie and not protocol.ties) or (stacked and not protocol.stacked) or not fits(trial, record):
        raise Refusal("refused")
    level = exposure_now(site.store, session, body.trial_index)
    if level is not None:
        record["exposure_req_ms"] = level
    site.store.answer(session.session_id, body.tab, body.trial_index, body.client_id, record)
    return {}


def fits(trial: PlannedTrial, record: dict) -> bool:
    """Whether a record answers the question of its trial."""
    if record["chosen"] not in (*ANSWERS_OF[trial.task], "none"):
        return False
    if record["chosen"] == "ranked":
        return sorted(record.get("ranked") or ()) == list(range(len(trial.methods)))
    return "ranked" not in record


def act_about(site: Site, session: Session, body: About) -> dict:
    protocol = site.store.batch.protocol
    if body.stage not in protocol.stages:
        raise Refusal("refused")
    site.store.say(session.session_id, body.tab, body.stage, said(protocol, body.stage, body.answers))
    return {}


def said(protocol: Protocol, stage: str, answers: dict) -> dict:
    """Answers by column of the table of responses. Raises Refusal for what was not asked or cannot be."""
    if stage in ("before", "after"):
        asked = {one.name: one for one in protocol.questions if one.when == stage}
        if set(answers) - set(asked) or any(one.problem(answers.get(name)) for name, one in asked.items()):
            raise Refusal("refused")
        return {asked[name].column: value for name, value in answers.items() if value not in (None, "")}
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
    return {"after": next_at_kiosk(site, session)}


ACTIONS: dict[str, tuple[type[Said], Callable]] = {
    "open": (Plain, act_open), "consent": (Consent, act_consent), "shown": (Shown, act_shown),
    "answer": (Answer, act_answer), "about": (About, act_about), "finish": (Plain, act_finish),
    "withdraw": (Plain, act_withdraw)}
