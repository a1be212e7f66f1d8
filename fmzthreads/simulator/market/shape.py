"""The statistics of the simulated market.

What trading and what price moves to expect in a stretch of time.

The live market draws its steps from these numbers and the made-up past its bars, so that both look alike: trades, volume and range of a
minute are the same before and after the exchange opens.
"""

from __future__ import annotations

import math

import attrs

from ...errors import InputError

__all__ = ["MarketShape", "PriceShape", "Reverting"]

# The expected range of a random walk is so many times the standard deviation of its change (Feller, 1951).
_WALK_RANGE = math.sqrt(8 / math.pi)


@attrs.frozen
class Reverting:
    """A mean-reverting component of the logarithmic price.

    Attributes:
        deviation: Its standard deviation in the long run.
        rate: The part of the way back that it goes in a step.
    """

    deviation: float
    rate: float

    @classmethod
    def of_steps(cls, step_deviation: float, rate: float) -> Reverting:
        """The part whose single steps have this standard deviation."""
        return cls(step_deviation / math.sqrt(rate * (2 - rate)) if rate else 0.0, rate)

    def change(self, steps: float) -> float:
        """The variance of its change over some steps."""
        return 2 * self.deviation**2 * -math.expm1(-self.rate * steps)

    def span(self, steps: float) -> float:
        """Its expected range over some steps.

        A walk's at first, and growing with the root of the logarithm in the end.
        """
        return 2 * self.deviation * math.sqrt(2 * math.log1p(_WALK_RANGE**2 / 4 * self.rate * steps))


@attrs.frozen(kw_only=True)
class PriceShape:
    """How a price moves.

    A walk that never comes back, and parts that do.

    Attributes:
        walk: The standard deviation of the walk's step.
        parts: The parts that come back.
        bounce: How far trades at bid and ask lie apart, as a part of the price.
    """

    walk: float
    parts: tuple[Reverting, ...] = ()
    bounce: float = 0.0

    def change(self, steps: float) -> float:
        """The standard deviation of the logarithmic return over some steps."""
        return math.sqrt(self.walk**2 * steps + sum(part.change(steps) for part in self.parts))

    def span(self, steps: float) -> float:
        """The expected range over some steps, as a part of the price."""
        walked = (_WALK_RANGE * self.walk) ** 2 * steps + sum(part.span(steps) ** 2 for part in self.parts)
        return math.sqrt(walked) + self.bounce


@attrs.frozen(kw_only=True)
class MarketShape:
    """How a market trades, by the second.

    Attributes:
        price: How its price moves.
        step_s: Seconds in a step of ``price``.
        trades: Trades a second.
        trade_lots: The mean size of a trade.
        trade_spread: The standard deviation of a trade's size, as a part of the mean.
    """

    price: PriceShape
    step_s: float
    trades: float
    trade_lots: float
    trade_spread: float = 0.8

    def __attrs_post_init__(self) -> None:
        if self.step_s <= 0 or self.trades < 0 or self.trade_lots <= 0:
            raise InputError(f"a market's shape needs numbers above 0, not {self!r}")

    def change(self, seconds: float) -> float:
        """The standard deviation of the logarithmic return."""
        return self.price.change(seconds / self.step_s)

    def span(self, seconds: float) -> float:
        """The expected range as a part of the price."""
        return self.price.span(seconds / self.step_s)
