"""Turns to connect: never more than a venue allows within its window, whatever the attempts do."""

from __future__ import annotations

import random
import threading

import pytest

from fmzthreads.clock import ManualClock, Signal, WallClock
from fmzthreads.deadline import Deadline
from fmzthreads.errors import ConnectionLost, RateLimited, StopRequested
from fmzthreads.streams import Connection, Dial
from fmzthreads.streams.address import parse_address
from fmzthreads.streams.sharing import connect_turns
from fmzthreads.streams.sharing.connect_turns import (
    BINANCE_LIMITS,
    OKX_LIMITS,
    ConnectTurns,
    ConnectTurnsByHost,
    StreamLimits,
)

from ...helpers.threads import PATIENCE_S, run_in_thread
from ...helpers.ws_server import WsServer

THREE = StreamLimits(connects=3, connect_window_s=10.0, requests=1, request_window_s=1.0)


def take(turns: ConnectTurns, clock: ManualClock | WallClock, timeout_s: float | None = 0.0) -> None:
    with turns.turn(Deadline(clock, timeout_s), Signal(), clock):
        pass


def test_so_many_in_a_window_and_no_more() -> None:
    clock, turns = ManualClock(), ConnectTurns("venue", THREE)
    for _ in range(3):
        take(turns, clock)
        clock.advance(1)
    with pytest.raises(RateLimited, match=r"^3 connections to venue were opened within 10.5 s") as caught:
        take(turns, clock)
    assert caught.value.retry_after_s == pytest.approx(7.5)
    clock.advance(7.4)
    with pytest.raises(RateLimited):
        take(turns, clock)
    clock.advance(0.1)
    take(turns, clock)
    with pytest.raises(RateLimited):
        take(turns, clock)


def test_an_attempt_counts_from_its_end_since_the_venue_may_see_it_late() -> None:
    clock, turns = ManualClock(), ConnectTurns("venue", THREE)
    with turns.turn(Deadline(clock, 0), Signal(), clock):
        take(turns, clock)
        take(turns, clock)
        clock.advance(100)
        take(turns, clock)
        take(turns, clock)
        with pytest.raises(RateLimited):
            take(turns, clock)
    clock.advance(10.4)
    with pytest.raises(RateLimited):
        take(turns, clock)
    clock.advance(0.1)
    take(turns, clock)


def test_no_window_has_more_attempts_than_allowed_wherever_the_venue_sees_them() -> None:
    for seed in range(50):
        draw = random.Random(seed)
        clock, turns = ManualClock(), ConnectTurns("venue", THREE)
        seen: list[float] = []
        for _ in range(100):
            clock.advance(draw.random() * 4)
            try:
                with turns.turn(Deadline(clock, 0.0), Signal(), clock):
                    first = draw.random() * 3
                    clock.advance(first)
                    seen.append(clock.monotonic())
                    clock.advance(draw.random() * 3)
            except RateLimited:
                pass
        assert len(seen) > 10
        for moment in seen:
            assert sum(moment <= other < moment + THREE.connect_window_s for other in seen) <= 3


def test_waiting_for_a_turn_ends_by_its_time_by_closing_and_by_a_stop() -> None:
    clock, turns, closed = ManualClock(), ConnectTurns("venue", THREE), Signal()
    for _ in range(3):
        take(turns, clock)

    def wait(timeout_s: float | None = None) -> None:
        with turns.turn(Deadline(clock, timeout_s), closed, clock):
            pass

    waiting = run_in_thread(wait, 20.0)
    for _ in range(11):
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        clock.advance(1)
    waiting.result()
    for _ in range(2):
        take(turns, clock)
    waiting = run_in_thread(wait)
    assert clock.wait_for_sleepers(1, PATIENCE_S)
    closed.set()
    assert isinstance(waiting.error(), ConnectionLost)
    closed.clear()
    waiting = run_in_thread(wait)
    assert clock.wait_for_sleepers(1, PATIENCE_S)
    clock.stop.request()
    assert isinstance(waiting.error(), StopRequested)


