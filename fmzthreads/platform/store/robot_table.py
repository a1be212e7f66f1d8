"""The robots that the platform knows: what they are made of, and what is known of their process."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

from ...database import Database
from ...errors import OperationFailed, UnknownName
from .vault import Vault

__all__ = ["Phase", "RestartPolicy", "Robot", "RobotExchange", "RobotLimits", "RobotSettings", "RobotTable"]

Phase = Literal["idle", "starting", "running", "stopping", "exited", "stopped", "failed"]
"""``idle`` before the first start; ``exited`` when ``main`` returned, ``stopped`` when it was asked to, ``failed`` after an error or a kill."""


@attrs.frozen(kw_only=True)
class RobotExchange:
    """One exchange of a robot: an account of the platform (``pid``), or a venue whose keys came with the request (``eid``).

    Attributes:
        pair: FMZ's pair, such as ``BTC_USDT``.
        pid: The number of the account; 0 for a venue by ``eid``.
        eid: FMZ's id of the venue.
        label: What it is called.
    """

    pair: str
    pid: int = 0
    eid: str = ""
    label: str = ""


@attrs.frozen(kw_only=True)
class RestartPolicy:
    """When a robot is started again by the platform.

    Attributes:
        mode: ``never``; ``failed``: after an error or a kill; ``always``: also when ``main`` returned. Never after a stop.
        most: How often in a row; 0 for no limit. A run of ten minutes ends the row.
        pause_s: The pause before the first restart, in seconds; it doubles with each one in a row, up to ``longest_pause_s``.
        longest_pause_s: The longest pause.
    """

    mode: Literal["never", "failed", "always"] = "never"
    most: int = 10
    pause_s: float = 5.0
    longest_pause_s: float = 600.0


@attrs.frozen(kw_only=True)
class RobotLimits:
    """What a robot's process may take.

    Attributes:
        memory_mb: Memory that it may reserve, in MiB; 0 for no limit.
        open_files: Files and sockets; 0 for the system's limit.
        stop_s: How long a stop may take before SIGTERM, in seconds.
        kill_s: How long after SIGTERM before SIGKILL, in seconds.
        silent_s: After how long without a log line an alarm is raised, in seconds; 0 for never.
    """

    memory_mb: int = 4096
    open_files: int = 4096
    stop_s: float = 330.0
    kill_s: float = 20.0
    silent_s: float = 0.0


@attrs.frozen(kw_only=True)
class RobotSettings:
    """What a robot is made of.

    Attributes:
        name: What it is called.
        strategy_id: The strategy.
        args: Rows ``(name, value)``, or ``(name, value, template)``; without secrets on the way out (see ``Robots.detail``).
        exchanges: The exchanges, in order.
        period_s: The default bar length, in seconds.
        node_id: The node; -1 for any.
        group_id: The group; 0 for none.
        app_id: A free label.
        templates: The templates' numbers, in order.
        restart: The restart policy.
        limits: The limits.
        alarm: Whether an abnormal end raises an alarm.
        language: ``en`` or ``zh``, for texts in two languages.
    """

    name: str
    strategy_id: int
    args: tuple[tuple[Any, ...], ...] = attrs.field(default=(), repr=False)
    exchanges: tuple[RobotExchange, ...] = ()
    period_s: int = 60
    node_id: int = -1
    group_id: int = 0
    app_id: str = ""
    templates: tuple[int, ...] = ()
    restart: RestartPolicy = RestartPolicy()
    limits: RobotLimits = RobotLimits()
    alarm: bool = True
    language: str = "en"


@attrs.frozen(kw_only=True)
class Robot:
    """A robot as the table has it; what its process does now is asked elsewhere.

    Attributes:
        id: Its number.
        settings: What it is made of.
        node_id: The node on which it runs, or ran last; -1 before the first start.
        owner_id: The account that made it.
        created_ms: When it was made.
        started_ms: When it was started last; 0 for never.
        ended_ms: When its last run ended; 0 while it runs, and before.
        phase: Its phase at the last look.
        handle: What the node calls its process.
        asked_ms: When it was asked to stop; 0 if it was not.
        cancel: Whether the stop cancels the orders that it placed.
        code: The exit code of the last run; None while it runs, and when it is not known.
        reason: Why the last run ended.
        restarts: Restarts by policy in a row.
        restart_ms: When the next one is due; 0 for none.
        alarm: The alarm that is not dismissed yet; empty for none.
        alarm_ms: When it was raised.
        pushed_id: The number of the last message that was queued to be pushed.
    """

    id: int
    settings: RobotSettings
    node_id: int
    owner_id: int
    created_ms: int
    started_ms: int
    ended_ms: int
    phase: Phase
    handle: str
    asked_ms: int
    cancel: bool
    code: int | None
    reason: str
    restarts: int
    restart_ms: int
    alarm: str
    alarm_ms: int
    pushed_id: int

    @property
    def name(self) -> str:
        """What it is called."""
        return self.settings.name


_COLUMNS = (
    "id, name, strategy_id, settings, args, node_id, group_id, app_id, owner_id, created_ms, started_ms, ended_ms, phase, handle, asked_ms, "
    "cancel, code, reason, restarts, restart_ms, alarm, alarm_ms, pushed_id"
)
_CHANGEABLE = frozenset(
    {"node_id", "started_ms", "ended_ms", "phase", "handle", "asked_ms", "cancel", "code", "reason", "restarts", "restart_ms", "alarm", "alarm_ms",
     "pushed_id"}
)  # fmt: skip


class RobotTable:
    """The robots. Any thread may use it.

    Args:
        database: The platform's file.
        vault: Encrypts the arguments, which may hold secrets.
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        # Changes that could not be written (a full disk), by robot; each value is replaced as a whole, never changed.
        self._kept: dict[int, dict[str, Any]] = {}

    def all(self) -> list[Robot]:
        """All robots, in the order of their numbers; without their arguments."""
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM robots WHERE deleted = 0 ORDER BY id")  # noqa: S608
        return [self._with_kept(_robot(row, ())) for row in rows]

    def get(self, robot_id: int, *, with_args: bool = False) -> Robot:
        """One robot.

        Args:
            robot_id: Its number.
            with_args: Whether the arguments are decrypted.

        Raises:
            UnknownName: There is no such robot.
            OperationFailed: The vault is locked.
        """
        rows = self._database.execute(
            f"SELECT {_COLUMNS} FROM robots WHERE id = ? AND deleted = 0",  # noqa: S608
            (robot_id,),
        )
        if not rows:
            raise UnknownName(f"no robot {robot_id}")
        args = json.loads(self._vault.decrypt(rows[0][4])) if with_args else ()
        return self._with_kept(_robot(rows[0], args))

    def create(self, settings: RobotSettings, owner_id: int, number: int = 0) -> Robot:
        """Adds a robot.

        Args:
            settings: What it is made of.
            owner_id: The account that makes it.
            number: Its number, which no robot has or had; 0 for the next one.

        Raises:
            OperationFailed: The vault is locked.
        """
        rows = self._database.execute(
            "INSERT INTO robots (id, name, strategy_id, settings, args, node_id, group_id, app_id, owner_id, created_ms) "
            "VALUES (?,?,?,?,?,-1,?,?,?,?) RETURNING id",
            (
                number or None,
                settings.name,
                settings.strategy_id,
                _text(settings),
                self._vault.encrypt(json.dumps(settings.args)),
                settings.group_id,
                settings.app_id,
                owner_id,
                time.time_ns() // 1_000_000,
            ),
        )
        return self.get(rows[0][0], with_args=True)

    def set_settings(self, robot_id: int, settings: RobotSettings) -> None:
        """Replaces what a robot is made of.

        Raises:
            OperationFailed: The vault is locked.
        """
        self._database.execute(
            "UPDATE robots SET name = ?, settings = ?, args = ?, group_id = ?, app_id = ? WHERE id = ?",
            (
                settings.name,
                _text(settings),
                self._vault.encrypt(json.dumps(settings.args)),
                settings.group_id,
                settings.app_id,
                robot_id,
            ),
        )

    def update(self, robot_id: int, **changes: Any) -> None:
        """Changes columns that tell of the process."""
        assert set(changes) <= _CHANGEABLE
        assignments = ", ".join(f"{name} = ?" for name in changes)
        self._database.execute_one(f"UPDATE robots SET {assignments} WHERE id = ?", (*changes.values(), robot_id))  # noqa: S608
        kept = self._kept.get(robot_id)
        if kept:  # what was written is newer
            self._kept[robot_id] = {name: value for name, value in kept.items() if name not in changes}

    def keep(self, robot_id: int, **changes: Any) -> None:
        """Changes columns; what cannot be written now (a full disk) counts all the same, and is written with a later change.

        The robot's lock in ``RobotLives`` is held by the caller.
        """
        waiting = {**self._kept.get(robot_id, {}), **changes}
        if not waiting:
            return
        self._kept[robot_id] = waiting
        with contextlib.suppress(OperationFailed):
            self.update(robot_id, **waiting)

    def _with_kept(self, robot: Robot) -> Robot:
        kept = self._kept.get(robot.id)
        return attrs.evolve(robot, **kept) if kept else robot

    def is_used(self, robot_id: int) -> bool:
        """Whether a robot has this number, or had it before it was deleted."""
        return bool(self._database.execute("SELECT 1 FROM robots WHERE id = ?", (robot_id,)))

    def withdraw(self, robot_id: int) -> None:
        """Takes back a robot that was added just now and has never been."""
        self._database.execute_one("DELETE FROM robots WHERE id = ?", (robot_id,))

    def delete(self, robot_id: int) -> None:
        """Marks a robot as deleted; its number is never used again."""
        self._database.execute_one(
            "UPDATE robots SET deleted = 1, args = '', handle = '', phase = 'idle' WHERE id = ?", (robot_id,)
        )
        self._kept.pop(robot_id, None)


