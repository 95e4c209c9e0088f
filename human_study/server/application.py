"""The study server as an ASGI application: one page, its answers, the pictures, the experimenter's progress page.

Participants come by a link of their own (/s/...), from a panel (/p/... with the panel's parameters) or at a kiosk
(/k/...), the experimenter by another token (/admin/...). Nothing sent to a participant names a method: pictures have
names that are valid for one session only, and the right answers of sentinels stay on the server.
"""

import logging
import sqlite3

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from human_study.page.page import page_config, render_document
from human_study.protocol.texts import Texts
from human_study.responses.keys import same
from human_study.server.actions import ACTIONS, shown_trial
from human_study.server.progress import admin_routes, message_page
from human_study.server.security import SameOrigin, SecurityHeaders, json_body
from human_study.server.site import SIGNATURE, Site
from human_study.server.store import KIOSK, Refusal, Session, plain_text

COOKIE, KIOSK_PAUSE_MS, REDIRECT_PAUSE_MS = "study", 8000, 2500
COOKIE_S = 30 * 24 * 3600
ANONYMOUS = "anonymous"
LOG = logging.getLogger("uvicorn.error")  # printed for the experimenter
ID_LETTERS = 128  # longest id a panel may give


async def api(request: Request) -> Response:
    site: Site = request.app.state.site
    action = ACTIONS.get(request.path_params["action"])
    session = site.session_of("api", request.headers.get("x-session", ""))
    if not action or not session:
        return JSONResponse({"error": "unknown"}, 404 if session else 403)
    if not site.limits.allows(session.session_id):
        return JSONResponse({"error": "too fast"}, 429)
    model, act = action
    try:
        body = model.model_validate(await json_body(request))
        return JSONResponse(await run_in_threadpool(act, site, session, body))
    except ValidationError:
        return JSONResponse({"error": "malformed"}, 422)
    except Refusal as refusal:
        return JSONResponse({"error": refusal.reason}, 409)
    except sqlite3.OperationalError:  # disk full or database busy for long: the page tries again
        return JSONResponse({"error": "storage"}, 503)


def study_page(request: Request, session: Session) -> Response:
    """The page for a session; its link is exchanged for a cookie and vanishes from the address bar. Cookie and address
    are the session's own, so that every tab stays with its session and studies on one host do not meet."""
    site: Site = request.app.state.site
    batch = site.store.batch
    config = page_config(batch.protocol, max(batch.hits.values(), key=len), session.language or language_of(request),
                         route="server", withdraw=True,
                         key=site.session_key("api", session.session_id), clean_url=own_path(session),
                         after_ms=KIOSK_PAUSE_MS if session.assignment_id == KIOSK else REDIRECT_PAUSE_MS)
    response = HTMLResponse(render_document(config, request.state.nonce))
    # lax: reloading a page that was reached from a panel or from webmail counts as coming from there, and a strict
    # cookie would stay away; calls are safe without it, they carry a key of their own and their origin is checked
    response.set_cookie(COOKIE, site.session_key("cookie", session.session_id), path=own_path(session), httponly=True,
                        samesite="lax", secure=site.secure, max_age=COOKIE_S)
    return response


def own_path(session: Session) -> str:
    return f"/study/{session.session_id}"


def language_of(request: Request) -> str:
    """The protocol's language that the address asks for (?lang=de), else the first one that the browser prefers."""
    protocol = request.app.state.site.store.batch.protocol
    asked = [request.query_params.get("lang", ""), *(
        part.partition(";")[0].strip() for part in request.headers.get("accept-language", "").split(","))]
    codes = (code for tag in asked for code in (tag, tag.partition("-")[0]))
    return next((code for code in codes if code in protocol.texts), protocol.languages[0])


def words(request: Request) -> Texts:
    return request.app.state.site.store.batch.protocol.text(language_of(request))


async def preview(request: Request) -> Response:
    """The page as a participant sees it; nothing is recorded and no place is taken."""
    site: Site = request.app.state.site
    if not same(request.path_params["token"], site.token("preview")):
        return no_such_page(request)
    session = site.preview(language_of(request))
    hit = site.store.batch.hits[session.hit_id]
    config = page_config(site.store.batch.protocol, hit, session.language, route="preview",
                         trials=[shown_trial(site, session, trial) for trial in hit])
    return HTMLResponse(render_document(config, request.state.nonce))


