"""``Dial`` against a real server on the loopback that misbehaves on request."""

from __future__ import annotations

import gzip
import json
import logging
import signal
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from tenacity import wait_fixed

from fmzthreads.clock import Clock, ManualClock, Stop, WallClock
from fmzthreads.errors import ConnectFailed, InputError, NotSupported, StopRequested, TimedOut, UnknownName
from fmzthreads.streams import Connection, Dial
from fmzthreads.tasks.events import EventQueue, merge, select
from tests.helpers.threads import run_in_thread
from tests.helpers.ws_server import Peer, WsServer, frame

HANG_S = 60.0


class Journal:
    """A host that remembers what it was told."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock if clock is not None else WallClock()
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.failed = threading.Event()

    def error(self, text: str, *, source: str) -> None:
        assert source == "Dial"
        self.errors.append(text)
        self.failed.set()

    def warning(self, text: str, *, source: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def server() -> Iterator[WsServer]:
    with WsServer() as running:
        yield running


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def dial(server: WsServer, journal: Journal) -> Iterator[Callable[..., tuple[Connection, Peer]]]:
    clients: list[Connection] = []

    def connect(options: object = None, **keywords: object) -> tuple[Connection, Peer]:
        keywords.setdefault("host", journal)
        client = Dial(server.url, options, errors="raise", **keywords)  # type: ignore[arg-type]
        assert isinstance(client, Connection)
        clients.append(client)
        return client, server.peer()

    yield connect
    for client in clients:
        client.close()
        adds_up(client)
        assert not client._reader.thread.is_alive()


def adds_up(client: Connection) -> None:
    stats = client.stats
    assert stats.received == stats.delivered + stats.discarded + stats.dropped + stats.waiting


# -- messages ---------------------------------------------------------------------------------------------------------------------------


def test_messages_in_order_and_of_the_right_type(dial) -> None:
    client, peer = dial()
    peer.send(frame(1, "é".encode()) + frame(2, b"plain") + frame(2, b"\xff") + frame(1, b""))
    assert [client.read(20_000) for _ in range(4)] == ["é", "plain", b"\xff", ""]
    assert client.state == "open"  # the empty text is not a loss
    assert client.stats.losses == 0
    assert client.read(-1) is None


def test_a_frame_split_over_many_packets(dial) -> None:
    client, peer = dial()
    for byte in frame(1, b"x" * 300):
        peer.send(bytes([byte]))
    assert client.read(20_000) == "x" * 300


def test_a_message_of_16_mib(dial) -> None:
    client, peer = dial()
    text = "0123456789abcdef" * (1 << 20)
    peer.text(text)
    assert client.read(HANG_S * 1000) == text


def test_a_flood_is_dropped_counted_and_told_once(dial, journal: Journal) -> None:
    client, peer = dial(qsize=100)
    peer.text(*(str(number) for number in range(20_000)))
    peer.send(frame(8, b"\x03\xe8"))
    assert journal.failed.wait(HANG_S)
    assert len(journal.warnings) == 1
    assert "full" in journal.warnings[0]
    stats = client.stats
    assert (stats.received, stats.dropped, stats.waiting) == (20_000, 19_900, 100)
    assert [client.read() for _ in range(101)] == [*(str(number) for number in range(19_900, 20_000)), ""]


def test_block_pushes_back_on_the_peer_and_loses_nothing(dial) -> None:
    client, peer = dial(qsize=100, overflow="block")
    total = 300_000
    sent = threading.Event()

    def flood() -> None:
        for start in range(0, total, 1000):
            peer.text(*(f"{number:0100d}" for number in range(start, start + 1000)))
        sent.set()

    thread = run_in_thread(flood)
    assert int(client.read()) == 0
    assert not sent.is_set()  # 30 MB fit into no socket buffer: the server is held up
    assert client.stats.waiting <= 100
    for number in range(1, total):
        assert int(client.read()) == number
    thread.join(HANG_S)
    assert client.stats.dropped == 0


def _by_select(client: Connection) -> Iterator[object]:
    while select([client], HANG_S * 1000):
        yield client.read(-1)


def _by_the_event_loop(client: Connection) -> Iterator[object]:
    hub = EventQueue()
    hub.add_source(client, "Dial")
    while hub.wait(HANG_S * 1000) is not None:
        yield client.read(-1)


def _by_merge(client: Connection) -> Iterator[object]:
    return (message for _, message in merge(client))


def _by_counting(client: Connection) -> Iterator[object]:
    while not client.ended:
        for _ in range(client.stats.waiting):
            yield client.read(-1)


@pytest.mark.parametrize("limits", [{"qsize": 1}, {"qsize": 3}, {"qbytes": 5000}])
@pytest.mark.parametrize("read_all", [_by_select, _by_the_event_loop, _by_merge, _by_counting])
def test_block_goes_on_for_those_who_look_before_they_read(
    dial, read_all: Callable[[Connection], Iterator[object]], limits: dict[str, int]
) -> None:
    # They never find the buffer empty by a read, and it is such a read that used to let the producer go on.
    client, peer = dial(limits, overflow="block")
    sent = [f"{number:0500}" for number in range(200)]
    writer = threading.Thread(target=lambda: peer.text(*sent))
    writer.start()
    got: list[object] = []
    guard = threading.Timer(HANG_S, client.close)
    guard.start()
    for message in read_all(client):
        got.append(message)
        if len(got) == len(sent) or message == "":
            break
    guard.cancel()
    guard.join()
    writer.join(HANG_S)
    assert got == sent


def test_error_overflow_ends_the_connection(dial, journal: Journal) -> None:
    client, peer = dial(qsize=3, overflow="error")
    peer.text("1", "2", "3", "4", "5")
    assert peer.read_close() == 1008
    assert journal.failed.wait(HANG_S)
    assert [client.read() for _ in range(5)] == ["1", "2", "3", "", ""]
    assert "full" in journal.errors[0]


def test_iterating_ends_with_the_connection(dial) -> None:
    client, peer = dial()
    peer.text("a", "b")
    peer.send(frame(1) + frame(8, b"\x03\xe8"))
    assert list(client) == ["a", "b", ""]


# -- losses -------------------------------------------------------------------------------------------------------------------------------


def test_what_came_before_a_loss_is_delivered_before_it(dial, journal: Journal) -> None:
    client, peer = dial()
    peer.text("1", "2")
    peer.send(frame(8, b"\x0f\xa1Login Failed"))
    assert peer.read_close() == 4001
    assert [client.read() for _ in range(4)] == ["1", "2", "", ""]
    assert (client.state, client.close_code, client.ended) == ("closed", 4001, True)
    assert journal.errors == [
        f"ws://127.0.0.1:{client._reader.address.port}/stream: the peer closed the connection with code 4001 (Login Failed)"
    ]
    assert client.write("x") == 0


@pytest.mark.parametrize("cut", [Peer.close, Peer.reset])
def test_a_cut_without_a_close_frame(dial, journal: Journal, cut: Callable[[Peer], None]) -> None:
    client, peer = dial()
    peer.text("1")
    assert client.read(20_000) == "1"
    cut(peer)
    assert client.read(20_000) == ""
    assert client.stats.errors == 1
    assert client.close_code == 0
    assert len(journal.errors) == 1


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(1, b"\xff"), 1007),
        (frame(1, b"a", rsv=4), 1002),
        (frame(9, b"a" * 126), 1002),
        (frame(1, b"abcd", mask=b"\1\2\3\4"), 1002),
        (frame(2, b"", length=5000), 1009),
    ],
)
def test_violations_close_with_the_code_of_the_rfc(dial, journal: Journal, data: bytes, code: int) -> None:
    client, peer = dial(max_message=4096)
    peer.send(frame(1, b"before") + data)
    assert peer.read_close() == code
    assert peer.at_end()
    assert [client.read(), client.read()] == ["before", ""]
    assert (client.close_code, client.stats.errors, len(journal.errors)) == (code, 1, 1)


def test_with_reconnect_a_loss_is_told_once_and_data_goes_on(dial, server: WsServer) -> None:
    client, peer = dial(reconnect=True, interval=1)
    for number in range(20):
        peer.text(f"a{number}", f"b{number}")
        peer.close()
        peer = server.peer()
        peer.text(f"c{number}")
        assert [client.read() for _ in range(4)] == [f"a{number}", f"b{number}", "", f"c{number}"]
    assert client.read(-1) is None
    assert (client.stats.reconnects, client.stats.losses, client.state) == (20, 20, "open")


def test_a_blocked_read_lives_through_a_loss(dial, server: WsServer) -> None:
    client, peer = dial(reconnect=True, interval=1)
    thread = run_in_thread(lambda: [client.read(), client.read()])
    peer.close()
    server.peer().text("again")
    assert thread.result() == ["", "again"]


def test_write_gives_zero_while_the_connection_is_down(dial, server: WsServer) -> None:
    client, peer = dial(reconnect=True, interval=60_000)
    assert client.write("x") == 1
    peer.close()
    assert client.read() == ""
    assert client.write("x") == 0
    assert client.state == "reconnecting"
    assert client.read(-1) is None
    assert "x" not in repr(client.stats.lag_ms)


def test_giving_up_after_retry_attempts(dial, server: WsServer, journal: Journal) -> None:
    client, peer = dial(reconnect=True, interval=1, retry=3)
    server.stop_listening()
    peer.close()
    assert list(client) == [""]
    assert client.read() == ""
    assert client.ended
    assert len(journal.errors) == 3  # the loss, the first failure, the end: not one a try
    assert "gave up after 3 attempts" in journal.errors[-1]


def test_the_pauses_between_attempts_are_the_backoffs(server: WsServer) -> None:
    clock = ManualClock()
    journal = Journal(clock)
    client = Dial(server.url, host=journal, errors="raise", reconnect=True, backoff=wait_fixed(7))
    assert isinstance(client, Connection)
    with client:
        server.peer().close()
        assert clock.wait_for_sleepers()
        clock.advance(6.9)
        assert client.state == "reconnecting"
        clock.advance(0.1)
        server.peer().text("back")
        assert [client.read(), client.read()] == ["", "back"]


def test_the_payload_is_sent_after_every_connect(dial, server: WsServer) -> None:
    client, peer = dial({"payload": ['{"op":"subscribe"}', b"\x00"]}, reconnect=True, interval=1)
    for _ in range(3):
        assert peer.read_frame() == (0x81, b'{"op":"subscribe"}')
        assert peer.read_frame() == (0x82, b"\x00")
        peer.close()
        assert client.read() == ""
        peer = server.peer()
    peer.text("x")
    assert client.read() == "x"
    assert client.stats.reconnects == 3


def test_on_connect_makes_its_payload_afresh(dial, server: WsServer) -> None:
    made: list[int] = []

    def login(client: Connection) -> list[object]:
        made.append(client.write("hello"))
        return [{"login": len(made)}, "subscribe"]

    client, peer = dial(on_connect=login, reconnect=True, interval=1)
    for number in (1, 2):
        assert [peer.read_message() for _ in range(3)] == [
            b"hello",
            json.dumps({"login": number}).encode(),
            b"subscribe",
        ]
        peer.close()
        peer = server.peer()
    assert made[:2] == [5, 5]
    client.close()


def test_on_connect_that_fails_fails_the_dial(server: WsServer, journal: Journal) -> None:
    def bad(client: Connection) -> None:
        raise ConnectFailed("no key today")

    assert Dial(server.url, host=journal, on_connect=bad) is None
    assert journal.errors == ["no key today"]
    assert server.peer().at_end()


# -- close, stop --------------------------------------------------------------------------------------------------------------------------


def test_close_wakes_readers_and_says_goodbye(dial) -> None:
    client, peer = dial()
    readers = [run_in_thread(client.read) for _ in range(3)]
    closer = run_in_thread(client.close)
    assert [reader.result() for reader in readers] == [""] * 3
    assert peer.read_close() == 1000
    peer.send(frame(8, b"\x03\xe8"))
    closer.join(HANG_S)
    assert client.state == "closed"
    client.close()


def test_close_does_not_wait_for_a_peer_that_says_nothing(dial) -> None:
    client, _ = dial()
    client.close()
    assert client.state == "closed"
    assert not client._reader.thread.is_alive()


def test_waiting_messages_can_be_read_after_close(dial) -> None:
    client, peer = dial()
    got = threading.Event()
    client.add_ready_callback(got.set)
    peer.text("1", "2")
    assert got.wait(HANG_S)
    client.close()
    assert [client.read(), client.read(), client.read()] == ["1", "2", ""]


def test_close_during_a_reconnect_pause(dial) -> None:
    client, peer = dial(reconnect=True, interval=3_600_000)
    peer.close()
    assert client.read() == ""
    client.close()
    assert [client.read(), client.ended] == ["", True]


def test_close_during_a_handshake(server: WsServer, journal: Journal) -> None:
    with WsServer(handshake=False) as silent:
        client = Dial(f"ws://127.0.0.1:{silent.port}", host=journal, timeout_ms=200)
        assert client is None
        assert "timeout" in journal.errors[0]  # what scripts filter by
        assert "did not answer" in journal.errors[0]
    client = Dial(server.url, host=journal, reconnect=True, interval=1, errors="raise")
    assert isinstance(client, Connection)
    server._handshake = False
    server.peer().close()
    server.peer()  # connected again, and waiting for the answer to its handshake
    client.close()
    assert not client._reader.thread.is_alive()


def test_a_callback_may_close(dial) -> None:
    client, peer = dial()
    client.add_ready_callback(client.close)
    peer.text("x")
    assert client.read() == "x"
    assert client.read() == ""


def test_a_callback_that_raises_ends_the_stream_and_is_told(dial, journal: Journal) -> None:
    client, peer = dial()

    def bad() -> None:
        raise ZeroDivisionError("mine")

    client.add_ready_callback(bad)
    peer.text("x")
    assert [client.read(), client.read()] == ["x", ""]
    assert journal.failed.wait(HANG_S)
    assert "ZeroDivisionError" in journal.errors[0]


def test_a_stop_ends_a_blocked_read_and_a_pause(server: WsServer) -> None:
    stop = Stop()
    journal = Journal(WallClock(stop))
    client = Dial(server.url, host=journal, errors="raise", reconnect=True, interval=3_600_000)
    assert isinstance(client, Connection)
    peer = server.peer()

    def read() -> object:
        try:
            return client.read()
        except StopRequested:
            return "stopped"

    thread = run_in_thread(read)
    stop.request()
    assert thread.result() == "stopped"
    peer.close()
    client._reader.thread.join(HANG_S)
    assert not client._reader.thread.is_alive()
    client.close()
    with pytest.raises(StopRequested):
        Dial(server.url, host=journal)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals go to a thread on POSIX only")
@pytest.mark.parametrize("timeout_ms", [None, 60_000])
def test_ctrl_c_interrupts_a_blocked_read(dial, timeout_ms: float | None) -> None:
    client, peer = dial()
    main = threading.get_ident()

    def press() -> None:
        while not client._buffer._waiters:  # until the read below has gone to sleep
            threading.Event().wait(0.001)
        signal.pthread_kill(main, signal.SIGINT)

    thread = run_in_thread(press)
    with pytest.raises(KeyboardInterrupt):
        client.read(timeout_ms)
    thread.join(HANG_S)
    assert not client._buffer._waiters
    peer.text("still alive")
    assert client.read() == "still alive"


def test_streams_can_be_selected_and_merged(dial) -> None:
    first, first_peer = dial()
    second, second_peer = dial()
    assert select([first, second], -1) == []
    thread = run_in_thread(lambda: select([first, second], HANG_S * 1000))
    second_peer.text("b1")
    assert thread.result() == [second]
    merged = merge(first, second)
    assert next(merged) == (second, "b1")
    for number in range(50):
        first_peer.text(f"a{number}")
        assert next(merged) == (first, f"a{number}")
        second_peer.text(f"b{number}", f"c{number}")
        assert [next(merged), next(merged)] == [(second, f"b{number}"), (second, f"c{number}")]
    first_peer.close()
    assert next(merged) == (first, "")
    second_peer.text("last")
    second_peer.close()
    assert list(merged) == [(second, "last"), (second, "")]


def test_a_stream_wakes_the_event_loop(dial) -> None:
    client, peer = dial()
    hub = EventQueue()
    hub.add_source(client, "websocket")
    assert hub.wait(-1) is None
    peer.text("x")
    event = hub.wait(HANG_S * 1000)
    assert event is not None
    assert event.Event == "websocket"
    assert hub.wait(-1) is None  # it was told once, although the message still waits
    assert client.read() == "x"


# -- writing --------------------------------------------------------------------------------------------------------------------------------


def test_write_returns_bytes_and_types_matter(dial) -> None:
    client, peer = dial()
    assert [client.write("é"), client.write(b"\xff\x00"), client.write(bytearray(b"x")), client.write("")] == [
        2,
        2,
        1,
        0,
    ]
    assert [peer.read_frame() for _ in range(4)] == [
        (0x81, "é".encode()),
        (0x82, b"\xff\x00"),
        (0x82, b"x"),
        (0x81, b""),
    ]
    with pytest.raises(InputError, match="dict"):
        client.write({"op": "x"})  # type: ignore[arg-type]


def test_writes_of_several_threads_stay_whole(dial) -> None:
    client, peer = dial()
    each, writers = 60, 8
    threads = [
        threading.Thread(target=lambda n=n: [client.write(f"{n}:" + "x" * (n * 5000)) for _ in range(each)])
        for n in range(writers)
    ]
    reader = run_in_thread(lambda: [peer.read_frame()[1] for _ in range(each * writers)])
    for thread in threads:
        thread.start()
    for thread in [*threads, reader]:
        thread.join(60)
    messages = reader.result()
    assert sorted(messages) == sorted(f"{n}:".encode() + b"x" * (n * 5000) for n in range(writers) for _ in range(each))  # type: ignore[call-overload]


def test_a_write_that_the_peer_does_not_take_breaks_the_connection(dial) -> None:
    client, _ = dial()
    assert client.write(b"x" * 20_000_000, 50) == 0
    assert client.read() == ""
    assert "in time" in client.last_error


def test_pings_are_answered_even_while_a_write_is_stuck(dial) -> None:
    client, peer = dial()
    writer = run_in_thread(lambda: client.write(b"x" * 8_000_000))
    peer.send(frame(9, b"are you there") + frame(1, b"data"))
    assert client.read() == "data"  # reading goes on although nothing can be written
    frames = sorted([peer.read_frame(), peer.read_frame()], key=lambda got: len(got[1]))  # whichever came first
    assert frames == [(0x8A, b"are you there"), (0x82, b"x" * 8_000_000)]
    assert writer.result() == 8_000_000


# -- heartbeats, silence ----------------------------------------------------------------------------------------------------------------------


def test_pings_are_sent_by_the_clock(server: WsServer) -> None:
    clock = ManualClock()
    client = Dial(server.url, host=Journal(clock), errors="raise", pingInterval=15_000, pingMessage="hb")
    assert isinstance(client, Connection)
    with client:
        peer = server.peer()
        for _ in range(3):
            assert clock.wait_for_sleepers()
            clock.advance(15)
            assert peer.read_frame() == (0x89, b"hb")
            peer.send(frame(10, b"hb") + frame(1, b"x"))
            assert client.read() == "x"


def test_a_half_open_connection_is_found_by_pings(server: WsServer) -> None:
    clock = ManualClock()
    journal = Journal(clock)
    client = Dial(server.url, host=journal, errors="raise", pingInterval=10_000)
    assert isinstance(client, Connection)
    with client:
        server.peer()  # and never answers
        for _ in range(3):
            assert clock.wait_for_sleepers()
            clock.advance(10)
        assert client.read() == ""
    assert "no response to 2 pings" in journal.errors[0]


def test_okx_text_heartbeats(server: WsServer) -> None:
    clock = ManualClock()
    client = Dial(server.url, host=Journal(clock), errors="raise", on_ping="okx")
    assert isinstance(client, Connection)
    with client:
        peer = server.peer()
        assert clock.wait_for_sleepers()
        clock.advance(20)
        assert peer.read_frame() == (0x81, b"ping")
        peer.text("pong", "ping", "data")
        assert client.read() == "data"
        assert peer.read_frame() == (0x81, b"pong")
        stats = client.stats
        assert (stats.received, stats.heartbeats) == (1, 2)


def test_a_half_open_connection_is_found_by_the_text_heartbeats_of_okx(server: WsServer) -> None:
    clock = ManualClock()
    journal = Journal(clock)
    client = Dial(server.url, host=journal, errors="raise", on_ping="okx")
    assert isinstance(client, Connection)
    with client:
        server.peer()  # and never answers
        for _ in range(3):
            assert clock.wait_for_sleepers()
            clock.advance(20)
        assert client.read() == ""
    assert "no response to 2 pings within 40 s" in journal.errors[0]


def test_a_silent_channel_stays_open_while_okx_answers(server: WsServer) -> None:
    """Nothing of an account happens for an hour, say: no sign of a loss."""
    clock = ManualClock()
    client = Dial(server.url, host=Journal(clock), errors="raise", on_ping="okx")
    assert isinstance(client, Connection)
    with client:
        peer = server.peer()
        for number in range(6):
            assert clock.wait_for_sleepers()
            clock.advance(20)
            assert peer.read_frame() == (0x81, b"ping")
            peer.text("pong", f"mark {number}")
            assert client.read() == f"mark {number}"
        assert clock.wait_for_sleepers()
        assert client.state == "open"
        assert client.stats.heartbeats == 6


def test_answers_to_pings_are_no_data(server: WsServer) -> None:
    clock = ManualClock()
    journal = Journal(clock)
    client = Dial(server.url, host=journal, errors="raise", on_ping="okx", silence_ms=70_000)
    assert isinstance(client, Connection)
    with client:
        peer = server.peer()
        peer.text("data")
        assert client.read() == "data"
        for number in range(3):
            assert clock.wait_for_sleepers()
            clock.advance(20)
            assert peer.read_frame() == (0x81, b"ping")
            peer.text("pong")
            while client.stats.heartbeats <= number:
                threading.Event().wait(0.01)  # it is hidden from the script, so that only the count tells that it came
        assert clock.wait_for_sleepers()
        clock.advance(10)
        assert client.read() == ""
    assert "no data for 70000 ms" in journal.errors[0]


def test_a_text_heartbeat_that_nobody_answers_is_no_sign_of_a_loss(server: WsServer) -> None:
    clock = ManualClock()
    options = {"pingInterval": 10_000, "pingType": "text", "pingMessage": "hb"}
    client = Dial(server.url, host=Journal(clock), errors="raise", **options)
    assert isinstance(client, Connection)
    with client:
        peer = server.peer()
        for _ in range(4):
            assert clock.wait_for_sleepers()
            clock.advance(10)
            assert peer.read_frame() == (0x81, b"hb")
        assert client.state == "open"


@pytest.mark.parametrize("table", ["huobi", [(r'\{"ping":(\d+)\}', lambda match: '{"pong": ' + match[1] + "}")]])
def test_huobi_heartbeats_inside_gzip(dial, table: object) -> None:
    client, peer = dial(on_ping=table, compress="gzip")
    peer.binary(gzip.compress(b'{"ping":1492420473027}'), gzip.compress(b'{"ch":"x"}'))
    assert client.read() == '{"ch":"x"}'
    assert peer.read_frame() == (0x81, b'{"pong": 1492420473027}')


def test_silence_is_counted_as_an_error(dial) -> None:
    client, _ = dial(silence_ms=50)
    assert client.read(HANG_S * 1000) == ""
    assert "no data" in client.last_error
    assert client.stats.errors == 1


@pytest.mark.parametrize("is_data", [r'"e":"trade"', lambda message: "trade" in message])
def test_heartbeats_without_data_are_silence(server: WsServer, is_data: object) -> None:
    clock = ManualClock()
    journal = Journal(clock)
    client = Dial(
        server.url, host=journal, errors="raise", reconnect=True, interval=0, silence_ms=5000, silence_data=is_data
    )
    assert isinstance(client, Connection)
    with client:
        peer = server.peer()
        assert clock.wait_for_sleepers()
        clock.advance(3)
        peer.text('{"e":"trade"}')
        assert client.read() == '{"e":"trade"}'
        peer.text('{"e":"heartbeat"}')
        assert client.read() == '{"e":"heartbeat"}'
        clock.advance(4)  # 7 s from the start, 4 s from the last data
        peer.text('{"e":"heartbeat"}')
        assert client.read() == '{"e":"heartbeat"}'
        assert client.state == "open"
        assert clock.wait_for_sleepers()
        clock.advance(2)
        assert client.read() == ""
        assert journal.errors == [f"{client._reader.address.shown}: no data for 5000 ms"]


# -- compression ------------------------------------------------------------------------------------------------------------------------------


def test_application_compression_in_both_directions(dial) -> None:
    client, peer = dial({"compress": "zlib", "mode": "dual"})
    peer.send(frame(2, zlib.compress(b"down")) + frame(1, b"plain"))
    assert [client.read(), client.read()] == ["down", "plain"]
    assert client.write("up") == 2
    first, payload = peer.read_frame()
    assert (first, zlib.decompress(payload)) == (0x82, b"up")


def test_garbage_instead_of_gzip(dial) -> None:
    client, peer = dial(compress="gzip")
    peer.binary(b"\x1f\x8bgarbage garbage")
    assert peer.read_close() == 1007
    assert client.read() == ""


def test_a_gzip_bomb(dial) -> None:
    client, peer = dial(compress="gzip", max_message=1_000_000)
    peer.binary(gzip.compress(b"\0" * 100_000_000))
    assert peer.read_close() == 1009
    assert client.read() == ""
    assert "1000000" in client.last_error


def test_permessage_deflate(journal: Journal) -> None:
    with WsServer(extensions="permessage-deflate") as server:
        client = Dial(server.url, enableCompression=True, host=journal, errors="raise")
        assert isinstance(client, Connection)
        with client:
            peer = server.peer()
            assert peer.header("Sec-WebSocket-Extensions").startswith("permessage-deflate")
            inflater = zlib.decompressobj(-15)
            for number in range(3):
                assert client.write(f"up {number}" * 50) == 200
                first, payload = peer.read_frame()
                assert first == 0xC1
                assert inflater.decompress(payload + b"\0\0\xff\xff") == f"up {number}".encode() * 50
                peer.send(frame(1, payload, rsv=4))  # the windows of both sides are the same by now
                assert client.read() == f"up {number}" * 50


def test_an_extension_nobody_offered_fails_the_handshake(journal: Journal) -> None:
    with WsServer(extensions="permessage-deflate") as server:
        assert Dial(server.url, host=journal) is None
    assert "not offered" in journal.errors[0]


# -- handshakes that fail ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 8\r\n\r\nbad key!", "HTTP 401: bad key!"),
        (b"HTTP/1.1 503 Busy\r\n\r\nslow down", "HTTP 503"),
        (b"HTTP/1.1 302 Found\r\nLocation: ws://elsewhere.example/\r\n\r\n", "edirect"),
        (
            b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
            "failed",
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "failed"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"y" * 100_000 + b"\r\n\r\n", "longer than 65536"),
        (b"", "failed"),
    ],
)
def test_a_refused_handshake(journal: Journal, answer: bytes, shown: str) -> None:
    with WsServer(answer=lambda request: answer) as server:
        url = server.url + "?signature=SECRET"
        assert Dial(url, host=journal, headers={"X-Key": "SECRET"}) is None
        with pytest.raises(ConnectFailed) as caught:
            Dial(url, host=journal, errors="raise")
    assert len(journal.errors) == 1
    assert shown in journal.errors[0]
    assert "SECRET" not in journal.errors[0] + str(caught.value)
    assert caught.value.status == (int(answer[9:12]) if answer[9:12] in {b"401", b"503", b"302"} else 0)


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        # Longer than an answer may be, or cut: the status and the start are told all the same.
        (
            b"HTTP/1.1 403 No\r\nContent-Length: 100000\r\n\r\nyour address is banned" + b" " * 100_000,
            "403: your address is",
        ),
        (b"HTTP/1.1 429 No\r\nContent-Length: 100000\r\n\r\ntoo many", "429: too many"),
        (b"HTTP/1.1 418 No\r\nContent-Length: none\r\n\r\nbanned", "418: banned"),
    ],
)
def test_a_refusal_that_is_odd_still_tells_its_status(journal: Journal, answer: bytes, shown: str) -> None:
    with WsServer(answer=lambda request: answer) as server, pytest.raises(ConnectFailed, match=shown) as caught:
        Dial(server.url, host=journal, errors="raise")
    assert caught.value.status == int(shown[:3])


def test_a_refusal_whose_words_come_in_a_packet_of_their_own(journal: Journal) -> None:
    with WsServer(handshake=False) as server:
        failed: list[BaseException] = []

        def dial() -> None:
            try:
                Dial(server.url, host=journal, errors="raise")
            except ConnectFailed as error:
                failed.append(error)

        thread = threading.Thread(target=dial)
        thread.start()
        peer = server.peer()
        while not peer.sock.recv(65536).endswith(b"\r\n\r\n"):
            pass
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.send(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        peer.send(b"your address is banned")
        peer.close()
        thread.join(HANG_S)
    assert "HTTP 403: your address is banned" in str(failed[0])


def test_a_refusal_that_repeats_the_request_tells_no_secret(journal: Journal) -> None:
    def repeat(request: str) -> bytes:
        return f"HTTP/1.1 401 No\r\nContent-Length: {len(request)}\r\n\r\n{request}".encode()

    with WsServer(answer=repeat) as server:
        address = server.url.replace("/stream", "/ws/" + "LISTENKEY" * 7) + "?token=QUERYSECRET&x=1"
        assert Dial(address, host=journal, headers={"X-Key": "HEADERSECRET"}) is None
    (line,) = journal.errors
    assert "HTTP 401: GET /ws/*** " in line.replace("?***", "")
    assert "SECRET" not in line
    assert "LISTENKEYL" not in line


@pytest.mark.parametrize(
    "address", ["user:SECRET@host/ws", "ws://user:SECRET\u2100@host/ws", "ws://u:SECRET@host:99999/"]
)
def test_an_address_that_cannot_be_read_tells_no_password(address: str) -> None:
    with pytest.raises(InputError) as caught:
        Dial(address)
    assert "SECRET" not in str(caught.value)


def test_nobody_listens(journal: Journal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert Dial(f"ws://127.0.0.1:{port}/", host=journal) is None
    assert "refused" in journal.errors[0]
    assert Dial(f"ws://127.0.0.1:{port}/", host=journal, errors="log") is None
    assert Dial(f"ws://127.0.0.1:{port}/", host=journal, errors="none") is None  # the older word
    assert len(journal.errors) == 3
    with pytest.raises(ConnectFailed):
        Dial(f"ws://127.0.0.1:{port}/", host=journal, errors="raise")
    with pytest.raises(UnknownName, match=r"errors must be 'log' or 'raise', got 'rise'; did you mean 'raise'"):
        Dial(f"ws://127.0.0.1:{port}/", host=journal, errors="rise")  # type: ignore[call-overload]


def test_a_server_that_drips_is_not_waited_for(journal: Journal) -> None:
    with WsServer(handshake=False) as server:
        done = threading.Event()

        def drip() -> None:
            peer = server.peer()
            try:
                while not done.wait(0.02):
                    peer.send(b"x")
            except OSError:
                pass

        thread = run_in_thread(drip)
        with pytest.raises(TimedOut):
            Dial(f"ws://127.0.0.1:{server.port}", host=journal, timeout_ms=300, errors="raise")
        done.set()
        thread.join(HANG_S)


def test_headers_are_sent(server: WsServer, journal: Journal) -> None:
    headers = {"X-Key": "abc", "Host": "virtual.example", "Origin": "https://o.example"}
    client = Dial(server.url, {"headers": headers}, host=journal, errors="raise")
    assert isinstance(client, Connection)
    with client:
        peer = server.peer()
        assert {name: peer.header(name) for name in headers} == headers
        assert peer.request.count("Host:") == 1
        assert peer.request.count("Origin:") == 1
    plain = Dial(server.url, host=journal, errors="raise")
    assert isinstance(plain, Connection)
    with plain:
        assert server.peer().header("Origin") == ""


def test_bytes_right_behind_the_handshake_are_not_lost(journal: Journal) -> None:
    with WsServer(answer=None) as server:
        usual = server._usual
        server._usual = lambda peer: usual(peer) + frame(1, b"early") + frame(1, b"x" * 50_000)  # type: ignore[method-assign]
        client = Dial(server.url, host=journal, errors="raise")
        assert isinstance(client, Connection)
        with client:
            assert [client.read(), client.read()] == ["early", "x" * 50_000]


# -- TLS --------------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(authority: trustme.CA) -> Iterator[WsServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with WsServer(context=context) as running:
        yield running


def test_tls_both_ways(tls_server: WsServer, authority: trustme.CA, journal: Journal, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    client = Dial(tls_server.url, host=journal, ca_file=str(tmp_path / "ca.pem"), errors="raise")
    assert isinstance(client, Connection)
    with client:
        peer = tls_server.peer()
        text = "0123456789" * 100_000
        sender = run_in_thread(lambda: peer.text("a", text, "b"))
        assert [client.read(), client.read(), client.read()] == ["a", text, "b"]
        sender.join(HANG_S)
        writer = run_in_thread(lambda: client.write(text))
        assert peer.read_frame() == (0x81, text.encode())
        assert writer.result() == 1_000_000
        peer.send(frame(9, b"p"))
        assert peer.read_frame() == (0x8A, b"p")
    assert journal.warnings == []


def test_tls_reading_and_writing_at_once(tls_server: WsServer, journal: Journal) -> None:
    client = Dial(tls_server.url, host=journal, insecureSkipVerify=True, overflow="block", errors="raise")
    assert isinstance(client, Connection)
    with client:
        peer = tls_server.peer()
        count = 2000
        writer = run_in_thread(lambda: [client.write(f"{number:0500d}") for number in range(count)])

        def echo() -> None:
            for _ in range(count):
                peer.text(peer.read_frame()[1].decode())

        echoer = run_in_thread(echo)
        assert [client.read(HANG_S * 1000) for _ in range(count)] == [f"{number:0500d}" for number in range(count)]
        writer.join(HANG_S)
        echoer.join(HANG_S)


def test_a_certificate_that_does_not_verify(tls_server: WsServer, journal: Journal) -> None:
    assert Dial(tls_server.url, host=journal) is None
    assert "certificate" in journal.errors[0]


def test_skipping_verification_warns(tls_server: WsServer, journal: Journal) -> None:
    client = Dial(tls_server.url + "|insecureSkipVerify=true", host=journal, errors="raise")
    assert isinstance(client, Connection)
    client.close()
    assert "certificate is not verified" in journal.warnings[0]


# -- what is shown ------------------------------------------------------------------------------------------------------------------------------


def test_repr_says_what_happens_and_no_secret(server: WsServer, journal: Journal) -> None:
    client = Dial(
        f"{server.url}?listenKey=SECRET",
        host=journal,
        errors="raise",
        payload="SECRET",
        headers={"A": "SECRET"},
        time_field="data.E",
    )
    assert isinstance(client, Connection)
    with client:
        peer = server.peer()
        assert peer.target == "/stream?listenKey=SECRET"
        now = WallClock().now() * 1000
        peer.text(json.dumps({"data": {"E": now - 5000}}))
        client.read()
        shown = repr(client)
        assert f"<Dial ws://127.0.0.1:{server.port}/stream open: received 1, delivered 1" in shown
        assert "SECRET" not in shown + repr(client.stats)
        lag = client.stats.lag_ms
        assert lag is not None
        assert 5000 <= lag < 60_000
        age = client.stats.last_data_age_s
        assert age is not None
        assert 0 <= age < 60
        assert client.stats.bytes > 20
        with pytest.raises(NotSupported, match="sqlite3"):
            client.exec("SELECT 1")
    assert client.stats.bytes > 20


def test_without_a_host_it_logs(server: WsServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "fmzthreads.streams"):
        client = Dial(server.url)
        assert isinstance(client, Connection)
        with client:
            server.peer().close()
            assert client.read() == ""
    assert "without a close frame" in caplog.text


@pytest.mark.parametrize("errors", ["none", "raise"])
def test_bad_input_raises_always(errors: str, journal: Journal) -> None:
    with pytest.raises(InputError):
        Dial("wss://h|qsize=0", host=journal, errors=errors)
    with pytest.raises(NotSupported):
        Dial("kafka://h:1/t", host=journal, errors=errors)
    with pytest.raises(InputError):
        Dial("wss://h", host=journal, errors="maybe")
    assert journal.errors == []


def test_the_last_error_is_told_after_the_reconnect_too(dial, server: WsServer) -> None:
    client, peer = dial(reconnect=True, interval=1)
    assert client.last_error == ""
    peer.close()
    server.peer().text("back")
    assert [client.read(), client.read()] == ["", "back"]
    assert client.state == "open"
    assert "closed the connection" in client.last_error
