'''backtest
start: 2026-01-01 00:00:00
end: 2026-02-01 00:00:00
period: 1h
basePeriod: 5m
exchanges: [{"eid":"Binance","currency":"BTC_USDT"}]
'''

'''config
[
  {"name": "levels", "label": "Levels", "description": "orders on each side", "type": "number", "default": 3, "min": 1, "max": 50, "step": 1, "group": "Grid"},
  {"name": "spacing", "label": "Spacing", "description": "distance between two levels, as a fraction of the price", "type": "number", "default": 0.001, "min": 0.0001, "max": 0.1, "group": "Grid"},
  {"name": "amount", "label": "Amount", "description": "coins an order", "type": "number", "default": 0.001, "min": 0.00001, "group": "Grid"},
  {"name": "follow", "label": "Follow", "description": "moves the grid when the price leaves it", "type": "boolean", "default": true, "group": "Grid"},
  {"name": "turns", "label": "Turns", "description": "0 runs until it is stopped", "type": "number", "default": 0, "min": 0, "step": 1}
]
'''

# A grid: buys below the price and sells above it; what is filled is answered one level further. It needs the template trade.py.
# Buttons in its status table pause it, and set the amount of later orders.

orders = {}
start_value = 0
paused = False


def value(account, price):
    return account.Balance + account.FrozenBalance + (account.Stocks + account.FrozenStocks) * price


def place(side, price):
    price = _N(price, 2)
    order_id = exchange.CreateOrder("", side, price, amount, "grid")
    if order_id:
        orders[order_id] = (side, price)


def lay(center):
    ext.CancelAll(exchange)
    orders.clear()
    for level in range(1, levels + 1):
        place("buy", center * (1 - level * spacing))
        place("sell", center * (1 + level * spacing))
    Log("grid around", center, "with", len(orders), "orders")


def answer_fills():
    open_ids = [order.Id for order in _C(exchange.GetOrders, exchange.GetCurrency())]
    for order_id in list(orders):
        if order_id in open_ids:
            continue
        side, price = orders.pop(order_id)
        order = _C(exchange.GetOrder, order_id)
        if order.DealAmount > 0:
            Log("filled:", side, order.DealAmount, "at", order.AvgPrice, "#00aa00" if side == "buy" else "#aa0000")
            if side == "buy":
                place("sell", price * (1 + spacing))
            else:
                place("buy", price * (1 - spacing))


def obey(command):
    global paused, amount
    name, _, text = command.partition(":")
    if name == "pause":
        paused = not paused
        if paused:
            ext.CancelAll(exchange)
            orders.clear()
        Log("paused" if paused else "running again")
    elif name == "amount":
        amount = float(text)
        Log("later orders are of", amount)
    else:
        Log("unknown command", command)


def show(price):
    profit = value(_C(exchange.GetAccount), price) - start_value
    table = {
        "type": "table",
        "title": "Grid",
        "cols": ["Side", "Price", "Distance"],
        "rows": [[side, p, str(_N((p / price - 1) * 100, 3)) + " %"] for side, p in sorted(orders.values(), key=lambda row: -row[1])],
    }
    table["rows"].append([
        {"type": "button", "cmd": "pause", "name": "Go on" if paused else "Pause", "class": "btn btn-xs btn-primary"},
        {"type": "button", "cmd": "amount", "name": "Amount", "input": {"name": "Amount", "type": "number", "defValue": amount}},
        "",
    ])
    account = {"type": "table", "title": "Account", "cols": ["Value", "Change"], "rows": [[_N(start_value + profit, 2), str(_N(profit, 2)) + (" #00aa00" if profit >= 0 else " #aa0000")]]}
    LogStatus("price", price, "at", _D(), "\n`" + json.dumps([table, account]) + "`")
    return profit


def main():
    global start_value
    exchange.SetPrecision(2, 5)
    center = _C(exchange.GetTicker).Last
    start_value = value(_C(exchange.GetAccount), center)
    lay(center)
    turn = 0
    while turns == 0 or turn < turns:
        turn += 1
        command = GetCommand()
        if command:
            obey(command)
        price = _C(exchange.GetTicker).Last
        if not paused:
            answer_fills()
            if not orders or (follow and abs(price / center - 1) > spacing * (levels + 1)):
                center = price
                lay(center)
        LogProfit(_N(show(price), 4), "&")
        Sleep(500)


def onexit():
    Log("cancelled", ext.CancelAll(exchange), "orders; placed at market by the template:", ext.Placed())
