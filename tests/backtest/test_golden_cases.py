"""What FMZ's published engine computed (github.com/fmzquant/backtest_javascript, 0.6.4), run again through the command line.

Every log row, profit point, snapshot, chart row, indicator, status and final state must be the same to the last printed digit. One thing differs by
nature: a condition order's row holds its parameters as JSON, in which Python prints 27063.0 where JavaScript prints 27063.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.cli import main
from tests.helpers.backtest_results import GOLDEN, golden_folder


def run_case(case: str, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    folder = golden_folder(case)
    code = main([
        "backtest", str(folder / "strategy.py"), "--config", str(folder / "config.json"), "--bars", str(folder / "bars.csv"), "--json",
    ])  # fmt: skip
    printed = capsys.readouterr()
    assert code == 0, printed.err
    expected: dict[str, Any] = json.loads((folder / "expected.json").read_text("utf-8"))
    found: dict[str, Any] = json.loads(printed.out)
    return expected, found


def without_condition_digits(rows: list[list[Any]]) -> list[list[Any]]:
    """Rows with the JSON of a condition decoded, whose numbers are printed differently."""
    decoded = []
    for row in rows:
        side, comma, text = row[9].partition(",")
        decoded.append([*row[:9], [side, json.loads(text)]] if comma else row)
    return decoded


def assert_same(found: Any, expected: Any, where: str) -> None:
    """Compares lists element by element, so that a failure shows the first difference."""
    if isinstance(expected, list) and isinstance(found, list):
        for place, (one, other) in enumerate(zip(found, expected, strict=False)):
            assert one == other, f"{where}[{place}]"
        assert len(found) == len(expected), where
    else:
        assert found == expected, where


@pytest.mark.parametrize("case", GOLDEN)
def test_a_case_gives_what_fmzs_engine_computed(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    expected, whole = run_case(case, capsys)
    found = whole["result"]
    assert_same(
        without_condition_digits(found["RuntimeLogs"]), without_condition_digits(expected["runtimeLogs"]), "rows"
    )
    assert_same(found["ProfitLogs"], expected["profitLogs"], "profits")
    assert_same(found["Snapshots"], expected["snapshots"], "snapshots")
    assert_same(found["Chart"]["Datas"], expected["chart"]["Datas"], "chart")
    assert found["Chart"]["Cfg"] == expected["chart"]["Cfg"]
    assert found["Indicators"] == expected["indicators"]
    assert found["Status"] == expected["status"]
    assert found.get("Profit") == expected["profit"]
    assert (found["Time"], found["Progress"], found["LogsCount"]) == (
        expected["time"], expected["progress"], expected["logsCount"],
    )  # fmt: skip
    assert found["Version"] == expected["resultVersion"]
    assert_same(whole["final"], expected["final"]["exchanges"], "final")
    assert found["Snapshots"][-1] == expected["final"]["snapshot"]


def test_the_cases_are_all_that_there_are() -> None:
    folder: Path = golden_folder(GOLDEN[0]).parent
    assert sorted(path.parent.name for path in folder.glob("*/strategy.py")) == sorted(GOLDEN)
