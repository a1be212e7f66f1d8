# A websocket by Dial: read(-2) gives the newest message and forgets older ones, read(-1) does not wait, write sends.

client = None


def main():
    global client
    # A simulated exchange has its streams where its REST is; Binance's own are at wss://stream.binance.com:9443.
    base = exchange.GetBase().replace("http", "ws")
    client = Dial(base + "/ws|reconnect=true&interval=1000")
    if client is None:
        Log("no connection:", GetLastError())
        return
    client.write(json.dumps({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 1}))
    prices = 0
    while prices < 3:
        text = client.read(5000)
        if not text:
            Log("no message" if text is None else "the connection is lost")
            break
        message = JSONParse(text)
        if "b" in message:
            prices += 1
            Log("bid", message["b"], "ask", message["a"])
    Log("newest of what waits:", client.read(-2) is None or "a message")


def onexit():
    if client:
        client.close()
        Log("connection closed")
