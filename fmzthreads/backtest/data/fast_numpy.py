"""NumPy where it is installed, for columns that are long enough to pay for its import."""

from __future__ import annotations

import importlib
import sys
from typing import Any

__all__ = ["fast_numpy"]

_WORTH_IT = 50_000


def fast_numpy(count: int) -> Any:
    """The module ``numpy``; None when it is not installed, or not loaded yet and fewer than 50,000 numbers would gain nothing from it.

    Args:
        count: How many numbers there are.
    """
    loaded = sys.modules.get("numpy")
    if loaded is not None or count < _WORTH_IT:
        return loaded
    try:
        return importlib.import_module("numpy")
    except ImportError:
        return None
