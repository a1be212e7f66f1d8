# The smallest strategy: a loop that looks at the price. Without Sleep it would ask the exchange as fast as it can.


def main():
    for turn in range(3):
        ticker = exchange.GetTicker()
        if ticker is None:
            Log("no ticker:", GetLastError())
        else:
            Log(exchange.GetName(), exchange.GetCurrency(), "last", ticker.Last, "bid", ticker["Buy"], "ask", ticker["Sell"])
        Sleep(300)
