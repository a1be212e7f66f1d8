# An order's life: placed far below the market, looked at, cancelled; then one at market.


def main():
    price = _N(_C(exchange.GetTicker).Last * 0.9, 1)
    order_id = exchange.Buy(price, 0.01, "far below the market", "#0000ff")
    if order_id is None:
        Log("not placed:", GetLastError())
        return
    order = _C(exchange.GetOrder, order_id)
    Log("state", order.Status, "pending:", order.Status == ORDER_STATE_PENDING, "of", order["Amount"], "filled", order["DealAmount"])
    Log("open orders", len(_C(exchange.GetOrders)))
    for each in _C(exchange.GetOrders):
        exchange.CancelOrder(each.Id)
    Log("open orders now", len(_C(exchange.GetOrders)))
    before = _C(exchange.GetAccount)
    sold = exchange.CreateOrder("", "sell", -1, 0.01)
    Sleep(200)
    after = _C(exchange.GetAccount)
    Log("sold at", _C(exchange.GetOrder, sold).AvgPrice, "balance changed by", _N(after.Balance - before.Balance, 2))
