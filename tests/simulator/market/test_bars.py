from __future__ import annotations

import zipfile
from decimal import Decimal as D
from pathlib import Path

import pytest

from fmzthreads.errors import InputError
from fmzthreads.simulator.market.bars import Gap, load_bars
from tests.helpers.shared_data import shared_data

T0 = 1_700_000_040_000
HEADER = "time,open,high,low,close,volume\n"


def rows(*offsets: int) -> str:
    return "".join(f"{T0 + 60_000 * offset},10,12,9,11,1.5\n" for offset in offsets)


def write(folder: Path, text: str | bytes, name: str = "bars.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "head", ["", HEADER, "\ufeff" + HEADER, "Timestamp,Open,High,Low,Close,Volume\n", "\n\n" + HEADER]
)
def test_with_and_without_a_header(tmp_path: Path, head: str) -> None:
    held = load_bars(write(tmp_path, head + rows(0, 1)))
    assert [bar.time_ms for bar in held.bars] == [T0, T0 + 60_000]
    bar = held.bars[0]
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (10, 12, 9, 11, D("1.5"))
    assert (held.period_ms, held.gaps, held.missing) == (60_000, (), 0)


def test_a_header_may_order_and_add_columns(tmp_path: Path) -> None:
    held = load_bars(write(tmp_path, f"close,symbol,time,volume,open,low,high\n11,BTC,{T0},2,10,9,12\n"))
    assert (held.bars[0].close, held.bars[0].high, held.bars[0].volume, held.period_ms) == (11, 12, 2, 60_000)


def test_gaps_are_reported_and_tolerated(tmp_path: Path) -> None:
    held = load_bars(write(tmp_path, rows(0, 1, 4, 5, 6, 8)))
    assert held.gaps == (
        Gap(after_ms=T0 + 60_000, before_ms=T0 + 240_000, missing=2),
        Gap(after_ms=T0 + 360_000, before_ms=T0 + 480_000, missing=1),
    )
    assert held.missing == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["no bars"]),
        (HEADER, ["no bars"]),
        ("time,open,high,low,close\n1,2,3,4,5\n", ["line 1", "'volume'"]),
        (f"{T0},10,12,9,11\n", ["line 1", "5 columns"]),
        (f"{T0},10,12,9,x,1\n", ["line 1", "column close", "'x'"]),
        (f"{T0},10,12,9,,1\n", ["line 1", "column close"]),
        (HEADER + rows(0) + f"{T0 + 60_000},10,NaN,9,11,1\n", ["line 3", "column high", "finite"]),
        (f"{T0},inf,12,9,11,1\n", ["column open"]),
        (f"{T0},-10,12,9,11,1\n", ["column open", "above 0"]),
        (f"{T0},10,12,0,11,1\n", ["column low", "above 0"]),
        (f"{T0},10,12,9,11,-1\n", ["column volume", "at least 0"]),
        (f"{T0},10,10.5,9,11,1\n", ["column high"]),
        (f"{T0},10,12,10.5,11,1\n", ["column low"]),
        (f"{T0},1e99,1e99,9,11,1\n", ["column open", "range"]),
        (rows(1, 0), ["line 2", "column time", "earlier"]),
        (rows(0, 0), ["line 2", "column time", "same time"]),
        ("1700000040,10,12,9,11,1\n", ["column time", "milliseconds"]),
        ("1700000040000000,10,12,9,11,1\n", ["column time", "milliseconds"]),
        ("yesterday,10,12,9,11,1\n", ["line 1", "column time"]),
        ("20231331 00:00,10,12,9,11,1\n", ["column time"]),
        ("-5,10,12,9,11,1\n", ["column time"]),
        (b"\xff\xfe\x00", ["UTF-8"]),
    ],
)
def test_what_is_wrong_is_named_with_line_and_column(tmp_path: Path, text: str | bytes, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        load_bars(write(tmp_path, text))
    for word in ["bars.csv", *words]:
        assert word in str(caught.value)


def zipped(folder: Path, name: str, *files: tuple[str, str]) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files:
            archive.writestr(inner, text)
    return path


def test_zipped_minutes_take_their_day_from_the_name(tmp_path: Path) -> None:
    held = load_bars(
        zipped(
            tmp_path, "20221213_trade.zip", ("20221213_btc_minute_trade.csv", "0,10,12,9,11,1\n120000,10,12,9,11,1\n")
        )
    )
    assert [bar.time_ms for bar in held.bars] == [1_670_889_600_000, 1_670_889_720_000]


def test_zipped_hours_say_their_day_themselves(tmp_path: Path) -> None:
    held = load_bars(
        zipped(tmp_path, "btc_trade.zip", ("btc.csv", "20180501 00:00,10,12,9,11,1\r\n20180501 01:00,10,12,9,11,1\r\n"))
    )
    assert (held.bars[1].time_ms, held.period_ms) == (1_525_136_400_000, 3_600_000)


def test_other_zips_are_refused(tmp_path: Path) -> None:
    row = "0,10,12,9,11,1\n"
    for path, word in (
        (zipped(tmp_path, "two.zip", ("a.csv", row), ("b.csv", row)), "holds 2"),
        (zipped(tmp_path, "20221213_quote.zip", ("20221213_x_quote.csv", row)), "quotes"),
        (zipped(tmp_path, "noday.zip", ("x.csv", row)), "milliseconds"),
        (write(tmp_path, b"not a zip", "bad.zip"), "not a zip"),
        (tmp_path / "absent.csv", "cannot be read"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(InputError, match=word):
            load_bars(path)


@pytest.mark.parametrize(
    ("file", "bars", "first", "last", "missing"),
    [
        ("lean/crypto/binance/minute/btcbusd/20221213_trade.zip", 1440, (1_670_889_600_000, "17212.12"), 1_670_975_940_000, 0),
        ("lean/crypto/bybit/minute/btcusdt/20221213_trade.zip", 1440, (1_670_889_600_000, "17208.86"), 1_670_975_940_000, 0),
        ("lean/crypto/binance/hour/btcusdt_trade.zip", None, (1_525_132_800_000, "9246.01"), None, None),
        ("lean/crypto/coinbase/daily/btcusd_trade.zip", None, (1_417_392_000_000, "300"), None, None),
    ],
)  # fmt: skip
def test_real_files(file: str, bars: int | None, first: tuple[int, str], last: int | None, missing: int | None) -> None:
    held = load_bars(shared_data(file))
    assert (held.bars[0].time_ms, held.bars[0].open) == (first[0], D(first[1]))
    if bars is not None:
        assert (len(held.bars), held.bars[-1].time_ms, held.missing) == (bars, last, missing)


def test_the_real_day_with_a_gap() -> None:
    held = load_bars(shared_data("lean/crypto/coinbase/minute/btcusd/20180404_trade.zip"))
    assert 950 < len(held.bars) < 1050
    assert sum(gap.missing for gap in held.gaps) == held.missing
    assert (held.bars[-1].time_ms - held.bars[0].time_ms) // 60_000 + 1 == len(held.bars) + held.missing


def test_real_quotes_are_refused() -> None:
    with pytest.raises(InputError, match="quotes"):
        load_bars(shared_data("lean/crypto/bybit/minute/btcusdt/20221213_quote.zip"))
