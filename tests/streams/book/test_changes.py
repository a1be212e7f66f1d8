"""Waiting for a live book: a feed is a ``Selectable`` whose callbacks come after each change, and only then."""

from __future__ import annotations

import queue
import threading

from fmzthreads.clock import Signal
from fmzthreads.streams.callbacks import ReadyCallbacks
from fmzthreads.tasks.events import EventQueue, Selectable, select
from tests.helpers.book_feeds import BinancePeer, Snapshots, binance_source, running
from tests.helpers.books import make_chain
from tests.helpers.ws_server import WsServer

HANG_S = 60.0


def test_a_feed_wakes_select_with_the_book_already_changed() -> None:
    chain = make_chain("spot", 1)
    with WsServer() as server, running(binance_source(server.port, Snapshots(chain))) as run:
        assert isinstance(run.feed, Selectable)
        assert select([run.feed], -1) == []
        BinancePeer(server.peer())
        assert select([run.feed], HANG_S * 1000) == [run.feed]
        assert run.book.depth().sequence == chain.updates[0].last


def test_each_change_calls_back_once_and_what_changes_nothing_does_not() -> None:
    chain = make_chain("spot", 2)
    seen: queue.Queue[tuple[int, str]] = queue.Queue()
    with WsServer() as server, running(binance_source(server.port, Snapshots(chain))) as run:
        peer = BinancePeer(server.peer())
        run.wait_live()
        token = run.feed.add_ready_callback(lambda: seen.put((run.feed.activity, threading.current_thread().name)))
        seen.get(timeout=HANG_S)  # it is ready already
        before = run.feed.activity
        peer.delta(chain.updates[1])
        peer.delta(chain.updates[1])  # a repeat changes nothing
        peer.delta(chain.updates[2], symbol="ETHUSDT")  # another book's
        peer.delta(chain.updates[2])
        peer.mark(1)  # a ticker
        run.wait_mark(1)
        thread = f"book of {run.feed.book.name.removeprefix('the book of ')}"
        assert [seen.get(timeout=HANG_S) for _ in range(3)] == [(before + step, thread) for step in (1, 2, 3)]
        run.feed.remove_ready_callback(token)
        peer.delta(chain.updates[3])
        peer.mark(2)
        run.wait_mark(2)
        assert seen.empty()


def test_a_break_and_the_end_call_back_and_the_book_is_not_ready_then() -> None:
    chain = make_chain("spot", 3)
    seen: queue.Queue[bool] = queue.Queue()
    shots = Snapshots(chain)
    with WsServer() as server, running(binance_source(server.port, shots)) as run:
        peer = BinancePeer(server.peer())
        run.wait_live()
        shots.gate.clear()
        run.feed.add_ready_callback(lambda: seen.put(run.feed.is_ready()))
        assert seen.get(timeout=HANG_S)
        peer.delta(chain.updates[3])  # 1 and 2 are missing
        assert not seen.get(timeout=HANG_S)
        shots.place = 3
        shots.gate.set()
        assert seen.get(timeout=HANG_S), "the new snapshot"
    assert not seen.get(timeout=HANG_S), "the end"


def test_an_event_hub_wakes_on_each_change_and_not_again_without_one() -> None:
    chain = make_chain("spot", 4)
    with WsServer() as server, running(binance_source(server.port, Snapshots(chain))) as run:
        hub = EventQueue()
        hub.add_source(run.feed, "Depth", index=1)
        peer = BinancePeer(server.peer())
        event = hub.wait(HANG_S * 1000)
        assert event is not None
        assert (event.Event, event.Index) == ("Depth", 1)
        assert hub.wait(-1) is None
        peer.delta(chain.updates[1])
        event = hub.wait(HANG_S * 1000)
        assert event is not None
        assert run.book.depth().sequence == chain.updates[1].last
        assert hub.wait(-1) is None


def test_a_callback_that_raises_is_called_no_more_and_the_feed_reconnects() -> None:
    chain = make_chain("spot", 5)
    calls: queue.Queue[int] = queue.Queue()

    def bad() -> None:
        calls.put(1)
        raise ZeroDivisionError("a bug of a caller")

    with WsServer() as server, running(binance_source(server.port, Snapshots(chain))) as run:
        run.feed.add_ready_callback(bad)
        BinancePeer(server.peer())
        calls.get(timeout=HANG_S)
        run.host.wait_for("a bug of a caller")
        BinancePeer(server.peer())
        run.wait_live()
        assert calls.empty()


def test_callbacks_added_and_removed_while_they_are_called() -> None:
    callbacks = ReadyCallbacks()
    called = []
    other = callbacks.add(lambda: called.append("other"))

    def first() -> None:
        called.append("first")
        callbacks.remove(other)
        callbacks.add(lambda: called.append("new"))

    callbacks.add(first)
    callbacks.call()
    assert called == ["other", "first"]
    callbacks.call()
    assert called == ["other", "first", "first", "new"]
    callbacks.remove(12345)
    done = Signal()
    callbacks.add(done.set)
    callbacks.call()
    assert done.is_set()
