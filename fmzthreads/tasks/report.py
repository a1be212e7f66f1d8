"""The results of a run: one row per task, and a table of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from ..errors import excerpt

if TYPE_CHECKING:
    from .handle import Handle
    from .task import Task

__all__ = ["Report", "ReportRow", "RunRecord", "Status"]

Status = Literal["waiting", "ok", "failed", "timed out", "cancelled", "not started"]


class ReportRow:
    """The result of one task.

    Attributes:
        task: The task.
        exchange: The exchange's label, or its place in the queue's list.
        status: ``ok``: called, and its result assigned. ``failed``: the call failed, or assigning its result raised. ``timed out``: the
            call did not end in time; nothing was or will be assigned. ``cancelled``: the call was cancelled before it started, or the
            run was cut by a stop. ``not started``: a task in ``after`` was not ok, or the run's time was up before.
        error: Why it is not ok; None for a time-out.
        value: The result of an ok task (and of one whose assignment raised).
        bound: Whether the result was assigned.
        late: Whether the call ended after its task had timed out (set at that moment, which may be after the run).
        started_at: When the call started, in seconds of the clock's ``monotonic``; with a gate, when the gate released it. None if never.
        finished_at: When the call ended; None before.
        start_skew_ms: How much later it started than the first task of the run.
        handle: The call; None when it was never started. ``row.handle.wait()`` gives the result of a late one, such as the id of an
            order that was placed after all; that of an ok row is taken.
        follows: Whether it was not started because another task of the same run was not ok.
        looked_at: Whether the caller has read this row from the report. A row that is not ok and was not read has an error line.
        line_token: Holds one element until that line is written.
    """

    __slots__ = (
        "__weakref__", "bound", "error", "exchange", "finished_at", "follows", "handle", "late", "line_token", "looked_at",
        "start_skew_ms", "started_at", "status", "task", "value",
    )  # fmt: skip

    def __init__(
        self,
        *,
        task: Task,
        exchange: str,
        status: Status = "waiting",
        error: BaseException | None = None,
        value: Any = None,
        bound: bool = False,
        late: bool = False,
        started_at: float | None = None,
        finished_at: float | None = None,
        start_skew_ms: float | None = None,
        handle: Handle[Any] | None = None,
        follows: bool = False,
    ) -> None:
        self.task = task
        self.exchange = exchange
        self.status = status
        self.error = error
        self.value = value
        self.bound = bound
        self.late = late
        self.started_at = started_at
        self.finished_at = finished_at
        self.start_skew_ms = start_skew_ms
        self.handle = handle
        self.follows = follows
        self.looked_at = False
        self.line_token: list[None] = [None]

    @property
    def ok(self) -> bool:
        """Whether its result was obtained, and bound if it has a place."""
        return self.status == "ok"

    def __repr__(self) -> str:
        """The task and its result."""
        return (
            f"ReportRow(task={self.task!r}, exchange={self.exchange!r}, status={self.status!r}, error={self.error!r},"
            f" value={self.value!r}, bound={self.bound!r}, late={self.late!r}, started_at={self.started_at!r},"
            f" finished_at={self.finished_at!r}, start_skew_ms={self.start_skew_ms!r})"
        )

    @property
    def duration_ms(self) -> float | None:
        """From start to end of the call, in milliseconds."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at) * 1000


class RunRecord:
    """The rows of a run, and when it began and ended, in seconds of ``monotonic``."""

    __slots__ = ("began_at", "ended_at", "rows")

    def __init__(self, *, rows: list[ReportRow], began_at: float, ended_at: float | None = None) -> None:
        self.rows = rows
        self.began_at = began_at
        self.ended_at = ended_at

    def note_skews(self) -> None:
        """Fills in ``start_skew_ms`` of the rows."""
        first = min((row.started_at for row in self.rows if row.started_at is not None), default=None)
        for row in self.rows:
            if row.started_at is not None and first is not None:
                row.start_skew_ms = (row.started_at - first) * 1000


class Report(Sequence[ReportRow]):
    """The rows of one run, in the order in which the tasks were pushed.

    A row that is not ok writes one error line when the report is garbage-collected, unless the caller has read the row: by ``rows``, by index,
    by iterating, by ``of``, or by printing the report. ``ok``, ``values`` and ``stats`` do not count as reading.

    Args:
        record: The run.
    """

    __slots__ = ("__weakref__", "_record")

    def __init__(self, record: RunRecord) -> None:
        self._record = record

    @property
    def rows(self) -> list[ReportRow]:
        """All rows; marks them as read."""
        for row in self._record.rows:
            row.looked_at = True
        return list(self._record.rows)

    @property
    def values(self) -> list[Any]:
        """The result of each task, None where it is not ok."""
        return [row.value if row.ok else None for row in self._record.rows]

    @property
    def began_at(self) -> float:
        """When the run began, in seconds of the clock's ``monotonic``."""
        return self._record.began_at

    @property
    def ended_at(self) -> float | None:
        """When the run ended; None while it is running."""
        return self._record.ended_at

    @overload
    def __getitem__(self, index: int) -> ReportRow: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ReportRow]: ...
    def __getitem__(self, index: int | slice) -> ReportRow | Sequence[ReportRow]:
        """Returns a row by its index; marks it as read."""
        found = self._record.rows[index]
        for row in found if isinstance(found, list) else [found]:
            row.looked_at = True
        return found

    def __len__(self) -> int:
        """The number of tasks."""
        return len(self._record.rows)

    def of(self, task: Task) -> ReportRow:
        """Returns the row of a task; marks it as read.

        Raises:
            KeyError: The task was not part of this run.
        """
        for row in self._record.rows:
            if row.task is task:
                row.looked_at = True
                return row
        raise KeyError(f"{task!r} was not part of this run")

    @property
    def ok(self) -> bool:
        """Whether all tasks are ok (so are those of an empty run)."""
        return all(row.ok for row in self._record.rows)

    @property
    def late(self) -> int:
        """How many results arrived after their task had timed out; may grow after the run."""
        return sum(row.late for row in self._record.rows)

    @property
    def stats(self) -> dict[str, int]:
        """The number of tasks by status; only statuses that occur."""
        found: dict[str, int] = {}
        for row in self._record.rows:
            found[row.status] = found.get(row.status, 0) + 1
        return found

    @property
    def start_skew_ms(self) -> float:
        """Time between the first and the last start of a call, in ms; 0 for fewer than two."""
        starts = [row.started_at for row in self._record.rows if row.started_at is not None]
        return (max(starts) - min(starts)) * 1000 if starts else 0.0

    @property
    def end_skew_ms(self) -> float:
        """Time between the first and the last ok result, in ms; 0 for fewer than two."""
        ends = [row.finished_at for row in self._record.rows if row.ok and row.finished_at is not None]
        return (max(ends) - min(ends)) * 1000 if ends else 0.0

    @property
    def duration_ms(self) -> float | None:
        """The duration of the run in milliseconds; None while it is running."""
        return None if self.ended_at is None else (self.ended_at - self.began_at) * 1000

    def __str__(self) -> str:
        """A table with one line per task, times in ms since the start; marks all rows as read."""
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
