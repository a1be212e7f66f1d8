"""Faults where they strike: on the socket, before the exchange, behind it; and a server that stops whatever hangs on it."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from fmzthreads.clock import WallClock
from fmzthreads.errors import ConnectFailed, InputError, UnknownName
from fmzthreads.simulator import Faults, SimulatorServer
from tests.helpers.simulators import BinanceCaller, OkxCaller, free_session, simulator
from tests.helpers.threads import no_new_threads


@pytest.fixture(scope="module")
def binance() -> Iterator[SimulatorServer]:
    with simulator("binance") as server:
        yield server


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with free_session() as opened:
        yield opened


@pytest.fixture
def call(binance: SimulatorServer, session: requests.Session) -> Iterator[BinanceCaller]:
    yield BinanceCaller(binance, session)
    binance.faults.clear()


def resting(call: BinanceCaller, name: str) -> dict[str, str]:
    bid = Decimal(call.public("ticker/bookTicker", symbol="BTCUSDT").json()["bidPrice"])
    return {"side": "BUY", "quantity": "0.01", "price": f"{bid - 500:f}", "newClientOrderId": name}


def names(server: SimulatorServer) -> set[str]:
    return {order["client_id"] for order in server.state()["open_orders"]}


# --- single faults ---


def test_an_error_of_the_server_and_the_order_is_not_carried_out(call: BinanceCaller) -> None:
    order = resting(call, "e5xx")
    call.server.faults.set(error_5xx=1)
    failed = call.order(**order)
    assert (failed.status_code, failed.json()["code"]) == (503, -1000)
    assert "e5xx" not in names(call.server)
    assert call.order(**order).status_code == 200


def test_too_many_requests(call: BinanceCaller) -> None:
    call.server.faults.set(rate_limit_429=1)
    failed = call.public("ping")
    assert (failed.status_code, failed.json()["code"], failed.headers["Retry-After"]) == (429, -1003, "1")
    assert call.public("ping").status_code == 200


def test_a_ban(call: BinanceCaller) -> None:
    call.server.faults.set(ban_418_s=60)
    failed = call.public("ping")
    assert (failed.status_code, failed.headers["Retry-After"]) == (418, "60")
    assert "banned until" in failed.json()["msg"]
    call.server.faults.clear()
    assert call.public("ping").status_code == 200


def test_okx_has_words_of_its_own(session: requests.Session) -> None:
    with simulator("okx") as server:
        call = OkxCaller(server, session)
        for fault, status, code in (("error_5xx", 503, "50001"), ("rate_limit_429", 429, "50011")):
            server.faults.set(**{fault: 1})
            failed = call.public("public/time")
            assert (failed.status_code, failed.json()["code"]) == (status, code)
        server.faults.set(ban_418_s=60)
        assert call.public("public/time").status_code == 429


def test_a_reply_that_is_cut(call: BinanceCaller) -> None:
    """Fewer bytes than Content-Length promises, then an orderly close; the request was carried out."""
    order = resting(call, "cut")
    call.server.faults.set(cut_reply=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        call.order(**order)
    assert "cut" in names(call.server)
    assert call.public("ping").status_code == 200


def test_how_a_cut_looks_on_the_wire(call: BinanceCaller) -> None:
    call.server.faults.set(cut_reply=1)
    with socket.create_connection(("127.0.0.1", call.server.port), 10) as raw:
        raw.sendall(b"GET /api/v3/time HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while piece := raw.recv(4096):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    promised = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    assert 0 < len(body) == promised // 2


def test_a_reply_that_is_lost(call: BinanceCaller) -> None:
    """The order is there, once; the client only sees the connection end without a byte."""
    order = resting(call, "lost")
    call.server.faults.set(lose_order_reply=1)
    assert call.public("ping").status_code == 200  # it strikes orders only
    with pytest.raises(requests.exceptions.ConnectionError):
        call.order(**order)
    found = call.signed("GET", "order", symbol="BTCUSDT", origClientOrderId="lost").json()
    assert found["status"] == "NEW"
    again = call.order(**order).json()
    assert again["msg"] == "Duplicate order sent."
    assert call.server.faults.counts()["lose_order_reply"] >= 1


def test_a_refused_request_is_reset(call: BinanceCaller) -> None:
    order = resting(call, "refused")
    call.server.faults.set(refuse=1)
    with socket.create_connection(("127.0.0.1", call.server.port), 10) as raw:
        raw.sendall(b"GET /api/v3/time HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            raw.recv(1)
    call.server.faults.set(refuse=1)
    with pytest.raises(requests.exceptions.ConnectionError):
        call.order(**order)
    assert "refused" not in names(call.server)


def test_a_hang_ends_with_its_release_and_is_then_carried_out(call: BinanceCaller) -> None:
    order = resting(call, "hung")
    call.server.faults.set("/api/v3/order", hang=True)
    with ThreadPoolExecutor(1) as pool, free_session() as other:
        late = pool.submit(
            BinanceCaller(call.server, other).order, **order, timestamp=call.server.exchange.server_time_ms() + 500
        )
        while not call.server.faults.counts().get("hang"):
            assert call.public("ping").status_code == 200  # other paths answer meanwhile
        assert "hung" not in names(call.server)
        assert not late.done()
        call.server.faults.clear()
        assert late.result(10).status_code == 200
    assert "hung" in names(call.server)


def test_latency_holds_every_reply_up(call: BinanceCaller) -> None:
    clock = WallClock()
    call.public("ping")
    call.server.faults.set(latency_ms=60, jitter_ms=20)
    started = clock.monotonic()
    for _ in range(3):
        assert call.public("ping").status_code == 200
    assert clock.monotonic() - started >= 0.18


def test_a_clock_that_is_off(call: BinanceCaller) -> None:
    honest = call.server.exchange.server_time_ms()
    call.server.faults.set(clock_offset_ms=-600_000)
    assert call.public("time").json()["serverTime"] < honest - 500_000
    assert call.signed("GET", "account", timestamp=honest).json()["code"] == -1021
    assert call.signed("GET", "account", timestamp=honest - 600_000).status_code == 200


def test_a_mistake_of_the_simulator_is_a_server_error(
    call: BinanceCaller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(call.server.exchange, "stats_24h", broken)
    failed = call.public("ticker/24hr", symbol="BTCUSDT")
    assert failed.status_code == 500
    assert "ZeroDivisionError" in caplog.text


# --- the port ---


def test_a_closed_port_refuses_and_opens_again(session: requests.Session) -> None:
    with simulator("binance") as server:
        call = BinanceCaller(server, session)
        for _ in range(5):
            assert call.public("ping").status_code == 200
            server.refuse_connections()
            server.refuse_connections()  # again has no effect
            assert server.connections == 0
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", server.port), 5)
            with pytest.raises(requests.exceptions.ConnectionError):
                call.public("ping")
            server.refuse_connections(False)
            assert call.public("ping").status_code == 200
        server.refuse_connections()  # and it can be stopped while it is closed


def test_the_port_is_closed_for_a_while_over_http(session: requests.Session) -> None:
    with simulator("okx") as server:
        url = f"{server.base_url}/_simulator/refuse"
        assert session.post(url, json={"seconds": -1}, timeout=60).status_code == 400
        assert session.post(url, data="nonsense", timeout=60).status_code == 400
        assert session.post(url, json={"seconds": 1.0}, timeout=60).json() == {"seconds": 1.0}
        refusals = 0
        for _ in range(100_000):
            try:
                socket.create_connection(("127.0.0.1", server.port), 5).close()
            except ConnectionRefusedError:
                refusals += 1
            except ConnectionResetError:
                pass  # it was waiting to be accepted when the port closed
            else:
                if refusals:
                    break
        assert refusals
        assert session.get(f"{server.base_url}/api/v5/public/time", timeout=60).status_code == 200


def test_a_port_that_is_taken() -> None:
    with simulator("binance") as server, pytest.raises(ConnectFailed, match=f"127.0.0.1 port {server.port}"):
        SimulatorServer("binance", port=server.port)


# --- faults over HTTP ---


def test_faults_over_http(call: BinanceCaller) -> None:
    url = f"{call.server.base_url}/_simulator/faults"
    on = call.session.post(url, json={"path": "/api/v3/ping", "error_5xx": True}, timeout=60).json()
    assert on["faults"] == [{"path": "/api/v3/ping", "error_5xx": True}]
    assert call.public("ping").status_code == 503
    assert call.public("time").status_code == 200
    seen = call.session.get(url, timeout=60).json()
    assert seen["injected"]["error_5xx"] >= 1
    wrong = call.session.post(url, json={"error_5x": True}, timeout=60)
    assert wrong.status_code == 400
    assert "did you mean 'error_5xx'" in wrong.json()["error"]
    assert call.session.delete(url, timeout=60).json()["faults"] == []
    assert call.public("ping").status_code == 200
    assert call.session.post(f"{call.server.base_url}/_simulator/release", timeout=60).json() == {"released": 0}


def test_faults_never_strike_the_controls(call: BinanceCaller) -> None:
    call.server.faults.set(refuse=True, hang=True, error_5xx=True)
    assert call.session.get(f"{call.server.base_url}/_simulator/state", timeout=60).status_code == 200


# --- many clients, and the end ---


def test_many_clients_at_once_lose_and_double_nothing() -> None:
    """Under random faults every order that a client was told of is there, and none is there twice."""
    faults = Faults(seed=5)
    faults.set(error_5xx=0.1, cut_reply=0.1, lose_order_reply=0.1, refuse=0.1)
    with simulator("binance", faults=faults) as server:

        def client(number: int) -> tuple[int, int]:
            told = unknown = 0
            with free_session() as session:
                call = BinanceCaller(server, session)
                for turn in range(25):
                    try:
                        reply = call.order(
                            type="MARKET",
                            side="BUY" if turn % 2 else "SELL",
                            quantity="0.001",
                            newClientOrderId=f"c{number}-{turn}",
                        )
                    except requests.exceptions.RequestException:
                        unknown += 1
                        continue
                    told += reply.status_code == 200
            return told, unknown

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(client, range(8)))
        faults.clear()
        counts = faults.counts()
        orders = server.exchange.order_history("user")
        told = sum(row[0] for row in results)
        silent = counts["cut_reply"] + counts["lose_order_reply"]
        assert len({order.client_id for order in orders}) == len(orders) == told + silent
        assert sum(row[1] for row in results) == silent + counts["refuse"]
        assert server.state()["reconciled"]


def test_it_stops_with_hanging_requests_and_idle_connections() -> None:
    clock = WallClock()
    with no_new_threads(grace_s=0):
        server = SimulatorServer("binance").start()
        server.faults.set("/api/v3/time", hang=True)
        server.faults.set("/api/v3/ping", latency_ms=60_000)
        idle = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(5)]
        kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        kept.request("GET", "/api/v3/depth?symbol=BTCUSDT")
        kept.getresponse().read()
        waiting = []
        for path in ("time", "ping", "time", "ping"):
            waiting.append(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60))
            waiting[-1].request("GET", f"/api/v3/{path}")
        while server.faults.counts().get("hang", 0) < 2 or server.faults.counts().get("latency_ms", 0) < 2:
            assert server.connections
        started = clock.monotonic()
        server.stop()
        assert clock.monotonic() - started < 30  # the hanging ones are held for longer
        server.stop()  # again has no effect
        for connection in waiting:
            with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
                connection.getresponse()
            connection.close()
        kept.close()
        for raw in idle:
            raw.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), 5)


def test_it_starts_and_stops_many_times() -> None:
    with no_new_threads(grace_s=0), free_session() as session:
        for turn in range(10):
            with simulator(("binance", "okx")[turn % 2]) as server:
                assert session.get(f"{server.base_url}/_simulator/state", timeout=60).json()["reconciled"]


def test_one_that_never_started_can_be_stopped() -> None:
    with no_new_threads(grace_s=0):
        server = SimulatorServer("okx")
        server.stop()
        server.stop()


def test_a_market_that_moves() -> None:
    """In its own thread, while the venue answers."""
    with SimulatorServer("binance", step_s=0.005) as server, free_session() as session:
        call = BinanceCaller(server, session)
        first = call.public("depth", symbol="BTCUSDT").json()
        for _ in range(2000):
            book = call.public("depth", symbol="BTCUSDT").json()
            assert Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0])
            if book["lastUpdateId"] > first["lastUpdateId"] + 500:
                break
        assert book["bids"] != first["bids"]
        assert server.driver.error is None


def test_two_venues_with_one_seed_follow_one_price() -> None:
    with simulator("binance", seed=11) as one, simulator("okx", seed=11) as two, simulator("okx", seed=12) as other:
        for server in (one, two, other):
            server.driver.step(300)
        fair = [server.driver.markets[0].fair for server in (one, two, other)]
        assert fair[0] == fair[1] != fair[2]
        tops = [server.exchange.depth("BTC_USDT", 1) for server in (one, two)]
        assert tops[0].bids != tops[1].bids
        assert abs(tops[0].bids[0][0] / tops[1].bids[0][0] - 1) < Decimal("0.01")


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"venue": "bitmex"}, UnknownName, "no venue 'bitmex'"),
        ({"venue": "Binance"}, UnknownName, "did you mean 'binance'"),
        ({"symbols": ["BTC_USD"]}, UnknownName, "did you mean 'BTC_USDT'"),
        ({"symbols": []}, InputError, "no symbols to trade; expected at least one"),
        ({"symbols": ["BTC_USDT", "BTC_USDT"]}, InputError, "given twice"),
        ({"rate_scale": -1}, InputError, "rate_scale"),
        ({"rate_scale": float("nan")}, InputError, "rate_scale"),
        ({"weight_window_s": 0}, InputError, "weight_window_s"),
        ({"weight_window_s": 2.5}, InputError, "weight_window_s"),
        ({"data": "/does/not/exist.csv"}, InputError, "cannot be read"),
        ({"balances": {"USDT": Decimal("NaN")}}, InputError, "finite"),
    ],
)
def test_what_a_bad_option_gets(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        SimulatorServer(**options)


def test_a_replay_begins_at_its_beginning(tmp_path: Any) -> None:
    file = tmp_path / "bars.csv"
    file.write_text("".join(f"{1_670_889_600_000 + i * 60_000},17000,17010,16990,17005,3\n" for i in range(100)))
    with simulator("binance", data=file, symbols=["BTC_USDT"], speed=10) as server:
        book = server.exchange.depth("BTC_USDT", 1)
        assert abs(book.bids[0][0] - 17000) < 100


def test_nothing_secret_is_shown(binance: SimulatorServer) -> None:
    for shown in (repr(binance), repr(binance.account), str(binance.state()), binance.faults.to_json()):
        assert binance.secret not in shown


def test_tls(tmp_path: Path) -> None:
    """With a certificate that the client trusts it works; without, the client refuses."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    with simulator("okx", tls=context) as server, free_session() as session:
        assert server.base_url.startswith("https://127.0.0.1:")
        url = f"{server.base_url}/api/v5/public/time"
        assert session.get(url, timeout=60, verify=str(trusted)).status_code == 200
        with pytest.raises(requests.exceptions.SSLError), free_session() as other:
            other.get(url, timeout=60)
        server.faults.set(cut_reply=1)
        with pytest.raises(requests.exceptions.RequestException), free_session() as other:
            other.verify = str(trusted)
            other.get(url, timeout=60)
        server.faults.set(refuse=1)
        with pytest.raises(requests.exceptions.ConnectionError), free_session() as other:
            other.verify = str(trusted)
            other.get(url, timeout=60)
        assert session.get(url, timeout=60, verify=str(trusted)).status_code == 200
