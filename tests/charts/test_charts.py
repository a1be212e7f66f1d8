"""The data of ``Chart`` and ``KLineChart``: points added, replaced and dropped, in memory and in the strategy's file."""

import json
import math
import sqlite3
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads import Chart, KLineChart, Runtime
from fmzthreads.charts.chart import ChartObject
from fmzthreads.charts.kline_chart import KLineChartObject
from fmzthreads.charts.points import ChartPoints, point_text
from fmzthreads.clock import ManualClock
from fmzthreads.errors import InputError, OperationFailed, UnknownName
from fmzthreads.strategy.charts import read_chart_config, read_chart_points
from fmzthreads.strategy.runtime import bound
from tests.helpers.threads import side_by_side

TWO = {"title": {"text": "prices"}, "series": [{"name": "last", "data": []}, {"name": "mean", "data": []}]}
ONE = {"series": {"name": "pie", "type": "pie"}}


def points() -> ChartPoints:
    return ChartPoints(None, lambda: 1_700_000_000_000)


def chart(options: Any = TWO) -> ChartObject:
    return ChartObject(points(), options)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite3"


@pytest.fixture
def runtime(database: Path) -> Iterator[Runtime]:
    made = Runtime(ManualClock(1_700_000_000), name="charts", database=database, console=False)
    with bound(made):
        yield made
    made.close()


# Chart


def test_points_are_added_and_replaced() -> None:
    made = chart()
    made.add(0, [1000, 5.0])
    made.add(0, [2000, 6.0])
    made.add(1, [1000, 5.5])
    made.add(0, [2000, 7.0])  # the same moment
    made.add(0, [3000, None])
    made.add(0, [3000, 8.0], -1)
    made.add(0, [1000, 4.0], 0)
    made.add(0, [2000, 6.5], -2)
    assert made.points(0) == [[1000, 4.0], [2000, 6.5], [3000, 8.0]]
    assert made.points(1) == [[1000, 5.5]]


def test_points_of_a_pie_have_no_moment() -> None:
    made = chart(ONE)
    made.add(0, {"name": "BTC", "y": 1})
    made.add(0, {"name": "BTC", "y": 1})
    made.add(0, {"x": 1, "y": 2})
    made.add(0, {"x": 1, "y": 3})
    assert made.points(0) == [{"name": "BTC", "y": 1}, {"name": "BTC", "y": 1}, {"x": 1, "y": 3}]


def test_series_count_through_all_charts() -> None:
    made = chart([TWO, ONE, {"series": []}, {}, TWO])
    for series in range(5):
        made.add(series, [1000, series])
    assert [made.points(series) for series in range(5)] == [[[1000, series]] for series in range(5)]
    with pytest.raises(InputError, match="no series 5; the configuration has series 0 to 4"):
        made.add(5, [1000, 1])


def test_the_last_place_of_an_empty_series_is_its_first() -> None:
    made = chart()
    made.add(0, [1000, 1], -1)
    made.add(0, [2000, 2], -1)
    assert made.points(0) == [[2000, 2]]


def test_all_arguments_as_one_list() -> None:
    made = chart()
    made.add([0, [1000, 1]])
    made.add([0, [2000, 2], -1])
    assert made.points(0) == [[2000, 2]]
    with pytest.raises(InputError, match="takes"):
        made.add(0)


def test_a_reset_keeps_the_newest_of_all_series() -> None:
    made = chart()
    for x in range(4):
        made.add(0, [x, x])
        made.add(1, [x, -x])
    made.reset(3)
    assert (made.points(0), made.points(1)) == ([[3, 3]], [[2, -2], [3, -3]])
    made.reset(100)
    assert len(made.points(1)) == 2
    made.reset()
    assert (made.points(0), made.points(1)) == ([], [])


def test_an_update_replaces_the_configuration_and_keeps_points() -> None:
    options = json.loads(json.dumps(TWO))
    made = chart(options)
    made.add(1, [1, 1])
    options["title"]["text"] = "changed later"
    assert made.config["title"]["text"] == "prices"
    made.update({**options, "series": [*options["series"], {"name": "third"}]})
    made.add(2, [1, 2])
    assert made.config["title"]["text"] == "changed later"
    assert made.points(1) == [[1, 1]]


