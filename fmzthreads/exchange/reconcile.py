"""Asking again, later, what became of orders whose outcome is unknown."""

from __future__ import annotations

from ..errors import FmzError, OrderNotFound, StopRequested
from .order_log import Fate, IntentRecord
from .state import Core

__all__ = ["ask_again"]


def ask_again(core: Core) -> list[IntentRecord]:
    """Asks the venue once after each order whose outcome is unknown, and writes down what it says.

    Returns:
        Those that were unknown, as they stand now: ``placed`` with their order id, ``absent``, or ``unknown`` still, with the reason in
        ``detail``.

    Raises:
        StopRequested: The strategy is stopped meanwhile.
    """
    return [_ask(core, record) for record in core.intents.unknown()]


def _ask(core: Core, record: IntentRecord) -> IntentRecord:
    key = record.intent.client_order_id
    # An order that was held up before it left (by a connection, say) may be on its way long after it was made.
    young = (
        core.clock.now() - (record.left_at or record.made_at) < core.venue.settling_s
    )  # "no such order" cannot be believed yet
    fate: Fate = "unknown"
    order_id = ""
    try:
        order_id = core.venue.order_by_client_id(record.intent.symbol, key).Id
        fate, detail = "placed", record.detail
    except StopRequested:
        raise
    except OrderNotFound as error:
        fate, detail = "unknown" if young else "absent", str(error)
    except FmzError as error:
        detail = str(error)
    # None: another thread settled it meanwhile, and its word stands.
    return core.intents.end(key, fate, order_id=order_id, detail=detail) or core.intents.get(key) or record
