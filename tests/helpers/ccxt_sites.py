"""Small copies of exchanges that ccxt's own code speaks to: one linear swap on BTC each, with rows as in the venues' documents."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["ORDER_PATHS", "SITES", "bybit_position"]

Routes = dict[str, Any]


def now_ms() -> int:
    return int(time.time() * 1000)


def _bybit(result: Any) -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now_ms()}


def bybit_position(index: int, side: str, size: str) -> dict[str, Any]:
    return {
        "positionIdx": index, "symbol": "BTCUSDT", "side": side, "size": size, "avgPrice": "50000", "positionValue": "500", "leverage": "7",
        "markPrice": "50000", "positionIM": "70", "positionMM": "3", "unrealisedPnl": "12.5", "createdTime": "1", "updatedTime": "2",
    }  # fmt: skip


def _bybit_listing(symbol: str, kind: str, delivery_ms: int) -> dict[str, Any]:
    return {
        "symbol": symbol, "contractType": kind, "status": "Trading", "baseCoin": "BTC", "quoteCoin": "USDT", "settleCoin": "USDT",
        "launchTime": "1585526400000", "deliveryTime": str(delivery_ms), "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": "0.10", "maxPrice": "199999.80", "tickSize": "0.10"},
        "lotSizeFilter": {"maxOrderQty": "100", "minOrderQty": "0.001", "qtyStep": "0.001", "minNotionalValue": "5"},
    }  # fmt: skip


def bybit(hedge: bool, *, deliveries: Mapping[str, int] | None = None) -> Routes:
    """Bybit; ``deliveries``: the names and times of further, dated contracts."""
    perpetual = _bybit_listing("BTCUSDT", "LinearPerpetual", 0)
    listed = [perpetual, *(_bybit_listing(name, "LinearFutures", at) for name, at in (deliveries or {}).items())]
    rows = (
        [bybit_position(1, "Buy", "0.01"), bybit_position(2, "", "0")] if hedge else [bybit_position(0, "Buy", "0.01")]
    )
    coin = {
        "coin": "USDT", "walletBalance": "1000", "equity": "1012.5", "totalPositionIM": "70", "totalOrderIM": "0", "locked": "0",
    }  # fmt: skip
    return {
        "/v5/market/time": lambda _: _bybit({"timeSecond": str(now_ms() // 1000), "timeNano": str(now_ms() * 10**6)}),
        "/v5/market/instruments-info": lambda asked: _bybit(
            {"category": asked["category"], "list": listed if asked["category"] == "linear" and "status" not in asked else []}
        ),
        "/v5/position/list": lambda asked: _bybit({
            "list": [{**row, "symbol": asked.get("symbol", "BTCUSDT")} for row in rows], "category": "linear", "nextPageCursor": "",
        }),
        "/v5/order/create": _bybit({"orderId": "5", "orderLinkId": "x"}),
        "/v5/user/query-api": _bybit({"unified": 0, "uta": 1}),
        "/v5/account/info": _bybit({"unifiedMarginStatus": 5, "marginMode": "REGULAR_MARGIN"}),
        "/v5/position/set-leverage": _bybit({}),
        "/v5/account/wallet-balance": _bybit({"list": [{"accountType": "UNIFIED", "coin": [coin]}]}),
    }  # fmt: skip


def gate(hedge: bool) -> Routes:
    """Gate."""
    listed = {
        "name": "BTC_USDT", "type": "direct", "quanto_multiplier": "0.0001", "leverage_min": "1", "leverage_max": "100",
        "order_price_round": "0.1", "order_size_min": 1, "order_size_max": 1_000_000, "in_delisting": False, "status": "trading",
        "maker_fee_rate": "-0.0002", "taker_fee_rate": "0.0005",
    }  # fmt: skip
    return {
        "/api/v4/account/detail": {},
        "/api/v4/spot/time": {"server_time": now_ms()},
        "/api/v4/futures/usdt/contracts": [listed],
        "/api/v4/futures/btc/contracts": [],
        "/api/v4/delivery/usdt/contracts": [],
        "/api/v4/futures/usdt/accounts": {"currency": "USDT", "total": "100", "available": "90", "in_dual_mode": hedge},
        "/api/v4/futures/usdt/orders": {
            "id": 5,
            "contract": "BTC_USDT",
            "size": 1,
            "status": "finished",
            "text": "t-x",
        },
    }


def bitget(hedge: bool) -> Routes:
    """Bitget."""

    def _good(data: Any) -> dict[str, Any]:
        return {"code": "00000", "msg": "success", "requestTime": now_ms(), "data": data}

    listed = {
        "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "makerFeeRate": "0.0002", "takerFeeRate": "0.0006",
        "supportMarginCoins": ["USDT"], "minTradeNum": "0.0001", "priceEndStep": "1", "volumePlace": "4", "pricePlace": "1",
        "sizeMultiplier": "0.0001", "symbolType": "perpetual", "minTradeUSDT": "5", "symbolStatus": "normal", "maxLever": "125", "minLever": "1",
    }  # fmt: skip
    account = {"marginCoin": "USDT", "posMode": "hedge_mode" if hedge else "one_way_mode", "marginMode": "crossed"}
    return {
        "/api/v2/public/time": lambda _: _good({"serverTime": str(now_ms())}),
        "/api/v2/mix/market/contracts": lambda asked: _good([listed] if asked["productType"].upper() == "USDT-FUTURES" else []),
        "/api/v2/mix/account/account": _good(account),
        "/api/v2/mix/order/place-order": _good({"orderId": "5", "clientOid": "x"}),
    }  # fmt: skip


def kucoin(hedge: bool) -> Routes:
    """KuCoin's contracts."""

    def _good(data: Any) -> dict[str, Any]:
        return {"code": "200000", "data": data}

    listed = {
        "symbol": "XBTUSDTM", "baseCurrency": "XBT", "quoteCurrency": "USDT", "settleCurrency": "USDT", "maxOrderQty": 1_000_000,
        "maxPrice": 1_000_000, "lotSize": 1, "tickSize": 0.1, "multiplier": 0.001, "isInverse": False, "status": "Open",
        "maxLeverage": 125, "nextFundingRateTime": 25_481_884, "firstOpenDate": 1_585_555_200_000, "expireDate": None,
    }  # fmt: skip
    return {
        "/api/v1/timestamp": lambda _: _good(now_ms()),
        "/api/v3/margin/symbols": _good({"items": []}),
        "/api/v1/isolated/symbols": _good([]),
        "/api/v1/market/allTickers": _good({"ticker": []}),
        "/api/v2/symbols": _good([]),
        "/api/v1/hf/accounts/opened": _good(True),
        "/api/ua/v1/account/mode": _good({"selfAccountMode": "CLASSIC"}),
        "/api/v1/contracts/active": _good([listed]),
        "/api/v2/position/getPositionMode": _good({"positionMode": int(hedge)}),
        "/api/v2/changeCrossUserLeverage": _good(True),
        "/api/v2/getCrossUserLeverage": _good({"symbol": "XBTUSDTM", "leverage": "7"}),
        "/api/v1/orders": _good({"orderId": "5"}),
    }


