"""Helpers of the strategy room's tests: a runtime that shows nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fmzthreads.clock import Clock
from fmzthreads.strategy.log.lines import Entry, Line, ProfitPoint, Reset, StatusText, UnstoredLine, Vacuum
from fmzthreads.strategy.runtime import Runtime, use
from fmzthreads.strategy.store import Store

__all__ = ["Collector", "quiet_runtime"]


_NAMES = {
    Line: "line",
    UnstoredLine: "line",
    ProfitPoint: "profit",
    StatusText: "status",
    Reset: "reset",
    Vacuum: "vacuum",
}


class Collector:
    """A sink that keeps what it was given, in the order in which it came."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []

    def write(self, batch: Sequence[Entry]) -> None:
        self.seen += [
            (_NAMES[type(entry)], getattr(entry, "text", entry) if isinstance(entry, StatusText) else entry)
            for entry in batch
        ]

    def lines(self) -> list[Line]:
        return [entry for entry in (each for _, each in self.seen) if isinstance(entry, Line)]

    def close(self) -> None:
        self.seen.append(("close", None))


@contextmanager
def quiet_runtime(clock: Clock | None = None, **options: Any) -> Iterator[Runtime]:
    """A runtime in the process's place that prints nothing and keeps its values in memory (unless told otherwise)."""
    if "database" not in options:
        options.setdefault("store", Store())
    runtime = Runtime(clock, console=False, name="test", **options)
    with use(runtime):
        try:
            yield runtime
        finally:
            runtime.close()
