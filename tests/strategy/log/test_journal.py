"""Lines, their order, what hides them, and where they go."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.constants import LOG_TYPE_BUY, LOG_TYPE_CANCEL, LOG_TYPE_LOG, LOG_TYPE_SELL
from fmzthreads.errors import InputError
from fmzthreads.redaction import Secrets
from fmzthreads.strategy.log.console import ConsoleSink, plain_line
from fmzthreads.strategy.log.journal import Journal
from fmzthreads.strategy.log.lines import Entry, Line
from fmzthreads.strategy.log.log_database import DatabaseSink
from fmzthreads.strategy.runtime import Runtime
from fmzthreads.strategy.store import Store
from tests.helpers.strategy import Collector
from tests.helpers.threads import side_by_side

START = 1_800_000_000.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def journal(clock: ManualClock) -> Journal:
    return Journal(clock)


def _buy(journal: Journal, *tail: object) -> None:
    journal.order(
        LOG_TYPE_BUY, source="Binance", symbol="BTC_USDT", price=100.5, amount=0.25, order_id="BTCUSDT,1", tail=tail
    )


def test_lines_carry_number_time_and_markup(journal: Journal, clock: ManualClock) -> None:
    journal.log("a", 1, "#ff0000", "@")
    clock.advance(1.5)
    journal.log("b &")
    first, second = journal.lines()
    assert (first.number, first.time_ms, first.kind, first.text) == (1, 1_800_000_000_000, "log", "a 1")
    assert (first.color, first.push, first.private) == ("#ff0000", True, False)
    assert (second.number, second.time_ms, second.text, second.private) == (2, 1_800_000_001_500, "b", True)


def test_profit_makes_a_point_and_a_line_or_only_a_point(journal: Journal) -> None:
    journal.profit(12.5, "good", 1)
    journal.profit(13, "&")
    journal.profit(14, "x &")
    assert [point.value for point in journal.profits()] == [12.5, 13.0, 14.0]
    assert [(line.profit, line.text, line.private) for line in journal.lines()] == [
        (12.5, "good 1", False),
        (14.0, "x", True),
    ]


@pytest.mark.parametrize("profit", [float("nan"), float("inf"), None, "12", [1]])
def test_profit_refuses_what_is_no_number(journal: Journal, profit: object) -> None:
    with pytest.raises(InputError, match="LogProfit"):
        journal.profit(profit)
    assert journal.profits() == []
    assert journal.lines() == []


def test_resets_keep_the_newest(journal: Journal) -> None:
    for n in range(5):
        journal.log(n)
        journal.profit(n, "&")
    journal.reset(2)
    journal.reset_profit(3)
    assert [line.text for line in journal.lines()] == ["3", "4"]
    assert [point.value for point in journal.profits()] == [2.0, 3.0, 4.0]
    journal.reset(10**30)
    assert len(journal.lines()) == 2
    journal.reset()
    journal.reset_profit()
    assert (journal.lines(), journal.profits()) == ([], [])


@pytest.mark.parametrize("remain", [-1, 1.5, "2", None])
def test_resets_refuse_what_is_no_count(journal: Journal, remain: object) -> None:
    with pytest.raises(InputError, match=r"LogReset\(remain\)"):
        journal.reset(remain)
    with pytest.raises(InputError, match=r"LogProfitReset\(remain\)"):
        journal.reset_profit(remain)


def test_memory_keeps_the_newest(clock: ManualClock) -> None:
    journal = Journal(clock, keep=3, keep_profit=2)
    for n in range(5):
        journal.profit(n)
    assert [line.number for line in journal.lines()] == [3, 4, 5]
    assert [point.value for point in journal.profits()] == [3.0, 4.0]


def test_order_lines_can_be_hidden_and_nothing_else(journal: Journal) -> None:
    collector = Collector()
    journal.add_sink(collector)
    journal.enable_order_lines(False)
    _buy(journal)
    journal.log("log")
    journal.error("error")
    journal.profit(1)
    assert [line.kind for line in journal.lines()] == ["log", "error", "profit"]
    assert journal.flush()
    assert [line.kind for line in collector.lines()] == ["log", "error", "profit"]
    journal.enable_order_lines(True)
    _buy(journal, "tail", 7, "#00ff00")
    line = journal.lines("buy")[0]
    assert (line.label, line.symbol, line.price, line.amount, line.order_id) == (
        "Binance",
        "BTC_USDT",
        100.5,
        0.25,
        "BTCUSDT,1",
    )
    assert (line.text, line.color) == ("tail 7", "#00ff00")


def test_filters_add_up_and_an_empty_one_drops_them(journal: Journal) -> None:
    journal.add_filter("timeout")
    journal.add_filter(r"50\d:")
    journal.error("a timeout happened")
    journal.error("502: bad gateway", source="OKX")
    journal.error("refused", source="timeout-label")
    journal.error("other")
    assert [line.text for line in journal.lines()] == ["other"]
    journal.log("timeout in a log line is no error")
    assert journal.lines()[-1].text == "timeout in a log line is no error"
    journal.add_filter("")
    journal.error("timeout")
    assert journal.lines()[-1].text == "timeout"


@pytest.mark.parametrize("pattern", ["(", "[a", "*x", "(?P<n>a)(?P<n>b)"])
def test_a_bad_filter_is_named_and_changes_nothing(journal: Journal, pattern: str) -> None:
    with pytest.raises(InputError) as caught:
        journal.add_filter(pattern)
    assert repr(pattern) in str(caught.value)
    journal.error("still shown (")
    assert len(journal.lines()) == 1


def test_a_filter_that_is_no_text_is_refused(journal: Journal) -> None:
    with pytest.raises(InputError, match="None"):
        journal.add_filter(None)  # type: ignore[arg-type]


def test_status_is_replaced_and_not_a_line(journal: Journal) -> None:
    journal.status("one", 1)
    journal.status("two", 2)
    assert journal.status_text == "two 2"
    assert journal.lines() == []


def test_secrets_are_cut_out_of_everything(clock: ManualClock) -> None:
    runtime = Runtime(clock, console=False, store=Store(), name="t")
    collector = Collector()
    runtime.journal.add_sink(collector)
    secret = 'k3y /+="\\ü'
    assert runtime.register_secret(secret)
    forms = [secret, "k3y%20%2F%2B%3D%22%5C%C3%BC", "k3y+%2F%2B%3D%22%5C%C3%BC", "k3y%20/%2B%3D%22%5C%C3%BC"]
    for form in forms:
        runtime.journal.log("key", form)
        runtime.journal.log({"type": "table", "cols": ["a"], "rows": [[form]]})
        runtime.journal.profit(1, form)
        runtime.journal.status(form)
        runtime.error(f"sent {form} away", source=form)
        assert runtime.take_last_error() == "***: sent *** away"
        runtime.order_line(
            LOG_TYPE_BUY, source=form, symbol="A_B", price=1, amount=1, order_id=form, tail=(form, {"k": form})
        )
    runtime.journal.log(json.dumps({"k": secret}))
    text = (
        repr(collector.seen)
        + repr(runtime.journal.lines())
        + runtime.journal.status_text
        + repr(runtime.journal.secrets)
    )
    assert "k3y" not in text
    assert text.count("***") > len(forms) * 5
    runtime.close()


def test_a_secret_too_short_to_cut_says_so() -> None:
    secrets = Secrets()
    assert not secrets.add("abc")
    assert not secrets.add("")
    assert secrets.cut("abc") == "abc"
    assert secrets.add("abcd")
    assert secrets.add("abcdefgh")
    assert secrets.cut("1 abcdefgh 2 abcd") == "1 *** 2 ***"


def test_lines_of_many_threads_reach_each_sink_in_one_order(clock: ManualClock) -> None:
    for _ in range(5):
        collector = Collector()
        journal = Journal(clock, [collector], keep=10_000)

        def work(index: int, journal: Journal = journal) -> None:
            for n in range(100):
                journal.log(index, n)

        side_by_side(8, work)
        assert journal.flush()
        lines = collector.lines()
        assert [line.number for line in lines] == list(range(1, 801))
        assert lines == journal.lines()
        for index in range(8):
            assert [line.text for line in lines if line.text.startswith(f"{index} ")] == [
                f"{index} {n}" for n in range(100)
            ]


def test_an_argument_that_logs_while_it_is_rendered(journal: Journal) -> None:
    class Chatty:
        def __str__(self) -> str:
            journal.log("inside")
            return "chatty"

    journal.log(Chatty())
    assert [line.text for line in journal.lines()] == ["inside", "chatty"]


def test_an_argument_that_cannot_be_rendered_raises_and_writes_nothing(journal: Journal) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    with pytest.raises(RuntimeError, match="no text"):
        journal.log(Broken())
    assert journal.lines() == []


def test_a_sink_that_fails_is_told_once_and_the_others_go_on(
    clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(Collector):
        def write(self, batch: Sequence[Entry]) -> None:
            raise OSError("disk full")

    collector = Collector()
    journal = Journal(clock, [Broken(), collector])
    for text in ("one", "two", "three"):
        journal.log(text)
        assert journal.flush()
    told, *others = sorted(collector.lines(), key=lambda line: line.kind)
    assert told.text == "the journal's Broken failed: OSError: disk full"
    assert [line.text for line in others] == ["one", "two", "three"]
    assert journal.sink_failures == 3
    assert [(stats.sink, stats.written, stats.lost) for stats in journal.stats()] == [
        ("Broken", 0, 3),
        ("Collector", 4, 0),
    ]
    assert not journal.close()
    told = capsys.readouterr().err
    assert told.count("disk full") == 1
    assert "Broken lost 3 lines" in told


def test_order_line_types() -> None:
    runtime = Runtime(ManualClock(), console=False, store=Store(), name="t")
    for kind in (LOG_TYPE_BUY, LOG_TYPE_SELL, LOG_TYPE_CANCEL):
        runtime.order_line(kind, source="X", symbol="", price=0, amount=0, order_id="")
    assert [line.kind for line in runtime.journal.lines()] == ["buy", "sell", "cancel"]
    with pytest.raises(InputError, match="LOG_TYPE_BUY"):
        runtime.order_line(LOG_TYPE_LOG, source="X", symbol="", price=0, amount=0, order_id="")


# Console


def test_console_lines(journal: Journal, clock: ManualClock, capsys: pytest.CaptureFixture[str]) -> None:
    import time

    journal.add_sink(ConsoleSink(clock))
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(START))
    journal.log("hello", "#ff0000")
    journal.log("[trans]你|you[/trans]")
    journal.error("went wrong", source="OKX")
    journal.profit(12.5, "yes")
    journal.profit(12.5, "&")
    _buy(journal, "tail")
    journal.order(LOG_TYPE_SELL, source="OKX", symbol="A_B", price=-1, amount=2, order_id="7")
    journal.order(LOG_TYPE_CANCEL, source="OKX", order_id="7")
    journal.log({"type": "table", "title": "T", "cols": ["a"], "rows": [[1]]})
    assert journal.flush()
    assert capsys.readouterr().out.split("\n") == [
        f"{stamp} hello",
        f"{stamp} you",
        f"{stamp} ERROR OKX: went wrong",
        f"{stamp} PROFIT 12.5 yes",
        f"{stamp} BUY Binance BTC_USDT price 100.5 amount 0.25 id BTCUSDT,1 tail",
        f"{stamp} SELL OKX A_B market amount 2 id 7",
        f"{stamp} CANCEL OKX id 7",
        f"{stamp} ",
        "T",
        "a",
        "-",
        "1",
        "",
    ]


def test_console_status_is_shown_when_changed_but_not_too_often(
    journal: Journal, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.add_sink(ConsoleSink(clock, status_every_s=1.0))
    journal.status("a\nb")
    journal.flush()
    journal.status("held back")
    journal.flush()
    clock.advance(0.5)
    journal.status("held back too")
    journal.flush()
    clock.advance(0.6)
    journal.status("c")
    journal.flush()
    clock.advance(5)
    journal.status("c")
    journal.flush()
    clock.advance(0.1)
    journal.status("last")
    journal.flush()
    assert capsys.readouterr().out == "  | a\n  | b\n  | c\n"
    journal.close()
    journal.close()
    assert capsys.readouterr().out == "  | last\n"


def test_console_shows_what_it_cannot_encode_by_its_code(
    journal: Journal, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    journal.add_sink(ConsoleSink(clock))
    journal.log("é \ud800")
    assert journal.flush()
    assert raw.getvalue().endswith(b"\\xe9 \\ud800\n")
    assert journal.sink_failures == 0


def test_a_closed_terminal_does_not_stop_the_strategy(
    journal: Journal, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    monkeypatch.setattr(sys, "stderr", closed)
    journal.add_sink(ConsoleSink(clock))
    journal.log("nobody reads this")
    assert journal.flush()
    assert journal.sink_failures == 1
    assert journal.lines()[0].text == "nobody reads this"


def test_a_line_as_text_in_the_other_language() -> None:
    line = Line(number=1, time_ms=0, kind="log", text="[trans]你|you[/trans]")
    assert plain_line(line, "zh").endswith("你")
    with pytest.raises(InputError, match="'fr'"):
        Runtime(ManualClock(), console=False, language="fr")


# SQLite


def _rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    raw = sqlite3.connect(path)
    try:
        return raw.execute(sql).fetchall()
    finally:
        raw.close()


def test_database_keeps_lines_and_profit_and_the_store(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "bot.sqlite3"
    runtime = Runtime(clock, database=path, console=False, name="t")
    runtime.journal.log("hello", "#ff0000")
    runtime.journal.error("bad \ud800", source="OKX")
    runtime.journal.add_filter("hidden")
    runtime.journal.error("hidden")
    runtime.journal.profit(5, "&")
    _buy(runtime.journal)
    runtime.journal.enable_order_lines(False)
    _buy(runtime.journal)
    runtime.journal.status("never stored")
    runtime.store.put("k", 1)
    runtime.close()
    assert runtime.journal.sink_failures == 0
    assert _rows(
        path, "SELECT logType, extra, color, source, eid, contractType, price, orderId FROM log ORDER BY id"
    ) == [
        (5, "hello", "#ff0000", "", "", "", 0.0, ""),
        (3, "bad ?", "", "OKX", "", "", 0.0, ""),
        (0, "", "", "", "Binance", "BTC_USDT", 100.5, "BTCUSDT,1"),
    ]
    assert _rows(path, "SELECT date, profit FROM profit") == [(1_800_000_000_000, 5.0)]
    assert _rows(path, "SELECT k, v FROM kvdb") == [("k", "1")]
    assert "never" not in path.read_bytes().decode("latin-1")


def test_database_resets_and_vacuum(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "bot.sqlite3"
    journal = Journal(clock, [DatabaseSink(path)])
    for n in range(300):
        journal.log(n, "x" * 2_000)
        journal.profit(n, "&")
    journal.reset(3)
    journal.reset_profit(2)
    journal.vacuum()
    assert journal.flush()
    size = path.stat().st_size
    journal.close()
    assert journal.sink_failures == 0
    assert [row[0] for row in _rows(path, "SELECT substr(extra, 1, 3) FROM log ORDER BY id")] == ["297", "298", "299"]
    assert _rows(path, "SELECT profit FROM profit ORDER BY id") == [(298.0,), (299.0,)]
    assert size < 100_000


def test_a_database_that_cannot_be_written_is_told_and_does_not_stop_the_strategy(
    tmp_path: Path, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bot.sqlite3"
    path.write_bytes(b"no database" * 100)
    journal = Journal(clock, [DatabaseSink(path)])
    journal.log("one")
    journal.log("two")
    assert not journal.flush(0.2)
    assert not journal.lines("error")[1:]
    assert not journal.close(1.0)
    (stats,) = journal.stats()
    assert (stats.written, stats.lost, stats.waiting) == (0, 2, 0)
    assert stats.failures > 1
    told = capsys.readouterr().err
    assert told.count("bot.sqlite3 cannot be used") == 1
    assert "lost 2 lines" in told
    assert path.read_bytes() == b"no database" * 100


def test_lines_that_are_not_to_be_stored_are_shown_all_the_same(tmp_path: Path) -> None:
    path, shown = tmp_path / "a.db", Collector()
    journal = Journal(ManualClock(5), [DatabaseSink(path), shown])
    journal.log("before")
    journal.enable_storing(False)
    journal.log("not stored")
    journal.error("neither")
    journal.profit(1.5, "and")
    journal.enable_storing(True)
    journal.log("after")
    assert journal.close()
    assert [line.text for line in journal.lines()] == ["before", "not stored", "neither", "and", "after"]
    assert [entry.text for entry in shown.lines()] == [line.text for line in journal.lines()]
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT extra FROM log ORDER BY id").fetchall() == [("before",), ("after",)]
        assert database.execute("SELECT profit FROM profit").fetchall() == [(1.5,)]
