"""The recurrences of FMZ's indicators: each goes on from where it stands, in the order of FMZ's own arithmetic.

A recurrence is a function ``advance(params, columns, begin, end, state, outs)``. It appends one value a bar to each list of ``outs`` for the
places from ``begin`` to ``end`` and returns the state from which the next place goes on; it never changes the state that it was
given. So a whole series is one call from 0, and a bar that is still forming is one more call whose state is thrown away: both give the same
numbers, because they are the same steps. Sums are running ones, added up one by one (``sum`` rounds differently from one version of Python
to the next), as FMZ's Python backtest package does it; their rounding is part of the result.

None stands where there is no value yet. The numbers of a series may begin with None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import sub
from typing import Any

__all__ = ["Advance", "alligator", "atr", "boll", "cmf", "ema", "kdj", "ma", "macd", "obv", "rsi"]

_FEW = 8

Outs = Sequence[list[Any]]
Columns = Sequence[list[Any]]
Advance = Callable[[tuple[Any, ...], Columns, int, int, Any, Outs], Any]
"""``params``: the periods. ``columns``: the inputs, at least ``end`` long. ``state``: None at the beginning."""


def ma(params: tuple[Any, ...], columns: Columns, begin: int, end: int, state: Any, outs: Outs) -> Any:
    """The simple mean of the last ``period`` values."""
    (period,) = params
    (xs,) = columns
    (out,) = outs
    total, count = state or (0.0, 0)
    for i in range(begin, end):
        x = xs[i]
        if count >= period:
            if end - i > _FEW:  # the same steps, many at once
                gone = xs[i - period : end - period]
                totals = list(accumulate(map(sub, xs[i:end], gone), initial=total))[1:]
                out += [value / period for value in totals]
                return totals[-1], count
            total += x - xs[i - period]
            out.append(total / period)
            continue
        if x is not None:
            count += 1
            total += x
        out.append(total / period if count == period else None)
    return total, count


def ema(params: tuple[Any, ...], columns: Columns, begin: int, end: int, state: Any, outs: Outs) -> Any:
    """The exponential mean with the weight ``2 / (period + 1)``, which begins with the simple mean of the first ``period`` values."""
    (period,) = params
    (xs,) = columns
    (out,) = outs
    value, count = state or (0.0, 0)
    weight = 2.0 / (period + 1)
    for i in range(begin, end):
        x = xs[i]
        if count >= period:
            if end - i > _FEW:  # the same steps, many at once
                out += [value := (x - value) * weight + value for x in xs[i:end]]
                break
            value = (x - value) * weight + value
            out.append(value)
            continue
        if x is not None:
            count += 1
            value += x
        if count == period:
            value /= period
            out.append(value)
        else:
            out.append(None)
    return value, count


def macd(params: tuple[Any, ...], columns: Columns, begin: int, end: int, state: Any, outs: Outs) -> Any:
    """The difference of two exponential means, its own exponential mean, and what lies between (not doubled)."""
    fast, slow, signal = params
    (xs,) = columns
    difs, deas, gaps = outs
    count, a, b, c = state or (0, 0.0, 0.0, 0.0)
    fast_weight, slow_weight, signal_weight = 2.0 / (fast + 1), 2.0 / (slow + 1), 2.0 / (signal + 1)
    begun = max(fast, slow)  # with so many values there is a difference
    full = begun + signal - 1
    for i in range(begin, end):
        x = xs[i]
        if count > full:  # mostly; the same steps as below
            a = (x - a) * fast_weight + a
            b = (x - b) * slow_weight + b
            dif = a - b
            c = (dif - c) * signal_weight + c
            difs.append(dif)
            deas.append(c)
            gaps.append(dif - c)
            continue
        dif = dea = None
        if x is not None:
            count += 1
            a = (x - a) * fast_weight + a if count > fast else a + x if count < fast else (a + x) / fast
            b = (x - b) * slow_weight + b if count > slow else b + x if count < slow else (b + x) / slow
            if count >= begun:
                dif = a - b
                c = (dif - c) * signal_weight + c if count > full else c + dif if count < full else (c + dif) / signal
                if count >= full:
                    dea = c
        difs.append(dif)
        deas.append(dea)
        gaps.append(None if dea is None or dif is None else dif - dea)
    return count, a, b, c


def boll(params: tuple[Any, ...], columns: Columns, begin: int, end: int, state: Any, outs: Outs) -> Any:
    """The mean of the last ``period`` values, and ``multiplier`` deviations (of the population) above and below."""
    period, multiplier = params
    (xs,) = columns
    upper, middle, lower = outs
    total, count = state or (0.0, 0)
    for i in range(begin, end):
        x = xs[i]
        if x is not None:
            total += x
            if count < period:
                count += 1
            else:
                total -= xs[i - period]  # after the new one, unlike in ma: the rounding differs
        if count < period:
            upper.append(None)
            middle.append(None)
            lower.append(None)
            continue
        mean = total / period
        squares = 0.0
        for value in xs[i - period + 1 : i + 1]:
            off = value - mean
            squares += off * off
        width = multiplier * math.sqrt(squares / period)
        upper.append(mean + width)
        middle.append(mean)
        lower.append(mean - width)
    return total, count


def kdj(params: tuple[Any, ...], columns: Columns, begin: int, end: int, state: Any, outs: Outs) -> Any:
    """The stochastic oscillator; K and D begin at 50, and all three lines with the ``n``-th bar."""
    n, k_period, d_period = params
    highs, lows, closes = columns
    ks, ds, js = outs
    k, d = state or (50.0, 50.0)
    for i in range(max(begin, n - 1), end):
        high = max(highs[i - n + 1 : i + 1])
        low = min(lows[i - n + 1 : i + 1])
        strength = 100.0 if high == low else 100 * ((closes[i] - low) / (high - low))
        k = (strength + (k_period - 1) * k) / k_period
        d = (k + (d_period - 1) * d) / d_period
        ks.append(k)
        ds.append(d)
        js.append(3 * k - 2 * d)
    return k, d


def rsi(params: tuple[Any, ...], columns: Columns, begin: int, end: int, state: Any, outs: Outs) -> Any:
    """The relative strength with Wilder's smoothing; 0 while nothing was lost, as FMZ has it."""
    (period,) = params
    (xs,) = columns
    (out,) = outs
    up, down, count = state or (0.0, 0.0, 0)
    for i in range(begin, end):
        x = xs[i]
        before = xs[i - 1] if i else None
        if x is None or before is None:
            out.append(None)
            continue
        delta = x - before
        if count < period:
            count += 1
            if delta >= 0:
                up += delta
            else:
                down -= delta
            if count < period:
                out.append(None)
                continue
            up, down = up / period, down / period
        else:
            up = (up * (period - 1) + (delta if delta > 0 else 0.0)) / period
            down = (down * (period - 1) + (-delta if delta < 0 else 0.0)) / period
        strength = up / down if down else 0.0
        out.append(100 - 100 / (1 + strength))
    return up, down, count


