"""Orders and positions of a robot, read from its order log while it may be writing there."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ....errors import OperationFailed
from ..port import RobotOrderView, RobotPositionView

__all__ = ["orders_in", "positions_in"]

_STATES = {0: "open", 1: "filled", 2: "cancelled", 3: "unknown"}
# The log has the fills of an order, and its cancellation, also where its end was never asked for.
_ORDERS = """SELECT made_at, account, symbol, side, price, amount, deal_amount, fate, status, order_id,
    (SELECT sum(CAST(fills.amount AS REAL)) FROM fills
        WHERE fills.account = one.account AND fills.symbol = one.symbol AND fills.order_id = one.order_id),
    EXISTS (SELECT 1 FROM intents WHERE kind = 'cancel' AND fate = 'cancelled' AND order_id = one.order_id AND account = one.account)
    FROM intents AS one WHERE kind = 'order' ORDER BY id DESC LIMIT ?"""
# What was bought less what was sold, with the money that went in and out; a fill has the side of its order.
_NET = """SELECT fills.account, fills.symbol, sum(CASE WHEN intents.side LIKE 'buy%' THEN 1 ELSE -1 END * CAST(fills.amount AS REAL)),
    sum(CASE WHEN intents.side LIKE 'buy%' THEN 1 ELSE -1 END * CAST(fills.amount AS REAL) * CAST(fills.price AS REAL))
    FROM fills JOIN (SELECT account, order_id, min(side) AS side FROM intents WHERE kind = 'order' AND order_id != '' GROUP BY account, order_id)
    AS intents ON intents.account = fills.account AND intents.order_id = fills.order_id GROUP BY fills.account, fills.symbol"""
_DUST = 1e-9


def orders_in(path: Path, most: int) -> list[RobotOrderView]:
    """The newest orders, newest first; empty before the first one.

    Raises:
        OperationFailed: The file cannot be read.
    """
    found = []
    for made_at, account, symbol, side, price, amount, dealt, fate, status, order_id, fills, cancelled in _rows(
        path, _ORDERS, (most,)
    ):
        state = _STATES.get(status, str(fate)) if fate == "placed" and status is not None else str(fate)
        if cancelled and state in {"placed", "open"}:
            state = "cancelled"
        found.append(
            RobotOrderView(
                time_ms=int(made_at * 1000), exchange=_label(account), symbol=str(symbol), side=str(side or ""),
                price=_number(price), amount=_number(amount), filled=max(_number(dealt), _number(fills)), state=state, id=str(order_id),
            )
        )  # fmt: skip
    return found


def positions_in(path: Path) -> Sequence[RobotPositionView]:
    """What the fills add up to, by account and symbol; what was closed is left out. Robot and its id are the caller's to fill in.

    Raises:
        OperationFailed: The file cannot be read.
    """
    return _positions(path, _stamp(path), _stamp(path.with_name(f"{path.name}-wal")))


@lru_cache(maxsize=1024)
def _positions(path: Path, *stamps: tuple[int, int]) -> tuple[RobotPositionView, ...]:
    """The positions, read again only when the file or its journal has changed."""
    found = []
    for account, symbol, amount, cost in _rows(path, _NET, ()):
        if amount is not None and abs(amount) > _DUST:
            price = abs(cost / amount)
            view = RobotPositionView(
                robot_id=0, robot="", exchange=_label(account), symbol=symbol, amount=amount, price=price
            )
            found.append(view)
    return tuple(found)


def _stamp(path: Path) -> tuple[int, int]:
    """When a file was changed last, and its size; zeros when it is not there."""
    try:
        facts = path.stat()
    except OSError:
        return 0, 0
    return facts.st_mtime_ns, facts.st_size


def _label(account: str) -> str:
    """The exchange of an account of the order log, without what tells its keys apart."""
    return str(account).partition(":")[0]


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def _rows(path: Path, query: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    if not path.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=1.0)) as connection:
            return connection.execute(query, params).fetchall()
    except sqlite3.Error as error:
        if "no such table" in str(error):  # nothing was written yet
            return []
        raise OperationFailed(f"the order log {str(path)!r} cannot be read: {error}") from error
