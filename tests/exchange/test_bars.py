from __future__ import annotations

import random

import pytest

from fmzthreads.errors import BadReply, ConnectFailed
from fmzthreads.exchange.bars import bars_from_bars, bars_from_trades, bucket_ms, source_period
from fmzthreads.indicators.ta import Indicators
from fmzthreads.structures import Record, Records, Trade
from tests.helpers.exchange_room import JumpClock, make, run_threads

T0 = 1_600_000_020_000 // 60_000 * 60_000
MINUTE = 60_000


def bar(time_ms, price=100.0, volume=1.0):
    return Record(
        Time=time_ms, Open=price, High=price + 1, Low=price - 1, Close=price + 0.5, Volume=volume, OpenInterest=0
    )


def minutes(count, start=T0, price=100.0):
    return [bar(start + index * MINUTE, price + index) for index in range(count)]


def trade(time_ms, price, amount=1.0, ident=""):
    return Trade(Info=None, Id=ident or str(time_ms), Time=time_ms, Price=price, Amount=amount, Type=0)


@pytest.fixture
def parts():
    exchange, venue, host = make(clock=JumpClock(T0 / 1000 + 10 * 60))
    return exchange, venue, host


class TestSource:
    @pytest.mark.parametrize(
        ("period", "source"),
        [(60, 60), (180, 60), (600, 300), (7200, 3600), (86400, 86400), (172800, 86400), (90 * 60, 300), (5400, 300)],
    )
    def test_the_largest_that_divides(self, period, source):
        assert source_period(period, (60, 300, 3600, 86400)) == source

    def test_bars_longer_than_a_day_are_no_source(self):
        assert source_period(2 * 604800, (60, 86400, 604800)) == 86400
        assert source_period(604800, (60, 86400, 604800)) == 604800

    def test_seconds_are_made_of_trades(self):
        assert source_period(90, (1, 60)) is None
        assert source_period(1, (60,)) is None
        assert source_period(1, (1, 60)) == 1

    def test_days_that_are_not_aligned_are_no_source(self):
        assert source_period(7 * 5 * 60, (60, 7 * 60)) == 60


def test_weeks_begin_on_monday():
    saturday = 1_772_323_199_000  # 2026-02-28T23:59:59Z; its week began on Monday 2026-02-23
    assert bucket_ms(saturday, 604800) == 1_771_804_800_000


