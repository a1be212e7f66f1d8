"""An exchange of one's own, served by FMZ's general protocol, and a strategy that trades on it."""

import itertools
import threading
from typing import Any

from fmzthreads import *
from fmzthreads.errors import InsufficientFunds, OrderNotFound
from fmzthreads.plugin.server import PluginServer


class CornerShop:
    """One price for everybody: orders at it or better are filled at once, the others rest."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # methods are called from many threads at once
        self.bid, self.ask = 99.0, 101.0
        self.wallet = {"BTC": 10.0, "USDT": 1000.0}
        self.orders: dict[str, dict[str, Any]] = {}
        self.numbers = itertools.count(1)

    def GetTicker(self, symbol: str) -> dict[str, Any]:
        """The last price, and the best ones of both sides."""
        return {"last": 100.0, "buy": self.bid, "sell": self.ask}

    def GetDepth(self, symbol: str) -> dict[str, Any]:
        """The order book."""
        return {"asks": [[self.ask, 5.0]], "bids": [[self.bid, 5.0]]}

    def GetAssets(self) -> list[dict[str, Any]]:
        """The whole wallet."""
        return [{"currency": name, "free": free, "frozen": 0} for name, free in self.wallet.items()]

    def CreateOrder(self, symbol: str, side: str, price: float, amount: float) -> str:
        """Fills an order, or lets it rest; its id."""
        sign, at = (1, self.ask) if side == "buy" else (-1, self.bid)
        fills = price < 0 or (price - at) * sign >= 0  # -1 is an order at market
        with self.lock:
            if fills and (self.wallet["USDT"] < sign * at * amount or self.wallet["BTC"] < -sign * amount):
                raise InsufficientFunds(f"not enough to {side} {amount}")
            if fills:
                self.wallet["BTC"] += sign * amount
                self.wallet["USDT"] -= sign * at * amount
            order: dict[str, Any] = {"id": f"shop-{next(self.numbers)}", "type": side, "price": price, "amount": amount}
            self.orders[order["id"]] = {**order, "status": "closed" if fills else "open", "deal_amount": amount * fills}
        return str(order["id"])

    def CancelOrder(self, symbol: str, id: str) -> bool:
        """Cancels an open order."""
        with self.lock:
            if self.orders.get(id, {}).get("status") != "open":
                raise OrderNotFound(f"no open order {id}")
            self.orders[id]["status"] = "cancelled"
        return True

    def GetOrder(self, symbol: str, id: str) -> dict[str, Any]:
        """One order."""
        return self.orders[id]

    def GetOrders(self, symbol: str) -> list[dict[str, Any]]:
        """The open orders."""
        return [order for order in list(self.orders.values()) if order["status"] == "open"]


def main() -> None:
    """Serves the shop as `fmzthreads plugin examples/own_exchange.py:CornerShop --port 6666` would, and trades with it."""
    with PluginServer(CornerShop()) as server:
        exchange = Exchange(
            "Exchange", "BTC_USDT", base=server.address, access_key="mine", secret_key="secret", errors="raise"
        )
        resting = exchange.Buy(95, 1)
        filled = exchange.Sell(-1, 2)
        Log("open:", [order.Id for order in exchange.GetOrders()], "filled:", exchange.GetOrder(filled).DealAmount)
        handles = [exchange.Go("GetTicker") for _ in range(8)]
        Log("eight calls at once:", {handle.wait()[0].Last for handle in handles})
        Log("cancelled:", exchange.CancelOrder(resting), "left:", exchange.GetAccount().Balance)
        try:
            exchange.Buy(-1, 1000)
        except InsufficientFunds as error:
            Log("too much:", error)
        exchange.close()


if __name__ == "__main__":
    main()
