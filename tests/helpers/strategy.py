"""Helpers of the strategy room's tests: a runtime that shows nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fmzthreads.clock import Clock
from fmzthreads.strategy.runtime import Runtime, use
from fmzthreads.strategy.store import Store

__all__ = ["Collector", "quiet_runtime"]


class Collector:
    """A sink that keeps what it was given, in the order in which it came."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []

    def line(self, line: Any) -> None:
        self.seen.append(("line", line))

    def profit(self, point: Any) -> None:
        self.seen.append(("profit", point))

    def status(self, text: str) -> None:
        self.seen.append(("status", text))

    def reset_lines(self, remain: int) -> None:
        self.seen.append(("reset_lines", remain))

    def reset_profit(self, remain: int) -> None:
        self.seen.append(("reset_profit", remain))

    def vacuum(self) -> None:
        self.seen.append(("vacuum", None))

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
