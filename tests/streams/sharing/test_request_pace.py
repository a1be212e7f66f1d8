"""How many messages one connection sends within a window."""

from __future__ import annotations

import pytest

from fmzthreads.clock import ManualClock, Signal
from fmzthreads.streams import Connection, Dial
from fmzthreads.streams.sharing import connect_turns
from fmzthreads.streams.sharing.connect_turns import BINANCE_LIMITS, ConnectTurns, StreamLimits
from fmzthreads.streams.sharing.request_pace import MessagePace, RequestPace

from ...helpers.book_feeds import LineHost
from ...helpers.threads import PATIENCE_S, run_in_thread
from ...helpers.ws_server import WsServer


def test_the_pace_of_requests() -> None:
    pace = RequestPace(3, 10.0)
    for now in (0.0, 1.0, 2.0):
        assert pace.wait_s(now) == 0
        pace.sent(now)
    assert pace.wait_s(2.0) == 8.0
    assert pace.wait_s(9.5) == 0.5
    assert pace.wait_s(10.0) == 0
    pace.sent(10.0)
    assert pace.wait_s(10.0) == 1.0
    assert BINANCE_LIMITS.requests < BINANCE_LIMITS.messages < 5, "heartbeats count too"


def test_a_message_waits_for_its_time() -> None:
    clock, closed = ManualClock(), Signal()
    pace = MessagePace(2, 10.0, clock)
    assert pace.take(0.0, closed)
    assert pace.take(0.0, closed)
    assert not pace.take(9.9, closed), "it would be too late"
    waiting = run_in_thread(pace.take, 10.0, closed)
    assert clock.wait_for_sleepers(1, PATIENCE_S)
    clock.advance(10)
    assert waiting.result() is True
    assert pace.take(0.0, closed)
    waiting = run_in_thread(pace.take, 60.0, closed)
    assert clock.wait_for_sleepers(1, PATIENCE_S)
    closed.set()
    assert waiting.result() is False
    closed.clear()
    waiting = run_in_thread(pace.take, 60.0, closed)
    assert clock.wait_for_sleepers(1, PATIENCE_S)
    clock.stop.request()
    assert waiting.result() is True, "the last words of a strategy are not held back"


def test_what_a_script_writes_to_a_venue_is_paced(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    limits = StreamLimits(connects=9, connect_window_s=1.0, requests=1, request_window_s=1.0, messages=3)
    monkeypatch.setattr(connect_turns.CONNECT_TURNS, "of", lambda *_: ConnectTurns("venue", limits))
    with WsServer() as server:
        dialing = run_in_thread(
            lambda: Dial(server.url, errors="raise", host=LineHost(clock), payload=list("abcd"), timeout_ms=60_000)
        )
        peer = server.peer()
        assert [peer.read_message() for _ in range(3)] == [b"a", b"b", b"c"]
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        clock.advance(1)
        assert peer.read_message() == b"d"
        client = dialing.result()
        assert isinstance(client, Connection)
        assert [client.write(text) for text in "ef"] == [1, 1]
        assert client.write("g", 500) == 0, "not within half a second"
        writing = run_in_thread(client.write, "h", 5000)
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        clock.advance(1)
        assert writing.result() == 1
        assert [peer.read_message() for _ in range(3)] == [b"e", b"f", b"h"]
        client.close()
