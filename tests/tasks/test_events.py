"""``EventLoop``'s hub, ``select`` and ``merge``: nothing missed, nothing polled, nothing told twice."""

from __future__ import annotations

import gc
import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fmzthreads.clock import ManualClock, Signal, WallClock
from fmzthreads.errors import InputError, StopRequested
from fmzthreads.tasks.events import EventQueue, MessageSource, Selectable, clock_of, merge, select
from fmzthreads.tasks.handle import Handle
from fmzthreads.tasks.pool import CallPool

from ..helpers.tasks import Held
from ..helpers.threads import PATIENCE_S, race


class FakeStream:
    """A stream that the test feeds: the contract of ``MessageSource``, in a few lines."""

    def __init__(self, name: str = "", *, counts: bool = False) -> None:
        self.name = name
        self.lock = threading.Lock()
        self.items: deque[Any] = deque()
        self.received = 0
        self.taken = 0
        self.ended = False
        self.callbacks: dict[int, Callable[[], None]] = {}
        self.token = 0
        if counts:
            self.activity = lambda: (self.received, self.taken)

    @property
    def waiting(self) -> int:
        with self.lock:
            return sum(item is not LOSS for item in self.items)

    def feed(self, *items: Any) -> None:
        with self.lock:
            self.items.extend(items)
            self.received += sum(item is not LOSS for item in items)
        self._call()

    def end(self) -> None:
        with self.lock:
            self.ended = True
        self._call()

    def _call(self) -> None:
        with self.lock:
            callbacks = list(self.callbacks.values())
        for callback in callbacks:
            callback()

    def read(self, timeout_ms: float | None = None) -> Any:
        assert timeout_ms == -1
        with self.lock:
            if self.items:
                self.taken += 1
                item = self.items.popleft()
                return "" if item is LOSS else item
            return "" if self.ended else None

    def is_ready(self) -> bool:
        with self.lock:
            return bool(self.items) or self.ended

    def add_ready_callback(self, callback: Callable[[], None]) -> int:
        with self.lock:
            self.token += 1
            self.callbacks[self.token] = callback
            token = self.token
        if self.is_ready():
            callback()
        return token

    def remove_ready_callback(self, token: int) -> None:
        with self.lock:
            self.callbacks.pop(token, None)


LOSS = object()


@pytest.fixture
def pool() -> Iterator[CallPool]:
    made = CallPool("p", max_workers=4)
    yield made
    assert made.shutdown(PATIENCE_S)


def test_the_contracts_are_kept() -> None:
    assert isinstance(FakeStream(), MessageSource)
    assert isinstance(Handle(int, clock=WallClock()), Selectable)


# select


def test_select_gives_what_is_ready_in_the_order_given(pool: CallPool) -> None:
    call = Held()
    pending, done, stream = pool.start(call), pool.start(int), FakeStream()
    done.wait()
    stream.feed("m")
    assert select([stream, pending, done], -1) == [stream, done]
    assert select([stream, done]) == [stream, done]
    assert select([pending], -1) == []
    assert select([pending], 1) == []
    assert select([], 1) == []
    assert stream.callbacks == {}
    call.go.set()
    assert select([pending], PATIENCE_S * 1000) == [pending]


def test_select_refuses_what_would_hang() -> None:
    with pytest.raises(InputError, match="for ever"):
        select([])
    with pytest.raises(InputError, match="int"):
        select([5])  # type: ignore[list-item]


def test_select_times_out_by_the_clock_and_obeys_the_stop() -> None:
    clock = ManualClock()
    stream = FakeStream()

    def turn() -> None:
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        clock.advance(0.5)

    assert race(lambda: select([stream], 500, clock=clock), turn)[0] == []
    clock.stop.request()
    with pytest.raises(StopRequested):
        select([stream], clock=clock)
    assert stream.callbacks == {}


def test_select_misses_nothing() -> None:
    for number in range(1500):
        stream, other = FakeStream(), FakeStream()
        ready, _ = race(
            lambda s=stream, o=other: select([o, s], PATIENCE_S * 1000), lambda s=stream, n=number: s.feed(n)
        )
        assert ready == [stream]


def test_select_waits_on_when_another_was_quicker() -> None:
    stream = FakeStream()
    thief_done = threading.Event()

    def thief() -> None:
        while not stream.callbacks:
            pass
        with stream.lock:  # woken, but nothing there any more
            callbacks = list(stream.callbacks.values())
        for callback in callbacks:
            callback()
        thief_done.set()
        stream.feed("real")

    ready, _ = race(lambda: select([stream], PATIENCE_S * 1000), thief)
    assert ready == [stream]
    assert thief_done.is_set()


