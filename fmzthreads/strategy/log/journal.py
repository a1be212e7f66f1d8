"""A strategy's journal: the lines of the log family, of orders and of errors.

Any thread may write; lines get their number and reach every sink in one order. Registered secrets are removed from a line
first. No caller waits for a sink: each sink has a queue and a thread of its own (see ``writer.py``). A sink that fails, hangs or is too slow
(a closed terminal, a locked file, a full disk) loses lines, which are counted and told, and nothing else.
"""

from __future__ import annotations

import re
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from ...arguments import whole_number
from ...charts.points import ChartEntry
from ...clock import Clock
from ...constants import LOG_TYPE_BUY, LOG_TYPE_CANCEL, LOG_TYPE_SELL
from ...errors import InputError, short_repr
from ...exchange.holdings import HoldingsSample
from ...fork import after_fork_in_child
from ...redaction import Secrets
from ..numbers import finite_number
from .console_output import print_text
from .lines import Entry, Kind, Line, ProfitPoint, Reset, Sink, StatusText, UnstoredLine, Vacuum
from .render import Markup, join, parse_markup
from .spill import Spill
from .writer import SinkStats, SinkWriter

__all__ = ["Journal"]

T = TypeVar("T")

_NO_MARKUP = Markup("")
_ORDER_KINDS: dict[int, Kind] = {LOG_TYPE_BUY: "buy", LOG_TYPE_SELL: "sell", LOG_TYPE_CANCEL: "cancel"}


