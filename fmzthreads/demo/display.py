"""What the demo shows while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, Protocol, TextIO

from ..clock import Clock
from ..errors import MissingExtra, require
from .summary import percentile

__all__ = ["Display", "LiveTable", "PlainLines", "Silent", "open_display"]


class Display(Protocol):
    """Where the progress goes."""

    def show(self, bot: Any, left_s: float) -> None:
        """Shows where the bot stands; called after each turn, it decides itself how often to draw."""


class Silent:
    """Shows nothing (for ``--json``)."""

    def show(self, bot: Any, left_s: float) -> None:
        """Does nothing."""


def _facts(bot: Any) -> list[tuple[str, str]]:
    rows = []
    for name, book, profit, times in zip(bot.names, bot.books, bot.profits(), bot.leg_ms, strict=True):
        prices = (
            f"{book.Bids[0].Price:.2f} / {book.Asks[0].Price:.2f}" if book and book.Bids and book.Asks else "no book"
        )
        recent = list(times)[-200:]
        rows.append((name, f"{prices}, {percentile(recent, 0.5):.1f} ms a call, profit {profit:+.2f}"))
    rows.append(("hedges", f"{bot.hedges}, legs that went wrong {len(bot.failures)}"))
    rows.append(("exposure", f"{bot.exposure():+.5f}{'' if bot.sure else ' (as last known)'}"))
    rows.append(("pair over slower", f"{percentile(list(bot.ratios)[-200:], 0.5):.3f}"))
    rows.append(("now", bot.status))
    return rows


class PlainLines:
    """One line a second.

    Args:
        stream: Where the lines go.
        clock: What a second is measured with.
    """

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream, self._clock = stream, clock
        self._next = 0.0

    def show(self, bot: Any, left_s: float) -> None:
        """Prints a line if a second has passed."""
        if self._clock.monotonic() < self._next:
            return
        self._next = self._clock.monotonic() + 1
        facts = "; ".join(f"{name}: {text}" for name, text in _facts(bot))
        print(f"{left_s:5.1f} s left; {facts}", file=self._stream, flush=True)


class LiveTable:
    """A table drawn in place, four times a second, by rich.

    Args:
        live: rich's ``Live``.
        table: rich's ``Table`` class.
        clock: What the quarter of a second is measured with.
    """

    def __init__(self, live: Any, table: Any, clock: Clock) -> None:
        self._live, self._table, self._clock = live, table, clock
        self._next = 0.0

    def show(self, bot: Any, left_s: float) -> None:
        """Draws the table if a quarter of a second has passed."""
        if self._clock.monotonic() < self._next:
            return
        self._next = self._clock.monotonic() + 0.25
        table = self._table(title=f"hedging across two exchanges, {max(0.0, left_s):.0f} s left", show_header=False)
        for name, text in _facts(bot):
            table.add_row(name, text)
        self._live.update(table, refresh=True)


@contextlib.contextmanager
def open_display(clock: Clock, *, quiet: bool, stream: TextIO | None = None) -> Iterator[Display]:
    """The display that fits: none, a live table (rich installed and a terminal), or plain lines."""
    stream = stream if stream is not None else sys.stdout
    if quiet:
        yield Silent()
        return
    if stream.isatty():
        try:
            live, table = require("rich.live", "ui").Live, require("rich.table", "ui").Table
        except MissingExtra:
            live = None
        if live is not None:
            with live(auto_refresh=False) as shown:
                yield LiveTable(shown, table, clock)
            return
    yield PlainLines(stream, clock)
