"""FMZ's indicators against FMZ's own numbers, on short and odd input, and on series that grow."""

import json
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads import TA, Record, Records
from fmzthreads.errors import InputError, UnknownName
from fmzthreads.indicators.ta import Indicators
from tests.helpers.shared_data import ROOT
from tests.helpers.threads import run_in_thread

N = None
A = [1, 2, 1, 3, 2, 4, 3, 6]
B_ROWS = [
    (10, 12, 9, 11, 100),
    (11, 13, 10, 12, 110),
    (12, 14, 11, 13, 90),
    (13, 13, 8, 9, 200),
    (9, 10, 7, 8, 150),
    (8, 12, 8, 11, 130),
    (11, 15, 11, 14, 170),
]
CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("MA", (3,)),
    ("SMA", (2,)),
    ("EMA", (4,)),
    ("MACD", (2, 4, 3)),
    ("MACD", (4, 2, 1)),
    ("BOLL", (3, 1.5)),
    ("KDJ", (4, 3, 2)),
    ("RSI", (3,)),
    ("OBV", ()),
    ("ATR", (3,)),
    ("CMF", (3,)),
    ("Alligator", (4, 3, 2)),
]
OF_NUMBERS = {"MA", "SMA", "EMA", "MACD", "BOLL", "RSI"}


def bar(time: int, open_: Any, high: Any, low: Any, close: Any, volume: Any) -> Record:
    return Record(Time=time, Open=open_, High=high, Low=low, Close=close, Volume=volume, OpenInterest=0)


def bars(rows: list[tuple[Any, ...]]) -> Records:
    return Records(bar(60_000 * i, *row) for i, row in enumerate(rows))


B = bars(B_ROWS)


def long_series() -> Records:
    rows = []
    for i in range(60):
        c = 100 + (7 * i) % 13 - (3 * i) % 5 + i / 4
        rows.append((c - (i % 4 - 1.5), c + 1 + i % 3, c - 1 - i % 2, c, 100 + (37 * i) % 50))
    return bars(rows)


# Numbers that FMZ's published Python package gives for these inputs.


def test_closes() -> None:
    assert TA.RSI(A, 3) == [N, N, N, 75, 54.54545454545455, 75, 56.07476635514018, 79.43107221006565]
    assert TA.RSI([5, 4, 5, 6, 7, 8], 2) == [N, N, 50, 75, 87.5, 93.75]
    assert TA.MA([1, 2, 3, 4, 5, 6], 3) == TA.SMA([1, 2, 3, 4, 5, 6], 3) == [N, N, 2, 3, 4, 5]
    assert TA.EMA([1, 2, 3, 4, 5, 6], 3) == [N, N, 2, 3, 4, 5]
    assert TA.BOLL([1, 2, 3, 4, 5], 3, 2) == [
        [N, N, 3.632993161855452, 4.6329931618554525, 5.6329931618554525],
        [N, N, 2, 3, 4],
        [N, N, 0.36700683814454793, 1.367006838144548, 2.367006838144548],
    ]
    assert TA.MACD([1, 2, 3, 4, 5], 2, 3, 2) == [[N, N, 0.5, 0.5, 0.5], [N, N, N, 0.5, 0.5], [N, N, N, 0, 0]]


def test_bars() -> None:
    k, d, j = TA.KDJ(B, 3, 3, 3)
    assert k == [N, N, 60, 45.55555555555555, 35.13227513227513, 45.6437389770723, 59.59582598471487]
    assert d == [N, N, 53.333333333333336, 50.74074074074074, 45.5379188712522, 45.573192239858905, 50.24740348814422]
    assert j[2:5] == [73.33333333333333, 35.185185185185176, 14.320987654320987]
    assert TA.ATR(B, 3) == pytest.approx([3, 3, 3, 11 / 3, 3.444444444444444, 3.6296296296296298, 3.7530864197530867])
    assert TA.OBV(B) == [100, 210, 300, 100, -50, 80, 250]
    assert TA.CMF(B, 3)[3:] == pytest.approx([-0.13333333333333333, -0.3181818181818182, -0.21875, 0.2222222222222222])
    jaw, teeth, lips = TA.Alligator(B, 3, 2, 2)
    assert jaw[:10] == [N] * 10
    assert jaw[10:] == [11.5, 11.166666666666666, 10.277777777777777, 10.185185185185185, 11.123456790123456]
    assert (teeth[:6], lips[:4]) == ([N] * 6, [N] * 4)
    assert teeth[6:] == lips[4:] == [11, 11.75, 11.125, 9.8125, 9.90625, 11.453125]
    assert (TA.Highest(B, 3, "High"), TA.Lowest(B, 3, "Low")) == (13, 7)


