"""Mark price, index price and funding rate of a contract, and the value of lots at a price, in exact integers."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import attrs

from ....errors import InputError
from ..instruments import COIN_STEP, RATE, UNIT, Instrument, Kind, from_units, to_units
from .terms import ContractTerms, Tier

__all__ = ["ContractPrices", "PriceView"]


@attrs.frozen(kw_only=True)
class PriceView:
    """The reference prices and the funding of one contract.

    Attributes:
        instrument: The instrument's id.
        mark: The mark price; 0 before the first.
        index: The index price; 0 before the first.
        funding_rate: The rate of the next payment: above 0, longs pay shorts.
        next_funding_ms: When; 0 for a contract without funding.
        time_ms: When the mark price last changed.
    """

    instrument: str
    mark: Decimal
    index: Decimal
    funding_rate: Decimal
    next_funding_ms: int
    time_ms: int


class ContractPrices:
    """The reference prices of one contract, and what lots are worth. The exchange's lock guards it.

    Worth is in units of the settling asset. A long position in an inverse contract gains as its worth in coins falls, so profit is
    ``sign`` times the difference of worth.

    Attributes:
        instrument: The contract.
        terms: Its terms.
        mark: The mark price in units; 0 before the first.
        index: The index price in units; 0 before the first.
        rate: The funding rate times ``RATE``.
        next_funding_ms: When funding is paid next; 0 for never.
        sign: 1 for a linear contract, -1 for an inverse one.
        closed: Whether the contract has been delivered and no longer trades.
    """

    mark: int
    index: int
    rate: int
    next_funding_ms: int
    time_ms: int
    _base_lot: int
    _face: int

    __slots__ = (
        "_base_lot", "_face", "_index_count", "_index_sum", "_linear", "_steps", "closed", "index", "instrument", "mark", "next_funding_ms", "rate", "sign", "terms",
        "time_ms",
    )  # fmt: skip

    def __init__(self, instrument: Instrument) -> None:
        if instrument.terms is None:
            raise InputError(f"{instrument.id}: a contract needs terms")
        self.instrument = instrument
        self.terms: ContractTerms = instrument.terms
        self.mark = self.index = self.rate = self.next_funding_ms = self.time_ms = 0
        self.closed = False
        self._index_sum = self._index_count = 0
        self._linear = instrument.kind is Kind.LINEAR
        self.sign = 1 if self._linear else -1
        # Linear: the base of one lot, in units. Inverse: the quote of one lot.
        self._base_lot = instrument.step_units * to_units(instrument.contract_value) // UNIT
        self._face = instrument.lot_value * UNIT
        self._steps = [_Step.of(tier) for tier in self.terms.tiers]

    def count_index(self) -> None:
        """Counts the index towards the delivery price, if the delivery is near."""
        expiry_ms = self.terms.expiry_ms
        if expiry_ms and expiry_ms - 1000 * self.terms.settlement_s <= self.time_ms <= expiry_ms:
            self._index_sum += self.index
            self._index_count += 1

    @property
    def delivery_price(self) -> int:
        """The price in units at which it is delivered: the average index before; without one the last index, or the mark."""
        return self._index_sum // self._index_count if self._index_count else self.index or self.mark

    def worth_at(self, ticks: int, lots: int) -> int:
        """The worth of lots at a price in ticks."""
        if self._linear:
            return ticks * lots * self.instrument.lot_value
        coins = lots * self._face // (ticks * self.instrument.tick_units)
        return coins - coins % COIN_STEP

    def worth(self, price: int, lots: int) -> int:
        """The worth of lots (at least 0) at a price in units."""
        if self._linear:
            return lots * self._base_lot * price // UNIT
        coins: int = lots * self._face // price
        return coins - coins % COIN_STEP

    def worth_of_fills(self, ticks_times_lots: int, lots: int) -> int:
        """The worth of lots with a sum of ticks times lots; for an inverse contract, at their mean price."""
        if self._linear:
            return ticks_times_lots * self.instrument.lot_value
        return lots * lots * self._face // (ticks_times_lots * self.instrument.tick_units) if ticks_times_lots else 0

    def price_of(self, worth: int, lots: int) -> Decimal:
        """The price at which lots have a worth; 0 for none of either."""
        if not lots or not worth:
            return Decimal(0)
        return from_units(worth * UNIT // (lots * self._base_lot) if self._linear else lots * self._face // worth)

    def price_for(self, worth: Fraction | int, lots: int) -> Fraction:
        """The exact price, in units, at which lots have a worth; 0 if no such price exists."""
        if worth <= 0:
            return Fraction(0)
        return Fraction(worth) * UNIT / (lots * self._base_lot) if self._linear else Fraction(lots * self._face) / worth

    def coins(self, lots: int) -> Decimal:
        """The base of lots of a linear contract; of an inverse one, their face value in quote."""
        return from_units(lots * self._base_lot if self._linear else lots * self.instrument.lot_value)

    # --- tiers ---

    def _size(self, worth: int, lots: int) -> int:
        return lots * self.instrument.step_units if self.terms.by_contracts else worth

    def step(self, worth: int, lots: int) -> _Step:
        """The tier of a position, in integers."""
        size = self._size(worth, lots)
        for step in self._steps:
            if size <= step.cap:
                return step
        return self._steps[-1]

    def maintenance(self, worth: int, lots: int) -> int:
        """The maintenance margin of a position; ``lots`` is at least 0."""
        step = self.step(worth, lots)
        return max(0, worth * step.rate // RATE - step.amount)

    def allows(self, worth: int, lots: int, leverage: int) -> bool:
        """Whether a position of this size may have this leverage."""
        size = self._size(worth, lots)
        return any(step.leverage >= leverage and size <= step.cap for step in self._steps)

    def view(self) -> PriceView:
        """The same in decimals."""
        return PriceView(
            instrument=self.instrument.id, mark=from_units(self.mark), index=from_units(self.index),
            funding_rate=Decimal(self.rate) / RATE, next_funding_ms=self.next_funding_ms, time_ms=self.time_ms,
        )  # fmt: skip


@attrs.frozen
class _Step:
    """A tier in integers: units, and rates times ``RATE``."""

    cap: int
    leverage: int
    rate: int
    amount: int

    @classmethod
    def of(cls, tier: Tier) -> _Step:
        """A tier in integers."""
        return cls(to_units(tier.cap), tier.max_leverage, int(tier.maintenance_rate * RATE), to_units(tier.amount))
