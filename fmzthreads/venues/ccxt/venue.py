"""FMZ's face over any exchange of ccxt: spot, and perpetual and dated contracts as far as the port carries them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ...clock import Clock, WallClock
from ...errors import InputError, NotSupported, UnknownSymbol, short_repr
from ...exchange.credentials import Credentials
from ...exchange.market_rules import MarketRules
from ...exchange.venue import BaseVenue, OrderIntent
from ...http.client import HttpClient, HttpOptions
from ...http.reply import Reply
from ...http.url import check_base
from ...structures import Account, Asset, Depth, Funding, Market, Order, Position, Record, Records, Ticker, Trade, info
from ..rest.ask import checked_limit
from ..rest.parsing import Malformed
from ..rest.plain_http import PlainHttpCheck
from ..rest.rows import OddRows
from . import convert
from .calls import CcxtCalls
from .client_ids import BY_CLIENT_ID, CLIENT_IDS, venue_client_id
from .objects import CcxtObjects, LoadedMarkets
from .orders import order_call
from .raw import raw_call
from .symbols import OrderRef
from .wire import Wire

__all__ = ["CcxtVenue"]

T = TypeVar("T")

_FRESH_S = 30.0  # the rules of a symbol come with those of all: a list this new serves the other symbols too
_UNKNOWN_SETTLING_S = 10.0
_USUAL_LEVELS = 100
_USUAL_BARS = 500
_MOST_ROWS = 10**9

# Exchanges whose nonces must grow from request to request, so that a private request waits for the one before.
_ORDERED = frozenset({
    "bit2c", "bitbank", "bitfinex", "btcbox", "coincheck", "coinmate", "coinspot", "gemini", "independentreserve", "indodax", "kraken",
    "krakenfutures", "ndax", "p2b", "whitebit", "zaif",
})  # fmt: skip


class CcxtVenue(BaseVenue):
    """An exchange of the ccxt library.

    Args:
        exchange_id: ccxt's id of the exchange, such as ``kraken``.
        credentials: The keys: ``access_key`` is ccxt's ``apiKey`` (or wallet address), ``secret_key`` its ``secret`` (or private key),
            ``passphrase`` its ``password`` (or ``uid``); None for public calls only.
        base: Another scheme and host for all of ccxt's URLs of this exchange; empty for ccxt's own.
        clock: Tells the time and waits; real time when None.
        options: The options of the HTTP client; None for its defaults.
        ccxt_options: ccxt's own ``options`` of the exchange.
        paced: Whether calls keep to the average pace that ccxt knows of the venue. An order counts, but does not wait.
        settling_s: See ``Venue``; None for ccxt's ``recvWindow`` of the exchange and one second, or 10 where it has none.
        client_order_ids: Whether a client order id is sent with orders; None for where it is known to be right. Without one, an order
            whose reply is lost stays unknown.
        one_at_a_time: Whether private requests are sent one after the other; None for where growing nonces require it.
        allow_plain_http: Whether keys may be sent to an ``http://`` base that is not this machine; a warning is written.

    Raises:
        MissingExtra: ccxt is not installed.
        UnknownName: ccxt has no such exchange.
        InputError: ``base`` is not valid.
    """

    exact_outcomes = True

    def __init__(
        self,
        exchange_id: str,
        *,
        credentials: Credentials | None = None,
        base: str = "",
        clock: Clock | None = None,
        options: HttpOptions | None = None,
        ccxt_options: Mapping[str, Any] | None = None,
        paced: bool = True,
        settling_s: float | None = None,
        client_order_ids: bool | None = None,
        one_at_a_time: bool | None = None,
        allow_plain_http: bool = False,
    ) -> None:
        self.name = f"ccxt:{exchange_id}"
        self.exchange_id = exchange_id
        self._clock: Clock = clock if clock is not None else WallClock()
        self.keys = credentials if credentials is not None else Credentials()
        self._plain = PlainHttpCheck(self.name, allow=allow_plain_http)
        http_options = options if options is not None else HttpOptions()
        self.http = HttpClient("", clock=self._clock, options=http_options)
        wire = Wire(
            self.name,
            self._clock,
            self.http,
            ordered=exchange_id in _ORDERED if one_at_a_time is None else one_at_a_time,
        )
        self._objects = CcxtObjects(
            exchange_id, wire, self._clock, credentials=self.keys, options=ccxt_options or {}, paced=paced
        )
        if base:
            self._check_base(base)
            self._objects.set_base(check_base(base))
        sample = self._objects.sample
        self._has: Mapping[str, Any] = sample.has
        self.calls = CcxtCalls(
            self.name,
            self._clock,
            self._objects,
            wire,
            self.keys,
            http_options,
            tells_time=bool(sample.has.get("fetchTime")),
        )
        window_ms = sample.options.get("recvWindow")
        usual_s = float(window_ms) / 1000 + 1.0 if isinstance(window_ms, (int, float)) else _UNKNOWN_SETTLING_S
        self.settling_s = usual_s if settling_s is None else float(settling_s)
        self._sends_ids = exchange_id in CLIENT_IDS if client_order_ids is None else client_order_ids
        self._odd = OddRows(self.name)
        self._periods = _periods(sample)

    def account_id(self) -> str:
        """The venue, its host, and a digest of the access key; see ``Venue.account_id``."""
        if not self.keys:
            return ""
        digest = hashlib.sha256(f"{self.name}:{self.keys.access_key}".encode()).hexdigest()[:16]
        return f"{self.name}:{urlsplit(self.base()).netloc}:{digest}"

    # Markets

    def _markets(self, *, contracts: bool = False, max_age_s: float = math.inf) -> LoadedMarkets:
        return self._objects.load(self.calls.read, contracts=contracts, max_age_s=max_age_s)

    def _market(self, symbol: str) -> tuple[str, LoadedMarkets]:
        """The name of a symbol in ccxt, and the markets that it is in."""
        loaded = self._markets(contracts="." in symbol)
        return str(loaded.table.market(symbol)["symbol"]), loaded

    def _about(self, symbol: str, work: Callable[[Any, str], T], *, signed: bool = False) -> T:
        name, loaded = self._market(symbol)
        return self.calls.read(lambda api: work(api, name), signed=signed, markets=loaded)

    def _can(self, feature: str, call: str) -> None:
        if not self._has.get(feature):
            raise NotSupported(f"{self.name} does not support {call}: ccxt has no {feature} there")

    def markets(self) -> dict[str, Market]:
        """Loads ccxt's markets again: the spot ones, and contracts once they were asked for (or where ccxt loads all at once)."""
        loaded = self._markets(max_age_s=-1.0)
        mode = loaded.owner.precisionMode
        found = loaded.table.markets.items()
        return {
            symbol: convert.market_of(market, mode) for symbol, market in found if market.get("active") is not False
        }

    def rules(self, symbol: str) -> MarketRules:
        """The rules in ccxt's markets, which are loaded anew unless they are less than 30 s old; see ``Venue.rules``."""
        loaded = self._markets(contracts="." in symbol, max_age_s=_FRESH_S)
        return MarketRules.of(symbol, convert.market_of(loaded.table.market(symbol), loaded.owner.precisionMode))

    # Market data

    def _now_ms(self) -> int:
        return self.calls.wire.now_ms()

    def ticker(self, symbol: str) -> Ticker:
        """``fetch_ticker``; see ``Venue.ticker``."""
        return self._about(symbol, lambda api, name: convert.ticker_of(api.fetch_ticker(name), symbol, self._now_ms()))

    def tickers(self) -> list[Ticker]:
        """``fetch_tickers`` of the spot markets; see ``Venue.tickers``."""
        self._can("fetchTickers", "GetTickers")
        loaded = self._markets()

        def _work(api: Any) -> list[Ticker]:
            rows, now_ms = list(api.fetch_tickers().values()), self._now_ms()
            return self._odd.tickers(
                rows, "symbol", loaded.table.fmz, lambda row, symbol: convert.ticker_of(row, symbol, now_ms)
            )

        return self.calls.read(_work, markets=loaded)

    def depth(self, symbol: str, limit: int | None = None) -> Depth:
        """``fetch_order_book``; a limit that the venue does not have gives its usual book, cut; see ``Venue.depth``."""
        levels = checked_limit(limit, _USUAL_LEVELS, _MOST_ROWS)

        def _work(api: Any, name: str) -> Depth:
            try:
                row = api.fetch_order_book(name, levels)
            except Exception:  # whatever ccxt's check of the limit raises
                if api.fmz_state.sent:
                    raise
                row = api.fetch_order_book(name)
            return convert.depth_of(row, api.last_json_response, self._now_ms(), levels)

        return self._about(symbol, _work)

    def trades(self, symbol: str, limit: int | None = None) -> list[Trade]:
        """``fetch_trades``; see ``Venue.trades``."""
        count = None if limit is None else checked_limit(limit, 1, _MOST_ROWS)

        def _work(api: Any, name: str) -> list[Trade]:
            return self._odd.read(api.fetch_trades(name, None, count), "a trade", "id", convert.trade_of)

        found = sorted(self._about(symbol, _work), key=lambda trade: trade["Time"])
        return found if count is None else found[-count:]

    def periods_s(self) -> tuple[int, ...]:
        """The time frames that ccxt has of the exchange; see ``Venue.periods_s``."""
        return tuple(self._periods)

    def records(self, symbol: str, period_s: int, limit: int | None = None) -> Records:
        """``fetch_ohlcv``, as often as needed, from the newest page back; see ``Venue.records``."""
        frame = self._periods.get(period_s)
        if frame is None:
            raise InputError(
                f"{self.name} has no bars of {short_repr(period_s)} s; expected one of {', '.join(map(str, self._periods))}"
            )
        wanted = None if limit is None else checked_limit(limit, 1, _MOST_ROWS)

        def _work(api: Any, name: str) -> list[Record]:
            return [convert.record_of(row) for row in _bars(api, name, frame, period_s * 1000, wanted)]

        found = self._about(symbol, _work)
        return Records(found if wanted is None else found[-wanted:])

    # Account

    def account(self, symbol: str) -> Account:
        """``fetch_balance``; see ``Venue.account``."""

        def _work(api: Any, name: str) -> Account:
            market = api.markets[name]
            more = {"type": market["type"]} if market.get("contract") else {}
            return convert.account_of(api.fetch_balance(more), market)

        return self._about(symbol, _work, signed=True)

    def assets(self) -> list[Asset]:
        """``fetch_balance``; see ``Venue.assets``."""
        loaded = self._markets()
        return convert.asset_rows(self.calls.read(lambda api: api.fetch_balance(), signed=True, markets=loaded))

    def positions(self, symbol: str | None = None) -> list[Position]:
        """``fetch_positions``; see ``Venue.positions``."""
        self._can("fetchPositions", "GetPositions")
        loaded = self._markets(contracts=True)
        names = _scope(loaded, symbol)

        def _read(row: dict[str, Any]) -> Position:
            return convert.position_of(row, loaded.table.fmz(row["symbol"]) or row["symbol"])

        def _work(api: Any) -> list[Position]:
            held = [row for row in api.fetch_positions(names) if row.get("contracts")]
            return self._odd.read(held, "a position", "symbol", _read)

        found = self.calls.read(_work, signed=True, markets=loaded)
        return [one for one in found if _within(one["Symbol"], symbol)]

    def fundings(self, symbol: str | None = None) -> list[Funding]:
        """``fetch_funding_rate`` of a symbol, ``fetch_funding_rates`` of several; see ``Venue.fundings``."""
        loaded = self._markets(contracts=True)
        names = _scope(loaded, symbol)
        one = names is not None
        self._can("fetchFundingRate" if one else "fetchFundingRates", "GetFundings" if one else "GetFundings of all")

        def _read(row: dict[str, Any]) -> Funding:
            return convert.funding_of(row, loaded.table.fmz(row["symbol"]) or row["symbol"])

        def _work(api: Any) -> list[Funding]:
            rows = [api.fetch_funding_rate(names[0])] if names else list(api.fetch_funding_rates().values())
            return self._odd.read(rows, "a rate", "symbol", _read)

        found = self.calls.read(_work, markets=loaded)
        return [one for one in found if _within(one["Symbol"], symbol)]

    # Orders

    def place(self, intent: OrderIntent) -> str:
        """``create_order``; see ``Venue.place``."""
        name, loaded = self._market(intent.symbol)
        client_order_id = venue_client_id(self.exchange_id, intent.client_order_id) if self._sends_ids else ""
        call = order_call(self.name, intent, name, loaded.owner, client_order_id)

        def _work(api: Any) -> str:
            number = call.run(api).get("id")
            if number is None:
                raise Malformed("the reply to an order has no id")
            return str(OrderRef(name, str(number), call.trigger))

        return self.calls.send_once(_work, client_order_id, markets=loaded)

    def cancel(self, order_id: str) -> None:
        """``cancel_order``; see ``Venue.cancel``."""
        ref, loaded = self._ref(order_id)
        more = {"trigger": True} if ref.trigger else {}
        self.calls.send_once(lambda api: api.cancel_order(ref.number, ref.name, more), markets=loaded)

    def order(self, order_id: str) -> Order:
        """``fetch_order``; see ``Venue.order``."""
        self._can("fetchOrder", "GetOrder")
        ref, loaded = self._ref(order_id)
        more = {"trigger": True} if ref.trigger else {}

        def _work(api: Any) -> Order:
            row = api.fetch_order(ref.number, ref.name, more)
            if str(row.get("id")) != ref.number:
                raise Malformed(f"the reply is about order {short_repr(row.get('id'))}, not {ref.number}")
            return self._order(row, loaded, trigger=ref.trigger)

        return self.calls.read(_work, signed=True, markets=loaded)

    def order_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """``fetch_order`` by client order id; where ccxt cannot, the lists are looked through, and only a find is an answer.

        Raises:
            NotSupported: The order is not in the lists, and this venue does not say whether it exists.
        """
        if not self._sends_ids:
            raise NotSupported(f"{self.name}: no client order id is sent there, so that an order cannot be found by it")
        name, loaded = self._market(symbol)
        wanted = venue_client_id(self.exchange_id, client_order_id)

        def _ask(api: Any) -> Order:
            row = api.fetch_order_with_client_order_id(wanted, name)
            if not _has_client_id(row, wanted):
                raise Malformed(f"the reply is about order {short_repr(row.get('clientOrderId'))}, not {wanted}")
            return self._order(row, loaded)

        if self.exchange_id in BY_CLIENT_ID:
            return self.calls.read(_ask, signed=True, markets=loaded)
        found = self._listed(name, loaded, keep=lambda row: _has_client_id(row, wanted))
        if not found:
            raise NotSupported(f"{self.name} lists no order {wanted}, and does not tell whether there is one")
        return found[0]

    def orders(self, symbol: str | None = None) -> list[Order]:
        """``fetch_open_orders``, with condition orders where the venue keeps them apart; see ``Venue.orders``."""
        contracts = symbol is not None and "." in symbol
        loaded = self._markets(contracts=contracts)
        one = symbol is not None and symbol in loaded.table.markets
        if symbol is not None and not one and "_" in symbol:
            loaded.table.market(symbol)
        name = str(loaded.table.markets[symbol]["symbol"]) if one and symbol is not None else None
        kind = {} if name is not None else {"type": "swap" if contracts else "spot"}
        found: list[Order] = []
        apart = _keeps_apart(self._objects.sample, "swap" if contracts else "spot")
        for trigger in (False, True) if apart else (False,):
            fetch = partial(_open_orders, name=name, more={**kind, "trigger": True} if trigger else kind)
            found += self._orders(fetch, loaded, trigger=trigger)
        return _in_order(order for order in found if _within(order["Symbol"], symbol))

    def history_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """``fetch_orders``, or what ccxt has in its place; see ``Venue.history_orders``."""
        if since_ms < 0 or limit < 0:
            raise InputError(f"since and limit must be 0 or more, got {short_repr(since_ms)} and {short_repr(limit)}")
        name, loaded = self._market(symbol)
        by_id = {order["Id"]: order for order in self._listed(name, loaded, since_ms or None, limit or None)}
        found = [order for order in _in_order(by_id.values()) if order["Time"] >= since_ms]
        if not limit:
            return found
        return found[:limit] if since_ms else found[-limit:]

    def _listed(
        self,
        name: str,
        loaded: LoadedMarkets,
        since: int | None = None,
        limit: int | None = None,
        keep: Callable[[Any], bool] = lambda row: True,
    ) -> list[Order]:
        """The open and past orders of a symbol, by as few lists as ccxt has."""
        if self._has.get("fetchOrders") is True:
            methods = ["fetch_orders"]
        else:
            wanted = (
                ("fetchOpenOrders", "fetch_open_orders"),
                ("fetchClosedOrders", "fetch_closed_orders"),
                ("fetchCanceledOrders", "fetch_canceled_orders"),
            )
            methods = [method for feature, method in wanted if self._has.get(feature)]
        if not methods:
            raise NotSupported(f"{self.name} does not support GetHistoryOrders: ccxt has no list of orders there")
        found: list[Order] = []
        for method in methods:
            fetch = partial(_past_orders, method=method, keep=keep, name=name, since=since, limit=limit)
            found += self._orders(fetch, loaded)
        return found

    def _ref(self, order_id: str) -> tuple[OrderRef, LoadedMarkets]:
        ref = OrderRef.parse(order_id)
        loaded = self._markets(contracts=":" in ref.name)
        if ref.name not in loaded.owner.markets:
            raise UnknownSymbol(f"{self.name} does not list {short_repr(ref.name)}")
        return ref, loaded

    def _order(self, row: Mapping[str, Any], loaded: LoadedMarkets, *, trigger: bool = False) -> Order:
        name = str(row["symbol"])
        number = row.get("id")
        if number is None:
            raise Malformed("an order without an id")
        return convert.order_of(row, loaded.table.fmz(name) or name, str(OrderRef(name, str(number), trigger)))

    def _orders(
        self, fetch: Callable[[Any], list[Any]], loaded: LoadedMarkets, *, trigger: bool = False
    ) -> list[Order]:
        def _read(row: dict[str, Any]) -> Order:
            return self._order(row, loaded, trigger=trigger)

        return self.calls.read(
            lambda api: self._odd.read(fetch(api), "an order", "id", _read), signed=True, markets=loaded
        )

    # Raw calls

    def request(self, http_method: str, resource: str, params: str = "", raw: str = "") -> Any:
        """A call of one of ccxt's endpoints, found by its path, with ccxt's signature; see ``Venue.request``.

        Raises:
            InputError: ccxt has no endpoint of this path.
            NotSupported: A literal body or another host was given: ccxt builds body and URL itself.
        """
        call = self.calls.with_object(lambda api: raw_call(api, self.name, http_method, resource, params, raw))
        if call.method == "GET":
            if self.keys and self.calls.time is not None:
                self.calls.time.ready(renew=True)
            self.calls.read(call.run)
        else:
            self.calls.send_once(call.run, call.client_order_id)
        reply = self.http.last_reply()
        assert reply is not None
        try:
            return info(reply.json())
        except Exception:  # a reply that is no JSON but that ccxt has accepted
            return reply.text

    def last_reply(self) -> Reply | None:
        """The calling thread's last reply; see ``Venue.last_reply``."""
        return self.http.last_reply()

    # Connection

    def _check_base(self, url: str) -> None:
        if self.keys:
            self._plain.check(url)

    def base(self) -> str:
        """The base URL; see ``Venue.base``."""
        return self._objects.base

    def set_base(self, url: str) -> None:
        """Moves all of ccxt's URLs to another scheme and host, and drops markets, time and counts; see ``Venue.set_base``."""
        if url:
            self._check_base(url)
        self._objects.set_base(check_base(url) if url else "")
        if self.calls.time is not None:
            self.calls.time.forget()
        self.calls.doors.open_all()
        self.calls.wire.pace.forget()

    def set_timeout(self, timeout_ms: float) -> None:
        """Sets the total time-out of further calls; see ``Venue.set_timeout``."""
        self.http.set_timeout(timeout_ms)
        self.calls.timeout_ms = float(timeout_ms)

    def set_proxy(self, proxy: str) -> None:
        """Sets the proxy of further calls; see ``Venue.set_proxy``."""
        self.http.set_proxy(proxy)

    def warn_with(self, warn: Callable[[str], None]) -> None:
        """Sets where warnings go; see ``Venue.warn_with``."""
        self._odd.warn = warn
        self._plain.warn_with(warn)
        if self.keys:
            self._plain.check(self.base())

    def warm(self, connections: int) -> None:
        """Opens the calling thread's connection and measures the time; see ``Venue.warm``."""
        self.http.warm(self.base())
        if self.keys and self.calls.time is not None:
            self.calls.time.ready(renew=True)

    def close(self) -> None:
        """Closes the connections; see ``Venue.close``."""
        self.http.close()


