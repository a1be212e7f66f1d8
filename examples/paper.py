"""Trades on paper: real market data, orders filled against the real book, and no key is read."""

from typing import Any

from fmzthreads import *


def needed(value: Any, what: str, exchange: Any) -> Any:
    """A result; ends the script with the reason when the call failed."""
    if value is None:
        raise SystemExit(f"no {what}: {exchange.GetLastError()}")
    return value


def main() -> None:
    """Buys at market, rests an order, and shows what it cost. Run it again: the account goes on where it was."""
    exchange = Exchange(
        "Binance",
        "BTC_USDT",
        paper={"balances": {"USDT": 10_000}, "taker_fee": 0.001, "latency_ms": 20, "poll_ms": 200},
    )
    before = needed(exchange.GetAccount(), "account", exchange)
    bought = needed(exchange.Buy(-1, 500, "at market"), "order", exchange)
    order = needed(exchange.GetOrder(bought), "order", exchange)
    Log("bought", order.DealAmount, "at", order.AvgPrice)
    resting = needed(exchange.Sell(_N(order.AvgPrice * 1.0001, 2), 0.001, "a little higher"), "order", exchange)
    Sleep(1500)  # a trade may go through its price meanwhile
    state = needed(exchange.GetOrder(resting), "order", exchange).Status
    Log("the resting order is", "filled" if state == ORDER_STATE_CLOSED else "open")
    if state == ORDER_STATE_PENDING:
        exchange.CancelOrder(resting)
    after = needed(exchange.GetAccount(), "account", exchange)
    Log("paid", _N(before.Balance - after.Balance, 2), "USDT for", _N(after.Stocks - before.Stocks, 6), "BTC")
    too_much = exchange.Sell(-1, 50)  # refused as the venue would
    Log("too much:", too_much, exchange.GetLastError())


if __name__ == "__main__":
    main()
