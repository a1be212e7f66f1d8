"""Hosts of streams that remember what they were told."""

from __future__ import annotations

from fmzthreads.clock import Clock, WallClock

__all__ = ["Journal", "StrictJournal"]


class Journal:
    """Keeps errors and warnings."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock if clock is not None else WallClock()
        self.errors: list[str] = []
        self.warnings: list[str] = []

    def error(self, text: str, *, source: str) -> None:
        self.errors.append(text)

    def warning(self, text: str, *, source: str) -> None:
        self.warnings.append(text)


class StrictJournal(Journal):
    """Where no warning is to come."""

    def warning(self, text: str, *, source: str) -> None:
        raise AssertionError(text)
