"""The console: what a terminal shows, what a pipe gets."""

from __future__ import annotations

import io
import re
import shutil
from os import terminal_size
from types import SimpleNamespace

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.strategy.log import console
from fmzthreads.strategy.log.console import ConsoleSink
from fmzthreads.strategy.log.journal import Journal
from fmzthreads.strategy.log.render import columns, readable


class Terminal(io.StringIO):
    """A terminal of 20 columns and 6 rows that understands what the console writes: cursor up, clear below, colours."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        rows = [""]
        for part in re.split(r"(\x1b\[\d+F\x1b\[J|\n)", self.getvalue()):
            up = re.match(r"\x1b\[(\d+)F\x1b\[J", part)
            if up:
                rows = [*rows[: len(rows) - 1 - int(up[1])], ""]
            elif part == "\n":
                rows.append("")
            else:
                rows[-1] += part
        return [re.sub(r"^\d{4}-\S+ \S+ ", "", row) for row in rows[:-1]]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    # Not sys.stdout itself: pytest puts its own there for each phase of a test.
    monkeypatch.setattr(console, "sys", SimpleNamespace(stdout=made))
    monkeypatch.setattr(shutil, "get_terminal_size", lambda *args: terminal_size((20, 6)))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return made


def journal() -> Journal:
    clock = ManualClock()
    made = Journal(clock, [ConsoleSink(clock, status_every_s=0)])
    return made


def test_a_status_replaces_the_one_before_and_stands_below_the_lines(terminal: Terminal) -> None:
    made = journal()
    made.status("one\ntwo")
    made.flush()
    assert terminal.screen() == ["  | one", "  | two"]
    made.log("a line")
    made.flush()
    assert terminal.screen() == ["a line", "  | one", "  | two"]
    made.status("three")
    made.flush()
    assert terminal.screen() == ["a line", "  | three"]
    made.log("another")
    made.flush()
    made.status("")
    made.flush()
    assert terminal.screen() == ["a line", "another"]


def test_rows_are_cut_to_the_width_and_the_height(terminal: Terminal) -> None:
    made = journal()
    made.status("x" * 100 + "\n" + "\u4e2d" * 30)
    made.flush()
    assert terminal.screen() == ["  | " + "x" * 16, "  | " + "\u4e2d" * 8]
    made.status("\n".join(map(str, range(9))))
    made.flush()
    assert terminal.screen() == ["  | 0", "  | 1", "  | 2", "  | 3", "  | ... 5 more rows"]
    made.status("done")
    made.flush()
    assert terminal.screen() == ["  | done"]


def test_colours_are_drawn_on_a_terminal(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    made = journal()
    made.log("up #00ff10")
    made.flush()
    assert "\x1b[38;2;0;255;16m" in terminal.getvalue()
    assert "#00ff10" not in terminal.getvalue()
    made.status("profit #ff0000")
    made.flush()
    assert "\x1b[38;2;255;0;0m" in terminal.getvalue()
    before = len(terminal.getvalue())
    monkeypatch.setenv("NO_COLOR", "1")
    made.log("down #0000ff")
    made.flush()
    assert "38;2" not in terminal.getvalue()[before:].partition("|")[0]


def test_a_line_cannot_steer_the_terminal(terminal: Terminal) -> None:
    made = journal()
    made.log("evil \x1b[2J text")
    made.flush()
    assert "evil" in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue()


def test_a_pipe_gets_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    made = journal()
    made.log("up #00ff10")
    made.flush()
    made.status("one")
    made.flush()
    made.status("two #ff0000")
    made.flush()
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "#" not in out
    assert out.endswith("up\n  | one\n  | two\n")


def test_colours_do_not_move_the_columns_of_a_table() -> None:
    table = '`{"type": "table", "title": "t", "cols": ["a", "b"], "rows": [["1#ff0000", "x"], ["\u4e2d\u6587", "y"]]}`'
    rows = readable(table, color=True).split("\n")
    assert "\x1b[38;2;255;0;0m1" in rows[3]
    assert [columns(row[: row.index(last)]) for row, last in zip(rows[3:], "xy", strict=True)] == [6, 6]
    assert "\x1b" not in readable(table)
