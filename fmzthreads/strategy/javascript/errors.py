"""Errors of a JavaScript strategy, with its own lines only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import attrs

from ..program.own_lines import ForeignError

__all__ = ["FilePlace", "JavaScriptError", "shown"]

_FRAME = re.compile(r"^    at (?:(.*?) )?\(?<input>:(\d+)(?::(\d+))?\)?$")

_UNKNOWN = re.compile(r"ReferenceError: (\w+) is not defined")
# What FMZ's documents name for JavaScript and is not here.
_MISSING = frozenset({"BigDecimal", "BigFloat", "Decimal", "TextDecoder", "TextEncoder", "Trader", "ctx", "math", "os"})


class JavaScriptError(ForeignError):
    """An error that a JavaScript strategy did not catch; its text ends with the strategy's own lines."""


@attrs.frozen
class FilePlace:
    """Where a file's lines stand among the lines of one context.

    Attributes:
        path: The file.
        first: The number of its first line, from 1.
    """

    path: Path
    first: int


def shown(text: str, places: Sequence[FilePlace]) -> str:
    """The text of an error of the engine, with files and their lines in place of the context's.

    Args:
        text: The message, then one line for each frame.
        places: The files, in ascending order of their first lines; frames before the first one's are left out.
    """
    lines = text.rstrip("\n").split("\n")
    unknown = _UNKNOWN.fullmatch(lines[0])
    if unknown is not None and unknown[1] in _MISSING:
        lines[0] += f": FMZ has {unknown[1]}; fmzthreads does not have it"
    kept = []
    for line in lines:
        found = _FRAME.match(line)
        if found is None:
            if not line.startswith("    at ") and line != "undefined":
                kept.append(line)
            continue
        name, number, column = found[1], int(found[2]), found[3]
        place = next((place for place in reversed(places) if place.first <= number), None)
        if place is None or (name or "").startswith("fmz"):
            continue
        where = f"{place.path.name}:{number - place.first + 1}" + (f":{column}" if column else "")
        kept.append(f"    at {name} ({where})" if name and name not in {"<eval>", "<anonymous>"} else f"    at {where}")
    return "\n".join(kept) or "unknown error"
