"""Quotes both sides of one book and manages what it holds: the more coins, the lower both quotes."""

import sys

from fmzthreads import *

AMOUNT = 0.005  # of each quote, in coins
HALF_SPREAD = 0.0004  # from the middle to each quote, as a fraction of the price
SKEW = 0.0004  # how far the quotes move when the inventory is at its limit, as a fraction of the price
MOST = 0.05  # the most to hold above or below the start, in coins
MOVED = 0.0001  # quotes are replaced when the middle has moved by this fraction


class MarketMaker:
    """Keeps one bid and one ask in the book, around a middle that its inventory pulls down or up."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.start = self.stocks()
        self.quoted_at = 0.0
        self.open: list[str] = []
        self.fills = 0

    def stocks(self) -> float:
        """All coins, free and frozen; retried until the exchange answers."""
        account = _C(self.exchange.GetAccount)
        return account.Stocks + account.FrozenStocks

    def quotes(self, middle: float, inventory: float) -> tuple[float, float]:
        """The prices to bid and to ask."""
        centre = middle * (1 - SKEW * inventory / MOST)
        return centre * (1 - HALF_SPREAD), centre * (1 + HALF_SPREAD)

    def withdraw(self) -> None:
        """Cancels both quotes at once; an order that is gone has been filled."""
        handles = [(order_id, self.exchange.Go("CancelOrder", order_id)) for order_id in self.open]
        for _, handle in handles:
            cancelled, _ = handle.wait()
            self.fills += not cancelled
        GetLastError()  # "no such order" is what a fill looks like here
        self.open = [order.Id for order in self.exchange.GetOrders() or []]

    def turn(self) -> None:
        """Looks at the book and replaces the quotes if the middle has moved."""
        depth = self.exchange.GetDepth()
        if not depth or not depth.Bids or not depth.Asks:
            return
        middle = (depth.Bids[0].Price + depth.Asks[0].Price) / 2
        if abs(middle / self.quoted_at - 1) < MOVED if self.quoted_at else False:
            return
        self.withdraw()
        inventory = self.stocks() - self.start
        bid, ask = self.quotes(middle, inventory)
        wanted = []
        if inventory < MOST:
            wanted.append(self.exchange.Go("CreateOrder", "", "buy;timeInForce=GTX", _N(bid, 2), AMOUNT))
        if inventory > -MOST:
            wanted.append(self.exchange.Go("CreateOrder", "", "sell;timeInForce=GTX", _N(ask, 2), AMOUNT))
        placed = [handle.wait()[0] for handle in wanted]
        self.open = [order_id for order_id in placed if order_id]
        self.quoted_at = middle
        LogStatus(f"middle {middle:.2f}, inventory {inventory:+.5f}, quotes {bid:.2f} / {ask:.2f}, fills {self.fills}")

    def run(self, seconds: float) -> None:
        """Quotes for so many seconds, then withdraws."""
        end = UnixNano() + seconds * 1e9
        try:
            while UnixNano() < end:
                self.turn()
                Sleep(50)
        finally:
            self.withdraw()
        Log("inventory", round(self.stocks() - self.start, 8), "open orders", len(self.open))


if __name__ == "__main__":
    SetErrorFilter("order|Order")  # a post-only quote that would trade at once is refused; the next turn quotes again
    MarketMaker(Exchange("Binance", "BTC_USDT")).run(*map(float, sys.argv[1:2] or ["5"]))
