'''backtest
start: 2022-12-13 00:00:00
end: 2022-12-14 00:00:00
period: 1m
basePeriod: 1m
exchanges: [{"eid":"Binance","currency":"BTC_BUSD","balance":20000,"stocks":1,"fee":[0,0.01]},{"eid":"Bybit","currency":"BTC_USDT","balance":20000,"stocks":1,"fee":[0,0.01]}]
args: [["BARS", 60], ["WIDE", 2.5], ["AMOUNT", 0.1]]
'''

# The difference between the prices of one coin on two exchanges swings about a mean of its own (their quote currencies differ). Sells the dear side
# and buys the cheap one when the difference is far from its mean, and turns back when it has come home. It was written for one real day, 2022-12-13, minute
# by minute on Binance (BTCBUSD) and Bybit (BTCUSDT), in the form of QuantConnect's LEAN, whose repository has both files:
#
#     fmzthreads backtest backtest_spread_day.py --bars Binance/BTC_BUSD=btcbusd/20221213_trade.zip --bars Bybit/BTC_USDT=btcusdt/20221213_trade.zip


def mean_and_deviation(values):
    mean = sum(values) / len(values)
    return mean, (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5


def trade(side, text):
    # side 1: buy on the first exchange, sell on the second; -1: the other way round
    buyer, seller = exchanges[::side]
    calls = [
        buyer.Go("Buy", -1, _N(AMOUNT * buyer.GetTicker().Sell, 2), text),
        seller.Go("Sell", -1, AMOUNT, text),
    ]
    if not all(call.wait()[0] for call in calls):
        Log("a leg failed")


def worth(closes):
    total = 0
    for each, close in zip(exchanges, closes):
        account = each.GetAccount()
        total += account.Balance + account.FrozenBalance + (account.Stocks + account.FrozenStocks) * close
    return total


def main():
    held = 0
    first = None
    while True:
        lists = [each.GetRecords() for each in exchanges]
        closes = [{bar.Time: bar.Close for bar in bars[-BARS - 1 : -1]} for bars in lists]
        together = sorted(closes[0].keys() & closes[1].keys())
        if len(together) >= BARS // 2:
            differences = [closes[0][time] - closes[1][time] for time in together]
            mean, deviation = mean_and_deviation(differences)
            away = (differences[-1] - mean) / deviation if deviation else 0
            if held == 0 and abs(away) > WIDE:
                held = -1 if away > 0 else 1
                trade(held, "apart by %.1f deviations" % away)
            elif held and away * held > 0:
                trade(-held, "home again")
                held = 0
        prices = [bars[-1].Close for bars in lists]
        first = worth(prices) if first is None else first
        LogProfit(_N(worth(prices) - first, 4), "&")
        Sleep(60 * 1000)
