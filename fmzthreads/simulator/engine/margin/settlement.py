"""The settlement of contracts: fills move positions, their margin and their profit.

Every trade is zero-sum: what a fill adds to the buyer's ``cost`` it takes from the seller's, and profit only moves between ``cost`` and the
balance. So over all accounts the balances plus isolated margins less the costs never change.
"""

from __future__ import annotations

from decimal import Decimal

from ..accounts import OrderRecord, TradingAccount
from ..instruments import RATE, Instrument, from_units
from ..orders import NewOrder, OrderOrigin
from ..reasons import Reason, Rejected
from ..settlement import Settlement, SpotSettlement, fee_units, rate_units
from .margin_accounts import MarginHoldings
from .positions import Leg
from .prices import ContractPrices

__all__ = ["MarginSettlement", "margin_of", "settle_by_kind"]

_NO_FEE = Decimal(0)


def margin_of(account: TradingAccount) -> MarginHoldings:
    """The positions and settings of an account, created when first asked for."""
    margin = account.margin
    if margin is None:
        margin = account.margin = MarginHoldings(account, account.history)
    return margin


class MarginSettlement:
    """The settlement of linear and inverse contracts.

    Accounts of the exchange's own need no margin.

    Args:
        instrument: The contract.
        house: The account that receives the fees.

    Attributes:
        prices: The contract's reference prices.
    """

    def __init__(self, instrument: Instrument, house: TradingAccount) -> None:
        self.prices = ContractPrices(instrument)
        self._house = house
        self._asset = instrument.settle
        self._assets = (instrument.settle,)
        self._fee_step = instrument.fee_step

    # --- before anything is held ---

    def check(self, account: TradingAccount, instrument: Instrument, order: NewOrder) -> None:
        """Checks the position side, and that an order that may only reduce has something to reduce.

        Raises:
            Rejected: POSITION_SIDE, REDUCE_ONLY, or CLOSED_INSTRUMENT after delivery.
        """
        if self.prices.closed:
            raise Rejected(Reason.CLOSED_INSTRUMENT, f"{instrument.id} has been delivered")
        margin = margin_of(account)
        if (order.position_side == "net") is margin.hedge:
            mode = "hedge" if margin.hedge else "one-way"
            raise Rejected(Reason.POSITION_SIDE, f"position side {order.position_side!r} does not fit {mode} mode")
        is_buy = order.side == "buy"
        if order.reduces:
            leg = margin.leg(self.prices, order.position_side, order.isolated)
            if not (leg.lots < 0 if is_buy else leg.lots > 0):
                raise Rejected(
                    Reason.REDUCE_ONLY, f"there is no position in {instrument.id} that a {order.side} reduces"
                )

    # --- orders ---

    def leg(self, record: OrderRecord) -> Leg:
        """The position that an order works on."""
        leg = record.leg
        if leg is None:
            request, margin = record.request, record.account.margin
            if margin is None:
                margin = margin_of(record.account)
            if request is None:
                leg = margin.leg(self.prices, "net", False)
            else:
                leg = margin.leg(self.prices, request.position_side, request.isolated)
                record.reduce_only = request.reduces
            record.leg = leg
        return leg

    def hold(self, record: OrderRecord, lots: int, value: int) -> None:
        """Counts the order at its price, and checks that what is available covers its margin and fee.

        Raises:
            Rejected: INSUFFICIENT_FUNDS, or POSITION_LIMIT if the leverage does not allow a position of this size.
        """
        leg = self.leg(record)
        if record.account.house:
            return
        if record.reduce_only:
            leg.reducing += lots
            record.held_lots = lots
            return
        self._hold(record, leg, lots, self.prices.worth_of_fills(value, lots))

    def _hold(self, record: OrderRecord, leg: Leg, lots: int, worth: int) -> None:
        account, is_buy = record.account, record.is_buy
        before = leg.needed
        leg.add_order(is_buy, lots, worth)
        if leg.needed > before:
            try:
                self._afford(account, leg, record, worth)
            except Rejected:
                leg.add_order(is_buy, -lots, -worth)
                raise
        record.frozen, record.held_lots = worth, lots

    def _afford(self, account: TradingAccount, leg: Leg, record: OrderRecord, worth: int) -> None:
        if not self.prices.allows(*leg.largest, leg.leverage):
            raise Rejected(Reason.POSITION_LIMIT, f"the position would exceed the maximum at leverage {leg.leverage}")
        assert account.margin is not None  # the leg is one of its
        fee = fee_units(worth, account.rate(record.instrument, maker=False), self._fee_step)
        short = account.margin.available(self._asset) - fee
        if short < 0:
            raise Rejected(Reason.INSUFFICIENT_FUNDS, f"{from_units(-short):f} {self._asset} of margin is missing")

    def amend(self, record: OrderRecord, ticks: int, lots: int) -> None:
        """Counts an open order at its new price and quantity."""
        leg, held, lots_before = self.leg(record), record.frozen, record.held_lots
        self.release(record)
        try:
            self.hold(record, lots, ticks * lots)
        except Rejected:
            if not record.account.house and not record.reduce_only:
                leg.add_order(record.is_buy, lots_before, held)
                record.frozen, record.held_lots = held, lots_before
            raise

    def release(self, record: OrderRecord) -> None:
        """Stops counting a closed order."""
        leg, lots = record.leg, record.held_lots
        if leg is None or not lots:
            return
        if record.reduce_only:
            leg.reducing -= lots
        else:
            leg.add_order(record.is_buy, -lots, -record.frozen)
        record.frozen = record.held_lots = 0

    # --- fills ---

    def fill(self, record: OrderRecord, ticks: int, lots: int, *, is_maker: bool) -> tuple[int, Decimal]:
        """Moves the position; profit of what is closed, less the fee, goes to the balance.

        An isolated position takes its margin from the balance as it opens, and gives it back as it closes. Liquidation and ADL cost no
        trading fee, so that an isolated position never loses more than its margin.
        """
        account, leg = record.account, self.leg(record)
        held = record.held_lots
        if held:
            self._uncount(record, leg, lots, held)
        worth = self.prices.worth_at(ticks, lots)
        profit = self.move(account, leg, lots if record.is_buy else -lots, worth, ticks)
        record.worth += worth
        record.profit += profit
        free_of_fee = record.origin is OrderOrigin.LIQUIDATION or record.origin is OrderOrigin.ADL
        rate = _NO_FEE if free_of_fee else account.rate(record.instrument, maker=is_maker)
        fee = 0
        if rate:
            raw = worth * rate_units(rate) // RATE
            fee = raw - raw % self._fee_step
            account.free[self._asset] -= fee
            self._house.deposit(self._asset, fee)
        if not account.house:
            leg.updated_ms = record.updated_ms
            account.margin.touched[leg] = None  # type: ignore[union-attr]  # the leg is one of its
        return fee, rate

    @staticmethod
    def _uncount(record: OrderRecord, leg: Leg, lots: int, held: int) -> None:
        """Stops counting the filled part of an order."""
        part = min(lots, held)
        record.held_lots = held - part
        if record.reduce_only:
            leg.reducing -= part
            return
        worth = record.frozen * part // held
        record.frozen -= worth
        leg.add_order(record.is_buy, -part, -worth)

    def move(self, account: TradingAccount, leg: Leg, lots: int, worth: int, ticks: int) -> int:
        """Adds signed lots of a worth to a position.

        Returns:
            The realized profit in units, which has been added to the balance.
        """
        if not self.prices.mark:
            self.prices.mark = ticks * self.prices.instrument.tick_units
        signed = self.prices.sign * (worth if lots > 0 else -worth)
        held = leg.lots
        asset = self._asset
        if asset not in account.free:
            account.deposit(asset, 0)
        if not held or (held > 0) is (lots > 0):
            if not held:
                leg.realized = 0
            leg.lots = held + lots
            leg.cost += signed
            if leg.isolated and not account.house:
                self._assign(account, leg, -(-worth // leg.leverage))
            return 0
        return self._reduce(account, leg, lots, worth, ticks)

    def _reduce(self, account: TradingAccount, leg: Leg, lots: int, worth: int, ticks: int) -> int:
        """Closes a part or all of a position, and opens the other way with what is left over."""
        held, count = abs(leg.lots), abs(lots)
        closing = min(held, count)
        closed_worth = worth if closing == count else self.prices.worth_at(ticks, closing)
        gained = self.prices.sign * (closed_worth if leg.lots > 0 else -closed_worth)
        exact = gained - leg.cost * closing // held
        profit = exact - exact % self._fee_step
        leg.realized += profit
        if closing == held:
            # The rest below the smallest part of a balance goes to the house.
            self._house.deposit(self._asset, gained - leg.cost - profit)
            leg.cost = 0
            spare, leg.margin = leg.margin, 0
        else:
            leg.cost -= gained - profit
            spare = leg.margin * closing // held
            leg.margin -= spare
        account.free[self._asset] += profit + spare
        leg.lots += closing if lots > 0 else -closing
        left = count - closing
        if left:
            self.move(account, leg, left if lots > 0 else -left, worth - closed_worth, ticks)
        return profit

    def _assign(self, account: TradingAccount, leg: Leg, units: int) -> None:
        """Moves margin from the balance to an isolated position."""
        units += -units % self._fee_step
        account.free[self._asset] -= units
        leg.margin += units

    def held_assets(self, record: OrderRecord) -> tuple[str, ...]:
        """None: an order's margin is not taken from the balance."""
        return ()

    def moved_assets(self, record: OrderRecord) -> tuple[str, ...]:
        """The settling asset."""
        return self._assets


def settle_by_kind(instrument: Instrument, house: TradingAccount) -> Settlement:
    """The settlement of an instrument: by spot's rules, or by those of contracts when it has ``terms``."""
    if instrument.terms is None:
        return SpotSettlement(instrument, house)
    return MarginSettlement(instrument, house)
