"""Made-up order books of one dialect after the other, as their venues would send them, with the truth beside each message."""

from __future__ import annotations

import random
from collections.abc import Sequence

import attrs

from fmzthreads.streams.book.rules import (
    BookRule,
    BookUpdate,
    PreviousIdRule,
    RangeRule,
    RangeWithPreviousRule,
    checksum,
)

__all__ = ["DIALECTS", "Chain", "make_chain", "rows"]

Side = dict[int, int]  # price in ticks -> size in lots


@attrs.define
class Chain:
    """A snapshot, the deltas after it, and the whole book (bids, asks; best first) after each message."""

    dialect: str
    rule: BookRule
    updates: list[BookUpdate]
    truths: list[tuple[list[tuple[str, str]], list[tuple[str, str]]]]


DIALECTS = ("spot", "futures", "okx", "okx-checksum")


def _price(ticks: int) -> str:
    return f"{ticks / 100:.2f}"


def _size(lots: int) -> str:
    return f"{lots / 1000:.3f}"


def rows(levels: Sequence[tuple[float, float, str, str]]) -> list[tuple[str, str]]:
    return [(price, size) for _, _, price, size in levels]


def _truth(bids: Side, asks: Side) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    return (
        [(_price(ticks), _size(bids[ticks])) for ticks in sorted(bids, reverse=True)],
        [(_price(ticks), _size(asks[ticks])) for ticks in sorted(asks)],
    )


def _sum(truth: tuple[list[tuple[str, str]], list[tuple[str, str]]]) -> int:
    bids, asks = ([(0.0, 0.0, *level) for level in side] for side in truth)
    return checksum(bids, asks)


def make_chain(dialect: str, seed: int, length: int = 30, *, reset_at: int | None = None) -> Chain:
    """A book that moves at random; ``reset_at`` makes OKX's ids begin anew there."""
    draw = random.Random(seed)
    middle = 10_000
    bids = {middle - 1 - place: draw.randrange(1, 5000) for place in range(40)}
    asks = {middle + 1 + place: draw.randrange(1, 5000) for place in range(40)}
    truth = _truth(bids, asks)
    at = draw.randrange(1000, 5000)
    ours = dialect.startswith("okx")
    updates = [
        BookUpdate(
            snapshot=True,
            bids=truth[0],
            asks=truth[1],
            last=None if dialect == "okx-checksum" else at,
            previous=-1 if dialect == "okx" else None,
            checksum=_sum(truth) if ours else None,
        )
    ]
    truths = [truth]
    for number in range(length):
        middle += draw.randrange(-3, 4)
        changed: tuple[Side, Side] = ({}, {})
        for side, change, worse in ((bids, changed[0], -1), (asks, changed[1], 1)):
            for ticks in [ticks for ticks in side if (ticks - middle) * worse <= 0]:
                change[ticks] = 0
            for _ in range(draw.randrange(0, 4)):
                change[middle + worse * draw.randrange(1, 45)] = draw.choice((0, draw.randrange(1, 5000)))
            change[middle + worse * draw.randrange(1, 30)] = draw.randrange(1, 5000)
            for ticks, lots in change.items():
                side[ticks] = lots
                if not lots:
                    del side[ticks]
        truth = _truth(bids, asks)
        sides = [[(_price(ticks), _size(lots)) for ticks, lots in change.items()] for change in changed]
        step = draw.randrange(1, 9)
        fields = {
            "spot": {"first": at + 1, "last": at + step},
            "futures": {"first": at + 1 + draw.randrange(0, 2) * step, "last": at + 2 * step + 1, "previous": at},
            "okx": {"last": 7 if number == reset_at else at + step, "previous": at, "checksum": _sum(truth)},
            "okx-checksum": {"checksum": _sum(truth)},
        }[dialect]
        at = fields.get("last", at)
        updates.append(BookUpdate(snapshot=False, bids=sides[0], asks=sides[1], **fields))
        truths.append(truth)
    rule: BookRule = PreviousIdRule() if ours else RangeRule() if dialect == "spot" else RangeWithPreviousRule()
    return Chain(dialect, rule, updates, truths)
