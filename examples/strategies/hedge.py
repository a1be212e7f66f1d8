'''backtest
start: 2026-01-01 00:00:00
end: 2026-01-02 00:00:00
period: 1m
exchanges: [{"eid":"Binance","currency":"BTC_USDT"},{"eid":"OKX","currency":"BTC_USDT"}]
'''

'''config
[
  {"name": "edge", "label": "Edge", "description": "the difference that is traded, as a fraction of the price, after fees", "type": "number", "default": 0.0002, "min": -0.01, "max": 0.1},
  {"name": "amount", "label": "Amount", "description": "coins a hedge", "type": "number", "default": 0.01, "min": 0.0001},
  {"name": "fee", "label": "Fee", "description": "of both legs together, as a fraction", "type": "number", "default": 0.002, "min": 0},
  {"name": "seconds", "label": "Seconds", "description": "0 runs until it is stopped", "type": "number", "default": 0, "min": 0}
]
'''

# A hedge over two exchanges: books and legs are asked for side by side with Go. A leg that is missing is made up for at once by the
# template trade.py, so that the exposure returns to zero.

done = 0
exposure = 0


def books():
    waiting = [e.Go("GetDepth") for e in exchanges]
    found = [go.wait(10_000) for go in waiting]
    if all(ok and depth and depth.Asks and depth.Bids for depth, ok in found):
        return [depth for depth, ok in found]
    return None


def filled(e, order_id):
    """What became of a leg: an order that is still open is cancelled first."""
    if order_id is None:
        return 0
    order = _C(e.GetOrder, order_id)
    if order.Status == ORDER_STATE_PENDING:
        e.CancelOrder(order_id, "the other leg does not wait")
        order = _C(e.GetOrder, order_id)
    return order.DealAmount


def hedge(cheap, dear, ask, bid):
    global done, exposure
    buying = exchanges[cheap].Go("Buy", _N(ask * 1.0005, 1), amount)
    selling = exchanges[dear].Go("Sell", _N(bid * 0.9995, 1), amount)
    legs = [buying.wait(10_000)[0], selling.wait(5000)[0]]
    bought, sold = filled(exchanges[cheap], legs[0]), filled(exchanges[dear], legs[1])
    exposure += bought - sold
    if abs(exposure) >= 0.0001:
        Log("a leg is missing; exposure", _N(exposure, 6), "#aa0000")
        if exposure > 0:
            exposure -= ext.SellNow(exchanges[dear], _N(exposure, 5))[0]
        else:
            exposure += ext.BuyNow(exchanges[cheap], _N(-exposure, 5))[0]
    done += 1
    Log("hedge", done, "bought", bought, "on", exchanges[cheap].GetName(), "sold", sold, "on", exchanges[dear].GetName())


def total():
    accounts = [_C(e.GetAccount) for e in exchanges]
    return sum(a.Balance + a.FrozenBalance for a in accounts), sum(a.Stocks + a.FrozenStocks for a in accounts)


def main():
    if len(exchanges) < 2:
        raise Exception("two exchanges are needed")
    SetErrorFilter("timeout|timed out")
    for e in exchanges:
        e.SetTimeout(3000)
        e.SetPrecision(1, 5)
    money, coins = total()
    end = Unix() + seconds
    looked = 0
    while not seconds or Unix() < end:
        found = books()
        if found is None:
            Sleep(500)
            continue
        looked += 1
        edges = [(found[1 - i].Bids[0].Price / found[i].Asks[0].Price - 1 - fee, i) for i in (0, 1)]
        best, cheap = max(edges)
        LogStatus(_D(), "looks", looked, "hedges", done, "best edge after fees", _N(best * 100, 4), "%")
        if best > edge:
            hedge(cheap, 1 - cheap, found[cheap].Asks[0].Price, found[1 - cheap].Bids[0].Price)
            now_money, now_coins = total()
            LogProfit(_N(now_money - money + (now_coins - coins) * found[0].Bids[0].Price, 4))
        Sleep(200)
    Log("looks", looked, "hedges", done, "exposure", _N(exposure, 6))


def onexit():
    for e in exchanges:
        ext.CancelAll(e)
    Log("nothing is open; exposure", _N(exposure, 6))
