"""Positions that the venue itself closes: liquidation and delivery."""

from __future__ import annotations

from decimal import Decimal

import attrs

from ....constants import ORDER_STATE_CLOSED
from ....exchange.contracts.converter import Contract
from ..account.account import PaperAccount
from ..account.orders import PaperFill, PaperOrder, VenueOrder
from ..account.step import PaperStep
from ..money.contract_money import profit_of, worth_of
from ..money.positions import PaperPosition

__all__ = ["close_position"]


def close_position(
    account: PaperAccount,
    change: PaperStep,
    position: PaperPosition,
    contract: Contract,
    price: Decimal,
    how: VenueOrder,
) -> str:
    """Closes a position by an order of the venue, and charges the taker's fee; call with the account's lock.

    Of an isolated position no more than its margin can be lost.

    Args:
        account: The account.
        change: The step.
        position: The position.
        contract: Its contract.
        price: The price.
        how: Why.

    Returns:
        What was closed, in words.
    """
    currency = contract.margin_currency
    fee = worth_of(contract, position.amount, price) * account.paper.taker_fee
    gain = profit_of(contract, position, position.amount, price) - fee
    change.balances.release(currency, position.margin)
    change.balances.add(currency, max(gain, -position.margin) if position.isolated else gain)
    number = account.next_number()
    change.orders[number] = PaperOrder(
        number=number,
        client_id=f"{how}{number}",
        symbol=position.symbol,
        side="closebuy" if position.long else "closesell",
        price=None,
        amount=position.amount,
        dealt=position.amount,
        cost=position.amount * price,
        currency=currency,
        status=ORDER_STATE_CLOSED,
        made_ms=account.now_ms(),
    )
    change.fills.append(
        PaperFill(
            number=number,
            price=price,
            amount=position.amount,
            fee=fee,
            fee_currency=currency,
            time_ms=account.now_ms(),
            maker=False,
            how=how,
        )
    )
    change.put(attrs.evolve(position, amount=Decimal(0), price=Decimal(0), margin=Decimal(0)))
    side = "long" if position.long else "short"
    return f"{side} {position.amount.normalize():f} {position.symbol} at {price.normalize():f}"
