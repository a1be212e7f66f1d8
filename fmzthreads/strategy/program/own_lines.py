"""The traceback of a strategy: its own lines and those of its templates, nothing of this package or of Python."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from .python2 import hint_for_name

__all__ = ["ForeignError", "last_line", "own_traceback"]

_PACKAGE = str(Path(__file__).resolve().parents[2]) + os.sep


@cache
def _foreign_folders() -> tuple[str, ...]:
    """Where this package, Python and installed packages lie."""
    import sysconfig  # loaded only when there is an error to show

    folders = {
        str(Path(folder).resolve()) + os.sep
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
        if (folder := sysconfig.get_paths().get(name))
    }
    return (_PACKAGE, *folders, "<")


class ForeignError(Exception):
    """An error of a strategy in another language; its text ends with the strategy's own lines."""


def _is_own(file: str, files: frozenset[str]) -> bool:
    """Whether a frame belongs to the strategy: one of its files, or a module of the user's own."""
    return file in files or not (file.startswith(_foreign_folders()))


def _shortened(error: traceback.TracebackException, files: frozenset[str], seen: set[int]) -> None:
    """Removes what is not the strategy's from an error and from those that caused it."""
    if id(error) in seen:
        return
    seen.add(id(error))
    first = next(
        (place for place, frame in enumerate(error.stack) if frame.filename in files), 0
    )  # before it: who called the strategy
    own = [frame for frame in error.stack[first:] if _is_own(frame.filename, files)]
    error.stack = traceback.StackSummary.from_list(own)
    for cause in (error.__cause__, error.__context__, *(error.exceptions or ())):
        if cause is not None:
            _shortened(cause, files, seen)


def own_traceback(error: BaseException, files: Iterable[str | Path]) -> str:
    """The traceback as text: only the frames of the strategy, of its templates and of modules of the user's own.

    Args:
        error: What ended the strategy.
        files: The strategy's file and those of its templates.
    """
    if isinstance(error, ForeignError):
        return str(error)
    own = frozenset(str(file) for file in files)
    found = traceback.TracebackException.from_exception(error, limit=-200)
    _shortened(found, own, set())
    text = "".join(found.format()).rstrip("\n")
    hint = hint_for_name(getattr(error, "name", None) or "") if isinstance(error, NameError) else ""
    return f"{text}\n{hint}" if hint else text


def last_line(error: BaseException, files: Iterable[str | Path]) -> str:
    """The error on one line, with the file and line of the strategy in which it was raised."""
    if isinstance(error, ForeignError):
        first, *places = str(error).splitlines()
        return f"{first} ({places[0].strip().removeprefix('at ')})" if places else first
    own = frozenset(str(file) for file in files)
    text = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if _is_own(frame.filename, own):
            return f"{text} ({Path(frame.filename).name}, line {frame.lineno})"
    return text
