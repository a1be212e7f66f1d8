"""The producer/worker loop: producers push calls, workers run them side by side, results land in a shared Info list."""

from typing import Any

from fmzthreads import *

TURNS = 5

exchanges = [Exchange("Binance", "BTC_USDT"), Exchange("OKX", "BTC_USDT")]
Info: list[dict[str, Any]] = [{}, {}]  # one place for each exchange; any dict, list or object will do
queue = TaskQueue(exchanges, Info)


def produce() -> None:
    """Pushes what this turn needs to know; could be called from any number of threads."""
    for index in range(len(exchanges)):
        queue.push(exchange=index, ret="depth", param=["GetDepth"])
        queue.push(exchange=index, ret="account", param=["GetAccount"])
        queue.push({"exchange": index, "ret": "orders", "param": ["GetOrders"]})


def work() -> bool:
    """Runs all that is queued at once; each result is bound to ``Info[exchange][ret]``."""
    report = queue.run(timeout_ms=10_000)
    for row in report.rows:
        if not row.ok:
            Log(row.exchange, row.task.method, row.status, row.error or "no reply in time")
    return report.ok


def main() -> None:
    """Produces and works for a few turns, and decides on what both exchanges say."""
    for turn in range(TURNS):
        produce()
        if work():
            bids = [info["depth"].Bids[0].Price for info in Info]
            asks = [info["depth"].Asks[0].Price for info in Info]
            cash = sum(info["account"].Balance for info in Info)
            spread = max(bids[0] - asks[1], bids[1] - asks[0])
            Log("turn", turn, "best spread", round(spread, 2), "cash on both", round(cash, 2))
        else:
            Log("turn", turn, "skipped: a call failed")
        Sleep(100)


if __name__ == "__main__":
    main()
