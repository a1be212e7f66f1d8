// Ticker, depth, trades and bars, each asked for until it is there.
function main() {
    var ticker = _C(exchange.GetTicker)
    var depth = _C(exchange.GetDepth)
    var trades = _C(exchange.GetTrades)
    var records = _C(exchange.GetRecords, PERIOD_M5)
    Log("24 h high", ticker.High, "low", ticker.Low, "volume", _N(ticker.Volume, 3))
    Log("asks", _.pluck(depth.Asks.slice(0, 3), "Price"), "bids", depth.Bids.slice(0, 3).map(function(level) { return level.Price }))
    var trade = trades[trades.length - 1]
    Log("latest trade", trade.Price, trade.Amount, trade.Type == ORDER_TYPE_BUY ? "buy" : "sell", _D(trade.Time))
    var last = records[records.length - 1]
    Log("bars", records.length, "of", (last.Time - records[records.length - 2].Time) / 1000, "seconds; the last one is still forming")
    Log("closes", records.slice(-3).map(bar => bar.Close))
    var market = _C(exchange.GetMarkets)[exchange.GetCurrency()]
    Log("price step", market.TickSize, "amount step", market.AmountSize)
}