def test_a_longer_series_with_the_defaults() -> None:
    records = long_series()
    dif, dea, gap = TA.MACD(records)
    upper, middle, lower = TA.BOLL(records)
    jaw, teeth, lips = TA.Alligator(records)
    assert [round(x, 10) for x in (TA.MA(records)[8], TA.EMA(records)[9], TA.EMA(records)[59])] == [
        103.8888888889, 105.3611111111, 117.6926522355,
    ]  # fmt: skip
    assert (dif[24], dea[32], gap[32]) == (N, N, N)
    assert [round(x, 10) for x in (dif[25], dea[33], gap[33], gap[59])] == [
        2.7431461383, 1.9670017168, 0.0057631223, 0.1084352909,
    ]  # fmt: skip
    assert [round(x, 10) for x in (upper[19], middle[19], lower[59])] == [113.697909819, 105.775, 107.6452549284]
    assert [round(line[59], 10) for line in TA.KDJ(records)] == [49.4161332747, 42.3120526672, 63.6242944898]
    assert [round(x, 10) for x in (TA.RSI(records)[14], TA.ATR(records)[14], TA.CMF(records)[59])] == [
        54.6703296703, 7.756377551, -0.1298387097,
    ]  # fmt: skip
    assert TA.OBV(records)[59] == -326
    assert [len(jaw), len(teeth), len(lips)] == [68, 65, 63]
    assert [round(x, 10) for x in (jaw[20], teeth[12], lips[62])] == [105.8846153846, 104.3125, 117.9886485398]
    assert TA.Highest(records, 1000, "Volume") == 149


def golden() -> dict[str, Any]:
    path = ROOT.parent / "shared" / "oracle-cases" / "ta_reference.json"
    if not path.exists():
        pytest.skip("what FMZ's engine computed is not beside this checkout")
    cases: dict[str, Any] = json.loads(path.read_text())
    return cases


def test_bit_by_bit_as_fmz_computes_it_whole_and_grown() -> None:
    cases = golden()
    records = bars([tuple(row[f] for f in ("Open", "High", "Low", "Close", "Volume")) for row in cases["records"]])
    closes = [row.Close for row in records]
    for case, expected in cases["TA"].items():
        series: list[Any] = records
        arguments: list[Any] = []
        if " on " in case:
            name, _, length = case.partition(" on ")
            series = records[: int(length.split()[0])]
        else:
            name, _, text = case[:-1].partition("(")
            if text.startswith("closes"):
                series, text = closes, text[6:].lstrip(",")
            arguments = [part[1:-1] if part.startswith("'") else json.loads(part) for part in text.split(",") if part]
        assert getattr(Indicators(), name)(series, *arguments) == expected, case
        grown = getattr(Indicators(), name)
        for length in range(len(series) + 1):
            result = grown(series[:length], *arguments)
        assert result == expected, case


# Short and odd input


@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_too_short_a_series_gives_no_values_and_no_error(name: str, arguments: tuple[Any, ...]) -> None:
    for length in range(4):
        result = getattr(TA, name)(B[:length], *arguments)
        for line in result if name in {"MACD", "BOLL", "KDJ", "Alligator"} else [result]:
            assert len(line) >= length
            assert all(value is None or math.isfinite(value) for value in line)
    assert TA.MA([1, 2, 3], 9) == [N, N, N]
    assert TA.RSI([1, 2, 3], 3) == [N, N, N]
    assert TA.KDJ(B[:2], 4) == [[N, N, N]] * 3


def test_nothing_lost_is_no_strength_and_no_volume_is_no_flow() -> None:
    assert TA.RSI([1, 2, 3, 4, 5, 6, 7], 3) == [N, N, N, 0, 0, 0, 0]
    assert TA.RSI([1, 1, 1, 1], 2) == [N, N, 0, 0]
    assert TA.CMF(bars([(1, 2, 1, 2, 0), (1, 2, 1, 1, 0)])) == [0, 0]
    assert TA.KDJ(bars([(1, 1, 1, 1, 1)] * 3), 2)[0][1:] == [pytest.approx(200 / 3), pytest.approx(700 / 9)]


