"""Modules that read a list's memory without asking see the bars of ``GetRecords``."""

import json
from pathlib import Path

import pytest

from fmzthreads.backtest.vctx import VCtx
from tests.helpers.backtest_runs import generated, run_text

orjson = pytest.importorskip("orjson")


@pytest.mark.parametrize(
    "line",
    [
        "import orjson",
        "from orjson import dumps",
        "from orjson import *",
        "orjson = __import__('orjson')",
        "import importlib\norjson = importlib.import_module('orjson')",
        "from importlib import import_module as load\norjson = load('orjson')",
        "exec('import orjson')",
        "import beside_it\norjson = beside_it.orjson",
    ],
)
def test_orjson_in_a_strategy(tmp_path: Path, line: str) -> None:
    text = f"""
import json
{line}
def main():
    Sleep(600000)
    records = exchange.GetRecords(60)
    dump = orjson.dumps if 'orjson' in globals() else dumps
    Log(dump({{'bars': records}}).decode() == json.dumps({{'bars': records}}, separators=(',', ':')))
    Log(dump(records).decode().count('Time'), len(records), TA.MA(records, 3) == TA.MA(list(records), 3))
    records[-1]['Close'] = 5
    records.append(records[0])
    Log(dump(records) == dump(list(records)), len(records))
"""
    (tmp_path / "beside_it.py").write_text("import orjson\n")
    run, end = run_text(tmp_path, text)
    assert end.reason == "returned", end.text
    count = run.log.rows[1][7].split(" ")[1]
    assert [row[7] for row in run.log.rows] == ["True", f"{count} {count} True", f"True {int(count) + 1}"]
    assert int(count) > 5


def test_lists_from_before_the_import_are_filled_by_it(tmp_path: Path) -> None:
    text = """
def main():
    Sleep(600000)
    records = exchange.GetRecords(60)
    import orjson, json
    Log(json.loads(orjson.dumps([records])) == [list(records)], len(records))
"""
    run, end = run_text(tmp_path, text)
    assert end.reason == "returned", end.text
    assert [row[7] for row in run.log.rows] == ["True 11"]


def test_orjson_in_a_script_that_imported_it_before(tmp_path: Path) -> None:
    names: dict[str, object] = {"orjson": orjson}
    task = {"period": "1m", "exchanges": [{"eid": "Binance", "currency": "BTC_USDT"}]}
    context = VCtx(task, gApis=names, bars={"Binance/BTC_USDT": generated()})
    names["Sleep"](600_000)  # type: ignore[operator]
    records = names["exchange"].GetRecords()  # type: ignore[attr-defined]
    assert json.loads(orjson.dumps(records)) == list(records)
    assert len(records) > 5
    context.Join()


def test_lists_stay_lazy_without_such_a_module(tmp_path: Path) -> None:
    run, _ = run_text(tmp_path, "import json\ndef main():\n    Log(list.__len__(exchange.GetRecords()))\n")
    assert [row[7] for row in run.log.rows] == ["0"]
