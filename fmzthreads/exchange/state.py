"""The state of an exchange object: settings, caches, limits, workers, and the last reply of each thread."""

from __future__ import annotations

import atexit
import hashlib
import threading
import weakref
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ParamSpec

import attrs

from ..arguments import exact_decimal, whole_number
from ..clock import Clock, WallClock
from ..deadline import Deadline
from ..errors import (
    FmzError,
    InputError,
    NotSupported,
    OutcomeUnknown,
    StopRequested,
    TimedOut,
    short_repr,
)
from ..fork import after_fork_in_child
from ..structures import Info
from ..tasks.pool import CallPool
from .bars import BarBook
from .call_limits import CallLimits
from .contracts.choice import ContractDesk, contract_code, listed_as
from .contracts.directions import check_direction
from .host import Host
from .keys.credentials import Credentials
from .live_account.live import LiveAccounts
from .live_books import Lines, LiveBooks
from .market_rules import MarketBook
from .order_log import Durability, LookupPlan, OrderDesk, words_of
from .settings import Settings, split_base, split_symbol
from .venue import LastReply, Venue

__all__ = ["Core", "Failure_co", "ReplySlot"]

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    # What a call that fails returns: None, or nothing at all because it raises.
    Failure_co = TypeVar("Failure_co", covariant=True, default=None)
else:
    from typing import TypeVar

    Failure_co = TypeVar("Failure_co", covariant=True)

P = ParamSpec("P")
T = TypeVar("T")

_MOST_RATE = Decimal(10) ** 18
_EXIT_GRACE_S = 10.0  # what a script that ends grants the orders that its own threads are sending
_NAMED_IN_A_LINE = 6  # orders under way; an error's text has at most 500 characters
_MOST_DIGITS = 30  # behind the point; no market has more than 18
# Periods that a script may have meant in milliseconds: FMZ's constants, from a minute to a week.
_USUAL_PERIODS_S = frozenset({60, 180, 300, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 259200, 604800})


class ReplySlot:
    """Keeps the last reply of a call, or of a thread; its text is decoded only when it is asked for."""

    reply: LastReply | None = None


class _LocalSlot(ReplySlot, threading.local):
    """One slot for each thread."""


