"""Reads robots: lists, details, states, logs, charts; whatever is wrong with one does not touch the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from ...charts.points import ChartPoint
from ...errors import FmzError, InputError, OperationFailed
from ...strategy.charts import read_chart_points
from ..access import Actor, NotPermitted
from ..nodes.node import ProcessLook
from ..store.exchange_accounts import ExchangeAccount, ExchangeAccounts
from ..store.robot_table import Robot
from ..strategies.folder import StrategyFolder
from .lives import ALIVE, RobotLives
from .start_orders import masked
from .tables import EVERYTHING, LogFilter, LogRow, ProfitRow, RobotTables, TablePage
from .views import RobotDetail, RobotState, RobotSummary

__all__ = ["RobotCharts", "RobotReader"]


@attrs.frozen(kw_only=True)
class RobotCharts:
    """The charts of a robot.

    Attributes:
        config: The configuration that the strategy gave, decoded (a dict or a list); None before the first chart.
        points: The points, in the order of their ids.
    """

    config: Any
    points: list[ChartPoint]


class RobotReader:
    """Reads robots. Any thread may use it.

    Args:
        lives: The robots.
        strategies: The strategies, for their names.
        exchanges: The accounts at exchanges, for their labels.
        tables: Reads run folders.
        watched: What the watcher saw last of a robot's process, and when; None if it has not looked yet.
        is_local: Whether a node can be asked at once.
    """

    def __init__(
        self,
        lives: RobotLives,
        strategies: StrategyFolder,
        exchanges: ExchangeAccounts,
        tables: RobotTables,
        watched: Callable[[int], tuple[ProcessLook, int] | None],
        is_local: Callable[[int], bool],
    ) -> None:
        self._lives = lives
        self._strategies = strategies
        self._exchanges = exchanges
        self.tables = tables
        self._watched = watched
        self._is_local = is_local

    def all(self, actor: Actor) -> list[RobotSummary]:
        """The robots that the account sees, in the order of their numbers."""
        robots = [robot for robot in self._lives.table.all() if actor.sees(robot.id)]
        files = {one.id: one.file for one in self._strategies.all()}
        accounts = {one.id: one for one in self._exchanges.all()}
        return [self._summary(robot, files, accounts) for robot in robots]

    def strategies_seen(self, actor: Actor) -> frozenset[int] | None:
        """The strategies and templates of the robots that the account sees; None for all that there are."""
        if actor.role == "owner" or actor.robots is None:
            return None
        robots = [robot.settings for robot in self._lives.table.all() if actor.sees(robot.id)]
        return frozenset(number for one in robots for number in (one.strategy_id, *one.templates))

    def summary(self, actor: Actor, robot_id: int) -> RobotSummary:
        """One robot's row of the list.

        Raises:
            UnknownName: There is no such robot.
            NotPermitted: The account does not see it.
        """
        robot = self._seen(actor, robot_id)
        files = {one.id: one.file for one in self._strategies.all()}
        return self._summary(robot, files, {one.id: one for one in self._exchanges.all()})

    def detail(self, actor: Actor, robot_id: int) -> RobotDetail:
        """Everything about one robot but its tables.

        Raises:
            UnknownName: There is no such robot.
            NotPermitted: The account does not see it.
        """
        summary = self.summary(actor, robot_id)
        try:
            robot = self._lives.table.get(robot_id, with_args=True)
        except OperationFailed:  # a locked vault: everything but the arguments can be shown
            robot = self._lives.table.get(robot_id)
        try:
            parameters = self._strategies.parameters(robot.settings.strategy_id)
        except FmzError:  # the file is gone or broken: then every argument may be a secret
            parameters = []
        settings = attrs.evolve(robot.settings, args=masked(robot.settings.args, parameters))
        folder = str(self._lives.run_folder(robot_id).path)
        return RobotDetail(
            summary=summary, settings=settings, owner_id=robot.owner_id, restarts=robot.restarts, folder=folder
        )  # fmt: skip

    def state(self, actor: Actor, robot_id: int) -> RobotState:
        """A robot's state, read now; during a stop with its stage.

        Raises:
            UnknownName: There is no such robot.
            NotPermitted: The account does not see it.
        """
        robot = self._seen(actor, robot_id)
        state = self._state(robot)
        if state.phase != "stopping" or not state.reachable:
            return state
        try:
            said = self._lives.ask_state(robot)
        except FmzError:  # it has not begun to listen, or has just ended
            return attrs.evolve(state, stage="asked")
        stage = str(said.get("stage", "")) if said.get("stopping") else "asked"
        orders, cancelled = int(said.get("orders", 0)), int(said.get("cancelled", 0))
        return attrs.evolve(state, stage="asked" if stage == "running" else stage, orders=orders, cancelled=cancelled)

    def status_text(self, actor: Actor, robot_id: int) -> str:
        """The status bar's text: of a running robot as it is now, else as it was at the end.

        Raises:
            UnknownName: There is no such robot.
            NotPermitted: The account does not see it.
        """
        robot = self._seen(actor, robot_id)
        if robot.phase in ALIVE:
            try:
                return str(self._lives.ask_state(robot).get("status") or "")
            except FmzError:
                pass  # it does not listen yet, or has just ended
        try:
            return self._lives.run_folder(robot_id).status.read_text("utf-8", "replace")
        except OSError:
            return ""

    def log(
        self, actor: Actor, robot_id: int, *, min_id: int = 0, max_id: int = 0, offset: int = 0, limit: int = 100,
        wanted: LogFilter = EVERYTHING, counted: bool = True,
    ) -> TablePage:  # fmt: skip
        """A page of a robot's log (rows of ``LogRow``), newest first; see ``RobotTables.log``.

        Raises:
            UnknownName: There is no such robot.
            NotPermitted: The account does not see it.
            OperationFailed: Its database cannot be read.
        """
        path = self._path(actor, robot_id)
        return self.tables.log(
            path, min_id=min_id, max_id=max_id, offset=offset, limit=limit, wanted=wanted, counted=counted
        )

    def log_after(
        self, actor: Actor, robot_id: int, after_id: int, *, limit: int = 500, wanted: LogFilter = EVERYTHING
    ) -> list[LogRow]:
        """The lines after an id, oldest first, for those who follow a log.

        Raises:
            UnknownName: There is no such robot.
            NotPermitted: The account does not see it.
            OperationFailed: Its database cannot be read.
        """
        return self.tables.log_after(self._path(actor, robot_id), after_id, limit=limit, wanted=wanted)

    def profit_line(self, actor: Actor, robot_id: int, points: int = 60) -> list[ProfitRow]:
        """So many points of the profit curve, oldest first.

        Raises:
            UnknownName: There is no such robot.
            NotPermitted: The account does not see it.
            OperationFailed: Its database cannot be read.
        """
        return self.tables.profit_line(self._path(actor, robot_id), points)

    def charts(self, actor: Actor, robot_id: int, *, after_id: int = 0, changed_since_ms: int = 0) -> RobotCharts:
        """The charts of a robot.

        Args:
            actor: Who looks.
            robot_id: The robot.
            after_id: Only points with larger ids.
            changed_since_ms: Only points that were written then or later.

        Raises:
            UnknownName: There is no such robot.
            NotPermitted: The account does not see it.
            OperationFailed: Its database cannot be read.
        """
        path = self._path(actor, robot_id)
        text = self.tables.chart_config(path)
        try:
            config = json.loads(text) if text else None
        except ValueError as error:
            raise OperationFailed(f"the chart of robot {robot_id} is not JSON: {error}") from error
        points = read_chart_points(path, after_id=after_id, changed_since_ms=changed_since_ms)
        return RobotCharts(config=config, points=points)

    def output(self, actor: Actor, robot_id: int, name: str, *, last_bytes: int = 65_536) -> str:
        """The end of what the robot printed.

        Args:
            actor: Who looks.
            robot_id: The robot.
            name: ``stdout``, ``stderr`` or ``process`` (before and after the strategy).
            last_bytes: How much of it.

        Raises:
            InputError: There is no such file.
        """
        if name not in {"stdout", "stderr", "process"}:
            raise InputError(f"no output {name[:20]!r}, expected 'stdout', 'stderr' or 'process'")
        self._seen(actor, robot_id)
        path = self._lives.run_folder(robot_id).path / f"{name}.log"
        try:
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - last_bytes))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def _seen(self, actor: Actor, robot_id: int) -> Robot:
        if not actor.sees(robot_id):
            raise NotPermitted(f"the account {actor.name!r} does not see robot {robot_id}")
        return self._lives.table.get(robot_id)

    def _path(self, actor: Actor, robot_id: int) -> Path:
        self._seen(actor, robot_id)
        return self._lives.run_folder(robot_id).database

    def _state(self, robot: Robot) -> RobotState:
        look, read_ms = None, self._lives.now_ms()
        if robot.phase in ALIVE:
            if self._is_local(robot.node_id):
                look = self._lives.look(robot)
            else:
                look, read_ms = self._watched(robot.id) or (None, robot.started_ms)
        phase, reason = robot.phase, robot.reason
        if look is not None and look.alive is False and robot.handle:
            # It has just ended; the watcher notes it within a second.
            phase = "stopped" if robot.asked_ms else "exited" if look.code == 0 else "failed"
            reason = look.reason
        elif look is not None and look.alive is None:
            reason = look.reason
        stop = robot.phase == "stopping"
        return RobotState(
            phase=phase, read_ms=read_ms, reachable=look is None or look.alive is not None, stage="asked" if stop else "", cancels=stop and robot.cancel,
            asked_ms=robot.asked_ms, terminate_ms=robot.asked_ms + int(robot.settings.limits.stop_s * 1000) if stop else 0,
            pid=int(robot.handle.split(" ")[0]) if look is not None and look.alive and robot.handle.split(" ")[0].isdigit() else 0,
            memory_mb=look.memory_mb if look is not None else 0.0, code=robot.code, reason=reason, restart_ms=robot.restart_ms,
            alarm=robot.alarm, alarm_ms=robot.alarm_ms,
        )  # fmt: skip

    def _summary(self, robot: Robot, files: dict[int, str], accounts: dict[int, ExchangeAccount]) -> RobotSummary:
        trouble, last_ms, last_text, profit = "", 0, "", None
        try:
            _, last_ms, last_text, profit = self.tables.last(self._lives.run_folder(robot.id).database)
        except OperationFailed as error:
            trouble = str(error)
        settings = robot.settings
        exchanges = tuple(
            (accounts[one.pid].label if one.pid in accounts else one.label or one.eid or f"account {one.pid}", one.pair)
            for one in settings.exchanges
        )
        return RobotSummary(
            id=robot.id, name=robot.name, strategy_id=settings.strategy_id, strategy_file=files.get(settings.strategy_id, ""),
            node_id=robot.node_id, group_id=settings.group_id, app_id=settings.app_id, exchanges=exchanges, state=self._state(robot),
            profit=profit, last_ms=last_ms, last_text=last_text[:500], created_ms=robot.created_ms, started_ms=robot.started_ms,
            ended_ms=robot.ended_ms, trouble=trouble,
            is_simulated=any(accounts[one.pid].simulated for one in settings.exchanges if one.pid in accounts),
        )  # fmt: skip
