"""What the results of a sweep depend on, which says to which sweep a journal belongs."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from ...errors import FmzError
from ...strategy.program.javascript_source import JavaScriptSource
from ...strategy.program.reading import read_source
from ...strategy.program.source import Source
from ..inputs import BacktestInputs, ReadyBacktest
from .space import Grid

__all__ = ["sweep_identity"]


def sweep_identity(inputs: BacktestInputs, ready: ReadyBacktest, grid: Grid) -> dict[str, Any]:
    """Everything that the results depend on, ready for JSON.

    Args:
        inputs: What is run.
        ready: The same, read and checked.
        grid: The values of the parameters.
    """
    sources = [ready.strategy, *(template.source for template in ready.templates)]
    files = [inputs.file, *inputs.templates, *(bars.path for bars in inputs.bars), *_modules_beside(sources)]
    swept = {axis.name for axis in grid.axes}
    settings = attrs.asdict(ready.settings, filter=lambda field, value: field.name not in {"args", "task"})
    return {
        "files": {path.name: _digest(path) for path in files},
        "settings": settings,
        "args": {name: value for name, value in ready.values.items() if name not in swept},
        "template args": [[template.source.name, template.values] for template in ready.templates],
        "axes": [[axis.name, list(axis.values)] for axis in grid.axes],
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _modules_beside(sources: Iterable[Source]) -> list[Path]:
    """The modules beside the strategy that the sources, or such modules themselves, import by name."""
    todo = [source for source in sources if not isinstance(source, JavaScriptSource)]
    folder = todo[0].path.parent if todo else Path()
    found: dict[Path, None] = {}
    while todo:
        for name in _imported(todo.pop().tree):
            path = folder / f"{name}.py"
            if path not in found and path.is_file():
                found[path] = None
                try:
                    todo.append(read_source(path))
                    _ = todo[-1].tree
                except FmzError:  # the run says what is wrong with it
                    todo.pop()
    return list(found)


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module
