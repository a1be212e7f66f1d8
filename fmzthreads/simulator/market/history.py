"""A made-up past for an instrument.

Bars of any period from before the exchange opened, the same for the same seed.

Days go backwards from the opening price. A shorter bar is found by cutting its parent into children that begin at the parent's open, end at
its close, stay between its low and high and reach both, and whose trades and volumes sum to the parent's. So any bar can be computed alone,
and bars of different periods agree with each other. How much is traded and how far the price moves comes from the same ``MarketShape`` that
the live market follows. Only the quote volume, which is estimated from each bar's own prices, may differ a little between periods.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import OrderedDict
from collections.abc import Callable, Sequence

from ...errors import InputError
from ..engine.candles import BASES_S, BarRow
from .shape import MarketShape

__all__ = ["MadeUpHistory", "split"]

_DAY_S = 86_400
_SIX = math.sqrt(6)
_CACHED = 4_000  # parents whose children are remembered; one takes about 10 kB at the most


class MadeUpHistory:
    """The past of one instrument. The exchange's lock guards it.

    Args:
        seed: What makes it repeat; any text.
        end_ms: When it ends and the exchange opens, in milliseconds since the epoch.
        end_ticks: The price then.
        shape: How the market trades and moves.
        days: How far it goes back.

    Raises:
        InputError: A number is out of range.
    """

    def __init__(self, seed: str, end_ms: int, end_ticks: int, shape: MarketShape, *, days: int = 1_100) -> None:
        if end_ticks < 1 or days < 0:
            raise InputError(
                f"a history needs a price of at least one tick and days from 0, not {end_ticks} and {days}"
            )
        self._day_rng = random.Random(f"{seed}:days")  # days are made in one order only, from the opening backwards
        self._rng = (
            random.Random()
        )  # seeded again for each parent, so that a bar does not depend on what was asked before
        self._base = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
        self._end_s = end_ms // 1000
        self._end_ticks = end_ticks
        self._shape = shape
        self._today = self._end_s // _DAY_S
        self._oldest = self._today - days
        self._days: list[BarRow] = []  # from the day of the opening backwards
        self._children: OrderedDict[tuple[int, int], list[BarRow]] = OrderedDict()

    @property
    def trades(self) -> int:
        """About how many trades there were before the opening.

        The number that live trade ids go on from.
        """
        return round(self._shape.trades * (self._end_s - self._oldest * _DAY_S))

    def oldest_s(self) -> int:
        """Where it begins, in seconds since the epoch."""
        return self._oldest * _DAY_S

    def close_before(self, start_s: int) -> int | None:
        """The opening price when the history had ended by ``start_s``; None otherwise."""
        return self._end_ticks if start_s >= self._end_s else None

    def row(self, base_s: int, index: int) -> BarRow | None:
        """The bar of one base period that begins at ``index * base_s``.

        None outside the history.
        """
        begin = index * base_s
        if begin >= self._end_s or begin // _DAY_S < self._oldest:
            return None
        if base_s == _DAY_S:
            return self._day(index)
        parent_s = BASES_S[BASES_S.index(base_s) + 1]
        parent = begin // parent_s
        return self._cut(parent_s, parent, base_s)[index - parent * parent_s // base_s]

    def rows(self, base_s: int, first: int, end: int) -> list[BarRow | None]:
        """The bars of one base period from one index to before another.

        None for those outside the history.
        """
        if base_s == _DAY_S:
            return [self.row(base_s, index) for index in range(first, end)]
        parent_s = BASES_S[BASES_S.index(base_s) + 1]
        many = parent_s // base_s
        found: list[BarRow | None] = []
        while first < end:
            parent = first // many
            begin = parent * many
            stop = min(end, begin + many)
            if begin * base_s >= self._end_s or parent * parent_s // _DAY_S < self._oldest:
                found += [None] * (stop - first)
            else:
                children = self._cut(parent_s, parent, base_s)
                found += children[first - begin : stop - begin]
                found += [None] * (stop - max(first, begin + len(children)))
            first = stop
        return found

    def _day(self, index: int) -> BarRow:
        while len(self._days) <= self._today - index:
            back = len(self._days)
            seconds = _DAY_S if back else self._end_s % _DAY_S or 1
            close = self._days[-1].open if back else self._end_ticks
            self._days.append(self._make_day(self._day_rng, close, seconds))
        return self._days[self._today - index]

    def _make_day(self, rng: random.Random, close: int, seconds: int) -> BarRow:
        """One day, or its part before the opening, ending at ``close``."""
        shape = self._shape
        open_ = max(1, round(close * math.exp(-rng.gauss(0, shape.change(seconds)))))
        span = max(abs(open_ - close), round(close * shape.span(seconds) * rng.uniform(0.75, 1.25)))
        above = round((span - abs(open_ - close)) * rng.random())
        high = max(open_, close) + above
        low = max(1, high - span)
        mean = shape.trades * seconds
        count = max(0, round(rng.gauss(mean, math.sqrt(mean))))
        lots = (
            round(shape.trade_lots * max(count, rng.gauss(count, shape.trade_spread * math.sqrt(count))))
            if count
            else 0
        )
        row = BarRow(open_, high, low, close, max(lots, count), 0, count)
        row.taker_lots = round(row.lots * min(max(rng.gauss(0.5, 0.5 / math.sqrt(count + 1)), 0), 1))
        _estimate_value(row)
        return row

    def _cut(self, parent_s: int, parent: int, base_s: int) -> list[BarRow]:
        """The children of one parent bar.

        Fewer when the exchange opened within it.
        """
        key = (parent_s, parent)
        children = self._children.get(key)
        if children is not None:
            return children
        row = self.row(parent_s, parent)
        assert row is not None  # the parent begins no later than its child, which lies in the history
        end = min((parent + 1) * parent_s, self._end_s)
        seconds = end - parent * parent_s
        count = -(-seconds // base_s)
        shape = self._shape
        self._rng.seed(self._base ^ parent_s << 64 ^ parent << 96)
        children = split(
            row, count, self._rng,
            change=row.close * shape.change(base_s), span=row.close * shape.span(base_s), trade_spread=shape.trade_spread,
            last=(seconds - (count - 1) * base_s) / base_s,
        )  # fmt: skip
        self._children[key] = children
        if len(self._children) > _CACHED:
            self._children.popitem(last=False)
        return children


def split(
    row: BarRow,
    count: int,
    rng: random.Random,
    *,
    change: float,
    span: float,
    trade_spread: float = 0.8,
    last: float = 1.0,
) -> list[BarRow]:
    """Splits a bar into ``count`` bars that add up to it.

    Only the value, which is estimated, may differ a little.

    Args:
        row: The bar.
        count: How many children it gets.
        rng: Where chance comes from.
        change: The standard deviation of a child's change, in ticks.
        span: The expected range of a child, in ticks.
        trade_spread: The standard deviation of a trade's size, as a part of the mean.
        last: How long the last child is, as a part of the others' length; below 1 when the exchange opened within it.
    """
    counts = _share_count(row.count, count, rng.random, last)
    lots = _share_lots(row.lots, counts, rng.random, trade_spread)
    points = _path(row, counts, rng.random, change)
    low, high, uniform = row.low, row.high, rng.random
    taker_left, lots_left = row.taker_lots, row.lots
    children = []
    for i in range(count):
        first, last_price, traded, share = points[i], points[i + 1], counts[i], lots[i]
        top, bottom = (first, last_price) if first > last_price else (last_price, first)
        # Few trades see but a part of the way between the extremes.
        more = int(span * (0.75 + 0.5 * uniform()) * (traded - 1) / (traded + 1)) - (top - bottom) if traded else 0
        if more > 0:
            bottom -= more
            up = int(more * uniform())
            top, bottom = top + up, bottom + up
            if top > high:
                top, bottom = high, bottom - (top - high)
            if bottom < low:
                top, bottom = min(high, top + low - bottom), low
        lots_left -= share
        taker = taker_left * share // (lots_left + share) if share else 0
        taker = max(taker, taker_left - lots_left)  # what must still fit into the later children
        taker_left -= taker
        typical = (first + top + bottom + last_price) // 4
        children.append(BarRow(first, top, bottom, last_price, share, share * typical, traded, taker, taker * typical))
    moved = [child for child in children if child.count] or children[:1]
    highest, lowest = max(moved, key=_high), min(moved, key=_low)
    highest.high, lowest.low = high, low
    _estimate_value(highest)
    _estimate_value(lowest)
    return children


def _high(row: BarRow) -> int:
    return row.high


def _low(row: BarRow) -> int:
    return row.low


def _path(row: BarRow, counts: Sequence[int], uniform: Callable[[], float], change: float) -> list[int]:
    """The prices between the children, first and last included.

    The price stands while nothing is traded.
    """
    low, high, close = row.low, row.high, row.close
    left = len(counts) - counts.count(0)
    scale = change * _SIX  # the sum of two uniform numbers has a variance of a sixth
    place, points = float(row.open), [row.open]
    for traded in counts:
        if traded:
            place += (close - place) / left + (uniform() + uniform() - 1) * scale
            left -= 1
            if not left:
                place = close
            elif place > high:
                place = high
            elif place < low:
                place = low
        points.append(round(place))
    points[-1] = close  # without a trade in it, too
    return points


def _share_count(total: int, parts: int, uniform: Callable[[], float], last: float) -> list[int]:
    """Splits a number of trades at random by the parts' length."""
    shares = []
    for later in range(parts - 1, 0, -1):
        part = 1 / (later + last)
        mean = total * part
        share = round(mean + (uniform() - 0.5) * math.sqrt(12 * mean * (1 - part)))
        share = 0 if share < 0 else total if share > total else share
        shares.append(share)
        total -= share
    shares.append(total)
    return shares


def _share_lots(total: int, counts: Sequence[int], uniform: Callable[[], float], trade_spread: float) -> list[int]:
    """Splits a volume by numbers of trades, at least one lot each.

    The spread is that of trades of random sizes.
    """
    shares, trades, scale = [], sum(counts), trade_spread * math.sqrt(12)
    for count in counts:
        rest = trades - count  # later trades, which need a lot each
        if not rest:
            share = total if count else 0
        elif not count:
            share = 0
        else:
            mean = total * count / trades
            share = round(mean + (uniform() - 0.5) * scale * mean * math.sqrt(rest / trades / count))
            share = count if share < count else total - rest if share > total - rest else share
        shares.append(share)
        total -= share
        trades = rest
    return shares


def _estimate_value(row: BarRow) -> None:
    typical = (row.open + row.high + row.low + row.close) // 4
    row.value, row.taker_value = row.lots * typical, row.taker_lots * typical
