"""Positions that the venue itself closes: liquidation and delivery."""

from __future__ import annotations

from decimal import Decimal

import attrs

from ....constants import ORDER_STATE_CLOSED
from ....exchange.contracts.converter import Contract
from ..account.account import PaperAccount
from ..account.orders import PaperFill, PaperOrder, VenueOrder
from ..account.step import PaperStep
from ..money.balances import booked
from ..money.contract_money import part_of, profit_of, worth_of
from ..money.positions import PaperPosition

__all__ = ["close_position"]


def close_position(
    account: PaperAccount,
    change: PaperStep,
    position: PaperPosition,
    contract: Contract,
    price: Decimal,
    how: VenueOrder,
    *,
    amount: Decimal | None = None,
    fee_rate: Decimal | None = None,
) -> str:
    """Closes a position, or a part of it, by an order of the venue, and charges a fee; call with the account's lock.

    Of an isolated position no more than its margin can be lost. When a part of one is closed, loss and fee are taken from its margin, and the
    rest of the margin stays with the rest of the position.

    Args:
        account: The account.
        change: The step.
        position: The position.
        contract: Its contract.
        price: The price.
        how: Why.
        amount: How much is closed; None for all of it.
        fee_rate: The fee; None for the taker's.

    Returns:
        What was closed, in words.
    """
    currency = contract.margin_currency
    closed = position.amount if amount is None else amount
    fee = booked(worth_of(contract, closed, price) * (account.paper.taker_fee if fee_rate is None else fee_rate))
    gain = booked(profit_of(contract, position, closed, price)) - fee
    whole = closed == position.amount
    if position.isolated:
        gain = max(gain, -position.margin)
        freed = position.margin if whole else -gain
    else:
        freed = part_of(position.margin, closed, position.amount)
    change.balances.release(currency, freed)
    change.balances.add(currency, gain)
    number = account.next_number()
    change.orders[number] = PaperOrder(
        number=number,
        client_id=f"{how}{number}",
        symbol=position.symbol,
        side="closebuy" if position.long else "closesell",
        price=None,
        amount=closed,
        dealt=closed,
        cost=closed * price,
        currency=currency,
        status=ORDER_STATE_CLOSED,
        made_ms=account.now_ms(),
    )
    change.fills.append(
        PaperFill(
            number=number,
            price=price,
            amount=closed,
            fee=fee,
            fee_currency=currency,
            time_ms=account.now_ms(),
            maker=False,
            how=how,
        )
    )
    left = position.amount - closed
    change.put(
        attrs.evolve(
            position, amount=left, price=Decimal(0) if whole else position.price, margin=position.margin - freed
        )
    )
    side = "long" if position.long else "short"
    of = "" if whole else f" of {position.amount.normalize():f}"
    return f"{side} {closed.normalize():f}{of} {position.symbol} at {price.normalize():f}"
