// An order's life: placed far below the market, looked at, cancelled; then one at market.
function CancelAll() {
    while (true) {
        var orders = _C(exchange.GetOrders)
        if (orders.length == 0) {
            return
        }
        for (var i = 0; i < orders.length; i++) {
            exchange.CancelOrder(orders[i].Id, orders[i])
            if (i < orders.length - 1) {
                Sleep(200)
            }
        }
    }
}

function main() {
    var price = _N(_C(exchange.GetTicker).Last * 0.9, 1)
    var id = exchange.Buy(price, 0.01, "far below the market", "#0000ff")
    if (!id) {
        Log("not placed:", GetLastError())
        return
    }
    var order = _C(exchange.GetOrder, id)
    Log("state", order.Status, "pending:", order.Status == ORDER_STATE_PENDING, "of", order.Amount, "filled", order.DealAmount)
    Log("open orders", _C(exchange.GetOrders).length)
    CancelAll()
    Log("open orders now", exchange.GetOrders().length)
    var before = _C(exchange.GetAccount)
    var sold = exchange.CreateOrder("", "sell", -1, 0.01)
    Sleep(200)
    var after = _C(exchange.GetAccount)
    Log("sold at", _C(exchange.GetOrder, sold).AvgPrice, "balance changed by", _N(after.Balance - before.Balance, 2))
}
