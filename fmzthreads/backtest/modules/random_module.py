"""The module ``random`` with a generator of the run's own, seeded, so that a run can be repeated."""

from __future__ import annotations

import random
from types import ModuleType

__all__ = ["random_module"]


def random_module(seed: int) -> ModuleType:
    """The module; its functions draw from one generator that belongs to the backtest.

    Args:
        seed: The seed of the generator.
    """
    generator = random.Random(seed)
    module = ModuleType("random", random.__doc__)
    vars(module).update({name: value for name, value in vars(random).items() if name not in {"__loader__", "__spec__"}})
    for name in random.__all__:
        own = getattr(generator, name, None)
        if callable(own):
            setattr(module, name, own)
    return module
