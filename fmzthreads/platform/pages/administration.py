"""What the settings page needs of the platform: people, pushes, nodes, groups, the audit trail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import attrs

__all__ = ["Administration", "AuditView", "ChannelView", "PersonView", "PushView"]


@attrs.frozen(kw_only=True)
class PersonView:
    """Somebody who may log in; ``robots`` are the ids that they see, None for all."""

    id: int
    name: str
    role: str
    robots: Sequence[int] | None = None
    has_codes: bool = False
    is_disabled: bool = False


@attrs.frozen(kw_only=True)
class ChannelView:
    """A way that pushes go: ``mail`` or ``url``; its settings hold secrets and are not shown."""

    id: int
    name: str
    kind: str
    is_disabled: bool = False


@attrs.frozen(kw_only=True)
class PushView:
    """A push in the queue: ``waiting``, ``sent`` or ``failed``, and why."""

    id: int
    time_ms: int
    title: str
    state: str
    channel: str = ""
    tries: int = 0
    error: str = ""


@attrs.frozen(kw_only=True)
class AuditView:
    """One thing that was done, or refused."""

    id: int
    time_ms: int
    person: str
    address: str
    via: str
    what: str
    target: str
    detail: str
    is_done: bool = True


class Administration(Protocol):
    """The platform, as the settings page uses it, for one person; what only owners may do raises ``NotPermitted`` for others."""

    # Oneself

    def me(self) -> PersonView:
        """Who is logged in."""

    def set_password(self, old: str, new: str) -> None:
        """Changes one's password; raises ``AuthenticationFailed`` when the old one is not right."""

    def set_codes(self, password: str, secret: str, code: str) -> None:
        """Asks for a one-time code at each login from now on; an empty secret ends that.

        Raises:
            AuthenticationFailed: The password, or the first code of the new secret, is not right.
        """

    # The vault of keys

    def vault_state(self) -> Literal["file", "password", "locked"]:
        """Whether its key lies in a file, is encrypted under a password that was given, or waits for that password."""

    def unlock_vault(self, password: str) -> None:
        """Opens the vault; raises ``AuthenticationFailed`` when its password is not right."""

    def protect_vault(self, own_password: str, password: str) -> None:
        """Encrypts the vault's key under a password, which each start of the platform then needs.

        Raises:
            AuthenticationFailed: One's own password is not right.
        """

    # People

    def people(self) -> Sequence[PersonView]:
        """Everybody."""

    def add_person(self, name: str, role: str, robots: Sequence[int] | None) -> str:
        """Adds a person; returns the password made for them."""

    def change_person(self, person_id: int, role: str, robots: Sequence[int] | None, *, is_disabled: bool) -> None:
        """Changes what a person may do."""

    def new_password(self, person_id: int) -> str:
        """Makes a new password for a person and returns it; their sessions end, and codes are not asked for any more."""

    # Pushes

    def channels(self) -> Sequence[ChannelView]:
        """The ways that pushes go."""

    def add_channel(self, name: str, kind: str, settings: Mapping[str, str]) -> None:
        """Adds a way."""

    def set_channel(self, channel_id: int, *, is_disabled: bool) -> None:
        """Switches a way off or on."""

    def delete_channel(self, channel_id: int) -> None:
        """Removes a way."""

    def test_channel(self, channel_id: int) -> str:
        """Sends a test; returns why it failed, empty when it went well."""

    def pushes(self) -> Sequence[PushView]:
        """The newest pushes, newest first."""

    def retry_push(self, push_id: int) -> None:
        """Tries a failed push again."""

    # Nodes and groups

    def add_node(self, name: str, kind: str, settings: Mapping[str, str]) -> None:
        """Adds a node: ``docker`` or ``dask``."""

    def delete_node(self, node_id: int) -> None:
        """Removes a node without robots."""

    def add_group(self, name: str) -> None:
        """Makes a group of robots."""

    def delete_group(self, name: str) -> None:
        """Removes a group; its robots belong to none."""

    # The audit trail

    def audit(self, before: int = 0, word: str = "", most: int = 100) -> Sequence[AuditView]:
        """Entries, newest first."""
