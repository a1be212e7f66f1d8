"""Simple means over records that grow: the fast path of ``MA``, for the most used indicator and the usual case.

The usual case: the window begins where it began at the last call, no bar was changed by hand, one bar is still forming. Then the means of the final
bars are taken from a list that is computed for many bars at once, in the order of ``recurrences.ma`` (so far ahead as the history knows its
final bars; a mean ahead is never shown), and the mean of the forming bar is one step more. The result is a list that was given out before and has been
dropped since, with the new means at its end. Everything else is left to ``known_window``.

In a backtest, even the closes that forming bars will show are known for many bars at once. Then the means of forming bars are computed for many bars at
once as well, and the usual case is one function.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import accumulate
from operator import sub
from typing import Any, NamedTuple

from ..structures.growing import PLACES, BarHistory, GrowingRecords
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
    """Where a window begins.

    Attributes:
        history: The history.
        first: The number of the first bar.
        token: What ``RECORD_CHANGES`` held before a value of a bar was read.
    """

    history: BarHistory | None
    first: int
    token: object


class _Stretch(NamedTuple):
    """What the steps from final bars to the forming one after each of them need, for some bars in a row; columns are lists or arrays of numpy.

    Attributes:
        totals: The running sums up to each of the final bars.
        gone: The closes that the steps take out (the last one is not known yet where a step has been computed in advance).
        tips: What ``BarHistory.tip_closes`` knows of the bars that form.
    """

    totals: Any
    gone: Any
    tips: Sequence[Any]

    def means_at(self, place: int, period: int) -> list[float]:
        """The means of the forming bars when their ticks of a place are the current ones."""
        totals, gone, closes = self.totals, self.gone, self.tips[place]
        if isinstance(totals, list):
            return [(total + (close - out)) / period for total, close, out in zip(totals, closes, gone, strict=False)]
        count = len(closes)
        means: list[float] = ((totals[:count] + (closes - gone[:count])) / period).tolist()
        return means


_Steps = tuple[BarHistory | None, int, object, int, list[Any], list[list[float]], list[IndicatorLine], _Stretch]
_NO_STEPS: _Steps = (None, -1, None, 0, [], [], [], _Stretch([], [], []))


def _unfit() -> IndicatorLine:
    """A list that is not used again."""
    line = IndicatorLine((), None, 0)
    line.written = -1
    return line


class _Means:
    """The means of one history from one first bar on.

    Attributes:
        steps: What a step from a final bar to the forming one needs; replaced as a whole, so that any thread may read it: the history, the first bar
            of the window and the token of its ``_Beginning``, how many final bars the first of the stretch has, the means of the final bars (some of
            them ahead), the means of the forming bars by the place of a tick (those of a place once it was asked for; none where they are not known
            ahead), two lists that were given out: of an even and of an odd number of final bars, as a rule, and the stretch.
    """

    __slots__ = ("asked", "closes", "closes_from", "history", "period", "sliding", "steps")

    def __init__(self, period: int, history: BarHistory) -> None:
        self.period = period
        self.history = history
        self.asked = (-1, 0)  # the first bar and the length of the last window that was left to others
        self.closes: Any = []  # those from closes_from on, which later steps need: a list, or an array of numpy
        self.closes_from = 0
        self.steps: _Steps = _NO_STEPS
        self.sliding: SlidingMeans | None = None

    def reaches(self, beginning: _Beginning, closed: int) -> bool:
        """Goes on up to a window that begins where the last one began, or recomputes the means for it; False if it does not, or is too short.

        Args:
            beginning: Where it begins.
            closed: How many of its bars are final.
        """
        history, first, token, before, means, *_ = self.steps
        if (history, first) == beginning[:2] and token is beginning.token is RECORD_CHANGES[0]:
            if closed < before:  # an older window
                return False
            if closed > len(means):
                self._extend(beginning, closed)
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

    def slide_again(self, first: int, closed: int, close: Any, token: object) -> list[Any] | None:
        """As ``slide``, for the very window that was left to others last."""
        sliding = self.sliding
        if sliding is None or token is not sliding.seen:
            return None
        line = sliding.line(first, closed, close)
        return line if token is RECORD_CHANGES[0] else None

    def mean(self, closed: int, tick: int, close: Any) -> Any:
        """The mean of the forming bar.

        Args:
            closed: How many bars are final; as many as ``reaches`` was asked for.
            tick: What the history's ``tips`` are asked for.
            close: The close of the forming bar.
        """
        _, _, _, before, _, ahead, _, stretch = self.steps
        at, place = closed - before, tick % PLACES
        if not ahead:
            return (stretch.totals[at] + (close - stretch.gone[at])) / self.period
        if place < len(ahead) and at < len(stretch.tips[place]):
            if not ahead[place]:
                ahead[place] = stretch.means_at(place, self.period)
            return ahead[place][at]
        return (float(stretch.totals[at]) + (close - float(stretch.gone[at]))) / self.period

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
        lines = [_unfit(), _unfit()]
        stretch = _Stretch([total], self.closes[:1], [])
        self.steps = (self.history, first, beginning.token, closed, means, [], lines, stretch)
        return True

    def _extend(self, beginning: _Beginning, closed: int) -> None:
        """Goes on with the means of the final bars, at least up to a place."""
        *_, means, _, lines, before = self.steps
        period, first, begin = self.period, beginning.first, len(means)
        end = self.history.final_until(first + closed, first + closed + _AHEAD) - first
        tips = self.history.tip_closes(first + begin, first + end)
        if tips and begin + len(tips[0]) >= closed:
            end = begin + len(tips[0])  # so that the next stretch begins where more of them are known
        else:
            tips = []
        closes, origin, total = self.closes, self.closes_from, before.totals[-1]
        if not isinstance(before.totals, list):
            closes, total = closes.tolist(), float(total)
        if tips and not isinstance(tips[0], list):
            join = importlib.import_module("numpy").concatenate
            closes = join((closes, tips[-1]))
            gone = closes[begin - period - origin : end + 1 - period - origin]
            totals = join(([total], closes[begin - origin :] - gone[: end - begin])).cumsum()
            means += (totals[1:] / period).tolist()
        else:
            closes += self.history.values("Close", first + begin, first + end)
            gone = closes[begin - period - origin : end + 1 - period - origin]
            totals = list(accumulate(map(sub, closes[begin - origin :], gone), initial=total))
            means += [total / period for total in totals[1:]]
        self.closes, self.closes_from = closes[begin - period - origin :], begin - period
        stretch = _Stretch(totals, gone, tips)
        self.steps = (self.history, first, beginning.token, begin, means, [[] for _ in tips], lines, stretch)


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
        last, less_usual = self._last, self._line_of

        @wraps(method)
        def _mean(records: Any, period: int = 9) -> list[float | None]:
            if type(records) is not GrowingRecords or type(period) is not int:
                return method(records, period)
            history, first, closed, tick, _, tips = records.place
            try:
                its, origin, token, before, means, ahead, lines, _ = last[period].steps
                mean = (
                    ahead[tick & 15][closed - before]
                    if ahead
                    and closed >= before
                    and tips is None
                    and its is history
                    and origin == first
                    and token is RECORD_CHANGES[0]
                    else None
                )
            except (KeyError, IndexError):
                mean = None
            if mean is None:
                found = less_usual(records, period)
                return method(records, period) if found is None else found
            line = lines[closed & 1]
            # Where only this call refers to it, no thread can reach it, and its contents are free for use.
            if getrefcount(line) == LISTED and (size := len(line)) == line.written and size == closed - 1:
                _pop(line)  # two lists take turns, a bar after the other
                _extend(line, (means[size - 1], means[size], mean))
                line.written = size + 2
                return line
            del line  # so that it has no more references than in the list
            return _given(lines, means, closed, mean)

        return _mean

    def _line_of(self, rows: GrowingRecords, period: int) -> list[Any] | None:
        """The means of a window of which less is known; None if it is not the usual case."""
        token = RECORD_CHANGES[0]  # before the close is read
        history, first, closed, tick, tip_count, tips = rows.place
        if tip_count != 1 or not 0 < period <= LONGEST:
            return None
        close = history.tip_value("Close", tick) if tips is None else rows.tip("Close")
        known = self._last.pop(period, None)  # a thread that takes means out is the only one that changes them
        if known is not None and known.history is not history:
            self._others[period, id(known.history)] = known
            _drop(self._others, self._kept)
            known = None
        if known is None:
            known = self._others.pop((period, id(history)), None)
        if known is None or known.history is not history:
            known = _Means(period, history)
        line: list[Any] | None = None
        if (
            known.asked == (first, closed) and known.steps[1] != first
        ):  # the last window again: only its forming bar has moved
            line = known.slide_again(first, closed, close, token)
        if line is not None:
            self._last[period] = known
            return line
        beginning = _Beginning(history, first, token)
        if known.reaches(beginning, closed):
            *_, means, _, lines, _ = known.steps
            line = _given(lines, means, closed, known.mean(closed, tick, close))
        else:
            line = known.slide(beginning, closed, close)
        self._last[period] = known
        _drop(self._last, self._kept)
        return line


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
