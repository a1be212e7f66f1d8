"""How a connection ends when something goes wrong with the ending: peers that drip, callbacks that raise or leave, names that hang."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import zlib
from collections.abc import Callable, Iterator

import pytest
import trustme

from fmzthreads.clock import Clock, Stop, WallClock
from fmzthreads.deadline import Deadline
from fmzthreads.errors import StopRequested
from fmzthreads.streams import Connection, Dial
from fmzthreads.streams.buffer.buffer import MessageBuffer
from fmzthreads.streams.raw_link import RawLink
from fmzthreads.streams.websocket.compression import negotiate_deflate
from fmzthreads.streams.websocket.frames import FrameReader
from fmzthreads.streams.websocket.link import WebSocketLink
from tests.helpers.journal import StrictJournal
from tests.helpers.threads import no_new_threads
from tests.helpers.ws_server import Peer, WsServer

HANG_S = 60.0


@pytest.fixture
def server() -> Iterator[WsServer]:
    with WsServer() as running:
        yield running


def connect(server: WsServer, host: StrictJournal | None = None, **options: object) -> Connection:
    client = Dial(server.url, errors="raise", host=host or StrictJournal(), **options)
    assert isinstance(client, Connection)
    return client


def wait_for_end(thread: threading.Thread | None) -> None:
    assert thread is not None
    thread.join(HANG_S)
    assert not thread.is_alive()


def drip(peer: Peer, first: bytes, done: threading.Event) -> threading.Thread:
    def run() -> None:
        try:
            peer.send(first)
            while not done.wait(0.4):
                peer.send(b"x")
        except OSError:
            pass

    thread = threading.Thread(target=run)
    thread.start()
    return thread


# -- farewells ---------------------------------------------------------------------------------------------------------------------


def test_a_peer_that_drips_holds_up_neither_a_reconnect_nor_close(server: WsServer) -> None:
    client = connect(server, reconnect=True, interval=1)
    done = threading.Event()
    drippers = [drip(server.peer(), b"\xf1\x00", done)]
    # The 64 receives of a farewell would go on for longer than a peer() waits if each had a time-out of its own.
    drippers.append(drip(server.peer(), b"\xf1\x00", done))
    clock = WallClock()
    while client.state == "open":
        clock.sleep(0.001)
    deadline = Deadline(clock, 15.0)
    client.close()
    assert not deadline.expired
    assert not client._reader.thread.is_alive()
    done.set()
    for thread in drippers:
        wait_for_end(thread)


def test_tls_records_that_drip_end_at_the_deadline() -> None:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    done = threading.Event()

    def serve(listener: socket.socket) -> None:
        sock, _ = listener.accept()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server_side.wrap_bio(incoming, outgoing, server_side=True)
        with sock:
            ready = False
            while not ready:
                try:
                    tls.do_handshake()
                    ready = True
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())
                    incoming.write(sock.recv(65536))
            tls.write(b"H" * 16000)
            try:
                for byte in outgoing.read():
                    if done.wait(0.02):
                        return
                    sock.sendall(bytes([byte]))
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener, authority.cert_pem.tempfile() as ca_file:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        journal = StrictJournal()
        deadline = Deadline(journal.clock, HANG_S)
        url = f"wss://127.0.0.1:{listener.getsockname()[1]}/"
        assert Dial(url, host=journal, timeout_ms=500, ca_file=ca_file) is None
        assert not deadline.expired  # 16,000 bytes at 50 a second are five minutes
        assert "timeout" in journal.errors[0]
        done.set()
        wait_for_end(thread)


# -- callbacks ---------------------------------------------------------------------------------------------------------------------


def test_an_on_connect_that_leaves_by_sys_exit_is_told(server: WsServer) -> None:
    journal = StrictJournal()
    calls: list[object] = []

    def on_connect(client: object) -> None:
        calls.append(client)
        if len(calls) == 2:
            sys.exit(3)

    client = connect(server, journal, on_connect=on_connect, reconnect=True, interval=1)
    server.peer().close()
    assert [client.read(), client.read()] == ["", ""]
    wait_for_end(client._reader.thread)
    assert client.state == "closed"
    assert "SystemExit(3)" in client.last_error
    assert "SystemExit(3)" in journal.errors[-1]
    client.close()


@pytest.mark.parametrize("reconnect", [False, True])
def test_a_callback_that_raises_at_the_end_leaves_nothing_behind(server: WsServer, reconnect: bool) -> None:
    journal = StrictJournal()
    client = connect(server, journal, silence_ms=3_600_000, reconnect=reconnect, interval=1, retry=1)
    peer = server.peer()

    def callback() -> None:
        if client.ended:
            raise RuntimeError("not this")

    client.add_ready_callback(callback)
    server.stop_listening()
    peer.close()
    wait_for_end(client._reader.thread)
    wait_for_end(client._reader._watcher)
    assert client._reader._link is None
    assert "not this" in client.last_error
    assert "not this" in journal.errors[-1]
    assert not journal.clock.stop._callbacks


def test_a_callback_that_raises_does_not_keep_close_from_closing(server: WsServer) -> None:
    client = connect(server, silence_ms=3_600_000)
    peer = server.peer()

    def callback() -> None:
        raise RuntimeError("not this")

    client.add_ready_callback(callback)
    with pytest.raises(RuntimeError, match="not this"):
        client.close()
    assert peer.read_close() == 1000
    peer.close()
    wait_for_end(client._reader.thread)
    wait_for_end(client._reader._watcher)


@pytest.mark.parametrize(
    "start",
    [
        lambda client: {"on_connect": lambda face: face.close()},
        lambda client: {"on_ping": [("x", lambda match: client().close() or "y")]},
        lambda client: {"silence_ms": 3_600_000, "silence_data": lambda message: client().close()},
    ],
    ids=["on_connect", "on_ping", "silence_data"],
)
def test_every_callback_may_close(server: WsServer, start: Callable[..., dict[str, object]]) -> None:
    box: list[Connection] = []
    client = connect(server, None, **start(lambda: box[0]))
    box.append(client)
    peer = server.peer()
    peer.text("x")
    assert peer.read_close() == 1000
    peer.close()
    wait_for_end(client._reader.thread)
    assert client.state == "closed"


def test_close_does_not_wait_for_a_name_that_is_looked_up(server: WsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, leave = threading.Event(), threading.Event()
    real = socket.getaddrinfo

    def look_up(*arguments: object, **keywords: object) -> object:
        inside.set()
        leave.wait(HANG_S)
        return real(*arguments, **keywords)  # type: ignore[arg-type]

    client = connect(server, reconnect=True, interval=1)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    server.peer().close()
    assert inside.wait(HANG_S)
    deadline = Deadline(WallClock(), 5.0)
    client.close()
    assert not deadline.expired
    assert client._reader.thread.is_alive()
    leave.set()
    wait_for_end(client._reader.thread)


def test_a_reader_that_cannot_start_leaves_no_connection(server: WsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = StrictJournal()
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith(refused[-1]):
            raise RuntimeError("can't start new thread")
        real(thread)

    refused: list[str] = []
    monkeypatch.setattr(threading.Thread, "start", start)
    with no_new_threads(named="Dial"):
        for name in ("Dial ws", "Dial watch"):
            refused.append(name)
            with pytest.raises(RuntimeError, match="new thread"):
                connect(server, journal, silence_ms=3_600_000)
            assert server.peer().at_end()
    assert not journal.clock.stop._callbacks


# -- what is left when a peer has ended it --------------------------------------------------------------------------------------------


def test_one_that_the_peer_ended_and_the_script_forgot_is_not_kept_by_the_stop(server: WsServer) -> None:
    journal = StrictJournal()
    for _ in range(5):
        client = connect(server, journal)
        server.peer().close()
        assert client.read() == ""
        reader = client._reader.thread
        del client
        wait_for_end(reader)
    assert not journal.clock.stop._callbacks


def test_a_stop_still_ends_a_loop_over_what_has_ended() -> None:
    stop = Stop()
    buffer = MessageBuffer(WallClock(stop))
    buffer.push(["last"])
    buffer.close()
    assert [buffer.read(), buffer.read()] == ["last", ""]
    stop.request("enough")
    with pytest.raises(StopRequested):
        buffer.read()
    assert buffer.read(-1) == ""
    stop.clear()
    assert buffer.read() == ""


# -- frames that others send meanwhile ---------------------------------------------------------------------------------------------------


class Wire:
    """A stream that takes everything, or nothing while it is full."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.full = False

    def receive_into(self, view: memoryview) -> int:
        raise AssertionError("not part of these tests")

    receive_waiting = receive_into

    def send(self, data: bytes, timeout_s: float | None, clock: Clock) -> None:
        self.sent.append(data)

    def try_send(self, data: bytes) -> int:
        if self.full:
            return 0
        self.sent.append(data)
        return len(data)

    def set_timeout(self, timeout_s: float | None) -> None:
        raise AssertionError("not part of these tests")

    def abort(self) -> None:
        raise AssertionError("the link was broken")

    def close(self) -> None:
        raise AssertionError("not part of these tests")


