"""The arguments of the extended API's methods: by position or by name, with defaults and types.

Source: FMZ's user guide, "Extended API Interface": names are case-insensitive, underscores are ignored, missing ones take defaults.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

from ...errors import InputError, nearest

__all__ = ["REQUIRED", "SIGNATURES", "Param", "bound"]

Type = Literal["int", "text", "bool", "object"]
REQUIRED: Any = object()
"""The default of a parameter that must be given."""

_LARGEST = 2**63 - 1
_SHOWN = 60


@attrs.frozen
class Param:
    """A parameter: its name, its type and its default."""

    name: str
    type: Type = "int"
    default: Any = REQUIRED


def _required(*names: str) -> tuple[Param, ...]:
    return tuple(Param(name) for name in names)


SIGNATURES: Mapping[str, tuple[Param, ...]] = {
    "GetAccount": (),
    "GetNodeList": (Param("offset", "int", 0), Param("limit", "int", -1)),
    "DeleteNode": _required("nid"),
    "GetExchangeList": (Param("isSummary", "bool", False),),
    "GetPlatformList": (Param("offset", "int", 0), Param("limit", "int", -1)),
    "GetStrategyList": (
        Param("offset", "int", 0), Param("length", "int", -1), Param("strategyType", "int", -1), Param("category", "int", -1),
        Param("language", "int", -1), Param("kw", "text", ""), Param("groupId", "int", -1), Param("orderBy", "text", ""),
    ),
    "GetRobotGroupList": (),
    "GetRobotList": (
        Param("offset", "int", 0), Param("length", "int", -1), Param("customStatus", "int", -1), Param("appId", "text", ""),
        Param("kw", "text", ""), Param("groupId", "int", -1), Param("orderBy", "text", ""), Param("strategyId", "int", 0),
    ),
    "GetRobotDetail": _required("robotId"),
    "GetRobotLogs": (
        *_required("robotId", "logMinId", "logMaxId", "logOffset", "logLimit", "profitMinId", "profitMaxId", "profitOffset", "profitLimit",
                   "chartMinId", "chartMaxId", "chartOffset", "chartLimit", "chartUpdateBaseId", "chartUpdateDate", "summaryLimit"),
        Param("logExchange", "text", ""), Param("logKeyword", "text", ""), Param("logTypes", "text", ""),
    ),
    "NewRobot": (Param("settings", "object"),),
    "RestartRobot": (Param("robotId"), Param("settings", "object", None)),
    "StopRobot": _required("robotId"),
    "CommandRobot": (Param("robotId"), Param("cmd", "text")),
    "DeleteRobot": (Param("robotId"), Param("removeLog", "bool", True)),
    "PluginRun": (Param("settings", "object"),),
}  # fmt: skip
"""The methods and their parameters, in the order of FMZ's user guide."""


def bound(method: str, args: Any) -> dict[str, Any]:
    """The arguments of a call by the parameters' names.

    Args:
        method: The method.
        args: A list (by position) or a dict (by name).

    Raises:
        InputError: There are too few or too many, a name is not known or comes twice, or a value has the wrong type.
    """
    params = SIGNATURES[method]
    given = _by_name(method, params, args) if isinstance(args, Mapping) else _by_position(method, params, args)
    found = {}
    for param in params:
        if param.name in given:
            found[param.name] = _converted(method, param, given[param.name])
        else:
            found[param.name] = param.default
    missing = [name for name, value in found.items() if value is REQUIRED]
    if missing:
        raise _mismatch(method, params, len(given))
    return found


def _by_position(method: str, params: Sequence[Param], args: Sequence[Any]) -> dict[str, Any]:
    if method == "GetRobotList" and len(args) == 1 and isinstance(args[0], str):
        return {"appId": args[0]}
    needed = sum(param.default is REQUIRED for param in params)
    if not needed <= len(args) <= len(params):
        raise _mismatch(method, params, len(args))
    return {param.name: value for param, value in zip(params, args, strict=False)}


def _mismatch(method: str, params: Sequence[Param], got: int) -> InputError:
    needed = sum(param.default is REQUIRED for param in params)
    expected = needed if got < needed else len(params)
    return InputError(f"Params number mismatch for {method}: expected {expected}, got {got}")


def _by_name(method: str, params: Sequence[Param], args: Mapping[str, Any]) -> dict[str, Any]:
    known = {_plain(param.name): param.name for param in params}
    given: dict[str, Any] = {}
    for name, value in args.items():
        full = known.get(_plain(name))
        if full is None:
            names = [param.name for param in params]
            raise InputError(f"{method} has no parameter {name[:_SHOWN]!r}{nearest(name, names)}")
        if full in given:
            raise InputError(f"{method}: the parameter {full} is given twice")
        given[full] = value
    return given


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _converted(method: str, param: Param, value: Any) -> Any:
    converted = {"int": _int, "text": _text, "bool": _bool, "object": _object}[param.type](value)
    if converted is REQUIRED:
        words = {"int": "a whole number", "text": "a text", "bool": "true or false", "object": "an object"}[param.type]
        # The value of an object may hold keys; that of the others is shown.
        shown = "" if param.type == "object" else f" is {str(value)[:_SHOWN]!r},"
        raise InputError(f"{method}: {param.name}{shown} expected {words}")
    if value is None and param.default is not REQUIRED:
        return param.default
    return converted


def _int(value: Any) -> Any:
    if value is None:
        return 0
    if isinstance(value, str):
        text = value.strip()
        if not text.lstrip("-").isascii() or not text.lstrip("-").isdigit() or len(text) > 20:
            return REQUIRED
        value = int(text)
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST:
        return REQUIRED
    return value


def _text(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else REQUIRED


def _bool(value: Any) -> Any:
    if value is None or value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.lower() in {"true", "false", "1", "0"}:
        return value.lower() in {"true", "1"}
    return REQUIRED


def _object(value: Any) -> Any:
    return value if value is None or isinstance(value, dict) else REQUIRED
