"""Funding and liquidation of a paper account's contracts, by the venue's mark price and rates."""

from __future__ import annotations

from decimal import Decimal

import attrs

from ....exchange.contracts.converter import Contract
from ....structures import Funding
from ..account.account import PaperAccount
from ..account.orders import PaperOrder, PaperPayment
from ..money.balances import booked
from ..money.contract_money import profit_of, worth_of
from ..money.positions import PaperPosition
from .liquidation_price import liquidation_price
from .reductions import Exposure, reductions
from .venue_orders import close_position

__all__ = ["PaperMarginWatch"]


@attrs.frozen
class _Held:
    """A position with its contract and mark price."""

    position: PaperPosition
    contract: Contract
    mark: Decimal

    @property
    def profit(self) -> Decimal:
        """Its profit at the mark price."""
        return profit_of(self.contract, self.position, self.position.amount, self.mark)


class PaperMarginWatch:
    """Charges funding and liquidates; call it under the account's lock or from its looks.

    Args:
        account: The account.
        brackets_at_once: How many brackets a liquidation takes a large position down in one step.
    """

    def __init__(self, account: PaperAccount, brackets_at_once: int = 1) -> None:
        self._account = account
        self._brackets_at_once = brackets_at_once
        self._marks: dict[str, Decimal] = {}
        self._contracts: dict[str, Contract] = {}

    def mark(self, symbol: str) -> Decimal | None:
        """The mark price of a symbol at the last look; None before."""
        return self._marks.get(symbol)

    def see(self, contract: Contract, mark: Decimal, funding: Funding | None) -> str:
        """Takes a mark price and the next funding; charges what is due, and liquidates what is not covered.

        Args:
            contract: The contract.
            mark: Its mark price.
            funding: Its next funding; None if it has none.

        Returns:
            What was liquidated, as one line; empty if nothing was.

        Raises:
            OperationFailed: It cannot be stored; nothing has changed.
        """
        account = self._account
        with account.lock:
            self._marks[contract.symbol], self._contracts[contract.symbol] = mark, contract
            if funding is not None:
                self._fund(contract, mark, funding)
            return self._liquidate(contract)

    def _fund(self, contract: Contract, mark: Decimal, funding: Funding) -> None:
        """Charges the funding whose time has come since the last look, by the rate that was shown before it."""
        account = self._account
        name = f"funding {contract.symbol}"
        change = account.step()
        known = account.store.facts().get(name)
        if known is not None:
            due_ms, rate = known.split()
            if account.now_ms() >= int(due_ms) and funding["Time"] != int(due_ms):
                for long in (True, False):
                    position = change.position(contract.symbol, long=long)
                    if position.amount:
                        paid = booked(worth_of(contract, position.amount, mark) * Decimal(rate)) * (-1 if long else 1)
                        change.balances.add(contract.margin_currency, paid)
                        if position.isolated:  # out of, or into, its own margin
                            change.balances.freeze(contract.margin_currency, paid)
                            change.put(attrs.evolve(position, margin=position.margin + paid))
                        change.payments.append(
                            PaperPayment(
                                symbol=contract.symbol,
                                amount=paid,
                                currency=contract.margin_currency,
                                time_ms=int(due_ms),
                            )
                        )
        change.facts[name] = f"{funding['Time']} {funding['Rate']!r}"
        if change.facts[name] != known:
            account.commit(change)

    def _held(self, currency: str, *, isolated: bool | None) -> list[_Held]:
        """The positions of a margin currency, with their contracts and mark prices; None for isolated and cross ones."""
        return [
            _Held(position, contract, self._marks[position.symbol])
            for position in self._account.position_rows.values()
            if position.amount
            and isolated in {None, position.isolated}
            and (contract := self._contracts.get(position.symbol))
            and contract.margin_currency == currency
        ]

    def equity(self, currency: str) -> tuple[Decimal, Decimal]:
        """What a margin currency is worth with all profits that are not realised, and these alone."""
        balances = self._account.balances
        profit = sum((one.profit for one in self._held(currency, isolated=None)), Decimal(0))
        return balances.free(currency) + balances.frozen(currency) + profit, profit

    def _cross_equity(self, currency: str) -> Decimal:
        """What covers the cross positions of a currency: all but what the isolated ones have for themselves."""
        own = sum(
            (
                one.margin
                for one in self._account.position_rows.values()
                if one.isolated and one.amount and self._settles(one, currency)
            ),
            Decimal(0),
        )
        profit = sum((one.profit for one in self._held(currency, isolated=False)), Decimal(0))
        return self._account.balances.free(currency) + self._account.balances.frozen(currency) - own + profit

    def _settles(self, position: PaperPosition, currency: str) -> bool:
        contract = self._contracts.get(position.symbol)
        return contract is not None and contract.margin_currency == currency

    def maintenance(self, position: PaperPosition) -> Decimal:
        """The maintenance margin of a position at its mark price; 0 before the first look."""
        contract, mark = self._contracts.get(position.symbol), self._marks.get(position.symbol)
        if contract is None or mark is None:
            return Decimal(0)
        return self._account.brackets(position.symbol).maintenance(
            position.amount, worth_of(contract, position.amount, mark)
        )

    def liquidation_price(self, position: PaperPosition) -> Decimal | None:
        """The mark price that would liquidate a position, all other prices as they are; None if none would, or before the first look."""
        with self._account.lock:
            contract, mark = self._contracts.get(position.symbol), self._marks.get(position.symbol)
            if contract is None or mark is None:
                return None
            brackets = self._account.brackets(position.symbol)
            if position.isolated:
                return liquidation_price(contract, [position], position.margin, mark, brackets)
            held = self._held(contract.margin_currency, isolated=False)
            own = [one for one in held if one.position.symbol == position.symbol]
            wallet = self._cross_equity(contract.margin_currency) - sum((one.profit for one in own), Decimal(0))
            wallet -= sum((self.maintenance(one.position) for one in held if one not in own), Decimal(0))
            return liquidation_price(contract, [one.position for one in own], wallet, mark, brackets)

    # Liquidation

    def _liquidate(self, contract: Contract) -> str:
        words = []
        for one in self._held(contract.margin_currency, isolated=True):
            if one.position.symbol == contract.symbol and one.position.margin + one.profit <= self.maintenance(
                one.position
            ):
                words += self._close([one], one.position.margin + one.profit, self._orders_of(one.position))
        held = self._held(contract.margin_currency, isolated=False)
        needed = sum((self.maintenance(one.position) for one in held), Decimal(0))
        # A position whose mark price is not known yet may be the hedge of another: nothing is liquidated before all have been seen.
        unseen = any(one.amount and one.symbol not in self._marks for one in self._account.position_rows.values())
        cover = self._cross_equity(contract.margin_currency)
        if held and not unseen and cover <= needed:
            orders = [
                order
                for order in self._account.open_orders()
                if "." in order.symbol
                and order.currency == contract.margin_currency
                and not self._account.isolated(order.symbol)
            ]
            words += self._close(held, cover, orders)
        return f"liquidated: {', '.join(words)}" if words else ""

    def _orders_of(self, position: PaperPosition) -> list[PaperOrder]:
        """The open orders that open or close a position."""
        sides = {"buy", "closebuy"} if position.long else {"sell", "closesell"}
        return [order for order in self._account.open_orders(position.symbol) if order.side in sides]

    def _close(self, held: list[_Held], cover: Decimal, orders: list[PaperOrder]) -> list[str]:
        """Cancels orders and closes as much of the positions of one currency as must be, at their mark prices, in one step."""
        account, currency = self._account, held[0].contract.margin_currency
        change = account.step()
        for order in orders:
            change.orders[order.number] = account.end(change, order)
        fee_rate = account.paper.liquidation_fee
        if fee_rate is None:
            fee_rate = account.paper.taker_fee
        exposed = [
            Exposure(
                contract=one.contract,
                amount=one.position.amount,
                mark=one.mark,
                brackets=account.brackets(one.position.symbol),
            )
            for one in held
        ]
        amounts = reductions(exposed, cover, fee_rate, self._brackets_at_once)
        words = [
            close_position(
                account, change, one.position, one.contract, one.mark, "liquidation", amount=amount, fee_rate=fee_rate
            )
            for one, amount in zip(held, amounts, strict=True)
            if amount
        ]
        free = change.balances.free(currency)
        if free < 0 and not held[0].position.isolated:
            change.balances.add(currency, -free)  # the venue bears what is missing
        account.commit(change)
        return words
