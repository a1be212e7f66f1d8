"""Whatever is sent, a dialect answers in its venue's words: it never raises, never says 5xx, and never loses or makes money."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads.clock import ManualClock
from fmzthreads.simulator import Faults
from fmzthreads.simulator.dialects.binance.rest import SimulatedBinance
from fmzthreads.simulator.dialects.okx.rest import SimulatedOkx
from fmzthreads.simulator.engine.exchange import SimulatedExchange
from fmzthreads.simulator.engine.instruments import binance_spot, okx_spot
from fmzthreads.simulator.market.maker import MarketMaker
from fmzthreads.simulator.market.prices import PriceWalk
from fmzthreads.simulator.transport.requests import WireReply, WireRequest

KEY, SECRET, PASSPHRASE = "k" * 64, "s" * 64, "phrase"
NOW = 1_800_000_000
STAMP = "2027-01-15T08:00:00.000Z"  # the same moment
FUNDS = {"USDT": Decimal(1_000_000), "BTC": Decimal(10), "ETH": Decimal(100)}


def exchange_of(venue: str) -> SimulatedExchange:
    exchange = SimulatedExchange({"binance": binance_spot, "okx": okx_spot}[venue](), clock=ManualClock(NOW))
    exchange.create_account("user", KEY, SECRET, PASSPHRASE, FUNDS)
    for instrument, price in (("BTC_USDT", 60_000.0), ("ETH_USDT", 3000.0)):
        market = MarketMaker(exchange, instrument, PriceWalk("1", price))
        for _ in range(20):
            market.step()
    return exchange


DIALECTS: dict[str, Any] = {
    "binance": SimulatedBinance(exchange_of("binance"), Faults(), rate_scale=0),
    "okx": SimulatedOkx(exchange_of("okx"), Faults(), rate_scale=0),
}

words = st.sampled_from(
    [
        "", "0", "1", "-1", "0.01", "1e5", "NaN", "59900", "60100", "3000", "99999999999999999999999", "true", "null", "BTCUSDT", "ETHUSDT",
        "BTC-USDT", "SPOT", "BUY", "SELL", "buy", "sell", "LIMIT", "MARKET", "LIMIT_MAKER", "limit", "market", "ioc", "GTC", "IOC", "FOK",
        "cash", "FULL", "1m", "1M", "3d", "1D", "1Dutc", "1s", '["BTCUSDT"]', "[1]", "ALLOW_FAILURE", "EXPIRE_BOTH", "quote_ccy", "mine",
        "1000001", "1000002", "1800000000000", "1799990000000", "8", "-12:00",
    ]
) | st.text(max_size=12)  # fmt: skip
BINANCE_NAMES = (
    "symbol", "symbols", "side", "type", "timeInForce", "quantity", "price", "quoteOrderQty", "newClientOrderId", "orderId",
    "origClientOrderId", "limit", "interval", "startTime", "endTime", "fromId", "timeZone", "cancelReplaceMode", "cancelOrderId",
    "newOrderRespType", "selfTradePreventionMode", "strategyId", "strategyType", "recvWindow", "symbolStatus", "permissions",
    "cancelRestrictions", "omitZeroBalances", "computeCommissionRates", "icebergQty",
)  # fmt: skip
OKX_NAMES = (
    "instId", "instType", "sz", "px", "ordType", "side", "tdMode", "tgtCcy", "clOrdId", "ordId", "after", "before", "limit", "bar",
    "begin", "end", "state", "ccy", "type", "stpMode", "tag", "posSide", "reduceOnly", "pxAmendType", "instIdCode", "newSz", "subType",
)  # fmt: skip
LIKELY: dict[str, dict[str, st.SearchStrategy[str]]] = {
    "binance": {
        "symbol": st.just("BTCUSDT"),
        "side": st.sampled_from(["BUY", "SELL"]),
        "type": st.sampled_from(["LIMIT", "MARKET", "LIMIT_MAKER"]),
        "timeInForce": st.sampled_from(["GTC", "IOC", "FOK"]),
        "quantity": st.sampled_from(["0.01", "0.5", "3"]),
        "price": st.sampled_from(["59000", "59990", "60010", "61000"]),
    },
    "okx": {
        "instId": st.just("BTC-USDT"),
        "side": st.sampled_from(["buy", "sell"]),
        "ordType": st.sampled_from(["limit", "market", "post_only", "ioc", "fok"]),
        "tdMode": st.just("cash"),
        "sz": st.sampled_from(["0.01", "0.5", "30000"]),
        "px": st.sampled_from(["59000", "59990", "60010", "61000"]),
    },
}


def params(venue: str, names: tuple[str, ...]) -> st.SearchStrategy[dict[str, str]]:
    """A mixture of what belongs and what does not."""
    wild = st.dictionaries(st.sampled_from(names), words, max_size=6)
    return st.tuples(st.fixed_dictionaries({}, optional=LIKELY[venue]), wild).map(lambda both: {**both[0], **both[1]})


def money_is_conserved(dialect: Any) -> None:
    exchange: SimulatedExchange = dialect.exchange
    for balance in exchange.balances("user").values():
        assert balance.free >= 0
        assert balance.frozen >= 0


def check(dialect: Any, reply: WireReply, supply: dict[str, Decimal]) -> None:
    assert 200 <= reply.status < 500
    if reply.content_type.startswith("application/json"):
        json.loads(reply.body)
    money_is_conserved(dialect)
    assert dialect.exchange.supply() == supply


COMMON = settings(max_examples=150)


@COMMON
@given(data=st.data())
@pytest.mark.parametrize("place", ["query", "body"])
def test_signed_binance_calls(place: str, data: st.DataObject) -> None:
    dialect = DIALECTS["binance"]
    supply = dialect.exchange.supply()
    method, path = data.draw(st.sampled_from(sorted(dialect._routes)))
    text = urlencode({**data.draw(params("binance", BINANCE_NAMES)), "timestamp": NOW * 1000})
    text += "&signature=" + hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    query, body = (text, b"") if place == "query" else ("", text.encode())
    reply = dialect.handle(WireRequest(method, path, path, query, body, {"x-mbx-apikey": KEY}, "127.0.0.1"))
    check(dialect, reply, supply)


@COMMON
@given(data=st.data())
def test_signed_okx_calls(data: st.DataObject) -> None:
    dialect = DIALECTS["okx"]
    supply = dialect.exchange.supply()
    method, path = data.draw(st.sampled_from(sorted(dialect._routes)))
    fields = data.draw(params("okx", OKX_NAMES))
    query, body = urlencode(fields), b""
    if method == "POST":
        values: Any = fields
        if data.draw(st.booleans()):
            values = data.draw(
                st.lists(
                    st.just(fields) | st.dictionaries(st.sampled_from(OKX_NAMES), st.none() | st.integers() | words)
                )
            )
        query, body = "", json.dumps(values).encode()
    target = path + (f"?{query}" if query else "")
    digest = hmac.new(SECRET.encode(), f"{STAMP}{method}{target}".encode() + body, hashlib.sha256).digest()
    headers = {
        "ok-access-key": KEY,
        "ok-access-passphrase": PASSPHRASE,
        "ok-access-timestamp": STAMP,
        "ok-access-sign": base64.b64encode(digest).decode(),
    }
    reply = dialect.handle(WireRequest(method, path, path, query, body, headers, "127.0.0.1"))
    check(dialect, reply, supply)
    assert b'"50113"' not in reply.body


@COMMON
@given(data=st.data())
@pytest.mark.parametrize("venue", ["binance", "okx"])
def test_anything_at_all(venue: str, data: st.DataObject) -> None:
    dialect = DIALECTS[venue]
    supply = dialect.exchange.supply()
    known = sorted({path for _, path in dialect._routes})
    path = data.draw(st.sampled_from(known) | st.text(max_size=20).map(lambda text: "/" + text))
    latin = st.text(st.characters(max_codepoint=255), max_size=30)
    names = (
        "x-mbx-apikey",
        "ok-access-key",
        "ok-access-sign",
        "ok-access-timestamp",
        "ok-access-passphrase",
        "exptime",
        "x-mbx-time-unit",
    )
    headers = data.draw(st.dictionaries(st.sampled_from(names), latin | st.sampled_from([KEY, STAMP, PASSPHRASE])))
    request = WireRequest(
        data.draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"])), path, path, data.draw(latin), data.draw(st.binary(max_size=40)),
        headers, "127.0.0.1",
    )  # fmt: skip
    check(dialect, dialect.handle(request), supply)
    assert dialect.places_order(request) in {True, False}


def nearly_right(venue: str, names: tuple[str, ...]) -> st.SearchStrategy[dict[str, str]]:
    """An order that is right but for one field at the most."""
    return st.tuples(
        st.fixed_dictionaries(LIKELY[venue]), st.dictionaries(st.sampled_from(names), words, max_size=1), st.booleans()
    ).map(lambda drawn: {**drawn[0], **(drawn[1] if drawn[2] else {})})


@COMMON
@given(data=st.data())
def test_orders_at_binance(data: st.DataObject) -> None:
    dialect = DIALECTS["binance"]
    supply = dialect.exchange.supply()
    fields = data.draw(nearly_right("binance", BINANCE_NAMES))
    if fields["type"] != "LIMIT":
        fields.pop("timeInForce", None)
    if fields["type"] == "MARKET":
        fields.pop("price", None)
    text = urlencode({**fields, "timestamp": NOW * 1000})
    text += "&signature=" + hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    before = len(dialect.exchange.order_history("user"))
    reply = dialect.handle(
        WireRequest("POST", "/api/v3/order", "/api/v3/order", text, b"", {"x-mbx-apikey": KEY}, "127.0.0.1")
    )
    check(dialect, reply, supply)
    assert len(dialect.exchange.order_history("user")) - before == (reply.status == 200)


@COMMON
@given(data=st.data())
def test_orders_at_okx(data: st.DataObject) -> None:
    dialect = DIALECTS["okx"]
    supply = dialect.exchange.supply()
    body = json.dumps(data.draw(nearly_right("okx", OKX_NAMES))).encode()
    digest = hmac.new(SECRET.encode(), f"{STAMP}POST/api/v5/trade/order".encode() + body, hashlib.sha256).digest()
    headers = {
        "ok-access-key": KEY,
        "ok-access-passphrase": PASSPHRASE,
        "ok-access-timestamp": STAMP,
        "ok-access-sign": base64.b64encode(digest).decode(),
    }
    before = len(dialect.exchange.order_history("user"))
    reply = dialect.handle(
        WireRequest("POST", "/api/v5/trade/order", "/api/v5/trade/order", "", body, headers, "127.0.0.1")
    )
    check(dialect, reply, supply)
    assert len(dialect.exchange.order_history("user")) - before == (json.loads(reply.body)["code"] == "0")
