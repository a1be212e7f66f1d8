"""Where journal lines go: the terminal, and the strategy's SQLite file."""

from __future__ import annotations

import os
import sys
import time

from ..clock import Clock
from .database import Database
from .journal import Line, ProfitPoint
from .render import in_language, readable

__all__ = ["ConsoleSink", "DatabaseSink", "plain_line"]


def plain_line(line: Line, language: str = "en") -> str:
    """A line as text: the local time, the kind unless it is a plain log line, and what it says.

    Args:
        line: The line.
        language: ``zh`` or ``en``, for ``[trans]zh|en[/trans]``.
    """
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line.time_ms // 1000))
    text = readable(line.text, language) if line.text else ""
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
    return " ".join(filter(None, words))


def _print(text: str) -> None:
    """Prints on stdout as it is now; a character that it cannot show is shown by its code instead of losing the line."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=sys.stdout, flush=True)


class ConsoleSink:
    """Prints lines to stdout, as it is at that moment.

    The status bar has no place of its own there: its text is printed, indented, when it has changed, but at most once every
    ``status_every_s`` seconds; the last one that was held back is printed by ``close``.

    Args:
        clock: What measures ``status_every_s``.
        language: ``zh`` or ``en``, for ``[trans]zh|en[/trans]``.
        status_every_s: The shortest time between two printed status texts.
    """

    def __init__(self, clock: Clock, *, language: str = "en", status_every_s: float = 1.0) -> None:
        self._clock = clock
        self._language = language
        self._every_s = status_every_s
        self._shown = ""
        self._shown_at: float | None = None
        self._pending = ""

    def line(self, line: Line) -> None:
        """Prints the line."""
        _print(plain_line(line, self._language))

    def profit(self, point: ProfitPoint) -> None:
        """Prints nothing: the profit's own line says it, or was not wanted."""

    def status(self, text: str) -> None:
        """Prints the status, if it changed and the last one is old enough."""
        self._pending = text
        now = self._clock.monotonic()
        if self._shown_at is None or now - self._shown_at >= self._every_s:
            self._shown_at = now
            self._print_status()

    def _print_status(self) -> None:
        if self._pending != self._shown:
            self._shown = self._pending
            body = readable(in_language(self._shown, self._language), self._language)
            _print("\n".join(f"  | {row}" for row in body.split("\n")))

    def reset_lines(self, remain: int) -> None:
        """Does nothing: what was printed stays."""

    def reset_profit(self, remain: int) -> None:
        """Does nothing."""

    def vacuum(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Prints the status text that was held back, if any."""
        self._print_status()


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
