"""Driven by the market: each change of the live book is looked at, a trade made at most every 2 s, the account read at most every 5 s."""

import sys

from fmzthreads import *

TRADE_EVERY_S = 2.0
ACCOUNT_EVERY_S = 5.0
AMOUNT = 0.002


class Every:
    """Says yes at most once in so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.next = seconds, 0.0

    def due(self) -> bool:
        """Whether it is time; from then on it is not, until the time has passed again."""
        now = UnixNano() / 1e9
        if now < self.next:
            return False
        self.next = now + self.seconds
        return True


class Script:
    """Buys when buyers weigh more than sellers, sells when it is the other way round, and holds at most one piece."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.trade, self.account = Every(TRADE_EVERY_S), Every(ACCOUNT_EVERY_S)
        self.version = -1
        self.looks = self.trades = self.held = 0

    def on_book(self, depth: Depth) -> None:
        """Called for each change of the book."""
        self.looks += 1
        bids = sum(level.Amount for level in depth.Bids[:5])
        asks = sum(level.Amount for level in depth.Asks[:5])
        side = "buy" if bids > asks and not self.held else "sell" if asks > bids and self.held else None
        if side and self.trade.due():
            price = depth.Asks[0].Price * 1.001 if side == "buy" else depth.Bids[0].Price * 0.999
            if self.exchange.CreateOrder("", f"{side};timeInForce=IOC", _N(price, 2), AMOUNT):
                self.held = 1 - self.held
                self.trades += 1

    def run(self, seconds: float) -> None:
        """Looks, trades and reads the account, each at its own pace."""
        if not self.exchange.Subscribe("depth", wait_ms=10_000):
            raise SystemExit(f"no live book: {GetLastError()}")
        end = UnixNano() + seconds * 1e9
        while UnixNano() < end:
            depth = self.exchange.GetDepth()
            if depth and depth.Info.get("Version") != self.version:
                self.version = depth.Info.get("Version")
                self.on_book(depth)
            if self.account.due():
                account = self.exchange.GetAccount()
                LogStatus("balance", account and account.Balance, "looks", self.looks, "trades", self.trades)
            Sleep(5)
        Log("looks", self.looks, "trades", self.trades)


if __name__ == "__main__":
    script = Script(Exchange("Binance", "BTC_USDT"))
    script.run(*map(float, sys.argv[1:2] or ["6"]))
    script.exchange.close()
