"""Caches bars and books as JSON: closed bars once, books once per version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from ..engine.candles import BASES_S, MONTH_S, Candle
from ..engine.events import DepthView
from ..engine.exchange import SimulatedExchange
from ..transport.requests import Rendered

__all__ = ["BarPage", "RenderedBars", "RenderedBooks", "join_rows"]

_KEPT_ROWS = 20_000  # per instrument and period; further ones are rendered again
_ROWS_A_STEP = 40  # bars made, or base bars summed, between two yields: about two milliseconds
_DAYS_A_STEP = 60
_DAY_S = 86_400

BarPage: TypeAlias = tuple[str, int, int, int | None, int | None, int]
"""Instrument, period in seconds, limit, earliest and latest opening time in milliseconds, shift in seconds: what a page is asked by."""


def join_rows(rows: Iterable[bytes]) -> Rendered:
    """Rows as a JSON array."""
    return Rendered(b"[%b]" % b",".join(rows))


class _Kept:
    """The closed bars of one instrument and period."""

    def __init__(self) -> None:
        self.rows: dict[int, bytes] = {}
        self.oldest_ms = 0  # no bars exist before it
        self.page: tuple[range, list[bytes]] = (range(0), [])  # the closed bars of the last requests


class RenderedBars:
    """Pages of bars. Not thread-safe: only the event loop uses it.

    Reads only the bars from the exchange that were not rendered before, and the first or last one of the page. When the
    exchange's clock has been set back, bars that are open again are rendered again.

    Args:
        exchange: The source of the bars.
        render: Renders a bar as JSON.
    """

    def __init__(self, exchange: SimulatedExchange, render: Callable[[Candle], bytes]) -> None:
        self._exchange = exchange
        self._render = render
        self._kept: dict[tuple[str, int, int], _Kept] = {}
        self._closed_ms = 0  # up to here bars were seen closed
        self._days_from: dict[str, int] = {}  # the earliest moment, in ms, from which on all days are known to be made

    def page(
        self, instrument: str, period_s: int, limit: int, start_ms: int | None, end_ms: int | None, offset_s: int
    ) -> tuple[Sequence[int], list[bytes]]:
        """Opening times in milliseconds and bars, oldest first; the arguments are those of ``SimulatedExchange.bars``."""
        if period_s % MONTH_S == 0:  # months differ in length, and there are few of them
            bars = self._exchange.bars(instrument, period_s, limit, start_ms, end_ms, offset_s=offset_s)
            return [bar.open_ms for bar in bars], [self._render(bar) for bar in bars]
        kept, edge, opens = self._asked(instrument, period_s, limit, start_ms, end_ms, offset_s)
        if edge is None:
            return [], []
        at = edge.open_ms
        running = {} if edge.closed else {at: self._render(edge)}
        if at not in running or at != opens[-1]:
            return self._rows(kept, running, opens, instrument, period_s, offset_s)
        before, rows = self._rows(kept, running, opens[:-1], instrument, period_s, offset_s)
        return [*before, at], [*rows, running[at]]

    def ahead(
        self, instrument: str, period_s: int, limit: int, start_ms: int | None, end_ms: int | None, offset_s: int
    ) -> Iterator[None]:
        """Makes the bars of a page that are not kept yet, newest first, and yields after each few; arguments as of ``page``."""
        now_ms = self._exchange.server_time_ms()
        newest_ms = now_ms if end_ms is None else min(end_ms, now_ms)
        yield from self._make_days(instrument, newest_ms - limit * period_s * 1000 if start_ms is None else start_ms)
        if period_s % MONTH_S == 0:
            return
        kept, edge, opens = self._asked(instrument, period_s, limit, start_ms, end_ms, offset_s)
        if edge is not None and not edge.closed and edge.open_ms == opens[-1]:
            opens = opens[:-1]
        if opens == kept.page[0]:
            return
        if len(kept.rows) + len(opens) > _KEPT_ROWS:
            kept.rows.clear()  # before the first step, so that no later one takes the bars of an earlier one away
        base_s = next(base for base in reversed(BASES_S) if period_s % base == 0 and offset_s % base == 0)
        few = max(1, _ROWS_A_STEP * base_s // period_s)
        for end in range(len(opens), 0, -few):
            part = opens[max(0, end - few) : end]
            if part[-1] < kept.oldest_ms:
                return
            if any(open_ms not in kept.rows for open_ms in part):
                self._read(kept, {}, part, instrument, period_s, offset_s)
                yield

    def _make_days(self, instrument: str, oldest_ms: int) -> Iterator[None]:
        """Has the exchange make its days up to the oldest that is needed: each is made from the one after it."""
        step_ms = _DAYS_A_STEP * _DAY_S * 1000
        at_ms = self._days_from.get(instrument, self._exchange.server_time_ms())
        while at_ms > max(0, oldest_ms):
            at_ms -= step_ms
            found = self._exchange.bars(instrument, _DAY_S, 1, end_ms=max(0, at_ms))
            self._days_from[instrument] = at_ms = at_ms if found else 0  # without one the past has no more days
            yield

    def _asked(
        self, instrument: str, period_s: int, limit: int, start_ms: int | None, end_ms: int | None, offset_s: int
    ) -> tuple[_Kept, Candle | None, range]:
        """What is kept of a page's bars, the bar that the page begins or ends with, and its opening times.

        None and no times when there are no bars.
        """
        now_ms = self._exchange.server_time_ms()
        if now_ms < self._closed_ms:
            self._open_again(now_ms)
        edge = self._exchange.bars(instrument, period_s, 1, start_ms, end_ms, offset_s=offset_s)
        kept = self._kept.setdefault((instrument, period_s, offset_s), _Kept())
        if not edge:
            return kept, None, range(0)
        step, at = period_s * 1000, edge[0].open_ms
        if start_ms is None:
            return kept, edge[0], range(max(at - (limit - 1) * step, _first(at, step, kept.oldest_ms)), at + 1, step)
        newest_ms = now_ms if end_ms is None else min(end_ms, now_ms)
        return kept, edge[0], range(at, min(at + (limit - 1) * step, max(newest_ms, at)) + 1, step)

    def _open_again(self, now_ms: int) -> None:
        """Forgets the bars that were closed before the exchange's clock was set back."""
        for (_, period_s, _), kept in self._kept.items():
            kept.rows = {at: row for at, row in kept.rows.items() if at + period_s * 1000 <= now_ms}
            kept.page = (range(0), [])
            kept.oldest_ms = 0
        self._closed_ms = now_ms

    def _rows(
        self, kept: _Kept, running: dict[int, bytes], opens: range, instrument: str, period_s: int, offset_s: int
    ) -> tuple[Sequence[int], list[bytes]]:
        """The bars that begin at ``opens``, without those that the exchange does not have."""
        if opens == kept.page[0]:
            return kept.page
        self._read(kept, running, opens, instrument, period_s, offset_s)
        rows = [row for at in opens if (row := kept.rows.get(at) or running.get(at)) is not None]
        if len(rows) < len(opens):
            return [at for at in opens if at in kept.rows or at in running], rows
        if opens and opens[-1] in kept.rows:
            kept.page = opens, rows
        return opens, rows

    def _read(
        self, kept: _Kept, running: dict[int, bytes], opens: range, instrument: str, period_s: int, offset_s: int
    ) -> None:
        """Renders bars that are not cached yet; an open bar goes into ``running``."""
        missing = [open_ms for open_ms in opens if open_ms not in kept.rows]
        if not missing:
            return
        first, last = missing[0], missing[-1]
        count = (last - first) // (period_s * 1000) + 1
        bars = self._exchange.bars(instrument, period_s, count, first, last, offset_s=offset_s)
        if len(kept.rows) + len(bars) > _KEPT_ROWS:
            kept.rows.clear()
            bars = self._exchange.bars(instrument, period_s, len(opens), opens[0], opens[-1], offset_s=offset_s)
        for bar in bars:
            if bar.open_ms not in kept.rows:
                (kept.rows if bar.closed else running)[bar.open_ms] = self._render(bar)
        closed = [bar.close_ms + 1 for bar in bars[-2:] if bar.closed]
        self._closed_ms = max(self._closed_ms, *closed, 0)
        if bars and bars[0].open_ms > first:
            kept.oldest_ms = max(kept.oldest_ms, bars[0].open_ms)


def _first(at_ms: int, step_ms: int, oldest_ms: int) -> int:
    """The first opening time from ``oldest_ms`` on, in steps from ``at_ms``."""
    return at_ms - max(0, at_ms - oldest_ms) // step_ms * step_ms


class RenderedBooks:
    """Snapshots of books. Not thread-safe: only the event loop uses it.

    Args:
        exchange: The source of the books.
        render: Renders a snapshot as JSON, without its time.
    """

    def __init__(self, exchange: SimulatedExchange, render: Callable[[DepthView], bytes]) -> None:
        self._exchange = exchange
        self._render = render
        self._kept: dict[tuple[str, int], tuple[int, bytes]] = {}

    def snapshot(self, instrument: str, limit: int) -> tuple[int, int, bytes]:
        """The book's version, the time in milliseconds, and the rendered snapshot of the best ``limit`` levels."""
        now = self._exchange.depth(instrument, 0)  # reading only the version is cheap
        version, text = self._kept.get((instrument, limit), (-1, b""))
        if version != now.version:
            now = self._exchange.depth(instrument, limit)
            version, text = now.version, self._render(now)
            self._kept[instrument, limit] = version, text
        return version, now.time_ms, text
