"""The exchange ``Exchange``: any venue behind a plugin that speaks FMZ's general protocol."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ...clock import Clock, WallClock
from ...errors import InputError, NotSupported, OrderNotFound, VenueRejected, short_repr
from ...exchange.keys.credentials import Credentials
from ...exchange.keys.signing import parse_params
from ...exchange.market_rules import plain_text
from ...exchange.venue import OrderIntent
from ...http.client import HttpOptions
from ...structures import Account, Asset, Depth, Market, Order, Records, Ticker, Trade, info
from ..rest.ask import checked_limit
from ..rest.channel import Channel
from ..rest.channel_venue import ChannelVenue
from ..rest.order_calls import looks_like_an_order
from ..rest.parsing import mapping, rows
from ..rest.rows import OddRows
from .protocol import API_PREFIX, PluginAsk, PluginData, PluginProtocol
from .replies import read_assets, read_cancel, read_depth, read_id, read_order, read_record, read_ticker, read_trade

__all__ = ["PluginVenue"]

T = TypeVar("T")

_PERIODS_MIN = (1, 3, 5, 15, 30, 60, 120, 240, 360, 720, 1440, 10080)  # those that the published plugins know
_MOST_ROWS = 1_000_000
_OWN_CLIENT_ID = re.compile(r"fz[0-9a-z]{19,30}")


class PluginVenue(ChannelVenue):
    """A venue behind a plugin, spot only.

    The protocol has no client order id: the outcome of an order whose reply was lost cannot be looked up. It is sent once, and stays
    unknown; ``GetOrders`` shows what is open. Without market rules, orders are sent as they are given.

    Args:
        credentials: Passed to the plugin with every call, in clear; None for none.
        base: The service address with its path, such as ``http://127.0.0.1:6666/OKX``; empty for ``http://127.0.0.1:6666``.
        clock: Tells the time and waits; real time when None.
        options: The options of the HTTP client; None for its defaults.
        allow_plain_http: Whether keys may be sent to an ``http://`` address that is not this machine; a warning is written.

    Raises:
        InputError: ``base`` is not valid, or there is a passphrase.
    """

    name = "Exchange"
    exact_outcomes = True
    finds_client_ids = False
    lists_all_orders = False

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        base: str = "",
        clock: Clock | None = None,
        options: HttpOptions | None = None,
        allow_plain_http: bool = False,
    ) -> None:
        if credentials is not None and credentials.passphrase:
            raise InputError(
                "the general protocol has no passphrase: pack it into the secret_key in the form that the plugin expects "
                "(plugins of fmzthreads: 'secret,passphrase')"
            )
        self._clock: Clock = clock if clock is not None else WallClock()
        channel = Channel(
            PluginProtocol(self._clock),
            credentials=credentials,
            base=base,
            clock=self._clock,
            options=options,
            allow_plain_http=allow_plain_http,
        )
        super().__init__(channel)
        self._odd = OddRows(self.name)

    def _read(self, call: str, read: Callable[[PluginData], T], **fields: str) -> T:
        return self.channel.call(PluginAsk(call=call, fields=fields, door=call), read)

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)

    @staticmethod
    def _place(base: str) -> str:
        """The service address: one plugin may serve several venues under several paths."""
        return ChannelVenue._place(base) + urlsplit(base).path

    # Market data

    def ticker(self, symbol: str) -> Ticker:
        """The method ``ticker``; see ``Venue.ticker``."""
        return self._read("ticker", lambda said: read_ticker(said, symbol, self._now_ms()), symbol=symbol)

    def depth(self, symbol: str, limit: int | None = None) -> Depth:
        """The method ``depth``, which has no limit: what is beyond it is cut off; see ``Venue.depth``."""
        most = None if limit is None else checked_limit(limit, 1, _MOST_ROWS)
        return self._read("depth", lambda said: read_depth(said, most, self._now_ms()), symbol=symbol)

    def trades(self, symbol: str, limit: int | None = None) -> list[Trade]:
        """The method ``trades``; see ``Venue.trades``."""
        most = checked_limit(limit, _MOST_ROWS, _MOST_ROWS)

        def _read_all(said: PluginData) -> list[Trade]:
            now_ms = self._now_ms()
            found = self._odd.read(rows(said.data, "the data"), "a trade", "id", lambda row: read_trade(row, now_ms))
            return sorted(found, key=lambda trade: trade["Time"])[-most:]

        return self._read("trades", _read_all, symbol=symbol)

    def periods_s(self) -> tuple[int, ...]:
        """The periods that the published plugins know, from a minute to a week."""
        return tuple(minutes * 60 for minutes in _PERIODS_MIN)

    def records(self, symbol: str, period_s: int, limit: int | None = None) -> Records:
        """The method ``records``, whose period is in minutes; see ``Venue.records``."""
        if period_s not in self.periods_s():
            raise InputError(
                f"{self.name} has no bars of {short_repr(period_s)} s; expected one of {', '.join(map(str, self.periods_s()))}"
            )
        most = checked_limit(limit, _MOST_ROWS, _MOST_ROWS)

        def _read_all(said: PluginData) -> Records:
            by_time = {bar["Time"]: bar for bar in map(read_record, rows(said.data, "the data"))}
            return Records([by_time[time] for time in sorted(by_time)][-most:])

        return self._read("records", _read_all, symbol=symbol, period=str(period_s // 60))

    def markets(self) -> dict[str, Market]:
        """Raises NotSupported: the protocol has no market rules."""
        raise self._no("GetMarkets")

    # Account

    def _wallet(self) -> tuple[dict[str, Asset], Any]:
        return self._read("accounts", lambda said: (read_assets(said, self._odd.read), said))

    def account(self, symbol: str) -> Account:
        """The balances of the two currencies of a pair; see ``Venue.account``."""
        held, said = self._wallet()
        base, _, quote = symbol.partition(".")[0].upper().partition("_")
        none = Asset(Amount=0.0, FrozenAmount=0.0)
        stocks, balance = held.get(base, none), held.get(quote, none)
        return Account(
            Info=info(said.data if said.raw is None else said.raw),
            Balance=balance["Amount"],
            FrozenBalance=balance["FrozenAmount"],
            Stocks=stocks["Amount"],
            FrozenStocks=stocks["FrozenAmount"],
        )

    def assets(self) -> list[Asset]:
        """All balances that are not zero; see ``Venue.assets``."""
        held, _ = self._wallet()
        return [asset for asset in held.values() if asset["Amount"] or asset["FrozenAmount"]]

    # Orders

    def place(self, intent: OrderIntent) -> str:
        """The method ``trade``, sent once; see ``Venue.place``."""
        if intent.side not in {"buy", "sell"}:
            raise NotSupported(
                f"the general protocol has no side {short_repr(intent.side)}, only buy and sell; nothing was sent"
            )
        if intent.options or intent.time_in_force != "GTC" or not _OWN_CLIENT_ID.fullmatch(intent.client_order_id):
            raise InputError(
                "the general protocol has no options of an order (no client order id, no time in force); nothing was sent"
            )
        ask = PluginAsk(
            call="trade",
            fields={
                "symbol": intent.symbol,
                "type": intent.side,
                "price": "-1" if intent.price is None else plain_text(intent.price),
                "amount": plain_text(intent.amount),
            },
            door="trade",
            repeatable=False,
        )
        return f"{intent.symbol},{self.channel.send_once(ask, read_id, intent.client_order_id)}"

    def cancel(self, order_id: str) -> None:
        """The method ``cancel``, sent once; False from the plugin is a refusal. See ``Venue.cancel``."""
        symbol, number = _split(order_id)
        ask = PluginAsk(call="cancel", fields={"symbol": symbol, "id": number}, door="cancel", repeatable=False)
        if not self.channel.send_once(ask, read_cancel):
            raise VenueRejected(
                f"the plugin did not cancel the order {short_repr(order_id)} (it replied false)", code="error"
            )

    def order(self, order_id: str) -> Order:
        """The method ``order``; see ``Venue.order``."""
        symbol, number = _split(order_id)

        def _read_one(said: PluginData) -> Order:
            if said.data is None:
                raise OrderNotFound(f"the plugin has no order {short_repr(order_id)}", code="error")
            return read_order(mapping(said.data, "the data"), symbol, number, said.raw)

        return self._read("order", _read_one, symbol=symbol, id=number)

    def order_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """Raises NotSupported: an order cannot be found without the id that its lost reply had."""
        raise NotSupported(
            "the general protocol has no client order ids: compare GetOrders() and the balances with what was sent; "
            "do not send it again before"
        )

    def orders(self, symbol: str | None = None) -> list[Order]:
        """The method ``orders``, of one symbol; see ``Venue.orders``."""
        if symbol is None:
            raise NotSupported("the general protocol lists the open orders of one symbol: use GetOrders('BTC_USDT')")

        def _read_all(said: PluginData) -> list[Order]:
            found = self._odd.read(rows(said.data, "the data"), "an order", "id", lambda row: read_order(row, symbol))
            return sorted(found, key=lambda order: order["Time"])

        return self._read("orders", _read_all, symbol=symbol)

    # Raw calls

    def places_order(self, http_method: str, resource: str) -> bool:
        """Judged by the words of the path; see ``Venue.places_order``."""
        return looks_like_an_order(http_method, resource)

    def request(self, http_method: str, resource: str, params: str = "", raw: str = "") -> Any:
        """The method ``__api_`` and the resource, with the parameters as an object; sent once.

        The protocol does not pass on the HTTP method. It says here whether a lost reply leaves an outcome unknown: not after GET.
        """
        if raw:
            raise InputError(
                "the general protocol has no raw body: pass parameters such as 'a=1&b=2'; nothing was sent"
            )
        path, _, query = str(resource).partition("?")
        fields: dict[str, str] = {}
        for name, value in (*parse_params(query), *parse_params(params)):
            if name in fields:
                raise InputError(
                    f"the general protocol cannot repeat a parameter, got {short_repr(name)} 2 times; nothing was sent"
                )
            fields[name] = value
        ask = PluginAsk(call=API_PREFIX + path, fields=fields, door=API_PREFIX, repeatable=False)
        if str(http_method).upper() == "GET":
            return self.channel.call(ask, _content)
        return self.channel.send_once(ask, _content)

    # Connection

    def warn_with(self, warn: Callable[[str], None]) -> None:
        """Sets where warnings about unreadable rows go; see ``Venue.warn_with``."""
        self._odd.warn = warn
        super().warn_with(warn)


def _content(said: PluginData) -> Any:
    return info(said.data)


def _split(order_id: str) -> tuple[str, str]:
    """The symbol and the plugin's id in an order's id; the latter may have any form."""
    symbol, comma, number = str(order_id).partition(",")
    if not (comma and symbol and number):
        raise InputError(f"an order id must have the form '<symbol>,<id>', got {short_repr(order_id)}")
    return symbol, number
