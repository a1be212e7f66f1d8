"""An equity curve as SVG, for pages without plotly's script."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ...charts.thinning import thinned
from ..metrics.curves import Curve
from ..metrics.drawdown import under_water

__all__ = ["equity_svg"]

_WIDTH, _HEIGHT, _LEFT, _TOP, _DEPTH_TOP, _DEPTH_HEIGHT = 1000, 420, 78, 12, 320, 66
_COLUMNS = 500


def equity_svg(curves: Sequence[tuple[str, Curve]]) -> str:
    """The first curve and how far it is under water, over the others; colours are those of the page.

    Args:
        curves: For each one its colour's name and the curve; the first one is the equity.
    """
    equity = curves[0][1]
    low = min(min(curve.values) for _, curve in curves)
    high = max(max(curve.values) for _, curve in curves)
    start, end = equity.times[0], max(equity.times[-1], equity.times[0] + 1)
    parts = [_grid(low, high, _TOP, _DEPTH_TOP - _TOP - 40, 4, "{:,.0f}" if high - low >= 10 else "{:,.2f}")]
    for color, curve in reversed(curves):
        points = _points(curve, start, end, low, high, _TOP, _DEPTH_TOP - _TOP - 40)
        parts.append(f'<polyline class=line style="stroke:var(--{color})" points="{points}"/>')
    depth = Curve(equity.times, [100 * one for one in under_water(equity)])
    deepest = min(*depth.values, -0.01)
    points = _points(depth, start, end, deepest, 0.0, _DEPTH_TOP, _DEPTH_HEIGHT)
    edges = f"{_LEFT},{_DEPTH_TOP} {points} {_WIDTH - 8},{_DEPTH_TOP}"
    parts.append(_grid(deepest, 0.0, _DEPTH_TOP, _DEPTH_HEIGHT, 1, "{:.1f} %"))
    parts.append(f'<polygon style="fill:var(--down);opacity:.45" points="{edges}"/>')
    for place, anchor in ((start, "start"), (end, "end")):
        x = _LEFT if anchor == "start" else _WIDTH - 8
        text = datetime.fromtimestamp(place / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        parts.append(f'<text x="{x}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{text}</text>')
    return f'<svg class=equity viewBox="0 0 {_WIDTH} {_HEIGHT}" role=img aria-label="Equity">{"".join(parts)}</svg>'


def _points(curve: Curve, start: int, end: int, low: float, high: float, top: float, height: float) -> str:
    times, values = thinned(curve.times, curve.values, _COLUMNS)
    span = (high - low) or 1.0
    wide = _WIDTH - 8 - _LEFT
    return " ".join(
        f"{_LEFT + wide * (time - start) / (end - start):.1f},{top + height * (high - value) / span:.1f}"
        for time, value in zip(times, values, strict=True)
    )


def _grid(low: float, high: float, top: float, height: float, parts: int, form: str) -> str:
    found = []
    for step in range(parts + 1):
        y = top + height * step / parts
        text = form.format(high - (high - low) * step / parts)
        found.append(
            f'<path class=grid d="M{_LEFT} {y:.1f}H{_WIDTH - 8}"/><text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
        )
    return "".join(found)
