"""Modules that lie beside a strategy: loaded again for each backtest, with the strategy's own ``__import__``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["OwnModules"]


class OwnModules:
    """The files ``NAME.py`` of a folder as modules of one backtest.

    Args:
        folder: The strategy's folder; None for no such modules.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._loaded: dict[str, ModuleType] = {}

    @property
    def files(self) -> list[Path]:
        """The files that were loaded."""
        return [Path(str(module.__file__)) for module in self._loaded.values()]

    def get(self, name: str, builtins: Mapping[str, Any]) -> ModuleType | None:
        """A module of the folder, loaded at its first use; None without such a module.

        Args:
            name: The module's name, without dots.
            builtins: The builtins of the module.

        Raises:
            Exception: Whatever the module raises while it is loaded.
        """
        found = self._loaded.get(name)
        if found is not None or self._folder is None or not name.isidentifier():
            return found
        path = self._folder / f"{name}.py"
        if not path.is_file():
            return None
        code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        module = ModuleType(name)
        vars(module).update(__file__=str(path), __builtins__=dict(builtins))
        self._loaded[name] = module
        try:
            exec(code, vars(module))  # noqa: S102 (a file of the user's own, as import would run it)
        except BaseException:
            del self._loaded[name]
            raise
        return module
