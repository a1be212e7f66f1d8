# ruff: noqa: RUF005, PLC3002, B905, C416 (the forms of use are the subject)
"""Bars of any period: against the ticks added one by one; and lists that do not change while they are held."""

import copy
import json
import pickle
import threading
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.backtest.engine.even_bars import EvenBars, bars_of_period
from fmzthreads.backtest.engine.feed import TickFeed
from fmzthreads.backtest.engine.older_bars import joined
from fmzthreads.backtest.engine.period_bars import BaseBars, PeriodBars, bucket
from fmzthreads.backtest.engine.virtual_time import VirtualTime
from fmzthreads.backtest.nano import ONE, cut, nano
from fmzthreads.structures import Record, Records
from fmzthreads.structures.growing import GrowingRecords
from tests.backtest.engine.test_ticks import bars
from tests.helpers.backtests import MINUTE, START, PlainTick, detail, flat, plain_ticks, series_of, simulation

BULL = (100.0, 110.0, 95.0, 105.0, 12.0)
RECORDS = 8


def bars_of(
    rows: list[tuple[float, ...]], period_ms: int, *, base_ms: int = MINUTE, offset_ms: int = 0
) -> tuple[TickFeed, PeriodBars]:
    series = series_of(rows, period_ms=base_ms)
    feed = TickFeed(series, VirtualTime(START, START + len(rows) * base_ms))
    return feed, bars_of_period(feed, period_ms, offset_ms)


def look(feed: TickFeed, seconds: float) -> None:
    """Moves the clock to a moment."""
    feed.time.now_ms = START + round(seconds * 1000)
    feed.consume()


def plain_records(ticks: list[PlainTick], period_ms: int, offset_ms: int, step: int) -> list[list[float]]:
    """Bars by adding tick after tick."""
    found = []
    increases = []
    before, bar = 0, -1
    for tick in ticks:
        before = before if tick.bar == bar else 0
        bar = tick.bar
        increases.append(cut(tick.volume - before, step))
        before = tick.volume
    pairs = zip(ticks, increases, strict=True)
    for start, group in groupby(pairs, key=lambda pair: bucket(pair[0].time_ms, period_ms, offset_ms)):
        members = list(group)
        prices = [tick.last / ONE for tick, _ in members]
        found.append(
            [start, prices[0], max(prices), min(prices), prices[-1], sum(more for _, more in members) / ONE, 0]
        )
    return found


def values(records: list[Record]) -> list[list[float]]:
    return [list(record.values()) for record in records]


def test_the_last_bar_is_still_forming() -> None:
    feed, minutes = bars_of([BULL] * 3, MINUTE)
    look(feed, 0.2)
    assert values(minutes.get(1000)) == [[START, 100, 100, 100, 100, 0, 0]]
    look(feed, 30)
    assert values(minutes.get(1000)) == [[START, 100, 100, 95, 95, 4, 0]]
    look(feed, 60)
    assert values(minutes.get(1000)) == [[START, 100, 110, 95, 105, 12, 0], [START + MINUTE, 100, 100, 100, 100, 0, 0]]


def test_volumes_lose_what_each_tick_has_below_the_step() -> None:
    feed, fives = bars_of([BULL, BULL], 300_000, base_ms=300_000)
    look(feed, 300)
    assert fives.get(1000)[0].Volume == 11.99999991
    market = detail(volume_tick=nano(0.001))
    series = series_of([(100, 110, 95, 105, 7), flat()], market=market)
    minutes = TickFeed(series, VirtualTime(START, START + 2 * MINUTE))
    look(minutes, 60)
    assert bars_of_period(minutes, MINUTE, 0).get(1000)[0].Volume == 6.999


def test_days_begin_at_the_offset() -> None:
    assert bucket(1_700_000_000_000, 86_400_000, 28_800_000) == 1_699_977_600_000  # 16:00 UTC
    assert bucket(1_700_000_000_000, 3_600_000, 0) == 1_699_999_200_000


def test_a_period_below_the_base_period_has_bars_where_there_are_ticks() -> None:
    feed, sevens = bars_of([BULL] * 2, 7000)
    look(feed, 60.2)
    assert [(r.Time - bucket(START, 7000, 0)) / 1000 for r in sevens.get(1000)] == [0, 21, 49, 56]


