"""What the results of a sweep depend on: it says to which sweep a journal belongs, and when a file is not what it was."""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import attrs

from ..._version import __version__
from ...errors import FmzError
from ...strategy.program.javascript_source import JavaScriptSource
from ...strategy.program.reading import read_source
from ...strategy.program.source import Source
from ...structures.value_objects import ValueObject, as_dict
from ..inputs import BacktestInputs, ReadyBacktest
from ..modules.own_modules import file_of_module
from .pool import SweepStopped
from .space import Grid

__all__ = ["SameFiles", "file_digest", "files_of_sweep", "sweep_identity"]


def sweep_identity(inputs: BacktestInputs, ready: ReadyBacktest, grid: Grid) -> dict[str, Any]:
    """Everything that the results depend on, ready for JSON.

    Args:
        inputs: What is run.
        ready: The same, read and checked.
        grid: The values of the parameters.
    """
    sources = [ready.strategy, *(template.source for template in ready.templates)]
    folder = ready.strategy.path.parent
    swept = {axis.name for axis in grid.axes}
    settings = {name: _plain(value) for name, value in as_dict(ready.settings).items() if name not in {"args", "task"}}
    return {
        "version": __version__,
        "files": {
            "strategy": _named(inputs.file),
            "templates": [_named(path) for path in inputs.templates],
            "modules": {path.relative_to(folder).as_posix(): file_digest(path) for path in _modules_beside(sources)},
        },
        "bars": [[bars.name, *_named(bars.path)] for bars in inputs.bars],
        "columns": dict(inputs.columns),
        "data server": "" if inputs.bars else _server(inputs, ready),
        "settings": settings,
        "args": {name: value for name, value in ready.values.items() if name not in swept},
        "template args": [[template.source.name, template.values] for template in ready.templates],
        "axes": [[axis.name, list(axis.values)] for axis in grid.axes],
    }


def files_of_sweep(inputs: BacktestInputs, ready: ReadyBacktest) -> list[Path]:
    """The files that each backtest reads.

    Args:
        inputs: What is run.
        ready: The same, read and checked.
    """
    sources = [ready.strategy, *(template.source for template in ready.templates)]
    config = [] if inputs.config is None else [inputs.config]
    bars = [bars.path for bars in inputs.bars]
    return [inputs.file, *inputs.templates, *_modules_beside(sources), *config, *bars]


def _plain(value: Any) -> Any:
    """A setting as dicts and lists."""
    if isinstance(value, ValueObject):
        return {name: _plain(each) for name, each in as_dict(value).items()}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (tuple, list)) else value


def _named(path: Path) -> list[str]:
    return [path.name, file_digest(path)]


def _server(inputs: BacktestInputs, ready: ReadyBacktest) -> str:
    return inputs.data_server or str(ready.settings.task.get("dataServer") or "") or os.environ.get("DATASERVER", "")


def _modules_beside(sources: Iterable[Source]) -> list[Path]:
    """The modules beside the strategy, also those of packages, that the sources, or such modules themselves, import by name."""
    todo: list[tuple[str, Source]] = [("", source) for source in sources if not isinstance(source, JavaScriptSource)]
    folder = todo[0][1].path.parent if todo else Path()
    found: dict[Path, None] = {}
    while todo:
        package, source = todo.pop()
        for name in _imported(source.tree, package):
            path = file_of_module(folder, name)
            if path is None or path in found or not path.is_file():
                continue
            found[path] = None
            try:
                read = read_source(path)
                _ = read.tree
            except FmzError:  # the run says what is wrong with it
                continue
            todo.append((name if path.name == "__init__.py" else name.rpartition(".")[0], read))
    return sorted(found)


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """The whole names of what a module of a package may import: modules, the packages that they are in, and what may be modules of a package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_packages(alias.name)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level and package else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            yield from _with_packages(base)
            yield from (f"{base}.{alias.name}" for alias in node.names if base)


def _with_packages(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1) if name)


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@attrs.frozen
class SameFiles:
    """What the files of a sweep held when it began.

    Attributes:
        digests: The SHA-256 of each file by its path.
    """

    digests: tuple[tuple[Path, str], ...] = ()

    @classmethod
    def of(cls, paths: Iterable[Path]) -> SameFiles:
        """Reads the files."""
        return cls(tuple((path, file_digest(path)) for path in dict.fromkeys(paths)))

    def check(self) -> None:
        """Compares the files with what they were. A file is read again only when its time or size is another one.

        Raises:
            SweepStopped: One is not what it was, or is not there.
        """
        for path, digest in self.digests:
            try:
                facts = path.stat()
                found = _known_digest(path, facts.st_mtime_ns, facts.st_size, facts.st_ino)
            except OSError as error:
                raise SweepStopped(
                    f"{path} cannot be read where a backtest runs ({error.strerror}): the sweep ends here"
                ) from None
            if found != digest:
                raise SweepStopped(
                    f"{path} is not what it was when the sweep began: it was changed, or a worker has another file of this name;"
                    " what was finished before is in the journal, and what is changed is swept with another --out"
                )


@lru_cache(maxsize=1024)
def _known_digest(path: Path, modified_ns: int, size: int, inode: int) -> str:
    del modified_ns, size, inode  # part of the key
    return file_digest(path)
