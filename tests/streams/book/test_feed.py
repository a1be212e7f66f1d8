"""Feeds that keep a book in step with a stream: every kind of trouble, over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

import attrs
import pytest

from fmzthreads.clock import ManualClock, WallClock
from fmzthreads.errors import BrokenBook, InputError, VenueUnavailable
from fmzthreads.streams.book.resync import ResyncPlan
from fmzthreads.streams.book.rules import BookUpdate
from fmzthreads.streams.book.source import BookSource
from fmzthreads.streams.buffer.buffer import Message
from fmzthreads.venues.binance.streams import BinanceBook
from tests.helpers.book_feeds import (
    PATIENCE_S,
    QUICK,
    BinancePeer,
    LineHost,
    OkxPeer,
    Running,
    Snapshots,
    binance_source,
    okx_source,
    running,
    truth_of,
)
from tests.helpers.books import Chain, make_chain, rows
from tests.helpers.threads import no_new_threads
from tests.helpers.ws_server import WsServer


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with no_new_threads():
        yield


def is_true(run: Running, chain: Chain, place: int) -> bool:
    view = run.book.depth()
    return (rows(view.bids), rows(view.asks)) == chain.truths[place]


def refused(run: Running) -> str:
    with pytest.raises(BrokenBook) as caught:
        run.book.depth()
    return str(caught.value)


# -- Binance -----------------------------------------------------------------------------------------------------------------------


def test_binance_from_the_subscription_to_a_live_book() -> None:
    chain = make_chain("spot", 1)
    shots = Snapshots(chain)
    with WsServer() as server, running(binance_source(server.port, shots)) as run:
        peer = BinancePeer(server.peer())
        assert peer.subscribed == {"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms", "btcusdt@ticker"], "id": 1}
        run.wait_live()
        assert shots.asked.get(timeout=PATIENCE_S) == 1000
        assert is_true(run, chain, 0)
        for update in chain.updates[1:]:
            peer.delta(update)
        peer.delta(chain.updates[5], symbol="ETHUSDT")  # another book's
        peer.mark(1)
        run.wait_mark(1)
        assert is_true(run, chain, 30)
        assert run.book.depth().age_s < PATIENCE_S
        stats = run.feed.stats
        assert (stats.book.updates, stats.book.gaps, stats.snapshots_asked, stats.connections) == (30, 0, 1, 1)
    assert "the subscription has ended" in refused(run) or "the feed has ended" in refused(run)


def test_deltas_that_come_while_the_snapshot_is_fetched_are_not_lost() -> None:
    chain = make_chain("spot", 2)
    shots = Snapshots(chain)
    shots.gate.clear()
    shots.place = 12
    with WsServer() as server, running(binance_source(server.port, shots)) as run:
        peer = BinancePeer(server.peer(), confirm=False)
        peer.delta(chain.updates[8])  # confirms the subscription as well as an answer would
        shots.asked.get(timeout=PATIENCE_S)
        for update in chain.updates[9:21]:
            peer.delta(update)
        assert "no snapshot yet" in refused(run)
        shots.gate.set()
        peer.mark(1)
        run.wait_mark(1)
        assert is_true(run, chain, 20)


def test_a_gap_refuses_reads_at_once_and_is_healed_by_a_new_snapshot() -> None:
    chain = make_chain("spot", 3)
    shots = Snapshots(chain)
    with WsServer() as server, running(binance_source(server.port, shots)) as run:
        peer = BinancePeer(server.peer())
        run.wait_live()
        for update in chain.updates[1:5]:
            peer.delta(update)
        shots.gate.clear()
        shots.asked.get(timeout=PATIENCE_S)
        peer.delta(chain.updates[6])
        assert "are missing" in run.host.wait_for("is being rebuilt")
        assert "waits for a new snapshot" in refused(run)
        shots.asked.get(timeout=PATIENCE_S)
        shots.place = 6
        shots.gate.set()
        run.wait_live()
        peer.delta(chain.updates[7])
        peer.mark(2)
        run.wait_mark(2)
        assert is_true(run, chain, 7)
        book = run.feed.stats.book
        assert (book.gaps, book.resyncs) == (1, 1)


def test_a_lost_connection_breaks_the_book_until_the_next_one_has_its_own_snapshot() -> None:
    chain = make_chain("spot", 4)
    shots = Snapshots(chain)
    with WsServer() as server, running(binance_source(server.port, shots)) as run:
        for round_, place in enumerate((3, 9, 20)):
            shots.place = place
            peer = BinancePeer(server.peer())
            run.wait_live()
            peer.delta(chain.updates[place + 1])
            peer.mark(round_)
            run.wait_mark(round_)
            assert is_true(run, chain, place + 1)
            if round_ == 1:
                peer.peer.reset()
            else:
                peer.peer.close()
            run.wait_loss()
            assert not run.book.is_live or run.feed.stats.book.snapshots > round_ + 1
        assert run.feed.stats.snapshots_asked >= 3


def test_a_snapshot_that_cannot_be_had_is_asked_for_again_and_told_once() -> None:
    chain = make_chain("spot", 5)
    shots = Snapshots(chain)
    shots.errors = [VenueUnavailable("down for a moment") for _ in range(2)]
    with WsServer() as server, running(binance_source(server.port, shots)) as run:
        peer = BinancePeer(server.peer())
        assert "down for a moment" in run.host.wait_for("no snapshot")
        run.wait_live()
        peer.mark(1)
        run.wait_mark(1)
        stats = run.feed.stats
        assert (stats.snapshots_asked, stats.snapshots_failed, stats.connections) == (3, 2, 1)
        assert run.host.lines.empty(), "one line for one outage"


def test_after_a_round_of_attempts_the_connection_is_made_anew() -> None:
    chain = make_chain("spot", 6)
    shots = Snapshots(chain)
    shots.errors = [VenueUnavailable("down") for _ in range(QUICK.attempts)]
    with WsServer() as server, running(binance_source(server.port, shots)) as run:
        first = BinancePeer(server.peer())
        second = BinancePeer(server.peer())
        run.wait_live()
        assert first.peer.at_end()
        second.mark(1)
        run.wait_mark(1)
        assert run.feed.stats.connections == 2


def patient_connects(run: Running, *, after: int = 0) -> None:
    """Has the connections after so many wait for their first answer as long as a busy peer needs, whatever the plan says."""
    attempts = run.feed._attempts
    connected = attempts.connected

    def patiently(now: float) -> None:
        connected(now)
        if run.feed.stats.connections > after:
            attempts.due = now + PATIENCE_S

    attempts.connected = patiently  # type: ignore[method-assign]
    if not after:  # the first one may have connected already
        attempts.due = run.feed.clock.monotonic() + PATIENCE_S


def test_a_subscription_that_is_never_confirmed_is_made_anew() -> None:
    chain = make_chain("spot", 7)
    plan = ResyncPlan(pause_s=0.01, longest_pause_s=0.02, answer_s=0.05)
    with WsServer() as server, running(binance_source(server.port, Snapshots(chain)), plan=plan) as run:
        patient_connects(run, after=1)
        BinancePeer(server.peer(), confirm=False)
        assert "no snapshot came" in run.host.wait_for("is being rebuilt")
        BinancePeer(server.peer())
        run.wait_live()


def test_a_refused_subscription_is_told_in_the_venues_words() -> None:
    with WsServer() as server, running(binance_source(server.port, Snapshots(make_chain("spot", 8)))) as run:
        peer = BinancePeer(server.peer(), confirm=False)
        peer.send({"error": {"code": 2, "msg": "Invalid request: invalid stream"}, "id": 1})
        assert "2 Invalid request: invalid stream" in run.host.wait_for("the subscription was refused")
        BinancePeer(server.peer())
        run.wait_live()


@pytest.mark.parametrize(
    "bad",
    [
        "not json", "[]", "17", '{"e":"depthUpdate","s":"BTCUSDT"}', '{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":"x","u":2,"b":[],"a":[]}',
        '{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,"b":7,"a":[]}', '{"stream":"btcusdt@depth","data":5}', "\x00",
        "[" * 200_000, '{"a":' * 200_000, "9" * 5000,
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_read_breaks_the_book(bad: str) -> None:
    chain = make_chain("spot", 9)
    shots = Snapshots(chain)
    with WsServer() as server, running(binance_source(server.port, shots)) as run:
        peer = BinancePeer(server.peer())
        run.wait_live()
        peer.send(bad)
        assert "could not be read" in run.host.wait_for("is being rebuilt")
        run.wait_live()
        peer.delta(chain.updates[1])
        peer.mark(1)
        run.wait_mark(1)
        assert is_true(run, chain, 1)
        assert run.feed.stats.unread == 1


def test_other_messages_are_passed_over() -> None:
    chain = make_chain("spot", 10)
    with WsServer() as server, running(binance_source(server.port, Snapshots(chain))) as run:
        peer = BinancePeer(server.peer())
        run.wait_live()
        peer.send(
            {"e": "serverShutdown", "E": 1}, {"result": None, "id": 9}, {"u": 5, "s": "BTCUSDT", "b": "1", "a": "2"}, {}
        )
        peer.delta(chain.updates[1])
        peer.mark(1)
        run.wait_mark(1)
        assert is_true(run, chain, 1)


def test_a_book_that_runs_shallow_is_refreshed_while_it_goes_on_serving() -> None:
    chain = make_chain("spot", 11)
    shots = Snapshots(chain)
    deep = [[f"{price}", "1"] for price in range(2000, 1000, -1)]
    asks = [["2001", "1"]]

    def fetch(levels: int) -> BookUpdate:
        shots(levels)
        if shots.asked.qsize() == 1:
            return BookUpdate(snapshot=True, bids=deep, asks=asks, last=100, asked=levels)
        return BookUpdate(snapshot=True, bids=deep[700:], asks=asks, last=101, asked=levels)

    with WsServer() as server, running(binance_source(server.port, fetch)) as run:
        peer = BinancePeer(server.peer())
        run.wait_live()
        gone = [[price, "0"] for price, _ in deep[:700]]
        peer.delta(BookUpdate(snapshot=False, bids=gone, asks=(), first=101, last=101))
        peer.mark(1)
        run.wait_mark(1)
        assert run.book.is_live
        while shots.asked.qsize() < 2:
            peer.mark(2)
            run.wait_mark(2)
        peer.mark(3)
        run.wait_mark(3)
        assert len(run.book.depth().bids) == 300
        book = run.feed.stats.book
        assert (book.gaps, book.snapshots) == (0, 2)


def test_a_backlog_makes_the_book_as_old_as_it_is() -> None:
    """Updates that are taken while more are waiting are not the newest: the book is as old as the last time when none waited."""
    chain = make_chain("okx", 6)
    clock = ManualClock(1_600_000_000)
    with WsServer() as server, running(okx_source(server.port), host=LineHost(clock)) as run:
        peer = OkxPeer(server.peer(), clock)
        peer.push(chain.updates[0])
        peer.mark(1)
        run.wait_mark(1)
        connection = run.feed._connection
        assert connection is not None
        clock.advance(7)
        connection.is_ready = lambda: True  # type: ignore[method-assign]
        peer.push(chain.updates[1])
        peer.mark(2)
        run.wait_mark(2)
        assert is_true(run, chain, 1)
        assert run.book.age_s == 7
        connection.is_ready = lambda: False  # type: ignore[method-assign]
        peer.push(chain.updates[2])
        peer.mark(3)
        run.wait_mark(3)
        assert run.book.age_s == 0


# -- OKX ---------------------------------------------------------------------------------------------------------------------------


def test_okx_from_the_subscription_through_a_reset_and_a_keep_alive() -> None:
    chain = make_chain("okx", 1, reset_at=10)
    with WsServer() as server, running(okx_source(server.port)) as run:
        peer = OkxPeer(server.peer())
        wanted = [{"channel": "books", "instId": "BTC-USDT"}, {"channel": "tickers", "instId": "BTC-USDT"}]
        assert peer.subscribed == {"op": "subscribe", "args": wanted}
        for update in chain.updates:
            peer.push(update)
            if update.snapshot:
                peer.push(update._replace(last=update.last + 1), inst="ETH-USDT")  # another book's
        last = chain.updates[-1].last
        peer.push(BookUpdate(snapshot=False, bids=(), asks=(), last=last, previous=last))
        peer.mark(1)
        run.wait_mark(1)
        assert is_true(run, chain, 30)
        assert run.feed.stats.book.gaps == 0
        assert run.feed.stats.snapshots_asked == 0


@pytest.mark.parametrize("fault", ["gap", "checksum"])
def test_okx_is_subscribed_anew_when_its_book_breaks(fault: str) -> None:
    chain = make_chain("okx", 2)
    with WsServer() as server, running(okx_source(server.port)) as run:
        peer = OkxPeer(server.peer())
        for update in chain.updates[:5]:
            peer.push(update)
        if fault == "gap":
            peer.push(chain.updates[6])
        else:
            peer.push(chain.updates[5]._replace(checksum=4711))
        why = run.host.wait_for("is being rebuilt")
        assert ("checksum" if fault == "checksum" else "the book is at") in why
        refused(run)
        ops = [peer.next_request() for _ in range(2)]
        books = [{"channel": "books", "instId": "BTC-USDT"}]
        assert ops == [{"op": "unsubscribe", "args": books}, {"op": "subscribe", "args": books}]
        peer.push(chain.updates[7])  # still from before: not to be taken
        peer.confirm()
        assert not run.book.is_live
        peer.push(truth_of(chain, 9))
        peer.push(chain.updates[10])
        peer.mark(1)
        run.wait_mark(1)
        assert is_true(run, chain, 10)
        book = run.feed.stats.book
        assert (book.gaps, book.resyncs) == (1, 1)


def test_okx_whose_new_snapshot_does_not_come_is_connected_anew() -> None:
    chain = make_chain("okx", 3)
    plan = ResyncPlan(attempts=2, pause_s=0.01, longest_pause_s=0.02, answer_s=0.05)
    with WsServer() as server, running(okx_source(server.port), plan=plan) as run:
        patient_connects(run)
        peer = OkxPeer(server.peer())
        peer.push(chain.updates[0])
        peer.push(chain.updates[2])
        assert peer.peer.at_end()
        again = OkxPeer(server.peer())
        again.push(chain.updates[0])
        run.wait_live()


def test_okx_error_events_are_told() -> None:
    with WsServer() as server, running(okx_source(server.port)) as run:
        peer = OkxPeer(server.peer())
        peer.send({"event": "error", "code": "60018", "msg": "Wrong URL or channel", "connId": "a"})
        assert "60018 Wrong URL" in run.host.wait_for("the subscription was refused")


def test_silence_behind_heartbeats_is_a_lost_connection() -> None:
    chain = make_chain("okx", 4)
    with WsServer() as server, running(okx_source(server.port, silence_ms=1500)) as run:
        peer = OkxPeer(server.peer())
        peer.push(chain.updates[0])
        run.wait_live()
        run.host.wait_for("no data for 1500 ms")
        run.wait_loss()
        OkxPeer(server.peer()).push(chain.updates[0])
        run.wait_live()


def test_a_quiet_book_behind_tickers_is_connected_anew() -> None:
    """OKX confirms a book that stands still once a minute: tickers alone do not say that it goes on."""
    chain = make_chain("okx", 7)
    done = threading.Event()
    with WsServer() as server, running(okx_source(server.port, silence_ms=1500)) as run:
        peer = OkxPeer(server.peer())
        peer.push(chain.updates[0])
        run.wait_live()

        def tick() -> None:
            while not done.wait(0.02):
                try:
                    peer.mark(1)
                except OSError:
                    return

        ticker = threading.Thread(target=tick)
        ticker.start()
        run.host.wait_for("no data for 1500 ms")
        run.wait_loss()
        done.set()
        ticker.join()
        refused(run)
        OkxPeer(server.peer()).push(truth_of(chain, 3))
        run.wait_live()


# -- what is not about the book ----------------------------------------------------------------------------------------------------


def test_a_ticker_that_cannot_be_read_leaves_the_book_alone() -> None:
    spot, okx = make_chain("spot", 14), make_chain("okx", 14)
    with WsServer() as server, running(binance_source(server.port, Snapshots(spot))) as run:
        peer = BinancePeer(server.peer())
        run.wait_live()
        peer.send({"e": "24hrTicker", "E": 5, "s": "BTCUSDT", "c": None}, {"e": "24hrTicker", "E": 5, "s": "ETHUSDT"})
        assert "missing" in run.unread.get(timeout=PATIENCE_S)
        peer.delta(spot.updates[1])
        peer.mark(1)
        run.wait_mark(1)
        assert is_true(run, spot, 1)
        assert (run.feed.stats.book.gaps, run.feed.stats.unread, run.unread.qsize()) == (0, 1, 0)
    with WsServer() as server, running(okx_source(server.port)) as run:
        other = OkxPeer(server.peer())
        other.push(okx.updates[0])
        other.send({"arg": {"channel": "tickers", "instId": "BTC-USDT"}, "data": [{"last": ""}, 5]})
        other.mark(1)
        run.wait_mark(1)
        assert is_true(run, okx, 0)
        assert (run.feed.stats.book.gaps, run.feed.stats.unread) == (0, 2)


def test_a_refusal_beside_a_live_book_hides_no_outage_to_come() -> None:
    chain = make_chain("okx", 8)
    with WsServer() as server, running(okx_source(server.port)) as run:
        peer = OkxPeer(server.peer())
        peer.push(chain.updates[0])
        run.wait_live()
        peer.send({"event": "error", "code": "60012", "msg": "no such request"})
        assert "the book goes on: 60012 no such request" in run.host.wait_for("refused a request")
        peer.push(chain.updates[1])
        peer.mark(1)
        run.wait_mark(1)
        assert is_true(run, chain, 1)
        peer.push(chain.updates[3])
        run.host.wait_for("the book is at")
        peer.next_request()
        assert peer.next_request()["op"] == "subscribe", "the connection was not at fault"


def test_a_bug_in_a_source_is_told_once_and_does_not_end_the_feed() -> None:
    chain = make_chain("okx", 9)
    with WsServer() as server:
        source = okx_source(server.port)
        read, faults = source.read, [TypeError("a bug"), KeyError("another")]

        def faulty(message: Message) -> Iterable[object]:
            if '"snapshot"' in str(message) and faults:
                raise faults.pop(0)
            return read(message)

        source.read = faulty  # type: ignore[method-assign]
        with running(source) as run:
            for _ in range(3):
                OkxPeer(server.peer()).push(chain.updates[0])
            run.wait_live()
            assert "TypeError('a bug')" in run.host.wait_for("the feed failed")
            assert run.host.lines.empty()
            assert run.feed.stats.connections == 3


# -- how old it is -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["spot", "okx"])
def test_a_backlog_that_nobody_can_see_makes_the_book_as_old_as_it_is(dialect: str) -> None:
    """Messages that waited in the socket, or on the way, seem to be the newest when they are read; their own time says otherwise."""
    chain = make_chain(dialect, 15)
    clock, venue = ManualClock(1_600_000_000), ManualClock(1_500_000_000)
    quiet = {"silence_ms": 0, "pingInterval": 0}
    peer: BinancePeer | OkxPeer
    with WsServer() as server:
        if dialect == "spot":
            source: BookSource = binance_source(server.port, Snapshots(chain), **quiet)
        else:
            source = okx_source(server.port, **quiet)
        with running(source, host=LineHost(clock)) as run:
            if isinstance(source, BinanceBook):
                peer = BinancePeer(server.peer(), clock=venue)
                send: Callable[[BookUpdate], None] = peer.delta
            else:
                peer = OkxPeer(server.peer(), venue)
                peer.push(chain.updates[0])
                send = peer.push
            run.wait_live()
            applied, apply = threading.Semaphore(0), run.book.apply

            def counted(update: BookUpdate, fresh_at: float | None = None) -> bool:
                try:
                    return apply(update, fresh_at)
                finally:
                    applied.release()

            run.book.apply = counted  # type: ignore[method-assign]
            late_s = (0.0, 0.0, 7.0, 6.0, 0.25, 0.0)
            for place, late in enumerate(late_s, start=1):
                clock.advance(20)
                venue.advance(20)
                send(chain.updates[place]._replace(time_ms=round((venue.now() - late) * 1000)))
                assert applied.acquire(timeout=PATIENCE_S)
                assert is_true(run, chain, place)
                assert run.book.age_s == pytest.approx(late, abs=0.002)


# -- the end -----------------------------------------------------------------------------------------------------------------------


def test_closing_while_nobody_listens() -> None:
    server = WsServer()
    port = server.port
    with server:
        pass
    with running(okx_source(port)) as run:
        run.host.wait_for("could not be connected")
        run.feed.close(PATIENCE_S)
        run.feed.close(PATIENCE_S)
        assert run.feed.ended.is_set()


def test_closing_while_the_handshake_hangs() -> None:
    with WsServer(handshake=False) as server, running(okx_source(server.port)) as run:
        server.peer()
        run.feed.close(PATIENCE_S)
        assert run.feed.ended.is_set()


def test_closing_while_a_snapshot_is_under_way() -> None:
    shots = Snapshots(make_chain("spot", 12))
    shots.gate.clear()
    with WsServer() as server, running(binance_source(server.port, shots)) as run:
        BinancePeer(server.peer())
        shots.asked.get(timeout=PATIENCE_S)
        run.feed.close(0.01)
        shots.gate.set()
        assert run.host.clock.wait((run.feed.ended,), PATIENCE_S)
        refused(run)


@pytest.mark.parametrize("when", ["live", "waiting", "reconnecting"])
def test_a_stop_of_the_strategy_ends_the_feed(when: str) -> None:
    chain = make_chain("okx", 5)
    host = LineHost(WallClock())
    with WsServer() as server, running(okx_source(server.port), host=host) as run:
        peer = OkxPeer(server.peer())
        if when != "waiting":
            peer.push(chain.updates[0])
            run.wait_live()
        if when == "reconnecting":
            server.stop_listening()
            peer.peer.close()
            run.wait_loss()
        host.clock.stop.request()
        assert WallClock().wait((run.feed.ended,), PATIENCE_S)
        refused(run)


@pytest.mark.parametrize("make", [lambda: okx_source(1, intervall=5), lambda: okx_source(1, interval="x")])
def test_options_that_are_not_valid_are_refused_before_anything_starts(make: Callable[[], object]) -> None:
    with pytest.raises(InputError):
        Running(make(), LineHost(), QUICK)  # type: ignore[arg-type]


def test_pauses_double_up_to_the_longest() -> None:
    plan = ResyncPlan(pause_s=0.5, longest_pause_s=30)
    assert [plan.pause(attempt) for attempt in (1, 2, 3, 6, 7, 8, 500)] == [0.5, 1, 2, 16, 30, 30, 30]


@attrs.frozen(kw_only=True)
class RecordingPlan(ResyncPlan):
    """Notes for which attempts a pause was asked for."""

    attempts_seen: list[int] = attrs.field(factory=list)

    def pause(self, attempt: int) -> float:
        self.attempts_seen.append(attempt)
        return ResyncPlan.pause(self, attempt)


def test_a_book_that_keeps_breaking_is_asked_for_less_and_less() -> None:
    """Each gap comes right after the book was rebuilt: the pauses grow although every attempt succeeds."""
    chain = make_chain("spot", 13)
    shots = Snapshots(chain)
    plan = RecordingPlan(pause_s=0.001, longest_pause_s=0.01, answer_s=PATIENCE_S, calm_s=3600)
    with WsServer() as server, running(binance_source(server.port, shots), plan=plan) as run:
        peer = BinancePeer(server.peer())
        for round_ in range(5):
            run.wait_live()
            shots.asked.get(timeout=PATIENCE_S)
            broken = BookUpdate(snapshot=False, bids=(), asks=(), first=10**9 + 2 * round_, last=10**9 + 2 * round_)
            shots.chain.updates[0] = chain.updates[0]._replace(last=broken.last)
            peer.delta(broken)
            while shots.asked.empty():
                peer.mark(round_)
                run.wait_mark(round_)
        assert plan.attempts_seen == sorted(plan.attempts_seen)
        assert set(plan.attempts_seen) >= {1, 2, 3, 4, 5}
