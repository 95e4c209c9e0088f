"""What the page may ask of the server: (site, session, parsed body) -> JSON. Every call may be repeated safely."""

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from human_study.batch.page import consent_version
from human_study.batch.record import Measured, Said
from human_study.server.site import KIOSK, Site
from human_study.server.store import Refusal, Session


class Record(Measured):
    chosen: Literal["left", "right", "none"]
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
    client_version: str | None = Field(None, pattern=r"^[0-9a-f]{12}$")
    user_agent_family: Literal["Edge", "Opera", "Firefox", "Chrome", "Safari", "other"]


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
    trials = [{"left": f"/a/{site.picture_name(session, trial.left_asset)}",
               "right": f"/a/{site.picture_name(session, trial.right_asset)}",
               "ms": trial.exposure_req_ms, "practice": trial.block == "practice"}
              for trial in site.store.trials(session)] if status == "running" else []
    return state | {"trials": trials, "answered": answered, "shown": session.shown == answered}


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
                                                 body.client_version))


def act_shown(site: Site, session: Session, body: Shown) -> dict:
    site.store.shown(session.session_id, body.tab, body.trial_index, body.client_id)
    return {}


def act_answer(site: Site, session: Session, body: Answer) -> dict:
    record = body.record.model_dump(exclude_none=True)
    if record["chosen"] == "none" and not (record["asset_error"] or record.get("focus_lost")):
        raise Refusal("refused")
    site.store.answer(session.session_id, body.tab, body.trial_index, body.client_id, record)
    return {}


def act_finish(site: Site, session: Session, body: Plain) -> dict:
    site.store.finish(session.session_id, body.tab)
    return ending(site, session)


def act_withdraw(site: Site, session: Session, body: Plain) -> dict:
    site.store.withdraw(session.session_id)
    return {"after": next_at_kiosk(site, session)}


ACTIONS: dict[str, tuple[type[Said], Callable]] = {
    "open": (Plain, act_open), "consent": (Consent, act_consent), "shown": (Shown, act_shown),
    "answer": (Answer, act_answer), "finish": (Plain, act_finish), "withdraw": (Plain, act_withdraw)}
