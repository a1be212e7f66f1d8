"""The life of robots: made, started, stopped, started again, deleted; adopted by a later platform."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from ...errors import FmzError, InputError, OperationFailed, OutcomeUnknown
from ...strategy.run.folder import RunFolder
from ..access import PLATFORM, Actor
from ..nodes.node import Node, ProcessLook
from ..store.audit import AuditTrail
from ..store.robot_table import Robot, RobotSettings, RobotTable
from .start_orders import HIDDEN, StartOrders

__all__ = ["ALIVE", "AlreadyRuns", "RobotLives"]

_log = logging.getLogger("fmzthreads.platform")

ALIVE = ("starting", "running", "stopping")
# A process that was started has claimed its run folder after this long, also on a slow machine.
_CLAIM_MS = 60_000


class AlreadyRuns(InputError):
    """The robot runs already, or another run lives in its folder."""


class RobotLives:
    """Starts, stops and deletes robots. Any thread may use it; what is done to one robot is done one after the other.

    Args:
        table: The robots.
        orders: Makes start orders.
        audit: The audit trail.
        folder: Where the run folders lie: ``FOLDER/ID``.
        node: Gives the node of a number, or picks one for -1.
        now_ms: The time, in milliseconds since the epoch.
    """

    def __init__(
        self,
        table: RobotTable,
        orders: StartOrders,
        audit: AuditTrail,
        folder: Path,
        node: Callable[[int], tuple[int, Node]],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.table = table
        self._orders = orders
        self._audit = audit
        self._folder = folder
        self._node = node
        self.now_ms = now_ms
        self.on_end: Callable[[Robot], None] = lambda robot: None
        """Called with each robot whose end was noted, under its lock."""
        self.keep_settings: Callable[[RobotSettings, Path], None] = lambda settings, folder: None
        """Called with a robot's settings and its run folder after each start and when they change; must not raise."""
        self._guard = threading.Lock()  # guards the dicts below
        self._locks: dict[int, threading.Lock] = {}
        # Keys of exchanges by eid: in memory only, for restarts by policy; gone with the platform.
        self._metas: dict[int, list[Mapping[str, str]]] = {}
        self._asked_by: dict[
            int, str
        ] = {}  # who asked for a stop first; set under the robot's lock, gone with the platform

    def run_folder(self, robot_id: int) -> RunFolder:
        """The run folder of a robot."""
        return RunFolder(self._folder / str(robot_id))

    @contextlib.contextmanager
    def alone(self, robot_id: int, timeout_s: float = 60.0) -> Iterator[None]:
        """Holds a robot's lock: no other thread starts, stops or deletes it meanwhile.

        Raises:
            OperationFailed: Somebody else has held it for too long.
        """
        with self._guard:
            lock = self._locks.setdefault(robot_id, threading.Lock())
        if not lock.acquire(timeout=timeout_s):
            raise OperationFailed(f"robot {robot_id} is being started or stopped by somebody else")
        try:
            yield
        finally:
            lock.release()

    # What users do

    def create(
        self, actor: Actor, settings: RobotSettings, metas: Sequence[Mapping[str, str]] = (), *, start: bool = True
    ) -> int:
        """Makes a robot and starts it.

        Args:
            actor: Who.
            settings: What it is made of.
            metas: The fields of exchanges by ``eid``.
            start: Whether it is started at once.

        Returns:
            Its number.

        Raises:
            NotPermitted: Only owners make robots.
            InputError: The settings are not valid; nothing was made.
            OperationFailed: It could not be started, and was not made.
        """
        actor.check_owner("make robots")
        self._orders.check(settings)
        robot = self.with_free_folder(self.table.create(settings, actor.account_id))
        if start:
            try:
                with self.alone(robot.id):
                    self._start(robot, metas)
            except OutcomeUnknown:
                pass  # the robot may run: it is kept, and the next look tells
            except FmzError:
                self.table.delete(robot.id)
                raise
        elif metas:
            self._keep_metas(robot.id, metas)
        self.note(actor, "create robot", f"robot {robot.id}", settings.name)
        return robot.id

    def start(
        self,
        actor: Actor,
        robot_id: int,
        settings: RobotSettings | None = None,
        metas: Sequence[Mapping[str, str]] | None = None,
    ) -> None:
        """Starts a robot that does not run, with new settings if they are given.

        Args:
            actor: Who.
            robot_id: The robot.
            settings: New settings; the strategy stays. ``***`` as an argument's value keeps the stored secret. None for the stored ones.
            metas: The fields of exchanges by ``eid``; None for those of the last start.

        Raises:
            NotPermitted: The account does not operate this robot, or changes more than arguments without being an owner.
            AlreadyRuns: It runs.
            InputError: The settings are not valid, or the keys of exchanges by ``eid`` are needed again.
            OperationFailed: It could not be started.
            OutcomeUnknown: It may have been started.
        """
        actor.check_operates(robot_id, "start")
        with self.alone(robot_id):
            robot = self.table.get(robot_id, with_args=True)
            if settings is not None:
                settings = self._changed(actor, robot, settings)
            self._refuse_if_alive(robot)
            if settings is not None:
                self._orders.check(settings)
                self.table.set_settings(robot_id, settings)
                robot = self.table.get(robot_id, with_args=True)
            self.table.update(robot_id, restarts=0, restart_ms=0)
            self._start(robot, self._metas.get(robot_id, ()) if metas is None else metas)
        self.note(actor, "start robot", f"robot {robot_id}", robot.name)

    def change(self, actor: Actor, robot_id: int, settings: RobotSettings) -> None:
        """Stores new settings, which count from the next start on.

        Raises:
            NotPermitted, InputError: As ``start``.
        """
        actor.check_operates(robot_id, "change")
        with self.alone(robot_id):
            robot = self.table.get(robot_id, with_args=True)
            settings = self._changed(actor, robot, settings)
            self._orders.check(settings)
            self.table.set_settings(robot_id, settings)
            if self.run_folder(robot_id).path.exists():
                self.keep_settings(settings, self.run_folder(robot_id).path)
        self.note(actor, "change robot", f"robot {robot_id}", settings.name)

    def stop(self, actor: Actor, robot_id: int, *, cancel: bool = False) -> None:
        """Asks a robot to stop; it goes through the stages, and is ended by force when it takes too long.

        Args:
            actor: Who.
            robot_id: The robot.
            cancel: Whether the open orders that it placed are cancelled before ``onexit``.

        Raises:
            NotPermitted: The account does not operate this robot.
            InputError: It does not run.
        """
        actor.check_operates(robot_id, "stop")
        with self.alone(robot_id):
            robot = self.settle(self.table.get(robot_id))
            if robot.phase not in ALIVE:
                if robot.restart_ms:  # it waits for its restart, which is called off
                    off = {"restart_ms": 0, "phase": "stopped", "reason": "stopped while it waited for a restart"}
                    self.table.keep(robot_id, **off)
                    self.note(actor, "stop robot", f"robot {robot_id}", robot.name)
                    return
                raise InputError(f"robot {robot_id} does not run: {robot.phase}")
            changes = {"phase": "stopping", "cancel": robot.cancel or cancel, "restart_ms": 0}
            if not robot.asked_ms:
                changes["asked_ms"] = self.now_ms()
                self._asked_by[robot_id] = actor.words
            self.table.keep(robot_id, **changes)  # a full disk must not keep it from being stopped
            self.press_stop(robot_id)
        self.note(actor, "stop robot", f"robot {robot_id}", f"{robot.name}{', cancel orders' if cancel else ''}")

    def kill(self, actor: Actor, robot_id: int) -> None:
        """Ends a robot's process at once by SIGKILL; neither its orders are cancelled nor ``onexit`` runs.

        Raises:
            NotPermitted: The account does not operate this robot.
            OperationFailed: Its node cannot be asked.
        """
        actor.check_operates(robot_id, "kill")
        with self.alone(robot_id):
            robot = self.table.get(robot_id)
            changes: dict[str, Any] = {"asked_ms": robot.asked_ms or self.now_ms(), "restart_ms": 0}
            if not robot.asked_ms:
                self._asked_by[robot_id] = actor.words
            # A process that a killed platform started, and that is not known yet, is then stopped once it is.
            if robot.phase in ALIVE:
                changes["phase"] = "stopping"
            self.table.keep(robot_id, **changes)
            self._node_of(robot).end(robot.handle, self.run_folder(robot_id), kill=True)
        self.note(actor, "kill robot", f"robot {robot_id}", robot.name)

    def delete(self, actor: Actor, robot_id: int, *, remove_logs: bool = True) -> bool:
        """Deletes a robot that does not run.

        Args:
            actor: Who.
            robot_id: The robot.
            remove_logs: Whether its run folder is deleted too; otherwise it is kept as ``ID.deleted``.

        Returns:
            Whether what was to be removed is gone; False when the node cannot be reached and logs remain there.

        Raises:
            NotPermitted: Only owners delete.
            InputError: It runs, starts or stops.
        """
        actor.check_owner("delete robots")
        with self.alone(robot_id):
            robot = self.settle(self.table.get(robot_id))
            if robot.phase in ALIVE:
                raise AlreadyRuns(f"robot {robot_id} is {robot.phase}: stop it first")
            gone = True
            try:
                self._node_of(robot).discard(robot.handle)
            except FmzError:  # also a node that was deleted: the robot goes all the same
                gone = False
            self.table.delete(robot_id)
            with self._guard:
                self._metas.pop(robot_id, None)
            gone = self.run_folder(robot_id).put_away(remove=remove_logs) and gone
        self.note(actor, "delete robot", f"robot {robot_id}", robot.name)
        return gone

    def command(self, actor: Actor, robot_id: int, text: str) -> bool:
        """Sends a command to a running strategy, which ``GetCommand`` returns.

        Returns:
            Whether it was accepted; False when the robot does not run, or a thousand commands wait.

        Raises:
            NotPermitted: The account does not operate this robot.
        """
        actor.check_operates(robot_id, "command")
        robot = self.table.get(robot_id)
        accepted = False
        with contextlib.suppress(OperationFailed):
            reply = self._node_of(robot).ask(robot.handle, self.run_folder(robot_id), {"command": text})
            accepted = bool(reply.get("accepted"))
        # The text may hold anything that a webhook was sent, secrets too.
        self.note(actor, "command robot", f"robot {robot_id}", f"{len(text)} characters", done=accepted)
        return accepted

    def clear_alarm(self, actor: Actor, robot_id: int) -> None:
        """Marks a robot's alarm as seen to.

        Raises:
            NotPermitted: The account does not operate this robot.
        """
        actor.check_operates(robot_id, "clear the alarm of")
        self.table.update(robot_id, alarm="", alarm_ms=0)

    # What the watcher does, under the robot's lock

    def settle(self, robot: Robot) -> Robot:
        """Looks at the process and, if it has ended, notes how; returns the robot as it is then."""
        if robot.phase not in ALIVE:
            return self._found_late(robot)
        self.table.keep(robot.id)  # writes what could not be written before
        robot = self.table.get(robot.id)
        look = self.look(robot)
        if look.alive is None:
            return robot
        if look.alive:
            folder = self.run_folder(robot.id)
            if robot.phase == "starting" and (
                folder.path.joinpath("control.sock").exists() or folder.database.exists()
            ):
                self.table.keep(robot.id, phase="running")
                robot = attrs.evolve(robot, phase="running")
            return robot
        if not robot.handle and self.now_ms() - robot.started_ms < _CLAIM_MS:
            return robot  # a platform that was killed may have started it just before; it claims its folder soon
        phase, alarm = _ended_as(robot, look)
        changes: dict[str, Any] = {
            "phase": phase, "ended_ms": self.now_ms(), "code": look.code, "reason": look.reason[:500],
        }  # fmt: skip
        if alarm and robot.settings.alarm:
            changes |= {"alarm": alarm[:500], "alarm_ms": self.now_ms()}
        changes |= self._restart_changes(robot, phase)
        self.table.update(robot.id, **changes)
        robot = attrs.evolve(robot, **changes)
        self.on_end(robot)
        return robot

    def may_be_found_late(self, robot: Robot) -> bool:
        """Whether it was given up before its process was known, which a platform that was killed may have started."""
        return robot.phase not in ALIVE and robot.started_ms > 0 and not robot.handle

    def _found_late(self, robot: Robot) -> Robot:
        """Takes back a robot that was given up, if its process has claimed the run folder after all (on a very slow machine)."""
        if not self.may_be_found_late(robot):
            return robot
        try:
            record = self.run_folder(robot.id).record()
        except OperationFailed:  # a damaged folder tells nothing
            return robot
        if record is None or record.state != "running" or record.since_ms < robot.started_ms:
            return robot
        changes: dict[str, Any] = {
            "phase": "stopping" if robot.asked_ms else "running", "handle": f"{record.pid} {record.started}", "ended_ms": 0,
            "code": None, "reason": "", "restart_ms": 0,
        }  # fmt: skip
        self.table.update(robot.id, **changes)
        self.note(PLATFORM, "found robot", f"robot {robot.id}", f"process {record.pid}, which had been given up")
        return attrs.evolve(robot, **changes)

    def look(self, robot: Robot) -> ProcessLook:
        """Looks at a robot's process; a node that is gone and a damaged folder make it unknown."""
        try:
            return self._node_of(robot).look(robot.handle, self.run_folder(robot.id))
        except FmzError as error:
            return ProcessLook(alive=None, reason=str(error))

    def press_stop(self, robot_id: int) -> bool:
        """Hands the wish to stop to the process; False when it does not listen yet, or not any more."""
        robot = self.table.get(robot_id)
        wish = {"stop": True, "cancel": robot.cancel, "by": self._asked_by.get(robot_id, PLATFORM.words)}
        try:
            self._node_of(robot).ask(robot.handle, self.run_folder(robot_id), wish)
        except FmzError:
            return False
        return True

    def end(self, robot: Robot, *, kill: bool) -> None:
        """Sends SIGTERM or SIGKILL to a robot's process.

        Raises:
            FmzError: Its node cannot be asked.
        """
        self._node_of(robot).end(robot.handle, self.run_folder(robot.id), kill=kill)

    def is_reachable(self, robot_id: int) -> bool:
        """Whether the robot's node can be asked now."""
        try:
            return self._node_of(self.table.get(robot_id)).facts().online
        except FmzError:
            return False

    def ask_state(self, robot: Robot) -> dict[str, Any]:
        """What the running strategy says of itself: status bar, stage of a stop.

        Raises:
            FmzError: It does not answer.
        """
        return self._node_of(robot).ask(robot.handle, self.run_folder(robot.id), {"state": True})

    def restart(self, robot: Robot) -> None:
        """Starts a robot again by policy.

        Raises:
            FmzError: It could not be started.
        """
        robot = self.table.get(robot.id, with_args=True)
        self.table.update(robot.id, restart_ms=0, restarts=robot.restarts + 1)
        self._start(attrs.evolve(robot, restarts=robot.restarts + 1), self._metas.get(robot.id, ()))

    def with_free_folder(self, robot: Robot) -> Robot:
        """A robot that was added just now, with another number if a folder that somebody copied lies where its own would."""
        while self.run_folder(robot.id).path.exists():
            self.table.withdraw(robot.id)
            robot = self.table.create(robot.settings, robot.owner_id)
        return robot

    def note(self, actor: Actor, what: str, target: str, detail: str, *, done: bool = True) -> None:
        """Adds to the audit trail; a full disk must not make what was done look as if it had failed."""
        try:
            self._audit.add(actor, what, target, detail, done=done)
        except OperationFailed as error:
            _log.error("not in the audit trail: %s by %s, %s: %s", what, actor.name, target, error)

    def _node_of(self, robot: Robot) -> Node:
        return self._node(robot.node_id if robot.node_id > 0 else robot.settings.node_id)[1]

    def _changed(self, actor: Actor, robot: Robot, settings: RobotSettings) -> RobotSettings:
        """New settings with the stored secrets where ``***`` stands, and the strategy as it was."""
        stored = {(row[0], *row[2:]): row[1] for row in robot.settings.args}
        args = tuple(
            (row[0], stored.get((row[0], *row[2:]), row[1]), *row[2:]) if row[1] == HIDDEN else row for row in settings.args
        )  # fmt: skip
        settings = attrs.evolve(settings, args=args, strategy_id=robot.settings.strategy_id)
        if actor.role != "owner" and attrs.evolve(settings, args=()) != attrs.evolve(robot.settings, args=()):
            actor.check_owner("change more than a robot's arguments")
        return settings

    def _refuse_if_alive(self, robot: Robot) -> None:
        settled = self.settle(robot)
        if settled.phase in ALIVE:
            raise AlreadyRuns(f"robot {robot.id} is {settled.phase}")

    def _start(self, robot: Robot, metas: Sequence[Mapping[str, str]]) -> None:
        folder = self.run_folder(robot.id)
        node_id, node = self._node(robot.settings.node_id)
        order = self._orders.make(robot, folder.path, metas)
        with contextlib.suppress(OperationFailed):
            record = folder.record()
            if record is not None and record.state == "running":
                raise AlreadyRuns(f"a run lives in the folder of robot {robot.id}: process {record.pid}")
        self._keep_metas(robot.id, metas)
        began = {"phase": "starting", "started_ms": self.now_ms(), "ended_ms": 0, "asked_ms": 0, "cancel": 0, "code": None, "reason": "",
                 "node_id": node_id, "handle": ""}  # fmt: skip
        self.table.update(robot.id, **began)
        try:
            handle = node.start(order)
        except OutcomeUnknown:
            raise
        except FmzError as error:
            self.table.update(robot.id, phase="failed", ended_ms=self.now_ms(), reason=str(error)[:500])
            raise
        # The process is there: from here on nothing may fail for the caller, or the robot would be started twice.
        self.table.keep(robot.id, handle=handle)
        self.keep_settings(robot.settings, folder.path)

    def _keep_metas(self, robot_id: int, metas: Sequence[Mapping[str, str]]) -> None:
        with self._guard:
            if metas:
                self._metas[robot_id] = [dict(meta) for meta in metas]
            else:
                self._metas.pop(robot_id, None)

    def _restart_changes(self, robot: Robot, phase: str) -> dict[str, Any]:
        policy = robot.settings.restart
        wanted = (policy.mode == "always" and phase in {"exited", "failed"}) or (
            policy.mode == "failed" and phase == "failed"
        )
        if not wanted:
            return {}
        in_a_row = 0 if self.now_ms() - robot.started_ms > 600_000 else robot.restarts
        if policy.most and in_a_row >= policy.most:
            return {"restart_ms": 0}
        pause_s = min(policy.pause_s * 2 ** min(in_a_row, 30), policy.longest_pause_s)
        return {"restart_ms": self.now_ms() + int(pause_s * 1000), "restarts": in_a_row}


def _ended_as(robot: Robot, look: ProcessLook) -> tuple[str, str]:
    """The phase after an end, and the text of the alarm; empty for none."""
    reason = look.reason or ("killed" if look.code is None else f"exit code {look.code}")
    if robot.asked_ms:
        forced = "by force" in reason or (look.code is None and "killed" in reason)
        return "stopped", f"ended by force at its stop: {reason}" if forced else ""
    if look.code == 0:
        return "exited", ""
    if look.code == 130:
        return "stopped", f"stopped by a signal that the platform did not send: {reason}"
    return "failed", f"ended abnormally: {reason}"
