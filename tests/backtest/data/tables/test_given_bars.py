from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.backtest.data.column_parts import on_disk
from fmzthreads.backtest.data.files import parquet_file
from fmzthreads.backtest.data.tables import arrow_table
from fmzthreads.backtest.data.tables.given_bars import series_of
from fmzthreads.errors import InputError, MissingExtra
from tests.helpers.backtest_runs import generated, write_bars
from tests.helpers.long_data import small_limits

START = 1_704_067_200_000
ROWS = [[START, 1.5, 3.0, 1.0, 2.0, 10.0], [START + 60_000, 2.0, 4.0, 1.5, 2.5, 20.0]]
NAMES = ("time", "open", "high", "low", "close", "volume")


def check(bars: Any, columns: dict[str, str] | None = None, name: str = "", zone: str = "UTC") -> None:
    rows = series_of(bars, columns or {}, zone)[name]
    assert [list(getattr(rows, column)) for column in NAMES] == [list(column) for column in zip(*ROWS, strict=True)]
    assert rows.name == name


def test_rows_dicts_and_columns() -> None:
    check(ROWS)
    check([tuple(row) for row in ROWS])
    check([dict(zip(("Time", "Open", "High", "Low", "Close", "Volume"), row, strict=True)) for row in ROWS])
    check(dict(zip(NAMES, zip(*ROWS, strict=True), strict=True)))
    check([[row[0] / 1000, *row[1:]] for row in ROWS])
    check([[datetime.fromtimestamp(row[0] / 1000, UTC), *row[1:]] for row in ROWS])
    check([[f"2024-01-01 08:0{place}:00", *row[1:]] for place, row in enumerate(ROWS)], zone="+08:00")
    check([dict(zip("tabcdv", row, strict=True)) for row in ROWS],
          {"time": "t", "open": "a", "high": "b", "low": "c", "close": "d", "volume": "v"})  # fmt: skip


def test_several_by_name_and_files(tmp_path: Path) -> None:
    check({"Binance/BTC_USDT": ROWS, "OKX/BTC_USDT": ROWS}, name="OKX/BTC_USDT")
    path = write_bars(tmp_path / "bars.csv")
    assert len(series_of({"Binance/BTC_USDT": path}, {}, "UTC")["Binance/BTC_USDT"]) == 240
    assert len(series_of(str(path), {}, "UTC")[""]) == 240


@pytest.mark.parametrize(
    ("bars", "text"),
    [
        (
            [[START, 1, 2, 1, 1, 1], [START + 1, 1, 2, 1, None, 1]],
            r"row 2: column '4' \(close\): None, expected a number",
        ),
        ([[START, 1, 2, 1, 1, 1], ["soon", 1, 2, 1, 1, 1]], r"row 2: column '0' \(time\): a time is 'soon'"),
        ([[START, 1, 2, 1, 1, 1], [START + 1, 1, 2, 1]], "row 2: .*6 values, not 4"),
        ([[START, 1, 2, 1, 1, 1], 5], "row 2: 5, expected a row"),
        ({"low": [1, 2], **{name: [1] for name in NAMES if name != "low"}}, r"has 1 values, expected 2"),
        ([], "an empty list, expected bars"),
        (5, "expected a file, a DataFrame"),
        ([[1, 2, 3]], "3 columns, expected at least time, open"),
        ([[START, 1, 2, 1, "x", 1]], "column '4' \\(close\\)"),
        ([[START, 1, 2, 1, 1, 1], [START, 1, 2, 1, 1, 1]], "has the same time as the bar before"),
        ([[START, 1, 2, 1, 5, 1]], "the bar has open 1, high 2, low 1, close 5"),
        ([[START, 1, 2, 1, 1, 1], [START]], "of one length"),
        ([{"Time": START, "Open": 1}, {"Time": 5}], "a row has no 'Open'"),
        ({"a": ROWS, "b": 5}, "the bars of b"),
    ],
)
def test_what_is_not_valid_is_named(bars: Any, text: str) -> None:
    with pytest.raises(InputError, match=text):
        series_of(bars, {}, "UTC")


