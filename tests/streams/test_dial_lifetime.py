"""How long a connection lives: as long as a script holds it, and never in the child of a fork; and how often it tries again."""

from __future__ import annotations

import gc
import multiprocessing
import os
import queue
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator

import pytest

from fmzthreads.clock import ManualClock, WallClock
from fmzthreads.streams import Connection, Dial
from fmzthreads.streams.options import pause_s, read_options
from fmzthreads.tasks.events import EventQueue
from tests.helpers.journal import Journal
from tests.helpers.threads import no_new_threads
from tests.helpers.ws_server import WsServer

HANG_S = 60.0


@pytest.fixture
def server() -> Iterator[WsServer]:
    with WsServer() as running:
        yield running


def connect(server: WsServer, **options: object) -> Connection:
    options.setdefault("host", Journal())
    client = Dial(server.url, errors="raise", **options)  # type: ignore[arg-type]
    assert isinstance(client, Connection)
    return client


def wait_for_end(thread: threading.Thread) -> None:
    thread.join(HANG_S)
    assert not thread.is_alive()


# -- dropped -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"reconnect": True}, {"silence_ms": 60_000, "pingInterval": 60_000}])
def test_one_that_nobody_holds_is_closed(server: WsServer, options: dict[str, object]) -> None:
    client = connect(server, **options)
    peer = server.peer()
    reader = client._reader
    peer.text("never read")
    del client
    assert peer.read_close() == 1000
    peer.close()
    wait_for_end(reader.thread)
    if reader._watcher is not None:
        wait_for_end(reader._watcher)
    assert reader.state == "closed"


def test_one_that_is_replaced_is_closed_also_while_it_reconnects(server: WsServer) -> None:
    client = connect(server, reconnect=True, interval=3_600_000)
    reader = client._reader
    server.peer().close()
    assert client.read() == ""
    client = connect(server)
    server.peer()
    wait_for_end(reader.thread)
    assert client.state == "open"
    client.close()


def test_a_hub_does_not_keep_it(server: WsServer) -> None:
    hub = EventQueue(WallClock())
    client = connect(server)
    hub.add_source(client, "Dial")
    server.peer().text("news")
    event = hub.wait(HANG_S * 1000)
    assert event is not None
    assert event.Event == "Dial"
    reader = client._reader
    del client
    wait_for_end(reader.thread)
    assert hub.wait(-1) is None


def test_a_loop_over_it_keeps_it(server: WsServer) -> None:
    def messages() -> Iterator[object]:
        yield from connect(server)

    found = messages()
    threading.Thread(target=lambda: server.peer().text("a", "b"), daemon=True).start()
    assert [next(found), next(found)] == ["a", "b"]
    gc.collect()
    found.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("take", [lambda client: client.read, lambda client: client.write, lambda client: client.close])
def test_its_methods_keep_it(server: WsServer, take: Callable[[Connection], Callable[..., object]]) -> None:
    client = connect(server)
    reader = client._reader
    method = take(client)
    reference = weakref.ref(client)
    del client
    gc.collect()
    assert reference() is not None
    assert reader.state == "open"
    del method
    wait_for_end(reader.thread)


def test_a_thread_that_reads_keeps_it(server: WsServer) -> None:
    got: queue.SimpleQueue[object] = queue.SimpleQueue()

    def script() -> None:
        got.put(connect(server).read())

    thread = threading.Thread(target=script, daemon=True)
    thread.start()
    peer = server.peer()
    gc.collect()
    peer.text("late")
    assert got.get(timeout=HANG_S) == "late"
    wait_for_end(thread)
    assert peer.read_close() == 1000


def test_on_connect_gets_what_the_script_holds(server: WsServer) -> None:
    seen: list[object] = []
    client = connect(server, on_connect=lambda face: seen.append(weakref.ref(face)), reconnect=True, interval=1)
    server.peer().close()
    assert client.read() == ""
    server.peer().text("again")
    assert client.read() == "again"
    assert [reference() for reference in seen] == [client, client]  # type: ignore[operator]
    client.close()


def test_hundreds_that_are_dropped_leave_no_thread(server: WsServer) -> None:
    with no_new_threads():
        for _ in range(100):
            client = connect(server)
            peer = server.peer()
            reader = client._reader
            del client
            peer.read_close()
            peer.close()
            wait_for_end(reader.thread)


def test_close_does_not_wait_long_for_an_on_connect_that_blocks(server: WsServer) -> None:
    calls = 0
    inside, leave = threading.Event(), threading.Event()

    def on_connect(client: Connection) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            inside.set()
            leave.wait(HANG_S)

    client = connect(server, on_connect=on_connect, reconnect=True, interval=1)
    reader = client._reader
    server.peer().close()
    assert inside.wait(HANG_S)
    client.close()
    assert reader.thread.is_alive()  # close() came back although on_connect has not
    leave.set()
    wait_for_end(reader.thread)


# -- forks ---------------------------------------------------------------------------------------------------------------------------


def in_a_child(client: Connection, results: object) -> None:
    said = [client.read(-1), client.read(1000), client.read(), client.write("from the child"), client.state]
    client.close()
    results.send(said)  # type: ignore[attr-defined]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_leaves_the_parents_connection_alone(server: WsServer) -> None:
    client = connect(server)
    peer = server.peer()
    peer.text("before")
    while client.stats.received < 1:
        threading.Event().wait(0.001)
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
        child = context.Process(target=in_a_child, args=(client, there))
        child.start()
    assert here.poll(HANG_S)
    assert here.recv() == ["before", "", "", 0, "closed"]
    child.join(HANG_S)
    assert child.exitcode == 0
    assert client.write("from the parent") == 15
    assert peer.read_message() == b"from the parent"
    peer.text("after")
    assert [client.read(), client.read()] == ["before", "after"]
    client.close()
    assert peer.read_close() == 1000


# -- how often -------------------------------------------------------------------------------------------------------------------------


def test_no_interval_lets_a_peer_be_stormed() -> None:
    _, options = read_options("ws://x", {"reconnect": True, "interval": 0}, {})
    pauses = [pause_s(options, attempt) for attempt in range(1, 10)]
    assert pauses[:3] == [0, 0, 0]
    assert all(pause == 0.1 for pause in pauses[3:])
    _, slow = read_options("ws://x", {"reconnect": True, "interval": 5000}, {})
    assert all(5 <= pause_s(slow, attempt) <= 5.5 for attempt in range(1, 10))


def test_with_interval_0_and_nobody_there_it_tries_ten_times_a_second() -> None:
    clock = ManualClock()
    with WsServer() as server:
        client = connect(server, reconnect=True, interval=0, host=Journal(clock))
        peer = server.peer()
        server.stop_listening()
        peer.close()
        assert client.read() == ""
        assert clock.wait_for_sleepers(1, HANG_S)  # three attempts failed at once, and it waits before the fourth
        assert client.last_error.startswith("attempt 3 ")
        clock.advance(0.05)
        assert client.last_error.startswith("attempt 3 ")
        clock.advance(0.06)
        assert clock.wait_for_sleepers(1, HANG_S)
        client.close()