def test_numbers_of_all_kinds_and_gaps() -> None:
    numpy = pytest.importorskip("numpy")
    made = chart()
    made.add(0, [numpy.int64(1), numpy.float64(2.5)])
    made.add(0, (2, Decimal("1.5")))
    made.add(0, [3, math.nan])
    made.add(0, [4, math.inf, numpy.float32(0.5)])
    made.add(0, numpy.array([5, 1]).tolist())
    assert made.points(0) == [[1, 2.5], [2, 1.5], [3, None], [4, None, 0.5], [5, 1]]


def circle() -> Any:
    data: dict[str, Any] = {}
    data["self"] = data
    return data


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: chart("series"), "must be a dict or a list of dicts, got 'series'"),
        (lambda: chart([]), "must be a dict or a list of dicts"),
        (lambda: chart([TWO, 5]), "must be a dict or a list of dicts"),
        (lambda: chart({"formatter": print}), "made of what JSON has: builtin_function_or_method is not"),
        (lambda: chart(circle()), "made of what JSON has"),
        (lambda: chart().add(0, [1, object()]), "made of what JSON has: object is not"),
        (lambda: chart().add(2, [1, 2]), "no series 2; the configuration has series 0 to 1"),
        (lambda: chart({}).add(0, [1, 2]), "has no series"),
        (lambda: chart().add(-1, [1, 2]), r"Chart.add: series must be a whole number of 0 or more, got -1"),
        (lambda: chart().add("0", [1, 2]), r"Chart.add: series"),
        (lambda: chart().add(0, [1, 2], 0), "series 0 has 0 points, none at 0"),
        (lambda: chart().add(0, [1, 2], 1.5), r"Chart.add: index"),
        (lambda: chart().reset(-1), r"Chart.reset: remain must be a whole number of 0 or more, got -1"),
    ],
)
def test_what_is_wrong_is_named(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_a_wrong_point_changes_nothing() -> None:
    made = chart()
    made.add(0, [1, 1])
    with pytest.raises(InputError):
        made.add(0, [1, object()])
    assert made.points(0) == [[1, 1]]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.integers(0, 1), st.integers(0, 5), st.none()),
            st.tuples(st.integers(0, 1), st.integers(0, 5), st.integers(-4, 3)),
            st.integers(0, 6),
        ),
        max_size=40,
    )
)
def test_the_file_has_what_memory_has(steps: list[Any]) -> None:
    from fmzthreads.strategy.charts import SCHEMA, chart_statements

    connection = sqlite3.connect(":memory:")
    for statement in SCHEMA:
        connection.execute(statement)

    class Keeper:
        def put_chart(self, entry: Any) -> None:
            for sql, params in chart_statements([entry]):
                connection.execute(sql, params)

        def stored_chart(self) -> list[Any]:
            return []

    kept = ChartPoints(Keeper(), lambda: 0)
    for number, step in enumerate(steps):
        if isinstance(step, int):
            kept.reset(step)
            continue
        series, x, index = step
        try:
            kept.add(series, [x, number], index)
        except InputError:
            assert not -len(kept.points(series)) <= index < len(kept.points(series))
    rows = connection.execute("SELECT id, seriesIndex, data FROM chart ORDER BY id").fetchall()
    connection.close()
    assert rows == [(row.id, row.series, row.data) for row in kept.rows()]


def test_many_threads_add() -> None:
    made = chart()
    side_by_side(8, lambda worker: [made.add(worker % 2, [worker, i], None) for i in range(200)])
    rows = made._points.rows()
    assert len({row.id for row in rows}) == len(rows)


def test_old_points_leave_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmzthreads.charts.points._KEPT", 100)
    made = chart()
    for x in range(1000):
        made.add(x % 2, [x, x])
    assert 100 <= len(made.points(0)) + len(made.points(1)) <= 125
    assert made.points(1)[-1] == [999, 999]


# In the strategy's file


