from __future__ import annotations

import random
import threading
from collections import deque
from sys import getsizeof

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fmzthreads.clock import ManualClock, Stop, WallClock
from fmzthreads.errors import StopRequested
from fmzthreads.streams.buffer.buffer import BufferFull, MessageBuffer

HANG_S = 60.0


def adds_up(buffer: MessageBuffer) -> None:
    counts = buffer.stats()
    assert counts.received == counts.delivered + counts.discarded + counts.dropped + counts.waiting
    assert min(counts.delivered, counts.discarded, counts.dropped, counts.waiting, counts.waiting_bytes) >= 0


# -- FMZ's table of read modes: each row with each column ---------------------------------------------------------------------------


@pytest.mark.parametrize("timeout_ms", [None, 0, 5, -1])
def test_the_oldest_comes_first(timeout_ms: float | None) -> None:
    buffer = MessageBuffer(WallClock())
    buffer.push(["a", b"b", "c"])
    assert [buffer.read(timeout_ms) for _ in range(3)] == ["a", b"b", "c"]
    adds_up(buffer)


@pytest.mark.parametrize("timeout_ms", [-2, -3, -1000])
def test_minus_two_takes_the_newest_and_discards_the_rest(timeout_ms: float) -> None:
    buffer = MessageBuffer(WallClock())
    buffer.push(["a", "b", "c"])
    assert buffer.read(timeout_ms) == "c"
    counts = buffer.stats()
    assert (counts.delivered, counts.discarded, counts.dropped, counts.waiting) == (1, 2, 0, 0)
    assert counts.waiting_bytes == 0


@pytest.mark.parametrize("timeout_ms", [-1, -2, 1])
def test_nothing_yet_is_none(timeout_ms: float) -> None:
    assert MessageBuffer(WallClock()).read(timeout_ms) is None


@pytest.mark.parametrize("timeout_ms", [None, 0, 5, -1, -2])
def test_the_end_is_an_empty_text_each_time(timeout_ms: float | None) -> None:
    buffer = MessageBuffer(WallClock())
    buffer.push(["last"])
    buffer.finish()
    assert buffer.read(timeout_ms) == "last"
    assert [buffer.read(timeout_ms) for _ in range(3)] == ["", "", ""]
    assert buffer.stats().losses == 0


@pytest.mark.parametrize("timeout_ms", [5, -1, -2])
def test_a_loss_is_told_once_behind_what_came_before(timeout_ms: float) -> None:
    buffer = MessageBuffer(WallClock())
    buffer.push(["before"])
    buffer.lose()
    buffer.push(["after"])
    assert [buffer.read(timeout_ms) for _ in range(4)] == ["before", "", "after", None]
    assert buffer.stats().losses == 1
    adds_up(buffer)


def test_minus_two_does_not_pass_over_a_loss() -> None:
    buffer = MessageBuffer(WallClock())
    buffer.push(["a", "b"])
    buffer.lose()
    buffer.lose()
    buffer.push(["c", "d"])
    assert [buffer.read(-2) for _ in range(5)] == ["b", "", "", "d", None]


def test_a_zero_timeout_blocks_until_there_is_data() -> None:
    buffer = MessageBuffer(WallClock())
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(buffer.read(0)))
    thread.start()
    buffer.push(["x"])
    thread.join(HANG_S)
    assert got == ["x"]


def test_a_timeout_is_measured_by_the_clock() -> None:
    clock = ManualClock()
    buffer = MessageBuffer(clock)
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.extend([buffer.read(500), buffer.read(500)]))
    thread.start()
    assert clock.wait_for_sleepers()
    clock.advance(0.5)
    assert clock.wait_for_sleepers()
    buffer.push(["x"])
    thread.join(HANG_S)
    assert got == [None, "x"]


# -- stop, close --------------------------------------------------------------------------------------------------------------------


