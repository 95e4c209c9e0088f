"""The experimenter's page: who is where, links, the table. It shows no method and no result, so nobody peeks."""

import io
import statistics
import time

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from data.errors import InputError
from human_study.page.page import fill
from human_study.responses.keys import same
from human_study.server.export import export_responses
from human_study.server.live import course
from human_study.server.site import Site
from human_study.server.store import ABANDONED_S, Store

COOKIE = "admin"


def message_page(request: Request, message: str, status: int = 200, button: str = "", language: str = "en"
                 ) -> Response:
    """A page with one sentence, and a button that posts to the same address if `button` is given."""
    page = fill("message.html.j2", message=message, button=button, nonce=request.state.nonce,
                language=language)
    return HTMLResponse(page, status)


def progress(store: Store) -> dict:
    """Counts for the progress page: sessions by status, places, trials, median duration in minutes."""
    sessions, now = store.sessions(), time.time()
    finished = [session for session in sessions if session.status == "finished"]
    minutes = [(session.ended - session.started) / 60 for session in finished]
    done = store.answered_by_session()
    running = [{"name": session.participant[:8], "answered": done.get(session.session_id, 0),
                "trials": len(store.trials(session)), "idle_minutes": round((now - session.seen) / 60, 1),
                "abandoned": now - session.seen > ABANDONED_S}
               for session in sessions if session.status == "running"]
    return {"study": store.batch.study_id, "specification": store.batch.spec_sha256, "simulated": store.simulated,
            "places": store.places, "finished": len(finished), "running": running,
            "invited": sum(session.status == "invited" for session in sessions),
            "withdrawn": sum(session.status == "withdrawn" for session in sessions), "answers": sum(done.values()),
            **course(sessions, done, store.places, now),
            "median_minutes": round(statistics.median(minutes), 1) if minutes else None}


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


async def admin_progress(request: Request) -> Response:
    if not allowed(request):
        return PlainTextResponse("forbidden", 403)
    site: Site = request.app.state.site
    now = await run_in_threadpool(progress, site.store)
    return JSONResponse(now | {"flags": await run_in_threadpool(site.live.flags, site.store)})


async def admin_link(request: Request) -> Response:
    """A new participant's link. It is shown once; only a hash of its token is stored."""
    site: Site = request.app.state.site
    if not allowed(request):
        return PlainTextResponse("forbidden", 403)
    _, token = await run_in_threadpool(site.store.invite, "local")
    return JSONResponse({"link": f"{site.origins[0]}/s/{token}"})


async def admin_table(request: Request) -> Response:
    """The tidy table as CSV."""
    site: Site = request.app.state.site
    if not allowed(request):
        return PlainTextResponse("forbidden", 403)
    try:
        frame = await run_in_threadpool(export_responses, site.store.batch, site.store.simulated)
    except InputError as error:
        return PlainTextResponse(str(error), 404)
    text = io.StringIO()
    frame.to_csv(text, index=False, lineterminator="\n")
    return PlainTextResponse(text.getvalue(), media_type="text/csv",
                             headers={"Content-Disposition": 'attachment; filename="responses.csv"'})


def admin_routes() -> list[Route]:
    return [Route("/admin", admin), Route("/admin/progress.json", admin_progress),
            Route("/admin/link", admin_link, methods=["POST"]), Route("/admin/responses.csv", admin_table),
            Route("/admin/{token}", admin_by_token)]