def test_points_are_kept_in_the_file_and_the_next_run_goes_on(runtime: Runtime, database: Path) -> None:
    made = Chart(TWO)
    made.add(0, [1000, 1.5])
    made.add(1, [1000, 2])
    made.add(0, [1000, 3])
    assert runtime.journal.flush()
    rows = read_chart_points(database)
    assert [(row.id, row.series, row.data) for row in rows] == [(1, 0, "[1000,3]"), (2, 1, "[1000,2]")]
    assert rows[0].time_ms == 1_700_000_000_000
    assert json.loads(read_chart_config(database)) == TWO
    runtime.close()
    again = Runtime(ManualClock(1_700_000_060), name="charts", database=database, console=False)
    with bound(again):
        more = Chart(TWO)
        more.add(0, [1000, 4])
        more.add(0, [2000, 5])
        more.add(1, [2000, 6], -1)
        assert more.points(0) == [[1000, 4], [2000, 5]]
        assert again.journal.flush()
    assert [row.data for row in read_chart_points(database, changed_since_ms=1_700_000_001_000)] == [
        "[1000,4]", "[2000,6]", "[2000,5]",
    ]  # fmt: skip
    assert [row.id for row in read_chart_points(database, after_id=1, limit=1)] == [2]
    with bound(again):
        Chart(TWO).reset(1)
        assert again.journal.flush()
    assert [row.data for row in read_chart_points(database)] == ["[2000,5]"]
    again.close()


def test_chart_and_kline_chart_exclude_each_other(runtime: Runtime) -> None:
    assert runtime.name == "charts"
    Chart(TWO)
    Chart(ONE)
    with pytest.raises(InputError, match="either Chart or KLineChart; this one has made a Chart"):
        KLineChart()


def test_without_a_file_there_is_memory(tmp_path: Path) -> None:
    plain = Runtime(ManualClock(0), name="memory", console=False)
    with bound(plain):
        Chart(TWO).add(0, [1, 1])
        assert plain.charts.points.points(0) == [[1, 1]]
    plain.close()
    assert read_chart_points(tmp_path / "none.sqlite3") == []
    assert read_chart_config(tmp_path / "none.sqlite3") == ""


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.sqlite3"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(OperationFailed, match=r"charts of .*broken.sqlite3 cannot be read"):
        read_chart_points(path)


# KLineChart


def bar(time: int, close: float = 2.0) -> dict[str, float]:
    return {"Time": time, "Open": 1.0, "High": 3.0, "Low": 0.5, "Close": close, "Volume": 10.0}


def test_a_bar_with_its_plots_and_signals() -> None:
    made = KLineChartObject(points(), {"overlay": True, "candle": {"color": "#111111"}})
    made.begin(bar(1000))
    first = made.plot([1.0, 1.5], "fast", color="#ff0000")
    second = made.hline(2, "level", overlay=False)
    assert (first, second) == (0, 1)
    made.fill(first, second, color="rgba(0,0,0,0.1)")
    made.plotshape(True, style="triangleup", text="up")
    made.plotchar(1, char="A")
    made.plotchar(1)
    made.plotarrow(-3, "arrow")
    made.plotcandle(1, 2, 0.5, math.nan)
    made.barcolor("#00ff00")
    made.bgcolor("#eeeeee")
    made.signal("buy", 2.5, 0.1)
    made.signal("closesell", 2.6, 0.2, "out")
    made.close()
    (candle,) = made.candles()
    runtime = candle.pop("runtime")
    assert candle == {"timestamp": 1000, "open": 1.0, "high": 3.0, "low": 0.5, "close": 2.0, "volume": 10.0}
    assert [plot["type"] for plot in runtime["plots"]] == [
        "plot", "hline", "fill", "plotshape", "plotchar", "plotarrow", "plotcandle", "barcolor", "bgcolor",
    ]  # fmt: skip
    assert [plot["overlay"] for plot in runtime["plots"][:3]] == [True, False, True]
    assert runtime["plots"][0] == {
        "type": "plot", "title": "fast", "overlay": True, "color": "#ff0000", "linewidth": 1, "style": "line", "histbase": 0,
        "offset": 0, "join": False, "display": "all", "value": 1.5,
    }  # fmt: skip
    assert runtime["plots"][6]["value"] == [1.0, 2.0, 0.5, None]
    assert runtime["signals"] == [
        {"direction": "long", "price": 2.5, "qty": 0.1, "id": "buy"},
        {"direction": "closeshort", "price": 2.6, "qty": 0.2, "id": "out"},
    ]
    assert json.loads(made._points.config) == {"__isKLine": True, "overlay": True, "candle": {"color": "#111111"}}


