"""Changes of an isolated position's margin, by the raw calls that the venues have for it.

Sources: "Modify Isolated Position Margin" in Binance's documents of both families, "Increase/decrease margin" in OKX's API guide.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import attrs

from ....errors import InputError, VenueRejected, short_repr
from ....exchange.contracts.converter import Contract
from ....exchange.keys.signing import parse_params
from ..account.account import PaperAccount
from ..money.balances import booked
from ..money.contract_money import profit_of, worth_of
from ..money.positions import PaperPosition
from ..venue_ways import VenueWays

__all__ = ["MarginChange", "margin_reply", "move_margin", "read_margin_change"]

_BINANCE = frozenset({"/fapi/v1/positionMargin", "/dapi/v1/positionMargin"})
_OKX = "/api/v5/account/position/margin-balance"
_MOST = Decimal(10) ** 15
_SIDES: dict[str, bool | None] = {"LONG": True, "SHORT": False, "BOTH": None, "NET": None}


@attrs.frozen(kw_only=True)
class MarginChange:
    """A change of margin.

    Attributes:
        venue: Whose call it is.
        venue_symbol: The venue's name of the contract.
        long: The position's side; None for the one that there is in one-way mode.
        amount: How much is moved, above 0.
        adds: Whether it is added; else it is taken back.
    """

    venue: Literal["binance", "okx"]
    venue_symbol: str
    long: bool | None
    amount: Decimal
    adds: bool


def read_margin_change(ways: VenueWays, http_method: str, resource: str, params: str, raw: str) -> MarginChange | None:
    """The change of margin that a raw call makes; None for any other call.

    Raises:
        InputError: A parameter is missing or not valid.
    """
    path = resource.partition("?")[0]
    if http_method.upper() != "POST" or not (
        path in _BINANCE if ways.options == "binance" else ways.options == "okx" and path == _OKX
    ):
        return None
    binance = ways.options == "binance"
    fields = {**dict(parse_params(resource.partition("?")[2])), **dict(parse_params(params)), **_body(raw)}
    name, size, side, kinds = (
        ("symbol", "amount", "positionSide", ("1", "2")) if binance else ("instId", "amt", "posSide", ("add", "reduce"))
    )
    kind, said = fields.get("type"), fields.get(side, "BOTH").upper()
    if name not in fields or kind not in kinds or said not in _SIDES:
        raise InputError(
            f"{path} needs {name}, {size}, type ({' or '.join(kinds)}) and, in hedge mode, {side}; got {short_repr(fields)}; nothing was sent"
        )
    amount = _amount(fields.get(size, ""))
    if not 0 < amount < _MOST:
        raise InputError(f"{size} must be a number above 0, got {short_repr(fields.get(size))}; nothing was sent")
    return MarginChange(
        venue="binance" if binance else "okx",
        venue_symbol=fields[name],
        long=_SIDES[said],
        amount=amount,
        adds=kind == kinds[0],
    )


def _amount(text: str) -> Decimal:
    """The amount as it is booked; 0 for anything but a finite number."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return Decimal(0)
    return booked(found) if found.is_finite() else Decimal(0)


def _body(raw: str) -> dict[str, str]:
    """The fields of a JSON body."""
    try:
        found = json.loads(raw) if raw.strip() else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(f"the body of the call must be a JSON object, got {short_repr(raw)}; nothing was sent")
    return {str(name): str(value) for name, value in found.items()}


def move_margin(
    account: PaperAccount, contract: Contract, change: MarginChange, mark: Decimal | None, ways: VenueWays
) -> PaperPosition:
    """Moves margin between what is free and an isolated position; returns the position after it.

    What the leverage asks for, and what the position has lost, cannot be taken from it.

    Args:
        account: The account.
        contract: The contract.
        change: What is moved.
        mark: The mark price; None before the first look, where the position's own counts.
        ways: How the venue refuses.

    Raises:
        VenueRejected: There is no such isolated position; or, InsufficientFunds at venues that say so, not as much can be moved.
        OperationFailed: It cannot be stored; nothing has changed.
    """
    symbol, currency = contract.symbol, contract.margin_currency
    with account.lock:
        found = [
            one
            for one in account.held()
            if one.symbol == symbol and one.isolated and (change.long in {None, one.long}) and _fits(account, change)
        ]
        if not found:
            raise ways.refusal(VenueRejected, ways.no_margin_position, symbol)
        (position,) = found
        step = account.step()
        price = mark or position.price
        if change.adds:
            moved = change.amount
            if moved > step.balances.free(currency):
                raise ways.refusal(ways.too_much_is, ways.too_much_added, f"{moved.normalize():f} {currency}")
        else:
            moved = -change.amount
            lost = min(Decimal(0), profit_of(contract, position, position.amount, price))
            needed = worth_of(contract, position.amount, price) / account.level(symbol)
            if change.amount > position.margin + lost - needed:
                raise ways.refusal(ways.too_much_is, ways.too_much_taken, f"{change.amount.normalize():f} {currency}")
        step.balances.freeze(currency, moved)
        position = attrs.evolve(position, margin=position.margin + moved)
        step.put(position)
        account.commit(step)
        return position


def _fits(account: PaperAccount, change: MarginChange) -> bool:
    """Whether a change names a side where there are two of them, and none where there is one."""
    return account.hedge == (change.long is not None)


def margin_reply(change: MarginChange, contract: Contract) -> dict[str, Any]:
    """The venue's reply to a change."""
    if change.venue == "binance":
        kind = 1 if change.adds else 2
        return {
            "amount": float(change.amount),
            "code": 200,
            "msg": "Successfully modify position margin.",
            "type": kind,
        }
    side = "net" if change.long is None else "long" if change.long else "short"
    row = {
        "amt": f"{change.amount:f}",
        "ccy": contract.margin_currency,
        "instId": change.venue_symbol,
        "posSide": side,
        "type": "add" if change.adds else "reduce",
    }
    return {"code": "0", "msg": "", "data": [row]}
