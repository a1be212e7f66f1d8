"""Where journal lines go: the terminal, and the strategy's SQLite file."""

from __future__ import annotations

import os
import shutil
import sys
import time

from ...clock import Clock
from ...database import Database
from .journal import Line, ProfitPoint
from .render import columns, painted, readable, without_colors

__all__ = ["ConsoleSink", "DatabaseSink", "plain_line"]


def plain_line(line: Line, language: str = "en", *, color: bool = False) -> str:
    """A line as text: the local time, the kind unless it is a plain log line, and the message.

    Args:
        line: The line.
        language: ``zh`` or ``en``, for ``[trans]zh|en[/trans]``.
        color: Draws the line's colour for a terminal; otherwise it is left out.
    """
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line.time_ms // 1000))
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


def _print(text: str, end: str = "\n") -> None:
    """Prints on stdout as it is now; a character that it cannot show is shown by its code instead of losing the line."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=sys.stdout, flush=True, end=end)


def _is_terminal() -> bool:
    """Whether stdout is a terminal that understands ANSI sequences."""
    if os.environ.get("TERM") == "dumb" or (os.name == "nt" and "WT_SESSION" not in os.environ):
        return False
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):  # replaced by something else, or closed
        return False


class ConsoleSink:
    """Prints lines to stdout, as it is at that moment.

    On a terminal the status bar's text stands below the lines and is replaced in place, and colours are drawn (unless the environment has
    ``NO_COLOR``). What a script prints by itself moves the text; use ``Log``. Elsewhere the status is printed, indented, when it has
    changed. Either way this happens at most once every ``status_every_s`` seconds; the last text that was held back is printed by
    ``close``.

    Args:
        clock: What measures ``status_every_s``.
        language: ``zh`` or ``en``, for ``[trans]zh|en[/trans]``.
        status_every_s: The shortest time between two printed status texts; None: 1 s, and 0.1 s on a terminal.
    """

    def __init__(self, clock: Clock, *, language: str = "en", status_every_s: float | None = None) -> None:
        self._clock = clock
        self._language = language
        self._every_s = status_every_s
        self._shown = ""
        self._shown_at: float | None = None
        self._pending = ""
        self._rows = 0  # of the status text that stands at the end of the terminal

    def line(self, line: Line) -> None:
        """Prints the line; on a terminal above the status text."""
        terminal = _is_terminal()
        text = plain_line(line, self._language, color=terminal and "NO_COLOR" not in os.environ)
        if not terminal or not self._rows:
            _print(text)
            return
        _print(self._erase() + text)
        self._draw()

    def profit(self, point: ProfitPoint) -> None:
        """Prints nothing: the profit's own line says it, or was not wanted."""

    def status(self, text: str) -> None:
        """Prints the status, if it changed and the last one is old enough."""
        self._pending = text
        now = self._clock.monotonic()
        every_s = self._every_s if self._every_s is not None else 0.1 if _is_terminal() else 1.0
        if self._shown_at is None or now - self._shown_at >= every_s:
            self._shown_at = now
            self._print_status()

    def _print_status(self) -> None:
        if self._pending == self._shown:
            return
        self._shown = self._pending
        if _is_terminal():
            _print(self._erase(), end="")
            self._draw()
        elif self._shown:
            _print("\n".join(f"  | {row}" for row in readable(self._shown, self._language).split("\n")))

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
        _print("\n".join(_cut(f"  | {row}", width) for row in rows))
        self._rows = len(rows)

    def reset_lines(self, remain: int) -> None:
        """Does nothing: what was printed stays."""

    def reset_profit(self, remain: int) -> None:
        """Does nothing."""

    def vacuum(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Prints the status text that was held back, if any."""
        self._print_status()


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


_LOG_TABLE = (
    "CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, kind TEXT NOT NULL, "
    "text TEXT NOT NULL, color TEXT NOT NULL, push INTEGER NOT NULL, private INTEGER NOT NULL, source TEXT NOT NULL, "
    "label TEXT NOT NULL, symbol TEXT NOT NULL, price REAL, amount REAL, order_id TEXT NOT NULL, profit REAL)"
)
_PROFIT_TABLE = "CREATE TABLE IF NOT EXISTS profit (id INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, value REAL NOT NULL)"


class DatabaseSink:
    """Keeps lines and the profit curve in a SQLite file (tables ``log`` and ``profit``); the status bar is not stored.

    Args:
        path: The file; the strategy's store may lie in the same one.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._database = Database(path, (_LOG_TABLE, _PROFIT_TABLE), durable=False)

    def line(self, line: Line) -> None:
        """Stores the line."""
        self._database.execute(
            "INSERT INTO log (time_ms, kind, text, color, push, private, source, label, symbol, price, amount, order_id, profit) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                line.time_ms, line.kind, _storable(line.text), line.color, line.push, line.private,
                _storable(line.source),
                _storable(line.label), _storable(line.symbol), line.price, line.amount, _storable(line.order_id), line.profit,
            ),
        )  # fmt: skip

    def profit(self, point: ProfitPoint) -> None:
        """Stores the point."""
        self._database.execute("INSERT INTO profit (time_ms, value) VALUES (?, ?)", (point.time_ms, point.value))

    def status(self, text: str) -> None:
        """Stores nothing, as FMZ does."""

    def reset_lines(self, remain: int) -> None:
        """Deletes all lines but the newest ``remain``."""
        self._database.execute(
            "DELETE FROM log WHERE id NOT IN (SELECT id FROM log ORDER BY id DESC LIMIT ?)", (remain,)
        )

    def reset_profit(self, remain: int) -> None:
        """Deletes all points but the newest ``remain``."""
        self._database.execute(
            "DELETE FROM profit WHERE id NOT IN (SELECT id FROM profit ORDER BY id DESC LIMIT ?)", (remain,)
        )

    def vacuum(self) -> None:
        """Gives the space of deleted rows back to the file system; slow, since it writes the file anew."""
        self._database.execute("VACUUM")
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # only then does the file itself become smaller

    def close(self) -> None:
        """Closes the file; a later line opens it again."""
        self._database.close()


def _storable(text: str) -> str:
    """Text that SQLite takes: a lone surrogate (from a badly decoded reply) becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")
