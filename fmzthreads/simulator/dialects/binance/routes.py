"""The calls of Binance spot: their paths, weights and handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from ...engine.accounts import TradingAccount
from ..base import Route
from .account import BinanceAccounts
from .amendments import Amendments
from .market import BinanceMarket
from .order_lists import BinanceOrderLists
from .orders import BinanceOrders
from .parameters import BinanceParams

__all__ = ["BinanceRoute", "spot_routes"]

_PREFIX = "/api/v3/"


@attrs.frozen(kw_only=True)
class BinanceRoute(Route[BinanceParams]):
    """A route of Binance.

    Attributes:
        counts_order: Whether the limit of unfilled orders applies.
        key_only: Whether an API key without a signature is enough.
    """

    counts_order: bool = False
    key_only: bool = False


def spot_routes(
    market: BinanceMarket,
    orders: BinanceOrders,
    amendments: Amendments,
    lists: BinanceOrderLists,
    accounts: BinanceAccounts,
) -> Iterator[Route[BinanceParams]]:
    """All routes of Binance spot."""
    for path, public, weight in _public(market):
        ahead = market.klines_ahead if path in {"klines", "uiKlines"} else None
        yield BinanceRoute(method="GET", path=_PREFIX + path, public=public, weight=weight, public_ahead=ahead)
    for method, path, private, weight in _private(orders, amendments, lists, accounts):
        places = method == "POST" and path in {"order", "order/cancelReplace", "sor/order", "orderList/oco"}
        yield BinanceRoute(
            method=method, path=_PREFIX + path, private=private, weight=weight, places=places, counts_order=places,
            private_ahead=orders.all_orders_ahead if path == "allOrders" else None,
        )  # fmt: skip
    yield from _other_products(accounts)


def _public(market: BinanceMarket) -> list[tuple[str, Callable[[BinanceParams], Any], int]]:
    return [
        ("ping", market.ping, 1),
        ("time", market.server_time, 1),
        ("exchangeInfo", market.exchange_info, 20),
        ("depth", market.depth, 5),
        ("trades", market.trades, 25),
        ("historicalTrades", market.trades, 25),
        ("aggTrades", market.agg_trades, 4),
        ("klines", market.klines, 2),
        ("uiKlines", market.klines, 2),
        ("avgPrice", market.avg_price, 2),
        ("ticker/24hr", market.ticker_24h, 2),
        ("ticker/price", market.ticker_price, 2),
        ("ticker/bookTicker", market.ticker_book, 2),
    ]


def _private(
    orders: BinanceOrders, amendments: Amendments, lists: BinanceOrderLists, accounts: BinanceAccounts
) -> list[tuple[str, str, Callable[[TradingAccount, BinanceParams], Any], int]]:
    return [
        ("POST", "order", orders.place, 1),
        ("POST", "order/test", orders.test, 1),
        ("POST", "order/cancelReplace", orders.cancel_replace, 1),
        ("POST", "sor/order", orders.place_routed, 1),
        ("POST", "sor/order/test", orders.test_routed, 1),
        ("PUT", "order/amend/keepPriority", amendments.amend, 4),
        ("GET", "order/amendments", amendments.made, 4),
        ("POST", "orderList/oco", lists.place, 1),
        ("GET", "orderList", lists.query, 4),
        ("DELETE", "orderList", lists.cancel, 1),
        ("GET", "openOrderList", lists.open, 6),
        ("GET", "allOrderList", lists.all, 20),
        ("GET", "order", orders.query, 4),
        ("DELETE", "order", orders.cancel, 1),
        ("GET", "openOrders", orders.open_orders, 6),
        ("DELETE", "openOrders", orders.cancel_open, 1),
        ("GET", "allOrders", orders.all_orders, 20),
        ("GET", "myTrades", orders.my_trades, 5),
        ("GET", "account", accounts.account, 20),
        ("GET", "account/commission", accounts.commission, 20),
        ("GET", "rateLimit/order", accounts.order_limits, 40),
        ("GET", "myPreventedMatches", accounts.prevented_matches, 20),
        ("GET", "myFilters", accounts.my_filters, 40),
    ]


def _other_products(accounts: BinanceAccounts) -> Iterator[Route[BinanceParams]]:
    """Calls to the wallet and to other products that clients make at start."""
    yield Route(method="GET", path="/sapi/v1/asset/tradeFee", private=accounts.trade_fee)
    yield Route(method="GET", path="/sapi/v1/system/status", public=lambda _: {"status": 0, "msg": "normal"})
    for path in ("capital/config/getall", "margin/allPairs", "margin/isolated/allPairs"):
        yield Route(method="GET", path=f"/sapi/v1/{path}", private=lambda *_: [])
    for path in ("/fapi/v1/exchangeInfo", "/dapi/v1/exchangeInfo"):
        yield Route(method="GET", path=path, public=_no_symbols)


def _no_symbols(params: BinanceParams) -> dict[str, Any]:
    return {"timezone": "UTC", "serverTime": params.time(params.now_ms), "symbols": []}
