"""A series of bars as numbers in columns, as it was read: not yet scaled by a market's decimals, and not yet known to be in order."""

from __future__ import annotations

import operator
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from math import inf
from operator import itemgetter

from ...errors import InputError
from ...structures.value_objects import ValueObject, field
from .column_checks import ascends, is_nowhere_above
from .column_file import StoredRows

__all__ = ["PRICES", "RawSeries"]

PRICES = ("open", "high", "low", "close")
_SAMPLE = 2000


def _times() -> array[int]:
    return array("q")


def _numbers() -> array[float]:
    return array("d")


def _nowhere(row: int) -> str:
    return f"row {row + 1}"


class RawSeries(ValueObject, kw_only=True, frozen=False):
    """Bars of one symbol in columns: arrays, or views of a temporary file, which read as arrays do.

    Attributes:
        name: Its name in the data, such as ``Binance/BTC_USDT``; empty when the data have none.
        where: The file or object that it came from, for messages.
        place: Says where a row stands, such as ``line 12``; rows are counted from 0.
        time: The starts of the bars, in milliseconds since the epoch.
        open: Prices; ``high``, ``low``, ``close`` alike.
        volume: Volumes.
        position: Open interest; empty when the data have none.
        decimals: Decimals of the prices, and of the volumes, as far as a look at the first rows tells; None for unknown.
        stored: Where the columns lie that are views of a temporary file; None for arrays.
    """

    name: str = ""
    where: str = "the bars"
    place: Callable[[int], str] = field(default=_nowhere, repr=False)
    time: array[int] = field(factory=_times, repr=False)
    open: array[float] = field(factory=_numbers, repr=False)
    high: array[float] = field(factory=_numbers, repr=False)
    low: array[float] = field(factory=_numbers, repr=False)
    close: array[float] = field(factory=_numbers, repr=False)
    volume: array[float] = field(factory=_numbers, repr=False)
    position: array[float] = field(factory=_numbers, repr=False)
    decimals: tuple[int, int] | None = None
    stored: StoredRows | None = field(default=None, repr=False, eq=False)

    def __len__(self) -> int:
        """How many bars there are."""
        return len(self.time)

    def extend(self, more: RawSeries) -> None:
        """Adds the rows of a part of the same series, which has the same columns."""
        for name in ("time", *PRICES, "volume", "position"):
            getattr(self, name).extend(getattr(more, name))

    def period_ms(self) -> int:
        """The length of a bar: the most frequent distance of two bars; 60,000 when there is only one bar."""
        steps = Counter(map(operator.sub, islice(self.time, 1, _SAMPLE), self.time))
        positive = [(count, -step) for step, count in steps.items() if step > 0]
        return -max(positive)[1] if positive else 60_000

    def check(self) -> None:
        """Checks what a backtest relies on: ascending times, and prices that make a bar.

        Raises:
            InputError: A bar is out of order, there twice, or has impossible prices; names the place.
        """
        if not ascends(self.time):
            row = next(row for row, (a, b) in enumerate(self.steps()) if b <= a) + 1
            what = (
                "has the same time as the bar before it"
                if self.time[row] == self.time[row - 1]
                else "is earlier than the bar before it"
            )
            raise InputError(
                f"{self.where}, {self.place(row)}: the bar of {self.time[row]} ms {what}; expected ascending times"
                f" (fmzthreads data check shows all such places)"
            )
        if all(
            is_nowhere_above(self.low, prices) and is_nowhere_above(prices, self.high)
            for prices in (self.open, self.close)
        ):
            return
        row = next(row for row in range(len(self)) if not self.is_bar(row))
        prices = ", ".join(f"{name} {getattr(self, name)[row]:g}" for name in PRICES)
        raise InputError(
            f"{self.where}, {self.place(row)}: the bar has {prices}; expected numbers with low <= open, close <= high"
        )

    def missing(self, from_ms: int, to_ms: int) -> int:
        """How many bars of this period are missing in ``from_ms <= time < to_ms``."""
        there = bisect_left(self.time, to_ms) - bisect_left(self.time, from_ms)
        return max(0, (to_ms - from_ms) // self.period_ms() - there)

    def longest_step(self, from_ms: int, to_ms: int) -> tuple[int, int]:
        """The longest time from one bar to the next, and the start of the former, of bars with ``from_ms <= time < to_ms``; zeros without two bars."""
        first, end = bisect_left(self.time, from_ms), bisect_left(self.time, to_ms)
        steps = map(operator.sub, islice(self.time, first + 1, end), islice(self.time, first, end))
        longest, begin = max(zip(steps, islice(self.time, first, end), strict=False), key=itemgetter(0), default=(0, 0))
        return longest, begin

    def steps(self) -> Iterator[tuple[int, int]]:
        """The times of each two neighbours."""
        return zip(self.time, islice(self.time, 1, None), strict=False)

    def is_bar(self, row: int) -> bool:
        """Whether a row has prices that make a bar: finite ones, low <= open, close <= high."""
        low, high = self.low[row], self.high[row]
        return -inf < low <= self.open[row] <= high < inf and low <= self.close[row] <= high
