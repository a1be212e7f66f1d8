"""Simple means over records that grow: the fast path of ``MA``, for the most used indicator and the usual case.

The usual case: the window begins where it began at the last call, no bar was changed by hand, one bar is still forming. Then the means of the final
bars are taken from a list that is computed for many bars at once, in the order of ``recurrences.ma`` (so far ahead as the history knows its
final bars; a mean ahead is never shown), and the mean of the forming bar is one step more. The result is a list that was given out before and has been
dropped since, with the new means at its end. Everything else is left to ``known_window``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from itertools import accumulate
from operator import sub
from typing import Any, NamedTuple

from ..structures.growing import BarHistory, GrowingRecords
from ..structures.records import RECORD_CHANGES
from .lines import LISTED, IndicatorLine, getrefcount
from .recurrences import ma
from .sliding_means import SlidingMeans

__all__ = ["LONGEST", "GrowingMeans"]

LONGEST = 10_000_000
"""The longest period: longer than any series, so that a larger one is a mistake."""

_AHEAD = 1024
_append, _extend, _pop = list.append, list.extend, list.pop


class _Beginning(NamedTuple):
    """Where a window begins. Windows that follow each other share one as long as it holds for them, so that it is compared by identity.

    Attributes:
        history: The history.
        first: The number of the first bar.
        token: What ``RECORD_CHANGES`` held before a value of a bar was read.
    """

    history: BarHistory | None
    first: int
    token: object


_Window = tuple[GrowingRecords | None, _Beginning, object, int, Any]
"""A window with one forming bar: itself, its beginning and the token of that, how many of its bars are final, and the last close."""

_Steps = tuple[_Beginning, list[Any], list[Any], list[Any], int, list[IndicatorLine]]
_NOWHERE = _Beginning(None, -1, None)
_NO_STEPS: _Steps = (_NOWHERE, [], [], [], 0, [])
_REACHED: list[Any] = []


def _unfit() -> IndicatorLine:
    """A list that is not used again."""
    line = IndicatorLine((), None, 0)
    line.written = -1
    return line


class _Means:
    """The means of one history from one first bar on.

    Attributes:
        steps: What a step from a final bar to the forming one needs; replaced as a whole, so that any thread may read it: the beginning of the window,
            the means of the final bars (some of them ahead), the running sums up to these bars from ``before`` on, the closes that the steps after
            these sums take out (the last one is not known yet where a step has been computed in advance), how many final bars the first of
            these sums has, and two lists that were given out: of an even and of an odd number of final bars, as a rule.
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

    def reaches(self, beginning: _Beginning, closed: int) -> bool:
        """Goes on up to a window that begins where the last one began, or recomputes the means for it; False if it does not, or is too short.

        Args:
            beginning: Where it begins.
            closed: How many of its bars are final.
        """
        known, means, _, _, before, _ = self.steps
        if known == beginning and beginning.token is RECORD_CHANGES[0]:
            if closed < before:  # an older window
                return False
            if closed > len(means):
                self._extend(beginning, closed)
            elif known is not beginning:
                self.steps = (beginning, *self.steps[1:])
            return True
        first, known_closed = self.asked
        if beginning.first != first:
            return False
        self.asked = (first, closed)
        return closed > known_closed and self._begin(beginning, closed)

    def slide(self, beginning: _Beginning, closed: int, close: Any) -> list[Any] | None:
        """The means of a window that begins at a later bar than the one before, or at the same one; None if it is not the usual case.

        Args:
            beginning: As for ``reaches``.
            closed: As for ``reaches``.
            close: The close of its forming bar.
        """
        _, first, token = beginning
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

    def _begin(self, beginning: _Beginning, closed: int) -> bool:
        period, first = self.period, beginning.first
        self.steps = _NO_STEPS
        if closed < period or beginning.token is not RECORD_CHANGES[0]:
            return False
        closes = self.history.values("Close", first, first + closed)
        means: list[Any] = []
        total, count = ma((period,), (closes,), 0, closed, None, (means,))
        if count < period:
            return False
        self.closes, self.closes_from = closes[closed - period :], closed - period
        self.steps = (beginning, means, [total], self.closes[:1], closed, [_unfit(), _unfit()])
        return True

    def _extend(self, beginning: _Beginning, closed: int) -> None:
        """Goes on with the means of the final bars, at least up to a place."""
        _, means, totals, _, _, lines = self.steps
        period, first, begin = self.period, beginning.first, len(means)
        end = self.history.final_until(first + closed, first + closed + _AHEAD) - first
        closes, origin = self.closes, self.closes_from
        closes += self.history.values("Close", first + begin, first + end)
        gone = closes[begin - period - origin : end + 1 - period - origin]
        totals = list(accumulate(map(sub, closes[begin - origin :], gone), initial=totals[-1]))
        means += [total / period for total in totals[1:]]
        del closes[: begin - period - origin]
        self.closes_from = begin - period
        self.steps = (beginning, means, totals, gone, begin, lines)


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

    def quick(self, method: Callable[[Any, int], list[float | None]]) -> Callable[..., list[float | None]]:
        """``MA`` of an object that computes indicators, as a function: the usual case by what is known, and every other one by the method.

        What it uses it keeps in variables of its own, since each attribute of an object costs a look-up.

        Args:
            method: The method.
        """
        last, another = self._last, self._line_of_another
        shown: _Window = (None, _NOWHERE, None, 0, None)  # the last one that was asked about; replaced as a whole

        @wraps(method)
        def _mean(records: Any, period: int = 9) -> list[float | None]:
            nonlocal shown
            if type(records) is not GrowingRecords or type(period) is not int:
                return method(records, period)
            rows, beginning, token, closed, close = shown
            if rows is not records or token is not RECORD_CHANGES[0]:
                window = _seen(records, beginning)
                if window is None:
                    return method(records, period)
                shown = window
                _, beginning, _, closed, close = window
            try:
                its, means, totals, gone, before, lines = last[period].steps
                at = closed - before
                total = totals[at]
            except (KeyError, IndexError):
                at = -1
            if at < 0 or its is not beginning:
                found = another(period, beginning, closed, close)
                if found is _REACHED:
                    return _mean(records, period)
                return method(records, period) if found is None else found
            mean = (total + (close - gone[at])) / period
            line = lines[closed & 1]
            # Where only this call refers to it, no thread can reach it, and its contents are free for use.
            if getrefcount(line) == LISTED and (size := len(line)) == line.written and size == closed - 1:
                _pop(line)  # two lists take turns, a bar after the other
                _extend(line, (means[closed - 2], means[closed - 1], mean))
                line.written = closed + 1
                return line
            del line  # so that it has no more references than in the list
            return _given(lines, means, closed, mean)

        return _mean

    def _line_of_another(self, period: int, beginning: _Beginning, closed: int, close: Any) -> list[Any] | None:
        """The means of a window that go on, or are those of another history or first bar.

        Returns:
            ``_REACHED`` if they are known now; else the list, or None if it is not the usual case.
        """
        history = beginning.history
        if history is None or not 0 < period <= LONGEST:
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
        line = _REACHED if known.reaches(beginning, closed) else known.slide(beginning, closed, close)
        self._last[period] = known
        _drop(self._last, self._kept)
        return line


