'''backtest
start: 2024-01-03 00:00:00
end: 2024-01-06 00:00:00
period: 5m
basePeriod: 1m
exchanges: [{"eid":"Binance","currency":"BTC_USDT","balance":10000,"stocks":0.2,"fee":[0.02,0.05]}]
args: [["STEP", 0.004], ["LEVELS", 4], ["AMOUNT", 0.01]]
'''

# A grid: buys below the price and sells above it; a filled order is answered by one on the other side, a step away.


def place(side, price, level):
    call = exchange.Buy if side == "buy" else exchange.Sell
    order_id = call(_N(price, 2), AMOUNT, "level", level)
    return None if order_id is None else {"id": order_id, "side": side, "price": price, "level": level}


def main():
    middle = exchange.GetTicker().Last
    initial = worth(middle)
    grid = []
    for level in range(1, LEVELS + 1):
        grid.append(place("buy", middle * (1 - STEP * level), level))
        grid.append(place("sell", middle * (1 + STEP * level), level))
    while True:
        Sleep(5 * 60 * 1000)
        still_open = {order.Id for order in exchange.GetOrders()}
        for number, entry in enumerate(grid):
            if entry is None or entry["id"] in still_open:
                continue
            other = "sell" if entry["side"] == "buy" else "buy"
            factor = 1 + STEP if other == "sell" else 1 - STEP
            grid[number] = place(other, entry["price"] * factor, entry["level"])
        LogProfit(_N(worth(exchange.GetTicker().Last) - initial, 4), "&")


def worth(last):
    account = exchange.GetAccount()
    return account.Balance + account.FrozenBalance + (account.Stocks + account.FrozenStocks) * last
