"""Which tick a call gets and what it does to the clock, and searches by price: against ticks walked one by one."""

from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.backtest.engine.feed import TickFeed
from fmzthreads.backtest.engine.virtual_time import VirtualTime
from fmzthreads.backtest.nano import nano
from fmzthreads.backtest.trading.market import MarketView
from tests.backtest.engine.test_ticks import bars
from tests.helpers.backtests import MINUTE, START, PlainCursor, detail, flat, plain_ticks, series_of

TICKER, DEPTH, TRADES, RECORDS = 1, 2, 4, 8
BULL = (100.0, 110.0, 95.0, 105.0, 14.0)


def feed_of(rows: list[tuple[float, ...]], minutes: int | None = None, **options: int) -> TickFeed:
    series = series_of(rows, period_ms=options.pop("period_ms", MINUTE))
    end = START + (len(rows) if minutes is None else minutes) * series.period_ms
    return TickFeed(series, VirtualTime(START, end), **options)


def deliver(feed: TickFeed, bit: int, *, current: bool) -> None:
    if current:
        feed.deliver_current(bit)
    else:
        feed.deliver(bit)


def call(feed: TickFeed, bit: int, *, current: bool = False) -> float:
    """Makes a call; returns the clock after it in seconds."""
    feed.time.now_ms += 200
    deliver(feed, bit, current=current)
    return (feed.time.now_ms - START) / 1000


def sleep(feed: TickFeed, seconds: float) -> None:
    feed.time.now_ms += round(seconds * 1000)


def test_the_same_call_again_jumps_to_the_next_tick() -> None:
    feed = feed_of([BULL] * 3)
    assert [call(feed, TICKER) for _ in range(5)] == [0.2, 23.2, 52.2, 58.0, 60.0]


def test_different_calls_see_one_tick() -> None:
    feed = feed_of([BULL] * 3)
    assert [call(feed, bit) for bit in (TICKER, DEPTH, RECORDS, TICKER)] == [0.2, 0.4, 0.6, 23.2]


def test_a_call_after_a_sleep_takes_the_current_tick() -> None:
    feed = feed_of([BULL] * 3)
    call(feed, TICKER)
    sleep(feed, 30)
    assert call(feed, DEPTH) == 30.4
    assert feed.tick().time_ms == START + 23_200
    assert call(feed, TICKER) == 52.2


def test_a_tick_that_came_meanwhile_is_given_without_a_jump() -> None:
    feed = feed_of([BULL] * 3)
    call(feed, TICKER)
    sleep(feed, 22.9)
    assert call(feed, TICKER) == 23.3
    assert feed.tick().time_ms == START + 23_200


def test_a_call_for_the_current_tick_never_jumps() -> None:
    feed = feed_of([BULL] * 3)
    times = [call(feed, RECORDS), *(call(feed, RECORDS, current=True) for _ in range(3))]
    assert times == [0.2, 0.4, 0.6, 0.8]


def test_a_consumed_tick_is_not_given_again() -> None:
    feed = feed_of([BULL] * 3)
    call(feed, TICKER)
    sleep(feed, 30)
    feed.consume()
    assert call(feed, TICKER) == 52.2


def test_the_end_of_the_test_and_of_the_data() -> None:
    feed = feed_of([BULL] * 3)
    feed.time.now_ms = feed.time.end_ms
    with pytest.raises(EOFError, match="EOF"):
        feed.deliver(TICKER)
    ended = feed_of([BULL] * 3, minutes=10)
    ended.time.now_ms = ended.last_ms + MINUTE - 1
    assert call(feed_of([BULL] * 3, minutes=10), TICKER) == 0.2
    ended.deliver(TICKER)
    with pytest.raises(EOFError):  # there is no further tick
        ended.deliver(TICKER)
    ended.time.now_ms += 1
    ended.flags = 0
    with pytest.raises(EOFError):  # a bar's time after the last tick
        ended.deliver(DEPTH)


