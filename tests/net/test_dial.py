"""Opening a stream: a TLS handshake that drips, hangs or lies; and what a writer finds when its stream is given back."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from fmzthreads.clock import Stop, WallClock
from fmzthreads.deadline import Deadline
from fmzthreads.errors import ConnectFailed, StopRequested, TimedOut
from fmzthreads.net.dial import Opening
from fmzthreads.net.sockets import PlainStream, receive_by
from fmzthreads.streams import Dial
from tests.helpers.journal import StrictJournal
from tests.helpers.ws_server import Peer, WsServer

HANG_S = 20.0
HANDSHAKE_RECORD = b"\x16\x03\x03\x3f\xff"  # the head of a TLS record of 16 KiB


@pytest.fixture
def server() -> Iterator[WsServer]:
    with WsServer(handshake=False) as running:
        yield running


def attempt(server: WsServer, scheme: str, **options: object) -> Callable[[], BaseException]:
    """Dials in a thread; what is returned waits for the error."""
    stop = options.pop("stop", None)
    raised: list[BaseException] = []

    def dial() -> None:
        try:
            Dial(f"{scheme}://127.0.0.1:{server.port}", host=StrictJournal(WallClock(stop)), errors="raise", **options)  # type: ignore[arg-type]
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=dial)
    thread.start()

    def error() -> BaseException:
        thread.join(HANG_S)
        assert raised, "it hangs, or it connected"
        return raised[0]

    return error


@pytest.mark.parametrize("scheme", ["wss", "tls"])
def test_tls_that_drips_is_not_waited_for(server: WsServer, scheme: str) -> None:
    error = attempt(server, scheme, timeout_ms=300)
    peer = server.peer()
    drops = 0
    pause = threading.Event()
    try:
        peer.send(HANDSHAKE_RECORD)
        while drops < 1000:
            peer.send(b"\0")
            drops += 1
            pause.wait(0.02)
    except ConnectionError:
        pass
    assert drops < 1000
    assert isinstance(error(), TimedOut)


@pytest.mark.parametrize(
    "said", [b"", HANDSHAKE_RECORD + b"cut", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\0\2\2\x28"]
)
def test_tls_that_is_none(server: WsServer, said: bytes) -> None:
    error = attempt(server, "wss")
    peer = server.peer()
    peer.read_exactly(5)
    peer.send(said)
    peer.sock.shutdown(socket.SHUT_WR)
    failure = error()
    assert isinstance(failure, ConnectFailed)
    assert "cannot connect to wss://127.0.0.1" in str(failure)
    assert peer.at_end()


def test_a_stop_ends_a_tls_handshake_at_once(server: WsServer) -> None:
    stop = Stop()
    error = attempt(server, "wss", stop=stop, timeout_ms=300_000)
    peer = server.peer()
    peer.read_exactly(5)
    stop.request()
    assert isinstance(error(), StopRequested)
    assert peer.at_end()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals go to a thread on POSIX only")
def test_ctrl_c_ends_a_tls_handshake(server: WsServer) -> None:
    main = threading.get_ident()
    peers: list[Peer] = []

    def press() -> None:
        peers.append(server.peer())
        peers[0].read_exactly(5)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        Dial(f"wss://127.0.0.1:{server.port}", host=StrictJournal(), timeout_ms=300_000)
    thread.join(HANG_S)
    assert peers[0].at_end()


@pytest.fixture
def pair() -> Iterator[tuple[PlainStream, socket.socket]]:
    ours, theirs = socket.socketpair()
    stream = PlainStream(ours)
    with theirs:
        yield stream, theirs
    stream.close()


def _write(stream: PlainStream, results: list[object]) -> None:
    try:
        stream.send(b"x" * (4 << 20), 300, WallClock())
        results.append("written")
    except OSError as error:
        results.append(error)


@pytest.mark.parametrize("end", [PlainStream.close, PlainStream.abort])
def test_a_writer_wakes_when_its_stream_is_given_back(
    pair: tuple[PlainStream, socket.socket], end: Callable[[PlainStream], None]
) -> None:
    stream, theirs = pair
    results: list[object] = []
    writer = threading.Thread(target=_write, args=(stream, results))
    writer.start()
    theirs.settimeout(HANG_S)
    assert theirs.recv(1)  # it is writing, and far from done
    end(stream)
    writer.join(HANG_S)
    assert isinstance(results[0], OSError)
    with pytest.raises(OSError):  # of any number: closed, or a broken pipe
        stream.send(b"x", 1, WallClock())
    stream.close()


def test_a_write_that_nobody_takes_ends_when_its_time_is_up(pair: tuple[PlainStream, socket.socket]) -> None:
    stream, theirs = pair
    with pytest.raises(TimedOut, match="did not take"):
        stream.send(b"x" * (4 << 20), 0.05, WallClock())
    theirs.setblocking(False)
    assert theirs.recv(10) == b"x" * 10


def test_receiving_by_a_deadline(pair: tuple[PlainStream, socket.socket]) -> None:
    stream, theirs = pair
    clock, view = WallClock(), memoryview(bytearray(10))
    with pytest.raises(TimedOut, match="testing"):
        receive_by(stream, view, Deadline(clock, 0.02), "testing")
    with pytest.raises(TimedOut):
        receive_by(stream, view, Deadline(clock, 0), "testing")
    theirs.send(b"abc")
    assert receive_by(stream, view, Deadline(clock, None), "testing") == 3
    late = threading.Timer(1.2, theirs.send, (b"de",))  # later than it looks up for the first time
    late.start()
    assert receive_by(stream, view, Deadline(clock, None), "testing") == 2
    late.join(HANG_S)
    theirs.close()
    assert receive_by(stream, view, Deadline(clock, HANG_S), "testing") == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_another_process_can_only_give_its_copy_back(
    pair: tuple[PlainStream, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, theirs = pair
    copy = PlainStream(socket.socket(fileno=os.dup(stream._socket.fileno())))
    mine = os.getpid()
    monkeypatch.setattr("fmzthreads.net.sockets.os.getpid", lambda: mine + 1)
    for send in (lambda: copy.try_send(b"x"), lambda: copy.send(b"x", 1, WallClock())):
        with pytest.raises(OSError, match="belongs to the process"):
            send()
    copy.abort()
    copy.close()
    monkeypatch.undo()
    stream.send(b"still here", 1, WallClock())
    assert theirs.recv(100) == b"still here"


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
