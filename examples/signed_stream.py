"""Private streams: a login that is signed afresh at each connect (OKX), and a listenKey that is kept alive (the form that older Binance scripts use).

The keys are read from the environment here, because the script itself signs; the order goes by the exchange object as usual.
"""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Callable
from typing import Any

from fmzthreads import *

KEEP_ALIVE_MS = 30 * 60 * 1000  # Binance forgets a listenKey after 60 minutes


def stream_base(exchange: Exchange, live: str) -> str:
    """Where the streams are: beside the REST of a simulator, else the venue's own address."""
    base = exchange.GetBase()
    return base.replace("http://", "ws://") if base.startswith("http://") else live


def open_stream(url: str, **options: Any) -> Any:
    """A connection that comes back by itself; ends the script with the reason when it cannot be opened."""
    client = Dial(url, reconnect=True, **options)
    if client is None:
        raise SystemExit(f"no stream: {GetLastError()}")
    return client


def okx_login() -> str:
    """The login message; its time stamp must be of this very connect, so it is made in ``on_connect``."""
    stamp = str(int(UnixNano() / 1e9))
    secret = os.environ["FMZ_OKX_SECRET_KEY"].encode()
    signature = base64.b64encode(hmac.new(secret, f"{stamp}GET/users/self/verify".encode(), hashlib.sha256).digest())
    account = {
        "apiKey": os.environ["FMZ_OKX_ACCESS_KEY"],
        "passphrase": os.environ["FMZ_OKX_PASSPHRASE"],
        "timestamp": stamp,
        "sign": signature.decode(),
    }
    return json.dumps({"op": "login", "args": [account]})


def next_message(client: Any, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The next message that ``wanted`` accepts, within ten seconds; subscribes again after a new login."""
    end = UnixNano() + 10e9
    while UnixNano() < end:
        message = client.read(1000)
        data: dict[str, Any] = json.loads(message) if message else {}
        if data.get("event") == "login" and data.get("code") == "0":
            client.write(json.dumps({"op": "subscribe", "args": [{"channel": "orders", "instType": "SPOT"}]}))
        if wanted(data):
            return data
    raise SystemExit("no message: the one that was waited for did not come in 10 s")


def place(exchange: Exchange, digits: int) -> str:
    """Places an order far below the market; ends the script when the exchange refuses it."""
    order_id = exchange.Buy(_N(_C(exchange.GetTicker).Buy * 0.98, digits), 0.001)
    if order_id is None:
        raise SystemExit(f"no order: {GetLastError()}")
    return order_id


def okx() -> None:
    """Logs in, subscribes to the account's orders, places one and sees it."""
    exchange = Exchange("OKX", "BTC_USDT")
    url = stream_base(exchange, "wss://ws.okx.com:8443") + "/ws/v5/private"
    client = open_stream(url, on_ping="okx", on_connect=lambda client: okx_login())
    next_message(client, lambda data: data.get("event") == "subscribe")
    order_id = place(exchange, 1)
    seen = next_message(client, lambda data: bool(data.get("data")))["data"][0]
    Log("OKX order", seen["ordId"], "is", seen["state"], "and it is ours:", order_id.endswith("," + seen["ordId"]))
    exchange.CancelOrder(order_id)
    client.close()


def binance() -> None:
    """Asks for a listenKey, keeps it alive, places an order and sees it."""
    exchange = Exchange("Binance", "BTC_USDT")
    path = "/api/v3/userDataStream"
    key = exchange.IO("api", "POST", path)
    if not key:
        Log("this venue has no listenKey any more:", GetLastError())  # the venue itself, since February 2026
        return
    client = open_stream(stream_base(exchange, "wss://stream.binance.com:9443") + "/ws/" + key["listenKey"])
    kept_at = UnixNano()
    order_id = place(exchange, 2)
    while True:
        data = next_message(client, lambda data: data.get("e") == "executionReport")
        Log("Binance order", data["i"], "is", data["X"], "and it is ours:", order_id.endswith("," + str(data["i"])))
        if UnixNano() - kept_at > KEEP_ALIVE_MS * 1e6:
            exchange.IO("api", "PUT", path, "listenKey=" + key["listenKey"])
            kept_at = UnixNano()
        if data["X"] == "CANCELED":
            break
        exchange.CancelOrder(order_id)
    client.close()


if __name__ == "__main__":
    okx()
    binance()
