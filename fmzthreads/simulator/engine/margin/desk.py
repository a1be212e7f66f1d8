"""Contracts for callers: positions, leverage, margin modes, reference prices, funding, liquidation and delivery."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from heapq import merge

from ....errors import InputError
from ..accounts import Execution, TradingAccount
from ..engine import InstrumentMarket
from ..events import LeverageEvent, PriceEvent
from ..instruments import RATE, from_units, to_units
from ..orders import OrderOrigin
from ..reasons import Reason, Rejected
from .contract_engine import ContractEngine
from .delivery import deliver
from .funding import FundingPayer, FundingRow
from .liquidation import Liquidator
from .margin_accounts import Income, MarginWallet
from .positions import PositionView, Side
from .prices import PriceView
from .settlement import MarginSettlement, margin_of

__all__ = ["ContractClearing"]


class ContractClearing:
    """The contracts of an exchange, for callers; thread-safe.

    Args:
        engine: The engine.
        lock: The exchange's lock.
    """

    def __init__(self, engine: ContractEngine, lock: threading.RLock) -> None:
        self._engine = engine
        self._lock = lock
        self._funding = FundingPayer(engine)
        self._liquidator = Liquidator(engine)

    def _of(self, instrument: str) -> tuple[InstrumentMarket, MarginSettlement]:
        market = self._engine.market(instrument)
        if not isinstance(market.settlement, MarginSettlement):
            raise Rejected(Reason.UNKNOWN_INSTRUMENT, f"{instrument} is not a contract")
        return market, market.settlement

    # --- reference prices ---

    def prices(self, instrument: str) -> PriceView:
        """Mark price, index price and funding of a contract.

        Raises:
            Rejected: UNKNOWN_INSTRUMENT.
        """
        with self._lock:
            return self._of(instrument)[1].prices.view()

    def set_prices(self, instrument: str, *, mark: Decimal | None = None, index: Decimal | None = None) -> None:
        """Sets mark and index price; liquidates the accounts whose margin they use up.

        Args:
            instrument: The contract.
            mark: The new mark price, with at most 16 decimal places; None for the same.
            index: The new index price; None for the same.

        Raises:
            InputError: A price is not above 0.
            Rejected: UNKNOWN_INSTRUMENT.
        """
        with self._lock:
            market, settlement = self._of(instrument)
            prices = settlement.prices
            new = [_price(value) if value is not None else None for value in (mark, index)]
            prices.mark = new[0] if new[0] is not None else prices.mark
            prices.index = new[1] if new[1] is not None else prices.index
            prices.time_ms = self._engine.now_ms()
            if index is not None:
                prices.count_index()
            if self._engine.events.wants(PriceEvent):
                self._engine.events.emit(PriceEvent(prices=prices.view()))
            self._liquidator.check_all(market.instrument)
            self._engine.tell_book(market)

    def set_funding(self, instrument: str, rate: Decimal, next_ms: int | None = None) -> None:
        """Sets the rate of the next funding payment, and its time unless None.

        Raises:
            InputError: The rate is not from -1 to 1.
            Rejected: UNKNOWN_INSTRUMENT.
        """
        if not rate.is_finite() or not -1 < rate < 1:
            raise InputError(f"a funding rate must be above -1 and below 1, got {rate!s}")
        with self._lock:
            prices = self._of(instrument)[1].prices
            prices.rate = int(rate * RATE)
            if next_ms is not None:
                prices.next_funding_ms = next_ms
            if self._engine.events.wants(PriceEvent):
                self._engine.events.emit(PriceEvent(prices=prices.view()))

    def pay_funding(self, instrument: str) -> FundingRow:
        """Makes a funding payment now, at the rate that is set; the next one stays due.

        Raises:
            Rejected: UNKNOWN_INSTRUMENT.
        """
        with self._lock:
            market, settlement = self._of(instrument)
            row = self._funding.pay(settlement.prices, self._engine.now_ms())
            self._liquidator.check_all(market.instrument)
            return row

    def settle_due(self) -> None:
        """Pays funding and delivers contracts that are due by the exchange's clock."""
        with self._lock:
            now = self._engine.now_ms()
            for market, settlement in self._engine.contracts():
                prices = settlement.prices
                self._funding.pay_due(prices)
                if prices.terms.expiry_ms and now >= prices.terms.expiry_ms and not prices.closed:
                    self._deliver(market, settlement, prices.delivery_price)

    def funding_history(self, instrument: str) -> list[FundingRow]:
        """The past funding of a contract, oldest first; of the newest 1000 payments."""
        with self._lock:
            return self._funding.history(instrument)

    def deliver(self, instrument: str, price: Decimal) -> None:
        """Closes all positions of a contract at a price and ends its trading.

        Raises:
            InputError: The price is not above 0.
            Rejected: UNKNOWN_INSTRUMENT, or CLOSED_INSTRUMENT if it has been delivered before.
        """
        with self._lock:
            market, settlement = self._of(instrument)
            if settlement.prices.closed:
                raise Rejected(Reason.CLOSED_INSTRUMENT, f"{instrument} has been delivered")
            self._deliver(market, settlement, _price(price))

    def _deliver(self, market: InstrumentMarket, settlement: MarginSettlement, price: int) -> None:
        ticks = max(1, round(price / market.instrument.tick_units)) if price else market.trades.last_ticks
        if ticks:
            deliver(self._engine, market, settlement, ticks)

    def closed(self, instrument: str) -> bool:
        """Whether a contract has been delivered."""
        with self._lock:
            return self._of(instrument)[1].prices.closed

    # --- settings of an account ---

    def hedge(self, account: TradingAccount) -> bool:
        """Whether an account holds long and short positions apart."""
        with self._lock:
            return margin_of(account).hedge

    def set_hedge(self, account: TradingAccount, hedge: bool) -> None:
        """Sets one-way or hedge mode.

        Raises:
            Rejected: OPEN_ORDERS or OPEN_POSITIONS.
        """
        with self._lock:
            margin = margin_of(account)
            if margin.hedge is hedge:
                return
            if any(record.instrument.terms is not None for record in account.open.values()):
                raise Rejected(Reason.OPEN_ORDERS, "the position mode cannot be changed while orders are open")
            if any(leg.lots for leg in margin.legs.values()):
                raise Rejected(Reason.OPEN_POSITIONS, "the position mode cannot be changed while positions are open")
            margin.hedge = hedge

    def leverage(
        self, account: TradingAccount, instrument: str, side: Side | None = None, isolated: bool | None = None
    ) -> int:
        """The leverage of a position; see ``set_leverage``."""
        with self._lock:
            margin, prices = margin_of(account), self._of(instrument)[1].prices
            return margin.leg(prices, side or ("long" if margin.hedge else "net"), isolated).leverage

    def set_leverage(
        self,
        account: TradingAccount,
        instrument: str,
        leverage: int,
        side: Side | None = None,
        isolated: bool | None = None,
    ) -> None:
        """Sets the leverage.

        Args:
            account: The account.
            instrument: The contract.
            leverage: From 1 to the maximum of the smallest tier.
            side: Of one side; None for all sides.
            isolated: Of isolated or cross positions; None for both.

        Raises:
            Rejected: BAD_LEVERAGE, POSITION_LIMIT if a position or its orders are too large for it, INSUFFICIENT_FUNDS if the lower leverage
                needs more margin than is available; nothing has changed.
        """
        with self._lock:
            margin, prices = margin_of(account), self._of(instrument)[1].prices
            if type(leverage) is not int or not 1 <= leverage <= prices.terms.max_leverage:
                raise Rejected(
                    Reason.BAD_LEVERAGE, f"leverage must be from 1 to {prices.terms.max_leverage}, got {leverage!r}"
                )
            sides: tuple[Side, ...] = (side,) if side is not None else ("net", "long", "short")
            modes = (isolated,) if isolated is not None else (False, True)
            legs = [margin.leg(prices, one, mode) for one in sides for mode in modes]
            if any(not prices.allows(*leg.largest, leverage) for leg in legs):
                raise Rejected(Reason.POSITION_LIMIT, f"the position exceeds the maximum at leverage {leverage}")
            before = [leg.leverage for leg in legs]
            raises = any(leverage < leg.leverage and not leg.idle for leg in legs)
            for leg in legs:
                leg.leverage = leverage
            if raises and margin.available(prices.instrument.settle) < 0:
                for leg, old in zip(legs, before, strict=True):
                    leg.leverage = old
                raise Rejected(Reason.INSUFFICIENT_FUNDS, f"leverage {leverage} needs more margin than is available")
            if before != [leverage] * len(legs) and self._engine.events.wants(LeverageEvent):
                self._engine.events.emit(
                    LeverageEvent(
                        account=account.name, instrument=instrument, leverage=leverage, time_ms=self._engine.now_ms()
                    )
                )

    def isolated(self, account: TradingAccount, instrument: str) -> bool:
        """Whether orders of an instrument use isolated margin unless they say otherwise."""
        with self._lock:
            return instrument in margin_of(account).isolated

    def set_isolated(self, account: TradingAccount, instrument: str, isolated: bool) -> None:
        """Sets isolated or cross margin for the orders of an instrument.

        Raises:
            Rejected: OPEN_ORDERS or OPEN_POSITIONS in the instrument.
        """
        with self._lock:
            self._of(instrument)
            margin = margin_of(account)
            if (instrument in margin.isolated) is isolated:
                return
            if account.open_count.get(instrument):
                raise Rejected(Reason.OPEN_ORDERS, "the margin mode cannot be changed while orders are open")
            if any(leg.lots for leg in margin.legs_of(instrument)):
                raise Rejected(Reason.OPEN_POSITIONS, "the margin mode cannot be changed while a position is open")
            (margin.isolated.add if isolated else margin.isolated.discard)(instrument)

    def move_margin(self, account: TradingAccount, instrument: str, side: Side, amount: Decimal) -> None:
        """Moves margin from the balance to an isolated position, or back if the amount is below 0.

        Raises:
            Rejected: OPEN_POSITIONS if there is no isolated position of this side, or INSUFFICIENT_FUNDS.
        """
        with self._lock:
            margin, prices = margin_of(account), self._of(instrument)[1].prices
            leg, units = margin.leg(prices, side, True), to_units(amount)
            if not leg.lots:
                raise Rejected(Reason.OPEN_POSITIONS, f"there is no isolated position in {instrument}")
            spare = leg.margin + min(0, leg.unrealized) - leg.initial
            if units > margin.available(leg.asset) or -units > spare:
                raise Rejected(Reason.INSUFFICIENT_FUNDS, f"{amount:f} {leg.asset} of margin cannot be moved")
            account.free[leg.asset] -= units
            leg.margin += units
            margin.touched[leg] = None
            self._engine.balance_changed(account, leg.asset, "margin")

    # --- an account's state ---

    def positions(self, account: TradingAccount, instrument: str | None = None) -> list[PositionView]:
        """Every side of an account's positions that was ever used, flat ones included."""
        with self._lock:
            margin = margin_of(account)
            legs = margin.legs.values() if instrument is None else margin.legs_of(instrument)
            return [margin.view(leg) for leg in legs]

    def position(
        self, account: TradingAccount, instrument: str, side: Side = "net", isolated: bool | None = None
    ) -> PositionView:
        """One side of a position, flat or not; ``isolated`` None follows the account's setting."""
        with self._lock:
            margin = margin_of(account)
            return margin.view(margin.leg(self._of(instrument)[1].prices, side, isolated))

    def open_interest(self, instrument: str) -> Decimal:
        """The contracts that all accounts together hold long."""
        with self._lock:
            market, _ = self._of(instrument)
            lots = sum(
                leg.lots
                for account in self._engine.accounts.values()
                if account.margin is not None
                for leg in account.margin.legs_of(instrument)
                if leg.lots > 0
            )
            return market.instrument.quantity(lots)

    def wallet(self, account: TradingAccount, asset: str) -> MarginWallet:
        """Balance, profit and margins of one asset."""
        with self._lock:
            return margin_of(account).wallet(asset)

    def adl_rank(self, account: TradingAccount, instrument: str, side: Side, isolated: bool | None = None) -> float:
        """Where a position stands in the order of deleveraging: 1 is reduced first, 0 has no position."""
        with self._lock:
            leg = margin_of(account).leg(self._of(instrument)[1].prices, side, isolated)
            if not leg.lots:
                return 0.0
            queue = self._liquidator.ranking(instrument, long=leg.lots > 0)
            place = next(number for number, (_, other) in enumerate(queue) if other is leg)
            return 1 - place / len(queue)

    def incomes(self, account: TradingAccount) -> list[Income]:
        """The statement: profit and fee of each fill, funding, insurance and transfers, oldest first."""
        with self._lock:
            margin = margin_of(account)
            of_fills = [line for fill in account.fills for line in _lines(fill)]
            return list(merge(of_fills, margin.incomes, key=lambda line: line.time_ms))

    def transfer(self, account: TradingAccount, asset: str, amount: Decimal) -> None:
        """Moves an amount into the account (or out of it, below 0) and books it.

        Raises:
            Rejected: INSUFFICIENT_FUNDS: less is available.
        """
        with self._lock:
            margin, units = margin_of(account), to_units(amount)
            if -units > max(0, margin.available(asset)):
                raise Rejected(Reason.INSUFFICIENT_FUNDS, f"{-amount:f} {asset} is more than is available")
            account.free[asset] = account.free.get(asset, 0) + units
            account.frozen.setdefault(asset, 0)
            margin.transferred(asset, units, self._engine.now_ms())
            self._engine.balance_changed(account, asset, "deposit")

    # --- the exchange's own ---

    def name_forced(self, name: Callable[[OrderOrigin, int], str]) -> None:
        """Sets how the orders that the exchange makes get their client ids: from their origin and a number."""
        self._engine.forced_id = name

    def insurance(self, asset: str) -> Decimal:
        """The balance of the insurance account."""
        with self._lock:
            return from_units(self._engine.insurance.free.get(asset, 0))

    def fund_insurance(self, asset: str, amount: Decimal) -> None:
        """Deposits an amount to the insurance account.

        Raises:
            InputError: The amount is negative.
        """
        with self._lock:
            self._engine.insurance.deposit(asset, to_units(amount))

    def deleverage(self, account: TradingAccount, instrument: str, side: Side = "net") -> None:
        """Closes a position at the mark price, as when it stands first in the queue of deleveraging.

        For tests of clients, which must recognise the order that the exchange makes. The insurance account takes the other side.

        Raises:
            Rejected: OPEN_POSITIONS: there is no position.
        """
        with self._lock:
            market, settlement = self._of(instrument)
            leg = margin_of(account).leg(settlement.prices, side)
            if not leg.lots:
                raise Rejected(Reason.OPEN_POSITIONS, f"there is no position in {instrument}")
            self._liquidator.deleverage_position(account, market, leg)


def _price(value: Decimal) -> int:
    units = to_units(value)
    if units <= 0:
        raise InputError(f"a price must be above 0, got {value!s}")
    return units


def _lines(fill: Execution) -> list[Income]:
    """Profit and fee of a fill."""
    order = fill.order
    if order.instrument.terms is None:
        return []
    found = []
    for place, (kind, units) in enumerate((("profit", fill.profit), ("fee", -fill.fee))):
        if units:
            found.append(
                Income(
                    number=4 * fill.fill_id + place, kind=kind, instrument=order.instrument.id, side=order.position_side,
                    asset=order.instrument.settle, units=units, time_ms=fill.time_ms, trade_id=fill.trade_id,
                )
            )  # fmt: skip
    return found
