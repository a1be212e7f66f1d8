"""The parts of FMZ's exchange object that read a market: prices, books, trades, bars and trading rules."""

# ruff: noqa: D418 (each form of a call says which one it is)
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from ...errors import FmzError, StopRequested
from ...structures import Depth, Fee, Market, Records, Ticker, Trade
from ..calls.operations import Operations
from ..live_account.events import AccountUpdate
from ..live_account.feed import AccountFeed
from ..state import Failure_co
from .settings import SettingsFace

__all__ = ["MarketFace"]

P = ParamSpec("P")
T = TypeVar("T")


class MarketFace(SettingsFace[Failure_co], Generic[Failure_co]):
    """The part of FMZ's exchange object that reads a market, and that makes the live books."""

    def _call(
        self, name: str, work: Callable[Concatenate[Operations, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T | Failure_co:
        core = self._core
        try:
            return core.run(name, core.here, work, Operations(core, core.settings), *args, **kwargs)
        except StopRequested:
            raise
        except FmzError:
            if self._raises:
                raise
            return cast(Failure_co, None)

    def GetTicker(self, symbol: str = "") -> Ticker | Failure_co:
        """Returns the ticker of a symbol; empty for the current one."""
        return self._call("GetTicker", Operations.ticker, symbol)

    def GetTickers(self) -> list[Ticker] | Failure_co:
        """Returns the tickers of all symbols."""
        return self._call("GetTickers", Operations.tickers)

    def GetDepth(self, symbol: str = "", limit: int | None = None) -> Depth | Failure_co:
        """Returns the order book of a symbol.

        Args:
            symbol: Empty for the current one.
            limit: Levels a side; None for the venue's default. (FMZ's form has no limit.)
        """
        return self._call("GetDepth", Operations.depth, symbol, limit)

    def GetTrades(self, symbol: str = "") -> list[Trade] | Failure_co:
        """Returns the latest public trades, oldest first."""
        return self._call("GetTrades", Operations.trades, symbol)

    # fmt: off
    @overload
    def GetRecords(self, symbol: str = ..., period: float = ..., limit: float = ..., /) -> Records | Failure_co: """With the symbol first."""
    @overload
    def GetRecords(self, period: float, limit: float = ..., /) -> Records | Failure_co: """Of the current symbol."""
    # fmt: on
    def GetRecords(self, *args: Any) -> Records | Failure_co:
        """Returns bars, oldest first; the last one is still forming.

        Args:
            args: ``()``, ``(symbol)``, ``(symbol, period)``, ``(symbol, period, limit)``, ``(period)`` or ``(period, limit)``; the period
                in seconds, the limit in bars. Without a limit: all bars kept so far, at most ``SetMaxBarLen``.

        Returns:
            A copy of the caller's own. Bars of a period that the venue does not serve are built from shorter ones; those of a period that
            is not whole minutes are built from public trades, from the first call on.
        """
        return self._call("GetRecords", Operations.records, *args)

    def GetMarkets(self) -> dict[str, Market] | Failure_co:
        """Returns the trading rules of all symbols, by FMZ symbol."""
        return self._call("GetMarkets", Operations.markets)

    def GetMinStock(self) -> float | Failure_co:
        """Returns the minimum order amount of the current symbol."""
        return self._call("GetMinStock", Operations.min_amount)

    def GetMinPrice(self) -> float | Failure_co:
        """Returns the price step of the current symbol."""
        return self._call("GetMinPrice", Operations.min_price)

    def GetFee(self) -> Fee | Failure_co:
        """Returns the account's fees for the current symbol, as a taker, in percent: ``Buy`` and ``Sell`` of 0.1 mean 0.1 %."""
        return self._call("GetFee", Operations.fee)

    def GetUSDCNY(self) -> float | Failure_co:
        """Returns the rate of USD to CNY in the environment's ``FMZ_USDCNY``; fails without it, since no source of it is known here."""
        return self._call("GetUSDCNY", Operations.usd_cny)

    def Subscribe(
        self, channel: str, symbol: str = "", max_age_ms: float | None = None, wait_ms: float | None = None
    ) -> bool | Failure_co:
        """Serves calls from a stream: ``GetDepth`` and ``GetTicker`` of a symbol from a live order book.

        A background thread maintains the book. While it is valid and recent, the two calls (also by ``Go``) return it without a request;
        ``Info`` is then ``{"Live": True, "AgeMs": ..., "Version": ..., "Sequence": ...}``. While it is broken, resynchronizing, too old, or
        has fewer levels than requested, they ask the venue as without a subscription. Each change of the book is an event of
        ``EventLoop``, called ``Subscribe``.

        ``orders`` and ``positions`` start the user stream of the account instead: ``GetOrders`` and ``GetConditionOrders``, or
        ``GetPositions``, are then answered from it while it is live; ``GetUpdates`` returns what it told, with a mark at each gap.

        Args:
            channel: ``"depth"``, ``"orders"`` or ``"positions"``.
            symbol: Empty for the one that is current now; a later ``SetCurrency`` does not move the subscription.
            max_age_ms: The maximum age of the book, since the venue last confirmed it, to be returned; None for 5000. A second
                subscription to a symbol changes only this age.
            wait_ms: How long to wait until the book is live; None or 0 returns at once.

        Returns:
            True. None when it failed, when the book is not live in time (the subscription stays), or when the subscription was ended
            meanwhile.
        """
        return self._call("Subscribe", Operations.subscribe, channel, symbol, max_age_ms, wait_ms)

    def Unsubscribe(self, channel: str, symbol: str = "") -> bool | Failure_co:
        """Ends a subscription, however often ``Subscribe`` was called; False if it does not exist."""
        return self._call("Unsubscribe", Operations.unsubscribe, channel, symbol)

    def Subscriptions(self) -> list[dict[str, Any]]:
        """Returns one row for each live book and user stream: symbol, state, age, gaps, resyncs, answers, fallbacks; sends nothing."""
        return self._core.live.stats() + self._core.accounts.stats()

    def GetUpdates(self) -> list[AccountUpdate] | Failure_co:
        """Returns what ``Subscribe("orders")`` and ``("positions")`` have told since the last call, oldest first; sends nothing.

        Returns:
            Rows with ``Kind``: ``order``, ``fill``, ``position``, ``gap`` (something may be missing from here on) and ``live`` (REST has
            caught up; what had changed stands before it). None without a subscription.
        """
        return self._call("GetUpdates", Operations.updates)

    @property
    def account_feeds(self) -> list[AccountFeed]:
        """The user streams; each can be passed to ``select``, and is ready while updates wait for ``GetUpdates``."""
        return self._core.accounts.feeds
