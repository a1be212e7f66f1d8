"""The audit trail: who did what, from where, and whether it was done."""

from __future__ import annotations

import time

import attrs

from ...database import Database
from ..access import Actor

__all__ = ["AuditEntry", "AuditTrail"]

_LONGEST = 500


@attrs.frozen(kw_only=True)
class AuditEntry:
    """One entry.

    Attributes:
        id: Its number; counts up.
        time_ms: When, in milliseconds since the epoch.
        account: The account's name.
        address: The address that the request came from.
        via: How: ``page``, ``api``, ``command`` or ``platform``.
        what: What was done, such as ``start robot``.
        target: To what, such as ``robot 7``.
        detail: Further words; no secrets.
        done: Whether it was done; otherwise it was refused or failed.
    """

    id: int
    time_ms: int
    account: str
    address: str
    via: str
    what: str
    target: str
    detail: str
    done: bool


class AuditTrail:
    """The audit trail. Any thread may use it.

    Args:
        database: The platform's file.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, actor: Actor, what: str, target: str = "", detail: str = "", *, done: bool = True) -> None:
        """Adds an entry.

        Args:
            actor: Who.
            what: What was done.
            target: To what.
            detail: Further words; never secrets.
            done: Whether it was done.
        """
        self._database.execute_one(
            "INSERT INTO audit (time_ms, account, address, via, what, target, detail, done) VALUES (?,?,?,?,?,?,?,?)",
            (
                time.time_ns() // 1_000_000,
                _storable(actor.name),
                actor.address[:100],
                actor.via,
                what,
                _storable(target),
                _storable(detail),
                done,
            ),
        )

    def all(self, *, before_id: int = 0, limit: int = 100, word: str = "") -> list[AuditEntry]:
        """Entries, newest first.

        Args:
            before_id: Only entries with smaller numbers; 0 for the newest.
            limit: At most so many.
            word: Only entries in which this text stands; empty for all.
        """
        like = f"%{word.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
        rows = self._database.execute(
            "SELECT id, time_ms, account, address, via, what, target, detail, done FROM audit WHERE (? = 0 OR id < ?) AND "
            "(account || ' ' || what || ' ' || target || ' ' || detail) LIKE ? ESCAPE '!' ORDER BY id DESC LIMIT ?",
            (before_id, before_id, like, max(0, limit)),
        )
        names = [field.name for field in attrs.fields(AuditEntry)]
        return [
            AuditEntry(**{**dict(zip(names, row, strict=True)), "done": bool(row[-1])}) for row in rows
        ]  # fmt: skip


def _storable(text: str) -> str:
    """At most 500 characters that SQLite takes."""
    return text[:_LONGEST].encode("utf-8", "replace").decode("utf-8")
