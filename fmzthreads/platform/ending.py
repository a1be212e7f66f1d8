"""The end of a platform that takes its robots with it, as in a container."""

from __future__ import annotations

import logging

from ..clock import Clock, WallClock
from ..errors import FmzError
from .access import PLATFORM
from .robots.lives import ALIVE
from .service import Platform

__all__ = ["stop_robots"]

_log = logging.getLogger("fmzthreads.platform")
_LOOK_S = 0.2


def stop_robots(platform: Platform, seconds: float, clock: Clock | None = None) -> int:
    """Asks all robots to stop, and waits for them: their open orders are cancelled, then ``onexit`` runs.

    Args:
        platform: The platform; it still watches.
        seconds: How long to wait; those that still run then get SIGTERM. A KeyboardInterrupt ends the wait.
        clock: Measures the wait.

    Returns:
        How many had not ended by themselves.
    """
    clock = clock or WallClock()
    asked: list[int] = []
    try:
        _ask(platform, asked)
        deadline = clock.monotonic() + seconds
        while clock.monotonic() < deadline and any(_runs(platform, number) for number in asked):
            clock.sleep(_LOOK_S)
    except KeyboardInterrupt:
        _log.warning("a second signal: robots that still run get SIGTERM")
    left = [number for number in asked if _runs(platform, number)]
    for number in left:
        try:
            platform.lives.end(platform.lives.table.get(number), kill=False)
        except FmzError as error:  # there is nothing more that can be done
            _log.warning("robot %d cannot be ended: %s", number, error)
    return len(left)


def _ask(platform: Platform, asked: list[int]) -> None:
    """Asks each robot, and puts the numbers of those that were asked into a list."""
    for robot in platform.lives.table.all():
        if robot.phase in ALIVE or robot.restart_ms:
            try:
                platform.lives.stop(PLATFORM, robot.id, cancel=True)
                asked.append(robot.id)
            except FmzError as error:  # it ended just now, or its node is away: the others are asked all the same
                _log.warning("robot %d cannot be stopped: %s", robot.id, error)


def _runs(platform: Platform, number: int) -> bool:
    """Looks at the process itself, and notes its end."""
    try:
        with platform.lives.alone(number):
            return platform.lives.settle(platform.lives.table.get(number)).phase in ALIVE
    except FmzError:  # held by the watcher just now, or deleted meanwhile
        return any(one.id == number and one.phase in ALIVE for one in platform.lives.table.all())
