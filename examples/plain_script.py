from fmzthreads import *

exchange = Exchange("Binance", "BTC_USDT")  # keys and base address come from the environment
depth = _C(exchange.GetDepth)  # asks again until the exchange answers
Log("best bid", depth.Bids[0].Price, "best ask", depth.Asks[0].Price)
order_id = exchange.Buy(_N(depth.Bids[0].Price * 0.98, 2), 0.001, "far below the market")
if order_id:
    order = _C(exchange.GetOrder, order_id)
    Log("order of", order.Amount, "at", order.Price, "is open:", order.Status == ORDER_STATE_PENDING)
    Log("cancelled:", exchange.CancelOrder(order_id), "free:", _C(exchange.GetAccount).Balance)
