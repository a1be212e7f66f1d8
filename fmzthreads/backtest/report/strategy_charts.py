"""A strategy's own charts: a Highcharts-shaped configuration and its points, drawn as far as it goes.

Lines, splines, areas, ranges, columns, bars, scatters, candlesticks, ohlc, flags and pies; several axes, and panes by the axes' ``top`` and
``height``. What is malformed is left out, never an error: it is data of a strategy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...charts.thinning import thin_candles, thinned
from .escaping import chart_text, color_of, number_of
from .figures import Figure, Trace, rounded
from .kline_chart import kline_chart

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
_LINES = {"line", "spline", "area", "areaspline", "scatter", "arearange", "areasplinerange"}
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
    chart = _dict(result_chart)
    try:
        config = json.loads(chart.get("Cfg") or "null")
    except (TypeError, ValueError, RecursionError):
        return []
    rows = [row for row in _list(chart.get("Datas")) if isinstance(row, (list, tuple)) and len(row) > 1]
    if isinstance(config, dict) and config.get("__isKLine"):
        drawn = kline_chart(config, [row[1] for row in rows], columns)
        return [drawn] if drawn else []
    added: dict[int, list[Any]] = {}
    for row in rows:
        if isinstance(row[0], int):
            added.setdefault(row[0], []).append(row[1])
    found, first = [], 0
    for number, one in enumerate(_list(config)[:_MOST_CHARTS]):
        many = [_dict(each) for each in _list(_dict(one).get("series"))]
        points = [_list(each.get("data")) + added.get(first + place, []) for place, each in enumerate(many)]
        first += len(many)
        drawn = _chart(f"chart-{number}", _dict(one), many[:_MOST_SERIES], points, columns)
        if drawn:
            found.append(drawn)
    return found


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _chart(
    key: str, config: dict[str, Any], many: list[dict[str, Any]], data: list[list[Any]], columns: int
) -> Figure | None:
    default = str(_dict(config.get("chart")).get("type") or "line")
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
    axes = [_dict(axis) for axis in _list(config.get("yAxis"))[:_MOST_AXES]] or [{}]
    layout = _axes(axes) | {"xaxis": _x_axis(config, series, axes)}
    shapes = [shape for place, axis in enumerate(axes) for shape in _plot_lines(axis, place)]
    if any(_dict(one).get("stacking") for one in (*many, _dict(_dict(config.get("plotOptions")).get("column")))):
        layout["barmode"] = "stack"
    height = (
        _pixels(_dict(config.get("extension")).get("height"))
        or _pixels(_dict(config.get("chart")).get("height"))
        or 360
    )
    title = _text_of(config.get("title")) or "Chart"
    layout["shapes"] = shapes
    return {
        "key": key,
        "title": title,
        "note": _text_of(config.get("subtitle")),
        "data": traces,
        "layout": layout,
        "height": min(max(height, 240), 1200),
        "scale_switch": False,
    }


def _text_of(value: object) -> str:
    text = _dict(value).get("text")
    return str(text)[:200] if isinstance(text, (str, int, float)) else ""


def _pixels(value: object) -> int:
    text = str(value).removesuffix("px") if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0


# Points


def _points(data: list[Any], kind: str) -> list[_Point]:
    found: list[_Point] = []
    for place, point in enumerate(data):
        more: Mapping[str, Any]
        if isinstance(point, (list, tuple)) and len(point) > 1:
            x, numbers, more = number_of(point[0]), [number_of(one) for one in point[1:5]], {}
        elif isinstance(point, dict):
            x, more = number_of(point.get("x")), point
            keys = (
                ("open", "high", "low", "close") if kind in _CANDLES else ("low", "high") if "range" in kind else ("y",)
            )
            numbers = [number_of(point.get(one)) for one in keys]
        else:
            x, numbers, more = None, [number_of(point)], {}
        found.append((place if x is None else x, numbers, more))
    if kind == "pie":
        return found
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
        x, y = _xy(one, columns)
        color = color_of(one.config.get("color"))
        return [{**common, "type": "bar", "x": x, "y": y} | ({"marker": {"color": color}} if color else {})]
    return _lines(one, common, columns)


def _xy(one: _Series, columns: int, number: int = 0) -> tuple[list[float], list[Any]]:
    y = [numbers[number] if len(numbers) > number else None for _, numbers, _ in one.points]
    x, kept = thinned([point[0] for point in one.points], y, columns)
    return x, rounded(kept, 9)


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
    if one.kind == "scatter":
        marker = {"size": 7} | ({"color": color} if color else {})
        trace |= {"mode": "markers", "marker": marker}
    elif one.kind.startswith("area"):
        trace |= {"fill": "tozeroy"}
    elif _dict(one.config.get("marker")).get("enabled") is True or len(one.points) == 1:
        trace["mode"] = "lines+markers"
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
    before = [x for x in known if x <= time]
    return heights[before[-1] if before else known[0]]


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


# Axes


def _x_axis(config: dict[str, Any], series: Sequence[_Series], axes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    axis = _dict(next(iter(_list(config.get("xAxis"))), {}))
    times = any(abs(x) >= _TIME for one in series for x, _, _ in (*one.points[:1], *one.points[-1:]))
    found: dict[str, Any] = {
        "title": {"text": chart_text(_text_of(axis.get("title")))},
        "rangeslider": {"visible": False},
    }
    bottom = min(range(len(axes)), key=lambda place: -_share(axes[place].get("top"), 0.0))
    found["anchor"] = f"y{bottom + 1}" if bottom else "y"
    categories = _list(axis.get("categories"))
    if times:
        found["type"] = "date"
    elif categories:
        found |= {"tickvals": list(range(len(categories))), "ticktext": [chart_text(one, 40) for one in categories]}
    return found


def _axes(axes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    placed = any("top" in axis or "height" in axis for axis in axes)
    for place, axis in enumerate(axes):
        name = "yaxis" if not place else f"yaxis{place + 1}"
        one: dict[str, Any] = {"title": {"text": chart_text(_text_of(axis.get("title")), 40)}, "anchor": "x"}
        if axis.get("type") == "logarithmic":
            one["type"] = "log"
        low, high = number_of(axis.get("min")), number_of(axis.get("max"))
        if low is not None and high is not None and low < high and one.get("type") != "log":
            one["range"] = [low, high]
        if placed:
            top = _share(axis.get("top"), 0.0)
            bottom = min(1.0, top + _share(axis.get("height"), 1.0 - top))
            one["domain"] = [round(1 - bottom, 4), round(max(1 - top, 1 - bottom + 0.01), 4)]
            same = [name for name, other in found.items() if other.get("domain") == one["domain"]]
            if same:
                one |= {"overlaying": same[0].replace("axis", ""), "side": "right"}
        elif place:
            one |= {"overlaying": "y", "side": "right", "showgrid": False}
            if place > 1:
                one |= {"anchor": "free", "autoshift": True}
        found[name] = one
    return found


def _share(value: object, default: float) -> float:
    if isinstance(value, str) and value.endswith("%"):
        try:
            return min(max(float(value[:-1]) / 100, 0.0), 1.0)
        except ValueError:
            return default
    return default


def _plot_lines(axis: dict[str, Any], place: int) -> list[dict[str, Any]]:
    found = []
    for one in [_dict(each) for each in _list(axis.get("plotLines"))[:20]]:
        value = number_of(one.get("value"))
        if value is not None:
            width = number_of(one.get("width")) or 1
            style = {"color": color_of(one.get("color")) or "@muted", "width": min(abs(width), 6), "dash": "dash"}
            reference = f"y{place + 1}" if place else "y"
            found.append(
                {
                    "type": "line",
                    "xref": "paper",
                    "x0": 0,
                    "x1": 1,
                    "yref": reference,
                    "y0": value,
                    "y1": value,
                    "line": style,
                }
            )
    return found
