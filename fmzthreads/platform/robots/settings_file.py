"""``robot.json`` in a run folder: what the robot is made of, by names that mean the same on another platform; it holds no key and no secret."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs

from ...errors import FmzError, InputError, UnknownName
from ..store.exchange_accounts import ExchangeAccounts
from ..store.robot_table import RestartPolicy, RobotExchange, RobotLimits, RobotSettings
from ..store.settings import RobotGroups
from ..strategies.folder import StrategyFolder
from .start_orders import HIDDEN, masked

__all__ = ["NAME", "SettingsFiles"]

NAME = "robot.json"
_log = logging.getLogger("fmzthreads.platform")
_LONGEST = 4 * 1024 * 1024
_T = TypeVar("_T", RestartPolicy, RobotLimits)


class SettingsFiles:
    """Writes and reads the files.

    Args:
        strategies: The strategies, which are called by their files' names.
        exchanges: The accounts at exchanges, which are called by venue and label.
        groups: The groups of robots.
    """

    def __init__(self, strategies: StrategyFolder, exchanges: ExchangeAccounts, groups: RobotGroups) -> None:
        self._strategies = strategies
        self._exchanges = exchanges
        self._groups = groups

    def write(self, settings: RobotSettings, folder: Path) -> None:
        """Writes the file of a robot; a robot runs as well without it, so that a failure is only logged."""
        try:
            text = json.dumps(self._named(settings), ensure_ascii=False, indent=1)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = folder / f".{NAME}.new"
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            new.replace(folder / NAME)
        except (FmzError, OSError, ValueError) as error:
            _log.warning("%s was not written: %s", folder / NAME, error)

    def _named(self, settings: RobotSettings) -> dict[str, Any]:
        strategy = self._strategies.get(settings.strategy_id)
        args = masked(settings.args, self._strategies.parameters(settings.strategy_id))
        groups = {one.id: one.name for one in self._groups.all()}
        return {
            "name": settings.name,
            "strategy": strategy.file,
            "args": [row for row in args if row[1] != HIDDEN],
            "left_out": [row[0] for row in args if row[1] == HIDDEN],
            "exchanges": [self._named_exchange(one) for one in settings.exchanges],
            "period_s": settings.period_s,
            "group": groups.get(settings.group_id, ""),
            "app_id": settings.app_id,
            "templates": [self._strategies.get(number).file for number in settings.templates],
            "restart": attrs.asdict(settings.restart),
            "limits": attrs.asdict(settings.limits),
            "alarm": settings.alarm,
            "language": settings.language,
        }

    def _named_exchange(self, one: RobotExchange) -> dict[str, Any]:
        if not one.pid:
            return {"account": False, "eid": one.eid, "label": one.label, "pair": one.pair}
        account = self._exchanges.get(one.pid)
        return {"account": True, "eid": account.eid, "label": account.label, "pair": one.pair}

    def read(self, folder: Path) -> tuple[RobotSettings, list[str]] | None:
        """Reads the file of a folder.

        Returns:
            The settings on this platform, and what of them must be given again before a start; None without a file.

        Raises:
            InputError: The file is damaged.
            UnknownName: The strategy or a template is not on this platform.
        """
        path = folder / NAME
        try:
            with path.open(encoding="utf-8") as file:
                values = json.loads(file.read(_LONGEST))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise InputError(f"{str(path)!r} is damaged: {error}") from error
        try:
            return self._settings(values)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{str(path)!r} is damaged: {type(error).__name__}: {error}") from error

    def _settings(self, values: Mapping[str, Any]) -> tuple[RobotSettings, list[str]]:
        exchanges, notes = self._found_exchanges(values["exchanges"])
        left_out = [str(name) for name in values["left_out"]]
        if left_out:
            notes.append(
                f"secrets, and arguments that the strategy does not declare, do not move with a folder, give them again: {', '.join(left_out)}"
            )
        settings = RobotSettings(
            name=_text(values, "name"),
            strategy_id=self.strategy_id(_text(values, "strategy")),
            args=tuple(_argument(row) for row in values["args"]),
            exchanges=exchanges,
            period_s=int(values["period_s"]),
            group_id=self._group_id(_text(values, "group")),
            app_id=_text(values, "app_id"),
            templates=tuple(self.strategy_id(str(file)) for file in values["templates"]),
            restart=_record(RestartPolicy, values["restart"]),
            limits=_record(RobotLimits, values["limits"]),
            alarm=bool(values["alarm"]),
            language=_text(values, "language"),
        )
        return settings, notes

    def strategy_id(self, file: str) -> int:
        """The number of a strategy or template.

        Raises:
            UnknownName: This platform does not have it.
        """
        try:
            return self._strategies.find(file).id
        except UnknownName:
            raise UnknownName(f"the robot's strategy {file[:100]!r} is not on this platform: add it first") from None

    def _found_exchanges(self, rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[RobotExchange, ...], list[str]]:
        """The exchanges of the robot; none of them when one is missing, because a strategy knows them by their order."""
        accounts = {(one.eid, one.label): one.id for one in self._exchanges.all()}
        found, missing = [], []
        for row in rows:
            eid, label, pair = _text(row, "eid"), _text(row, "label"), _text(row, "pair")
            if not row["account"]:
                found.append(RobotExchange(pair=pair, eid=eid, label=label))
            elif (eid, label) in accounts:
                found.append(RobotExchange(pair=pair, pid=accounts[eid, label]))
            else:
                missing.append(f"{label!r} ({eid}, {pair})")
        if missing:
            note = f"this platform has no account {', '.join(missing)}: choose all exchanges of the robot again, in their order"
            return (), [note]
        by_eid = [one.eid for one in found if not one.pid]
        note = (
            "keys that came with a request do not move with a folder: start it with its exchanges and their meta again"
        )
        return tuple(found), [note] if by_eid else []

    def _group_id(self, name: str) -> int:
        if not name:
            return 0
        with contextlib.suppress(InputError):  # it is there already
            self._groups.create(name)
        return {one.name: one.id for one in self._groups.all()}.get(name, 0)


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is a {type(value).__name__}, expected a text")
    return value


def _argument(row: Any) -> tuple[Any, ...]:
    if not isinstance(row, list) or len(row) not in {2, 3} or not isinstance(row[0], str):
        raise TypeError("an argument is not of the form [name, value] or [name, value, template]")
    return tuple(row)


def _record(kind: type[_T], values: Mapping[str, Any]) -> _T:
    """Limits or a restart policy; each value has the type of its default."""
    usual = kind()
    for name, value in values.items():
        expected = type(getattr(usual, name))
        if not isinstance(value, (int, float) if expected is float else expected) or (
            isinstance(value, bool) and expected is not bool
        ):
            raise TypeError(f"{name} is {value!r}, expected a {expected.__name__}")
    made = kind(**values)
    if isinstance(made, RestartPolicy) and made.mode not in {"never", "failed", "always"}:
        raise ValueError(f"mode is {made.mode!r}")
    return made
