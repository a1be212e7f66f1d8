"""The order log: every intent, its fate, and how an unknown outcome is looked up."""

from .intents import Fate, IntentLog, IntentRecord, new_client_order_id
from .outcome import LookupPlan, OrderNeverArrived, ask_again, place_once, settle

__all__ = [
    "Fate",
    "IntentLog",
    "IntentRecord",
    "LookupPlan",
    "OrderNeverArrived",
    "ask_again",
    "new_client_order_id",
    "place_once",
    "settle",
]
