"""What is shown of a robot: its state as it was just read, and what its folder holds."""

from __future__ import annotations

from typing import Any

import attrs

from ..store.robot_table import Phase, RobotSettings

__all__ = ["STATUS_CODES", "RobotDetail", "RobotState", "RobotSummary"]

STATUS_CODES: dict[Phase, int] = {
    "idle": 0, "starting": 1, "running": 1, "stopping": 2, "exited": 3, "stopped": 4, "failed": 5,
}  # fmt: skip
"""FMZ's status code of each phase (user guide, "Extended API Interface")."""


@attrs.frozen(kw_only=True)
class RobotState:
    """The state of a robot at one moment.

    Attributes:
        phase: ``idle``, ``starting``, ``running``, ``stopping``, ``exited``, ``stopped`` or ``failed``.
        read_ms: When it was read, in milliseconds since the epoch.
        reachable: Whether its node could be asked; otherwise the phase is the last known one.
        stage: The stage of a stop: ``asked``, ``cancelling``, ``onexit``, ``ended``; empty without a stop.
        cancels: Whether the stop cancels open orders.
        orders: How many orders a stop cancels; 0 while that is not known.
        cancelled: How many it has cancelled.
        asked_ms: When the stop was asked for; 0 without.
        terminate_ms: When SIGTERM is sent if it has not ended; 0 without a stop.
        pid: The process's id; 0 if it does not run or the node has none.
        memory_mb: The memory that it takes, in MiB.
        code: The exit code of the last run; None if it is not known.
        reason: Why the last run ended, or why the state cannot be read.
        restart_ms: When it is started again by policy; 0 for never.
        alarm: The alarm that is not dismissed yet; empty for none.
        alarm_ms: When it was raised.
    """

    phase: Phase
    read_ms: int
    reachable: bool = True
    stage: str = ""
    cancels: bool = False
    orders: int = 0
    cancelled: int = 0
    asked_ms: int = 0
    terminate_ms: int = 0
    pid: int = 0
    memory_mb: float = 0.0
    code: int | None = None
    reason: str = ""
    restart_ms: int = 0
    alarm: str = ""
    alarm_ms: int = 0

    @property
    def status(self) -> int:
        """FMZ's status code."""
        return STATUS_CODES[self.phase]

    @property
    def alive(self) -> bool:
        """Whether it runs, starts or stops."""
        return self.phase in {"starting", "running", "stopping"}


@attrs.frozen(kw_only=True)
class RobotSummary:
    """A row of the list of robots.

    Attributes:
        id: The robot's number.
        name: What it is called.
        strategy_id: Its strategy.
        strategy_file: The strategy's file; empty if it is gone.
        node_id: Its node; -1 before the first start.
        group_id: Its group; 0 for none.
        app_id: Its free label.
        exchanges: What its exchanges are called, with their pairs.
        is_simulated: Whether its exchanges are simulated.
        state: Its state.
        profit: The newest point of its profit curve; None without one.
        last_ms: When its newest log line was written; 0 without one.
        last_text: That line's text.
        created_ms: When it was made.
        started_ms: When it was started last; 0 for never.
        ended_ms: When its last run ended; 0 while it runs.
        trouble: What is wrong with its folder, such as a damaged database; empty for nothing.
    """

    id: int
    name: str
    strategy_id: int
    strategy_file: str
    node_id: int
    group_id: int
    app_id: str
    exchanges: tuple[tuple[str, str], ...]
    state: RobotState
    profit: float | None
    last_ms: int
    last_text: str
    created_ms: int
    started_ms: int
    ended_ms: int
    trouble: str = ""
    is_simulated: bool = False


@attrs.frozen(kw_only=True)
class RobotDetail:
    """Everything about one robot but its tables.

    Attributes:
        summary: As in the list.
        settings: What it is made of, with ``***`` in place of secret arguments.
        owner_id: The account that made it.
        restarts: Restarts by policy in a row.
        folder: Its run folder.
        extra: Further facts for later versions; may be empty.
    """

    summary: RobotSummary
    settings: RobotSettings
    owner_id: int
    restarts: int
    folder: str
    extra: dict[str, Any] = attrs.field(factory=dict)
