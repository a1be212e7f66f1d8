'''backtest
start: 2024-01-03 00:00:00
end: 2024-01-09 00:00:00
period: 1h
basePeriod: 5m
exchanges: [{"eid":"Binance","currency":"BTC_USDT","balance":10000,"stocks":0}]
'''

# MACD with a chart: candles, the two lines, the histogram, and a flag for each trade.

CONFIG = {
    "__isStock": True,
    "title": {"text": "MACD"},
    "xAxis": {"type": "datetime"},
    "yAxis": [
        {"title": {"text": "price"}, "height": "60%"},
        {"title": {"text": "MACD"}, "top": "65%", "height": "35%"},
    ],
    "series": [
        {"type": "candlestick", "name": "price", "id": "price", "data": []},
        {"type": "line", "name": "dif", "yAxis": 1, "data": []},
        {"type": "line", "name": "dea", "yAxis": 1, "data": []},
        {"type": "column", "name": "histogram", "yAxis": 1, "data": []},
        {"type": "flags", "name": "trades", "onSeries": "price", "data": []},
    ],
}


def main():
    chart = Chart(CONFIG)
    done = 0
    while True:
        records = exchange.GetRecords()
        bar = records[-2]
        if bar.Time != done and len(records) > 40:
            done = bar.Time
            dif, dea, histogram = (line[-2] for line in TA.MACD(records, 12, 26, 9))
            chart.add(0, [bar.Time, bar.Open, bar.High, bar.Low, bar.Close])
            chart.add(1, [bar.Time, dif])
            chart.add(2, [bar.Time, dea])
            chart.add(3, [bar.Time, histogram])
            account = exchange.GetAccount()
            if histogram > 0 and account.Stocks < 0.001:
                exchange.Buy(-1, _N(account.Balance * 0.9, 2), "MACD up")
                chart.add(4, {"x": bar.Time, "title": "B", "text": "MACD up"})
            elif histogram < 0 and account.Stocks >= 0.001:
                exchange.Sell(-1, _N(account.Stocks, 5), "MACD down")
                chart.add(4, {"x": bar.Time, "title": "S", "text": "MACD down"})
        LogStatus(_D(), "stocks", exchange.GetAccount().Stocks)
        Sleep(10 * 60 * 1000)
