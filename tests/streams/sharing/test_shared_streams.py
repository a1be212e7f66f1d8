"""Books that share a connection: against servers that keep the venues' limits, and one that does what the test says."""

from __future__ import annotations

import json
import queue
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fmzthreads.clock import Clock, ManualClock, WallClock
from fmzthreads.streams.buffer.buffer import MessageBuffer
from fmzthreads.streams.options import read_options
from fmzthreads.streams.sharing.line import SharedLine
from fmzthreads.streams.sharing.shared_streams import SharedStreams
from fmzthreads.venues.binance.streams import BinanceBook
from fmzthreads.venues.okx.streams import OKXBook

from ...helpers.book_feeds import PATIENCE_S, LineHost
from ...helpers.forked import in_fork, needs_fork
from ...helpers.threads import no_new_threads, run_in_thread
from ...helpers.ws_server import Peer, WsServer


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with no_new_threads():
        yield


def no_snapshot(_: int) -> Any:
    raise AssertionError("not asked for")


class Room:
    """A table of shared connections, and the server that they lead to."""

    def __init__(self, server: WsServer, kind: str = "okx", clock: Clock | None = None) -> None:
        self.server = server
        self.kind = kind
        self.host = LineHost(clock)
        self.table = SharedStreams()
        self.options: dict[str, object] = {"interval": 1}

    def source(self, name: str) -> Any:
        base = f"ws://127.0.0.1:{self.server.port}"
        if self.kind == "okx":
            return OKXBook(symbol=name, venue_symbol=name, base=base, options=self.options)
        return BinanceBook(symbol=name, venue_symbol=name, base=base, options=self.options, fetch=no_snapshot)

    def join(self, name: str, **how: Any) -> SharedLine:
        source = self.source(name)
        where = read_options(source.address, None, dict(source.options))
        return self.table.join(source, *where, how.pop("host", self.host), **how)

    def close(self) -> None:
        for streams in list(self.table._streams.values()):
            for stream in list(streams):
                for line in stream._each_line():
                    line.close()
        self.table.end_idle(self.host.clock, PATIENCE_S)


@pytest.fixture(params=["okx", "binance"])
def room(request: pytest.FixtureRequest) -> Iterator[Room]:
    with WsServer() as server:
        found = Room(server, request.param)
        yield found
        found.close()


def request_of(peer: Peer) -> tuple[str, list[str], Any]:
    """The next request: its kind, its names and its number."""
    while (text := peer.read_message()) == b"ping":
        pass
    request: dict[str, Any] = json.loads(text)
    if "op" in request:
        names = [arg["instId"] for arg in request["args"] if arg["channel"] == "books"]
        return request["op"], names, request["id"]
    names = [name.partition("@")[0].upper() for name in request["params"] if "@depth" in name]
    return request["method"].lower(), names, request["id"]


def push(room: Room, name: str, number: int) -> str:
    if room.kind == "okx":
        return json.dumps({"arg": {"channel": "books", "instId": name}, "data": [number]})
    return json.dumps({"e": "depthUpdate", "E": number, "s": name})


def read(line: SharedLine) -> Any:
    return line.read(PATIENCE_S * 1000)


def test_each_message_goes_to_its_book_alone(room: Room) -> None:
    lines = {name: room.join(name) for name in ("A", "B", "C")}
    peer = room.server.peer()
    asked: list[str] = []
    while len(asked) < 3:
        asked += request_of(peer)[1]
    assert sorted(asked) == ["A", "B", "C"]
    peer.text(*(push(room, name, number) for number in range(5) for name in ("A", "C")), push(room, "X", 1))
    peer.text(push(room, "B", 9))
    assert read(lines["B"]) == push(room, "B", 9)
    for name in ("A", "C"):
        assert [read(lines[name]) for _ in range(5)] == [push(room, name, number) for number in range(5)]
    assert [line.read(-1) for line in lines.values()] == [None] * 3
    assert room.server._peers.empty(), "one connection for all"


def test_a_slow_reader_delays_no_other_and_loses_only_its_own(room: Room) -> None:
    slow, quick = room.join("SLOW"), room.join("QUICK")
    slow.buffer = MessageBuffer(room.host.clock, qsize=4)
    peer = room.server.peer()
    for number in range(100):
        peer.text(push(room, "SLOW", number), push(room, "QUICK", number))
        assert read(quick) == push(room, "QUICK", number)
    assert [read(slow) for _ in range(4)] == [push(room, "SLOW", number) for number in range(96, 100)]
    assert slow.buffer.stats().dropped == 96
    slow.buffer.close()


