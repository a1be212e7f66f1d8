# Ticker, depth, trades and bars; each is a dict whose fields are attributes too.


def main():
    ticker = _C(exchange.GetTicker)
    depth = _C(exchange.GetDepth)
    trades = _C(exchange.GetTrades)
    records = _C(exchange.GetRecords, PERIOD_M5)
    Log("24 h high", ticker.High, "low", ticker.Low, "volume", _N(ticker.Volume, 3))
    Log("asks", [level.Price for level in depth.Asks[:3]], "bids", [level.Price for level in depth.Bids[:3]])
    Log("latest trade", trades[-1].Price, trades[-1].Amount, "buy" if trades[-1].Type == ORDER_TYPE_BUY else "sell")
    Log("bars", len(records), "of", (records[-1].Time - records[-2].Time) / 1000, "seconds; the last one is still forming")
    Log("closes", list(records.Close)[-3:])
    market = _C(exchange.GetMarkets)[exchange.GetCurrency()]
    Log("price step", market.TickSize, "amount step", market.AmountSize)