def test_the_clock_stops_at_the_end() -> None:
    feed = feed_of([BULL])
    feed.time.now_ms = feed.time.end_ms + 150
    with pytest.raises(EOFError):
        feed.deliver(TICKER)
    assert feed.time.now_ms == feed.time.end_ms


def test_ticks_at_or_after_the_end_do_not_exist() -> None:
    series = series_of([BULL] * 3)
    feed = TickFeed(series, VirtualTime(START, START + 52_200))
    assert feed.last_ms == START + 23_200
    feed.time.now_ms = feed.time.end_ms
    assert feed.tick().time_ms == START + 23_200


def test_before_the_first_bar_a_call_jumps_to_it() -> None:
    feed = TickFeed(series_of([(*BULL, 2)]), VirtualTime(START, START + 10 * MINUTE))
    assert feed.last_price() == 0
    assert call(feed, DEPTH) == 120.0
    assert feed.last_price() == nano(100)


def test_bid_and_ask_of_a_tick() -> None:
    tick = feed_of([BULL], slip_point=1).tick()
    assert (tick.buy, tick.last, tick.sell) == (nano(99.98), nano(100), nano(100.02))


def test_a_market_without_a_step_has_that_of_its_decimals() -> None:
    feed = TickFeed(series_of([BULL], market=detail(price_tick=0)), VirtualTime(START, START + MINUTE))
    assert feed.tick().sell == nano(100.01)