def test_the_oldest_bars_go() -> None:
    feed, minutes = bars_of([BULL] * 10, MINUTE)
    look(feed, 300)
    assert len(minutes.get(4)) == 4
    assert len(minutes.get(2)) == 4  # a new cap holds when a bar comes
    look(feed, 360)
    assert [r.Time for r in minutes.get(2)] == [START + 300_000, START + 360_000]
    assert len(minutes.get(100)) == 2
    look(feed, 420)
    assert len(minutes.get(100)) == 3


def test_a_list_that_is_held_does_not_change() -> None:
    feed, minutes = bars_of([BULL] * 50, MINUTE)
    held = []
    for minute in range(40):
        look(feed, minute * 60 + 30)
        shown = minutes.get(7)
        held.append((shown, values(shown)))
    assert all(values(shown) == seen for shown, seen in held)
    assert [len(seen) for _, seen in held[-3:]] == [7, 7, 7]


@pytest.mark.parametrize("change", [
    lambda r: r.append(r[0]), lambda r: r.pop(), lambda r: r.reverse(), lambda r: r.clear(), lambda r: r.insert(0, r[0]),
    lambda r: r.__setitem__(0, r[1]), lambda r: r.__delitem__(0), lambda r: r.__iadd__([r[0]]), lambda r: r.__imul__(2),
    lambda r: r.extend([r[0]]), lambda r: r.remove(r[0]), lambda r: r.sort(key=lambda bar: -bar["Time"]),
])  # fmt: skip
def test_a_list_that_was_changed_by_hand_is_an_ordinary_one(change: object) -> None:
    feed, minutes = bars_of([BULL] * 9, MINUTE)
    for minute in range(6):
        look(feed, minute * 60)
        shown = minutes.get(1000)
        assert type(shown).__name__ == "GrowingRecords"
        expected = [START + n * MINUTE for n in range(minute + 1)]
        assert [shown[place]["Time"] for place in range(len(shown))] == expected
        if minute:
            plain = Records(shown[:])
            change(plain)  # type: ignore[operator]
            change(shown)  # type: ignore[operator]
            assert type(shown).__name__ == "FilledRecords"
            assert list(shown) == list(plain)


def test_final_bars_are_the_same_objects_in_all_lists() -> None:
    feed, minutes = bars_of([BULL] * 9, MINUTE)
    look(feed, 180)
    first = minutes.get(1000)
    look(feed, 240)
    second = minutes.get(1000)
    assert first.history is second.history
    assert all(a is b for a, b in zip(first[:3], second[:3], strict=True))
    first[0].Close = 7
    look(feed, 300)
    assert minutes.get(1000)[0].Close == 7


def test_growing_records_are_copied_as_records() -> None:
    feed, minutes = bars_of([BULL] * 2, MINUTE)
    look(feed, 70)
    for copied in (
        copy.copy,
        copy.deepcopy,
        lambda r: pickle.loads(pickle.dumps(r)),
        lambda r: r.copy(),
        lambda r: r[:],
    ):
        shown = minutes.get(1000)
        other = copied(shown)  # type: ignore[no-untyped-call]
        assert type(other) is Records
        assert other == shown
    assert list(minutes.get(1000).Close) == [105, 100]


def test_older_bars_stand_before_the_others() -> None:
    feed, _ = bars_of([BULL] * 3, MINUTE)
    minutes = PeriodBars(feed, MINUTE, 0)
    look(feed, 70)
    assert minutes.count() == 2
    assert minutes.starts() == (START + MINUTE, START + MINUTE)
    minutes.fill(joined(series_of([BULL, flat(90)], start_ms=START - MINUTE), MINUTE, 0))
    assert [r.Close for r in minutes.get(1000)] == [105, 90, 100]


@pytest.mark.parametrize("period_ms", [MINUTE, 2 * MINUTE, 7000])
def test_before_the_first_tick_there_are_no_bars(period_ms: int) -> None:
    feed, bars = bars_of([(*BULL, 1), (*BULL, 2)], period_ms)
    assert feed.number < 0
    assert bars.count() == 0
    assert list(bars.get(1000)) == []
    look(feed, 61)
    assert len(bars.get(1000)) == bars.count() == 1


def test_joined_bars() -> None:
    series = series_of([(1, 3, 1, 2, 1), (2, 2, 0.5, 1, 2), (1, 9, 1, 9, 3)], start_ms=START, period_ms=900_000)
    assert joined(series, 1_800_000, 0) == [(START, 1, 3, 0.5, 1, 3, 0), (START + 1_800_000, 1, 9, 1, 9, 3, 0)]
    assert joined(series_of([]), MINUTE, 0) == []


