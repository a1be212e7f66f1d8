"""Liquidation, funding and partial fills through engine and exchange object, over bars."""

import json

from fmzthreads.backtest.config.task import settings_of
from fmzthreads.backtest.data.bars import BarSeries
from fmzthreads.backtest.engine.engine import BacktestEngine
from fmzthreads.backtest.face.exchange import BacktestExchange
from fmzthreads.backtest.failures import NoData
from fmzthreads.backtest.nano import nano
from tests.helpers.backtests import MINUTE, START, detail, flat, series_of
from tests.helpers.price_market import Rows

SWAP = "BTC_USDT.swap"


class Source:
    """Bars by symbol."""

    def __init__(self, **rows: list[tuple[float, ...]]) -> None:
        self._rows = rows
        self.markets = {SWAP: detail(SWAP)}

    def bars(self, eid: str, symbol: str, period_ms: int, from_ms: int, to_ms: int, *, fill: bool = False) -> BarSeries:
        name = symbol.partition(".")[2] or "spot"
        if fill or name not in self._rows:
            raise NoData(f"no bars of {symbol}")
        market = self.markets.get(symbol) or detail(symbol, quote_precision=6, price_tick=nano(0.000001))
        return series_of(self._rows[name], market=market)

    def custom(self, eid: str, name: str, from_ms: int, to_ms: int) -> None:
        return None


def engine_of(source: Source, eid: str, **beyond: object) -> tuple[BacktestEngine, BacktestExchange]:
    details = beyond.pop("details", {})
    exchange = {
        "eid": eid,
        "currency": "BTC_USDT",
        "balance": 100,
        "stocks": 0,
        "fee": [0, 0],
        "details": {SWAP: details},
    }
    task = {
        "start": "2023-11-14 00:00:00",
        "end": "2023-11-14 01:00:00",
        "period": "1m",
        "basePeriod": "1m",
        "exchanges": [exchange],
        **beyond,
    }
    settings = settings_of(json.loads(json.dumps(task)))
    assert settings.start_ms == START
    for symbol, market in settings.exchanges[0].details.items():
        source.markets[symbol] = market
    engine = BacktestEngine(settings, source, Rows())
    return engine, BacktestExchange(engine, engine.parts[0])


def test_a_crash_of_the_mark_price_liquidates() -> None:
    mark = [flat(1000)] * 10 + [(1000, 1000, 905, 950)] + [flat(950)] * 49
    market = {
        "marginLevel": 20, "contractType": "swap", "marginCurrency": "USDT", "quotePrecision": 2, "basePrecision": 3,
        "symbolFunding": "", "symbolMark": "BTC_USDT.mark", "liquidationFee": 0.001,
        "brackets": [{"notionalCap": 100_000, "maintMarginRatio": 0.01}],
    }  # fmt: skip
    engine, exchange = engine_of(Source(swap=[flat(1000)] * 60, mark=mark), "Futures_Binance", details=market)
    exchange.SetContractType("swap")
    exchange.Buy(-1, 1)
    assert len(exchange.GetPositions() or []) == 1
    engine.sleep(40 * MINUTE)
    assert exchange.GetPositions() == []
    orders = exchange.GetHistoryOrders() or []
    assert [(o.AvgPrice, o.Offset) for o in orders] == [(1000.01, 0), (905, 1)]
    assert orders[-1].Time == START + 10 * MINUTE + 58_000 * 9 // 10
    account = exchange.GetAccount()
    assert account is not None
    assert round(account.Balance, 6) == round(100 - 95.01 - 0.905, 6)
    assert list(engine.snapshots[-1][1][0]["Symbols"]) == [SWAP]


def test_funding_is_read_from_bars() -> None:
    rates = [(0.0001, 0.0001, 0.0001, 0.0001, 0, 30)]
    index = [flat(990)] * 60
    market = {
        "marginLevel": 20,
        "contractType": "swap",
        "marginCurrency": "USDT",
        "quotePrecision": 2,
        "basePrecision": 3,
    }
    engine, exchange = engine_of(
        Source(swap=[flat(1000)] * 60, funding=rates, index=index), "Futures_Binance", details=market
    )
    exchange.SetContractType("swap")
    exchange.Buy(-1, 1)
    assert [f.Rate for f in exchange.GetFundings() or []] == [0.0001]
    engine.sleep(40 * MINUTE)
    engine.finish()
    assert engine.snapshots[-1][1][0]["Assets"][0]["Funding"] == -0.0990099


def test_participation_fills_an_order_over_bars() -> None:
    engine, exchange = engine_of(Source(spot=[flat(10, 4)] * 60), "Binance", participation=0.5)
    exchange.Buy(-1, 50)
    assert exchange.GetAccount()["Stocks"] == 2
    engine.sleep(MINUTE)
    assert exchange.GetAccount()["Stocks"] == 4
    engine.sleep(5 * MINUTE)
    order = exchange.GetOrder(1)
    assert order is not None
    assert order.Status == 1
    assert round(order.DealAmount * order.AvgPrice, 2) == 50
