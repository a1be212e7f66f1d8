"""Several calls at once: ``Go`` starts each in the background, ``wait`` takes its result."""

from typing import Any

from fmzthreads import *


def main() -> None:
    """Fetches one exchange's ticker, book and account side by side, and shows every form of ``wait``."""
    exchange = Exchange("Binance", "BTC_USDT")
    begin = UnixNano()
    ticker, depth, account = (exchange.Go(name) for name in ("GetTicker", "GetDepth", "GetAccount"))

    value, ok = account.wait(-1)  # only looks; most likely it is not there yet
    Log("the account at once:", "there" if ok else "not yet")
    if not ok:
        value, ok = account.wait(1)  # waits a millisecond
    if not ok:
        value, ok = account.wait()  # a handle that timed out can be waited on again: this waits until it is there
    Log("balance", value.Balance, "stocks", value.Stocks)

    Log("last", ticker.wait()[0].Last, "levels", len(depth.wait()[0].Asks), "in", (UnixNano() - begin) / 1e6, "ms")
    Log("a result is given once:", ticker.wait())

    # A call that fails gives (None, True), and GetLastError says why.
    value, ok = exchange.Go("GetTicker", "NO_SUCH").wait()
    Log("failed:", value, ok, GetLastError())

    # G waits and hands the result on: to a function, or straight into a place.
    info: dict[str, Any] = {}
    G(exchange.Go("GetDepth"), info, "depth").run(10_000)
    G(exchange.Go("GetTrades"), info, lambda trades, info: info.update(last_trade=trades[-1].Price)).run(10_000)
    Log("best ask", info["depth"].Asks[0].Price, "last trade", info["last_trade"])


if __name__ == "__main__":
    main()