async def by_link(request: Request) -> Response:
    site: Site = request.app.state.site
    session = await run_in_threadpool(site.store.by_token, request.path_params["token"])
    return study_page(request, session) if session else no_such_page(request)


async def by_panel(request: Request) -> Response:
    site: Site = request.app.state.site
    given = {name: plain_text(request.query_params.get(name, "")).replace("\n", "")
             for name in (site.panel.participant, site.panel.assignment, site.panel.study, SIGNATURE) if name}
    person = given[site.panel.participant]
    if not same(request.path_params["token"], site.token("panel")):
        return no_such_page(request)
    if not person or len(person) > ID_LETTERS:
        text = words(request).no_parameter.replace("{name}", site.panel.participant)
        return message_page(request, text, 400, language=language_of(request))
    if (site.only_ids is not None and person not in site.only_ids) or (
            site.signed_ids and not same(given[SIGNATURE], site.signature(person))):
        return no_such_page(request)
    if await run_in_threadpool(site.excludes, person):
        return message_page(request, words(request).full, 403, language=language_of(request))
    known = await run_in_threadpool(site.store.known, site.panel.platform, person)
    if not known and not site.newcomers.allows(ANONYMOUS):
        return too_many(request)
    assignment, study = (given.get(name, "")[:ID_LETTERS] for name in (site.panel.assignment, site.panel.study))
    return study_page(request, await run_in_threadpool(site.store.arrive, site.panel.platform, person, assignment,
                                                       study))


async def by_cookie(request: Request) -> Response:
    site: Site = request.app.state.site
    session = site.session_of("cookie", request.cookies.get(COOKIE, ""))
    own = session and session.session_id == request.path_params["session_id"]
    return study_page(request, session) if own else no_such_page(request)


async def kiosk(request: Request) -> Response:
    """GET: a start screen that waits for the next participant. POST: a new session in this browser, which forgets the
    previous one, so that nobody can return to it."""
    site: Site = request.app.state.site
    if not same(request.path_params["token"], site.token("kiosk")):
        return no_such_page(request)
    if request.method == "GET":
        texts = words(request)
        return message_page(request, texts.title, button=texts.start, language=language_of(request))
    before = site.session_of("cookie", request.cookies.get(KIOSK, ""))
    session, _ = await run_in_threadpool(site.store.invite, "local", None, KIOSK)
    response = study_page(request, session)
    response.set_cookie(KIOSK, site.session_key("cookie", session.session_id), path=request.url.path, httponly=True,
                        samesite="lax", secure=site.secure, max_age=COOKIE_S)
    if before:
        response.delete_cookie(COOKIE, path=own_path(before))
    return response


def too_many(request: Request) -> Response:
    return message_page(request, words(request).too_many, 429, language=language_of(request))


def no_such_page(request: Request) -> Response:
    """For invalid links; only these are limited, because they cost time and may be guesses."""
    if not request.app.state.site.guesses.allows(ANONYMOUS):
        return too_many(request)
    return message_page(request, words(request).not_found, 404, language=language_of(request))


async def picture(request: Request) -> Response:
    """Only names made by this server lead to a file: no path ever comes from a client. While the file cannot be read
    (a drive that is gone for a moment) the page tries again."""
    site: Site = request.app.state.site
    asset_id = await run_in_threadpool(site.asset_of, request.path_params["name"])
    if asset_id is None:
        return PlainTextResponse("not found", 404)
    try:
        content = await run_in_threadpool(site.store.batch.image(asset_id).read_bytes)
    except OSError as error:
        if site.complaints.allows("pictures"):
            LOG.error("participants wait for a picture: %s", error)
        return PlainTextResponse("away", 503)
    return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


async def nothing(request: Request) -> Response:
    return Response(status_code=204)


def create_app(site: Site) -> Starlette:
    """The application. Hosts and origins not in `site` are refused."""
    routes = [Route("/s/{token}", by_link), Route("/p/{token}", by_panel), Route("/study/{session_id}", by_cookie),
              Route("/k/{token}", kiosk, methods=["GET", "POST"]), Route("/v/{token}", preview),
              Route("/a/{name}", picture),
              Route("/api/{action}", api, methods=["POST"]), Route("/favicon.ico", nothing), *admin_routes()]
    middleware = [Middleware(SecurityHeaders),
                  Middleware(TrustedHostMiddleware, allowed_hosts=list(site.hosts)),
                  Middleware(SameOrigin, origins=site.origins)]
    app = Starlette(routes=routes, middleware=middleware)
    app.state.site = site
    return app
