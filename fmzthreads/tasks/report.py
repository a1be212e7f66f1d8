"""What came of the tasks of a run: one row a task, and a table to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import attrs

from ..errors import excerpt

if TYPE_CHECKING:
    from .handle import Handle
    from .task import Task

__all__ = ["Report", "ReportRow", "Status"]

Status = Literal["waiting", "ok", "failed", "timed out", "cancelled", "not started"]


@attrs.define(kw_only=True, eq=False)
class ReportRow:
    """What came of one task.

    Attributes:
        task: The task.
        exchange: The exchange's label, or its place in the queue's list.
        status: ``ok``: called, and its result bound. ``failed``: the call raised or gave no value, or binding the result raised.
            ``timed out``: the time was up first; nothing was or will be assigned. ``cancelled``: somebody cancelled the call before it
            started, or the run was cut by a stop. ``not started``: a task it comes after was not ok, or the time was up before its turn.
        error: Why it is not ok; None for a time-out.
        value: The result of an ok task (and of one whose binding raised).
        bound: Whether the result was assigned.
        late: Whether the call ended after its task had timed out (set when that happens, which may be after the run).
        started_at: When the call started, in seconds of the clock's ``monotonic``; with a gate, when the gate let it go. None if never.
        finished_at: When the call ended; None if it has not (yet).
        start_skew_ms: How much later it started than the first task of the run.
        handle: The call; None when it was never started. What a late one brings, such as the id of an order that was placed after all, is
            had by ``row.handle.wait()``; of an ok row it is taken already.
    """

    task: Task
    exchange: str
    status: Status = "waiting"
    error: BaseException | None = None
    value: Any = None
    bound: bool = False
    late: bool = False
    started_at: float | None = None
    finished_at: float | None = None
    start_skew_ms: float | None = None
    handle: Handle[Any] | None = attrs.field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether its result was obtained, and bound if it has a place."""
        return self.status == "ok"

    @property
    def duration_ms(self) -> float | None:
        """From start to end of the call, in milliseconds."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at) * 1000


class Report(Sequence[ReportRow]):
    """The rows of one run, in the order in which the tasks were pushed.

    Attributes:
        rows: One for each task.
        began_at: When the run began, in seconds of the clock's ``monotonic``.
        ended_at: When it ended.
    """

    def __init__(self, rows: Sequence[ReportRow], began_at: float) -> None:
        self.rows = list(rows)
        self.began_at = began_at
        self.ended_at: float | None = None

    @overload
    def __getitem__(self, index: int) -> ReportRow: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ReportRow]: ...
    def __getitem__(self, index: int | slice) -> ReportRow | Sequence[ReportRow]:
        """A row by its place."""
        return self.rows[index]

    def __len__(self) -> int:
        """How many tasks there were."""
        return len(self.rows)

    def of(self, task: Task) -> ReportRow:
        """The row of a task.

        Raises:
            KeyError: The task was not part of this run.
        """
        for row in self.rows:
            if row.task is task:
                return row
        raise KeyError(f"{task!r} was not part of this run")

    @property
    def ok(self) -> bool:
        """Whether all tasks are ok (so are those of an empty run)."""
        return all(row.ok for row in self.rows)

    @property
    def late(self) -> int:
        """How many results arrived after their task had timed out; grows after the run, as they come in."""
        return sum(row.late for row in self.rows)

    @property
    def stats(self) -> dict[str, int]:
        """How many tasks have each status; only those that occur."""
        found: dict[str, int] = {}
        for row in self.rows:
            found[row.status] = found.get(row.status, 0) + 1
        return found

    @property
    def start_skew_ms(self) -> float:
        """From the first start of a call to the last, in milliseconds; 0 when fewer than two started."""
        starts = [row.started_at for row in self.rows if row.started_at is not None]
        return (max(starts) - min(starts)) * 1000 if starts else 0.0

    @property
    def duration_ms(self) -> float | None:
        """How long the run took, in milliseconds; None while it is under way."""
        return None if self.ended_at is None else (self.ended_at - self.began_at) * 1000

    def note_skews(self) -> None:
        """Fills in ``start_skew_ms`` of the rows."""
        first = min((row.started_at for row in self.rows if row.started_at is not None), default=None)
        for row in self.rows:
            if row.started_at is not None and first is not None:
                row.start_skew_ms = (row.started_at - first) * 1000

    def __str__(self) -> str:
        """A table: a head line, and one line a task with times in milliseconds from the beginning of the run."""
        table = [["#", "exchange", "task", "status", "start ms", "end ms", "skew ms", "error"]]
        table += [self._cells(number, row) for number, row in enumerate(self.rows)]
        widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
        counts = ", ".join(f"{count} {status}" for status, count in self.stats.items()) or "no task"
        took = "" if self.duration_ms is None else f" in {self.duration_ms:.1f} ms"
        late = f", {self.late} late" if self.late else ""
        lines = [f"{counts}{late}{took}, start skew {self.start_skew_ms:.2f} ms"]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        """The numbers of tasks by status."""
        return f"<Report: {self.stats}>"

    def _cells(self, number: int, row: ReportRow) -> list[str]:
        def _since_began(at: float | None) -> str:
            return "" if at is None else f"{(at - self.began_at) * 1000:.2f}"

        return [
            str(number),
            row.exchange,
            row.task.label,
            row.status + (" (late)" if row.late else ""),
            _since_began(row.started_at),
            _since_began(row.finished_at),
            "" if row.start_skew_ms is None else f"{row.start_skew_ms:.2f}",
            "" if row.error is None else excerpt(f"{type(row.error).__name__}: {row.error}", 100),
        ]
