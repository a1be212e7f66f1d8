"""The examples of signed streams, in both languages, run by ``fmzthreads run`` against local servers that check signature and order of messages."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.venues.raw.signatures import htx_signature, htx_stream_query
from tests.helpers.runs import fmzthreads
from tests.helpers.shared_data import ROOT
from tests.helpers.ws_server import Peer, WsServer

pytestmark = pytest.mark.example

EXAMPLES = ROOT / "examples"
KEY, SECRET = "not-a-real-key", "not-a-real-secret"


@pytest.fixture(params=["signed_streams/{}.py", "tutorial_js/signed_{}.js"], ids=["python", "javascript"])
def form(request: pytest.FixtureRequest) -> str:
    """Where the examples of a language lie, with ``{}`` for the name."""
    if request.param.endswith(".js"):
        pytest.importorskip("quickjs", reason="strategies in JavaScript need the extra js")
    return str(request.param)


class _Script(threading.Thread):
    """The server's side of a conversation; an error in it is raised by ``end``."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__()
        self.work = work
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.work()
        except BaseException as error:
            self.error = error

    def end(self) -> None:
        self.join(60)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error


def run(path: str, exchange: str, work: Callable[[], None], home: Path, secret: str = SECRET, **args: Any) -> Any:
    script = _Script(work)
    script.start()
    options = [part for key, value in {"apikey": KEY, **args}.items() for part in ("--arg", f"{key}={value}")]
    variable = f"FMZ_{exchange.upper()}"
    done = fmzthreads(
        "run", str(EXAMPLES / path), "--exchange", f"{exchange}:BTC_USDT", *options, home=home,
        more={f"{variable}_ACCESS_KEY": KEY, f"{variable}_SECRET_KEY": secret},
    )  # fmt: skip
    script.end()
    assert secret not in done.stdout + done.stderr
    return done


def message(peer: Peer) -> Any:
    return json.loads(peer.read_message())


def _htx(server: WsServer) -> None:
    peer = server.peer()
    login = message(peer)
    assert (login["action"], login["ch"]) == ("req", "auth")
    params = login["params"]
    assert abs(time.mktime(time.strptime(params["timestamp"], "%Y-%m-%dT%H:%M:%S")) - time.mktime(time.gmtime())) < 60
    stamp = params["timestamp"].replace(":", "%3A")
    text = f"GET\n127.0.0.1\n{peer.target}\naccessKey={KEY}&signatureMethod=HmacSHA256&signatureVersion=2.1&timestamp={stamp}"
    wanted = base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()).decode()
    # the pure function makes the same of it
    query = htx_stream_query(KEY, params["timestamp"])
    assert htx_signature(SECRET, "GET", "127.0.0.1", peer.target, query) == wanted
    if params["signature"] != wanted:
        peer.text('{"action":"req","code":2002,"ch":"auth","message":"auth.fail"}')
        assert peer.at_end()
        return
    peer.text('{"action":"req","code":200,"ch":"auth","data":{}}')
    assert message(peer) == {"action": "sub", "ch": "orders#btcusdt"}
    peer.text(
        '{"action":"sub","code":200,"ch":"orders#btcusdt","data":{}}', '{"action":"ping","data":{"ts":1575537778295}}'
    )
    assert message(peer) == {"action": "pong", "data": {"ts": 1575537778295}}
    peer.text('{"action":"push","ch":"orders#btcusdt","data":{"orderId":27163533,"orderStatus":"submitted"}}')
    assert peer.read_close() in {1000, 1005}


