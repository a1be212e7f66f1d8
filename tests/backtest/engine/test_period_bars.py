"""Bars of any period: against the ticks added one by one; and lists that do not change while they are held."""

import copy
import pickle
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.backtest.engine.feed import TickFeed
from fmzthreads.backtest.engine.older_bars import joined
from fmzthreads.backtest.engine.period_bars import PeriodBars, bucket
from fmzthreads.backtest.engine.virtual_time import VirtualTime
from fmzthreads.backtest.nano import ONE, cut, nano
from fmzthreads.structures import Record, Records
from fmzthreads.structures.growing import GrowingRecords
from tests.backtest.engine.test_ticks import bars
from tests.helpers.backtests import MINUTE, START, PlainTick, detail, flat, plain_ticks, series_of

BULL = (100.0, 110.0, 95.0, 105.0, 12.0)
RECORDS = 8


def bars_of(
    rows: list[tuple[float, ...]], period_ms: int, *, base_ms: int = MINUTE, offset_ms: int = 0
) -> tuple[TickFeed, PeriodBars]:
    series = series_of(rows, period_ms=base_ms)
    feed = TickFeed(series, VirtualTime(START, START + len(rows) * base_ms))
    return feed, PeriodBars(feed, period_ms, offset_ms)


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
    assert PeriodBars(minutes, MINUTE, 0).get(1000)[0].Volume == 6.999


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


def test_lists_that_nobody_holds_take_turns() -> None:
    feed, minutes = bars_of([BULL] * 50, MINUTE)
    seen = set()
    shown = None
    for minute in range(40):
        look(feed, minute * 60)
        shown = minutes.get(10)  # the one before is let go only now
        seen.add(id(shown))
        assert len(shown) == min(minute + 1, 10)
        assert shown.first == max(0, minute - 9)
        assert shown.closed == len(shown) - 1
    assert len(seen) == 2


@pytest.mark.parametrize("change", [
    lambda r: r.append(r[0]), lambda r: r.pop(), lambda r: r.reverse(), lambda r: r.clear(), lambda r: r.insert(0, r[0]),
    lambda r: r.__setitem__(0, r[1]), lambda r: r.__delitem__(0), lambda r: r.__iadd__([r[0]]), lambda r: r.__imul__(2),
    lambda r: r.extend([r[0]]), lambda r: r.remove(r[0]), lambda r: r.sort(key=lambda bar: -bar["Time"]),
])  # fmt: skip
def test_a_list_that_was_changed_by_hand_is_not_used_again(change: object) -> None:
    feed, minutes = bars_of([BULL] * 9, MINUTE)
    for minute in range(6):
        look(feed, minute * 60)
        shown = minutes.get(1000)
        expected = [START + n * MINUTE for n in range(minute + 1)]
        assert [bar["Time"] for bar in shown] == expected
        if minute:
            assert shown.history is not None
            change(shown)  # type: ignore[operator]
            assert shown.history is None
        del shown


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
    shown = minutes.get(1000)
    for other in (copy.copy(shown), copy.deepcopy(shown), pickle.loads(pickle.dumps(shown)), shown.copy(), shown[:]):
        assert type(other) is Records
        assert other == shown
    assert shown.Close == [105, 100]
    assert shown != GrowingRecords()


def test_older_bars_stand_before_the_others() -> None:
    feed, minutes = bars_of([BULL] * 3, MINUTE)
    look(feed, 70)
    assert minutes.count() == 2
    assert minutes.first_start_ms() == (START + MINUTE, START + MINUTE)
    older = joined(series_of([BULL, flat(90)], start_ms=START - MINUTE), MINUTE, 0)
    minutes.fill(older)
    assert [r.Close for r in minutes.get(1000)] == [105, 90, 100]


def test_joined_bars() -> None:
    series = series_of([(1, 3, 1, 2, 1), (2, 2, 0.5, 1, 2), (1, 9, 1, 9, 3)], start_ms=START, period_ms=900_000)
    assert values(joined(series, 1_800_000, 0)) == [[START, 1, 3, 0.5, 1, 3, 0], [START + 1_800_000, 1, 9, 1, 9, 3, 0]]
    assert joined(series_of([]), MINUTE, 0) == []


@given(
    st.lists(bars(), min_size=1, max_size=12),
    st.lists(st.integers(1, 3), min_size=12, max_size=12),
    st.lists(st.integers(0, 400), max_size=20),
    st.sampled_from([60, 300]),
    st.sampled_from([7, 59, 60, 120, 300, 420, 900, 86_400]),
    st.integers(1, 9),
    st.sampled_from([nano(0.01), nano(0.05)]),
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
) -> None:
    place, spaced = -3, []
    for row, gap in zip(rows, gaps, strict=False):
        spaced.append((*row, place))
        place += gap
    series = series_of(spaced, period_ms=base_s * 1000, market=detail(price_tick=tick))
    end = START + 20 * base_s * 1000
    feed = TickFeed(series, VirtualTime(START, end))
    offset = 28_800_000 if period_s == 86_400 else 0
    built = PeriodBars(feed, period_s * 1000, offset)
    ticks = plain_ticks(series, START, end)
    kept, before, first = [], 0, 0
    for ms in sleeps:
        feed.time.now_ms = min(end, feed.time.now_ms + ms * base_s * 20)
        feed.consume()
        expected = plain_records([t for t in ticks if t.time_ms <= feed.time.now_ms], period_s * 1000, offset, 10)
        if len(expected) > before:
            before, first = len(expected), max(first, len(expected) - cap)
        shown = built.get(cap)
        assert values(shown) == expected[first:]
        if hold:
            kept.append((shown, expected[first:]))
    assert all(values(shown) == seen for shown, seen in kept)
