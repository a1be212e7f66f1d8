"""The nodes that the platform knows, on which robots run."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from ...database import Database
from ...errors import InputError, UnknownName
from .vault import Vault

__all__ = ["LOCAL_NODE", "NodeRow", "NodeTable"]

LOCAL_NODE = 1
"""The number of this machine."""


@attrs.frozen(kw_only=True)
class NodeRow:
    """A node as the table has it.

    Attributes:
        id: Its number.
        name: What it is called.
        kind: ``local``, ``docker`` or ``dask``.
        settings: What it needs to be reached; may hold secrets.
        created_ms: When it was added.
    """

    id: int
    name: str
    kind: Literal["local", "docker", "dask"]
    settings: Mapping[str, Any] = attrs.field(repr=False)
    created_ms: int


class NodeTable:
    """The nodes; number 1 is this machine and is always there. Any thread may use it.

    Args:
        database: The platform's file.
        vault: Encrypts the settings.
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        database.execute(
            "INSERT INTO nodes (id, name, kind, settings, created_ms) VALUES (?, 'this machine', 'local', '', ?) ON CONFLICT DO NOTHING",
            (LOCAL_NODE, time.time_ns() // 1_000_000),
        )

    def all(self) -> list[NodeRow]:
        """All nodes, in the order of their numbers."""
        rows = self._database.execute("SELECT id, name, kind, settings, created_ms FROM nodes ORDER BY id")
        return [self._row(row) for row in rows]

    def create(self, name: str, kind: Literal["docker", "dask"], settings: Mapping[str, Any]) -> NodeRow:
        """Adds a node.

        Raises:
            InputError: The name is empty or taken, or the kind is not known.
            OperationFailed: The vault is locked.
        """
        if kind not in {"docker", "dask"}:
            raise InputError(f"a node's kind is {kind!r}, expected 'docker' or 'dask'")
        if not name.strip():
            raise InputError("a node needs a name")
        rows = self._database.execute(
            "INSERT INTO nodes (name, kind, settings, created_ms) VALUES (?,?,?,?) ON CONFLICT DO NOTHING "
            "RETURNING id, name, kind, settings, created_ms",
            (name.strip()[:100], kind, self._vault.encrypt(json.dumps(dict(settings))), time.time_ns() // 1_000_000),
        )
        if not rows:
            raise InputError(f"there is a node called {name.strip()!r}")
        return self._row(rows[0])

    def delete(self, node_id: int) -> None:
        """Deletes a node.

        Raises:
            InputError: It is this machine, or robots are on it.
            UnknownName: There is no such node.
        """
        if node_id == LOCAL_NODE:
            raise InputError("this machine cannot be deleted from its nodes")
        used = self._database.execute("SELECT id FROM robots WHERE node_id = ? AND deleted = 0 LIMIT 1", (node_id,))
        if used:
            raise InputError(f"node {node_id} has robots, such as {used[0][0]}: delete or move them first")
        if not self._database.execute("DELETE FROM nodes WHERE id = ? RETURNING id", (node_id,)):
            raise UnknownName(f"no node {node_id}")

    def _row(self, row: tuple[Any, ...]) -> NodeRow:
        number, name, kind, token, created_ms = row
        settings = json.loads(self._vault.decrypt(token)) if token and not self._vault.locked else {}
        return NodeRow(id=number, name=name, kind=kind, settings=settings, created_ms=created_ms)
