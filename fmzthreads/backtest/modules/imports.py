"""The builtins of a strategy in a backtest: an own ``__import__`` that hands out the modules on the backtest's clock.

Nothing of the process changes: other code, other backtests and the modules that a strategy imports keep Python's own modules.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Mapping
from datetime import tzinfo
from types import ModuleType
from typing import Any

from .clock import SimulatedClock
from .datetime_module import datetime_module
from .importlib_module import importlib_module
from .own_modules import OwnModules
from .queue_module import queue_module
from .random_module import random_module
from .threading_module import threading_module
from .time_module import time_module

__all__ = ["READ_MEMORY", "simulated_modules", "strategy_builtins", "with_simulated"]

_REAL_TIME = {
    "asyncio": "asyncio goes by real time in a backtest; use Sleep or time.sleep",
    "sched": "sched goes by real time in a backtest; use Sleep or time.sleep",
}

_OUTSIDE = frozenset({
    "aiohttp", "asyncio", "bz2", "ccxt", "codecs", "csv", "ctypes", "dbm", "fileinput", "ftplib", "gzip", "http", "httpx", "io", "linecache", "lzma",
    "mmap", "multiprocessing", "numpy", "os", "pandas", "pathlib", "pickle", "polars", "posix", "pyarrow", "pymongo", "redis", "requests", "shelve",
    "shutil", "socket", "sqlite3", "subprocess", "tarfile", "tokenize", "urllib", "urllib3", "websocket", "websockets", "zipfile",
})  # fmt: skip
"""Modules by which a strategy can reach files or the network past the backtest."""

READ_MEMORY = frozenset({"msgspec", "orjson", "rapidjson", "ujson"})
"""Modules that read the memory of a list without asking it for its length or its elements."""


def simulated_modules(clock: SimulatedClock, zone: tzinfo, seed: int) -> dict[str, ModuleType]:
    """The modules that a strategy gets instead of Python's, by name."""
    return {
        "time": time_module(clock, zone),
        "datetime": datetime_module(clock, zone),
        "threading": threading_module(clock),
        "queue": queue_module(clock),
        "random": random_module(seed),
    }


def strategy_builtins(
    modules: Mapping[str, ModuleType],
    warn: Callable[[str], None],
    *,
    beside: OwnModules | None = None,
    output: Any = None,
    seen: Callable[[str], None] | None = None,
    opened: Callable[[Any], Any] | None = None,
    reads_memory: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """The builtins of a strategy.

    Args:
        modules: What ``import NAME`` hands out for some names.
        warn: Called once for each module that is imported and does not go by the clock.
        beside: The modules that lie beside the strategy; None for none.
        output: Where ``print`` writes; None for the standard output.
        seen: Called with files that are opened, and modules that reach files or the network; None to ignore them.
        opened: Returns another file to be opened in place of a file, or that file itself; None opens what is asked for.
        reads_memory: Called when one of ``READ_MEMORY`` is imported.
    """
    note = _noter(warn, seen, reads_memory)

    def _import(
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> ModuleType:
        """``__import__`` of a strategy."""
        if level and beside is not None:
            whole = beside.absolute(name, level, globals)
            if whole is not None:
                return beside.needed(whole, own, fromlist)
        if level == 0:
            found = modules.get(name)
            if found is None and beside is not None:
                found = beside.imported(name, own, fromlist)
            if found is not None:
                return found
            root = name.partition(".")[0]
            note(name, root)
            if root == "importlib":
                return _of_importlib(own_importlib, name, fromlist)
        return builtins.__import__(name, globals, locals, fromlist, level)

    def _print(*values: Any, file: Any = None, **options: Any) -> None:
        """``print``; to the place of the run when no file is named."""
        print(*values, file=output if file is None else file, **options)

    def _open(file: Any, *args: Any, **options: Any) -> Any:
        """``open``, noted unless another file is opened."""
        found = file if opened is None else opened(file)
        if seen is not None and found is file:
            seen(f"file {file}")
        return open(found, *args, **options)  # noqa: PTH123 (it stands in for open itself)

    own = dict(vars(builtins))
    own["__import__"] = _import
    own_importlib = importlib_module(_import)
    if output is not None:
        own["print"] = _print
    if seen is not None:
        own["open"] = _open
    return own


def _noter(
    warn: Callable[[str], None], seen: Callable[[str], None] | None, reads_memory: Callable[[], None] | None
) -> Callable[[str, str], None]:
    """What tells of imports that matter: by name, and by the first part of the name."""
    warned: set[str] = set()

    def _note(name: str, root: str) -> None:
        if name in _REAL_TIME and name not in warned:
            warned.add(name)
            warn(_REAL_TIME[name])
        if seen is not None and root in _OUTSIDE:
            seen(f"module {root}")
        if reads_memory is not None and root in READ_MEMORY:
            reads_memory()

    return _note


def _of_importlib(own: ModuleType, name: str, fromlist: Any) -> ModuleType:
    """What an import of ``importlib`` or of one of its submodules gives: the strategy's own module at the top."""
    found = builtins.__import__(name, None, None, fromlist, 0)
    if name != "importlib" and fromlist:
        return found
    for word, value in vars(found).items():  # submodules may have been imported just now
        vars(own).setdefault(word, value)
    return own


def with_simulated(namespace: dict[str, Any], modules: Mapping[str, ModuleType]) -> dict[str, tuple[Any, Any]]:
    """Replaces what a script has imported from Python's own modules by what it would have got in a strategy.

    Args:
        namespace: The script's globals.
        modules: The modules on the backtest's clock, by name.

    Returns:
        What was replaced, by name: the former and the new value.
    """
    replaced: dict[str, tuple[Any, Any]] = {}
    for name, value in list(namespace.items()):
        for module_name, own in modules.items():
            real = sys.modules.get(module_name)
            if real is None or name.startswith("__"):
                continue
            word = str(getattr(value, "__name__", ""))
            if value is real:
                replaced[name] = (value, own)
            elif word and getattr(real, word, None) is value:
                replaced[name] = (value, getattr(own, word))
    namespace.update((name, new) for name, (_, new) in replaced.items())
    return replaced
