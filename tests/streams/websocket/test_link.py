"""What one ``receive`` of a link brings: in a flood, what has come already is gathered into one batch."""

from __future__ import annotations

import errno
import socket

import pytest

from fmzthreads.clock import Clock, WallClock
from fmzthreads.net.sockets import PlainStream
from fmzthreads.streams.buffer.buffer import Message
from fmzthreads.streams.raw_link import RawLink
from fmzthreads.streams.websocket.frames import FrameReader, ProtocolError
from fmzthreads.streams.websocket.link import WebSocketLink

SIZE = 8192  # of the frame reader's buffer


class Script:
    """A stream whose receives bring what a list says: bytes, an error, or None for "nothing has come yet"."""

    def __init__(self, *steps: bytes | OSError | None) -> None:
        self.steps = list(steps)
        self.waits = 0
        self.sent = b""

    def receive_into(self, view: memoryview) -> int:
        self.waits += 1
        count = self.receive_waiting(view)
        assert count >= 0, "it would wait for ever"
        return count

    def receive_waiting(self, view: memoryview) -> int:
        step = self.steps.pop(0)
        if step is None:
            return -1
        if isinstance(step, OSError):
            raise step
        count = min(len(step), len(view))
        view[:count] = step[:count]
        if count < len(step):
            self.steps.insert(0, step[count:])
        return count

    def send(self, data: bytes, timeout_s: float | None, clock: Clock) -> None:
        self.sent += data

    def try_send(self, data: bytes) -> int:
        self.sent += data
        return len(data)

    def set_timeout(self, timeout_s: float | None) -> None:
        raise AssertionError("not part of these tests")

    def abort(self) -> None:
        raise AssertionError("not part of these tests")

    def close(self) -> None:
        raise AssertionError("not part of these tests")


def text(content: str) -> bytes:
    payload = content.encode()
    assert 126 <= len(payload) < 65536
    return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload


