"""The module ``datetime`` on a backtest's clock: ``now``, ``utcnow``, ``today``; local times are in the run's zone."""

from __future__ import annotations

import datetime as real
from types import ModuleType
from typing import Any

from .clock import SimulatedClock

__all__ = ["datetime_module"]


def datetime_module(clock: SimulatedClock, zone: real.tzinfo) -> ModuleType:
    """The module; its ``datetime`` and ``date`` are subclasses of Python's, and ``isinstance`` accepts both.

    Args:
        clock: The backtest's clock.
        zone: The time zone of local times.
    """

    class _AcceptsReal(type):
        """Has ``isinstance`` accept the real class, too."""

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, cls.__mro__[1])

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, cls.__mro__[1])

    class _SimulatedDatetime(real.datetime, metaclass=_AcceptsReal):
        """``datetime.datetime`` on the backtest's clock."""

        @classmethod
        def now(cls, tz: real.tzinfo | None = None) -> Any:
            """The time of the backtest; in its zone when ``tz`` is None."""
            return cls.fromtimestamp(clock.now_ms / 1000, tz)

        @classmethod
        def today(cls) -> Any:
            """The time of the backtest in its zone."""
            return cls.now()

        @classmethod
        def utcnow(cls) -> Any:
            """The time of the backtest in UTC, without a zone."""
            return cls.fromtimestamp(clock.now_ms / 1000, real.UTC).replace(tzinfo=None)

        @classmethod
        def utcfromtimestamp(cls, timestamp: float) -> Any:
            """A time in UTC, without a zone."""
            return cls.fromtimestamp(timestamp, real.UTC).replace(tzinfo=None)

        @classmethod
        def fromtimestamp(cls, timestamp: float, tz: real.tzinfo | None = None) -> Any:
            """A time; in the backtest's zone, without naming it, when ``tz`` is None."""
            found = super().fromtimestamp(timestamp, zone if tz is None else tz)
            return found.replace(tzinfo=None) if tz is None else found

        def timestamp(self) -> float:
            """Seconds since the epoch; a time without a zone is in that of the backtest."""
            if self.tzinfo is None:
                return real.datetime.combine(self.date(), self.time(), zone).timestamp()
            return super().timestamp()

        def astimezone(self, tz: real.tzinfo | None = None) -> Any:
            """The same time in another zone; a time without a zone is in that of the backtest."""
            named = self.replace(tzinfo=zone) if self.tzinfo is None else self
            return super(_SimulatedDatetime, named).astimezone(zone if tz is None else tz)

    class _SimulatedDate(real.date, metaclass=_AcceptsReal):
        """``datetime.date`` on the backtest's clock."""

        @classmethod
        def today(cls) -> Any:
            """The day of the backtest in its zone."""
            moment = _SimulatedDatetime.now()
            return cls(moment.year, moment.month, moment.day)

        @classmethod
        def fromtimestamp(cls, timestamp: float) -> Any:
            """The day of a time in the backtest's zone."""
            moment = _SimulatedDatetime.fromtimestamp(timestamp)
            return cls(moment.year, moment.month, moment.day)

    module = ModuleType("datetime", real.__doc__)
    vars(module).update({name: value for name, value in vars(real).items() if name not in {"__loader__", "__spec__"}})
    for name, own in (("datetime", _SimulatedDatetime), ("date", _SimulatedDate)):
        own.__module__, own.__name__, own.__qualname__ = "datetime", name, name
        setattr(module, name, own)
    return module
