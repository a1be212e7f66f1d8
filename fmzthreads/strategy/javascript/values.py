"""How values cross between Python and JavaScript; ``prelude.js`` is the other side."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from ...structures import Structure
from ...structures.growing import GrowingRecords

__all__ = ["UNDEFINED", "EngineValues", "given", "plain"]

UNDEFINED = object()
"""A result that is ``undefined`` in JavaScript."""

# Larger whole numbers are not exact in JavaScript; they cross as texts, so that ids keep their digits.
_EXACT = 2**53
_INT32 = 2**31
# The most forms of structures that get a builder of their own: a reply of a venue could have endless ones.
_MOST_BUILDERS = 500
# The most elements that are handed to JavaScript in one call.
_AT_ONCE = 500
_NUMBERS_AT_ONCE = 50_000
# Bars before the window of a list are forgotten once there are so many.
_MOST_OLD_BARS = 5_000
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_LONG_NUMBER = re.compile(r"(?<![\w.\"])-?\d{16,}(?![\w.\"])")


class _OddText(Exception):
    """A text within a value that does not cross as it is."""


def given(value: Any) -> Any:
    r"""An argument as it came from JavaScript, in Python's types.

    Args:
        value: A number, a boolean, None, or a text; texts that begin with ``\x01`` hold JSON, bytes or a large whole number.
    """
    kind = type(value)
    if kind is float:
        if value.is_integer() and abs(value) <= _EXACT and (value or math.copysign(1, value) > 0):
            return int(value)
        return value
    if kind is not str or not value.startswith("\x01"):
        return value
    mark, rest = value[1:2], value[2:]
    if mark == "j":
        return json.loads(rest)
    if mark == "b":
        return str(json.loads(rest)).encode("latin-1")
    if mark == "i":
        return int(rest)
    return rest


def plain(value: Any) -> Any:
    """A value as JSON can hold it: what is not finite becomes null, large whole numbers and decimals become texts."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy's arrays and numbers
        return plain(value.tolist())
    return str(value)


class _Bars:
    """The final bars of a history, as an array of JavaScript.

    Attributes:
        history: The history; it is kept, so that its id is not another's.
        array: The array.
        first: The number of the array's first bar in the history.
        count: How many bars there are in the array.
    """

    def __init__(self, history: Any, array: Any, first: int) -> None:
        self.history = history
        self.array = array
        self.first = first
        self.count = 0


