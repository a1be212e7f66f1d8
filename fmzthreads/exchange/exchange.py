"""FMZ's exchange object over any venue: FMZ's method names, argument forms and failure convention.

A call that fails returns None (``CancelOrder`` False), writes one error line to the journal, and leaves its text for ``GetLastError()``;
an empty result is an empty list. With ``errors="raise"`` it raises instead. An unknown method always raises, and so does a stop.

Every method may be called from several threads at once. A call works on the settings (pair, precision, rate) of the moment when it was
made: ``SetCurrency`` changes neither a call that is running nor one that waits in ``Go``'s queue.
"""

# ruff: noqa: D418 (each form of a call says which one it is)
from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Literal, Never, ParamSpec, TypeVar, overload

from ..arguments import whole_number
from ..clock import Clock
from ..errors import ErrorMode, InputError, no_such_name, short_repr
from ..structures import Account, Asset, Order
from ..tasks.gate import Gate
from ..tasks.handle import Handle
from .calls.operations import Operations
from .calls.table import LIMITED, check_call
from .faces.contracts import ContractFace
from .faces.own_data import OwnData, OwnDataFace
from .factories import make_host, make_venue
from .guards.face import GuardFace
from .guards.settings import Guards, guards_of
from .host import Host
from .keys.credentials import Credentials, load_credentials, variable
from .keys.encoding_face import EncodingFace
from .order_log import Durability, LookupPlan
from .settings import Settings, split_base, split_symbol
from .state import Core, Failure_co, ReplySlot
from .venue import Venue

P = ParamSpec("P")
T = TypeVar("T")

__all__ = ["PAPER_VARIABLE", "Exchange"]

PAPER_VARIABLE = "FMZTHREADS_PAPER"
"""The variable of the environment that makes every ``Exchange(...)`` trade on paper: ``1``."""


