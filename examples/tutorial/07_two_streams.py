# Two exchanges, a stream each, one loop: EventLoop wakes it, and both connections are read without waiting.


def main():
    a, b = exchanges[0], exchanges[1]
    first = Dial(a.GetBase().replace("http", "ws") + "/ws/btcusdt@bookTicker")
    second = Dial(b.GetBase().replace("http", "ws") + "/ws/v5/public")
    second.write(json.dumps({"op": "subscribe", "args": [{"channel": "tickers", "instId": "BTC-USDT"}]}))
    prices = [None, None]
    end = Unix() + 20
    EventLoop(-1)
    while None in prices and Unix() < end:
        EventLoop(1000)
        text = first.read(-2)
        if text:
            prices[0] = float(JSONParse(text)["b"])
        text = second.read(-2)
        if text:
            message = JSONParse(text)
            if message.get("data"):
                prices[1] = float(message["data"][0]["bidPx"])
    Log(a.GetName(), prices[0], b.GetName(), prices[1], "difference", _N(prices[0] - prices[1], 2))
    first.close()
    second.close()
