'''backtest
start: 2024-01-03 00:00:00
end: 2024-01-09 00:00:00
period: 15m
basePeriod: 5m
exchanges: [{"eid":"Binance","currency":"BTC_USDT","balance":10000,"stocks":0,"fee":[0.075,0.1]}]
args: [["FAST", 5], ["SLOW", 20]]
'''

# Buys when the fast average crosses above the slow one, and sells everything when it crosses below.


def equity(last):
    account = exchange.GetAccount()
    return account.Balance + account.FrozenBalance + (account.Stocks + account.FrozenStocks) * last


def main():
    initial = equity(exchange.GetTicker().Last)
    done = 0
    while True:
        records = _C(exchange.GetRecords)
        if len(records) > SLOW and records[-1].Time != done:
            done = records[-1].Time
            cross = _Cross(TA.MA(records, FAST)[:-1], TA.MA(records, SLOW)[:-1])
            account = exchange.GetAccount()
            if cross == 1 and account.Stocks < 0.001:
                exchange.Buy(-1, _N(account.Balance * 0.9, 2), "golden cross")
            elif cross == -1 and account.Stocks >= 0.001:
                exchange.Sell(-1, _N(account.Stocks, 5), "dead cross")
            LogProfit(_N(equity(records[-1].Close) - initial, 4), "&")
        LogStatus(_D(), "profit", _N(equity(records[-1].Close) - initial, 2))
        Sleep(5 * 60 * 1000)
