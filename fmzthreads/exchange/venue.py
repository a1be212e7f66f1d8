"""The port that every exchange adapter fills: one typed method for each thing that a venue can do.

Beneath FMZ's face the words are the field's own: a *symbol* here is always FMZ's form (``BTC_USDT`` for spot, ``BTC_USDT.swap`` for a
contract); the adapter translates it to the venue's name and back. Prices and amounts that go to a venue are exact decimals; what comes
from it are structures. A venue raises from the error tree, never logs and never answers failure with None.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import attrs

from ..errors import NotSupported
from ..structures import Account, Asset, Depth, Funding, Market, Order, Position, Records, Ticker, Trade

if TYPE_CHECKING:
    from ..streams.book.feed import BookSource

__all__ = ["BaseVenue", "OrderIntent", "Side", "Venue"]

Side = Literal["buy", "sell", "closebuy", "closesell"]


@attrs.frozen(kw_only=True)
class OrderIntent:
    """What an order is meant to be, cut to the market's steps and ready to be sent.

    Attributes:
        symbol: FMZ's symbol.
        side: ``buy`` or ``sell``; for contracts also ``closebuy`` (close a long) and ``closesell`` (close a short).
        price: The limit price; None for a market order.
        amount: What is ordered, in base currency; for a spot market buy in quote currency; for contracts a number of them.
        client_order_id: Made once for each intent; the order can be found by it when its reply is lost.
        time_in_force: ``GTC``, ``IOC``, ``FOK`` or ``GTX`` (post-only).
        options: The venue's own further parameters, as given by ``"buy;key=value"`` or ``"buy;{json}"``.
    """

    symbol: str
    side: Side
    price: Decimal | None
    amount: Decimal
    client_order_id: str
    time_in_force: Literal["GTC", "IOC", "FOK", "GTX"] = "GTC"
    options: Mapping[str, str] = attrs.field(factory=dict)


@runtime_checkable
class Venue(Protocol):
    """What an exchange adapter answers. Every method may be called from many threads at once."""

    name: str
    """FMZ's id of the venue, such as ``Binance``."""

    max_depth_limit: int
    """The most levels a side that ``depth`` can give in one request."""

    def ticker(self, symbol: str) -> Ticker:
        """The last price, best bid and ask, and 24 h statistics of one symbol."""

    def tickers(self) -> list[Ticker]:
        """The same of all symbols."""

    def depth(self, symbol: str, limit: int | None = None) -> Depth:
        """The order book; ``limit`` levels a side, None for the venue's default."""

    def trades(self, symbol: str, limit: int | None = None) -> list[Trade]:
        """The latest public trades, oldest first."""

    def records(self, symbol: str, period_s: int, limit: int | None = None) -> Records:
        """Bars, oldest first, the last one still forming; ``period_s`` is one of ``periods_s()``."""

    def periods_s(self) -> tuple[int, ...]:
        """The bar lengths, in seconds, that the venue itself serves, ascending."""

    def markets(self) -> dict[str, Market]:
        """The trading rules of all symbols, by FMZ symbol; fetched anew at each call."""

    def account(self, symbol: str) -> Account:
        """Free and frozen quote and base currency of the symbol's pair."""

    def assets(self) -> list[Asset]:
        """All holdings that are not zero."""

    def place(self, intent: OrderIntent) -> str:
        """Sends an order once and returns its id (``"<venue symbol>,<venue id>"``).

        Raises OutcomeUnknown when it was sent and no reply says what became of it; never sends it again.
        """

    def cancel(self, order_id: str) -> None:
        """Cancels an order."""

    def order(self, order_id: str) -> Order:
        """One order by its id."""

    def order_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """One order by the client order id that it was placed with; raises OrderNotFound when the venue has none."""

    def orders(self, symbol: str | None = None) -> list[Order]:
        """Open orders of one symbol, or of all when None."""

    def history_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Orders of one symbol, ended ones included, from ``since_ms`` on, oldest first; 0 for the venue's own default."""

    def positions(self, symbol: str | None = None) -> list[Position]:
        """Open positions (contracts only)."""

    def fundings(self, symbol: str | None = None) -> list[Funding]:
        """Funding rates (perpetual contracts only)."""

    def request(self, http_method: str, resource: str, params: str = "", raw: str = "") -> Any:
        """A signed call to any path (or full URL) of the venue; ``params`` is URL-encoded text, ``raw`` a literal body."""

    def raw_json(self) -> str:
        """The text of the last reply that this thread got from this venue; empty before the first."""

    def set_base(self, url: str) -> None:
        """Sends all further requests to another base URL."""

    def base(self) -> str:
        """The base URL in use."""

    def set_timeout(self, timeout_ms: float) -> None:
        """Sets the total time-out of each further call."""

    def set_proxy(self, proxy: str) -> None:
        """Sets the proxy of further calls: ``http://``, ``socks5://``, ``ip://`` (a local address), or empty for none."""

    def warm(self, connections: int) -> None:
        """Opens connections for so many calls side by side, before they are needed; run in each worker thread by the caller."""

    def close(self) -> None:
        """Closes all connections; later calls open new ones."""


class BaseVenue:
    """What an adapter inherits so that whatever it cannot do raises NotSupported naming the venue and the call."""

    name: str = ""
    max_depth_limit: int = 0

    settling_s: float = 2.0
    """Seconds after the loss of an order's reply during which "no such order" proves nothing: it may still be on its way in there."""

    exact_outcomes: bool = False
    """Whether any other error of ``place`` than OutcomeUnknown says that no order was made. If not, a time-out, a lost connection or a
    reply that cannot be read is settled by asking, just like OutcomeUnknown."""

    def _no(self, call: str) -> NotSupported:
        return NotSupported(f"{self.name} does not support {call}")

    def tickers(self) -> list[Ticker]:
        """Not supported unless an adapter says otherwise."""
        raise self._no("GetTickers")

    def history_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Not supported unless an adapter says otherwise."""
        raise self._no("GetHistoryOrders")

    def book_source(self, symbol: str) -> BookSource:
        """Where a live order book of the symbol comes from; not supported unless an adapter says otherwise."""
        raise self._no("Subscribe")

    def positions(self, symbol: str | None = None) -> list[Position]:
        """Not supported unless an adapter says otherwise."""
        raise self._no("GetPositions")

    def fundings(self, symbol: str | None = None) -> list[Funding]:
        """Not supported unless an adapter says otherwise."""
        raise self._no("GetFundings")
