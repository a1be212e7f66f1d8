"""Local order books: what is applied, what breaks them, and that they are never silently wrong."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads.clock import ManualClock
from fmzthreads.errors import BrokenBook, OperationFailed
from fmzthreads.streams.book.book import OrderBook
from fmzthreads.streams.book.rules import (
    AbsoluteRule,
    BookRule,
    BookUpdate,
    PreviousIdRule,
    RangeRule,
    RangeWithPreviousRule,
    checksum,
)
from tests.helpers.books import DIALECTS, make_chain, rows
from tests.helpers.exchange_room import run_threads

BIDS = (("99", "1"), ("98", "2"), ("97", "3"))
ASKS = (("101", "1"), ("102", "2"), ("103", "3"))


def snapshot(last: int | None = 100, **fields: object) -> BookUpdate:
    return BookUpdate(**{"snapshot": True, "bids": BIDS, "asks": ASKS, "last": last, **fields})  # type: ignore[arg-type]


def delta(first: int | None, last: int | None, previous: int | None = None, **fields: object) -> BookUpdate:
    given = {"snapshot": False, "bids": (), "asks": (), "first": first, "last": last, "previous": previous, **fields}
    return BookUpdate(**given)  # type: ignore[arg-type]


def make(rule: BookRule) -> tuple[OrderBook, ManualClock]:
    clock = ManualClock()
    return OrderBook(rule, clock, name="the book of X"), clock


# -- the plain cases ---------------------------------------------------------------------------------------------------------------


def test_levels_are_set_replaced_and_taken_away() -> None:
    book, _ = make(RangeRule())
    assert book.apply(snapshot(time_ms=5))
    assert book.apply(
        delta(101, 105, bids=[["99", "0.00"], ["98.5", "4"], ["90", "0"]], asks=[["101", "7"]], time_ms=6)
    )
    view = book.depth()
    assert view.bids == ((98.5, 4.0, "98.5", "4"), (98.0, 2.0, "98", "2"), (97.0, 3.0, "97", "3"))
    assert view.asks[0] == (101.0, 7.0, "101", "7")
    assert (view.sequence, view.time_ms, view.version) == (105, 6, 2)
    assert view.whole_bids
    assert view.whole_asks
    assert book.depth(2).asks == view.asks[:2]
    assert book.stats.gaps == 0
    assert (book.stats.updates, book.stats.snapshots, book.stats.state) == (1, 1, "live")


def test_without_a_snapshot_nothing_is_shown() -> None:
    book, _ = make(RangeRule())
    with pytest.raises(BrokenBook, match="the book of X has no snapshot yet"):
        book.depth()
    with pytest.raises(OperationFailed):
        _ = book.age_s
    assert not book.is_live
    assert not book.live.is_set()
    assert book.stats.state == "waiting"


def test_deltas_wait_for_the_snapshot() -> None:
    book, _ = make(RangeRule())
    for first, last, size in ((95, 99, "5"), (100, 102, "6"), (103, 103, "7")):
        assert not book.apply(delta(first, last, bids=[["98", size]]))
    assert book.stats.kept == 3
    assert book.apply(snapshot(100))
    assert book.depth(2).bids[1] == (98.0, 7.0, "98", "7")
    stats = book.stats
    assert (stats.ignored, stats.updates, stats.kept) == (1, 2, 0)
    assert book.stats.gaps == 0


@pytest.mark.parametrize("rule", [RangeRule(), RangeWithPreviousRule()], ids=["spot", "futures"])
def test_a_snapshot_older_than_what_was_kept_waits_for_a_newer_one(rule: BookRule) -> None:
    book, _ = make(rule)
    book.apply(delta(200, 210, 199, bids=[["98", "8"]]))
    book.apply(delta(211, 220, 210, bids=[["98", "9"]]))
    assert not book.apply(snapshot(100))
    assert book.stats.gaps == 1
    assert book.apply(snapshot(205))
    assert book.depth().bids[1] == (98.0, 9.0, "98", "9")
    assert book.depth().sequence == 220


def test_a_gap_among_the_kept_deltas_asks_for_a_snapshot_behind_it() -> None:
    book, _ = make(RangeRule())
    book.apply(delta(101, 102))
    book.apply(delta(105, 106, bids=[["98", "4"]]))  # 103 and 104 are missing
    assert not book.apply(snapshot(100))
    assert "103 to 104" in book.stats.why
    assert book.stats.kept == 1
    assert book.apply(snapshot(105))
    assert book.depth().bids[1][1] == 4.0


def test_age_is_counted_from_the_last_confirmation() -> None:
    book, clock = make(PreviousIdRule())
    book.apply(snapshot(5))
    clock.advance(3)
    assert book.age_s == 3
    book.apply(delta(None, 5, 5))  # a keep-alive
    assert book.age_s == 0
    clock.advance(2)
    assert book.depth().age_s == 2
    book.apply(delta(None, 6, 5), fresh_at=clock.monotonic() - 1)  # read late
    assert book.age_s == 1
    book.apply(snapshot(7), fresh_at=clock.monotonic() - 10)
    assert book.age_s == 1, "a late snapshot makes nothing older"


# -- the rules, case by case -------------------------------------------------------------------------------------------------------

CASES = [
    # rule, the last that was applied, the next, what becomes of it
    (RangeRule(), snapshot(100), delta(90, 100), False),
    (RangeRule(), snapshot(100), delta(90, 101), True),
    (RangeRule(), snapshot(100), delta(101, 101), True),
    (RangeRule(), snapshot(100), delta(102, 103), None),
    (RangeRule(), delta(101, 105), delta(106, 106), True),
    (RangeRule(), delta(101, 105), delta(104, 108), True),
    (RangeRule(), delta(101, 105), delta(101, 105), False),
    (RangeRule(), delta(101, 105), delta(107, 108), None),
    (RangeRule(), delta(101, 105), delta(1, 3), None),
    (RangeRule(), delta(101, 105), delta(106, 104), None),
    (RangeRule(), delta(101, 105), delta(None, 106), None),
    (RangeWithPreviousRule(), snapshot(100), delta(80, 99, 79), False),
    (RangeWithPreviousRule(), snapshot(100), delta(80, 100, 79), True),
    (RangeWithPreviousRule(), snapshot(100), delta(90, 120, 79), True),
    (RangeWithPreviousRule(), snapshot(100), delta(105, 120, 100), True),
    (RangeWithPreviousRule(), snapshot(100), delta(105, 120, 99), None),
    (RangeWithPreviousRule(), delta(90, 120, 80), delta(130, 140, 120), True),
    (RangeWithPreviousRule(), delta(90, 120, 80), delta(90, 120, 80), False),
    (RangeWithPreviousRule(), delta(90, 120, 80), delta(130, 140, 125), None),
    (RangeWithPreviousRule(), delta(90, 120, 80), delta(121, 140, None), None),
    (RangeWithPreviousRule(), delta(90, 120, 80), delta(1, 2, 0), None),
    (PreviousIdRule(), snapshot(100, previous=-1), delta(None, 103, 100), True),
    (PreviousIdRule(), delta(None, 103, 100), delta(None, 103, 103), True),  # keep-alive
    (PreviousIdRule(), delta(None, 103, 100), delta(None, 3, 103), True),  # reset
    (PreviousIdRule(), delta(None, 3, 103), delta(None, 5, 3), True),
    (PreviousIdRule(), delta(None, 103, 100), delta(None, 103, 100), False),
    (PreviousIdRule(), delta(None, 103, 100), delta(None, 110, 104), None),
    (PreviousIdRule(), delta(None, 103, 100), delta(None, None, None), None),
    (PreviousIdRule(), snapshot(None), delta(None, None, None), True),  # captures from before there were ids
    (AbsoluteRule(), snapshot(None), delta(None, None), True),
    (AbsoluteRule(), delta(None, 7), delta(None, 9), True),
    (AbsoluteRule(), delta(None, 7), delta(None, 7), False),
    (AbsoluteRule(), delta(None, 7), delta(None, 6), None),
]


@pytest.mark.parametrize(("rule", "after", "update", "fate"), CASES)
def test_what_follows_what(rule: BookRule, after: BookUpdate, update: BookUpdate, fate: bool | None) -> None:
    """``fate``: True applied, False known already, None breaks the book."""
    book, _ = make(rule)
    book.apply(snapshot(after.last if after.snapshot else after.previous if after.previous is not None else 100))
    if not after.snapshot:
        base = {"last": 100} if isinstance(rule, RangeRule) else {}
        book.apply(snapshot(**base) if base else snapshot(after.previous))
        if isinstance(rule, RangeWithPreviousRule):
            book.apply(snapshot(100))
        assert book.apply(after), book.stats.why
    else:
        assert book.apply(after)
    before = book.version
    live = book.apply(update._replace(bids=[["50", "1"]]))
    assert live is (fate is not None)
    assert book.stats.gaps == (fate is None)
    if fate is None:
        with pytest.raises(BrokenBook, match="is broken and waits for a new snapshot"):
            book.depth()
        assert not book.live.is_set()
    else:
        assert (book.version > before) is fate
        assert ("50" in [text for _, _, text, _ in book.depth().bids]) is fate


# -- what breaks any book ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "levels",
    [
        [["nan", "1"]], [["inf", "1"]], [["-5", "1"]], [["0", "1"]], [["abc", "1"]], [["", "1"]], [["99", "nan"]], [["99", "inf"]],
        [["99", "-1"]], [["99", ""]], [["99", "x"]], [["99"]], [[]], [None], ["9"], [[None, "1"]], [["99", None]], [{"price": "99"}],
    ],
)  # fmt: skip
@pytest.mark.parametrize("side", ["bids", "asks"])
@pytest.mark.parametrize("whole", [False, True], ids=["delta", "snapshot"])
def test_a_level_that_cannot_be_read_breaks_the_book(levels: list[object], side: str, whole: bool) -> None:
    book, _ = make(RangeRule())
    assert book.apply(snapshot(100))
    bad = snapshot(101, **{side: levels}) if whole else delta(101, 101, **{side: levels})
    assert not book.apply(bad)
    assert book.stats.gaps == 1
    with pytest.raises(BrokenBook):
        book.depth()
    if not whole:
        assert not book.apply(snapshot(100)), "what could not be read is still missing"
    assert book.apply(snapshot(101))


@pytest.mark.parametrize("change", [{"bids": [["101", "1"]]}, {"bids": [["500", "1"]]}, {"asks": [["99", "1"]]}])
def test_a_crossed_book_is_broken(change: dict[str, object]) -> None:
    book, _ = make(AbsoluteRule())
    book.apply(snapshot(None))
    assert not book.apply(delta(None, None, **change))
    assert "is not below the best ask" in book.stats.why
    assert book.apply(snapshot(None))
    assert book.stats.resyncs == 1


def test_losing_the_stream_breaks_the_book_and_drops_what_was_kept() -> None:
    book, _ = make(RangeRule())
    book.apply(delta(101, 102))
    book.lose("cut")
    assert book.stats.gaps == 0, "there was no book to break"
    assert book.stats.kept == 0
    book.apply(snapshot(102))
    book.lose("cut")
    assert (book.stats.gaps, book.stats.why) == (1, "cut")
    with pytest.raises(BrokenBook, match="cut"):
        book.depth()


def test_an_older_refresh_leaves_a_live_book_alone() -> None:
    book, _ = make(RangeRule())
    book.apply(snapshot(100))
    book.apply(delta(101, 110, bids=[["98", "9"]]))
    assert book.apply(snapshot(105))
    assert book.depth().sequence == 110
    assert book.depth().bids[1][1] == 9.0
    assert book.apply(snapshot(120))
    assert book.depth().sequence == 120
    assert book.apply(delta(115, 120)), "known already"
    assert book.stats.gaps == 0


# -- how far a snapshot was seen ---------------------------------------------------------------------------------------------------


def test_nothing_is_shown_beyond_what_the_snapshot_showed() -> None:
    book, _ = make(RangeRule())
    book.apply(snapshot(100, asked=3))
    book.apply(delta(101, 101, bids=[["90", "5"], ["98.5", "1"]]))
    view = book.depth()
    assert [text for _, _, text, _ in view.bids] == ["99", "98.5", "98", "97"], "there may be levels between 97 and 90"
    assert not view.whole_bids
    assert book.depth(4).whole_bids
    assert not book.depth(5).whole_bids


def test_a_book_that_has_used_up_its_snapshot_asks_for_another_and_then_refuses() -> None:
    bids = [[str(price), "1"] for price in range(100, 90, -1)]
    book, _ = make(RangeRule())
    book.apply(snapshot(100, bids=bids, asks=[["101", "1"]], asked=10))
    at = 101
    for price in range(100, 93, -1):
        assert book.apply(delta(at, at, bids=[[str(price), "0"]]))
        at += 1
    assert not book.is_shallow
    assert book.apply(delta(at, at, bids=[["93", "0"]]))
    at += 1
    assert book.is_shallow
    assert book.apply(delta(at, at, bids=[["92", "0"], ["80", "5"]]))
    assert book.is_shallow
    assert len(book.depth().bids) == 1
    assert not book.apply(delta(at + 1, at + 1, bids=[["91", "0"]]))
    assert "beyond the levels of the snapshot" in book.stats.why
    assert book.apply(snapshot(at + 1, bids=bids, asked=10))
    assert not book.is_shallow


def test_a_window_of_levels_is_not_the_whole_book() -> None:
    book, _ = make(PreviousIdRule())
    book.apply(snapshot(1, bids=[[str(price), "1"] for price in range(1000, 600, -1)], asks=[["1001", "1"]]))
    assert book.depth(400).whole_bids
    assert not book.depth(401).whole_bids
    assert book.depth(401).whole_asks, "one level is all there is"


# -- checksums ---------------------------------------------------------------------------------------------------------------------


def level_rows(*levels: str) -> list[tuple[float, float, str, str]]:
    return [(0.0, 0.0, *level.split(":")) for level in levels]  # type: ignore[misc]


def test_checksum_by_the_venue_sheet() -> None:
    assert checksum(level_rows("3366.1:7"), level_rows("3366.8:9", "3368:8", "3372:8")) == 831078360
    assert checksum(level_rows("3366.1:7", "3366:6"), level_rows("3366.8:9", "3368:8")) == -1881014294


def test_a_checksum_of_zero_is_not_looked_at() -> None:
    book, _ = make(PreviousIdRule())
    assert book.apply(snapshot(1, checksum=0))
    assert book.apply(delta(None, 2, 1, checksum=0))
    assert not book.apply(delta(None, 3, 2, checksum=12345))
    assert "checksum" in book.stats.why


# -- never silently wrong ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_whole_chain_gives_the_true_book_after_each_message(dialect: str) -> None:
    chain = make_chain(dialect, 1, 200, reset_at=100)
    book = OrderBook(chain.rule, ManualClock())
    for update, truth in zip(chain.updates, chain.truths, strict=True):
        assert book.apply(update), book.stats.why
        view = book.depth()
        assert (rows(view.bids), rows(view.asks)) == truth
    assert book.stats.gaps == 0


@settings(max_examples=300, deadline=None)
@given(
    dialect=st.sampled_from(DIALECTS),
    seed=st.integers(0, 10_000),
    place=st.integers(1, 29),
    damage=st.sampled_from(["drop", "twice", "swap", "late"]),
)
def test_a_message_dropped_doubled_or_out_of_order_never_makes_a_wrong_book(
    dialect: str, seed: int, place: int, damage: str
) -> None:
    """While the book answers, it is the true book after some message (of a checksum, its best 25 levels a side are)."""
    chain = make_chain(dialect, seed)
    sent = list(enumerate(chain.updates))
    if damage == "drop":
        del sent[place]
    elif damage == "twice":
        sent.insert(place, sent[place])
    elif damage == "swap":
        sent[place], sent[place + 1] = sent[place + 1], sent[place]
    else:
        sent.insert(min(place + 3, len(sent)), sent.pop(place))
    seen = 25 if dialect == "okx-checksum" else None
    by_id = {update.last: number for number, update in sent}
    book = OrderBook(chain.rule, ManualClock())
    for number, update in sent:
        if not book.apply(update):
            with pytest.raises(BrokenBook):
                book.depth()
            break
        view = book.depth(seen)
        truth = chain.truths[number if seen else by_id[view.sequence]]
        assert rows(view.bids) == truth[0][:seen]
        assert rows(view.asks) == truth[1][:seen]
    if damage == "twice" and dialect != "okx-checksum":
        assert book.stats.gaps == 0, "an exact repeat does no harm"
    elif not seen:
        assert book.stats.gaps == 1 or (damage == "drop" and place == len(chain.updates) - 1)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), seed=st.integers(0, 10_000), dialect=st.sampled_from(["okx", "okx-checksum"]))
def test_a_corrupted_level_is_caught_by_the_checksum_before_the_best_levels_are_wrong(
    data: st.DataObject, seed: int, dialect: str
) -> None:
    chain = make_chain(dialect, seed)
    place = data.draw(st.integers(1, 29))
    update = chain.updates[place]
    side = data.draw(st.sampled_from(["bids", "asks"]))
    levels = list(getattr(update, side))
    index = data.draw(st.integers(0, len(levels) - 1))
    field = data.draw(st.integers(0, 1))
    level = list(levels[index])
    digit = data.draw(st.sampled_from([n for n, letter in enumerate(level[field]) if letter.isdigit()]))
    other = data.draw(st.sampled_from("0123456789").filter(lambda letter: letter != level[field][digit]))
    level[field] = level[field][:digit] + other + level[field][digit + 1 :]
    levels[index] = level
    book = OrderBook(chain.rule, ManualClock())
    for number, true in enumerate(chain.updates):
        live = book.apply(true._replace(**{side: levels}) if number == place else true)
        if not live:
            assert number >= place
            return
        view = book.depth(25)
        assert rows(view.bids) == chain.truths[number][0][:25]
        assert rows(view.asks) == chain.truths[number][1][:25]


@settings(max_examples=200, deadline=None)
@given(dialect=st.sampled_from(["spot", "futures"]), seed=st.integers(0, 10_000), data=st.data())
def test_a_snapshot_may_come_at_any_moment_between_the_deltas(dialect: str, seed: int, data: st.DataObject) -> None:
    """The stream runs on while the snapshot is fetched; wherever both meet, the book is the true one or asks again."""
    chain = make_chain(dialect, seed)
    first = data.draw(st.integers(1, 29), label="the first delta that is heard")
    taken = data.draw(st.integers(0, 30), label="the message after which the snapshot was made")
    arrives = data.draw(st.integers(first, 31), label="before which delta it arrives")
    truth = chain.truths[taken]
    shot = BookUpdate(snapshot=True, bids=truth[0], asks=truth[1], last=chain.updates[taken].last)
    by_id = {update.last: number for number, update in enumerate(chain.updates)}
    book = OrderBook(chain.rule, ManualClock())
    for number in range(first, 31):
        if number == arrives:
            book.apply(shot)
        book.apply(chain.updates[number])
        if book.is_live:
            view = book.depth()
            true = chain.truths[max(by_id[view.sequence], taken)]
            assert (rows(view.bids), rows(view.asks)) == true
    if arrives == 31:
        book.apply(shot)
    assert book.is_live is (taken >= first - 1), (
        "live exactly when nothing between the snapshot and the stream is missing"
    )


# -- threads -----------------------------------------------------------------------------------------------------------------------


def test_readers_see_one_moment_while_the_book_changes() -> None:
    chain = make_chain("spot", 3, 400)
    by_id = {update.last: truth for update, truth in zip(chain.updates, chain.truths, strict=True)}
    book = OrderBook(chain.rule, ManualClock())
    book.apply(chain.updates[0])
    done = threading.Event()
    seen: list[int] = []

    def work(index: int) -> None:
        if index == 0:
            try:
                for _ in range(3):
                    for update in chain.updates:
                        book.apply(update)
                    book.lose("once more")
            finally:
                done.set()
            return
        versions = []
        while not done.is_set():
            try:
                view = book.depth()
            except BrokenBook:
                continue
            assert (rows(view.bids), rows(view.asks)) == by_id[view.sequence]
            versions.append(view.version)
        assert versions == sorted(versions)
        seen.append(len(set(versions)))

    run_threads(4, work)
    assert len(seen) == 3


def test_a_repeated_update_confirms_nothing() -> None:
    book, clock = make(RangeRule())
    book.apply(snapshot())
    update = delta(101, 105, bids=[["99", "5"]])
    book.apply(update)
    clock.advance(10)
    assert book.apply(update), "it is known, and breaks nothing"
    assert book.age_s == 10
    assert book.apply(snapshot(last=90)), "an older refresh says nothing either"
    assert book.age_s == 10
    book.apply(delta(106, 106))
    assert book.age_s == 0


def test_a_kept_delta_with_ids_that_cannot_be_breaks_no_later_snapshot() -> None:
    book, _ = make(RangeRule())
    assert not book.apply(delta(105, 104))
    assert not book.apply(delta(101, 101, bids=[["99", "5"]]))
    assert book.stats.kept == 1
    assert book.apply(snapshot())
    assert book.depth().bids[0][:2] == (99.0, 5.0)
