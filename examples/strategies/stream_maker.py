'''backtest
start: 2026-01-01 00:00:00
end: 2026-01-02 00:00:00
period: 1m
exchanges: [{"eid":"Binance","currency":"BTC_USDT"}]
'''

'''config
[
  {"name": "half_spread", "label": "Half spread", "description": "from the middle to each quote, as a fraction", "type": "number", "default": 0.0004, "min": 0.00001, "max": 0.05},
  {"name": "amount", "label": "Amount", "type": "number", "default": 0.001, "min": 0.00001},
  {"name": "most", "label": "Most", "description": "the largest inventory, in coins", "type": "number", "default": 0.005, "min": 0},
  {"name": "stream", "label": "Stream", "description": "its address; empty for the one beside the REST address", "type": "string", "default": ""},
  {"name": "seconds", "label": "Seconds", "description": "0 runs until it is stopped", "type": "number", "default": 0, "min": 0}
]
'''

# A market maker that a websocket drives: each message of the book ticker wakes EventLoop, and the quotes follow the middle. The inventory
# moves the quotes, so that it returns to zero. It needs the template trade.py.

client = None
quotes = {"buy": None, "sell": None}
start_coins = 0


def connect():
    symbol = exchange.GetCurrency().replace("_", "").lower()
    address = stream or exchange.GetBase().replace("http", "ws")
    # A simulator has its streams where its REST is; Binance's own are at wss://stream.binance.com:9443.
    return Dial(address + "/ws/" + symbol + "@bookTicker|reconnect=true&interval=1000")


def quote(side, price):
    """Moves a quote, if it is more than a little away from where it should be."""
    if quotes[side] is not None:
        order_id, at = quotes[side]
        if price is not None and abs(at / price - 1) < half_spread / 4:
            return
        exchange.CancelOrder(order_id)
        quotes[side] = None
    if price is not None:
        order_id = exchange.Buy(price, amount) if side == "buy" else exchange.Sell(price, amount)
        if order_id:
            quotes[side] = (order_id, price)


def inventory():
    account = _C(exchange.GetAccount)
    return account.Stocks + account.FrozenStocks - start_coins


def main():
    global client, start_coins
    EnableLog(False)
    exchange.SetPrecision(2, 5)
    account = _C(exchange.GetAccount)
    start_coins = account.Stocks + account.FrozenStocks
    client = connect()
    if client is None:
        raise Exception("no stream: " + str(GetLastError()))
    end = Unix() + seconds
    messages = quoted = 0
    EventLoop(-1)
    while not seconds or Unix() < end:
        EventLoop(1000)
        text = client.read(-2)
        if not text:
            continue
        messages += 1
        ticker = JSONParse(text)
        middle = (float(ticker["b"]) + float(ticker["a"])) / 2
        held = inventory()
        lean = half_spread * held / most if most else 0
        quote("buy", _N(middle * (1 - half_spread - lean), 2) if held < most else None)
        quote("sell", _N(middle * (1 + half_spread - lean), 2) if held > -most else None)
        quoted += 1
        LogStatus("middle", middle, "inventory", _N(held, 5), "messages", messages, "turns", quoted)
        Sleep(200)
    Log("messages", messages, "turns", quoted, "inventory", _N(inventory(), 5))


def onexit():
    if client:
        client.close()
    EnableLog(True)
    ext.CancelAll(exchange)
    Log("open orders", len(_C(exchange.GetOrders)))
