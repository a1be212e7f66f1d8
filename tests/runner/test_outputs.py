"""Copies of what a strategy prints, and events as lines of JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path

from fmzthreads.runner.outputs import JsonSink, RotatingFile, Tee
from fmzthreads.strategy.log.lines import Line, ProfitPoint, StatusText


def test_a_file_that_has_grown_is_set_aside_and_only_the_newest_part_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "stdout.log"
    file = RotatingFile(path, most_bytes=10)
    for text in ("123456789", "x", "second...", "y", "third"):
        file.write(text)
    file.close()
    file.write("after the end")
    assert (tmp_path / "stdout.log.1").read_text() == "second...y"
    assert path.read_text() == "third"
    again = RotatingFile(path, most_bytes=8)  # what is there counts
    again.write("!!!")
    again.close()
    assert path.read_text() == ""


def test_a_closed_terminal_loses_text_and_the_copy_has_it(tmp_path: Path) -> None:
    stream = io.StringIO()
    copy = RotatingFile(tmp_path / "out")
    tee = Tee(stream, copy)
    print("both", file=tee, flush=True)
    stream.close()
    print("one", file=tee, flush=True)
    copy.close()
    assert (tmp_path / "out").read_text() == "both\none\n"
    assert tee.encoding == "utf-8"


def test_text_can_be_forwarded_in_place_of_the_stream(tmp_path: Path) -> None:
    stream, forwarded = io.StringIO(), []
    copy = RotatingFile(tmp_path / "out")
    tee = Tee(stream, copy, forwarded.append)
    assert tee.write("\udce4") == 1  # what no encoding can hold does not end the strategy
    copy.close()
    assert stream.getvalue() == ""
    assert forwarded == ["\udce4"]
    assert not tee.isatty()


def test_entries_are_lines_of_json() -> None:
    lines: list[str] = []
    sink = JsonSink(lines.append)
    sink.write(
        [
            Line(number=1, time_ms=2, kind="buy", text="涨\n", price=-1.0, amount=0.0, label="B"),
            ProfitPoint(3, 1.5),
            StatusText("s"),
        ]
    )
    sink.close()
    assert [json.loads(line) for line in lines] == [
        {
            "type": "log",
            "number": 1,
            "time_ms": 2,
            "kind": "buy",
            "text": "涨\n",
            "price": -1.0,
            "amount": 0.0,
            "label": "B",
        },
        {"type": "profit", "time_ms": 3, "value": 1.5},
        {"type": "status", "text": "s"},
    ]
