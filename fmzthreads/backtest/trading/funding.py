"""Funding of perpetual contracts: when it is due, at which rate and at which price.

The rates are a series of their own (``<BASE_QUOTE>.funding``, its price is the rate), and so is the index (``<BASE_QUOTE>.index``). A long position pays
amount x multiple x fair price x rate, a short one receives it; the fair price is index x (1 + rate). Source: the published engine,
github.com/fmzquant/backtest_javascript.

An event comes first in its millisecond: it counts the position as it was before anything that is filled in that millisecond.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from ...structures import Funding
from ..data.bars import BarSeries
from ..failures import NoData
from ..nano import ONE, mul, to_float
from .market import MarketView

__all__ = ["NO_FUNDING", "FundingCalendar", "FundingEvent", "SeriesOf"]

SeriesOf = Callable[[str], BarSeries]
"""Returns the bars of a symbol over the whole backtest; raises ``NoData``."""

NO_FUNDING = 2**62
"""The time of a payment that does not come."""
_EIGHT_HOURS_MS = 8 * 3_600_000


class FundingEvent(NamedTuple):
    """One payment.

    Attributes:
        time_ms: When it is due.
        view: The contract.
        rate: The rate as a share, in nano.
        fair: The price that it is paid on, in nano.
    """

    time_ms: int
    view: MarketView
    rate: int
    fair: int


class _Rates:
    """The rates of one contract, and which one is next."""

    def __init__(self, view: MarketView, rates: BarSeries, now_ms: int) -> None:
        self.view = view
        self.rates = rates
        self.place = bisect_right(rates.time, now_ms)
        self.index: BarSeries | None = None
        self.index_loaded = False

    @property
    def next_ms(self) -> int:
        """When the next payment is due."""
        return self.rates.time[self.place] if self.place < len(self.rates) else NO_FUNDING


class FundingCalendar:
    """The funding of the contracts that are traded.

    Attributes:
        next_ms: When the next payment is due; ``NO_FUNDING`` itself without one.
    """

    def __init__(self, series_of: SeriesOf | None, *, strict: bool = False) -> None:
        """Makes an empty calendar.

        Args:
            series_of: Where the series come from; None for no funding at all.
            strict: Whether a series that a market does not name, but that FMZ's engine takes for granted, must exist.
        """
        self.next_ms = NO_FUNDING
        self._series_of = series_of
        self._strict = strict
        self._rates: dict[str, _Rates | None] = {}

    def watch(self, view: MarketView, now_ms: int) -> None:
        """Has the payments of a contract announced from now on.

        Raises:
            NoData: The market names a funding series that there is not.
        """
        if view.detail.symbol not in self._rates:
            self._watch(view, now_ms)

    def _watch(self, view: MarketView, now_ms: int) -> None:
        detail = view.detail
        rates = None
        if self._series_of is not None and detail.is_contract and detail.symbol_funding != "":
            rates = self._load(detail.symbol_funding, f"{detail.symbol.partition('.')[0]}.funding")
        self._rates[detail.symbol] = None if rates is None else _Rates(view, rates, now_ms)
        self._plan()

    def _load(self, named: str | None, usual: str) -> BarSeries | None:
        assert self._series_of is not None
        if named or self._strict:
            return self._series_of(named or usual)
        try:
            return self._series_of(usual)
        except NoData:  # the settings name no such series
            return None

    def _plan(self) -> None:
        self.next_ms = min((rates.next_ms for rates in self._rates.values() if rates), default=NO_FUNDING)

    def pop(self) -> FundingEvent:
        """Takes the next payment out.

        Raises:
            NoData: The market names an index series that there is not.
        """
        rates = next(rates for rates in self._rates.values() if rates and rates.next_ms == self.next_ms)
        series, time_ms = rates.rates, self.next_ms
        rate = _nano(series.close[rates.place], series)
        rates.place += 1
        self._plan()
        return FundingEvent(time_ms, rates.view, rate, mul(self._index(rates, time_ms), ONE + rate))

    def _index(self, rates: _Rates, time_ms: int) -> int:
        detail = rates.view.detail
        if not rates.index_loaded:
            rates.index_loaded = True
            if detail.symbol_index != "":
                rates.index = self._load(detail.symbol_index, f"{detail.symbol.partition('.')[0]}.index")
        series = rates.index
        place = bisect_right(series.time, time_ms) - 1 if series is not None else -1
        if series is None or place < 0:  # no index: the contract's own price before the payment
            number = rates.view.number_before(time_ms)
            return rates.view.tick_at(number).last if number >= 0 else 0
        # A bar that is still forming has only its open so far.
        column = series.open if time_ms < series.time[place] + series.period_ms else series.close
        return _nano(column[place], series)

    def upcoming(self, view: MarketView, now_ms: int) -> list[Funding]:
        """The next payment of a contract, as ``GetFundings`` shows it; empty if none exists.

        Raises:
            NoData: The market names a funding series that there is not.
        """
        self.watch(view, now_ms)
        rates = self._rates[view.detail.symbol]
        if rates is None:
            return []
        times = rates.rates.time
        place = bisect_right(times, now_ms)
        if place == len(times):
            return []
        interval = _EIGHT_HOURS_MS
        if len(times) > 1:
            interval = times[place] - times[place - 1] if place else times[1] - times[0]
        return [
            Funding(
                Symbol=view.detail.symbol,
                Interval=interval,
                Time=times[place],
                Rate=to_float(_nano(rates.rates.close[place], rates.rates)),
            )
        ]


def _nano(scaled: int, series: BarSeries) -> int:
    """A price of a series in nano."""
    decimals = series.detail.quote_precision
    power: int = 10 ** abs(9 - decimals)
    return scaled * power if decimals <= 9 else scaled // power
