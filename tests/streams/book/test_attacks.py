"""Attacks on a local order book: what must never make it wrong, young without a reason, or broken for good."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads.clock import ManualClock
from fmzthreads.errors import BrokenBook
from fmzthreads.streams.book.age import Transit, clock_lead, seconds_since
from fmzthreads.streams.book.book import OrderBook
from fmzthreads.streams.book.rules import (
    AbsoluteRule,
    BookRule,
    BookUpdate,
    PreviousIdRule,
    RangeRule,
    RangeWithPreviousRule,
)

BIDS = (("99", "1"), ("98", "2"))
ASKS = (("101", "1"), ("102", "2"))


def snapshot(last: int | None, **fields: object) -> BookUpdate:
    return BookUpdate(**{"snapshot": True, "bids": BIDS, "asks": ASKS, "last": last, **fields})  # type: ignore[arg-type]


def delta(first: int | None, last: int | None, previous: int | None = None, **fields: object) -> BookUpdate:
    given = {"snapshot": False, "bids": (), "asks": (), "first": first, "last": last, "previous": previous, **fields}
    return BookUpdate(**given)  # type: ignore[arg-type]


class SleepyClock(ManualClock):
    """A machine that can sleep, during which its monotonic clock stands still, and whose time of day can be set."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


def make(rule: BookRule) -> tuple[OrderBook, SleepyClock]:
    clock = SleepyClock(1_600_000_000)
    return OrderBook(rule, clock), clock


# -- levels ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "levels",
    [
        ["99", "11"],  # a list that lost its inner brackets: "9" would be a price and "9" a size
        [["1" + "0" * 400, "1"]],
        [[10**400, 1]],
        [["99", 10**400]],
        [["1e400", "1"]],
        [["99", "1e400"]],
        [["-99", "1"]],
        [["-0", "1"]],
        [["nan", "1"]],
        [["99", "-1e-300"]],
        [[["99"], "1"]],
        [[{}, {}]],
        [["99", True]],
        [[True, "1"]],
        [[98, True]],
        [["9_9", "1"]],
        [["99", "1_000"]],
        [["1_000", 1]],
        [["٩٩", "1"]],
        [["99", "１"]],
    ],
)
@pytest.mark.parametrize("whole", [False, True], ids=["delta", "snapshot"])
def test_odd_levels_break_the_book_and_nothing_else(levels: list[object], whole: bool) -> None:
    book, _ = make(RangeRule())
    assert book.apply(snapshot(100))
    bad = snapshot(101, bids=levels) if whole else delta(101, 101, bids=levels)
    assert not book.apply(bad)
    with pytest.raises(BrokenBook):
        book.depth()
    assert book.apply(snapshot(101))


def test_one_price_written_in_many_ways_is_one_level() -> None:
    book, _ = make(AbsoluteRule())
    book.apply(snapshot(None))
    for number, text in enumerate(("99.0", "99.00000000", "0099", "9.9e1", "99."), start=1):
        assert book.apply(delta(None, None, bids=[[text, f"{number}"]]))
        view = book.depth()
        assert [price for price, _, _, _ in view.bids] == [99.0, 98.0]
        assert view.bids[0][1:] == (float(number), text, f"{number}")
    assert book.apply(delta(None, None, bids=[["99.000", "0.000"], ["99", "0"]]))
    assert [price for price, _, _, _ in book.depth().bids] == [98.0]


def test_levels_that_are_not_there_can_be_taken_away() -> None:
    book, _ = make(RangeRule())
    book.apply(snapshot(100, bids=(), asks=()))
    assert book.apply(delta(101, 101, bids=[["5", "0"], ["99", "0.0"]], asks=[["200", "-0"]]))
    view = book.depth()
    assert (view.bids, view.asks) == ((), ())
    assert book.apply(delta(102, 102, asks=[["200", "1"]]))
    assert len(book.depth().asks) == 1
    assert book.stats.gaps == 0


def test_a_checksum_over_levels_that_are_numbers_breaks_the_book() -> None:
    book, _ = make(PreviousIdRule())
    assert not book.apply(snapshot(1, bids=[[99.0, 1.0]], asks=[[101.0, 1.0]], checksum=17))
    assert "are not texts" in book.stats.why
    assert book.apply(snapshot(2))


@pytest.mark.parametrize(("side", "price"), [("bids", "101"), ("asks", "99.0"), ("bids", "1e9")])
def test_a_touching_or_crossed_book_is_never_read(side: str, price: str) -> None:
    book, _ = make(RangeRule())
    book.apply(delta(101, 101)._replace(**{side: [[price, "1"]]}))
    assert not book.apply(snapshot(100)), "crossed by what was kept"
    assert not book.live.is_set()
    assert not book.is_live
    assert not book.apply(snapshot(100))
    assert book.apply(snapshot(101))


# -- ids ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [RangeRule(), RangeWithPreviousRule()], ids=["spot", "futures"])
@pytest.mark.parametrize("ids", [(7, 3), (105, 101), (5, None), (2**62, 1)])
def test_an_update_whose_ids_are_nonsense_spoils_no_snapshot_to_come(rule: BookRule, ids: tuple[int, int]) -> None:
    book, _ = make(rule)
    book.apply(snapshot(100))
    assert not book.apply(delta(*ids))
    assert not book.apply(delta(*ids))
    assert book.apply(delta(110, 120, 109)) is False
    assert book.apply(snapshot(115)), book.stats.why
    assert book.depth().sequence == 120


