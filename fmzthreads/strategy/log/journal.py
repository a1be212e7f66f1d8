"""A strategy's journal: the lines of the log family, of orders and of errors.

Any thread may write; lines get their number and reach every sink in one order. Registered secrets are removed from a line
first. A sink that fails (a closed terminal, a full disk) never stops the strategy: the failure is reported once on stderr and counted, and
the other sinks continue.
"""

from __future__ import annotations

import re
import sys
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any, Literal, Protocol, TypeVar

import attrs

from ...arguments import whole_number
from ...clock import Clock
from ...constants import LOG_TYPE_BUY, LOG_TYPE_CANCEL, LOG_TYPE_SELL
from ...errors import InputError, short_repr
from ..numbers import finite_number
from .render import Markup, join, parse_markup
from .secrets import Secrets

__all__ = ["Journal", "Kind", "Line", "ProfitPoint", "Sink"]

Kind = Literal["log", "error", "profit", "buy", "sell", "cancel"]
T = TypeVar("T")

_NO_MARKUP = Markup("")
_ORDER_KINDS: dict[int, Kind] = {LOG_TYPE_BUY: "buy", LOG_TYPE_SELL: "sell", LOG_TYPE_CANCEL: "cancel"}


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


@attrs.frozen
class ProfitPoint:
    """One point of the profit curve: when, in milliseconds since the epoch (UTC), and how much."""

    time_ms: int
    value: float


class Sink(Protocol):
    """Where a journal's lines go. Called by one thread at a time, in the order of the lines; it may raise."""

    def line(self, line: Line) -> None:
        """Takes one line."""

    def profit(self, point: ProfitPoint) -> None:
        """Takes one point of the profit curve."""

    def status(self, text: str) -> None:
        """Takes the status bar's new text, which replaces the old one."""

    def reset_lines(self, remain: int) -> None:
        """Forgets all lines but the newest ``remain``."""

    def reset_profit(self, remain: int) -> None:
        """Forgets all points of the profit curve but the newest ``remain``."""

    def vacuum(self) -> None:
        """Gives space back to the system, where that means something."""

    def close(self) -> None:
        """Writes what is pending, and lets go of files."""


