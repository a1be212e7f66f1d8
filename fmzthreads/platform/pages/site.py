"""The pages as routes: reads a request, asks who it is, calls the page in a worker thread, and shows what went wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal
from urllib.parse import quote

import attrs

from ...errors import AuthenticationFailed, FmzError, InputError, UnknownName, require
from ..access import Actor, NotPermitted
from ..security.login_sessions import LoginSession, LoginSessions
from .port import PageService
from .rendering import Renderer
from .visit import Form, PageVisit, form_of, language_of

__all__ = ["COOKIE", "Need", "PageSite", "SitePage", "redirect"]

_log = logging.getLogger("fmzthreads.platform")

COOKIE = "fmzthreads_session"
_MOST_BYTES = 4 * 1024 * 1024
_LARGEST = 2**63 - 1  # that SQLite takes
Need = Literal["anybody", "reader", "operator", "owner"]
Handler = Callable[[PageVisit], Any]


@attrs.frozen
class SitePage:
    """One page: its path, what answers it, who may ask for it (by role), and whether it changes something.

    Attributes:
        path: The path, with starlette's ``{name:type}`` parts.
        answer: Called in a worker thread; returns a response.
        need: The least role.
        method: ``GET`` or ``POST``.
    """

    path: str
    answer: Handler
    need: Need = "reader"
    method: Literal["GET", "POST"] = "GET"


class PageSite:
    """Turns pages into routes.

    Args:
        sessions: The logins.
        actor_of: The person of a session, at an address; None when they may not log in any more.
        service_for: The platform for a person; for None, what anybody may see.
        renderer: Makes HTML.
    """

    def __init__(
        self,
        sessions: LoginSessions,
        actor_of: Callable[[LoginSession, str], Actor | None],
        service_for: Callable[[Actor | None], PageService],
        renderer: Renderer,
    ) -> None:
        self._sessions = sessions
        self._actor_of = actor_of
        self._service_for = service_for
        self._renderer = renderer
        self._responses = require("starlette.responses", "platform")
        self._in_thread = require("starlette.concurrency", "platform").run_in_threadpool

    def routes(self, pages: Sequence[SitePage]) -> list[Any]:
        """The routes of pages.

        Raises:
            MissingExtra: The extra ``platform`` is not installed.
        """
        routing = require("starlette.routing", "platform")
        return [routing.Route(page.path, self._endpoint(page), methods=[page.method]) for page in pages]

    def _endpoint(self, page: SitePage) -> Callable[[Any], Any]:
        async def _answer(request: Any) -> Any:
            body = b""
            if page.method == "POST":
                body = await _body(request)
                if len(body) > _MOST_BYTES:
                    return self._responses.PlainTextResponse("the request is too large", status_code=413)
            return await self._in_thread(self._serve, page, request, body)

        return _answer

    def _serve(self, page: SitePage, request: Any, body: bytes) -> Any:
        try:
            visit = self._visit(page, request, body)
        except FmzError as error:  # the platform's own file cannot be read: there is no page without it
            _log.error("the page %s failed: %s", page.path, error)
            return self._responses.PlainTextResponse(str(error), status_code=502)
        try:
            form = form_of(request.headers.get("content-type", ""), body) if body else Form(())
            visit = attrs.evolve(visit, form=form)
            if page.need != "anybody":
                if visit.actor is None:
                    return self._to_login(page, request)
                _check_role(visit.actor, page.need)
            if any(isinstance(value, int) and value > _LARGEST for value in visit.params.values()):
                raise UnknownName("nothing has so large a number")
            return page.answer(visit)
        except FmzError as error:
            return self._problem(visit, str(error), _status_of(error))
        except Exception:  # a page that breaks must not show its insides; the log of the platform has them
            _log.exception("the page %s failed", page.path)
            return self._problem(visit, "The page failed; the platform's log says why.", 500)

    def _visit(self, page: SitePage, request: Any, body: bytes) -> PageVisit:
        token = request.cookies.get(COOKIE, "")
        address = getattr(request.state, "address", "")
        actor = self._actor(token, address)
        return PageVisit(
            method=page.method,
            path=request.url.path,
            params=dict(request.path_params),
            query=Form([(str(key), str(value)) for key, value in request.query_params.multi_items()]),
            form=Form(()),
            actor=actor,
            service=self._service_for(actor),
            language=language_of(request.cookies.get("language", ""), request.headers.get("accept-language", "")),
            theme=theme if (theme := request.cookies.get("theme", "")) in {"light", "dark"} else "",
            token=token,
            may_go_on=lambda: actor is not None and self._actor(token, address) == actor,
            agent=request.headers.get("user-agent", ""),
            last_event=request.headers.get("last-event-id", ""),
            known_tag=request.headers.get("if-none-match", ""),
            takes_gzip="gzip" in request.headers.get("accept-encoding", ""),
            address=address,
            is_secure=bool(getattr(request.state, "is_secure", False)),
        )

    def _actor(self, token: str, address: str) -> Actor | None:
        session = self._sessions.find(token) if token else None
        return self._actor_of(session, address) if session is not None else None

    def _to_login(self, page: SitePage, request: Any) -> Any:
        if page.method != "GET" or "text/html" not in request.headers.get("accept", ""):
            return self._responses.PlainTextResponse("log in first", status_code=401)
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return redirect("/login" if path == "/" else f"/login?next={quote(path, safe='')}")

    def _problem(self, visit: PageVisit, text: str, status: int) -> Any:
        try:
            html = self._renderer.page(visit, "problem.html", text=text, status=status)
        except Exception:  # the frame of the page needs the platform too, which may be what has failed
            _log.exception("the page that shows a problem failed")
            return self._responses.PlainTextResponse(text, status_code=status)
        return self._responses.HTMLResponse(html, status_code=status)


def redirect(path: str) -> Any:
    """A reply that sends the browser to another page by GET."""
    return require("starlette.responses", "platform").RedirectResponse(path, status_code=303)


def _check_role(actor: Actor, need: Need) -> None:
    if need == "owner":
        actor.check_owner("do this")
    elif need == "operator" and actor.role == "reader":
        raise NotPermitted(f"the account {actor.name!r} is {actor.role}: it may look, and not change anything")


def _status_of(error: FmzError) -> int:
    if isinstance(error, NotPermitted):
        return 403
    if isinstance(error, UnknownName):
        return 404
    return 400 if isinstance(error, (InputError, AuthenticationFailed)) else 502


async def _body(request: Any) -> bytes:
    """The body, or its beginning when it is too large."""
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > _MOST_BYTES:
            break
    return b"".join(parts)
