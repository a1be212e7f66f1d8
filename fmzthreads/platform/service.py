"""The platform: the parts of a folder put together; what the API and the pages stand on."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import attrs

from ..database import Database
from ..errors import FmzError, InputError, OperationFailed, UnknownName
from ..strategy.run.folder import give_lock_back, take_lock
from .access import Actor
from .nodes.local import LocalNode
from .nodes.node import Node, NodeFacts
from .pushes.channels import PushChannels
from .pushes.queue import PushQueue
from .robots.lives import RobotLives
from .robots.log_indexer import LogIndexer
from .robots.moved_folders import MovedFolders
from .robots.reader import RobotReader
from .robots.settings_file import SettingsFiles
from .robots.start_orders import StartOrders
from .robots.tables import PushRow, RobotTables
from .robots.watcher import RobotWatcher
from .robots.worth import FleetWorth
from .store.accounts import Accounts
from .store.api_keys import ApiKeys
from .store.audit import AuditTrail
from .store.exchange_accounts import ExchangeAccounts
from .store.node_table import LOCAL_NODE, NodeRow, NodeTable
from .store.robot_table import Robot, RobotTable
from .store.schema import SCHEMA
from .store.settings import PlatformSettings, RobotGroups
from .store.vault import Vault
from .strategies.folder import StrategyFolder

__all__ = ["NodeState", "Platform"]


@attrs.frozen(kw_only=True)
class NodeState:
    """A node with what it says of itself, and how many robots run on it."""

    row: NodeRow
    facts: NodeFacts
    robots: int


class Platform:
    """A platform in a folder.

    Args:
        folder: Everything lies in it: ``platform.sqlite3``, ``vault.key``, ``strategies/``, ``logs/storage/ID/`` (a run folder a robot).
        strategies: The folder of strategies; None for that in ``folder``.
        quick_passwords: Whether password hashes are made with little work; for tests only.
        make_node: Makes the node of a row; None for the usual ones.

    Raises:
        InputError: Another platform runs in the folder.
        OperationFailed: The folder cannot be used.
        MissingExtra: The extra ``platform`` is not installed.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        strategies: str | os.PathLike[str] | None = None,
        quick_passwords: bool = False,
        make_node: Callable[[NodeRow], Node] | None = None,
    ) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self._claim: IO[bytes] | None = _claimed(self.folder)
        self.vault = Vault(self.folder)
        self.database = Database(self.folder / "platform.sqlite3", SCHEMA, durable=True)
        self.settings = PlatformSettings(self.database)
        self.audit = AuditTrail(self.database)
        self.accounts = Accounts(self.database, self.vault, quick=quick_passwords)
        self.api_keys = ApiKeys(self.database, self.vault)
        self.exchanges = ExchangeAccounts(self.database, self.vault)
        self.groups = RobotGroups(self.database)
        self.node_table = NodeTable(self.database, self.vault)
        own = self.folder / "strategies"
        self.strategies = StrategyFolder(Path(strategies).expanduser().absolute() if strategies else own, self.database)
        self._make_node = make_node or _usual_node
        self._lock = threading.Lock()  # guards _nodes
        self._nodes: dict[int, Node] = {}
        self.tables = RobotTables()
        self.worth = FleetWorth(self.tables)
        orders = StartOrders(self.strategies, self.exchanges)
        storage = self.folder / "logs" / "storage"
        self.lives = RobotLives(RobotTable(self.database, self.vault), orders, self.audit, storage, self.node)
        files = SettingsFiles(self.strategies, self.exchanges, self.groups)
        self.lives.keep_settings = files.write
        self.moved = MovedFolders(self.lives, orders, files, self.tables, storage)
        self.pushes = PushQueue(self.database, PushChannels(self.database, self.vault), self.audit)
        self.watcher = RobotWatcher(self.lives, self.tables, self._push_lines, self._push_alarm)
        self._indexer = LogIndexer(self.tables, self._logs)
        self.reader = RobotReader(
            self.lives, self.strategies, self.exchanges, self.tables, self.watcher.watched, lambda node: node <= LOCAL_NODE
        )  # fmt: skip
        self.started_ms = time.time_ns() // 1_000_000
        self._at_close: list[Callable[[], object]] = []
        self.is_closing = False
        """Whether it is about to end: what waits for news, such as a page that follows a log, then ends too."""

    def start(self) -> None:
        """Begins to watch, first of all the robots that run already, and to push; returns at once."""
        self.watcher.start()
        self.pushes.start()
        self._indexer.start()

    def at_close(self, *calls: Callable[[], object]) -> None:
        """Has functions called when the platform is closed, before its own parts are, the last one first."""
        self._at_close += calls

    def close(self) -> None:
        """Ends what the platform does by itself; the robots go on."""
        self.is_closing = True
        while self._at_close:
            self._at_close.pop()()
        self.watcher.close()
        self._indexer.close()
        self.pushes.close()
        with self._lock:
            nodes = list(self._nodes.values())
            self._nodes.clear()
        for node in nodes:
            with contextlib.suppress(FmzError, OSError):  # it is let go of either way
                node.close()
        self.tables.close()
        self.database.close()
        if self._claim is not None:
            give_lock_back(self.folder, self._claim)
            self._claim = None

    def __enter__(self) -> Platform:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def node(self, node_id: int) -> tuple[int, Node]:
        """The node of a number, and its number; this machine for -1.

        Raises:
            UnknownName: There is no such node.
        """
        number = node_id if node_id > 0 else LOCAL_NODE
        with self._lock:
            node = self._nodes.get(number)
        if node is not None:
            return number, node
        rows = {row.id: row for row in self.node_table.all()}
        if number not in rows:
            raise UnknownName(f"no node {node_id}")
        made = self._make_node(rows[number])
        with self._lock:
            return number, self._nodes.setdefault(number, made)

    def nodes(self) -> list[NodeState]:
        """All nodes with what they say of themselves; one that cannot be asked says why."""
        alive = [
            robot.node_id for robot in self.lives.table.all() if robot.phase in {"starting", "running", "stopping"}
        ]
        found = []
        for row in self.node_table.all():
            try:
                facts = self.node(row.id)[1].facts()
            except FmzError as error:
                facts = NodeFacts(online=False, reason=str(error))
            found.append(NodeState(row=row, facts=facts, robots=alive.count(row.id)))
        return found

    def remove_node(self, actor: Actor, node_id: int) -> None:
        """Deletes a node that has no robots.

        Raises:
            NotPermitted: Only owners do.
            InputError: It is this machine, or robots are on it.
            UnknownName: There is no such node.
        """
        actor.check_owner("delete nodes")
        self.node_table.delete(node_id)
        with self._lock:
            node = self._nodes.pop(node_id, None)
        if node is not None:
            with contextlib.suppress(FmzError, OSError):  # it is let go of either way
                node.close()
        self.audit.add(actor, "delete node", f"node {node_id}")

    def first_account(self) -> tuple[str, str] | None:
        """Makes the first owner if there is no account.

        Returns:
            Its name and password, which are shown only here; None if there are accounts.
        """
        import secrets

        if self.accounts.all():
            return None
        password = secrets.token_urlsafe(15)
        self.accounts.create("owner", password)
        return "owner", password

    def _logs(self) -> list[Path]:
        """The databases of all robots."""
        return [self.lives.run_folder(robot.id).database for robot in self.lives.table.all()]

    def _push_lines(self, robot: Robot, rows: list[PushRow]) -> None:
        self.pushes.add(robot.name, [row.text for row in rows], robot.id)

    def _push_alarm(self, robot: Robot, text: str) -> None:
        self.pushes.add(f"Alarm: {robot.name}", [text], robot.id)


def _usual_node(row: NodeRow) -> Node:
    if row.kind == "local":
        return LocalNode()
    if row.kind == "docker":
        from .nodes.docker import DockerNode  # its package is an extra

        return DockerNode(row.settings)
    from .nodes.dask import DaskNode  # as above

    return DaskNode(row.settings)


def _claimed(folder: Path) -> IO[bytes]:
    """Takes the folder for this process; a killed platform leaves no lock behind."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        claim = take_lock(folder)
    except OSError as error:
        raise OperationFailed(f"the platform's folder {str(folder)!r} cannot be used: {error.strerror}") from error
    if claim is None:
        raise InputError(f"another platform runs in {str(folder)!r}")
    return claim
