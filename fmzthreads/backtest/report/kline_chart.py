"""A strategy's ``KLineChart``: candles with the lines, marks and signals that were plotted bar by bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from ...charts.thinning import thin_candles, thinned
from .escaping import chart_text, color_of, number_of
from .figures import Figure, Trace, rounded

__all__ = ["kline_chart"]

_FIELDS = ("open", "high", "low", "close")
_MOST_PLOTS, _MOST_MARKS, _MOST_COLORS, _MOST_BANDS = 60, 800, 8, 200
_MARKS = {"diamond", "square", "circle", "cross", "triangle-up", "triangle-down", "star", "x"}
_SYMBOLS = {
    "label_down": "triangle-down", "label_up": "triangle-up", "arrow_down": "triangle-down", "arrow_up": "triangle-up", "flag": "star",
    "triangle_down": "triangle-down", "triangle_up": "triangle-up", "triangleup": "triangle-up", "triangledown": "triangle-down",
    "xcross": "x",
}  # fmt: skip
_SIGNALS = {
    "long": ("triangle-up", "@up"), "closeshort": ("triangle-up", "@amber"), "short": ("triangle-down", "@down"),
    "closelong": ("triangle-down", "@amber"),
}  # fmt: skip

Candle = Mapping[str, Any]


def kline_chart(config: Mapping[str, Any], points: Sequence[object], columns: int) -> Figure | None:
    """The chart; None without candles.

    Args:
        config: What it was made with.
        points: The candles, each with its ``runtime`` of plots and signals.
        columns: How many columns of pixels it is thinned to.
    """
    by_time = {int(one["timestamp"]): one for one in points if isinstance(one, dict) and _whole(one)}
    candles = [by_time[time] for time in sorted(by_time)]
    if not candles:
        return None
    traces = _candles(candles, columns)
    low_pane = [trace for trace in traces if trace.get("yaxis") == "y2"]
    for number, ((kind, title), values) in enumerate(_plots(candles).items()):
        if number < _MOST_PLOTS:
            made = _plot(kind, title, values, candles, columns)
            traces += made
            low_pane += [trace for trace in made if trace.get("yaxis") == "y2"]
    traces += _fills(candles, columns) + _signals(candles)
    split = 0.32 if low_pane else 0.0
    layout: dict[str, Any] = {
        "xaxis": {"type": "date", "anchor": "y2" if split else "y", "rangeslider": {"visible": False}},
        "yaxis": {"domain": [split + 0.04 if split else 0, 1], "anchor": "x"},
        "shapes": _backgrounds(candles, bool(split)),
    }
    if split:
        layout["yaxis2"] = {"domain": [0, split], "anchor": "x"}
    return {
        "key": "kline",
        "title": "K line",
        "note": "",
        "data": traces,
        "layout": layout,
        "height": 560,
        "scale_switch": False,
    }


def _whole(candle: Candle) -> bool:
    return number_of(candle.get("timestamp")) is not None and all(
        number_of(candle.get(name)) is not None for name in _FIELDS
    )


def _runtime(candle: Candle, key: str) -> list[Any]:
    runtime = candle.get("runtime")
    found = runtime.get(key) if isinstance(runtime, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _time(candle: Candle) -> int:
    return int(candle["timestamp"])


def _candles(candles: Sequence[Candle], columns: int) -> list[Trace]:
    """A trace for each colour that ``barcolor`` gave, and one for the rest."""
    by_color: dict[str | None, list[Candle]] = {}
    for candle in candles:
        colors = [color_of(one.get("color")) for one in _runtime(candle, "plots") if one.get("type") == "barcolor"]
        color = next(filter(None, reversed(colors)), None)
        if color not in by_color and len(by_color) >= _MOST_COLORS:
            color = None
        by_color.setdefault(color, []).append(candle)
    return [_ohlc("K line", members, columns, color) for color, members in by_color.items()]


def _ohlc(name: str, candles: Sequence[Candle], columns: int, color: str | None) -> Trace:
    x, kept = thin_candles(
        [_time(one) for one in candles], [[one[field] for one in candles] for field in _FIELDS], max(columns, 1)
    )
    trace: Trace = {"type": "candlestick", "name": name, "x": x, "showlegend": False}
    for field, column in zip(_FIELDS, kept, strict=True):
        trace[field] = rounded(column, 9)
    for way, default in (("increasing", "@up"), ("decreasing", "@down")):
        trace[way] = {"line": {"color": color or default, "width": 1}}
    return trace


def _plots(candles: Sequence[Candle]) -> dict[tuple[str, str], dict[int, dict[str, Any]]]:
    """All plots by kind and title, each with its entry of each time."""
    found: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for candle in candles:
        for plot in _runtime(candle, "plots"):
            if plot.get("type") not in ("barcolor", "bgcolor", "fill"):
                found.setdefault((str(plot.get("type")), str(plot.get("title"))), {})[_time(candle)] = plot
    return found


def _plot(
    kind: str, title: str, entries: Mapping[int, dict[str, Any]], candles: Sequence[Candle], columns: int
) -> list[Trace]:
    last = entries[max(entries)]
    common: Trace = {"name": chart_text(title, 40)} | ({} if last.get("overlay") else {"yaxis": "y2"})
    color = color_of(last.get("color"))
    if kind == "plotcandle":
        whole = [
            {"timestamp": time, **dict(zip(_FIELDS, value, strict=True))}
            for time, one in entries.items()
            if isinstance(value := one.get("value"), list)
            and len(value) == 4
            and None not in [number_of(part) for part in value]
        ]
        return [{**_ohlc(title, whole, columns, color), **common}] if whole else []
    if kind in ("plotarrow", "plotshape", "plotchar"):
        return _marks(kind, entries, {_time(one): one for one in candles}, common)
    times = [_time(one) for one in candles]
    values = [number_of(entries[time].get("value")) if time in entries else None for time in times]
    style = str(last.get("style"))
    are_columns = style in ("columns", "histogram")  # each is an element of the page, and none is thinner than a pixel
    x, y = thinned(times, values, max(columns // 4, 1) if are_columns else columns)
    if are_columns:
        return [{**common, "type": "bar", "x": x, "y": rounded(y, 9)} | ({"marker": {"color": color}} if color else {})]
    line: dict[str, Any] = {"width": min(max(number_of(last.get("linewidth")) or 1, 0.5), 8)} | (
        {"color": color} if color else {}
    )
    line |= {"shape": "hv"} if style.startswith("stepline") else {}
    line |= (
        {"dash": {"dashed": "dash", "dotted": "dot"}.get(str(last.get("linestyle")), "solid")}
        if kind == "hline"
        else {}
    )
    trace: Trace = {**common, "type": "scatter", "mode": "lines", "x": x, "y": rounded(y, 9), "line": line}
    if style in ("circles", "cross"):
        trace |= {
            "mode": "markers",
            "marker": {"size": 5, "symbol": "circle" if style == "circles" else "cross"}
            | ({"color": color} if color else {}),
        }
    elif style.startswith("area"):
        trace |= {"fill": "tozeroy"}
    return [trace]


def _marks(
    kind: str, entries: Mapping[int, dict[str, Any]], candles: Mapping[int, Candle], common: Trace
) -> list[Trace]:
    shown = [(time, one) for time, one in entries.items() if one.get("value")][-_MOST_MARKS:]
    if not shown:
        return []
    low, high = (best(one[field] for one in candles.values()) for best, field in ((min, "low"), (max, "high")))
    y = [_mark_height(one, candles[time], kind, low, high) for time, one in shown]
    symbols, colors, texts = [], [], []
    for _, one in shown:
        up = (number_of(one.get("value")) or 0) > 0
        symbol = ("triangle-up" if up else "triangle-down") if kind == "plotarrow" else str(one.get("style", "circle"))
        symbol = _SYMBOLS.get(symbol, symbol.replace("_", "-"))
        symbols.append(symbol if symbol in _MARKS else "circle")
        given = one.get("colorup" if up else "colordown") if kind == "plotarrow" else one.get("color")
        colors.append(color_of(given) or "@accent")
        texts.append(chart_text(one.get("char") or one.get("text") or "", 24))
    mode = "text" if kind == "plotchar" else "markers+text" if any(texts) else "markers"
    trace: Trace = {**common, "type": "scatter", "mode": mode, "x": [time for time, _ in shown], "y": rounded(y, 9)}
    trace |= {"text": texts, "marker": {"symbol": symbols, "color": colors, "size": 9}}
    if any(texts):
        given = [color_of(one.get("textcolor")) or color_of(one.get("color")) or "@ink" for _, one in shown]
        trace |= {"textposition": [_text_place(one) for _, one in shown], "textfont": {"color": given}}
    return [trace]


def _text_place(one: Mapping[str, Any]) -> str:
    return "bottom center" if one.get("location") in ("belowbar", "bottom") else "top center"


def _mark_height(one: Mapping[str, Any], candle: Candle, kind: str, low: float, high: float) -> float:
    """Where a mark stands: at its candle, at its value, or at the lowest or highest price of the chart."""
    location, value = one.get("location"), number_of(one.get("value"))
    if location == "absolute" and value is not None:
        return value
    if location in ("top", "bottom"):
        return float(high if location == "top" else low)
    below = location == "belowbar" or (kind == "plotarrow" and (value or 0) > 0)
    return float(candle["low"] if below else candle["high"])


def _fills(candles: Sequence[Candle], columns: int) -> list[Trace]:
    """The space between two lines of the same bars, in the fill's colour."""
    bands: dict[tuple[str, str, str, bool], dict[int, tuple[float, float]]] = {}
    for candle in candles:
        plots = _runtime(candle, "plots")
        for fill in plots:
            ends = [fill.get("plot1"), fill.get("plot2")]
            if fill.get("type") != "fill" or not all(isinstance(end, int) and 0 <= end < len(plots) for end in ends):
                continue
            first, second = (plots[end] for end in ends)
            low, high = number_of(first.get("value")), number_of(second.get("value"))
            if low is not None and high is not None:
                key = (
                    str(first.get("title")),
                    str(second.get("title")),
                    color_of(fill.get("color")) or "@accent-soft",
                    bool(first.get("overlay")),
                )
                bands.setdefault(key, {})[_time(candle)] = (low, high)
    found: list[Trace] = []
    for (_, _, color, overlay), band in list(bands.items())[:_MOST_COLORS]:
        base: Trace = {
            "type": "scatter",
            "mode": "lines",
            "line": {"width": 0},
            "hoverinfo": "skip",
            "showlegend": False,
        }
        base |= {} if overlay else {"yaxis": "y2"}
        times = list(band)
        for place in (0, 1):
            x, y = thinned(times, [ends[place] for ends in band.values()], columns)
            found.append(
                {**base, "x": x, "y": rounded(y, 9)} | ({"fill": "tonexty", "fillcolor": color} if place else {})
            )
    return found


