"""Bars and books as JSON text that is kept: a closed bar is rendered once, a book once for each of its versions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..engine.candles import MONTH_S, Candle
from ..engine.events import DepthView
from ..engine.exchange import SimulatedExchange
from ..transport.requests import Rendered

__all__ = ["RenderedBars", "RenderedBooks", "join_rows"]

_KEPT_ROWS = 20_000  # of one instrument and period; beyond it they are rendered again


def join_rows(rows: Iterable[bytes]) -> Rendered:
    """Rows as a JSON array."""
    return Rendered(b"[%b]" % b",".join(rows))


class _Kept:
    """The closed bars of one instrument and period."""

    def __init__(self) -> None:
        self.rows: dict[int, bytes] = {}
        self.oldest_ms = 0  # there are no bars before it
        self.page: tuple[range, list[bytes]] = (range(0), [])  # the closed bars that were asked for last


class RenderedBars:
    """Pages of bars. Not thread-safe: the event loop's.

    Only the bars that were not rendered before are asked of the exchange, besides the one that the page begins or ends with.

    Args:
        exchange: Where the bars come from.
        render: Makes JSON of a bar.
    """

    def __init__(self, exchange: SimulatedExchange, render: Callable[[Candle], bytes]) -> None:
        self._exchange = exchange
        self._render = render
        self._kept: dict[tuple[str, int, int], _Kept] = {}

    def page(
        self, instrument: str, period_s: int, limit: int, start_ms: int | None, end_ms: int | None, offset_s: int
    ) -> tuple[Sequence[int], list[bytes]]:
        """Opening times in milliseconds and bars, oldest first; the arguments are those of ``SimulatedExchange.bars``."""
        ask = self._exchange.bars
        if period_s % MONTH_S == 0:  # months differ in length, and there are few of them
            bars = ask(instrument, period_s, limit, start_ms, end_ms, offset_s=offset_s)
            return [bar.open_ms for bar in bars], [self._render(bar) for bar in bars]
        edge = ask(instrument, period_s, 1, start_ms, end_ms, offset_s=offset_s)
        if not edge:
            return [], []
        kept = self._kept.setdefault((instrument, period_s, offset_s), _Kept())
        step, at = period_s * 1000, edge[0].open_ms
        if start_ms is None:
            opens = range(max(at - (limit - 1) * step, _first(at, step, kept.oldest_ms)), at + 1, step)
        else:
            now_ms = self._exchange.server_time_ms()
            newest_ms = now_ms if end_ms is None else min(end_ms, now_ms)
            opens = range(at, min(at + (limit - 1) * step, max(newest_ms, at)) + 1, step)
        running = {} if edge[0].closed else {at: self._render(edge[0])}
        if at not in running or at != opens[-1]:
            return self._rows(kept, running, opens, instrument, period_s, offset_s)
        before, rows = self._rows(kept, running, opens[:-1], instrument, period_s, offset_s)
        return [*before, at], [*rows, running[at]]

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
        """Renders those bars that are not kept yet; a bar that is not closed goes into ``running``."""
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
        if bars and bars[0].open_ms > first:
            kept.oldest_ms = max(kept.oldest_ms, bars[0].open_ms)


def _first(at_ms: int, step_ms: int, oldest_ms: int) -> int:
    """The first opening time from ``oldest_ms`` on, in steps from ``at_ms``."""
    return at_ms - max(0, at_ms - oldest_ms) // step_ms * step_ms


class RenderedBooks:
    """Snapshots of books. Not thread-safe: the event loop's.

    Args:
        exchange: Where the books are.
        render: Makes JSON of a snapshot, apart from what changes with time.
    """

    def __init__(self, exchange: SimulatedExchange, render: Callable[[DepthView], bytes]) -> None:
        self._exchange = exchange
        self._render = render
        self._kept: dict[tuple[str, int], tuple[int, bytes]] = {}

    def snapshot(self, instrument: str, limit: int) -> tuple[int, int, bytes]:
        """The book's version, the time in milliseconds, and the rendered snapshot of the best ``limit`` levels."""
        now = self._exchange.depth(instrument, 0)  # the version alone costs next to nothing
        version, text = self._kept.get((instrument, limit), (-1, b""))
        if version != now.version:
            now = self._exchange.depth(instrument, limit)
            version, text = now.version, self._render(now)
            self._kept[instrument, limit] = version, text
        return version, now.time_ms, text
