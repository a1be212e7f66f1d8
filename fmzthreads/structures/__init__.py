"""FMZ's result structures: dicts whose fields are attributes too.

``ticker["Last"]`` and ``ticker.Last`` are the same, ``json.dumps(ticker)`` works, and a field that is not there is a ``KeyError`` by index
and an ``AttributeError`` by attribute. Times are milliseconds since the epoch (UTC), prices are in the quote currency, amounts in the
base currency of a spot pair (in contracts for futures) unless a field says otherwise. Field names follow FMZ's API reference, "Structures".

Each declared field is a ``property(itemgetter(name))``: attribute access then costs about one and a half dict look-ups, where a
``__getattr__`` fallback costs more than ten (and its mere presence doubles the cost of a property), so that only ``Info`` has one.
"""

from .base import Info, Structure, info
from .market import (
    Account,
    Asset,
    Condition,
    Depth,
    Fee,
    Funding,
    Market,
    MarketOrder,
    Order,
    Position,
    Ticker,
    Trade,
)
from .records import Record, Records, record_changes

__all__ = [
    "Account",
    "Asset",
    "Condition",
    "Depth",
    "Fee",
    "Funding",
    "Info",
    "Market",
    "MarketOrder",
    "Order",
    "Position",
    "Record",
    "Records",
    "Structure",
    "Ticker",
    "Trade",
    "info",
    "record_changes",
]
