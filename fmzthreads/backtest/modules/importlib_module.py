"""The module ``importlib`` whose ``import_module`` goes by a strategy's own ``__import__``."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from types import ModuleType

__all__ = ["importlib_module"]


def importlib_module(own_import: Callable[..., ModuleType]) -> ModuleType:
    """The module; everything that it does not replace is that of Python.

    Args:
        own_import: The strategy's ``__import__``.
    """

    def _import_module(name: str, package: str | None = None) -> ModuleType:
        """The module of a name, as ``import`` would give it."""
        if name.startswith("."):
            name = importlib.util.resolve_name(name, package)
        return own_import(name, None, None, ("__name__",), 0)

    module = ModuleType("importlib", importlib.__doc__)
    vars(module).update(
        {name: value for name, value in vars(importlib).items() if name not in {"__loader__", "__spec__"}}
    )
    vars(module).update(import_module=_import_module, __import__=own_import)
    return module
