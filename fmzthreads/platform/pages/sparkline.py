"""A small picture of a curve, as SVG without any style of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["sparkline_svg"]

_WIDTH, _HEIGHT, _EDGE = 120, 32, 2


def sparkline_svg(values: Sequence[float]) -> str:
    """The curve, coloured by whether it ends above its beginning; an empty picture for fewer than two numbers."""
    numbers = [float(value) for value in values if math.isfinite(value)]
    if len(numbers) < 2:
        return f'<svg class="spark" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true"></svg>'
    low, high = min(numbers), max(numbers)
    span = (high - low) or 1.0
    step = (_WIDTH - 2 * _EDGE) / (len(numbers) - 1)
    points = [
        f"{_EDGE + step * place:.1f},{_EDGE + (_HEIGHT - 2 * _EDGE) * (high - value) / span:.1f}"
        for place, value in enumerate(numbers)
    ]
    tone = "up" if numbers[-1] >= numbers[0] else "down"
    area = f"{_EDGE},{_HEIGHT} {' '.join(points)} {_WIDTH - _EDGE},{_HEIGHT}"
    return (
        f'<svg class="spark {tone}" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f'<polygon points="{area}"/><polyline points="{" ".join(points)}"/></svg>'
    )
