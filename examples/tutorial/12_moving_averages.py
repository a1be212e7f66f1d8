# Two moving averages: acts when a new bar has begun and the fast one has crossed the slow one.

'''config
[{"name": "fast", "type": "number", "default": 3, "min": 1}, {"name": "slow", "type": "number", "default": 8, "min": 2}]
'''


def main():
    last_time = 0
    acted = 0
    for turn in range(3):
        records = _C(exchange.GetRecords, PERIOD_M1)
        if len(records) > slow and records[-1].Time != last_time:
            last_time = records[-1].Time
            quick, lazy = TA.MA(records, fast), TA.MA(records, slow)
            crossed = _Cross(quick, lazy)
            Log("fast", _N(quick[-1], 2), "slow", _N(lazy[-1], 2), "crossed", crossed, "bars ago")
            if crossed > 0:
                acted += exchange.Buy(-1, 100) is not None
            elif crossed < 0:
                acted += exchange.Sell(-1, 0.001) is not None
        Sleep(200)
    Log("orders", acted, "rsi", _N(TA.RSI(records, 14)[-1], 2), "atr", _N(TA.ATR(records, 14)[-1], 2))