def test_the_end_of_an_attempt_wakes_those_that_wait() -> None:
    clock = ManualClock()
    turns = ConnectTurns("venue", StreamLimits(connects=1, connect_window_s=1e-9, requests=1, request_window_s=1.0))
    begun, go = threading.Event(), threading.Event()

    def hold() -> None:
        with turns.turn(Deadline(clock, None), Signal(), clock):
            begun.set()
            assert go.wait(PATIENCE_S)
            clock.advance(1e-6)

    holding = run_in_thread(hold)
    assert begun.wait(PATIENCE_S)
    waiting = run_in_thread(take, turns, clock, None)
    assert clock.wait_for_sleepers(1, PATIENCE_S)
    go.set()
    holding.result()
    for _ in range(1000):  # it may begin to sleep after an advance
        clock.advance(1e-6)
        waiting.thread.join(0.05)
        if not waiting.alive:
            break
    waiting.result()


@pytest.mark.parametrize(
    ("address", "limits"),
    [
        ("wss://stream.binance.com:9443/ws", BINANCE_LIMITS),
        ("wss://STREAM.binance.com/ws", BINANCE_LIMITS),
        ("wss://ws-api.binance.com/ws-api/v3", BINANCE_LIMITS),
        ("wss://data-stream.binance.vision/ws", BINANCE_LIMITS),
        ("wss://ws.okx.com:8443/ws/v5/public", OKX_LIMITS),
        ("wss://wspap.okx.com/ws/v5/public", OKX_LIMITS),
        ("wss://okx.com/ws", OKX_LIMITS),
        ("wss://notokx.com/ws", None),
        ("wss://okx.com.example.org/ws", None),
        ("ws://127.0.0.1:1/ws", None),
    ],
)
def test_hosts_of_venues_are_known(address: str, limits: StreamLimits | None) -> None:
    turns = ConnectTurnsByHost().of(parse_address(address), None, WallClock(), None)
    assert (turns is None) is (limits is None)
    if turns is not None and limits is not None:
        assert turns._most == limits.connects


def test_turns_are_shared_by_what_the_venue_sees() -> None:
    table = ConnectTurnsByHost()
    first = parse_address("wss://ws.okx.com/ws/v5/public")
    clock = WallClock()
    turns = table.of(first, None, clock, None)
    assert table.of(parse_address("wss://ws.okx.com:8443/ws/v5/private"), None, WallClock(), None) is turns
    assert table.of(first, "another address of ours", clock, None) is not turns
    assert table.of(first, None, ManualClock(), None) is not turns
    lone = parse_address("ws://127.0.0.1:5/ws")
    assert table.of(lone, None, clock, THREE) is table.of(lone, None, clock, THREE)
    assert table.of(parse_address("ws://127.0.0.1:6/ws"), None, clock, THREE) is not table.of(lone, None, clock, THREE)


def test_dial_to_a_venue_takes_turns_at_the_start_and_after_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    turns = ConnectTurns("venue", THREE)
    monkeypatch.setattr(connect_turns.CONNECT_TURNS, "of", lambda *_: turns)

    class Host:
        def __init__(self) -> None:
            self.clock = clock
            self.errors: list[str] = []

        def error(self, text: str, *, source: str) -> None:
            self.errors.append(text)

        warning = error

    host = Host()
    with WsServer() as server:
        client = Dial(server.url, errors="raise", host=host, reconnect=True, interval=1)
        assert isinstance(client, Connection)
        peer = server.peer()
        for _ in range(2):
            Dial(server.url, errors="raise", host=host).close()  # type: ignore[union-attr]
            server.peer()
        assert Dial(server.url, host=host, timeout_ms=5) is None
        assert "3 connections to venue" in host.errors[-1]
        peer.close()
        assert client.read() == ""
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        clock.advance(0.1)  # the pause; then the turn is waited for
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        assert client.state == "reconnecting"
        while client.state != "open":
            clock.wait_for_sleepers(1, 0.01)
            clock.advance(0.5)
        server.peer()
        assert clock.monotonic() >= 10.5
        client.close()
