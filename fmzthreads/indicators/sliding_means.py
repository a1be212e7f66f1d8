"""Simple means over windows that slide, such as record lists at their cap: the fast path of ``MA`` for them.

Each window is a computation of its own from its own first bar, whose rounding is part of the result. It is made step by step until its running sum is, to the last bit, that of
another computation over the same bars; from there on both are the same, and the other's means are copied. See ``sliding_windows``, which does this for all indicators. For means it
is done in a simpler way: a few computations go on for ever, and a window that meets none of them becomes one of them. Two sums that differ by an odd number of units in
their last place soon differ by an even one, or not at all, and an even difference stays as it is; so a few are enough.
"""

from __future__ import annotations

from functools import reduce
from itertools import accumulate
from operator import add, sub
from typing import Any, NamedTuple

from ..structures.growing import BarHistory
from ..structures.records import RECORD_CHANGES
from .lines import LISTED, IndicatorLine, getrefcount

__all__ = ["SlidingMeans"]

_AHEAD = 1024
_CHUNK = 16
_LONG = 100
_PATHS = 16
_TIDIED_AFTER = 4096
_FLOATS = {float}
_append, _extend, _pop, _write = list.append, list.extend, list.pop, list.__setitem__


class SlidingLine(IndicatorLine):
    """The means of a window. Those of the next window differ from the first value on, so its origin says nothing, as with a plain list."""

    __slots__ = ()

    def origin(self) -> None:
        """None."""
        return


class _Path:
    """One computation that goes on: its running sums and means, by the place of the first bar in each sum; None before its beginning."""

    __slots__ = ("means", "totals")

    def __init__(self, place: int, totals: list[Any], period: int) -> None:
        self.totals: list[Any] = [None] * place + totals
        self.means: list[Any] = [None] * place + [total / period for total in totals]


class _Window(NamedTuple):
    """A window of final bars whose means are known.

    Attributes:
        first: The number of its first bar.
        closed: How many bars it has.
        own: Its first means, which it has from sums of its own.
        path: Where the later ones are copied from; None if there are none.
        total: The last sum.
        gone: The close that the next step takes out.
    """

    first: int
    closed: int
    own: list[float]
    path: _Path | None
    total: float
    gone: float


_NO_WINDOW = _Window(-1, 0, [], None, 0.0, 0.0)