def test_a_stop_that_was_lifted_and_set_again_ends_a_blocked_read_again() -> None:
    stop = Stop()
    buffer = MessageBuffer(WallClock(stop))
    for turn in range(200):
        caught: list[str] = []

        def read(caught: list[str] = caught) -> None:
            try:
                buffer.read()
            except StopRequested:
                caught.append("stopped")

        thread = threading.Thread(target=read)
        thread.start()
        stop.request(f"stop {turn}")
        thread.join(HANG_S)
        assert caught == ["stopped"]
        stop.clear()
        buffer.push(["between"])
        assert buffer.read(-1) == "between"
    buffer.close()
    assert not stop._callbacks


def test_a_stop_ends_a_blocked_read_and_every_later_one_that_may_block() -> None:
    stop = Stop()
    buffer = MessageBuffer(WallClock(stop))
    caught: list[str] = []

    def read() -> None:
        try:
            buffer.read()
        except StopRequested as error:
            caught.append(str(error))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    stop.request("enough")
    for thread in threads:
        thread.join(HANG_S)
    assert caught == ["enough"] * 4
    buffer.push(["x", "y"])
    with pytest.raises(StopRequested):
        buffer.read(100)
    assert [buffer.read(-1), buffer.read(-1), buffer.read(-1)] == ["x", "y", None]
    adds_up(buffer)


def test_close_wakes_every_reader() -> None:
    for _ in range(50):
        buffer = MessageBuffer(WallClock())
        got: list[object] = []
        threads = [threading.Thread(target=lambda b=buffer, g=got: g.append(b.read())) for _ in range(5)]
        for thread in threads:
            thread.start()
        buffer.close()
        for thread in threads:
            thread.join(HANG_S)
        assert got == [""] * 5


# -- limits -------------------------------------------------------------------------------------------------------------------------


def test_the_oldest_is_dropped_and_told_once_a_burst() -> None:
    told: list[str] = []
    buffer = MessageBuffer(WallClock(), qsize=4, on_drop=told.append)
    for number in range(10):
        buffer.push([str(number)])
    assert len(told) == 1
    counts = buffer.stats()
    assert (counts.received, counts.dropped, counts.waiting) == (10, 6, 4)
    assert [buffer.read(-1) for _ in range(5)] == ["6", "7", "8", "9", None]
    buffer.push(["a"])  # the burst is over
    for number in range(5):
        buffer.push([str(number)])
    assert len(told) == 2
    adds_up(buffer)


def test_a_batch_larger_than_the_buffer_leaves_its_newest() -> None:
    buffer = MessageBuffer(WallClock(), qsize=3)
    buffer.push(["old"])
    buffer.push([str(number) for number in range(10)])
    assert [buffer.read(-1) for _ in range(4)] == ["7", "8", "9", None]
    assert buffer.stats().dropped == 8


def test_bytes_are_limited_too() -> None:
    size = getsizeof("x" * 1000) + 8
    buffer = MessageBuffer(WallClock(), qbytes=3 * size)
    for number in range(10):
        buffer.push([str(number) * 1000])
        assert buffer.stats().waiting_bytes <= 3 * size
    assert [message[0] for message in iter(lambda: buffer.read(-1), None)] == ["7", "8", "9"]
    adds_up(buffer)


def test_one_message_is_kept_however_large() -> None:
    buffer = MessageBuffer(WallClock(), qbytes=1000)
    buffer.push(["small"])
    buffer.push(["x" * 5000])
    assert buffer.stats().waiting == 1
    assert buffer.read(-1) == "x" * 5000


def test_error_keeps_what_fits_and_raises() -> None:
    buffer = MessageBuffer(WallClock(), qsize=3, overflow="error")
    with pytest.raises(BufferFull, match="full"):
        buffer.push(["1", "2", "3", "4", "5"])
    assert [buffer.read(-1) for _ in range(4)] == ["1", "2", "3", None]
    assert buffer.stats().dropped == 2
    adds_up(buffer)


def test_losses_do_not_pile_up_when_nobody_reads() -> None:
    buffer = MessageBuffer(WallClock(), qsize=2)
    for number in range(100):
        buffer.push([str(number)])
        buffer.lose()
    assert len(buffer._backlog._segments) <= 4
    seen = list(iter(lambda: buffer.read(-1), None))
    assert seen.count("") == 100
    assert [message for message in seen if message] == ["98", "99"]
    assert seen[-3:] == ["98", "", "99"] or seen[-4:] == ["98", "", "99", ""]


