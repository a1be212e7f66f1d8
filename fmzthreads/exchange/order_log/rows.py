"""The tables of the order log, and its rows."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from typing import Any, cast

import attrs

from ...errors import OperationFailed
from ..contracts.intents import ConditionIntent, ModifyIntent
from ..venue import OrderIntent
from .intents import CancelIntent, Fate, Intent, IntentRecord, RawIntent
from .kinds.terms_text import read_terms, terms_text

__all__ = [
    "CHANGE",
    "CHANGE_STATUS",
    "FORGOTTEN",
    "INSERT",
    "INSERT_FILL",
    "SCHEMA",
    "SELECT_OPEN",
    "SELECT_WITHOUT_END",
    "StoredIntent",
    "changes_of",
    "read_row",
    "set_up",
    "values_of",
]

APPLICATION_ID = 0x666D7A6F  # "fmzo", so that another program's file is never taken for ours
FORMAT = 2
"""2: condition orders and changes of orders, which a version that knows 1 alone would look up at the wrong door. The tables are the same."""

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS runs (
        run INTEGER PRIMARY KEY, part TEXT NOT NULL UNIQUE, pid INTEGER NOT NULL, started TEXT NOT NULL, made_at REAL NOT NULL,
        closed INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE IF NOT EXISTS intents (
        id INTEGER PRIMARY KEY, account TEXT NOT NULL, kind TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT, price TEXT, amount TEXT,
        client_order_id TEXT NOT NULL, time_in_force TEXT, options TEXT, order_id TEXT NOT NULL, fate TEXT NOT NULL,
        detail TEXT NOT NULL, made_at REAL NOT NULL, left_at REAL NOT NULL, settled_at REAL NOT NULL, status INTEGER, deal_amount TEXT)""",
    """CREATE TABLE IF NOT EXISTS fills (
        account TEXT NOT NULL, symbol TEXT NOT NULL, order_id TEXT NOT NULL, trade_id TEXT NOT NULL, price TEXT NOT NULL,
        amount TEXT NOT NULL, fee TEXT NOT NULL, fee_currency TEXT NOT NULL, time_ms INTEGER NOT NULL, maker INTEGER NOT NULL,
        PRIMARY KEY (account, symbol, order_id, trade_id)) WITHOUT ROWID""",
)
"""``intents.id`` is the run's number times 2**32 plus a count, so that the rows of a run lie together and no other index is needed."""

INSERT = "INSERT INTO intents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
# A settled intent stays as it is: another process may have settled it meanwhile.
CHANGE = """UPDATE intents SET fate = ?, order_id = ?, detail = ?, left_at = ?, settled_at = ?
    WHERE id = ? AND fate IN ('sending', 'unknown')"""
SELECT_WITHOUT_END = """SELECT intents.*, runs.part FROM intents JOIN runs ON runs.run = intents.id >> 32
    WHERE account = ? AND kind IN ('order', 'condition') AND fate = 'placed' AND coalesce(status, 0) IN (0, 3) ORDER BY intents.id"""
INSERT_FILL = "INSERT OR IGNORE INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
CHANGE_STATUS = "UPDATE intents SET status = ?, deal_amount = ? WHERE id = ?"
FORGOTTEN = "UPDATE intents SET fate = 'absent', detail = ? WHERE id = ? AND fate = 'placed'"
SELECT_OPEN = """SELECT intents.*, runs.part FROM intents JOIN runs ON runs.run = intents.id >> 32
    WHERE id BETWEEN ? AND ? AND fate IN ('sending', 'unknown')"""


def set_up(connection: sqlite3.Connection) -> None:
    """Marks a new file as an order log, and leaves checkpoints to the writer thread.

    Raises:
        OperationFailed: The file is not an order log, or one of a newer version; it is not changed.
    """
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise OperationFailed(f"{path} holds another program's tables; it was not changed: move it away")
        # Of a row's commit a whole page is written and summed up: a small page costs less. It takes effect for a file that is empty.
        connection.execute("PRAGMA page_size = 2048")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    elif version > FORMAT:
        raise OperationFailed(
            f"{path} has format {version}, and this version of fmzthreads knows {FORMAT}; it was not changed: update fmzthreads"
        )
    elif version < FORMAT:
        connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("PRAGMA wal_autocheckpoint = 0")


