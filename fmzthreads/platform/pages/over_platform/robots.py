"""Robots, as the pages see them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

from ....errors import FmzError, InputError, OperationFailed
from ...access import Actor, NotPermitted
from ...robots.tables import LogFilter, LogRow
from ...robots.views import RobotState, RobotSummary
from ...service import Platform
from ...store.robot_table import RestartPolicy, RobotExchange, RobotSettings
from ..port import AlarmView, FolderView, LogView, NodeView, RobotOrderView, RobotPositionView, RobotView, WorthView
from .argument_rows import argument_rows
from .order_file import orders_in, positions_in
from .worth import contracts_of, worth_of

__all__ = ["RobotsOfPlatform"]

_CURVE, _MOST_POINTS = 60, 20_000
_SAME_PAGE_MS = 200
_RESTARTS: dict[str, Literal["never", "failed", "always"]] = {"never": "never", "failed": "failed", "always": "always"}
_STAGES = {"cancelling": "orders cancelled", "onexit": "onexit", "ended": "ended"}


class RobotsOfPlatform:
    """The part of the pages' port that is about robots.

    Args:
        platform: The platform.
        actor: For whom.
    """

    def __init__(self, platform: Platform, actor: Actor) -> None:
        self._platform = platform
        self._actor = actor
        # One page asks for robots, alarms and positions: the robots are read once for them.
        self._listed: tuple[int, Sequence[RobotSummary]] = (0, ())

    # Everything at a glance

    def robots(self) -> Sequence[RobotView]:
        """All robots that the person sees, as they were just read."""
        groups, nodes = self._names()
        return [self._view(one, groups, nodes) for one in self._all()]

    def groups(self) -> Sequence[str]:
        """The names of the groups."""
        return [one.name for one in self._platform.groups.all()]

    def nodes(self) -> Sequence[NodeView]:
        """All nodes."""
        now = self._platform.lives.now_ms()
        return [
            NodeView(
                id=one.row.id, name=one.row.name, kind=one.row.kind, is_online=one.facts.online, robots=one.robots, read_ms=now,
                problem=one.facts.reason,
            )
            for one in self._platform.nodes()
        ]  # fmt: skip

    def alarms(self) -> Sequence[AlarmView]:
        """The alarms of robots that are not dismissed, newest first; their numbers are those of the robots."""
        found = [
            AlarmView(id=one.id, time_ms=one.state.alarm_ms, kind="ended", text=f"{one.name}: {one.state.alarm}", robot_id=one.id)
            for one in self._all()
            if one.state.alarm
        ]  # fmt: skip
        return sorted(found, key=lambda one: -one.time_ms)

    def dismiss_alarm(self, alarm_id: int) -> None:
        """Marks a robot's alarm as seen to."""
        self._platform.lives.clear_alarm(self._actor, alarm_id)

    def positions(self, robot_id: int | None = None) -> Sequence[RobotPositionView]:
        """The contracts that robots saw they hold, and what their fills add up to, by exchange and symbol."""
        found: list[RobotPositionView] = []
        for one in self._some(robot_id):
            folder = self._platform.lives.run_folder(one.id)
            seen = contracts_of(self._platform, folder.database)
            symbols = {each.symbol for each in seen}
            both = [*seen, *(each for each in positions_in(folder.orders) if each.symbol not in symbols)]
            found += [attrs.evolve(each, robot_id=one.id, robot=one.name) for each in both]
        return found

    def worth(self, robot_id: int | None = None) -> Sequence[WorthView]:
        """What the robots that the person sees hold, as they read it themselves."""
        return worth_of(self._platform, self._some(robot_id))

    def stop_all(self, *, cancel: bool) -> int:
        """Asks all robots that the person operates to stop."""
        asked, problems = 0, []
        for one in self._platform.reader.all(self._actor):
            if one.state.alive or one.state.restart_ms:
                try:
                    self._platform.lives.stop(self._actor, one.id, cancel=cancel)
                    asked += 1
                except FmzError as error:  # the others are asked all the same
                    problems.append(f"{one.name}: {error}")
        if problems:
            raise OperationFailed(
                f"{asked} robots were asked to stop; {len(problems)} could not be: {'; '.join(problems)[:500]}"
            )
        return asked

    # One robot

    def robot(self, robot_id: int) -> RobotView:
        """One robot, as it was just read."""
        summary = self._platform.reader.summary(self._actor, robot_id)
        state = self._platform.reader.state(self._actor, robot_id)
        groups, nodes = self._names()
        return self._view(attrs.evolve(summary, state=state), groups, nodes)

    def create_robot(self, settings: Mapping[str, Any]) -> int:
        """Makes and starts a robot."""
        strategy = self._platform.strategies.find(str(settings["strategy"]))
        return self._platform.lives.create(self._actor, self._settings(strategy.id, settings))

    def found_folders(self) -> Sequence[FolderView]:
        """The run folders that belong to no robot."""
        return [FolderView(folder=one.folder, name=one.name, problem=one.problem) for one in self._platform.moved.found(self._actor)]  # fmt: skip

    def import_robot(self, folder: str) -> tuple[int, Sequence[str]]:
        """Makes a stopped robot of a run folder."""
        made = self._platform.moved.adopt(self._actor, folder)
        return made.id, made.notes

    def robot_settings(self, robot_id: int) -> Mapping[str, Any]:
        """The settings of a robot, in the form of ``create_robot``."""
        detail = self._platform.reader.detail(self._actor, robot_id)
        settings = detail.settings
        groups = {one.id: one.name for one in self._platform.groups.all()}
        files = {one.id: one.file for one in self._platform.strategies.all()}
        return {
            "name": settings.name,
            "strategy": detail.summary.strategy_file,
            "args": {_key(row): row[1] for row in settings.args},
            "templates": [files[number] for number in settings.templates if number in files],
            "exchanges": [{"id": one.pid, "pair": one.pair} for one in settings.exchanges if one.pid],
            "period_s": settings.period_s,
            "node": max(0, settings.node_id),
            "group": groups.get(settings.group_id, ""),
            "restart": settings.restart.mode,
        }

    def update_robot(self, robot_id: int, settings: Mapping[str, Any]) -> None:
        """Changes the settings of a robot, which take effect at its next start."""
        stored = self._platform.reader.detail(self._actor, robot_id).settings
        if self._actor.role == "owner":
            changed = self._settings(stored.strategy_id, settings)
            limits = attrs.evolve(
                changed, limits=stored.limits, alarm=stored.alarm, app_id=stored.app_id, language=stored.language,
                restart=attrs.evolve(stored.restart, mode=changed.restart.mode),
            )  # fmt: skip
            changed = limits
        else:
            changed = attrs.evolve(stored, args=self._rows(settings))
        kept = {_key(row): row for row in stored.args if row[1] == "***"}
        given = {_key(row) for row in changed.args}
        # A secret whose field was left empty stays as it is.
        args = (*changed.args, *(row for key, row in kept.items() if key not in given))
        self._platform.lives.change(self._actor, robot_id, attrs.evolve(changed, args=args))

    def restart_robot(self, robot_id: int) -> None:
        """Starts a robot that is not running."""
        self._platform.lives.start(self._actor, robot_id)

    def stop_robot(self, robot_id: int, *, cancel: bool) -> None:
        """Asks a robot to stop."""
        self._platform.lives.stop(self._actor, robot_id, cancel=cancel)

    def kill_robot(self, robot_id: int) -> None:
        """Ends a robot's process at once."""
        self._platform.lives.kill(self._actor, robot_id)

    def delete_robot(self, robot_id: int, *, remove_log: bool) -> None:
        """Forgets a robot that is not running."""
        self._platform.lives.delete(self._actor, robot_id, remove_logs=remove_log)

    def command(self, robot_id: int, text: str) -> bool:
        """Hands a command to a robot."""
        return self._platform.lives.command(self._actor, robot_id, text)

    def status_text(self, robot_id: int) -> str:
        """The robot's status bar."""
        return self._platform.reader.status_text(self._actor, robot_id)

    def log(
        self, robot_id: int, *, before: int = 0, kinds: Sequence[int] = (), exchange: str = "", word: str = "", most: int = 100
    ) -> Sequence[LogView]:  # fmt: skip
        """The newest lines of the log, newest first."""
        if before == 1:
            return []
        wanted = LogFilter(kinds=tuple(kinds), label=exchange, word=word)
        page = self._platform.reader.log(
            self._actor, robot_id, max_id=max(0, before - 1), limit=most, wanted=wanted, counted=False
        )
        return [_line(row) for row in page.rows]

    def log_after(
        self, robot_id: int, after: int, *, kinds: Sequence[int] = (), exchange: str = "", word: str = "", most: int = 100
    ) -> Sequence[LogView]:  # fmt: skip
        """The lines with greater ids, oldest first."""
        wanted = LogFilter(kinds=tuple(kinds), label=exchange, word=word)
        rows = self._platform.reader.log_after(self._actor, robot_id, after, limit=most, wanted=wanted)
        return [_line(row) for row in rows]

    def profits(self, robot_id: int, most: int = 900) -> Sequence[tuple[int, float]]:
        """The profit curve, thinned."""
        return [(one.time_ms, one.profit) for one in self._platform.reader.profit_line(self._actor, robot_id, most)]

    def chart(self, robot_id: int) -> Mapping[str, Any]:
        """The strategy's charts: the configuration and the newest points."""
        path = self._seen(robot_id)
        tables = self._platform.tables
        page = tables.chart(path, limit=_MOST_POINTS)
        rows = [[row.series, point] for row in reversed(page.rows) if (point := _point(row.data)) is not None]
        return {"Cfg": tables.chart_config(path), "Datas": rows, "changed": self.chart_mark(robot_id)}

    def chart_mark(self, robot_id: int) -> int:
        """A number that changes when the strategy's charts change."""
        path = self._seen(robot_id)
        tables = self._platform.tables
        newest = tables.chart(path, limit=1)
        rows = newest.rows
        return hash((newest.largest, newest.smallest, rows[0].changed_ms if rows else 0, tables.chart_config(path)))

    def orders(self, robot_id: int, most: int = 200) -> Sequence[RobotOrderView]:
        """The newest orders of a robot."""
        self._seen(robot_id)
        return orders_in(self._platform.lives.run_folder(robot_id).orders, most)

    def output(self, robot_id: int, stream: str, most_bytes: int = 65536) -> str:
        """The end of what the robot printed."""
        return self._platform.reader.output(self._actor, robot_id, stream, last_bytes=most_bytes)

    # Inside

    def _names(self) -> tuple[dict[int, str], dict[int, str]]:
        groups = {one.id: one.name for one in self._platform.groups.all()}
        return groups, {one.id: one.name for one in self._platform.node_table.all()}

    def _some(self, robot_id: int | None) -> Sequence[RobotSummary]:
        return self._all() if robot_id is None else [self._platform.reader.summary(self._actor, robot_id)]

    def _all(self) -> Sequence[RobotSummary]:
        now = self._platform.lives.now_ms()
        if abs(now - self._listed[0]) > _SAME_PAGE_MS:
            self._listed = (now, self._platform.reader.all(self._actor))
        return self._listed[1]

    def _seen(self, robot_id: int) -> Any:
        if not self._actor.sees(robot_id):
            raise NotPermitted(f"the account {self._actor.name!r} does not see robot {robot_id}")
        return self._platform.lives.run_folder(robot_id).database

    def _view(self, one: RobotSummary, groups: Mapping[int, str], nodes: Mapping[int, str]) -> RobotView:
        curve: list[float] = []
        with contextlib.suppress(FmzError):  # a damaged file: ``trouble`` says so
            curve = [point.profit for point in self._platform.reader.profit_line(self._actor, one.id, _CURVE)]
        state = one.state
        return RobotView(
            id=one.id, name=one.name, group=groups.get(one.group_id, ""), strategy=one.strategy_file,
            node=nodes.get(one.node_id, ""), status=state.status, stage=_stage(state), cancels=state.cancels, orders=state.orders,
            cancelled=state.cancelled, reason=_reason(state), pid=state.pid,
            since_ms=one.started_ms, read_ms=state.read_ms, last_ms=one.last_ms, profit=one.profit, curve=curve,
            exchanges=[f"{label} {pair}" for label, pair in one.exchanges], trouble=one.trouble,
        )  # fmt: skip

    def _settings(self, strategy_id: int, settings: Mapping[str, Any]) -> RobotSettings:
        platform = self._platform
        return RobotSettings(
            name=str(settings.get("name") or ""),
            strategy_id=strategy_id,
            args=self._rows(settings),
            exchanges=tuple(RobotExchange(pair=one["pair"], pid=one["id"]) for one in settings.get("exchanges") or ()),
            period_s=int(settings.get("period_s") or 60),
            node_id=int(settings.get("node") or 0) or -1,
            group_id=self._group(str(settings.get("group") or "")),
            templates=tuple(platform.strategies.find(file).id for file in settings.get("templates") or ()),
            restart=RestartPolicy(mode=_RESTARTS.get(str(settings.get("restart")), "never")),
        )

    def _rows(self, settings: Mapping[str, Any]) -> tuple[tuple[Any, ...], ...]:
        return argument_rows(settings.get("args") or {}, [str(file) for file in settings.get("templates") or ()])

    def _group(self, name: str) -> int:
        """The number of a group, which is made when the name is new; 0 for no group."""
        if not name:
            return 0
        known = {one.name: one.id for one in self._platform.groups.all()}
        if name in known:
            return known[name]
        try:
            return self._platform.groups.create(name).id
        except InputError:  # somebody else has just made it
            return {one.name: one.id for one in self._platform.groups.all()}.get(name, 0)


def _point(text: str) -> Any:
    """A chart's point; None for what is damaged."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _key(row: Sequence[Any]) -> str:
    return f"{row[2]}.{row[0]}" if len(row) > 2 else str(row[0])


def _stage(state: RobotState) -> str:
    return _STAGES.get(state.stage, state.stage)


def _reason(state: RobotState) -> str:
    if not state.reachable:
        return f"the node cannot be asked, the state is the last known one: {state.reason}"
    return state.reason


def _line(row: LogRow) -> LogView:
    return LogView(
        id=row.id, time_ms=row.time_ms, kind=row.kind, text=row.text, exchange=row.label, symbol=row.symbol, order_id=row.order_id,
        price=row.price, amount=row.amount, color=row.color, push=row.push, is_private=row.private,
    )  # fmt: skip
