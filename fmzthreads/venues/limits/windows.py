"""Counts of one limit in cells of whole numbers, which a file can hold.

A cell is ``number << 24 | count``: the number of the piece of time that it counts, and what was counted in it. A cell whose number is not
the one looked for counts nothing, so cells need no clean-up, and what was left by a process that was killed ends with its window.

The venue counts a request at some moment between its sending and its reply. So each request counts in every piece of time that it may
have arrived in: late replies, and replies out of order, never free room too early.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

__all__ = ["CELLS", "FIRST_CELL", "AlignedWindow", "LimitWindow", "Mark", "Moment", "NewestWindows", "SlidingWindow"]

FIRST_CELL = 8
"""The cells before it are a bucket's head."""

CELLS = 64
"""Cells of a bucket, with its head."""

_BITS = 24
_MOST = (1 << _BITS) - 1

Mark = tuple[int, int]
"""The first and the last piece of time that a request counts in."""


class Moment(NamedTuple):
    """One moment on two clocks.

    Attributes:
        mono_s: The monotonic clock, in seconds; all processes of a machine have the same.
        server_s: The venue's time of day, in seconds since the epoch, as estimated.
        margin_s: How wrong that estimate may be, in seconds.
    """

    mono_s: float
    server_s: float
    margin_s: float


class LimitWindow(Protocol):
    """One limit: how much may be counted in a stretch of time. Changes only the cells that it is given."""

    what: str
    limit: int
    length_s: float
    header: str
    """The reply header with the venue's own count; empty for none."""

    def wait_s(self, cells: list[int], amount: int, moment: Moment, *, patient: bool) -> float:
        """Seconds until there is room for an amount; 0 for now, infinity for never."""

    def expected(self, cells: list[int], amount: int, moment: Moment) -> int:
        """What the count would become, for messages."""

    def charge(self, cells: list[int], amount: int, moment: Moment) -> Mark:
        """Counts an amount that is about to be sent."""

    def extend(self, cells: list[int], amount: int, mark: Mark, moment: Moment) -> Mark:
        """Counts the same amount in what has begun since it was charged; the venue may count it only now."""

    def is_settled(self, cells: list[int], mark: Mark, moment: Moment, count: int) -> bool:
        """Whether the end of a request changes nothing; ``count`` is the venue's own, -1 for none. Cells may be old."""

    def refund(self, cells: list[int], amount: int, mark: Mark) -> None:
        """Uncounts an amount that the venue did not count."""

    def heard(self, cells: list[int], count: int, mark: Mark) -> None:
        """Takes the venue's own count from the reply to the request of that mark."""


