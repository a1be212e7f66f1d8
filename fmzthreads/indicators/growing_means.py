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
from .lines import LOCAL, IndicatorLine, getrefcount
from .recurrences import ma
from .sliding_means import SlidingMeans

__all__ = ["LONGEST", "GrowingMeans"]

LONGEST = 10_000_000
"""The longest period: longer than any series, so that a larger one is a mistake."""

_AHEAD = 1024
_append, _extend, _pop = list.append, list.extend, list.pop

_Steps = tuple[BarHistory | None, int, object, list[Any], list[Any], list[Any], int, list[IndicatorLine]]
_NO_STEPS: _Steps = (None, -1, None, [], [], [], 0, [])


def _unfit() -> IndicatorLine:
    """A list that is not used again."""
    line = IndicatorLine((), None, 0)
    line.written = -1
    return line


class _Means:
    """The means of one history from one first bar on.

    Attributes:
        steps: What a step from a final bar to the forming one needs; replaced as a whole, so that any thread may read it: the history, its first bar,
            what ``RECORD_CHANGES`` held when the bars were read, the means of the final bars (some of them ahead), the running sums up to these
            bars from ``before`` on, the closes that the steps after these sums take out (the last one is not known yet where a step has been computed in
            advance), how many final bars the first of these sums has, and the two lists that were given out last, the older one first.
    """

    __slots__ = ("asked", "closes", "closes_from", "history", "period", "sliding", "steps")

    def __init__(self, period: int, history: BarHistory) -> None:
        self.period = period
        self.history = history
        self.asked = (-1, 0)  # the first bar and the length of the last window that was left to others
        self.closes: list[Any] = []  # those from closes_from on, which later steps need
        self.closes_from = 0
        self.steps: _Steps = _NO_STEPS
        self.sliding: SlidingMeans | None = None

    def reaches(self, first: int, closed: int, token: object) -> bool:
        """Goes on up to a window that begins where the last one began, or recomputes the means for it; False if it does not, or is too short.

        Args:
            first: The number of its first bar.
            closed: How many of its bars are final.
            token: What ``RECORD_CHANGES`` held before its last close was read.
        """
        _, known_first, seen, means, _, _, before, _ = self.steps
        if first == known_first and token is seen and token is RECORD_CHANGES[0]:
            if closed < before:  # an older window
                return False
            if closed > len(means):
                self._extend(first, closed)
            return True
        known_first, known_closed = self.asked
        if first != known_first:
            return False
        self.asked = (first, closed)
        return closed > known_closed and self._begin(first, closed) and token is self.steps[2]

    def slide(self, first: int, closed: int, close: Any, token: object) -> list[Any] | None:
        """The means of a window that begins at a later bar than the one before, or at the same one; None if it is not the usual case.

        Args:
            first: As for ``reaches``.
            closed: As for ``reaches``.
            close: The close of its forming bar.
            token: As for ``reaches``.
        """
        asked, self.asked = self.asked, (first, closed)
        if not 0 <= asked[0] <= first:
            return None
        if first == asked[0] and (closed > asked[1] or self.sliding is None):
            return None
        sliding = self.sliding
        if sliding is None or sliding.seen is not token or first > sliding.end:
            sliding = self.sliding = SlidingMeans(self.period, self.history, first)
        if token is not sliding.seen:
            return None
        line = sliding.line(first, closed, close)
        return line if token is RECORD_CHANGES[0] else None

    def _begin(self, first: int, closed: int) -> bool:
        period = self.period
        self.steps = _NO_STEPS
        if closed < period:
            return False
        seen = RECORD_CHANGES[0]
        closes = self.history.values("Close", first, first + closed)
        means: list[Any] = []
        total, count = ma((period,), (closes,), 0, closed, None, (means,))
        if count < period:
            return False
        self.closes, self.closes_from = closes[closed - period :], closed - period
        lines = [_unfit(), _unfit()]
        self.steps = (self.history, first, seen, means, [total], self.closes[:1], closed, lines)
        return True

    def _extend(self, first: int, closed: int) -> None:
        """Goes on with the means of the final bars, at least up to a place."""
        history, _, seen, means, totals, _, _, lines = self.steps
        period, begin = self.period, len(means)
        end = self.history.final_until(first + closed, first + closed + _AHEAD) - first
        closes, origin = self.closes, self.closes_from
        closes += self.history.values("Close", first + begin, first + end)
        gone = closes[begin - period - origin : end + 1 - period - origin]
        totals = list(accumulate(map(sub, closes[begin - origin :], gone), initial=totals[-1]))
        means += [total / period for total in totals[1:]]
        del closes[: begin - period - origin]
        self.closes_from = begin - period
        self.steps = (history, first, seen, means, totals, gone, begin, lines)


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
        # Of the last window with one forming bar; replaced as a whole: the window, its history, its first bar, its final bars, the last close, and what
        # RECORD_CHANGES held before that was read.
        self._shown: tuple[Any, ...] = (None,)

    def line(self, period: int, rows: GrowingRecords) -> list[Any] | None:
        """The means of a window; None for the first call of each kind, and if it is not the usual case.

        Args:
            period: The period; anything but a usable one gives None.
            rows: The window.
        """
        shown = self._shown
        if shown[0] is rows:
            _, history, first, closed, close, token = shown
        else:
            token = RECORD_CHANGES[0]  # before the close is read
            history, first, closed, tick, tip_count, tips = rows.place
            if tips is None and tip_count == 1 and rows.tip_records is None:
                close = history.tip_value("Close", tick)
            elif tip_count == 1:
                close = rows.tip("Close")
            else:
                return None
            shown = self._shown = rows, history, first, closed, close, token
        known = self._last.get(period)
        if known is None:
            return self._line_of_another(period, shown)
        its, begin, seen, means, totals, gone, before, lines = known.steps
        at = closed - before
        if (
            its is not history
            or begin != first
            or token is not seen
            or token is not RECORD_CHANGES[0]
            or at < 0
            or at >= len(totals)
        ):
            return self._line_of_another(period, shown)
        mean = (totals[at] + (close - gone[at])) / period
        try:
            line = lines.pop(0)
        except IndexError:  # other threads have them
            line = _unfit()
        # Where only this call refers to it, no thread can reach it, and its contents are free for use.
        if getrefcount(line) == LOCAL and len(line) == line.written and (sure := line.sure) <= closed:
            _pop(line)
            if sure == closed - 2:  # two lists take turns, a bar after the other
                _extend(line, (means[sure], means[sure + 1], mean))
            elif sure == closed:
                _append(line, mean)
            else:
                _extend(line, means[sure:closed])
                _append(line, mean)
        else:
            line = IndicatorLine(means[:closed], means, closed)
            _append(line, mean)
        line.sure = closed
        line.written = closed + 1
        lines.append(line)
        return line

    def _line_of_another(self, period: int, shown: tuple[Any, ...]) -> list[Any] | None:
        """As ``line``, where the means must go on, or are those of another history or first bar."""
        rows, history, first, closed, close, token = shown
        if not 0 < period <= LONGEST:
            return None
        known = self._last.pop(period, None)  # a thread that takes means out is the only one that changes them
        if known is not None and known.history is not history:
            self._others[period, id(known.history)] = known
            _drop(self._others, self._kept)
            known = None
        if known is None:
            known = self._others.pop((period, id(history)), None)
        if known is None or known.history is not history:
            known = _Means(period, history)
        found = known.reaches(first, closed, token)
        line = None if found else known.slide(first, closed, close, token)
        self._last[period] = known
        _drop(self._last, self._kept)
        return self.line(period, rows) if found else line


def _drop(known: dict[Any, _Means], kept: int) -> None:
    while len(known) > kept:
        try:
            known.pop(next(iter(known)), None)
        except (RuntimeError, StopIteration):  # another thread changed it meanwhile: it drops its own share
            return
