"""Charts as dicts of data and layout, in the shape that plotly's script takes.

Colours that begin with ``@`` are names of the page's own, which it replaces by those of the light or the dark theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...charts.thinning import thinned

__all__ = ["bars", "chart", "line", "markers", "rounded"]

Figure = dict[str, Any]
Trace = dict[str, Any]

_GAP = 0.07
"""The space between two panes, as a share of the height."""


def rounded(values: Sequence[Any], digits: int = 7) -> list[Any]:
    """Numbers with so many significant digits, which is more than a pixel shows."""
    return [None if value is None else float(f"{value:.{digits}g}") for value in values]


def line(
    name: str,
    times: Sequence[int],
    values: Sequence[Any],
    columns: int,
    *,
    color: str | None = None,
    pane: int = 1,
    **more: Any,
) -> Trace:
    """A thinned line.

    Args:
        name: Its name in the legend, already escaped.
        times: Milliseconds since the epoch.
        values: Numbers; None for a gap.
        columns: How many columns of pixels it is thinned to.
        color: Its colour; None for the next one of the palette.
        pane: The number of its y axis.
        more: What else plotly's trace takes; ``line`` adds to the line.
    """
    x, y = thinned(times, values, columns)
    style = {"width": 1.6} | ({"color": color} if color else {}) | more.pop("line", {})
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": rounded(y),
        "line": style,
        **_on(pane),
        **more,
    }


def bars(name: str, x: Sequence[Any], y: Sequence[Any], *, color: Any = None, pane: int = 1, **more: Any) -> Trace:
    """Columns."""
    marker = {"marker": {"color": color}} if color else {}
    return {"type": "bar", "name": name, "x": list(x), "y": rounded(y), **marker, **_on(pane), **more}


def markers(
    name: str,
    x: Sequence[Any],
    y: Sequence[Any],
    *,
    color: Any = None,
    symbol: Any = "circle",
    size: int = 8,
    pane: int = 1,
    **more: Any,
) -> Trace:
    """Single points."""
    marker = {"symbol": symbol, "size": size, "line": {"width": 1, "color": "@card"}} | (
        {"color": color} if color else {}
    )
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": list(x),
        "y": rounded(y),
        "marker": marker,
        **_on(pane),
        **more,
    }


def _on(pane: int) -> Trace:
    return {"yaxis": f"y{pane}"} if pane > 1 else {}


def chart(
    key: str,
    traces: Sequence[Trace],
    *,
    panes: Sequence[tuple[str, float]] = (("", 1.0),),
    height: int = 360,
    note: str = "",
    scale_switch: bool = False,
    layout: dict[str, Any] | None = None,
    date: bool = True,
) -> Figure:
    """A chart of panes that lie below each other over one x axis.

    Args:
        key: The id of its element.
        traces: What is drawn.
        panes: For each one the title of its y axis, already escaped, and its share of the height.
        height: In pixels.
        note: A line below the chart.
        scale_switch: Whether the first pane can be switched to a logarithmic scale.
        layout: What else plotly's layout takes.
        date: Whether x is a time.
    """
    total, top, axes = sum(share for _, share in panes), 1.0, {}
    free = 1 - _GAP * (len(panes) - 1)
    for place, (title, share) in enumerate(panes):
        bottom = max(0.0, top - free * share / total)
        axes[f"yaxis{place + 1 if place else ''}"] = {
            "domain": [round(bottom, 4), round(top, 4)],
            "title": {"text": title},
            "anchor": "x",
        }
        top = bottom - _GAP
    bottom_axis = f"y{len(panes)}" if len(panes) > 1 else "y"
    x_axis = {"anchor": bottom_axis} | ({"type": "date"} if date else {})
    merged: dict[str, Any] = {"xaxis": x_axis, **axes}
    for name, value in (layout or {}).items():
        merged[name] = (
            {**merged[name], **value} if isinstance(value, dict) and isinstance(merged.get(name), dict) else value
        )
    return {
        "key": key,
        "data": list(traces),
        "layout": merged,
        "height": height,
        "note": note,
        "scale_switch": scale_switch,
    }
