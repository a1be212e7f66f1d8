"""What robots hold, as the pages see it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ...robots.views import RobotSummary
from ...robots.worth import CurrencyWorth, RobotPlace
from ...service import Platform
from ..port import MoneyView, RobotPositionView, WorthView

__all__ = ["contracts_of", "worth_of"]


def worth_of(platform: Platform, robots: Iterable[RobotSummary]) -> Sequence[WorthView]:
    """What robots hold, by quote currency.

    Args:
        platform: The platform.
        robots: The robots.
    """
    robots = list(robots)
    names = {one.id: one.name for one in robots}
    places = [
        RobotPlace(id=one.id, database=platform.lives.run_folder(one.id).database, is_simulated=one.is_simulated)
        for one in robots
    ]
    return [_view(one, names) for one in platform.worth.worth(places)]


def contracts_of(platform: Platform, database: Path) -> Sequence[RobotPositionView]:
    """The positions in contracts that a robot asked for last. Robot and its id are the caller's to fill in.

    Args:
        platform: The platform.
        database: The robot's database.
    """
    return [
        RobotPositionView(
            robot_id=0, robot="", exchange=_exchange(one.account), symbol=one.symbol, amount=one.amount, price=one.price, profit=one.profit
        )
        for one in platform.worth.positions(database)
    ]  # fmt: skip


def _exchange(account: str) -> str:
    return account.removeprefix("paper:").partition(":")[0]


def _view(one: CurrencyWorth, names: dict[int, str]) -> WorthView:
    parts = [
        MoneyView(
            exchange=_exchange(part.money.account), wallet=part.money.wallet, currency=part.money.currency,
            amount=part.money.amount, worth=part.worth, time_ms=part.money.time_ms, robot_id=part.robot_id, robot=names[part.robot_id],
        )
        for part in one.parts
        if part.money.amount
    ]  # fmt: skip
    return WorthView(
        currency=one.currency, worth=one.worth, is_simulated=one.is_simulated, oldest_ms=one.oldest_ms,
        parts=sorted(parts, key=lambda part: -abs(part.worth)), curve=[value for _, value in one.curve],
        since_ms=one.curve[0][0] if one.curve else 0,
    )  # fmt: skip
