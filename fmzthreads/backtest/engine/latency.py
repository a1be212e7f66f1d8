"""The time that each call of an exchange takes, drawn from its latency's distribution."""

from __future__ import annotations

import math
import random

from ..config.settings import Latency

__all__ = ["LatencyDice"]

_Z99 = 2.3263478740408408  # one value in a hundred of the standard normal distribution is greater


class LatencyDice:
    """Draws latencies; the same seed and exchange give the same ones.

    Args:
        latency: The distribution.
        seed: The backtest's seed.
        exchange: The exchange's place, so that two exchanges draw differently.
    """

    def __init__(self, latency: Latency, seed: int, exchange: int) -> None:
        self._rng = random.Random(f"latency/{seed}/{exchange}")
        self._samples = latency.samples_ms
        self._median = latency.median_ms
        self._sigma = 0.0
        if latency.p99_ms is not None:
            self._sigma = math.log(latency.p99_ms / latency.median_ms) / _Z99

    def draw(self) -> int:
        """The next call's latency, in whole milliseconds."""
        if self._samples:
            return round(self._rng.choice(self._samples))
        if not self._sigma:
            return round(self._median)
        return round(self._median * math.exp(self._rng.gauss(0.0, self._sigma)))
