"""Settings of the platform, and the names of groups: small values by name."""

from __future__ import annotations

import json
from typing import Any

import attrs

from ...database import Database
from ...errors import InputError

__all__ = ["PlatformSettings", "RobotGroup", "RobotGroups"]


class PlatformSettings:
    """Values by name, as JSON. Any thread may use it.

    Args:
        database: The platform's file.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a name; the default if not set."""
        rows = self._database.execute("SELECT v FROM settings WHERE k = ?", (name,))
        return json.loads(rows[0][0]) if rows else default

    def put(self, name: str, value: Any) -> None:
        """Stores a value that JSON can hold."""
        self._database.execute(
            "INSERT INTO settings (k, v) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
            (name, json.dumps(value)),
        )


@attrs.frozen
class RobotGroup:
    """A group of robots: its number and its name."""

    id: int
    name: str


class RobotGroups:
    """The groups of robots. Any thread may use it.

    Args:
        database: The platform's file.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[RobotGroup]:
        """All groups, in the order of their numbers."""
        return [RobotGroup(*row) for row in self._database.execute("SELECT id, name FROM robot_groups ORDER BY id")]

    def create(self, name: str) -> RobotGroup:
        """Makes a group.

        Raises:
            InputError: The name is empty or taken.
        """
        name = name.strip()[:100]
        if not name:
            raise InputError("a group needs a name")
        rows = self._database.execute(
            "INSERT INTO robot_groups (name) VALUES (?) ON CONFLICT DO NOTHING RETURNING id, name", (name,)
        )
        if not rows:
            raise InputError(f"there is a group called {name!r}")
        return RobotGroup(*rows[0])

    def delete(self, group_id: int) -> None:
        """Deletes a group; its robots then belong to none."""
        self._database.execute_all(
            [
                ("UPDATE robots SET group_id = 0 WHERE group_id = ?", (group_id,)),
                ("DELETE FROM robot_groups WHERE id = ?", (group_id,)),
            ]
        )
