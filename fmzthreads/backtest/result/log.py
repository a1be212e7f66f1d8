"""What a strategy wrote in a backtest: log rows, profit points, the status text.

The rows have the form of FMZ's engine (``RuntimeLogs``): id, time in ms, type, exchange counted from 1 (0 for none), order id, price, amount, text,
symbol, direction. Types: 0 buy, 1 sell, 2 cancel, 3 error, 4 profit (its price is the value), 5 log. Source: FMZ's published engine,
github.com/fmzquant/backtest_javascript.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ...constants import LOG_TYPE_CANCEL
from ...errors import InputError, short_repr
from ..nano import ONE
from .spilled_rows import SpilledRows

__all__ = ["ERROR", "LOG", "PROFIT", "RunLog", "plain"]

ERROR, PROFIT, LOG = 3, 4, 5
"""Types of rows beside those of orders."""


def plain(nano: int) -> int | float:
    """A number in nano as the engine prints it: whole ones without a fraction."""
    whole, rest = divmod(nano, ONE)
    return nano / ONE if rest else whole


class RunLog:
    """The log of one backtest.

    Args:
        now_ms: The clock's time in milliseconds since the epoch.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._count = 0
        self._lock = threading.Lock()  # guards that ids ascend in the rows, where a strategy has threads
        self._orders_shown = True
        self._last_errors: dict[int | None, str] = {}  # by exchange; None for the last of all
        self.rows = SpilledRows()
        """The rows that were not reset, oldest first; of many, the older ones are on disk."""
        self.profits = SpilledRows()
        """The points ``[time in ms, value]`` of ``LogProfit``; of many, the older ones are on disk."""
        self.status_text = ""
        """The last text of ``LogStatus``."""
        self.last_profit: float | None = None
        """The last value of ``LogProfit``; None before the first."""
        self.listeners: list[Callable[[list[Any]], None]] = []
        """Called with each new row."""

    @property
    def count(self) -> int:
        """How many rows were written, also those that were reset since."""
        return self._count

    def _add(self, kind: int, exchange: int, order_id: int, price: Any, amount: Any, text: str, symbol: str, direction: str) -> None:  # fmt: skip
        with self._lock:
            self._count += 1
            row = [self._count, self._now_ms(), kind, exchange, order_id, price, amount, text, symbol, direction]
            self.rows.append(row)
        if self.listeners:
            for listener in self.listeners:
                listener(row)

    def order(
        self,
        kind: int,
        exchange: int,
        order_id: int,
        price: int,
        amount: int,
        message: str,
        symbol: str,
        direction: str,
    ) -> None:
        """Writes a row of a placement or a cancel, unless such rows are switched off.

        Args:
            kind: 0 buy, 1 sell, 2 cancel.
            exchange: The exchange, counted from 1.
            order_id: The order's id.
            price: The price in nano; 0 of a market order and of a cancel.
            amount: The amount in nano; 0 of a cancel.
            message: The extra arguments of the call, joined with blanks.
            symbol: FMZ's symbol.
            direction: Such as ``buy`` or ``closesell``; empty for a spot pair.
        """
        if not self._orders_shown:
            return
        if kind == LOG_TYPE_CANCEL:
            price = amount = 0
        self._add(
            kind,
            exchange,
            order_id,
            plain(price) if price else 0,
            plain(amount) if amount else 0,
            message,
            symbol,
            direction,
        )

    def error(self, exchange: int, text: str) -> None:
        """Writes an error row; ``exchange`` is counted from 1, 0 for none."""
        self._last_errors[None] = self._last_errors[exchange] = text
        self._add(ERROR, exchange, 0, 0, 0, text, "", "")

    def take_last_error(self, exchange: int | None = None) -> str | None:
        """Returns the text of the last error row and forgets it; None when there was none since.

        Args:
            exchange: Counted from 1, for the last one of an exchange; None for that of all.
        """
        return self._last_errors.pop(exchange, None)

    def log(self, text: str) -> None:
        """Writes a row of ``Log``."""
        self._add(LOG, 0, 0, 0, 0, text, "", "")

    def profit(self, value: float, text: str = "", *, silent: bool = False) -> None:
        """Adds a point to the profit curve, and a row.

        Args:
            value: The profit.
            text: The further arguments, joined with blanks.
            silent: Whether only the point is added.
        """
        self.last_profit = value
        self.profits.append([self._now_ms(), value])
        if not silent:
            self._add(PROFIT, 0, 0, value, 0, text, "", "")

    def status(self, text: str) -> None:
        """Replaces the status text."""
        self.status_text = text

    def enable_orders(self, shown: bool) -> None:
        """Switches the rows of orders on or off."""
        self._orders_shown = shown

    def reset(self, remain: int = 0) -> None:
        """Deletes all rows but the last ``remain``; ids go on.

        Raises:
            InputError: ``remain`` is not a whole number of 0 or more.
        """
        self.rows.keep_last(_remaining(remain, "LogReset"))

    def reset_profit(self, remain: int = 0) -> None:
        """Deletes all points of the profit curve but the last ``remain``.

        Raises:
            InputError: ``remain`` is not a whole number of 0 or more.
        """
        self.profits.keep_last(_remaining(remain, "LogProfitReset"))


def _remaining(remain: Any, call: str) -> int:
    if isinstance(remain, bool) or not isinstance(remain, (int, float)) or remain < 0 or remain != int(remain):
        raise InputError(f"{call}({short_repr(remain)}): expected a whole number of 0 or more")
    return int(remain)
