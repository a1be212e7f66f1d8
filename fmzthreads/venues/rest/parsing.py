"""Readers of a venue's reply, whose errors name the missing or malformed field.

The readers raise ``Malformed``; the channel turns that into the ``BadReply`` of ``bad_reply``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from decimal import Decimal
from itertools import chain
from math import isfinite
from operator import itemgetter
from typing import Any

from ...errors import BadReply, excerpt, short_repr
from ...http.reply import Reply
from ...structures import MarketOrder

__all__ = [
    "Malformed",
    "bad_reply",
    "decimal_or",
    "exact",
    "first",
    "integer",
    "is_about",
    "levels",
    "mapping",
    "number",
    "number_at",
    "number_or",
    "price_or",
    "rows",
    "text",
    "to_integer",
    "to_number",
]

_LISTS = {list}
_FLOATS = {float}
_PRICE_AND_AMOUNT = itemgetter(0, 1)
_NUMERIC = frozenset({str, int, float})
_LONGEST_DECIMAL = 100
_VENUE_NUMBERS = frozenset({"orderId", "ordId"})
_MOST = 2**63 - 1  # ids and times have 64 bits at every venue; Python's JSON reader has no limit


class Malformed(Exception):
    """A field of a reply is missing or malformed; never raised outside ``venues``."""


def bad_reply(reply: Reply, what: str) -> BadReply:
    """The error for a malformed reply, with its first 200 characters."""
    return BadReply(f"{what}: {excerpt(reply.text)}", request=reply.request, status=reply.status)


def _shown(value: Any) -> str:
    return short_repr(value, 40)


def to_number(value: Any, name: str) -> float:
    """A number from a JSON string or number.

    Args:
        value: The value.
        name: The name of the value, for the message.

    Raises:
        Malformed: It is not a number, or is NaN or infinite.
    """
    if type(value) in _NUMERIC:
        try:
            result = float(value)
        except (ValueError, OverflowError):
            result = float("nan")
        # float() also accepts "1_000", which no venue sends.
        if isfinite(result) and not (type(value) is str and "_" in value):
            return result
    raise Malformed(f"{name} is not a number but {_shown(value)}")


def to_integer(value: Any, name: str) -> int:
    """A whole number of at most 64 bits from a JSON number, or from a string of digits.

    Raises:
        Malformed: It is something else.
    """
    number = value
    if (
        type(value) is str
        and len(value) <= 32
        and value.removeprefix("-").isascii()
        and value.removeprefix("-").isdigit()
    ):
        number = int(value)
    if type(number) is int and -_MOST <= number <= _MOST:
        return number
    raise Malformed(f"{name} is not a whole number but {_shown(value)}")


def mapping(value: Any, name: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        Malformed: It is something else.
    """
    if isinstance(value, dict):
        return value
    raise Malformed(f"{name} is not an object but {_shown(value)}")


def rows(value: Any, name: str) -> list[Any]:
    """A JSON array.

    Raises:
        Malformed: It is something else.
    """
    if isinstance(value, list):
        return value
    raise Malformed(f"{name} is not a list but {_shown(value)}")


def first(value: Any, name: str) -> dict[str, Any]:
    """The first object of a JSON array.

    Raises:
        Malformed: The value is not an array, or is empty.
    """
    found = rows(value, name)
    if not found:
        raise Malformed(f"{name} is an empty list")
    return mapping(found[0], f"{name}[0]")


def is_about(row: Any, name: str, sent: str, *, refused: bool = False) -> None:
    """Refuses a reply about another order than the request: it belongs to another request, and its ids and states are not ours.

    Args:
        row: The reply's row; one that is not a dict says nothing.
        name: The field that repeats an id of the request; where the venue leaves it out, nothing can be said.
        sent: The id that was sent.
        refused: Whether the request was refused; a refusal may leave the venue's own number empty.

    Raises:
        Malformed: The ids differ.
    """
    said = row.get(name) if isinstance(row, dict) else None
    if said is None or (refused and said == "" and name in _VENUE_NUMBERS):
        return
    if str(said) != sent:
        raise Malformed(f"the reply is about another order: {name} is {_shown(said)}, sent was {_shown(sent)}")


def _need(row: dict[str, Any], name: str) -> Any:
    try:
        return row[name]
    except KeyError:
        raise Malformed(f"the field {name!r} is missing") from None


def number(row: dict[str, Any], name: str) -> float:
    """A field that is a number.

    Raises:
        Malformed: It is missing or something else.
    """
    return to_number(_need(row, name), f"the field {name!r}")


def number_or(row: dict[str, Any], name: str, default: float) -> float:
    """A field that is a number, or ``default`` where it is absent, null or an empty string (how venues say "not applicable").

    Raises:
        Malformed: It is present but not a number.
    """
    value = row.get(name)
    return default if value is None or value == "" else to_number(value, f"the field {name!r}")


