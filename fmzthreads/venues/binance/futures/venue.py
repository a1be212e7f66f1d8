"""Binance's futures as one exchange: USD-margined and coin-margined contracts, told apart by the pair."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any, Literal

from ....clock import Clock
from ....errors import InputError, UnknownName, nearest, short_repr
from ....exchange.contracts.converter import Contract
from ....exchange.contracts.intents import ConditionIntent, ModifyIntent
from ....exchange.contracts.port import FundingPayment, PositionMode
from ....exchange.contracts.scopes import is_scope
from ....exchange.keys.credentials import Credentials
from ....exchange.live_account.source import AccountSource
from ....exchange.market_rules import MarketRules
from ....exchange.venue import BaseVenue, LastReply, OrderFill, OrderIntent
from ....http.client import HttpOptions
from ....streams.book.source import BookSource
from ....structures import Account, Asset, Depth, Funding, Market, Order, Position, Records, Ticker, Trade
from ...rest.symbols import split_order_id
from .family import FuturesFamily
from .products import COIN_MARGINED, USD_MARGINED
from .protocol import NAME, sibling_base

__all__ = ["FuturesBinance"]

_COIN_NAMES = re.compile(r".+USD_(PERP|\d{6})")  # the venue's names of coin-margined contracts
_COIN_PATHS = ("/dapi/",)
_COMMANDS = ("api", "base", "cross", "currency", "dual", "mbase", "quota", "rate", "selfTradePreventionMode")


class _LastUsed(threading.local):
    family: FuturesFamily | None = None


class FuturesBinance(BaseVenue):
    """Binance's USDⓈ-M (``BTC_USDT.swap``) and COIN-M futures (``BTC_USD.swap``).

    The codes are ``swap``, ``quarter`` and ``next_quarter``. An amount is one of the base currency at USDⓈ-M, and a whole number of
    contracts (of 100 USD of Bitcoin, say) at COIN-M.

    Args:
        credentials: Key, and secret (HMAC) or Ed25519 private key in PEM; None for public calls only.
        base: The REST base of USDⓈ-M; empty for ``https://fapi.binance.com``. That of COIN-M follows from it (``dapi`` for ``fapi``).
        clock: Tells the time and waits; real time when None.
        options: The options of the HTTP client; None for its defaults.
        recv_window_ms: How old a signed request may be when the matching engine gets it, 1 to 60000.
        share_limits: Whether requests are counted together with other processes of this user.
        stream_base: The base of the streams of USDⓈ-M; empty to derive it from ``base``.
        coin_base: The REST base of COIN-M, where it does not follow from ``base``.
        coin_stream_base: The base of the streams of COIN-M; empty to derive it.
        allow_plain_http: Whether keys may be sent to an ``http://`` base that is not this machine; a warning is written.

    Raises:
        InputError: A base or ``recv_window_ms`` is not valid.
    """

    name = NAME
    exact_outcomes = True
    contracts_only = True
    dead_man: Literal["", "symbol", "account"] = "symbol"
    default_contract = "swap"
    replaces_conditions = True

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        base: str = "",
        clock: Clock | None = None,
        options: HttpOptions | None = None,
        recv_window_ms: int = 5000,
        share_limits: bool = True,
        stream_base: str = "",
        coin_base: str = "",
        coin_stream_base: str = "",
        allow_plain_http: bool = False,
    ) -> None:
        shared: dict[str, Any] = {
            "credentials": credentials,
            "clock": clock,
            "options": options,
            "recv_window_ms": recv_window_ms,
            "share_limits": share_limits,
            "allow_plain_http": allow_plain_http,
        }
        self.usd = FuturesFamily(USD_MARGINED, base=base, stream_base=stream_base, **shared)
        self.coin = FuturesFamily(
            COIN_MARGINED,
            base=coin_base or (sibling_base(base, COIN_MARGINED.host) if base else ""),
            stream_base=coin_stream_base or (sibling_base(stream_base, "dstream") if stream_base else ""),
            mode=self.usd.position_mode,  # one setting for both (since 2026-06-30)
            **shared,
        )
        self.settling_s = self.usd.settling_s
        self._last = _LastUsed()

    # Which family

    def _use(self, family: FuturesFamily) -> FuturesFamily:
        self._last.family = family
        return family

    def _of(self, symbol: str) -> FuturesFamily:
        """The family of a symbol, or of a kind of contracts."""
        head = symbol.partition(".")[0]
        quote = head if is_scope(symbol) else head.rpartition("_")[2]
        return self._use(self.coin if quote == "USD" else self.usd)

    def _of_id(self, order_id: str) -> FuturesFamily:
        return self._use(self.coin if _COIN_NAMES.fullmatch(split_order_id(order_id)[0]) else self.usd)

    def _of_path(self, resource: str) -> FuturesFamily:
        return self._use(self.coin if any(part in resource for part in _COIN_PATHS) else self.usd)

    @property
    def _both(self) -> tuple[FuturesFamily, FuturesFamily]:
        return self._use(self.usd), self._use(self.coin)

    def account_id(self) -> str:
        """That of USDⓈ-M; see ``Venue.account_id``."""
        return self.usd.account_id()

    # Market data

    def ticker(self, symbol: str) -> Ticker:
        """See ``Venue.ticker``."""
        return self._of(symbol).ticker(symbol)

    def tickers(self) -> list[Ticker]:
        """Of both families; see ``Venue.tickers``."""
        return [ticker for family in self._both for ticker in family.tickers()]

    def depth(self, symbol: str, limit: int | None = None) -> Depth:
        """See ``Venue.depth``."""
        return self._of(symbol).depth(symbol, limit)

    def trades(self, symbol: str, limit: int | None = None) -> list[Trade]:
        """See ``Venue.trades``."""
        return self._of(symbol).trades(symbol, limit)

    def records(self, symbol: str, period_s: int, limit: int | None = None) -> Records:
        """See ``Venue.records``."""
        return self._of(symbol).records(symbol, period_s, limit)

    def periods_s(self) -> tuple[int, ...]:
        """See ``Venue.periods_s``."""
        return self.usd.periods_s()

    def markets(self) -> dict[str, Market]:
        """Of both families; see ``Venue.markets``."""
        usd, coin = self._both
        return {**usd.markets(), **coin.markets()}

    def rules(self, symbol: str) -> MarketRules:
        """See ``Venue.rules``."""
        return self._of(symbol).rules(symbol)

    def contract(self, symbol: str) -> Contract:
        """See ``Venue.contract``."""
        return self._of(symbol).contract(symbol)

    def fundings(self, symbol: str | None = None) -> list[Funding]:
        """See ``Venue.fundings``."""
        families = self._both if symbol is None else (self._of(symbol),)
        return [one for family in families for one in family.fundings(symbol)]

    # Account

    def account(self, symbol: str) -> Account:
        """See ``Venue.account``."""
        return self._of(symbol).account(symbol)

    def assets(self) -> list[Asset]:
        """Of both families; see ``Venue.assets``."""
        return [asset for family in self._both for asset in family.assets()]

    def margin_assets(self, symbol: str) -> list[Asset]:
        """See ``Venue.margin_assets``."""
        return self._of(symbol).margin_assets(symbol)

    def positions(self, symbol: str | None = None) -> list[Position]:
        """See ``Venue.positions``."""
        families = self._both if symbol is None else (self._of(symbol),)
        return [one for family in families for one in family.positions(symbol)]

    def fee_rates(self, symbol: str) -> tuple[float, float]:
        """See ``Venue.fee_rates``."""
        return self._of(symbol).fee_rates(symbol)

    def funding_payments(self, symbol: str | None = None, since_ms: int = 0, limit: int = 0) -> list[FundingPayment]:
        """See ``Venue.funding_payments``."""
        families = self._both if symbol is None else (self._of(symbol),)
        return [one for family in families for one in family.funding_payments(symbol, since_ms, limit)]

    def position_mode(self) -> PositionMode:
        """One setting for both families; see ``Venue.position_mode``."""
        return self._use(self.usd).position_mode()

    def set_cross(self, symbol: str, cross: bool) -> None:
        """See ``Venue.set_cross``."""
        self._of(symbol).set_cross(symbol, cross)

    def set_margin_level(self, symbol: str, level: int) -> float:
        """See ``Venue.set_margin_level``."""
        return self._of(symbol).set_margin_level(symbol, level)

    # Orders

    def place(self, intent: OrderIntent) -> str:
        """See ``Venue.place``."""
        return self._of(intent.symbol).place(intent)

    def modify(self, intent: ModifyIntent) -> str:
        """See ``Venue.modify``."""
        return self._of_id(intent.order_id).modify(intent)

    def cancel(self, order_id: str) -> None:
        """See ``Venue.cancel``."""
        self._of_id(order_id).cancel(order_id)

    def cancel_all_after(self, symbol: str, timeout_s: float) -> None:
        """See ``Venue.cancel_all_after``."""
        self._of(symbol).cancel_all_after(symbol, timeout_s)

    def order(self, order_id: str) -> Order:
        """See ``Venue.order``."""
        return self._of_id(order_id).order(order_id)

    def order_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """See ``Venue.order_by_client_id``."""
        return self._of(symbol).order_by_client_id(symbol, client_order_id)

    def orders(self, symbol: str | None = None) -> list[Order]:
        """See ``Venue.orders``."""
        families = self._both if symbol is None else (self._of(symbol),)
        return [order for family in families for order in family.orders(symbol)]

    def history_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """See ``Venue.history_orders``."""
        return self._of(symbol).history_orders(symbol, since_ms, limit)

    def fills(self, order: Order) -> list[OrderFill]:
        """See ``Venue.fills``."""
        return self._of_id(order["Id"]).fills(order)

    def client_id_of(self, order: Order) -> str:
        """See ``Venue.client_id_of``."""
        return self.usd.client_id_of(order)

    # Condition orders

    def place_condition(self, intent: ConditionIntent) -> str:
        """See ``Venue.place_condition``."""
        return self._of(intent.symbol).place_condition(intent)

    def cancel_condition(self, order_id: str) -> None:
        """See ``Venue.cancel_condition``."""
        self._of_id(order_id).cancel_condition(order_id)

    def condition_order(self, order_id: str) -> Order:
        """See ``Venue.condition_order``."""
        return self._of_id(order_id).condition_order(order_id)

    def condition_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """See ``Venue.condition_by_client_id``."""
        return self._of(symbol).condition_by_client_id(symbol, client_order_id)

    def condition_orders(self, symbol: str | None = None) -> list[Order]:
        """See ``Venue.condition_orders``."""
        families = self._both if symbol is None else (self._of(symbol),)
        return [order for family in families for order in family.condition_orders(symbol)]

    def history_condition_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """See ``Venue.history_condition_orders``."""
        return self._of(symbol).history_condition_orders(symbol, since_ms, limit)

    # Streams and raw calls

    def account_source(self, symbol: str) -> AccountSource:
        """See ``Venue.account_source``."""
        return self._of(symbol).account_source(symbol)

    def book_source(self, symbol: str) -> BookSource:
        """See ``Venue.book_source``."""
        return self._of(symbol).book_source(symbol)

    def request(self, http_method: str, resource: str, params: str = "", raw: str = "") -> Any:
        """A path under ``/dapi`` goes to COIN-M, any other to USDⓈ-M; see ``Venue.request``."""
        return self._of_path(resource).request(http_method, resource, params, raw)

    def places_order(self, http_method: str, resource: str) -> bool:
        """See ``Venue.places_order``."""
        return self.usd.places_order(http_method, resource)

    def io(self, command: str, *args: object) -> Any:
        """``dual`` sets the position mode of both families, ``selfTradePreventionMode`` that of further orders; see ``Venue.io``."""
        if command == "dual":
            if len(args) != 1 or not isinstance(args[0], bool):
                raise InputError(f"IO('dual') takes True (hedge) or False (one-way), got {short_repr(args)}")
            self._use(self.usd).set_mode(args[0])
            return True
        if command == "selfTradePreventionMode":
            if len(args) != 1 or not isinstance(args[0], str):
                raise InputError(f"IO('selfTradePreventionMode') takes one text, got {short_repr(args)}")
            for family in self._both:
                family.dialect.prevent_self_trades(args[0])
            return True
        raise UnknownName(f"{self.name} has no IO command {short_repr(command)}{nearest(command, _COMMANDS)}")

    def last_reply(self) -> LastReply | None:
        """The last reply to this thread, of the family that it called last; see ``Venue.last_reply``."""
        family = self._last.family
        return None if family is None else family.last_reply()

    # Connection

    def set_base(self, url: str) -> None:
        """Sets both families' bases; see ``Venue.set_base``."""
        self.usd.set_base(url)
        self.coin.set_base(sibling_base(url, COIN_MARGINED.host) if url else "")

    def base(self) -> str:
        """That of USDⓈ-M; see ``Venue.base``."""
        return self.usd.base()

    def set_market_base(self, url: str) -> None:
        """Sets both families' bases of market data; see ``Venue.set_market_base``."""
        self.usd.set_market_base(url)
        self.coin.set_market_base(sibling_base(url, COIN_MARGINED.host) if url else "")

    def market_base(self) -> str:
        """That of USDⓈ-M; see ``Venue.market_base``."""
        return self.usd.market_base()

    def set_timeout(self, timeout_ms: float) -> None:
        """See ``Venue.set_timeout``."""
        for family in self._both:
            family.set_timeout(timeout_ms)

    def set_proxy(self, proxy: str) -> None:
        """See ``Venue.set_proxy``."""
        for family in self._both:
            family.set_proxy(proxy)

    def warn_with(self, warn: Callable[[str], None]) -> None:
        """See ``Venue.warn_with``."""
        for family in self._both:
            family.warn_with(warn)

    def warm(self, connections: int) -> None:
        """Opens this thread's connection to USDⓈ-M; see ``Venue.warm``."""
        self._use(self.usd).warm(connections)

    def close(self) -> None:
        """See ``Venue.close``."""
        for family in self._both:
            family.close()
