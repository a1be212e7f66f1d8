"""The progress of a demo: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, Protocol, TextIO

from ..clock import Clock
from ..errors import MissingExtra, require

__all__ = ["Display", "LiveTable", "PlainLines", "Silent", "open_display"]


class Display(Protocol):
    """The output of the progress."""

    def show(self, bot: Any, left_s: float) -> None:
        """Shows the bot's state; called after each turn, and limits its own rate."""


class Silent:
    """Shows nothing (for ``--json``)."""

    def show(self, bot: Any, left_s: float) -> None:
        """Does nothing."""


def _facts(bot: Any) -> list[tuple[str, str]]:
    """The bot's state as rows of name and text, with units."""
    base, quote = bot.pair.split("_")
    rows = []
    for name, book, profit in zip(bot.names, bot.books, bot.profits(), strict=True):
        prices = (
            f"bid {book.Bids[0].Price:.2f}, ask {book.Asks[0].Price:.2f} {quote}"
            if book and book.Bids and book.Asks
            else "no order book"
        )
        rows.append((name, f"{prices}; profit {profit:+.2f} {quote}"))
    edge = bot.edge()
    rows.append(("best edge", "unknown" if edge is None else f"{edge * 100:+.3f} % of the price, after both fees"))
    rows.append(("total profit", f"{sum(bot.profits()):+.2f} {quote} on both, after fees"))
    rows.append(("hedges", f"{bot.hedges}, failed legs {len(bot.failures)}"))
    if bot.failures:
        last = bot.failures[-1]
        rows.append(("last failed leg", f"{last['exchange']} {last['leg']} {base}: {last['why']}"))
    rows.append(("exposure", f"{bot.exposure():+.5f} {base}{'' if bot.sure else ' (as last known)'}"))
    rows.append(("now", bot.status))
    return rows


class PlainLines:
    """One line a second.

    Args:
        stream: Receives the lines.
        clock: Measures the second.
    """

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream, self._clock = stream, clock
        self._next = 0.0

    def show(self, bot: Any, left_s: float) -> None:
        """Prints a line if a second has passed."""
        if self._clock.monotonic() < self._next:
            return
        self._next = self._clock.monotonic() + 1
        facts = " | ".join(f"{name}: {text}" for name, text in _facts(bot))
        print(f"{max(0.0, left_s):5.1f} s left | {facts}", file=self._stream, flush=True)


class LiveTable:
    """A table drawn in place, four times a second, by rich.

    Args:
        live: rich's ``Live``.
        table: rich's ``Table`` class.
        clock: Measures the quarter of a second.
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
    """Opens the display: none, a live table (a terminal and rich), or plain lines."""
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
