"""Local order books on real recordings: whole chains, the venue's own best prices beside them, and the same chains damaged."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.streams.book.book import OrderBook
from fmzthreads.streams.book.rules import BookRule, BookUpdate, PreviousIdRule, RangeRule, RangeWithPreviousRule
from tests.helpers.books import rows
from tests.helpers.recordings import (
    Best,
    binance_capture,
    cryptofeed_binance,
    cryptofeed_okx,
    nautilus_futures,
)

CAPTURES = [
    # name, rule, book updates, those that the snapshot covers, those that can be compared
    ("spot/btcusdt", RangeRule(), 3449, 2, 3448),
    ("spot/ethusdt", RangeRule(), 3432, 2, 3432),
    ("usdm/btcusdt", RangeWithPreviousRule(), 6547, 4, 6544),
]


def updates_of(events: Sequence[BookUpdate | Best]) -> list[BookUpdate]:
    return [event for event in events if isinstance(event, BookUpdate)]


def made(rule: BookRule, updates: Sequence[BookUpdate]) -> OrderBook:
    book = OrderBook(rule, ManualClock())
    for update in updates:
        book.apply(update)
    return book


@pytest.mark.parametrize(("name", "rule", "count", "covered", "compared"), CAPTURES, ids=[case[0] for case in CAPTURES])
def test_a_whole_chain_agrees_with_the_best_prices_beside_it(
    name: str, rule: BookRule, count: int, covered: int, compared: int
) -> None:
    """After each update the best bid and ask, sizes included, are those of the newest bookTicker up to the same id: in all cases."""
    events = binance_capture(name)
    best = sorted(event for event in events if not isinstance(event, BookUpdate))
    ids = [event[0] for event in best]
    book = OrderBook(rule, ManualClock())
    equal = 0
    for update in updates_of(events):
        # Taken for the whole book, so that the chain is proven to its end (see the next test).
        if not book.apply(update._replace(asked=0)) or update.snapshot:
            continue
        view = book.depth(1)
        if view.sequence != update.last or not ids[0] <= update.last <= ids[-1]:
            continue
        _, bid, bid_size, ask, ask_size = best[bisect_right(ids, update.last) - 1]
        assert (view.bids[0][:2], view.asks[0][:2]) == ((bid, bid_size), (ask, ask_size))
        equal += 1
    stats = book.stats
    assert (stats.updates, stats.ignored, stats.gaps) == (count, covered, 0)
    assert equal == compared


@pytest.mark.parametrize(("name", "refused_after"), [("spot/btcusdt", 2593), ("usdm/btcusdt", 4116)])
def test_a_market_that_leaves_its_snapshot_behind_is_noticed(name: str, refused_after: int) -> None:
    """In six minutes the price moved beyond the 1,000 levels of the snapshot: a refresh is asked for long before the book refuses."""
    rule: BookRule = RangeRule() if name.startswith("spot") else RangeWithPreviousRule()
    book = OrderBook(rule, ManualClock())
    shallow_at = 0
    for update in updates_of(binance_capture(name)):
        if not book.apply(update) and book.stats.snapshots:
            break
        if book.is_shallow and not shallow_at:
            shallow_at = book.stats.updates
    assert book.stats.updates == refused_after
    assert "beyond the levels of the snapshot" in book.stats.why
    assert 0 < shallow_at < refused_after - 400


@pytest.mark.parametrize(("name", "rule"), [("BINANCE", RangeRule()), ("BINANCE_FUTURES", RangeWithPreviousRule())])
def test_captured_chains_apply_without_a_gap(name: str, rule: BookRule) -> None:
    books = cryptofeed_binance(name)
    assert len(books) == 4
    for symbol, updates in books.items():
        stats = made(rule, updates).stats
        assert (stats.state, stats.gaps, stats.snapshots) == ("live", 0, 1), symbol
        assert stats.updates + stats.ignored == len(updates) - 1


def test_all_checksums_of_okx_are_right() -> None:
    checked = 0
    for updates in cryptofeed_okx().values():
        book = OrderBook(PreviousIdRule(), ManualClock())
        for update in updates:
            assert update.checksum
            assert book.apply(update), book.stats.why
            checked += 1
    assert checked == 290


def test_a_snapshot_that_does_not_meet_its_updates_is_refused() -> None:
    """The two nautilus files (100 bids; updates) are ten minutes apart: together they are no book."""
    snapshot_rows, update_rows = nautilus_futures()
    names = snapshot_rows[0]

    def read(lines: list[list[str]], *, snapshot: bool) -> list[BookUpdate]:
        by_id: dict[str, list[dict[str, str]]] = {}
        for line in lines[1:]:
            row = dict(zip(names, line, strict=True))
            by_id.setdefault(row["last_update_id"], []).append(row)
        return [
            BookUpdate(
                snapshot=snapshot,
                bids=[(row["price"], row["qty"]) for row in group if row["side"] == "b"],
                asks=[(row["price"], row["qty"]) for row in group if row["side"] == "a"],
                first=int(group[0]["first_update_id"]),
                last=int(last),
                previous=int(group[0]["pu"]),
            )
            for last, group in by_id.items()
        ]

    (snapshot,), updates = read(snapshot_rows, snapshot=True), read(update_rows, snapshot=False)
    book = made(RangeWithPreviousRule(), [snapshot])
    assert len(book.depth().bids) == 100
    assert not book.apply(updates[0])
    for update in updates[1:]:
        assert not book.apply(update)
    assert book.stats.gaps == 1


# -- damage ------------------------------------------------------------------------------------------------------------------------


def binance_chain(name: str) -> tuple[BookRule, list[BookUpdate]]:
    """The first 400 updates of a capture, with the snapshot that came among them first, taken for the whole book."""
    updates = [update._replace(asked=0) for update in updates_of(binance_capture(name))][:401]
    updates.sort(key=lambda update: not update.snapshot)  # stable: only the snapshot moves
    rule: BookRule = RangeRule() if name.startswith("spot") else RangeWithPreviousRule()
    return rule, updates


@pytest.mark.parametrize("name", ["spot/btcusdt", "usdm/btcusdt"])
def test_a_damaged_chain_is_noticed_at_once(name: str) -> None:
    rule, updates = binance_chain(name)
    true = made(rule, updates)
    draw = random.Random(5)
    # Behind the first updates, which the snapshot may cover.
    for place in draw.sample(range(10, 398), 30):
        dropped = OrderBook(rule, ManualClock())
        for number, update in enumerate(updates):
            if number != place and not dropped.apply(update):
                assert number == place + 1, "the very next message shows it"
                break
        assert not dropped.is_live
        swapped = [*updates[:place], updates[place + 1], updates[place], *updates[place + 2 :]]
        assert not made(rule, swapped).is_live
        assert made(rule, swapped[: place + 1]).stats.gaps == 1
        doubled = made(rule, [*updates[: place + 1], *updates[place:]])
        assert doubled.stats.gaps == 0, "a repeat does no harm"
        assert (doubled.depth().bids, doubled.depth().asks) == (true.depth().bids, true.depth().asks)
        crossing = updates[place]._replace(bids=[("999999.00", "1.000")])
        assert not made(rule, [*updates[:place], crossing]).is_live


def test_a_damaged_okx_chain_never_shows_wrong_best_levels() -> None:
    """Without sequence ids the checksum alone guards the best 25 levels; a change below them shows when it gets there."""
    updates = cryptofeed_okx()["BTC-USDT"]
    truths = []
    book = OrderBook(PreviousIdRule(), ManualClock())
    for update in updates:
        book.apply(update)
        view = book.depth(25)
        truths.append((rows(view.bids), rows(view.asks)))
    noticed = 0
    for place in range(1, len(updates) - 1):
        update = updates[place]
        levels = [*update.bids]
        wrong = [*update.asks]
        if wrong:
            wrong[0] = [wrong[0][0], wrong[0][1] + "1" if "." in wrong[0][1] else wrong[0][1] + ".1"]
        for sent in (
            [*updates[:place], *updates[place + 1 :]],
            [*updates[:place], updates[place + 1], update, *updates[place + 2 :]],
            [*updates[:place], update._replace(asks=wrong, bids=levels), *updates[place + 1 :]],
        ):
            damaged = OrderBook(PreviousIdRule(), ManualClock())
            for message in sent:
                if not damaged.apply(message):
                    noticed += 1
                    break
                view = damaged.depth(25)
                assert (rows(view.bids), rows(view.asks)) in truths
    assert noticed > 1.5 * len(updates), "most of the damage is near the best prices, and is seen"
