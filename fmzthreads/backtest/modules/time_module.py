"""The module ``time`` on a backtest's clock: ``time``, ``sleep``, ``monotonic``, ``perf_counter``, and local times in the run's zone."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, tzinfo
from types import ModuleType
from typing import Any

from .clock import SimulatedClock

__all__ = ["local_time", "time_module"]


def local_time(seconds: float, zone: tzinfo) -> time.struct_time:
    """What ``time.localtime`` answers in a zone.

    Raises:
        OverflowError, ValueError: It is out of the range of the calendar.
    """
    if zone is UTC:
        return time.gmtime(seconds)
    whole = int(seconds // 1)
    try:
        moment = datetime.fromtimestamp(whole, zone)
        offset = moment.utcoffset() or timedelta(0)
        name, summer = moment.tzname() or "", bool(moment.dst())
    except (OverflowError, ValueError, OSError):  # beyond the year 9999, where zones know nothing
        offset, name, summer = zone.utcoffset(datetime(2000, 1, 1)) or timedelta(0), "", False
    found = time.gmtime(whole + int(offset.total_seconds()))
    return time.struct_time((*found[:8], int(summer), name, int(offset.total_seconds())))


def time_module(clock: SimulatedClock, zone: tzinfo) -> ModuleType:
    """The module; everything that it does not replace is that of Python.

    Args:
        clock: The backtest's clock.
        zone: The time zone of local times.
    """
    module = ModuleType("time", time.__doc__)
    vars(module).update({name: value for name, value in vars(time).items() if name not in {"__loader__", "__spec__"}})
    start_ms = clock.now_ms

    def _now() -> float:
        """The time in seconds since the epoch, by the backtest's clock."""
        return clock.now_ms / 1000

    def _sleep(seconds: float) -> None:
        """Moves the backtest's clock on by so many seconds."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        clock.sleep(seconds * 1000)

    def _local(seconds: float | None = None) -> time.struct_time:
        """Local time in the zone of the backtest."""
        return local_time(_now() if seconds is None else seconds, zone)

    def _utc(seconds: float | None = None) -> time.struct_time:
        """The time of UTC."""
        return time.gmtime(_now() if seconds is None else seconds)

    def _monotonic() -> float:
        """Seconds since the start of the backtest."""
        return (clock.now_ms - start_ms) / 1000

    def _seconds_of(when: Any) -> float:
        """The seconds since the epoch of a local time in the zone of the backtest."""
        year, month, day, hour, minute, second = when[:6]
        moment = datetime(year, month, 1) + timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second)
        return moment.replace(tzinfo=zone).timestamp()

    clocks = {
        getattr(time, f"CLOCK_{name}", None): read
        for name, read in (
            ("REALTIME", _now), ("TAI", _now), ("MONOTONIC", _monotonic), ("MONOTONIC_RAW", _monotonic), ("BOOTTIME", _monotonic)
        )
    }  # fmt: skip

    def _gettime(number: int) -> float:
        """The time of one of the system's clocks; those of processor time are real."""
        return clocks[number]() if number in clocks else time.clock_gettime(number)

    vars(module).update(
        time=_now,
        time_ns=lambda: clock.now_ms * 1_000_000,
        sleep=_sleep,
        monotonic=_monotonic,
        monotonic_ns=lambda: (clock.now_ms - start_ms) * 1_000_000,
        clock_gettime=_gettime,
        clock_gettime_ns=lambda number: (
            round(_gettime(number) * 1000) * 1_000_000 if number in clocks else time.clock_gettime_ns(number)
        ),
        perf_counter=_monotonic,
        perf_counter_ns=lambda: (clock.now_ms - start_ms) * 1_000_000,
        localtime=_local,
        gmtime=_utc,
        mktime=_seconds_of,
        ctime=lambda seconds=None: time.asctime(_local(seconds)),
        asctime=lambda when=None: time.asctime(_local() if when is None else when),
        strftime=lambda form, when=None: time.strftime(form, _local() if when is None else when),
    )
    here = _local()
    vars(module).update(
        timezone=-(here.tm_gmtoff or 0) + (3600 if here.tm_isdst > 0 else 0),
        altzone=-(here.tm_gmtoff or 0),
        tzname=(here.tm_zone or "UTC", here.tm_zone or "UTC"),
        daylight=int(here.tm_isdst > 0),
        tzset=lambda: None,
    )
    return module
