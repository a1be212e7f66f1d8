"""What there is to say about a run: read from its folder, and from the run itself while it lives."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import attrs

from ..errors import OperationFailed
from ..strategy.log.log_database import store_left_lines
from ..strategy.log.reader import LogReader
from ..strategy.log.render import readable
from ..strategy.run.control import ask
from ..strategy.run.folder import ProcessRecord, RunFolder

__all__ = ["RunFacts", "facts_of"]

_LONGEST = 80


@attrs.frozen(kw_only=True)
class RunFacts:
    """A run at one moment.

    Attributes:
        record: Who runs, or ran, there.
        state: ``running``, ``stopping``, ``ended`` or ``killed``.
        last_ms: When the last line was written, in milliseconds since the epoch; 0 without lines.
        last: The last line's text; empty without lines.
        profit: The newest point of the profit curve; None without one.
        status: The status bar's text, for a living run that was asked; empty otherwise.
    """

    record: ProcessRecord
    state: str
    last_ms: int = 0
    last: str = ""
    profit: float | None = None
    status: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The facts for programs; times in milliseconds since the epoch."""
        record = self.record
        return {
            "name": record.name, "state": self.state, "pid": record.pid, "file": record.file, "since_ms": record.since_ms,
            "ended_ms": record.ended_ms, "code": record.code, "reason": record.reason, "profit": self.profit, "last_ms": self.last_ms,
            "last": self.last, "status": self.status,
        }  # fmt: skip

    def row(self) -> tuple[str, str, str, str, str, str]:
        """Name, state, process, begin, profit and last line, for a table."""
        record = self.record
        state = self.state if record.code is None else f"{self.state} ({record.code})"
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.since_ms / 1000))
        last = " ".join(readable(self.last).split())
        pid = str(record.pid) if record.state == "running" else "-"
        profit = "-" if self.profit is None else f"{self.profit:.10g}"
        return record.name, state, pid, since, profit, last if len(last) <= _LONGEST else last[: _LONGEST - 3] + "..."


def facts_of(run: RunFolder, record: ProcessRecord, *, live: bool = False) -> RunFacts:
    """Reads the facts of a run.

    Args:
        run: Its folder.
        record: Who runs there.
        live: Whether to ask the run itself, for its status bar.
    """
    facts = RunFacts(record=record, state=record.state)
    if facts.state != "running":
        with contextlib.suppress(OperationFailed):  # as below
            store_left_lines(run.database)
    if run.database.exists():
        with (
            contextlib.suppress(OperationFailed),
            LogReader(run.database) as reader,
        ):  # a damaged file: the rest is still true
            rows = reader.last(1)
            if rows:
                facts = attrs.evolve(facts, last_ms=rows[0].time_ms, last=rows[0].text)
            points = reader.last_profit()
            facts = attrs.evolve(facts, profit=points)
    if live and facts.state == "running":
        with contextlib.suppress(OperationFailed):  # it ends just now
            reply = ask(run.path, record, {"state": True})
            facts = attrs.evolve(
                facts, status=str(reply.get("status") or ""), state="stopping" if reply.get("stopping") else "running"
            )
    return facts
