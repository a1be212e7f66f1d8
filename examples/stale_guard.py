"""Never trades on a price that stands still: a silence watch on the stream, and a comparison with REST."""

import json
import sys
from typing import Any

from fmzthreads import *

SILENCE_MS = 3000  # no trade-worthy data for so long: the stream is connected anew, even if heartbeats arrive
COMPARE_EVERY_MS = 1000
MOST_APART = 0.002  # how far the stream's price may be from REST's, as a fraction


def open_stream(url: str, **options: Any) -> Any:
    """A connection that comes back by itself; ends the script with the reason when it cannot be opened."""
    client = Dial(url, reconnect=True, **options)
    if client is None:
        raise SystemExit(f"no stream: {GetLastError()}")
    return client


class GuardedPrice:
    """The middle of the best bid and ask from a stream; None while it cannot be trusted."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        base = exchange.GetBase()
        simulated = base.startswith("http://")  # a simulator has its streams where its REST is
        home = base.replace("http://", "ws://") if simulated else "wss://stream.binance.com:9443"
        stream = home + "/ws/btcusdt@bookTicker"
        self.client = open_stream(stream, silence_ms=SILENCE_MS, silence_data='"b":')
        self.middle: float | None = None
        self.checked_at = 0
        self.confirmed = self.refused = 0

    def refresh(self) -> None:
        """Takes the newest message; a loss makes the price unknown until the next one."""
        message = self.client.read(-2)
        if message == "":
            self.middle = None
        elif message:
            data = json.loads(message)
            self.middle = (float(data["b"]) + float(data["a"])) / 2

    def compare(self) -> None:
        """Asks REST now and then; a price too far off is not trusted until the next comparison."""
        if self.middle is None or UnixNano() - self.checked_at < COMPARE_EVERY_MS * 1e6:
            return
        self.checked_at = UnixNano()
        ticker = self.exchange.GetTicker()
        if not ticker:
            return
        rest = (ticker.Buy + ticker.Sell) / 2
        if abs(self.middle / rest - 1) > MOST_APART:
            Log("the stream says", self.middle, "and REST says", rest)
            self.middle = None
            self.refused += 1
        else:
            self.confirmed += 1

    def price(self) -> float | None:
        """The price, if it may be traded on."""
        self.refresh()
        self.compare()
        return self.middle


def main(seconds: float = 4.0) -> None:
    """Watches the price for so many seconds."""
    guard = GuardedPrice(Exchange("Binance", "BTC_USDT"))
    known = unknown = 0
    end = UnixNano() + seconds * 1e9
    while UnixNano() < end:
        if guard.price() is None:
            unknown += 1
        else:
            known += 1
        Sleep(20)
    stats = guard.client.stats
    Log("looks with a price", known, "without", unknown, "confirmed by REST", guard.confirmed, "refused", guard.refused)
    Log("losses", stats.losses, "state", guard.client.state)
    guard.client.close()


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
