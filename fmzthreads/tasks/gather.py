"""``gather``: the same call to several exchanges at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

from ..clock import Clock
from .queue import TaskQueue
from .report import Report

__all__ = ["Gathered", "gather"]


class Gathered(Sequence[Any]):
    """The results of one call to several exchanges, in order; None for failures.

    Attributes:
        report: The run that they come from.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        self._values = report.values

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        """The result of an exchange, by its place."""
        return self._values[index]

    def __len__(self) -> int:
        """The number of exchanges that were called."""
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        """The results, in the order of the exchanges."""
        return iter(self._values)

    @property
    def ok(self) -> bool:
        """Whether all calls succeeded."""
        return self.report.ok

    @property
    def start_skew_ms(self) -> float:
        """From the first start of a call to the last, in milliseconds."""
        return self.report.start_skew_ms

    @property
    def end_skew_ms(self) -> float:
        """From the first result to the last, in milliseconds."""
        return self.report.end_skew_ms

    def __str__(self) -> str:
        """The table of the run."""
        return str(self.report)

    def __repr__(self) -> str:
        """The values, and their skew."""
        return f"<Gathered {self._values!r}, start skew {self.start_skew_ms:.2f} ms>"


def gather(
    exchanges: Sequence[Any],
    method: str,
    *args: Any,
    timeout_ms: float | None = None,
    gate: bool = False,
    clock: Clock | None = None,
) -> Gathered:
    """Makes the same call to several exchanges at the same time.

    ``a, b = gather([exchange_a, exchange_b], "GetDepth")``

    Args:
        exchanges: The exchanges to call.
        method: The method's name.
        args: Its arguments.
        timeout_ms: The longest for all, in milliseconds; None or 0 for no limit.
        gate: The requests are prepared first and then written together, so that the results are as close in time as possible; a call that
            is ready is held for one that is not, 250 ms at most.
        clock: Measures and waits; None takes the exchanges' own.

    Returns:
        The results in the order of the exchanges, None where a call was not ok; with their skew, and the report.

    Raises:
        StopRequested: The strategy is being stopped.
        InputError: An argument has the wrong type or value.
    """
    given = list(exchanges)
    queue = TaskQueue(given, {}, clock=clock)
    for index in range(len(given)):
        queue.push(exchange=index, param=[method, *args], gate=gate)
    return Gathered(queue.run(timeout_ms))
