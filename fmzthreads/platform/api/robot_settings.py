"""The ``settings`` object of ``NewRobot``, ``RestartRobot`` and ``PluginRun``, and back: what ``GetRobotDetail`` tells of it.

Source: FMZ's user guide, "Extended API Interface", ``NewRobot``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ...errors import InputError, nearest
from ..store.exchange_accounts import checked_fields
from ..store.robot_table import RobotExchange, RobotSettings

__all__ = ["args_of", "exchanges_of", "settings_of"]

_KEYS = ("name", "args", "strategy", "period", "node", "exchanges", "group", "appid", "source", "code", "language")
_LONGEST_TEXT = 1_000_000


def settings_of(
    given: Mapping[str, Any], base: RobotSettings | None = None
) -> tuple[RobotSettings, list[Mapping[str, str]] | None]:
    """The settings of a robot, and the keys of its exchanges by ``eid``.

    Args:
        given: The object as it was sent.
        base: The stored settings, of which what is not given stays; None for a new robot.

    Returns:
        The settings; and the fields of exchanges by ``eid`` in order, empty for exchanges by ``pid``, None if no exchanges were given.

    Raises:
        InputError: A key or value is not valid; shows no value that may be a secret.
    """
    for key in given:
        if key not in _KEYS:
            raise InputError(f"settings has no key {key[:60]!r}{nearest(key, _KEYS)}")
    changes: dict[str, Any] = {}
    for key, field in (("strategy", "strategy_id"), ("period", "period_s"), ("node", "node_id"), ("group", "group_id")):
        if given.get(key) is not None:
            changes[field] = _whole(key, given[key])
    for key, field in (("name", "name"), ("appid", "app_id")):
        if given.get(key) is not None:
            changes[field] = _text(key, given[key])
    if given.get("args") is not None:
        changes["args"] = args_of(given["args"])
    metas: list[Mapping[str, str]] | None = None
    if given.get("exchanges") is not None:
        changes["exchanges"], metas = exchanges_of(given["exchanges"])
    if base is not None:
        changes.pop("strategy_id", None)
        return attrs.evolve(base, **changes), metas
    for key, field in (("name", "name"), ("strategy", "strategy_id")):
        if field not in changes:
            raise InputError(f"settings has no {key}")
    return RobotSettings(**changes), metas


def args_of(value: Any) -> tuple[tuple[Any, ...], ...]:
    """The rows ``[name, value]`` or ``[name, value, template]`` of arguments.

    Raises:
        InputError: It is not a list of such rows.
    """
    if not isinstance(value, list) or len(value) > 1000:
        raise InputError('settings.args is not a list of rows ["name", value]')
    rows = []
    for row in value:
        if (
            not isinstance(row, list)
            or len(row) not in {2, 3}
            or not isinstance(row[0], str)
            or len(str(row[1])) > _LONGEST_TEXT
        ):
            raise InputError('settings.args has a row that is not ["name", value]')
        rows.append(tuple(row))
    return tuple(rows)


def exchanges_of(value: Any) -> tuple[tuple[RobotExchange, ...], list[Mapping[str, str]]]:
    """The exchanges, and the fields of those by ``eid``; the form of the first decides for all.

    Raises:
        InputError: It is not a list of objects of one form.
    """
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise InputError('settings.exchanges is not a list of objects {"pid": 1, "pair": "BTC_USDT"}')
    found: list[RobotExchange] = []
    metas: list[Mapping[str, str]] = []
    by_pid = bool(value) and "pid" in value[0]
    for number, one in enumerate(value, 1):
        if by_pid != ("pid" in one):
            raise InputError(f"exchange {number}: {'pid' if by_pid else 'eid'} is missing, as the first one has it")
        pair = _text(f"exchange {number}: pair", one.get("pair"))
        if by_pid:
            found.append(RobotExchange(pair=pair, pid=_whole(f"exchange {number}: pid", one["pid"])))
            continue
        eid, meta = _text(f"exchange {number}: eid", one.get("eid")), one.get("meta")
        if not isinstance(meta, dict):
            raise InputError(f"exchange {number}: meta is missing, or not an object")
        metas.append(checked_fields(eid, meta))
        found.append(RobotExchange(pair=pair, eid=eid, label=_text("label", one.get("label") or eid)))
    return tuple(found), metas


def _whole(name: str, value: Any) -> int:
    if isinstance(value, str) and value.strip().lstrip("-").isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
        raise InputError(f"{name} is {str(value)[:60]!r}, expected a whole number")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > 200:
        raise InputError(f"{name} is not a text of at most 200 characters")
    return value