def test_bars_of_the_base_period_are_read_from_the_series() -> None:
    assert type(bars_of([BULL], MINUTE)[1]) is BaseBars
    assert type(bars_of([BULL], 120_000)[1]) is EvenBars
    assert type(bars_of([BULL], MINUTE, offset_ms=1)[1]) is PeriodBars
    assert type(bars_of([(100, 99, 98, 100)], MINUTE)[1]) is PeriodBars  # an open above the high
    market = detail(price_tick=nano(0.05))
    feed = TickFeed(series_of([BULL], market=market), VirtualTime(START, START + MINUTE))
    assert type(bars_of_period(feed, MINUTE, 0)) is PeriodBars


USES = [
    lambda r: list(r), lambda r: [*r], lambda r: tuple(r), lambda r: json.dumps(r), lambda r: r + [1], lambda r: [1] + r,
    lambda r: r == list(r), lambda r: list(r) == r, lambda r: r * 2, lambda r: 2 * r, lambda r: list(reversed(r)), lambda r: r[0] in r,
    lambda r: r.index(r[1]), lambda r: r.count(r[0]), lambda r: bool(r), lambda r: len(r), lambda r: r[-1], lambda r: r[1:3], lambda r: r[::-1],
    lambda r: [b.Close for b in r], lambda r: sorted(r, key=lambda b: b.Close), lambda r: max(r, key=lambda b: b.High), lambda r: r.Close,
    lambda r: r.Volume, lambda r: r.Time, lambda r: r.OpenInterest, lambda r: r[-2:].High, lambda r: dict(enumerate(r)), lambda r: repr(r),
    lambda r: (lambda *a: a)(*r), lambda r: copy.deepcopy(r), lambda r: r != [], lambda r: list(zip(r, r)), lambda r: list(map(len, r)),
    lambda r: [] + r, lambda r: list(filter(None, r)), lambda r: r < [], lambda r: [1, 2].__add__(list(r)), lambda r: r[10:],
    lambda r: [x for x in iter(r)],
]  # fmt: skip


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("period_ms", [MINUTE, 2 * MINUTE])
def test_growing_records_are_used_as_a_list(use: object, period_ms: int) -> None:
    feed, bars = bars_of([BULL, (105, 107, 100, 101, 3), flat(), (7, 9, 6, 8, 4), flat()], period_ms)
    look(feed, 4 * 60 + 10)

    def outcome(records: Records) -> object:
        try:
            made = use(records)  # type: ignore[operator]
        except TypeError as error:
            return str(error)[:20]
        return (
            (type(made), made.tolist()) if hasattr(made, "tolist") else made
        )  # a column is an array where TA-Lib is installed

    plain = Records(bars.get(1000)[:])
    assert outcome(bars.get(1000)) == outcome(plain)


def test_an_extended_list_has_the_bars() -> None:
    feed, minutes = bars_of([BULL] * 3, MINUTE)
    look(feed, 130)
    other: list[object] = [1]
    other += minutes.get(1000)
    other.extend(minutes.get(1000))
    other[0:1] = minutes.get(1000)
    first, *_ = minutes.get(1000)
    assert len(other) == 9
    assert first.Close == 105
    with pytest.raises(IndexError):
        minutes.get(1000)[3]
    with pytest.raises(IndexError):
        minutes.get(1000)[-4]
    assert not minutes.get(1000)[5:]


def _count_into(records: Records, lengths: list[int]) -> None:
    lengths.append(len(list(records)))


