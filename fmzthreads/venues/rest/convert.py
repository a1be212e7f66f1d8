"""Numbers and words that the adapters share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from ...constants import ORDER_TYPE_BUY, ORDER_TYPE_SELL
from ...errors import InputError, UnknownName, nearest
from ...exchange.venue import OrderIntent
from ...structures import Account, Asset, Order, Record, Records
from .parsing import Malformed, number_at, rows, to_integer

__all__ = [
    "average_price",
    "bars_of",
    "check_options",
    "in_order",
    "newest_bars",
    "not_empty",
    "pair_account",
    "spot_side",
    "step_digits",
    "taker_side",
]


def step_digits(step: str, name: str) -> int:
    """How many digits behind the point a step has: 2 for ``"0.01000000"``, 0 for ``"1"`` and ``"10"``.

    Raises:
        Malformed: It is not a number.
    """
    try:
        exponent = Decimal(step).normalize().as_tuple().exponent
    except InvalidOperation:
        raise Malformed(f"{name} is not a number but {step[:40]!r}") from None
    if not isinstance(exponent, int):
        raise Malformed(f"{name} is not finite")
    return max(0, -exponent)


def taker_side(word: str) -> int:
    """An ``ORDER_TYPE_`` constant from ``buy`` or ``sell`` in any case.

    Raises:
        Malformed: It is another word.
    """
    lowered = word.lower()
    if lowered == "buy":
        return ORDER_TYPE_BUY
    if lowered == "sell":
        return ORDER_TYPE_SELL
    raise Malformed(f"the field 'side' is neither buy nor sell but {word[:40]!r}")


def average_price(value: float, amount: float) -> float:
    """Quote currency over base currency; 0 where either is unknown."""
    return value / amount if value > 0 and amount > 0 else 0.0


def spot_side(intent: OrderIntent) -> str:
    """``buy`` or ``sell``.

    Raises:
        InputError: The side is only for contracts.
    """
    if intent.side not in {"buy", "sell"}:
        raise InputError(
            f"side {intent.side!r} is for contracts; {intent.symbol} is spot{nearest(intent.side, ('buy', 'sell'))}"
        )
    return intent.side


def check_options(options: Mapping[str, str], known: frozenset[str], venue: str) -> None:
    """Refuses an option of an order that the venue does not know: it might be ignored there, and the order be another than was meant.

    Raises:
        UnknownName: There is no such option; the message names the nearest.
    """
    for name in options:
        if name == "timeInForce" and name not in known:
            raise UnknownName(
                f"{venue} has no timeInForce {options[name]!r}{nearest(options[name], ('GTC', 'IOC', 'FOK', 'GTX'))}"
            )
        if name not in known:
            raise UnknownName(f"an order of {venue} has no option {name!r}{nearest(name, known)}; nothing was sent")


def in_order(orders: Iterable[Order], since_ms: int = 0) -> list[Order]:
    """Orders by their time, oldest first, without those before ``since_ms``."""
    return sorted(
        (order for order in orders if order["Time"] >= since_ms), key=lambda order: (order["Time"], order["Id"])
    )


def bars_of(found: Iterable[Any]) -> list[Record]:
    """Bars from rows that begin with time, open, high, low, close and volume, oldest first.

    Raises:
        Malformed: A row is something else.
    """
    return sorted(map(_bar, found), key=lambda bar: bar["Time"])


def _bar(payload: Any) -> Record:
    row = rows(payload, "a bar")
    if not row:
        raise Malformed("a bar is empty")
    return Record(
        Time=to_integer(row[0], "element 0 of a bar"),
        Open=number_at(row, 1, "a bar"),
        High=number_at(row, 2, "a bar"),
        Low=number_at(row, 3, "a bar"),
        Close=number_at(row, 4, "a bar"),
        Volume=number_at(row, 5, "a bar"),
        OpenInterest=0.0,
    )


def newest_bars(by_time: Mapping[int, Record], limit: int) -> Records:
    """The newest bars, oldest first."""
    return Records(by_time[time] for time in sorted(by_time)[-limit:])


def not_empty(holdings: Mapping[str, Asset]) -> list[Asset]:
    """Those of which something is there, free or frozen."""
    return [one for one in holdings.values() if one["Amount"] or one["FrozenAmount"]]


def pair_account(holdings: dict[str, Asset], base: str, quote: str, info: object) -> Account:
    """What a pair's account holds; a currency that the venue does not list is 0."""
    none = Asset(Amount=0.0, FrozenAmount=0.0)
    base_asset, quote_asset = holdings.get(base, none), holdings.get(quote, none)
    return Account(
        Info=info,
        Balance=quote_asset["Amount"],
        FrozenBalance=quote_asset["FrozenAmount"],
        Stocks=base_asset["Amount"],
        FrozenStocks=base_asset["FrozenAmount"],
    )
