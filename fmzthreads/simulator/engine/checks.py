"""The form and the filters of an order.

These checks come before anything is frozen.
"""

from __future__ import annotations

from decimal import Decimal

from ...errors import InputError
from .book import MatchingBook
from .instruments import Instrument, from_units, to_units
from .orders import NewOrder, TimeInForce
from .reasons import Reason, Rejected
from .trades import TradeLog

__all__ = ["check_notional", "measure", "quote_budget", "would_take"]


def measure(instrument: Instrument, book: MatchingBook, trades: TradeLog, order: NewOrder) -> tuple[int, int]:
    """Checks the filters and returns price and quantity in ticks and lots.

    Raises:
        Rejected: The combination of fields, the price, the quantity or the notional value is refused.
    """
    if order.side not in {"buy", "sell"} or order.type not in {"limit", "market"}:
        raise Rejected(Reason.BAD_COMBINATION, f"unknown side or type: {order.side!r}, {order.type!r}")
    if order.type == "limit":
        if order.price is None or order.quantity is None or order.quote_quantity is not None:
            raise Rejected(Reason.BAD_COMBINATION, "a limit order requires a price and a quantity in base")
        ticks, lots = instrument.ticks(order.price), instrument.lots(order.quantity)
        if not order.reduces:
            check_notional(instrument, instrument.worth(ticks, lots))
        return ticks, lots
    if order.price is not None or (order.quantity is None) == (order.quote_quantity is None):
        raise Rejected(
            Reason.BAD_COMBINATION, "a market order requires one quantity, in base or in quote, and no price"
        )
    if order.time_in_force is TimeInForce.POST_ONLY:
        raise Rejected(Reason.BAD_COMBINATION, "a market order cannot be post-only")
    if order.quantity is not None:
        lots = instrument.lots(order.quantity, market=True)
        reference = trades.last_ticks or (book.best_ask() if order.side == "buy" else book.best_bid())
        if reference and not order.reduces:
            check_notional(instrument, instrument.worth(reference, lots))
        return 0, lots
    check_notional(instrument, quote_budget(instrument, order) * instrument.lot_value)
    # One lot more than allowed: an order that would fill it is refused after reading the book.
    return 0, instrument.lots(_whole_lots(instrument), market=True) + 1


def check_notional(instrument: Instrument, units: int) -> None:
    """Checks the minimum notional of an order.

    Raises:
        Rejected: NOTIONAL_TOO_SMALL.
    """
    if units < instrument.min_notional_units:
        raise Rejected(
            Reason.NOTIONAL_TOO_SMALL,
            f"the order's value {from_units(units):f} {instrument.quote} is below the minimum {instrument.min_notional:f}",
        )


def would_take(book: MatchingBook, is_buy: bool, ticks: int) -> bool:
    """Whether a limit order at this price would trade at once."""
    if is_buy:
        ask = book.best_ask()
        return bool(ask) and ticks >= ask
    return book.best_bid() >= ticks


def quote_budget(instrument: Instrument, order: NewOrder) -> int:
    """The quote amount of a market order in whole ticks times lots.

    Raises:
        Rejected: BAD_QUANTITY or QUANTITY_STEP.
    """
    amount = order.quote_quantity
    if not isinstance(amount, Decimal) or not amount.is_finite() or amount <= 0:
        raise Rejected(Reason.BAD_QUANTITY, f"a quote quantity must be a finite Decimal above 0, got {amount!r}")
    try:
        return to_units(amount) // instrument.lot_value
    except InputError as error:
        raise Rejected(Reason.QUANTITY_STEP, str(error)) from None


def _whole_lots(instrument: Instrument) -> Decimal:
    """The largest market order by quote amount, in whole lots."""
    most = min(instrument.max_quantity, instrument.max_market_quantity)
    return most - most % instrument.step