def _text(settings: RobotSettings) -> str:
    values = attrs.asdict(settings)
    for name in ("name", "strategy_id", "args", "group_id", "app_id"):
        del values[name]
    return json.dumps(values)


def _robot(row: Sequence[Any], args: Sequence[Sequence[Any]]) -> Robot:
    (
        number, name, strategy_id, text, _, node_id, group_id, app_id, owner_id, created_ms, started_ms, ended_ms, phase, handle, asked_ms,
        cancel, code, reason, restarts, restart_ms, alarm, alarm_ms, pushed_id,
    ) = row  # fmt: skip
    values: Mapping[str, Any] = json.loads(text)
    settings = RobotSettings(
        name=name,
        strategy_id=strategy_id,
        args=tuple(tuple(one) for one in args),
        exchanges=tuple(RobotExchange(**one) for one in values["exchanges"]),
        period_s=values["period_s"],
        node_id=values["node_id"],
        group_id=group_id,
        app_id=app_id,
        templates=tuple(values["templates"]),
        restart=RestartPolicy(**values["restart"]),
        limits=RobotLimits(**values["limits"]),
        alarm=values["alarm"],
        language=values["language"],
    )
    return Robot(
        id=number, settings=settings, node_id=node_id, owner_id=owner_id, created_ms=created_ms, started_ms=started_ms, ended_ms=ended_ms,
        phase=phase, handle=handle, asked_ms=asked_ms, cancel=bool(cancel), code=code, reason=reason, restarts=restarts, restart_ms=restart_ms, alarm=alarm,
        alarm_ms=alarm_ms, pushed_id=pushed_id,
    )  # fmt: skip