def test_numpy_arrays() -> None:
    numpy = pytest.importorskip("numpy")
    check(numpy.array(ROWS))
    kinds = [("time", "i8"), *((name, "f8") for name in NAMES[1:])]
    check(numpy.array([tuple(row) for row in ROWS], dtype=kinds))
    times = numpy.array([row[0] for row in ROWS], dtype="datetime64[ms]")
    kinds[0] = ("time", "M8[ns]")
    check(numpy.array([(time, *row[1:]) for time, row in zip(times, ROWS, strict=True)], dtype=kinds))
    with pytest.raises(InputError, match="of the shape"):
        series_of(numpy.zeros((2, 2, 2)), {}, "UTC")


def test_data_frames() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS, columns=NAMES)
    check(frame)
    named = frame.rename(columns=str.title)
    check(named)
    indexed = frame.drop(columns="time").set_index(pandas.to_datetime(frame["time"], unit="ms"))
    check(indexed)
    check(indexed.tz_localize("UTC").tz_convert("Asia/Shanghai"))
    check(indexed.shift(8, freq="h"), zone="+08:00")
    both = pandas.concat([frame.assign(series="A/X_Y"), frame.assign(series="B/X_Y")])
    check(both, name="B/X_Y")


def test_texts_and_dates_of_digits_alone() -> None:
    check([[str(value) for value in row] for row in ROWS])
    days = [[20240101 + place, *row[1:]] for place, row in enumerate(ROWS)]
    for form in (days, [[str(value) for value in row] for row in days]):
        assert list(series_of(form, {}, "UTC")[""].time) == [START, START + 86_400_000]
    assert series_of(days, {}, "Asia/Shanghai")[""].time[0] == START - 8 * 3_600_000


def test_columns_must_be_a_dict() -> None:
    text: Any = "time=when"
    with pytest.raises(InputError, match="columns is 'time=when', expected a dict"):
        series_of(ROWS, text, "UTC")


def test_numbers_of_single_precision_are_the_decimals_that_they_show() -> None:
    numpy = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")
    pyarrow = pytest.importorskip("pyarrow")
    rows = [[START, 97.05, 97.11, 96.93, 97.07, 0.1], [START + 60_000, 97.07, 97.3, 97.01, 97.02, 12345.6]]
    columns = dict(zip(NAMES, zip(*rows, strict=True), strict=True))
    frame = pandas.DataFrame(columns)
    prices = dict.fromkeys(NAMES[1:], "float32")
    kinds = [("time", "i8"), *((name, "f4") for name in NAMES[1:])]
    table = pyarrow.table(columns)
    for bars in (
        frame.astype(prices),
        frame.astype(dict.fromkeys(NAMES[1:], "Float32")),
        numpy.array([tuple(row) for row in rows], dtype=kinds),
        table.cast(pyarrow.schema([("time", pyarrow.int64()), *((name, pyarrow.float32()) for name in NAMES[1:])])),
    ):
        found = series_of(bars, {}, "UTC")[""]
        assert [list(getattr(found, name)) for name in NAMES] == [list(columns[name]) for name in NAMES]
    with pytest.raises(InputError, match="float32 cannot hold times, expected int64 or float64"):
        series_of(numpy.array(rows, dtype="float32"), {}, "UTC")


def test_masked_values_and_missing_times_are_refused() -> None:
    numpy = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")
    values = numpy.ma.masked_array(numpy.array(ROWS), mask=False)
    check(values)
    values[1, 4] = numpy.ma.masked
    with pytest.raises(InputError, match=r"row 2: the bar has open 2, high 4, low 1\.5, close nan"):
        series_of(values, {}, "UTC")
    frame = pandas.DataFrame(ROWS, columns=NAMES)
    for times in (pandas.to_datetime(frame["time"], unit="ms"), frame["time"], frame["time"].astype(object)):
        with pytest.raises(InputError, match=r"row 2: column 'time' \(time\): "):
            series_of(frame.assign(time=times.where(frame.index == 0)), {}, "UTC")
    with pytest.raises(InputError, match=r"shape \(6, 20\), expected a row a bar"):
        series_of(numpy.zeros((6, 20)), {}, "UTC")


