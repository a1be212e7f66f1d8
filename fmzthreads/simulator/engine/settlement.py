"""How orders and fills change balances.

The interface between the engine and the products that it trades.

The engine matches orders; it calls a ``Settlement`` to freeze, move or release balances. Spot moves two balances.
A product with margin is another class of this protocol; the engine stays the same.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Protocol

from .accounts import OrderRecord, TradingAccount
from .instruments import RATE, Instrument
from .orders import NewOrder

__all__ = ["Settlement", "SettlementFactory", "SpotSettlement", "fee_units", "rate_units"]


class Settlement(Protocol):
    """Applies an order and its fills to the account's balances.

    Called with the exchange's lock held.
    """

    def check(self, account: TradingAccount, instrument: Instrument, order: NewOrder) -> None:
        """Checks the product's own rules before anything is frozen.

        Raises:
            Rejected: The order does not fit the product or the account.
        """

    def hold(self, record: OrderRecord, lots: int, value: int) -> None:
        """Freezes the maximum amount that an order may need.

        Args:
            record: The order, for which nothing is frozen yet.
            lots: The maximum quantity that it can trade.
            value: The maximum value that it can trade, in ticks times lots.

        Raises:
            Rejected: INSUFFICIENT_FUNDS; nothing has changed.
        """

    def amend(self, record: OrderRecord, ticks: int, lots: int) -> None:
        """Adjusts the frozen amount of an open order to a new price and quantity.

        Raises:
            Rejected: INSUFFICIENT_FUNDS; nothing has changed.
        """

    def fill(self, record: OrderRecord, ticks: int, lots: int, *, is_maker: bool) -> tuple[int, Decimal]:
        """Settles one side of a fill.

        Frozen funds are paid, the bought asset is credited, the fee is credited to the exchange.

        Returns:
            The fee in units of ``instrument.fee_asset``, and the rate that it was charged at.
        """

    def release(self, record: OrderRecord) -> None:
        """Releases what is still frozen for a closed order."""

    def held_assets(self, record: OrderRecord) -> tuple[str, ...]:
        """The assets whose balance changes when an order is placed or ends."""

    def moved_assets(self, record: OrderRecord) -> tuple[str, ...]:
        """The assets whose balance changes when an order is filled."""


SettlementFactory = Callable[[Instrument, TradingAccount], Settlement]
"""Creates the settlement of one instrument; the account is the exchange's own, for fees."""


class SpotSettlement:
    """The settlement of spot: base and quote are exchanged.

    A buy freezes and pays quote, a sell base; the fee is taken from the received asset.

    Args:
        instrument: What is traded.
        house: The account that receives the fees.
    """

    def __init__(self, instrument: Instrument, house: TradingAccount) -> None:
        self._house = house
        self._lot_value, self._step_units = instrument.lot_value, instrument.step_units
        self._base, self._quote = instrument.base, instrument.quote
        self._assets = (instrument.base, instrument.quote)

    def check(self, account: TradingAccount, instrument: Instrument, order: NewOrder) -> None:
        """Does nothing: spot has no rules beyond the filters."""

    def hold(self, record: OrderRecord, lots: int, value: int) -> None:
        """Freezes a buy's cost in quote or a sell's quantity in base."""
        units = value * self._lot_value if record.is_buy else lots * self._step_units
        record.account.freeze(self._quote if record.is_buy else self._base, units)
        record.frozen = units

    def amend(self, record: OrderRecord, ticks: int, lots: int) -> None:
        """Freezes or releases the difference."""
        need = ticks * lots * self._lot_value if record.is_buy else lots * self._step_units
        more, asset = need - record.frozen, self._quote if record.is_buy else self._base
        if more > 0:
            record.account.freeze(asset, more)
        else:
            record.account.release(asset, -more)
        record.frozen = need

    def fill(self, record: OrderRecord, ticks: int, lots: int, *, is_maker: bool) -> tuple[int, Decimal]:
        """Pays the frozen asset and deposits the other one less its fee."""
        account, base, quote = record.account, lots * self._step_units, ticks * lots * self._lot_value
        if record.is_buy:
            pays, gets, paid_in, got_in = quote, base, self._quote, self._base
            if record.ticks > ticks:  # it froze its own price; the saving of a better fill is released
                spared = (record.ticks - ticks) * lots * self._lot_value
                account.release(paid_in, spared)
                record.frozen -= spared
        else:
            pays, gets, paid_in, got_in = base, quote, self._base, self._quote
        account.frozen[paid_in] -= pays
        record.frozen -= pays
        rate = account.rate(record.instrument, maker=is_maker)
        fee = fee_units(gets, rate, record.instrument.fee_step)
        account.deposit(got_in, gets - fee)
        if fee:
            self._house.deposit(got_in, fee)
        return fee, rate

    def release(self, record: OrderRecord) -> None:
        """Releases the rest of the frozen amount."""
        if record.frozen:
            record.account.release(self._quote if record.is_buy else self._base, record.frozen)
            record.frozen = 0

    def held_assets(self, record: OrderRecord) -> tuple[str, ...]:
        """The asset that the order pays with."""
        return (self._quote,) if record.is_buy else (self._base,)

    def moved_assets(self, record: OrderRecord) -> tuple[str, ...]:
        """Base and quote."""
        return self._assets


def fee_units(received: int, rate: Decimal, step: int) -> int:
    """The fee on an amount, in units, rounded down to whole steps."""
    if not rate:
        return 0
    raw = received * rate_units(rate) // RATE
    return raw - raw % step


@lru_cache(maxsize=256)
def rate_units(rate: Decimal) -> int:
    """A rate in units of ``RATE``."""
    return int(rate * RATE)
