"""Recorded order books and trades of one symbol: kept on disk in packed blocks, so that memory does not grow with their length."""

from __future__ import annotations

import os
import weakref
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import isfinite
from typing import IO, NamedTuple

from ...errors import InputError, short_repr

__all__ = ["BLOCK", "Level", "PublicTrade", "Recording", "TickBlock"]

BLOCK = 256
"""The ticks of a block."""

_IN_MEMORY = 8_000_000  # bytes: a shorter recording needs no file

Level = tuple[float, float]
"""Price and amount."""


class PublicTrade(NamedTuple):
    """A trade between others.

    Attributes:
        time_ms: When it was.
        side: What the taker did: 0 bought, 1 sold.
        price: Its price.
        amount: Its amount.
    """

    time_ms: int
    side: int
    price: float
    amount: float


class TickBlock:
    """Some ticks in a row.

    Attributes:
        begin: The number of the first one.
        times: When they came, in milliseconds since the epoch.
        last: The price of the last trade at each of them.
        volume: What was traded since the tick before.
    """

    __slots__ = ("_counts", "_starts", "_values", "begin", "last", "times", "volume")

    def __init__(self, begin: int, packed: bytes) -> None:
        raw = zlib.decompress(packed)
        count = int.from_bytes(raw[:8], "little")
        self.begin = begin
        whole = array("q")
        whole.frombytes(raw[8 : 8 + 8 * 4 * count])
        self.times = whole[:count].tolist()
        self._counts = whole[count:].tolist()  # asks, bids, trades of each tick
        numbers = array("d")
        numbers.frombytes(raw[8 + 8 * 4 * count :])
        self.last = numbers[:count].tolist()
        self.volume = numbers[count : 2 * count].tolist()
        self._values = numbers[2 * count :]
        sizes = [size * (4 if place % 3 == 2 else 2) for place, size in enumerate(self._counts)]
        self._starts = [0, *accumulate(sizes)]

    @property
    def end(self) -> int:
        """The number after that of the last tick."""
        return self.begin + len(self.times)

    def levels(self, number: int, side: int) -> list[Level]:
        """One side of the book at a tick, from the best price on: 0 asks, 1 bids."""
        return self._rows(number, side, 2)  # type: ignore[return-value]

    def trades(self, number: int) -> list[PublicTrade]:
        """The trades between a tick and the one before it."""
        return [
            PublicTrade(int(time_ms), int(side), price, amount)
            for time_ms, side, price, amount in self._rows(number, 2, 4)
        ]

    def best(self, number: int, side: int) -> Level | None:
        """The best price of a side at a tick, and its amount; None when the side is empty."""
        place = 3 * (number - self.begin) + side
        if not self._counts[place]:
            return None
        start = self._starts[place]
        return self._values[start], self._values[start + 1]

    def _rows(self, number: int, kind: int, width: int) -> list[tuple[float, ...]]:
        place = 3 * (number - self.begin) + kind
        part = self._values[self._starts[place] : self._starts[place + 1]].tolist()
        return list(zip(*(part[column::width] for column in range(width)), strict=True))


