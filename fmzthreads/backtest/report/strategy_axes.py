"""The axes of a strategy's own charts: panes, second axes, and the lines and bands at fixed places of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .escaping import chart_text, color_of, number_of

__all__ = ["dict_of", "list_of", "marked", "text_of", "x_axis", "y_axes"]

_MOST_MARKED = 20

Shape = dict[str, Any]


def dict_of(value: object) -> dict[str, Any]:
    """The value when it is a dict; an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """The value when it is a list; a list of it otherwise, empty for None."""
    return value if isinstance(value, list) else [] if value is None else [value]


def text_of(value: object) -> str:
    """The ``text`` of a title."""
    text = dict_of(value).get("text")
    return str(text)[:200] if isinstance(text, (str, int, float)) else ""


def x_axis(axis: dict[str, Any], axes: Sequence[dict[str, Any]], *, times: bool) -> dict[str, Any]:
    """The x axis, which stands below the lowest pane.

    Args:
        axis: Its configuration.
        axes: Those of the y axes.
        times: Whether x is a time.
    """
    found: dict[str, Any] = {
        "title": {"text": chart_text(text_of(axis.get("title")))},
        "rangeslider": {"visible": False},
    }
    bottom = min(range(len(axes)), key=lambda place: -_share(axes[place].get("top"), 0.0))
    found["anchor"] = f"y{bottom + 1}" if bottom else "y"
    categories = list_of(axis.get("categories"))
    if times:
        found["type"] = "date"
    elif categories:
        found |= {"tickvals": list(range(len(categories))), "ticktext": [chart_text(one, 40) for one in categories]}
    return found


def y_axes(axes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Plotly's y axes by their names."""
    found: dict[str, Any] = {}
    placed = any("top" in axis or "height" in axis for axis in axes)
    for place, axis in enumerate(axes):
        name = "yaxis" if not place else f"yaxis{place + 1}"
        one: dict[str, Any] = {"title": {"text": chart_text(text_of(axis.get("title")), 40)}, "anchor": "x"}
        if axis.get("type") == "logarithmic":
            one["type"] = "log"
        low, high = number_of(axis.get("min")), number_of(axis.get("max"))
        if one.get("type") != "log":
            one |= _limits(low, high)
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


def _limits(low: float | None, high: float | None) -> dict[str, Any]:
    """The range of an axis whose ``min``, ``max``, or both are given."""
    if low is not None and high is not None:
        return {"range": [low, high]} if low < high else {}
    if low is None and high is None:
        return {}
    given = {"minallowed": low, "include": low} if high is None else {"maxallowed": high, "include": high}
    return {"autorangeoptions": given}


def _share(value: object, default: float) -> float:
    if isinstance(value, str) and value.endswith("%"):
        try:
            return min(max(float(value[:-1]) / 100, 0.0), 1.0)
        except ValueError:
            return default
    return default


def marked(axes: Sequence[dict[str, Any]], across: dict[str, Any]) -> tuple[list[Shape], list[Shape]]:
    """The lines and bands at fixed places of the axes, and their labels.

    Args:
        axes: The y axes.
        across: The x axis.

    Returns:
        Plotly's shapes, and its annotations.
    """
    shapes: list[Shape] = []
    labels: list[Shape] = []
    for letter, reference, axis in (
        ("x", "x", across),
        *(("y", f"y{n + 1}" if n else "y", axis) for n, axis in enumerate(axes)),
    ):
        other = "y" if letter == "x" else "x"
        span = {"xref": "paper", "yref": "paper", f"{letter}ref": reference, f"{other}0": 0, f"{other}1": 1}
        if letter == "y":
            span["xref"] = "x domain"
        for one in map(dict_of, list_of(axis.get("plotBands"))[:_MOST_MARKED]):
            start, end = number_of(one.get("from")), number_of(one.get("to"))
            if start is not None and end is not None:
                color = color_of(one.get("color"))
                fill = {
                    "fillcolor": color or "@accent-faint",
                    "opacity": 0.4 if color and color[0] == "#" and len(color) < 8 else 1,
                }
                ends = {f"{letter}0": start, f"{letter}1": end}
                shapes.append({**span, "type": "rect", "layer": "below", "line": {"width": 0}, **fill, **ends})
                labels += _label(one, letter, reference, (start + end) / 2)
        for one in map(dict_of, list_of(axis.get("plotLines"))[:_MOST_MARKED]):
            value = number_of(one.get("value"))
            if value is not None:
                width = number_of(one.get("width")) or 1
                style = {"color": color_of(one.get("color")) or "@muted", "width": min(abs(width), 6), "dash": "dash"}
                shapes.append({**span, "type": "line", "line": style, f"{letter}0": value, f"{letter}1": value})
                labels += _label(one, letter, reference, value)
    return shapes, labels


def _label(marked: dict[str, Any], letter: str, reference: str, value: float) -> list[Shape]:
    text = chart_text(text_of(marked.get("label")), 40)
    if not text:
        return []
    place = (
        {"xref": reference, "x": value, "yref": "paper", "y": 1, "yanchor": "top"}
        if letter == "x"
        else {"xref": "x domain", "x": 0, "yref": reference, "y": value, "yanchor": "bottom"}
    )
    return [{"text": text, "showarrow": False, "xanchor": "left", **place}]