class Core:
    """The shared state of one exchange object; every method may be called from several threads at once.

    Args:
        venue: The adapter.
        host: The journal and the clock.
        label: The exchange's label, for the journal.
        settings: The first settings.
        limited: The names of the functions that call limits may be set for.
        plan: How the outcome of an order without a reply is looked up.
        max_workers: How many background calls run at once.
        credentials: The account's keys, for ``Encode`` and ``HMAC``; None for none.
        durability: What the records of orders survive; None for the default.
    """

    def __init__(
        self,
        venue: Venue,
        host: Host,
        label: str,
        settings: Settings,
        limited: frozenset[str],
        plan: LookupPlan,
        max_workers: int,
        credentials: Credentials | None = None,
        durability: Durability | None = None,
    ) -> None:
        self.venue = venue
        self.credentials = credentials
        self.host = host
        self.label = label
        self.plan = plan
        self.clock: Clock = host.clock
        self.markets = MarketBook(venue.rules, self.clock)
        self.bars = BarBook(venue, self.clock)
        file = None if durability == "memory" or not (durability or venue.account_id()) else host.order_log
        self.orders = OrderDesk(venue, self.clock, plan, file, durability)
        self.intents = self.orders.intents
        self.under_way = self.orders.under_way
        self.money_account = _money_account(venue, credentials, label)
        """The exchange, a colon, and what tells its money from others', without secrets; spot and contracts of one key have the same."""
        self.limits = CallLimits(self.clock, limited)
        self.live = LiveBooks(venue, host, label)
        self.contracts = desk = ContractDesk(venue, lambda error: self.report("orders", error))
        self.accounts = LiveAccounts(venue, host, Lines(host, label), desk)
        venue.warn_with(lambda text: host.warning(text, source=label))
        self.here: ReplySlot = _LocalSlot()  # of the calling thread
        # Guards settings against two changes at once, and _last_error. Re-entrant, because a task queue's report that is garbage-collected
        # under it writes its error lines.
        self._lock = threading.RLock()
        self.settings = settings
        """The settings now: replaced, never changed, so that a call keeps those that it began with."""
        self._last_error = ""
        self._advised = False  # two threads at once may both warn, which is harmless
        self._max_workers = max_workers
        self._pool_lock = threading.Lock()  # guards that one pool is made
        self._pool: CallPool | None = None
        # Registered before the pool's, so it runs after it: calls of the pool have had their time by then.
        self._at_exit = _end_at_exit(weakref.ref(self))
        atexit.register(self._at_exit)
        weakref.finalize(self, atexit.unregister, self._at_exit).atexit = False
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: new locks; what they guard resets itself."""
        self._lock = threading.RLock()
        self._pool_lock = threading.Lock()

    def change(self, **changes: Any) -> Settings:
        """Changes settings for the calls to come."""
        with self._lock:
            self.settings = attrs.evolve(self.settings, **changes)
            return self.settings

    @property
    def pool(self) -> CallPool:
        """The workers of background calls; made at the first use."""
        pool = self._pool
        if pool is None:
            with self._pool_lock:
                if self._pool is None:
                    self._pool = CallPool(self.label, max_workers=self._max_workers, clock=self.clock)
                pool = self._pool
        return pool

    @property
    def free_workers(self) -> int:
        """How many background calls would start at once if made now."""
        pool = self._pool
        return self._max_workers if pool is None else pool.free_workers

    @property
    def unfinished_calls(self) -> int:
        """How many background calls have not ended."""
        pool = self._pool
        return 0 if pool is None else pool.unfinished

    def warm(self, connections: int | None) -> bool:
        """Starts workers, opens their connections and fetches the trading rules. True.

        Args:
            connections: For how many calls at once; None for all workers.

        Raises:
            InputError: ``connections`` is not a whole number of 1 or more.
            FmzError: A connection or the rules failed.
        """
        most = self._max_workers
        count = most if connections is None else whole_number("connections", connections, least=1)
        for handle in self.pool.warm(min(count, most), lambda: self.venue.warm(count)):
            if handle.error is not None:
                raise handle.error
            if not handle.done:
                raise TimedOut(f"timeout while the connections of {self.label} were opened")
        try:
            self.markets.rules(self.settings.symbol)
        except NotSupported:
            pass  # a venue without rules takes orders as they are
        return True

    def drain(self, timeout_s: float) -> bool:
        """Cancels the background calls that have not started, and waits for those that run and for the orders of all threads.

        Args:
            timeout_s: The longest to wait, in seconds of real time.

        Returns:
            Whether all have ended.
        """
        deadline = Deadline(WallClock(), timeout_s)
        with self._pool_lock:
            pool = self._pool
        if pool is not None:
            pool.cancel_waiting()
        orders = self.under_way.wait(deadline.remaining() or 0.0)
        return (pool is None or pool.wait_idle(deadline.remaining())) and orders

    def close(self, timeout_s: float) -> None:
        """Ends the live books, the background calls and the connections; names the orders that are still under way then.

        Args:
            timeout_s: The longest to wait for running calls and for the orders of all threads, in seconds.
        """
        self.live.close(timeout_s)
        self.accounts.close(timeout_s)
        deadline = Deadline(WallClock(), timeout_s)
        with self._pool_lock:
            pool = self._pool
        if pool is not None:
            pool.shutdown(timeout_s, cancel_waiting=True)
        self.under_way.wait(deadline.remaining() or 0.0)
        self.name_orders_under_way("when the exchange object was closed")
        self.orders.flush()
        self.venue.close()
        atexit.unregister(self._at_exit)

    def name_orders_under_way(self, when: str) -> None:
        """See ``Exchange.name_orders_under_way``."""
        intents = self.under_way.give_up()
        for intent in intents:
            self.intents.end(intent.client_order_id, "sending", detail=f"still under way {when}")
        for first in range(0, len(intents), _NAMED_IN_A_LINE):
            some = intents[first : first + _NAMED_IN_A_LINE]
            names = ", ".join(f"{intent.client_order_id} ({words_of(intent)})" for intent in some)
            self.report("orders", OutcomeUnknown(f"still under way {when}, outcome unknown: {names}"))

    def set_currency(self, text: Any) -> bool:
        """Sets the pair of later calls, and their contract where the text has one. True.

        Raises:
            InputError: It is not a symbol.
        """
        pair, code = split_symbol(text)
        self.change(pair=pair, contract=code or self.venue.default_contract)
        return True

    def set_contract_type(self, code: Any) -> Info:
        """Sets the contract of later calls, and returns what the venue lists it as.

        Raises:
            InputError: It is not text.
            UnknownSymbol: The venue does not list it.
            NotSupported: The venue has no contracts.
        """
        pair, name = split_symbol(self.settings.pair + "." + contract_code(code))
        contract = self.contracts.choose(f"{pair}.{name}")
        self.change(pair=pair, contract=name)
        return listed_as(contract)

    def set_direction(self, direction: Any) -> bool:
        """Sets what ``Buy`` and ``Sell`` do with contracts. True.

        Raises:
            UnknownName: There is no such direction.
            InputError: The current symbol is no contract.
        """
        found = check_direction(direction)
        if not (self.settings.contracts_of or self.settings.contract):
            raise InputError(f"SetDirection is for contracts, and {self.settings.symbol} is a spot symbol")
        self.change(direction=found)
        return True

    def set_precision(self, price: Any, amount: Any) -> None:
        """Sets the decimals that prices and amounts of orders are cut to.

        Raises:
            InputError: One is not a whole number from 0 to 30.
        """
        digits = (
            whole_number("pricePrecision", price, most=_MOST_DIGITS),
            whole_number("amountPrecision", amount, most=_MOST_DIGITS),
        )
        self.change(price_digits=digits[0], amount_digits=digits[1])

    def set_rate(self, rate: Any) -> float:
        """Sets the factor of prices and returns it.

        Raises:
            InputError: It is not a number above 0 and from 1e-18 to 1e18.
        """
        factor = exact_decimal("rate", rate)
        if not 1 / _MOST_RATE <= factor <= _MOST_RATE:
            raise InputError(f"rate must be more than 0 (from 1e-18 to 1e18), got {short_repr(rate)}")
        self.change(rate=factor)
        return float(factor)

    def set_bar_cap(self, count: Any) -> None:
        """Sets how many bars the first request asks for, and how many are kept.

        Raises:
            InputError: It is not a whole number of 1 or more.
        """
        cap = whole_number("n", count, least=1)
        self.change(bar_cap=cap, first_bars=cap)

    def set_proxy(self, proxy: Any) -> bool:
        """Sets the venue's proxy. True.

        Raises:
            InputError: It is not text, or not in a form that the venue accepts.
        """
        if not isinstance(proxy, str):
            raise InputError(f"a proxy must be text, got {type(proxy).__name__}")
        self.venue.set_proxy(proxy)
        self.live.renew()
        return True

    def set_timeout(self, timeout_ms: Any) -> bool:
        """Sets the venue's time-out. True.

        Raises:
            InputError: It is not a number above 0.
        """
        value = exact_decimal("timeout", timeout_ms)
        if value <= 0:
            raise InputError(f"timeout must be more than 0 ms, got {short_repr(timeout_ms)}")
        self.venue.set_timeout(float(value))
        return True

    def set_base(self, url: Any) -> str:
        """Sets the base URL of later calls, drops what was cached of the old one, and returns it.

        Raises:
            InputError: It is not a URL.
        """
        self.venue.set_base(self._base_of("SetBase", url))
        self.markets.forget()
        self.contracts.forget()
        self.bars.forget()
        self.live.renew()
        return self.venue.base()

    def set_market_base(self, url: Any) -> str:
        """Sets the base URL of market data for later calls, drops the bars of the old one, and returns it.

        Args:
            url: Empty for the base URL of all other calls.

        Raises:
            InputError: It is not a URL.
            NotSupported: The venue cannot have two.
        """
        self.venue.set_market_base("" if url == "" else self._base_of("IO('mbase')", url))
        self.bars.forget()
        self.live.renew()
        return self.venue.market_base()

    def _base_of(self, name: str, url: Any) -> str:
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            given = short_repr(url.partition("?")[0].rpartition("@")[2]) if isinstance(url, str) else type(url).__name__
            raise InputError(f"a base URL must begin with http:// or https://, got {given}")
        base, path = split_base(url, self.venue.name)
        if path:
            self.warn_base(name, base, path)
        return base

    def warn_base(self, name: str, url: str, path: str) -> None:
        """Warns that the path of an API was removed from a base URL."""
        shown = url.rpartition("//")[2].rpartition("@")[2]
        self.host.warning(
            f"{name}: a base URL has no API path; {short_repr(path)} was removed, and calls go to {shown}",
            source=self.label,
        )

    def advise_period(self, period_s: int) -> None:
        """Warns, once, of a period that looks like milliseconds."""
        if period_s % 1000 or period_s // 1000 not in _USUAL_PERIODS_S or self._advised:
            return
        self._advised = True
        self.host.warning(
            f"GetRecords: the period is in seconds; {period_s} s are {period_s / 3600:.4g} hours. "
            f"For bars of {period_s // 1000} s pass {period_s // 1000}",
            source=self.label,
        )

    def run(self, name: str, slot: ReplySlot, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs one call, keeps its raw reply, and reports its error.

        Args:
            name: The method's name, for the journal.
            slot: Where the venue's reply is kept.
            work: The call.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Raises:
            Exception: What the call raised, after its line was written (a stop writes none).
        """
        before = self.venue.last_reply()
        try:
            return work(*args, **kwargs)
        except StopRequested:
            raise
        except FmzError as error:
            self.report(name, error)
            raise
        except Exception as error:  # a defect of ours or of an adapter: reported as such, and raised
            self.report(name, error, fault=True)
            raise
        finally:
            after = self.venue.last_reply()
            # The same object was left by an earlier call of this thread.
            if after is not before:
                slot.reply = after

    def report(self, name: str, error: BaseException, *, fault: bool = False) -> None:
        """Writes one error line and keeps its text."""
        text = f"{name}: {type(error).__name__}: {error}" if fault else f"{name}: {error}"
        with self._lock:
            self._last_error = text
        self.host.error(text, source=self.label)

    def take_last_error(self) -> str:
        """Returns the text of the last error and clears it; empty if there was none since."""
        with self._lock:
            text, self._last_error = self._last_error, ""
            return text

    def keep_reply(self, slot: ReplySlot) -> None:
        """Makes the reply of a background call the last one of this thread."""
        if slot.reply is not None:
            self.here.reply = slot.reply

    def raw(self) -> str:
        """Returns the text of the last reply to a call of this thread (or one whose result it took); empty before the first."""
        reply = self.here.reply
        return "" if reply is None else reply.text


def _money_account(venue: Venue, credentials: Credentials | None, label: str) -> str:
    if credentials is None or not credentials.access_key:
        return venue.account_id() or label + ":"
    digest = hashlib.sha256(f"money:{credentials.access_key}".encode()).hexdigest()[:16]
    return f"{venue.name.removeprefix('Futures_')}:{digest}"


def _end_at_exit(core_of: weakref.ref[Core]) -> Callable[[], None]:
    """Returns the function for atexit; its weak reference does not keep the exchange object alive."""

    def _end() -> None:
        core = core_of()
        if core is None:
            return
        if not core.unfinished_calls:  # else the pool has waited already, and a call hangs
            core.under_way.wait(_EXIT_GRACE_S)  # orders of the script's own (daemon) threads
        core.name_orders_under_way("when the process ended")

    return _end
