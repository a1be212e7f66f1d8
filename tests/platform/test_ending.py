"""A platform that takes its robots with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fmzthreads.clock import ManualClock
from fmzthreads.platform.ending import stop_robots
from fmzthreads.platform.nodes.node import ProcessLook
from tests.helpers.platforms import fake_platform, owner_of, robot_settings


class CountingClock(ManualClock):
    """A clock that goes on by each sleep and calls something at each."""

    def __init__(self, at_sleep: Any) -> None:
        super().__init__(0.0)
        self.at_sleep = at_sleep

    def sleep(self, seconds: float) -> None:
        self.at_sleep()
        self.advance(seconds)


def test_robots_are_asked_with_cancel_and_waited_for(tmp_path: Path) -> None:
    with fake_platform(tmp_path) as (platform, node):
        numbers = [platform.lives.create(owner_of(platform), robot_settings(platform, name=str(n))) for n in range(3)]
        waiting = list(numbers)

        def one_ends() -> None:
            if waiting:
                handle = platform.lives.table.get(waiting.pop()).handle
                node.looks[handle] = ProcessLook(alive=False, code=0, reason="stopped")

        assert stop_robots(platform, 60.0, CountingClock(one_ends)) == 0
        assert [request for _, request in node.asked if request.get("stop")] == [
            {"stop": True, "cancel": True, "by": "the platform"}
        ] * 3
        assert {platform.lives.table.get(number).phase for number in numbers} == {"stopped"}
        assert node.ended == []


def test_those_that_do_not_end_get_sigterm(tmp_path: Path) -> None:
    with fake_platform(tmp_path) as (platform, node):
        number = platform.lives.create(owner_of(platform), robot_settings(platform))
        idle = platform.lives.create(owner_of(platform), robot_settings(platform, name="idle"), start=False)
        assert stop_robots(platform, 5.0, CountingClock(lambda: None)) == 1
        handle = platform.lives.table.get(number).handle
        assert node.ended == [(handle, False)]
        assert platform.lives.table.get(idle).phase == "idle"


def test_a_second_signal_ends_the_wait(tmp_path: Path) -> None:
    def signal_comes() -> None:
        raise KeyboardInterrupt

    with fake_platform(tmp_path) as (platform, node):
        number = platform.lives.create(owner_of(platform), robot_settings(platform))
        clock = CountingClock(signal_comes)
        assert stop_robots(platform, 60.0, clock) == 1
        assert clock.monotonic() == 0.0
        assert node.ended == [(platform.lives.table.get(number).handle, False)]
