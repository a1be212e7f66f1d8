// The smallest strategy: a loop that looks at the price. Without Sleep it would ask the exchange as fast as it can.
function main() {
    for (var turn = 0; turn < 3; turn++) {
        var ticker = exchange.GetTicker()
        if (!ticker) {
            Log("no ticker:", GetLastError())
        } else {
            Log(exchange.GetName(), exchange.GetCurrency(), "last", ticker.Last, "bid", ticker.Buy, "ask", ticker["Sell"])
        }
        Sleep(300)
    }
}
