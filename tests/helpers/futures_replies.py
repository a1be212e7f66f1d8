"""Replies as Binance's futures send them, and both families over scripted answers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fmzthreads.clock import ManualClock
from fmzthreads.exchange.contracts.intents import ConditionIntent, ConditionTerms
from fmzthreads.exchange.venue import OrderIntent
from fmzthreads.venues.binance.futures.venue import FuturesBinance
from tests.helpers.venue_replies import KEYS, NOW_S, Answer, Script, ScriptedHttp, Seen

__all__ = [
    "ALGO_ROW",
    "COIN_INFO",
    "FUTURES_ORDER",
    "NOW_MS",
    "USD_INFO",
    "condition_intent",
    "futures_intent",
    "make_futures",
]

NOW_MS = int(NOW_S * 1000)
PERPETUAL_MS = 4133404800000
QUARTER_MS = NOW_MS + 40 * 86_400_000


def _symbol(name: str, base: str, quote: str, kind: str, delivery_ms: int, **more: Any) -> dict[str, Any]:
    return {
        "symbol": name, "pair": base + quote, "contractType": kind, "deliveryDate": delivery_ms, "onboardDate": 1,
        "baseAsset": base, "quoteAsset": quote, "pricePrecision": 2, "quantityPrecision": 3,
        "orderTypes": ["LIMIT", "MARKET"], "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        **more,
    }  # fmt: skip


def usd_symbol(
    name: str, base: str = "BTC", kind: str = "PERPETUAL", delivery_ms: int = PERPETUAL_MS, **more: Any
) -> dict[str, Any]:
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
    ]
    return _symbol(name, base, "USDT", kind, delivery_ms, status="TRADING", marginAsset="USDT", filters=filters, **more)


def coin_symbol(name: str, kind: str = "PERPETUAL", delivery_ms: int = PERPETUAL_MS, **more: Any) -> dict[str, Any]:
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "1000", "maxPrice": "4520958", "tickSize": "0.1"},
        {"filterType": "LOT_SIZE", "minQty": "1", "maxQty": "1000000", "stepSize": "1"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "1", "maxQty": "60000", "stepSize": "1"},
    ]
    return _symbol(
        name,
        "BTC",
        "USD",
        kind,
        delivery_ms,
        contractStatus="TRADING",
        contractSize=100,
        marginAsset="BTC",
        filters=filters,
        **more,
    )


LIMITS = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
    {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
]
USD_INFO: dict[str, Any] = {
    "timezone": "UTC", "serverTime": NOW_MS, "rateLimits": LIMITS,
    "symbols": [
        usd_symbol("BTCUSDT"), usd_symbol("ETHUSDT", "ETH"),
        usd_symbol("BTCUSDT_260327", kind="CURRENT_QUARTER", delivery_ms=QUARTER_MS),
        usd_symbol("BTCUSDT_260626", kind="NEXT_QUARTER", delivery_ms=QUARTER_MS + 91 * 86_400_000),
    ],
}  # fmt: skip
COIN_INFO: dict[str, Any] = {
    "timezone": "UTC", "serverTime": NOW_MS, "rateLimits": LIMITS[:1],
    "symbols": [coin_symbol("BTCUSD_PERP"), coin_symbol("BTCUSD_260327", "CURRENT_QUARTER", QUARTER_MS)],
}  # fmt: skip

FUTURES_ORDER: dict[str, Any] = {
    "avgPrice": "59990.50", "clientOrderId": "fzabc", "cumQuote": "299.95", "executedQty": "0.005", "orderId": 77, "origQty": "0.010",
    "origType": "LIMIT", "price": "60000.10", "reduceOnly": False, "side": "BUY", "positionSide": "BOTH", "status": "PARTIALLY_FILLED",
    "stopPrice": "0", "closePosition": False, "symbol": "BTCUSDT", "time": NOW_MS - 1000, "timeInForce": "GTC", "type": "LIMIT",
    "updateTime": NOW_MS - 500, "workingType": "CONTRACT_PRICE", "priceProtect": False,
}  # fmt: skip
ALGO_ROW: dict[str, Any] = {
    "algoId": 2146760, "clientAlgoId": "fzabc", "algoType": "CONDITIONAL", "orderType": "STOP_MARKET", "symbol": "BTCUSDT",
    "side": "SELL", "positionSide": "BOTH", "timeInForce": "GTC", "quantity": "0.010", "algoStatus": "NEW", "triggerPrice": "58000.00",
    "price": "0", "icebergQuantity": None, "workingType": "CONTRACT_PRICE", "closePosition": False, "priceProtect": False,
    "reduceOnly": True, "activatePrice": "", "callbackRate": "", "createTime": NOW_MS - 5000, "updateTime": NOW_MS - 5000,
    "triggerTime": 0, "goodTillDate": 0, "actualOrderId": "", "actualPrice": "0", "actualQty": "0",
}  # fmt: skip


def make_futures(answers: Mapping[str, Answer], **options: Any) -> tuple[FuturesBinance, ScriptedHttp, ManualClock]:
    """``Futures_Binance`` over scripted answers; both families' requests come to one list. One-way mode unless an answer says otherwise."""
    clock = options.pop("clock", None) or ManualClock(NOW_S)
    venue = FuturesBinance(credentials=options.pop("credentials", KEYS), clock=clock, **options)

    def time(_seen: Seen) -> dict[str, Any]:
        return {"serverTime": int(clock.now() * 1000)}

    script = Script(
        {
            "GET /fapi/v1/exchangeInfo": USD_INFO,
            "GET /dapi/v1/exchangeInfo": COIN_INFO,
            "GET /fapi/v1/time": time,
            "GET /dapi/v1/time": time,
            "GET /fapi/v1/positionSide/dual": {"dualSidePosition": False},
            **answers,
        }
    )
    http, coin_http = ScriptedHttp(script, venue.base()), ScriptedHttp(script, venue.coin.base())
    coin_http.seen = http.seen
    venue.usd.channel.http = http  # type: ignore[assignment]
    venue.coin.channel.http = coin_http  # type: ignore[assignment]
    return venue, http, clock


def futures_intent(**changes: Any) -> OrderIntent:
    """A buy of 0.01 BTC_USDT.swap at 60000.1, changed as given."""
    given: dict[str, Any] = {
        "symbol": "BTC_USDT.swap", "side": "buy", "price": Decimal("60000.10"), "amount": Decimal("0.010"), "client_order_id": "fzabc",
    }  # fmt: skip
    return OrderIntent(**{**given, **changes})


def condition_intent(kind: int = 2, **changes: Any) -> ConditionIntent:
    """A stop (2) or profit (1) order of 0.01 BTC_USDT.swap that closes a long, changed as given."""
    prices = {2: {"sl_trigger": Decimal("58000.0")}, 1: {"tp_trigger": Decimal("66000.0")}}.get(kind, {})
    given: dict[str, Any] = {
        "symbol": "BTC_USDT.swap", "side": "closebuy", "amount": Decimal("0.010"), "client_order_id": "fzabc",
        "terms": ConditionTerms(kind=kind, **prices),
    }  # fmt: skip
    return ConditionIntent(**{**given, **changes})
