"""backtest
exchanges: [{"eid":"Futures_Binance","currency":"BTC_USDT"}]
"""

# Several orders in one raw call: Binance's ``batchOrders`` takes up to five.
#
# Each element of the reply is an order or a refusal, in the order of the request; both have to be looked at. The call is one row of the order
# log; when its reply is lost, nobody but the user can say which orders exist, so that each order has a client id by which it is found.

import json
from urllib.parse import quote as urlquote

from fmzthreads import *


def main() -> None:
    """Places three bids at once, one of which the exchange refuses, and cancels what rests."""
    exchange = Exchange("Futures_Binance", "BTC_USDT")
    exchange.SetContractType("swap")
    last = _C(exchange.GetTicker).Last
    batch = "b" + UUID().replace("-", "")[:16]
    orders = [
        {
            "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": amount,
            "price": str(_N(last * part, 1)), "newClientOrderId": f"{batch}{number}",
        }
        for number, (amount, part) in enumerate([("0.01", 0.96), ("0.0001", 0.97), ("0.02", 0.98)])
    ]  # fmt: skip
    reply = exchange.IO("api", "POST", "/fapi/v1/batchOrders", "batchOrders=" + urlquote(json.dumps(orders)))
    for order, answer in zip(orders, reply or [], strict=False):
        Log(order["newClientOrderId"][-1], "->", answer.get("status") or f"refused: {answer.get('msg')}")
    Log("open:", len(exchange.GetOrders() or []))
    Log("all cancelled:", exchange.CancelAll(), "open:", len(exchange.GetOrders() or []))
    exchange.close()


if __name__ == "__main__":
    main()