def payloads(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The opcodes and payloads of masked frames of less than 126 bytes."""
    while data:
        size = data[1] & 0x7F
        key, masked = data[2:6], data[6 : 6 + size]
        yield data[0] & 0x0F, bytes(byte ^ key[index % 4] for index, byte in enumerate(masked))
        data = data[6 + size :]


def test_answers_of_the_reader_and_writes_share_one_compressor_in_the_order_of_the_wire() -> None:
    wire = Wire()
    link = WebSocketLink(wire, FrameReader(1 << 20), WallClock(), deflate=negotiate_deflate("permessage-deflate", 1000))
    wire.full = True
    link.write_soon("an answer that waits")  # made first if it were made now
    link._writer._pending.clear()  # and never sent, as when there are too many
    wire.full = False
    link.write_soon("an answer")
    inner = link._writer._lock
    with inner:
        link.write_soon("an answer that was late")
    link.write("a message", 1.0)
    inflater = zlib.decompressobj(-15)
    seen = [
        inflater.decompress(payload + b"\0\0\xff\xff").decode()
        for opcode, payload in payloads(b"".join(wire.sent))
        if opcode == 1
    ]
    assert seen[-3:] == ["an answer", "an answer that was late", "a message"]


def test_datagrams_that_had_to_wait_stay_apart() -> None:
    wire = Wire()
    link = RawLink(wire, WallClock(), datagrams=True)
    with link._writer._lock:
        link.write_soon("ping")
        link.write_soon("ping")
    link.write("data", 1.0)
    assert wire.sent == [b"ping", b"ping", b"data"]
