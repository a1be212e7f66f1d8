"""What a plugin's methods return, written as the general protocol's ``data``.

A method may return FMZ's structures (``Ticker``, ``Depth``, ...), dicts with FMZ's field names, or dicts with the protocol's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from math import isfinite
from typing import Any

from ..constants import (
    ORDER_STATE_CANCELED,
    ORDER_STATE_CLOSED,
    ORDER_STATE_PENDING,
    ORDER_TYPE_BUY,
    ORDER_TYPE_SELL,
)
from ..errors import FmzError, short_repr
from ..venues.plugin.protocol import API_PREFIX

__all__ = ["WRITERS", "WrongResult"]

_SIDES = {ORDER_TYPE_BUY: "buy", ORDER_TYPE_SELL: "sell"}
_STATES = {ORDER_STATE_PENDING: "open", ORDER_STATE_CLOSED: "closed", ORDER_STATE_CANCELED: "cancelled"}
_BAR = (("time", "Time"), ("open", "Open"), ("high", "High"), ("low", "Low"), ("close", "Close"), ("vol", "Volume"))


class WrongResult(FmzError):
    """A plugin's method returned something that is not of the protocol."""


def _row(value: Any, what: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise WrongResult(f"the plugin returned {what} that is not a dict but {type(value).__name__}")


def _rows(value: Any, what: str) -> list[Any]:
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        return list(value)
    raise WrongResult(f"the plugin returned {what} that are not a list but {type(value).__name__}")


def _find(row: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        if row.get(name) is not None:
            return row[name]
    return None


def _number(value: Any, name: str) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
            raise ValueError
        found = float(value)
        if isfinite(found):
            return found
    except (ValueError, OverflowError):
        pass
    raise WrongResult(f"the plugin returned a {name} that is not a number but {short_repr(value, 40)}")


def _need(row: Mapping[str, Any], *names: str) -> float:
    return _number(_find(row, *names), names[0])


def _put(row: dict[str, Any], said: Mapping[str, Any], *names: str) -> None:
    """Copies a number that may be missing."""
    value = _find(said, *names)
    if value is not None:
        row[names[0]] = _number(value, names[0])


def _put_time(row: dict[str, Any], said: Mapping[str, Any]) -> None:
    value = _find(said, "time", "Time")
    if value is not None:
        row["time"] = int(_number(value, "time"))


def _ticker(value: Any) -> dict[str, Any]:
    said = _row(value, "a ticker")
    row = {"last": _need(said, "last", "Last")}
    for names in (
        ("buy", "Buy"),
        ("sell", "Sell"),
        ("high", "High"),
        ("low", "Low"),
        ("open", "Open"),
        ("vol", "Volume"),
    ):
        _put(row, said, *names)
    _put_time(row, said)
    return row


def _depth(value: Any) -> dict[str, Any]:
    said = _row(value, "an order book")
    row: dict[str, Any] = {}
    for name, own in (("asks", "Asks"), ("bids", "Bids")):
        levels = [_level(one) for one in _rows(_find(said, name, own), f"the {name}")]
        row[name] = sorted(levels, reverse=name == "bids")
    _put_time(row, said)
    return row


def _level(value: Any) -> list[float]:
    if isinstance(value, Mapping):
        return [_need(value, "price", "Price"), _need(value, "amount", "Amount")]
    pair = _rows(value, "levels")
    if len(pair) < 2:
        raise WrongResult("the plugin returned a level that is not a price and an amount")
    return [_number(pair[0], "price"), _number(pair[1], "amount")]


def _side(row: Mapping[str, Any]) -> str:
    value = _find(row, "type", "Type")
    side = value.lower() if isinstance(value, str) else _SIDES.get(value) if type(value) is int else None
    if side not in {"buy", "sell"}:
        raise WrongResult(f"the plugin returned a type that is neither buy nor sell but {short_repr(value, 40)}")
    return str(side)


def _trades(value: Any) -> list[dict[str, Any]]:
    found = []
    for one in _rows(value, "trades"):
        said = _row(one, "a trade")
        row: dict[str, Any] = {
            "id": _identity(_find(said, "id", "Id") or ""), "price": _need(said, "price", "Price"),
            "amount": _need(said, "amount", "Amount"), "type": _side(said),
        }  # fmt: skip
        _put_time(row, said)
        found.append(row)
    return found


def _records(value: Any) -> list[list[float]]:
    found = []
    for one in _rows(value, "bars"):
        values = [_find(one, *names) for names in _BAR] if isinstance(one, Mapping) else _rows(one, "bars")
        if len(values) < len(_BAR):
            raise WrongResult("the plugin returned a bar without time, open, high, low, close and volume")
        bar = [_number(cell, name) for cell, (name, _) in zip(values, _BAR, strict=False)]
        found.append([int(bar[0]), *bar[1:]])
    return sorted(found, key=lambda bar: bar[0])


def _accounts(value: Any) -> list[dict[str, Any]]:
    found = []
    for one in _rows(value, "balances"):
        said = _row(one, "a balance")
        currency = _find(said, "currency", "Currency")
        if not isinstance(currency, str) or not currency:
            raise WrongResult("the plugin returned a balance without a currency")
        row: dict[str, Any] = {"currency": currency, "free": _need(said, "free", "Amount"), "frozen": 0.0}
        _put(row, said, "frozen", "FrozenAmount")
        found.append(row)
    return found


def _identity(value: Any) -> str | int:
    if isinstance(value, str) or type(value) is int:
        return value
    raise WrongResult(f"the plugin returned an id that is neither text nor a whole number but {short_repr(value, 40)}")


def _placed(value: Any) -> dict[str, Any]:
    number = _find(value, "id", "Id") if isinstance(value, Mapping) else value
    if number is None or number == "":
        raise WrongResult("the plugin placed an order and returned no id")
    return {"id": _identity(number)}


def _cancelled(value: Any) -> bool:
    if type(value) is bool:
        return value
    raise WrongResult(f"the plugin's CancelOrder returned neither True nor False but {short_repr(value, 40)}")


def _order(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    said = _row(value, "an order")
    row: dict[str, Any] = {
        "id": _identity(_find(said, "id", "Id")),
        "amount": _need(said, "amount", "Amount"),
        "type": _side(said),
    }
    for names in (("price", "Price"), ("deal_amount", "DealAmount"), ("avg_price", "AvgPrice")):
        _put(row, said, *names)
    status = _find(said, "status", "Status")
    row["status"] = (
        status if isinstance(status, str) else _STATES.get(status, "unknown") if type(status) is int else "unknown"
    )
    _put_time(row, said)
    return row


def _orders(value: Any) -> list[dict[str, Any] | None]:
    return [_order(one) for one in _rows(value, "orders")]


def _as_is(value: Any) -> Any:
    return value


WRITERS: dict[str, Callable[[Any], Any]] = {
    "ticker": _ticker,
    "depth": _depth,
    "trades": _trades,
    "records": _records,
    "accounts": _accounts,
    "trade": _placed,
    "cancel": _cancelled,
    "order": _order,
    "orders": _orders,
    API_PREFIX: _as_is,
}
"""The writer of each method's result."""
