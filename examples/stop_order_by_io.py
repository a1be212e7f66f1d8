"""backtest
exchanges: [{"eid":"Futures_Binance","currency":"BTC_USDT"}]
"""

# A stop order by the exchange's own raw interface, and the same by ``CreateConditionOrder``.
#
# ``IO("api", ...)`` reaches whatever the exchange object has no call for. The raw call is a row of the order log before it is sent, too; but only
# its own parameters say which order it is, so that it needs a client id of one's own. ``CreateConditionOrder`` makes one by itself, checks the
# trigger against the price, and finds its order again when a reply is lost.

from fmzthreads import *
from fmzthreads.constants import ORDER_CONDITION_TYPE_SL


def main() -> None:
    """Opens a small long position, protects it in both ways, and takes everything back."""
    exchange = Exchange("Futures_Binance", "BTC_USDT")
    exchange.SetContractType("swap")
    exchange.SetDirection("buy")
    if exchange.Buy(-1, 0.01) is None:
        return
    stop_price = _N(_C(exchange.GetTicker).Last * 0.9, 1)

    own_id = "stop" + UUID().replace("-", "")[:20]
    placed = exchange.IO(
        "api", "POST", "/fapi/v1/algoOrder",
        f"algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=STOP_MARKET&quantity=0.01&triggerPrice={stop_price}&reduceOnly=true"
        f"&clientAlgoId={own_id}",
    )  # fmt: skip
    Log("by IO:", placed and placed["algoStatus"], "at", stop_price)
    cancelled = exchange.IO("api", "DELETE", "/fapi/v1/algoOrder", f"clientAlgoId={own_id}")
    Log("cancelled by IO:", cancelled and cancelled["msg"])

    stop = {"ConditionType": ORDER_CONDITION_TYPE_SL, "SlTriggerPrice": stop_price, "SlOrderPrice": -1}
    order_id = exchange.CreateConditionOrder("", "closebuy", 0.01, stop)
    Log("by CreateConditionOrder:", order_id)
    Log("waiting:", len(exchange.GetConditionOrders() or []))
    Log("all cancelled:", exchange.CancelAll())

    exchange.SetDirection("closebuy")
    exchange.Sell(-1, 0.01)
    Log("positions left:", len(exchange.GetPositions() or []))
    exchange.close()


if __name__ == "__main__":
    main()
