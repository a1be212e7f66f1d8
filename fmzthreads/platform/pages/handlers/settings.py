"""Settings: one's password, codes and sessions; people, pushes, nodes, groups and the audit trail for owners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....errors import AuthenticationFailed, FmzError, InputError
from ...access import Actor
from ...security.login_sessions import LoginSessions
from ...security.one_time_codes import new_secret, secret_link
from ..administration import Administration
from ..rendering import Renderer
from ..replies import html
from ..site import SitePage, redirect
from ..visit import PageVisit

__all__ = ["SettingsPages"]

CHANNEL_FIELDS = {
    "mail": (("server", "Server", False), ("username", "User name", False), ("password", "Password", True), ("to", "To", False)),
    "url": (("url", "URL, with {title} and {body}", True), ("body", "Body to post; empty for GET", False)),
}  # fmt: skip
"""What each kind of channel asks: name, label, whether it is a secret."""

NODE_FIELDS = {
    "docker": (
        ("url", "Address of the daemon; empty for this machine's"), ("image", "Image"), ("network", "Network"), ("memory_mb", "Memory, MiB"),
    ),
    "dask": (
        ("scheduler", "Address of the scheduler"), ("tls_ca", "File of the authority's certificate"), ("tls_cert", "File of the certificate"),
        ("tls_key", "File of its key"),
    ),
}  # fmt: skip
"""What each kind of node asks."""


class SettingsPages:
    """The page of settings and what it changes.

    Args:
        renderer: Makes HTML.
        sessions: The logins.
        administration_for: The platform's administration for a person.
    """

    def __init__(
        self, renderer: Renderer, sessions: LoginSessions, administration_for: Callable[[Actor], Administration]
    ) -> None:
        self._renderer = renderer
        self._sessions = sessions
        self._administration_for = administration_for

    def pages(self) -> list[SitePage]:
        """The pages."""
        one = "/settings/{kind}/{number:int}"
        return [
            SitePage("/settings", self._show),
            SitePage("/settings/password", self._password, "reader", "POST"),
            SitePage("/settings/codes", self._codes, "reader", "POST"),
            SitePage("/settings/vault", self._vault, "owner", "POST"),
            SitePage("/settings/sessions/end", self._end_sessions, "reader", "POST"),
            SitePage("/settings/people", self._add_person, "owner", "POST"),
            SitePage("/settings/people/{number:int}", self._change_person, "owner", "POST"),
            SitePage("/settings/channels", self._add_channel, "owner", "POST"),
            SitePage("/settings/channels/{number:int}", self._channel, "owner", "POST"),
            SitePage("/settings/pushes/{number:int}/retry", self._retry, "owner", "POST"),
            SitePage("/settings/nodes", self._add_node, "owner", "POST"),
            SitePage("/settings/groups", self._group, "owner", "POST"),
            SitePage(f"{one}/delete", self._delete, "owner", "POST"),
            SitePage("/audit", self._audit, "owner"),
        ]

    def _show(self, visit: PageVisit) -> Any:
        return self._page(visit)

    def _page(self, visit: PageVisit, *, problem: str = "", note: str = "", secret: str = "", status: int = 200) -> Any:
        house = self._administration_for(visit.person)
        owns = visit.person.role == "owner"
        if not secret and not house.me().has_codes:
            secret = new_secret()
        text = self._renderer.page(
            visit,
            "accounts/settings.html",
            me=house.me(),
            vault=house.vault_state() if owns else "",
            sessions=self._sessions.of(visit.person.name),
            people=house.people() if owns else [],
            channels=house.channels() if owns else [],
            pushes=house.pushes() if owns else [],
            nodes=visit.service.nodes() if owns else [],
            groups=visit.service.groups() if owns else [],
            robots=visit.service.robots() if owns else [],
            channel_fields=CHANNEL_FIELDS,
            node_fields=NODE_FIELDS,
            secret=secret,
            link=secret_link(secret, visit.person.name) if secret else "",
            problem=problem,
            note=note,
        )
        return html(text, status=status)

    def _failed(self, visit: PageVisit, error: FmzError, secret: str = "") -> Any:
        return self._page(visit, problem=str(error), secret=secret, status=400)

    # Oneself

    def _vault(self, visit: PageVisit) -> Any:
        house, password = self._administration_for(visit.person), visit.form.text("vault")
        try:
            if house.vault_state() == "locked":
                house.unlock_vault(password)
                return redirect("/settings?said=saved")
            if password != visit.form.text("again"):
                raise InputError(visit.say("The two new passwords differ."))
            house.protect_vault(visit.form.text("password"), password)
        except FmzError as error:
            return self._failed(visit, error)
        return redirect("/settings?said=saved")

    def _password(self, visit: PageVisit) -> Any:
        new = visit.form.text("new")
        try:
            if new != visit.form.text("again"):
                raise InputError(visit.say("The two new passwords differ."))
            self._administration_for(visit.person).set_password(visit.form.text("old"), new)
        except (InputError, AuthenticationFailed) as error:
            return self._failed(visit, error)
        self._sessions.end_all(visit.person.name)  # also those opened with the old password
        return redirect("/login?said=password")

    def _codes(self, visit: PageVisit) -> Any:
        secret = "" if visit.form.has("end") else visit.form.text("secret")
        try:
            self._administration_for(visit.person).set_codes(
                visit.form.text("password"), secret, visit.form.text("code")
            )
        except (InputError, AuthenticationFailed) as error:
            return self._failed(visit, error, secret)
        return redirect("/settings?said=saved")

    def _end_sessions(self, visit: PageVisit) -> Any:
        self._sessions.end_all(visit.person.name)
        return redirect("/login")

    # People

    def _add_person(self, visit: PageVisit) -> Any:
        name = visit.form.text("name").strip()
        try:
            made = self._administration_for(visit.person).add_person(name, visit.form.text("role"), _robots(visit))
        except InputError as error:
            return self._failed(visit, error)
        return self._page(
            visit,
            note=visit.say("The password of {name}, shown this once: {password}").format(name=name, password=made),
        )

    def _change_person(self, visit: PageVisit) -> Any:
        house, number = self._administration_for(visit.person), visit.params["number"]
        person = next((one for one in house.people() if one.id == number), None)
        if person is None:
            raise InputError(f"no person {number}")
        if visit.form.has("new_password"):
            made = house.new_password(number)
            self._sessions.end_all(person.name)
            return self._page(
                visit,
                note=visit.say("The password of {name}, shown this once: {password}").format(
                    name=person.name, password=made
                ),
            )
        try:
            house.change_person(number, visit.form.text("role"), _robots(visit), is_disabled=visit.form.has("disabled"))
        except InputError as error:
            return self._failed(visit, error)
        if visit.form.has("disabled"):
            self._sessions.end_all(person.name)
        return redirect("/settings?said=saved#people")

    # Pushes

    def _add_channel(self, visit: PageVisit) -> Any:
        kind = visit.form.text("kind")
        if kind not in CHANNEL_FIELDS:
            raise InputError(f"no way of pushing {kind[:40]!r}, expected mail or url")
        values = {name: visit.form.text(f"{kind}.{name}").strip() for name, _, _ in CHANNEL_FIELDS[kind]}
        given = {name: text for name, text in values.items() if text}
        try:
            self._administration_for(visit.person).add_channel(visit.form.text("name").strip(), kind, given)
        except FmzError as error:
            return self._failed(visit, error)
        return redirect("/settings?said=saved#pushes")

    def _channel(self, visit: PageVisit) -> Any:
        house, number = self._administration_for(visit.person), visit.params["number"]
        if visit.form.has("test"):
            failed = house.test_channel(number)
            return self._page(visit, problem=failed, note="" if failed else visit.say("The test was sent."))
        house.set_channel(number, is_disabled=visit.form.text("disabled") == "yes")
        return redirect("/settings?said=saved#pushes")

    def _retry(self, visit: PageVisit) -> Any:
        self._administration_for(visit.person).retry_push(visit.params["number"])
        return redirect("/settings#pushes")

    # Nodes and groups

    def _add_node(self, visit: PageVisit) -> Any:
        kind = visit.form.text("kind")
        if kind not in NODE_FIELDS:
            raise InputError(f"no kind of node {kind[:40]!r}, expected docker or dask")
        values = {name: visit.form.text(f"{kind}.{name}").strip() for name, _ in NODE_FIELDS[kind]}
        given = {name: text for name, text in values.items() if text}
        try:
            self._administration_for(visit.person).add_node(visit.form.text("name").strip(), kind, given)
        except FmzError as error:
            return self._failed(visit, error)
        return redirect("/settings?said=saved#nodes")

    def _group(self, visit: PageVisit) -> Any:
        house, name = self._administration_for(visit.person), visit.form.text("name").strip()
        try:
            if visit.form.has("delete"):
                house.delete_group(name)
            else:
                house.add_group(name)
        except FmzError as error:
            return self._failed(visit, error)
        return redirect("/settings?said=saved#groups")

    def _delete(self, visit: PageVisit) -> Any:
        house, kind, number = self._administration_for(visit.person), visit.params["kind"], visit.params["number"]
        actions = {"channels": house.delete_channel, "nodes": house.delete_node}
        if kind not in actions:
            raise InputError(f"{kind[:40]!r} cannot be deleted here")
        try:
            actions[kind](number)
        except FmzError as error:
            return self._failed(visit, error)
        return redirect("/settings?said=deleted")

    def _audit(self, visit: PageVisit) -> Any:
        word, before = visit.query.text("word"), visit.query.number("before")
        entries = self._administration_for(visit.person).audit(before, word, 100)
        return html(self._renderer.page(visit, "accounts/audit.html", entries=entries, word=word))


def _robots(visit: PageVisit) -> list[int] | None:
    """The robots that were chosen; None for all."""
    if visit.form.has("all_robots"):
        return None
    return [int(text) for text in visit.form.many("robot") if text.isascii() and text.isdigit()]
