"""Simple means over records that grow: the fast path of ``MA``, for the most used indicator and the usual case.

The usual case: the window begins where it began at the last call, no bar was changed by hand, one bar is still forming. Then the means of the final
bars are taken from a list that is computed for many bars at once, in the order of ``recurrences.ma`` (so far ahead as the history knows its
final bars; a mean ahead is never shown), and the mean of the forming bar is one step more. The result is a list that was given out before and has been
dropped since, with the new means at its end. Everything else is left to ``known_window``.
"""

from __future__ import annotations

from itertools import accumulate
from operator import sub
from typing import Any

from ..structures.growing import BarHistory, GrowingRecords
from ..structures.records import RECORD_CHANGES
from .lines import HELD, IndicatorLine, getrefcount
from .recurrences import ma

__all__ = ["GrowingMeans"]

_AHEAD = 1024
_append, _extend, _pop = list.append, list.extend, list.pop


def _unfit() -> IndicatorLine:
    """A list that is not used again."""
    line = IndicatorLine((), None, 0)
    line.written = -1
    return line


class _Means:
    """The means of one history from one first bar on.

    Attributes:
        means: The means of the final bars, some of them ahead.
        totals: The running sums up to the bars from ``totals_from`` on.
        gone: The closes that the steps after these sums take out; the last one is not known yet where a step has been computed in advance.
        last: The list that was given out last.
        spare: The list that was given out before it.
    """

    __slots__ = ("asked", "closes", "closes_from", "first", "gone", "history", "last", "means", "period", "seen", "source", "spare", "totals", "totals_from")  # fmt: skip

    def __init__(self, period: int, history: BarHistory) -> None:
        self.period = period
        self.history = history
        self.first = -1
        self.asked = (-1, 0)  # the first bar and the length of the last window that was left to others
        self.seen: object = None  # of the bars' changes when they were read
        self.means: list[Any] = []
        self.totals: list[Any] = []
        self.totals_from = 0
        self.gone: list[Any] = []
        self.closes: list[Any] = []  # those from closes_from on, which later steps need
        self.closes_from = 0
        self.source = object()
        self.spare = self.last = _unfit()

    def begin_again(self, first: int, closed: int) -> bool:
        """Recomputes the means of a window if windows grow; False if they slide, or it is too short for a step."""
        asked, self.asked = self.asked, (first, closed)
        return first == asked[0] and closed > asked[1] and self._begin(first, closed)

    def _begin(self, first: int, closed: int) -> bool:
        period = self.period
        self.first, self.seen = -1, None
        if closed < period:
            return False
        seen = RECORD_CHANGES[0]
        closes = self.history.values("Close", first, first + closed)
        means: list[Any] = []
        total, count = ma((period,), (closes,), 0, closed, None, (means,))
        if count < period:
            return False
        self.means, self.totals, self.totals_from = means, [total], closed - 1
        self.closes, self.closes_from = closes[closed - period :], closed - period
        self.gone = self.closes[:1]
        self.source = object()
        self.spare = self.last = _unfit()
        self.first, self.seen = first, seen
        return True

    def extend(self, closed: int) -> None:
        """Goes on with the means of the final bars, at least up to a place."""
        period, first, begin = self.period, self.first, len(self.means)
        end = self.history.final_until(first + closed, first + closed + _AHEAD) - first
        closes, origin = self.closes, self.closes_from
        closes += self.history.values("Close", first + begin, first + end)
        gone = closes[begin - period - origin : end + 1 - period - origin]
        totals = list(accumulate(map(sub, closes[begin - origin :], gone), initial=self.totals[-1]))
        self.totals, self.totals_from, self.gone = totals, begin - 1, gone
        self.means += [total / period for total in totals[1:]]
        del closes[: begin - period - origin]
        self.closes_from = begin - period

    def line(self, first: int, closed: int, close: Any, token: object) -> IndicatorLine | None:
        """The means of a window with one forming bar; None if it is not the usual case.

        Args:
            first: The number of its first bar.
            closed: How many of its bars are final.
            close: The close of the forming one.
            token: What ``RECORD_CHANGES`` held before the close was read.
        """
        if (first != self.first or token is not self.seen or token is not RECORD_CHANGES[0]) and (
            not self.begin_again(first, closed) or token is not self.seen
        ):
            return None
        means = self.means
        if closed > len(means):
            self.extend(closed)
        at = closed - 1 - self.totals_from
        if at < 0:  # an older window
            return None
        mean = (self.totals[at] + (close - self.gone[at])) / self.period
        line = self.spare
        if getrefcount(line) == HELD and len(line) == line.written and line.sure <= closed:
            # Only this object refers to it: no thread can reach it, and its contents are free for use.
            _pop(line)
            if line.sure == closed - 2:  # two lists take turns, a bar after the other
                _extend(line, (means[closed - 2], means[closed - 1], mean))
            else:
                _extend(line, means[line.sure : closed])
                _append(line, mean)
        else:
            line = IndicatorLine(means[:closed], self.source, closed)
            _append(line, mean)
        line.sure = closed
        line.written = closed + 1
        self.spare, self.last = self.last, line
        return line


