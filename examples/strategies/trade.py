"""A template library: orders that end within a time, for strategies that are loaded after it (``--template trade.py``)."""

'''config
[
  {"name": "wait_ms", "label": "Wait", "description": "how long an order may stay open, in milliseconds", "type": "number", "default": 2000, "min": 100},
  {"name": "slip", "label": "Slip", "description": "how far beyond the best price, as a fraction", "type": "number", "default": 0.001, "min": 0, "max": 0.05}
]
'''

placed = 0


def init():
    Log("template trade: orders wait", wait_ms, "ms")


def buy_now(ex, amount):
    """Buys at once, and returns what was bought and for how much a coin."""
    return take(ex, "buy", _N(_C(ex.GetDepth).Asks[0].Price * (1 + slip), 1), amount)


def sell_now(ex, amount):
    """Sells at once; see buy_now."""
    return take(ex, "sell", _N(_C(ex.GetDepth).Bids[0].Price * (1 - slip), 1), amount)


def take(ex, side, price, amount):
    global placed
    order_id = ex.CreateOrder("", side, price, amount)
    if order_id is None:
        return 0, 0
    placed += 1
    end = UnixNano() + wait_ms * 1000000
    while True:
        order = _C(ex.GetOrder, order_id)
        if order.Status != ORDER_STATE_PENDING or UnixNano() > end:
            break
        Sleep(100)
    if order.Status == ORDER_STATE_PENDING:
        ex.CancelOrder(order_id, "not filled in time")
        order = _C(ex.GetOrder, order_id)
    return order.DealAmount, order.AvgPrice


def cancel_all(ex):
    """Cancels what is open of the current pair, and returns how many orders that were."""
    count = 0
    for order in _C(ex.GetOrders, ex.GetCurrency()):
        if ex.CancelOrder(order.Id):
            count += 1
    return count


ext.BuyNow = buy_now
ext.SellNow = sell_now
ext.CancelAll = cancel_all
ext.Placed = lambda: placed
