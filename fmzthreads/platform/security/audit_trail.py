"""Who did what, and when: a table that is only ever added to."""

from __future__ import annotations

import os

import attrs

from ...clock import Clock, WallClock
from ...database import Database
from ...redaction import cut_signatures

__all__ = ["AuditEntry", "AuditTrail"]

_LONGEST = 500
_SCHEMA = (
    (
        "CREATE TABLE IF NOT EXISTS audit (id INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, person TEXT NOT NULL, "
        "address TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL, detail TEXT NOT NULL)"
    ),
)


@attrs.frozen
class AuditEntry:
    """One thing that was done, or refused."""

    id: int
    time_ms: int
    person: str
    address: str
    action: str
    target: str
    detail: str


class AuditTrail:
    """What people did on the platform.

    Args:
        path: The SQLite file; it may hold other tables too.
        clock: Tells the time.
    """

    def __init__(self, path: str | os.PathLike[str], clock: Clock | None = None) -> None:
        self._clock = clock or WallClock()
        self._database = Database(path, _SCHEMA, durable=True)

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def record(self, person: str, address: str, action: str, target: str = "", detail: str = "") -> None:
        """Adds an entry.

        Args:
            person: Who; empty when nobody was logged in.
            address: From where.
            action: What, such as ``robot stopped``.
            target: Which one.
            detail: More, without secrets.
        """
        texts = (cut_signatures(text)[:_LONGEST] for text in (person, address, action, target, detail))
        self._database.execute(
            "INSERT INTO audit (time_ms, person, address, action, target, detail) VALUES (?, ?, ?, ?, ?, ?)",
            (int(self._clock.now() * 1000), *(text.encode("utf-8", "replace").decode("utf-8") for text in texts)),
        )

    def entries(self, most: int = 200, before: int = 0) -> list[AuditEntry]:
        """The newest entries, newest first; those with smaller ids than ``before`` when it is above 0."""
        condition, values = ("WHERE id < ?", (before, most)) if before > 0 else ("", (most,))
        rows = self._database.execute(
            f"SELECT id, time_ms, person, address, action, target, detail FROM audit {condition} ORDER BY id DESC LIMIT ?",  # noqa: S608
            values,
        )
        return [AuditEntry(*row) for row in rows]
