"""Funding and liquidation of a paper account's contracts, by the venue's mark price and rates."""

from __future__ import annotations

from decimal import Decimal

import attrs

from ...constants import ORDER_STATE_CLOSED
from ...exchange.contracts.converter import Contract
from ...structures import Funding
from .account.account import PaperAccount
from .account.orders import PaperFill, PaperOrder, PaperPayment
from .money.contract_money import profit_of, worth_of
from .money.positions import PaperPosition

__all__ = ["PaperMarginWatch"]


class PaperMarginWatch:
    """Charges funding and liquidates; call it under the account's lock or from its looks.

    Args:
        account: The account.
    """

    def __init__(self, account: PaperAccount) -> None:
        self._account = account
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
            return self._liquidate(contract.margin_currency)

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
                        paid = worth_of(contract, position.amount, mark) * Decimal(rate) * (-1 if long else 1)
                        change.balances.add(contract.margin_currency, paid)
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

    def _held(self, currency: str) -> list[tuple[PaperPosition, Contract, Decimal]]:
        """The positions of a margin currency, with their contracts and mark prices."""
        return [
            (position, contract, self._marks[position.symbol])
            for position in self._account.position_rows.values()
            if position.amount
            and (contract := self._contracts.get(position.symbol))
            and contract.margin_currency == currency
        ]

    def equity(self, currency: str) -> tuple[Decimal, Decimal]:
        """What a margin currency is worth with all profits that are not realised, and these alone."""
        balances = self._account.balances
        profit = sum(
            (profit_of(contract, position, position.amount, mark) for position, contract, mark in self._held(currency)),
            Decimal(0),
        )
        return balances.free(currency) + balances.frozen(currency) + profit, profit

    def _liquidate(self, currency: str) -> str:
        account = self._account
        held = self._held(currency)
        needed = (
            sum((worth_of(contract, one.amount, mark) for one, contract, mark in held), Decimal(0))
            * account.paper.maintenance_rate
        )
        if not held or self.equity(currency)[0] > needed:
            return ""
        change = account.step()
        for order in account.open_orders():
            if "." in order.symbol and order.currency == currency:
                change.orders[order.number] = account.end(change, order)
        words = []
        for position, contract, mark in held:
            fee = worth_of(contract, position.amount, mark) * account.paper.taker_fee
            change.balances.release(currency, position.margin)
            change.balances.add(currency, profit_of(contract, position, position.amount, mark) - fee)
            number = account.next_number()
            side = "closebuy" if position.long else "closesell"
            change.orders[number] = PaperOrder(
                number=number, client_id=f"liquidation{number}", symbol=position.symbol, side=side, price=None, amount=position.amount,
                dealt=position.amount, cost=position.amount * mark, currency=currency, status=ORDER_STATE_CLOSED, made_ms=account.now_ms(),
            )  # fmt: skip
            change.fills.append(
                PaperFill(
                    number=number, price=mark, amount=position.amount, fee=fee, fee_currency=currency, time_ms=account.now_ms(),
                    maker=False, how="liquidation",
                )
            )  # fmt: skip
            change.put(attrs.evolve(position, amount=Decimal(0), price=Decimal(0), margin=Decimal(0)))
            words.append(
                f"{'long' if position.long else 'short'} {position.amount.normalize():f} {position.symbol} at {mark.normalize():f}"
            )
        if change.balances.free(currency) < 0:
            change.balances.rows[currency] = (
                Decimal(0),
                change.balances.frozen(currency),
            )  # the venue bears what is missing
        account.commit(change)
        return f"liquidated: {', '.join(words)}"
