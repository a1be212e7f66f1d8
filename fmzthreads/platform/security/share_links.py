"""Links that show one robot without a login, read-only, until a date."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets

import attrs

from ...clock import Clock, WallClock
from ...database import Database
from ...errors import InputError, OperationFailed

__all__ = ["ShareLink", "ShareLinks"]

_LONGEST_DAYS = 366
_SCHEMA = (
    (
        "CREATE TABLE IF NOT EXISTS share_links (number INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE, "
        "robot_id INTEGER NOT NULL, person TEXT NOT NULL, made_s REAL NOT NULL, ends_s REAL NOT NULL)"
    ),
)


@attrs.frozen
class ShareLink:
    """A link, without its token, which is shown once."""

    number: int
    robot_id: int
    person: str
    made_ms: int
    ends_ms: int


class ShareLinks:
    """The share links of all robots.

    Args:
        path: The SQLite file; it may hold other tables too.
        clock: Tells when they end.
    """

    def __init__(self, path: str | os.PathLike[str], clock: Clock | None = None) -> None:
        self._clock = clock or WallClock()
        self._database = Database(path, _SCHEMA, durable=True)
        with contextlib.suppress(OperationFailed):  # makes the table now: a robot is looked at on a full disk, too
            self._database.execute("SELECT 1 FROM share_links LIMIT 1")

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def make(self, robot_id: int, person: str, days: float) -> str:
        """Makes a link that ends after so many days and returns its token.

        Raises:
            InputError: The days are not above 0 and at most 366.
        """
        if not 0 < days <= _LONGEST_DAYS:
            raise InputError(f"a link cannot last for {days!r} days: expected more than 0, at most {_LONGEST_DAYS}")
        token, now = secrets.token_urlsafe(24), self._clock.now()
        self._database.execute(
            "INSERT INTO share_links (token, robot_id, person, made_s, ends_s) VALUES (?, ?, ?, ?, ?)",
            (_hash(token), robot_id, person, now, now + days * 86_400),
        )
        return token

    def robot_of(self, token: str) -> int | None:
        """The robot that a link shows; None for one that has ended, was removed or never was."""
        rows = self._database.execute(
            "SELECT robot_id FROM share_links WHERE token = ? AND ends_s > ?", (_hash(token), self._clock.now())
        )
        return int(rows[0][0]) if rows else None

    def of(self, robot_id: int) -> list[ShareLink]:
        """The links of a robot that have not ended."""
        rows = self._database.execute(
            "SELECT number, robot_id, person, made_s, ends_s FROM share_links WHERE robot_id = ? AND ends_s > ? ORDER BY number",
            (robot_id, self._clock.now()),
        )
        return [
            ShareLink(number, robot, person, int(made * 1000), int(ends * 1000))
            for number, robot, person, made, ends in rows
        ]

    def remove(self, number: int, robot_id: int) -> None:
        """Ends a link of a robot at once."""
        self._database.execute("DELETE FROM share_links WHERE number = ? AND robot_id = ?", (number, robot_id))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