class Exchange(ContractFace[Failure_co], EncodingFace[Failure_co], GuardFace[Failure_co], OwnDataFace[Failure_co]):
    """One account at one venue, as FMZ's strategies know it.

    To type checkers ``Exchange[None]`` is one whose calls return None when they fail (the default), ``Exchange[Never]`` one with
    ``errors="raise"``.

    Args:
        name: FMZ's id of the venue, such as ``Binance`` or ``OKX``.
        currency: The pair to begin with, such as ``BTC_USDT``.
        access_key: The public part of the key. Without any key argument, keys are read from ``key_file``, then from the environment
            (``FMZ_<NAME>_ACCESS_KEY``, ``FMZ_<NAME>_SECRET_KEY``, ``FMZ_<NAME>_PASSPHRASE``).
        secret_key: The secret.
        passphrase: The third part of the key, for venues that have one (OKX).
        key_file: A file with mode 0600 that holds the keys.
        base: The base URL; empty for ``FMZ_<NAME>_BASE`` of the environment, else the venue's own.
        label: The exchange's name in the journal; empty for ``name``.
        period: The default bar length, in seconds.
        errors: ``"log"`` for FMZ's convention (None and an error line), ``"raise"`` for exceptions.
        host: The journal and clock; None for the current runtime.
        venue: An adapter to use instead of the one called ``name``. Keys, base and options must then be absent.
        max_workers: How many calls of ``Go`` run at once.
        lookup: How the outcome of an order without a reply is looked up.
        durability: What the record of each order survives: ``"process"`` the end of the process, also by ``kill -9`` (the default with
            keys); ``"disk"`` a power failure too; ``"memory"`` neither (the default without keys). See ``docs/orders.md``.
        guards: The limits that each order must pass, as ``Guards`` or a dict of its fields; None for none. See ``docs/guards.md``.
        paper: True for paper trading: market data of the venue, orders and balances of an account on paper, and no key is read. A
            ``Paper``, or a dict of its fields, says what the account holds and what trading costs. None for ``FMZTHREADS_PAPER`` of the
            environment. See ``docs/paper.md``.
        options: Further options of the adapter.

    Raises:
        UnknownName: There is no such venue, option, guard, or value of ``errors``.
        NotBuiltYet: FMZ has the exchange, fmzthreads does not yet.
        InputError: An argument is not valid.
    """

    host_factory: ClassVar[Callable[[], Host]] = staticmethod(make_host)
    """Returns the host of an exchange that is given none: the current runtime."""

    venue_factory: ClassVar[Callable[..., Venue]] = staticmethod(make_venue)
    """Makes a venue from its name, ``credentials``, ``base``, ``clock`` and options: those of the registry."""

    # fmt: off
    @overload
    def __init__(
        self: Exchange[None], name: str, currency: str, *, access_key: str = "", secret_key: str = "", passphrase: str = "",
        key_file: str | None = None, base: str = "", label: str = "", period: int = 60, errors: Literal["log"] = "log",
        host: Host | None = None, venue: Venue | None = None, max_workers: int = 16, lookup: LookupPlan | None = None,
        durability: Durability | None = None, guards: Guards | Mapping[str, Any] | None = None, paper: Any = None, **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: Exchange[Never], name: str, currency: str, *, access_key: str = "", secret_key: str = "", passphrase: str = "",
        key_file: str | None = None, base: str = "", label: str = "", period: int = 60, errors: Literal["raise"],
        host: Host | None = None, venue: Venue | None = None, max_workers: int = 16, lookup: LookupPlan | None = None,
        durability: Durability | None = None, guards: Guards | Mapping[str, Any] | None = None, paper: Any = None, **options: Any,
    ) -> None: ...
    # fmt: on
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
        errors: ErrorMode = "log",
        host: Host | None = None,
        venue: Venue | None = None,
        max_workers: int = 16,
        lookup: LookupPlan | None = None,
        durability: Durability | None = None,
        guards: Guards | Mapping[str, Any] | None = None,
        paper: Any = None,
        **options: Any,
    ) -> None:
        if not isinstance(errors, str) or errors not in {"log", "raise"}:
            raise no_such_name("errors cannot be", errors, ("log", "raise"))
        if not (isinstance(name, str) and isinstance(label, str)):
            raise InputError(f"name and label must be text, got {short_repr(name)} and {short_repr(label)}")
        pair, contract = split_symbol(currency)
        period_s = whole_number("period", period, least=1)
        limits = guards_of(guards)
        if host is None:
            host = type(self).host_factory()
        credentials = None
        if paper is None and venue is None:
            paper = os.environ.get(PAPER_VARIABLE, "") == "1"
        if venue is None:
            if paper:
                options |= {"paper": paper, "folder": host.kill_switch.folder}
            else:
                credentials = load_credentials(
                    name, access_key=access_key, secret_key=secret_key, passphrase=passphrase, key_file=key_file
                )
            venue = self._make_venue(name, label or name, credentials, base, host, options)
        elif access_key or secret_key or passphrase or key_file or base or options or paper:
            raise InputError(
                "keys, base, paper and options are the venue's: pass them to the venue, or leave out venue="
            )
        self._name = name
        self._raises = errors == "raise"
        settings = Settings(
            pair=pair,
            contract=contract or venue.default_contract,
            contracts_of=name if venue.contracts_only else "",
            direction="buy" if venue.contracts_only else "",
            period_s=period_s,
        )
        workers = whole_number("max_workers", max_workers, least=1, most=10_000)
        plan = lookup or LookupPlan()
        self._core = Core(venue, host, label or name, settings, LIMITED, plan, workers, credentials, durability)
        self._guard(self._core, limits)
        self._own_data = OwnData(host)
        self._core.live.index = self._core.accounts.index = self._index = host.add_exchange(self)

    @classmethod
    def _make_venue(
        cls, name: str, label: str, credentials: Credentials | None, base: str, host: Host, options: dict[str, Any]
    ) -> Venue:
        for secret in credentials.secrets() if credentials is not None else ():
            host.register_secret(secret)
        streams = os.environ.get(variable(name, "stream_base"), "")
        if streams:
            options.setdefault("stream_base", streams)
        base, path = split_base(base or os.environ.get(variable(name, "base"), ""), name)
        if path:
            host.warning(f"a base URL has no API path; {path!r} was removed from the one of {name}", source=label)
        return cls.venue_factory(name, credentials=credentials, base=base, clock=host.clock, **options)

    def __repr__(self) -> str:
        """Name, label and pair; no keys."""
        return f"<Exchange {self._core.label} ({self._name}): {self._core.settings.symbol}>"

    def __getattr__(self, name: str) -> Any:
        """Raises for a method that does not exist.

        Raises:
            UnknownName: There is no such method; names the most similar ones.
        """
        if name.startswith("_"):
            raise AttributeError(name)
        public = [word for word in dir(type(self)) if not word.startswith("_")]
        raise no_such_name("an exchange has no method", name, public)

    def __enter__(self) -> Exchange[Failure_co]:
        """Returns itself; the end of the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def close(self, timeout_s: float = 5.0) -> None:
        """Ends the live books, the background calls and the connections.

        Orders that are still under way then are named in an error line, and listed by ``UnknownOrders``.

        Args:
            timeout_s: The longest to wait for running calls and for the orders of all threads, in seconds.
        """
        self._own_data.close()
        self._core.close(timeout_s)
        if self.guards is not None:
            self.guards.close()

    # Account and orders

    def GetAccount(self) -> Account | Failure_co:
        """Returns the free and frozen balances of the current pair, in the venue's units (unaffected by ``SetRate``)."""
        return self._call("GetAccount", Operations.account)

    def GetAssets(self) -> list[Asset] | Failure_co:
        """Returns all balances that are not zero."""
        return self._call("GetAssets", Operations.assets)

    def Buy(self, price: float, amount: float, *args: Any) -> str | Failure_co:
        """Buys the current symbol; a contract as ``SetDirection`` says.

        Args:
            price: The limit price; -1 buys at market.
            amount: In base currency; at market on a spot venue in quote currency; of contracts their number.
            args: Further text for the order's line in the journal.

        Returns:
            The order's id. None when it failed, and when its outcome is unknown (see ``UnknownOrders``).
        """
        return self._call("Buy", Operations.buy, price, amount, *args)

    def Sell(self, price: float, amount: float, *args: Any) -> str | Failure_co:
        """Sells the current symbol; see ``Buy``. The amount is always in base currency."""
        return self._call("Sell", Operations.sell, price, amount, *args)

    def CreateOrder(self, symbol: str, side: str, price: float, amount: float, *args: Any) -> str | Failure_co:
        """Places an order of any symbol.

        Args:
            symbol: Empty for the current one.
            side: ``buy`` or ``sell`` (contracts also ``closebuy`` and ``closesell``); the venue's options may follow:
                ``"buy;{JSON}"`` or ``"buy;key=value&key2=value2"``.
            price: See ``Buy``.
            amount: See ``Buy``.
            args: Further text for the order's line in the journal.
        """
        return self._call("CreateOrder", Operations.create_order, symbol, side, price, amount, *args)

    def CancelOrder(self, orderId: str, *args: Any) -> bool:
        """Cancels an order; True means that the venue accepted the request, not that nothing was filled."""
        return bool(self._call("CancelOrder", Operations.cancel_order, orderId, *args))

    def GetOrder(self, orderId: str) -> Order | Failure_co:
        """Returns one order."""
        return self._call("GetOrder", Operations.order, orderId)

    def GetOrders(self, symbol: str = "") -> list[Order] | Failure_co:
        """Returns the open orders of a symbol; without one, of all spot pairs."""
        return self._call("GetOrders", Operations.orders, symbol)

    # fmt: off
    @overload
    def GetHistoryOrders(self, symbol: str = ..., since: float = ..., limit: float = ..., /) -> list[Order] | Failure_co: """With the symbol first."""
    @overload
    def GetHistoryOrders(self, since: float, limit: float = ..., /) -> list[Order] | Failure_co: """Of the current symbol."""
    # fmt: on
    def GetHistoryOrders(self, *args: Any) -> list[Order] | Failure_co:
        """Returns past orders.

        Args:
            args: ``()``, ``(symbol)``, ``(symbol, since)``, ``(symbol, since, limit)``, ``(since)`` or ``(since, limit)``; since in ms,
                0 for the venue's own default.
        """
        return self._call("GetHistoryOrders", Operations.history_orders, *args)

    def Log(self, orderType: int, price: Any, amount: float = 0, *args: Any) -> None:
        """Writes an order line to the journal without placing an order.

        Args:
            orderType: ``LOG_TYPE_BUY``, ``LOG_TYPE_SELL`` or ``LOG_TYPE_CANCEL``.
            price: The price; for a cancel the order's id.
            amount: The amount.
            args: Further text for the line.
        """
        self._call("Log", Operations.log, orderType, price, amount, *args)

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
            TypeError: The number of arguments does not fit the method.
            TooManyHandles: 2000 calls have not ended.
            StopRequested: The strategy is being stopped, or the exchange object was closed.
        """
        return self.submit(method, args)

    def check_call(self, method: str, args: Sequence[Any] = ()) -> None:
        """Raises what ``Go`` would raise for a method and its arguments; calls nothing.

        Raises:
            UnknownName: There is no such method.
            TypeError: The number of arguments does not fit the method.
        """
        check_call(method, args)

    def report_error(self, call: str, error: BaseException) -> None:
        """Writes one error line of this exchange, whose text ``GetLastError()`` then gives; the task queue calls it."""
        self._core.report(call, error)

    def submit(self, method: str, args: Sequence[Any] = (), *, gate: Gate | None = None) -> Handle[Any]:
        """Starts a call in the background, held at a gate if one is given; see ``Go``. The handle's ``error`` tells why it failed."""
        call = check_call(method, args)
        core = self._core
        slot = ReplySlot()
        handle: Handle[Any] = core.pool.start(
            core.run,
            method,
            slot,
            call.work,
            Operations(core, core.settings),
            *args,
            name=method,
            gate=gate,
            failure_value=call.failure,
            errors="raise" if self._raises else "log",
            # In the thread that waited, so that GetRawJSON() there gives this call's reply.
            on_take=lambda _: core.keep_reply(slot),
            on_misuse=lambda text: core.report("wait", InputError(text)),
        )
        core.host.announce(handle, f"Exchange_{method}", self._index)
        return handle

    @property
    def clock(self) -> Clock:
        """The strategy's clock; its stop ends the waits for this exchange's calls."""
        return self._core.clock

    @property
    def max_concurrency(self) -> int:
        """How many background calls would start at once if made now."""
        return self._core.free_workers

    def warm(self, connections: int | None = None) -> bool:
        """Starts workers, opens their connections and fetches the trading rules ahead of the first calls.

        Args:
            connections: For how many concurrent calls; None for all workers.

        Returns:
            Whether all of it succeeded; errors are in the journal.
        """
        return bool(self._run("warm", self._core.warm, connections))

    # fmt: off
    @overload
    def IO(self, command: Literal["base", "mbase"], url: str, /) -> str | Failure_co: """Sets the base URL, or that of market data."""
    @overload
    def IO(self, command: Literal["currency"], pair: str, /) -> bool | Failure_co: """Sets the pair."""
    @overload
    def IO(self, command: Literal["rate", "quota"], names: str = "", maxCalls: float | str = 0, period: str = "",
           behavior: Literal["delay"] | None = None, /) -> bool | Failure_co: """Sets a call limit."""
    @overload
    def IO(self, command: str, /, *args: Any) -> Any: """Any other command."""
    # fmt: on
    def IO(self, command: str, /, *args: Any) -> Any:
        """Runs a command: ``api``, ``base``, ``mbase``, ``currency``, ``rate``, ``quota``, or one of the venue's own; None if it fails."""
        return self._call("IO", Operations.io, command, *args)

    def GetRawJSON(self) -> str:
        """Returns the text of the last reply to this thread's calls (or to a ``Go`` call whose result it took)."""
        return self._core.raw()

    def GetLastError(self) -> str:
        """Returns the text of this exchange's last error and clears it; empty if there was none since."""
        return self._core.take_last_error()

    @property
    def stats(self) -> dict[str, int]:
        """Counts: orders kept in the order log, unknown orders, unfinished background calls."""
        core = self._core
        return {
            "intents": len(core.intents.all()),
            "unknown_orders": len(core.intents.unknown()),
            "unfinished_calls": core.unfinished_calls,
        }

    @property
    def venue(self) -> Venue:
        """The venue's adapter."""
        return self._core.venue