class AlignedWindow:
    """A limit in windows that are aligned to the venue's clock: a minute begins at second 0.

    Args:
        what: What is counted, for messages, such as ``"weight used"``.
        limit: The most in a window.
        length_s: The length of a window, in seconds.
        cell: The first of its 12 cells.
        header: The reply header with the venue's own count; empty for none.
        share: The part of the limit that patient requests may use; the rest is for orders and other programs at the same address.
    """

    __slots__ = ("_cell", "_most_margin_s", "header", "length_s", "limit", "patient_limit", "what")

    SIZE = 12
    """Cells that it needs: four windows each of our own count, of other programs' and of the venue's."""

    _LONGEST_MARGIN = 0.25  # of a window; a wider margin would leave too little of a short window

    def __init__(
        self, what: str, limit: int, length_s: float, *, cell: int = FIRST_CELL, header: str = "", share: float = 0.95
    ) -> None:
        self.what = what
        self.limit = limit
        self.patient_limit = max(1, int(limit * share))
        self.length_s = length_s
        self.header = header
        self._cell = cell
        self._most_margin_s = length_s * self._LONGEST_MARGIN

    def _margin_s(self, moment: Moment) -> float:
        return min(moment[2], self._most_margin_s)

    def _span(self, moment: Moment) -> Mark:
        _, server_s, margin = moment
        margin = min(margin, self._most_margin_s)
        length_s = self.length_s
        return int((server_s - margin) // length_s), int((server_s + margin) // length_s)

    def _get(self, cells: list[int], row: int, window: int) -> int:
        value = cells[self._cell + 4 * row + window % 4]
        return value & _MOST if value >> _BITS == window else 0

    def _put(self, cells: list[int], row: int, window: int, count: int) -> None:
        cells[self._cell + 4 * row + window % 4] = window << _BITS | min(max(count, 0), _MOST)

    def used(self, cells: list[int], window: int) -> int:
        """The count of a window: the larger of what we know and what the venue has reported."""
        place = self._cell + window % 4  # written out: this is asked before each request
        own, others, venue = cells[place], cells[place + 4], cells[place + 8]
        count = own & _MOST if own >> _BITS == window else 0
        if others >> _BITS == window:
            count += others & _MOST
        return max(count, venue & _MOST) if venue >> _BITS == window else count

    def newest(self, moment: Moment) -> int:
        """The number of the newest window that may have begun."""
        return int((moment[1] + min(moment[2], self._most_margin_s)) // self.length_s)

    def wait_s(self, cells: list[int], amount: int, moment: Moment, *, patient: bool) -> float:
        """Seconds until a window with room begins, and all clocks agree that it has."""
        if not amount:
            return 0.0
        if amount > self.limit:
            return float("inf")
        most = self.patient_limit if patient else self.limit
        first, last = self._span(moment)
        for window in range(last, first - 1, -1):
            used = self.used(cells, window)
            if used and used + amount > most:
                return (window + 1) * self.length_s + self._margin_s(moment) - moment.server_s + 1e-6
        return 0.0

    def expected(self, cells: list[int], amount: int, moment: Moment) -> int:
        """The largest count of the windows that it may arrive in."""
        first, last = self._span(moment)
        return amount + max(self.used(cells, window) for window in range(first, last + 1))

    def charge(self, cells: list[int], amount: int, moment: Moment) -> Mark:
        """Counts it in each window that it may arrive in at once."""
        first, last = self._span(moment)
        for window in range(first, last + 1):
            self._put(cells, 0, window, self._get(cells, 0, window) + amount)
        return first, last

    def extend(self, cells: list[int], amount: int, mark: Mark, moment: Moment) -> Mark:
        """Counts it in the windows that have begun since."""
        first, last = mark
        now = self.newest(moment)
        if now <= last:
            return mark
        for window in range(max(last + 1, now - 3), now + 1):
            self._put(cells, 0, window, self._get(cells, 0, window) + amount)
        return first, now

    def is_settled(self, cells: list[int], mark: Mark, moment: Moment, count: int) -> bool:
        """Whether no window has begun since, and the venue's count is not above what is known."""
        first, last = mark
        if self.newest(moment) > last:
            return False
        return count < 0 or first != last or count <= self._get(cells, 0, last) + self._get(cells, 1, last)

    def refund(self, cells: list[int], amount: int, mark: Mark) -> None:
        """Uncounts it in all its windows."""
        for window in range(max(mark[0], mark[1] - 3), mark[1] + 1):
            own = self._get(cells, 0, window)
            if own:
                self._put(cells, 0, window, own - amount)

    def heard(self, cells: list[int], count: int, mark: Mark) -> None:
        """Keeps the largest count of a window; what is not ours in it is other programs'."""
        window, last = mark
        if window != last:
            return  # it may be the count of either window
        if count > self._get(cells, 2, window):
            self._put(cells, 2, window, count)
        others = count - self._get(cells, 0, window)
        if others > self._get(cells, 1, window):
            self._put(cells, 1, window, others)


class SlidingWindow:
    """A limit in any stretch of time of a length, however the venue's windows lie.

    A request counts from its sending until a window's length after its reply; no clock of the venue is needed.

    Args:
        what: What is counted, for messages, such as ``"calls of market/books"``.
        limit: The most in a stretch.
        length_s: The length, in seconds.
        cell: The first of its 44 cells.
    """

    __slots__ = ("_cell", "_step_s", "header", "length_s", "limit", "what")

    SIZE = 44
    """Cells that it needs."""

    _STEPS = 40  # pieces of a window; a request counts for up to one piece longer than it must

    def __init__(self, what: str, limit: int, length_s: float, *, cell: int = FIRST_CELL) -> None:
        self.what = what
        self.limit = limit
        self.length_s = length_s
        self.header = ""
        self._cell = cell
        self._step_s = length_s / self._STEPS

    def _now(self, moment: Moment) -> int:
        return int(moment.mono_s / self._step_s) + self.SIZE  # never below what a window looks back at

    def _get(self, cells: list[int], step: int) -> int:
        value = cells[self._cell + step % self.SIZE]
        return value & _MOST if value >> _BITS == step else 0

    def _add(self, cells: list[int], step: int, amount: int) -> None:
        count = min(max(self._get(cells, step) + amount, 0), _MOST)
        cells[self._cell + step % self.SIZE] = step << _BITS | count

    def _used(self, cells: list[int], now: int) -> int:
        # Another process may have counted later than this moment; what is later by more than a window is damage.
        least, most = (now - self._STEPS) << _BITS, (now + self._STEPS) << _BITS
        return sum([value & _MOST for value in cells[self._cell : self._cell + self.SIZE] if least <= value < most])

    def wait_s(self, cells: list[int], amount: int, moment: Moment, *, patient: bool) -> float:
        """Seconds until enough calls are older than the window."""
        if not amount:
            return 0.0
        if amount > self.limit:
            return float("inf")
        now = self._now(moment)
        excess = self._used(cells, now) + amount - self.limit
        if excess <= 0:
            return 0.0
        for step in range(now - self._STEPS, now + 1):
            excess -= self._get(cells, step)
            if excess <= 0:
                free = step + self._STEPS + 1 - self.SIZE
                return free * self._step_s - moment.mono_s + 1e-6
        return self.length_s

    def expected(self, cells: list[int], amount: int, moment: Moment) -> int:
        """The count of the last window, with the amount."""
        return self._used(cells, self._now(moment)) + amount

    def charge(self, cells: list[int], amount: int, moment: Moment) -> Mark:
        """Counts it from now on."""
        now = self._now(moment)
        self._add(cells, now, amount)
        return now, now

    def extend(self, cells: list[int], amount: int, mark: Mark, moment: Moment) -> Mark:
        """Counts it from now on, instead of from when it was charged."""
        now = self._now(moment)
        if now <= mark[1]:
            return mark
        if self._get(cells, mark[1]):
            self._add(cells, mark[1], -amount)
        self._add(cells, now, amount)
        return now, now

    def is_settled(self, cells: list[int], mark: Mark, moment: Moment, count: int) -> bool:
        """Whether it is still in the piece that it was counted in."""
        return self._now(moment) <= mark[1]

    def refund(self, cells: list[int], amount: int, mark: Mark) -> None:
        """Uncounts it."""
        if self._get(cells, mark[1]):
            self._add(cells, mark[1], -amount)

    def heard(self, cells: list[int], count: int, mark: Mark) -> None:
        """Does nothing: such a venue reports no counts."""


class NewestWindows:
    """The newest window of each length in which all running requests are counted.

    Tells without a look at the requests whether a window has begun in which they must be counted too.
    """

    __slots__ = ("_counted",)

    def __init__(self) -> None:
        self._counted: dict[float, tuple[AlignedWindow, int]] = {}  # by length

    def add(self, windows: Sequence[LimitWindow], marks: Sequence[Mark]) -> None:
        """Adds a request that was just counted, with its marks; none newer may have begun for the others."""
        for window, mark in zip(windows, marks, strict=True):
            if isinstance(window, AlignedWindow):
                # It may be an older one than before: a wider margin of another object's clock was in the next window already.
                self._counted[window.length_s] = window, mark[1]

    def has_begun(self, moment: Moment) -> bool:
        """Whether a newer one may have begun."""
        return any(window.newest(moment) > number for window, number in self._counted.values())

    def counted(self, moment: Moment) -> None:
        """Notes that all running requests were counted in what began until a moment."""
        for length_s, (window, number) in self._counted.items():
            self._counted[length_s] = window, max(number, window.newest(moment))

    def clear(self) -> None:
        """Notes that no request is running."""
        self._counted.clear()
