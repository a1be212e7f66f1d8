"""What a journal is made of: lines, points of the profit curve and of charts, the status text; and what a sink of them must have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import attrs

from ...charts.points import ChartEntry
from ...exchange.holdings import HoldingsSample

__all__ = ["Entry", "Kind", "Line", "Mark", "ProfitPoint", "Reset", "Sink", "StatusText", "Vacuum"]

Kind = Literal["log", "error", "profit", "buy", "sell", "cancel", "restart"]


@attrs.frozen(kw_only=True)
class Line:
    """One row of the log.

    Attributes:
        number: Counts up from 1 within a journal; the order in which the lines were written.
        time_ms: When, in milliseconds since the epoch (UTC), by the strategy's clock.
        kind: What it is.
        text: The rendered arguments without their markup; ``[trans]`` and back-ticked blocks are still in it.
        color: ``#rrggbb`` or empty.
        push: Whether ``@`` asked for a push message. This journal only records the wish; a sink may act on it.
        private: Whether ``&`` hides the line from others.
        source: Where an error came from: an exchange's label, or a function's name; empty where unknown.
        label: The exchange's label of an order line; empty elsewhere.
        symbol: The symbol of an order line; empty elsewhere and where it is not known.
        price: An order line's price: -1 for a market order, 0 for a cancellation; None in other lines.
        amount: An order line's amount, 0 for a cancellation; None in other lines.
        order_id: An order line's id; empty elsewhere.
        profit: A profit line's value; None elsewhere.
    """

    number: int
    time_ms: int
    kind: Kind
    text: str
    color: str = ""
    push: bool = False
    private: bool = False
    source: str = ""
    label: str = ""
    symbol: str = ""
    price: float | None = None
    amount: float | None = None
    order_id: str = ""
    profit: float | None = None


@attrs.frozen(kw_only=True)
class UnstoredLine(Line):
    """A row of the log that is shown, but not stored: one that was written while ``EnableLogLocal(False)`` held."""


@attrs.frozen
class ProfitPoint:
    """One point of the profit curve: when, in milliseconds since the epoch (UTC), and how much."""

    time_ms: int
    value: float


@attrs.frozen
class StatusText:
    """The status bar's new text, which replaces the old one."""

    text: str


@attrs.frozen
class Reset:
    """The order to forget all lines, or all points of the profit curve, but the newest ``remain``."""

    table: Literal["log", "profit"]
    remain: int


@attrs.frozen
class Vacuum:
    """The order to give the space of deleted lines back to the system."""


@attrs.frozen
class Mark:
    """The order to note, with the entries before it, that those of a file are stored up to a number; see ``spill.py``.

    Attributes:
        name: The file's name.
        number: The number; -1 when the file is gone.
    """

    name: str
    number: int


Entry = Line | ProfitPoint | StatusText | Reset | Vacuum | ChartEntry | HoldingsSample | Mark


class Sink(Protocol):
    """Where a journal's entries go. Called by one thread at a time, which may be slow: no strategy waits for it."""

    def write(self, batch: Sequence[Entry]) -> None:
        """Takes entries in the order in which they were made, and returns when they are written.

        Of the status texts that came close together, only the newest may be among them. A ``Vacuum`` comes alone.

        Raises:
            OperationFailed: Nothing of the batch was written; it is handed over again a little later.
            Exception: The batch is lost; the next one is handed over all the same.
        """

    def close(self) -> None:
        """Writes what is pending, and lets go of files; a later ``write`` opens them again."""
