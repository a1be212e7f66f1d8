"""Driven by events: waits for a change of the live book or a command, trades at most every 2 s, reads the account at most every 5 s."""

import sys

from fmzthreads import *

TRADE_EVERY_S = 2.0
ACCOUNT_EVERY_S = 5.0
LONGEST_WAIT_MS = 1000  # so that the account is read even when nothing happens
AMOUNT = 0.002


class Every:
    """A timer: ``due`` is True at most once in so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.next = seconds, 0.0

    def due(self) -> bool:
        """Whether the time has passed since it last said yes."""
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
        self.looks = self.trades = self.held = self.waits = 0

    def on_book(self, depth: Depth) -> None:
        """Trades on one state of the book."""
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
        """Runs for so many seconds."""
        if not self.exchange.Subscribe("depth", wait_ms=10_000):
            raise SystemExit(f"no live book: {GetLastError()}")
        end = UnixNano() + seconds * 1e9
        while (left_ms := (end - UnixNano()) / 1e6) > 0:
            event = EventLoop(min(left_ms, LONGEST_WAIT_MS))  # returns at once when the book changes or a command comes
            self.waits += event is None
            while command := GetCommand():
                Log("command:", command)
            depth = self.exchange.GetDepth()
            if depth and depth.Info.get("Version") != self.version:
                self.version = depth.Info.get("Version")
                self.on_book(depth)
            if self.account.due():
                account = self.exchange.GetAccount()
                LogStatus("balance", account and account.Balance, "looks", self.looks, "trades", self.trades)
        Log("looks", self.looks, "trades", self.trades, "waits without an event", self.waits)


if __name__ == "__main__":
    script = Script(Exchange("Binance", "BTC_USDT"))
    script.run(*map(float, sys.argv[1:2] or ["6"]))
    script.exchange.close()
