"""Instruments with their steps and limits, and exact integer units.

Inside the exchange a price is a number of ticks, a quantity a number of lots, and an amount of an asset a number of *units* of
10**-16. Decimals appear only at the edge; floats never.
"""

from __future__ import annotations

import decimal
import enum
from decimal import Decimal

import attrs

from ...errors import InputError
from .margin.terms import ContractTerms
from .reasons import Reason, Rejected

__all__ = [
    "COIN_STEP",
    "DIGITS",
    "RATE",
    "UNIT",
    "Instrument",
    "Kind",
    "binance_spot",
    "from_units",
    "okx_spot",
    "to_units",
]

DIGITS = 16
"""Decimal places of a unit: enough that price times quantity is never rounded."""

UNIT: int = 10**DIGITS
"""Units in one whole coin."""

COIN_STEP = 1000
"""Units that the coins of an inverse contract are rounded down to: Binance keeps 13 decimal places."""

RATE = 10**10
"""The denominator of integer fee rates."""

_ZERO = Decimal(0)
# Decimal sums and products must never be rounded by the caller's decimal context (28 digits by default).
_EXACT = decimal.Context(prec=80, traps=[decimal.InvalidOperation])


def to_units(value: Decimal) -> int:
    """An amount in units.

    Raises:
        InputError: It is not a finite number, or has more than 16 decimal places or 40 digits before the point.
    """
    if not isinstance(value, Decimal) or not value.is_finite() or value.adjusted() > 40:
        raise InputError(f"an amount must be a finite Decimal below 1e40, got {value!r}")
    units = int(value.scaleb(DIGITS, _EXACT))
    if _EXACT.compare(Decimal(units).scaleb(-DIGITS, _EXACT), value):
        raise InputError(f"{value!s} has more than {DIGITS} decimal places")
    return units


def from_units(units: int) -> Decimal:
    """The exact amount of so many units, without trailing zeros."""
    if not units:
        return _ZERO
    whole, rest = divmod(units, UNIT)
    return Decimal(whole) if not rest else Decimal(units).scaleb(-DIGITS, _EXACT).normalize(_EXACT)


def _positive(instance: object, attribute: attrs.Attribute[Decimal], value: Decimal) -> None:
    if not isinstance(value, Decimal) or not value.is_finite() or value <= 0:
        raise InputError(f"{attribute.name} must be a Decimal above 0, got {value!r}")


def _rate(instance: object, attribute: attrs.Attribute[Decimal], value: Decimal) -> None:
    if not isinstance(value, Decimal) or not value.is_finite() or not 0 <= value < 1:
        raise InputError(
            f"{attribute.name} must be a Decimal of at least 0 and below 1 (rebates are not simulated), got {value!r}"
        )


class Kind(enum.StrEnum):
    """What kind of product an instrument is."""

    SPOT = "spot"
    LINEAR = "linear"
    INVERSE = "inverse"


