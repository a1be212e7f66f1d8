from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads.backtest.report.escaping import script_json
from fmzthreads.backtest.report.strategy_charts import strategy_charts
from fmzthreads.charts.chart import ChartObject
from fmzthreads.charts.points import ChartPoints

T = 1_700_000_000_000


def drawn(config: Any, *rows: Any, columns: int = 500) -> list[dict[str, Any]]:
    return strategy_charts({"Cfg": json.dumps(config), "Datas": [list(row) for row in rows]}, columns)


def one(series: dict[str, Any], *points: Any, columns: int = 500, **config: Any) -> dict[str, Any]:
    (figure,) = drawn({"series": [series], **config}, *((0, point) for point in points), columns=columns)
    return figure


def test_series_count_through_all_charts_and_initial_data_come_first() -> None:
    first = {"title": {"text": "A"}, "series": [{"name": "a", "data": [[T, 1]]}, {"name": "b"}]}
    second = {"title": {"text": "B"}, "series": [{"name": "c"}]}
    found = drawn([first, second], (2, [T, 9]), (0, [T + 1, 2]), (1, [T, 5]))
    assert [figure["title"] for figure in found] == ["A", "B"]
    assert [(trace["name"], trace["x"], trace["y"]) for figure in found for trace in figure["data"]] == [
        ("a", [T, T + 1], [1, 2]),
        ("b", [T], [5]),
        ("c", [T], [9]),
    ]
    assert found[0]["layout"]["xaxis"]["type"] == "date"


@pytest.mark.parametrize(
    ("kind", "trace"),
    [
        ("line", {"type": "scatter", "mode": "lines"}),
        ("spline", {"type": "scatter", "mode": "lines"}),
        ("area", {"type": "scatter", "fill": "tozeroy"}),
        ("column", {"type": "bar"}),
        ("scatter", {"type": "scatter", "mode": "markers"}),
        ("unheard-of", {"type": "scatter", "mode": "lines"}),
    ],
)
def test_kinds_of_series(kind: str, trace: dict[str, Any]) -> None:
    found = one({"type": kind, "name": "n", "color": "#123456"}, [T, 1], [T + 1, None], [T + 2, 3])["data"][0]
    assert found | trace == found
    assert found["y"] == [1, None, 3]
    assert "#123456" in json.dumps(found)


@pytest.mark.parametrize("kind", ["candlestick", "ohlc"])
def test_candles(kind: str) -> None:
    found = one(
        {"type": kind, "upColor": "green"},
        [T, 1, 4, 0.5, 2],
        {"x": T + 1, "open": 2, "high": 3, "low": 1, "close": 1},
        [T + 2, 1, 2, None, 1],
    )
    trace = found["data"][0]
    assert (trace["type"], trace["open"], trace["high"], trace["low"], trace["close"]) == (
        kind,
        [1, 2],
        [4, 3],
        [0.5, 1],
        [2, 1],
    )
    assert trace["increasing"]["line"]["color"] == "green"


def test_flags_stand_on_their_series() -> None:
    series = [{"id": "price", "name": "p"}, {"type": "flags", "onSeries": "price", "title": "?"}]
    (figure,) = drawn(
        {"series": series},
        (0, [T, 100]),
        (0, [T + 10, 120]),
        (1, {"x": T + 5, "title": "B", "text": "bought"}),
        (1, {"x": T + 10}),
    )
    flags = figure["data"][1]
    assert (flags["x"], flags["y"], flags["text"]) == ([T + 5, T + 10], [100, 120], ["B", "?"])
    assert flags["hovertext"][0] == "bought"


def test_pies_ranges_and_numbers_alone() -> None:
    pie = one({"type": "pie"}, {"name": "BTC", "y": 3}, {"name": "ETH", "y": 1})["data"][0]
    assert (pie["labels"], pie["values"]) == (["BTC", "ETH"], [3, 1])
    low, high = one({"type": "arearange"}, [T, 1, 3], {"x": T + 1, "low": 2, "high": 5})["data"]
    assert (low["y"], high["y"], high["fill"]) == ([1, 2], [3, 5], "tonexty")
    (figure,) = drawn({"xAxis": {"categories": ["a", "b"]}, "series": [{"type": "column", "data": [5, 6]}]})
    assert (figure["data"][0]["x"], figure["data"][0]["y"]) == ([0, 1], [5, 6])
    assert figure["layout"]["xaxis"]["ticktext"] == ["a", "b"]


def test_several_axes_lie_over_each_other_and_panes_below() -> None:
    over = one({"yAxis": 1}, [T, 1], yAxis=[{"title": {"text": "left"}}, {"opposite": True, "type": "logarithmic"}])
    assert over["data"][0]["yaxis"] == "y2"
    assert over["layout"]["yaxis2"]["overlaying"] == "y"
    assert over["layout"]["yaxis2"]["type"] == "log"
    axes = [{"height": "60%"}, {"top": "65%", "height": "35%", "plotLines": [{"value": 30, "color": "red"}]}]
    panes = one({"yAxis": 1}, [T, 1], yAxis=axes)["layout"]
    assert (panes["yaxis"]["domain"], panes["yaxis2"]["domain"]) == ([0.4, 1], [0, 0.35])
    assert panes["xaxis"]["anchor"] == "y2"
    assert (panes["shapes"][0]["yref"], panes["shapes"][0]["y0"]) == ("y2", 30)


