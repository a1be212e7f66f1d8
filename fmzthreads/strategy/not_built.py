"""Globals that FMZ gives a script and fmzthreads does not have yet: each raises NotBuiltYet that names it when it is used.

Without them a script would end with a NameError that suggests a different name. Source of the names: FMZ's syntax guide, and FMZ's Python
backtest package for the last few. One of them, ``talib``, works where the user has installed TA-Lib, as on FMZ.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

from ..errors import MissingExtra, NotBuiltYet

__all__ = [
    "NotBuilt",
    "talib",
]


class NotBuilt:
    """The place of one of FMZ's globals that is missing; calling it, or reading an attribute or item, raises NotBuiltYet.

    Args:
        name: FMZ's name of it.
        instead: What a script can use until then; empty where there is nothing.
    """

    def __init__(self, name: str, instead: str = "") -> None:
        self._name = name
        self._instead = instead

    def _error(self, used: str) -> NotBuiltYet:
        text = f"{used}: FMZ has it; fmzthreads does not yet"
        return NotBuiltYet(f"{text}; {self._instead}" if self._instead else text)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raises NotBuiltYet."""
        raise self._error(f"{self._name}()")

    def __getattr__(self, name: str) -> Any:
        """Raises NotBuiltYet; AttributeError for the names that Python itself asks for."""
        if name.startswith("__"):
            raise AttributeError(name)
        raise self._error(f"{self._name}.{name}")

    def __getitem__(self, key: Any) -> Any:
        """Raises NotBuiltYet."""
        raise self._error(f"{self._name}[{key!r}]")

    def __bool__(self) -> bool:
        """False, so that ``if NAME:`` takes the other branch."""
        return False

    def __repr__(self) -> str:
        """Its name, and that it is missing."""
        return f"<{self._name}: FMZ has it; fmzthreads does not yet>"


class _Talib(NotBuilt):
    """The module ``talib`` where it is installed, imported at its first use."""

    def __getattr__(self, name: str) -> Any:
        """The module's attribute.

        Raises:
            MissingExtra: TA-Lib is not installed.
            AttributeError: TA-Lib has no such function.
        """
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            module = importlib.import_module("talib")
        except ImportError as error:
            raise MissingExtra(
                f"talib.{name}: TA-Lib is not installed; install it with: python -m pip install TA-Lib"
            ) from error
        return getattr(module, name)

    def __bool__(self) -> bool:
        """Whether TA-Lib is installed."""
        return "talib" in sys.modules or importlib.util.find_spec("talib") is not None


talib: Any = _Talib("talib")