def _seen(rows: GrowingRecords, before: _Beginning) -> _Window | None:
    """What is needed of a window; None if not one of its bars is forming.

    Args:
        rows: The window.
        before: Where the last one began.
    """
    token = RECORD_CHANGES[0]  # before the close is read
    history, first, closed, tick, tip_count, tips = rows.place
    if tip_count != 1:
        return None
    close = history.tip_value("Close", tick) if tips is None else rows.tip("Close")
    if before.first != first or before.history is not history or before.token is not token:
        before = _Beginning(history, first, token)
    return rows, before, token, closed, close


def _given(lines: list[IndicatorLine], means: list[Any], closed: int, mean: float) -> IndicatorLine:
    """The means of the final bars and that of the forming one as a list of the caller's own.

    Args:
        lines: Two lists that were given out.
        means: The means of the final bars.
        closed: How many of them there are.
        mean: The mean of the forming bar.
    """
    usual = closed & 1
    for place in (usual, 1 - usual):
        line = lines[place]
        if getrefcount(line) == LISTED and len(line) == line.written and (sure := line.sure) <= closed:
            _pop(line)
            _extend(line, means[sure:closed])
            _append(line, mean)
            line.written = closed + 1
            if place != usual:  # a bar was passed over
                lines[place], lines[usual] = lines[usual], line
            return line
    line = lines[usual] = IndicatorLine([*means[:closed], mean], means, closed)
    return line


def _drop(known: dict[Any, _Means], kept: int) -> None:
    while len(known) > kept:
        try:
            known.pop(next(iter(known)), None)
        except (RuntimeError, StopIteration):  # another thread changed it meanwhile: it drops its own share
            return
