import gzip
import io
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from fmzthreads.backtest.config.times import zone_of
from fmzthreads.backtest.data.files.csv_file import read_csv
from fmzthreads.errors import InputError

BARS = "time,open,high,low,close,volume\n1700000000000,1.5,2,1,1.75,10\n1700000060000,1.75,3,1.5,2.25,0.5\n"


def write(tmp_path: Path, text: str, name: str = "bars.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def test_a_file_with_names(tmp_path: Path) -> None:
    series = read_csv(write(tmp_path, BARS))
    assert list(series) == [""]
    rows = series[""]
    assert list(rows.time) == [1700000000000, 1700000060000]
    assert (list(rows.open), list(rows.high), list(rows.low)) == ([1.5, 1.75], [2, 3], [1, 1.5])
    assert (list(rows.close), list(rows.volume), list(rows.position)) == ([1.75, 2.25], [10, 0.5], [])
    assert rows.period_ms() == 60_000
    assert rows.decimals == (2, 1)


def test_several_series_in_one_file(tmp_path: Path) -> None:
    text = "series,time,open,high,low,close,volume\n" + "".join(
        f"{name},{1700000000000 + 60000 * row},{price},{price},{price},{price},1\n"
        for row in range(3) for name, price in (("Binance/BTC_USDT", 1), ("OKX/BTC_USDT", 2))
    )  # fmt: skip
    series = read_csv(write(tmp_path, text))
    assert list(series) == ["Binance/BTC_USDT", "OKX/BTC_USDT"]
    assert list(series["OKX/BTC_USDT"].close) == [2, 2, 2]
    assert list(series["Binance/BTC_USDT"].time) == [1700000000000, 1700000060000, 1700000120000]


@pytest.mark.parametrize(
    "text",
    [
        BARS.replace("\n", "\r\n"),
        BARS.replace("1.75,10", '"1.75","10"'),
        BARS.rstrip("\n"),
        "\ufeff" + BARS,
        BARS + "\n\n",
        BARS.replace("time,", "Open Time,").replace("volume", "Vol"),
        BARS.partition("\n")[2],
        BARS.replace("000000000,", "000000,").replace("000060000,", "000060,").replace("00000000,", "00000000,"),
    ],
)
def test_forms_of_the_same_bars(tmp_path: Path, text: str) -> None:
    rows = read_csv(write(tmp_path, text))[""]
    assert list(rows.time) == [1700000000000, 1700000060000]
    assert list(rows.close) == [1.75, 2.25]


@pytest.mark.parametrize(
    ("first", "second"),
    [("1700000000", "1700000060"), ("1700000000000000", "1700000060000000"), ("1700000000000000000", "1700000060000000000"),
     ("2023-11-14 22:13:20", "2023-11-14 22:14:20"), ("2023-11-14T22:13:20Z", "2023-11-14T22:14:20Z"),
     ("1700000000.0", "1700000060.0"), ("2023/11/14 22:13:20", "2023/11/14 22:14:20")],
)  # fmt: skip
def test_units_and_forms_of_times(tmp_path: Path, first: str, second: str) -> None:
    text = BARS.replace("1700000000000", first).replace("1700000060000", second)
    assert list(read_csv(write(tmp_path, text))[""].time) == [1700000000000, 1700000060000]


@pytest.mark.parametrize(
    ("first", "second", "first_ms"),
    [
        ("20231114", "20231115", 1_699_920_000_000),
        ("202311142213", "202311142214", 1_699_999_980_000),
        ("20231114221320", "20231114221420", 1_700_000_000_000),
    ],
)
def test_dates_of_digits_alone_are_dates(tmp_path: Path, first: str, second: str, first_ms: int) -> None:
    text = BARS.replace("1700000000000", first).replace("1700000060000", second)
    rows = read_csv(write(tmp_path, text))[""]
    assert rows.time[0] == first_ms
    assert rows.period_ms() == (86_400_000 if len(first) == 8 else 60_000)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_than_commas(tmp_path: Path, separator: str) -> None:
    wanted = read_csv(write(tmp_path, BARS))[""]
    text = BARS.replace(",", separator)
    for form in (text, text.partition("\n")[2], text.replace("\n", "\r\n"), text.replace("1.75", '"1.75"')):
        rows = read_csv(write(tmp_path, form))[""]
        assert (rows.time, rows.close, rows.volume) == (wanted.time, wanted.close, wanted.volume)
    with pytest.raises(InputError, match=r"line 3: the bar of 1700000000000 ms has the same time"):
        read_csv(write(tmp_path, text.replace("1700000060000", "1700000000000")))
    with pytest.raises(InputError, match=r"line 3: close is 'x', expected a number"):
        read_csv(write(tmp_path, text.replace("2.25", "x")))
    with pytest.raises(InputError, match=r"line 2: .* expected numbers with a decimal point"):
        read_csv(write(tmp_path, text.replace(".", ",")))


def test_blank_lines_are_passed_over(tmp_path: Path) -> None:
    first, second, third = BARS.splitlines()
    rows = read_csv(write(tmp_path, f"\n{first}\n\n{second}\n   \n{third}\n \n"))[""]
    assert list(rows.time) == [1700000000000, 1700000060000]
    with pytest.raises(InputError, match="line 5: the bar of 1700000000000 ms has the same time"):
        read_csv(write(tmp_path, f"{first}\n\n{second}\n\n{second}\n"))


def test_a_line_without_end_is_refused_before_it_is_in_memory(tmp_path: Path) -> None:
    for head in (b"", BARS.encode()):
        path = tmp_path / "bomb.csv.gz"
        with gzip.open(path, "wb") as file:
            file.write(head)
            for _ in range(64):
                file.write(b"0" * (1 << 20))
        tracemalloc.start()
        try:
            with pytest.raises(InputError, match=r"bomb\.csv\.gz has a line of more than 1048576 bytes"):
                read_csv(path)
            assert tracemalloc.get_traced_memory()[1] < 16 << 20
        finally:
            tracemalloc.stop()


def test_written_times_go_by_the_zone(tmp_path: Path) -> None:
    text = BARS.replace("1700000000000", "2023-11-15 06:13:20").replace("1700000060000", "2023-11-15 06:14:20")
    rows = read_csv(write(tmp_path, text), zone=zone_of("+08:00", ""))[""]
    assert list(rows.time) == [1700000000000, 1700000060000]


def test_binances_kline_files(tmp_path: Path) -> None:
    line = "1735689600000000,93576.00000000,93610.93,93537.50,93610.93,8.21827000,1735689659999999,768978.12,2631,3.95,370757.79,0\n"
    rows = read_csv(write(tmp_path, line))[""]
    assert (list(rows.time), list(rows.volume), list(rows.position)) == ([1735689600000], [8.21827], [])


def test_columns_as_the_user_names_them(tmp_path: Path) -> None:
    text = "when,a,b,c,d,many\n1700000000000,1,4,1,2,9\n"
    columns = {"time": "when", "open": "a", "high": "b", "low": "c", "close": "3", "volume": "many"}
    with pytest.raises(InputError, match="line 2"):
        read_csv(write(tmp_path, text), columns={**columns, "close": "many"})
    rows = read_csv(write(tmp_path, text), columns={**columns, "close": "d"})[""]
    assert (list(rows.close), list(rows.volume)) == ([2], [9])
    with pytest.raises(InputError, match="there is no column 'e' for close; there are when, a"):
        read_csv(write(tmp_path, text), columns={**columns, "close": "e"})
    with pytest.raises(InputError, match="'closing' is no column of bars"):
        read_csv(write(tmp_path, text), columns={"closing": "d"})


def test_open_interest_and_no_volume(tmp_path: Path) -> None:
    text = "time,open,high,low,close,openinterest\n1700000000000,1,2,1,2,77\n"
    rows = read_csv(write(tmp_path, text))[""]
    assert (list(rows.position), list(rows.volume)) == ([77], [0])


def test_packed_files(tmp_path: Path) -> None:
    packed = tmp_path / "bars.csv.gz"
    packed.write_bytes(gzip.compress(BARS.encode()))
    archive = tmp_path / "bars.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("bars.csv", BARS)
    for path in (packed, archive):
        assert list(read_csv(path)[""].close) == [1.75, 2.25]
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("more.csv", BARS)
    with pytest.raises(InputError, match="holds 2 files, expected one"):
        read_csv(archive)


def test_names_of_packed_files_may_be_in_capitals_and_macos_adds_its_folder(tmp_path: Path) -> None:
    (tmp_path / "BARS.CSV.GZ").write_bytes(gzip.compress(BARS.encode()))
    with zipfile.ZipFile(tmp_path / "BARS.ZIP", "w") as file:
        file.writestr("bars.csv", BARS)
        file.writestr("__MACOSX/._bars.csv", b"\0")
    for name in ("BARS.CSV.GZ", "BARS.ZIP"):
        assert list(read_csv(tmp_path / name)[""].close) == [1.75, 2.25]


def damaged() -> dict[str, bytes]:
    packed, archive = gzip.compress(BARS.encode() * 9), io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bars.csv", BARS * 9)
    zipped = archive.getvalue()
    return {
        "cut.gz": packed[:-20],
        "plain.gz": BARS.encode(),
        "flipped.gz": packed[:10] + b"\xff" * 9 + packed[19:],
        "sum.gz": packed[:-8] + bytes(8),
        "cut.zip": zipped[:-30],
        "plain.zip": BARS.encode(),
        "flipped.zip": zipped[:45] + bytes(byte ^ 255 for byte in zipped[45:60]) + zipped[60:],
        "password.zip": zipped.replace(b"PK\1\2\x14\x03\x14\0\0\0", b"PK\1\2\x14\x03\x14\0\1\0"),
    }


@pytest.mark.parametrize("name", damaged())
def test_archives_that_are_damaged_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(damaged()[name])
    with pytest.raises(InputError, match="cannot be unpacked: ") as caught:
        read_csv(path)
    assert str(path) in str(caught.value)


def test_a_byte_order_mark_stands_before_anything(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    for text in (BARS, BARS.partition("\n")[2]):
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert list(read_csv(path)[""].close) == [1.75, 2.25]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BARS.replace("\n", "\r").encode(), "lines that end with CR alone"),
        (BARS.encode("utf-16"), "is encoded in UTF-16"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\n\n", "is empty"),
        (BARS.encode() + b"1e30,1,1,1,1,1", "a time is '1e30'"),
    ],
)
def test_files_in_another_form_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_csv(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("1700000060000", "1700000000000"),
            "line 3: the bar of 1700000000000 ms has the same time as the bar before it",
        ),
        (("1700000060000", "1699999999999"), "line 3: the bar of 1699999999999 ms is earlier than the bar before it"),
        (("1.75,3,", "1.75,2,"), "line 3: the bar has open 1.75, high 2, low 1.5, close 2.25"),
        (("1.75,3,", "1.75,nan,"), "line 3: the bar has open 1.75, high nan"),
        (("1.75,3,", "1.75,x,"), "line 3: high is 'x', expected a number"),
        (("1.75,3,", "1.75,"), "line 3: 5 columns, expected 6"),
        (("1700000060000", "soon"), "line 3: a time is 'soon'"),
        (("open", "opn"), "no column for open; the columns are time, opn"),
    ],
)
def test_what_is_no_bar_is_named_with_its_line(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_csv(write(tmp_path, BARS.replace(*change)))


def test_the_line_of_a_series_among_others_is_named(tmp_path: Path) -> None:
    text = "series,time,open,high,low,close,volume\nA,60000,1,1,1,1,1\nB,60000,1,1,1,1,1\nA,120000,1,1,1,1,1\nB,60000,1,1,1,1,1\n"
    with pytest.raises(InputError, match=r"bars.csv, B, line 5: the bar of 60000000 ms has the same time"):
        read_csv(write(tmp_path, text))


def test_files_that_are_not_there_or_empty(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file of bars"):
        read_csv(tmp_path / "no.csv")
    with pytest.raises(InputError, match="is empty"):
        read_csv(write(tmp_path, ""))


def test_lines_across_blocks_stay_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmzthreads.backtest.data.files.csv_file._BLOCK", 37)
    text = "time,open,high,low,close,volume\n" + "".join(
        f"{1700000000000 + 60000 * i},1,2,1,2,{i}\n" for i in range(50)
    )
    rows = read_csv(write(tmp_path, text))[""]
    assert list(rows.volume) == list(range(50))


@pytest.mark.parametrize(
    ("head", "lead"), [("time,open,high,low,close,volume", ""), ("series,time,open,high,low,close,volume", "Binance/BTC_USDT,")]
)  # fmt: skip
@pytest.mark.parametrize("unit", [1, 1000, 0.001, 1_000_000])
def test_numpy_and_plain_python_read_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str, lead: str, unit: float
) -> None:
    pytest.importorskip("numpy")
    monkeypatch.setattr("fmzthreads.backtest.data.files.csv_file._BLOCK", 3000)
    rows = [
        f"{lead}{round((1700000000000 + 60000 * i) * unit)},{1.1 + i % 3},{9.125 + i % 2},0.1,{2.0 + i % 5},{i / 7:.3f}"
        for i in range(2000)
    ]
    path = write(tmp_path, "\n".join([head, *rows]))
    fast = read_csv(path)
    monkeypatch.setattr("fmzthreads.backtest.data.files.csv_file.fast_numpy", lambda count: None)
    plain = read_csv(path)
    name = lead.rstrip(",")
    for column in ("time", "open", "high", "low", "close", "volume"):
        assert getattr(fast[name], column) == getattr(plain[name], column), column
    assert list(plain[name].time) == [1700000000000 + 60000 * i for i in range(2000)]


def test_a_bad_line_in_a_later_block_is_named_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmzthreads.backtest.data.files.csv_file._BLOCK", 3000)
    rows = [f"{1700000000000 + 60000 * i},1,2,1,2,{i}" for i in range(1000)]
    for bad, message in (("1700054000000,1,2,x,2,900", "low is 'x'"), ("1700054000000,1,2,1,2", "5 columns, expected 6"), ("1700054000000,1,,1,2,5", "high is ''")):  # fmt: skip
        rows[900] = bad
        with pytest.raises(InputError, match=f"line 902: {message}"):
            read_csv(write(tmp_path, "\n".join(["time,open,high,low,close,volume", *rows])))


@pytest.mark.parametrize("fast", [True, False])
def test_fractions_of_seconds_are_whole_milliseconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    if fast:
        pytest.importorskip("numpy")
    else:
        monkeypatch.setattr("fmzthreads.backtest.data.files.csv_file.fast_numpy", lambda count: None)
    monkeypatch.setattr("fmzthreads.backtest.data.files.csv_file._BLOCK", 3000)
    expected = [1700000000000 + 1001 * i for i in range(1000)]
    rows = [f"{time // 1000}.{time % 1000:03d},1,2,1,2,1" for time in expected]
    found = read_csv(write(tmp_path, "\n".join(["time,open,high,low,close,volume", *rows])))[""]
    assert list(found.time) == expected


def test_minute_files_of_lean_count_from_the_midnight_in_their_name(tmp_path: Path) -> None:
    rows = "0,1,3,0.5,2,7\n60000,2,3,1,2,0\n" + "".join(f"{60000 * n},2,3,1,2,1\n" for n in range(2, 9))
    day = tmp_path / "20221213_trade.csv"
    day.write_text(rows)
    [series] = read_csv(day).values()
    assert list(series.time)[:2] == [1_670_889_600_000, 1_670_889_660_000]
    assert len(series) == 9
    for name in ("20221399_trade.csv", "bars.csv", "2022121_trade.csv", "20221213.csv"):
        other = tmp_path / name
        other.write_text(rows)
        assert next(iter(read_csv(other).values())).time[1] == 60_000_000  # taken as seconds