def test_two_threads_fill_a_list_once() -> None:
    feed, minutes = bars_of([BULL] * 300, MINUTE)
    look(feed, 290 * 60)
    for _ in range(20):
        shown = minutes.get(1000)
        lengths: list[int] = []
        threads = [threading.Thread(target=_count_into, args=(shown, lengths)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert lengths == [291] * 8


def test_a_thread_in_the_middle_of_a_look_finds_the_list_filled_by_another() -> None:
    feed, minutes = bars_of([BULL] * 5, MINUTE)
    look(feed, 200)
    shown = minutes.get(1000)
    list(shown)
    assert type(shown).__name__ == "FilledRecords"
    # What such a thread still calls are the methods of the class that the list had.
    assert len(list(GrowingRecords.__iter__(shown))) == 4
    assert GrowingRecords.__getitem__(shown, -1) is shown[-1]
    assert GrowingRecords.values_from(shown, "Close", 2) == [105, 100]


def test_values_are_those_of_bars_that_were_changed_by_hand() -> None:
    feed, minutes = bars_of([BULL] * 5, MINUTE)
    look(feed, 200)
    first = minutes.get(1000)
    first[1].Close = 7
    first[-1].Close = 8
    assert list(first.Close) == first.values_from("Close", 0) == [105, 7, 105, 8]
    second = minutes.get(1000)
    assert list(second.Close) == [105, 7, 105, 100]
    assert second.values_from("Close", 1) == [7, 105, 100]
    assert second.values_from("Close", 3) == [100]
    assert second.values_from("Close", 4) == []
    assert second.values_from("Volume", 2) == [12, 0]
    assert [bar.Close for bar in second] == [105, 7, 105, 100]


@given(
    st.lists(bars(), min_size=1, max_size=12),
    st.lists(st.integers(1, 3), min_size=12, max_size=12),
    st.lists(st.integers(0, 400), max_size=20),
    st.sampled_from([60, 300]),
    st.sampled_from([7, 59, 60, 120, 300, 420, 900, 86_400]),
    st.integers(1, 9),
    st.sampled_from([nano(0.01), nano(0.05)]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_any_period_at_any_moments(
    rows: list[tuple[float, ...]],
    gaps: list[int],
    sleeps: list[int],
    base_s: int,
    period_s: int,
    cap: int,
    tick: int,
    hold: bool,
    touch: bool,
    even: bool,
) -> None:
    place, spaced = -3, []
    for row, gap in zip(rows, gaps, strict=False):
        spaced.append((*row, place))
        place += 1 if even else gap
    series = series_of(spaced, period_ms=base_s * 1000, market=detail(price_tick=tick))
    end = START + 20 * base_s * 1000
    feed = TickFeed(series, VirtualTime(START, end))
    offset = 28_800_000 if period_s == 86_400 else 0
    built = bars_of_period(feed, period_s * 1000, offset)
    ticks = plain_ticks(series, START, end)
    kept, before, first = [], 0, 0
    for ms in sleeps:
        feed.time.now_ms = min(end, feed.time.now_ms + ms * base_s * 20)
        feed.consume()
        expected = plain_records([t for t in ticks if t.time_ms <= feed.time.now_ms], period_s * 1000, offset, 10)
        if len(expected) > before:
            before, first = len(expected), max(first, len(expected) - cap)
        shown = built.get(cap)
        if touch:
            assert [shown[-1][name] for name in Record.__annotations__] == expected[-1]
            places = range(len(shown))
            assert [shown.values_from(name, 0) for name in Record.__annotations__] == [
                [expected[first + place][field] for place in places] for field in range(7)
            ]
        if not hold:
            assert values(shown) == expected[first:]
        else:
            kept.append((shown, expected[first:]))
    assert all(values(shown) == seen for shown, seen in kept)


def test_a_close_beyond_the_range_counts_in_longer_bars() -> None:
    run = simulation([(100, 101, 99, 105), *[(100, 101, 99, 100)] * 9], minutes=10)
    run.exchange.GetRecords(180)
    run.engine.sleep(4 * MINUTE)
    records = run.exchange.GetRecords(180)
    assert records is not None
    assert [(record.High, record.Low, record.Close) for record in records[:1]] == [(105, 99, 100)]


def test_forming_bars_may_be_looked_at_in_any_order() -> None:
    rows = [(100.0 + n, 103.0 + n, 98.0 + n, 101.0 + n, 2.0 + n) for n in range(12)]
    feed, fives = bars_of(rows, 5 * MINUTE)
    plain = PeriodBars(feed, 5 * MINUTE, 0)
    held = []
    for half in range(24):
        look(feed, half * 30)
        held.append((fives.get(2), values(plain.get(2))))
        assert len(held[-1][0]) == len(held[-1][1])
    for place in (23, 3, 8, 6, 12, 11, 19, 10, 5, 9, 1, *range(24)):
        shown, expected = held[place]
        assert list(fives.tips(shown.place[3])[0]) == expected[-1]
    assert [values(shown) for shown, _ in held] == [expected for _, expected in held]


def test_a_bar_is_final_ahead_of_its_end_only_where_all_of_its_base_bars_exist() -> None:
    _, fives = bars_of([BULL] * 12, 5 * MINUTE)
    assert fives.final_until(0, 100) == 2
    assert fives.final_until(0, 1) == 1
    assert fives.values("Close", 0, 2) == [105.0, 105.0]