def _shown_by(rows: GrowingRecords) -> tuple[Any, ...]:
    """What the means need of a window.

    Returns:
        The window, its history (None unless exactly one bar is forming), its first bar, its final bars, the last close, and what
        ``RECORD_CHANGES`` held before that was read.
    """
    token = RECORD_CHANGES[0]
    history, first, closed, tick, tip_count, tips = rows.place
    if tip_count != 1:
        return rows, None, 0, 0, None, None
    if tips is not None or rows.tip_records is not None:
        return rows, history, first, closed, rows.tip("Close"), token
    return rows, history, first, closed, history.tip_value("Close", tick), token


class GrowingMeans:
    """The means that were asked for. Safe from many threads; threads never wait for each other.

    Args:
        kept: How many are remembered; the one that was not used for longest goes first.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        # Used by single steps only (pop, assignment): a thread that takes means out is their only user.
        self._last: dict[int, _Means] = {}  # of the history that was asked for last, by period
        self._others: dict[tuple[int, int], _Means] = {}  # by period and history, which they keep alive
        self._shown: tuple[Any, ...] = (None,)  # of the last window; replaced as a whole

    def line(self, period: int, rows: GrowingRecords) -> IndicatorLine | None:
        """The means of a window; None for the first call of each kind, and if it is not the usual case.

        Args:
            period: The period, at least 1.
            rows: The window.
        """
        shown = self._shown
        if shown[0] is not rows:
            shown = self._shown = _shown_by(rows)
        _, history, first, closed, close, token = shown
        known = self._last.pop(period, None)
        if known is not None and known.history is history:
            line = known.line(first, closed, close, token)
            self._last[period] = known
            return line
        return self._line_of_another(period, known, shown)

    def _line_of_another(self, period: int, known: _Means | None, shown: tuple[Any, ...]) -> IndicatorLine | None:
        _, history, first, closed, close, token = shown
        if history is None:
            if known is not None:
                self._last[period] = known
            return None
        if known is not None:
            self._others[period, id(known.history)] = known
            _drop(self._others, self._kept)
        known = self._others.pop((period, id(history)), None)
        line = None
        if known is not None and known.history is history:
            line = known.line(first, closed, close, token)
        else:
            known = _Means(period, history)
            known.begin_again(first, closed)
        self._last[period] = known
        _drop(self._last, self._kept)
        return line


def _drop(known: dict[Any, _Means], kept: int) -> None:
    while len(known) > kept:
        try:
            known.pop(next(iter(known)), None)
        except (RuntimeError, StopIteration):  # another thread changed it meanwhile: it drops its own share
            return