def test_after_a_loss_everything_is_asked_for_again_in_few_requests(room: Room) -> None:
    names = [f"C{number:02d}" for number in range(60)]
    lines = [room.join(name) for name in names]
    peer = room.server.peer()
    for turn in range(3):
        asked: list[str] = []
        requests = 0
        while len(asked) < 60:
            kind, some, _ = request_of(peer)
            assert kind == "subscribe"
            asked += some
            requests += 1
        assert sorted(asked) == names
        assert requests == 2 or turn == 0
        peer.text(push(room, "C07", turn))
        assert read(lines[7]) == push(room, "C07", turn)
        peer.reset()
        assert [read(line) for line in lines] == [""] * 60
        peer = room.server.peer()
        lines[0].open()
        assert lines[0].state == "open"
    assert lines[0].losses == 3


def test_what_is_left_is_no_longer_subscribed_to_and_the_last_one_closes_the_connection() -> None:
    clock = ManualClock()
    with WsServer() as server:
        room = Room(server, clock=clock)
        room.options |= {"pingInterval": 100_000_000, "silence_ms": 100_000_000}  # this peer answers no ping
        first, second = room.join("A"), room.join("A")
        peer = server.peer()
        assert request_of(peer)[:2] == ("subscribe", ["A"])
        peer.text(push(room, "A", 1))
        assert [read(first), read(second)] == [push(room, "A", 1)] * 2
        first.close()
        first.close()
        third = room.join("B")
        while "B" not in (asked := request_of(peer))[1]:
            assert asked[1] == ["A"]  # the second one began after the first
            assert asked[0] in {"subscribe", "unsubscribe"}
        assert asked[0] == "subscribe"
        assert sorted(asked[1]) in (["B"], ["A", "B"])  # what waits for the same moment goes in one request
        second.close()
        assert request_of(peer)[:2] == ("unsubscribe", ["A"])
        peer.text(push(room, "A", 2), push(room, "B", 2))
        assert read(third) == push(room, "B", 2)
        assert (second.read(), second.ended, second.state) == ("", True, "closed")
        third.close()
        assert request_of(peer)[:2] == ("unsubscribe", ["B"])
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        clock.advance(29)
        again = room.join("C")
        assert request_of(peer)[:2] == ("subscribe", ["C"]), "the connection was kept"
        again.close()
        assert request_of(peer)[:2] == ("unsubscribe", ["C"])
        while room.table._streams:
            clock.wait_for_sleepers(1, 0.01)
            clock.advance(1)
        assert peer.read_frame() == (0x88, b"\x03\xe8")
        first.owner.join(PATIENCE_S)  # type: ignore[attr-defined]
        room.close()


def test_a_refusal_reaches_its_own_book_only(room: Room) -> None:
    good, bad = room.join("GOOD"), room.join("BAD")
    peer = room.server.peer()
    refused = 0
    while refused < 2 or room.kind == "okx":
        _, names, number = request_of(peer)
        if "BAD" not in names:
            if room.kind == "binance":
                peer.text(json.dumps({"result": None, "id": number}))
            continue
        if room.kind == "okx":
            text = "Wrong URL or channel:books,instId:BAD doesn't exist."
            peer.text(json.dumps({"event": "error", "code": "60018", "msg": text, "id": number, "connId": "a"}))
            break
        peer.text(json.dumps({"error": {"code": 2, "msg": "Invalid request"}, "id": number}))
        if names == ["BAD"]:
            break
        refused += 1  # of both: they are asked for one by one
    answer = json.loads(read(bad))
    assert answer.get("event") == "error" or answer["error"]["code"] == 2
    peer.text(push(room, "GOOD", 1))
    while (message := read(good)) != push(room, "GOOD", 1):
        assert json.loads(message).get("result", "") is None, message
    assert bad.read(-1) is None


def test_a_message_of_nobody_is_shown_to_all(room: Room) -> None:
    """It may have been an update of any of them; their sources decide what it means."""
    lines = [room.join("A"), room.join("B")]
    peer = room.server.peer()
    for text in ("[[[", '{"event":"notice"}', "[1]"):
        peer.text(text)
        assert [read(line) for line in lines] == [text, text]
    peer.binary(b"\xff\xfe")
    assert [read(line) for line in lines] == [b"\xff\xfe"] * 2


def test_a_book_that_starts_over_is_asked_for_again() -> None:
    with WsServer() as server:
        room = Room(server)
        line, other = room.join("A"), room.join("B")
        peer = server.peer()
        asked: list[str] = []
        while len(asked) < 2:
            asked += request_of(peer)[1]
        line.renew()
        assert request_of(peer)[:2] == ("unsubscribe", ["A"])
        assert request_of(peer)[:2] == ("subscribe", ["A"])
        line.close()
        line.renew()
        assert request_of(peer)[:2] == ("unsubscribe", ["A"])
        other.renew()
        assert request_of(peer)[:2] == ("unsubscribe", ["B"])
        room.close()