class Journal:
    """The journal of one strategy.

    Args:
        clock: What time-stamps the lines.
        sinks: Where the lines go besides this journal's own memory.
        keep: How many of the newest lines stay in memory.
        keep_profit: How many of the newest points of the profit curve stay in memory.
        secrets: What is cut out of every line; a new, empty one when None.
        queue_options: ``most_entries``, ``most_characters`` and ``linger_s`` of the queue before each sink; see ``SinkWriter``.
    """

    def __init__(
        self,
        clock: Clock,
        sinks: Iterable[Sink] = (),
        *,
        keep: int = 2_000,
        keep_profit: int = 100_000,
        secrets: Secrets | None = None,
        queue_options: dict[str, Any] | None = None,
    ) -> None:
        self.secrets = secrets if secrets is not None else Secrets()
        self._clock = clock
        # Guards everything below, and that lines are queued in the order of their numbers. It is re-entrant because a finalizer that logs
        # may run under it. Arguments are rendered before it is taken: a __str__ may log too. It may be held when a writer's lock is taken,
        # never the other way round.
        self._lock = threading.RLock()
        self._queue_options = queue_options or {}
        self._writers = [self._writer(sink) for sink in sinks]
        self._notices = SinkWriter(_Stderr(), str, most_entries=100)
        # A journal without a reference ends its threads, and does not wait for them.
        weakref.finalize(self, _let_go, self._writers, self._notices).atexit = False
        after_fork_in_child(self._start_anew_in_child)
        self._lines: deque[Line] = deque(maxlen=keep)
        self._profits: deque[ProfitPoint] = deque(maxlen=keep_profit)
        self._status = ""
        self._number = 0
        self._order_lines = True
        self._row: type[Line] = Line  # what the next lines are
        self._filters: list[re.Pattern[str]] = []

    def _writer(self, sink: Sink, spill: Spill | None = None) -> SinkWriter:
        here = weakref.ref(self)  # a writer's thread must not keep its journal

        def _tell(text: str) -> None:
            journal = here()
            if journal is not None:
                journal._report_trouble(sink, text)

        return SinkWriter(sink, _tell, spill=spill, **self._queue_options)

    def _start_anew_in_child(self) -> None:
        self._lock = threading.RLock()

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
            self._put(point)
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
            label, order_id = str(source), str(order_id)
            both = f"{label}\n{order_id}"
            if self.secrets.cut(both) != both:
                label, order_id = self.secrets.cut(label), self.secrets.cut(order_id)
            self._write(
                word,
                self._rendered(tail) if tail else _NO_MARKUP,
                label=label,
                symbol=str(symbol),
                price=float(price),
                amount=float(amount),
                order_id=order_id,
            )

    def status(self, *args: Any) -> None:
        """Replaces the status bar's text."""
        text = self.secrets.cut(join(args))
        with self._lock:
            self._status = text
            self._put(StatusText(text))

    def restart(self, *args: Any) -> None:
        """Writes the line that a strategy's start leaves in the log."""
        self._write("restart", self._rendered(args))

    # What steers it

    def enable_order_lines(self, enable: bool) -> None:
        """Shows and stores order lines, or does neither. Other lines are not concerned."""
        with self._lock:
            self._order_lines = bool(enable)

    def enable_storing(self, enable: bool) -> None:
        """Stores further lines of the log, or only shows them. The profit curve and charts are not concerned."""
        with self._lock:
            self._row = Line if enable else UnstoredLine

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
            self._put(Reset("log", left))

    def reset_profit(self, remain: Any = 0) -> None:
        """Forgets all points of the profit curve but the newest ``remain``.

        Raises:
            InputError: ``remain`` is not a whole number of 0 or more.
        """
        left = _remain(remain, "LogProfitReset(remain)")
        with self._lock:
            _shorten(self._profits, left)
            self._put(Reset("profit", left))

    def put_chart(self, entry: ChartEntry) -> None:
        """Hands a change of the charts to the sinks."""
        with self._lock:
            self._put(entry)

    def put_holdings(self, sample: HoldingsSample) -> None:
        """Hands a sample of what the strategy holds to the sinks."""
        with self._lock:
            self._put(sample)

    def vacuum(self) -> None:
        """Has the sinks give space back to the system."""
        with self._lock:
            self._put(Vacuum())

    def add_sink(self, sink: Sink, spill: Spill | None = None) -> None:
        """Sends all further lines to ``sink`` too.

        Args:
            sink: The sink.
            spill: Where lines on their way to it are kept, should the process be killed; None for nowhere. The sink must store marks.
        """
        with self._lock:
            self._writers.append(self._writer(sink, spill))

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Waits until the lines written before have reached the sinks, or are lost.

        Args:
            timeout_s: The longest to wait, in seconds.

        Returns:
            Whether none of them waits any more; False when a sink hangs.
        """
        with self._lock:
            writers = [*self._writers, self._notices]
        end = time.monotonic() + timeout_s  # real time: sinks are files, and their writers real threads
        told = [writer.flush(max(0.0, end - time.monotonic())) for writer in writers]
        return all(told)

    def close(self, timeout_s: float = 3.0) -> bool:
        """Writes what waits and closes the sinks; a line written later still reaches those that can take it.

        Args:
            timeout_s: The longest to wait, in seconds; lines that a sink has not taken by then are lost, and stderr says so.

        Returns:
            Whether every sink took what it had to.
        """
        with self._lock:
            writers = list(self._writers)
        end = time.monotonic() + timeout_s
        for writer in writers:
            writer.begin_close(timeout_s)
        for writer in writers:
            writer.flush(max(0.1, end - time.monotonic()))
        words = [words for writer in writers if (words := writer.final_words())]
        for each in words:
            self._notices.put(_notice(0, each))
        self._notices.begin_close(0.5)
        self._notices.flush(0.5)
        return not words

    def stats(self) -> list[SinkStats]:
        """What became of the lines, for each sink."""
        with self._lock:
            return [writer.stats() for writer in self._writers]

    @property
    def sink_failures(self) -> int:
        """How often a sink raised an error; see ``stats``."""
        return sum(stats.failures for stats in self.stats())

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
            line = self._row(
                number=self._number,
                time_ms=self._clock.now_ns() // 1_000_000,
                kind=kind,
                text=markup.text,
                color=markup.color,
                push=markup.push,
                private=markup.private,
                **fields,
            )
            self._lines.append(line)
            for writer in self._writers:
                writer.put_line(line)

    def _put(self, entry: Entry) -> None:
        for writer in self._writers:
            writer.put(entry)

    def _report_trouble(self, sink: Sink, text: str) -> None:
        """Writes an error line for the other sinks, and the text on stderr."""
        with self._lock:
            self._number += 1
            line = _notice(self._number, self.secrets.cut(text), self._now_ms())
            self._lines.append(line)
            for writer in self._writers:
                if writer.sink is not sink:
                    writer.put(line)
            self._notices.put(line)


def _notice(number: int, text: str, time_ms: int = 0) -> Line:
    return Line(number=number, time_ms=time_ms, kind="error", text=text, source="fmzthreads")


class _Stderr:
    """Prints what there is to say about a sink on stderr, as it is then."""

    def write(self, batch: Sequence[Entry]) -> None:
        """Prints the log lines among the entries."""
        for entry in batch:
            if isinstance(entry, Line):
                print_text(sys.stderr, f"{entry.source}: {entry.text}\n", is_own=sys.stderr is sys.__stderr__)

    def close(self) -> None:
        """Does nothing."""


def _let_go(writers: list[SinkWriter], notices: SinkWriter) -> None:
    for writer in [*writers, notices]:
        writer.begin_close(60.0)


def _remain(value: Any, what: str) -> int:
    return min(whole_number(what, value, most=10**30), 2**62)  # what SQLite can hold; no journal has so many lines


def _shorten(rows: deque[T], remain: int) -> None:
    while len(rows) > remain:
        rows.popleft()
