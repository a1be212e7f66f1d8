"""Conversions to structures that the adapters share."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from ...constants import ORDER_OFFSET_OPEN, ORDER_TYPE_BUY, ORDER_TYPE_SELL
from ...errors import InputError, UnknownName, UnknownSymbol, nearest, short_repr
from ...exchange.venue import OrderIntent
from ...structures import Asset, Order, Record, Ticker, info
from .ask import Page
from .parsing import Malformed, number_at, price_or, rows, text, to_integer

__all__ = [
    "asset_of",
    "average_price",
    "bars_of",
    "check_options",
    "order_of",
    "side_refused",
    "spot_name",
    "step_digits",
    "taker_side",
    "ticker_of",
]


_MOST_PLACES = 30  # no market has more than 18 decimals


def step_digits(step: str, name: str) -> int:
    """The number of decimal places of a step: 2 for ``"0.01000000"``, 0 for ``"1"`` and ``"10"``.

    Raises:
        Malformed: The step is not a number.
    """
    try:
        exponent = Decimal(step).normalize().as_tuple().exponent
    except InvalidOperation:
        raise Malformed(f"{name} is not a number but {step[:40]!r}") from None
    if not isinstance(exponent, int) or not -_MOST_PLACES <= exponent <= _MOST_PLACES:
        raise Malformed(f"{name} is not a usual step: {step[:40]!r}")
    return max(0, -exponent)


def taker_side(word: str) -> int:
    """An ``ORDER_TYPE_`` constant from ``buy`` or ``sell`` in any case.

    Raises:
        Malformed: It is neither buy nor sell.
    """
    lowered = word.lower()
    if lowered == "buy":
        return ORDER_TYPE_BUY
    if lowered == "sell":
        return ORDER_TYPE_SELL
    raise Malformed(f"the field 'side' is neither buy nor sell but {word[:40]!r}")


def average_price(value: float, amount: float) -> float:
    """Value in quote currency divided by amount in base; 0 if either is unknown."""
    return value / amount if value > 0 and amount > 0 else 0.0


def side_refused(intent: OrderIntent) -> InputError:
    """The error for a side that is only for contracts."""
    likely = nearest(intent.side, ("buy", "sell"))
    return InputError(f"side {short_repr(intent.side)} is for contracts; {intent.symbol} is spot{likely}")


def spot_name(symbol: str, between: str, venue: str) -> str:
    """A venue's name of a spot pair: base and quote with its separator.

    Raises:
        UnknownSymbol: It is not a spot pair.
    """
    base, underscore, quote = symbol.partition("_")
    if not (base and underscore and quote) or "_" in quote or "." in quote:
        raise UnknownSymbol(f"{venue} does not list {short_repr(symbol)} (expected a spot pair such as 'BTC_USDT')")
    return f"{base}{between}{quote}"


def ticker_of(row: dict[str, Any], symbol: str, time_ms: int, volume: float, **fields: str) -> Ticker:
    """A ticker from a row; field names differ between venues.

    An empty side gets the last price, a missing 24 h value the current price (FMZ's rule). Returns None if there is no price.

    Args:
        row: The venue's row.
        symbol: FMZ's symbol.
        time_ms: The ticker's time.
        volume: In base currency over 24 h.
        fields: The venue's names of ``last``, ``buy``, ``sell``, ``open``, ``high`` and ``low``.

    Raises:
        Malformed: A field is not a number.
    """
    last = price_or(row, fields["last"], None)
    sell, buy = price_or(row, fields["sell"], last), price_or(row, fields["buy"], last)
    return Ticker(
        Info=info(row),
        Symbol=symbol,
        High=price_or(row, fields["high"], sell),
        Low=price_or(row, fields["low"], buy),
        Sell=sell,
        Buy=buy,
        Last=last,
        Open=price_or(row, fields["open"], last),
        Volume=volume,
        Time=time_ms,
        OpenInterest=0.0,
    )


def order_of(
    row: dict[str, Any],
    *,
    name: str,
    number: object,
    time_ms: int,
    price: float,
    amount: float,
    dealt: float,
    average: float,
    status: int,
) -> Order:
    """An order, whose ``Symbol`` is still the venue's name of it; ``row`` is the venue's own, with its ``side``.

    Raises:
        Malformed: The side is neither buy nor sell.
    """
    return Order(
        Info=info(row),
        Symbol=name,
        Id=f"{name},{number}",
        Time=time_ms,
        Price=price,
        Amount=amount,
        DealAmount=dealt,
        AvgPrice=average,
        Status=status,
        Type=taker_side(text(row, "side")),
        Offset=ORDER_OFFSET_OPEN,
        ContractType="",
        Condition=None,
    )


def asset_of(row: dict[str, Any], currency: str, free: float, frozen: float) -> Asset:
    """A balance in one currency."""
    return Asset(Info=info(row), Currency=currency, Amount=free, FrozenAmount=frozen)


def check_options(options: Mapping[str, str], known: frozenset[str], venue: str) -> None:
    """Refuses unknown options of an order: a venue might ignore a misspelt option.

    Raises:
        UnknownName: An option is unknown; the message suggests the nearest.
    """
    for name in options:
        if name == "timeInForce" and name not in known:
            raise UnknownName(
                f"{venue} has no timeInForce {short_repr(options[name])}{nearest(options[name], ('GTC', 'IOC', 'FOK', 'GTX'))}"
            )
        if name not in known:
            raise UnknownName(f"{venue} has no order option {short_repr(name)}{nearest(name, known)}; nothing was sent")


def bars_of(found: list[Any]) -> Page[Record]:
    """A page of bars from rows that begin with time, open, high, low, close and volume.

    Raises:
        Malformed: A row has another format.
    """
    return Page(list(map(_bar, found)), len(found))


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
