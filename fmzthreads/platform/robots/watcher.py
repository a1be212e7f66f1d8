"""Watches the robots: notes ends, presses stops, restarts by policy, raises alarms. One thread; a robot in trouble does not stop the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import attrs

from ...clock import Waker
from ...errors import FmzError, OperationFailed
from ...strategy.log.log_database import store_left_lines
from ..access import PLATFORM
from ..nodes.node import ProcessLook
from ..store.robot_table import Robot
from .lives import ALIVE, RobotLives
from .tables import PushRow, RobotTables

__all__ = ["RobotWatcher"]

_log = logging.getLogger("fmzthreads.platform")
_LOOK_S = 1.0
_AWAY_MS = 60_000  # a node that cannot be asked for so long raises an alarm
_MOST_PUSHES = 200  # of one robot in one round


class RobotWatcher:
    """The watcher.

    Args:
        lives: The robots.
        tables: Reads their folders.
        push: Takes the lines of a robot that are to be pushed; returns when they are queued.
        tell: Takes alarms: the robot and the text.
        pause_s: How long it sleeps between two rounds, in seconds.
    """

    def __init__(
        self,
        lives: RobotLives,
        tables: RobotTables,
        push: Callable[[Robot, list[PushRow]], None],
        tell: Callable[[Robot, str], None],
        pause_s: float = _LOOK_S,
    ) -> None:
        self._lives = lives
        self._tables = tables
        self._push = push
        self._tell = tell
        self._pause_s = pause_s
        self._lock = threading.Lock()  # guards _looks
        self._looks: dict[int, tuple[ProcessLook, int]] = {}
        # Of the watcher's thread only.
        self._away_since: dict[int, int] = {}
        self._terminated: dict[int, tuple[int, int]] = {}  # robot -> (asked_ms, when SIGTERM was sent)
        self._end = threading.Event()
        self._bell = Waker()
        self._thread: threading.Thread | None = None
        lives.on_end = self._note_end

    def start(self) -> None:
        """Begins to watch, in a thread of its own, which first adopts the robots of an earlier platform.

        It is not waited for: a node that does not answer must not keep the platform from being served, and states are read when they are shown.
        """
        self._thread = threading.Thread(target=self._run, name="fmzthreads-watcher", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the watcher; the robots go on."""
        self._end.set()
        self._bell.wake()
        if self._thread is not None:
            self._thread.join(10.0)

    def watched(self, robot_id: int) -> tuple[ProcessLook, int] | None:
        """What was seen last of a robot's process, and when; None if it was not looked at yet."""
        with self._lock:
            return self._looks.get(robot_id)

    def _run(self) -> None:
        while not self._end.is_set():
            self.look_round()
            self._bell.sleep(self._pause_s)

    def look_round(self) -> None:
        """Looks at each robot once."""
        try:
            robots = self._lives.table.all()
        except OperationFailed as error:  # a full disk, a locked file: the next round may work
            _log.error("the robots cannot be listed: %s", error)
            return
        for robot in robots:
            if robot.phase not in ALIVE and not robot.restart_ms and not self._lives.may_be_found_late(robot):
                continue
            try:
                self._look_at(robot.id)
            except FmzError as error:
                _log.warning("robot %s: %s", robot.id, error)
            except Exception:  # the thread must go on with the other robots; the log says what it was
                _log.exception("robot %s", robot.id)

    def _look_at(self, robot_id: int) -> None:
        try:
            with self._lives.alone(robot_id, timeout_s=0.0):
                robot = self._lives.table.get(robot_id)
                if robot.phase in ALIVE:
                    self._note_look(robot)
                robot = self._lives.settle(robot)
                if robot.phase in ALIVE:
                    self._press(robot)
                    self._read_tables(robot)
                if robot.phase not in ALIVE and 0 < robot.restart_ms <= self._lives.now_ms():
                    self._restart(robot)
        except OperationFailed as error:
            if "somebody else" not in str(error):
                raise

    def _note_look(self, robot: Robot) -> None:
        look, now = self._lives.look(robot), self._lives.now_ms()
        if look.alive is None:
            since = self._away_since.setdefault(robot.id, now)
            if now - since >= _AWAY_MS and not robot.alarm:
                self._alarm(robot, f"its state cannot be read: {look.reason}")
        else:
            self._away_since.pop(robot.id, None)
            with self._lock:
                self._looks[robot.id] = (look, now)

    def _read_tables(self, robot: Robot) -> None:
        """Collects pushes and watches for silence; a damaged database raises an alarm, and hides nothing else."""
        try:
            self._collect_pushes(robot)
            self._watch_silence(robot, self._lives.now_ms())
        except OperationFailed as error:
            if not self._lives.table.get(robot.id).alarm:
                self._alarm(robot, str(error))

    def _watch_silence(self, robot: Robot, now: int) -> None:
        limit_ms = robot.settings.limits.silent_s * 1000
        if not limit_ms or self._lives.table.get(robot.id).alarm or robot.phase == "stopping":
            return
        last_ms = self._tables.last(self._lives.run_folder(robot.id).database)[1]
        if now - max(last_ms, robot.started_ms) > limit_ms:
            self._alarm(robot, f"silent: no log line for {robot.settings.limits.silent_s:g} s")

    def _collect_pushes(self, robot: Robot) -> None:
        path = self._lives.run_folder(robot.id).database
        number = robot.pushed_id
        while True:
            rows = self._tables.pushes_after(path, number, limit=_MOST_PUSHES)
            if rows:
                self._push(robot, rows)
                number = rows[-1].id
                self._lives.table.update(robot.id, pushed_id=number)
            if len(rows) < _MOST_PUSHES:
                return

    def _press(self, robot: Robot) -> None:
        """Brings a stop forward: asks again, then SIGTERM, then SIGKILL."""
        if robot.phase != "stopping":
            return
        now, limits = self._lives.now_ms(), robot.settings.limits
        if now - robot.asked_ms < limits.stop_s * 1000:
            self._lives.press_stop(robot.id)
            return
        asked, terminated = self._terminated.get(robot.id, (0, 0))
        if asked != robot.asked_ms:
            self._terminated[robot.id] = (robot.asked_ms, now)
            self._lives.note(PLATFORM, "SIGTERM", f"robot {robot.id}", f"not stopped within {limits.stop_s:g} s")
            self._lives.end(robot, kill=False)
        elif now - terminated >= limits.kill_s * 1000:
            self._lives.note(PLATFORM, "SIGKILL", f"robot {robot.id}", f"not ended {limits.kill_s:g} s after SIGTERM")
            self._lives.end(robot, kill=True)

    def _note_end(self, robot: Robot) -> None:
        """Called under the robot's lock by the thread that sees first that it has ended."""
        try:
            # One that was killed has left its last lines beside its database.
            store_left_lines(self._lives.run_folder(robot.id).database)
            self._collect_pushes(robot)
        except OperationFailed as error:  # a damaged database must not hide the end
            _log.warning("robot %s: its last lines cannot be stored, or its last pushes not read: %s", robot.id, error)
        with self._lock:
            self._looks.pop(robot.id, None)
        self._lives.note(PLATFORM, "robot ended", f"robot {robot.id}", f"{robot.phase}: {robot.reason}")
        if robot.alarm:
            self._tell(robot, robot.alarm)

    def _restart(self, robot: Robot) -> None:
        self._lives.note(
            PLATFORM, "restart robot", f"robot {robot.id}", f"by policy, number {robot.restarts + 1} in a row"
        )
        try:
            self._lives.restart(robot)
        except FmzError as error:
            self._alarm(self._lives.table.get(robot.id), f"it could not be restarted: {error}")

    def _alarm(self, robot: Robot, text: str) -> None:
        self._lives.table.update(robot.id, alarm=text[:500], alarm_ms=self._lives.now_ms())
        self._tell(attrs.evolve(robot, alarm=text), text)
