"""Finds and loads the examples: beside the package in a checkout, inside it once installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from ..errors import UnknownName, nearest

__all__ = ["example_path", "load_example"]


def _folders() -> list[Path]:
    package = Path(__file__).resolve().parents[1]
    return [package / "examples", package.parent / "examples"]


def example_path(name: str) -> Path:
    """Where an example lies, such as ``"hedge_two_exchanges"``.

    Raises:
        UnknownName: There is no example of that name.
    """
    names: list[str] = []
    for folder in _folders():
        path = folder / f"{name}.py"
        if path.is_file():
            return path
        names += [found.stem for found in folder.glob("*.py") if not found.stem.startswith("backtest_")]
    raise UnknownName(f"there is no example {name!r}{nearest(name, names)}")


def load_example(name: str) -> ModuleType:
    """Loads an example as a module, without running its ``main``."""
    path = example_path(name)
    spec = importlib.util.spec_from_file_location(f"fmzthreads_example_{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    # An example may import one that lies beside it.
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module