@attrs.frozen(kw_only=True)
class StoredIntent:
    """One row of the order log.

    Attributes:
        row: Its number.
        account: The account it was sent to.
        record: The intent and its fate.
        run: The number of the process that made it.
    """

    row: int
    account: str
    record: IntentRecord
    run: int


def values_of(row: int, record: IntentRecord, account: str) -> tuple[object, ...]:
    """The values of a new row."""
    intent = record.intent
    key = intent.client_order_id
    if isinstance(intent, CancelIntent):
        order: tuple[object, ...] = (None, None, None, key, None, None, intent.order_id)
    elif isinstance(intent, RawIntent):
        call = json.dumps({"method": intent.http_method, "resource": intent.resource, "sent": intent.sent})
        order = (None, None, None, key, None, call, record.order_id)
    elif isinstance(intent, ConditionIntent):
        text = terms_text(intent.terms, intent.options)
        order = (intent.side, None, str(intent.amount), key, None, text, record.order_id)
    elif isinstance(intent, ModifyIntent):
        text = terms_text(intent.terms, intent.options)
        order = (intent.side, _text(intent.price), _text(intent.amount), key, None, text, intent.order_id)
    else:
        options = json.dumps(dict(intent.options)) if intent.options else None
        order = (
            intent.side, _text(intent.price), str(intent.amount), key, intent.time_in_force, options, record.order_id
        )  # fmt: skip
    times = (record.made_at, record.left_at, record.settled_at)
    return (row, account, intent.kind, intent.symbol, *order, record.fate, record.detail, *times, None, None)


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def changes_of(row: int, record: IntentRecord) -> tuple[object, ...]:
    """The values of ``CHANGE``."""
    intent = record.intent
    own_id = intent.order_id if isinstance(intent, (CancelIntent, ModifyIntent)) else ""
    order_id = own_id if isinstance(intent, CancelIntent) else record.order_id or own_id
    return (record.fate, order_id, record.detail, record.left_at, record.settled_at, row)


def read_row(values: tuple[Any, ...]) -> StoredIntent:
    """A row of ``SELECT_OPEN``."""
    (row, account, kind, symbol, side, price, amount, client_order_id, in_force, options, order_id, fate, detail, made_at, left_at,
     settled_at, status, dealt, part) = values  # fmt: skip
    intent: Intent
    if kind in {"cancel", "cancel_condition"}:
        conditional = kind != "cancel"
        intent = CancelIntent(
            order_id=order_id, symbol=symbol, client_order_id=client_order_id, conditional=conditional
        )
    elif kind == "raw":
        call = json.loads(options)
        intent = RawIntent(
            http_method=call["method"], resource=call["resource"], sent=call["sent"], client_order_id=client_order_id
        )
    elif kind == "condition":
        terms, own = read_terms(options)
        if terms is None:
            raise ValueError("a condition order without a condition")
        intent = ConditionIntent(
            symbol=symbol, side=side, amount=Decimal(amount), terms=terms, client_order_id=client_order_id, options=own
        )
    elif kind in {"modify", "modify_condition"}:
        terms, own = read_terms(options)
        intent = ModifyIntent(
            order_id=order_id, symbol=symbol, side=side, price=_number(price), amount=_number(amount),
            client_order_id=client_order_id, terms=terms, options=own,
        )  # fmt: skip
    elif kind != "order":
        raise ValueError(f"the kind {kind!r} is not known")
    else:
        intent = OrderIntent(
            symbol=symbol,
            side=side,
            price=_number(price),
            amount=Decimal(amount),
            client_order_id=client_order_id,
            time_in_force=in_force,
            options=json.loads(options) if options else {},
        )
    record = IntentRecord(
        intent=intent,
        fate=cast(Fate, fate),
        order_id=order_id,
        detail=detail,
        made_at=made_at,
        left_at=left_at,
        settled_at=settled_at,
        run=part,
        status=status,
        deal_amount=_number(dealt),
    )
    return StoredIntent(row=row, account=account, record=record, run=row >> 32)
