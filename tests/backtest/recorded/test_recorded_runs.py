"""Backtests over files of recorded books: command line, script, look-ahead, other modes."""

import json
from pathlib import Path

import pytest

from fmzthreads.backtest.vctx import VCtx
from fmzthreads.cli import main
from fmzthreads.errors import InputError
from tests.helpers.backtest_runs import START_MS, command, write_bars

STRATEGY = """'''backtest
start: 2024-01-01 00:00:00
end: 2024-01-01 00:05:00
period: 1m
mode: 1
exchanges: [{"eid":"EID","currency":"BTC_USDT","balance":10000,"stocks":0,"fee":[0.1,0.2]}]
'''
def main():
    while True:
        depth = exchange.GetDepth()
        if len(exchange.GetTrades()) > 2:
            exchange.Buy(depth.Asks[0].Price, 0.5)
        Log(len(exchange.GetRecords()), depth.Bids[0].Price)
        Sleep(5000)
"""


def write_books(path: Path, seconds: int = 300) -> Path:
    rows = []
    for n in range(seconds):
        price = 1000 + n % 13 - n % 5
        trades = [[START_MS + n * 1000 - 10, n % 2, price + 1 - 2 * (n % 2), 0.25]] if n % 2 else []
        rows.append({
            "time": START_MS + n * 1000, "trades": trades,
            "asks": [[price + 1, 1], [price + 2, 3]], "bids": [[price - 1, 1], [price - 2, 3]],
        })  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    strategy = tmp_path / "strategy.py"
    strategy.write_text(STRATEGY.replace("EID", "Binance"))
    return strategy, write_books(tmp_path / "books.jsonl")


def test_a_run_over_recorded_books(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strategy, books = files
    code, whole, _ = command(capsys, strategy, "--bars", books, "--out", tmp_path / "run")
    assert code == 0
    orders = whole["final"][0]["historyOrders"]
    assert len(orders) > 5
    assert all(order["Info"]["PriceAge"] <= 1000 for order in orders)
    assert whole["metrics"]["currency"] == "USDT"
    assert "<html" in (tmp_path / "run" / "report.html").read_text()
    assert main(["backtest", "--repeat", str(tmp_path / "run")]) == 0


def test_no_look_ahead_is_found_in_an_honest_strategy(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    strategy, books = files
    assert main(["backtest", str(strategy), "--bars", str(books), "--check-lookahead", "2"]) == 0
    assert "look-ahead: none found at 2 instants" in capsys.readouterr().out


def test_contracts_are_traded_over_recorded_books(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strategy = tmp_path / "strategy.py"
    strategy.write_text(STRATEGY.replace("EID", "Futures_Binance"))
    code, whole, _ = command(capsys, strategy, "--bars", write_books(tmp_path / "books.jsonl"))
    assert code == 0
    [position] = whole["final"][0]["positions"]
    assert position["Amount"] > 1


def test_modes_that_do_not_fit_the_data(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strategy, books = files
    bars = write_bars(tmp_path / "bars.csv")
    assert main(["backtest", str(strategy), "--bars", str(bars)]) == 2
    assert "mode: 1 needs recorded order books" in capsys.readouterr().err
    plain = tmp_path / "plain.py"
    plain.write_text(strategy.read_text().replace("mode: 1\n", ""))
    assert main(["backtest", str(plain), "--bars", str(books)]) == 2
    assert "which need mode: 1" in capsys.readouterr().err
    shared = tmp_path / "shared.py"
    shared.write_text(strategy.read_text().replace("mode: 1\n", "mode: 1\nparticipation: 0.5\n"))
    assert main(["backtest", str(shared), "--bars", str(books)]) == 2
    assert "share out the volume of bars" in capsys.readouterr().err


def test_gaps_are_told_before_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strategy, books = tmp_path / "strategy.py", write_books(tmp_path / "books.jsonl")
    strategy.write_text(STRATEGY.replace("EID", "Binance"))
    rows = books.read_text().splitlines(keepends=True)
    books.write_text("".join([*rows[:100], *rows[180:]]))
    code, _, err = command(capsys, strategy, "--bars", books)
    assert code == 0
    assert f"no tick for 81 s from {START_MS + 99_000} ms on; prices stand still there" in err


def test_a_time_without_ticks_has_no_data(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    strategy, books = files
    options = ["--start", "2025-01-01", "--end", "2025-01-02"]
    assert main(["backtest", str(strategy), "--bars", str(books), *options]) == 3
    assert "its ticks go from" in capsys.readouterr().err


def test_recorded_books_in_a_script(tmp_path: Path) -> None:
    books = write_books(tmp_path / "books.jsonl")
    names: dict[str, object] = {}
    task = {
        "start": "2024-01-01 00:00:00", "end": "2024-01-01 00:05:00", "mode": 1,
        "exchanges": [{"eid": "Binance", "currency": "BTC_USDT"}],
    }  # fmt: skip
    context = VCtx(task, gApis=names, bars={"Binance/BTC_USDT": books})
    depth = names["exchange"].GetDepth()  # type: ignore[attr-defined]
    assert len(depth.Asks) == 2
    context.Join()
    with pytest.raises(InputError, match="need mode: 1"):
        VCtx({**task, "mode": 0}, gApis={}, bars=str(books))