class Journal:
    """The journal of one strategy.

    Args:
        clock: What time-stamps the lines.
        sinks: Where the lines go besides this journal's own memory.
        keep: How many of the newest lines stay in memory.
        keep_profit: How many of the newest points of the profit curve stay in memory.
        secrets: What is cut out of every line; a new, empty one when None.
    """

    def __init__(
        self,
        clock: Clock,
        sinks: Iterable[Sink] = (),
        *,
        keep: int = 2_000,
        keep_profit: int = 100_000,
        secrets: Secrets | None = None,
    ) -> None:
        self.secrets = secrets if secrets is not None else Secrets()
        self._clock = clock
        # Guards everything below, and that lines reach the sinks in the order of their numbers. It is re-entrant because a sink may be
        # interrupted by a finalizer that logs. Arguments are rendered before it is taken: a __str__ may log too.
        self._lock = threading.RLock()
        self._sinks = list(sinks)
        self._lines: deque[Line] = deque(maxlen=keep)
        self._profits: deque[ProfitPoint] = deque(maxlen=keep_profit)
        self._status = ""
        self._number = 0
        self._order_lines = True
        self._filters: list[re.Pattern[str]] = []
        self._told: set[str] = set()
        self.sink_failures = 0

    # What a strategy writes

    def log(self, *args: Any) -> None:
        """Writes a line; the markup at its end (colour, ``@``, ``&``) is taken off."""
        self._write("log", self._rendered(args))

    def error(self, text: str, *, source: str = "") -> None:
        """Writes an error line, unless a filter matches it.

        Args:
            text: What went wrong.
            source: Where it came from: an exchange's label, or a function's name; shown before the text, and the filters see it too.
        """
        text, source = self.secrets.cut(text), self.secrets.cut(source)
        whole = f"{source}: {text}" if source else text
        with self._lock:
            filters = tuple(self._filters)
        if any(pattern.search(whole) for pattern in filters):
            return
        self._write("error", Markup(text), source=source)

    def profit(self, value: Any, *args: Any) -> None:
        """Adds a point to the profit curve and writes a line; with ``"&"`` as the last argument, the point only.

        Raises:
            InputError: The profit is not a finite number.
        """
        number = finite_number("LogProfit(profit)", value)
        only_curve = bool(args) and isinstance(args[-1], str) and args[-1] == "&"
        markup = Markup("") if only_curve else self._rendered(args)
        with self._lock:
            point = ProfitPoint(self._now_ms(), number)
            self._profits.append(point)
            self._tell(lambda sink: sink.profit(point))
            if not only_curve:
                self._write("profit", markup, profit=number)

    def order(
        self,
        kind: int,
        *,
        source: str,
        symbol: str = "",
        price: float = 0.0,
        amount: float = 0.0,
        order_id: str = "",
        tail: tuple[object, ...] = (),
    ) -> None:
        """Writes an order line, unless ``EnableLog(False)`` hides them.

        Args:
            kind: ``LOG_TYPE_BUY``, ``LOG_TYPE_SELL`` or ``LOG_TYPE_CANCEL``.
            source: The exchange's label.
            symbol: FMZ's symbol; empty where it is not known.
            price: The price; -1 for a market order, 0 without a price.
            amount: The amount; 0 without an amount.
            order_id: The id of the order; empty without an id.
            tail: The further arguments of the order call, rendered as Log does.

        Raises:
            InputError: ``kind`` is not one of the three.
        """
        word = _ORDER_KINDS.get(kind)
        if word is None:
            raise InputError(
                f"an order line's type is {short_repr(kind)}, expected LOG_TYPE_BUY, LOG_TYPE_SELL or LOG_TYPE_CANCEL"
            )
        with self._lock:
            shown = self._order_lines
        if shown:
            self._write(
                word,
                self._rendered(tail) if tail else _NO_MARKUP,
                label=self.secrets.cut(str(source)),
                symbol=str(symbol),
                price=float(price),
                amount=float(amount),
                order_id=self.secrets.cut(str(order_id)),
            )

    def status(self, *args: Any) -> None:
        """Replaces the status bar's text."""
        text = self.secrets.cut(join(args))
        with self._lock:
            self._status = text
            self._tell(lambda sink: sink.status(text))

    # What steers it

    def enable_order_lines(self, enable: bool) -> None:
        """Shows and stores order lines, or does neither. Other lines are not concerned."""
        with self._lock:
            self._order_lines = bool(enable)

    def add_filter(self, pattern: str) -> None:
        """Hides every later error line in which the regular expression is found; patterns add up, an empty one drops them all.

        Raises:
            InputError: It is not a regular expression; the message names it and the place.
        """
        if not isinstance(pattern, str):
            raise InputError(f"SetErrorFilter: expected a regular expression as text, got {short_repr(pattern)}")
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise InputError(f"SetErrorFilter: {short_repr(pattern)} is not a regular expression: {error}") from error
        with self._lock:
            if pattern:
                self._filters.append(compiled)
            else:
                self._filters.clear()

    def reset(self, remain: Any = 0) -> None:
        """Forgets all lines but the newest ``remain``.

        Raises:
            InputError: ``remain`` is not a whole number of 0 or more.
        """
        left = _remain(remain, "LogReset(remain)")
        with self._lock:
            _shorten(self._lines, left)
            self._tell(lambda sink: sink.reset_lines(left))

    def reset_profit(self, remain: Any = 0) -> None:
        """Forgets all points of the profit curve but the newest ``remain``.

        Raises:
            InputError: ``remain`` is not a whole number of 0 or more.
        """
        left = _remain(remain, "LogProfitReset(remain)")
        with self._lock:
            _shorten(self._profits, left)
            self._tell(lambda sink: sink.reset_profit(left))

    def vacuum(self) -> None:
        """Has the sinks give space back to the system."""
        with self._lock:
            self._tell(lambda sink: sink.vacuum())

    def add_sink(self, sink: Sink) -> None:
        """Sends all further lines to ``sink`` too."""
        with self._lock:
            self._sinks.append(sink)

    def close(self) -> None:
        """Closes the sinks; a line written later still reaches those that can take it."""
        with self._lock:
            self._tell(lambda sink: sink.close())

    # What it holds

    def lines(self, kind: Kind | None = None) -> list[Line]:
        """The newest lines, oldest first, of one kind or of all."""
        with self._lock:
            return [line for line in self._lines if kind is None or line.kind == kind]

    def profits(self) -> list[ProfitPoint]:
        """The newest points of the profit curve, oldest first."""
        with self._lock:
            return list(self._profits)

    @property
    def status_text(self) -> str:
        """The status bar's text as it was rendered, with its back-ticked blocks."""
        with self._lock:
            return self._status

    # Inside

    def _rendered(self, args: tuple[Any, ...]) -> Markup:
        return parse_markup(self.secrets.cut(join(args)))

    def _now_ms(self) -> int:
        return self._clock.now_ns() // 1_000_000

    def _write(self, kind: Kind, markup: Markup, **fields: Any) -> None:
        with self._lock:
            self._number += 1
            line = Line(
                number=self._number,
                time_ms=self._now_ms(),
                kind=kind,
                text=markup.text,
                color=markup.color,
                push=markup.push,
                private=markup.private,
                **fields,
            )
            self._lines.append(line)
            self._tell(lambda sink: sink.line(line))

    def _tell(self, give: Any) -> None:
        for sink in tuple(self._sinks):
            try:
                give(sink)
            except Exception as error:  # a sink's failure must not stop the strategy; it is counted and told on stderr
                self.sink_failures += 1
                self._complain(sink, error)

    def _complain(self, sink: Sink, error: Exception) -> None:
        text = self.secrets.cut(
            f"fmzthreads: the journal's {type(sink).__name__} failed: {type(error).__name__}: {error}"
        )
        if text in self._told or len(self._told) >= 20:
            return
        self._told.add(text)
        try:
            print(text, file=sys.stderr)
        except (OSError, ValueError):
            pass  # stderr is closed as well; the count in sink_failures is all that is left


def _remain(value: Any, what: str) -> int:
    return min(whole_number(what, value, most=10**30), 2**62)  # what SQLite can hold; no journal has so many lines


def _shorten(rows: deque[T], remain: int) -> None:
    while len(rows) > remain:
        rows.popleft()
