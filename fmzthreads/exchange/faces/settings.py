"""The parts of FMZ's exchange object that set and read its settings, and that tell about its order log."""

# ruff: noqa: D418 (each form of a call says which one it is)
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, Literal, ParamSpec, cast, overload

from ...errors import FmzError, NotSupported, StopRequested
from ..order_log import IntentRecord
from ..state import Core, Failure_co

if TYPE_CHECKING:
    from typing_extensions import TypeVar
else:
    from typing import TypeVar

__all__ = ["OrderLogFace", "SettingsFace"]

P = ParamSpec("P")
T = TypeVar("T")


class SettingsFace(Generic[Failure_co]):
    """The part of FMZ's exchange object that sets and reads names, pair, precision, rate, base URL and time-out.

    A setting holds for later calls; a call that was made before keeps what it began with. (Time-out, proxy and base URL belong to the
    connection: they also hold for a call that still waits in ``Go``'s queue.) A setting that is refused changes nothing.
    """

    _core: Core
    _name: str
    _raises: bool

    def __reduce_ex__(self, protocol: object) -> str:
        """Refuses to be pickled or copied: connections, workers and keys are those of one object in one process."""
        raise NotSupported(
            f"{self!r} cannot be sent to another process, or copied: create it there, with its keys from a file or the environment"
        )

    def _run(self, name: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Failure_co:
        try:
            return self._core.run(name, self._core.here, work, *args, **kwargs)
        except StopRequested:
            raise
        except FmzError:
            if self._raises:
                raise
            return cast(Failure_co, None)

    def GetName(self) -> str:
        """FMZ's id of the venue."""
        return self._name

    def GetLabel(self) -> str:
        """The label."""
        return self._core.label

    def GetCurrency(self) -> str:
        """The current pair."""
        return self._core.settings.pair

    def GetBaseCurrency(self) -> str:
        """The base currency: ``BTC`` of ``BTC_USDT``."""
        return self.GetCurrency().partition("_")[0]

    def GetQuoteCurrency(self) -> str:
        """The quote currency: ``USDT`` of ``BTC_USDT``."""
        return self.GetCurrency().partition("_")[2]

    def SetCurrency(self, currency: str) -> bool | Failure_co:
        """Sets the pair of later calls; True, or None if it is not a pair."""
        return self._run("SetCurrency", self._core.set_currency, currency)

    def GetPeriod(self) -> int:
        """The default length of a bar, in seconds."""
        return self._core.settings.period_s

    def SetPrecision(self, pricePrecision: int, amountPrecision: int) -> None:
        """Sets the decimals that prices and amounts of orders are cut to, besides the market's own steps."""
        self._run("SetPrecision", self._core.set_precision, pricePrecision, amountPrecision)

    def SetRate(self, rate: float = 1) -> float | Failure_co:
        """Sets the factor of all prices; prices of orders are divided by it. 1 turns it off.

        Amounts, balances and market rules stay in the venue's units.

        Returns:
            The rate; None if it is not a number above 0.
        """
        return self._run("SetRate", self._core.set_rate, rate)

    def GetRate(self) -> float:
        """The factor of prices; 1 if it is off."""
        return float(self._core.settings.rate)

    def SetMaxBarLen(self, n: int) -> None:
        """Sets how many bars ``GetRecords`` first asks for, and keeps at most (default 5000)."""
        self._run("SetMaxBarLen", self._core.set_bar_cap, n)

    def SetBase(self, url: str) -> str | Failure_co:
        """Sets the base URL of later requests and returns it."""
        return self._run("SetBase", self._core.set_base, url)

    def GetBase(self) -> str:
        """The base URL in use."""
        return self._core.venue.base()

    def SetProxy(self, proxy: str) -> bool | Failure_co:
        """Sets the proxy of later requests: ``socks5://``, ``http://``, ``ip://`` (a local address), empty for none."""
        return self._run("SetProxy", self._core.set_proxy, proxy)

    def SetTimeout(self, timeout: float) -> bool | Failure_co:
        """Sets the total time-out of each later request, in ms."""
        return self._run("SetTimeout", self._core.set_timeout, timeout)


class OrderLogFace(SettingsFace[Failure_co]):
    """The part of the exchange object that tells about orders under way and orders whose outcome is unknown."""

    # fmt: off
    @overload
    def UnknownOrders(self, all_runs: Literal[False] = ...) -> list[IntentRecord]: """Of this exchange object."""
    @overload
    def UnknownOrders(self, all_runs: bool) -> list[IntentRecord] | Failure_co: """Of earlier processes too."""
    # fmt: on
    def UnknownOrders(self, all_runs: bool = False) -> list[IntentRecord] | Failure_co:
        """Returns the orders and cancels that were sent and whose outcome is unknown, oldest first; sends nothing.

        Orders by ``IO("api", ...)`` are among them (``record.is_raw``); nothing but ``DismissOrder`` settles those.

        Args:
            all_runs: Whether those that earlier processes of the strategy left are among them; those of living ones are not.

        An order that a thread is sending just now is not among them, unless nothing waits for it any more: after ``close`` and at the end
        of a strategy those still under way are listed, with the ``fate`` ``sending``, until their outcome is known.

        Returns:
            The records. None (or an error) when the order log cannot be read, which can only happen with ``all_runs``.
        """
        return self._run("UnknownOrders", self._core.orders.unknown, all_runs=bool(all_runs))

    def Reconcile(self, fills: bool = False) -> list[IntentRecord] | Failure_co:
        """Asks the venue again about each order and cancel of ``UnknownOrders(all_runs=True)``.

        Args:
            fills: Whether the state and the fills of each placed order whose end is not in the order log yet are read too, one or two
                requests each, and stored (table ``fills``); what was filled is then in the record's ``deal_amount``.

        Returns:
            Each of them with its new ``fate``: ``placed`` (with ``order_id``), ``cancelled``, ``absent``, or ``unknown`` with the reason in
            ``detail``.
        """
        return self._run("Reconcile", self._core.orders.reconcile, fills=bool(fills))

    def DismissOrder(self, clientOrderId: str) -> bool | Failure_co:
        """Takes an order, cancel or raw call off the list of unknown ones, for good: you have settled it by hand. Sends nothing.

        Args:
            clientOrderId: ``record.intent.client_order_id`` of a record of ``UnknownOrders(all_runs=True)``.

        Returns:
            True. None when none with this id is unknown, when a thread may still send it, or when it cannot be recorded.
        """
        return self._run("DismissOrder", self._core.orders.dismiss, clientOrderId)

    def drain(self, timeout_s: float = 5.0) -> bool:
        """Cancels the background calls that have not started, and waits for the others and for the orders of all threads.

        The end of a strategy does this before ``onexit``. The exchange object can be used afterwards.

        Args:
            timeout_s: The longest to wait, in seconds of real time.

        Returns:
            Whether all have ended.
        """
        return self._core.drain(timeout_s)

    def name_orders_under_way(self, when: str) -> None:
        """Names the orders that are under way (id, side, symbol) in an error line, and in the order log; nothing waits for them then.

        ``UnknownOrders`` lists them until their outcome is known.

        Args:
            when: The moment, for the line, such as ``"when the process ended"``.
        """
        self._core.name_orders_under_way(when)
