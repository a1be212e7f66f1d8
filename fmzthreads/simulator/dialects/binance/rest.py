"""Binance over HTTP: its routes, limits and refusals (Binance's documentation, "REST API")."""

from __future__ import annotations

from typing import Any, ClassVar

import attrs

from ...engine.accounts import TradingAccount
from ...engine.exchange import SimulatedExchange
from ...faults import Faults
from ...transport.requests import HeaderRows, WireReply, WireRequest, json_reply
from ..base import Dialect, Outcome, Route, Visit
from ..fields import VenueRefusal
from .account import BinanceAccounts
from .amendments import Amendments
from .limits import BinanceLimits, banned
from .market import BinanceMarket
from .order_lists import BinanceOrderLists
from .orders import BinanceOrders
from .parameters import BinanceParams, BinanceRefusal
from .refusals import REFUSALS
from .routes import BinanceRoute, spot_routes
from .signatures import authenticate, key_owner, signed_payload
from .symbols import Symbols

__all__ = ["BinanceRest", "SimulatedBinance"]

_UNKNOWN_STATUS = "Unknown error, please check your request or try again later."


@attrs.define(kw_only=True)
class _HttpVisit:
    """A call over HTTP."""

    dialect: BinanceRest
    request: WireRequest
    now_ms: int

    @property
    def client(self) -> str:
        """The IP address, for rate limits."""
        return self.request.client

    def params(self, route: Route[BinanceParams]) -> BinanceParams:
        """Query and body."""
        return BinanceParams.of_request(self.request, self.now_ms, route.weight)

    def account(self, route: Route[BinanceParams], params: BinanceParams) -> TradingAccount:
        """The account of the key; verifies the signature unless the route needs only the key."""
        request, exchange = self.request, self.dialect.exchange
        key = request.headers.get("x-mbx-apikey", "")
        if isinstance(route, BinanceRoute) and route.key_only:
            return key_owner(exchange, key)
        return authenticate(exchange, key, params, lambda: signed_payload(request))


class BinanceRest(Dialect[BinanceParams]):
    """What all of Binance's products share: limits, headers and the form of refusals.

    Args:
        exchange: The simulated exchange of the product.
        faults: The faults, with the offset of the exchange's clock.
        limits: The limits and bans, which products may share; created for this one when None.
        rate_scale: All limits are multiplied by it; 0 switches them off.
        weight_window_s: The length of the window of request weight, in seconds.

    Attributes:
        limits: The limits and bans.
    """

    name: ClassVar[str] = "binance"
    refusals = REFUSALS

    def __init__(
        self,
        exchange: SimulatedExchange,
        faults: Faults,
        *,
        limits: BinanceLimits | None = None,
        rate_scale: float = 1.0,
        weight_window_s: int = 60,
    ) -> None:
        super().__init__(exchange, faults, rate_scale=rate_scale)
        if limits is None:
            limits = BinanceLimits((exchange,), self.now_ms, rate_scale, weight_window_s)
        self.limits = limits

    # --- counting ---

    def admit(self, visit: Visit[BinanceParams]) -> None:
        """Refuses every call from a banned IP address.

        Raises:
            BinanceRefusal: -1003 with HTTP 418.
        """
        self.limits.check_ban(visit.client, visit.now_ms)

    def count_call(self, route: Route[BinanceParams], visit: Visit[BinanceParams]) -> None:
        """Refuses a call over the weight limit or the request limit."""
        self.limits.check_request(visit.client, visit.now_ms, route.weight)

    def count_account(
        self, route: Route[BinanceParams], account: TradingAccount, params: BinanceParams, visit: Visit[BinanceParams]
    ) -> None:
        """Refuses an order over the limit of unfilled orders."""
        if isinstance(route, BinanceRoute) and route.counts_order:
            self.limits.check_order(account.name, params.now_ms)

    def refused_call(self, error: VenueRefusal, account: TradingAccount | None, params: BinanceParams | None) -> None:
        """Adds the order counts if an order was accepted anyway (cancelReplace)."""
        if account is not None and params is not None and params.accepted:
            error.headers += self.limits.order_headers(account.name, params.now_ms)

    def after_call(
        self, route: Route[BinanceParams], visit: Visit[BinanceParams], params: BinanceParams | None
    ) -> None:
        """Counts the weight."""
        weight = params.weight if params is not None else route.weight
        self.limits.add_weight(visit.client, visit.now_ms, weight)

    # --- rendering ---

    def visit(self, request: WireRequest) -> _HttpVisit:
        """Begins an HTTP call."""
        return _HttpVisit(dialect=self, request=request, now_ms=self.now_ms())

    def headers(self, visit: Visit[BinanceParams]) -> HeaderRows:
        """The headers of every reply."""
        return self.limits.used(visit.client, visit.now_ms)

    def reply(self, outcome: Outcome[BinanceParams], visit: Visit[BinanceParams]) -> WireReply:
        """Renders a result, with the order counts if an order was placed."""
        headers = self.headers(visit)
        if outcome.account is not None and outcome.params.accepted:
            headers = self.limits.order_headers(outcome.account.name, visit.now_ms) + headers
        return json_reply(200, outcome.result, headers)

    def refusal_reply(self, error: VenueRefusal, visit: Visit[BinanceParams]) -> WireReply:
        """Renders a refusal."""
        body = error.body() if isinstance(error, BinanceRefusal) else {"code": error.code, "msg": error.msg}
        return json_reply(error.status, body, error.headers + self.headers(visit))

    def not_served(self, *, path_known: bool) -> BinanceRefusal:
        """-1020 with HTTP 405 for a method, or with 404 for a path."""
        return BinanceRefusal(-1020, "This operation is not supported.", 405 if path_known else 404)

    def refuse(self, request: WireRequest, status: int, retry_after_s: int) -> WireReply:
        """Renders an injected refusal."""
        visit = self.visit(request)
        if status == 418:
            error = banned(visit.now_ms + retry_after_s * 1000, visit.now_ms)
        elif status == 429:
            headers = (("Retry-After", str(retry_after_s)),)
            error = BinanceRefusal(-1003, "Too many requests queued.", 429, headers=headers)
        else:
            error = BinanceRefusal(-1000, _UNKNOWN_STATUS, status)
        return self.refusal_reply(error, visit)


class SimulatedBinance(BinanceRest):
    """Answers Binance spot's calls.

    The arguments are those of ``BinanceRest``.

    Attributes:
        symbols: The exchange's instruments under Binance's names.
        market: The handlers of public calls.
        orders: The handlers of orders.
        lists: The handlers of order lists.
    """

    def __init__(self, exchange: SimulatedExchange, faults: Faults, **options: Any) -> None:
        super().__init__(exchange, faults, **options)
        self.symbols = Symbols(exchange)
        self.market = BinanceMarket(exchange, self.symbols, self.limits.describe())
        self.orders = BinanceOrders(exchange, self.symbols, self.market.average)
        accounts = BinanceAccounts(exchange, self.symbols, self.limits)
        amendments = Amendments(exchange, self.symbols, self.orders)
        self.lists = BinanceOrderLists(exchange, self.symbols, self.orders)
        self.add(spot_routes(self.market, self.orders, amendments, self.lists, accounts))
