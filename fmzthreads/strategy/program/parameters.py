"""The parameters of a strategy: their declaration, their types and ranges, and the values that a run gives them.

A declaration is a list of rows, in the file's ``config`` header or in a JSON file beside it. A row is an object (``name``, ``label``,
``description``, ``default``, ``type``, ``group``, ``filter``, ``required``, ``min``, ``max``, ``step``, ``options``, ``multiple``), or the list
``[name, label, description, default]`` in which FMZ stores it. Source: FMZ's user guide, "Strategy Parameters".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from ...errors import InputError, UnknownName, nearest
from ...structures.value_objects import ValueObject, evolve, field
from .header import config_header, header_arguments
from .source import Source
from .visibility import is_shown, names_in

__all__ = ["Kind", "Option", "Parameter", "bind", "declared", "guessed"]

Kind = Literal["number", "boolean", "string", "selected", "encrypted"]
_KINDS = get_args(Kind)

# FMZ stores a dropdown's options, a secret and a button by these prefixes of the default.
_LIST, _COMMAND, _SECRET = "$$$__list__$$$", "$$$__cmd__$$$", "$$$__enc__$$$"
_IDENTIFIER = re.compile(
    r"(?:[A-Za-z_$]|[^\x00-\x7f])[\w$]*\Z"
)  # and not beyond U+FFFF; a range up to there takes ms to compile
_FIELDS = (
    "name", "label", "description", "desc", "default", "type", "group", "filter", "required", "min", "max", "step", "options", "multiple",
    "component", "settings",
)  # fmt: skip
_SETTINGS = ("required", "min", "max", "step", "multiple", "options", "customizable", "render", "disabled", "component")


class Option(ValueObject):
    """One option of a dropdown: its text, and the value that the strategy sees (its index unless one is bound)."""

    text: str
    value: Any


class Parameter(ValueObject, kw_only=True):
    """One declared parameter.

    Attributes:
        name: The global's name.
        label: The title in a form; the name where none is declared.
        description: What it is for; may be empty.
        kind: Its type.
        default: The value without an argument; None for none.
        group: The heading under which it stands; may be empty.
        filter: The expression that shows it; empty for always.
        required: Whether a run without a value is refused.
        minimum: The smallest number, or the shortest text; None for no limit.
        maximum: The largest number, or the longest text; None for no limit.
        step: The distance between two valid numbers, from ``minimum`` or 0 on; None for any.
        options: The options of a dropdown, in order.
        multiple: Whether a dropdown takes several options (the value is then a list).
        component: How a form asks for it, such as ``slider``, ``date``, ``color`` or ``textarea``; empty for the usual way of its type.
    """

    name: str
    label: str = ""
    description: str = ""
    kind: Kind = "string"
    default: Any = field(default=None, repr=False)
    group: str = ""
    filter: str = ""
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    options: tuple[Option, ...] = ()
    multiple: bool = False
    component: str = ""

    @property
    def empty(self) -> Any:
        """The value of an optional parameter that was left empty."""
        return {"boolean": False, "string": "", "number": None, "selected": None, "encrypted": None}[self.kind]

    def convert(self, value: Any, where: str) -> Any:
        """Checks a value and gives it the declared type.

        Args:
            value: A text (from a command line) or a value of the type.
            where: Where the value came from, for the message.

        Raises:
            InputError: It has the wrong type, or is out of the range; the message shows no secret.
        """
        if value is None or (value == "" and self.kind in {"number", "selected"}):
            return self.empty
        converted = _CONVERSIONS[self.kind](self, value)
        if converted is _WRONG:
            shown = "" if self.kind == "encrypted" else f" is {str(value)[:100]!r}"
            raise InputError(f"{where}: {self.name}{shown}, expected {self.expected()}")
        return converted

    def expected(self) -> str:
        """What a value must be, in words: the type, the range, the options."""
        limits = [f"at least {self.minimum:g}" if self.minimum is not None else "",
                  f"at most {self.maximum:g}" if self.maximum is not None else "",
                  f"in steps of {self.step:g}" if self.step is not None else ""]  # fmt: skip
        bounds = ", ".join(filter(None, limits))
        if self.kind == "selected":
            shown = ", ".join(
                f"{o.value!r} ({o.text})" if str(o.value) != o.text else repr(o.text) for o in self.options[:20]
            )
            return f"{'a list of ' if self.multiple else 'one of '}{shown}"
        if self.kind == "boolean":
            return "true or false"
        if self.kind == "number":
            return f"a number{', ' if bounds else ''}{bounds}"
        return f"a text{f' with a length of {bounds}' if bounds else ''}"


_WRONG: Any = object()


def _number(parameter: Parameter, value: Any) -> Any:
    if isinstance(value, str):
        value = _number_of(value)
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return _WRONG
    low, high, step = parameter.minimum, parameter.maximum, parameter.step
    if (low is not None and value < low) or (high is not None and value > high):
        return _WRONG
    if step:
        steps = (value - (low or 0)) / step
        if abs(steps - round(steps)) > 1e-9 * max(1.0, abs(steps)):
            return _WRONG
    return value


def _number_of(text: str) -> int | float | None:
    text = text.strip()
    if len(text) > 40:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def _boolean(parameter: Parameter, value: Any) -> Any:
    if isinstance(value, str):
        value = {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower(), value)
    if isinstance(value, (int, float)) and value in {
        0,
        1,
    }:  # FMZ's tables write true and false as 1 and 0, and the other way round
        return bool(value)
    return _WRONG


def _text(parameter: Parameter, value: Any) -> Any:
    if not isinstance(value, str):
        return _WRONG
    low, high = parameter.minimum, parameter.maximum
    if value and ((low is not None and len(value) < low) or (high is not None and len(value) > high)):
        return _WRONG
    return value


def _selected(parameter: Parameter, value: Any) -> Any:
    if not parameter.multiple:
        return _option(parameter, value)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = [part.strip() for part in value.split("|")]
    chosen = [_option(parameter, one) for one in (value if isinstance(value, list) else [value])]
    return _WRONG if any(one is _WRONG for one in chosen) else chosen


def _option(parameter: Parameter, value: Any) -> Any:
    """The value of the option that a value, its text or its text's part in one language names."""
    for option in parameter.options:
        if type(option.value) is type(value) and option.value == value:
            return option.value
    for option in parameter.options:
        if str(value) in {option.text, str(option.value), *option.text.split("|")}:
            return option.value
    return _WRONG


