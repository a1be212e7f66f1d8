"""The doors of a venue for ordinary orders and for condition orders: each is sent, found and cancelled at its own."""

from __future__ import annotations

from ....structures import Order
from ...contracts.intents import ConditionIntent, ModifyIntent
from ...venue import OrderIntent, Venue
from ..intents import CancelIntent, Intent

__all__ = ["filled_order", "find_placed", "read_order", "send_cancel", "send_order", "settling_s"]


def settling_s(venue: Venue, intent: Intent) -> float:
    """How long after the loss of its reply an intent may still be on its way, in seconds: the venue's time for its kind."""
    conditional = isinstance(intent, ConditionIntent) or (
        intent.conditional
        if isinstance(intent, CancelIntent)
        else isinstance(intent, ModifyIntent) and intent.terms is not None
    )
    return (conditional and venue.condition_settling_s) or venue.settling_s


def send_order(venue: Venue, intent: OrderIntent | ConditionIntent) -> str:
    """Sends an order or a condition order; returns its id. Errors as of ``Venue.place``."""
    return venue.place_condition(intent) if isinstance(intent, ConditionIntent) else venue.place(intent)


def find_placed(venue: Venue, intent: OrderIntent | ConditionIntent) -> Order:
    """The order of an intent, by its client order id; raises OrderNotFound when the venue has none."""
    if isinstance(intent, ConditionIntent):
        return venue.condition_by_client_id(intent.symbol, intent.client_order_id)
    return venue.order_by_client_id(intent.symbol, intent.client_order_id)


def send_cancel(venue: Venue, order_id: str, *, conditional: bool) -> None:
    """Cancels an order, or a condition order; errors as of ``Venue.cancel``."""
    if conditional:
        venue.cancel_condition(order_id)
    else:
        venue.cancel(order_id)


def read_order(venue: Venue, order_id: str, *, conditional: bool) -> Order:
    """One order, or condition order, by its id; errors as of ``Venue.order``."""
    return venue.condition_order(order_id) if conditional else venue.order(order_id)


def filled_order(venue: Venue, order: Order) -> Order | None:
    """The order whose fills an order has: itself, or the child of a condition order; None before that exists."""
    if order.get("Condition") is None:
        return order
    child = order.get("ChildId", "")
    return venue.order(child) if child else None
