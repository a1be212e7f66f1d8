# Any address by HttpQuery, and the exchange's own interface by IO: the platform signs, and the reply comes as it is.


def main():
    base = exchange.GetBase()
    text = HttpQuery(base + "/api/v3/ticker/price?symbol=BTCUSDT")
    Log("public:", JSONParse(text)["price"])
    answer = HttpQuery(base + "/api/v3/no/such/path", {"debug": True, "timeout": 5000})
    Log("status", answer["StatusCode"], "header", "Content-Type" in answer["Header"])
    account = exchange.IO("api", "GET", "/api/v3/account")
    Log("signed:", [row["asset"] for row in account["balances"]][:2])
    placed = exchange.IO("api", "POST", "/api/v3/order/test", "symbol=BTCUSDT&side=BUY&type=MARKET&quoteOrderQty='20'")
    Log("a test order gives", placed)
    Log("raw text of the last reply:", exchange.GetRawJSON())