_CONVERSIONS = {"number": _number, "boolean": _boolean, "string": _text, "encrypted": _text, "selected": _selected}


# The declaration


def declared(source: Source) -> list[Parameter]:
    """The parameters that a strategy file declares, in its ``config`` header or in the JSON file of the same name beside it.

    Returns:
        In the order of the declaration; empty without a declaration.

    Raises:
        InputError: The declaration is not of the known form; names the row and the field.
    """
    found = config_header(source)
    if found is not None:
        return _rows(f"{source.path}: the config header", found[1])
    beside = source.path.with_suffix(".json")
    if not beside.is_file():
        return []
    try:
        content = json.loads(beside.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"{beside}: the parameters' declaration is not JSON: {error}") from None
    return _rows(str(beside), content)


def _rows(where: str, content: Any) -> list[Parameter]:
    if isinstance(content, dict):
        content = next((content[key] for key in ("args", "arguments", "parameters") if key in content), None)
    if not isinstance(content, list):
        raise InputError(f"{where} is not a list of parameters, nor an object with the key 'args'")
    parameters: list[Parameter] = []
    for number, row in enumerate(content, 1):
        parameter = _row(f"{where}, parameter {number}", row)
        if parameter is None:
            continue
        if any(parameter.name == other.name for other in parameters):
            raise InputError(f"{where}: the parameter {parameter.name!r} is declared twice")
        parameters.append(parameter)
    names = [parameter.name for parameter in parameters]
    for parameter in parameters:
        for name in names_in(parameter.filter) if parameter.filter else ():
            if name not in names:
                raise UnknownName(f"{where}: the filter of {parameter.name!r} reads {name!r}{nearest(name, names)}")
    return parameters


def _row(where: str, row: Any) -> Parameter | None:
    """One parameter; None for a button, which is a control and no parameter."""
    if isinstance(row, list):
        if not 1 <= len(row) <= 4:
            raise InputError(f"{where}: {row!r} has {len(row)} items, expected [name, label, description, default]")
        row = dict(zip(("name", "label", "description", "default"), row, strict=False))
    if not isinstance(row, dict):
        raise InputError(f"{where} is {row!r}, expected an object or a list")
    for key in row:
        if key not in _FIELDS:
            raise UnknownName(f"{where}: unknown field {key!r}{nearest(key, _FIELDS)}")
    settings = row.get("settings") or {}
    if not isinstance(settings, dict):
        raise InputError(f"{where}: settings is {settings!r}, expected an object")
    for key in settings:
        if key not in _SETTINGS:
            raise UnknownName(f"{where}: unknown setting {key!r}{nearest(key, _SETTINGS)}")
    row = {**settings, **row}
    name, _, shown = str(row.get("name", "")).partition("@")
    if not _IDENTIFIER.match(name) or name[0] > "\uffff":
        raise InputError(f"{where}: the name {name!r} cannot be a global's name")
    default = row.get("default")
    if row.get("type") == "button" or (isinstance(default, str) and default.startswith(_COMMAND)):
        return None
    return _parameter(f"{where} ({name})", name, shown, default, row)


