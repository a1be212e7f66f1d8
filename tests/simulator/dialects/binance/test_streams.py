"""Binance's market streams, WebSocket API and user data, as a client sees them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.engine.events import AccountEvent, BookEvent, OrderEvent, TickerEvent, TradeEvent
from fmzthreads.simulator.transport.stream_settings import StreamSettings
from fmzthreads.streams import Dial
from tests.helpers.simulators import BinanceCaller, free_session, simulator
from tests.helpers.threads import no_new_threads
from tests.helpers.ws_clients import (
    PATIENCE_S,
    ConnectionClosed,
    DeltaBook,
    InvalidStatus,
    LoopTime,
    Socket,
    buy,
    open_socket,
    shake_hands,
    top_levels,
    wait_until,
)

EVENTS = (TradeEvent, BookEvent, TickerEvent, OrderEvent, AccountEvent)


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with simulator("binance") as running:
        yield running


@pytest.fixture
def caller(server: SimulatorServer) -> Iterator[BinanceCaller]:
    with free_session() as session:
        yield BinanceCaller(server, session)


# --- addresses and control messages ---


def test_a_raw_address_gives_bare_events(server: SimulatorServer) -> None:
    with open_socket(server, "/ws/btcusdt@trade") as client:
        buy(server)
        event = client.read()
    trade = server.exchange.trades("BTC_USDT", 1)[0]
    assert event == {
        "e": "trade",
        "E": event["E"],
        "s": "BTCUSDT",
        "t": trade.trade_id,
        "p": f"{trade.price:.8f}",
        "q": "0.00100000",
        "T": trade.time_ms,
        "m": False,
        "M": True,
    }
    assert abs(event["E"] - trade.time_ms) < 2000


@pytest.mark.parametrize("path", ["/ws/btcusdt@trade/ethusdt@trade", "/ws/btcusdt%40trade/ethusdt%40trade"])
def test_several_streams_in_a_raw_address(server: SimulatorServer, path: str) -> None:
    with open_socket(server, path) as client:
        assert client.ask({"method": "LIST_SUBSCRIPTIONS", "id": 5}) == {
            "result": ["btcusdt@trade", "ethusdt@trade"],
            "id": 5,
        }


def test_a_combined_address_gives_an_envelope(server: SimulatorServer) -> None:
    with open_socket(server, "/stream?streams=btcusdt@trade/btcusdt@aggTrade") as client:
        buy(server)
        events = [client.read(), client.read()]
    assert [event["stream"] for event in events] == ["btcusdt@trade", "btcusdt@aggTrade"]
    trade, agg = (event["data"] for event in events)
    assert (agg["e"], agg["a"], agg["f"], agg["l"], agg["p"], agg["q"]) == (
        "aggTrade", trade["t"], trade["t"], trade["t"], trade["p"], trade["q"],
    )  # fmt: skip


def test_control_messages(server: SimulatorServer) -> None:
    with open_socket(server, "/ws") as client:
        assert client.ask({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1}) == {"result": None, "id": 1}
        assert client.ask({"method": "LIST_SUBSCRIPTIONS", "id": "a-b"}) == {"result": ["btcusdt@trade"], "id": "a-b"}
        buy(server)
        assert client.read()["e"] == "trade"
        assert client.ask({"method": "GET_PROPERTY", "params": ["combined"], "id": 2})["result"] is False
        assert client.ask({"method": "SET_PROPERTY", "params": ["combined", True], "id": 3}) == {
            "result": None,
            "id": 3,
        }
        buy(server)
        assert client.read()["stream"] == "btcusdt@trade"
        assert client.ask({"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": 4}) == {"result": None, "id": 4}
        buy(server)
        assert client.ask({"method": "LIST_SUBSCRIPTIONS", "id": None}) == {"result": [], "id": None}
        assert client.silent()


@pytest.mark.parametrize(
    ("message", "code", "text", "echoed"),
    [
        ("{", 3, "Invalid JSON", None),
        ('{"method":"\\ud800","id":1}', 3, "Invalid JSON", None),
        ("[1]", 2, "expected an object", None),
        ({"method": "SUBSCRIBE", "params": ["nonsense"], "id": 2}, 2, "Invalid request: invalid stream", 2),
        ({"method": "SUBSCRIBE", "params": [7], "id": 2}, 2, "invalid stream", 2),
        ({"method": "SUBSCRIBE", "params": "btcusdt@trade", "id": 2}, 2, "params must be an array", 2),
        ({"method": "SUBSCRIBE", "params": [], "id": 2}, 2, "must not be empty", 2),
        ({"method": "DANCE", "id": 3}, 2, "unknown method", 3),
        ({"method": ["SUBSCRIBE"], "id": 3}, 2, "unknown method", 3),
        ({"method": "SET_PROPERTY", "params": ["colour", True], "id": 4}, 0, "Unknown property", 4),
        ({"method": "SET_PROPERTY", "params": ["combined", 1], "id": 4}, 1, "Invalid value type", 4),
        ({"method": "LIST_SUBSCRIPTIONS", "id": 2**63}, 2, "request ID", None),
        ({"method": "LIST_SUBSCRIPTIONS", "id": "x" * 37}, 2, "request ID", None),
        ({"method": "LIST_SUBSCRIPTIONS", "id": True}, 2, "request ID", None),
    ],
)
def test_refusals_are_wrapped_and_echo_the_id(
    server: SimulatorServer, message: Any, code: int, text: str, echoed: Any
) -> None:
    with open_socket(server, "/ws") as client:
        client.send(message)
        answer = client.read()
        assert set(answer) == {"error", "id"}
        assert (answer["error"]["code"], answer["id"]) == (code, echoed)
        assert text in answer["error"]["msg"]
        assert client.ask({"method": "LIST_SUBSCRIPTIONS", "id": 9}) == {"result": [], "id": 9}


def test_a_stream_that_does_not_exist_is_acknowledged_and_silent(server: SimulatorServer) -> None:
    with open_socket(server, "/ws") as client:
        names = ["dogeusdt@trade", "btcusdt@nothing", "btcusdt@depth7", "btcusdt@kline_7m", "btcusdt@depth@50ms"]
        assert client.ask({"method": "SUBSCRIBE", "params": names, "id": 1}) == {"result": None, "id": 1}
        assert client.ask({"method": "LIST_SUBSCRIPTIONS", "id": 2})["result"] == names
        server.driver.step(3)
        assert client.silent()


def test_paths_that_are_none_are_refused(server: SimulatorServer) -> None:
    with pytest.raises(InvalidStatus) as caught, open_socket(server, "/nowhere"):
        pass
    assert caught.value.response.status_code == 404


def test_a_handshake_that_is_none_is_refused(server: SimulatorServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as raw:
        raw.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: short\r\n\r\n"
        )
        assert raw.recv(65536).startswith(b"HTTP/1.1 400 ")


# --- what the streams carry ---


def is_from(name: str, event: Any) -> bool:
    return bool(event["stream"] == name)


def is_after(version: int, event: Any) -> bool:
    return bool(event["u"] > version)


def follow_book(client: Socket, caller: BinanceCaller, server: SimulatorServer, pace: str, steps: int) -> None:
    """Keeps a book by the venue's procedure and compares it with the exchange's own after every step."""
    client.ask({"method": "SUBSCRIBE", "params": [f"btcusdt@depth{pace}"], "id": 1})
    server.driver.step()
    snapshot = caller.public("depth", symbol="BTCUSDT", limit=5000).json()
    book, last = DeltaBook(snapshot["bids"], snapshot["asks"]), snapshot["lastUpdateId"]
    chained = False
    for _ in range(steps):
        server.driver.step()
        version, levels = top_levels(server, "BTC_USDT")
        while last < version:
            event = client.read()
            assert event["e"] == "depthUpdate"
            assert event["U"] <= event["u"]
            if event["u"] <= last:
                continue
            if chained:
                assert event["U"] == last + 1
            else:
                assert event["U"] <= last + 1
            book.apply(event["b"], event["a"])
            last, chained = event["u"], True
        assert last == version
        assert book.levels() == levels
    assert chained


@pytest.mark.parametrize(("pace", "steps"), [("@100ms", 5), ("", 2)])
def test_a_book_from_deltas_is_the_exchanges_book(
    server: SimulatorServer, caller: BinanceCaller, pace: str, steps: int
) -> None:
    with open_socket(server, "/ws") as client:
        follow_book(client, caller, server, pace, steps)


def test_a_book_from_deltas_while_the_market_moves(caller: BinanceCaller) -> None:
    with simulator("binance", moving=True, step_s=0.02) as server, free_session() as session:
        caller = BinanceCaller(server, session)
        with open_socket(server, "/ws/btcusdt@depth@100ms") as client:
            first = client.read()
            snapshot = caller.public("depth", symbol="BTCUSDT", limit=5000).json()
            assert snapshot["lastUpdateId"] >= first["U"]
            book, last = DeltaBook(snapshot["bids"], snapshot["asks"]), snapshot["lastUpdateId"]
            for _ in range(10):
                event = client.until(partial(is_after, last))
                assert event["U"] <= last + 1
                book.apply(event["b"], event["a"])
                last = event["u"]
            server.driver.stop()
            version, levels = top_levels(server, "BTC_USDT")
            while last < version:
                event = client.read()
                assert event["U"] == last + 1
                book.apply(event["b"], event["a"])
                last = event["u"]
            assert (last, book.levels()) == (version, levels)


def test_our_own_client_builds_the_same_book(server: SimulatorServer, caller: BinanceCaller) -> None:
    client = Dial(f"{server.stream_url}/ws/btcusdt@depth@100ms", errors="raise")
    assert client is not None
    with client:
        wait_until(lambda: len(server.site.topics) == 1)
        snapshot = caller.public("depth", symbol="BTCUSDT", limit=5000).json()
        book, last = DeltaBook(snapshot["bids"], snapshot["asks"]), snapshot["lastUpdateId"]
        for _ in range(5):
            server.driver.step()
            version, levels = top_levels(server, "BTC_USDT")
            while last < version:
                text = client.read(int(PATIENCE_S * 1000))
                assert isinstance(text, str)
                assert text
                event = json.loads(text)
                assert event["U"] == last + 1
                book.apply(event["b"], event["a"])
                last = event["u"]
            assert book.levels() == levels


def test_partial_books_and_the_best_prices(server: SimulatorServer) -> None:
    with open_socket(server, "/stream?streams=btcusdt@depth5@100ms/btcusdt@depth20@100ms/btcusdt@bookTicker") as client:
        for name, count in (("btcusdt@depth5@100ms", 5), ("btcusdt@depth20@100ms", 20)):
            data = client.until(partial(is_from, name))["data"]
            version, (bids, asks) = top_levels(server, "BTC_USDT", count)
            assert data == {
                "lastUpdateId": version,
                "bids": [[f"{price:.8f}", f"{size:.8f}"] for price, size in bids],
                "asks": [[f"{price:.8f}", f"{size:.8f}"] for price, size in asks],
            }
        server.driver.step()
        version, (bids, asks) = top_levels(server, "BTC_USDT", 1)
        best = client.until(lambda event: event["stream"] == "btcusdt@bookTicker" and event["data"]["u"] == version)[
            "data"
        ]
        assert best == {
            "u": version,
            "s": "BTCUSDT",
            "b": f"{bids[0][0]:.8f}",
            "B": f"{bids[0][1]:.8f}",
            "a": f"{asks[0][0]:.8f}",
            "A": f"{asks[0][1]:.8f}",
        }


def test_days_of_one_symbol_and_of_all(server: SimulatorServer, caller: BinanceCaller) -> None:
    streams = "btcusdt@ticker/btcusdt@miniTicker/!ticker@arr/!miniTicker@arr/btcusdt@avgPrice"
    found: dict[str, Any] = {}
    asked = [caller.public("ticker/24hr", symbol="BTCUSDT").json()]
    with open_socket(server, f"/stream?streams={streams}") as client:
        while len(found) < 5:
            event = client.read()
            found.setdefault(event["stream"], event["data"])
        asked.append(caller.public("ticker/24hr", symbol="BTCUSDT").json())
        buy(server)
        changed = client.until(lambda event: event["stream"] == "!miniTicker@arr")["data"]
    full = found["btcusdt@ticker"]
    assert (full["e"], full["s"]) == ("24hrTicker", "BTCUSDT")
    # The day moves on meanwhile, so that its first minute may drop out.
    assert (full["o"], full["h"]) in [(one["openPrice"], one["highPrice"]) for one in asked]
    assert set(full) == set("eEspPwxcQbBaAohlvqOCFLn")
    assert set(found["btcusdt@miniTicker"]) == set("eEscohlvq")
    assert [row["s"] for row in found["!ticker@arr"]] == ["BTCUSDT", "ETHUSDT"]
    assert [row["e"] for row in found["!miniTicker@arr"]] == ["24hrMiniTicker"] * 2
    assert [row["s"] for row in changed] == ["BTCUSDT"]
    assert 0.9 < float(found["btcusdt@avgPrice"]["w"]) / float(full["c"]) < 1.1


def test_a_bar_is_sent_once_more_when_its_time_is_over() -> None:
    clock = ManualClock(start=1_700_000_000.0)
    with simulator("binance", clock=clock) as server, open_socket(server, "/ws/btcusdt@kline_1s") as client:
        first = client.read()["k"]
        assert (first["t"], first["T"], first["x"], first["i"]) == (1_700_000_000_000, 1_700_000_000_999, False, "1s")
        buy(server)
        traded = client.until(lambda event: event["k"]["n"] > first["n"])["k"]
        assert Decimal(traded["v"]) == Decimal(first["v"]) + Decimal("0.001")
        clock.advance(1)
        closed, opened = client.read()["k"], client.read()["k"]
        assert (closed["t"], closed["x"], closed["v"]) == (first["t"], True, traded["v"])
        assert (opened["t"], opened["x"], opened["o"]) == (first["t"] + 1000, False, closed["c"])


def test_times_in_microseconds(server: SimulatorServer) -> None:
    with open_socket(server, "/ws/btcusdt@trade?timeUnit=MICROSECOND") as client:
        buy(server)
        event = client.read()
    assert event["T"] == server.exchange.trades("BTC_USDT", 1)[0].time_ms * 1000
    assert event["E"] > 10**15


# --- one computation for all, and none for nobody ---


def test_connections_share_a_stream_and_nobody_costs_nothing(server: SimulatorServer) -> None:
    ledger_only = [kind for kind in EVENTS if server.exchange._engine.events.wants(kind)]
    with open_socket(server, "/ws/btcusdt@trade") as one, open_socket(server, "/ws/btcusdt@trade") as two:
        wait_until(lambda: list(server.site.topics.view().values()) == [2])
        buy(server)
        assert one.text() == two.text()
        assert server.exchange._engine.events.wants(TradeEvent)
    wait_until(lambda: not len(server.site.topics))
    assert [kind for kind in EVENTS if server.exchange._engine.events.wants(kind)] == ledger_only


# --- limits and keeping alive ---


def test_too_many_streams() -> None:
    with (
        simulator("binance", streams=StreamSettings(most_streams=3)) as small,
        open_socket(small, "/ws/btcusdt@trade") as client,
    ):
        names = ["ethusdt@trade", "btcusdt@ticker", "ethusdt@ticker"]
        refused = client.ask({"method": "SUBSCRIBE", "params": names, "id": 1})
        assert refused["error"]["code"] == 2
        assert client.ask({"method": "SUBSCRIBE", "params": names[:2], "id": 2})["result"] is None
        assert len(client.ask({"method": "LIST_SUBSCRIPTIONS", "id": 3})["result"]) == 3


def test_more_than_five_frames_a_second_end_the_connection() -> None:
    with simulator("binance", rate_scale=1) as server, open_socket(server, "/ws") as client:
        for number in range(5):
            client.send({"method": "LIST_SUBSCRIPTIONS", "id": number})
        assert [client.read()["id"] for _ in range(5)] == [0, 1, 2, 3, 4]
        client.connection.ping()  # pings count too
        with pytest.raises(ConnectionClosed) as caught:
            client.read()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1008


def test_more_than_three_hundred_connections_are_refused() -> None:
    with simulator("binance", rate_scale=0.01) as server:  # 3 in five minutes
        for _ in range(3):
            with open_socket(server, "/ws"):
                pass
        with pytest.raises(InvalidStatus) as caught, open_socket(server, "/ws"):
            pass
        assert caught.value.response.status_code == 429


def test_pings_come_and_who_answers_stays() -> None:
    settings = StreamSettings(ping_s=20, pong_s=60)
    with simulator("binance", streams=settings) as server, open_socket(server, "/ws/btcusdt@trade") as client:
        loop_time = LoopTime(server)
        for _ in range(8):
            loop_time.advance(20)
            wait_until(loop_time.pings_answered)  # by the library
        buy(server)
        assert client.read()["e"] == "trade"


def test_who_does_not_answer_pings_is_shown_out() -> None:
    with simulator("binance", streams=StreamSettings(ping_s=20, pong_s=60)) as server:
        loop_time = LoopTime(server)
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as raw:
            shake_hands(raw, "/ws")
            for _ in range(5):
                loop_time.advance(20)
            received = b""
            while part := raw.recv(65536):
                received += part
        assert received[0] == 0x89  # pings first
        assert b"\x88" in received
        assert b"Pong timeout" in received


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x02hi", 1002),  # not masked
        (b"\xf1\x82\0\0\0\0hi", 1002),  # reserved bits
        (b"\x83\x82\0\0\0\0hi", 1002),  # unknown opcode
        (b"\x09\x82\0\0\0\0hi", 1002),  # a ping in fragments
        (b"\x89\xfe\0\x7e\0\0\0\0" + b"x" * 126, 1002),  # a ping that is too long
        (b"\x80\x82\0\0\0\0hi", 1002),  # a fragment of nothing
        (b"\x01\x82\0\0\0\0hi\x81\x82\0\0\0\0hi", 1002),  # a message within a message
        (b"\x81\x82\0\0\0\0\xff\xfe", 1007),  # not UTF-8
        (b"\x88\x81\0\0\0\0x", 1002),  # half a close code
        (b"\x88\x82\0\0\0\0\x03\xed", 1002),  # 1005 must not travel
        (b"\x81\xff" + (2**40).to_bytes(8, "big") + b"\0\0\0\0", 1009),  # a terabyte
    ],
)
def test_broken_frames_are_answered_with_the_code_for_them(server: SimulatorServer, frame: bytes, code: int) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as raw:
        shake_hands(raw, "/ws")
        raw.sendall(frame)
        received = b""
        while part := raw.recv(65536):
            received += part
    assert received[:1] == b"\x88"
    assert int.from_bytes(received[2:4], "big") == code


def test_fragments_pings_within_them_and_a_close(server: SimulatorServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as raw:
        shake_hands(raw, "/ws")
        text = b'{"method":"LIST_SUBSCRIPTIONS","id":1}'
        key = b"\1\2\3\4"

        def masked(first: int, payload: bytes) -> bytes:
            body = bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))
            return bytes([first, 0x80 | len(payload)]) + key + body

        wire = masked(0x01, text[:7]) + masked(0x89, b"beat") + masked(0x00, text[7:20]) + masked(0x80, text[20:])
        wire += masked(0x88, (1000).to_bytes(2, "big"))
        for byte in wire:
            raw.sendall(bytes([byte]))  # also byte by byte
        received = b""
        while part := raw.recv(65536):
            received += part
    answer = b'{"result":[],"id":1}'
    assert received == b"\x8a\x04beat" + bytes([0x81, len(answer)]) + answer + b"\x88\x02\x03\xe8"


# --- slow clients, and the end ---


def test_a_client_that_does_not_read_is_cut_and_costs_bounded_memory() -> None:
    limit = 256 * 1024
    with simulator("binance", streams=StreamSettings(backlog_bytes=limit)) as server:
        server.faults.set(ws_flood=20_000)
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as raw:
            shake_hands(raw, "/ws/btcusdt@depth20@100ms")
            connection = next(iter(server._wire._state.connections))
            most = 0

            def gone() -> bool:
                nonlocal most
                most = max(most, connection.transport.get_write_buffer_size())
                return server.connections == 0

            wait_until(gone)
        # One beat of the flood is written at once, behind what waits.
        assert 0 < most < limit + 20_000 * 0.05 * 2500
        wait_until(lambda: not len(server.site.topics))


def test_a_stop_tells_and_ends_everything_within_a_second() -> None:
    with (
        no_new_threads(grace_s=0),
        simulator("binance", moving=True) as server,
        open_socket(server, "/stream") as other,
        open_socket(server, "/ws/btcusdt@depth@100ms") as client,
    ):
        client.read()
        other.ask({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        stopper.join(60)
        assert not stopper.is_alive()
        assert other.read()["stream"] == "!serverShutdown"
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                client.read()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1001


def test_hundreds_of_connections_come_and_go(server: SimulatorServer) -> None:
    def visit() -> None:
        for _ in range(10):
            with open_socket(server, "/ws/btcusdt@depth@100ms/btcusdt@trade") as client:
                client.ask({"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": 1})

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(30):
        server.driver.step()
    for thread in threads:
        thread.join(30)
    wait_until(lambda: server.connections == 0 and not len(server.site.topics))
    assert not server.exchange._engine.events.wants(BookEvent)
