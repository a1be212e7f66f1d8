"""What a venue's reply may look like when it is wrong: each of its fields absent, of another type, or far too large."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

__all__ = ["WRONG", "mutated"]


class _Raw:
    """JSON text to be put in as it is."""

    def __init__(self, text: str) -> None:
        self.text = text


_ABSENT = object()
WRONG: dict[str, Any] = {
    "absent": _ABSENT,
    "null": None,
    "true": True,
    "minus one": -1,
    "zero": "0",
    "word": "x",
    "empty text": "",
    "empty list": [],
    "list": [1, "a", None],
    "empty object": {},
    "object": {"a": {"b": []}},
    "tiny number": "1e-99999999",
    "huge number": "1e99999999",
    "text of many digits": "9" * 5000,
    "number of many digits": _Raw("9" * 4000),
    "number of more digits than Python reads": _Raw("9" * 5000),
    "NaN": _Raw("NaN"),
    "Infinity": _Raw("-Infinity"),
    "NaN as text": "NaN",
    "surrogate": "\ud800",
    "long text": "x" * 100_000,
    "deep": _Raw("[" * 100_000 + "]" * 100_000),
    "not so deep": _Raw('{"a":' * 900 + "1" + "}" * 900),
    "time far away": 2**62,
    "time far away as text": str(2**62),
    "unicode digits": "٣",
    "underscore": "1_000",
}


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from _places(value[name], (*path, name))
    elif isinstance(value, list):
        for index in range(min(len(value), 2)):  # the rows of a list are alike
            yield from _places(value[index], (*path, index))


def mutated(body: Any) -> Iterator[tuple[str, str]]:
    """Every wrong form of a reply, with what was done to it."""
    for path in _places(body):
        for name, wrong in WRONG.items():
            yield f"{'.'.join(map(str, path)) or 'the whole reply'} is {name}", _with(body, path, wrong)


def _with(body: Any, path: tuple[Any, ...], wrong: Any) -> str:
    if not path:
        return "" if wrong is _ABSENT else _dumped(wrong)
    changed = copy.deepcopy(body)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    if wrong is _ABSENT:
        del inner[path[-1]]
    elif isinstance(wrong, _Raw):
        inner[path[-1]] = "@raw@"
        return json.dumps(changed).replace('"@raw@"', wrong.text)
    else:
        inner[path[-1]] = wrong
    return json.dumps(changed)


def _dumped(wrong: Any) -> str:
    return wrong.text if isinstance(wrong, _Raw) else json.dumps(wrong)
