"""In front of the study server: security headers, origin check, size limit, rate limit."""

import json
import secrets
import time
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES = 16_384  # an answer has about 700


def content_policy(nonce: str) -> str:
    return ("default-src 'none'; base-uri 'none'; form-action 'self'; img-src 'self'; connect-src 'self'; "
            f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; frame-ancestors 'none'")


class SecurityHeaders:
    """Gives every request a nonce and every answer its headers; no other site may frame, read or refer to a page."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        nonce = scope.setdefault("state", {})["nonce"] = secrets.token_urlsafe(16)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = content_policy(nonce)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers["X-Robots-Tag"] = "noindex"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, with_headers)


class SameOrigin:
    """Refuses every POST that does not come from a page of this server, and every body above BODY_BYTES, counted as its
    bytes arrive, because the length in the header cannot be trusted."""

    def __init__(self, app: ASGIApp, origins: Iterable[str]):
        self.app, self.origins = app, frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            # a form of a page without referrer has the origin "null"; browsers still send where it comes from
            if origin not in self.origins and (origin, headers.get("sec-fetch-site")) != ("null", "same-origin"):
                return await JSONResponse({"error": "origin"}, 403)(scope, receive, send)
            body, more = b"", True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body, more = body + message.get("body", b""), message.get("more_body", False)
                if len(body) > BODY_BYTES:
                    too_large = JSONResponse({"error": "too large"}, 413, {"Connection": "close"})
                    return await too_large(scope, receive, send)
            unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

            async def again() -> Message:
                return unread.pop() if unread else await receive()

            return await self.app(scope, again, send)
        await self.app(scope, receive, send)


class RateLimit:
    """A bucket of tokens per name: `burst` at once, `rate` per second after that."""

    def __init__(self, rate: float, burst: int, names: int = 10_000):
        self.rate, self.burst, self.names = rate, burst, names
        self._buckets: dict[str, tuple[float, float]] = {}

    def allows(self, name: str) -> bool:
        now = time.monotonic()
        if len(self._buckets) > self.names:
            self._buckets.clear()
        tokens, before = self._buckets.get(name, (self.burst, now))
        tokens = min(self.burst, tokens + (now - before) * self.rate)
        self._buckets[name] = (tokens - 1 if tokens >= 1 else tokens, now)
        return tokens >= 1


async def json_body(request: Request) -> dict | None:
    """The JSON object in a request; None for anything else."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return None
    try:
        value = json.loads(await request.body())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