# merge


def test_merge_is_in_the_order_of_arrival() -> None:
    a, b = FakeStream("a"), FakeStream("b")
    merged = merge(a, b)
    a.feed(1, 2)
    assert [next(merged) for _ in range(2)] == [(a, 1), (a, 2)]
    b.feed(3)
    a.feed(4, 5)
    b.feed(6, "", 7)
    a.feed(8)
    a.end()
    b.end()
    assert list(merged) == [(b, 3), (a, 4), (a, 5), (b, 6), (b, ""), (b, 7), (a, 8), (a, ""), (b, "")]
    assert a.callbacks == b.callbacks == {}


def test_merge_tells_each_loss_in_its_place_and_goes_on() -> None:
    a, b = FakeStream("a"), FakeStream("b")
    merged = merge(a, b)
    a.feed(1)
    assert next(merged) == (a, 1)
    a.feed(LOSS)
    assert next(merged) == (a, "")
    a.feed(2, LOSS, 3)
    b.feed(4)
    assert [next(merged) for _ in range(4)] == [(a, 2), (a, ""), (a, 3), (b, 4)]
    merged.close()  # type: ignore[attr-defined]
    assert a.callbacks == b.callbacks == {}


def test_merge_of_streams_that_have_ended_before() -> None:
    a = FakeStream()
    a.feed(1)
    a.end()
    assert list(merge(a)) == [(a, 1), (a, "")]


def test_merge_loses_nothing_and_keeps_each_streams_order() -> None:
    for _ in range(20):
        streams = [FakeStream(str(i)) for i in range(3)]

        def feed(stream: FakeStream) -> None:
            for number in range(50):
                stream.feed(number, number + 0.5)
            stream.end()

        results = race(
            *(lambda s=stream: feed(s) for stream in streams), lambda streams=streams: list(merge(*streams))
        )[-1]
        for stream in streams:
            assert [m for s, m in results if s is stream] == [n / 2 for n in range(100)] + [""]


def test_merge_refuses_what_is_no_stream() -> None:
    stream = FakeStream()
    for bad in ((), (5,), (stream, stream)):
        with pytest.raises(InputError):
            merge(*bad)
    clock = WallClock()
    clock.stop.request()
    with pytest.raises(StopRequested):
        next(merge(stream, clock=clock))


# EventQueue


def test_the_hub_listens_from_the_first_wait_on() -> None:
    clock = ManualClock(5)
    hub = EventQueue(clock)
    assert not hub.post("lost")
    assert hub.wait(-1) is None
    assert hub.post("Exchange_GetTicker", index=3)
    event = hub.wait()
    assert event == {"Seq": 1, "Event": "Exchange_GetTicker", "ThreadId": 0, "Index": 3, "Nano": 5_000_000_000}
    assert event is not None
    assert event.Event == "Exchange_GetTicker"
    assert hub.wait(-1) is None


def test_the_hub_keeps_500_and_loses_the_newer() -> None:
    hub = EventQueue()
    hub.wait(-1)
    assert [hub.post(str(n)) for n in range(503)] == [True] * 500 + [False] * 3
    assert (len(hub), hub.lost) == (500, 3)
    got = [hub.wait(-1) for _ in range(501)]
    assert [event and event.Event for event in got] == [str(n) for n in range(500)] + [None]


def test_a_result_taken_before_gives_no_event(pool: CallPool) -> None:
    hub = EventQueue()
    hub.wait(-1)
    posted = threading.Semaphore(0)

    def done(handle: Handle[Any]) -> None:
        hub.post(f"Exchange_{handle.name}", handle=handle)
        posted.release()

    first, second = pool.start(int, name="A", on_done=done), pool.start(int, name="B", on_done=done)
    for _ in range(2):
        assert posted.acquire(timeout=PATIENCE_S)
    first.wait()
    assert len(hub) == 1
    event = hub.wait(PATIENCE_S * 1000)
    assert event is not None
    assert event.Event == "Exchange_B"
    assert hub.wait(-1) is None
    assert second.wait() == (0, True)


def test_taken_results_make_room(pool: CallPool) -> None:
    hub = EventQueue(most=2)
    hub.wait(-1)
    handles = [pool.start(int) for _ in range(2)]
    select(handles)
    for handle in handles:
        assert select([handle], PATIENCE_S * 1000)
        assert hub.post("x", handle=handle)
    handles[0].wait()
    assert hub.post("y")
    assert not hub.post("z")


