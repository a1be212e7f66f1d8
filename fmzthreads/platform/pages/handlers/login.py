"""Logging in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from ....errors import AuthenticationFailed, OperationFailed
from ...access import Actor
from ...security.login_sessions import IDLE_S, LoginSessions
from ...security.login_throttle import LoginThrottle
from ..rendering import Renderer
from ..replies import html
from ..site import COOKIE, SitePage, redirect
from ..visit import PageVisit

__all__ = ["LoginPages"]


class LoginPages:
    """The page that asks for name and password.

    Args:
        renderer: Makes HTML.
        sessions: The logins.
        throttle: Delays after wrong passwords.
        check: Takes name, password, one-time code, the vault's password and address; returns who it is, or raises ``AuthenticationFailed``.
        record: Takes an actor and what happened, for the audit trail.
        password_ms: Takes a name; returns when its password was made.
        is_locked: Whether the vault waits for its password, which an owner may give at the login.
    """

    def __init__(
        self,
        renderer: Renderer,
        sessions: LoginSessions,
        throttle: LoginThrottle,
        check: Callable[[str, str, str, str, str], Actor],
        record: Callable[[Actor, str, bool], None],
        password_ms: Callable[[str], int],
        is_locked: Callable[[], bool],
    ) -> None:
        self._renderer = renderer
        self._sessions = sessions
        self._throttle = throttle
        self._check = check
        self._record = record
        self._password_ms = password_ms
        self._is_locked = is_locked

    def pages(self) -> list[SitePage]:
        """The pages."""
        return [
            SitePage("/login", self._ask, "anybody"),
            SitePage("/login", self._login, "anybody", "POST"),
            SitePage("/logout", self._logout, "reader", "POST"),
            SitePage("/look", self._look, "anybody", "POST"),
        ]

    def _ask(self, visit: PageVisit) -> Any:
        if visit.actor is not None:
            return redirect(_own_path(visit.query.text("next")))
        return self._again(visit, "", visit.query.text("next"), "", 200)

    def _login(self, visit: PageVisit) -> Any:
        name, password = visit.form.text("name").strip(), visit.form.text("password")
        target = visit.form.text("next")
        wait = self._throttle.begin(visit.address, name.lower())
        if wait > 0:
            text = visit.say("Too many wrong passwords. Try again in {seconds} s.").format(seconds=int(wait) + 1)
            return self._again(visit, text, target, name, 429)
        try:
            actor = self._check(name, password, visit.form.text("code"), visit.form.text("vault"), visit.address)
        except AuthenticationFailed:
            stranger = Actor(account_id=0, name=name[:64], role="reader", robots=frozenset(), address=visit.address)
            self._record(stranger, "log in", False)
            return self._again(visit, visit.say("Name, password or code is not right."), target, name, 401)
        except OperationFailed as error:  # a code is asked for whose secret lies in a locked vault
            return self._again(visit, str(error), target, name, 503)
        self._throttle.succeeded(visit.address, name.lower())
        self._record(actor, "log in", True)
        reply = redirect(_own_path(target))
        token = self._sessions.begin(actor.name, visit.address, visit.agent, after_ms=self._password_ms(actor.name))
        reply.set_cookie(
            COOKIE, token, max_age=IDLE_S, path="/", httponly=True, samesite="strict", secure=visit.is_secure
        )
        return reply

    def _again(self, visit: PageVisit, problem: str, target: str, name: str, status: int) -> Any:
        text = self._renderer.page(
            visit, "login.html", problem=problem, next=target, name=name, locked=self._is_locked()
        )
        return html(text, status=status)

    def _logout(self, visit: PageVisit) -> Any:
        self._sessions.end(visit.token)
        self._record(visit.person, "log out", True)
        reply = redirect("/login")
        reply.delete_cookie(COOKIE, path="/")
        return reply

    def _look(self, visit: PageVisit) -> Any:
        """Keeps the language and the theme, which are no secrets, in cookies."""
        reply = redirect(_own_path(visit.form.text("next")))
        for name, values in (("language", ("en", "zh")), ("theme", ("light", "dark", "system"))):
            if visit.form.text(name) in values:
                reply.set_cookie(name, visit.form.text(name), max_age=365 * 86_400, path="/", samesite="lax")
        return reply


def _own_path(path: str) -> str:
    """The path when it leads to a page of the platform, else the overview."""
    parts = urlsplit(path)
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc and not parts.scheme
    return path if safe and path.isprintable() and "\\" not in path else "/"