class EngineValues:
    """Makes values of one JavaScript context.

    Numbers, booleans and None are handed to the engine as they are, texts with a letter before them. Structures are built by a function of
    JavaScript for each set of fields, which costs a third of what JSON would; other objects are parsed by the engine from JSON.

    Args:
        engine: The context.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._builders: dict[tuple[str, ...], Callable[..., Any]] = {}
        self._array = engine.eval("(() => [])")
        self._push = engine.eval("((array, ...items) => { for (const item of items) array.push(item); })")
        self._numbers = engine.eval("((...items) => items)")
        self._window = engine.eval(
            "((bars, first, end, ...tips) => { const found = bars.slice(first, end); for (const tip of tips) found.push(tip); return found; })"
        )
        self._forget = engine.eval("((bars, count) => { bars.splice(0, count); })")
        self._bars: dict[int, _Bars] = {}

    def result(self, value: Any) -> Any:
        """A result of a call, as the native function returns it."""
        if isinstance(value, str):
            # Lone surrogates do not cross as text; as JSON they do.
            return f"s{value}" if _crosses(value) else f"j{json.dumps(value)}"
        if type(value) is int and abs(value) > _EXACT:
            return f"s{value}"
        if isinstance(value, (bytes, bytearray)):
            return f"b{value.decode('latin-1')}"
        try:
            made = self._made(value)
        except _OddText:
            return self._parsed(value)
        return f"s{made}" if type(made) is str else made

    def structure(self, value: Structure) -> Any:
        """A structure as a result; it is one of ``result``, for those who know that it is a structure."""
        try:
            return self._structure(value)
        except _OddText:
            return self._parsed(value)

    def flat(self, call: Callable[..., Any], fields: tuple[str, ...]) -> Callable[..., Any]:
        """A native function, of arguments as the engine gives them, that builds an object of values in a row.

        Args:
            call: Returns the values, the first one a text and the others finite floats; or None.
            fields: Their names.
        """
        build = self._builder(fields)

        def _call(*args: Any) -> Any:
            values = call(*map(given, args)) if args else call()
            if values is None:
                return None
            return build(*values) if values[0].isascii() else self.result(dict(zip(fields, values, strict=True)))

        return _call

    def _made(self, value: Any) -> Any:
        """Any value within a result: one that the engine takes as it is, or an object of the engine.

        Raises:
            _OddText: A text does not cross as it is.
        """
        kind = type(value)
        if kind is float:
            return value if math.isfinite(value) else None
        if value is None or kind is bool:
            return value
        if kind is int:
            # The engine's binding would cut a larger int to 32 bits.
            return value if -_INT32 <= value < _INT32 else float(value) if abs(value) <= _EXACT else str(value)
        if kind is str:
            if not _crosses(value):
                raise _OddText
            return value
        if isinstance(value, Structure):
            return self._structure(value)
        if kind is GrowingRecords:
            return self._growing(value)
        if isinstance(value, list) and value and isinstance(value[0], Structure):
            return self._list(value)
        return self._parsed(value)

    def series(self, value: Any) -> Any:
        """What an indicator returns: a number for each bar, NaN where there is None; or several such lists, or one number."""
        if not isinstance(value, list):
            return math.nan if value is None else value
        if value and isinstance(value[0], list):
            array = self._array()
            self._push(array, *map(self.series, value))
            return array
        numbers = [math.nan if number is None else float(number) for number in value]
        if len(numbers) <= _NUMBERS_AT_ONCE:
            return self._numbers(*numbers)
        array = self._array()
        for first in range(0, len(numbers), _NUMBERS_AT_ONCE):
            self._push(array, *numbers[first : first + _NUMBERS_AT_ONCE])
        return array

    def _growing(self, value: GrowingRecords) -> Any:
        """Bars of a history: those that are final are made once, and shared by all lists, as in Python."""
        kept = self._bars.get(id(value.history))
        if (
            kept is None
            or kept.history is not value.history
            or not kept.first <= value.first <= kept.first + kept.count
        ):
            kept = self._bars[id(value.history)] = _Bars(value.history, self._array(), value.first)
        begin, end = value.first - kept.first, value.first - kept.first + value.closed
        for place in range(kept.count, end, _AT_ONCE):
            numbers = range(kept.first + place, kept.first + min(place + _AT_ONCE, end))
            self._push(kept.array, *[self._structure(value.history.record(number)) for number in numbers])
        kept.count = max(kept.count, end)
        tips = [self._structure(value[place]) for place in range(value.closed, len(value))]
        found = self._window(kept.array, begin, end, *tips)
        if begin > _MOST_OLD_BARS:
            self._forget(kept.array, begin)
            kept.first, kept.count = value.first, kept.count - begin
        return found

    def _structure(self, value: Structure) -> Any:
        fields = tuple(value)
        build = self._builders.get(fields) or self._builder(fields)
        if build is None:
            return self._parsed(value)
        made = self._made
        # Most items are finite floats; only of those is the difference to themselves 0.
        return build(*[item if type(item) is float and item - item == 0.0 else made(item) for item in value.values()])

    def _builder(self, fields: tuple[str, ...]) -> Any:
        """A function of JavaScript that makes an object of these fields; None if there are too many forms, or odd names."""
        if len(self._builders) >= _MOST_BUILDERS or not all(map(str.isidentifier, fields)) or "__proto__" in fields:
            return None
        names = [f"a{n}" for n in range(len(fields))]
        body = ",".join(f"{json.dumps(field)}:{name}" for field, name in zip(fields, names, strict=True))
        self._builders[fields] = self._engine.eval(f"((({','.join(names)}) => ({{{body}}})))")
        return self._builders[fields]

    def _list(self, value: list[Any]) -> Any:
        array = self._array()
        for first in range(0, len(value), _AT_ONCE):
            self._push(array, *map(self._made, value[first : first + _AT_ONCE]))
        return array

    def _parsed(self, value: Any) -> Any:
        try:
            text = _encode(value)
        except (TypeError, ValueError):
            text = _encode(plain(value))
        else:
            if _LONG_NUMBER.search(text):
                text = _encode(plain(value))
        return self._engine.parse_json(text)


def _crosses(text: str) -> bool:
    """Whether a text reaches JavaScript as it is."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
