"""The bars behind ``GetRecords``: a growing history, and periods that the venue does not serve.

FMZ keeps the bars of a symbol and period and extends them with each call: a bar of the same time replaces the last one, a newer one is
appended, the oldest are dropped beyond ``SetMaxBarLen``. Several threads may ask at once; each gets its own copy, and the reply to an
earlier request never overwrites that to a later one.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from ..clock import Clock
from ..errors import BadReply
from ..fork import after_fork_in_child
from ..structures import Record, Records, Trade
from .venue import Venue

__all__ = ["BarBook", "bars_from_bars", "bars_from_trades", "bucket_ms", "source_period"]

_DAY_S = 86400
_WEEK_S = 7 * _DAY_S
_MONDAY_MS = 4 * _DAY_S * 1000  # the epoch was a Thursday; weeks begin on Monday, as the venues' own do
# Bars fetched beyond those known to be missing: for a clock that is a little off, and for the bar still forming.
_SPARE = 3
_MOST_FLAT = 20_000  # flat bars that are made between two trades
_SEEN_TRADES = 20_000  # public trades remembered for each symbol and period, so that each counts once


def bucket_ms(time_ms: int, period_s: int) -> int:
    """Returns the start of the bar of a moment, in ms since the epoch (UTC); weeks begin on Monday."""
    offset = _MONDAY_MS if period_s % _WEEK_S == 0 else 0
    length = period_s * 1000
    return (time_ms - offset) // length * length + offset


def source_period(period_s: int, native_s: Iterable[int]) -> int | None:
    """Returns the venue's bar length that bars of ``period_s`` are built from.

    Args:
        period_s: The requested length, in seconds.
        native_s: The lengths that the venue serves, in seconds.

    Returns:
        ``period_s`` if the venue serves it; else the largest length that divides both it and a day (the start of longer bars differs by
        venue); None if bars must be built from trades (FMZ: if the length is not whole minutes).
    """
    native = set(native_s)
    if period_s in native:
        return period_s
    if period_s % 60:
        return None
    usable = [p for p in native if p >= 60 and period_s % p == 0 and _DAY_S % p == 0]
    return max(usable, default=None)


def bars_from_bars(bars: Sequence[Record], period_s: int) -> list[Record]:
    """Joins shorter bars into longer ones; a first bar without its beginning is left out.

    Args:
        bars: The shorter bars, oldest first.
        period_s: The requested length, in seconds.
    """
    joined: list[Record] = []
    for bar in bars:
        start = bucket_ms(bar.Time, period_s)
        if joined and joined[-1].Time == start:
            last = joined[-1]
            # Replaced, not changed: a change of any bar has indicators look at all bars again.
            joined[-1] = Record(
                last,
                High=max(last.High, bar.High),
                Low=min(last.Low, bar.Low),
                Close=bar.Close,
                Volume=last.Volume + bar.Volume,
                OpenInterest=bar.OpenInterest,
            )
        else:
            joined.append(Record(bar, Time=start))
    if len(joined) > 1 and bars[0].Time != joined[0].Time:
        del joined[0]
    return joined


def bars_from_trades(trades: Iterable[Trade], period_s: int, before: Sequence[Record] = ()) -> list[Record]:
    """Adds trades, oldest first, to bars; a period without trades gives a flat bar without volume.

    Args:
        trades: Trades that are not in ``before`` yet; one older than the last bar is added to its own bar's volume and range.
        period_s: The length of a bar, in seconds.
        before: The bars so far, oldest first; they are not changed.
    """
    bars = [Record(bar) for bar in before]
    times = [bar.Time for bar in bars]
    length = period_s * 1000
    for trade in trades:
        start = bucket_ms(trade.Time, period_s)
        if times and start <= times[-1]:
            place = bisect_left(times, start)
            if place < len(bars) and times[place] == start:
                _add(bars[place], trade, closes=start == times[-1])
            continue
        if bars:
            close = bars[-1].Close
            # A venue's time that is far off must not fill the memory with flat bars.
            for gap in range(max(times[-1] + length, start - _MOST_FLAT * length), start, length):
                bars.append(_bar(gap, close, 0.0))
                times.append(gap)
        bars.append(_bar(start, trade.Price, trade.Amount))
        times.append(start)
    return bars


def _bar(time_ms: int, price: float, volume: float) -> Record:
    return Record(Time=time_ms, Open=price, High=price, Low=price, Close=price, Volume=volume, OpenInterest=0)


def _add(bar: Record, trade: Trade, *, closes: bool) -> None:
    bar.High = max(bar.High, trade.Price)
    bar.Low = min(bar.Low, trade.Price)
    bar.Volume += trade.Amount
    if closes:
        bar.Close = trade.Price


def _time_of(bar: Record) -> int:
    return bar.Time


class _History:
    """The bars of one symbol and period; used under the lock of its book."""

    def __init__(self) -> None:
        self.bars: list[Record] = []  # replaced as a whole; a bar in it is never changed
        # Stands for the closed bars: another object as soon as one of them is another than before, so that indicators go on only where
        # the past is as it was.
        self.identity = object()
        self.dropped = 0  # how many bars of this identity were dropped at the beginning
        self.newest_ticket = 0
        self.seen: OrderedDict[tuple[object, ...], None] = OrderedDict()

    def merge(self, fetched: list[Record], ticket: int) -> list[Record]:
        """Merges fetched bars and returns all bars, before they are cut to the cap."""
        if not fetched:
            return self.bars
        newer = ticket > self.newest_ticket
        self.newest_ticket = max(ticket, self.newest_ticket)
        known = self.bars
        if known and fetched[0].Time > known[-1].Time:
            known = []  # a gap in between: indicators cannot use the old bars
            self._begin_anew()
        elif known and fetched[-1].Time < known[0].Time:
            return known  # a late reply about bars that were dropped since
        # Only bars within the reply's range are compared: mostly the last few of thousands.
        untouched = bisect_left(known, fetched[0].Time, key=_time_of)
        merged = {bar.Time: bar for bar in known[untouched:]}
        for bar in fetched:
            if newer or bar.Time not in merged:
                merged[bar.Time] = bar
        tail = [merged[time] for time in sorted(merged)]
        closed = known[untouched:-1]  # the last one was still forming
        if tail[: len(closed)] != closed:
            self._begin_anew()
        return known[:untouched] + tail

    def keep(self, bars: list[Record], cap: int) -> None:
        """Keeps the last ``cap`` bars."""
        self.bars = bars[-cap:]
        self.dropped += len(bars) - len(self.bars)

    def _begin_anew(self) -> None:
        self.identity = object()
        self.dropped = 0

    def unseen(self, trades: Iterable[Trade]) -> list[Trade]:
        """Returns the trades that are new, oldest first."""
        fresh = []
        for trade in trades:
            # More than the id, because venues without ids put time stamps there.
            key = (trade.Id, trade.Time, trade.Price, trade.Amount, trade.Type)
            if key not in self.seen:
                self.seen[key] = None
                fresh.append(trade)
        while len(self.seen) > _SEEN_TRADES:
            self.seen.popitem(last=False)
        return sorted(fresh, key=lambda trade: trade.Time)


class BarBook:
    """The bars of one exchange object, of any symbol and period.

    Args:
        venue: The source of bars and trades.
        clock: Tells how many bars may be missing since the last call.
    """

    def __init__(self, venue: Venue, clock: Clock) -> None:
        self._venue = venue
        self._clock = clock
        self._lock = threading.Lock()  # guards all histories and _tickets; never held while the venue is asked
        self._histories: dict[tuple[str, int], _History] = {}
        self._tickets = 0
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock, and no bars, which another thread may have been changing."""
        self._lock = threading.Lock()
        self._histories = {}

    def forget(self) -> None:
        """Drops all bars, such as after a change of the base URL."""
        with self._lock:
            self._histories.clear()

    def get(self, symbol: str, period_s: int, limit: int | None, cap: int, first: int | None) -> Records:
        """Returns the bars of a symbol and period, oldest first; the last one is still forming.

        Args:
            symbol: FMZ's symbol.
            period_s: The length of a bar, in seconds.
            limit: How many to return; None for all that are kept.
            cap: How many to keep.
            first: How many the first request asks for; None for one full request.

        Returns:
            A copy of the caller's own.

        Raises:
            FmzError: The venue's reply, or its absence.
        """
        source = source_period(period_s, self._venue.periods_s())
        with self._lock:
            history = self._histories.setdefault((symbol, period_s), _History())
            known = history.bars
            self._tickets += 1
            ticket = self._tickets
        if source is None:
            bars = self._from_trades(symbol, period_s, history, cap)
            identity, number = object(), 0  # late trades change old bars
        else:
            bars, identity, number = self._from_bars(
                symbol, period_s, source, limit, first, history, known, ticket, cap
            )
        shown = bars[-limit:] if limit else bars[-cap:]
        return Records.copied(shown, identity, number + len(bars) - len(shown))

    def _from_bars(
        self,
        symbol: str,
        period_s: int,
        source_s: int,
        limit: int | None,
        first: int | None,
        history: _History,
        known: list[Record],
        ticket: int,
        cap: int,
    ) -> tuple[list[Record], object, int]:
        """Returns the bars, what stands for the closed ones, and the number of the first of them."""
        wanted = limit or first
        missing = self._missing(known, period_s) if len(known) >= (wanted or 1) else None
        fetched = self._fetch(symbol, period_s, source_s, missing or wanted)
        if missing and known and (not fetched or fetched[0].Time > known[-1].Time):
            # The clock was wrong: fetch everything again, rather than leave a gap.
            fetched = self._fetch(symbol, period_s, source_s, wanted)
        with self._lock:
            bars = history.merge(fetched, ticket)
            identity, number = history.identity, history.dropped
            history.keep(bars, cap)
        return bars, identity, number

    def _missing(self, known: list[Record], period_s: int) -> int:
        """How many bars at the end may have changed since they were fetched."""
        elapsed_s = self._clock.now() - known[-1].Time / 1000
        return max(0, int(elapsed_s // period_s)) + _SPARE

    def _fetch(self, symbol: str, period_s: int, source_s: int, count: int | None) -> list[Record]:
        ratio = period_s // source_s
        ask = None if count is None else count * ratio + (ratio - 1 if ratio > 1 else 0)
        bars = [Record(bar) for bar in self._venue.records(symbol, source_s, ask)]  # ours: no one else changes them
        times = [bar.Time for bar in bars]
        if any(a >= b for a, b in pairwise(times)):
            raise BadReply(f"the bars of {symbol} in the venue's reply are not sorted by time")
        return bars_from_bars(bars, period_s) if ratio > 1 else bars

    def _from_trades(self, symbol: str, period_s: int, history: _History, cap: int) -> list[Record]:
        trades = self._venue.trades(symbol)
        with self._lock:
            bars = bars_from_trades(history.unseen(trades), period_s, history.bars)
            history.bars = bars[-cap:]
        return bars
