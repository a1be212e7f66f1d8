"""Every fault of the websockets, and what a client sees of it."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator

import pytest
import requests

from fmzthreads.clock import ManualClock
from fmzthreads.errors import InputError
from fmzthreads.simulator import Faults, SimulatorServer
from fmzthreads.simulator.dialects.fields import plain_decimal
from fmzthreads.simulator.dialects.okx.streams.public_channels import Level, checksum
from fmzthreads.simulator.transport.message_faults import HUGE_BYTES
from fmzthreads.simulator.transport.stream_settings import StreamSettings
from fmzthreads.streams import Connection, Dial
from tests.helpers.simulators import free_session, simulator
from tests.helpers.ws_clients import (
    PATIENCE_S,
    ConnectionClosed,
    InvalidMessage,
    InvalidStatus,
    Socket,
    buy,
    open_socket,
    shake_hands,
    wait_until,
)

TRADES = "/ws/btcusdt@trade"
BOOKS = {"op": "subscribe", "args": [{"channel": "books", "instId": "BTC-USDT"}]}


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with simulator("binance") as running:
        yield running


def ended(client: Socket) -> ConnectionClosed:
    """How the connection ends."""
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            client.text()
    return caught.value


# --- endings ---


def test_a_close_with_a_close_frame(server: SimulatorServer) -> None:
    server.faults.set(ws_close=1)
    with open_socket(server, TRADES) as client:
        buy(server)
        how = ended(client).rcvd
        assert how is not None
        assert how.code == 1012
    with open_socket(server, TRADES) as client:  # one message only was asked for
        buy(server)
        assert client.read()["e"] == "trade"
    assert server.faults.counts()["ws_close"] == 1


def test_a_cut_without_a_close_frame(server: SimulatorServer) -> None:
    server.faults.set(ws_cut=1)
    with open_socket(server, TRADES) as client:
        buy(server)
        assert ended(client).rcvd is None


def test_a_cut_within_a_frame(server: SimulatorServer) -> None:
    server.faults.set(ws_cut_frame=True)
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as raw:
        shake_hands(raw, TRADES)
        buy(server)
        received = b""
        while part := raw.recv(65536):
            received += part
    size = int.from_bytes(received[2:4], "big")
    assert received[:2] == b"\x81\x7e"
    assert 0 < len(received) - 4 < size


def test_half_open_silence_lasts_for_the_connection_and_no_longer(server: SimulatorServer) -> None:
    server.faults.set(ws_silent=1)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as raw:
        shake_hands(raw, TRADES)
        buy(server)
        buy(server)
        wait_until(lambda: server.faults.counts().get("ws_silent") == 1)
        raw.sendall(b"\x89\x80\0\0\0\0")  # a ping: no pong
        raw.settimeout(0.5)
        with pytest.raises(TimeoutError):
            raw.recv(1)
        with open_socket(server, TRADES) as other:
            buy(server)
            assert other.read()["e"] == "trade"
    wait_until(lambda: server.connections == 0)


def test_heartbeats_without_data(server: SimulatorServer) -> None:
    with open_socket(server, TRADES) as client:
        server.faults.set(ws_no_data=True)
        buy(server)
        assert client.connection.ping().wait(PATIENCE_S)
        assert client.ask({"method": "LIST_SUBSCRIPTIONS", "id": 1})["result"] == ["btcusdt@trade"]
        assert client.silent()
        server.faults.clear()
        buy(server)
        newest = server.exchange.trades("BTC_USDT", 1)[-1].trade_id
        assert client.read()["t"] == newest


# --- sequences and checksums ---


def test_a_skipped_sequence_number_at_binance(server: SimulatorServer) -> None:
    with open_socket(server, "/stream?streams=btcusdt@depth@100ms/btcusdt@trade") as client:
        server.driver.step()
        first = client.until(lambda message: message["stream"].endswith("depth@100ms"))["data"]
        server.faults.set(ws_skip=1)
        buy(server)  # a trade is no part of the chain: it comes
        client.until(lambda message: message["stream"].endswith("trade"))
        wait_until(lambda: server.faults.counts().get("ws_skip") == 1)
        server.driver.step()
        second = client.until(lambda message: message["stream"].endswith("depth@100ms"))["data"]
        assert second["U"] > first["u"] + 1


def test_a_skipped_sequence_number_at_okx() -> None:
    with simulator("okx") as server, open_socket(server, "/ws/v5/public") as client:
        client.send(BOOKS)
        last = client.until(lambda message: "action" in message)["data"][0]["seqId"]
        server.faults.set("/ws/v5/public", ws_skip=1)
        server.driver.step()
        wait_until(lambda: server.faults.counts().get("ws_skip") == 1)
        server.driver.step()
        assert client.read()["data"][0]["prevSeqId"] > last


@pytest.mark.parametrize("checksums", [True, False])
def test_a_wrong_checksum_only_where_one_is_sent(checksums: bool) -> None:
    with (
        simulator("okx", streams=StreamSettings(checksums=checksums)) as server,
        open_socket(server, "/ws/v5/public") as right,
        open_socket(server, "/ws/v5/business") as other,
    ):
        right.send(BOOKS)
        right.until(lambda message: "action" in message)
        other.send({"op": "subscribe", "args": [{"channel": "trades-all", "instId": "BTC-USDT"}]})
        other.read()
        server.faults.set(ws_bad_checksum=1)
        buy(server)
        assert "checksum" not in other.read()["data"][0]
        row = right.read()["data"][0]
        assert (row["checksum"] == 0) == (not checksums)
        assert not checksums or row["checksum"] != checksum(*fresh(server))
        assert server.faults.counts().get("ws_bad_checksum", 0) == (1 if checksums else 0)
        server.faults.clear()
        buy(server)
        assert right.read()["data"][0]["checksum"] == (checksum(*fresh(server)) if checksums else 0)


def fresh(server: SimulatorServer) -> tuple[list[Level], list[Level]]:
    """Both sides of the exchange's own book, as they are written."""
    depth = server.exchange.depth("BTC_USDT")
    bids, asks = (
        [(plain_decimal(price), plain_decimal(size), str(count)) for price, size, count in side]
        for side in (depth.bids, depth.asks)
    )
    return bids, asks


