"""Two exchanges' streams in one synchronous script: the polling loop and the event loop, side by side."""

import json
from typing import Any

from fmzthreads import *

SECONDS = 3


def addresses() -> dict[str, str]:
    """The addresses of the public streams; a simulator has them where its REST is."""
    found = {
        "Binance": "wss://stream.binance.com:9443/ws/btcusdt@bookTicker",
        "OKX": "wss://ws.okx.com:8443/ws/v5/public",
    }
    paths = {"Binance": "/ws/btcusdt@bookTicker", "OKX": "/ws/v5/public"}
    for name in found:
        base = Exchange(name, "BTC_USDT").GetBase()
        if base.startswith("http://"):
            found[name] = base.replace("http://", "ws://") + paths[name]
    return found


def open_stream(url: str, **options: Any) -> Any:
    """A connection that comes back by itself; ends the script with the reason when it cannot be opened."""
    client = Dial(url, reconnect=True, **options)
    if client is None:
        raise SystemExit(f"no stream: {GetLastError()}")
    return client


def connect() -> dict[str, Any]:
    """One connection to each, which comes back by itself and subscribes again at each connect."""
    urls = addresses()
    subscribe = {"op": "subscribe", "args": [{"channel": "bbo-tbt", "instId": "BTC-USDT"}]}
    return {
        "Binance": open_stream(urls["Binance"]),
        "OKX": open_stream(urls["OKX"], payload=subscribe, on_ping="okx"),
    }


def best_bid(name: str, message: str) -> float | None:
    """The best bid in a message; None when it is about something else."""
    data = json.loads(message)
    if name == "Binance":
        return float(data["b"]) if "b" in data else None
    return float(data["data"][0]["bids"][0][0]) if data.get("data") else None


def drain(clients: dict[str, Any], bids: dict[str, float | None]) -> int:
    """Takes what is there, of both, without waiting; how many messages there were."""
    count = 0
    for name, client in clients.items():
        while message := client.read(-1):  # None: nothing yet; "": lost, and being connected anew
            count += 1
            bids[name] = best_bid(name, message) or bids.get(name)
    return count


def polling(clients: dict[str, Any]) -> None:
    """Looks at both streams again and again, with a pause."""
    bids: dict[str, float | None] = {}
    count, end = 0, UnixNano() + SECONDS * 1e9
    while UnixNano() < end:
        count += drain(clients, bids)
        Sleep(10)
    Log("polling saw", count, "messages, bids", bids)


def eventful(clients: dict[str, Any]) -> None:
    """Sleeps until one of them has something; no pause, and nothing to do while nothing happens."""
    bids: dict[str, float | None] = {}
    count, end = 0, UnixNano() + SECONDS * 1e9
    while UnixNano() < end:
        if EventLoop(100):
            count += drain(clients, bids)
    Log("the event loop saw", count, "messages, bids", bids)


def main() -> None:
    """Runs both forms."""
    clients = connect()
    polling(clients)
    eventful(clients)
    for name, client in clients.items():
        Log(name, client.stats.received, "received,", client.stats.dropped, "dropped")
        client.close()


if __name__ == "__main__":
    main()
