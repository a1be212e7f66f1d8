"""The SMA(5/20) cross on other people's backtesters; ``backtest.py`` runs each in an environment and process of its own.

Run ``python backtest_peers.py NAME BARS.csv``: it prints one JSON object with the version, the seconds of processor time of loading and running, the number of
trades or orders, the final equity where the peer tells it, and the most memory. The bars have the columns ``time`` (ms), ``open``, ``high``,
``low``, ``close``, ``volume``. Each peer does what its own documentation recommends: at every bar it looks at both averages, buys one coin on a cross
upwards and sells it on a cross downwards, for a fee of 0.1 %.
"""

from __future__ import annotations

import csv
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FAST, SLOW, FEE, MONEY = 5, 20, 0.001, 100_000_000.0


def plain(path: str) -> dict[str, Any]:
    """A bare Python loop over lists: the floor of what interpreted code can do."""
    begun = time.process_time()
    with Path(path).open(newline="") as file:
        closes = [float(row["close"]) for row in csv.DictReader(file)]
    loaded = time.process_time()
    fast = slow = 0.0
    money, coins, trades, above = MONEY, 0, 0, None
    for n, close in enumerate(closes):
        fast += close
        slow += close
        if n >= FAST:
            fast -= closes[n - FAST]
        if n >= SLOW:
            slow -= closes[n - SLOW]
        if n < SLOW - 1:
            continue
        now = fast / FAST > slow / SLOW
        if above is not None and now != above:
            if now:
                coins, money, trades = 1, money - close * (1 + FEE), trades + 1
            elif coins:
                coins, money, trades = 0, money + close * (1 - FEE), trades + 1
        above = now
    return {
        "version": sys.version.split()[0], "load": loaded - begun, "run": time.process_time() - loaded, "bars": len(closes),
        "orders": trades, "equity": money + coins * closes[-1],
    }  # fmt: skip


def columns(path: str) -> Any:
    """The file as numpy columns."""
    import numpy as np

    return np.loadtxt(path, delimiter=",", skiprows=1).T


def numpy_loop(path: str) -> dict[str, Any]:
    """Whole arrays in numpy: no strategy is called at any bar."""
    import numpy as np

    begun = time.process_time()
    closes = columns(path)[4]
    loaded = time.process_time()
    sums = np.cumsum(np.insert(closes, 0, 0.0))
    fast = (sums[SLOW:] - sums[SLOW - FAST : -FAST]) / FAST
    slow = (sums[SLOW:] - sums[:-SLOW]) / SLOW
    above = fast > slow
    crosses = np.flatnonzero(above[1:] != above[:-1]) + 1
    prices = closes[SLOW - 1 :][crosses]
    ups = above[crosses]
    if len(ups) and not ups[0]:
        prices, ups = prices[1:], ups[1:]
    money = MONEY - float(np.sum(np.where(ups, prices * (1 + FEE), -prices * (1 - FEE))))
    if len(ups) and ups[-1]:
        money += float(closes[-1])
    return {
        "version": np.__version__, "load": loaded - begun, "run": time.process_time() - loaded, "bars": len(closes),
        "orders": len(prices), "equity": money,
    }  # fmt: skip


def _frame(path: str) -> Any:
    import pandas as pd

    frame = pd.read_csv(path)
    frame.columns = ["time", "Open", "High", "Low", "Close", "Volume"]
    return frame.set_index(pd.to_datetime(frame.pop("time"), unit="ms"))