def test_block_loses_nothing_and_waits() -> None:
    buffer = MessageBuffer(WallClock(), qsize=5, overflow="block")
    thread = threading.Thread(target=lambda: buffer.push([str(number) for number in range(1000)]))
    thread.start()
    got = []
    for _ in range(1000):
        got.append(buffer.read())
        assert buffer.stats().waiting <= 5
    thread.join(HANG_S)
    assert got == [str(number) for number in range(1000)]
    assert buffer.stats().dropped == 0


def test_close_lets_a_blocked_producer_go() -> None:
    buffer = MessageBuffer(WallClock(), qsize=1, overflow="block")
    thread = threading.Thread(target=lambda: buffer.push(["1", "2", "3"]))
    thread.start()
    buffer.close()
    thread.join(HANG_S)
    assert not thread.is_alive()


# -- several threads at once ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overflow", ["drop_oldest", "block"])
@pytest.mark.parametrize("mode", [None, 50, -1, "mixed"])
def test_counts_hold_and_order_is_kept_under_contention(overflow: str, mode: object) -> None:
    total, readers = 20_000, 4
    buffer = MessageBuffer(WallClock(), qsize=500, overflow=overflow)
    got: list[list[int]] = [[] for _ in range(readers)]
    modes = [None, 50, -1, -2] if mode == "mixed" else [mode] * readers
    done = threading.Event()

    def read(index: int) -> None:
        while True:
            message = buffer.read(modes[index])
            if message == "":
                return
            if message is not None:
                got[index].append(int(message))

    def check() -> None:
        while not done.is_set():
            adds_up(buffer)

    threads = [threading.Thread(target=read, args=(index,)) for index in range(readers)]
    checker = threading.Thread(target=check)
    for thread in [*threads, checker]:
        thread.start()
    number = 0
    while number < total:
        size = 1 + number % 37
        buffer.push([str(value) for value in range(number, min(total, number + size))])
        number += size
    buffer.finish()
    for thread in threads:
        thread.join(HANG_S)
    done.set()
    checker.join(HANG_S)
    counts = buffer.stats()
    assert counts.received == total
    assert counts.delivered == sum(map(len, got))  # what is derived is what the readers counted by themselves
    assert counts.waiting == 0
    for numbers in got:
        assert numbers == sorted(numbers)
    everything = sorted(value for numbers in got for value in numbers)
    assert len(set(everything)) == len(everything)
    if overflow == "block" and mode != "mixed":
        assert everything == list(range(total))
    adds_up(buffer)


def test_no_wake_up_is_lost() -> None:
    """Single messages to several blocked readers, thousands of times: one that nobody woke up for would hang it."""
    buffer = MessageBuffer(WallClock())
    answers: deque[object] = deque()
    arrived = threading.Semaphore(0)

    def read() -> None:
        while (message := buffer.read()) != "":
            answers.append(message)
            arrived.release()

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(3000):
        buffer.push([str(number)])
        assert arrived.acquire(timeout=HANG_S)
    buffer.finish()
    for thread in threads:
        thread.join(HANG_S)
    assert sorted(map(int, answers)) == list(range(3000))


def test_ready_callbacks_come_with_data_loss_and_end() -> None:
    buffer = MessageBuffer(WallClock())
    calls: list[int] = []
    token = buffer.add_ready_callback(lambda: calls.append(1))
    assert not calls
    assert not buffer.is_ready()
    buffer.push(["x"])
    assert (len(calls), buffer.is_ready()) == (1, True)
    before = buffer.activity()
    assert buffer.read(-1) == "x"
    assert not buffer.is_ready()
    assert buffer.activity() != before
    buffer.lose()
    assert (len(calls), buffer.is_ready()) == (2, True)
    assert buffer.read(-1) == ""
    assert not buffer.is_ready()
    buffer.remove_ready_callback(token)
    buffer.remove_ready_callback(12345)
    buffer.finish()
    assert len(calls) == 2
    buffer.add_ready_callback(lambda: calls.append(1))
    assert len(calls) == 3


# -- a model to compare with ------------------------------------------------------------------------------------------------------------