def test_where_a_data_frame_has_its_times() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS, columns=NAMES)
    check(frame.set_index("time"))  # whole numbers
    dated = frame.set_index(pandas.to_datetime(frame["time"], unit="ms").rename(None))
    check(dated)  # times in the index and in a column
    plain = dated.drop(columns="time")
    check(plain.set_axis(plain.index.astype(str)))
    check(plain.to_period("min"))
    levels = pandas.MultiIndex.from_product([plain.columns, ["BTC-USD"]], names=["Price", "Ticker"])
    check(plain.set_axis(levels, axis=1))
    check(pandas.concat([frame.assign(note=1), frame[["volume"]].set_axis(["note"], axis=1)], axis=1))
    with pytest.raises(InputError, match="no column for time"):
        series_of(frame.drop(columns="time").iloc[1:], {}, "UTC")
    with pytest.raises(InputError, match="two columns are called 'close'"):
        series_of(pandas.concat([frame, frame[["close"]]], axis=1), {}, "UTC")
    with pytest.raises(InputError, match="of the shape"):
        series_of(frame["close"], {}, "UTC")


def test_arrow_tables_and_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({name: list(column) for name, column in zip(NAMES, zip(*ROWS, strict=True), strict=True)})
    check(table)
    check(table.to_batches()[0])
    times = pyarrow.array([row[0] for row in ROWS]).cast(pyarrow.timestamp("ms", "Asia/Shanghai"))
    check(table.set_column(0, "time", times))
    path = tmp_path / "bars.parquet"
    parquet.write_table(table, path)
    check(path)
    check({"A/X_Y": path}, name="A/X_Y")
    two = pyarrow.concat_tables([table.append_column("series", [[name] * 2]) for name in ("A/X_Y", "B/X_Y")])
    check(two, name="B/X_Y")
    path.write_bytes(b"no")
    with pytest.raises(InputError, match="is not a parquet file"):
        series_of(path, {}, "UTC")


def test_long_parquet_files_are_read_batch_by_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    small_limits(monkeypatch)
    for module in (parquet_file, arrow_table):
        monkeypatch.setattr(module, "PART", 64)
    one, other = generated(300), generated(200, price=50)
    columns = {name: [*getattr(one, name), *getattr(other, name)] for name in NAMES}
    table = pyarrow.table({**columns, "series": ["A/X_Y"] * 300 + ["B/X_Y"] * 200})
    path = tmp_path / "bars.parquet"
    parquet.write_table(table, path, row_group_size=100)
    for bars in (path, table):
        found = series_of(bars, {}, "UTC")
        for name, series in (("A/X_Y", one), ("B/X_Y", other)):
            assert on_disk(found[name].close)
            assert [list(getattr(found[name], column)) for column in NAMES] == [
                list(getattr(series, column)) for column in NAMES
            ]
            assert found[name].where.endswith(f", {name}")
            assert found[name].decimals == (0, 0)
    damaged = table.set_column(3, "low", [[*columns["low"][:450], 1e9, *columns["low"][451:]]])
    parquet.write_table(damaged, path, row_group_size=100)
    with pytest.raises(InputError, match=r"bars.parquet, B/X_Y, row 151: the bar has open"):
        series_of(path, {}, "UTC")
    parquet.write_table(table.slice(0, 0), path)
    assert series_of(path, {}, "UTC") == {}


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtra, match=r"pip install 'fmzthreads\[data\]'"):
        series_of(tmp_path / "bars.parquet", {}, "UTC")
