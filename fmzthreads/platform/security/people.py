"""The people who may log in: an owner, operators of some robots, readers."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import attrs

from ...clock import Clock, WallClock
from ...database import Database
from ...errors import InputError, OperationFailed, UnknownName
from .one_time_codes import matching_step
from .passwords import hash_password, new_password, password_matches

__all__ = ["OWNER_NAME", "People", "Person", "Role"]

Role = Literal["owner", "operator", "reader"]
OWNER_NAME = "owner"
_NAME = re.compile(r"[\w][\w.@+-]{0,49}\Z")
_SCHEMA = (
    (
        "CREATE TABLE IF NOT EXISTS people (name TEXT PRIMARY KEY, password TEXT NOT NULL, role TEXT NOT NULL, robots TEXT NOT NULL, "
        "code_secret TEXT NOT NULL DEFAULT '', code_step INTEGER NOT NULL DEFAULT -1, made_ms INTEGER NOT NULL)"
    ),
)
_COLUMNS = "name, role, robots, code_secret != ''"


@attrs.frozen(kw_only=True)
class Person:
    """Somebody who may log in.

    Attributes:
        name: The name.
        role: ``owner`` may do everything; an ``operator`` sees and operates the robots named; a ``reader`` sees the robots named.
        robots: The ids of the robots; None for all.
        has_codes: Whether a login asks for a one-time code.
    """

    name: str
    role: Role
    robots: tuple[int, ...] | None = None
    has_codes: bool = False

    def may_see(self, robot_id: int) -> bool:
        """Whether this person may see a robot."""
        return self.role == "owner" or self.robots is None or robot_id in self.robots

    def may_operate(self, robot_id: int) -> bool:
        """Whether this person may start, stop and command a robot."""
        return self.role != "reader" and self.may_see(robot_id)


class People:
    """Those who may log in, in a SQLite file that only its owner can read.

    Args:
        path: The file; it may hold other tables too.
        clock: Tells the time of one-time codes.
    """

    def __init__(self, path: str | os.PathLike[str], clock: Clock | None = None) -> None:
        self._clock = clock or WallClock()
        _make_private(Path(path))
        self._database = Database(path, _SCHEMA, durable=True)
        # Compared with when the name is unknown, so that a login takes as long as with a known one.
        self._nobody = ""

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def first_start(self) -> str | None:
        """Makes the owner when there is nobody yet.

        Returns:
            The owner's password, which is stored as a hash only; None when there is somebody already.
        """
        if self.all():
            return None
        password = new_password()
        self._add(OWNER_NAME, hash_password(password), "owner", None)
        return password

    def all(self) -> list[Person]:
        """Everybody, by name."""
        return [_person(row) for row in self._database.execute(f"SELECT {_COLUMNS} FROM people ORDER BY name")]  # noqa: S608

    def get(self, name: str) -> Person | None:
        """The person of a name; None when there is none."""
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM people WHERE name = ?", (name,))  # noqa: S608
        return _person(rows[0]) if rows else None

    def add(self, name: str, role: str, robots: Sequence[int] | None) -> str:
        """Adds a person and returns the password made for them.

        Raises:
            InputError: The name is taken or not valid, or there is no such role.
        """
        if not _NAME.match(name):
            raise InputError(f"the name {name[:60]!r} is not valid: expected letters, digits and . _ - + @, at most 50")
        if role not in get_args(Role):
            raise InputError(f"the role {role[:60]!r} is not one of owner, operator, reader")
        password = new_password()
        self._add(name, hash_password(password), role, robots)
        return password

    def _add(self, name: str, stored: str, role: str, robots: Sequence[int] | None) -> None:
        values = (name, stored, role, json.dumps(None if robots is None else list(robots)), self._now_ms())
        statement = "INSERT INTO people (name, password, role, robots, made_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING name"
        if not self._database.execute(statement, values):
            raise InputError(f"the name {name!r} is taken")

    def remove(self, name: str) -> None:
        """Removes a person.

        Raises:
            InputError: It is the last owner.
            UnknownName: There is nobody of that name.
        """
        # One statement, so that two removals at once cannot take the last two owners.
        others = "(role != 'owner' OR (SELECT count(*) FROM people WHERE role = 'owner') > 1)"
        if not self._database.execute(f"DELETE FROM people WHERE name = ? AND {others} RETURNING name", (name,)):  # noqa: S608
            if self.get(name) is None:
                raise UnknownName(f"there is nobody called {name[:60]!r}")
            raise InputError(f"{name!r} is the last owner")

    def check(self, name: str, password: str, code: str = "") -> Person | None:
        """The person, when the password and the one-time code (where asked for) are right; None otherwise.

        Args:
            name: The name.
            password: The password.
            code: The code; each is taken once.
        """
        rows = self._database.execute("SELECT password, code_secret, code_step FROM people WHERE name = ?", (name,))
        if not rows:
            self._nobody = self._nobody or hash_password(new_password())
            password_matches(self._nobody, password)
            return None
        stored, secret, used = rows[0]
        if not password_matches(stored, password) or (secret and not self._take_code(name, secret, code, used)):
            return None
        return self.get(name)

    def _take_code(self, name: str, secret: str, code: str, used: int) -> bool:
        step = matching_step(secret, code, self._clock.now(), after=used)
        if step is None:
            return False
        # Taken by whichever of two logins at the same time is first.
        taken = "UPDATE people SET code_step = ? WHERE name = ? AND code_step < ? RETURNING name"
        return bool(self._database.execute(taken, (step, name, step)))

    def password_is(self, name: str, password: str) -> bool:
        """Whether a password is the person's, for a change that asks for it again."""
        rows = self._database.execute("SELECT password FROM people WHERE name = ?", (name,))
        return bool(rows) and password_matches(rows[0][0], password)

    def set_password(self, name: str, password: str) -> None:
        """Changes a password; the caller ends the person's sessions.

        Raises:
            InputError: It is too short or too long.
            UnknownName: There is nobody of that name.
        """
        self._change(name, "password", hash_password(password))

    def set_code_secret(self, name: str, secret: str) -> None:
        """Makes each login ask for a one-time code of this secret; empty for no code.

        Raises:
            UnknownName: There is nobody of that name.
        """
        self._change(name, "code_secret", secret)

    def _change(self, name: str, column: str, value: str) -> None:
        if not self._database.execute(f"UPDATE people SET {column} = ? WHERE name = ? RETURNING name", (value, name)):  # noqa: S608
            raise UnknownName(f"there is nobody called {name[:60]!r}")

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)


def _make_private(path: Path) -> None:
    """Makes the file for its owner only, before SQLite makes it for everybody; its journals get the same mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError as error:
        raise OperationFailed(f"{str(path)!r} cannot be written: {error.strerror}") from error


def _person(row: tuple[str, str, str, int]) -> Person:
    name, role, robots, has_codes = row
    found: Role | None = next((one for one in get_args(Role) if one == role), None)
    if found is None:
        raise OperationFailed(f"the person {name!r} has the role {role!r}, expected owner, operator or reader")
    ids = json.loads(robots)
    return Person(name=name, role=found, robots=None if ids is None else tuple(ids), has_codes=bool(has_codes))
