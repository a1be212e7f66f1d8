"""The pair over bars: the engine's own feed, which skips ahead, against ticks that the plain desk is given one by one."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import Any

from fmzthreads.backtest.config.settings import MarketDetail
from fmzthreads.backtest.engine.feed import TickFeed
from fmzthreads.backtest.engine.virtual_time import VirtualTime
from fmzthreads.backtest.trading.market import MarketView
from fmzthreads.structures.value_objects import evolve
from tests.backtest.trading.reference.pair import Kind, Pair
from tests.backtest.trading.reference.plain_desk import DELAY_MS, UNIT, PlainTick
from tests.helpers.backtests import START, plain_ticks, series_of

Rows = list[tuple[float, ...]]


class FeedPair(Pair):
    """Bars of both symbols, and of a series of mark prices; a step ``sleep`` lets time pass.

    Args:
        kind: The account.
        bars: The bars of each symbol, as for ``series_of``.
        mark: The bars of the mark price of the first symbol.
        period_ms: The length of a bar.
        rates: The funding rates by milliseconds since the start.
    """

    def __init__(
        self, kind: Kind, bars: tuple[Rows, Rows], mark: Rows, period_ms: int, rates: dict[int, str] | None = None
    ) -> None:
        self._bars, self._mark, self._period_ms = bars, mark, period_ms
        count = 1 + max(int(row[5]) for rows in bars for row in rows)
        self.end_ms = START + count * period_ms
        super().__init__(kind, {START + time: rate for time, rate in (rates or {}).items()})

    def _open(self, details: list[MarketDetail]) -> None:
        self._time = VirtualTime(START, self.end_ms)
        self._feeds = {}
        coming: dict[int, list[PlainTick]] = defaultdict(list)
        for detail, rows in zip(details, self._bars, strict=True):
            series = series_of(rows, period_ms=self._period_ms, market=detail)
            self._feeds[detail.symbol] = TickFeed(series, self._time)
            before = None
            volumes = [Fraction(round(row[4] * 10**detail.base_precision), 10**detail.base_precision) for row in rows]
            for tick in plain_ticks(series, START, self.end_ms):
                so_far = Fraction(tick.volume, UNIT)
                traded = so_far - (Fraction(before.volume, UNIT) if before and before.bar == tick.bar else 0)
                before = tick
                coming[tick.time_ms].append(
                    PlainTick(detail.symbol, Fraction(tick.last, UNIT), tick.bar, volumes[tick.bar], traded)
                )
        series = series_of(self._mark, period_ms=self._period_ms, market=evolve(details[0], symbol="MARK"))
        self._mark_feed = TickFeed(series, self._time)
        if self.kind.marked:
            self.plain.marks = {
                tick.time_ms: (details[0].symbol, Fraction(tick.last, UNIT))
                for tick in plain_ticks(series, START, self.end_ms)
            }
        self.plain.coming = dict(coming)
        self.plain.now_ms = START - 1
        self.plain.advance(START)

    def _market(self, name: str) -> MarketView:
        return self._feeds[name]

    def _mark_market(self) -> MarketView:
        return self._mark_feed

    def _now(self) -> int:
        return self._time.now_ms

    def _wait(self) -> None:
        self._time.now_ms += DELAY_MS

    def do_sleep(self, ms: int) -> None:
        self._time.now_ms += ms
        self.plain.advance(self._time.now_ms)

    def run(self, step: tuple[Any, ...]) -> None:
        if self._now() < self.end_ms:
            super().run(step)
