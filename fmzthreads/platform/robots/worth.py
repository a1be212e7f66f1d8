"""What all robots hold together, as far as they asked their exchanges themselves: amounts by quote currency, and their course over time.

Nothing is asked of an exchange here. An account that several robots trade on counts once, with what was read last; of each robot only its newest
sample counts, so that a simulated account of an earlier run does not.
"""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs

from ...errors import OperationFailed
from ...exchange.holdings import SeenMoney, SeenPosition
from .tables import HoldingRow, RobotTables

__all__ = ["CurrencyWorth", "FleetWorth", "MoneyOfRobot", "RobotPlace"]

_POINTS = 120
_LOOK_S = 5.0
_MOST_ROBOTS = 4096
# Exchanges where spot and contracts draw on one wallet: the equity of contracts has the balance in it.
_ONE_WALLET = ("OKX:",)


@attrs.frozen(kw_only=True)
class RobotPlace:
    """A robot's number, its database, and whether its exchanges are simulated."""

    id: int
    database: Path
    is_simulated: bool = False


@attrs.frozen(kw_only=True)
class MoneyOfRobot:
    """Money, and the robot that read it last."""

    money: SeenMoney
    robot_id: int

    @property
    def worth(self) -> float:
        """What it is worth in the currency under which it is added up."""
        money = self.money
        return money.amount if money.price is None or not money.quote else money.amount * money.price


@attrs.frozen(kw_only=True)
class CurrencyWorth:
    """What is held in one currency.

    Attributes:
        currency: The quote currency, or a coin whose price no robot saw.
        is_simulated: Whether it is play money: of simulated exchanges or accounts on paper. It is never added to real money.
        worth: How much it is worth.
        oldest_ms: When its oldest part was read, in milliseconds since the epoch.
        parts: What it is made of.
        curve: ``(ms, worth)``, oldest first; a part counts from its first reading on.
    """

    currency: str
    is_simulated: bool
    worth: float
    oldest_ms: int
    parts: Sequence[MoneyOfRobot]
    curve: Sequence[tuple[int, float]] = ()


@attrs.frozen
class _Samples:
    """The samples of one robot that are kept: their times, and what they say; ``last_id`` is the newest row's."""

    last_id: int
    times: tuple[int, ...]
    money: tuple[tuple[SeenMoney, ...], ...]
    positions: tuple[SeenPosition, ...]


_NONE = _Samples(0, (), (), ())
_Key = tuple[bool, str, str, str]


