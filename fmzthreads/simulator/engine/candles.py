"""Bars of any period, from live trades and the history before them."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple, Protocol

import attrs

from ...errors import InputError
from .book import MatchingBook
from .instruments import Instrument
from .trades import TradeLog

__all__ = ["BASES_S", "MONTH_S", "BarRow", "Candle", "CandleStore", "DayStats", "History"]

BASES_S = (1, 60, 300, 3600, 14400, 43200, 86400)
"""The stored periods; others are combined from the largest of these that divides them."""

MONTH_S = 2_592_000
"""Means one calendar month; a multiple means that many months."""

_WIDEST_FIRST = tuple(reversed(BASES_S))
_WEEK_S = 604_800
_MONDAY_S = 4 * 86_400  # 1970-01-05: weeks begin on Monday at both venues, the epoch was a Thursday
_KEEP = 20_000  # rows kept per base period: five hours of seconds, two weeks of minutes
_DAY_MS = 86_400_000
_MOST_SUMMED = 60  # base bars per bar; above it longer bars are summed where they fit


class BarRow:
    """One bar in integers.

    Prices in ticks, quantities in lots, values in ticks times lots.
    """

    __slots__ = ("close", "count", "high", "lots", "low", "open", "taker_lots", "taker_value", "value")

    def __init__(
        self,
        open: int,
        high: int,
        low: int,
        close: int,
        lots: int = 0,
        value: int = 0,
        count: int = 0,
        taker_lots: int = 0,
        taker_value: int = 0,
    ) -> None:
        self.open = open
        self.high = high
        self.low = low
        self.close = close
        self.lots = lots
        self.value = value
        self.count = count
        self.taker_lots = taker_lots
        self.taker_value = taker_value

    def add(self, other: BarRow) -> None:
        """Adds a later bar to this one."""
        if other.high > self.high:  # noqa: PLR1730 - max() and min() cost twice as much, and thousands are added up
            self.high = other.high
        if other.low < self.low:  # noqa: PLR1730
            self.low = other.low
        self.close = other.close
        self.lots += other.lots
        self.value += other.value
        self.count += other.count
        self.taker_lots += other.taker_lots
        self.taker_value += other.taker_value

    def copy(self) -> BarRow:
        """Another one, alike."""
        return BarRow(
            self.open,
            self.high,
            self.low,
            self.close,
            self.lots,
            self.value,
            self.count,
            self.taker_lots,
            self.taker_value,
        )


class History(Protocol):
    """The bars from before the exchange opened."""

    def row(self, base_s: int, index: int) -> BarRow | None:
        """The bar of one base period that begins at ``index * base_s``.

        None outside the history.
        """

    def rows(self, base_s: int, first: int, end: int) -> list[BarRow | None]:
        """``row`` for each index from ``first`` up to but not including ``end``."""

    @property
    def trades(self) -> int:
        """The number of trades in the history.

        The exchange's own trade ids continue from it.
        """

    def oldest_s(self) -> int:
        """The start of the history, in seconds since the epoch."""

    def close_before(self, start_s: int) -> int | None:
        """The last price, if the history ended by ``start_s``; otherwise None."""


class Candle(NamedTuple):
    """A bar.

    Attributes:
        open_ms: When it begins.
        close_ms: Its last millisecond.
        open: The first price.
        high: The highest price.
        low: The lowest price.
        close: The last price.
        volume: In base.
        quote_volume: In quote.
        trades: How many.
        taker_buy_volume: The volume bought by takers, in base.
        taker_buy_quote_volume: Likewise in quote.
        closed: Whether the bar is complete.
    """

    open_ms: int
    close_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    taker_buy_volume: Decimal
    taker_buy_quote_volume: Decimal
    closed: bool


@attrs.frozen(kw_only=True)
class DayStats:
    """Statistics of the last 24 hours, to the minute, and best prices.

    A price of 0 means that the side is empty or that nothing was traded.

    Attributes:
        open: The price 24 hours ago.
        high: The highest since.
        low: The lowest since.
        last: The last price.
        last_quantity: Of the last trade, in base.
        volume: In base.
        quote_volume: In quote.
        trades: How many.
        bid: The best bid.
        bid_quantity: The quantity at the best bid.
        ask: The best ask.
        ask_quantity: The quantity at the best ask.
        open_ms: When the 24 hours began.
        close_ms: Now.
        first_id: The id of the first of these trades; -1 if there were none.
        last_id: The id of the last of these trades; -1 if there were none.
    """

    open: Decimal
    high: Decimal
    low: Decimal
    last: Decimal
    last_quantity: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    open_ms: int
    close_ms: int
    first_id: int
    last_id: int


class CandleStore:
    """The bars of one instrument. The exchange's lock guards it."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._live: dict[int, dict[int, BarRow]] = {base: {} for base in BASES_S}
        self._day_cache: tuple[int, BarRow | None] = (-1, None)
        self.history: History | None = None

    def add(self, time_ms: int, ticks: int, lots: int, taker_buys: bool) -> None:
        """Adds one trade."""
        second, value = time_ms // 1000, ticks * lots
        for base, rows in self._live.items():
            index = second // base
            row = rows.get(index)
            if row is None:
                row = rows[index] = BarRow(ticks, ticks, ticks, ticks)
                if len(rows) > 2 * _KEEP:
                    for old in list(rows)[:_KEEP]:
                        del rows[old]
            elif ticks > row.high:
                row.high = ticks
            elif ticks < row.low:
                row.low = ticks
            row.close = ticks
            row.lots += lots
            row.value += value
            row.count += 1
            if taker_buys:
                row.taker_lots += lots
                row.taker_value += value

    def _row(self, base_s: int, index: int) -> BarRow | None:
        """One base bar: history, then the trades since.

        None if neither has it.
        """
        live = self._live[base_s].get(index)
        if live is not None:
            live = live.copy()  # later trades still change it
        past = self.history.row(base_s, index) if self.history is not None else None
        if live is None or past is None:
            return live if past is None else past
        both = past.copy()
        both.add(live)
        return both

    def _sum(self, start_s: int, end_s: int) -> BarRow | None:
        """The bars of ``[start_s, end_s)`` as one; None if nothing was traded.

        Uses as few base bars as possible.
        """
        total: BarRow | None = None
        while start_s < end_s:
            base = next((base for base in _WIDEST_FIRST if start_s % base == 0 and start_s + base <= end_s), 1)
            row = self._row(base, start_s // base)
            start_s += base
            if row is None:
                continue
            if total is None:
                total = row.copy()
            else:
                total.add(row)
        return total

    def bars(
        self, period_s: int, limit: int, start_ms: int | None, end_ms: int | None, offset_s: int, now_ms: int
    ) -> list[tuple[int, int, BarRow]]:
        """Bars of one period, oldest first (see ``SimulatedExchange.bars``).

        Beginning and end in seconds, and the bar.
        """
        if period_s != 1 and (period_s <= 0 or period_s % 60):
            raise InputError(f"a period must be 1 s or a multiple of 60 s, not {period_s!r}")
        newest_ms = now_ms if end_ms is None else min(end_ms, now_ms)
        if limit <= 0 or newest_ms < 0 or (start_ms is not None and start_ms > newest_ms):
            return []
        calendar = _Calendar(period_s, offset_s)
        oldest = calendar.floor(self._oldest_s(period_s))
        if start_ms is not None:
            start_ms = max(start_ms, oldest * 1000)
        starts = calendar.starts(limit, start_ms, newest_ms, oldest)
        ends = [*starts[1:], calendar.next(starts[-1])] if starts else []
        found: list[tuple[int, int, BarRow]] = []
        close: int | None = None
        for begin, end, known in zip(starts, ends, self._rows(starts, ends), strict=True):
            row = known
            if row is None:
                if close is None:
                    close = self._close_before(begin)
                if close is None:
                    continue  # before all history
                row = BarRow(close, close, close, close)  # without a trade the last price is kept
            close = row.close
            found.append((begin, end, row))
        return found

    def _rows(self, starts: list[int], ends: list[int]) -> Iterator[BarRow | None]:
        """The bars from each start to its end, one after the other."""
        if not starts:
            return iter(())
        length = ends[0] - starts[0]
        base = next(base for base in _WIDEST_FIRST if starts[0] % base == 0 and length % base == 0)
        many = length // base
        if len(starts) * length != ends[-1] - starts[0] or many > _MOST_SUMMED:  # months differ in length
            return map(self._sum, starts, ends)
        rows = self._base_rows(base, starts[0] // base, ends[-1] // base)
        if many == 1:
            return iter(rows)
        return (_total(rows[at : at + many]) for at in range(0, len(rows), many))

    def _base_rows(self, base_s: int, first: int, end: int) -> list[BarRow | None]:
        """Base bars in a row.

        History, and the trades since where there are any.
        """
        live, history = self._live[base_s], self.history
        rows: list[BarRow | None] = [None] * (end - first)
        if history is not None:
            rows = history.rows(base_s, first, end)
        if len(live) < end - first:
            indices = [index for index in live if first <= index < end]
        else:
            indices = [index for index in range(first, end) if index in live]
        for index in indices:
            rows[index - first] = self._row(base_s, index)
        return rows

    def _oldest_s(self, period_s: int) -> int:
        """Where the bars begin.

        A request for older bars returns the oldest ones.
        """
        if self.history is not None:
            return self.history.oldest_s()
        base = next(base for base in _WIDEST_FIRST if base <= period_s)
        return next(iter(self._live[base]), 0) * base

    def _close_before(self, start_s: int) -> int | None:
        """The last price before a period without trades.

        None if there was no trade before it.
        """
        for base in BASES_S:  # the shortest period that reaches back far enough
            newest = max((index for index in self._live[base] if (index + 1) * base <= start_s), default=None)
            if newest is not None:
                return self._live[base][newest].close
        return self.history.close_before(start_s) if self.history is not None else None

    def views(self, rows: Iterable[tuple[int, int, BarRow]], now_ms: int) -> list[Candle]:
        """Bars in decimals; needs no lock."""
        instrument = self._instrument
        price, quantity, turnover = instrument.price, instrument.quantity, instrument.turnover
        return [
            Candle(
                begin_s * 1000, end_s * 1000 - 1, price(row.open), price(row.high), price(row.low), price(row.close),
                quantity(row.lots), turnover(row.value, row.lots), row.count, quantity(row.taker_lots),
                turnover(row.taker_value, row.taker_lots), now_ms >= end_s * 1000,
            )
            for begin_s, end_s, row in rows
        ]  # fmt: skip

    def day(self, book: MatchingBook, trades: TradeLog, now_ms: int) -> DayStats:
        """The last 24 hours and the top of the book."""
        minute = now_ms // 60_000
        if self._day_cache[0] != minute:
            # Complete minutes no longer change: they are summed once a minute, not once a request.
            self._day_cache = (minute, self._sum((minute - 1439) * 60, minute * 60))
        total, running = self._day_cache[1], self._row(60, minute)
        row = total.copy() if total is not None else None
        if running is not None:
            if row is None:
                row = running.copy()
            else:
                row.add(running)
        if row is None:
            row = BarRow(0, 0, 0, 0)
        last, bid, ask = trades.last, book.best_bid(), book.best_ask()
        instrument = self._instrument
        return DayStats(
            open=instrument.price(row.open),
            high=instrument.price(row.high),
            low=instrument.price(row.low),
            last=instrument.price(last.ticks if last is not None else row.close),
            last_quantity=instrument.quantity(last.lots if last is not None else 0),
            volume=instrument.quantity(row.lots),
            quote_volume=instrument.turnover(row.value, row.lots),
            trades=row.count,
            bid=instrument.price(bid),
            bid_quantity=instrument.quantity(book.lots_at(True, bid)),
            ask=instrument.price(ask),
            ask_quantity=instrument.quantity(book.lots_at(False, ask)),
            open_ms=now_ms - _DAY_MS,
            close_ms=now_ms,
            first_id=trades.last_id - row.count + 1 if row.count else -1,
            last_id=trades.last_id if row.count else -1,
        )


def _total(rows: list[BarRow | None]) -> BarRow | None:
    """Consecutive bars as one; None if nothing was traded."""
    known = [row for row in rows if row is not None]
    if not known:
        return None
    total = known[0].copy()
    for row in known[1:]:
        total.add(row)
    return total


class _Calendar:
    """Where bars of one period begin, in seconds since the epoch."""

    def __init__(self, period_s: int, offset_s: int) -> None:
        self._period = period_s
        self._months = period_s // MONTH_S if period_s % MONTH_S == 0 else 0
        self._shift = offset_s - (_MONDAY_S if period_s == _WEEK_S else 0)

    def floor(self, second: int) -> int:
        """The beginning of the bar that holds ``second``."""
        if not self._months:
            return (second + self._shift) // self._period * self._period - self._shift
        day = datetime.datetime.fromtimestamp(second + self._shift, datetime.UTC)
        month = (day.year * 12 + day.month - 1) // self._months * self._months
        return self._month(month)

    def _month(self, month: int) -> int:
        first = datetime.datetime(month // 12, month % 12 + 1, 1, tzinfo=datetime.UTC)
        return int(first.timestamp()) - self._shift

    def next(self, begin: int) -> int:
        """The beginning of the bar after the one that begins at ``begin``."""
        if not self._months:
            return begin + self._period
        day = datetime.datetime.fromtimestamp(begin + self._shift, datetime.UTC)
        return self._month(day.year * 12 + day.month - 1 + self._months)

    def _back(self, second: int, oldest: int) -> Iterator[int]:
        begin = self.floor(second)
        while begin >= max(oldest, 0):
            yield begin
            begin = self.floor(begin - 1)

    def starts(self, limit: int, start_ms: int | None, newest_ms: int, oldest: int) -> list[int]:
        """The beginnings of the bars asked for, rising; none before ``oldest``, where bars begin."""
        newest = newest_ms // 1000
        starts: list[int] = []
        if start_ms is None:
            for begin in self._back(newest, oldest):
                starts.append(begin)
                if len(starts) == limit:
                    break
            return starts[::-1]
        begin = self.floor(-(-max(start_ms, 0) // 1000))
        if begin * 1000 < start_ms:
            begin = self.next(begin)
        while begin <= newest and len(starts) < limit:
            starts.append(begin)
            begin = self.next(begin)
        return starts
