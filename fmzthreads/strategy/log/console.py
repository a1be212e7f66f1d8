"""Prints journal lines on the terminal."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TextIO

from ...clock import Clock
from .console_output import print_text
from .lines import Entry, Line, StatusText
from .render import columns, painted, readable, without_colors

__all__ = ["ConsoleSink", "plain_line"]


def plain_line(line: Line, language: str = "en", *, color: bool = False) -> str:
    """A line as text: the local time, the kind unless it is a plain log line, and the message.

    Args:
        line: The line.
        language: ``zh`` or ``en``, for ``[trans]zh|en[/trans]``.
        color: Draws the line's colour for a terminal; otherwise it is left out.
    """
    stamp = _stamp(line.time_ms // 1000)
    text = readable(line.text, language, color=color) if line.text else ""
    if "`" in line.text and "\n" in text:
        text = f"\n{text}"  # a table begins on a line of its own
    words = [stamp]
    if line.kind == "error":
        words += ["ERROR", f"{line.source}:" if line.source else "", text]
    elif line.kind == "profit":
        words += ["PROFIT", f"{line.profit:.10g}", text]
    elif line.kind == "log":
        words.append(text)
    else:
        price = "" if not line.price else "market" if line.price == -1 else f"price {line.price:.12g}"
        amount = f"amount {line.amount:.12g}" if line.amount else ""
        words += [
            line.kind.upper(),
            line.label,
            line.symbol,
            price,
            amount,
            f"id {line.order_id}" if line.order_id else "",
            text,
        ]
    whole = " ".join(filter(None, words))
    return painted(whole, line.color) if color else whole


@lru_cache(maxsize=4)
def _stamp(second: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))


def _is_terminal(stream: Any) -> bool:
    """Whether the stream is a terminal that understands ANSI sequences."""
    if os.environ.get("TERM") == "dumb" or (os.name == "nt" and "WT_SESSION" not in os.environ):
        return False
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # replaced by something else, or closed
        return False


class ConsoleSink:
    """Prints lines to stdout.

    On a terminal the status bar's text stands below the lines and is replaced in place, and colours are drawn (unless the environment has
    ``NO_COLOR``). What a script prints by itself moves the text; use ``Log``. Elsewhere the status is printed, indented, when it has
    changed. Either way this happens at most once every ``status_every_s`` seconds; the last text that was held back is printed by
    ``close``.

    Args:
        clock: What measures ``status_every_s``.
        language: ``zh`` or ``en``, for ``[trans]zh|en[/trans]``.
        status_every_s: The shortest time between two printed status texts; None: 1 s, and 0.1 s on a terminal.
        stream: Where to print; None for stdout as it is at that moment.
    """

    def __init__(
        self, clock: Clock, *, language: str = "en", status_every_s: float | None = None, stream: TextIO | None = None
    ) -> None:
        self._clock = clock
        self._stream = stream
        self._language = language
        self._every_s = status_every_s
        self._shown = ""
        self._shown_at: float | None = None
        self._pending = ""
        self._out: list[str] = []  # what is to be printed at once
        self._rows = 0  # of the status text that stands at the end of the terminal

    @property
    def _out_stream(self) -> Any:
        return self._stream if self._stream is not None else sys.stdout

    def write(self, batch: Sequence[Entry]) -> None:
        """Prints the lines, on a terminal above the status text; and the status, if it changed and the last one is old enough.

        What is deleted from the log stays on the terminal, and a point of the profit curve has its own line, or none.
        """
        self._out = []
        lines: list[str] = []
        terminal = _is_terminal(self._out_stream)
        color = terminal and "NO_COLOR" not in os.environ
        for entry in batch:
            if isinstance(entry, Line):
                lines.append(plain_line(entry, self._language, color=color))
            elif isinstance(entry, StatusText):
                self._add_lines(lines)
                lines = []
                self._add_status(entry.text, terminal)
        self._add_lines(lines)
        self._print()

    def _add_lines(self, lines: list[str]) -> None:
        if not lines:
            return
        drawn = bool(self._rows)
        self._out += [self._erase(), "\n".join(lines), "\n"]
        if drawn:
            self._draw()

    def _print(self) -> None:
        text, self._out = "".join(self._out), []
        if text:
            stream = self._out_stream
            print_text(stream, text, is_own=stream is getattr(sys, "__stdout__", None))

    def _add_status(self, text: str, terminal: bool) -> None:
        self._pending = text
        now = self._clock.monotonic()
        every_s = self._every_s if self._every_s is not None else 0.1 if terminal else 1.0
        if self._shown_at is None or now - self._shown_at >= every_s:
            self._shown_at = now
            self._show_status()

    def _show_status(self) -> None:
        if self._pending == self._shown:
            return
        self._shown = self._pending
        if _is_terminal(self._out_stream):
            self._out.append(self._erase())
            self._draw()
        elif self._shown:
            self._out += [f"  | {row}\n" for row in readable(self._shown, self._language).split("\n")]

    def _erase(self) -> str:
        """What moves the cursor to the first row of the status text and clears the screen from there."""
        rows, self._rows = self._rows, 0
        return f"\x1b[{rows}F\x1b[J" if rows else ""

    def _draw(self) -> None:
        """Prints the status text, each row cut to the terminal's width, so that it takes exactly so many rows."""
        if not self._shown:
            return
        width, height = shutil.get_terminal_size()
        rows = readable(self._shown, self._language, color="NO_COLOR" not in os.environ).split("\n")
        if len(rows) > height - 1:
            rows = [*rows[: height - 2], f"... {len(rows) - height + 2} more rows"]
        self._out += [_cut(f"  | {row}", width) + "\n" for row in rows]
        self._rows = len(rows)

    def close(self) -> None:
        """Prints the status text that was held back, if any."""
        self._out = []
        self._show_status()
        self._print()


def _cut(row: str, width: int) -> str:
    """A row cut to a width; one that is too wide loses its colours."""
    if columns(row) <= width:
        return row
    plain, taken = without_colors(row), 0
    for place, character in enumerate(plain):
        taken += columns(character)
        if taken > width:
            return plain[:place]
    return plain