@attrs.frozen(kw_only=True)
class Instrument:
    """A spot pair or a contract on one.

    Attributes:
        id: Its name inside the exchange, such as ``BTC_USDT``; each dialect has its own.
        kind: Spot, or a contract that is settled in quote (linear) or in base (inverse).
        base: The asset that is bought and sold, or the contract's underlying.
        quote: The asset that prices are in.
        contract_value: The value of one contract: in base for a linear one, in quote for an inverse one; 1 for spot.
        settle: The asset that profits and fees are settled in: the quote of a linear contract, the base of an inverse one; empty for spot,
            where fees are taken from what is received.
        tick: The price step.
        step: The quantity step, in base or contracts.
        min_quantity: The smallest order, in base or contracts.
        max_quantity: The largest limit order, in base or contracts.
        max_market_quantity: The largest market order, in base or contracts.
        min_notional: The least price times quantity, in quote.
        min_price: The lowest price allowed.
        max_price: The highest price allowed.
        max_open_orders: How many open orders an account may have in this instrument.
        maker_fee: The rate that the resting side pays; 0.001 is 0.1 %.
        taker_fee: The rate that the arriving side pays.
        fee_digits: The decimal places of fees, which are always rounded down.
        terms: The tiers, funding and delivery of a contract that is traded on margin; None for spot.
    """

    id: str
    kind: Kind = Kind.SPOT
    base: str
    quote: str
    contract_value: Decimal = attrs.field(default=Decimal(1), validator=_positive)
    settle: str = attrs.field()
    tick: Decimal = attrs.field(validator=_positive)
    step: Decimal = attrs.field(validator=_positive)
    min_quantity: Decimal = attrs.field(validator=_positive)
    max_quantity: Decimal = attrs.field(default=Decimal(9000), validator=_positive)
    max_market_quantity: Decimal = attrs.field(default=Decimal(1000), validator=_positive)
    min_notional: Decimal = attrs.field(default=Decimal(5), validator=_positive)
    min_price: Decimal = attrs.field(validator=_positive)
    max_price: Decimal = attrs.field(default=Decimal(1_000_000), validator=_positive)
    max_open_orders: int = 200
    maker_fee: Decimal = attrs.field(default=Decimal("0.001"), validator=_rate)
    taker_fee: Decimal = attrs.field(default=Decimal("0.001"), validator=_rate)
    fee_digits: int = attrs.field(default=8, validator=attrs.validators.in_(range(DIGITS + 1)))
    terms: ContractTerms | None = None
    fee_step: int = attrs.field(init=False)
    """The smallest part of a fee, in units."""
    min_notional_units: int = attrs.field(init=False)
    """``min_notional`` in units of quote."""
    tick_units: int = attrs.field(init=False)
    """The price step in units of quote."""
    step_units: int = attrs.field(init=False)
    """One lot in units of base."""
    lot_value: int = attrs.field(init=False)
    """The value of one lot in units of quote: at one tick, or at any price if inverse."""

    _contract_units: int = attrs.field(init=False)
    lot_price: Decimal = attrs.field(init=False)
    """``lot_value`` as an amount of quote."""

    @settle.default
    def _settled_in(self) -> str:
        return {Kind.SPOT: "", Kind.LINEAR: self.quote, Kind.INVERSE: self.base}[self.kind]

    @min_price.default
    def _lowest(self) -> Decimal:
        return self.tick

    def __attrs_post_init__(self) -> None:
        if self.kind is Kind.SPOT and (self.contract_value != 1 or self.settle):
            raise InputError(f"{self.id}: a spot instrument must not have a contract value or a settling asset")
        if self.kind is Kind.SPOT and self.terms is not None:
            raise InputError(f"{self.id}: a spot instrument must not have the terms of a contract")
        tick, step = to_units(self.tick), to_units(self.step)
        one = tick if self.kind is not Kind.INVERSE else UNIT
        value, rest = divmod(one * step * to_units(self.contract_value), UNIT * UNIT)
        if rest:
            raise InputError(
                f"{self.id}: tick {self.tick} times step {self.step} times contract value {self.contract_value} needs more than "
                f"{DIGITS} decimal places"
            )
        object.__setattr__(self, "fee_step", UNIT // 10**self.fee_digits)
        object.__setattr__(self, "min_notional_units", to_units(self.min_notional))
        object.__setattr__(self, "tick_units", tick)
        object.__setattr__(self, "step_units", step)
        object.__setattr__(self, "lot_value", value)
        object.__setattr__(self, "_contract_units", to_units(self.contract_value))
        object.__setattr__(self, "lot_price", from_units(value))

    def fee_asset(self, is_buy: bool) -> str:
        """The asset of an order's fees.

        What it receives, or what the contract settles in.
        """
        return self.settle or (self.base if is_buy else self.quote)

    def worth(self, ticks: int, lots: int) -> int:
        """The value of lots at a price, in units of quote."""
        return lots * self.lot_value * (ticks if self.kind is not Kind.INVERSE else 1)

    def ticks(self, price: Decimal) -> int:
        """A price in ticks.

        Raises:
            Rejected: BAD_PRICE, PRICE_TICK (not a multiple) or PRICE_RANGE.
        """
        units = _units(price, Reason.BAD_PRICE, Reason.PRICE_TICK)
        if units <= 0:
            raise Rejected(Reason.BAD_PRICE, f"a price must be above 0, got {price!s}")
        if not self.min_price <= price <= self.max_price:
            raise Rejected(Reason.PRICE_RANGE, f"price {price!s} is outside {self.min_price} to {self.max_price}")
        ticks, rest = divmod(units, self.tick_units)
        if rest:
            raise Rejected(Reason.PRICE_TICK, f"price {price!s} is not a multiple of {self.tick}")
        return ticks

    def lots(self, quantity: Decimal, *, market: bool = False) -> int:
        """A quantity in lots.

        Args:
            quantity: In base.
            market: Whether the limits for market orders apply.

        Raises:
            Rejected: BAD_QUANTITY, QUANTITY_STEP, QUANTITY_TOO_SMALL or QUANTITY_TOO_LARGE.
        """
        units = _units(quantity, Reason.BAD_QUANTITY, Reason.QUANTITY_STEP)
        if units <= 0:
            raise Rejected(Reason.BAD_QUANTITY, f"a quantity must be above 0, got {quantity!s}")
        if quantity < self.min_quantity:
            raise Rejected(Reason.QUANTITY_TOO_SMALL, f"quantity {quantity!s} is below {self.min_quantity}")
        most = min(self.max_quantity, self.max_market_quantity) if market else self.max_quantity
        if quantity > most:
            raise Rejected(Reason.QUANTITY_TOO_LARGE, f"quantity {quantity!s} is above {most}")
        lots, rest = divmod(units, self.step_units)
        if rest:
            raise Rejected(Reason.QUANTITY_STEP, f"quantity {quantity!s} is not a multiple of {self.step}")
        return lots

    def price(self, ticks: int) -> Decimal:
        """Ticks as a price, with the tick's decimal places."""
        return _EXACT.multiply(Decimal(ticks), self.tick)

    def quantity(self, lots: int) -> Decimal:
        """Lots as a quantity of base, with the step's decimal places."""
        return _EXACT.multiply(Decimal(lots), self.step)

    def value(self, ticks_times_lots: int) -> Decimal:
        """A sum of ticks times lots as an amount of quote.

        It has the decimal places of tick and step together.
        """
        return _EXACT.multiply(Decimal(ticks_times_lots), self.lot_price)

    def quote_of(self, ticks_times_lots: int, lots: int) -> Decimal:
        """The quote of lots with a sum of ticks times lots; the face value of an inverse contract."""
        return from_units((lots if self.kind is Kind.INVERSE else ticks_times_lots) * self.lot_value)

    def base_of(self, ticks: int, lots: int) -> Decimal:
        """The base of lots at a price; a linear contract's does not depend on it."""
        if self.kind is Kind.SPOT:
            return self.quantity(lots)
        if self.kind is Kind.INVERSE:
            coins = lots * self.lot_value * UNIT // (ticks * self.tick_units)
            return from_units(coins - coins % COIN_STEP)
        return from_units(lots * self.step_units * self._contract_units // UNIT)

    def turnover(self, ticks_times_lots: int, lots: int) -> Decimal:
        """The volume beside the quantity: quote, or for an inverse contract its coins at the mean price."""
        if self.kind is not Kind.INVERSE:
            return self.value(ticks_times_lots)
        coins = lots * lots * self.lot_value * UNIT // (ticks_times_lots * self.tick_units) if ticks_times_lots else 0
        return from_units(coins - coins % COIN_STEP)


def _units(value: Decimal, bad: Reason, too_fine: Reason) -> int:
    if not isinstance(value, Decimal) or not value.is_finite():
        raise Rejected(bad, f"not a finite decimal: {value!r}")
    try:
        return to_units(value)
    except InputError as error:
        raise Rejected(bad if value.adjusted() > 40 else too_fine, str(error)) from None


def binance_spot(maker_fee: str = "0.001", taker_fee: str = "0.001") -> tuple[Instrument, ...]:
    """BTC_USDT and ETH_USDT with steps like those of Binance spot."""
    maker, taker = Decimal(maker_fee), Decimal(taker_fee)
    return (
        Instrument(
            id="BTC_USDT", base="BTC", quote="USDT", tick=Decimal("0.01"), step=Decimal("0.00001"),
            min_quantity=Decimal("0.00001"), max_market_quantity=Decimal(100), maker_fee=maker, taker_fee=taker,
        ),
        Instrument(
            id="ETH_USDT", base="ETH", quote="USDT", tick=Decimal("0.01"), step=Decimal("0.0001"),
            min_quantity=Decimal("0.0001"), max_market_quantity=Decimal(2000), maker_fee=maker, taker_fee=taker,
        ),
    )  # fmt: skip


def okx_spot(maker_fee: str = "0.0008", taker_fee: str = "0.001") -> tuple[Instrument, ...]:
    """BTC_USDT and ETH_USDT with the steps of OKX spot.

    The steps are those of ``GET /api/v5/public/instruments``.
    """
    maker, taker = Decimal(maker_fee), Decimal(taker_fee)
    # The venue has no minimum notional; one lot at one tick is the smallest possible value.
    return (
        Instrument(
            id="BTC_USDT", base="BTC", quote="USDT", tick=Decimal("0.1"), step=Decimal("0.00000001"), min_quantity=Decimal("0.00001"),
            max_quantity=Decimal(9999999999), max_market_quantity=Decimal(100), min_notional=Decimal("0.000000001"), maker_fee=maker, taker_fee=taker,
        ),
        Instrument(
            id="ETH_USDT", base="ETH", quote="USDT", tick=Decimal("0.01"), step=Decimal("0.000001"), min_quantity=Decimal("0.0001"),
            max_quantity=Decimal(999999999999), max_market_quantity=Decimal(2000), min_notional=Decimal("0.00000001"), maker_fee=maker, taker_fee=taker,
        ),
    )  # fmt: skip
