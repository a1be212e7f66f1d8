"""Recorded order books for tests of the backtester."""

from collections.abc import Iterable, Sequence
from typing import Any

from fmzthreads.backtest.config.settings import BacktestSettings, ExchangeSettings, MarketDetail
from fmzthreads.backtest.data.bars import BarSeries
from fmzthreads.backtest.engine.engine import BacktestEngine
from fmzthreads.backtest.face.exchange import BacktestExchange, exchanges_of
from fmzthreads.backtest.failures import NoData
from fmzthreads.backtest.recorded.recording import PublicTrade, Recording
from tests.helpers.backtests import START, Rows, detail

Levels = Sequence[tuple[float, float]]


def recorded(ticks: Iterable[tuple[Any, ...]]) -> Recording:
    """A recording of ``(seconds, asks, bids[, trades])``; a trade is ``(seconds, side, price, amount)``."""
    found = Recording("Binance/BTC_USDT", "the test's books")
    for seconds, asks, bids, *rest in ticks:
        trades = [PublicTrade(START + round(at * 1000), *more) for at, *more in (rest[0] if rest else ())]
        found.add(START + round(seconds * 1000), asks, bids, trades)
    found.close()
    return found


class RecordedSource:
    """A source of one recording."""

    def __init__(self, recording: Recording, market: MarketDetail) -> None:
        self.recording = recording
        self.market = market

    def bars(self, eid: str, symbol: str, period_ms: int, from_ms: int, to_ms: int, *, fill: bool = False) -> BarSeries:
        raise NoData(f"no bars of {symbol}")

    def custom(self, eid: str, name: str, from_ms: int, to_ms: int) -> None:
        return None

    def ticks(self, eid: str, symbol: str, from_ms: int, to_ms: int) -> tuple[Recording, MarketDetail]:
        if symbol != self.market.symbol:
            raise NoData(f"no books of {symbol}")
        return self.recording, self.market


class BookTest:
    """An exchange over recorded books.

    Attributes:
        engine: The engine.
        exchange: FMZ's exchange object.
        rows: What orders and errors wrote.
    """

    def __init__(
        self,
        ticks: Iterable[tuple[Any, ...]] | Recording,
        *,
        seconds: float = 3600,
        net_delay_ms: int = 0,
        **exchange: Any,
    ) -> None:
        facts = {"eid": "Binance", "fee_maker": 0, "fee_taker": 0, "max_price_age_ms": 60_000, **exchange}
        settings = BacktestSettings(
            start_ms=START,
            end_ms=START + round(seconds * 1000),
            period_ms=60_000,
            base_period_ms=1000,
            snapshot_ms=300_000,
            net_delay_ms=net_delay_ms,
            exchanges=(ExchangeSettings(**facts),),
            real_ticks=True,
        )
        recording = ticks if isinstance(ticks, Recording) else recorded(ticks)
        self.rows = Rows()
        self.engine = BacktestEngine(settings, RecordedSource(recording, detail()), self.rows)
        [self.exchange] = exchanges_of(self.engine)

    def at(self, seconds: float) -> BacktestExchange:
        """Sleeps until a moment, and returns the exchange."""
        self.engine.sleep(START + round(seconds * 1000) - self.engine.now_ms)
        return self.exchange

    def order(self, order_id: int | None) -> tuple[int, float, float]:
        """Status, filled amount and average price of an order."""
        found = self.exchange.GetOrder(order_id)
        assert found is not None
        return found.Status, found.DealAmount, found.AvgPrice
