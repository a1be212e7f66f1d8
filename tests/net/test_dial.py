"""Opening a connection: names, addresses that do not answer, and cancelling."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fmzthreads.clock import ManualClock, Stop, WallClock
from fmzthreads.deadline import Deadline
from fmzthreads.errors import ConnectFailed, InputError, StopRequested, TimedOut
from fmzthreads.net.dial import Destination, Opening, open_stream
from fmzthreads.streams import Connection, Dial
from fmzthreads.streams.address import parse_address
from tests.helpers.journal import StrictJournal
from tests.helpers.threads import run_in_thread
from tests.helpers.ws_server import WsServer

HANG_S = 60.0


@pytest.mark.parametrize("first", ["watch", "cancel"])
def test_cancelling_finds_the_socket_whichever_comes_first(first: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        opening = Opening()
        opening.check()
        for step in (first, "cancel" if first == "watch" else "watch"):
            if step == "watch":
                opening.watch(ours)
            else:
                opening.cancel()
        theirs.settimeout(HANG_S)
        assert theirs.recv(1) == b""
        with pytest.raises(ConnectFailed, match="closed while connecting"):
            opening.check()


def _full_listener() -> tuple[socket.socket, list[socket.socket]]:
    """A listener that answers no further attempt to connect: its queue is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)
    return listener, fillers


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="how a full queue answers differs by system")
@pytest.mark.parametrize("early", [False, True])
def test_an_attempt_that_hears_nothing_at_all_can_be_cancelled(early: bool) -> None:
    listener, fillers = _full_listener()
    where = Destination(shown="the listener", host="127.0.0.1", port=listener.getsockname()[1])
    clock = WallClock()
    opening = Opening()
    failed: list[Exception] = []
    watched = threading.Event()
    watch = opening.watch

    def tell(sock: socket.socket) -> None:
        watch(sock)
        watched.set()

    opening.watch = tell  # type: ignore[method-assign]

    def dial() -> None:
        try:
            open_stream(where, Deadline(clock, 300), opening, clock)
        except ConnectFailed as error:
            failed.append(error)

    if early:
        opening.cancel()
    thread = threading.Thread(target=dial)
    thread.start()
    if not early:
        assert watched.wait(HANG_S)
        opening.cancel()
    thread.join(HANG_S)
    for sock in (listener, *fillers):
        sock.close()
    assert "closed while connecting" in str(failed[0])


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="how a full queue answers differs by system")
def test_an_address_that_does_not_answer_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    listener, fillers = _full_listener()
    with WsServer() as server:
        both = [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
            for port in (listener.getsockname()[1], server.port)
        ]
        clock = ManualClock()
        watch, waits = Opening.watch, threading.Event()

        def note(opening: Opening, sock: socket.socket) -> None:
            watch(opening, sock)
            waits.set()

        monkeypatch.setattr(Opening, "watch", note)
        monkeypatch.setattr("fmzthreads.net.dial.socket.getaddrinfo", lambda *_: both)
        address = f"ws://two.example:{server.port}/stream"
        dialling = run_in_thread(lambda: Dial(address, host=StrictJournal(clock), errors="raise", timeout_ms=60_000))
        assert waits.wait(HANG_S)
        clock.advance(31)  # the first address has had its half of the time
        client = dialling.result()
        monkeypatch.undo()
        assert isinstance(client, Connection)
        client.close()
    for sock in (listener, *fillers):
        sock.close()


def test_a_refused_connection_is_told_in_the_systems_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    journal = StrictJournal()
    assert Dial("tcp://exchange.example:7", host=journal, proxy=f"socks5://127.0.0.1:{port}") is None
    (line,) = journal.errors
    assert line == (
        f"cannot connect to tcp://exchange.example:7 through the proxy socks5://127.0.0.1:{port}: connecting: "
        + os.strerror(errno.ECONNREFUSED)
    )


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "y." * 140 + "z", "ö" * 64])
def test_a_host_that_cannot_be_one_is_bad_input(host: str) -> None:
    with pytest.raises(InputError, match="host"):
        parse_address(f"ws://{host}/")


@pytest.fixture
def hanging_name(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A resolver that does not answer; the event says that it was asked."""
    asked, go = threading.Event(), threading.Event()

    def look_up(*_: object) -> list[object]:
        asked.set()
        go.wait(HANG_S)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield asked
    go.set()
    for thread in threading.enumerate():
        if thread.name.startswith("resolve "):
            thread.join(HANG_S)


NAMED = Destination(shown="tcp://slow.example:7", host="slow.example", port=7)


def test_looking_up_a_name_ends_with_the_deadline(hanging_name: threading.Event) -> None:
    clock = ManualClock()
    attempt = run_in_thread(lambda: open_stream(NAMED, Deadline(clock, 30), Opening(), clock))
    assert hanging_name.wait(HANG_S)
    while attempt.alive:  # it sleeps a second of this clock at a time
        clock.wait_for_sleepers(1, 0.1)
        clock.advance(1)
    error = attempt.error()
    assert isinstance(error, TimedOut)
    assert str(error) == ("timeout: tcp://slow.example:7 did not answer within 30 s (looking up the name slow.example)")


def test_looking_up_a_name_ends_when_the_attempt_is_cancelled(hanging_name: threading.Event) -> None:
    clock, opening = ManualClock(), Opening()
    attempt = run_in_thread(lambda: open_stream(NAMED, Deadline(clock, 30), opening, clock))
    assert hanging_name.wait(HANG_S)
    opening.cancel()  # at once: this clock is not advanced
    assert "closed while connecting" in str(attempt.error())


def test_looking_up_a_name_ends_with_a_stop(hanging_name: threading.Event) -> None:
    stop = Stop()
    journal = StrictJournal(WallClock(stop))
    attempt = run_in_thread(lambda: Dial("ws://slow.example/", host=journal, timeout_ms=300_000))
    assert hanging_name.wait(HANG_S)
    stop.request()
    assert isinstance(attempt.error(), StopRequested)


def test_a_local_address_takes_only_addresses_of_its_own_kind() -> None:
    clock = WallClock()
    where = Destination(shown="x", host="127.0.0.1", port=9, local_ip="::1")
    with pytest.raises(ConnectFailed, match=r"no address found for 127\.0\.0\.1 that ::1 can connect to"):
        open_stream(where, Deadline(clock, 30), Opening(), clock)
