# ruff: noqa: D101, D102 -- the parts of a benchmark are named by what they do
"""The venue that ``tick_to_trade.py`` measures against, one process for each client: Binance's REST and streams, as much as its clients use.

Two symbols, each with a book of 5 + 5 levels a message, as differences (``@depth``) or as a whole (``@depth5``). A frame's time is taken just
before it is sent, an order's by the kernel when its last byte arrives (SO_TIMESTAMPNS).

Its standard input takes one command a line and answers each with one line of JSON on standard output:

    fire COUNT PAUSE_MS     so many times: a quiet change of the first book, a change of the second that makes a bid there higher than the
                            ask of the first, and the wait for the order; the times from the one to the other in ns, up to a -1 where none came
    subscribed              how many streams are subscribed to
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import select
import socket
import struct
import sys
import time
from urllib.parse import parse_qsl, urlsplit

SO_TIMESTAMPNS = 35
SYMBOLS = {"BTCUSDT": ("BTC", "USDT"), "BTCUSDC": ("BTC", "USDC")}
FIRST, SECOND = SYMBOLS
ASK = 65_010_00  # of the first symbol, in cents; the second one's bid is 5.00 below it, and 5.00 to 5.99 above it when there is a chance
ORDER_WAIT_S = 5.0
RULES = (
    {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
    {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.00", "stepSize": "0.00001"},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00001", "maxQty": "100.00", "stepSize": "0.00001"},
    {"filterType": "NOTIONAL", "minNotional": "5.00", "applyMinToMarket": True, "maxNotional": "9000000.00", "applyMaxToMarket": False, "avgPriceMins": 5},
)  # fmt: skip


def exchange_info() -> dict[str, object]:
    def symbol(name: str) -> dict[str, object]:
        base, quote = SYMBOLS[name]
        return {
            "symbol": name, "status": "TRADING", "baseAsset": base, "baseAssetPrecision": 8, "quoteAsset": quote, "quotePrecision": 8,
            "quoteAssetPrecision": 8, "baseCommissionPrecision": 8, "quoteCommissionPrecision": 8, "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
            "isSpotTradingAllowed": True, "isMarginTradingAllowed": False, "filters": list(RULES), "permissions": ["SPOT"],
            "permissionSets": [["SPOT"]], "quoteOrderQtyMarketAllowed": True,
        }  # fmt: skip

    return {
        "timezone": "UTC", "serverTime": now_ms(), "rateLimits": [], "exchangeFilters": [], "symbols": [symbol(name) for name in SYMBOLS],
    }  # fmt: skip


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


class Book:
    """A symbol's book: five bids and five asks; a chance is one bid more, above the others."""

    def __init__(self, best_bid: int, best_ask: int) -> None:
        self.bids = {best_bid - step * 10: 0.5 for step in range(5)}
        self.asks = {best_ask + step * 10: 0.5 for step in range(5)}
        self.update = 1000

    def change(self, chance: int | None = None, gone: int | None = None) -> dict[str, list[list[str]]]:
        """Changes every size, and takes one bid in or away; returns what changed."""
        self.update += 1
        changed: dict[str, list[list[str]]] = {"b": [], "a": []}
        if gone is not None:
            del self.bids[gone]
            changed["b"].append([money(gone), "0.00000000"])
        if chance is not None:
            self.bids[chance] = 0.5
        for name, side in (("b", self.bids), ("a", self.asks)):
            for price in side:
                side[price] = 0.1 + random.random()
                changed[name].append([money(price), f"{side[price]:.8f}"])
        return changed

    def levels(self) -> tuple[list[list[str]], list[list[str]]]:
        bids = [[money(price), f"{self.bids[price]:.8f}"] for price in sorted(self.bids, reverse=True)][:5]
        asks = [[money(price), f"{self.asks[price]:.8f}"] for price in sorted(self.asks)][:5]
        return bids, asks


def frame(payload: bytes, opcode: int = 1) -> bytes:
    if len(payload) < 126:
        return bytes((0x80 | opcode, len(payload))) + payload
    return bytes((0x80 | opcode, 126)) + len(payload).to_bytes(2, "big") + payload