def full(character: str) -> bytes:
    """Four texts that fill the buffer exactly."""
    return text(character * (SIZE // 4 - 4)) * 4


def link_over(stream: Script | PlainStream, gather: int = 128, early: bytes = b"") -> WebSocketLink:
    return WebSocketLink(stream, FrameReader(1 << 20, size=SIZE, most=SIZE), WallClock(), early=early, gather=gather)


def initials(batch: list[Message]) -> str:
    return "".join(str(message)[0] for message in batch)


def test_full_receives_are_gathered_in_order_until_one_is_not_full() -> None:
    stream = Script(full("a"), full("b"), text("c" * 200), full("d"))
    link, batch = link_over(stream), []
    assert link.receive(batch)
    assert initials(batch) == "aaaabbbbc"
    assert link.plain
    assert (stream.waits, len(stream.steps)) == (1, 1)
    assert link.bytes_received == 2 * SIZE + 204


def test_it_stops_where_nothing_has_come_yet() -> None:
    link, batch = link_over(Script(full("a"), None, full("b"))), []
    assert link.receive(batch)
    assert initials(batch) == "aaaa"
    assert link.plain


def test_a_receive_that_is_not_full_is_handed_over_at_once() -> None:
    stream = Script(text("a" * 200), full("b"))
    link, batch = link_over(stream), []
    assert link.receive(batch)
    assert initials(batch) == "a"
    assert len(stream.steps) == 1


@pytest.mark.parametrize(("gather", "expected"), [(0, "aaaa"), (4, "aaaa"), (5, "aaaabbbb"), (9, "aaaabbbbcccc")])
def test_the_limit_of_messages_ends_the_gathering(gather: int, expected: str) -> None:
    link, batch = link_over(Script(full("a"), full("b"), full("c"), full("d")), gather), []
    assert link.receive(batch)
    assert initials(batch) == expected


def test_one_batch_has_a_limited_number_of_bytes() -> None:
    stream = Script(*[full("a")] * 200)
    link, batch = link_over(stream, gather=10_000), []
    assert link.receive(batch)
    assert link.bytes_received == (1 << 20) + SIZE
    assert len(batch) == 4 * link.bytes_received // SIZE


def test_what_came_behind_the_handshake_comes_before_what_is_received() -> None:
    link = link_over(Script(full("c"), None), early=full("a") + text("b" * 200))
    batches = []
    for _ in range(3):
        batch: list[Message] = []
        assert link.receive(batch)
        batches.append(initials(batch))
    assert batches == ["aaaa", "b", "cccc"]


def test_the_end_keeps_what_came_before_it() -> None:
    link, batch = link_over(Script(full("a"), b"")), []
    assert not link.receive(batch)
    assert initials(batch) == "aaaa"


def test_a_close_frame_ends_the_gathering() -> None:
    stream = Script(full("a")[: SIZE - 2048] + text("b" * 2040) + b"\x88\x02\x03\xe8", full("c"))
    link, batch = link_over(stream), []
    assert not link.receive(batch)
    assert initials(batch) == "aaab"
    assert link.ending == (1000, "")
    assert len(stream.steps) == 1


def test_what_is_not_ascii_in_any_part_makes_the_batch_not_plain() -> None:
    for parts in ([full("a"), text("\u00e9" * 200)], [text("\u00e9" * 1022) * 4, text("a" * 200)]):
        link, batch = link_over(Script(*parts)), []
        assert link.receive(batch)
        assert len(batch) == 5
        assert not link.plain


def test_a_fault_in_a_later_part_keeps_what_came_before_it() -> None:
    link, batch = link_over(Script(full("a"), text("b" * 200) + b"\xf1\x00")), []
    with pytest.raises(ProtocolError):
        link.receive(batch)
    assert initials(batch) == "aaaab"
    assert link.plain  # which is true of what there is


def test_a_broken_connection_keeps_what_came_before_it() -> None:
    link, batch = link_over(Script(full("a"), OSError(errno.ECONNRESET, "reset"))), []
    with pytest.raises(OSError, match="reset"):
        link.receive(batch)
    assert initials(batch) == "aaaa"
    assert link.plain  # which is true of what there is


def test_pings_are_answered_while_gathering() -> None:
    stream = Script(full("a"), b"\x89\x00" + text("b" * 200))
    link, batch = link_over(stream), []
    assert link.receive(batch)
    assert stream.sent[:2] == b"\x8a\x80"


def test_messages_that_are_cut_by_the_ends_of_the_receives_are_whole() -> None:
    texts = [str(number % 10) * (2500 + 13 * number) for number in range(60)]
    stream = Script(b"".join(map(text, texts)))
    link, received = link_over(stream, gather=20), []
    while stream.steps:
        batch: list[Message] = []
        assert link.receive(batch)
        received += batch
    assert received == texts
    assert stream.waits == 3  # of 20 messages and a bit each, the first receive of which is the one that waits


def test_a_socket_with_nothing_in_it_is_not_waited_for() -> None:
    here, there = socket.socketpair()
    with there:
        stream = PlainStream(here)
        view = memoryview(bytearray(100))
        assert stream.receive_waiting(view) == -1
        there.sendall(b"abc")
        assert stream.receive_waiting(view) == 3
        assert view[:3] == b"abc"
        there.shutdown(socket.SHUT_WR)
        assert stream.receive_waiting(view) == 0
        stream.close()


class Refusing(Script):
    """A stream for datagrams that refuses the first."""

    def __init__(self) -> None:
        super().__init__()
        self.datagrams: list[bytes] = []

    def try_send(self, data: bytes) -> int:
        if len(data) > 65_507:
            raise OSError(errno.EMSGSIZE, "too long")
        self.datagrams.append(data)
        return len(data)

    def send(self, data: bytes, timeout_s: float | None, clock: Clock) -> None:
        self.try_send(data)


def test_a_datagram_that_is_refused_is_not_put_before_the_next() -> None:
    stream = Refusing()
    link = RawLink(stream, WallClock(), datagrams=True)
    link.write_soon("x" * 70_000)
    link.write_soon("heartbeat")
    assert link.write("data", 1) == 4
    assert stream.datagrams == [b"heartbeat", b"data"]
