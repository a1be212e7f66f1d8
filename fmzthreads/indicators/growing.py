"""Series that grow a bar at a time: only what is new is computed.

What was computed for a series is kept up to its last but one element (the last one is mostly a bar that is still forming), and beside it the
step over the last one. A later call whose series begins with exactly the same elements goes on from there; any other call starts from the beginning.
So the numbers are always those of a whole computation.
"""

from __future__ import annotations

from typing import Any

from ..structures import Records
from ..structures.growing import GrowingRecords
from .known_series import Indicator, KnownSeries
from .known_window import GrowingWindows
from .lines import IndicatorLine
from .sliding_copies import SlidingCopies

__all__ = ["GrowingSeries"]

# A strategy has some indicators on some symbols; each kept series holds its inputs and outputs.
_KEPT = 256


class GrowingSeries:
    """Computes indicators, and remembers series that grow. Safe from many threads; threads never wait for each other.

    Args:
        kept: How many series are remembered; the one that was not used for longest goes first.

    Attributes:
        windows: Computes indicators over growing records.
    """

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        # Used by single steps only (pop, assignment), each of them atomic: a thread that takes a series out is its only user.
        self._known: dict[tuple[Any, ...], KnownSeries] = {}
        self.windows = GrowingWindows(kept)
        self._copies = SlidingCopies(kept)

    def lines(
        self, indicator: Indicator, params: tuple[Any, ...], rows: list[Any], *, numbers: bool
    ) -> list[list[Any]]:
        """Returns the lists of an indicator; they are the caller's own.

        Args:
            indicator: The indicator.
            params: Its parameters.
            rows: Bars or numbers, oldest first; one of ``READY_LISTS``.
            numbers: Whether they are numbers.

        Raises:
            InputError: An element is not what it must be.
        """
        if type(rows) is GrowingRecords:
            return self.windows.lines(indicator, params, rows)
        if not rows:
            return indicator.new_outs(params)
        origin = rows.origin() if isinstance(rows, (Records, IndicatorLine)) else None
        if origin is not None and origin.token is not None:
            lines = self._copies.lines(indicator, params, rows, origin)
            if lines is not None:
                return lines
        if origin is not None and (numbers or origin.token is not None):
            first = origin.history  # of copies of bars, and of results, of which many begin with None
        elif numbers:
            first = rows.source if type(rows) is IndicatorLine else rows[0]
        else:
            try:
                first = rows[0][indicator.fields[0]]
            except (KeyError, TypeError, IndexError):
                first = None  # the error is raised where the columns are read
        # A known series keeps this object alive, so no other one can have its id.
        key = (indicator.name, params, id(first))
        known = self._known.pop(key, None)
        if known is None or not known.is_continued_by(rows, origin):
            known = KnownSeries(indicator, params, numbers=numbers, keeps=first)
        lines = known.lines(rows, origin)
        self._known[key] = known
        if len(self._known) > self._kept:
            _drop(self._known, self._kept)
        return lines


def _drop(known: dict[tuple[Any, ...], Any], kept: int) -> None:
    while len(known) > kept:
        try:
            known.pop(next(iter(known)), None)
        except (RuntimeError, StopIteration):  # another thread changed it meanwhile: it drops its own share
            return
