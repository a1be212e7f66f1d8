"""The order log: every intent, its fate, and how an unknown outcome is looked up."""

from ..contracts.intents import ConditionIntent, ModifyIntent
from .cancelling import CancelNeverArrived, cancel_once
from .client_ids import ClientIds, new_client_order_id
from .desk import Durability, OrderDesk
from .intents import CancelIntent, Fate, Intent, IntentLog, IntentRecord, RawIntent
from .kinds.modifying import ModifyNeverArrived
from .lookup import LookupPlan
from .order_file import OrderFile
from .outcome import OrderNeverArrived, place_once, settle
from .reconcile import EarlierRuns, ask_again
from .under_way import words_of

__all__ = [
    "CancelIntent",
    "CancelNeverArrived",
    "ClientIds",
    "ConditionIntent",
    "Durability",
    "EarlierRuns",
    "Fate",
    "Intent",
    "IntentLog",
    "IntentRecord",
    "LookupPlan",
    "ModifyIntent",
    "ModifyNeverArrived",
    "OrderDesk",
    "OrderFile",
    "OrderNeverArrived",
    "RawIntent",
    "ask_again",
    "cancel_once",
    "new_client_order_id",
    "place_once",
    "settle",
    "words_of",
]
