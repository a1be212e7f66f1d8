"""The module ``random`` with a generator of the run's own, seeded, so that a run can be repeated."""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

__all__ = ["random_module"]


def random_module(seed: int) -> ModuleType:
    """The module; its functions draw from one generator that belongs to the backtest.

    A generator of the strategy's own that is given no seed, and ``random.seed()``, draw one from the run's. ``SystemRandom`` is Python's.

    Args:
        seed: The seed of the generator.
    """
    seeds = random.Random(f"seeds of {seed}")

    class _SeededRandom(random.Random):
        """``random.Random`` that never takes its seed from the machine."""

        def seed(self, a: Any = None, version: int = 2) -> None:
            """Begins anew; without a seed, with the next one of the run's own."""
            super().seed(seeds.getrandbits(64) if a is None else a, version)

    _SeededRandom.__module__, _SeededRandom.__name__, _SeededRandom.__qualname__ = "random", "Random", "Random"
    generator = _SeededRandom(seed)
    module = ModuleType("random", random.__doc__)
    vars(module).update({name: value for name, value in vars(random).items() if name not in {"__loader__", "__spec__"}})
    for name in random.__all__:
        own = getattr(generator, name, None)
        if callable(own):
            setattr(module, name, own)
    module.Random = _SeededRandom  # type: ignore[attr-defined]
    return module