def test_the_hub_misses_nothing_and_gives_each_event_to_one() -> None:
    for _ in range(300):
        hub = EventQueue()
        hub.wait(-1)

        def post(hub: EventQueue = hub) -> None:
            for number in range(4):
                assert hub.post(str(number))

        def fetch(hub: EventQueue = hub) -> list[str]:
            events = [hub.wait(PATIENCE_S * 1000) for _ in range(2)]
            return [event.Event for event in events if event]

        _, mine, yours = race(post, fetch, fetch)
        assert sorted(mine + yours) == ["0", "1", "2", "3"]


def test_a_stop_and_a_time_out_end_a_wait() -> None:
    clock = ManualClock()
    hub = EventQueue(clock)

    def turn() -> None:
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        clock.advance(0.2)

    assert race(lambda: hub.wait(200), turn)[0] is None

    def stopped() -> None:
        with pytest.raises(StopRequested):
            hub.wait()

    race(stopped, clock.stop.request)
    with pytest.raises(StopRequested):
        hub.wait(-1)


def test_sources_wake_the_hub_and_lying_data_does_not_spin_it() -> None:
    hub = EventQueue()
    stream = FakeStream(counts=True)
    hub.add_source(stream, "Dial", index=2)
    assert hub.wait(-1) is None
    event, _ = race(lambda: hub.wait(PATIENCE_S * 1000), lambda: stream.feed(1, 2))
    assert (event.Event, event.Index) == ("Dial", 2)
    assert hub.wait(-1) is None, "nothing new since"
    stream.read(-1)
    assert hub.wait(-1), "one is left, and the script reads them one by one"
    stream.read(-1)
    assert hub.wait(-1) is None
    assert hub.wait(1) is None
    assert stream.callbacks == {}
    hub.remove_source(stream)
    stream.feed(3)
    assert hub.wait(-1) is None


def test_an_idle_wait_sleeps_even_beside_data_that_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = WallClock()
    hub = EventQueue(clock)
    stream = FakeStream(counts=True)
    hub.add_source(stream, "Dial")
    stream.feed(1)
    assert hub.wait(-1)
    waits: list[Any] = []
    original = clock.wait
    waited = threading.Event()

    def counting(signals: Any, timeout_s: float | None = None) -> bool:
        waits.append(timeout_s)
        waited.set()
        return original(signals, timeout_s)

    monkeypatch.setattr(clock, "wait", counting)

    def post() -> None:
        assert waited.wait(PATIENCE_S)
        hub.post("command")

    event, _ = race(lambda: hub.wait(PATIENCE_S * 1000), post)
    assert event.Event == "command"
    assert len(waits) <= 2


def test_sources_take_turns_and_forgotten_ones_vanish() -> None:
    hub = EventQueue()
    a, b = FakeStream(), FakeStream()
    hub.add_source(a, "a")
    hub.add_source(b, "b")
    hub.add_source(b, "b")
    a.feed(1)
    b.feed(1)
    events = [hub.wait(-1) for _ in range(4)]
    assert [event and event.Event for event in events] == ["a", "b", "a", "b"]
    del a
    gc.collect()
    assert [event and event.Event for event in (hub.wait(-1), hub.wait(-1))] == ["b", "b"]


def test_a_source_added_during_a_wait_counts() -> None:
    for _ in range(200):
        hub = EventQueue()
        stream = FakeStream()
        stream.feed(1)
        event, _ = race(lambda hub=hub: hub.wait(PATIENCE_S * 1000), lambda hub=hub, s=stream: hub.add_source(s, "new"))
        assert event.Event == "new"


# The signal beneath it all


def test_a_stale_token_removes_nobody_elses_callback() -> None:
    """Tokens made from ids came back once the callback was freed; a waiter's clean-up then cost another its wake-up."""

    class Short:
        def call(self) -> None:
            pass

    for _ in range(100):
        signal, woken = Signal(), threading.Event()
        first, second = Short(), SimpleNamespace(call=woken.set)
        stale = signal.add(first.call)
        signal.set()
        signal.clear()
        assert signal.add(second.call) != stale
        signal.remove(stale)
        signal.set()
        assert woken.is_set()


def test_the_clock_is_that_of_the_first_object_that_has_one() -> None:
    clock = ManualClock()
    assert (
        clock_of(
            [object(), SimpleNamespace(clock="12:00"), SimpleNamespace(clock=clock), SimpleNamespace(clock=WallClock())]
        )
        is clock
    )
    assert isinstance(clock_of([object()]), WallClock)
