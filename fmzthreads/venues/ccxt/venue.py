"""FMZ's face over any exchange of ccxt: spot, and perpetual and dated contracts as far as the port carries them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from ...errors import FmzError, InputError, NotSupported, OrderNotFound, UnknownSymbol, short_repr
from ...exchange.venue import OrderFill, OrderIntent
from ...structures import Order, info
from ..rest.order_calls import looks_like_an_order
from ..rest.parsing import Malformed
from . import convert
from .client_ids import venue_client_id
from .core import within
from .market_data import CcxtMarketData
from .objects import LoadedMarkets
from .orders import order_call
from .raw import raw_call
from .symbols import OrderRef

__all__ = ["CcxtVenue", "keeps_apart", "open_orders", "sorted_by_time"]

_NO_SUCH_PATH = frozenset({404, 410})  # a path that is not there (any more) holds no orders


class CcxtVenue(CcxtMarketData):
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

    # Orders

    def place(self, intent: OrderIntent) -> str:
        """``create_order``; see ``Venue.place``."""
        name, loaded = self._market(intent.symbol)
        client_order_id = venue_client_id(self.exchange_id, intent.client_order_id) if self._sends_ids else ""
        call = order_call(self.name, intent, name, loaded.owner, client_order_id, self._order_params(intent, name))

        def _work(api: Any) -> str:
            number = call.run(api).get("id")
            if number is None:
                raise Malformed("the reply to an order has no id")
            return str(OrderRef(name, str(number), call.trigger))

        return self.calls.send_once(_work, client_order_id, markets=loaded)

    def _order_params(self, intent: OrderIntent, name: str) -> Mapping[str, Any]:
        """Further parameters of an order, which no option replaces."""
        return {}

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

        def _ask(api: Any, trigger: bool = False) -> Order:
            row = api.fetch_order_with_client_order_id(wanted, name, {"trigger": True} if trigger else {})
            if not _has_client_id(row, wanted):
                raise Malformed(f"the reply is about order {short_repr(row.get('clientOrderId'))}, not {wanted}")
            return self._order(row, loaded, trigger=trigger)

        if self.exchange_id in self._ids_asked:
            try:
                return self.calls.read(_ask, signed=True, markets=loaded)
            except OrderNotFound as error:
                if not keeps_apart(loaded.owner, name):
                    raise
                missing = error
            try:  # it may be among the condition orders
                return self.calls.read(partial(_ask, trigger=True), signed=True, markets=loaded)
            except FmzError as error:
                if isinstance(error, OrderNotFound) or error.status in _NO_SUCH_PATH:
                    raise missing from None
                raise
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
        for trigger in (False, True):
            if trigger and not keeps_apart(loaded.owner, name or ("swap" if contracts else "spot")):
                break
            fetch = partial(open_orders, name=name, more={**kind, "trigger": True} if trigger else kind)
            found += self._orders(fetch, loaded, trigger=trigger)
        return sorted_by_time(order for order in found if within(order["Symbol"], symbol))

    def history_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """``fetch_orders``, or what ccxt has in its place; see ``Venue.history_orders``."""
        if since_ms < 0 or limit < 0:
            raise InputError(f"since and limit must be 0 or more, got {short_repr(since_ms)} and {short_repr(limit)}")
        name, loaded = self._market(symbol)
        by_id = {order["Id"]: order for order in self._listed(name, loaded, since_ms or None, limit or None)}
        found = [order for order in sorted_by_time(by_id.values()) if order["Time"] >= since_ms]
        if not limit:
            return found
        return found[:limit] if since_ms else found[-limit:]

    def fills(self, order: Order) -> list[OrderFill]:
        """``fetch_order_trades``, or the order's among ``fetch_my_trades``; see ``Venue.fills``."""
        ref, loaded = self._ref(order["Id"])
        whole = bool(self._has.get("fetchOrderTrades"))
        if not whole:
            self._can("fetchMyTrades", "fills of an order")

        def _work(api: Any) -> list[OrderFill]:
            if whole:
                rows = api.fetch_order_trades(ref.number, ref.name)
            else:
                rows = api.fetch_my_trades(ref.name, order["Time"] or None)
            mine = [row for row in rows if str(row.get("order") or ref.number) == ref.number]
            return [convert.fill_of(row) for row in mine]

        found = self.calls.read(_work, signed=True, markets=loaded)
        return sorted(found, key=lambda fill: fill["Time"])

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
        return convert.order_of(row, self._shown_as(name, loaded), str(OrderRef(name, str(number), trigger)))

    def _orders(
        self, fetch: Callable[[Any], list[Any]], loaded: LoadedMarkets, *, trigger: bool = False
    ) -> list[Order]:
        def _read(row: dict[str, Any]) -> Order:
            return self._order(row, loaded, trigger=trigger)

        return self.calls.read(
            lambda api: self._odd.read(fetch(api), "an order", "id", _read), signed=True, markets=loaded
        )

    # Raw calls

    def places_order(self, http_method: str, resource: str) -> bool:
        """Judged by the words of the path; see ``Venue.places_order``."""
        return looks_like_an_order(http_method, resource)

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


def open_orders(api: Any, *, name: str | None, more: dict[str, Any]) -> list[Any]:
    """Rows of ccxt about open orders, of one of its symbols or as the parameters say."""
    return list(api.fetch_open_orders(name, None, None, more))


def _past_orders(
    api: Any, *, method: str, keep: Callable[[Any], bool], name: str, since: int | None, limit: int | None
) -> list[Any]:
    return [row for row in getattr(api, method)(name, since, limit) if keep(row)]


def keeps_apart(api: Any, name: str) -> bool:
    """Whether condition orders of a market (or of a kind of markets) are read and cancelled by ccxt's ``trigger``."""
    if name in api.markets:
        return bool(api.feature_value(name, "fetchOpenOrders", "trigger"))
    linear = "linear" if name == "swap" else None
    return bool(api.feature_value_by_type(name, linear, "fetchOpenOrders", "trigger"))


def _has_client_id(row: Mapping[str, Any], wanted: str) -> bool:
    found = str(row.get("clientOrderId") or "")
    return found in {wanted, f"t-{wanted}"}  # Gate writes "t-" before it


def sorted_by_time(orders: Iterable[Order]) -> list[Order]:
    """Orders by time, then by id."""
    return sorted(orders, key=lambda order: (order["Time"], order["Id"]))
