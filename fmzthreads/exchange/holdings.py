"""What account calls returned, and the prices that were seen: sampled now and then, so that others can add up what a strategy holds.

Nothing is asked of a venue for it: only what the strategy itself asked is kept. The strategy's thread stores a few numbers; the sample is made
later, in a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import attrs

from ..clock import Clock
from ..constants import PD_SHORT
from ..fork import after_fork_in_child
from .contracts.scopes import scope_includes

__all__ = ["HoldingsSample", "SeenHoldings", "SeenMoney", "SeenPosition"]

_FIELDS = ("Balance", "FrozenBalance", "Stocks", "FrozenStocks", "Equity", "UPnL")
_MOST_PRICES = 4096
_EVERY_S = 60.0
_LINGER_S = 1.0  # calls that are made together come into one sample


@attrs.frozen(kw_only=True)
class SeenMoney:
    """So much of one currency in one wallet of an account.

    Attributes:
        account: The exchange, a colon, and what tells the account from others, without secrets.
        wallet: ``spot``, or ``futures`` for the equity of contracts.
        currency: The currency.
        amount: How much, frozen amounts and the profit of open contracts included.
        quote: The currency that ``price`` is in; empty when the currency is itself a quote currency.
        price: The last price that the strategy saw; None when it saw none.
        time_ms: When the account was read, in milliseconds since the epoch.
    """

    account: str
    wallet: str
    currency: str
    amount: float
    quote: str = ""
    price: float | None = None
    time_ms: int = 0


@attrs.frozen(kw_only=True)
class SeenPosition:
    """A position in contracts: ``amount`` is negative for a short one; ``profit`` is the unrealized one in the margin's currency."""

    account: str
    symbol: str
    amount: float
    price: float
    profit: float
    time_ms: int = 0


@attrs.frozen
class HoldingsSample:
    """What a strategy held as far as it asked; ``time_ms`` is when the sample was made, in milliseconds since the epoch."""

    time_ms: int
    money: tuple[SeenMoney, ...]
    positions: tuple[SeenPosition, ...]


class _Account(Protocol):
    """What is asked of an exchange object's state."""

    @property
    def money_account(self) -> str:
        """The exchange, a colon, and what tells the account from others."""


class SeenHoldings:
    """Keeps what the calls of one strategy returned last. Any thread may use it.

    Args:
        clock: Tells when something was read.
        put: Takes the samples, in a thread of this object's own.
        every_s: The shortest time between two samples, in seconds.
        call_later: Calls a function after so many seconds in another thread; None for a timer.
    """

    def __init__(
        self,
        clock: Clock,
        put: Callable[[HoldingsSample], object],
        *,
        every_s: float = _EVERY_S,
        call_later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        self._clock = clock
        self._put = put
        self._every_s = every_s
        self._call_later = call_later or _with_timer
        # Written by the strategy's threads without a lock: each store replaces one value as a whole.
        self._accounts: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._positions: dict[tuple[str, str | None], tuple[int, tuple[SeenPosition, ...]]] = {}
        self._prices: dict[str, float] = {}
        self._due = False  # whether a sample is to be made: then the calls have nothing more to do
        self._sampled_s: float | None = None
        self._lock = threading.Lock()  # guards _due and _sampled_s
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork, which has no timer: the next call starts one."""
        self._lock = threading.Lock()
        self._due = False

    # What the calls of exchange objects tell

    def see_account(self, core: _Account, symbol: str, account: Mapping[str, Any]) -> None:
        """Keeps what ``GetAccount`` returns for a symbol."""
        get = account.get
        self._accounts[core.money_account, symbol] = (self._clock.now_ns() // 1_000_000, *map(get, _FIELDS))
        if not self._due:
            self._plan()

    def see_positions(self, core: _Account, scope: str | None, positions: Iterable[Mapping[str, Any]]) -> None:
        """Keeps what ``GetPositions`` returns for a scope."""
        account, now = core.money_account, self._clock.now_ns() // 1_000_000
        held = tuple(
            SeenPosition(
                account=account, symbol=str(one.get("Symbol") or ""), price=_number(one.get("Price")), time_ms=now,
                amount=_number(one.get("Amount")) * (-1 if one.get("Type") == PD_SHORT else 1), profit=_number(one.get("Profit")),
            )
            for one in positions
        )  # fmt: skip
        self._positions[account, scope] = (now, held)
        if not self._due:
            self._plan()

    def see_price(self, symbol: str, price: float | None) -> None:
        """Keeps a price in the venue's currency; None is passed over."""
        if price:
            if len(self._prices) >= _MOST_PRICES and symbol not in self._prices:
                self._prices.clear()  # a scan of all markets; what is traded comes again
            self._prices[symbol] = price

    # Samples

    def sample(self) -> HoldingsSample:
        """What is held now, as far as it was asked."""
        money: dict[tuple[str, str, str], SeenMoney] = {}
        for (account, symbol), values in sorted(self._accounts.copy().items(), key=lambda one: one[1][0]):
            for part in self._parts(account, symbol, values):
                key = (part.account, part.wallet, part.currency)
                known = money.get(key)
                if known is not None and known.price is not None and part.price is None:
                    part = attrs.evolve(part, quote=known.quote, price=known.price)  # noqa: PLW2901
                money[key] = part
        positions: dict[tuple[str, str, bool], SeenPosition] = {}
        for _, held in sorted(self._positions.copy().values(), key=lambda one: one[0]):
            positions |= {(one.account, one.symbol, one.amount < 0): one for one in held}
        gone = {
            key
            for key, one in positions.items()
            for (account, scope), (time_ms, _) in self._positions.copy().items()
            if account == one.account and time_ms > one.time_ms and scope_includes(scope, one.symbol)
        }
        kept = tuple(one for key, one in positions.items() if key not in gone and one.amount)
        return HoldingsSample(self._clock.now_ns() // 1_000_000, tuple(money.values()), kept)

    def flush(self) -> None:
        """Hands over a sample now if something was read since the last one."""
        with self._lock:
            wanted, self._due = self._due, False
        if wanted:
            self._hand_over()

    def _plan(self) -> None:
        with self._lock:
            if self._due:
                return
            self._due = True
            since = self._every_s if self._sampled_s is None else self._clock.monotonic() - self._sampled_s
        self._call_later(max(_LINGER_S, self._every_s - since), self.flush)

    def _hand_over(self) -> None:
        with self._lock:
            self._sampled_s = self._clock.monotonic()
        self._put(self.sample())

    def _parts(self, account: str, symbol: str, values: tuple[Any, ...]) -> Iterable[SeenMoney]:
        time_ms, balance, frozen, stocks, frozen_stocks, equity, profit = (_number(one) for one in values)
        pair, _, code = symbol.partition(".")
        base, _, quote = pair.partition("_")
        price = self._prices.get(symbol)
        fixed: dict[str, Any] = {"account": account, "wallet": "futures" if code else "spot", "time_ms": int(time_ms)}
        coins: dict[str, Any] = {**fixed, "currency": base, "quote": quote, "price": price}
        if not code:
            yield SeenMoney(**fixed, currency=quote, amount=balance + frozen)
            yield SeenMoney(**coins, amount=stocks + frozen_stocks)
        elif quote == "USD":  # the margin is in the coin itself
            yield SeenMoney(**coins, amount=equity or stocks + frozen_stocks + profit)
        else:
            yield SeenMoney(**fixed, currency=quote, amount=equity or balance + frozen + profit)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _with_timer(seconds: float, function: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, function)
    timer.name = "fmzthreads-holdings"
    timer.daemon = True
    timer.start()