def test_htx(form: str, tmp_path: Path) -> None:
    with WsServer() as server:
        done = run(form.format("htx_orders"), "HTX", lambda: _htx(server), tmp_path, stream=server.url, most=1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "subscribed to orders#btcusdt" in done.stdout
    assert "order 27163533 submitted" in done.stdout


def test_htx_with_a_wrong_secret(form: str, tmp_path: Path) -> None:
    with WsServer() as server:
        done = run(
            form.format("htx_orders"),
            "HTX",
            lambda: _htx(server),
            tmp_path,
            "another-secret",
            stream=server.url,
            most=1,
        )
    assert done.returncode == 1
    assert "login refused: 2002" in done.stdout + done.stderr


def _bitmex(server: WsServer) -> None:
    peer = server.peer()
    login = message(peer)
    assert login["op"] == "authKeyExpires"
    key, expires, signature = login["args"]
    assert key == KEY
    assert -60 < expires - time.time() <= 10
    wanted = hmac.new(SECRET.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
    if signature != wanted:
        peer.text('{"status":401,"error":"Signature not valid.","meta":{},"request":{"op":"authKeyExpires"}}')
        assert peer.at_end()
        return
    peer.text('{"success":true,"request":{"op":"authKeyExpires"}}')
    assert message(peer) == {"op": "subscribe", "args": "position"}
    peer.text('{"success":true,"subscribe":"position","request":{"op":"subscribe","args":"position"}}')
    peer.text('{"table":"position","action":"partial","data":[{"symbol":"XBTUSD","currentQty":-100}]}')
    assert peer.read_close() in {1000, 1005}


def test_bitmex(form: str, tmp_path: Path) -> None:
    with WsServer() as server:
        done = run(
            form.format("bitmex_positions"), "BitMEX", lambda: _bitmex(server), tmp_path, stream=server.url, most=1
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "XBTUSD position -100" in done.stdout


def test_bitmex_with_a_wrong_secret(form: str, tmp_path: Path) -> None:
    with WsServer() as server:
        done = run(
            form.format("bitmex_positions"),
            "BitMEX",
            lambda: _bitmex(server),
            tmp_path,
            "another-secret",
            stream=server.url,
        )
    assert done.returncode == 1
    assert "refused: Signature not valid." in done.stdout + done.stderr


class _Binance:
    """listenKeys over HTTP, and their streams, on one port."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.kept = threading.Event()
        self.server = WsServer(answer=self.answer)

    def answer(self, request: str) -> bytes:
        head, *lines = request.split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, target, _ = head.split(" ")
        self.seen.append(f"{method} {target}")
        if "upgrade" in headers:
            accept = hashlib.sha1(
                (headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()
            ).digest()
            return (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {base64.b64encode(accept).decode()}\r\n\r\n"
            ).encode()
        assert headers["x-mbx-apikey"] == KEY
        if method == "PUT":
            self.kept.set()
        body = b'{"listenKey":"abc123"}' if method != "DELETE" else b"{}"
        return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    def talk(self) -> None:
        peer = self.server.peer()
        assert self.kept.wait(60)
        peer.text('{"e":"ACCOUNT_UPDATE","E":1}', '{"e":"ORDER_TRADE_UPDATE","E":2,"o":{"i":8886774,"X":"NEW"}}')
        assert peer.read_close() in {1000, 1005}


def test_binance_futures(form: str, tmp_path: Path) -> None:
    venue = _Binance()
    with venue.server as server:
        base = f"127.0.0.1:{server.port}"
        done = run(
            form.format("binance_futures_user"), "Binance", venue.talk, tmp_path,
            rest=f"http://{base}", stream=f"ws://{base}/private", keep_alive=0, most=2,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "event ACCOUNT_UPDATE" in done.stdout
    assert "order 8886774 NEW" in done.stdout
    assert venue.seen[:3] == ["POST /fapi/v1/listenKey", "GET /private/ws/abc123", "PUT /fapi/v1/listenKey"]
    assert venue.seen[-1] == "DELETE /fapi/v1/listenKey"


def test_every_example_here_is_run() -> None:
    names = {"htx_orders", "binance_futures_user", "bitmex_positions"}
    assert {path.stem for path in (EXAMPLES / "signed_streams").glob("*.py")} == names
    assert {path.stem.removeprefix("signed_") for path in (EXAMPLES / "tutorial_js").glob("signed_*.js")} == names
