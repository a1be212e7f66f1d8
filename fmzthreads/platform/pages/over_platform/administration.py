"""People, pushes, nodes, groups and the audit trail, as the settings page sees them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ....clock import Clock, WallClock
from ....errors import AuthenticationFailed, InputError
from ...access import Actor, Role
from ...security.one_time_codes import matching_step
from ...service import Platform
from ...store.accounts import UserAccount
from ..administration import AuditView, ChannelView, PersonView, PushView

__all__ = ["AdministrationOfPlatform"]

_LEAST_PASSWORD = 10

_ROLES: dict[str, Role] = {"owner": "owner", "operator": "operator", "reader": "reader"}
_CHANNELS: dict[str, Literal["mail", "url"]] = {"mail": "mail", "url": "url"}
_NODES: dict[str, Literal["docker", "dask"]] = {"docker": "docker", "dask": "dask"}


class AdministrationOfPlatform:
    """The platform's administration for one person; see ``Administration``.

    Args:
        platform: The platform.
        actor: For whom.
        clock: Tells the time of one-time codes.
    """

    def __init__(self, platform: Platform, actor: Actor, clock: Clock | None = None) -> None:
        self._platform = platform
        self._actor = actor
        self._clock = clock or WallClock()

    # Oneself

    def me(self) -> PersonView:
        """Who is logged in."""
        return _person(self._platform.accounts.get(self._actor.account_id))

    def set_password(self, old: str, new: str) -> None:
        """Changes one's password."""
        self._check(old)
        self._platform.accounts.set_password(self._actor.account_id, new)
        self._record("change password")

    def set_codes(self, password: str, secret: str, code: str) -> None:
        """Asks for a one-time code at each login from now on; an empty secret ends that."""
        self._check(password)
        if secret:
            try:
                step = matching_step(secret, code, self._clock.now())
            except ValueError:
                raise InputError("the secret of the codes is not Base32") from None
            if step is None:
                raise AuthenticationFailed("the code is not the one of this secret now")
        self._platform.accounts.set_totp(self._actor.account_id, secret)
        self._record("ask for codes" if secret else "no longer ask for codes")

    def _check(self, password: str) -> None:
        try:
            self._platform.accounts.verify(self._actor.name, password)
        except AuthenticationFailed:
            raise AuthenticationFailed("the password is not right") from None

    # The vault of keys

    def vault_state(self) -> Literal["file", "password", "locked"]:
        """Whether its key lies in a file, is encrypted under a password that was given, or waits for that password."""
        vault = self._platform.vault
        return "locked" if vault.locked else "password" if vault.is_protected else "file"

    def unlock_vault(self, password: str) -> None:
        """Opens the vault."""
        self._actor.check_owner("unlock the vault")
        try:
            self._platform.vault.unlock(password)
        except AuthenticationFailed:
            self._platform.audit.add(self._actor, "unlock the vault", "vault", done=False)
            raise
        self._record("unlock the vault")

    def protect_vault(self, own_password: str, password: str) -> None:
        """Encrypts the vault's key under a password, which each start of the platform then needs."""
        self._actor.check_owner("protect the vault")
        self._check(own_password)
        if len(password) < _LEAST_PASSWORD:
            raise InputError(f"the vault's password is too short, expected at least {_LEAST_PASSWORD} characters")
        self._platform.vault.protect(password)
        self._record("protect the vault")

    # People

    def people(self) -> Sequence[PersonView]:
        """Everybody."""
        self._actor.check_owner("see everybody")
        return [_person(one) for one in self._platform.accounts.all()]

    def add_person(self, name: str, role: str, robots: Sequence[int] | None) -> str:
        """Adds a person; returns the password made for them."""
        self._actor.check_owner("add people")
        password = secrets.token_urlsafe(15)
        allotted = None if robots is None else frozenset(robots)
        self._platform.accounts.create(name, password, _one_of(_ROLES, role, "role"), allotted)
        self._record("add person", name, role)
        return password

    def change_person(self, person_id: int, role: str, robots: Sequence[int] | None, *, is_disabled: bool) -> None:
        """Changes what a person may do."""
        self._actor.check_owner("change people")
        self._platform.accounts.change(
            person_id, role=_one_of(_ROLES, role, "role"), robots="*" if robots is None else frozenset(robots), disabled=is_disabled
        )  # fmt: skip
        self._record("change person", f"account {person_id}", f"{role}{', disabled' if is_disabled else ''}")

    def new_password(self, person_id: int) -> str:
        """Makes a new password for a person; codes are not asked for any more."""
        self._actor.check_owner("make passwords")
        password = secrets.token_urlsafe(15)
        self._platform.accounts.set_password(person_id, password)
        self._platform.accounts.set_totp(person_id, "")
        self._record("make password", f"account {person_id}")
        return password

    # Pushes

    def channels(self) -> Sequence[ChannelView]:
        """The ways that pushes go."""
        found = self._platform.pushes.channels.all()
        return [ChannelView(id=one.id, name=one.name, kind=one.kind, is_disabled=one.disabled) for one in found]

    def add_channel(self, name: str, kind: str, settings: Mapping[str, str]) -> None:
        """Adds a way."""
        self._actor.check_owner("add ways of pushing")
        self._platform.pushes.channels.create(name, _one_of(_CHANNELS, kind, "kind"), settings)
        self._record("add push channel", name, kind)

    def set_channel(self, channel_id: int, *, is_disabled: bool) -> None:
        """Switches a way off or on."""
        self._actor.check_owner("change ways of pushing")
        self._platform.pushes.channels.disable(channel_id, disabled=is_disabled)
        self._record("disable push channel" if is_disabled else "enable push channel", f"channel {channel_id}")

    def delete_channel(self, channel_id: int) -> None:
        """Removes a way."""
        self._actor.check_owner("delete ways of pushing")
        self._platform.pushes.channels.delete(channel_id)
        self._record("delete push channel", f"channel {channel_id}")

    def test_channel(self, channel_id: int) -> str:
        """Sends a test."""
        self._actor.check_owner("test ways of pushing")
        return self._platform.pushes.test(channel_id)

    def pushes(self) -> Sequence[PushView]:
        """The newest pushes."""
        return [
            PushView(id=one.id, time_ms=one.time_ms, title=one.title, state=one.state, tries=one.tries, error=one.error)
            for one in self._platform.pushes.all(limit=50)
        ]

    def retry_push(self, push_id: int) -> None:
        """Tries a failed push again."""
        self._actor.check_owner("retry pushes")
        self._platform.pushes.retry(push_id)

    # Nodes and groups

    def add_node(self, name: str, kind: str, settings: Mapping[str, str]) -> None:
        """Adds a node."""
        self._actor.check_owner("add nodes")
        self._platform.node_table.create(name, _one_of(_NODES, kind, "kind"), settings)
        self._record("add node", name, kind)

    def delete_node(self, node_id: int) -> None:
        """Removes a node without robots."""
        self._platform.remove_node(self._actor, node_id)  # lets go of its connection, too

    def add_group(self, name: str) -> None:
        """Makes a group of robots."""
        self._actor.check_owner("make groups")
        self._platform.groups.create(name)
        self._record("add group", name)

    def delete_group(self, name: str) -> None:
        """Removes a group."""
        self._actor.check_owner("delete groups")
        for one in self._platform.groups.all():
            if one.name == name:
                self._platform.groups.delete(one.id)
                self._record("delete group", name)

    # The audit trail

    def audit(self, before: int = 0, word: str = "", most: int = 100) -> Sequence[AuditView]:
        """Entries, newest first."""
        self._actor.check_owner("read the audit trail")
        return [
            AuditView(
                id=one.id, time_ms=one.time_ms, person=one.account, address=one.address, via=one.via, what=one.what, target=one.target,
                detail=one.detail, is_done=one.done,
            )
            for one in self._platform.audit.all(before_id=before, limit=most, word=word)
        ]  # fmt: skip

    def _record(self, what: str, target: str = "", detail: str = "") -> None:
        self._platform.audit.add(self._actor, what, target, detail)


def _person(one: UserAccount) -> PersonView:
    robots = None if one.robots is None else sorted(one.robots)
    return PersonView(
        id=one.id, name=one.name, role=one.role, robots=robots, has_codes=one.has_totp, is_disabled=one.disabled
    )


def _one_of(known: Mapping[str, Any], word: str, what: str) -> Any:
    if word not in known:
        raise InputError(f"the {what} is {word[:40]!r}, expected one of {', '.join(known)}")
    return known[word]