def test_joined_bars():
    joined = bars_from_bars(minutes(7, start=T0 // 300_000 * 300_000), 300)
    assert [one.Time % 300_000 for one in joined] == [0, 0]
    first = joined[0]
    assert (first.Open, first.High, first.Low, first.Close, first.Volume) == (100, 105, 99, 104.5, 5)
    assert list(first) == ["Time", "Open", "High", "Low", "Close", "Volume", "OpenInterest"]


def test_a_first_bar_without_its_beginning_is_left_out():
    start = T0 // 300_000 * 300_000 + 2 * MINUTE
    assert [one.Volume for one in bars_from_bars(minutes(9, start=start), 300)] == [5, 1]
    assert len(bars_from_bars(minutes(1, start=start), 300)) == 1  # better than nothing


def test_bars_of_trades_fill_what_is_quiet():
    bars = bars_from_trades([trade(T0 + 1, 5.0), trade(T0 + 2, 7.0), trade(T0 + 31_000, 6.0, 2.5)], 10)
    assert [(b.Time - T0, b.Open, b.High, b.Low, b.Close, b.Volume) for b in bars] == [
        (0, 5, 7, 5, 7, 2),
        (10_000, 7, 7, 7, 7, 0),
        (20_000, 7, 7, 7, 7, 0),
        (30_000, 6, 6, 6, 6, 2.5),
    ]


def test_bars_of_trades_grow_whatever_the_cut():
    """The same trades in any portions give the same bars as all at once."""
    rng = random.Random(5)
    times = sorted(rng.sample(range(T0, T0 + 100_000), 200))
    trades = [trade(time, 100 + rng.random(), rng.random(), str(n)) for n, time in enumerate(times)]
    whole = bars_from_trades(trades, 7)
    for _ in range(20):
        cuts = sorted(rng.sample(range(200), 5))
        grown: list[Record] = []
        for first, last in zip([0, *cuts], [*cuts, 200], strict=True):
            grown = bars_from_trades(trades[first:last], 7, grown)
        assert grown == whole


class TestGetRecords:
    def test_forms(self, parts):
        exchange, venue, _ = parts
        venue.bars["BTC_USDT", 60] = minutes(10)
        venue.bars["ETH_USDT", 60] = minutes(10, price=10)
        venue.bars["ETH_USDT", 300] = [bar(T0 // 300_000 * 300_000, 7)]
        venue.bars["BTC_USDT", 300] = [bar(T0 // 300_000 * 300_000, 9)]
        assert [len(exchange.GetRecords(*args)) for args in [(), ("",), ("BTC_USDT",), (60,), ("", 60, 3), (60, 4)]] == [
            10, 10, 10, 10, 3, 4,
        ]  # fmt: skip
        assert exchange.GetRecords("ETH_USDT")[0].Open == 10
        assert exchange.GetRecords("ETH_USDT", 300)[0].Open == 7
        assert exchange.GetRecords(300)[0].Open == 9
        assert exchange.GetRecords("ETH_USDT", None, 2)[0].Open == 18

    def test_the_period_of_the_object(self):
        exchange, venue, _ = make(period=300)
        venue.bars["BTC_USDT", 300] = [bar(0)]
        assert len(exchange.GetRecords()) == 1
        assert exchange.GetPeriod() == 300

    def test_the_type_serves_columns_in_slices_too(self, parts):
        exchange, venue, _ = parts
        venue.bars["BTC_USDT", 60] = minutes(10)
        for bars in (exchange.GetRecords(), exchange.GetRecords("", 60, 5)):
            assert isinstance(bars, Records)
            assert list(bars[-3:].Open) == [107.0, 108.0, 109.0]

    @pytest.mark.parametrize(
        "args",
        [
            (0,),
            (-60,),
            (60.5,),
            ("BTC_USDT", "60"),
            (60, -1),
            (True,),
            (60, 1.5),
            (60, 1, 1),
            ("", 60, 5, 1),
            (float("nan"),),
        ],
    )
    def test_bad_arguments(self, parts, args):
        exchange, venue, host = parts
        assert exchange.GetRecords(*args) is None
        assert venue.calls["records"] == 0
        assert len(host.errors) == 1

    def test_they_accumulate(self, parts):
        exchange, venue, host = parts
        everything = minutes(30)
        venue.bars["BTC_USDT", 60] = everything[:10]
        assert len(exchange.GetRecords()) == 10
        host.clock.advance(5 * 60)
        venue.bars["BTC_USDT", 60] = everything[5:15]
        assert exchange.GetRecords() == everything[:15]
        host.clock.advance(60)
        last = bar(everything[14].Time, 999.0)
        venue.bars["BTC_USDT", 60] = [*everything[10:14], last, everything[15]]
        assert exchange.GetRecords() == [*everything[:14], last, everything[15]]

    def test_a_later_call_asks_for_what_may_have_changed_only(self, parts):
        exchange, venue, host = parts
        asked = []
        original = venue.records
        venue.records = lambda symbol, period_s, limit=None: asked.append(limit) or original(symbol, period_s, limit)
        venue.bars["BTC_USDT", 60] = minutes(11)
        exchange.GetRecords()
        exchange.GetRecords()
        host.clock.advance(120)
        venue.bars["BTC_USDT", 60] = minutes(13)
        assert len(exchange.GetRecords()) == 13
        assert asked == [None, 3, 5]

    def test_a_clock_that_is_wrong_makes_no_hole(self, parts):
        exchange, venue, _ = parts
        everything = minutes(100)
        venue.bars["BTC_USDT", 60] = everything[:11]
        exchange.GetRecords()
        venue.bars["BTC_USDT", 60] = everything[10:100]  # our clock stood still meanwhile
        assert exchange.GetRecords() == everything

    def test_after_a_long_pause_the_old_is_forgotten_rather_than_leave_a_hole(self, parts):
        exchange, venue, host = parts
        everything = minutes(500)
        venue.bars["BTC_USDT", 60] = everything[:11]
        exchange.GetRecords()
        host.clock.advance(400 * 60)
        venue.bars["BTC_USDT", 60] = everything[300:410]
        assert exchange.GetRecords() == everything[300:410]

    def test_the_cap(self, parts):
        exchange, venue, host = parts
        exchange.SetMaxBarLen(20)
        everything = minutes(60)
        venue.bars["BTC_USDT", 60] = everything[:11]
        exchange.GetRecords()
        host.clock.advance(600)
        venue.bars["BTC_USDT", 60] = everything[:31]
        assert exchange.GetRecords() == everything[11:31]
        assert exchange.GetRecords(60, 25) == everything[6:31]  # what was asked for, though less is kept
        assert exchange.GetRecords() == everything[11:31]

    def test_more_than_is_known_is_fetched(self, parts):
        exchange, venue, _ = parts
        everything = minutes(40)
        venue.bars["BTC_USDT", 60] = everything
        assert len(exchange.GetRecords(60, 5)) == 5
        assert exchange.GetRecords(60, 30) == everything[10:]

    def test_a_copy_belongs_to_the_caller(self, parts):
        exchange, venue, _ = parts
        venue.bars["BTC_USDT", 60] = minutes(10)
        mine = exchange.GetRecords()
        mine[3].Close = -1
        mine.clear()
        assert exchange.GetRecords() == minutes(10)

    def test_built_from_shorter_bars(self, parts):
        exchange, venue, _ = parts
        start = T0 // 600_000 * 600_000
        venue.bars["BTC_USDT", 300] = [bar(start + n * 300_000, 100 + n) for n in range(7)]
        bars = exchange.GetRecords(600)
        assert [(b.Time, b.Open, b.Volume) for b in bars] == [
            (start, 100, 2),
            (start + 600_000, 102, 2),
            (start + 1_200_000, 104, 2),
            (start + 1_800_000, 106, 1),
        ]
        assert [b.Open for b in exchange.GetRecords("", 600, 2)] == [104, 106]

    def test_built_from_trades_without_counting_any_twice(self, parts):
        exchange, venue, _ = parts
        trades = [trade(T0 + n * 1000, 100 + n % 7, 0.5, str(n)) for n in range(100)]
        for last in (40, 40, 70, 100):
            venue.public_trades["BTC_USDT"] = trades[max(0, last - 60) : last]
            bars = exchange.GetRecords(15)
        assert bars == bars_from_trades(trades, 15)
        assert sum(bars.Volume) == pytest.approx(50)
        assert exchange.GetRecords(15, 2) == bars[-2:]

    def test_trades_without_ids_are_told_apart(self, parts):
        exchange, venue, _ = parts
        venue.public_trades["BTC_USDT"] = [trade(T0, 100.0, 1.0), trade(T0, 101.0, 1.0)]
        exchange.GetRecords(15)
        assert exchange.GetRecords(15)[-1].Volume == 2

    def test_a_rate_multiplies_prices_and_leaves_the_cache_alone(self, parts):
        exchange, venue, _ = parts
        venue.bars["BTC_USDT", 60] = minutes(10)
        exchange.SetRate(7)
        assert exchange.GetRecords()[0].Open == 700
        assert exchange.GetRecords()[0].Volume == 1
        exchange.SetRate(1)
        assert exchange.GetRecords() == minutes(10)

    def test_bars_out_of_order_are_no_bars(self, parts):
        exchange, venue, host = parts
        venue.bars["BTC_USDT", 60] = minutes(10)[::-1]
        assert exchange.GetRecords() is None
        assert "not sorted by time" in host.errors[0]
        raising, venue, _ = make(errors="raise")
        venue.bars["BTC_USDT", 60] = minutes(10)[::-1]
        with pytest.raises(BadReply):
            raising.GetRecords()

    def test_a_failure_leaves_what_is_known(self, parts):
        exchange, venue, _ = parts
        venue.bars["BTC_USDT", 60] = minutes(10)
        exchange.GetRecords()
        venue.fail("records", ConnectFailed("refused"))
        assert exchange.GetRecords() is None
        assert exchange.GetRecords() == minutes(10)

    def test_nothing_there_is_an_empty_list(self, parts):
        assert parts[0].GetRecords() == []
        assert parts[0].GetRecords(7) == []

    def test_another_base_is_another_history(self, parts):
        exchange, venue, _ = parts
        venue.bars["BTC_USDT", 60] = minutes(10)
        exchange.GetRecords()
        exchange.SetBase("http://127.0.0.1:1")
        venue.bars["BTC_USDT", 60] = minutes(3, start=T0 + MINUTE)
        assert exchange.GetRecords() == minutes(3, start=T0 + MINUTE)


def answering_late(venue, bars):
    """A ``records`` that is held on its way and then brings what was true when it left."""
    real = venue.records

    def records(*args):
        real(*args)
        return Records(bars)

    return records


def test_a_late_reply_never_overwrites_a_newer_one():
    old, new = minutes(11), [*minutes(10), bar(T0 + 10 * MINUTE, 555.0), bar(T0 + 11 * MINUTE)]
    for _ in range(20):
        exchange, venue, _ = make(clock=JumpClock(T0 / 1000 + 600))
        hold = venue.hold("records")
        venue.records, real = answering_late(venue, old), venue.records
        slow = exchange.Go("GetRecords")
        assert hold.wait_for_call()
        venue.records = real
        venue.bars["BTC_USDT", 60] = new
        assert exchange.GetRecords() == new
        hold.release()
        assert slow.wait() == (new, True)
        assert exchange.GetRecords() == new
        exchange.close()


def test_many_threads_always_see_a_whole_history():
    """Lists are gapless, ascending, and never older than one that the same thread saw before."""
    exchange, venue, _ = make(clock=JumpClock(T0 / 1000 + 600))
    exchange.SetMaxBarLen(50)
    everything = minutes(400)
    venue.bars["BTC_USDT", 60] = everything[:20]

    def work(index):
        if index == 0:
            for last in range(21, 400):
                venue.bars["BTC_USDT", 60] = everything[max(0, last - 30) : last]
            return
        newest = 0
        for turn in range(150):
            bars = exchange.GetRecords() if turn % 2 else exchange.GetRecords("", 60, 10)
            times = bars.Time
            assert times == list(range(times[0], times[-1] + 1, MINUTE))
            assert len(times) <= 50
            assert times[-1] >= newest
            newest = times[-1]

    run_threads(6, work)


class TestRecognisedByIndicators:
    """The bars of two calls come from one history, as long as no closed bar is another than before."""

    def records(self, parts, bars):
        exchange, venue, _ = parts
        venue.bars["BTC_USDT", 60] = bars
        return exchange.GetRecords()

    def test_a_history_that_grows_is_the_same(self, parts):
        first = self.records(parts, minutes(5)).origin()
        changed_tip = [*minutes(4), bar(T0 + 4 * MINUTE, 70.0)]
        second = self.records(parts, [*changed_tip, bar(T0 + 5 * MINUTE)]).origin()
        assert (first.history, first.first, first.bars) == (second.history, 0, 4)
        assert second.bars == 5

    def test_a_closed_bar_that_is_another_begins_a_new_one(self, parts):
        first = self.records(parts, minutes(5)).origin()
        second = self.records(parts, [*minutes(3), bar(T0 + 3 * MINUTE, 70.0), bar(T0 + 4 * MINUTE)]).origin()
        assert first.history is not second.history

    def test_a_gap_begins_a_new_one(self, parts):
        first = self.records(parts, minutes(5)).origin()
        second = self.records(parts, minutes(5, start=T0 + 60 * MINUTE)).origin()
        assert first.history is not second.history

    def test_bars_that_are_dropped_count(self, parts):
        exchange, _, _ = parts
        exchange.SetMaxBarLen(4)
        first = self.records(parts, minutes(4)).origin()
        second = self.records(parts, minutes(7)).origin()
        assert first.history is second.history
        assert (first.first, second.first) == (0, 3)
        assert exchange.GetRecords("", 60, 2).origin()[1:3] == (5, 1)
        assert exchange.GetRecords().origin().first == 3

    def test_the_bars_of_the_venue_may_change_afterwards(self, parts):
        exchange, venue, _ = parts
        own = minutes(5)
        venue.bars["BTC_USDT", 60] = own
        ta = Indicators()
        ta.MA(exchange.GetRecords(), 2)
        own[1].Close = 1.0
        venue.bars["BTC_USDT", 60] = [*own, bar(T0 + 5 * MINUTE)]
        after = exchange.GetRecords()
        assert ta.MA(after, 2) == Indicators().MA([*after], 2)

    def test_bars_of_trades_are_never_taken_for_the_same(self, parts):
        exchange, venue, _ = parts
        venue.tradelist = []
        venue.trades = lambda symbol: [trade(T0, 5.0), trade(T0 + 3000, 6.0)]
        first, second = exchange.GetRecords(1), exchange.GetRecords(1)
        assert first
        assert first.origin().history is not second.origin().history
