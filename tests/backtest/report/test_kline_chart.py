from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads.backtest.report.escaping import script_json
from fmzthreads.backtest.report.strategy_charts import strategy_charts
from fmzthreads.charts.kline_chart import KLineChartObject
from fmzthreads.charts.points import ChartPoints

MINUTE = 60_000


class Drawing:
    """A chart that a strategy plots on, and what is drawn of it."""

    def __init__(self, **options: Any) -> None:
        self._points = ChartPoints(None, lambda: 0)
        self.chart = KLineChartObject(self._points, options or None)

    def begin(self, number: int, price: float = 100.0) -> None:
        self.chart.begin(
            {
                "Time": number * MINUTE,
                "Open": price,
                "High": price + 2,
                "Low": price - 2,
                "Close": price + 1,
                "Volume": 5,
            }
        )

    def figure(self, columns: int = 500) -> dict[str, Any]:
        rows = [[row.series, json.loads(row.data)] for row in self._points.rows()]
        (figure,) = strategy_charts({"Cfg": self._points.config, "Datas": rows}, columns)
        return figure

    def traces(self, name: str) -> list[dict[str, Any]]:
        return [trace for trace in self.figure()["data"] if trace.get("name") == name]


def test_candles_and_lines_over_and_below_them() -> None:
    drawing = Drawing(overlay=True)
    for number, value in enumerate([1.0, None, 3.0]):
        drawing.begin(number)
        drawing.chart.plot(value, "ma", color="#ff0000")
        drawing.chart.plot(number, "rsi", overlay=False, style="histogram")
        drawing.chart.hline(50, "level", overlay=False)
        drawing.chart.close()
    figure = drawing.figure()
    assert figure["data"][0]["type"] == "candlestick"
    assert figure["data"][0]["high"] == [102, 102, 102]
    (ma,), (rsi,), (level,) = drawing.traces("ma"), drawing.traces("rsi"), drawing.traces("level")
    assert (ma["y"], ma["line"]["color"], ma.get("yaxis")) == ([1, None, 3], "#ff0000", None)
    assert (rsi["type"], rsi["yaxis"], level["line"]["dash"]) == ("bar", "y2", "dash")
    assert figure["layout"]["yaxis2"]["domain"][0] == 0


def test_without_plots_below_there_is_one_pane() -> None:
    drawing = Drawing(overlay=True)
    drawing.begin(0)
    drawing.chart.close()
    assert "yaxis2" not in drawing.figure()["layout"]


def test_fills_backgrounds_and_colours_of_bars() -> None:
    drawing = Drawing(overlay=True)
    for number in range(4):
        drawing.begin(number)
        upper, lower = drawing.chart.plot(10, "up"), drawing.chart.plot(5, "low")
        drawing.chart.fill(lower, upper, color="rgba(0, 0, 255, 0.2)")
        if number > 1:
            drawing.chart.bgcolor("#00ff00")
            drawing.chart.barcolor("#123456")
        drawing.chart.close()
    figure = drawing.figure()
    fills = [trace for trace in figure["data"] if trace.get("fill") == "tonexty"]
    assert [(one["fillcolor"], one["y"]) for one in fills] == [("rgba(0, 0, 255, 0.2)", [10, 10, 10, 10])]
    assert [(shape["x0"], shape["x1"]) for shape in figure["layout"]["shapes"]] == [(2 * MINUTE, 4 * MINUTE)]
    assert [trace["x"] for trace in drawing.traces("K line")] == [[0, MINUTE], [2 * MINUTE, 3 * MINUTE]]


def test_signals_shapes_characters_arrows_and_second_candles() -> None:
    drawing = Drawing(overlay=True)
    drawing.begin(0)
    drawing.chart.signal("long", 100.5, 0.25, "entry")
    drawing.chart.plotshape(True, "mark", style="triangle_down", location="belowbar", text="hi")
    drawing.chart.plotchar(3, "char", char="A", location="absolute")
    drawing.chart.plotarrow(-1, "arrow")
    drawing.chart.plotcandle(1, 2, 0, 1.5, "second")
    drawing.chart.close()
    (signal,), (mark,), (char,) = drawing.traces("long"), drawing.traces("mark"), drawing.traces("char")
    assert (signal["y"], signal["text"]) == ([100.5], ["entry 0.25 at 100.5"])
    assert (mark["y"], mark["marker"]["symbol"], mark["text"]) == ([98], ["triangle-down"], ["hi"])
    assert (char["y"], char["mode"], char["text"]) == ([3], "text", ["A"])
    assert drawing.traces("arrow")[0]["marker"]["symbol"] == ["triangle-down"]
    assert drawing.traces("second")[0]["close"] == [1.5]


