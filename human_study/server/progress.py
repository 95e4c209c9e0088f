"""The experimenter's page: progress of every session, links, the table. It shows neither methods nor results, so that
nobody can peek at them while the study runs."""

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from data.errors import InputError
from human_study.batch.folder import RESPONSES
from human_study.page.page import fill
from human_study.responses.keys import same
from human_study.responses.table import write_responses
from human_study.server.export import export_responses, session_list
from human_study.server.security import json_body
from human_study.server.site import Site
from human_study.server.store import ABANDONED_S, Session, Store

COOKIE = "admin"
LIST_S = 15.0  # the list of sessions applies the rules to all answers, so it is not recomputed more often than this


def message_page(request: Request, message: str, status: int = 200, button: str = "", language: str = "en"
                 ) -> Response:
    """A page with one sentence, and a button that posts to the same address if `button` is given."""
    page = fill("message.html.j2", message=message, button=button, nonce=request.state.nonce, language=language)
    return HTMLResponse(page, status)


def progress(store: Store) -> dict:
    """Numbers for the progress page: sessions by status, places, trials, median duration in minutes, the course."""
    sessions, now, done = store.sessions(), time.time(), store.answered_by_session()
    minutes = [(one.ended - one.started) / 60 for one in sessions if one.status == "finished"]
    status = Counter(one.status for one in sessions)
    running = [{"name": one.participant[:8], "session": one.session_id, "answered": done.get(one.session_id, 0),
                "trials": len(store.trials(one)), "idle_minutes": round((now - one.seen) / 60, 1),
                "abandoned": now - one.seen > ABANDONED_S} for one in sessions if one.status == "running"]
    return {"study": store.batch.study_id, "specification": store.batch.spec_sha256, "simulated": store.simulated,
            "places": store.places, "running": running, "answers": sum(done.values()), "paused": store.paused,
            **{name: status[name] for name in ("finished", "invited", "withdrawn", "returned")},
            **course(sessions, done, store.places, now),
            "median_minutes": round(statistics.median(minutes), 1) if minutes else None}


def course(sessions: Sequence[Session], answered: dict[str, int], places: int, now: float) -> dict:
    """Pace in finished sessions per hour since the first one began, the time when all places are filled at this pace,
    and dropouts."""
    finished = sum(one.status == "finished" for one in sessions)
    begun = [one for one in sessions if one.started]
    hours = (now - min(one.started for one in begun)) / 3600 if begun else 0
    pace, left = finished / hours if hours > 0 else 0, places - finished
    end = datetime.fromtimestamp(now) + timedelta(hours=left / pace) if pace and left > 0 else None
    withdrawn = [one for one in sessions if one.status == "withdrawn"]
    gone = [one for one in sessions if one.status == "running" and now - one.seen > ABANDONED_S]
    return {"per_hour": round(pace, 1) if pace else None, "end": end.isoformat(" ", "minutes") if end else None,
            "dropouts": {"withdrawn": len(withdrawn), "gone": len(gone), "of": len(begun), "after": sorted(
                answered.get(one.session_id, 0) for one in (*withdrawn, *gone) if one.started)}}


def flags(store: Store) -> dict[str, int]:
    """Finished sessions by rule of the protocol that they break."""
    if not store.sessions():
        return {}
    texts = session_list(store.batch, store.simulated)["rules_broken"]
    return dict(Counter(rule for text in texts for rule in text.split(";") if rule))


# --- pages -----------------------------------------------------------------------------------------------------------

async def admin_by_token(request: Request) -> Response:
    """The token of the link is exchanged for a cookie; the page takes it out of the address bar and the history."""
    site: Site = request.app.state.site
    if not same(request.path_params["token"], site.token("admin")):
        return message_page(request, "There is nothing here.", 404)
    response = admin_page(request)
    response.set_cookie(COOKIE, site.token("admin cookie"), path="/admin", httponly=True, samesite="lax",
                        secure=site.secure)
    return response


def allowed(request: Request) -> bool:
    return same(request.cookies.get(COOKIE, ""), request.app.state.site.token("admin cookie"))


def admin_page(request: Request) -> Response:
    site: Site = request.app.state.site
    batch = site.store.batch
    return HTMLResponse(fill(
        "admin.html.j2", nonce=request.state.nonce, study=batch.study_id, title=batch.protocol.text().title,
        panel=site.panel, panel_token=site.token("panel"), kiosk_token=site.token("kiosk"),
        preview_token=site.token("preview"), origin=site.origins[0]))


async def admin(request: Request) -> Response:
    if not allowed(request):
        return message_page(request, "Please use the link with the token.", 403)
    return admin_page(request)


def for_experimenter(answer: Callable[[Site, dict | None], Response | dict]
                     ) -> Callable[[Request], Awaitable[Response]]:
    """A route that only the experimenter's browser may call; `answer` gets the site and the JSON object that was sent,
    and gives a response or something to send as JSON."""
    async def route(request: Request) -> Response:
        if not allowed(request):
            return PlainTextResponse("forbidden", 403)
        body = await json_body(request) if request.method == "POST" else None
        found = await run_in_threadpool(answer, request.app.state.site, body)
        return found if isinstance(found, Response) else JSONResponse(found)

    return route


def admin_progress(site: Site, body: dict | None) -> dict:
    now = time.monotonic()
    if site.flags is None or now - site.flags[0] > LIST_S:
        site.flags = now, flags(site.store)
    return progress(site.store) | {"flags": site.flags[1]}


def admin_link(site: Site, body: dict | None) -> dict:
    """A new participant's link. It is shown once; only a hash of its token is stored."""
    return {"link": site.link(site.store.invite("local")[1])}


def admin_pause(site: Site, body: dict | None) -> dict:
    """{"paused": true or false}: whether somebody new may begin."""
    site.store.pause(bool(body and body.get("paused")))
    return {"paused": site.store.paused}


def admin_free(site: Site, body: dict | None) -> dict:
    """{"session": id}: its participant left, somebody else may have the place."""
    return {"freed": site.store.give_back(str((body or {}).get("session", "")))}


def admin_table(site: Site, body: dict | None) -> Response:
    """The table of responses, as `export` writes it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / RESPONSES
        try:
            write_responses(export_responses(site.store.batch, site.store.simulated), file)
        except InputError as error:
            return PlainTextResponse(str(error), 404)
        return as_csv(file.read_text(encoding="utf-8"), RESPONSES)


def admin_sessions(site: Site, body: dict | None) -> Response:
    """The list of sessions as CSV: completion codes, minutes, pay, rules broken."""
    frame = session_list(site.store.batch, site.store.simulated)
    return as_csv(frame.to_csv(index=False, lineterminator="\n"), "sessions.csv")


def as_csv(text: str, name: str) -> Response:
    return PlainTextResponse(text, media_type="text/csv",
                             headers={"Content-Disposition": f'attachment; filename="{name}"'})


def admin_routes() -> list[Route]:
    get = {"progress.json": admin_progress, "responses.csv": admin_table, "sessions.csv": admin_sessions}
    post = {"link": admin_link, "pause": admin_pause, "free": admin_free}
    return [Route("/admin", admin),
            *(Route(f"/admin/{name}", for_experimenter(answer)) for name, answer in get.items()),
            *(Route(f"/admin/{name}", for_experimenter(answer), methods=["POST"]) for name, answer in post.items()),
            Route("/admin/{token}", admin_by_token)]