def test_sizes_titles_and_stacks() -> None:
    figure = one(
        {"type": "column"},
        [T, 1],
        title={"text": "t"},
        subtitle={"text": "s"},
        extension={"height": "500px"},
        plotOptions={"column": {"stacking": "normal"}},
    )
    assert (figure["title"], figure["note"], figure["height"], figure["layout"]["barmode"]) == (
        "t",
        "s",
        500,
        "relative",
    )
    assert one({}, [T, 1], extension={"height": 99999})["height"] == 360
    assert (
        one({"visible": False, "step": True, "dashStyle": "Dash"}, [T, 1])["data"][0]
        | {
            "visible": "legendonly",
            "line": {"width": 1.6, "dash": "dash", "shape": "hv"},
        }
        == one({"visible": False, "step": True, "dashStyle": "Dash"}, [T, 1])["data"][0]
    )


def test_long_series_are_thinned_and_keep_their_extremes() -> None:
    points = [[T + n, n * 7919 % 1009] for n in range(20_000)]
    figure = one({}, *points, columns=100)
    trace = figure["data"][0]
    assert len(trace["x"]) <= 400
    assert (min(trace["y"]), max(trace["y"])) == (0, 1008)
    candles = one({"type": "candlestick"}, *[[T + n, 1, 2, 0, 1] for n in range(5000)], columns=100)
    assert len(candles["data"][0]["x"]) <= 100


def test_what_a_chart_object_records_is_drawn() -> None:
    points = ChartPoints(None, lambda: T)
    chart = ChartObject(points, {"series": [{"name": "a"}, {"name": "b"}]})
    chart.add(0, [T, 1])
    chart.add(1, {"x": T, "y": math.nan})
    rows = [[row.series, json.loads(row.data)] for row in points.rows()]
    (figure,) = strategy_charts({"Cfg": points.config, "Datas": rows}, 100)
    assert [trace["y"] for trace in figure["data"]] == [[1], [None]]


@pytest.mark.parametrize(
    "chart",
    [None, {}, {"Cfg": ""}, {"Cfg": "{"}, {"Cfg": "5"}, {"Cfg": "null", "Datas": 5}, {"Cfg": '{"series": 7}', "Datas": [[0], 5, [0, 1], ["x", 2]]},
     {"Cfg": '{"series": [5, null], "yAxis": 3, "xAxis": [4], "title": 1}', "Datas": [[0, [1, 2]]]}, {"Cfg": "[" * 100_000}],
)  # fmt: skip
def test_malformed_charts_are_left_out(chart: Any) -> None:
    script_json(strategy_charts(chart, 100))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["x", "y", "open", "type", "data", "text", "value", "name"]), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
kinds = st.sampled_from(["line", "area", "column", "candlestick", "ohlc", "flags", "pie", "arearange", "scatter"])


@settings(deadline=None, max_examples=150)
@given(
    st.dictionaries(st.sampled_from(["yAxis", "xAxis", "title", "chart", "extension", "plotOptions"]), values),
    kinds,
    st.lists(values, max_size=6),
    values,
)
def test_nothing_that_a_strategy_draws_raises(config: dict[str, Any], kind: str, points: list[Any], odd: Any) -> None:
    series = {
        "type": kind,
        "name": odd,
        "color": odd,
        "yAxis": odd,
        "onSeries": odd,
        "title": odd,
        "lineWidth": odd,
        "id": odd,
    }
    script_json(
        drawn(
            {**config, "series": [series, {"type": kind}]},
            *((0, point) for point in points),
            *((1, point) for point in points),
        )
    )


@pytest.mark.parametrize("kind", ["line", "flags", "pie", "candlestick", "column"])
def test_names_titles_and_texts_are_escaped(kind: str) -> None:
    evil = "<img src=x onerror=alert(1)>"
    point: Any = {"x": T, "y": 1, "name": evil, "title": evil, "text": evil, "open": 1, "high": 1, "low": 1, "close": 1}
    (figure,) = drawn(
        {
            "series": [{"type": kind, "name": evil, "title": evil, "color": evil, "data": [point]}],
            "yAxis": {"title": {"text": evil}},
            "xAxis": {"title": {"text": evil}},
        }
    )
    assert "<img" not in json.dumps([figure["data"], figure["layout"]])


def test_what_is_stacked_below_zero_is_stacked_downwards() -> None:
    config = {"chart": {"type": "column"}, "plotOptions": {"series": {"stacking": "normal"}}}
    (figure,) = drawn({**config, "series": [{"data": [1, 2]}, {"data": [-1, -3]}]})
    assert figure["layout"]["barmode"] == "relative"


