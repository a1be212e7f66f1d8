"""Checks what a robot is made of, and makes of it what a node starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError, UnknownName
from ...strategy.program.parameters import Parameter, bind
from ...strategy.program.reading import read_source
from ..nodes.node import StartOrder
from ..store.exchange_accounts import KEY_FIELDS, ExchangeAccount, ExchangeAccounts, checked_fields
from ..store.robot_table import Robot, RobotExchange, RobotSettings
from ..strategies.folder import StrategyFolder

__all__ = ["HIDDEN", "StartOrders", "masked", "split_args"]

_MOST_EXCHANGES = 50
HIDDEN = "***"
"""What stands in place of a secret argument."""


class StartOrders:
    """Makes start orders of settings.

    Args:
        strategies: The strategies.
        exchanges: The accounts at exchanges.
    """

    def __init__(self, strategies: StrategyFolder, exchanges: ExchangeAccounts) -> None:
        self._strategies = strategies
        self._exchanges = exchanges

    def check(self, settings: RobotSettings) -> None:
        """Refuses settings with which a robot would not start.

        Raises:
            UnknownName: A strategy, template, exchange account or parameter does not exist.
            InputError: A value is not valid.
        """
        if not settings.name.strip() or len(settings.name) > 200 or not settings.name.isprintable():
            raise InputError(f"a robot's name is {settings.name[:60]!r}, expected 1 to 200 printable characters")
        if len(settings.app_id) > 200 or not settings.app_id.isprintable():
            raise InputError(f"a robot's label is {settings.app_id[:60]!r}, expected at most 200 printable characters")
        if not 1 <= settings.period_s <= 366 * 86_400:
            raise InputError(f"the period is {settings.period_s} s, expected 1 to 31622400")
        if settings.language not in {"en", "zh"}:
            raise InputError(f"language is {settings.language[:20]!r}, expected 'en' or 'zh'")
        strategy = self._strategies.get(settings.strategy_id)
        if strategy.kind == "broken":
            raise InputError(f"the strategy {strategy.file!r} cannot be read: {strategy.error}")
        if strategy.kind == "template":
            raise InputError(f"{strategy.file!r} is a template: it has no main and cannot run by itself")
        self._check_exchanges(settings.exchanges, needed=strategy.kind == "strategy")
        own, of_templates = split_args(settings.args)
        if strategy.kind == "strategy":
            bind(read_source(self._strategies.file_path(settings.strategy_id)), own)
        elif own or of_templates or settings.templates:
            raise InputError(f"{strategy.file!r} is a plain script: it takes neither arguments nor templates")
        names = [self._strategies.get(number).name for number in settings.templates]
        for name in of_templates:
            if name not in names:
                raise UnknownName(f"an argument is for the template {name[:60]!r}, which the robot does not have")

    def _check_exchanges(self, exchanges: Sequence[RobotExchange], *, needed: bool) -> None:
        if needed and not exchanges:
            raise InputError("a robot needs an exchange")
        if len(exchanges) > _MOST_EXCHANGES:
            raise InputError(f"a robot has {len(exchanges)} exchanges, expected at most {_MOST_EXCHANGES}")
        accounts = [self._account(one.pid) for one in exchanges if one.pid]
        if accounts and len(accounts) < len(exchanges):
            raise InputError("the exchanges are given by pid and by eid, expected one form for all")
        if accounts and len({account.simulated for account in accounts}) > 1:
            raise InputError("the exchanges are simulated and real, expected one kind for all")
        for one in exchanges:
            if len(one.label) > 200 or not one.label.isprintable():
                raise InputError(
                    f"an exchange's label is {one.label[:60]!r}, expected at most 200 printable characters"
                )
            if "_" not in one.pair or not one.pair.isprintable() or len(one.pair) > 60:
                raise InputError(f"a pair is {one.pair[:60]!r}, expected such as BTC_USDT")

    def _account(self, pid: int) -> ExchangeAccount:
        try:
            return self._exchanges.get(pid)
        except UnknownName:
            raise UnknownName(
                f"there is no exchange account {pid} (any more): give the robot's exchanges by the pid of another account, or by eid and meta"
            ) from None

    def make(self, robot: Robot, folder: Path, metas: Sequence[Mapping[str, str]]) -> StartOrder:
        """The order that starts a robot.

        Args:
            robot: The robot, with its arguments.
            folder: Its run folder.
            metas: The fields of its exchanges by ``eid``, in order, by FMZ's names; empty for exchanges by ``pid``.

        Raises:
            InputError: As ``check``; or the keys of exchanges by ``eid`` are needed again.
            OperationFailed: The vault is locked.
        """
        settings = robot.settings
        self.check(settings)
        own, of_templates = split_args(settings.args)
        rows, simulated = self._exchange_rows(settings, metas)
        config: dict[str, Any] = {
            "name": f"robot-{robot.id}",
            "args": {name: value for name, value in own.items() if value is not None},
            "exchanges": rows,
            "simulated": simulated,
            "quiet": True,
            "language": settings.language,
            "run_id": robot.id,
            "memory_mb": settings.limits.memory_mb,
            "open_files": settings.limits.open_files,
        }
        if of_templates:
            config["template_args"] = of_templates
        return StartOrder(
            robot_id=robot.id,
            name=settings.name,
            folder=folder,
            file=self._strategies.file_path(settings.strategy_id),
            templates=tuple(self._strategies.file_path(number) for number in settings.templates),
            config=config,
        )

    def _exchange_rows(
        self, settings: RobotSettings, metas: Sequence[Mapping[str, str]]
    ) -> tuple[list[dict[str, Any]], bool]:
        rows = []
        simulated = False
        by_eid = [one for one in settings.exchanges if not one.pid]
        if len(by_eid) != len(metas):
            raise InputError("the keys of exchanges by eid are not stored: give the exchanges with their meta again")
        for number, one in enumerate(settings.exchanges):
            fields: Mapping[str, str]
            if one.pid:
                account: ExchangeAccount = self._exchanges.get(one.pid)
                simulated = simulated or account.simulated
                fields = {} if account.simulated else self._exchanges.keys(one.pid)
                eid, label = account.eid, account.label
            else:
                fields, eid, label = checked_fields(one.eid, metas[number]), one.eid, one.label
            row = {"name": eid, "currency": one.pair, "label": label, "period": settings.period_s}
            rows.append({**row, **{KEY_FIELDS[name]: value for name, value in fields.items()}})
        return rows, simulated


def split_args(args: Sequence[Sequence[Any]]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The strategy's arguments, and those of templates by the template's name.

    Raises:
        InputError: A row is not of the form.
    """
    own: dict[str, Any] = {}
    of_templates: dict[str, dict[str, Any]] = {}
    for row in args:
        if len(row) not in {2, 3} or not isinstance(row[0], str):
            raise InputError("an argument is not of the form [name, value] or [name, value, template]")
        if len(row) == 3 and row[2] not in {None, ""}:
            of_templates.setdefault(str(row[2]), {})[row[0]] = row[1]
        else:
            own[row[0]] = row[1]
    return own, of_templates


def masked(args: Sequence[Sequence[Any]], parameters: Sequence[Parameter]) -> tuple[tuple[Any, ...], ...]:
    """Arguments with ``***`` in place of secrets: those that are declared as encrypted, and all that nothing declares."""
    shown = {parameter.name for parameter in parameters if parameter.kind != "encrypted"}
    return tuple(
        tuple(row)
        if row[0] in shown and len(row) == 2
        else (row[0], HIDDEN if row[1] not in (None, "") else row[1], *row[2:])
        for row in args
    )
