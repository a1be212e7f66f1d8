"""The part of a paper venue that is the real venue's: market data, raw calls that read, the connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....clock import Clock
from ....errors import NotSupported, short_repr
from ....exchange.contracts.converter import Contract
from ....exchange.host import QuietHost
from ....exchange.live_books import LiveBooks
from ....exchange.market_rules import MarketBook, MarketRules
from ....exchange.venue import BaseVenue, LastReply, Venue
from ....streams.book.source import BookSource
from ....structures import Depth, Funding, Market, Records, Ticker, Trade

__all__ = ["PaperMarketData"]


class PaperMarketData(BaseVenue):
    """Passes what is asked about the market to the real venue.

    Args:
        market: The real venue, made without keys.
        clock: Tells the time.
    """

    def __init__(self, market: Venue, clock: Clock) -> None:
        self.name = market.name
        self.market = market
        self.contracts_only = market.contracts_only
        self.default_contract = market.default_contract
        self._rules = MarketBook(market.rules, clock)
        self._live = LiveBooks(market, QuietHost(clock), f"{market.name} on paper")
        self._warn: Callable[[str], object] = str

    # Market data, of the real venue

    def ticker(self, symbol: str) -> Ticker:
        """See ``Venue.ticker``."""
        return self.market.ticker(symbol)

    def tickers(self) -> list[Ticker]:
        """See ``Venue.tickers``."""
        return self.market.tickers()

    def depth(self, symbol: str, limit: int | None = None) -> Depth:
        """See ``Venue.depth``; what paper orders took is not missing in it."""
        return self.market.depth(symbol, limit)

    def trades(self, symbol: str, limit: int | None = None) -> list[Trade]:
        """See ``Venue.trades``; paper orders are not among them."""
        return self.market.trades(symbol, limit)

    def records(self, symbol: str, period_s: int, limit: int | None = None) -> Records:
        """See ``Venue.records``."""
        return self.market.records(symbol, period_s, limit)

    def periods_s(self) -> tuple[int, ...]:
        """See ``Venue.periods_s``."""
        return self.market.periods_s()

    def markets(self) -> dict[str, Market]:
        """See ``Venue.markets``."""
        return self.market.markets()

    def rules(self, symbol: str) -> MarketRules:
        """See ``Venue.rules``."""
        return self.market.rules(symbol)

    def contract(self, symbol: str) -> Contract:
        """See ``ContractPort.contract``."""
        return self.market.contract(symbol)

    def fundings(self, symbol: str | None = None) -> list[Funding]:
        """See ``Venue.fundings``."""
        return self.market.fundings(symbol)

    def book_source(self, symbol: str) -> BookSource:
        """See ``Venue.book_source``."""
        return self.market.book_source(symbol)

    # Raw calls and the connection

    def request(self, http_method: str, resource: str, params: str = "", raw: str = "") -> Any:
        """Public GETs alone: there are no keys, and nothing may be changed. See ``Venue.request``."""
        if str(http_method).upper() != "GET":
            raise NotSupported(
                f"paper trading sends nothing that could change an account, got {short_repr(http_method)} {short_repr(resource)}"
            )
        return self.market.request(http_method, resource, params, raw)

    def io(self, command: str, *args: object) -> Any:
        """The commands of the real venue; they hold for its market data alone. See ``Venue.io``."""
        return self.market.io(command, *args)

    def last_reply(self) -> LastReply | None:
        """See ``Venue.last_reply``."""
        return self.market.last_reply()

    def base(self) -> str:
        """See ``Venue.base``."""
        return self.market.base()

    def set_base(self, url: str) -> None:
        """See ``Venue.set_base``."""
        self.market.set_base(url)
        self._rules.forget()
        self._live.renew()

    def market_base(self) -> str:
        """See ``Venue.market_base``."""
        return self.market.market_base()

    def set_market_base(self, url: str) -> None:
        """See ``Venue.set_market_base``."""
        self.market.set_market_base(url)
        self._live.renew()

    def set_timeout(self, timeout_ms: float) -> None:
        """See ``Venue.set_timeout``."""
        self.market.set_timeout(timeout_ms)

    def set_proxy(self, proxy: str) -> None:
        """See ``Venue.set_proxy``."""
        self.market.set_proxy(proxy)

    def warn_with(self, warn: Callable[[str], None]) -> None:
        """See ``Venue.warn_with``."""
        self._warn = warn
        self.market.warn_with(warn)

    def warm(self, connections: int) -> None:
        """See ``Venue.warm``."""
        self.market.warm(connections)