def test_volume_and_interest() -> None:
    feed = feed_of([BULL, flat()])
    assert [feed.volume_of(place) for place in range(4)] == [0, nano(14) // 3, nano(7), nano(14)]
    assert feed.interest_of(0) == 0
    feed.series.position.extend([7, 8])
    assert [feed.interest_of(3), feed.interest_of(16)] == [70_000, 80_000]


ROWS = st.lists(bars(), min_size=1, max_size=40)
STEPS = st.lists(st.tuples(st.sampled_from("TDRCSo"), st.integers(0, 400_000)), max_size=60)


@given(
    ROWS,
    st.lists(st.integers(1, 3), min_size=40, max_size=40),
    STEPS,
    st.sampled_from([MINUTE, 5 * MINUTE]),
    st.integers(0, 5),
)
def test_any_calls_get_the_ticks_that_a_plain_walk_gives(
    rows: list[tuple[float, ...]], gaps: list[int], steps: list[tuple[str, int]], period_ms: int, history: int
) -> None:
    place = -history
    spaced: list[tuple[float, ...]] = []
    for row, gap in zip(rows, gaps, strict=False):
        spaced.append((*row, place))
        place += gap
    series = series_of(spaced, period_ms=period_ms)
    end = START + 37 * period_ms + 12_345
    feed = TickFeed(series, VirtualTime(START, end))
    plain = PlainCursor(plain_ticks(series, START, end), end, period_ms)
    now = START
    bits = {"T": TICKER, "D": DEPTH, "R": RECORDS, "C": RECORDS}
    for name, ms in steps:
        if name == "S":
            now = min(now + ms, end)
            feed.time.now_ms = now
        elif name == "o":
            feed.consume()
            plain.consumed = plain.place(now)
        else:
            try:
                tick, now = plain.call("R" if name == "C" else name, now + 200, current=name == "C")
            except EOFError:
                feed.time.now_ms += 200
                with pytest.raises(EOFError):
                    deliver(feed, bits[name], current=name == "C")
                return
            feed.time.now_ms += 200
            deliver(feed, bits[name], current=name == "C")
            assert feed.time.now_ms == now
            assert (
                feed.number,
                feed.time_of(feed.number),
                feed.price_of(feed.number),
                feed.volume_of(feed.number),
            ) == tick[:4]


@given(ROWS, st.integers(0, 700), st.integers(0, 700), st.integers(1, 440), st.sampled_from([1, 5]))
def test_a_search_by_price_finds_what_a_plain_walk_finds(
    rows: list[tuple[float, ...]], after: int, until: int, cents: int, minutes: int
) -> None:
    market = detail(price_tick=nano(0.05))  # prices are multiples of 0.07: most are cut
    series = series_of(rows, period_ms=minutes * MINUTE, market=market)
    end = START + len(rows) * series.period_ms
    feed = TickFeed(series, VirtualTime(START, end))
    ticks = plain_ticks(series, START, end)
    numbers = [tick.number for tick in ticks]
    known = [number for number in (after, until) if number in numbers]
    after, until = (known[0], known[-1]) if known else (-1, numbers[-1])
    limit = nano(cents / 100)
    between = ticks[bisect_right(numbers, after) : bisect_right(numbers, until)]
    below = [tick.number for tick in between if tick.last <= limit]
    above = [tick.number for tick in between if tick.last >= limit]
    assert feed.first_at_or_below(limit, after, until) == (below[0] if below else -1)
    assert feed.first_at_or_above(limit, after, until) == (above[0] if above else -1)


@given(ROWS, st.integers(-2, 45 * 300))
def test_the_last_tick_before_a_time(rows: list[tuple[float, ...]], seconds: int) -> None:
    series = series_of(rows, period_ms=5 * MINUTE)
    end = START + len(rows) * series.period_ms
    view: MarketView = TickFeed(series, VirtualTime(START, end))
    moment = START + seconds * 1000
    before = [tick.number for tick in plain_ticks(series, START, end) if tick.time_ms < moment]
    assert view.number_before(moment) == (before[-1] if before else -1)


def test_a_search_passes_over_a_year() -> None:
    rows = [flat()] * 5000
    rows[4321] = (100, 100, 80, 100)
    rows[4800] = (100, 130, 100, 100)
    feed = feed_of(rows)
    until = 4999 * 16 + 1
    assert feed.first_at_or_below(nano(90), -1, until) == 4321 * 16 + 1
    assert feed.first_at_or_below(nano(90), 4321 * 16 + 1, until) == -1
    assert feed.first_at_or_above(nano(120), 300, until) == 4800 * 16 + 1
    assert feed.first_at_or_above(nano(120), 300, 4800 * 16) == -1


def test_the_tick_before_a_time() -> None:
    feed = feed_of([BULL, (105, 105, 105, 105, 1), BULL], minutes=2)
    numbers = [0]
    while (number := feed.next_number(numbers[-1])) >= 0:
        numbers.append(number)
    times = [feed.time_of(number) for number in numbers]
    for time_ms in range(START - 1000, START + 4 * MINUTE, 200):
        place = bisect_right(times, time_ms - 1)
        assert feed.number_before(time_ms) == (numbers[place - 1] if place else -1)


def test_a_price_that_is_cut_down_to_the_limit_is_found() -> None:
    market = detail(price_tick=nano(0.05))
    feed = TickFeed(series_of([(100.1, 100.2, 99.97, 100.1)], market=market), VirtualTime(START, START + MINUTE))
    assert feed.first_at_or_below(nano(99.95), -1, 3) == 1
    assert feed.first_at_or_below(nano(99.9), -1, 3) == -1


def test_bars_that_come_before_the_last_one_has_ended() -> None:
    series = series_of([BULL, flat(7), flat(8)])
    series.period_ms = 5 * MINUTE  # what the settings say, while the data are of a minute
    feed = TickFeed(series, VirtualTime(START, START + 3 * MINUTE))
    feed.time.now_ms = START + 59_500
    assert feed.last_price() == nano(95)
    feed.time.now_ms = START + 60_500
    assert feed.last_price() == nano(7)


@given(st.lists(bars(), min_size=1, max_size=12), st.sampled_from([MINUTE, 5 * MINUTE]))
def test_a_quote_is_price_volume_and_time_in_one_look(rows: list[tuple[float, ...]], period_ms: int) -> None:
    one, other = feed_of(rows, period_ms=period_ms), feed_of(rows, period_ms=period_ms)
    number = one.next_number(-1)
    while number >= 0:
        assert one.quote(number) == (other.price_of(number), other.volume_of(number), other.time_of(number))
        number = one.next_number(number)