def backtesting(path: str) -> dict[str, Any]:
    """backtesting.py."""
    import backtesting
    import pandas as pd
    from backtesting import Backtest, Strategy

    def average(values: Any, count: int) -> Any:
        return pd.Series(values).rolling(count).mean()

    class Cross(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            self.fast = self.I(average, self.data.Close, FAST)
            self.slow = self.I(average, self.data.Close, SLOW)

        def next(self) -> None:
            fast, slow = self.fast, self.slow
            if fast[-1] > slow[-1] and fast[-2] <= slow[-2]:
                self.buy(size=1)
            elif fast[-1] < slow[-1] and fast[-2] >= slow[-2]:
                self.position.close()

    begun = time.process_time()
    frame = _frame(path)
    loaded = time.process_time()
    stats = Backtest(frame, Cross, cash=MONEY, commission=FEE).run()
    return {
        "version": backtesting.__version__, "load": loaded - begun, "run": time.process_time() - loaded, "bars": len(frame),
        "orders": 2 * int(stats["# Trades"]), "equity": float(stats["Equity Final [$]"]),
    }  # fmt: skip


def backtrader(path: str) -> dict[str, Any]:
    """Backtrader."""
    import backtrader as bt

    class Cross(bt.Strategy):  # type: ignore[misc]
        def __init__(self) -> None:
            self.cross = bt.ind.CrossOver(bt.ind.SMA(period=FAST), bt.ind.SMA(period=SLOW))
            self.count = 0

        def next(self) -> None:
            if self.cross[0] > 0:
                self.buy(size=1)
                self.count += 1
            elif self.cross[0] < 0 and self.position:
                self.close()
                self.count += 1

    begun = time.process_time()
    frame = _frame(path)
    loaded = time.process_time()
    engine = bt.Cerebro(stdstats=False)
    engine.addstrategy(Cross)
    engine.adddata(bt.feeds.PandasData(dataname=frame))
    engine.broker.setcash(MONEY)
    engine.broker.setcommission(FEE)
    (strategy,) = engine.run()
    return {
        "version": bt.__version__, "load": loaded - begun, "run": time.process_time() - loaded, "bars": len(frame),
        "orders": strategy.count, "equity": engine.broker.getvalue(),
    }  # fmt: skip


def _vectorbt_run(vbt: Any, close: Any) -> Any:
    fast, slow = vbt.MA.run(close, FAST), vbt.MA.run(close, SLOW)
    return vbt.Portfolio.from_signals(
        close, fast.ma_crossed_above(slow), fast.ma_crossed_below(slow), size=1, fees=FEE, init_cash=MONEY, freq="1min"
    )


def vectorbt(path: str) -> dict[str, Any]:
    """vectorbt: whole arrays, no strategy is called at any bar."""
    import vectorbt as vbt

    begun = time.process_time()
    close = _frame(path)["Close"]
    _vectorbt_run(vbt, close[:1000])  # compiles what it runs
    loaded = time.process_time()
    result = _vectorbt_run(vbt, close)
    equity = float(result.final_value())
    return {
        "version": vbt.__version__, "load": loaded - begun, "run": time.process_time() - loaded, "bars": len(close),
        "orders": int(result.orders.count()), "equity": equity,
    }  # fmt: skip


def nautilus(path: str) -> dict[str, Any]:
    """nautilus_trader 1.x."""
    from decimal import Decimal

    import nautilus_trader
    import numpy as np
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig
    from nautilus_trader.indicators import SimpleMovingAverage
    from nautilus_trader.model import Bar, BarType, Money, TraderId, Venue
    from nautilus_trader.model.currencies import USDT
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
    from nautilus_trader.test_kit.providers import TestInstrumentProvider
    from nautilus_trader.trading.strategy import Strategy

    instrument = TestInstrumentProvider.btcusdt_binance()
    kind = BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL")

    class Cross(Strategy):  # type: ignore[misc]
        def on_start(self) -> None:
            self.fast, self.slow = SimpleMovingAverage(FAST), SimpleMovingAverage(SLOW)
            self.register_indicator_for_bars(kind, self.fast)
            self.register_indicator_for_bars(kind, self.slow)
            self.above: bool | None = None
            self.count = 0
            self.subscribe_bars(kind)

        def on_bar(self, bar: Any) -> None:
            if not self.slow.initialized:
                return
            now = self.fast.value > self.slow.value
            if self.above is not None and now != self.above:
                if now:
                    self.send(OrderSide.BUY)
                elif not self.portfolio.is_flat(instrument.id):
                    self.send(OrderSide.SELL)
            self.above = now

        def send(self, side: Any) -> None:
            self.count += 1
            order = self.order_factory.market(instrument.id, side, instrument.make_qty(Decimal(1)))
            self.submit_order(order)

    begun = time.process_time()
    table = columns(path)
    times = (table[0] * 1_000_000).astype(np.int64)
    bars = [
        Bar(
            kind, instrument.make_price(o), instrument.make_price(h), instrument.make_price(low), instrument.make_price(c),
            instrument.make_qty(v), int(t), int(t),
        )
        for t, o, h, low, c, v in zip(times, *table[1:6], strict=True)
    ]  # fmt: skip
    loaded = time.process_time()
    engine = BacktestEngine(
        BacktestEngineConfig(trader_id=TraderId("BENCH-001"), logging=LoggingConfig(bypass_logging=True))
    )
    engine.add_venue(Venue("BINANCE"), OmsType.NETTING, AccountType.CASH, [Money(MONEY, USDT)], base_currency=None)
    engine.add_instrument(instrument)
    engine.add_data(bars)
    strategy = Cross()
    engine.add_strategy(strategy)
    engine.run()
    return {
        "version": nautilus_trader.__version__, "load": loaded - begun, "run": time.process_time() - loaded,
        "bars": len(bars), "orders": strategy.count, "equity": None,
    }  # fmt: skip


def nautilus_2(path: str) -> dict[str, Any]:
    """nautilus_trader 2.x, whose names lie elsewhere."""
    from decimal import Decimal

    import nautilus_trader
    import numpy as np
    from nautilus_trader.backtest import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.common import LoggerConfig
    from nautilus_trader.execution import MakerTakerFeeModel
    from nautilus_trader.indicators import SimpleMovingAverage
    from nautilus_trader.model import (
        AccountType,
        Bar,
        BarType,
        Currency,
        Money,
        OmsType,
        OrderSide,
        Price,
        Quantity,
        TraderId,
        Venue,
    )  # fmt: skip
    from nautilus_trader.testkit.providers import TestInstrumentProvider
    from nautilus_trader.trading import Strategy

    instrument = TestInstrumentProvider.btcusdt_binance()
    kind = BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL")
    one = Quantity(1, 6)
    counted = [0]

    class Cross(Strategy):  # type: ignore[misc]
        def on_start(self) -> None:
            self.fast, self.slow = SimpleMovingAverage(FAST), SimpleMovingAverage(SLOW)
            self.register_indicator_for_bars(kind, self.fast)
            self.register_indicator_for_bars(kind, self.slow)
            self.above: bool | None = None
            self.subscribe_bars(kind)

        def on_bar(self, bar: Any) -> None:
            if not self.slow.initialized:
                return
            now = self.fast.value > self.slow.value
            if self.above is not None and now != self.above:
                if now:
                    self.send(OrderSide.BUY)
                elif not self.portfolio.is_net_flat(instrument.id):
                    self.send(OrderSide.SELL)
            self.above = now

        def send(self, side: Any) -> None:
            counted[0] += 1
            self.submit_order(self.order_factory.market(instrument.id, side, one))

    begun = time.process_time()
    table = columns(path)
    times = (table[0] * 1_000_000).astype(np.int64)
    bars = [
        Bar(kind, Price(o, 2), Price(h, 2), Price(low, 2), Price(c, 2), Quantity(v, 6), int(t), int(t))
        for t, o, h, low, c, v in zip(times, *table[1:6], strict=True)
    ]
    loaded = time.process_time()
    engine = BacktestEngine(
        BacktestEngineConfig(trader_id=TraderId("BENCH-001"), logging=LoggerConfig(bypass_logging=True))
    )
    money = Money(MONEY, Currency.from_str("USDT"))
    fees = MakerTakerFeeModel(Decimal(str(FEE)), Decimal(str(FEE)))
    engine.add_venue(Venue("BINANCE"), OmsType.NETTING, AccountType.CASH, [money], fee_model=fees)
    engine.add_instrument(instrument)
    engine.add_data(bars)
    engine.add_strategy(Cross())
    engine.run()
    return {
        "version": nautilus_trader.__version__, "load": loaded - begun, "run": time.process_time() - loaded,
        "bars": len(bars), "orders": counted[0], "equity": None,
    }  # fmt: skip


PEERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "plain loop": plain, "numpy": numpy_loop, "backtesting.py": backtesting, "backtrader": backtrader, "vectorbt": vectorbt,
    "nautilus_trader": nautilus, "nautilus_trader 2": nautilus_2,
}  # fmt: skip


if __name__ == "__main__":
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = PEERS[sys.argv[1]](sys.argv[2])
    found["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found["added_memory_mb"] = found["memory_mb"] - before / 1024
    print(json.dumps(found))