def _open_orders(api: Any, *, name: str | None, more: dict[str, Any]) -> list[Any]:
    return list(api.fetch_open_orders(name, None, None, more))


def _past_orders(
    api: Any, *, method: str, keep: Callable[[Any], bool], name: str, since: int | None, limit: int | None
) -> list[Any]:
    return [row for row in getattr(api, method)(name, since, limit) if keep(row)]


def _periods(sample: Any) -> dict[int, str]:
    """The time frames by seconds, ascending; months are left out, because they have no fixed length."""
    found = {}
    for frame in sample.timeframes or {}:
        if frame[-1:] in "smhdw":
            found[int(sample.parse_timeframe(frame))] = frame
    return dict(sorted(found.items()))


def _bars(api: Any, name: str, frame: str, period_ms: int, wanted: int | None) -> list[Any]:
    """The bars, oldest first; pages before the newest one are asked by their start."""
    rows = sorted(api.fetch_ohlcv(name, frame, None, wanted), key=lambda row: row[0])
    while wanted is not None and rows and len(rows) < wanted:
        oldest = rows[0][0]
        start = oldest - min(wanted - len(rows), _USUAL_BARS) * period_ms
        older: list[Any] = []
        while start < oldest:  # a venue may send fewer than it was asked for, from the start on
            page = api.fetch_ohlcv(name, frame, start, (oldest - start) // period_ms)
            fresh = sorted((row for row in page if start <= row[0] < oldest), key=lambda row: row[0])
            if not fresh:
                break
            older += fresh
            start = fresh[-1][0] + period_ms
        if not older:
            break
        rows = older + rows
    return rows


def _scope(loaded: LoadedMarkets, symbol: str | None) -> list[str] | None:
    """The names of a symbol in ccxt; None for all, or for a kind of contracts such as ``USDT.swap``."""
    if symbol is None or "_" not in symbol:
        return None
    return [str(loaded.table.market(symbol)["symbol"])]


def _within(symbol: str, scope: str | None) -> bool:
    """Whether a symbol is in a scope: None is all of them, ``USDT.swap`` all such contracts."""
    if scope is None or symbol == scope:
        return True
    quote, dot, code = scope.partition(".")
    return bool(dot) and "_" not in quote and symbol.endswith(f"_{quote}.{code}")


def _keeps_apart(sample: Any, kind: str) -> bool:
    """Whether condition orders are read and cancelled by ccxt's ``trigger``."""
    sub = "linear" if kind == "swap" else None
    return bool(sample.feature_value_by_type(kind, sub, "fetchOpenOrders", "trigger"))


def _has_client_id(row: Mapping[str, Any], wanted: str) -> bool:
    found = str(row.get("clientOrderId") or "")
    return found in {wanted, f"t-{wanted}"}  # Gate writes "t-" before it


def _in_order(orders: Iterable[Order]) -> list[Order]:
    return sorted(orders, key=lambda order: (order["Time"], order["Id"]))