# --- bytes ---


def test_gzip_garbage(server: SimulatorServer) -> None:
    server.faults.set(ws_garbage=1)
    with open_socket(server, TRADES) as client:
        buy(server)
        data = client.text()
        assert isinstance(data, bytes)
        assert data[:2] == b"\x1f\x8b"
        with pytest.raises(Exception, match=r"."):  # whichever of its three errors gzip finds first
            gzip.decompress(data)
        buy(server)
        assert client.read()["e"] == "trade"


def test_a_frame_in_many_packets_arrives_whole_and_in_order(server: SimulatorServer) -> None:
    server.faults.set(ws_split=1)
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as raw:
        shake_hands(raw, TRADES)
        buy(server, "0.001")
        buy(server, "0.002")
        received, reads = b"", 0
        while received.count(b'"e":"trade"') < 2 or not received.endswith(b"}"):
            received += raw.recv(65536)
            reads += 1
    assert reads > 10
    first = received[4 : 4 + int.from_bytes(received[2:4], "big")]
    assert json.loads(first)["q"] == "0.00100000"
    assert json.loads(received[4 + len(first) + 4 :])["q"] == "0.00200000"


def test_a_message_of_sixteen_mebibytes(server: SimulatorServer) -> None:
    server.faults.set(ws_huge=1)
    with open_socket(server, TRADES) as client:
        buy(server)
        text = client.text()
        assert len(text) == HUGE_BYTES == 16 * 1024 * 1024
        assert json.loads(text)["e"] == "huge"
        assert client.read()["e"] == "trade"


def test_a_flood(server: SimulatorServer) -> None:
    server.faults.set(ws_flood=3000)
    with open_socket(server, TRADES) as client:
        buy(server)
        first = client.text()
        for _ in range(1000):
            assert client.text() == first
        server.faults.clear()
        buy(server)
        assert client.until(lambda event: json.dumps(event) != first)["e"] == "trade"


def test_a_flood_keeps_its_pace(server: SimulatorServer) -> None:
    server.faults.set(ws_flood=500)
    with open_socket(server, TRADES) as client:
        buy(server)
        begin = time.perf_counter()
        for _ in range(500):
            client.text()
        assert time.perf_counter() - begin > 0.8  # a second's worth does not come at once


# --- handshakes ---


def test_reconnects_are_refused_for_a_while_and_then_taken(server: SimulatorServer) -> None:
    clock = ManualClock()
    server.faults._clock = clock
    server.faults.set(ws_refuse_s=0.6)
    with pytest.raises(InvalidStatus) as caught, open_socket(server, TRADES):
        pass
    assert caught.value.response.status_code == 503
    assert requests.get(f"{server.base_url}/api/v3/ping", timeout=60).status_code == 200  # REST goes on

    clock.advance(0.7)
    with open_socket(server, TRADES):
        pass
    assert server.faults.counts()["ws_refuse_s"] == 1


