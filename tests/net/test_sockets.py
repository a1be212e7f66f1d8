"""Streams of bytes over sockets: what a writer finds when its stream is closed, and time-outs."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.deadline import Deadline
from fmzthreads.errors import TimedOut
from fmzthreads.net.sockets import PlainStream, receive_by

HANG_S = 60.0
HANDSHAKE_RECORD = b"\x16\x03\x03\x3f\xff"  # the head of a TLS record of 16 KiB


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
    with pytest.raises(TimedOut, match="did not accept"):
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
        with pytest.raises(OSError, match="only be used in the process"):
            send()
    copy.abort()
    copy.close()
    monkeypatch.undo()
    stream.send(b"still here", 1, WallClock())
    assert theirs.recv(100) == b"still here"


def test_an_idle_stream_is_quiet_until_something_comes(
    pair: tuple[PlainStream, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, theirs = pair
    for has_poll in (True, False):
        monkeypatch.setattr("fmzthreads.net.sockets._HAS_POLL", has_poll)
        assert stream.is_quiet()
        theirs.send(b"unasked")
        assert not stream.is_quiet()
        stream.receive_into(memoryview(bytearray(10)))
    assert stream.is_quiet()
    mine = os.getpid()
    monkeypatch.setattr("fmzthreads.net.sockets.os.getpid", lambda: mine + 1)
    assert not stream.is_quiet()  # a forked child must not use the parent's connection
    monkeypatch.undo()
    theirs.close()
    assert not stream.is_quiet()


@pytest.mark.parametrize("timeout_s", [None, 5.0])
def test_bytes_that_were_sent_are_counted(pair: tuple[PlainStream, socket.socket], timeout_s: float | None) -> None:
    stream, theirs = pair
    stream.set_timeout(timeout_s)
    assert stream.try_send(b"abc") == 3
    sent = stream.try_send(b"x" * (8 << 20))
    assert 0 < sent < 8 << 20
    assert stream.try_send(b"x") == 0  # full
    assert stream.bytes_sent == 3 + sent
    theirs.close()
    with pytest.raises(OSError):  # of any number
        stream.try_send(b"x")
    assert stream.bytes_sent == 3 + sent
