"""Raw venues against servers that check each signature by themselves."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from fmzthreads import Exchange
from fmzthreads.errors import (
    AuthenticationFailed,
    ClockSkew,
    InputError,
    NotSupported,
    OutcomeUnknown,
    TimedOut,
)
from fmzthreads.venues.raw.bitfinex import BitfinexProtocol
from tests.helpers.forked import in_fork

_KEY, _SECRET, _PASSPHRASE = "not-a-real-key", base64.b64encode(b"not a real secret").decode(), "not-a-real-phrase"
_NAMES = ("HTX", "Huobi", "Futures_HuobiDM", "BitMEX", "Futures_BitMEX", "Coinbase", "Bitfinex")
_READS = {
    "HTX": ("GET", "/v1/account/accounts"),
    "Huobi": ("GET", "/v1/account/accounts"),
    "Futures_HuobiDM": ("GET", "/v5/account/balance"),
    "BitMEX": ("GET", "/api/v1/order"),
    "Futures_BitMEX": ("GET", "/api/v1/order"),
    "Coinbase": ("GET", "/orders"),
    "Bitfinex": ("POST", "/v2/auth/r/orders"),
}
_ORDERS = {
    "HTX": "/v1/order/orders/place",
    "Huobi": "/v1/order/orders/place",
    "Futures_HuobiDM": "/v5/trade/order",
    "BitMEX": "/api/v1/order",
    "Futures_BitMEX": "/api/v1/order",
    "Coinbase": "/orders",
    "Bitfinex": "/v2/auth/w/order/submit",
}


class _Venue(ThreadingHTTPServer):
    """One raw venue: checks signatures, and counts and answers."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.venue = name
        self.ahead_s = 0.0
        self.fault = ""
        self.answered: list[tuple[str, str, bytes]] = []
        self.nonces: list[int] = []
        self.lock = threading.Lock()
        self.open = threading.Event()

    def now(self) -> float:
        return time.time() + self.ahead_s

    def refusal(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, Any] | None:
        """The refusal of a request whose signature is wrong or too old."""
        family = self.venue.removeprefix("Futures_").lower()
        check = getattr(self, f"_check_{'htx' if family.startswith(('h', 'H')) else family}")
        result: tuple[int, Any] | None = check(method, target, headers, body)
        return result

    def _check_htx(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, Any] | None:
        where = urlsplit(target)
        pairs = parse_qsl(where.query, keep_blank_values=True)
        given = dict(pairs)
        names = sorted(name for name in given if name != "Signature")
        query = "&".join(f"{name}={quote(given[name], safe='')}" for name in names)
        text = "\n".join((method, "127.0.0.1", where.path, query))
        wanted = base64.b64encode(hmac.new(_SECRET.encode(), text.encode(), hashlib.sha256).digest()).decode()
        if given.get("Signature") != wanted or given.get("AccessKeyId") != _KEY:
            return 200, {"status": "error", "err-code": "api-signature-not-valid", "err-msg": "Signature not valid"}
        stamp = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(self.now()))
        before = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(self.now() - 60))
        if given["Timestamp"][:16] not in {stamp, before}:
            return 200, {"status": "error", "err-code": "invalid-timestamp", "err-msg": "Invalid timestamp"}
        return None

    def _check_bitmex(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, Any] | None:
        text = method + target + headers["api-expires"] + body.decode()
        wanted = hmac.new(_SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        if headers["api-signature"] != wanted:
            return 401, {"error": {"name": "HTTPError", "message": "Signature not valid."}}
        if float(headers["api-expires"]) < self.now():
            return 401, {"error": {"name": "HTTPError", "message": "This request has expired"}}
        return None

    def _check_coinbase(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, Any] | None:
        text = headers["CB-ACCESS-TIMESTAMP"] + method + target + body.decode()
        wanted = hmac.new(base64.b64decode(_SECRET), text.encode(), hashlib.sha256).digest()
        if base64.b64decode(headers["CB-ACCESS-SIGN"]) != wanted or headers["CB-ACCESS-PASSPHRASE"] != _PASSPHRASE:
            return 401, {"message": "invalid signature"}
        if abs(float(headers["CB-ACCESS-TIMESTAMP"]) - self.now()) > 30:
            return 400, {"message": "request timestamp expired"}
        return None

    def _check_bitfinex(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, Any] | None:
        text = "/api" + target.partition("?")[0] + headers["bfx-nonce"] + body.decode()
        wanted = hmac.new(_SECRET.encode(), text.encode(), hashlib.sha384).hexdigest()
        if headers["bfx-signature"] != wanted:
            return 500, ["error", 10100, "apikey: digest invalid"]
        with self.lock:
            nonce = int(headers["bfx-nonce"])
            if (self.nonces and nonce <= self.nonces[-1]) or nonce >= 2**53:
                return 500, ["error", 10114, "nonce: small"]
            self.nonces.append(nonce)
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Venue  # type: ignore[assignment]
    times: ClassVar[dict[str, str]] = {"/time": "epoch", "/v1/common/timestamp": "data", "/api/v1/timestamp": "ts"}

    def _answer(self) -> None:
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        field = self.times.get(self.path)
        if field:
            now = server.now()
            return self._send(200, {field: now if field == "epoch" else int(now * 1000), "status": "ok"})
        refusal = server.refusal(self.command, self.path, self.headers, body)
        if refusal is not None:
            return self._send(*refusal)
        with server.lock:
            server.answered.append((self.command, self.path, body))
        if server.fault == "hang":
            server.open.wait(30)
            self.close_connection = True
            return None
        if server.fault == "cut":
            self.close_connection = True
            return None
        if server.fault == "502":
            return self._send(502, "a timestamp of a page, rate limit, signature")
        return self._send(200, {"status": "ok", "sent": body.decode()})

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def _send(self, status: int, body: Any) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing."""


@contextmanager
def _served(name: str) -> Iterator[_Venue]:
    server = _Venue(name)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.open.set()
        server.shutdown()
        server.server_close()


def _exchange(server: _Venue, **more: Any) -> Any:
    keys = {"access_key": _KEY, "secret_key": _SECRET}
    if server.venue == "Coinbase":
        keys["passphrase"] = _PASSPHRASE
    base = f"http://127.0.0.1:{server.server_address[1]}"
    return Exchange(server.venue, "BTC_USDT", **{"base": base, "errors": "raise", **keys, **more})


@pytest.fixture(params=_NAMES)
def server(request: pytest.FixtureRequest) -> Iterator[_Venue]:
    with _served(request.param) as made:
        yield made


def test_reads_and_orders_in_all_forms_are_signed_as_the_venue_checks(server: _Venue) -> None:
    exchange = _exchange(server)
    method, path = _READS[server.venue]
    exchange.IO("api", method, path, "b=2&a=x%20y%2Fz")
    exchange.IO("api", method, path + "?a=1")
    place = _ORDERS[server.venue]
    sent = exchange.IO("api", "POST", place, "size='1'&price=2.5&tag=x")["sent"]
    assert json.loads(sent) == {"size": "1", "price": 2.5, "tag": "x"}
    assert exchange.IO("api", "POST", place, "", '{"raw": 1}')["sent"] == '{"raw": 1}'
    handle = exchange.Go("IO", "api", "POST", place, "a=1")
    assert handle.wait()[0]["status"] == "ok"
    assert exchange.HMAC("sha256", "hex", "x") == hmac.new(_SECRET.encode(), b"x", "sha256").hexdigest()
    assert len(server.answered) == 5


def test_a_delete_is_signed(server: _Venue) -> None:
    _exchange(server).IO("api", "DELETE", _ORDERS[server.venue], "id=7")
    assert [one[0] for one in server.answered] == ["DELETE"]


def test_a_wrong_secret_is_refused_without_showing_it(server: _Venue) -> None:
    wrong = base64.b64encode(b"another secret").decode()
    exchange = _exchange(server, secret_key=wrong)
    with pytest.raises(AuthenticationFailed) as caught:
        exchange.IO("api", "POST", _ORDERS[server.venue], "a=1")
    assert wrong not in str(caught.value)
    assert server.answered == []


@pytest.mark.parametrize("fault", ["hang", "cut", "502"])
def test_an_order_whose_reply_is_lost_is_sent_once_and_unknown(server: _Venue, fault: str) -> None:
    exchange = _exchange(server)
    method, path = _READS[server.venue]
    exchange.IO("api", method, path)
    server.fault = fault
    if fault == "hang":
        exchange.SetTimeout(300)
    with pytest.raises(OutcomeUnknown) as caught:
        exchange.IO("api", "POST", _ORDERS[server.venue], "a=1")
    assert len(server.answered) == 2
    assert _SECRET not in str(caught.value)
    server.open.set()


def test_a_read_of_a_venue_that_hangs_times_out(server: _Venue) -> None:
    server.fault = "hang"
    exchange = _exchange(server)
    exchange.SetTimeout(300)
    with pytest.raises(TimedOut):
        exchange.IO("api", *_READS[server.venue])


@pytest.mark.parametrize("name", ["HTX", "Coinbase"])
def test_a_clock_that_is_off_follows_the_venue(name: str) -> None:
    with _served(name) as server:
        server.ahead_s = 3600.0
        exchange = _exchange(server)
        assert exchange.IO("api", *_READS[name])["status"] == "ok"
        server.ahead_s = -3600.0  # the venue's clock was set: an order is refused once, a read measures again
        with pytest.raises(ClockSkew):
            exchange.IO("api", "POST", _ORDERS[name], "a=1")
        assert exchange.IO("api", "POST", _ORDERS[name], "a=1")["status"] == "ok"


def test_an_expired_call_of_bitmex_says_so() -> None:
    with _served("BitMEX") as server:
        server.ahead_s = 3600.0
        with pytest.raises(ClockSkew, match="expired"):
            _exchange(server).IO("api", "GET", "/api/v1/order")


def test_nonces_of_32_threads_arrive_in_order() -> None:
    with _served("Bitfinex") as server:
        exchange = _exchange(server)
        errors: list[BaseException] = []
        start = threading.Barrier(32)

        def _calls() -> None:
            start.wait()
            try:
                for _ in range(4):
                    exchange.IO("api", "POST", "/v2/auth/w/order/submit", "a=1")
            except BaseException as error:  # reported below
                errors.append(error)

        threads = [threading.Thread(target=_calls) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert len(server.nonces) == 128


def test_market_calls_name_the_way_round(server: _Venue) -> None:
    exchange = _exchange(server)
    for call in (lambda: exchange.GetTicker(), lambda: exchange.Buy(1, 1), lambda: exchange.GetAccount()):
        with pytest.raises(NotSupported, match=r"IO\('api'"):
            call()


@pytest.mark.parametrize("name", ["BitMEX", "Futures_BitMEX"])
@pytest.mark.parametrize("keys", [{}, {"access_key": _KEY, "secret_key": _SECRET}], ids=["without keys", "with keys"])
def test_bitmex_needs_a_base(name: str, keys: dict[str, str]) -> None:
    exchange = Exchange(name, "XBT_USD", errors="raise", **keys)
    with pytest.raises(InputError, match="has no base URL"):
        exchange.IO("api", "GET", "/api/v1/instrument")


def test_a_nonce_never_repeats() -> None:
    protocol = BitfinexProtocol()
    assert [protocol.nonce(5.0), protocol.nonce(5.0), protocol.nonce(4.0)] == [5_000_000, 5_000_001, 5_000_002]


def test_a_forked_child_calls_while_a_thread_of_the_parent_was_calling() -> None:
    with _served("Bitfinex") as server:
        exchange = _exchange(server)
        exchange.IO("api", "POST", "/v2/auth/r/orders")
        server.fault = "hang"
        handle = exchange.Go("IO", "api", "POST", "/v2/auth/w/order/submit", "a=1")
        while len(server.answered) < 2:
            server.open.wait(0.01)
        server.fault = ""
        read = ("IO", "api", "POST", "/v2/auth/r/orders")
        assert in_fork(lambda: exchange.IO(*read[1:])["status"]) == "ok"
        server.open.set()
        with pytest.raises(OutcomeUnknown):
            handle.wait()
