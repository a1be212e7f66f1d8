# A chart in Highcharts' form: a line for the price and one for its average, a point a turn; the last point of equal time is replaced.

config = {
    "__isStock": True,
    "title": {"text": "price and average"},
    "xAxis": {"type": "datetime"},
    "series": [{"name": "price", "type": "line", "data": []}, {"name": "average", "type": "line", "data": []}],
}


def main():
    chart = Chart(config)
    chart.reset()
    prices = []
    for turn in range(6):
        last = _C(exchange.GetTicker).Last
        prices.append(last)
        time_ms = Unix() * 1000
        chart.add(0, [time_ms, last])
        chart.add(1, [time_ms, _N(sum(prices[-3:]) / len(prices[-3:]), 2)])
        Sleep(300)
    chart.add(0, [Unix() * 1000, prices[-1]], -1)
    Log("drawn", len(prices), "prices")