def _signals(candles: Sequence[Candle]) -> list[Trace]:
    found: list[Trace] = []
    marks = [
        (_time(candle), one)
        for candle in candles
        for one in _runtime(candle, "signals")
        if number_of(one.get("price")) is not None
    ]
    for direction, (symbol, color) in _SIGNALS.items():
        chosen = [(time, one) for time, one in marks if one.get("direction") == direction][-_MOST_MARKS:]
        if chosen:
            texts = [
                chart_text(f"{one.get('id')} {number_of(one.get('qty')) or 0:g} at {one['price']:g}")
                for _, one in chosen
            ]
            marker = {"symbol": symbol, "color": color, "size": 11, "line": {"width": 1, "color": "@card"}}
            x, y = [time for time, _ in chosen], rounded([one["price"] for _, one in chosen], 9)
            found.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": direction,
                    "x": x,
                    "y": y,
                    "text": texts,
                    "hoverinfo": "x+text",
                    "marker": marker,
                }
            )
    return found


def _backgrounds(candles: Sequence[Candle], has_low_pane: bool) -> list[dict[str, Any]]:
    """A band for each run of bars that ``bgcolor`` gave the same colour, in the pane of each of its calls."""
    given: dict[tuple[str, bool], dict[int, str]] = {}
    for place, candle in enumerate(candles):
        for one in _runtime(candle, "plots"):
            color = color_of(one.get("color")) if one.get("type") == "bgcolor" else None
            if color:
                given.setdefault((str(one.get("title")), bool(one.get("overlay"))), {})[place] = color
    times = [_time(one) for one in candles]
    step = times[-1] - times[-2] if len(times) > 1 else 60_000
    found: list[tuple[int, dict[str, Any]]] = []
    for (_, overlay), colors in given.items():
        pane = "y2 domain" if has_low_pane and not overlay else "y domain"
        for color, run in groupby(range(len(candles)), key=colors.get):
            places = list(run)
            if color:
                band = {
                    "type": "rect",
                    "xref": "x",
                    "yref": pane,
                    "y0": 0,
                    "y1": 1,
                    "layer": "below",
                    "line": {"width": 0},
                }
                opacity = 1 if _has_alpha(color) else 0.25
                ends = {"x0": times[places[0]], "x1": times[places[-1]] + step}
                found.append((places[0], {**band, **ends, "fillcolor": color, "opacity": opacity}))
    return [band for _, band in sorted(found, key=lambda one: one[0])][-_MOST_BANDS:]


def _has_alpha(color: str) -> bool:
    return color.startswith("rgba") or (color[0] == "#" and len(color) in {5, 9})