def test_columns_have_the_colours_of_their_points_and_of_what_is_below_zero() -> None:
    series = {"type": "column", "color": "#111111", "negativeColor": "red"}
    trace = one(series, [T, 1], [T + 1, -1], {"x": T + 2, "y": -2, "color": "#00ff00"}, [T + 3, None])["data"][0]
    assert trace["marker"]["color"] == ["#111111", "red", "#00ff00", "#111111"]
    evil = one({"type": "column"}, {"x": T, "y": 1, "color": "url(x)"}, {"x": T + 1, "y": 1, "color": "blue"})
    assert evil["data"][0]["marker"]["color"] == ["@accent", "blue"]


def test_pies_take_lists_of_name_and_value() -> None:
    pie = one({"type": "pie"}, ["USDT", 15], {"name": "BTC", "y": 85})["data"][0]
    assert (pie["labels"], pie["values"]) == (["USDT", "BTC"], [15, 85])


def test_marks_have_their_symbol_size_and_colour() -> None:
    marker = {"symbol": "triangle-down", "radius": 5, "fillColor": "#ff0000"}
    assert one({"type": "scatter", "marker": marker, "color": "blue"}, [T, 1])["data"][0]["marker"] == {
        "size": 10,
        "symbol": "triangle-down",
        "color": "#ff0000",
    }
    bubble = one({"type": "bubble", "marker": {"symbol": "url(x)", "radius": 1e9}}, [T, 1, 9])["data"][0]
    assert (bubble["mode"], bubble["marker"]) == ("markers", {"size": 40, "symbol": "circle"})


def test_lines_and_bands_at_fixed_places_of_both_axes() -> None:
    band = {"from": 30, "to": 70, "color": "#abcdef", "label": {"text": "<b>usual"}}
    axes = [{"plotLines": [{"value": 5, "label": {"text": "five"}}]}, {"plotBands": [band, {"from": 1}, "x"]}]
    across = {"plotLines": [{"value": T, "color": "url(x)"}], "plotBands": [{"from": T, "to": T + 9}]}
    layout = one({"yAxis": 1}, [T, 1], yAxis=axes, xAxis=across)["layout"]
    places = [
        (one["type"], one["xref"], one["yref"], one["x0"], one["x1"], one["y0"], one["y1"]) for one in layout["shapes"]
    ]
    assert places == [
        ("rect", "x", "paper", T, T + 9, 0, 1),
        ("line", "x", "paper", T, T, 0, 1),
        ("line", "x domain", "y", 0, 1, 5, 5),
        ("rect", "x domain", "y2", 0, 1, 30, 70),
    ]
    assert layout["shapes"][1]["line"]["color"] == "@muted"
    assert [(one["text"], one["yref"], one["y"]) for one in layout["annotations"]] == [
        ("five", "y", 5),
        ("&lt;b&gt;usual", "y2", 50),
    ]


def test_one_end_of_an_axis_is_kept_alone() -> None:
    assert one({}, [T, 1], yAxis={"min": 0})["layout"]["yaxis"]["autorangeoptions"] == {"minallowed": 0, "include": 0}
    assert one({}, [T, 1], yAxis={"max": 9})["layout"]["yaxis"]["autorangeoptions"] == {"maxallowed": 9, "include": 9}
    assert one({}, [T, 1], yAxis={"min": 1, "max": 9})["layout"]["yaxis"]["range"] == [1, 9]
    assert "range" not in one({}, [T, 1], yAxis={"min": 9, "max": 1})["layout"]["yaxis"]


def test_a_point_without_a_time_has_no_place_among_times() -> None:
    found = one({}, [T, 1], {"x": "evil", "y": 3}, "x", [None, 2], {"y": 7}, [T + 1, 2])["data"][0]
    assert (found["x"], found["y"]) == ([T, T + 1], [1, 2])
    assert one({}, 5, {"y": 7})["data"][0]["x"] == [0, 1]


def test_numbers_whose_difference_is_infinite_are_gaps() -> None:
    assert one({}, [T, 1e308], [T + 1, -1e308], [T + 2, 3])["data"][0]["y"] == [None, None, 3]


def test_many_flags_on_a_long_series_are_placed_at_once() -> None:
    series = [{"id": "p", "data": [[T + 10 * n, n] for n in range(100_000)]}, {"type": "flags", "onSeries": "p"}]
    (figure,) = drawn({"series": series}, *((1, {"x": T + 10 * n + 5}) for n in range(400)), (1, {"x": T - 1}))
    assert figure["data"][1]["y"] == [0, *range(1, 400)]


def test_columns_are_no_thinner_than_a_pixel() -> None:
    trace = one({"type": "column"}, *[[T + n, n * 7919 % 1009] for n in range(20_000)], columns=100)["data"][0]
    assert len(trace["x"]) <= 100
    assert (min(trace["y"]), max(trace["y"])) == (0, 1008)
    assert len(one({"type": "column"}, *[[T + n, n] for n in range(100)], columns=100)["data"][0]["x"]) == 100
