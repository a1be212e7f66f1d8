"""The routes of the pages, over one platform."""

from __future__ import annotations

from typing import Any, Protocol

from ...clock import WallClock
from ...errors import AuthenticationFailed, UnknownName
from ..access import Actor
from ..backtests.runs import BacktestRuns
from ..security.login_sessions import LoginSession, LoginSessions
from ..security.login_throttle import LoginThrottle
from ..security.one_time_codes import matching_step
from ..security.share_links import ShareLinks
from ..service import Platform
from .handlers.accounts import AccountPages
from .handlers.backtests import BacktestPages
from .handlers.files import FilePages
from .handlers.live import LivePages
from .handlers.login import LoginPages
from .handlers.overview import OverviewPages
from .handlers.robot_forms import RobotForms
from .handlers.robots import RobotPages
from .handlers.settings import SettingsPages
from .handlers.shared import SharedPages
from .handlers.strategies import StrategyPages
from .over_platform import AdministrationOfPlatform, ServiceOfPlatform
from .port import PageService
from .rendering import Renderer
from .site import PageSite, SitePage

__all__ = ["page_routes"]


def page_routes(platform: Platform) -> list[Any]:
    """The routes of the pages, for a starlette application (Any: starlette is an extra).

    Args:
        platform: What they show; when it is closed, backtests that run are stopped and streams end.
    """
    path = platform.database.path
    sessions, links, renderer = LoginSessions(path), ShareLinks(path), Renderer()
    backtests = BacktestRuns(platform.folder / "backtests")
    platform.at_close(backtests.close, sessions.close, links.close)

    def actor_of(session: LoginSession, address: str) -> Actor | None:
        """The person of a session; None once the account is gone, disabled, or has another password."""
        account = next((one for one in platform.accounts.all() if one.name == session.person), None)
        if account is None or account.disabled or session.made_ms < account.changed_ms:
            return None
        return account.actor(address)

    def service_for(actor: Actor | None) -> PageService:
        """The platform as this person may see it; None sees nothing."""
        return ServiceOfPlatform(platform, backtests, actor or _nobody())

    site = PageSite(sessions, actor_of, service_for, renderer)
    login = LoginPages(
        renderer,
        sessions,
        LoginThrottle(),
        _Login(platform, sessions).check,
        _recorder(platform),
        lambda name: max((one.changed_ms for one in platform.accounts.all() if one.name == name), default=0),
        lambda: platform.vault.locked,
    )
    parts: list[_Part] = [
        login,
        OverviewPages(renderer),
        RobotForms(renderer),  # before the pages of robots: /robots/new is not a number
        RobotPages(renderer, links),
        LivePages(lambda: platform.is_closing),
        StrategyPages(renderer),
        BacktestPages(renderer),
        AccountPages(renderer),
        SettingsPages(renderer, sessions, lambda actor: AdministrationOfPlatform(platform, actor)),
        SharedPages(renderer, links, lambda robot: ServiceOfPlatform(platform, backtests, _nobody({robot}))),
        FilePages(),
    ]
    return site.routes([page for part in parts for page in part.pages()])


class _Part(Protocol):
    def pages(self) -> list[SitePage]:
        """The pages of one part."""


def _nobody(robots: set[int] | None = None) -> Actor:
    """Somebody who is not logged in: sees no robot, or the one of a share link."""
    return Actor(account_id=0, name="", role="reader", robots=frozenset(robots or ()))


def _recorder(platform: Platform) -> Any:
    def _record(actor: Actor, what: str, done: bool) -> None:
        platform.lives.note(actor, what, f"account {actor.name}", "", done=done)

    return _record


class _Login:
    """Checks name, password and one-time code."""

    def __init__(self, platform: Platform, sessions: LoginSessions) -> None:
        self._platform = platform
        self._sessions = sessions

    def check(self, name: str, password: str, code: str, vault: str, address: str) -> Actor:
        """Who it is.

        Raises:
            AuthenticationFailed: Name, password or code is not right; or the vault's password, where an owner gives it.
            OperationFailed: The secret of the codes lies in a locked vault.
        """
        account = self._platform.accounts.verify(name, password)
        if vault and account.role == "owner" and self._platform.vault.locked:
            self._platform.vault.unlock(vault)  # before the code: its secret lies in the vault
            self._platform.audit.add(account.actor(address), "unlock the vault", "vault")
        if account.has_totp:
            secret = self._platform.accounts.totp(account.id)
            step = matching_step(secret, code, WallClock().now())
            if step is None or not self._sessions.take_code(account.name, step):
                raise AuthenticationFailed("the one-time code is not right")
        try:
            return self._platform.accounts.get(account.id).actor(address)
        except UnknownName:
            raise AuthenticationFailed("the account was removed") from None
