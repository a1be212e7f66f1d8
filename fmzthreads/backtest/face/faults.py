"""Failures on purpose (``FaultTolerant``): the first call of each function, then some by chance."""

from __future__ import annotations

import random

__all__ = ["FaultDice"]


class FaultDice:
    """Says which calls fail. FMZ's engine draws from a generator of its own; here the calls that fail by chance are others.

    Args:
        share: The share of calls that fail, 0 to 1; 0 for none at all.
        seed: The backtest's seed.
        exchange: The exchange's place, so that two exchanges fail at different calls.

    Attributes:
        active: Whether any call fails.
    """

    def __init__(self, share: float, seed: int, exchange: int) -> None:
        self.active = share > 0
        self._share = share
        self._rng = random.Random(f"{seed}/{exchange}")
        self._called: set[str] = set()

    def fails(self, name: str) -> bool:
        """Whether this call of a function fails."""
        if not self.active:
            return False
        if name not in self._called:
            self._called.add(name)
            return True
        return self._rng.random() < self._share
