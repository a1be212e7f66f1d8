/*backtest
start: 2024-01-01 00:00:00
end: 2024-01-02 00:00:00
period: 1m
*/
/*config
[{"name": "fast", "type": "number", "default": 3, "min": 1}, {"name": "slow", "type": "number", "default": 8, "min": 2}]
*/

// Two moving averages: acts when a new bar has begun and the fast one has crossed the slow one.
function main() {
    var lastTime = 0, acted = 0, records = null
    for (var turn = 0; turn < 3; turn++) {
        records = _C(exchange.GetRecords, PERIOD_M1)
        if (records.length > slow && records[records.length - 1].Time != lastTime) {
            lastTime = records[records.length - 1].Time
            var quick = TA.MA(records, fast), lazy = TA.MA(records, slow)
            var crossed = _Cross(quick, lazy)
            Log("fast", _N(quick[quick.length - 1], 2), "slow", _N(lazy[lazy.length - 1], 2), "crossed", crossed, "bars ago")
            if (crossed > 0) {
                acted += exchange.Buy(-1, 100) ? 1 : 0
            } else if (crossed < 0) {
                acted += exchange.Sell(-1, 0.001) ? 1 : 0
            }
        }
        Sleep(200)
    }
    var rsi = TA.RSI(records, 14), atr = TA.ATR(records, 14)
    Log("orders", acted, "rsi", _N(rsi[rsi.length - 1], 2), "atr", _N(atr[atr.length - 1], 2))
}