def obv(params: tuple[Any, ...], columns: Columns, begin: int, end: int, state: Any, outs: Outs) -> Any:
    """The volume added up: with the close's rise or standstill, against its fall."""
    closes, volumes = columns
    (out,) = outs
    total = state
    for i in range(begin, end):
        if not i:
            total = volumes[0]
        elif closes[i] >= closes[i - 1]:
            total += volumes[i]
        else:
            total -= volumes[i]
        out.append(total)
    return total


def atr(params: tuple[Any, ...], columns: Columns, begin: int, end: int, state: Any, outs: Outs) -> Any:
    """The mean true range: of all bars so far up to ``period``, then with Wilder's smoothing."""
    (period,) = params
    highs, lows, closes = columns
    (out,) = outs
    total, value = state or (0.0, 0.0)
    for i in range(begin, end):
        high, low = highs[i], lows[i]
        if i:
            before = closes[i - 1]
            span = max(high - low, abs(high - before), abs(before - low))
        else:
            span = high - low
        if i < period:
            total += span
            value = total / (i + 1)
        else:
            value = ((period - 1) * value + span) / period
        out.append(value)
    # Once the total is not needed any more, states of computations that began at different bars may be the same.
    return (0.0 if end > period else total), value


def alligator(params: tuple[Any, ...], columns: Columns, begin: int, end: int, state: Any, outs: Outs) -> Any:
    """Three smoothed means of the middle price; ``outs`` begin with the places by which they are shifted."""
    highs, lows = columns
    middles = [(highs[i] + lows[i]) / 2 for i in range(begin, end)]
    states = state or (None, None, None)
    return tuple(_smoothed(period, middles, one, out) for period, one, out in zip(params, states, outs, strict=True))


def _smoothed(period: int, xs: list[float], state: Any, out: list[Any]) -> Any:
    """Wilder's smoothing, which begins with the simple mean of the first ``period`` values."""
    value, count = state or (0.0, 0)
    for x in xs:
        if count >= period:
            value = (value * (period - 1) + x) / period
            out.append(value)
            continue
        count += 1
        value += x
        if count == period:
            value /= period
        out.append(value if count == period else None)
    return value, count


def cmf(params: tuple[Any, ...], columns: Columns, begin: int, end: int, state: Any, outs: Outs) -> Any:
    """Chaikin's money flow over the last ``period`` bars; 0 where nothing was traded."""
    (period,) = params
    (out,) = outs
    volumes = columns[3]
    flow, volume = state or (0.0, 0.0)
    for i in range(begin, end):
        flow += _flow(columns, i)
        volume += volumes[i]
        if i >= period:
            flow -= _flow(columns, i - period)
            volume -= volumes[i - period]
        out.append(flow / volume if volume else 0.0)
    return flow, volume


def _flow(columns: Columns, i: int) -> Any:
    high, low, close, volume = columns[0][i], columns[1][i], columns[2][i], columns[3][i]
    return 0 if high == low else (2 * close - low - high) / (high - low) * volume
