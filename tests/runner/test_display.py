"""The display on a terminal: tabs, colours, buttons, the profit line, what is printed; in a real pseudo-terminal once."""

from __future__ import annotations

import io
import json
import os
import re
import select
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.runner.display import LiveSink
from fmzthreads.strategy.log.lines import Line, ProfitPoint, StatusText
from tests.helpers.runs import environment

pytest.importorskip("rich", reason="the display needs the extra ui")

TABLES = [
    {
        "type": "table",
        "title": "Account",
        "cols": ["Currency", "Free"],
        "rows": [["USDT", "12.5 #00aa00"], ["BTC", None]],
    },
    {
        "type": "table",
        "title": "Control",
        "cols": ["Action", "Button"],
        "rows": [
            ["go", {"type": "button", "cmd": "go", "name": "Go", "class": "btn btn-xs btn-danger"}],
            [{"body": "wide", "colspan": 2}],
            [[{"type": "button", "cmd": "off", "name": "Off", "disabled": True}, "x"], {"odd": 1}, "a third"],
        ],
    },
]
STATUS = f"price #ff0000\n`{json.dumps(TABLES)}`\n[trans]涨|up[/trans] `data:image/png;base64,xx`"


def drawn(sink: LiveSink, *, color: bool = False) -> str:
    from rich.console import Console

    text = io.StringIO()
    Console(file=text, width=100, force_terminal=color, color_system="truecolor" if color else None).print(
        sink._drawn()
    )
    return text.getvalue()


def sink_with(*entries: Any) -> LiveSink:
    sink = LiveSink(io.StringIO(), "grid")
    sink.write(entries)
    return sink


def test_one_tab_is_shown_and_a_key_chooses_it() -> None:
    sink = sink_with(StatusText(STATUS))
    first = drawn(sink)
    assert "price" in first
    assert re.search(r"1 Account +2 Control", first)
    assert "USDT" in first
    assert "wide" not in first
    assert "#" not in first
    assert re.search(r"up\s+\[image\]", first)
    sink._choose(1)
    assert re.search(r"Go +go", drawn(sink))
    assert "USDT" not in drawn(sink)
    sink._choose(8)  # beyond the last one
    assert "wide" in drawn(sink)
    sink.close()


def test_colours_and_the_profit_line() -> None:
    sink = sink_with(StatusText("up #00ff00"), ProfitPoint(1, -1.5), ProfitPoint(2, 3.25))
    text = drawn(sink, color=True)
    assert "\x1b[38;2;0;255;0mup" in text
    assert re.search(r"grid profit .*\+3\.25 .*▁█", text)
    sink.close()
    assert drawn(sink_with(ProfitPoint(1, 2.0), ProfitPoint(2, 2.0))).endswith("+2 ▁▁\n")


def test_an_escape_of_a_strategy_does_not_reach_the_terminal_by_a_cell() -> None:
    table = {"type": "table", "cols": ["a"], "rows": [["\x1b[2J"]]}
    assert "\x1b[2J" not in drawn(sink_with(StatusText(f"\x1b[2J`{json.dumps(table)}`")), color=True)


def test_lines_and_what_is_printed_stand_in_order() -> None:
    out = io.StringIO()
    sink = LiveSink(out, "grid")
    sink.print_text("a")
    sink.print_text("b [bold]\nc")
    sink.write([Line(number=1, time_ms=0, kind="error", text="bad [/red]", source="x")])
    sink.close()
    text = out.getvalue()
    assert text.index("ab [bold]") < text.index("ERROR x: bad [/red]") < text.rindex("c")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_run_in_a_pseudo_terminal_shows_the_chosen_tab_and_gives_the_keyboard_back(tmp_path: Path) -> None:
    import pty
    import termios

    strategy = f"def main():\n    print('printed')\n    LogProfit(2.5)\n    while True:\n        LogStatus({STATUS!r})\n        Sleep(50)\n"
    (tmp_path / "tabs.py").write_text(strategy)
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(tmp_path)
        given = {**environment(tmp_path), "TERM": "xterm"}
        given.pop("NO_COLOR")
        words = ["-m", "fmzthreads", "run", "tabs.py", "--exchange", "Binance:BTC_USDT"]
        os.execve(sys.executable, [sys.executable, *words], given)
    try:
        seen = b""
        pressed = stopped = False
        while True:
            ready, _, _ = select.select([terminal], [], [], 60)
            assert ready, seen
            try:
                data = os.read(terminal, 65536)
            except OSError:  # closed on the other side
                break
            if not data:
                break
            seen += data
            if not pressed and b"USDT" in seen:
                pressed = True
                assert not termios.tcgetattr(terminal)[3] & termios.ICANON
                os.write(terminal, b"2")
            if not stopped and b"wide" in seen:
                stopped = True
                os.write(terminal, b"\x03")
        _, status = os.waitpid(process, 0)
    except BaseException:
        os.kill(process, signal.SIGKILL)
        raise
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 130
    assert b"tabs profit" in seen
    assert b"printed" in seen
    assert (tmp_path / "runs" / "tabs" / "stdout.log").read_text() == "printed\n"
