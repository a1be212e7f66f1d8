'''backtest
start: 2024-01-03 00:00:00
end: 2024-01-04 00:00:00
period: 1m
basePeriod: 1m
exchanges: [{"eid":"Binance","currency":"BTC_USDT","balance":20000,"stocks":0.5,"fee":[0.02,0.02]},{"eid":"OKX","currency":"BTC_USDT","balance":20000,"stocks":0.5,"fee":[0.02,0.02]}]
args: [["SPREAD", 0.0015], ["AMOUNT", 0.05]]
'''

# Buys where it is cheap and sells where it is dear, at the same time, when the prices of two exchanges are far enough apart.


def trade(cheap, dear, ask, bid):
    buy = cheap.Go("Buy", _N(ask * 1.001, 2), AMOUNT, "arbitrage")
    sell = dear.Go("Sell", _N(bid * 0.999, 2), AMOUNT, "arbitrage")
    bought, sold = buy.wait()[0], sell.wait()[0]
    if not bought or not sold:
        Log("one leg failed: bought", bought, "sold", sold)


def main():
    pairs = [(exchanges[0], exchanges[1]), (exchanges[1], exchanges[0])]
    first = None
    while True:
        calls = [each.Go("GetTicker") for each in exchanges]
        tickers = {each: call.wait()[0] for each, call in zip(exchanges, calls)}
        for cheap, dear in pairs:
            ask, bid = tickers[cheap].Sell, tickers[dear].Buy
            if (
                bid / ask - 1 > SPREAD
                and dear.GetAccount().Stocks >= AMOUNT
                and cheap.GetAccount().Balance > ask * AMOUNT * 1.01
            ):
                trade(cheap, dear, ask, bid)
                break
        money = 0
        for each in exchanges:
            account = each.GetAccount()
            money += (
                account.Balance + account.FrozenBalance + (account.Stocks + account.FrozenStocks) * tickers[each].Last
            )
        first = money if first is None else first
        LogProfit(_N(money - first, 4), "&")
        Sleep(60 * 1000)
