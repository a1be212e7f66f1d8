"""Holds a strategy back that runs wild: limits for each order, and a kill switch that lasts until it is released."""

from fmzthreads import *


def main() -> None:
    """Places sensible orders and wild ones; only the former leave."""
    exchange = Exchange(
        "Binance",
        "BTC_USDT",
        guards={
            "max_order_value": 1000,  # USDT
            "price_band": 0.2,  # 20 % around the book
            "orders_per_minute": 20,
            "max_daily_loss": 500,  # USDT
            "breaker": {"refusals": 3, "seconds": 60, "pause_s": 300},
        },
    )
    depth = exchange.GetDepth()
    if depth is None:
        raise SystemExit(f"no book: {exchange.GetLastError()}")
    price = _N(depth.Bids[0].Price * 0.9, 2)
    Log("sensible:", exchange.Buy(price, 0.001))
    Log("a zero too many:", exchange.Buy(price, 0.02), exchange.GetLastError())
    Log("far from the book:", exchange.Buy(_N(price * 0.5, 2), 0.001), exchange.GetLastError())
    if exchange.guards is not None:
        Log("orders of the last minute:", exchange.guards.stats["orders_last_minute"])

    report = exchange.Kill("enough for today")  # from outside: fmzthreads kill NAME
    Log("killed:", report.words() if report else exchange.GetLastError())
    Log("refused:", exchange.Buy(price, 0.001), exchange.GetLastError())
    Log("released:", exchange.Release())


if __name__ == "__main__":
    main()
