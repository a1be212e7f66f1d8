"""The form of a strategy's parameters: fields for templates, and the values that were typed.

Source: FMZ's user guide, "Strategy Parameters" (types, groups, filters, components).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs

from ...errors import InputError
from ...strategy.log.render import in_language
from ...strategy.program.parameters import Parameter
from .visit import Form

__all__ = ["HIDDEN_SECRET", "FieldGroup", "ParameterField", "field_groups", "typed_arguments"]

HIDDEN_SECRET = "***"  # noqa: S105  # stands in place of one
"""What stands in place of a secret that is stored; sent back, it means: leave it."""

_DATE_FORMS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


@attrs.frozen(kw_only=True)
class ParameterField:
    """One field of the form.

    Attributes:
        name: The name in the form: ``arg.NAME``, or ``arg.TEMPLATE.NAME``.
        parameter: What it is a field of.
        label: Its title in the visitor's language.
        description: What it is for, in that language.
        control: ``number``, ``slider``, ``text``, ``area``, ``password``, ``switch``, ``select``, ``date`` or ``color``.
        value: What stands in it, as a text.
        chosen: The numbers of the options that are chosen.
        options: The texts of the options.
    """

    name: str
    parameter: Parameter
    label: str
    description: str
    control: str
    value: str = attrs.field(default="", repr=False)
    chosen: Sequence[int] = ()
    options: Sequence[str] = ()


@attrs.frozen
class FieldGroup:
    """Fields under one heading; the first ones may have none."""

    title: str
    fields: Sequence[ParameterField]


def field_groups(
    parameters: Sequence[Parameter], values: Mapping[str, Any], language: str, *, template: str = ""
) -> list[FieldGroup]:
    """The fields in the groups of the declaration.

    Args:
        parameters: The declaration.
        values: Values by the parameter's name (``TEMPLATE.NAME`` for those of templates); the default where a name is absent.
        language: ``en`` or ``zh``.
        template: The template whose parameters they are; empty for the strategy's.
    """
    found: dict[str, list[ParameterField]] = {}
    for one in parameters:
        key = f"{template}.{one.name}" if template else one.name
        value = values.get(key, one.default)
        found.setdefault(in_language(one.group, language), []).append(_field(one, f"arg.{key}", value, language))
    return [FieldGroup(title, fields) for title, fields in found.items()]


def _field(one: Parameter, name: str, value: Any, language: str) -> ParameterField:
    control = _control(one)
    chosen = []
    if one.kind == "selected":
        picked = value if isinstance(value, list) else [value]
        chosen = [
            place for place, option in enumerate(one.options) if any(_same(option.value, each) for each in picked)
        ]
    return ParameterField(
        name=name,
        parameter=one,
        label=_words(one.label or one.name, language),
        description=_words(one.description, language),
        control=control,
        value=_shown(one, control, value),
        chosen=chosen,
        options=[_words(option.text, language) for option in one.options],
    )


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _words(text: str, language: str) -> str:
    """A text in the visitor's language: ``[trans]`` or FMZ's ``中文|English``."""
    text = in_language(text, language)
    first, bar, second = text.partition("|")
    return (first if language == "zh" else second) if bar and second else text


def _control(one: Parameter) -> str:
    component = one.component.lower()
    if one.kind == "boolean":
        return "switch"
    if one.kind == "selected":
        return "select"
    if one.kind == "encrypted":
        return "password"
    if component == "date":
        return "date"
    if one.kind == "number":
        return "slider" if component == "slider" and one.minimum is not None and one.maximum is not None else "number"
    return {"color": "color", "textarea": "area"}.get(component, "text")


def _shown(one: Parameter, control: str, value: Any) -> str:
    if one.kind == "encrypted":
        return HIDDEN_SECRET if value == HIDDEN_SECRET else ""
    if value is None or isinstance(value, bool):
        return "on" if value else ""
    if control == "date":
        return _date_value(one, value)
    if one.kind == "selected":
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _date_value(one: Parameter, value: Any) -> str:
    """A date as browsers take it; a number is milliseconds since the epoch, in UTC."""
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value / 1000, UTC).strftime(_DATE_FORMS[0]) if 0 < value < 2e14 else ""
    moment = _read_date(str(value))
    return moment.strftime(_DATE_FORMS[0]) if moment is not None else ""


def _read_date(text: str) -> datetime | None:
    for form in _DATE_FORMS:
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def typed_arguments(parameters: Sequence[Parameter], form: Form, *, template: str = "") -> dict[str, Any]:
    """The arguments that were typed, each of its declared type.

    Args:
        parameters: The declaration.
        form: The form.
        template: The template whose parameters they are; empty for the strategy's.

    Returns:
        Values by name, ``TEMPLATE.NAME`` for those of templates. A secret that was left as it is stays out where the field was empty, and
        is ``***`` where one is stored.

    Raises:
        InputError: A value has the wrong type, or is out of its range.
    """
    found: dict[str, Any] = {}
    for one in parameters:
        key = f"{template}.{one.name}" if template else one.name
        name = f"arg.{key}"
        if one.kind == "boolean":
            found[key] = form.has(name)
        elif one.kind == "selected" and one.multiple:
            found[key] = [_option(one, text) for text in form.many(name)]
        elif not form.has(name):
            continue
        elif one.kind == "selected":
            text = form.text(name)
            found[key] = _option(one, text) if text else None
        elif one.kind == "encrypted":
            if form.text(name):
                found[key] = form.text(name)
        else:
            found[key] = one.convert(_typed(one, form.text(name)), "the form")
    return found


def _typed(one: Parameter, text: str) -> Any:
    if _control(one) != "date" or not text.strip():
        return text.replace("\r\n", "\n")
    moment = _read_date(text)
    if moment is None:
        raise InputError(f"{one.name} is {text[:40]!r}, expected a date such as 2026-11-28 12:00:00")
    return int(moment.timestamp() * 1000) if one.kind == "number" else moment.strftime("%Y-%m-%d %H:%M:%S")


def _option(one: Parameter, text: str) -> Any:
    """The value of the option of this number; the form sends numbers, since values may be of any type."""
    if not (text.isascii() and text.isdigit() and int(text) < len(one.options)):
        raise InputError(f"{one.name}: no option {text[:40]!r}")
    return one.options[int(text)].value
