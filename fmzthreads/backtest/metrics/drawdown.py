"""Drawdowns of a curve: how deep, how long, and whether it is still under water."""

from __future__ import annotations

import math
from typing import Any

from ...structures.value_objects import ValueObject
from .curves import Curve
from .figure import Undefined, Value, Wanted

__all__ = ["Drawdowns", "drawdown_figures", "drawdowns", "under_water"]

_WANTED = (
    Wanted("max_drawdown", "Maximum drawdown", "share", "highest (peak - value) / peak, peak the highest value so far"),
    Wanted("max_drawdown_amount", "Maximum drawdown, amount", "money", "highest peak - value"),
    Wanted("max_drawdown_start", "Maximum drawdown begins", "time", "time of the peak before the deepest share"),
    Wanted("max_drawdown_bottom", "Maximum drawdown, bottom", "time", "time of the deepest share"),
    Wanted("max_drawdown_recovery", "Maximum drawdown recovered", "time", "first time at or above that peak again"),
    Wanted("longest_drawdown", "Longest drawdown", "ms", "longest time from a peak to the first value at or above it, or to the end"),
    Wanted("under_water", "Under water at the end", "share", "(peak - last value) / peak; 0 at a peak"),
    Wanted("under_water_ms", "Under water since", "ms", "time from the last peak to the end; 0 at a peak"),
    Wanted("ulcer", "Ulcer index", "share", "sqrt(mean((peak - value)^2 / peak^2)) over the times, each value weighted by how long it holds"),
)  # fmt: skip


class Drawdowns(ValueObject, frozen=False):
    """What a walk along a curve finds; times are milliseconds since the epoch."""

    share: float = 0.0
    amount: float = 0.0
    start_ms: int | None = None
    bottom_ms: int | None = None
    recovery_ms: int | None = None
    longest_ms: int = 0
    now_share: float = 0.0
    now_ms: int = 0
    ulcer: float = 0.0


def drawdowns(curve: Curve) -> Drawdowns:
    """Walks along a curve; a peak is at least the first value, and shares are taken only of a positive peak."""
    found = Drawdowns()
    peak, peak_ms, below, deepest_peak = curve.values[0], curve.times[0], False, 0.0
    weighted: list[float] = []
    last = len(curve.times) - 1
    for place, (time_ms, value) in enumerate(zip(curve.times, curve.values, strict=True)):
        if value >= peak:
            if below:
                found.longest_ms = max(found.longest_ms, time_ms - peak_ms)
            peak, peak_ms = value, time_ms
        below = value < peak
        share = (peak - value) / peak if peak > 0 else 0.0
        found.amount = max(found.amount, peak - value)
        if share > found.share:
            found.share, found.start_ms, found.bottom_ms = share, peak_ms, time_ms
            found.recovery_ms, deepest_peak = None, peak
        elif found.bottom_ms is not None and found.recovery_ms is None and value >= deepest_peak:
            found.recovery_ms = time_ms
        if place < last:
            weighted.append(share * share * (curve.times[place + 1] - time_ms))
        elif below:
            found.now_share, found.now_ms = share, time_ms - peak_ms
            found.longest_ms = max(found.longest_ms, found.now_ms)
    found.ulcer = math.sqrt(math.fsum(weighted) / curve.span_ms) if curve.span_ms else 0.0
    return found


def under_water(curve: Curve) -> list[float]:
    """How far below the highest value so far each value is, as a negative share; 0 where that is not positive."""
    found, peak = [], curve.values[0]
    for value in curve.values:
        peak = max(peak, value)
        found.append((value - peak) / peak if peak > 0 else 0.0)
    return found


def drawdown_figures(curve: Curve | Undefined) -> dict[str, dict[str, Any]]:
    """The figures of one curve, by their keys."""
    if isinstance(curve, Undefined):
        return {want.key: want.figure(curve) for want in _WANTED}
    found = drawdowns(curve)
    none = Undefined("there was no drawdown")
    still = Undefined("still under water at the end") if found.bottom_ms is not None else none
    values: dict[str, Value] = {
        "max_drawdown": found.share,
        "max_drawdown_amount": found.amount,
        "max_drawdown_start": none if found.start_ms is None else found.start_ms,
        "max_drawdown_bottom": none if found.bottom_ms is None else found.bottom_ms,
        "max_drawdown_recovery": still if found.recovery_ms is None else found.recovery_ms,
        "longest_drawdown": found.longest_ms,
        "under_water": found.now_share,
        "under_water_ms": found.now_ms,
        "ulcer": found.ulcer,
    }
    return {want.key: want.figure(values[want.key]) for want in _WANTED}
