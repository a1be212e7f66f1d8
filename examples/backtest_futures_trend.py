'''backtest
start: 2024-01-03 00:00:00
end: 2024-01-09 00:00:00
period: 15m
basePeriod: 5m
exchanges: [{"eid":"Futures_Binance","currency":"BTC_USDT","balance":10000,"stocks":0,"fee":[0.02,0.05]}]
args: [["FAST", 8], ["SLOW", 30], ["LEVEL", 5]]
'''

# A trend follower on a perpetual contract: long above the slow average, short below it, always with the same part of the money.


def close_all():
    for position in exchange.GetPositions():
        side = "closebuy" if position.Type == PD_LONG else "closesell"
        exchange.CreateOrder(position.Symbol, side, -1, position.Amount, "close")


def main():
    exchange.SetContractType("swap")
    exchange.SetMarginLevel(LEVEL)
    initial = exchange.GetAccount().Equity
    held = 0
    while True:
        records = _C(exchange.GetRecords)
        if len(records) > SLOW:
            fast, slow = TA.EMA(records, FAST)[-2], TA.EMA(records, SLOW)[-2]
            wanted = 1 if fast > slow else -1
            if wanted != held:
                close_all()
                amount = _N(exchange.GetAccount().Balance * 0.5 * LEVEL / records[-1].Close, 3)
                side = "buy" if wanted > 0 else "sell"
                if exchange.CreateOrder("BTC_USDT.swap", side, -1, amount, "open"):
                    held = wanted
            LogProfit(_N(exchange.GetAccount().Equity - initial, 4), "&")
        Sleep(15 * 60 * 1000)
