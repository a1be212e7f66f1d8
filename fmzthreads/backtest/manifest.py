"""The manifest of a run: everything that its result depends on, so that it can be run again and compared byte by byte."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import attrs

from .._version import __version__
from ..errors import InputError, OperationFailed, short_repr
from .backtest_run import RunEnd
from .config.settings import BacktestSettings
from .inputs import BacktestInputs, BarsFile
from .result.join import json_parts

__all__ = ["StoredRun", "manifest_of", "read_manifest", "result_digest"]

_LEVELS = 2  # how many folders above the manifest's own are searched

_FORMAT = 1


def result_digest(whole: Mapping[str, Any]) -> str:
    """The SHA-256 of a result's JSON as ``result.json`` has it, in hex."""
    digest = hashlib.sha256()
    for part in chain(json_parts(whole), "\n"):
        digest.update(part.encode())
    return digest.hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_of(
    inputs: BacktestInputs,
    settings: BacktestSettings,
    end: RunEnd,
    whole: Mapping[str, Any],
    own_files: Iterable[Path] = (),
    command: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """The manifest of a run.

    Args:
        inputs: What the user gave.
        settings: The settings of the run.
        end: How it ended.
        whole: The result, final state and metrics.
        own_files: Modules beside the strategy that it imported.
        command: The command line.
    """
    files = [inputs.file, *inputs.templates, *own_files, *(bars.path for bars in inputs.bars)]
    if inputs.config is not None:
        files.append(inputs.config)
    return {
        "format": _FORMAT,
        "fmzthreads": __version__,
        "python": platform.python_version(),
        "command": list(command),
        "inputs": _inputs_json(inputs),
        "files": {str(path.resolve()): _file_digest(path) for path in files},
        "task": settings.task,
        "args": dict(settings.args),
        "seed": settings.seed,
        "timezone": settings.timezone,
        "ended": {"reason": end.reason, "text": end.text},
        "result_sha256": result_digest(whole),
    }


def _inputs_json(inputs: BacktestInputs) -> dict[str, Any]:
    return {
        "file": str(inputs.file.resolve()),
        "templates": [str(path.resolve()) for path in inputs.templates],
        "args": dict(inputs.args),
        "template_args": {name: dict(values) for name, values in inputs.template_args.items()},
        "config": str(inputs.config.resolve()) if inputs.config is not None else None,
        "changes": dict(inputs.changes),
        "bars": [[str(bars.path.resolve()), bars.name] for bars in inputs.bars],
        "columns": dict(inputs.columns),
        "data_server": inputs.data_server or os.environ.get("DATASERVER", ""),
    }


@attrs.frozen
class StoredRun:
    """A run as its manifest describes it.

    Attributes:
        inputs: What it was made of.
        result_sha256: The digest of its result.
        changed: The files that are not as they were.
        version: The version of fmzthreads that made it.
        interrupted: Whether it was stopped by Ctrl-C, so that its result cannot be had again.
    """

    inputs: BacktestInputs
    result_sha256: str
    changed: tuple[Path, ...]
    version: str
    interrupted: bool = False


def read_manifest(run: Path) -> StoredRun:
    """Reads the manifest of a run; files that moved are looked for beside the manifest.

    Args:
        run: The run's folder, or its ``manifest.json``.

    Raises:
        InputError: There is no manifest, or it is not one.
        OperationFailed: A file of the run is not there any more.
    """
    path = run / "manifest.json" if run.is_dir() else run
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the manifest {str(path)!r}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else manifest
        raise InputError(f"{path} is not a manifest of a backtest: format is {short_repr(found)}, expected {_FORMAT}")
    given = manifest["inputs"]
    beside = Path(given["file"]).parent
    places = {name: _found(Path(name), path.parent, beside) for name in manifest["files"]}

    def _path(name: str) -> Path:
        return places.get(name, Path(name))

    return StoredRun(
        inputs=BacktestInputs(
            file=_path(given["file"]),
            templates=tuple(_path(name) for name in given["templates"]),
            args=given["args"],
            template_args=given["template_args"],
            config=_path(given["config"]) if given["config"] else None,
            changes=given["changes"],
            bars=tuple(BarsFile(_path(name), series) for name, series in given["bars"]),
            columns=given["columns"],
            data_server=given["data_server"],
        ),
        result_sha256=manifest["result_sha256"],
        changed=tuple(
            places[name] for name, digest in manifest["files"].items() if _file_digest(places[name]) != digest
        ),
        version=str(manifest["fmzthreads"]),
        interrupted=(manifest.get("ended") or {}).get("reason") == "interrupted",
    )


def _found(path: Path, folder: Path, beside: Path) -> Path:
    """Where a file of a run is now: where it was, else in the manifest's folder, modules of packages in the same folders there, else in the folders above.

    A project that moved as a whole has its runs in folders of their own, as ``--out`` made them.
    """
    inner = path.relative_to(beside) if path.is_relative_to(beside) else Path(path.name)
    above = [
        higher.joinpath(*path.parts[-depth:])
        for higher in list(folder.resolve().parents)[:_LEVELS]
        for depth in range(len(path.parts) - 1, 0, -1)
    ]
    for place in (path, folder / inner, folder / path.name, *above):
        if place.is_file():
            return place
    raise OperationFailed(
        f"the run needs {path}, which is neither there nor in {folder} or the {_LEVELS} folders above"
    )
