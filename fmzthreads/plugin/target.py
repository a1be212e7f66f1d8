"""Loads a plugin's class: ``module:Class`` or ``file.py:Class``."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from ..errors import InputError, UnknownName, nearest

__all__ = ["load_target"]


def load_target(text: str) -> object:
    """Loads the class and makes an object of it, without arguments.

    Args:
        text: ``module:Class``, found from the current folder too, or ``path/file.py:Class``, whose folder is then searched as well.

    Raises:
        InputError: It is not of that form, or the module or the class fails.
        UnknownName: The module has no such class.
    """
    where, colon, name = text.rpartition(":")
    if not (colon and where and name.isidentifier()):
        raise InputError(f"a plugin must be module:Class or file.py:Class, got {text!r}")
    try:
        module = _load_file(Path(where)) if where.endswith(".py") else _load_module(where)
    except InputError:
        raise
    except Exception as error:  # whatever the author's module raises when it is executed
        raise InputError(f"{where} could not be loaded: {type(error).__name__}: {error}") from error
    found = getattr(module, name, None)
    if not isinstance(found, type):
        classes = [own for own, value in vars(module).items() if isinstance(value, type)]
        raise UnknownName(f"{where} has no class {name!r}{nearest(name, classes)}")
    try:
        return found()
    except Exception as error:  # whatever the author's class raises
        raise InputError(f"{text}: the class could not be created: {type(error).__name__}: {error}") from error


def _load_module(name: str) -> ModuleType:
    _search(Path.cwd())
    return importlib.import_module(name)


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"there is no file {str(path)!r}")
    _search(path.resolve().parent)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{str(path)!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


def _search(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