class SlidingMeans:
    """The means of windows of one history that begin at one bar after the other. One thread has it at a time.

    Args:
        period: The period.
        history: The history.
        first: The number of the first bar of the first window.

    Attributes:
        seen: What ``RECORD_CHANGES`` held when the bars were read.
    """

    __slots__ = (
        "_begin", "_closes", "_given", "_history", "_last", "_none", "_paths", "_period", "_reach", "_shown", "seen",
    )  # fmt: skip

    def __init__(self, period: int, history: BarHistory, first: int) -> None:
        self._period = period
        self._history = history
        self._begin = first
        self.seen = RECORD_CHANGES[0]
        self._closes: list[Any] = []  # from the bar _begin on
        self._paths: list[_Path] = []  # the one that was met last comes first
        self._last = _NO_WINDOW
        self._none = [None] * (period - 1)
        # Two lists that were given out, since as a rule a script holds one while it asks for the next, and what each of them shows.
        self._given: list[IndicatorLine] = []
        self._shown = [_NO_WINDOW, _NO_WINDOW]
        self._reach = 0  # how many sums each path has at least

    @property
    def end(self) -> int:
        """The number of the bar after those that were read."""
        return self._begin + len(self._closes)

    def line(self, first: int, closed: int, close: Any) -> list[Any] | None:
        """The means of a window with one forming bar; None if they must be computed in another way.

        Args:
            first: The number of its first bar.
            closed: How many of its bars are final.
            close: The close of the forming one.
        """
        at, period = first - self._begin, self._period
        if at < 0 or closed < period or type(close) is not float:
            return None
        window = self._last
        if first != window.first or closed != window.closed:  # else only its forming bar has moved
            found = self._final(at, closed)
            if found is None:
                return None
            window = self._last = found
        mean = (window.total + (close - window.gone)) / period
        line = self._line(window, mean)
        if at > _TIDIED_AFTER:
            self._forget(at)
        return line

    def _line(self, window: _Window, mean: float) -> IndicatorLine:
        """A window's means and that of the forming bar as a list of the caller's own."""
        given, shown = self._given, self._shown
        unused = -1
        for number in range(len(given)):
            line = given[number]
            # Where only these two refer to it, no thread can reach it, and its contents are free for use.
            if getrefcount(line) == LISTED:
                if len(line) != line.written:  # its holder has changed it
                    shown[number] = _NO_WINDOW
                elif shown[number] is window:
                    _write(line, -1, mean)
                    return line
                unused = number
        if unused >= 0:
            line = given[unused]
        else:  # the script holds both: the second one is left to it
            line = SlidingLine((), None, 0)
            if len(given) < len(shown):
                given.append(line)
            else:
                given[-1] = line
            unused = len(given) - 1
            shown[unused] = _NO_WINDOW
        if not self._moves(shown[unused], window, line):
            self._copies(window, line)
        _append(line, mean)
        line.written = len(line)
        shown[unused] = window
        return line

    def _copies(self, window: _Window, line: list[Any]) -> None:
        """Makes the means of a window in a list, whatever that holds."""
        _write(line, slice(None), [*self._none, *window.own])
        if window.path is not None:
            begin = window.first - self._begin
            _extend(line, window.path.means[begin + len(window.own) : begin + window.closed - self._period + 1])

    def _moves(self, before: _Window, window: _Window, line: IndicatorLine) -> bool:
        """Makes the means of a window from a list that shows those of an earlier one on the same path.

        The list's last value, of a bar that was forming, is taken out. Returns False, and changes nothing, where the list is of no use.
        """
        path, period = window.path, self._period
        if path is None or path is not before.path or not before.first <= window.first:
            return False
        # Up to here the means of either window are its own; from here on both have those of the path.
        common = max(before.first + len(before.own), window.first + len(window.own))
        known = before.first + before.closed - period + 1
        if not common <= known <= window.first + window.closed - period + 1:
            return False
        origin = self._begin
        head = window.own + path.means[window.first + len(window.own) - origin : common - origin]
        _pop(line)
        _write(line, slice(period - 1, period - 1 + common - before.first), head)
        _extend(line, path.means[known - origin : window.first + window.closed - period + 1 - origin])
        return True

    def _final(self, at: int, closed: int) -> _Window | None:
        """The means of the final bars of a window; None if they must be computed in another way.

        Args:
            at: The place of its first bar.
            closed: How many of its bars are final.
        """
        first, period = at + self._begin, self._period
        if at + closed > len(self._closes) and not self._extend(first + closed):
            return None
        count = closed - period + 1
        own = [reduce(add, self._closes[at : at + period], 0.0)]
        path = self._path_at(at, own[0])
        size = _CHUNK
        while path is None and len(own) < count:
            if len(own) > _LONG:
                path = self._new_path(at, own)
                break
            self._go_on(at, own, min(len(own) + size, count))
            size += size
            path = self._path_at(at + len(own) - 1, own[-1])
        total = own[-1]
        if len(own) == count:
            path = None
        elif path is not None:
            if len(path.totals) < at + count:
                self._prolong(path)
            total = path.totals[at + count - 1]
        means = [one / period for one in own]
        return _Window(first, closed, means, path, total, self._closes[at + closed - period])

    def _path_at(self, place: int, total: float) -> _Path | None:
        """The path whose sum at a place is this one."""
        if place >= self._reach:
            self._prolong_all()
        for number, path in enumerate(self._paths):
            if path.totals[place] == total:  # no sum is -0.0, since it began with 0.0
                if number:
                    del self._paths[number]
                    self._paths.insert(0, path)
                return path
        return None

    def _new_path(self, at: int, own: list[float]) -> _Path:
        """Makes a path of a window's sums."""
        totals = list(own)
        self._go_on(at, totals, len(self._closes) - self._period + 1 - at)
        path = _Path(at, totals, self._period)
        self._paths.insert(0, path)
        del self._paths[_PATHS:]
        return path

    def _go_on(self, at: int, totals: list[Any], count: int) -> None:
        """Appends to the sums of the windows from a place on until there are so many."""
        closes = self._closes
        begin, end, period = at + len(totals), at + count, self._period
        changes = map(sub, closes[begin + period - 1 : end + period - 1], closes[begin - 1 : end - 1])
        totals[-1:] = accumulate(changes, initial=totals[-1])

    def _extend(self, end: int) -> bool:
        """Reads the closes at least up to a bar; False if they are not all floats."""
        closes = self._closes
        until = self._history.final_until(end, end + _AHEAD)
        more = self._history.values("Close", self.end, until)
        if set(map(type, more)) != _FLOATS:
            return False
        closes += more
        return True

    def _prolong_all(self) -> None:
        for path in self._paths:
            self._prolong(path)
        self._reach = len(self._closes) - self._period + 1

    def _prolong(self, path: _Path) -> None:
        """Goes on with a path up to the last close."""
        known = len(path.totals)
        self._go_on(0, path.totals, len(self._closes) - self._period + 1)
        path.means += [total / self._period for total in path.totals[known:]]

    def _forget(self, at: int) -> None:
        """Drops what lies before a place."""
        self._prolong_all()  # which needs the last sums
        self._reach -= at
        self._begin += at
        del self._closes[:at]
        for path in self._paths:
            del path.totals[:at], path.means[:at]
