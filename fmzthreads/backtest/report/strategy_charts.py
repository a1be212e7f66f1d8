"""A strategy's own charts: a Highcharts-shaped configuration and its points, drawn as far as it goes.

Lines, splines, areas, ranges, columns, bars, scatters, candlesticks, ohlc, flags and pies; several axes, and panes by the axes' ``top`` and
``height``. What is malformed is left out, never an error: it is data of a strategy.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...charts.thinning import thin_candles, thinned
from .escaping import chart_text, color_of, number_of
from .figures import Figure, Trace, rounded
from .kline_chart import kline_chart
from .strategy_axes import dict_of, list_of, marked, text_of, x_axis, y_axes

__all__ = ["strategy_charts"]

_TIME = 1e11
"""An x of this size or more is a time in milliseconds."""

_MOST_CHARTS, _MOST_SERIES, _MOST_AXES, _MOST_FLAGS = 24, 60, 12, 400
_DASHES = {
    "dash": "dash",
    "longdash": "longdash",
    "dot": "dot",
    "shortdot": "dot",
    "shortdash": "dash",
    "dashdot": "dashdot",
}
_SYMBOLS = {"square": "square", "diamond": "diamond", "triangle": "triangle-up", "triangle-down": "triangle-down"}
_CANDLES = {
    "candlestick": "candlestick",
    "ohlc": "ohlc",
    "hollowcandlestick": "candlestick",
    "heikinashi": "candlestick",
}


_Point = tuple[float, list[float | None], Mapping[str, Any]]


class _Series(NamedTuple):
    """One series: its configuration and its points ``(x, numbers, point)``."""

    config: Mapping[str, Any]
    kind: str
    points: list[_Point]


def strategy_charts(result_chart: object, columns: int) -> list[Figure]:
    """The charts of a result's ``Chart``; empty when the strategy made none.

    Args:
        result_chart: ``Cfg`` (JSON) and ``Datas`` (rows of series and point).
        columns: How many columns of pixels the series are thinned to.
    """
    chart = dict_of(result_chart)
    try:
        config = json.loads(chart.get("Cfg") or "null")
    except (TypeError, ValueError, RecursionError):
        return []
    rows = [row for row in list_of(chart.get("Datas")) if isinstance(row, (list, tuple)) and len(row) > 1]
    if isinstance(config, dict) and config.get("__isKLine"):
        drawn = kline_chart(config, [row[1] for row in rows], columns)
        return [drawn] if drawn else []
    added: dict[int, list[Any]] = {}
    for row in rows:
        if isinstance(row[0], int):
            added.setdefault(row[0], []).append(row[1])
    found, first = [], 0
    for number, one in enumerate(list_of(config)[:_MOST_CHARTS]):
        many = [dict_of(each) for each in list_of(dict_of(one).get("series"))]
        points = [list_of(each.get("data")) + added.get(first + place, []) for place, each in enumerate(many)]
        first += len(many)
        drawn = _chart(f"chart-{number}", dict_of(one), many[:_MOST_SERIES], points, columns)
        if drawn:
            found.append(drawn)
    return found


def _chart(
    key: str, config: dict[str, Any], many: list[dict[str, Any]], data: list[list[Any]], columns: int
) -> Figure | None:
    default = str(dict_of(config.get("chart")).get("type") or "line")
    series = [
        _Series(one, kind, _points(points, kind))
        for one, points in zip(many, data, strict=False)
        for kind in [str(one.get("type") or default).lower()]
    ]
    by_id = {str(one.config["id"]): one for one in series if isinstance(one.config.get("id"), (str, int))}
    traces: list[Trace] = []
    for number, one in enumerate(series):
        name = chart_text(one.config.get("name") or f"Series {number + 1}", 40)
        traces += _traces(one, name, by_id.get(str(one.config.get("onSeries")), series[0]), columns)
    if not traces:
        return None
    if any(trace["type"] != "pie" for trace in traces):
        for trace in traces:
            if (
                trace["type"] == "pie"
            ):  # beside other series it is a small one in the corner, as in Highcharts' examples
                trace |= {"domain": {"x": [0.78, 1], "y": [0.6, 1]}, "textinfo": "none"}
    axes = [dict_of(axis) for axis in list_of(config.get("yAxis"))[:_MOST_AXES]] or [{}]
    across = dict_of(next(iter(list_of(config.get("xAxis"))), {}))
    times = any(abs(x) >= _TIME for one in series for x, _, _ in (*one.points[:1], *one.points[-1:]))
    layout = y_axes(axes) | {"xaxis": x_axis(across, axes, times=times)}
    layout["shapes"], labels = marked(axes, across)
    if labels:
        layout["annotations"] = labels
    options = dict_of(config.get("plotOptions")).values()
    if any(dict_of(one).get("stacking") for one in (*many, *options)):
        layout["barmode"] = "relative"  # what is below 0 is stacked downwards
    height = (
        _pixels(dict_of(config.get("extension")).get("height"))
        or _pixels(dict_of(config.get("chart")).get("height"))
        or 360
    )
    title = text_of(config.get("title")) or "Chart"
    return {
        "key": key,
        "title": title,
        "note": text_of(config.get("subtitle")),
        "data": traces,
        "layout": layout,
        "height": min(max(height, 240), 1200),
        "scale_switch": False,
    }


def _pixels(value: object) -> int:
    text = str(value).removesuffix("px") if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0


# Points


def _points(data: list[Any], kind: str) -> list[_Point]:
    found: list[_Point] = []
    known: list[float | None] = []
    for place, point in enumerate(data):
        more: Mapping[str, Any]
        if isinstance(point, (list, tuple)) and len(point) > 1:
            x, numbers = number_of(point[0]), [number_of(one) for one in point[1:5]]
            more = {"name": point[0]} if isinstance(point[0], str) else {}
        elif isinstance(point, dict):
            x, more = number_of(point.get("x")), point
            keys = (
                ("open", "high", "low", "close") if kind in _CANDLES else ("low", "high") if "range" in kind else ("y",)
            )
            numbers = [number_of(point.get(one)) for one in keys]
        else:
            x, numbers, more = None, [number_of(point)], {}
        known.append(x)
        found.append((place if x is None else x, numbers, more))
    if kind == "pie":
        return found
    if any(x is not None and abs(x) >= _TIME for x in known):  # a point without a time has no place among times
        found = [point for point, x in zip(found, known, strict=True) if x is not None]
    return sorted(found, key=lambda point: point[0])


def _traces(one: _Series, name: str, below: _Series, columns: int) -> list[Trace]:
    if not one.points:
        return []
    axis = one.config.get("yAxis")
    number = axis if isinstance(axis, int) and not isinstance(axis, bool) and 0 <= axis < _MOST_AXES else 0
    common: Trace = {"name": name} | ({"yaxis": f"y{number + 1}"} if number else {})
    if one.config.get("visible") is False:
        common["visible"] = "legendonly"
    if one.kind == "pie":
        return [_pie(one, name)]
    if one.kind in _CANDLES:
        return _candles(one, common, columns)
    if one.kind == "flags":
        return [_flags(one, common, below)]
    if one.kind in ("column", "bar", "histogram"):
        return [_columns(one, common, columns)]
    return _lines(one, common, columns)


def _xy(one: _Series, columns: int, number: int = 0) -> tuple[list[float], list[Any]]:
    y = [numbers[number] if len(numbers) > number else None for _, numbers, _ in one.points]
    x, kept = thinned([point[0] for point in one.points], y, columns)
    return x, rounded(kept, 9)


def _columns(one: _Series, common: Trace, columns: int) -> Trace:
    x, y = _xy(one, max(columns // 4, 1))  # each is an element of the page, and none is thinner than a pixel
    color, below = color_of(one.config.get("color")), color_of(one.config.get("negativeColor"))
    own = {time: given for time, _, more in one.points if (given := color_of(more.get("color")))}
    trace: Trace = {**common, "type": "bar", "x": x, "y": y}
    if own or below:
        usual = color or "@accent"
        colors = [
            own.get(time) or (below if below and value is not None and value < 0 else usual)
            for time, value in zip(x, y, strict=True)
        ]
        return trace | {"marker": {"color": colors}}
    return trace | ({"marker": {"color": color}} if color else {})


def _marker(one: _Series, color: str | None) -> dict[str, Any]:
    given = dict_of(one.config.get("marker"))
    radius, symbol = number_of(given.get("radius")), _SYMBOLS.get(str(given.get("symbol")), "circle")
    size = min(max(2 * radius, 2), 40) if radius is not None else 7
    filled = color_of(given.get("fillColor")) or color
    return {"size": size, "symbol": symbol} | ({"color": filled} if filled else {})


def _lines(one: _Series, common: Trace, columns: int) -> list[Trace]:
    color, dash = color_of(one.config.get("color")), _DASHES.get(str(one.config.get("dashStyle")).lower())
    width = number_of(one.config.get("lineWidth"))
    style: dict[str, Any] = {"width": min(max(width, 0), 10) if width is not None else 1.6}
    style |= ({"color": color} if color else {}) | ({"dash": dash} if dash else {})
    style |= {"shape": "hv"} if one.config.get("step") else {}
    if "range" in one.kind:
        return _range(one, common, style, columns)
    x, y = _xy(one, columns)
    trace: Trace = {**common, "type": "scatter", "mode": "lines", "x": x, "y": y, "line": style}
    if one.kind in ("scatter", "bubble"):
        trace |= {"mode": "markers", "marker": _marker(one, color)}
    elif one.kind.startswith("area"):
        trace |= {"fill": "tozeroy"}
    elif dict_of(one.config.get("marker")).get("enabled") is True or len(one.points) == 1:
        trace |= {"mode": "lines+markers", "marker": _marker(one, color)}
    return [trace]


def _range(one: _Series, common: Trace, style: dict[str, Any], columns: int) -> list[Trace]:
    thin = {**style, "width": 0.8}
    low_x, low = _xy(one, columns)
    high_x, high = _xy(one, columns, 1)
    base: Trace = {**common, "type": "scatter", "mode": "lines", "line": thin}
    return [{**base, "x": low_x, "y": low, "showlegend": False}, {**base, "x": high_x, "y": high, "fill": "tonexty"}]


def _candles(one: _Series, common: Trace, columns: int) -> list[Trace]:
    whole = [(x, numbers) for x, numbers, _ in one.points if len(numbers) == 4 and None not in numbers]
    x, candles = thin_candles(
        [x for x, _ in whole], [[numbers[n] for _, numbers in whole] for n in range(4)], max(columns, 1)
    )
    if not x:
        return []
    up = color_of(one.config.get("upColor")) or "@up"
    down = color_of(one.config.get("color")) or "@down"
    trace: Trace = {**common, "type": _CANDLES[one.kind], "x": x}
    for key, column in zip(("open", "high", "low", "close"), candles, strict=True):
        trace[key] = rounded(column, 9)
    return [
        trace | {"increasing": {"line": {"color": up, "width": 1}}, "decreasing": {"line": {"color": down, "width": 1}}}
    ]


def _flags(one: _Series, common: Trace, below: _Series) -> Trace:
    heights = {x: numbers[-1] for x, numbers, _ in below.points if numbers} if below is not one else {}
    known = sorted(heights)
    points = one.points[-_MOST_FLAGS:]
    x = [point[0] for point in points]
    y = [_height(time, heights, known) if known else (numbers[0] if numbers else None) for time, numbers, _ in points]
    titles = [chart_text(more.get("title") or one.config.get("title") or "", 12) for _, _, more in points]
    texts = [chart_text(more.get("text") or more.get("title") or "", 200) for _, _, more in points]
    color = color_of(one.config.get("color")) or "@amber"
    marker = {"symbol": "triangle-down", "size": 10, "color": color}
    trace = {
        **common,
        "type": "scatter",
        "mode": "markers+text",
        "x": x,
        "y": rounded([0 if one is None else one for one in y], 9),
    }
    return trace | {
        "text": titles,
        "textposition": "top center",
        "hovertext": texts,
        "hoverinfo": "x+text",
        "marker": marker,
    }


def _height(time: float, heights: Mapping[float, Any], known: Sequence[float]) -> Any:
    if time in heights:
        return heights[time]
    return heights[known[max(bisect_right(known, time) - 1, 0)]]


def _pie(one: _Series, name: str) -> Trace:
    kept = [
        (chart_text(more.get("name") or place), numbers[0])
        for place, (_, numbers, more) in enumerate(one.points)
        if numbers and numbers[0]
    ]
    trace = {
        "type": "pie",
        "name": name,
        "labels": [label for label, _ in kept],
        "values": [value for _, value in kept],
    }
    return trace | {"hole": 0.45, "textinfo": "label+percent"}