class FleetWorth:
    """Reads what robots hold. Any thread may use it.

    Args:
        tables: Reads their databases.
    """

    def __init__(self, tables: RobotTables) -> None:
        self._tables = tables
        self._lock = threading.Lock()  # guards _known
        self._known: dict[Path, tuple[float, _Samples]] = {}

    def worth(self, robots: Iterable[RobotPlace]) -> list[CurrencyWorth]:
        """What the robots hold, real money first, by currency; a robot that never asked has no part in it.

        Args:
            robots: The robots; one whose database cannot be read raises nothing here, and has no part either.
        """
        read = [(robot, self._samples(robot.database)) for robot in robots]
        read = [(robot, samples) for robot, samples in read if samples.times]
        if not read:
            return []
        newest = _by_currency(_merged(read, None))
        begin, end = min(samples.times[0] for _, samples in read), max(samples.times[-1] for _, samples in read)
        moments = sorted({begin + (end - begin) * step // _POINTS for step in range(_POINTS + 1)})
        curves: dict[tuple[bool, str], list[tuple[int, float]]] = {}
        for moment in moments:
            for key, parts in _by_currency(_merged(read, moment)).items():
                curves.setdefault(key, []).append((moment, sum(part.worth for part in parts)))
        found = [
            CurrencyWorth(
                currency=currency, is_simulated=is_simulated, worth=sum(part.worth for part in parts),
                oldest_ms=min(part.money.time_ms for part in parts), parts=parts, curve=curves.get((is_simulated, currency), ()),
            )
            for (is_simulated, currency), parts in newest.items()
            if any(part.money.amount for part in parts)
        ]  # fmt: skip
        return sorted(found, key=lambda one: (one.is_simulated, one.currency))

    def positions(self, database: Path) -> Sequence[SeenPosition]:
        """The positions in contracts that a robot asked for last.

        Args:
            database: The robot's database.
        """
        return self._samples(database).positions

    def _samples(self, path: Path) -> _Samples:
        now = time.monotonic()  # real time: robots write their files in it
        with self._lock:
            looked, samples = self._known.get(path, (0.0, _NONE))
        if looked and now - looked < _LOOK_S:
            return samples
        try:
            samples = self._read(path, samples)
        except OperationFailed:  # damaged: what is known stays, with its age; the robot's page says what is wrong
            return samples
        with self._lock:
            if len(self._known) >= _MOST_ROBOTS:
                self._known.clear()
            self._known[path] = (now, samples)
        return samples

    def _read(self, path: Path, known: _Samples) -> _Samples:
        rows = self._tables.holdings(path, after_id=known.last_id, most=2 * _POINTS)
        if known.last_id and (not rows or rows[0].id != known.last_id):
            # The newest row that was known is gone: the folder was put in another's place, or its rows were deleted.
            return _grown(_NONE, self._tables.holdings(path, after_id=0, most=2 * _POINTS))
        return _grown(known, rows)


def _grown(known: _Samples, rows: Sequence[HoldingRow]) -> _Samples:
    """Adds rows to those that are known; every second one of too many is dropped."""
    times, money, positions, last_id = list(known.times), list(known.money), known.positions, known.last_id
    for row in rows:
        if row.id <= last_id:
            continue
        held, positions = _decoded(row.data)
        times.append(row.time_ms)
        money.append(held)
        last_id = row.id
    if len(times) > 6 * _POINTS:
        kept = [*range(0, len(times) - 1, 2), len(times) - 1]
        times, money = [times[place] for place in kept], [money[place] for place in kept]
    return _Samples(last_id, tuple(times), tuple(money), positions)


def _decoded(text: str) -> tuple[tuple[SeenMoney, ...], tuple[SeenPosition, ...]]:
    """What a row says; what is damaged is empty."""
    try:
        data = json.loads(text)
        money = tuple(_made(SeenMoney, row) for row in data["money"])
        return money, tuple(_made(SeenPosition, row) for row in data["positions"])
    except (ValueError, KeyError, TypeError):
        return (), ()


def _made(kind: Any, row: Sequence[Any]) -> Any:
    return kind(**dict(zip((field.name for field in attrs.fields(kind)), row, strict=True)))


def _merged(read: Sequence[tuple[RobotPlace, _Samples]], moment: int | None) -> dict[_Key, MoneyOfRobot]:
    """The money by account, wallet and currency as it was known at a moment; None for now."""
    merged: dict[_Key, MoneyOfRobot] = {}
    for robot, samples in read:
        place = len(samples.times) if moment is None else bisect_right(samples.times, moment)
        for one in samples.money[place - 1] if place else ():
            key = (robot.is_simulated or one.account.startswith("paper:"), one.account, one.wallet, one.currency)
            known = merged.get(key)
            if known is None or known.money.time_ms <= one.time_ms:
                merged[key] = MoneyOfRobot(money=one, robot_id=robot.id)
    for key in [key for key in merged if key[2] == "spot" and key[1].startswith(_ONE_WALLET)]:
        if (*key[:2], "futures", key[3]) in merged:
            del merged[key]
    return merged


def _by_currency(merged: dict[_Key, MoneyOfRobot]) -> dict[tuple[bool, str], list[MoneyOfRobot]]:
    found: dict[tuple[bool, str], list[MoneyOfRobot]] = {}
    for (is_simulated, *_), part in merged.items():
        money = part.money
        currency = money.quote if money.quote and money.price is not None else money.currency
        found.setdefault((is_simulated, currency), []).append(part)
    return found
