"""Final bars on disk."""

import random
from array import array

import pytest

from fmzthreads.backtest.data import stored_bars
from fmzthreads.backtest.data.stored_bars import StoredBars
from fmzthreads.backtest.engine.period_bars import PeriodBars
from fmzthreads.errors import OperationFailed
from tests.helpers.backtests import MINUTE, detail, series_of, simulation
from tests.helpers.long_data import TemporaryFiles, full_after


def test_what_was_stored_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_bars, "CHUNK", 5)
    bars = StoredBars()
    whole, parts = array("q", range(32)), array("d", [number / 2 for number in range(32)])
    for begin in range(0, 30, 5):
        bars._file.write(b"what an attempt wrote before it failed")
        bars.add([whole[begin:], parts[begin:]])
    assert bars.count == 30
    for begin, end in ((0, 30), (3, 4), (4, 6), (5, 10), (7, 29), (8, 8)):
        assert bars.values(0, begin, end) == whole[begin:end].tolist()
        assert bars.values(1, begin, end) == parts[begin:end].tolist()


def test_lists_from_long_ago_are_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    market = detail(price_tick=50_000_000)  # coarser than the data, so that the base bars cannot be shown as they are
    rows = [(100 + rng.random(), 102, 99, 100 + rng.random(), rng.random() * 5) for _ in range(300)]
    kept = []
    for chunk in (4, 16_384):
        monkeypatch.setattr(stored_bars, "CHUNK", chunk)
        files = TemporaryFiles(monkeypatch)
        run = simulation(
            {"Binance/BTC_USDT": series_of(rows, market=market)},
            minutes=300,
            exchanges=[{"eid": "Binance", "max_bar_len": 6}],
        )
        held = []
        for _ in range(280):
            held.append(run.exchanges[0].GetRecords(60))
            assert len(held[-1]) <= 6
            run.engine.sleep(MINUTE)
        [table] = [part.table for part in run.engine.parts]
        bars = table.bars("BTC_USDT", MINUTE)
        assert type(bars) is PeriodBars
        assert len(bars._columns[0]) < 30 or chunk > 4
        assert files.count == (chunk == 4)
        kept.append([[dict(record) for record in records] for records in held])
        assert (
            [list(records.Close) for records in held[:50:7]]
            == [  # an array, where numpy is installed
                [record["Close"] for record in records] for records in kept[-1][:50:7]
            ]
        )
    assert kept[0] == kept[1]
    assert len({records[0]["Time"] for records in kept[0]}) > 200


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    full_after(monkeypatch, 10)
    with pytest.raises(OperationFailed, match="No space left on device"):
        StoredBars().add([array("q", range(9))])