def test_a_refusal_for_one_path_leaves_others_alone(server: SimulatorServer) -> None:
    server.faults.set("/ws/*", ws_refuse_s=60)
    with open_socket(server, "/stream?streams=btcusdt@trade"):
        pass
    with pytest.raises(InvalidStatus), open_socket(server, TRADES):
        pass
    server.faults.set("/ws/*", ws_refuse_s=0)
    with open_socket(server, TRADES):
        pass


def test_faults_of_requests_strike_handshakes_too(server: SimulatorServer) -> None:
    server.faults.set("/ws/*", error_5xx=1, rate_limit_429=1)
    for status in (429, 503):
        with pytest.raises(InvalidStatus) as caught, open_socket(server, TRADES):
            pass
        assert caught.value.response.status_code == status
    server.faults.set("/ws/*", refuse=1)
    with pytest.raises((InvalidMessage, OSError)), open_socket(server, TRADES):
        pass
    with open_socket(server, TRADES):
        pass


def test_a_stop_ends_a_handshake_that_hangs() -> None:
    with simulator("binance") as server:
        server.faults.set(hang=True)
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as raw:
            raw.sendall(
                b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            wait_until(lambda: server.faults.counts().get("hang") == 1)
            server.stop()
            try:
                assert raw.recv(1) == b""
            except ConnectionResetError:
                pass  # also an end


# --- our own client under all of them ---


@pytest.mark.parametrize("fault", ["ws_close", "ws_cut", "ws_cut_frame"])
def test_our_own_client_tells_the_loss_once_and_comes_back(server: SimulatorServer, fault: str) -> None:
    client = Dial(server.stream_url + TRADES, reconnect=True, interval=0, errors="raise")
    assert isinstance(client, Connection)
    with client:
        buy(server)
        assert "trade" in str(client.read(10_000))
        server.faults.set_text(f"{fault}=1")
        buy(server)
        assert client.read(10_000) == ""
        wait_until(lambda: list(server.site.topics.view().values()) == [1])
        buy(server)
        assert "trade" in str(client.read(10_000))
        assert client.stats.reconnects == 1


def test_our_own_client_reads_split_frames_and_huge_ones(server: SimulatorServer) -> None:
    server.faults.set(ws_split=1, ws_huge=1)
    client = Dial(server.stream_url + TRADES, qbytes=64 * 1024 * 1024, errors="raise")
    assert client is not None
    with client:
        buy(server)
        assert len(str(client.read(10_000))) == HUGE_BYTES
        assert "trade" in str(client.read(10_000))


# --- the plan itself ---


def test_the_faults_are_switched_over_http_and_on_the_command_line(server: SimulatorServer) -> None:
    with free_session() as session:
        url = f"{server.base_url}/_simulator/faults"
        on = session.post(
            url, json={"path": "/ws/*", "ws_cut": 1, "ws_flood": 5, "ws_refuse_s": 3600}, timeout=60
        ).json()
        assert {"path": "/ws/*", "ws_cut": 1, "ws_flood": 5}.items() <= on["faults"][0].items()
        assert 3500 < on["faults"][0]["ws_refuse_s"] <= 3600
        session.delete(url, timeout=60)
    faults = Faults()
    faults.set_text("ws_skip=0.5@/stream*")
    assert faults.settings() == [{"path": "/stream*", "ws_skip": 0.5}]
    with pytest.raises(InputError, match="did you mean 'ws_cut'"):
        faults.set(ws_cutt=1)
    with pytest.raises(InputError):
        faults.set(ws_flood=True)


def test_settings_are_checked() -> None:
    with pytest.raises(InputError, match="ping_s"):
        StreamSettings(ping_s=-1)
    with pytest.raises(InputError, match="backlog_bytes"):
        StreamSettings(backlog_bytes=10)
    with pytest.raises(InputError, match="listen_key_s"):
        StreamSettings(listen_key_s=0)


def test_pieces_that_go_out_too_slowly_are_bounded_too() -> None:
    with simulator("binance", moving=True, step_s=0.01, streams=StreamSettings(backlog_bytes=20_000)) as server:
        server.faults.set(ws_split=True)
        with open_socket(
            server, "/ws/btcusdt@bookTicker/btcusdt@depth20@100ms/btcusdt@depth@100ms/ethusdt@depth@100ms"
        ) as client:
            assert ended(client).rcvd is None
        wait_until(lambda: server.connections == 0)
