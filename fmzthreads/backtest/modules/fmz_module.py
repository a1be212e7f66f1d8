"""``fmz`` and ``fmzthreads`` as a strategy in a backtest imports them: FMZ's names, on the backtest."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

__all__ = ["fmz_modules"]


def fmz_modules(names: Mapping[str, Any]) -> dict[str, ModuleType]:
    """The two modules; ``from fmz import *`` hands out all names, also those that begin with an underscore.

    Args:
        names: FMZ's names on the backtest; for the rest, ``fmzthreads`` is the real package.
    """
    root = sys.modules[__name__.partition(".")[0]]  # looked up, since the root imports this room
    fmz = ModuleType("fmz", "FMZ's names in a backtest.")
    vars(fmz).update(names, __all__=sorted(names))
    package = ModuleType("fmzthreads", root.__doc__)
    vars(package).update(
        {name: value for name, value in vars(root).items() if name not in {"__loader__", "__spec__", "__name__"}}
    )
    vars(package).update(names, __all__=sorted({*root.__all__, *names}))
    return {"fmz": fmz, "fmzthreads": package}
