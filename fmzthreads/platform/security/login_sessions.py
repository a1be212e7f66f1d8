"""Logins that are kept on the server: a cookie holds a random token, the database its hash."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from typing import Any

import attrs

from ...clock import Clock, WallClock
from ...database import Database
from ...errors import OperationFailed

__all__ = ["LoginSession", "LoginSessions"]

IDLE_S = 14 * 86_400
"""After so long without a request a session ends."""

LONGEST_S = 90 * 86_400
"""After so long a session ends in any case."""

_SEEN_S = 60.0
_SCHEMA = (
    (
        "CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, person TEXT NOT NULL, address TEXT NOT NULL, agent TEXT NOT NULL, "
        "made_s REAL NOT NULL, seen_s REAL NOT NULL)"
    ),
    "CREATE TABLE IF NOT EXISTS used_codes (person TEXT PRIMARY KEY, step INTEGER NOT NULL)",
)


@attrs.frozen
class LoginSession:
    """A session as the settings page lists it; ``id`` is the beginning of the token's hash."""

    id: str
    person: str
    address: str
    agent: str
    made_ms: int
    seen_ms: int


class LoginSessions:
    """The sessions of all people; they survive a restart of the platform.

    Args:
        path: The SQLite file; it may hold other tables too.
        clock: Tells their age.
    """

    def __init__(self, path: str | os.PathLike[str], clock: Clock | None = None) -> None:
        self._clock = clock or WallClock()
        self._database = Database(path, _SCHEMA, durable=True)
        self._unwritten: dict[str, tuple[Any, ...]] = {}  # sessions that could not be stored; gone with the platform

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def begin(self, person: str, address: str = "", agent: str = "", *, after_ms: int = 0) -> str:
        """Begins a session and returns its token.

        Args:
            person: Whose.
            address: From where.
            agent: The browser's name for itself.
            after_ms: When the person's password was made: the session counts as later, also if the clock was put back since.
        """
        token, now = secrets.token_urlsafe(32), self._clock.now()
        made = max(now, (after_ms + 0.5) / 1000)  # half a millisecond: it must not be rounded down
        row = (_id(token), person, address, agent[:200], made, now)
        try:
            old = "DELETE FROM sessions WHERE seen_s < ? OR made_s < ?"
            self._database.execute(old, (now - IDLE_S, now - LONGEST_S))
            self._database.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)", row)
        except OperationFailed:  # on a full disk one must be able to log in, and stop robots
            self._unwritten[row[0]] = row
        return token

    def find(self, token: str) -> LoginSession | None:
        """The session of a token; None when it has ended or never was."""
        if not token or len(token) > 100:
            return None
        id, now = _id(token), self._clock.now()
        if id in self._unwritten:
            row = self._unwritten.get(id)
            return _session(row) if row is not None and now - LONGEST_S < row[4] else None
        rows = self._database.execute(
            "SELECT id, person, address, agent, made_s, seen_s FROM sessions WHERE id = ? AND seen_s > ? AND made_s > ?",
            (id, now - IDLE_S, now - LONGEST_S),
        )
        if not rows:
            return None
        if now - rows[0][5] > _SEEN_S:
            with contextlib.suppress(OperationFailed):  # a full disk
                self._database.execute("UPDATE sessions SET seen_s = ? WHERE id = ?", (now, id))
        return _session(rows[0])

    def take_code(self, person: str, step: int) -> bool:
        """Takes a one-time code; of two logins with the same one, or after a newer one, only the first gets it.

        Args:
            person: Whose code.
            step: The code's step of 30 s.
        """
        statement = (
            "INSERT INTO used_codes (person, step) VALUES (?, ?) ON CONFLICT (person) DO UPDATE SET step = excluded.step "
            "WHERE excluded.step > used_codes.step RETURNING step"
        )
        return bool(self._database.execute(statement, (person, step)))

    def end(self, token: str) -> None:
        """Ends one session."""
        self._unwritten.pop(_id(token), None)
        self._database.execute("DELETE FROM sessions WHERE id = ?", (_id(token),))

    def end_all(self, person: str) -> None:
        """Ends all sessions of a person."""
        for id, row in list(self._unwritten.items()):
            if row[1] == person:
                self._unwritten.pop(id, None)
        self._database.execute("DELETE FROM sessions WHERE person = ?", (person,))

    def of(self, person: str) -> list[LoginSession]:
        """The sessions of a person, the last used first."""
        rows = self._database.execute(
            "SELECT id, person, address, agent, made_s, seen_s FROM sessions WHERE person = ? ORDER BY seen_s DESC",
            (person,),
        )
        return [_session(row) for row in (*(row for row in list(self._unwritten.values()) if row[1] == person), *rows)]


def _session(row: tuple[Any, ...]) -> LoginSession:
    id, name, where, agent, made, seen = row
    return LoginSession(id[:12], name, where, agent, int(made * 1000), int(seen * 1000))


def _id(token: str) -> str:
    """A stolen database holds no token: a hash of 256 random bits cannot be turned back."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
