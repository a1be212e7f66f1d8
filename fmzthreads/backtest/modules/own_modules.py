"""Modules and packages that lie beside a strategy: loaded again for each backtest, with the strategy's own ``__import__``."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["OwnModules", "file_of_module"]


def file_of_module(folder: Path, name: str) -> Path | None:
    """The file of a module that lies in a folder: ``NAME.py``, or ``__init__.py`` of a package.

    A folder without ``__init__.py`` is a package, too, unless Python has another module of its name; of such a one the folder itself is returned.

    Args:
        folder: Where modules lie.
        name: The module's name; ``a.b`` lies in the folder ``a``.

    Returns:
        None when there is no such module. As in Python, a package goes before a file.
    """
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    place = folder.joinpath(*parts)
    for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
        if path.is_file():
            return path
    return place if place.is_dir() and (len(parts) > 1 or not _is_installed(name)) else None


def _is_installed(name: str) -> bool:
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):  # such as a module that was put together by hand
        return name in sys.modules
    return spec is not None and spec.origin is not None


class OwnModules:
    """The modules and packages of a folder as modules of one backtest.

    Args:
        folder: The strategy's folder; None for no such modules.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._loaded: dict[str, ModuleType] = {}

    @property
    def files(self) -> list[Path]:
        """The files that were loaded."""
        return [Path(module.__file__) for module in self._loaded.values() if module.__file__ is not None]

    def imported(self, name: str, builtins: Mapping[str, Any], wanted: Iterable[str] | None = ()) -> ModuleType | None:
        """What ``import NAME`` or ``from NAME import WANTED`` gives; None when no such module lies beside the strategy.

        Args:
            name: The module's whole name, such as ``helpers.orders``.
            builtins: The builtins of the modules.
            wanted: The names after ``import`` in ``from NAME import ...``; empty or None for ``import NAME``.

        Raises:
            ModuleNotFoundError: The package lies there, but has no such module.
            Exception: Whatever a module raises while it is loaded.
        """
        top = name.partition(".")[0]
        if self.get(top, builtins) is None:
            return None
        module = self.needed(name, builtins, wanted)
        return module if wanted else self._loaded[top]

    def absolute(self, name: str, level: int, globals: Mapping[str, Any] | None) -> str | None:
        """The whole name of a relative import within one of these packages; None for one of another package.

        Args:
            name: The name after the dots; may be empty.
            level: How many dots there are.
            globals: The globals of the module that imports.
        """
        package = str((globals or {}).get("__package__") or "")
        if package not in self._loaded or level - 1 > package.count("."):
            return None
        base = package.rsplit(".", level - 1)[0]
        return f"{base}.{name}" if name else base

    def needed(self, name: str, builtins: Mapping[str, Any], wanted: Iterable[str] | None) -> ModuleType:
        """A module of a package that lies here, with the modules that are wanted from it; see ``imported``.

        Raises:
            ModuleNotFoundError: There is no such module.
            Exception: Whatever a module raises while it is loaded.
        """
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            part = ".".join(parts[:count])
            if self.get(part, builtins) is None:
                raise ModuleNotFoundError(f"No module named {part!r}", name=part)
        module = self._loaded[name]
        names = list(wanted or ())
        if "*" in names:
            names += list(getattr(module, "__all__", ()))
        for word in names:
            if word != "*" and not hasattr(module, word) and hasattr(module, "__path__"):
                self.get(f"{name}.{word}", builtins)
        return module

    def get(self, name: str, builtins: Mapping[str, Any]) -> ModuleType | None:
        """A module of the folder, loaded at its first use; None without such a module.

        Args:
            name: The module's whole name; the package that it is in is loaded.
            builtins: The builtins of the module.

        Raises:
            Exception: Whatever the module raises while it is loaded.
        """
        found = self._loaded.get(name)
        if found is not None or self._folder is None:
            return found
        path = file_of_module(self._folder, name)
        if path is None:
            return None
        package, _, word = name.rpartition(".")
        module = ModuleType(name)
        is_package = path.is_dir() or path.name == "__init__.py"
        vars(module).update(__file__=None, __builtins__=dict(builtins), __package__=name if is_package else package)
        if is_package:
            vars(module)["__path__"] = [str(path if path.is_dir() else path.parent)]
        self._loaded[name] = module
        if package in self._loaded:  # before it is executed, so that the modules of a package may import each other
            setattr(self._loaded[package], word, module)
        if path.is_dir():
            return module
        vars(module)["__file__"] = str(path)
        code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        try:
            with _known(module):
                exec(code, vars(module))  # noqa: S102 (a file of the user's own, as import would run it)
        except BaseException:
            del self._loaded[name]
            if package in self._loaded:
                vars(self._loaded[package]).pop(word, None)
            raise
        return module


_executed: dict[str, list[ModuleType]] = {}
_lock = threading.Lock()  # guards _executed, and what it puts into sys.modules


@contextmanager
def _known(module: ModuleType) -> Iterator[None]:
    """Has ``sys.modules`` know a module while it is executed, unless there is another of its name: dataclasses look their module up there."""
    name = module.__name__
    with _lock:
        same = _executed.setdefault(name, [])
        mine = name not in sys.modules or bool(same)
        if mine:
            same.append(module)
            sys.modules[name] = module
    try:
        yield
    finally:
        with _lock:
            if mine:
                same.remove(module)
                if same:  # of another backtest, in another thread
                    sys.modules[name] = same[-1]
                else:
                    sys.modules.pop(name, None)
            if not same:
                _executed.pop(name, None)