@settings(max_examples=300, deadline=None)
@given(
    rule=st.sampled_from([RangeRule(), RangeWithPreviousRule(), PreviousIdRule(), AbsoluteRule()]),
    moves=st.lists(
        st.tuples(
            st.booleans(),
            st.one_of(st.none(), st.integers(-5, 15), st.integers(2**62, 2**63)),
            st.one_of(st.none(), st.integers(-5, 15)),
            st.one_of(st.none(), st.integers(-1, 15)),
            st.sampled_from(["98", "99.0", "101", "nan", "1e999", "-3"]),
            st.sampled_from(["0", "1", "-1", "inf"]),
        ),
        max_size=40,
    ),
)
def test_whatever_comes_a_snapshot_behind_it_heals(rule: BookRule, moves: list[tuple[object, ...]]) -> None:
    """No sequence of messages raises, shows a crossed book, or keeps the book from living again."""
    book, _ = make(rule)
    for whole, first, last, previous, price, size in moves:
        shot = BookUpdate(bool(whole), [[price, size]], [], first, last, previous)  # type: ignore[arg-type,list-item]
        live = book.apply(shot)
        assert live is book.is_live
        if live:
            view = book.depth()
            assert not (view.bids and view.asks) or view.bids[0][0] < view.asks[0][0]
            assert all(0 < price < 1e9 and size > 0 for price, size, _, _ in (*view.bids, *view.asks))
        else:
            with pytest.raises(BrokenBook):
                book.depth()
    book.lose("a new connection")
    assert book.apply(snapshot(2**63))


def test_okx_counts_anew_after_maintenance_with_keep_alives_between() -> None:
    book, clock = make(PreviousIdRule())
    book.apply(snapshot(9000, previous=-1))
    steps = [(9000, 9000), (9000, 5), (5, 5), (5, 5), (5, 5), (5, 8), (8, 7), (7, 7), (7, 9)]
    for previous, last in steps:
        clock.advance(60)
        changed = [["98", str(last)]] if last != previous else []
        assert book.apply(delta(None, last, previous, bids=changed)), book.stats.why
        assert book.age_s == 0
    assert book.depth().bids[1][1] == 9.0
    assert not book.apply(delta(None, 20, -1, bids=[["98", "1"]])), "only a snapshot follows nothing"
    assert book.stats.gaps == 1


# -- age ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [RangeRule(), RangeWithPreviousRule()], ids=["spot", "futures"])
def test_updates_older_than_the_snapshot_do_not_make_it_young(rule: BookRule) -> None:
    """A stream that counts anew (or hangs behind) while the snapshot is of before: all of it is "known", and says nothing of now."""
    book, clock = make(rule)
    book.apply(snapshot(10**9))
    for number in range(1, 8):
        clock.advance(1)
        assert book.apply(delta(number, number, number - 1, bids=[["98", "7"]]))
    assert book.age_s == 7
    assert book.stats.ignored == 7


def test_a_repeated_update_does_not_make_the_book_young() -> None:
    for rule in (RangeRule(), RangeWithPreviousRule(), AbsoluteRule()):
        book, clock = make(rule)
        book.apply(snapshot(100))
        book.apply(delta(101, 101, 100))
        clock.advance(4)
        assert book.apply(delta(101, 101, 100))
        assert book.age_s == 4


def test_a_refresh_older_than_the_book_does_not_make_it_young() -> None:
    book, clock = make(RangeRule())
    book.apply(snapshot(100))
    book.apply(delta(101, 110))
    clock.advance(9)
    assert book.apply(snapshot(105))
    assert book.age_s == 9


def test_a_new_life_is_as_old_as_its_own_snapshot() -> None:
    book, clock = make(RangeRule())
    clock.advance(100)
    book.apply(snapshot(100))
    book.lose("cut")
    assert book.apply(snapshot(101), fresh_at=clock.monotonic() - 30)
    assert book.age_s == 30, "what was current in the life before says nothing of this snapshot"
    assert book.apply(delta(102, 102), fresh_at=clock.monotonic() + 1000)
    clock.advance(1)
    assert book.age_s == 1, "nothing is current beyond now"


def test_a_night_of_sleep_makes_a_book_old() -> None:
    book, clock = make(RangeRule())
    book.apply(snapshot(100))
    clock.advance(1)
    clock.ahead += 8 * 3600
    assert book.age_s == 8 * 3600 + 1
    assert book.depth().age_s == 8 * 3600 + 1
    assert book.apply(delta(101, 101))
    assert book.age_s == 0


@pytest.mark.parametrize("step", [-86_400.0, -1.0, -0.01, 0.01])
def test_a_clock_that_is_set_back_makes_no_book_young(step: float) -> None:
    book, clock = make(RangeRule())
    book.apply(snapshot(100))
    clock.advance(6)
    clock.ahead += step
    assert book.age_s == 6
    assert seconds_since(clock, clock.monotonic() + 5, clock_lead(clock)) == 0, "a moment to come has no age"


def test_transit_finds_what_is_late_without_knowing_the_venues_clock() -> None:
    transit = Transit(stretch_s=100)
    assert transit.late_s(5000, 0.0) == 0, "nothing is known yet"
    for offset_s in (40.0, 39.0, 39.5):  # the venue's clock is about 39 s behind ours
        transit.heard(1_000_000, 1000 + offset_s)
    assert transit.late_s(1_001_000, 1001 + 39.0) == 0
    assert transit.late_s(1_001_000, 1001 + 46.0) == pytest.approx(7)
    assert transit.late_s(0, 5000) == 0, "no time in it"
    assert transit.late_s(-5, 5000) == 0
    transit.heard(2**63, 1042.0)  # a time of nowhere must not be believed for ever
    assert transit.late_s(1_002_000, 1041.0) > 10**6
    transit.heard(1_300_000, 1339.0)
    transit.heard(1_500_000, 1539.0)
    assert transit.late_s(1_501_000, 1540.0) == 0
    transit.forget()
    assert transit.late_s(1, 10**6) == 0