def test_extremes_leave_the_last_element_out() -> None:
    assert [TA.Highest([3, 1, 9, 2], n) for n in (0, 1, 2, 10)] == [9, 9, 9, 9]
    assert TA.Lowest([3, 1, 9, 2], 2) == 1
    assert TA.Highest([5], 3) is None
    assert TA.Lowest([], 3) is None
    assert TA.Highest([-3, -1, -2], 0) == -1
    assert TA.Highest([N, N, 4, 2, 7], 0) == 4
    assert TA.Lowest([N, N, 4], 0) is None


def test_a_result_is_an_input_again() -> None:
    smooth = TA.MA(TA.EMA([1, 2, 3, 4, 5, 6], 3), 2)
    assert smooth == [N, N, N, 2.5, 3.5, 4.5]
    assert TA.RSI([N, N, 5, 4, 5, 6, 7, 8], 2) == [N, N, N, N, 50, 75, 87.5, 93.75]
    assert TA.BOLL([N, 1, 2, 3], 3)[1] == [N, N, N, 2]
    assert TA.MACD([math.nan, 1, 2, 3, 4, 5], 2, 3, 2)[0] == [N, N, N, 0.5, 0.5, 0.5]


def test_results_are_lists_of_floats() -> None:
    result = TA.MA([Decimal("1.5"), Fraction(5, 2), 2, True], 2)
    assert isinstance(result, list)
    assert [type(value) for value in result] == [type(None), float, float, float]
    assert result == [N, 2.0, 2.25, 1.5]
    assert TA.MA((1, 2), 2) == [N, 1.5]


def test_numbers_of_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    for kind in ("int64", "float64", "float32"):
        series = numpy.array([1, 2, 3, 4], dtype=kind)
        assert TA.MA(series, 2) == TA.MA(list(series), 2) == [N, 1.5, 2.5, 3.5]
    assert type(TA.EMA(list(numpy.array([1.0, 2.0])), numpy.int64(2))[1]) is float


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TA.MA(None), r"TA.MA needs a list of bars or of numbers, got NoneType"),
        (lambda: TA.MA("123"), r"TA.MA needs a list .* got str"),
        (lambda: TA.MA([1, 2], 0), r"TA.MA: period must be a whole number from 1 to 10000000, got 0"),
        (lambda: TA.SMA([1, 2], -1), r"TA.SMA: period"),
        (lambda: TA.EMA([1, 2], 2.5), r"TA.EMA: period .* got 2.5"),
        (lambda: TA.MACD([1], 12, 26, "9"), r"TA.MACD: signalEMA .* got '9'"),
        (lambda: TA.BOLL([1], 2, math.nan), r"TA.BOLL: multiplier must be a number, got nan"),
        (lambda: TA.MA([1, N, 2], 1), r"MA: element 1 must be a number, got None"),
        (lambda: TA.MA([1, "2"], 1), r"MA: element 1 must be a number, got '2'"),
        (lambda: TA.KDJ([1, 2, 3]), r"TA.KDJ needs bars, got a list whose first element is 1"),
        (lambda: TA.ATR([{"High": 1, "Low": 1}]), r"ATR: element 0 has no field 'Close'"),
        (lambda: TA.MA([B[0], 7]), r"MA: element 1 has no field 'Close'"),
        (lambda: TA.MA([B[0], {**B[1], "Close": N}]), r"MA: element 1 field Close must be a number, got None"),
        (lambda: TA.Highest(B, 2), r"TA.Highest of bars needs the field"),
        (lambda: TA.Lowest([1, 2, 3], -1), r"TA.Lowest: n must be a whole number of 0 or more, got -1"),
    ],
)
def test_what_is_wrong_is_named(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_a_field_that_bars_do_not_have_is_named() -> None:
    with pytest.raises(UnknownName, match="no field 'Hihg'; did you mean 'High'"):
        TA.Highest(B, 2, "Hihg")


def test_calls_are_reported() -> None:
    seen: list[tuple[str, str]] = []
    ta = Indicators(report=lambda name, params: seen.append((name, params)))
    ta.SMA([1, 2], 2)
    ta.BOLL([1, 2], 5, 1.5)
    ta.OBV(B)
    ta.Highest([1, 2], 1)
    assert seen == [("SMA", "2"), ("BOLL", "5,1.5"), ("OBV", "")]


# Series that grow

prices = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False)
edits = st.sampled_from(["append", "append", "append", "last", "same", "middle", "slide", "cut", "copy", "replace"])