def _parameter(where: str, name: str, shown: str, default: Any, row: Mapping[str, Any]) -> Parameter:
    kind, default, options = _kind_of(where, default, row)
    parameter = Parameter(
        name=name,
        label=str(row.get("label") or name),
        description=str(row.get("description") or row.get("desc") or ""),
        kind=kind,
        group=str(row.get("group") or "").strip("()"),
        filter=str(row.get("filter") or shown),
        required=bool(row.get("required", False)),
        minimum=_limit(where, "min", row),
        maximum=_limit(where, "max", row),
        step=_limit(where, "step", row),
        options=options,
        multiple=bool(row.get("multiple", False)),
        component=str(row.get("component") or row.get("render") or ""),
    )
    if kind == "selected" and not options:
        raise InputError(f"{where}: a dropdown needs options")
    if default is None:
        default = parameter.empty if kind != "boolean" else False
    return evolve(parameter, default=parameter.convert(default, f"{where}: the default"))


def _kind_of(where: str, default: Any, row: Mapping[str, Any]) -> tuple[Kind, Any, tuple[Option, ...]]:
    kind: Kind | None = row.get("type")
    if kind is not None and kind not in _KINDS:
        raise UnknownName(f"{where}: unknown type {kind!r}{nearest(str(kind), _KINDS)}")
    if isinstance(default, str) and default.startswith(_SECRET):
        return "encrypted", default.removeprefix(_SECRET), ()
    if (
        "options" in row
        or kind == "selected"
        or (isinstance(default, str) and (default.startswith(_LIST) or "|" in default))
    ):
        if kind not in {None, "selected"}:
            return kind, default, ()
        return "selected", *_options(where, default, row)
    if kind is None:
        kind = "boolean" if isinstance(default, bool) else "number" if isinstance(default, (int, float)) else "string"
    return kind, default, ()


def _options(where: str, default: Any, row: Mapping[str, Any]) -> tuple[Any, tuple[Option, ...]]:
    """The default and the options of a dropdown; FMZ's short form has the options as the default, ``A|B|C``."""
    given = row.get("options")
    if given is None:
        given = [text for text in str(default or "").removeprefix(_LIST).split("|") if text]
        default = None if row.get("required") else 0
    if not isinstance(given, list):
        raise InputError(f"{where}: options is {given!r}, expected a list")
    options = []
    for index, option in enumerate(given):
        if isinstance(option, dict):
            text = str(option.get("name", option.get("text", "")))
            options.append(Option(text, option.get("value", index)))
        else:
            options.append(Option(str(option), index))
    if row.get("multiple") and default is not None and not isinstance(default, list):
        default = [default]
    return default, tuple(options)


def _limit(where: str, name: str, row: Mapping[str, Any]) -> float | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        value = _number_of(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{where}: {name} is {row[name]!r}, expected a number")
    if name == "step" and value <= 0:
        raise InputError(f"{where}: step is {value!r}, expected more than 0")
    return value


# The values of a run


def guessed(text: Any) -> Any:
    """The value of an argument that nothing declares: a number, true, false, null, a JSON list or object, else the text itself."""
    if not isinstance(text, str):
        return text
    number = _number_of(text)
    if number is not None and math.isfinite(number):
        return number
    if text.strip() in {"true", "false", "null", "True", "False", "None"}:
        return {"t": True, "f": False, "n": None}[text.strip()[0].lower()]
    if text.lstrip()[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def bind(source: Source, given: Mapping[str, Any], *, parameters: list[Parameter] | None = None) -> dict[str, Any]:
    """The value of each parameter in a run: the given one, else that of the backtest header, else the default.

    Args:
        source: The strategy file, or a template.
        given: Values by name, as texts or of their type.
        parameters: The declaration; None for the file's own.

    Returns:
        Values by name. A file that declares nothing takes every given value, its type guessed from the text.

    Raises:
        UnknownName: There is no such parameter; names the valid ones.
        InputError: A value has the wrong type or is out of its range, or a required one is missing; all missing ones are named.
    """
    parameters = declared(source) if parameters is None else parameters
    saved = {row[0]: row[1] for row in header_arguments(source) if len(row) == 2}
    if not parameters:
        return {**saved, **{name: guessed(value) for name, value in given.items()}}
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in known:
            raise UnknownName(f"{source.path.name} has no parameter {name!r}{nearest(name, known)}")
    values = {name: parameter.default for name, parameter in known.items()}
    for where, some in ((f"{source.path.name}, args of the header", saved), ("argument", given)):
        values |= {name: known[name].convert(value, where) for name, value in some.items() if name in known}
    missing = [
        p.name for p in parameters if p.required and values[p.name] in (None, "", []) and is_shown(p.filter, values)
    ]
    if missing:
        plural = "s have" if len(missing) > 1 else " has"
        raise InputError(f"{source.path.name}: the parameter{plural} no value: {', '.join(missing)}")
    return values
