import time
from collections.abc import Callable
from datetime import UTC, timedelta, timezone

import pytest

from fmzthreads.backtest.config.times import zone_of
from fmzthreads.backtest.modules.time_module import local_time, time_module


class HandClock:
    def __init__(self, now_ms: int = 1_704_067_200_000) -> None:
        self.now_ms = now_ms

    def sleep(self, milliseconds: float) -> None:
        self.now_ms += int(milliseconds)

    def call_later(self, ms: float, work: Callable[[], None]) -> None:
        raise NotImplementedError

    def wait(self, done: Callable[[], bool], ms: float | None = None) -> bool:
        self.now_ms += int(ms or 0)
        return done()


def test_time_goes_by_the_clock_and_the_real_module_stays() -> None:
    clock = HandClock()
    module = time_module(clock, UTC)
    real_sleep = time.sleep
    began = time.perf_counter()
    assert module.time() == 1_704_067_200.0
    module.sleep(3600.5)
    assert (module.time(), module.time_ns()) == (1_704_070_800.5, 1_704_070_800_500_000_000)
    assert (module.monotonic(), module.perf_counter()) == (3600.5, 3600.5)
    assert (module.monotonic_ns(), module.perf_counter_ns()) == (3_600_500_000_000, 3_600_500_000_000)
    assert time.perf_counter() - began < 600
    assert time.sleep is real_sleep
    assert module.process_time is time.process_time
    with pytest.raises(ValueError, match="non-negative"):
        module.sleep(-1)


def test_the_clocks_of_the_system_are_simulated_too() -> None:
    clock = HandClock()
    module = time_module(clock, UTC)
    module.sleep(1.25)
    assert module.clock_gettime(time.CLOCK_REALTIME) == module.time()
    assert module.clock_gettime_ns(time.CLOCK_REALTIME) == module.time_ns()
    assert module.clock_gettime(time.CLOCK_MONOTONIC) == 1.25
    assert module.clock_gettime_ns(time.CLOCK_MONOTONIC) == 1_250_000_000
    assert module.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID) > 0


def test_local_times_are_in_the_zone() -> None:
    module = time_module(HandClock(), timezone(timedelta(hours=8)))
    assert module.strftime("%Y-%m-%d %H:%M:%S") == "2024-01-01 08:00:00"
    assert module.localtime()[:6] == (2024, 1, 1, 8, 0, 0)
    assert module.gmtime()[:6] == (2024, 1, 1, 0, 0, 0)
    assert module.mktime(module.localtime()) == module.time()
    assert module.mktime((2024, 1, 32, 8, 0, 0, 0, 0, -1)) == module.time() + 31 * 86_400
    assert module.ctime() == "Mon Jan  1 08:00:00 2024" == module.asctime()
    assert (module.timezone, module.daylight) == (-28_800, 0)
    assert module.strftime("%H", module.gmtime(3600)) == "01"


def test_times_beyond_the_calendar_of_datetime() -> None:
    assert local_time(1_704_844_800_000, UTC).tm_year == 55994
    assert (
        local_time(1_704_844_800_000, zone_of("+08:00", "")).tm_hour
        == (local_time(1_704_844_800_000, UTC).tm_hour + 8) % 24
    )