def mexc(hedge: bool) -> Routes:
    """MEXC."""
    listed = {
        "symbol": "BTC_USDT", "baseCoin": "BTC", "quoteCoin": "USDT", "settleCoin": "USDT", "contractSize": 0.0001, "minLeverage": 1,
        "maxLeverage": 200, "priceScale": 1, "volScale": 0, "priceUnit": 0.1, "volUnit": 1, "minVol": 1, "maxVol": 1_000_000,
        "makerFeeRate": 0, "takerFeeRate": 0.0002, "state": 0, "apiAllowed": True,
    }  # fmt: skip

    def _good(data: Any) -> dict[str, Any]:
        return {"success": True, "code": 0, "data": data}

    return {
        "/api/v1/contract/ping": lambda _: _good(now_ms()),
        "/api/v3/time": lambda _: {"serverTime": now_ms()},
        "/api/v3/exchangeInfo": {"symbols": []},
        "/api/v1/contract/detail": _good([listed]),
        "/api/v1/private/position/position_mode": _good(1 if hedge else 2),
        "/api/v1/private/order/create": _good("5"),
    }


SITES: dict[str, Callable[[bool], Routes]] = {
    "bybit": bybit,
    "gate": gate,
    "bitget": bitget,
    "kucoinfutures": kucoin,
    "mexc": mexc,
}
"""Makes the routes of an exchange whose account is in hedge mode, or not."""

ORDER_PATHS = {
    "bybit": "/v5/order/create",
    "gate": "/api/v4/futures/usdt/orders",
    "bitget": "/api/v2/mix/order/place-order",
    "kucoinfutures": "/api/v1/orders",
    "mexc": "/api/v1/private/order/create",
}
"""Where each takes its orders."""
