"""Checks of each request before any page sees it, and the headers of each reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

__all__ = ["CONTENT_POLICY", "CONTENT_POLICY_WITH_CHARTS", "LOOPBACK_NAMES", "RequestGuard"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src {style}; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "frame-src 'self'; frame-ancestors 'self'; base-uri 'none'"
)
CONTENT_POLICY = _POLICY.format(style="'self'")
"""Scripts and styles only from files of the platform."""

CONTENT_POLICY_WITH_CHARTS = _POLICY.format(style="'self' 'unsafe-inline'")
"""For pages with charts: plotly sets styles within the page. Scripts still come from files only."""

_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"x-frame-options": b"SAMEORIGIN",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=(), payment=()",
    b"content-security-policy": CONTENT_POLICY.encode(),
    b"cache-control": b"no-store",
}
_SAFE = {"GET", "HEAD"}
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Names that lead to this machine only."""


class RequestGuard:
    """ASGI middleware around the whole platform.

    - The ``Host`` of each request must be one of the platform's names, so that another site's name that is made to point here (DNS
      rebinding) leads nowhere.
    - A request that changes something must come from a page of this platform: ``Sec-Fetch-Site: same-origin``, or an ``Origin`` that is the
      request's own host, or one of the names given with ``--allowed-host``. Cookies alone are never enough.
    - Paths that do not look at cookies, such as the signed API, are exempt from both.
    - Replies get a strict content policy and their like, unless they bring their own.

    Args:
        app: What is guarded.
        names: The host names besides those of the loopback, without ports.
        exempt: Beginnings of paths that are exempt.
    """

    def __init__(
        self,
        app: App,
        *,
        names: Iterable[str] = (),
        exempt: Iterable[str] = ("/api/", "/chart/", "/healthz"),
    ) -> None:
        self._app = app
        self._names = frozenset(name.strip().lower() for name in names)
        self._hosts = self._names | LOOPBACK_NAMES
        self._exempt = tuple(exempt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, or refuses it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_secure = scope.get("scheme") == "https"
        if not scope["path"].startswith(self._exempt):
            headers = _single_headers(scope)
            if headers is None:
                await _refuse(send, 400, "a header that must stand once stands twice")
                return
            if _name_of(headers.get("host", "")) not in self._hosts:
                await _refuse(send, 421, "this host name is not one of the platform's; --allowed-host adds one")
                return
            if scope["method"] not in _SAFE and not self._is_own(headers, is_secure=is_secure):
                await _refuse(send, 403, "this change did not come from a page of the platform")
                return
        client = scope.get("client")
        scope.setdefault("state", {}).update(address=str(client[0]) if client else "", is_secure=is_secure)
        await self._app(scope, receive, self._with_headers(send, is_secure=is_secure))

    def _is_own(self, headers: dict[str, str], *, is_secure: bool) -> bool:
        """Whether a change comes from a page of the platform itself."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site != "same-origin":
            return False
        if origin is None:
            return site == "same-origin"
        parts = urlsplit(origin)
        if parts.scheme != ("https" if is_secure else "http"):
            return False
        # A proxy may send a Host of its own; the origin is then one of the names that were given.
        return parts.netloc.lower() == headers.get("host", "").lower() or _name_of(parts.netloc) in self._names

    def _with_headers(self, send: Send, *, is_secure: bool) -> Send:
        async def _send(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message.get("headers", ())}
                added = [(name, value) for name, value in _HEADERS.items() if name not in given]
                if is_secure:
                    added.append((b"strict-transport-security", b"max-age=31536000"))
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        return _send


def _single_headers(scope: Scope) -> dict[str, str] | None:
    """The headers that are judged; None when one of them stands twice, and a proxy might have read the other."""
    found: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").lower()
        if name in {"host", "origin", "sec-fetch-site"} and name in found:
            return None
        found[name] = value.decode("latin-1")
    return found


def _name_of(host: str) -> str:
    """The host without its port, in lower case; empty for what is not a host."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018  # raises for a port that is not a number from 0 to 65535
    except ValueError:
        return ""
    if parts.path or parts.query or parts.fragment or parts.username is not None or parts.hostname is None:
        return ""
    return f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname


async def _refuse(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *_HEADERS.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