def test_each_call_of_bgcolor_colours_its_own_pane() -> None:
    drawing = Drawing(overlay=True)
    for number in range(4):
        drawing.begin(number)
        drawing.chart.plot(number, "rsi", overlay=False)
        drawing.chart.bgcolor("#00ff00" if number < 2 else None)
        drawing.chart.bgcolor("rgba(255, 0, 0, 0.2)" if number > 0 else None, overlay=False)
        drawing.chart.barcolor("#123456" if number == 1 else None)
        drawing.chart.barcolor(None)
        drawing.chart.close()
    shapes = drawing.figure()["layout"]["shapes"]
    assert [(one["fillcolor"], one["opacity"], one["yref"], one["x0"], one["x1"]) for one in shapes] == [
        ("#00ff00", 0.25, "y domain", 0, 2 * MINUTE),
        ("rgba(255, 0, 0, 0.2)", 1, "y2 domain", MINUTE, 4 * MINUTE),
    ]
    assert [trace["x"] for trace in drawing.traces("K line")] == [[0, 2 * MINUTE, 3 * MINUTE], [MINUTE]]


def test_texts_of_marks_have_their_colour_and_stand_beside_the_candle() -> None:
    drawing = Drawing(overlay=True)
    for number, price in enumerate([100.0, 200.0, 50.0]):
        drawing.begin(number, price)
        drawing.chart.plotshape(True, "low", location="belowbar", text="L", color="#00ff00", textcolor="#ffffff")
        drawing.chart.plotchar(True, "char", char="A", color="#ff00ff")
        drawing.chart.plotshape(True, "top", location="top")
        drawing.chart.plotshape(True, "bottom", location="bottom")
        drawing.chart.close()
    (low,), (char,) = drawing.traces("low"), drawing.traces("char")
    assert (low["textposition"], low["textfont"]["color"]) == (["bottom center"] * 3, ["#ffffff"] * 3)
    assert (char["textposition"], char["textfont"]["color"]) == (["top center"] * 3, ["#ff00ff"] * 3)
    assert drawing.traces("top")[0]["y"] == [202] * 3
    assert drawing.traces("bottom")[0]["y"] == [48] * 3


def test_a_bar_of_the_same_time_replaces_the_one_before() -> None:
    rows = [[0, {"timestamp": 0, "open": 1, "high": 2, "low": 0, "close": close}] for close in (1, 2)]
    (figure,) = strategy_charts({"Cfg": '{"__isKLine": true}', "Datas": rows}, 100)
    assert figure["data"][0]["close"] == [2]


def test_long_charts_are_thinned() -> None:
    drawing = Drawing()
    for number in range(3000):
        drawing.begin(number, 100 + number % 7)
        drawing.chart.plot(number, "n", overlay=True)
        drawing.chart.close()
    figure = drawing.figure(columns=100)
    assert len(figure["data"][0]["x"]) <= 100
    assert len(figure["data"][1]["x"]) <= 400


def test_a_chart_without_whole_candles_is_left_out() -> None:
    rows = [[0, {"timestamp": 0}], [0, 5], [0, {"timestamp": "x", "open": 1, "high": 1, "low": 1, "close": 1}]]
    assert strategy_charts({"Cfg": '{"__isKLine": true}', "Datas": rows}, 100) == []


plain = (
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.integers(-5, 5)
)
plots = st.dictionaries(
    st.sampled_from(["title", "value", "color", "style", "plot1", "plot2", "location", "overlay", "linewidth", "text", "char", "colorup"]),
    plain | st.lists(plain, max_size=4),
)  # fmt: skip
kinds = st.sampled_from(
    ["plot", "hline", "fill", "barcolor", "bgcolor", "plotarrow", "plotshape", "plotchar", "plotcandle", "odd"]
)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(kinds, plots), max_size=8), plain)
def test_nothing_that_a_strategy_plots_raises(drawn: list[tuple[str, dict[str, Any]]], odd: Any) -> None:
    entries = [{"type": kind, **plot} for kind, plot in drawn]
    signals = [{"direction": "long", "price": odd, "qty": odd, "id": odd}, odd]
    rows = [
        [
            0,
            {
                "timestamp": n,
                "open": 1,
                "high": 2,
                "low": 0,
                "close": 1,
                "runtime": {"plots": [*entries, odd], "signals": signals},
            },
        ]
        for n in range(3)
    ]
    script_json(strategy_charts({"Cfg": '{"__isKLine": true}', "Datas": rows}, 100))


@pytest.mark.parametrize("kind", ["plot", "plotshape", "plotchar", "plotcandle", "hline"])
def test_names_and_texts_are_escaped(kind: str) -> None:
    evil = "<img src=x onerror=alert(1)>"
    plot = {
        "type": kind,
        "title": evil,
        "color": evil,
        "style": evil,
        "text": evil,
        "char": evil,
        "value": [1, 2, 0, 1] if kind == "plotcandle" else 1,
    }
    signal = {"direction": "long", "price": 1, "qty": 1, "id": evil}
    rows = [
        [
            0,
            {
                "timestamp": 0,
                "open": 1,
                "high": 2,
                "low": 0,
                "close": 1,
                "runtime": {"plots": [plot], "signals": [signal]},
            },
        ]
    ]
    assert "<img" not in json.dumps(strategy_charts({"Cfg": '{"__isKLine": true}', "Datas": rows}, 100))
