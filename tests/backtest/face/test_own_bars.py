"""``exchange.SetData(bars)``: bars of the strategy's own, in FMZ's K-line form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmzthreads.backtest.inputs import BacktestInputs, ReadyBacktest
from fmzthreads.backtest.lookahead.check import check_lookahead
from tests.helpers.backtest_runs import START_MS, command, generated, run_text, write_bars

HEADER = """'''backtest
start: 2024-01-01 00:00:00
end: 2024-01-01 04:00:00
period: 5m
basePeriod: 5m
exchanges: [{"eid":"Binance","currency":"BTC_USDT","balance":10000,"stocks":0,"fee":[0,0]}]
'''
"""

OWN = """
def main():
    rows = [[1704067200 + n * 300, 100 + n, 103 + n, 99 + n, 102 + n, 7] for n in range(48)]
    Log(exchange.SetData(rows))
    Sleep(3600000)
    ticker, records = exchange.GetTicker(), exchange.GetRecords()
    Log(ticker.Last, len(records), records[0].Time, records[0].High, records[-2].Volume)
    exchange.Buy(-1, 1000)
    exchange.GetAccount()
"""


def rows_of(whole: Any) -> list[str]:
    return [row[7] for row in whole["result"]["RuntimeLogs"] if row[2] == 5]


def test_a_strategy_that_gives_its_own_bars_needs_no_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATASERVER", raising=False)
    path = tmp_path / "s.py"
    path.write_text(HEADER + OWN)
    code, whole, err = command(capsys, path)
    assert code == 0, err
    assert rows_of(whole) == ["48", f"112.0 13 {START_MS} 103.0 7.0"]
    order = whole["final"][0]["historyOrders"][0]
    assert (order["AvgPrice"], order["Status"]) == (113, 1)
    assert whole["metrics"]["activity"]["fills"]["value"] == 1


CONTRACTS = """
def main():
    exchange.SetContractType("quarter")
    Log(exchange.GetTicker().Symbol)
    exchange.SetContractType("swap")
"""


def test_bars_without_a_name_are_those_of_one_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, bars = tmp_path / "s.py", write_bars(tmp_path / "bars.csv")
    path.write_text(HEADER.replace("Binance", "Futures_Binance") + CONTRACTS)
    code, _, err = command(capsys, path, "--bars", bars)
    assert code == 3
    assert (
        "symbol BTC_USDT.swap not found on Futures_Binance: the bars without a name are those of BTC_USDT.quarter"
        in err
    )
    assert "--bars Futures_Binance/BTC_USDT.swap=FILE" in err
    named = [f"Futures_Binance/BTC_USDT.{contract}={bars}" for contract in ("quarter", "swap")]
    code, whole, err = command(capsys, path, "--bars", named[0], "--bars", named[1])
    assert (code, rows_of(whole)) == (0, ["BTC_USDT.quarter"]), err


@pytest.mark.parametrize(
    ("body", "code"), [("1 / 0", 1), ("exchange.SetData([[2, 1, 1, 1, 1, 1]] * 2)", 1), ("pass", 3)]
)
def test_a_strategy_that_ends_before_it_has_bars(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, body: str, code: int
) -> None:
    monkeypatch.delenv("DATASERVER", raising=False)
    path = tmp_path / "s.py"
    path.write_text(f"{HEADER}def main():\n    {body}  # SetData(bars)\n")
    found, whole, err = command(capsys, path)
    assert found == code, err
    if code == 1:
        assert [state["account"] for state in whole["final"]] == [None]
        assert len(whole["result"]["RuntimeLogs"]) == 1


ARGS = """
start: 2024-01-01 00:00:00
end: 2024-01-01 04:00:00
period: 5m
basePeriod: 5m
spread: 5
args: [["fast", 5],
  ["slow", {"a": 7}]]
exchanges: [
  {"eid":"Binance",
   "currency":"BTC_USDT"}]
"""


def test_a_headers_json_over_lines_and_keys_that_no_setting_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.py"
    path.write_text(f"'''backtest{ARGS}'''\ndef main():\n    Log(fast, slow)\n")
    code, whole, err = command(capsys, path, "--bars", write_bars(tmp_path / "bars.csv"))
    assert (code, rows_of(whole)) == (0, ["5 {'a': 7}"]), err
    assert "the header has the unknown key 'spread'" in err
    assert "'eid'" not in err


def test_they_take_the_place_of_the_sources_bars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.py"
    results = []
    for text in (OWN, OWN.replace("Log(exchange.SetData(rows))", "Log(48)")):
        path.write_text(HEADER + text)
        bars = write_bars(tmp_path / "bars.csv") if text is OWN else write_bars(tmp_path / "own.csv", shaped())
        code, whole, err = command(capsys, path, "--bars", bars)
        assert code == 0, err
        results.append((rows_of(whole), whole["final"]))
    assert results[0] == results[1]


def shaped() -> Any:
    """The bars that the strategy makes, as a file has them."""
    series = generated(48, step_ms=300_000)
    for n in range(48):
        series.open[n], series.high[n], series.low[n], series.close[n] = 100 + n, 103 + n, 99 + n, 102 + n
        series.volume[n] = 7
    return series


TASK = {"basePeriod": "5m", "exchanges": [{"eid": "Binance", "currency": "BTC_USDT"}]}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "exchange.GetTicker(); exchange.SetData([[1704067200, 1, 2, 1, 2, 5]])",
            "comes too late: BTC_USDT was used before",
        ),
        ("exchange.SetData([])", "an empty list, expected bars"),
        ("exchange.SetData('key')", "there is no file of bars"),
        (
            "exchange.SetData([[1704067260, 1, 2, 1, 2, 5], [1704067200, 1, 2, 1, 2, 5]])",
            "is earlier than the bar before it",
        ),
        ("exchange.SetData([[1704067200, 1, 0, 1, 2, 5]])", "expected numbers with low <= open"),
        (
            "exchange.SetData({'a': [[1704067200, 1, 2, 1, 2, 5]], 'b': [[1704067200, 1, 2, 1, 2, 5]]})",
            "expected the bars of one symbol",
        ),
    ],
)
def test_what_is_not_valid_is_named(tmp_path: Path, line: str, message: str) -> None:
    _, end = run_text(tmp_path, f"def main():\n    {line}\n", task=TASK)
    assert end.reason == "error"
    assert message in end.text


def test_shorter_bars_are_aggregated_and_longer_ones_stay(tmp_path: Path) -> None:
    text = "def main():\n    exchange.SetData([[1704067200 + n * STEP, n + 1, n + 2, n + 1, n + 2, 1] for n in range(60)])\n    Sleep(3000000)\n    Log([bar.Open for bar in exchange.GetRecords(EVERY)][:3])\n"
    for step, every, expected in ((60, 300, "[1.0, 6.0, 11.0]"), (1200, 1200, "[1.0, 2.0, 3.0]")):
        run, end = run_text(tmp_path, text.replace("STEP", str(step)).replace("EVERY", str(every)), task=TASK)
        assert end.reason == "returned", end.text
        assert run.log.rows[-1][7] == expected


def test_the_look_ahead_check_says_that_it_does_not_alter_them(tmp_path: Path) -> None:
    path = tmp_path / "s.py"
    path.write_text(HEADER + OWN)
    report = check_lookahead(ReadyBacktest.of(BacktestInputs(file=path)), 1)
    assert report.unseen == ("what SetData is given",)