def changed(rows: list[Any], edit: str, price: float, place: int, *, numbers: bool) -> list[Any]:
    """What a script may do to its series between two calls."""
    fresh = price if numbers else bar(len(rows), price, price + 2, price - 1, price + 1, abs(price) % 7)
    if edit == "append" or not rows:
        rows.append(fresh)
    elif edit == "last":
        rows[-1] = fresh
    elif edit == "middle":
        if numbers:
            rows[place % len(rows)] = fresh
        else:  # in place: the list still holds the same objects
            rows[place % len(rows)].Close = price
    elif edit == "slide":
        rows.append(fresh)
        del rows[0]
    elif edit == "cut":
        del rows[-(1 + place % len(rows)) :]
    elif edit == "copy":
        return [row if numbers else Record(row) for row in rows]
    elif edit == "replace":
        rows[place % len(rows)] = fresh
    return rows


@pytest.mark.parametrize("kind", ["numbers", "Record", "dict"])
@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(edits, prices, st.integers(0, 30)), min_size=1, max_size=25))
def test_a_series_that_changes_between_calls_gives_the_numbers_of_a_whole_computation(
    kind: str, steps: list[tuple[str, float, int]]
) -> None:
    grown = Indicators()
    rows: list[Any] = []
    for edit, price, place in steps:
        if kind == "dict" and edit == "middle" and rows:
            rows[place % len(rows)]["Close"] = price  # a plain dict says nothing of its change
        else:
            rows = changed(rows, edit, price, place, numbers=kind == "numbers")
            if kind == "dict":
                rows = [row if type(row) is dict else dict(row) for row in rows]
        for name, arguments in CALLS:
            if kind != "numbers" or name in OF_NUMBERS:
                assert getattr(grown, name)(rows, *arguments) == getattr(Indicators(), name)(rows, *arguments), name


def test_a_result_is_the_callers_own() -> None:
    series = [1.0, 2.0, 3.0]
    first = TA.MA(series, 2)
    first[0] = 99.0
    series.append(4.0)
    second = TA.MA(series, 2)
    assert (first, second) == ([99.0, 1.5, 2.5], [N, 1.5, 2.5, 3.5])


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row.update(Close=50.0),
        lambda row: row.__ior__({"Close": 50.0}),
        lambda row: setattr(row, "Close", 50.0),
        lambda row: (row.pop("Close"), row.setdefault("Close", 50.0)),
        lambda row: (row.popitem(), row.clear(), row.update(bar(0, 1, 1, 1, 50.0, 1))),
        lambda row: (row.__delitem__("Close"), row.__setitem__("Close", 50.0)),
    ],
)
def test_a_bar_changed_in_place_is_noticed(change: Callable[[Record], Any]) -> None:
    ta = Indicators()
    rows = bars(B_ROWS)
    ta.MA(rows, 2)
    change(rows[1])
    assert ta.MA(rows, 2) == Indicators().MA([row.Close for row in rows], 2)
    assert ta.MA(rows, 2)[1] == 30.5


def test_a_grown_series_costs_only_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    from fmzthreads.indicators import growing, known_series, ta

    def counting(params: Any, columns: Any, begin: int, end: int, state: Any, outs: Any) -> Any:
        steps.append(end - begin)
        return ta.recurrences.ma(params, columns, begin, end, state, outs)

    counted = known_series.Indicator("MA", ("Close",), counting)
    series = growing.GrowingSeries()
    rows: list[Any] = [float(i) for i in range(100)]
    series.lines(counted, (3,), rows, numbers=True)
    steps.clear()
    for _ in range(50):
        rows.append(1.0)
        series.lines(counted, (3,), rows, numbers=True)
    assert sum(steps) == 50  # the new bar; when it closes, the step over it is taken as it is


def test_the_series_kept_are_bounded() -> None:
    from fmzthreads.indicators import growing, ta

    series = growing.GrowingSeries(kept=4)
    for start in range(50):
        series.lines(ta._MA, (2,), [float(start), 1.0, 2.0], numbers=True)
    assert len(series._known) == 4


def test_many_threads_on_one_growing_series() -> None:
    ta = Indicators()
    rows: list[float] = [float(i % 7) for i in range(50)]

    def work(seed: int) -> None:
        for i in range(300):
            view = rows[: 5 + (i * seed) % 45]
            assert ta.EMA(view, 3) == Indicators().EMA(view, 3)

    threads = [run_in_thread(work, seed) for seed in (1, 3, 7, 11)]
    for thread in threads:
        thread.result()
