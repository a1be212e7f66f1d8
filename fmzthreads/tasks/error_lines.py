"""Error lines of a task queue: one for each unsuccessful task whose report row was never read.

Calls of an exchange object write their own line when they fail. Left to this module are the failures that only the queue knows: a call that
could not be started, a result that could not be assigned, a time-out, a late result, a task that was never started. Their lines are
written when the caller drops the report, because only then is it certain that the rows were not read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..errors import OperationFailed, StopRequested
from .report import ReportRow

__all__ = ["ErrorLines"]


class ErrorLines:
    """Writes the error lines of one run.

    Any thread may call it, the garbage collector included, so it takes no lock: of several that want to write a row's line the one that
    pops the row's token writes it.

    Args:
        rows: The rows, each with the exchange object that it called. An object with a method ``report_error(call, error)`` writes the
            line (and writes one itself for each of its calls that fails); without one, the module ``logging`` does.
    """

    def __init__(self, rows: Sequence[tuple[ReportRow, Any]]) -> None:
        # Imported with the first run and not with each start; and not for the first line, which the garbage collector may write in the
        # middle of an import.
        import logging

        self._log = logging.getLogger(__name__)
        self._rows = rows
        self._dropped = False
        self._process = os.getpid()

    def report_dropped(self) -> None:
        """Writes the lines; called once the caller's report is gone."""
        self._dropped = True  # before looking at the rows: a result that comes late after the look writes its own line
        for row, callee in self._rows:
            self._write(row, callee)

    def came_late(self, row: ReportRow, callee: Any) -> None:
        """Writes the line of a late result, unless the caller may still look at the report."""
        if self._dropped:
            self._write(row, callee)

    def _write(self, row: ReportRow, callee: Any) -> None:
        if row.looked_at or os.getpid() != self._process:
            return  # in the child of a fork: the parent has the same report, and writes the line
        error = _error_of(row, callee)
        if error is None:
            return
        try:
            row.line_token.pop()
        except IndexError:
            return  # its line was written
        report_error = getattr(callee, "report_error", None)
        if report_error is not None:
            report_error(row.task.label, error)
        else:
            self._log.error("exchange %s: %s: %s", row.exchange, row.task.label, error)


def _error_of(row: ReportRow, callee: Any) -> BaseException | None:
    """Returns the error of the line; None when none is needed, or the call has written its own."""
    if isinstance(row.error, StopRequested):
        return None
    if row.status == "failed":
        by_the_call = row.handle is not None and row.error is row.handle.error
        return None if by_the_call and hasattr(callee, "report_error") else row.error
    if row.status == "timed out":
        never = row.handle is not None and row.handle.cancelled
        call = (
            "its call never started" if never else "its result came late" if row.late else "its call is still running"
        )
        return OperationFailed(f"the task timed out: {call}; nothing is assigned")
    if row.status == "cancelled" and row.late:
        return OperationFailed("the task was cancelled: its result came late; nothing is assigned")
    if row.status == "not started" and not row.follows:
        return row.error
    return None
