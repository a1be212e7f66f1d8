"""OKX v5 over HTTP: its routes, limits and envelopes ("Overview" in OKX's API guide)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

import attrs

from ...engine.accounts import TradingAccount
from ...engine.exchange import SimulatedExchange
from ...faults import Faults
from ...transport.requests import WireReply, WireRequest, encode_json, json_reply
from ..base import Dialect, Outcome, Route, Visit
from ..fields import VenueRefusal
from ..windows import AlignedWindows
from .accounts.balances import OkxAccounts
from .accounts.bills import Bills
from .accounts.position_log import PositionLog
from .accounts.positions import Positions
from .accounts.settings import AccountSettings
from .accounts.sizes import OrderSizes
from .algo.attached import AttachedAlgos
from .algo.orders import AlgoOrders
from .algo.requests import AlgoReader
from .algo.rows import AlgoRows
from .parameters import OkxParams, OkxRefusal, parse_body
from .public.contract_data import ContractData
from .public.instruments import Instruments
from .public.market import OkxMarket
from .routes import Handlers, TradeRoute, okx_routes
from .signatures import authenticate
from .trading.closing import PositionCloser
from .trading.dead_man import CancelAllAfter
from .trading.listings import OrderListings
from .trading.order_requests import OkxOrderReader
from .trading.order_rows import OrderRows
from .trading.orders import OkxOrders
from .trading.refusals import REFUSALS

__all__ = ["SimulatedOkx", "check_items", "overall"]

_PERIOD_S = 2


@attrs.define(kw_only=True)
class _HttpVisit:
    """A call over HTTP. The signature is checked before a body is read, as the exchange does."""

    dialect: SimulatedOkx
    request: WireRequest
    now_ms: int
    owner: TradingAccount | None = None

    @property
    def client(self) -> str:
        """The IP address, for rate limits."""
        return self.request.client

    def params(self, route: Route[OkxParams]) -> OkxParams:
        """The parameters from query or body; the body is read after authentication."""
        request = self.request
        if request.method == "GET":
            return OkxParams.of_query(request.query, self.now_ms)
        self.account(route, None)
        body = parse_body(request)
        items = body if route.single is not None else [body]
        check_items(items, batch=route.single is not None, most=route.most if isinstance(route, TradeRoute) else 1)
        return OkxParams({}, self.now_ms, items, request.headers.get("exptime"))

    def account(self, route: Route[OkxParams], params: OkxParams | None) -> TradingAccount:
        """The account whose key signed the call."""
        if self.owner is None:
            self.owner = authenticate(self.dialect.exchange, self.request, self.now_ms)
        return self.owner


def check_items(items: Any, *, batch: bool, most: int = 20) -> None:
    """Checks that the body is a list of at most so many objects.

    Raises:
        OkxRefusal: 50002 if it is not, 50000 if it is empty, 51111 if there are too many.
    """
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise OkxRefusal("50002", "JSON syntax error", 400)
    if not items:
        raise OkxRefusal("50000", "Body for POST request cannot be empty.", 400)
    if batch and len(items) > most:
        raise OkxRefusal("51111", f"Maximum {most} orders can be placed in bulk.")


def overall(rows: list[dict[str, Any]]) -> str:
    """The code of a list of orders: 0 if all succeeded, 1 if all failed, else 2."""
    failures = sum(row.get("sCode", "0") != "0" for row in rows)
    return "0" if not failures else "1" if failures == len(rows) else "2"


class SimulatedOkx(Dialect[OkxParams]):
    """Answers OKX v5's calls.

    Keys are valid with and without the header for demo trading, because clients differ in their defaults.

    Args:
        exchange: The simulated exchange.
        faults: The faults, with the offset of the exchange's clock.
        rate_scale: All limits are multiplied by it; 0 switches them off.

    Attributes:
        instruments: The exchange's instruments under OKX's names.
        market: The handlers of public calls.
        contracts: The handlers of contracts' public data.
        rows: Renders orders and fills.
        algo_rows: Renders algo orders.
        orders: The handlers of orders.
        algos: The handlers of algo orders.
        accounts: The handlers of account calls.
        positions: The handlers that list positions.
        dead_man: Cancels all orders if a client stops renewing its timer.
    """

    name: ClassVar[str] = "okx"
    refusals = REFUSALS

    def __init__(self, exchange: SimulatedExchange, faults: Faults, *, rate_scale: float = 1.0) -> None:
        super().__init__(exchange, faults, rate_scale=rate_scale)
        self._buckets: dict[str, AlignedWindows] = {}
        self.instruments = Instruments(exchange)
        self.market = OkxMarket(exchange, self.instruments)
        self.contracts = ContractData(exchange, self.instruments, self.market)
        reader = OkxOrderReader(exchange, self.instruments, self.market)
        algo_reader = AlgoReader(reader, self.market)
        self.rows = OrderRows(exchange, self.instruments)
        self.algo_rows = AlgoRows(exchange, self.instruments, self.rows)
        self.orders = OkxOrders(exchange, reader, AttachedAlgos(exchange, algo_reader), self.market)
        self.algos = AlgoOrders(exchange, self.instruments, reader, algo_reader, self.algo_rows)
        self.accounts = OkxAccounts(exchange, self.instruments, self.market)
        self.positions = Positions(exchange, self.instruments, self.market, self.contracts, PositionLog(exchange))
        self.dead_man = CancelAllAfter(exchange)
        self.handlers = Handlers(
            market=self.market, contracts=self.contracts, orders=self.orders,
            listings=OrderListings(exchange, self.instruments, self.rows), closer=PositionCloser(exchange, reader), algos=self.algos,
            accounts=self.accounts, sizes=OrderSizes(exchange, self.instruments, self.market), positions=self.positions,
            settings=AccountSettings(exchange, self.instruments), bills=Bills(exchange, self.instruments), dead_man=self.dead_man,
        )  # fmt: skip
        self.add(okx_routes(self.handlers))

    # --- counting ---

    def count_call(self, route: Route[OkxParams], visit: Visit[OkxParams]) -> None:
        """Counts a public call per IP address."""
        if route.public is not None:
            self._count(route.bucket, route.weight, visit.client, visit.now_ms)

    def count_account(
        self, route: Route[OkxParams], account: TradingAccount, params: OkxParams, visit: Visit[OkxParams]
    ) -> None:
        """Counts a call per account, orders also per instrument; a list of one as a single order."""
        if not isinstance(route, TradeRoute):
            self._count(route.bucket, route.weight, account.name, visit.now_ms)
            return
        self._check_expiry(params)
        bucket, limit = route.bucket, route.weight
        if route.single is not None and len(params.items) == 1:
            bucket, limit = route.single
        names = [str(item.get("instId", item.get("instIdCode"))) for item in params.items]
        for name in dict.fromkeys(names):
            self._count(bucket, limit, (account.name, name), visit.now_ms, names.count(name))

    def _count(self, bucket: str, limit: int, key: Hashable, now_ms: int, amount: int = 1) -> None:
        """Counts calls or orders against a limit of two seconds.

        Raises:
            OkxRefusal: 50011 with HTTP 429.
        """
        if not self.rate_scale:
            return
        windows = self._buckets.get(bucket)
        if windows is None:
            scaled = max(1, round(limit * self.rate_scale))
            windows = self._buckets[bucket] = AlignedWindows(scaled, _PERIOD_S)
        if windows.would_exceed(key, now_ms, amount):
            raise OkxRefusal("50011", "Too Many Requests", 429, gateway=True)
        windows.add(key, now_ms, amount)

    @staticmethod
    def _check_expiry(params: OkxParams) -> None:
        """Refuses orders whose ``expTime`` has passed.

        Raises:
            OkxRefusal: 51000 if it is not a number, 50036 if it has passed.
        """
        text = params.expires
        if not text:
            return
        if not (text.isascii() and text.isdigit()):
            raise params.invalid("expTime")
        if int(text) < params.now_ms:
            raise OkxRefusal(
                "50036",
                "The expTime can't be earlier than the current system time. Please adjust the expTime and try again.",
            )

    # --- rendering ---

    def visit(self, request: WireRequest) -> _HttpVisit:
        """Begins an HTTP call."""
        return _HttpVisit(dialect=self, request=request, now_ms=self.now_ms())

    def reply(self, outcome: Outcome[OkxParams], visit: Visit[OkxParams]) -> WireReply:
        """Renders rows in the envelope."""
        if not isinstance(outcome.route, TradeRoute):
            return WireReply(200, b'{"code":"0","msg":"","data":%b}' % encode_json(outcome.result))
        code = overall(outcome.result)
        answer = {"code": code, "msg": "All operations failed" if code == "1" else "", "data": outcome.result}
        if outcome.route.timed:
            answer.update(inTime=str(visit.now_ms * 1000), outTime=str(self.now_ms() * 1000))
        return json_reply(200, answer)

    def refusal_reply(self, error: VenueRefusal, visit: Visit[OkxParams]) -> WireReply:
        """Renders a refusal."""
        body = error.body() if isinstance(error, OkxRefusal) else {"code": error.code, "msg": error.msg, "data": []}
        return json_reply(error.status, body)

    def not_served(self, *, path_known: bool) -> OkxRefusal:
        """50115 with HTTP 405 for a method, 50005 with 410 for a path."""
        if path_known:
            return OkxRefusal("50115", "Invalid request method.", 405, gateway=True)
        return OkxRefusal("50005", "API endpoint is inactive or unavailable.", 410)

    def refuse(self, request: WireRequest, status: int, retry_after_s: int) -> WireReply:
        """Renders an injected refusal, without Retry-After, which OKX does not document."""
        if status in {418, 429}:
            # OKX has no status 418: a client that continues gets the rate-limit refusal again.
            error = OkxRefusal("50011", "Too Many Requests", 429, gateway=True)
        elif status == 503:
            error = OkxRefusal("50001", "Service temporarily unavailable. Please try again later.", 503)
        else:
            error = OkxRefusal("50026", "System error. Try again later", status)
        return self.refusal_reply(error, self.visit(request))
