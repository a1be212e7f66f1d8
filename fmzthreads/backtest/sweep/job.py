"""One backtest of a sweep, and what came of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["WORKER_DIED", "Job", "Score", "job_key"]

WORKER_DIED = "the worker process died (out of memory, or killed)"
"""The error of a backtest that says nothing of the backtest itself: a journal does not keep it, so that it is tried again."""


@attrs.frozen
class Job:
    """One backtest.

    Attributes:
        args: The values of the parameters.
        start_ms: Where it starts, in milliseconds since the epoch; None for the start of the settings.
        end_ms: Where it ends; None for the end of the settings.
    """

    args: Mapping[str, Any]
    start_ms: int | None = None
    end_ms: int | None = None

    @property
    def key(self) -> str:
        """A text that is the same for the same backtest."""
        return job_key(self.args, self.start_ms, self.end_ms)


def job_key(args: Mapping[str, Any], start_ms: int | None, end_ms: int | None) -> str:
    """A text that names a backtest of a sweep: its arguments and its time."""
    return json.dumps([dict(sorted(args.items())), start_ms, end_ms], sort_keys=True, separators=(",", ":"))


def _finite(figures: Mapping[str, float | None]) -> Mapping[str, float | None]:
    return {name: None if value is None or not math.isfinite(value) else value for name, value in figures.items()}


@attrs.frozen
class Score:
    """What came of one backtest.

    Attributes:
        job: The backtest.
        figures: Its figures by name; None where one is undefined, which infinite ones and NaN become.
        error: Why it failed; empty when it did not.
    """

    job: Job
    figures: Mapping[str, float | None] = attrs.field(factory=dict, converter=_finite)
    error: str = ""

    def rank(self, objective: str, *, largest: bool = True) -> tuple[int, float]:
        """What scores are sorted by: the best first, then undefined ones, failed runs last.

        Args:
            objective: The name of the figure.
            largest: Whether a larger figure is better.
        """
        if self.error:
            return 2, 0.0
        value = self.figures.get(objective)
        if value is None:
            return 1, 0.0
        return 0, -value if largest else value
