"""The waiting messages of a buffer and their memory, part by part."""

from __future__ import annotations

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.errors import StopRequested
from fmzthreads.streams.buffer.backlog import Backlog
from fmzthreads.streams.buffer.buffer import MessageBuffer
from fmzthreads.streams.buffer.byte_count import ByteCount, message_bytes
from fmzthreads.streams.buffer.waker import ClockWaker

PLENTY = 1 << 20


def put(backlog: Backlog, *messages: str) -> None:
    backlog.put(list(messages), message_bytes(messages))


def test_a_segment_ends_at_its_longest_so_that_readers_take_the_lock() -> None:
    backlog = Backlog(8, PLENTY, 2)
    put(backlog, "a")
    put(backlog, "b")
    put(backlog, "c")
    assert list(backlog.head) == ["a", "b"]
    assert [backlog.take()[1] for _ in range(3)] == ["a", "b", "c"]
    assert backlog.take() == (False, None)


def test_one_message_is_always_taken_however_large() -> None:
    large = "x" * 5000
    backlog = Backlog(4, 1000, 5)
    assert backlog.room_for([large]) == 1
    assert backlog.room_for(["a", large]) == 1
    assert backlog.fits(1, 5000)
    assert not backlog.fits(2, 5000)
    put(backlog, "a")
    assert backlog.room_for([large]) == 0
    assert not backlog.fits(1, 5000)


def test_the_count_of_bytes_is_too_high_by_one_part_at_most() -> None:
    batch = ["x" * 100] * 64
    each = message_bytes(batch[:1])
    counter = ByteCount(32 * 4 * each)  # parts of four messages
    counter.add(batch, 64 * each, 64)
    assert counter.total == 64 * each
    for waiting in range(63, -1, -1):
        counter.settle(waiting)
        assert waiting * each <= counter.total <= (waiting + 4) * each


def test_what_is_noted_of_messages_that_were_read_is_bounded() -> None:
    counter = ByteCount(PLENTY)
    for _ in range(5000):
        counter.add(["x"], 100, 1)
    assert len(counter._parts) <= 1025


def test_a_message_that_arrives_as_the_time_runs_out_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    buffer = MessageBuffer(clock)

    def sleep(_: ClockWaker, timeout_s: float | None = None) -> bool:
        buffer.push(["just now"])
        clock.advance(1)
        return False

    monkeypatch.setattr(ClockWaker, "sleep", sleep)
    assert buffer.read(500) == "just now"
    buffer.close()


def test_a_buffer_that_has_ended_heeds_a_stop_that_it_was_not_told_of() -> None:
    clock = ManualClock()
    buffer = MessageBuffer(clock)
    buffer.close()
    assert buffer.read(1) == ""
    clock.stop.request()
    with pytest.raises(StopRequested):
        buffer.read()
    assert buffer.read(-1) == ""
