"""What orders and fills of contracts do to margin and positions, linear and inverse ones.

In hedge mode a long and a short position lie beside each other. In one-way mode there is one of them at a time: an opening order first closes the
opposite position, and only its rest opens.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Context, Decimal
from typing import Protocol

import attrs

from ....errors import InvalidOrder
from ....exchange.contracts.converter import Contract
from ..account.orders import PaperOrder
from ..market.liquidity import Match
from .balances import booked
from .brackets import MarginBrackets
from .positions import PaperPosition
from .purse import Charge, Purse

__all__ = ["ContractMoney", "PaperContractSettings", "part_of", "profit_of", "worth_of"]

_EXACT = Context(prec=34, rounding=ROUND_DOWN)
_CLOSING = {True: "closebuy", False: "closesell"}  # by whether they close a long position


def worth_of(contract: Contract, amount: Decimal, price: Decimal) -> Decimal:
    """What a number of contracts is worth in the margin currency."""
    value = contract.value
    return value.quote(amount, price) if contract.margin_currency == _quote_of(contract) else value.coins(amount, price)


def profit_of(contract: Contract, position: PaperPosition, amount: Decimal, price: Decimal) -> Decimal:
    """The profit of a part of a position at a price, in the margin currency."""
    if not amount:
        return Decimal(0)
    rise = worth_of(contract, amount, price) - worth_of(contract, amount, position.price)
    if contract.margin_currency != _quote_of(contract):
        rise = -rise  # coins are worth fewer coins the higher the price
    return rise if position.long else -rise


def _quote_of(contract: Contract) -> str:
    return contract.symbol.partition(".")[0].partition("_")[2]


class PaperContractSettings(Protocol):
    """What holds for each contract of an account."""

    @property
    def hedge(self) -> bool:
        """Whether a long and a short position lie beside each other."""

    def contract(self, symbol: str) -> Contract:
        """What the contract is."""

    def level(self, symbol: str) -> Decimal:
        """Its leverage."""

    def brackets(self, symbol: str) -> MarginBrackets:
        """Its brackets."""

    def isolated(self, symbol: str) -> bool:
        """Whether positions that are opened from now on have isolated margin."""


class ContractMoney:
    """Sets margin aside, books profits, and charges fees in the margin currency.

    Args:
        settings: What holds for each contract.
    """

    def __init__(self, settings: PaperContractSettings) -> None:
        self._settings = settings

    def held_for(self, order: PaperOrder, spends: Decimal | None, worst: Decimal | None, purse: Purse) -> PaperOrder:
        """The order with the margin that is to be frozen for it: none for one that closes.

        Args:
            order: A new order.
            spends: None: the amount of a contract order is never given in quote currency.
            worst: The worst price that it is filled at when it is placed; None if nothing is.
            purse: The positions, of which a closing order must find its amount.

        Raises:
            InvalidOrder: It would close more than there is, or open more than its leverage allows.
        """
        contract = self._settings.contract(order.symbol)
        if order.side in {"closebuy", "closesell"}:
            position = purse.position(order.symbol, long=order.side == "closebuy")
            closing = sum((one.left for one in purse.resting(order.symbol, order.side)), Decimal(0))
            if order.amount > position.amount - closing:
                raise InvalidOrder(
                    f"the position in {order.symbol} has {position.amount.normalize():f} contracts, of which {closing.normalize():f} are being "
                    f"closed; an order cannot close {order.amount.normalize():f}"
                )
            return attrs.evolve(order, currency=contract.margin_currency)
        price = order.price or worst
        closing = self._closed_by(order, purse)
        self._check_bracket(contract, order, closing, price, purse)
        opening = order.amount - closing
        held = worth_of(contract, opening, price) / self._settings.level(order.symbol) if price and opening else 0
        return attrs.evolve(order, held=booked(Decimal(held)), currency=contract.margin_currency)

    def _closed_by(self, order: PaperOrder, purse: Purse) -> Decimal:
        """How much of a new order of one-way mode would close the opposite position, after all that rests and does so."""
        if self._settings.hedge:
            return Decimal(0)
        long = order.side == "sell"
        resting = [*purse.resting(order.symbol, order.side), *purse.resting(order.symbol, _CLOSING[long])]
        left = purse.position(order.symbol, long=long).amount - sum((one.left for one in resting), Decimal(0))
        return max(Decimal(0), min(order.amount, left))

    def _check_bracket(
        self, contract: Contract, order: PaperOrder, closing: Decimal, price: Decimal | None, purse: Purse
    ) -> None:
        """Refuses what would make the position, with all orders that open it filled, larger than its leverage allows."""
        brackets, level = self._settings.brackets(order.symbol), self._settings.level(order.symbol)
        most = brackets.largest(level)
        if most is None or price is None:
            return
        position = purse.position(order.symbol, long=order.side == "buy")
        parts = [(position.amount, position.price), (order.amount - closing, price)]
        parts += [(one.left, one.price) for one in purse.resting(order.symbol, order.side) if one.price is not None]
        wanted = sum(
            (brackets.size(amount, worth_of(contract, amount, at)) for amount, at in parts if amount), Decimal(0)
        )
        if wanted > most:
            unit = "contracts" if brackets.by_contracts else contract.margin_currency
            raise InvalidOrder(
                f"at a leverage of {level.normalize():f} the position in {order.symbol} may have at most {most.normalize():f} {unit} by its "
                f"brackets, and with this order it would have {wanted.normalize():f}"
            )

    def fill(self, order: PaperOrder, match: Match, fee_rate: Decimal, purse: Purse) -> tuple[PaperOrder, Charge]:
        """Opens or closes a part of a position; returns the order after it, and the fee."""
        contract = self._settings.contract(order.symbol)
        currency = contract.margin_currency
        fee = booked(worth_of(contract, match.amount, match.price) * fee_rate)
        used = part_of(order.held, match.amount, order.left)
        purse.balances.release(currency, used)
        if order.side in _CLOSING.values():
            self._close(contract, purse.position(order.symbol, long=order.side == "closebuy"), match, purse)
        else:
            opening = match.amount
            if not self._settings.hedge:
                opposite = purse.position(order.symbol, long=order.side == "sell")
                closing = min(opening, opposite.amount)
                if closing:
                    self._close(contract, opposite, Match(match.price, closing), purse)
                    opening -= closing
            if opening:
                position = purse.position(order.symbol, long=order.side == "buy")
                self._open(contract, position, Match(match.price, opening), purse)
        purse.balances.add(currency, -fee)
        return attrs.evolve(order.filled(match.price, match.amount), held=order.held - used), Charge(fee, currency)

    def _open(self, contract: Contract, position: PaperPosition, match: Match, purse: Purse) -> None:
        margin = booked(worth_of(contract, match.amount, match.price) / self._settings.level(position.symbol))
        purse.balances.freeze(contract.margin_currency, margin)
        purse.put(
            attrs.evolve(
                position,
                amount=position.amount + match.amount,
                price=_average(contract, position, match),
                margin=position.margin + margin,
                isolated=self._settings.isolated(position.symbol),  # which a position keeps from being changed
            )
        )

    @staticmethod
    def _close(contract: Contract, position: PaperPosition, match: Match, purse: Purse) -> None:
        currency = contract.margin_currency
        freed = part_of(position.margin, match.amount, position.amount)
        purse.balances.release(currency, freed)
        purse.balances.add(currency, booked(profit_of(contract, position, match.amount, match.price)))
        left = position.amount - match.amount
        purse.put(
            attrs.evolve(
                position, amount=left, margin=position.margin - freed, price=position.price if left else Decimal(0)
            )
        )


def part_of(money: Decimal, amount: Decimal, whole: Decimal) -> Decimal:
    """The share of money that goes with an amount; all of it with the whole, so that nothing is left."""
    return money if amount >= whole else booked(_EXACT.divide(_EXACT.multiply(money, amount), whole))


def _average(contract: Contract, position: PaperPosition, match: Match) -> Decimal:
    """The average price after more was opened: of inverse contracts the harmonic one, so that the profit stays what it was."""
    amount = position.amount + match.amount
    if contract.margin_currency == _quote_of(contract):
        return _EXACT.divide(position.price * position.amount + match.price * match.amount, amount)
    coins = match.amount / match.price + (position.amount / position.price if position.amount else 0)
    return _EXACT.divide(amount, coins)
