"""Funding payments between longs and shorts."""

from __future__ import annotations

from decimal import Decimal

import attrs

from ..instruments import RATE, from_units
from .contract_engine import ContractEngine
from .prices import ContractPrices

__all__ = ["FundingPayer", "FundingRow"]

_KEPT_ROWS = 1000


@attrs.frozen(kw_only=True)
class FundingRow:
    """One past funding of a contract.

    Attributes:
        instrument: The instrument's id.
        rate: The rate: above 0, longs paid shorts.
        time_ms: When it was due.
        mark: The mark price that positions were valued at.
    """

    instrument: str
    rate: Decimal
    time_ms: int
    mark: Decimal


class FundingPayer:
    """Pays funding when it is due. The exchange's lock guards it.

    Args:
        engine: The engine that trades the contracts.
    """

    def __init__(self, engine: ContractEngine) -> None:
        self._engine = engine
        self._rows: dict[str, list[FundingRow]] = {}
        for _, settlement in engine.contracts():
            interval = settlement.prices.terms.funding_interval_s * 1000
            if interval:
                settlement.prices.next_funding_ms = (engine.now_ms() // interval + 1) * interval

    def history(self, instrument: str) -> list[FundingRow]:
        """The past payments of a contract, oldest first."""
        return list(self._rows.get(instrument, ()))

    def pay_due(self, prices: ContractPrices) -> None:
        """Pays what is due by the exchange's clock."""
        interval, now = prices.terms.funding_interval_s * 1000, self._engine.now_ms()
        if interval and prices.next_funding_ms and now >= prices.next_funding_ms and prices.mark:
            self.pay(prices, prices.next_funding_ms)
            # After a long pause only one payment is made.
            prices.next_funding_ms += interval * ((now - prices.next_funding_ms) // interval + 1)

    def pay(self, prices: ContractPrices, due_ms: int) -> FundingRow:
        """Makes one payment: each position's worth at the mark price times the rate, longs to shorts if it is above 0.

        Isolated positions pay from their margin. What rounding leaves over goes to the house.
        """
        engine, name = self._engine, prices.instrument.id
        total = 0
        for account in list(engine.accounts.values()):
            for leg in account.margin.legs_of(name) if account.margin is not None else ():
                if not leg.lots:
                    continue
                units = -leg.worth * prices.rate // RATE if leg.lots > 0 else leg.worth * prices.rate // RATE
                units -= units % prices.instrument.fee_step
                total += units
                if leg.isolated:
                    leg.margin += units
                else:
                    account.free[leg.asset] += units
                if account.house or account.margin is None:
                    continue
                account.margin.touched[leg] = None
                account.margin.book(
                    "funding", leg, units, engine.now_ms(), rate=prices.rate, mark=prices.mark, lots=leg.lots
                )
                engine.funded(account, leg, units)
        house = engine.house
        house.free[prices.instrument.settle] = house.free.get(prices.instrument.settle, 0) - total
        house.frozen.setdefault(prices.instrument.settle, 0)
        row = FundingRow(
            instrument=name, rate=Decimal(prices.rate) / RATE, time_ms=due_ms, mark=from_units(prices.mark)
        )
        rows = self._rows.setdefault(name, [])
        rows.append(row)
        del rows[:-_KEPT_ROWS]
        return row
