# Go starts a call in the background; wait takes its result, a pair of value and whether it was there in time.


def main():
    began = UnixNano()
    a = exchange.Go("GetDepth")
    b = exchange.Go("GetTicker")
    c = exchange.Go("GetRecords", PERIOD_M1)
    depth, ok = a.wait()
    ticker, ticker_ok = b.wait(10_000)
    records = c.wait(10_000)[0]
    if ok and ticker_ok and records:
        Log("three calls took", int((UnixNano() - began) / 1000000), "ms; best bid", depth.Bids[0].Price, "last", ticker.Last, "bars", len(records))
    again, still_ok = a.wait()
    Log("a second wait gives", again, still_ok)
    handles = [each.Go("GetAccount") for each in exchanges]
    accounts = [handle.wait()[0] for handle in handles]
    Log("balances", [account.Balance for account in accounts])
