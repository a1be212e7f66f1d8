"""Names that a package hands out before their modules are imported: each module is, when one of its names is first used."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping
from typing import Any

from .fork import ForkHold, around_fork

__all__ = ["FirstUse"]


class FirstUse:
    """The names of a package, by the modules that hold them.

    Args:
        package: The package's name.
        places: For each module, below the package, its names with blanks between them.
    """

    def __init__(self, package: str, places: Mapping[str, str]) -> None:
        self._package = package
        self.modules = {name: module for module, names in places.items() for name in names.split()}
        """The module of each name."""
        # Held while a module is imported, and by a fork: Python's own lock of a module that another thread is importing would stay locked in
        # the child for ever. Re-entrant for a signal handler. Nothing that is imported under it may ask the root for a name.
        self._lock = threading.RLock()
        self._hold = ForkHold(self._lock)
        around_fork(self._before_fork, self._in_parent, self._start_anew)

    def _before_fork(self) -> None:
        self._hold.take()

    def _in_parent(self) -> None:
        self._hold.release()

    def _start_anew(self) -> None:
        self._lock = threading.RLock()
        self._hold = ForkHold(self._lock)

    def value(self, name: str) -> Any:
        """Imports a name's module and returns what the name stands for.

        Raises:
            KeyError: There is no such name.
        """
        module = self.modules[name]
        with self._lock:
            return getattr(importlib.import_module(f"{self._package}.{module}"), name)