class Client:
    """One connection: HTTP, and from an upgrade on a websocket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.data = b""
        self.streams: set[str] = set()
        self.websocket = False
        self.wrapped = False


class Server:
    def __init__(self) -> None:
        self.books = {FIRST: Book(ASK - 10_00, ASK), SECOND: Book(ASK - 5_00, ASK + 50_00)}
        self.clients: dict[int, Client] = {}
        self.order_at = 0
        self.orders = 0
        self.chances = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.listener.setblocking(False)

    def run(self) -> None:
        print(json.dumps({"port": self.listener.getsockname()[1]}), flush=True)
        while self.turn(None):
            pass

    def turn(self, timeout: float | None) -> bool:
        ready, _, _ = select.select([0, self.listener, *self.clients], [], [], timeout)
        for fd in ready:
            if fd == 0:
                if not self.command():
                    return False
            elif fd is self.listener:
                sock, _ = self.listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
                self.clients[sock.fileno()] = Client(sock)
            elif fd in self.clients:
                self.read(self.clients[fd])
        return True

    # -- what comes in -----------------------------------------------------------------------------------------------------------

    def read(self, client: Client) -> None:
        try:
            data, extras, _, _ = client.sock.recvmsg(65536, 256)
        except OSError:
            data, extras = b"", []
        if not data:
            del self.clients[client.sock.fileno()]
            client.sock.close()
            return
        stamp = time.time_ns()
        for level, kind, value in extras:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("qq", value[:16])
                stamp = seconds * 1_000_000_000 + nanoseconds
        client.data += data
        while client.data and (self.read_frame(client) if client.websocket else self.read_request(client, stamp)):
            pass

    def read_request(self, client: Client, stamp: int) -> bool:
        end = client.data.find(b"\r\n\r\n")
        if end < 0:
            return False
        first, *lines = client.data[:end].decode().split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = end + 4 + int(headers.get("content-length", 0))
        if len(client.data) < size:
            return False
        body = client.data[end + 4 : size].decode()
        client.data = client.data[size:]
        method, target, _ = first.split(" ")
        place = urlsplit(target)
        if headers.get("upgrade", "").lower() == "websocket":
            self.upgrade(client, place.path, place.query, headers["sec-websocket-key"])
            return True
        if method == "POST" and place.path.endswith("/order"):
            self.order_at = stamp
            self.orders += 1
        answer = self.answer(method, place.path, dict(parse_qsl(place.query) + parse_qsl(body)))
        text = json.dumps(answer, separators=(",", ":")).encode()
        client.sock.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: %d\r\n"
            b"Connection: keep-alive\r\nx-mbx-used-weight-1m: 1\r\n\r\n%b" % (len(text), text)
        )
        return True

    def answer(self, method: str, path: str, given: dict[str, str]) -> object:
        if path.endswith("/exchangeInfo"):
            return exchange_info()
        if path.endswith("/time"):
            return {"serverTime": now_ms()}
        if path.endswith("/depth"):
            book = self.books[given["symbol"]]
            bids, asks = book.levels()
            return {"lastUpdateId": book.update, "bids": bids, "asks": asks}
        if method == "POST" and path.endswith("/order"):
            size, price = given["quantity"], given["price"]
            return {
                "symbol": given["symbol"], "orderId": self.orders, "orderListId": -1, "clientOrderId": given.get("newClientOrderId", "x"),
                "transactTime": now_ms(), "price": price, "origQty": size, "executedQty": "0.00000000", "cummulativeQuoteQty": "0.00000000",
                "status": "NEW", "timeInForce": "GTC", "type": "LIMIT", "side": given["side"], "fills": [],
            }  # fmt: skip
        return {}

    def upgrade(self, client: Client, path: str, query: str, key: str) -> None:
        accept = base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        client.sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        client.websocket = True
        client.wrapped = path.startswith("/stream")
        names = dict(parse_qsl(query)).get("streams", "").split("/") + path.split("/")
        client.streams.update(name for name in names if "@" in name)

    def read_frame(self, client: Client) -> bool:
        data = client.data
        if len(data) < 6:
            return False
        size, at = data[1] & 0x7F, 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        if len(data) < at + 4 + size:
            return False
        mask = data[at : at + 4]
        payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data[at + 4 : at + 4 + size]))
        client.data = data[at + 4 + size :]
        opcode = data[0] & 0x0F
        if opcode == 9:
            client.sock.sendall(frame(payload, 10))
        elif opcode == 8:
            client.sock.sendall(frame(payload, 8))
        elif opcode == 1:
            request = json.loads(payload)
            if request.get("method") == "SUBSCRIBE":
                client.streams.update(request["params"])
            client.sock.sendall(frame(json.dumps({"result": None, "id": request.get("id")}).encode()))
        return True

    # -- what goes out -----------------------------------------------------------------------------------------------------------

    def push(self, symbol: str, changed: dict[str, list[list[str]]]) -> int:
        """Sends a change to all who subscribed to it; the time just before the first was sent, in ns."""
        book = self.books[symbol]
        bids, asks = book.levels()
        whole = {"lastUpdateId": book.update, "bids": bids, "asks": asks}
        diff = {"e": "depthUpdate", "E": now_ms(), "s": symbol, "U": book.update, "u": book.update, **changed}
        out: list[tuple[socket.socket, bytes]] = []
        for client in self.clients.values():
            for name in client.streams:
                if name.startswith(symbol.lower() + "@"):
                    message = whole if "@depth5" in name else diff
                    data = {"stream": name, "data": message} if client.wrapped else message
                    out.append((client.sock, frame(json.dumps(data, separators=(",", ":")).encode())))
        sent_at = time.time_ns()
        for sock, made in out:
            sock.sendall(made)
        return sent_at

    def fire(self, count: int, pause_s: float) -> list[int]:
        first, second = self.books[FIRST], self.books[SECOND]
        times: list[int] = []
        for _ in range(count):
            self.chances += 1
            chance = ASK + 5_00 + self.chances % 100
            self.push(FIRST, first.change())
            self.rest(pause_s)
            before = self.orders
            sent_at = self.push(SECOND, second.change(chance=chance))
            end = time.monotonic() + ORDER_WAIT_S
            while self.orders == before and time.monotonic() < end:
                self.turn(0.5)
            times.append(self.order_at - sent_at if self.orders > before else -1)
            if times[-1] < 0:
                break
            self.rest(pause_s)
            self.push(SECOND, second.change(gone=chance))
            self.rest(pause_s)
            if self.orders > before + 1:
                raise RuntimeError(f"{self.orders - before} orders for one chance")
        return times

    def rest(self, pause_s: float) -> None:
        end = time.monotonic() + pause_s * (0.75 + random.random() / 2)
        while (left := end - time.monotonic()) > 0:
            self.turn(left)

    def command(self) -> bool:
        words = os.read(0, 4096).decode().split()
        if not words:
            return False
        if words[0] == "fire":
            print(json.dumps({"times": self.fire(int(words[1]), float(words[2]) / 1000)}), flush=True)
        elif words[0] == "subscribed":
            names = {name for client in self.clients.values() for name in client.streams}
            print(json.dumps({"streams": sorted(names)}), flush=True)
        return True


if __name__ == "__main__":
    try:
        Server().run()
    except KeyboardInterrupt:
        sys.exit(0)
