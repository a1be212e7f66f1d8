"""The calls of OKX v5: their paths, limits and handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from ...engine.accounts import TradingAccount
from ..base import Route
from .accounts.balances import OkxAccounts
from .accounts.bills import Bills
from .accounts.positions import Positions
from .accounts.settings import AccountSettings
from .accounts.sizes import OrderSizes
from .algo.orders import AlgoOrders, refused_algo
from .parameters import Item, ItemRefusal, OkxParams
from .public.contract_data import ContractData
from .public.market import OkxMarket
from .trading.closing import PositionCloser, refused_closing
from .trading.dead_man import CancelAllAfter
from .trading.listings import OrderListings
from .trading.orders import OkxOrders

__all__ = ["Handlers", "TradeRoute", "okx_routes"]

_PREFIX = "/api/v5/"

ItemHandler = Callable[[TradingAccount, Item, int], dict[str, Any]]
RefusedRow = Callable[[ItemRefusal, dict[str, Any], int], dict[str, Any]]


@attrs.frozen(kw_only=True)
class TradeRoute(Route[OkxParams]):
    """A route for orders; each order gets its own row in the reply.

    Attributes:
        most: How many orders a list may have.
        timed: Whether the reply says when the request came and the reply left.
    """

    most: int = 20
    timed: bool = True


@attrs.frozen(kw_only=True)
class Handlers:
    """The handlers of all calls."""

    market: OkxMarket
    contracts: ContractData
    orders: OkxOrders
    listings: OrderListings
    closer: PositionCloser
    algos: AlgoOrders
    accounts: OkxAccounts
    sizes: OrderSizes
    positions: Positions
    settings: AccountSettings
    bills: Bills
    dead_man: CancelAllAfter


def okx_routes(handlers: Handlers) -> Iterator[Route[OkxParams]]:
    """All routes."""
    market, orders = handlers.market, handlers.orders
    ahead = {"market/candles": market.candles_ahead, "market/history-candles": market.history_candles_ahead}
    for path, public, limit in [*_public(market), *_contract_data(handlers.contracts)]:
        yield Route(
            method="GET", path=_PREFIX + path, public=public, weight=limit, bucket=path, public_ahead=ahead.get(path)
        )
    for path, private, limit in _private(handlers):
        yield Route(method="GET", path=_PREFIX + path, private=private, weight=limit, bucket=path)
    for path, private, limit in _posted(handlers):
        yield Route(method="POST", path=_PREFIX + path, private=private, weight=limit, bucket=path)
    for one, many, handler in (
        ("trade/order", "trade/batch-orders", orders.place),
        ("trade/cancel-order", "trade/cancel-batch-orders", orders.cancel),
        ("trade/amend-order", "trade/amend-batch-orders", orders.amend),
    ):
        places, each = one == "trade/order", _each(handler, _refused_order)
        yield TradeRoute(
            method="POST", path=_PREFIX + one, private=each, weight=60, bucket=f"POST {one}", places=places
        )
        yield TradeRoute(
            method="POST", path=_PREFIX + many, private=each, weight=300, bucket=f"POST {many}", places=places,
            single=(f"POST {one}", 60),
        )  # fmt: skip
    closes, path = _each(handlers.closer.close, refused_closing), "trade/close-position"
    yield TradeRoute(
        method="POST", path=_PREFIX + path, private=closes, weight=20, bucket=path, places=True, timed=False
    )
    yield from _algo_routes(handlers.algos)


def _algo_routes(algos: AlgoOrders) -> Iterator[Route[OkxParams]]:
    for path, handler, batch in (
        ("trade/order-algo", algos.place, False),
        ("trade/cancel-algos", algos.cancel, True),
        ("trade/amend-algos", algos.amend, False),
    ):
        bucket = f"POST {path}"
        yield TradeRoute(
            method="POST", path=_PREFIX + path, private=_each(handler, refused_algo), weight=20, bucket=bucket,
            places=path == "trade/order-algo", single=(bucket, 20) if batch else None, most=10, timed=False,
        )  # fmt: skip


def _posted(handlers: Handlers) -> list[tuple[str, Callable[[TradingAccount, OkxParams], Any], int]]:
    settings = handlers.settings
    return [
        ("trade/cancel-all-after", handlers.dead_man.arm, 2),
        ("trade/order-precheck", handlers.orders.precheck, 5),
        ("account/set-position-mode", settings.set_position_mode, 5),
        ("account/set-leverage", settings.set_leverage, 20),
        ("account/position/margin-balance", settings.move_margin, 20),
    ]


def _contract_data(contracts: ContractData) -> list[tuple[str, Callable[[OkxParams], Any], int]]:
    return [
        ("public/mark-price", contracts.mark_price, 10),
        ("public/open-interest", contracts.open_interest, 20),
        ("public/funding-rate", contracts.funding_rate, 10),
        ("public/funding-rate-history", contracts.funding_rate_history, 10),
        ("public/position-tiers", contracts.position_tiers, 10),
        ("market/index-tickers", contracts.index_tickers, 20),
    ]


def _public(market: OkxMarket) -> list[tuple[str, Callable[[OkxParams], Any], int]]:
    return [
        ("public/time", market.server_time, 10),
        ("public/instruments", market.instruments, 20),
        ("public/price-limit", market.price_limit, 20),
        ("market/ticker", market.ticker, 20),
        ("market/tickers", market.tickers, 20),
        ("market/books", market.books, 40),
        ("market/books-full", market.books_full, 10),
        ("market/candles", market.candles, 40),
        ("market/history-candles", market.history_candles, 20),
        ("market/trades", market.trades, 100),
        ("market/history-trades", market.history_trades, 20),
        ("system/status", market.status, 20),
    ]


def _private(handlers: Handlers) -> list[tuple[str, Callable[[TradingAccount, OkxParams], Any], int]]:
    market, listings, algos, accounts = handlers.market, handlers.listings, handlers.algos, handlers.accounts
    positions, sizes = handlers.positions, handlers.sizes
    return [
        ("account/balance", accounts.balance, 10),
        ("account/config", accounts.config, 5),
        ("account/positions", positions.positions, 10),
        ("account/positions-history", positions.history, 10),
        ("account/leverage-info", handlers.settings.leverage_info, 20),
        ("account/bills", handlers.bills.recent, 10),
        ("account/bills-archive", handlers.bills.archive, 10),
        ("account/trade-fee", accounts.trade_fee, 5),
        ("account/instruments", lambda _, params: market.instruments(params), 20),
        ("account/max-size", sizes.max_size, 20),
        ("account/max-avail-size", sizes.max_avail_size, 20),
        ("account/max-withdrawal", accounts.max_withdrawal, 20),
        ("trade/account-rate-limit", accounts.rate_limit, 1),
        ("asset/currencies", accounts.nothing, 12),
        ("asset/balances", accounts.nothing, 12),
        ("trade/order", listings.query, 60),
        ("trade/orders-pending", listings.pending, 60),
        ("trade/orders-history", listings.history, 40),
        ("trade/orders-history-archive", listings.archive, 20),
        ("trade/order-algo", algos.query, 20),
        ("trade/orders-algo-pending", algos.pending, 20),
        ("trade/orders-algo-history", algos.history, 20),
        ("trade/fills", listings.fills, 60),
        ("trade/fills-history", listings.fills_history, 10),
    ]


def _each(handler: ItemHandler, refused: RefusedRow) -> Callable[[TradingAccount, OkxParams], list[dict[str, Any]]]:
    """Makes a handler of a list of orders from the handler of one order."""

    def _row(account: TradingAccount, item: dict[str, Any], now_ms: int) -> dict[str, Any]:
        try:
            return handler(account, Item(item), now_ms)
        except ItemRefusal as error:
            return refused(error, item, now_ms)

    def _rows(account: TradingAccount, params: OkxParams) -> list[dict[str, Any]]:
        return [_row(account, item, params.now_ms) for item in params.items]

    return _rows


def _refused_order(error: ItemRefusal, item: dict[str, Any], now_ms: int) -> dict[str, Any]:
    """The reply row of a refused order."""
    return {
        "ordId": "",
        "clOrdId": str(item.get("clOrdId") or ""),
        "tag": str(item.get("tag") or ""),
        "ts": str(now_ms),
        "sCode": error.code,
        "sMsg": error.msg,
        "subCode": error.sub_code,
    }
