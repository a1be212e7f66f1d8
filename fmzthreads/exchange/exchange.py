"""FMZ's exchange object over any venue: its method names, argument forms, and way of failing.

A call that fails gives None (a cancel False), leaves exactly one error line in the journal, and its text in ``GetLastError()``; "there is
nothing" is an empty list. With ``errors="raise"`` it raises instead. An unknown method raises at once, and a stop always raises.

Every method may be called from many threads at once. What a call works on (pair, precision, rate) is what was set when the call was made:
a ``SetCurrency`` never changes a call that is already on its way, nor one that ``Go`` has in its line.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, ClassVar, Literal

from ..clock import Clock
from ..errors import FmzError, InputError, NotSupported, StopRequested, TimedOut, UnknownName, nearest
from ..structures import Account, Asset, Depth, Funding, Market, Order, Position, Records, Ticker, Trade
from ..tasks.gate import Gate
from ..tasks.handle import Handle
from ..tasks.pool import CallPool
from .calls import CALLS, LIMITED, TAKES
from .credentials import load_credentials, variable
from .host import Host, QuietHost
from .live_face import LiveFace
from .operations import Operations
from .order_log import IntentRecord, LookupPlan
from .settings import SettingsFace
from .state import Core, Settings, split_symbol, whole_number
from .venue import Venue

__all__ = ["Exchange"]


def _registered_venue(name: str, **options: Any) -> Venue:
    # By name, as a plug-in is found: the adapters stand below this room, and most programs need one or two of them.
    registry = importlib.import_module("fmzthreads.venues.registry")
    venue: Venue = registry.create_venue(name, **options)
    return venue


class Exchange(SettingsFace, LiveFace):
    """One account at one venue, as FMZ's strategies know it.

    Args:
        name: FMZ's id of the venue, such as ``Binance`` or ``OKX``.
        currency: The pair to begin with, such as ``BTC_USDT``.
        access_key: The public part of the key; see ``exchange/credentials.py`` for where keys come from when this is empty.
        secret_key: The secret.
        passphrase: The third part, where the venue wants one.
        key_file: A file with mode 0600 that holds the keys; None for none.
        base: The base URL; empty for ``FMZ_<NAME>_BASE`` of the environment, and without that the venue's own.
        label: What the exchange is called in the journal; empty for its name.
        period: The default length of a bar, in seconds.
        errors: ``"log"`` for FMZ's way (None, a line in the journal), ``"raise"`` for exceptions.
        host: The journal and clock; None for the class's ``host_factory``.
        venue: An adapter, instead of the one of that name; keys, base and options must then not be given.
        max_workers: How many calls of ``Go`` run side by side.
        lookup: How an order's unknown outcome is settled.
        options: The adapter's further options.

    Raises:
        UnknownName: No venue has that name, or ``errors`` is neither.
        InputError: An argument is not of its form.
    """

    host_factory: ClassVar[Callable[[], Host]] = QuietHost
    """Makes the host of an exchange that was given none; a package that has a strategy's runtime puts it here in a subclass."""

    venue_factory: ClassVar[Callable[..., Venue]] = staticmethod(_registered_venue)
    """Makes the venue of a name; called with the name and ``credentials``, ``base``, ``clock`` and the further options."""

    def __init__(
        self,
        name: str,
        currency: str,
        *,
        access_key: str = "",
        secret_key: str = "",
        passphrase: str = "",
        key_file: str | None = None,
        base: str = "",
        label: str = "",
        period: int = 60,
        errors: Literal["log", "raise"] = "log",
        host: Host | None = None,
        venue: Venue | None = None,
        max_workers: int = 16,
        lookup: LookupPlan | None = None,
        **options: Any,
    ) -> None:
        if errors not in {"log", "raise"}:
            raise UnknownName(f"errors is {errors!r}{nearest(str(errors), ('log', 'raise'))}")
        pair, contract = split_symbol(currency)
        period_s = whole_number("period", period, least=1)
        host = host if host is not None else type(self).host_factory()
        if venue is None:
            credentials = load_credentials(
                name, access_key=access_key, secret_key=secret_key, passphrase=passphrase, key_file=key_file
            )
            for secret in credentials.secrets() if credentials is not None else ():
                host.register_secret(secret)
            base = base or os.environ.get(variable(name, "base"), "")
            streams = os.environ.get(variable(name, "stream_base"), "")
            if streams:
                options.setdefault("stream_base", streams)
            venue = type(self).venue_factory(name, credentials=credentials, base=base, clock=host.clock, **options)
        elif access_key or secret_key or passphrase or key_file or base or options:
            raise InputError("keys, base and options belong to the venue; give them to it, or leave out venue=")
        self._name = name
        self._raises = errors == "raise"
        self._max_workers = whole_number("max_workers", max_workers, least=1)
        settings = Settings(pair=pair, contract=contract, period_s=period_s)
        self._core = Core(venue, host, label or name, settings, LIMITED, lookup if lookup is not None else LookupPlan())
        self._pool_lock = threading.Lock()  # guards that one pool is made
        self._pool: CallPool | None = None

    def __repr__(self) -> str:
        """Name, label and pair; no keys."""
        return f"<Exchange {self._core.label} ({self._name}): {self._core.settings.symbol}>"

    def __getattr__(self, name: str) -> Any:
        """Answers a method that does not exist.

        Raises:
            UnknownName: Always; it names the nearest methods.
        """
        if name.startswith("_"):
            raise AttributeError(name)
        public = [word for word in dir(type(self)) if not word.startswith("_")]
        raise UnknownName(f"an exchange has no method {name!r}{nearest(name, public)}")

    def __enter__(self) -> Exchange:
        """Itself; closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def close(self, timeout_s: float = 5.0) -> None:
        """Ends the live books, the background calls and the connections.

        Args:
            timeout_s: The longest to wait for calls that are running, in seconds.
        """
        self._core.live.close(timeout_s)
        with self._pool_lock:
            pool = self._pool
        if pool is not None:
            pool.shutdown(timeout_s, cancel_waiting=True)
        self._core.venue.close()

    # How a call is made

    def _call(self, method: str, *args: Any) -> Any:
        operations = Operations(self._core, self._core.settings)
        work, failure = CALLS[method]
        try:
            return self._core.run(method, lambda: work(operations, *args))
        except StopRequested:
            raise
        except FmzError:
            if self._raises:
                raise
            return failure

    # Market

    def GetTicker(self, symbol: str = "") -> Ticker | None:
        """The ticker of a symbol; empty for the current one."""
        found: Ticker | None = self._call("GetTicker", symbol)
        return found

    def GetTickers(self) -> list[Ticker] | None:
        """The tickers of all symbols."""
        found: list[Ticker] | None = self._call("GetTickers")
        return found

    def GetDepth(self, symbol: str = "", limit: int | None = None) -> Depth | None:
        """The order book of a symbol.

        Args:
            symbol: Empty for the current one.
            limit: Levels a side; None for the venue's default (an addition to FMZ's form).
        """
        found: Depth | None = self._call("GetDepth", symbol, limit)
        return found

    def GetTrades(self, symbol: str = "") -> list[Trade] | None:
        """The latest public trades, oldest first."""
        found: list[Trade] | None = self._call("GetTrades", symbol)
        return found

    def GetRecords(self, *args: Any) -> Records | None:
        """Bars, oldest first, the last one still forming.

        Args:
            args: ``()``, ``(symbol)``, ``(symbol, period)``, ``(symbol, period, limit)``, ``(period)`` or ``(period, limit)``; the period
                in seconds, the limit in bars. Without a limit: all that have accumulated, at most ``SetMaxBarLen``.

        Returns:
            A copy that belongs to the caller. A period that the venue does not serve is built from shorter bars, one that is not whole
            minutes from public trades (and so grows from the first call on).
        """
        found: Records | None = self._call("GetRecords", *args)
        return found

    def GetMarkets(self) -> dict[str, Market] | None:
        """The trading rules of all symbols, by FMZ symbol."""
        found: dict[str, Market] | None = self._call("GetMarkets")
        return found

    def GetMinStock(self) -> float | None:
        """The least amount of an order of the current symbol."""
        found: float | None = self._call("GetMinStock")
        return found

    def GetMinPrice(self) -> float | None:
        """The step of prices of the current symbol."""
        found: float | None = self._call("GetMinPrice")
        return found

    # Account

    def GetAccount(self) -> Account | None:
        """Free and frozen currency of the current pair, in the venue's own units (``SetRate`` does not touch them)."""
        found: Account | None = self._call("GetAccount")
        return found

    def GetAssets(self) -> list[Asset] | None:
        """All holdings that are not zero."""
        found: list[Asset] | None = self._call("GetAssets")
        return found

    def GetPositions(self, symbol: str = "") -> list[Position] | None:
        """Open positions; contracts only."""
        found: list[Position] | None = self._call("GetPositions", symbol)
        return found

    def GetPosition(self, symbol: str = "") -> list[Position] | None:
        """The older spelling of ``GetPositions``."""
        found: list[Position] | None = self._call("GetPosition", symbol)
        return found

    def GetFundings(self, symbol: str = "") -> list[Funding] | None:
        """Funding rates; perpetual contracts only."""
        found: list[Funding] | None = self._call("GetFundings", symbol)
        return found

    # Orders

    def Buy(self, price: float, amount: float, *args: Any) -> str | None:
        """Buys the current symbol.

        Args:
            price: The limit price; -1 buys at market.
            amount: In base currency; at market on a spot venue in quote currency.
            args: More for the order's line in the journal.

        Returns:
            The order's id. None when it failed, and also when its outcome is unknown: see ``UnknownOrders``.
        """
        found: str | None = self._call("Buy", price, amount, *args)
        return found

    def Sell(self, price: float, amount: float, *args: Any) -> str | None:
        """Sells the current symbol; see ``Buy``. The amount is always in base currency."""
        found: str | None = self._call("Sell", price, amount, *args)
        return found

    def CreateOrder(self, symbol: str, side: str, price: float, amount: float, *args: Any) -> str | None:
        """Orders any symbol.

        Args:
            symbol: Empty for the current one.
            side: ``buy`` or ``sell`` (contracts also ``closebuy`` and ``closesell``), with the venue's options as ``"buy;{JSON}"`` or
                ``"buy;key=value&key2=value2"`` where wanted.
            price: See ``Buy``.
            amount: See ``Buy``.
            args: More for the order's line in the journal.
        """
        found: str | None = self._call("CreateOrder", symbol, side, price, amount, *args)
        return found

    def CancelOrder(self, orderId: str, *args: Any) -> bool:
        """Cancels an order; True says that the venue took the request, not that nothing was filled."""
        done: bool = self._call("CancelOrder", orderId, *args)
        return done

    def GetOrder(self, orderId: str) -> Order | None:
        """One order."""
        found: Order | None = self._call("GetOrder", orderId)
        return found

    def GetOrders(self, symbol: str = "") -> list[Order] | None:
        """Open orders: of a symbol, or without one of all spot pairs."""
        found: list[Order] | None = self._call("GetOrders", symbol)
        return found

    def GetHistoryOrders(self, *args: Any) -> list[Order] | None:
        """Orders of the past.

        Args:
            args: ``()``, ``(symbol)``, ``(symbol, since)``, ``(symbol, since, limit)``, ``(since)`` or ``(since, limit)``; since in ms,
                0 for the venue's own default.
        """
        found: list[Order] | None = self._call("GetHistoryOrders", *args)
        return found

    def UnknownOrders(self) -> list[IntentRecord]:
        """Orders that were sent and whose outcome nobody could say, oldest first; asks nothing."""
        return self._core.intents.unknown()

    def Reconcile(self) -> list[IntentRecord] | None:
        """Asks the venue once more after every order of ``UnknownOrders``.

        Returns:
            Each of them as it stands now; ``fate`` is ``placed`` (with ``order_id``), ``absent``, or still ``unknown``.
        """
        found: list[IntentRecord] | None = self._call("Reconcile")
        return found

    def Log(self, orderType: int, price: Any, amount: float = 0, *args: Any) -> None:
        """Writes an order's line without an order.

        Args:
            orderType: ``LOG_TYPE_BUY``, ``LOG_TYPE_SELL`` or ``LOG_TYPE_CANCEL``.
            price: The price; for a cancel the order's id.
            amount: The amount.
            args: More for the line.
        """
        self._call("Log", orderType, price, amount, *args)

    # Background calls

    def Go(self, method: str, *args: Any) -> Handle[Any]:
        """Starts a call in the background.

        Args:
            method: The name of the method, such as ``"GetDepth"``.
            args: Its arguments.

        Returns:
            A handle; ``wait()`` gives ``(value, True)``, and ``(None, True)`` for a call that failed.

        Raises:
            UnknownName: There is no such method.
            TypeError: The arguments do not fit the method.
            TooManyHandles: 2000 calls have not ended.
        """
        return self.submit(method, args)

    def submit(self, method: str, args: Sequence[Any] = (), *, gate: Gate | None = None) -> Handle[Any]:
        """Starts a call in the background, held at a gate if one is given; see ``Go``. The handle's ``error`` says why it failed."""
        call = CALLS.get(method)
        if call is None:
            raise UnknownName(f"no method {method!r} can be called in the background{nearest(str(method), CALLS)}")
        args = tuple(args)
        least, most = TAKES[method]
        if not least <= len(args) <= most:
            expected = f"{least} to {most}" if most < 2**31 else f"{least} or more"
            raise TypeError(f"{method} takes {expected} arguments, got {len(args)}")
        core = self._core
        operations = Operations(core, core.settings)
        raw: list[str] = []
        return self._workers().start(
            lambda: core.run(method, lambda: call.work(operations, *args), raw),
            name=method,
            gate=gate,
            failure_value=call.failure,
            errors="raise" if self._raises else "log",
            # In the thread that waited, so that GetRawJSON() there gives this call's reply.
            on_take=lambda _: core.keep_raw(raw[-1]) if raw else None,
            on_misuse=lambda text: core.report("wait", InputError(text)),
        )

    @property
    def clock(self) -> Clock:
        """The strategy's clock; what waits for this exchange's calls goes by it, and its stop cuts those waits short."""
        return self._core.clock

    @property
    def max_concurrency(self) -> int:
        """How many background calls would start at once if made now; fewer than the workers while some of them hang."""
        pool = self._pool
        return self._max_workers if pool is None else pool.free_workers

    def _workers(self) -> CallPool:
        pool = self._pool
        if pool is None:
            with self._pool_lock:
                if self._pool is None:
                    self._pool = CallPool(self._core.label, max_workers=self._max_workers, clock=self._core.clock)
                pool = self._pool
        return pool

    def warm(self, connections: int | None = None) -> bool:
        """Starts workers, opens their connections and fetches the trading rules, before the first burst needs them.

        Args:
            connections: For how many calls side by side; None for all workers.

        Returns:
            Whether all of it worked; what did not is in the journal.
        """
        return bool(self._set("warm", lambda: self._warm(connections)))

    def _warm(self, connections: int | None) -> bool:
        core = self._core
        count = self._max_workers if connections is None else whole_number("connections", connections, least=1)
        for handle in self._workers().warm(min(count, self._max_workers), lambda: core.venue.warm(count)):
            if handle.error is not None:
                raise handle.error
            if not handle.done:
                raise TimedOut(f"timeout while the connections of {core.label} were opened")
        try:
            core.markets.rules(core.settings.symbol)
        except NotSupported:
            pass  # a venue without rules takes orders as they are
        return True

    def IO(self, command: str, *args: Any) -> Any:
        """Runs a command: ``api``, ``base``, ``currency``, ``rate``, ``quota``, or one of the venue's own; None when it fails."""
        return self._call("IO", command, *args)

    def GetRawJSON(self) -> str:
        """The text of the last reply that a call of this thread got (or a ``Go`` call whose result this thread took)."""
        return self._core.raw

    def GetLastError(self) -> str:
        """The text of this exchange's last error, once; empty when there was none since."""
        return self._core.take_last_error()

    def statistics(self) -> dict[str, int]:
        """Counts for a status line: intents kept, orders unknown, background calls that have not ended."""
        pool = self._pool
        return {
            "intents": len(self._core.intents.all()),
            "unknown_orders": len(self._core.intents.unknown()),
            "unfinished_calls": pool.unfinished if pool is not None else 0,
        }

    @property
    def venue(self) -> Venue:
        """The adapter beneath."""
        return self._core.venue

    def attach(self, host: Host) -> None:
        """Gives the exchange to a strategy's host: its lines go there from now on. Its clock stays what it was made with."""
        self._core.host = host
