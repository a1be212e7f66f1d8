"""The SQLite file of a paper account: balances, orders, fills. One process at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from ....database import Database
from ....errors import OperationFailed
from ..conditional.condition import PaperCondition
from .orders import How, PaperFill, PaperOrder, PaperPayment

__all__ = ["PaperStore"]

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS balances (currency TEXT PRIMARY KEY, free TEXT NOT NULL, frozen TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, client_id TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL,
        price TEXT, amount TEXT NOT NULL, dealt TEXT NOT NULL, cost TEXT NOT NULL, held TEXT NOT NULL, currency TEXT NOT NULL,
        ahead TEXT NOT NULL, status INTEGER NOT NULL, made_ms INTEGER NOT NULL, post_only INTEGER NOT NULL DEFAULT 0,
        UNIQUE (symbol, client_id))""",
    """CREATE TABLE IF NOT EXISTS fills (id INTEGER PRIMARY KEY, number INTEGER NOT NULL, price TEXT NOT NULL, amount TEXT NOT NULL,
        fee TEXT NOT NULL, fee_currency TEXT NOT NULL, time_ms INTEGER NOT NULL, maker INTEGER NOT NULL, how TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS payments (id INTEGER PRIMARY KEY, symbol TEXT NOT NULL, amount TEXT NOT NULL, currency TEXT NOT NULL,
        time_ms INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS conditions (number INTEGER PRIMARY KEY, client_id TEXT NOT NULL, symbol TEXT NOT NULL, state TEXT NOT NULL,
        made_ms INTEGER NOT NULL, detail TEXT NOT NULL, UNIQUE (symbol, client_id))""",
    "CREATE INDEX IF NOT EXISTS fills_of ON fills (number)",
    "CREATE INDEX IF NOT EXISTS orders_of ON orders (symbol, made_ms)",
)
_APPLICATION_ID = 0x666D7A70  # "fmzp", so that another program's file is never taken for ours
_PUT_ORDER = """INSERT INTO orders (number, client_id, symbol, side, price, amount, dealt, cost, held, currency, ahead, status, made_ms, post_only)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (number) DO UPDATE SET price = excluded.price, amount = excluded.amount, dealt = excluded.dealt, cost = excluded.cost, held = excluded.held,
    ahead = excluded.ahead, status = excluded.status"""
