"""What was filled of the orders in the log: each fill once, and their sum is what the venue says of the order."""

from __future__ import annotations

from decimal import Decimal

import attrs

from ...constants import ORDER_STATE_UNKNOWN
from ...errors import FmzError, OrderNotFound, StopRequested
from ...structures import Order
from ..venue import OrderFill, Venue
from .intents import IntentRecord
from .kinds.doors import filled_order, read_order, settling_s
from .order_file import OrderFile
from .rows import StoredIntent

__all__ = ["read_fills"]

_ATTEMPTS = 3  # an order may be filled between its own reading and that of its fills

_YOUNG_S = 60.0
"""How old a placed order is at least when "no such order" is believed of it, in seconds; where the venue's own time is longer, as old as that."""


def read_fills(venue: Venue, file: OrderFile, account: str) -> list[IntentRecord]:
    """Reads the state and the fills of each placed order whose end is not in the log, and stores them.

    A fill is stored once, by its trade id. The same replies give the same rows, however often they are read. An order that the venue does not
    know any more, long after it can have been on its way, is stored as ``absent`` and not asked about again.

    Args:
        venue: Where the orders were placed.
        file: The order log; orders of other processes that still run are left out.
        account: The account.

    Returns:
        The orders that were read, with ``status`` and ``deal_amount``; one that could not be read, or whose fills do not add up to what
        the venue says was filled, keeps the old ones, and ``detail`` says why. ``absent``: the venue no longer knows it.

    Raises:
        OperationFailed: The order log cannot be read or written.
        StopRequested: The strategy is being stopped.
    """
    return [_read(venue, file, stored) for stored in file.without_end(account)]


def _read(venue: Venue, file: OrderFile, stored: StoredIntent) -> IntentRecord:
    record = stored.record
    detail = ""
    for _ in range(_ATTEMPTS):
        try:
            try:
                order = read_order(venue, record.order_id, conditional=record.is_condition)
                if order["Status"] == ORDER_STATE_UNKNOWN and order.get("ChildId"):
                    venue.order(order["ChildId"])  # raises if that is what the venue does not know
            except OrderNotFound as error:
                return _not_found(venue, file, stored, error)
            filled = filled_order(venue, order) if order["DealAmount"] else None
            fills = venue.fills(filled) if filled is not None else []
        except StopRequested:
            raise
        except FmzError as error:
            return attrs.evolve(record, detail=str(error))
        dealt = sum((fill["Amount"] for fill in _once(fills)), Decimal(0))
        if float(dealt) == float(order["DealAmount"]):
            return _store(file, stored, order, fills, dealt)
        detail = (
            f"the fills of {record.order_id} add up to {dealt}, and the venue says {order['DealAmount']!r} was filled"
        )
    return attrs.evolve(record, detail=detail)


def _not_found(venue: Venue, file: OrderFile, stored: StoredIntent, error: OrderNotFound) -> IntentRecord:
    """Stores that the venue does not know an order, once that can be believed."""
    record = attrs.evolve(stored.record, detail=str(error))
    if file.age_s(stored) < max(_YOUNG_S, settling_s(venue, record.intent)):
        return record
    file.forget(stored, record.detail)
    return attrs.evolve(record, fate="absent")


def _once(fills: list[OrderFill]) -> list[OrderFill]:
    return list({fill["Id"]: fill for fill in fills}.values())


def _store(file: OrderFile, stored: StoredIntent, order: Order, fills: list[OrderFill], dealt: Decimal) -> IntentRecord:
    record = attrs.evolve(stored.record, status=int(order["Status"]), deal_amount=dealt)
    file.put_fills(attrs.evolve(stored, record=record), _once(fills))
    return record
