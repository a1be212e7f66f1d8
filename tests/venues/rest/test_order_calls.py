"""Which raw calls place orders, on each venue."""

from __future__ import annotations

from typing import Any

import pytest

from fmzthreads.venues.binance.venue import Binance
from fmzthreads.venues.okx.venue import OKX
from fmzthreads.venues.raw.bitfinex import Bitfinex
from fmzthreads.venues.raw.bitmex import BitMEX
from fmzthreads.venues.raw.coinbase import Coinbase
from fmzthreads.venues.raw.htx import HTX, FuturesHuobiDM
from fmzthreads.venues.rest.order_calls import looks_like_an_order

PLACES = {
    Binance: (
        "/api/v3/order", "/api/v3/order/oco", "/api/v3/order/cancelReplace", "/api/v3/orderList/otoco", "/api/v3/sor/order",
        "/sapi/v1/margin/order", "/fapi/v1/order", "/fapi/v1/batchOrders", "/fapi/v1/algoOrder", "/dapi/v1/order", "/eapi/v1/order",
        "/papi/v1/um/order", "/papi/v1/um/conditional/order", "/papi/v1/margin/order", "/sapi/v1/convert/acceptQuote",
        "https://fapi.binance.com/fapi/v1/order", "/api/v3/order?symbol=BTCUSDT", "https://gate.example/binance/api/v3/order",
        "api/v3/order",
    ),
    OKX: (
        "/api/v5/trade/order", "/api/v5/trade/batch-orders", "/api/v5/trade/order-algo", "/api/v5/trade/close-position",
        "/api/v5/sprd/order", "/api/v5/tradingBot/grid/order-algo", "/api/v5/asset/convert/trade",
    ),
    HTX: ("/v1/order/orders/place", "/v1/order/batch-orders", "/v1/order/auto/place", "/v2/algo-orders"),
    FuturesHuobiDM: (
        "/api/v1/contract_order", "/api/v1/contract_batchorder", "/api/v1/lightning_close_position", "/api/v1/contract_trigger_order",
        "/swap-api/v1/swap_order", "/swap-api/v1/swap_lightning_close_position", "/linear-swap-api/v1/swap_cross_order",
        "/linear-swap-api/v1/swap_cross_trigger_order", "/linear-swap-api/v1/swap_batchorder", "/v5/trade/order",
        "/v5/trade/batch_orders", "/v5/trade/position", "/v5/algo/order",
    ),
    BitMEX: ("/api/v1/order", "/api/v1/order/closePosition"),
    Coinbase: ("/orders", "/conversions"),
    Bitfinex: ("/v2/auth/w/order/submit", "/v2/auth/w/order/multi", "/v2/auth/w/funding/offer/submit"),
}  # fmt: skip

OTHERS = {
    Binance: ("/api/v3/order/test", "/api/v3/userDataStream", "/sapi/v1/convert/getQuote", "/fapi/v1/leverage", "/api/v3/orderX"),
    OKX: ("/api/v5/trade/cancel-order", "/api/v5/trade/amend-order", "/api/v5/trade/order-precheck", "/api/v5/account/set-leverage"),
    HTX: ("/v1/order/orders/1/submitcancel", "/v1/order/orders/batchcancel", "/v2/algo-orders/cancellation"),
    FuturesHuobiDM: ("/api/v1/contract_order_info", "/api/v1/contract_cancel", "/v5/trade/cancel_order", "/v5/position/lever"),
    BitMEX: ("/api/v1/order/all", "/api/v1/position/leverage"),
    Coinbase: ("/orders/1", "/reports"),
    Bitfinex: ("/v2/auth/r/orders", "/v2/auth/w/order/cancel", "/v2/auth/w/order/update"),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(PLACES), ids=lambda kind: kind.name)
def test_the_endpoints_that_place_orders(kind: Any) -> None:
    venue = kind()
    for resource in PLACES[kind]:
        assert venue.places_order("POST", resource), resource
        assert not venue.places_order("GET", resource), resource
        assert not venue.places_order("DELETE", resource), resource
    for resource in OTHERS[kind]:
        assert not venue.places_order("POST", resource), resource
    venue.close()


@pytest.mark.parametrize(
    ("method", "resource", "found"),
    [
        ("POST", "/v5/order/create", True),
        ("POST", "/0/private/AddOrder", True),
        ("POST", "/api/v1/closePosition", True),
        ("POST", "/0/private/CancelOrder", False),
        ("POST", "/0/private/OpenOrdersHistory", False),
        ("POST", "/v1/transfer", False),
        ("GET", "/v5/order/create", False),
    ],
)
def test_a_venue_without_a_table_is_judged_by_words(method: str, resource: str, found: bool) -> None:
    assert looks_like_an_order(method, resource) is found
