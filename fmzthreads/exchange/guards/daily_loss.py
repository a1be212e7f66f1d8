"""The loss of a day: what the account was worth at the day's first order, less what it is worth now.

Worth is counted by quote currency: the currency itself, and what is held of the base currency of each pair that was traded here, at the middle of its
book; for contracts the equity. A pair that joins during the day counts from then on. The first values of a day outlive the process.
"""

from __future__ import annotations

import threading
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from ...clock import Clock
from ...database import Database
from ...errors import FmzError, GuardRefused, StopRequested
from ...fork import after_fork_in_child
from ..venue import Venue
from .prices import GuardPrices

__all__ = ["DailyLoss", "DayFile", "DayStore"]

_DAY_S = 86_400
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS days (account TEXT NOT NULL, day INTEGER NOT NULL, part TEXT NOT NULL, worth TEXT NOT NULL,
        PRIMARY KEY (account, day, part)) WITHOUT ROWID""",
)
_SPENT = "spent:"  # what stands before the quote currency whose limit was reached on a day


class DayStore(Protocol):
    """Where the first values of a day are kept."""

    def read(self, account: str, day: int) -> dict[str, Decimal]:
        """The parts of a day and what they were worth."""

    def add(self, account: str, day: int, part: str, worth: Decimal) -> None:
        """Keeps a part, unless the day has it already."""


class DayFile:
    """A ``DayStore`` in a SQLite file."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA, durable=False)

    def read(self, account: str, day: int) -> dict[str, Decimal]:
        """See ``DayStore``."""
        rows = self._database.execute("SELECT part, worth FROM days WHERE account = ? AND day = ?", (account, day))
        return {part: Decimal(worth) for part, worth in rows}

    def add(self, account: str, day: int, part: str, worth: Decimal) -> None:
        """See ``DayStore``."""
        self._database.execute_one("INSERT OR IGNORE INTO days VALUES (?, ?, ?, ?)", (account, day, part, str(worth)))


class DayMemory:
    """A ``DayStore`` that ends with the process."""

    def __init__(self) -> None:
        self._days: dict[tuple[str, int], dict[str, Decimal]] = {}

    def read(self, account: str, day: int) -> dict[str, Decimal]:
        """See ``DayStore``."""
        return dict(self._days.get((account, day), {}))

    def add(self, account: str, day: int, part: str, worth: Decimal) -> None:
        """See ``DayStore``."""
        self._days.setdefault((account, day), {}).setdefault(part, worth)


class DailyLoss:
    """Holds back orders once the day's loss has reached the limit; thread-safe.

    Args:
        most: The limit, in quote currency.
        venue: Where balances are read.
        prices: Where books are read.
        clock: Tells the day, and measures ages.
        max_age_s: How old the balances may be, in seconds.
        store: Where the first values of a day are kept; None for memory.
    """

    def __init__(
        self, most: Decimal, venue: Venue, prices: GuardPrices, clock: Clock, max_age_s: float, store: DayStore | None
    ) -> None:
        self._most = most
        self._venue = venue
        self._prices = prices
        self._clock = clock
        self._max_age_s = max_age_s
        self._store = store if store is not None else DayMemory()
        self._symbols: set[str] = set()
        self._losses: dict[str, Decimal] = {}  # by quote currency, at the last look
        self._read_at: float | None = None
        self._day = -1
        self._start_anew()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # one thread looks; the orders of others wait for it

    def check(self, symbol: str) -> None:
        """Raises for an order that does not reduce, once the limit is reached.

        Raises:
            GuardRefused: The limit is reached, or what the account is worth cannot be told.
        """
        quote = _quote_of(symbol)
        with self._lock:
            day = int(self._clock.now() // _DAY_S)
            now = self._clock.monotonic()
            old = self._read_at is None or now - self._read_at > self._max_age_s
            if old or day != self._day or symbol not in self._symbols:
                self._symbols.add(symbol)
                try:
                    self._look(day)
                except StopRequested:
                    raise
                except FmzError as error:
                    self._read_at = None
                    raise GuardRefused(
                        f"the guard max_daily_loss cannot tell what the account is worth: {error}; nothing was sent",
                        guard="max_daily_loss",
                    ) from error
                self._day, self._read_at = day, now
            loss = self._losses.get(quote, Decimal(0))
        if loss >= self._most:
            raise GuardRefused(
                f"the guard max_daily_loss holds until 00:00 UTC: the loss of the day reached {self._most} {quote} or more ({loss:f}); "
                "only orders that reduce pass; nothing was sent",
                guard="max_daily_loss",
            )

    def _look(self, day: int) -> None:
        """Compares what the account is worth with the day's first values; called under the lock."""
        account = self._venue.account_id() or self._venue.name
        worth: dict[str, dict[str, Decimal]] = {}
        for symbol in sorted(self._symbols):
            worth.setdefault(_quote_of(symbol), {}).update(self._worth(symbol))
        began = self._store.read(account, day)
        for parts in worth.values():
            for part, value in parts.items():
                if part not in began:
                    self._store.add(account, day, part, value)
        began = {**self._store.read(account, day)}
        for quote, parts in worth.items():
            loss = sum((began[part] - value for part, value in parts.items()), Decimal(0))
            if loss >= self._most and _SPENT + quote not in began:
                self._store.add(account, day, _SPENT + quote, loss)
            # Once reached it stays reached for the day, also when prices come back.
            self._losses[quote] = max(loss, began.get(_SPENT + quote, loss))

    def _worth(self, symbol: str) -> dict[str, Decimal]:
        pair, _, code = symbol.partition(".")
        base, _, quote = pair.partition("_")
        account = self._venue.account(symbol)

        def _sum(*names: str) -> Decimal:
            return sum((Decimal(repr(account.get(name) or 0)) for name in names), Decimal(0))

        if not code:
            book = self._prices.book(symbol)
            middle = (book.best(buy=True) + book.best(buy=False)) / 2
            coins = _sum("Stocks", "FrozenStocks")
            return {f"cash:{quote}": _sum("Balance", "FrozenBalance"), f"coins:{pair}": coins * middle}
        if quote != "USD":
            return {f"margin:{quote}": _sum("Equity") or _sum("Balance", "FrozenBalance", "UPnL")}
        book = self._prices.book(symbol)
        middle = (book.best(buy=True) + book.best(buy=False)) / 2
        return {f"margin:{base}": (_sum("Equity") or _sum("Stocks", "FrozenStocks", "UPnL")) * middle}

    @property
    def losses(self) -> dict[str, Decimal]:
        """The losses at the last look, by quote currency; negative for profits."""
        with self._lock:
            return dict(self._losses)


def _quote_of(symbol: str) -> str:
    return symbol.partition(".")[0].partition("_")[2]