def price_or(row: dict[str, Any], name: str, default: float | None) -> float | None:
    """A field that is a price, or ``default`` where it is absent, null, empty or 0 (no price).

    Raises:
        Malformed: It is present but not a number.
    """
    value = row.get(name)
    if value is None or value == "":
        return default
    return to_number(value, f"the field {name!r}") or default


def exact(row: dict[str, Any], name: str) -> Decimal:
    """A field that is a number, with every digit.

    Raises:
        Malformed: It is missing or something else.
    """
    value = _need(row, name)
    to_number(value, f"the field {name!r}")
    digits = str(value)
    if len(digits) > _LONGEST_DECIMAL:
        raise Malformed(f"the field {name!r} has too many digits: {_shown(value)}")
    return Decimal(digits)


def decimal_or(row: dict[str, Any], name: str, default: Decimal | None = None) -> Decimal | None:
    """A field that is an exact number above 0, or ``default`` where it is absent, null, empty or 0 (no such limit).

    Raises:
        Malformed: It is present but not a number, or is negative.
    """
    value = row.get(name)
    if value is None or value == "":
        return default
    rounded = to_number(value, f"the field {name!r}")
    if rounded < 0:
        raise Malformed(f"the field {name!r} is negative: {_shown(value)}")
    if not rounded:  # also 1e-400, with which no order can be computed
        return default
    exact = str(value)
    if len(exact) > _LONGEST_DECIMAL:
        raise Malformed(f"the field {name!r} has too many digits: {_shown(value)}")
    return Decimal(exact)


def integer(row: dict[str, Any], name: str) -> int:
    """A field that is a whole number.

    Raises:
        Malformed: It is missing or something else.
    """
    return to_integer(_need(row, name), f"the field {name!r}")


def text(row: dict[str, Any], name: str) -> str:
    """A field that is a string and not empty.

    Raises:
        Malformed: It is missing or something else.
    """
    value = _need(row, name)
    if type(value) is str and value:
        return value
    raise Malformed(f"the field {name!r} is not text but {_shown(value)}")


def number_at(row: list[Any], index: int, name: str) -> float:
    """An element of an array row that is a number.

    Raises:
        Malformed: The row is too short, or the element is something else.
    """
    if index >= len(row):
        raise Malformed(f"{name} has no element {index}")
    return to_number(row[index], f"element {index} of {name}")


def levels(row: dict[str, Any], name: str) -> list[MarketOrder]:
    """One side of an order book: arrays whose first two elements are price and amount.

    The common case, text everywhere, is converted and checked in bulk, because a book may have thousands of levels.

    Raises:
        Malformed: It is missing, or a level is not a pair of numbers.
    """
    raw = rows(_need(row, name), f"the field {name!r}")
    try:
        flat = list(chain.from_iterable(map(_PRICE_AND_AMOUNT, raw)))
        numbers = _floats(flat)
        if set(map(type, raw)) == _LISTS and isfinite(sum(numbers)):  # a sum is finite only if every term is
            return _market_orders(numbers)
    except (TypeError, ValueError, IndexError, KeyError, OverflowError):
        pass  # the slow path below finds and names the bad level
    return [_level(level, f"level {index} of {name!r}") for index, level in enumerate(raw)]


def _floats(texts: list[str]) -> list[float]:
    """The numbers of many strings; raises ValueError or TypeError if one is not a number."""
    joined = ",".join(texts)
    loads = _fast_loads()
    if loads is not None:
        found: list[float] = loads(f"[{joined}]")
        # One call of the JSON reader costs a third of calling float() for each; but "5" would become an int and "1,2" two numbers.
        if len(found) == len(texts) and set(map(type, found)) == _FLOATS:
            return found
    if "_" in joined:
        raise ValueError("float() accepts 1_000, which no venue sends")
    return list(map(float, texts))


def _market_orders(numbers: list[float]) -> list[MarketOrder]:
    """Levels of a flat list of prices and amounts; setting two keys is fastest (measured on 3.12)."""
    found = []
    flat = iter(numbers)
    for price, amount in zip(flat, flat, strict=True):
        level = MarketOrder()
        level["Price"] = price
        level["Amount"] = amount
        found.append(level)
    return found


@functools.cache
def _fast_loads() -> Callable[[str], Any] | None:
    """Orjson's reader if it is installed; imported once, at the first use."""
    try:
        import orjson
    except ImportError:
        return None
    return orjson.loads


def _level(raw: Any, name: str) -> MarketOrder:
    level = rows(raw, name)
    return MarketOrder(Price=number_at(level, 0, name), Amount=number_at(level, 1, name))
