"""A run on a terminal: the log above, below it the profit and the status tables with their tabs and colours; drawn by rich.

The keys 1 to 9 choose a tab, if the keyboard is the terminal too.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Sequence
from typing import Any, TextIO

from ..errors import require
from ..fork import after_fork_in_child
from ..strategy.log.console import plain_line
from ..strategy.log.lines import Entry, Line, ProfitPoint, StatusText
from ..strategy.log.render import blocks, in_language

__all__ = ["LiveSink"]

_COLOR = re.compile(r"\s*(#[0-9a-fA-F]{6})\s*$")
_KINDS = {"error": "bold red", "profit": "green", "buy": "cyan", "sell": "magenta", "cancel": "dim", "restart": "bold"}
_BUTTON_CLASSES = {
    "primary": "white on blue",
    "success": "white on green",
    "info": "black on cyan",
    "warning": "black on yellow",
    "danger": "white on red",
}
_SPARKS = "▁▂▃▄▅▆▇█"
_KEPT_POINTS = 60


class LiveSink:
    """Draws a journal on a terminal.

    Args:
        stream: The terminal.
        name: The run's name.
        language: ``zh`` or ``en``, for ``[trans]zh|en[/trans]``.

    Raises:
        MissingExtra: rich is not installed.
    """

    def __init__(self, stream: TextIO, name: str, *, language: str = "en") -> None:
        self._console = require("rich.console", "ui").Console(file=stream, highlight=False, soft_wrap=False)
        self._live = require("rich.live", "ui").Live(
            console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._stream, self._name, self._language = stream, name, language
        self._lock = (
            threading.Lock()
        )  # guards the fields below: the writer's thread draws, and so does that of the keys
        self._status = ""
        self._profits: list[float] = []
        self._tab = 0
        self._partial = ""  # what the strategy printed since its last line end
        self._started = False
        self._keys = _Keys(self._choose)
        self._is_copy = False
        after_fork_in_child(self._stop_drawing)

    def _stop_drawing(self) -> None:
        """In the child of a fork: draws nothing any more, because the parent goes on drawing on this terminal."""
        self._lock = threading.Lock()
        self._started, self._partial = False, ""
        self._is_copy = True

    def write(self, batch: Sequence[Entry]) -> None:
        """Prints the lines above the status, and redraws the status."""
        with self._lock:
            if self._is_copy:
                return
            if not self._started:
                self._started = True
                self._live.start()
                self._keys.start()
            for entry in batch:
                if isinstance(entry, Line):
                    self._console.print(self._line(entry))
                elif isinstance(entry, ProfitPoint):
                    self._profits = [*self._profits[1 - _KEPT_POINTS :], entry.value]
                elif isinstance(entry, StatusText):
                    self._status = entry.text
            self._live.update(self._drawn(), refresh=True)

    def print_text(self, text: str) -> None:
        """Prints what the strategy prints by itself above the status, once its line has ended."""
        with self._lock:
            if self._is_copy:
                self._stream.write(text)
                return
            *lines, self._partial = (self._partial + text).split("\n")
            for line in lines:
                self._console.print(line, markup=False, emoji=False, soft_wrap=True)

    def close(self) -> None:
        """Leaves the last status on the terminal; a later ``write`` draws again."""
        with self._lock:
            if self._partial:
                self._console.print(self._partial, markup=False, emoji=False, soft_wrap=True)
                self._partial = ""
            if self._started:
                self._started = False
                self._keys.stop()
                self._live.stop()

    def _choose(self, tab: int) -> None:
        with self._lock:
            self._tab = tab
            if self._started:
                self._live.update(self._drawn(), refresh=True)

    def _line(self, line: Line) -> Any:
        text = require("rich.text", "ui").Text(plain_line(line, self._language), style=_KINDS.get(line.kind, ""))
        if line.color:
            text.stylize(line.color)
        return text

    # The status

    def _drawn(self) -> Any:
        group = require("rich.console", "ui").Group
        parts: list[Any] = []
        profit = self._profit_line()
        if profit is not None:
            parts.append(profit)
        for block in blocks(in_language(self._status, self._language)):
            parts += self._block(block)
        return group(*parts)

    def _profit_line(self) -> Any:
        if not self._profits:
            return None
        low, high = min(self._profits), max(self._profits)
        scale = (len(_SPARKS) - 1) / (high - low) if high > low else 0.0
        sparks = "".join(_SPARKS[round((value - low) * scale)] for value in self._profits)
        last = self._profits[-1]
        return require("rich.text", "ui").Text.assemble(
            (f"{self._name} profit ", "bold"),
            (f"{last:+.10g} ", "bold green" if last >= 0 else "bold red"),
            (sparks, "green" if last >= 0 else "red"),
        )

    def _block(self, block: Any) -> list[Any]:
        if (
            isinstance(block, list)
            and all(isinstance(one, dict) and one.get("type") == "table" for one in block)
            and block
        ):
            shown = min(self._tab, len(block) - 1)
            bar = require("rich.text", "ui").Text()
            for number, table in enumerate(block):
                bar.append(
                    f" {number + 1} {table.get('title', '')} ", style="reverse bold" if number == shown else "dim"
                )
                bar.append(" ")
            return [bar, self._table(block[shown])]
        if isinstance(block, dict) and block.get("type") == "table":
            return [self._table(block)]
        if isinstance(block, (dict, list)):
            return [self._cell(block)]
        return [self._colored(line) for line in block.strip("\n").split("\n")]

    def _table(self, table: dict[str, Any]) -> Any:
        drawn = require("rich.table", "ui").Table(title=str(table.get("title") or "") or None, title_justify="left")
        columns = [self._cell(column) for column in table.get("cols") or []]
        rows = [self._row(row) for row in table.get("rows") or []]
        width = max(map(len, [columns, *rows]))
        for column in columns + [""] * (width - len(columns)):
            drawn.add_column(column, overflow="fold")
        for row in rows:
            drawn.add_row(*row)
        return drawn

    def _row(self, row: Any) -> list[Any]:
        """The cells of a row; a merged one is followed by empty ones for the columns that it covers."""
        cells: list[Any] = []
        for value in row if isinstance(row, list) else [row]:
            cells.append(self._cell(value))
            span = value.get("colspan", 1) if isinstance(value, dict) else 1
            cells += [""] * (min(span, 100) - 1 if isinstance(span, int) else 0)
        return cells

    def _cell(self, value: Any) -> Any:
        text = require("rich.text", "ui").Text
        if isinstance(value, dict) and value.get("type") == "button":
            name = value.get("class", "").rpartition("-")[2]
            style = "dim" if value.get("disabled") else _BUTTON_CLASSES.get(name, "reverse")
            return text.assemble((f" {value.get('name', '')} ", style), (f" {value.get('cmd', '')}", "dim"))
        if isinstance(value, dict):
            return self._cell(value["body"]) if "body" in value else text(json.dumps(value, ensure_ascii=False))
        if isinstance(value, list):
            return text(" ").join([self._cell(one) for one in value])
        return self._colored(" ".join(str(value).split("\n")))

    def _colored(self, line: str) -> Any:
        found = _COLOR.search(line)
        plain = "[image]" if "data:image/" in line else line[: found.start()] if found else line
        return require("rich.text", "ui").Text(plain.replace("\x1b", "\\x1b"), style=found[1] if found else "")


class _Keys:
    """Reads the keys 1 to 9 from the terminal, while the run is in its foreground.

    Args:
        choose: Called with the number of the tab, from 0.
    """

    def __init__(self, choose: Any) -> None:
        self._choose = choose
        self._former: Any = None
        self._end = threading.Event()

    def start(self) -> None:
        """Switches the keyboard to single keys; does nothing where it is no terminal, or that of another job."""
        try:
            import termios
            import tty
        except ImportError:  # Windows
            return
        try:
            descriptor = sys.stdin.fileno()
            if not os.isatty(descriptor) or os.tcgetpgrp(descriptor) != os.getpgrp():
                return
            self._former = termios.tcgetattr(descriptor)
            tty.setcbreak(descriptor, termios.TCSANOW)
        except (OSError, ValueError, AttributeError, termios.error):
            self._former = None
            return
        self._end.clear()
        threading.Thread(target=self._read, args=(descriptor,), name="fmzthreads-keys", daemon=True).start()

    def _read(self, descriptor: int) -> None:
        import select

        while not self._end.is_set():
            try:
                ready, _, _ = select.select([descriptor], [], [], 0.5)
                key = os.read(descriptor, 1) if ready and not self._end.is_set() else b""
            except OSError:
                return
            if ready and not key:
                return
            if key.isdigit() and key != b"0":
                self._choose(int(key) - 1)

    def stop(self) -> None:
        """Gives the keyboard back."""
        self._end.set()
        if self._former is not None:
            import termios

            former, self._former = self._former, None
            try:
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, former)
            except (OSError, ValueError, termios.error):
                pass  # the terminal is gone
