"""How a paper account begins, and what trading costs there."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from ...arguments import exact_decimal
from ...errors import InputError, UnknownName, nearest, no_such_name, short_repr
from ...exchange.contracts.port import PositionMode
from .money.brackets import MarginBrackets

__all__ = ["Paper", "paper_of"]

_MODES = ("hedge", "one_way")


def _balances(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {str(currency): exact_decimal(f"balances[{short_repr(currency)}]", one) for currency, one in value.items()}


def _exact(value: Any) -> Decimal:
    return exact_decimal("a number of Paper", value)


def _not_negative(_: object, field: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, (Decimal, Mapping)):
        raise InputError(f"Paper: {field.name} is {short_repr(value)}, expected amounts by currency")
    for one in value.values() if isinstance(value, Mapping) else [value]:
        if one < 0:
            raise InputError(f"Paper: {field.name} must be 0 or more, got {short_repr(value)}")


def _brackets(value: Any) -> dict[str, MarginBrackets]:
    if not isinstance(value, Mapping):
        raise InputError(f"Paper: brackets is {short_repr(value)}, expected lists of brackets by symbol")
    return {
        str(symbol): rows
        if isinstance(rows, MarginBrackets)
        else MarginBrackets.of_binance(rows, f"Paper: brackets[{short_repr(symbol)}]")
        for symbol, rows in value.items()
    }


def _file(value: Any) -> Path | None:
    return None if value is None else Path(value).expanduser()


@attrs.frozen(kw_only=True)
class Paper:
    """A paper account.

    Attributes:
        balances: What a new account holds, by currency. An account that has a file goes on with what is in it.
        maker_fee: The fee of resting orders, as a fraction: 0.001 is 0.1 %.
        taker_fee: The fee of orders that trade at once.
        latency_ms: How long an order or a cancel is on its way before it is matched, in milliseconds.
        queue: Whether a resting order is also filled by trades at exactly its price, once as much was traded there as the book
            showed when it was placed. Otherwise trades must go through its price.
        poll_ms: How often the public trades and the book are looked at while orders rest, in milliseconds.
        margin_level: The leverage of contracts until ``SetMarginLevel``.
        maintenance_rate: The part of the positions' worth, at the mark price, below which the equity must not fall, where no brackets are known.
        brackets: The brackets of contracts by FMZ's symbol, with the keys of Binance's ``leverageBracket``: ``notionalCap``, ``maintMarginRatio``,
            ``initialLeverage``, ``cum``. They go before those that the venue publishes.
        position_mode: ``hedge`` (a long and a short position beside each other) or ``one_way`` (one of them at a time) of a new account; later
            ``IO("dual", ...)`` changes it.
        liquidation_fee: The fee of liquidations, as a fraction of what is closed; None for the taker's.
        file: The SQLite file of the account; None for ``paper-NAME.sqlite3`` beside the strategy's own, in memory if it has none.
    """

    balances: Mapping[str, Decimal] = attrs.field(
        factory=lambda: {"USDT": Decimal(10_000)}, converter=_balances, validator=_not_negative
    )
    maker_fee: Decimal = attrs.field(default=Decimal("0.001"), converter=_exact)
    taker_fee: Decimal = attrs.field(default=Decimal("0.001"), converter=_exact)
    latency_ms: Decimal = attrs.field(default=Decimal(50), converter=_exact, validator=_not_negative)
    queue: bool = False
    poll_ms: Decimal = attrs.field(default=Decimal(1000), converter=_exact, validator=_not_negative)
    margin_level: Decimal = attrs.field(default=Decimal(10), converter=_exact, validator=_not_negative)
    maintenance_rate: Decimal = attrs.field(default=Decimal("0.005"), converter=_exact, validator=_not_negative)
    brackets: Mapping[str, MarginBrackets] = attrs.field(factory=dict, converter=_brackets)
    position_mode: PositionMode = "hedge"
    liquidation_fee: Decimal | None = attrs.field(default=None, converter=attrs.converters.optional(_exact))
    file: Path | None = attrs.field(default=None, converter=_file)

    def __attrs_post_init__(self) -> None:
        """Checks the fees: a rebate may be negative, but nothing costs as much as it is worth."""
        for name, fee in (("maker_fee", self.maker_fee), ("taker_fee", self.taker_fee)):
            if not -1 < fee < 1:
                raise InputError(f"Paper: {name} is a fraction such as 0.001, got {fee}")
        if self.liquidation_fee is not None and not 0 <= self.liquidation_fee < 1:
            raise InputError(f"Paper: liquidation_fee is a fraction such as 0.0125, got {self.liquidation_fee}")
        if self.position_mode not in _MODES:
            raise no_such_name("Paper: no position_mode", self.position_mode, _MODES)
        for name, number in (("poll_ms", self.poll_ms), ("margin_level", self.margin_level)):
            if number <= 0:
                raise InputError(f"Paper: {name} must be more than 0")


def paper_of(value: object) -> Paper | None:
    """The paper account that an argument means: ``Paper``, a table of its fields, True for the defaults, False or None for none.

    Raises:
        InputError: The name is not one of these, or a value is not valid.
        UnknownName: A field does not exist.
    """
    if value is None or value is False:
        return None
    if value is True:
        return Paper()
    if isinstance(value, Paper):
        return value
    if not isinstance(value, Mapping):
        raise InputError(f"paper must be True, Paper(...) or a table, got {short_repr(value)}")
    names = [field.name for field in attrs.fields(Paper)]
    for name in value:
        if name not in names:
            raise UnknownName(f"paper: no setting {short_repr(name)}{nearest(name, names)}")
    return Paper(**value)
