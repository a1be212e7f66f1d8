"""What the user lets an exchange object do: the limits of its guards."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from ...arguments import exact_decimal, whole_number
from ...errors import InputError, UnknownName, nearest, short_repr

__all__ = ["Guards", "RefusalBreaker", "guards_of"]

Amounts = Decimal | Mapping[str, Decimal]
"""One amount for all symbols, or one for each."""


# Converters do not know the field's name: what they cannot convert is left to the validators, whose errors name it.


def _exact(value: Any) -> Decimal | None:
    try:
        return None if value is None else exact_decimal("a limit", value)
    except InputError:
        return value  # type: ignore[no-any-return]


def _amounts(value: Any) -> Amounts | None:
    if isinstance(value, Mapping):
        return {symbol: number for symbol, one in value.items() if (number := _exact(one)) is not None}
    return _exact(value)


def _seconds(value: Any) -> float:
    number = _exact(value)
    return float(number) if isinstance(number, Decimal) else value


def _positive(_: object, field: attrs.Attribute[Any], value: Any) -> None:
    """Raises for what is neither None nor a number above 0."""
    for name, one in (
        ((f"{field.name}[{short_repr(symbol)}]", one) for symbol, one in value.items())
        if isinstance(value, Mapping)
        else ((field.name, value),)
    ):
        if one is not None and exact_decimal(name, one) <= 0:
            raise InputError(f"the guard {name} must be more than 0, got {short_repr(one)}")


def _whole(_: object, field: attrs.Attribute[Any], value: Any) -> None:
    if value is not None:
        whole_number(field.name, value, least=1)


@attrs.frozen(kw_only=True)
class RefusalBreaker:
    """Stops a side of a symbol whose orders the venue keeps refusing.

    Attributes:
        refusals: How many refusals of one kind (the venue's code, or the class of the error) stop it.
        seconds: Within how many seconds they must come.
        pause_s: For how many seconds it is stopped.
    """

    refusals: int = attrs.field(default=5, validator=_whole)
    seconds: float = attrs.field(default=60.0, converter=_seconds, validator=_positive)
    pause_s: float = attrs.field(default=60.0, converter=_seconds, validator=_positive)


def _breaker(value: Any) -> RefusalBreaker | None:
    if value is None or isinstance(value, RefusalBreaker):
        return value
    if isinstance(value, Mapping):
        return RefusalBreaker(**_known(RefusalBreaker, value, "breaker"))
    raise InputError(f"the guard breaker must be a RefusalBreaker or a table, got {short_repr(value)}")


@attrs.frozen(kw_only=True)
class Guards:
    """The limits of one exchange object; each is off unless it is given. They hold from order to order, whatever thread places them.

    Attributes:
        max_order_amount: The largest order, in base currency (for contracts their number); one number, or one for each symbol.
        max_order_value: The largest order, in quote currency: the amount times the limit price; for sales the book's best bid if that is
            higher, for market orders the book's best price.
        max_position: The largest position of a symbol: on a spot market what is held of the base currency, for contracts the larger
            side. Orders that are open or under way count as filled. One number, or one for each symbol.
        price_band: How far a limit price may be from the book, as a fraction: 0.05 is 5 %. A market order must find its amount within it.
        orders_per_minute: How many orders may be sent within any 60 s.
        max_daily_loss: The largest loss since 00:00 UTC (since the first order of the day), in quote currency, unrealised ones and fees
            among them. Beyond it only orders that close or sell pass, until the next day.
        breaker: When a side of a symbol is stopped because the venue refuses its orders.
        dead_man_s: Within how many seconds the venue cancels all orders of the account by itself if this process falls silent.
        raw_orders: Whether orders by ``IO("api", ...)`` pass although their size cannot be judged. They count as orders in any case.
        book_age_s: How old a book that an order is judged by may be, in seconds.
        position_age_s: How old the position that was read may be, in seconds.
        loss_age_s: How old the balances of the daily loss may be, in seconds.

    Raises:
        InputError: A value is not valid.
    """

    max_order_amount: Amounts | None = attrs.field(default=None, converter=_amounts, validator=_positive)
    max_order_value: Decimal | None = attrs.field(default=None, converter=_exact, validator=_positive)
    max_position: Amounts | None = attrs.field(default=None, converter=_amounts, validator=_positive)
    price_band: Decimal | None = attrs.field(default=None, converter=_exact, validator=_positive)
    orders_per_minute: int | None = attrs.field(default=None, validator=_whole)
    max_daily_loss: Decimal | None = attrs.field(default=None, converter=_exact, validator=_positive)
    breaker: RefusalBreaker | None = attrs.field(default=None, converter=_breaker)
    dead_man_s: Decimal | None = attrs.field(default=None, converter=_exact, validator=_positive)
    raw_orders: bool = False
    book_age_s: float = attrs.field(default=1.0, converter=_seconds, validator=_positive)
    position_age_s: float = attrs.field(default=60.0, converter=_seconds, validator=_positive)
    loss_age_s: float = attrs.field(default=10.0, converter=_seconds, validator=_positive)

    @property
    def judges_sizes(self) -> bool:
        """Whether any guard depends on what an order is, not only on how many there are."""
        sizes = (self.max_order_amount, self.max_order_value, self.max_position, self.price_band)
        return any(limit is not None for limit in sizes)


def limit_for(limits: Amounts | None, symbol: str) -> Decimal | None:
    """The limit of a symbol; None for none."""
    return limits.get(symbol) if isinstance(limits, Mapping) else limits


def guards_of(value: object) -> Guards | None:
    """The guards that an argument means: ``Guards``, a table of its fields (as in TOML), or None.

    Raises:
        InputError: It is neither, or a value is not valid.
        UnknownName: A field does not exist.
    """
    if value is None or isinstance(value, Guards):
        return value
    if isinstance(value, Mapping):
        return Guards(**_known(Guards, value, "guards"))
    raise InputError(f"guards must be Guards(...) or a table, got {short_repr(value)}")


def _known(kind: type[attrs.AttrsInstance], table: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The table, if the class has all its names."""
    names = [field.name for field in attrs.fields(kind)]
    for name in table:
        if name not in names:
            raise UnknownName(f"{where}: no setting {short_repr(name)}{nearest(name, names)}")
    return table