def test_one_that_was_not_served_well_moves_alone(room: Room) -> None:
    line, other = room.join("A"), room.join("B")
    peer = room.server.peer()
    line.close()
    moved = room.join("A", avoid=line.owner)
    second = room.server.peer()
    assert request_of(second)[:2] == ("subscribe", ["A"])
    second.text(push(room, "A", 5))
    assert read(moved) == push(room, "A", 5)
    peer.text(push(room, "B", 6))
    assert read(other) == push(room, "B", 6)


def test_what_is_not_the_same_place_is_not_shared(room: Room, tmp_path: Any) -> None:
    line = room.join("A")
    assert room.join("B").owner is line.owner
    assert room.join("B", host=LineHost(room.host.clock)).owner is line.owner, "also of other exchange objects"
    other = LineHost(WallClock())
    elsewhere = room.join("A", host=other)
    assert elsewhere.owner is not line.owner, "the stop of one clock is not that of another"
    room.options = {**room.options, "headers": {"X": "1"}}
    lone = room.join("A")
    assert lone.owner is not line.owner
    elsewhere.close()
    lone.close()  # idle too, but of the other clock
    ours = len(room.table._streams)
    room.table.end_idle(other.clock, PATIENCE_S)
    assert len(room.table._streams) == ours - 1


def test_so_many_books_and_then_another_connection(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(room.source("A").wire), "most_books", 3)
    owners = [room.join(name).owner for name in "ABCDEFG"]
    assert [owners.index(owner) for owner in owners] == [0, 0, 0, 3, 3, 3, 6]
    assert room.join("A").owner is owners[0], "one that it carries already"


def test_an_outage_is_told_once_to_each_journal_and_attempts_pause() -> None:
    clock = ManualClock()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        server = WsServer.__new__(WsServer)
        server.port = taken.getsockname()[1]
        room = Room(server, clock=clock)
        room.options = {}
        other = LineHost(clock)
        lines = [room.join("A"), room.join("B")]
        room.host.wait_for("could not be connected")
        lines.append(room.join("A", host=other))
        for _ in range(600):
            clock.wait_for_sleepers(1, 0.001)
            clock.advance(0.1)
        other.wait_for("could not be connected")
        assert (room.host.lines.qsize(), other.lines.qsize()) == (0, 0)
        opened = run_in_thread(lines[0].open)
        lines[0].close()
        opened.result()
        room.close()


def test_a_lost_connection_without_a_book_is_not_opened_again() -> None:
    clock = ManualClock()
    with WsServer() as server:
        room = Room(server, clock=clock)
        line = room.join("A")
        peer = server.peer()
        line.open()
        line.close()
        peer.reset()
        for _ in range(20):
            threading.Event().wait(0.01)
            clock.advance(1)
        assert line.owner.connects == 1  # type: ignore[attr-defined]
        again = room.join("B")
        assert again.owner is line.owner
        assert request_of(server.peer())[:2] == ("subscribe", ["B"])
        again.close()
        room.close()


def test_a_stop_ends_the_connection_and_its_lines(room: Room) -> None:
    line = room.join("A")
    room.server.peer()
    line.open()
    room.host.clock.stop.request()
    assert room.host.clock.stop.is_set()
    stream = line.owner
    stream.join(PATIENCE_S)  # type: ignore[attr-defined]
    assert line.ended
    assert room.table._streams == {}


def test_joining_and_leaving_from_many_threads(room: Room) -> None:
    stopping = threading.Event()
    failures: queue.Queue[BaseException] = queue.Queue()

    def serve(peer: Peer) -> None:
        """Answers each subscription with one message of each name."""
        try:
            while True:
                kind, names, _ = request_of(peer)
                if kind == "subscribe":
                    peer.text(*(push(room, name, 1) for name in names))
        except (OSError, ValueError):
            pass

    def accept() -> None:
        while not stopping.is_set():
            try:
                peer = room.server._peers.get(timeout=0.05)
            except queue.Empty:
                continue
            run_in_thread(serve, peer)

    accepting = run_in_thread(accept)

    def work(index: int) -> None:
        try:
            for turn in range(15):
                line = room.join(f"N{(index + turn) % 5}")
                assert read(line) == push(room, line.key, 1)
                line.close()
        except BaseException as error:
            failures.put(error)
            raise

    for worker in [run_in_thread(work, index) for index in range(4)]:
        worker.result(120)
    assert failures.empty()
    stopping.set()
    accepting.result()


@needs_fork
def test_a_forked_child_has_no_shared_connections_and_the_parent_keeps_its_own(room: Room) -> None:
    line = room.join("A")
    peer = room.server.peer()
    line.open()
    request_of(peer)

    def child() -> list[Any]:
        line.close()
        return [line.ended, len(room.table._streams), line.read(-1)]

    assert in_fork(child) == [True, 0, ""]
    peer.text(push(room, "A", 3))
    assert read(line) == push(room, "A", 3)
    assert line.state == "open"
