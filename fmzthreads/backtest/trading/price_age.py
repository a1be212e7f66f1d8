"""How old the price of a fill was: the time without a tick before it."""

from __future__ import annotations

from .market import MarketView
from .orders import DeskOrder

__all__ = ["fill_age_ms", "price_age_ms"]


def price_age_ms(view: MarketView, time_ms: int) -> int:
    """How old the price of a symbol is at a moment: the time since its tick; in the tick's own moment, the time between it and the one before.

    Args:
        view: The symbol.
        time_ms: The moment.

    Returns:
        Milliseconds; 0 without a tick.
    """
    number = view.number_before(time_ms + 1)
    if number < 0:
        return 0
    tick_ms = view.tick_at(number).time_ms
    if tick_ms < time_ms:
        return time_ms - tick_ms
    before = view.number_before(tick_ms)
    return tick_ms - view.tick_at(before).time_ms if before >= 0 else 0


def fill_age_ms(order: DeskOrder) -> int:
    """How old the price of a fill at the tick ``order.seen`` was, in milliseconds.

    At the tick that was current when the order was placed: the time from the tick to the placement. At a later one: the time between it and the tick before it.
    """
    birth = order.birth
    if order.seen <= birth.number:
        return max(0, order.time_ms - birth.time_ms)
    return price_age_ms(order.view, order.view.tick_at(order.seen).time_ms)