def test_a_bar_of_the_same_time_replaces_the_last_and_an_older_one_is_ignored() -> None:
    made = KLineChartObject(points())
    for time, close in ((1000, 1.0), (2000, 2.0), (2000, 2.5), (1000, 9.0)):
        made.begin(bar(time, close))
        drawn = made.plot(close, "x")
        made.close()
    assert drawn is None
    assert [(c["timestamp"], c["close"]) for c in made.candles()] == [(1000, 1.0), (2000, 2.5)]
    made.begin(bar(3000))
    made.close(bar(3000, 7.0))
    assert made.candles()[-1]["close"] == 7.0
    made.close()
    made.reset(1)
    made.begin(bar(1000, 4.0))
    made.close()
    assert [c["timestamp"] for c in made.candles()] == [3000, 1000]


def test_titles_are_made_different_and_gaps_are_null() -> None:
    made = KLineChartObject(points())
    made.begin(bar(1))
    for _ in range(2):
        made.plot(None, "x")
    made.plot([])
    assert made.plot(1, display="none") == 3
    assert made.hline(1, display="none") is None
    made.close()
    plots = made.candles()[0]["runtime"]["plots"]
    assert [plot["title"] for plot in plots] == ["x", "x_1", "plot_2", "plot_3"]
    assert [plot["value"] for plot in plots] == [None, None, None, 1.0]
    assert plots[3]["display"] == "none"


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda c: c.begin({"Time": 1}), InputError, "the bar has no Open, High, Low, Close, Volume"),
        (lambda c: c.begin(None), InputError, "a bar must be a dict"),
        (lambda c: c.begin({**bar(1), "Close": "2"}), InputError, "the bar's Close must be a number"),
        (lambda c: c.plot(1, style="lines"), UnknownName, "no style 'lines'; did you mean 'line'"),
        (lambda c: c.plot(object()), InputError, "a plotted value must be a number"),
        (lambda c: c.signal("up", 1, 1), UnknownName, "no direction 'up'"),
        (lambda c: c.signal("buy", "1", 1), InputError, "signal: price must be a number"),
        (lambda c: c.fill(0, 7), InputError, "this bar has 1 plots, none with the number 7"),
        (lambda c: KLineChartObject(points(), 5), InputError, "takes a dict of options, got 5"),  # type: ignore[arg-type]
    ],
)
def test_what_is_wrong_with_a_candle_chart_is_named(
    call: Callable[[KLineChartObject], Any], kind: type[Exception], message: str
) -> None:
    made = KLineChartObject(points())
    made.begin(bar(1))
    made.plot(1)
    with pytest.raises(kind, match=message):
        call(made)


def test_fill_of_what_was_not_drawn_draws_nothing() -> None:
    made = KLineChartObject(points())
    made.fill(None, None)
    made.begin(bar(1))
    made.fill(made.plot(1), made.hline(1, display="none"))
    made.close()
    assert len(made.candles()[0]["runtime"]["plots"]) == 1


def test_candles_are_kept_in_the_file(runtime: Runtime, database: Path) -> None:
    made = KLineChart({"overlay": True})
    for time in (1000, 2000):
        made.begin(bar(time))
        made.close()
    assert runtime.journal.flush()
    assert [json.loads(row.data)["timestamp"] for row in read_chart_points(database)] == [1000, 2000]


def test_text_of_a_point_is_short() -> None:
    assert point_text({"name": "价", "y": [1.5, None]}) == '{"name":"价","y":[1.5,null]}'
