"""A made-up past for an instrument: bars of any period from before the exchange opened, the same for the same seed.

Days are a random walk backwards from the opening price. A shorter bar is found by cutting its parent (day, hour, five minutes, minute,
second) into children that begin at the parent's open, end at its close, stay between its low and high and reach both, and whose volumes
sum to the parent's. So any bar can be computed alone, and bars of different periods agree with each other. Only the quote volume, which
is estimated from each bar's own prices, may differ a little between periods.
"""

from __future__ import annotations

import math
import random
from collections import OrderedDict

from ...errors import InputError
from ..engine.candles import BASES_S, BarRow

__all__ = ["MadeUpHistory", "split"]

_DAY_S = 86_400
_CACHED = 4_000  # parents whose children are remembered; one takes about 10 kB at the most


class MadeUpHistory:
    """The past of one instrument. The exchange's lock guards it.

    Args:
        seed: What makes it repeat; any text.
        end_ms: When it ends and the exchange opens, in milliseconds since the epoch.
        end_ticks: The price then.
        volatility: The standard deviation of a day's logarithmic return.
        daily_lots: The volume of an ordinary day.
        trade_lots: The size of an ordinary trade; it only decides the number of trades.
        days: How far it goes back.

    Raises:
        InputError: A number is out of range.
    """

    def __init__(
        self,
        seed: str,
        end_ms: int,
        end_ticks: int,
        *,
        volatility: float = 0.03,
        daily_lots: int = 100_000_000,
        trade_lots: int = 2_000,
        days: int = 1_100,
    ) -> None:
        if end_ticks < 1 or not 0 <= volatility < 1 or daily_lots < 0 or trade_lots < 1 or days < 0:
            raise InputError(
                "a history needs a price of at least one tick, a volatility from 0 to below 1 and no negative numbers"
            )
        self._seed = seed
        self._end_s = end_ms // 1000
        self._end_ticks = end_ticks
        self._volatility = volatility
        self._daily_lots = daily_lots
        self._trade_lots = trade_lots
        self._oldest = self._end_s // _DAY_S - days
        self._days: list[BarRow] = []  # from the day of the opening backwards
        self._children: OrderedDict[tuple[int, int], list[BarRow]] = OrderedDict()

    def oldest_s(self) -> int:
        """Where it begins, in seconds since the epoch."""
        return self._oldest * _DAY_S

    def close_before(self, start_s: int) -> int | None:
        """The opening price when the history had ended by ``start_s``; None otherwise."""
        return self._end_ticks if start_s >= self._end_s else None

    def row(self, base_s: int, index: int) -> BarRow | None:
        """The bar of one base period that begins at ``index * base_s``; None outside the history."""
        begin = index * base_s
        if begin >= self._end_s or begin // _DAY_S < self._oldest:
            return None
        if base_s == _DAY_S:
            return self._day(index)
        parent_s = BASES_S[BASES_S.index(base_s) + 1]
        parent = begin // parent_s
        return self._cut(parent_s, parent, base_s)[index - parent * parent_s // base_s]

    def _day(self, index: int) -> BarRow:
        today = self._end_s // _DAY_S
        while len(self._days) <= today - index:
            back = len(self._days)
            part = 1.0 if back else (self._end_s % _DAY_S or 1) / _DAY_S
            close = self._days[-1].open if back else self._end_ticks
            self._days.append(self._make_day(random.Random(f"{self._seed}:day:{back}"), close, part))
        return self._days[today - index]

    def _make_day(self, dice: random.Random, close: int, part: float) -> BarRow:
        """One day, or the part of it before the opening, that ends at ``close``."""
        deviation = self._volatility * math.sqrt(part)
        open_ = max(1, round(close * math.exp(-dice.gauss(0, deviation))))
        high = round(max(open_, close) * math.exp(abs(dice.gauss(0, deviation / 2))))
        low = max(1, round(min(open_, close) * math.exp(-abs(dice.gauss(0, deviation / 2)))))
        lots = round(self._daily_lots * part * dice.uniform(0.5, 1.5))
        row = BarRow(open_, max(high, open_, close), min(low, open_, close), close, lots, 0, lots // self._trade_lots)
        row.taker_lots = round(lots * dice.uniform(0.4, 0.6))
        _estimate_value(row)
        return row

    def _cut(self, parent_s: int, parent: int, base_s: int) -> list[BarRow]:
        """The children of one parent bar; fewer when the exchange opened within it."""
        key = (parent_s, parent)
        children = self._children.get(key)
        if children is not None:
            self._children.move_to_end(key)
            return children
        row = self.row(parent_s, parent)
        assert row is not None  # the parent begins no later than its child, which lies in the history
        end = min((parent + 1) * parent_s, self._end_s)
        count = -(-(end - parent * parent_s) // base_s)
        children = split(row, count, random.Random(f"{self._seed}:{parent_s}:{parent}"))
        self._children[key] = children
        if len(self._children) > _CACHED:
            self._children.popitem(last=False)
        return children


def split(row: BarRow, count: int, dice: random.Random) -> list[BarRow]:
    """Cuts a bar into ``count`` bars in a row, which together make it again (but for the value)."""
    span = row.high - row.low
    wander = 0.6 * span / math.sqrt(count)
    place, points = float(row.open), [row.open]
    for left in range(count, 1, -1):
        place += (row.close - place) / left + dice.gauss(0, wander)
        place = min(max(place, row.low), row.high)
        points.append(round(place))
    points.append(row.close)
    weights = [0.2 + dice.random() for _ in range(count)]
    shares = [_share(total, weights) for total in (row.lots, row.count)]
    children = []
    for i in range(count):
        first, last = points[i], points[i + 1]
        high = min(row.high, max(first, last) + int(dice.random() * wander))
        low = max(row.low, min(first, last) - int(dice.random() * wander))
        children.append(BarRow(first, high, low, last, shares[0][i], 0, shares[1][i]))
    children[dice.randrange(count)].high = row.high
    children[dice.randrange(count)].low = row.low
    _share_taker(row, children)
    return children


def _share(total: int, weights: list[float]) -> list[int]:
    """Whole shares of ``total`` in proportion to the weights, which sum to it exactly."""
    scale, reached, given, shares = total / sum(weights), 0.0, 0, []
    for weight in weights[:-1]:
        reached += weight * scale
        share = min(int(reached), total) - given
        given += share
        shares.append(share)
    shares.append(total - given)
    return shares


def _share_taker(row: BarRow, children: list[BarRow]) -> None:
    """Gives the children their part of what takers bought, never more than their volume, and their values."""
    left, volume = row.taker_lots, row.lots
    for child in children:
        # What must still fit into the later children bounds it from below, this one's volume from above.
        want = left * child.lots // volume if volume else 0
        child.taker_lots = min(child.lots, max(want, left - (volume - child.lots)))
        left -= child.taker_lots
        volume -= child.lots
        _estimate_value(child)


def _estimate_value(row: BarRow) -> None:
    typical = (row.open + row.high + row.low + row.close) // 4
    row.value, row.taker_value = row.lots * typical, row.taker_lots * typical