class Recording:
    """Ticks of one symbol, numbered from 0: each has the book as it was then, and the trades since the tick before.

    Args:
        name: Its name in the data, such as ``Binance/BTC_USDT``; empty when the data have none.
        where: The file or server that it came from, for messages.

    Attributes:
        name: As above.
        where: As above.
        count: How many ticks there are.
        first_ms: When the first one came.
        end_ms: When the last one came.
        decimals: The decimals of prices, and of amounts, that the data show.
        longest_gap: The longest time between two ticks in milliseconds, and when it began.
        detail: What the data say of the market, by FMZ's keys; empty when they say nothing.
    """

    def __init__(self, name: str = "", where: str = "the recording") -> None:
        self.name = name
        self.where = where
        self.count = 0
        self.first_ms = self.end_ms = 0
        self.decimals = (0, 0)
        self.longest_gap = (0, 0)
        self.detail: dict[str, object] = {}
        self._packed = bytearray()  # the blocks, until they are so many that they go to the disk
        self._file: IO[bytes] | None = None
        self._offsets = array("q", [0])
        self._begins_ms = array("q")
        self._lowest, self._highest = array("d"), array("d")
        self._closed = False
        # The block that is being written.
        self._times = array("q")
        self._counts = array("q")
        self._last, self._volume, self._values = array("d"), array("d"), array("d")
        self._book: tuple[Sequence[Level], Sequence[Level]] = ((), ())
        self._price: float | None = None

    def __repr__(self) -> str:
        """Name and length."""
        return f"<Recording {self.name or self.where}: {self.count} ticks>"

    # Writing

    def add(
        self,
        time_ms: int,
        asks: Sequence[Level] | None,
        bids: Sequence[Level] | None,
        trades: Sequence[PublicTrade] = (),
        last: float | None = None,
        volume: float | None = None,
    ) -> None:
        """Adds a tick.

        Args:
            time_ms: When it came; not before the tick before it.
            asks: The asks from the lowest on; None for those of the tick before.
            bids: The bids from the highest on; None for those of the tick before.
            trades: The trades since the tick before, oldest first.
            last: The last price; None for that of the last trade, else for the middle of the book.
            volume: What was traded since the tick before; None for the sum of the trades.

        Raises:
            InputError: It is out of order, or no book.
        """
        if self.count and time_ms < self.end_ms:
            raise InputError(f"the time {time_ms} ms follows {self.end_ms} ms; expected ascending times")
        book = (self._book[0] if asks is None else asks, self._book[1] if bids is None else bids)
        if asks is not None or bids is not None:
            _check_book(*book)
        for trade in trades:
            _check(trade.price, trade.amount, "a trade")
        self._book = book
        price = last if last is not None else trades[-1].price if trades else self._middle()
        if not (isfinite(price) and price > 0):
            raise InputError(f"the last price is {price}, expected a number above 0")
        self._price = price
        if not self.count:
            self.first_ms = time_ms
        elif time_ms - self.end_ms > self.longest_gap[0]:
            self.longest_gap = (time_ms - self.end_ms, self.end_ms)
        self.end_ms = time_ms
        self.count += 1
        self._times.append(time_ms)
        self._last.append(price)
        self._volume.append(sum(trade.amount for trade in trades) if volume is None else volume)
        self._counts.extend((len(book[0]), len(book[1]), len(trades)))
        for side in book:
            for level in side:
                self._values.extend(level)
        for trade in trades:
            self._values.extend(trade)
        if len(self._times) == BLOCK:
            self._flush()

    def _middle(self) -> float:
        if self._price is not None:
            return self._price
        asks, bids = self._book
        if asks and bids:
            return (asks[0][0] + bids[0][0]) / 2
        if asks or bids:
            return (asks or bids)[0][0]
        raise InputError("the first tick has neither a book nor a trade nor a last price")

    def _flush(self) -> None:
        if not self._times:
            return
        self._begins_ms.append(self._times[0])
        self._lowest.append(min(self._last))
        self._highest.append(max(self._last))
        raw = b"".join((
            len(self._times).to_bytes(8, "little"), self._times.tobytes(), self._counts.tobytes(),
            self._last.tobytes(), self._volume.tobytes(), self._values.tobytes(),
        ))  # fmt: skip
        packed = zlib.compress(raw, 1)
        self._offsets.append(self._offsets[-1] + len(packed))
        self._packed += packed
        if self._file is not None or len(self._packed) > _IN_MEMORY:
            self._write_out()
        for column in (self._times, self._counts, self._last, self._volume, self._values):
            del column[:]

    def _write_out(self) -> None:
        if self._file is None:
            import tempfile  # most recordings need none

            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (it lives as long as this object)
            weakref.finalize(self, self._file.close)
        left = memoryview(self._packed)
        while left:
            left = left[self._file.write(left) :]
        self._packed = bytearray()

    def close(self) -> None:
        """Ends the writing; it is read from now on."""
        self._flush()
        self._closed = True

    # Reading

    def block(self, number: int) -> TickBlock:
        """The block that a tick is in; it is read from disk each time.

        Several backtests, and the children of a fork, may read it at the same time: the file's position is not used.
        """
        place = number // BLOCK
        begin, end = self._offsets[place], self._offsets[place + 1]
        if self._file is None:
            return TickBlock(place * BLOCK, bytes(self._packed[begin:end]))
        return TickBlock(place * BLOCK, os.pread(self._file.fileno(), end - begin, begin))

    def number_at(self, time_ms: int) -> int:
        """The number of the last tick at or before a time; -1 if none exists."""
        place = bisect_right(self._begins_ms, time_ms) - 1
        if place < 0:
            return -1
        block = self.block(place * BLOCK)
        return block.begin + bisect_right(block.times, time_ms) - 1

    def number_from(self, time_ms: int) -> int:
        """The number of the first tick at or after a time; the number of ticks if none exists."""
        place = bisect_left(self._begins_ms, time_ms) - 1
        if place < 0:
            return 0
        block = self.block(place * BLOCK)
        return block.begin + bisect_left(block.times, time_ms)

    def may_reach(self, number: int, price: float, *, below: bool) -> bool:
        """Whether a last price in a tick's block is at or below (else: at or above) a price."""
        place = number // BLOCK
        return self._lowest[place] <= price if below else self._highest[place] >= price


def _check_book(asks: Sequence[Level], bids: Sequence[Level]) -> None:
    for levels, sign, what in ((asks, 1, "asks"), (bids, -1, "bids")):
        before = None
        for price, amount in levels:
            _check(price, amount, what)
            if before is not None and (price - before) * sign <= 0:
                order = "ascending" if sign > 0 else "descending"
                raise InputError(f"{what}: {price:g} follows {before:g}; expected {order} prices")
            before = price
    if asks and bids and bids[0][0] >= asks[0][0]:
        raise InputError(f"the best bid {bids[0][0]:g} is not below the best ask {asks[0][0]:g}")


def _check(price: float, amount: float, what: str) -> None:
    if not (0 < price < float("inf") and 0 <= amount < float("inf")):
        raise InputError(f"{what}: price {short_repr(price)}, amount {short_repr(amount)}; expected positive numbers")
