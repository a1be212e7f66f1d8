"""Liquidation: the bankruptcy price, the insurance account and automatic deleveraging.

An account is liquidated when its margin balance has fallen to the maintenance margin: its open orders are cancelled, and each position is
closed by an order at the price that leaves nothing of the margin (the bankruptcy price). What the book does not take at this price, the
insurance account takes over if it can pay for the loss at the mark price; otherwise the opposite positions with the largest
profit are reduced (automatic deleveraging, ADL).
"""

from __future__ import annotations

from collections.abc import Iterable

from ..accounts import OrderRecord, TradingAccount
from ..engine import InstrumentMarket
from ..events import LiquidationEvent, MarginCallEvent
from ..instruments import RATE, Instrument
from ..orders import Finish, OrderOrigin, State
from ..settlement import rate_units
from .contract_engine import ContractEngine
from .margin_accounts import MarginHoldings
from .positions import Leg
from .settlement import margin_of

__all__ = ["Liquidator"]

_CALL_PERCENT = 80
"""A margin call is made when the maintenance margin is this part of the margin balance."""


class Liquidator:
    """Watches the margin of all accounts. The exchange's lock guards it.

    Args:
        engine: The engine that trades the contracts.
    """

    def __init__(self, engine: ContractEngine) -> None:
        self._engine = engine
        self._busy = False

    def check_all(self, instrument: Instrument) -> None:
        """Liquidates the accounts whose margin no longer covers their positions, after a price of an instrument changed."""
        if self._busy:
            return
        self._busy = True
        try:
            for account in self._engine.users():
                margin = margin_of(account)
                legs = [leg for leg in margin.legs_of(instrument.id) if leg.lots]
                for leg in legs:
                    if leg.isolated:
                        self._check_isolated(account, leg)
                if any(not leg.isolated for leg in legs):
                    self._check_cross(account, margin, instrument.settle)
        finally:
            self._busy = False

    # --- when ---

    def _check_isolated(self, account: TradingAccount, leg: Leg) -> None:
        equity, needed = leg.margin + leg.unrealized, leg.maintenance
        if equity <= needed:
            self._cancel(account, (leg,))
            self._close(account, leg, leg.margin)
            self._engine.balance_changed(account, leg.asset, "liquidation")
            return
        self._warn(account, (leg,), equity, needed)

    def _check_cross(self, account: TradingAccount, margin: MarginHoldings, asset: str) -> None:
        equity, needed = margin.equity(asset), margin.maintenance(asset)
        legs = [leg for leg in margin.cross(asset) if leg.lots]
        if equity > needed:
            self._warn(account, legs, equity, needed)
            return
        self._cancel(account, list(margin.cross(asset)))
        legs.sort(key=lambda leg: -leg.maintenance)
        for leg in legs:
            if margin.equity(asset) > margin.maintenance(asset):
                break
            self._close(account, leg, margin.equity(asset) - leg.unrealized)
        if not any(leg.lots for leg in margin.cross(asset)):
            self._pay_deficit(account, legs[0])
        self._engine.balance_changed(account, asset, "liquidation")

    def _warn(self, account: TradingAccount, legs: Iterable[Leg], equity: int, needed: int) -> None:
        near = needed * 100 >= equity * _CALL_PERCENT
        first = [leg for leg in legs if near and not leg.warned]
        for leg in legs:
            leg.warned = near
        if first and self._engine.events.wants(MarginCallEvent):
            margin = margin_of(account)
            self._engine.events.emit(
                MarginCallEvent(
                    account=account.name, wallet=margin.wallet(first[0].asset), positions=tuple(margin.view(leg) for leg in first),
                    time_ms=self._engine.now_ms(),
                )
            )  # fmt: skip

    def _cancel(self, account: TradingAccount, legs: Iterable[Leg]) -> None:
        """Cancels the open orders that work on some positions."""
        engine = self._engine
        of = set(legs)
        for record in [record for record in account.open.values() if record.leg in of]:
            if not record.state.final:
                engine.finish(record, State.CANCELED, Finish.LIQUIDATION)
        for market in {leg.prices.instrument.id: engine.markets[leg.prices.instrument.id] for leg in of}.values():
            engine.tell_book(market)

    # --- how ---

    def _close(self, account: TradingAccount, leg: Leg, backing: int) -> None:
        """Closes a position at its bankruptcy price.

        Args:
            account: Whose.
            leg: The position.
            backing: The margin behind it, without its own profit.
        """
        engine, prices = self._engine, leg.prices
        market = engine.markets[prices.instrument.id]
        lots, is_long = abs(leg.lots), leg.lots > 0
        worth = (leg.cost - backing) * prices.sign if is_long else (backing - leg.cost) * prices.sign
        price = prices.price_for(worth, lots)
        beyond = prices.instrument.max_price if not is_long and not price else None
        ticks = engine.rounded(leg, int(price), up=is_long) if beyond is None else prices.instrument.ticks(beyond)
        before = account.free[leg.asset] if leg.isolated else 0
        record = engine.forced(account, leg, lots, ticks, OrderOrigin.LIQUIDATION)
        engine.take(market, record)
        if record.left:
            self._hand_over(market, record, leg, ticks)
        self._charge(account, leg, record, before)
        engine.tell_account(account, (leg.asset,), "liquidation")
        engine.tell_book(market)
        if engine.events.wants(LiquidationEvent):
            engine.events.emit(LiquidationEvent(order=record.view()))

    def _hand_over(self, market: InstrumentMarket, record: OrderRecord, leg: Leg, ticks: int) -> None:
        """Finds a counterparty outside the book for what is left of a liquidation."""
        engine, insurance = self._engine, self._engine.insurance
        loss = leg.prices.sign * (
            leg.prices.worth_at(ticks, record.left) - leg.prices.worth(leg.prices.mark, record.left)
        )
        loss = loss if not record.is_buy else -loss
        if insurance.free.get(leg.asset, 0) < max(0, loss):
            self.deleverage(market, record, ticks)
        if record.left:
            own = engine.own(insurance, leg, not record.is_buy, record.left, ticks)
            engine.trade_outside(market, record, own, ticks)

    def deleverage(self, market: InstrumentMarket, taker: OrderRecord, ticks: int) -> None:
        """Reduces the opposite positions with the highest rank until an order is filled."""
        engine, instrument = self._engine, market.instrument
        for account, leg in self.ranking(instrument.id, long=taker.is_buy):
            if not taker.left:
                return
            if account is taker.account:
                continue
            lots = min(abs(leg.lots), taker.left)
            if account.house:
                maker = engine.own(account, leg, not taker.is_buy, lots, ticks)
            else:
                self._cancel(account, (leg,))
                maker = engine.forced(account, leg, lots, ticks, OrderOrigin.ADL)
            engine.trade_outside(market, taker, maker, ticks)
            if not account.house and engine.events.wants(LiquidationEvent):
                engine.events.emit(LiquidationEvent(order=maker.view()))

    def deleverage_position(self, account: TradingAccount, market: InstrumentMarket, leg: Leg) -> None:
        """Reduces a position at the mark price, as when it stands opposite to a liquidated one."""
        engine = self._engine
        ticks = engine.rounded(leg, leg.prices.mark, up=leg.lots > 0)
        self._cancel(account, (leg,))
        lots, other_buys = abs(leg.lots), leg.lots > 0
        other = engine.own(engine.insurance, leg, other_buys, lots, ticks)
        record = engine.forced(account, leg, lots, ticks, OrderOrigin.ADL)
        engine.trade_outside(market, other, record, ticks)
        if engine.events.wants(LiquidationEvent):
            engine.events.emit(LiquidationEvent(order=record.view()))

    def ranking(self, instrument: str, *, long: bool) -> list[tuple[TradingAccount, Leg]]:
        """The positions of one direction in the order in which they would be reduced.

        By profit as a part of the entry worth, times leverage; the exchange's own accounts count as unlevered.
        """
        found = [
            (account, leg)
            for account in self._engine.accounts.values()
            if account.margin is not None and account is not self._engine.insurance
            for leg in account.margin.legs_of(instrument)
            if (leg.lots > 0 if long else leg.lots < 0)
        ]
        return sorted(found, key=lambda pair: -self._rank(*pair))

    @staticmethod
    def _rank(account: TradingAccount, leg: Leg) -> float:
        return leg.unrealized / max(1, abs(leg.cost)) * (1 if account.house else leg.leverage)

    # --- who pays ---

    def _charge(self, account: TradingAccount, leg: Leg, record: OrderRecord, before: int) -> None:
        """Takes the liquidation fee from what is left above a balance, at most all of it."""
        fee = record.worth * rate_units(leg.prices.terms.liquidation_fee) // RATE
        fee = max(0, min(fee - fee % leg.prices.instrument.fee_step, account.free[leg.asset] - before))
        if fee:
            account.free[leg.asset] -= fee
            self._engine.insurance.deposit(leg.asset, fee)
            margin_of(account).book("insurance", leg, -fee, self._engine.now_ms())

    def _pay_deficit(self, account: TradingAccount, leg: Leg) -> None:
        """Lets the insurance account pay what a liquidated account lacks."""
        lack = -account.free[leg.asset] - account.frozen[leg.asset]
        if lack > 0:
            insurance = self._engine.insurance
            insurance.free[leg.asset] = insurance.free.get(leg.asset, 0) - lack
            insurance.frozen.setdefault(leg.asset, 0)
            account.free[leg.asset] += lack
            margin_of(account).book("insurance", leg, lack, self._engine.now_ms())