_PUT_FILL = """INSERT INTO fills (number, price, amount, fee, fee_currency, time_ms, maker, how) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
_PUT_PAYMENT = "INSERT INTO payments (symbol, amount, currency, time_ms) VALUES (?, ?, ?, ?)"
_PUT_BALANCE = "INSERT INTO balances VALUES (?, ?, ?) ON CONFLICT (currency) DO UPDATE SET free = excluded.free, frozen = excluded.frozen"
_PUT_FACT = "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_PUT_CONDITION = """INSERT INTO conditions VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (number) DO UPDATE SET state = excluded.state, detail = excluded.detail"""
_BUSY_S = 1.0

Statement = tuple[str, Sequence[Any]]


def _set_up(connection: sqlite3.Connection) -> None:
    """Marks a new file, and takes it for this process alone: two that match the same orders would fill them twice."""
    found = connection.execute("PRAGMA application_id").fetchone()[0]
    if found != _APPLICATION_ID:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise OperationFailed(
                "it holds another program's tables; it was not changed: give the paper account another file"
            )
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    columns = {row[1] for row in connection.execute("PRAGMA table_info(orders)")}
    if columns and "post_only" not in columns:  # of an older version
        connection.execute("ALTER TABLE orders ADD COLUMN post_only INTEGER NOT NULL DEFAULT 0")
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")


class PaperStore:
    """The state of a paper account; thread-safe, and of one process at a time.

    Args:
        path: The file; None to keep the account in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._database = Database(
            path if path is not None else ":memory:", _SCHEMA, durable=False, busy_s=_BUSY_S, setup=_set_up
        )

    def open(self, balances: Mapping[str, Decimal], mode: str = "hedge") -> dict[str, tuple[Decimal, Decimal]]:
        """Opens the account, and gives a new one its first balances and its position mode.

        Returns:
            Free and frozen amount of each currency.

        Raises:
            OperationFailed: The file cannot be used, or another process trades with it.
        """
        try:
            # A write, so that the file is taken by this process even when nothing changes.
            self._database.execute(_PUT_FACT, ("format", "1"))
            new = not self._database.execute("SELECT 1 FROM facts WHERE name = 'opened'")
            if new:
                rows: list[Statement] = [(_PUT_BALANCE, (name, str(one), "0")) for name, one in balances.items()]
                self._database.execute_all([*rows, (_PUT_FACT, ("mode", mode)), (_PUT_FACT, ("opened", "1"))])
            found = self._database.execute("SELECT currency, free, frozen FROM balances")
        except OperationFailed as error:
            raise OperationFailed(
                f"the paper account cannot be opened, or another process trades with it: {error}"
            ) from error
        return {currency: (Decimal(free), Decimal(frozen)) for currency, free, frozen in found}

    def save(
        self,
        balances: Mapping[str, tuple[Decimal, Decimal]],
        orders: Iterable[PaperOrder],
        fills: Iterable[PaperFill],
        facts: Mapping[str, str] | None = None,
        payments: Iterable[PaperPayment] = (),
        conditions: Iterable[PaperCondition] = (),
    ) -> None:
        """Stores a change in one transaction.

        Args:
            balances: The balances that changed.
            orders: The orders that are new or changed.
            fills: The new fills.
            facts: Further values that changed, by name.
            payments: New funding payments.
            conditions: The condition orders that are new or changed.

        Raises:
            OperationFailed: It cannot be stored: nothing has changed.
        """
        statements: list[Statement] = [
            (_PUT_BALANCE, (name, str(free), str(frozen))) for name, (free, frozen) in balances.items()
        ]
        statements += [(_PUT_ORDER, _order_row(order)) for order in orders]
        statements += [(_PUT_FILL, _fill_row(fill)) for fill in fills]
        statements += [(_PUT_FACT, item) for item in (facts or {}).items()]
        statements += [(_PUT_PAYMENT, (one.symbol, str(one.amount), one.currency, one.time_ms)) for one in payments]
        statements += [
            (_PUT_CONDITION, (one.number, one.client_id, one.symbol, one.state, one.made_ms, one.text))
            for one in conditions
        ]
        self._database.execute_all(statements)

    def payments(self) -> list[PaperPayment]:
        """All funding payments, oldest first."""
        rows = self._database.execute("SELECT symbol, amount, currency, time_ms FROM payments ORDER BY id")
        return [
            PaperPayment(symbol=symbol, amount=Decimal(amount), currency=currency, time_ms=time_ms)
            for symbol, amount, currency, time_ms in rows
        ]

    def facts(self) -> dict[str, str]:
        """Further values, by name."""
        return dict(self._database.execute("SELECT name, value FROM facts"))

    def last_number(self) -> int:
        """The number of the last order; 0 before the first."""
        return int(self._database.execute("SELECT coalesce(max(number), 0) FROM orders")[0][0])

    def orders(self, where: str, params: Sequence[Any] = ()) -> list[PaperOrder]:
        """Orders, oldest first.

        Args:
            where: The condition, and what may follow it.
            params: Its values.
        """
        return [_order_of(row) for row in self._database.execute(f"SELECT * FROM orders WHERE {where}", params)]  # noqa: S608 (constants)

    def conditions(self, where: str, params: Sequence[Any] = ()) -> list[PaperCondition]:
        """Condition orders, oldest first.

        Args:
            where: The condition, and what may follow it.
            params: Its values.
        """
        rows = self._database.execute(f"SELECT * FROM conditions WHERE {where}", params)  # noqa: S608 (constants)
        return [PaperCondition.of_row(row) for row in rows]

    def last_condition(self) -> int:
        """The number of the last condition order; 0 before the first."""
        return int(self._database.execute("SELECT coalesce(max(number), 0) FROM conditions")[0][0])

    def fills(self, number: int) -> list[PaperFill]:
        """The fills of an order, oldest first."""
        rows = self._database.execute(
            "SELECT number, price, amount, fee, fee_currency, time_ms, maker, how FROM fills WHERE number = ? ORDER BY id",
            (number,),
        )
        return [_fill_of(row) for row in rows]

    def close(self) -> None:
        """Closes the file."""
        self._database.close()


def _order_row(order: PaperOrder) -> tuple[Any, ...]:
    return (
        order.number,
        order.client_id,
        order.symbol,
        order.side,
        None if order.price is None else str(order.price),
        *(str(one) for one in (order.amount, order.dealt, order.cost, order.held)),
        order.currency,
        str(order.ahead),
        order.status,
        order.made_ms,
        int(order.post_only),
    )


def _order_of(row: tuple[Any, ...]) -> PaperOrder:
    number, client_id, symbol, side, price, amount, dealt, cost, held, currency, ahead, status, made_ms, post_only = row
    return PaperOrder(
        number=number,
        client_id=client_id,
        symbol=symbol,
        side=side,
        price=None if price is None else Decimal(price),
        amount=Decimal(amount),
        dealt=Decimal(dealt),
        cost=Decimal(cost),
        held=Decimal(held),
        currency=currency,
        ahead=Decimal(ahead),
        status=status,
        made_ms=made_ms,
        post_only=bool(post_only),
    )


def _fill_row(fill: PaperFill) -> tuple[Any, ...]:
    return (
        fill.number,
        *(str(one) for one in (fill.price, fill.amount, fill.fee)),
        fill.fee_currency,
        fill.time_ms,
        int(fill.maker),
        fill.how,
    )


def _fill_of(row: tuple[Any, ...]) -> PaperFill:
    number, price, amount, fee, fee_currency, time_ms, maker, how = row
    return PaperFill(
        number=number,
        price=Decimal(price),
        amount=Decimal(amount),
        fee=Decimal(fee),
        fee_currency=fee_currency,
        time_ms=time_ms,
        maker=bool(maker),
        how=cast(How, how),
    )