class BufferModel(RuleBasedStateMachine):
    """The buffer beside a plain list; single-threaded, every order of calls."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = MessageBuffer(WallClock(), qsize=8, qbytes=2000)
        self.model: deque[object] = deque()  # messages, and None for a loss
        self.number = 0
        self.finished = False
        self.read_back = self.lost = 0
        self.sizes: dict[object, int] = {}

    def _messages(self) -> int:
        return sum(1 for item in self.model if item is not None)

    @precondition(lambda self: not self.finished)
    @rule(sizes=st.lists(st.integers(0, 300), max_size=12), wide=st.booleans())
    def push(self, sizes: list[int], wide: bool) -> None:
        batch = []
        for size in sizes:
            self.number += 1
            batch.append(f"{self.number}:" + ("é中" if wide else "x") * size)
        self.sizes.update(
            (message, getsizeof(message) + 8) for message in batch
        )  # later it may carry a cached UTF-8 copy
        self.buffer.push(batch)
        self.model.extend(batch)
        excess = self._messages() - self.buffer.stats().waiting
        kept: deque[object] = deque()
        for item in self.model:  # whatever was dropped must have been the oldest
            if item is not None and excess > 0:
                excess -= 1
                continue
            kept.append(item)
        self.model = kept

    @precondition(lambda self: not self.finished)
    @rule()
    def lose(self) -> None:
        self.buffer.lose()
        self.model.append(None)

    @rule()
    def finish(self) -> None:
        self.buffer.finish()
        self.finished = True

    @rule()
    def poll(self) -> None:
        self._expect(self.buffer.read(-1))

    @rule()
    def newest(self) -> None:
        while len(self.model) > 1 and self.model[0] is not None and self.model[1] is not None:
            self.model.popleft()
        self._expect(self.buffer.read(-2))

    def _expect(self, message: object) -> None:
        if not self.model:
            assert message == ("" if self.finished else None)
            return
        expected = self.model.popleft()
        if expected is None:
            assert message == ""
            self.lost += 1
        else:
            assert message == expected
            self.read_back += 1

    @invariant()
    def counts(self) -> None:
        counts = self.buffer.stats()
        assert counts.received == self.number
        assert counts.received == counts.delivered + counts.discarded + counts.dropped + counts.waiting
        assert counts.delivered == self.read_back
        assert counts.losses == self.lost
        assert counts.waiting == self._messages() <= 8
        exact = sum(self.sizes[item] for item in self.model if item is not None)
        assert exact <= counts.waiting_bytes <= max(2000, exact)
        assert self.buffer.is_ready() == (bool(self.model) or self.finished)


BufferModel.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
test_buffer_against_a_model = BufferModel.TestCase


@pytest.mark.parametrize("seed", range(4))
def test_many_segments_against_a_plain_list(seed: int) -> None:
    """Under ``block`` what waits lies in segments with and without losses between; each step is compared, and what a poll relies on."""
    chance = random.Random(seed)
    buffer = MessageBuffer(WallClock(), qsize=8, overflow="block")
    backlog, model = buffer._backlog, deque[object]()  # messages, and "" for a loss
    number = 0
    for _ in range(3000):
        act = chance.choice(["push", "push", "lose", "poll", "poll", "poll", "newest"])
        if act == "push":
            size = chance.randint(0, 8 - sum(1 for item in model if item))
            batch: list[str | bytes] = [str(number + index) for index in range(size)]
            number += size
            buffer.push(batch)
            model.extend(batch)
        elif act == "lose" and len(model) < 30:
            buffer.lose()
            model.append("")
        elif act == "poll":
            assert buffer.read(-1) == (model.popleft() if model else None)
        elif act == "newest":
            while len(model) > 1 and model[0] and model[1]:
                model.popleft()
            assert buffer.read(-2) == (model.popleft() if model else None)
        assert backlog.head is backlog._segments[0].items
        assert backlog.even == (len(backlog._segments) == 1 and not backlog._tail.losses)
        assert (backlog.count(), backlog.losses()) == (sum(map(bool, model)), len(model) - sum(map(bool, model)))
        adds_up(buffer)
