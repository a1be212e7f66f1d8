"""The one converter between contracts and coins, for linear and inverse contracts of every venue."""

from __future__ import annotations

from decimal import ROUND_DOWN, Context, Decimal

import attrs

from ...errors import InputError
from ...structures import Market

__all__ = ["Contract", "ContractValue"]

# Wide enough that a quotient is exact far beyond any step; what is cut can only be too small.
_EXACT = Context(prec=60, rounding=ROUND_DOWN)


@attrs.frozen
class ContractValue:
    """What one contract stands for.

    Attributes:
        amount: How much of a currency one contract is (``CtVal``), above 0.
        in_coins: Whether that currency is the base currency (a linear contract, such as 0.01 BTC); else it is the quote currency (an
            inverse one, such as 100 USD).

    Raises:
        InputError: ``amount`` is not above 0.
    """

    amount: Decimal
    in_coins: bool

    def __attrs_post_init__(self) -> None:
        """Checks the amount."""
        if not (self.amount.is_finite() and self.amount > 0):
            raise InputError(f"the value of a contract must be more than 0, got {self.amount}")

    @classmethod
    def of(cls, market: Market) -> ContractValue:
        """The value in a ``Market`` structure.

        Raises:
            InputError: It has no ``CtVal``, or one in a currency that is neither its base nor its quote.
        """
        value, currency = market.get("CtVal"), market.get("CtValCcy")
        if value is None or currency not in {market["BaseAsset"], market["QuoteAsset"]}:
            raise InputError(
                f"{market['Symbol']} has no contract value in {market['BaseAsset']} or {market['QuoteAsset']}, but {value!r} {currency!r}"
            )
        return cls(Decimal(repr(float(value))), currency == market["BaseAsset"])

    def coins(self, contracts: Decimal, price: Decimal) -> Decimal:
        """How much base currency a number of contracts is.

        Args:
            contracts: The number; negative for a short position.
            price: The price in quote currency; it counts for inverse contracts only.

        Raises:
            InputError: An inverse contract is to be valued at a price of 0 or less.
        """
        value = _EXACT.multiply(contracts, self.amount)
        return value if self.in_coins else _EXACT.divide(value, _above_0(price))

    def contracts(self, coins: Decimal, price: Decimal, step: Decimal | None = None) -> Decimal:
        """How many contracts an amount of base currency is, cut toward zero to the market's step.

        Args:
            coins: The amount of base currency; negative for a short position.
            price: The price in quote currency; it counts for inverse contracts only.
            step: The step of orders, in contracts; None or 0 cuts nothing.

        Raises:
            InputError: An inverse contract is to be valued at a price of 0 or less.
        """
        value = coins if self.in_coins else _EXACT.multiply(coins, _above_0(price))
        count = _EXACT.divide(value, self.amount)
        if not step:
            return count
        whole = _EXACT.divide(count, step).to_integral_value(rounding=ROUND_DOWN)
        return _EXACT.multiply(whole, step)

    def quote(self, contracts: Decimal, price: Decimal) -> Decimal:
        """What a number of contracts is worth in quote currency.

        Args:
            contracts: The number.
            price: The price in quote currency; it counts for linear contracts only.
        """
        value = _EXACT.multiply(contracts, self.amount)
        return _EXACT.multiply(value, price) if self.in_coins else value


def _above_0(price: Decimal) -> Decimal:
    if not price > 0:
        raise InputError(f"an inverse contract needs a price above 0, got {price}")
    return price


@attrs.frozen(kw_only=True)
class Contract:
    """A contract as its venue lists it now.

    Attributes:
        symbol: FMZ's symbol, such as ``BTC_USDT.swap``.
        venue_symbol: The venue's name of it, such as ``BTCUSDT``. Behind a code such as ``quarter`` it changes with each delivery.
        value: What one contract stands for.
        value_currency: The currency of its value: ``CtValCcy``.
        margin_currency: The currency of its margin and profit.
        step: The step of orders, in contracts; None where the venue names none.
        expires_ms: When it is delivered, in ms since the epoch; 0 for a perpetual one.
    """

    symbol: str
    venue_symbol: str
    value: ContractValue
    value_currency: str
    margin_currency: str
    step: Decimal | None = None
    expires_ms: int = 0

    @property
    def words(self) -> str:
        """What one contract is, such as ``100 USD``."""
        return f"{self.value.amount.normalize():f} {self.value_currency}"
