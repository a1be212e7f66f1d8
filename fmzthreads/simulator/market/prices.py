"""Where the fair price comes from.

A seeded walk, or real bars replayed.

A source gives the prices that the market passes in each step; its floats only say where participants want to quote, and become whole
ticks there. Money never touches them.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from ...errors import InputError
from .bars import PriceBar
from .shape import PriceShape, Reverting

__all__ = ["BarReplay", "PriceSource", "PriceWalk"]


class PriceSource(Protocol):
    """A fair price that depends only on the number of steps."""

    start: float
    """The price before the first step."""
    shape: PriceShape
    """How the price moves, by the step."""
    per_step: float
    """How many prices a step passes on average."""

    def step(self) -> list[float]:
        """The prices that are passed in the next step, in order.

        The last is where it ends. Never empty.
        """


class PriceWalk:
    """A mean-reverting random walk of the logarithmic price, with jumps.

    The level that it reverts to is a slow random walk itself.

    Two walks with one seed are the same, number for number, whatever is done with them.

    Args:
        seed: What makes it repeat; any text.
        start: The price that it begins at and comes back to.
        volatility: The standard deviation of a step's logarithmic return.
        reversion: The part of the way back to ``start`` that each step goes.
        jump_chance: The probability of a jump in a step.
        jump_size: The standard deviation of a jump's logarithmic return.
        wander: The standard deviation by which ``start`` itself moves in a step; the default is about 3 % a day at ten steps a second.

    Raises:
        InputError: A number is out of range.
    """

    def __init__(
        self,
        seed: str,
        start: float,
        *,
        volatility: float = 0.0001,
        reversion: float = 0.0005,
        jump_chance: float = 0.002,
        jump_size: float = 0.0015,
        wander: float = 0.000032,
    ) -> None:
        if not 0 < start < 1e12:
            raise InputError(f"a price must be above 0, got {start!r}")
        for name, value in (
            ("volatility", volatility),
            ("reversion", reversion),
            ("jump_chance", jump_chance),
            ("jump_size", jump_size),
            ("wander", wander),
        ):
            if not 0 <= value <= 1:
                raise InputError(f"{name} must be from 0 to 1, got {value!r}")
        self.start = start
        fast = math.sqrt(volatility**2 + jump_chance * jump_size**2)
        self.shape = PriceShape(
            walk=wander if reversion else math.hypot(wander, fast), parts=(Reverting.of_steps(fast, reversion),)
        )
        self.per_step = 1.0
        self._rng = random.Random(f"walk:{seed}")
        self._slow_rng = random.Random(f"wander:{seed}")
        self._volatility = volatility
        self._reversion = reversion
        self._jump_chance = jump_chance
        self._jump_size = jump_size
        self._wander = wander
        self._away = 0.0  # logarithm of the price over what it comes back to
        self._moved = 0.0  # logarithm of what it comes back to over its start

    def step(self) -> list[float]:
        """The price after the next step."""
        rng = self._rng
        move, jump, chance = rng.gauss(0, self._volatility), rng.gauss(0, self._jump_size), rng.random()
        self._away += move - self._reversion * self._away + (jump if chance < self._jump_chance else 0.0)
        self._moved += self._slow_rng.gauss(0, self._wander)
        return [self.start * math.exp(self._moved + self._away)]


class BarReplay:
    """A replay of real bars: open, low and high, close.

    An up bar passes its low first, a down bar its high.

    Between these four points the price goes in a straight line. Where bars are missing the last close stands. After the last bar its
    close stays.

    Args:
        bars: At least one, by rising time.
        speed: Bars a second; 1/60 replays minutes in real time.
        step_s: Seconds in one step of the market.
        origin_ms: The time that the replay begins at; the first bar's when None. Give two replays the same one to keep them side by side.
        period_ms: The length of a bar; when None the shortest distance between two, or a minute when there is one bar only.

    Raises:
        InputError: No bars, all of them before ``origin_ms``, or a number that is not above 0.
    """

    def __init__(
        self,
        bars: Sequence[PriceBar],
        *,
        speed: float = 1.0,
        step_s: float = 0.1,
        origin_ms: int | None = None,
        period_ms: int | None = None,
    ) -> None:
        if not bars:
            raise InputError("there are no bars to replay")
        if not 0 < speed < 1e6 or not 0 < step_s <= 3600:
            raise InputError(f"speed and step_s must be above 0, got {speed!r} and {step_s!r}")
        if period_ms is None:
            period_ms = min((later.time_ms - bar.time_ms for bar, later in itertools.pairwise(bars)), default=60_000)
        if period_ms <= 0:
            raise InputError("period_ms must be above 0, and bars must stand by rising time")
        self._points = _points(bars, bars[0].time_ms if origin_ms is None else origin_ms, period_ms)
        if not self._points:
            raise InputError(f"all {len(bars)} bars lie before the replay's beginning")
        self.start = self._points[0][1]
        self.bars = len(self._points) // 4
        self._stride = speed * step_s
        self.shape = PriceShape(walk=_deviation(bars) * math.sqrt(self._stride))
        self.per_step = 1.0 + 4 * self._stride
        self._steps = 0
        self._next = 0  # the first point that has not been passed

    @property
    def finished(self) -> bool:
        """Whether the last bar's close has been passed."""
        return self._next >= len(self._points)

    def step(self) -> list[float]:
        """The points passed in the next step, and its last price."""
        self._steps += 1
        now = self._steps * self._stride
        passed: list[float] = []
        while self._next < len(self._points) and self._points[self._next][0] <= now + 1e-9:
            passed.append(self._points[self._next][1])
            self._next += 1
        here = self._price_at(now)
        if not passed or passed[-1] != here:
            passed.append(here)
        return passed

    def _price_at(self, now: float) -> float:
        if self._next == 0:
            return self.start
        then, price = self._points[self._next - 1]
        if self._next == len(self._points):
            return price
        later, target = self._points[self._next]
        # Within a bar the way is straight; from a close to the next open (which may be hours later) the close stands.
        if self._next % 4 == 0 or later <= then:
            return price
        return price + (target - price) * (now - then) / (later - then)


def _deviation(bars: Sequence[PriceBar]) -> float:
    """The standard deviation of the logarithmic return between closes."""
    returns = [math.log(later.close / bar.close) for bar, later in itertools.pairwise(bars)]
    return math.sqrt(sum(value * value for value in returns) / len(returns)) if returns else 0.0


def _points(bars: Sequence[PriceBar], origin_ms: int, period: int) -> list[tuple[float, float]]:
    """Four points a bar.

    When, in bars since the origin, and the price.
    """
    points: list[tuple[float, float]] = []
    for bar in bars:
        begin = (bar.time_ms - origin_ms) / period
        if begin < 0:
            continue  # over before the replay begins
        rises = bar.close >= bar.open
        path: tuple[Decimal, ...] = (
            (bar.open, bar.low, bar.high, bar.close) if rises else (bar.open, bar.high, bar.low, bar.close)
        )
        points.extend(
            (begin + part, float(price)) for part, price in zip((0.0, 1 / 3, 2 / 3, 0.999), path, strict=True)
        )
    return points
