"""Whatever a reply looks like, only errors of the tree come out, and they say what was wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads import errors
from fmzthreads.exchange.venue import Venue
from fmzthreads.venues.rest import parsing
from tests.helpers.venue_replies import (
    BINANCE_INFO,
    OKX_INSTRUMENTS,
    OKX_PLACED,
    Answer,
    intent,
    make_binance,
    make_okx,
    reply_of,
)
from tests.venues.binance.test_dialect import ORDER as BINANCE_ORDER
from tests.venues.okx.test_dialect import ORDER as OKX_ORDER

BINANCE_TICKER = {
    "symbol": "BTCUSDT", "lastPrice": "5.0", "bidPrice": "4", "askPrice": "6", "openPrice": "5", "highPrice": "7", "lowPrice": "3",
    "volume": "10", "closeTime": 1770531546004,
}  # fmt: skip
BINANCE: dict[str, tuple[str, Any, Callable[[Venue], Any]]] = {
    "exchangeInfo": ("GET /api/v3/exchangeInfo", BINANCE_INFO, lambda v: v.markets()),
    "ticker": ("GET /api/v3/ticker/24hr", BINANCE_TICKER, lambda v: v.ticker("BTC_USDT")),
    "tickers": ("GET /api/v3/ticker/24hr", [BINANCE_TICKER], lambda v: v.tickers()),
    "depth": (
        "GET /api/v3/depth",
        {"lastUpdateId": 1, "bids": [["4", "1"], ["3", "2"]], "asks": [["5", "1"], ["6", "2"]]},
        lambda v: v.depth("BTC_USDT"),
    ),
    "trades": (
        "GET /api/v3/aggTrades",
        [{"a": 1, "p": "5", "q": "1", "f": 1, "l": 1, "T": 5, "m": True, "M": True}],
        lambda v: v.trades("BTC_USDT"),
    ),
    "klines": (
        "GET /api/v3/klines",
        [[1, "1", "2", "0.5", "1.5", "3", 2, "4", 5, "6", "7", "0"]],
        lambda v: v.records("BTC_USDT", 60, 5),
    ),
    "account": (
        "GET /api/v3/account",
        {"balances": [{"asset": "BTC", "free": "1", "locked": "0"}]},
        lambda v: (v.account("BTC_USDT"), v.assets()),
    ),
    "order": (
        "GET /api/v3/order",
        BINANCE_ORDER,
        lambda v: (v.order("BTCUSDT,77"), v.order_by_client_id("BTC_USDT", "cid1")),
    ),
    "orders": ("GET /api/v3/openOrders", [BINANCE_ORDER], lambda v: (v.orders(), v.orders("BTC_USDT"))),
    "history": ("GET /api/v3/allOrders", [BINANCE_ORDER], lambda v: v.history_orders("BTC_USDT", 1, 5)),
    "place": ("POST /api/v3/order", {"symbol": "BTCUSDT", "orderId": 28}, lambda v: v.place(intent())),
    "cancel": ("DELETE /api/v3/order", {"symbol": "BTCUSDT", "orderId": 28}, lambda v: v.cancel("BTCUSDT,28")),
    "time": ("GET /api/v3/time", {"serverTime": 1770531546000}, lambda v: v.cancel("BTCUSDT,28")),
    "raw": ("GET /api/v3/ping", {}, lambda v: v.request("GET", "/api/v3/ping")),
}
OKX_TICKER = {
    "instId": "BTC-USDT", "last": "5", "askPx": "6", "bidPx": "4", "open24h": "5", "high24h": "7", "low24h": "3", "vol24h": "1",
    "ts": "1770531546004",
}  # fmt: skip


def ok(*items: Any) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": list(items)}


OKX: dict[str, tuple[str, Any, Callable[[Venue], Any]]] = {
    "instruments": ("GET /api/v5/public/instruments", OKX_INSTRUMENTS, lambda v: v.markets()),
    "ticker": ("GET /api/v5/market/ticker", ok(OKX_TICKER), lambda v: v.ticker("BTC_USDT")),
    "tickers": ("GET /api/v5/market/tickers", ok(OKX_TICKER), lambda v: v.tickers()),
    "depth": (
        "GET /api/v5/market/books",
        ok({"asks": [["5", "1", "0", "2"]], "bids": [["4", "1", "0", "2"]], "ts": "1", "seqId": 1}),
        lambda v: v.depth("BTC_USDT"),
    ),
    "trades": (
        "GET /api/v5/market/trades",
        ok({"instId": "BTC-USDT", "tradeId": "1", "px": "5", "sz": "1", "side": "buy", "ts": "1"}),
        lambda v: v.trades("BTC_USDT"),
    ),
    "candles": (
        "GET /api/v5/market/candles",
        ok(["1", "1", "2", "0.5", "1.5", "3", "4", "4", "1"]),
        lambda v: v.records("BTC_USDT", 60, 1),
    ),
    "account": (
        "GET /api/v5/account/balance",
        ok({"details": [{"ccy": "BTC", "availBal": "1", "availEq": "", "frozenBal": "0"}]}),
        lambda v: (v.account("BTC_USDT"), v.assets()),
    ),
    "order": (
        "GET /api/v5/trade/order",
        ok(OKX_ORDER),
        lambda v: (v.order("BTC-USDT,900001"), v.order_by_client_id("BTC_USDT", "cid1")),
    ),
    "orders": ("GET /api/v5/trade/orders-pending", ok(OKX_ORDER), lambda v: (v.orders(), v.orders("BTC_USDT"))),
    "history": ("GET /api/v5/trade/orders-history", ok(OKX_ORDER), lambda v: v.history_orders("BTC_USDT")),
    "place": ("POST /api/v5/trade/order", OKX_PLACED, lambda v: v.place(intent())),
    "cancel": ("POST /api/v5/trade/cancel-order", OKX_PLACED, lambda v: v.cancel("BTC-USDT,900001")),
    "time": ("GET /api/v5/public/time", ok({"ts": "1770531546000"}), lambda v: v.cancel("BTC-USDT,900001")),
    "raw": ("GET /api/v5/system/status", ok(), lambda v: v.request("GET", "/api/v5/system/status")),
}
CASES = [("Binance", name) for name in BINANCE] + [("OKX", name) for name in OKX]


def ask(venue_name: str, name: str, body: Answer) -> Any:
    path, _, call = (BINANCE if venue_name == "Binance" else OKX)[name]
    answers: dict[str, Answer] = {
        "DELETE /api/v3/order": {"orderId": 28},
        "POST /api/v5/trade/cancel-order": OKX_PLACED,
        "GET /api/v5/trade/orders-pending": ok(),
        path: body,
    }
    venue, _, _ = (make_binance if venue_name == "Binance" else make_okx)(answers)
    return call(venue)


def failure(venue_name: str, name: str, body: Answer) -> errors.FmzError | None:
    """What is raised from the tree; anything else goes through and fails the test."""
    try:
        ask(venue_name, name, body)
    except errors.FmzError as error:
        return error
    return None


def good(venue_name: str, name: str) -> Any:
    return copy.deepcopy((BINANCE if venue_name == "Binance" else OKX)[name][1])


@pytest.mark.parametrize(("venue_name", "name"), CASES)
def test_the_unharmed_reply_is_read(venue_name: str, name: str) -> None:
    ask(venue_name, name, good(venue_name, name))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all parts of a JSON value, itself included."""
    found = [path]
    if isinstance(value, dict):
        for key in value:
            found += places(value[key], (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            found += places(part, (*path, index))
    return found


DROP = object()
ODD = [
    DROP,
    None,
    True,
    "",
    "text",
    "nan",
    "inf",
    "1e999",
    "1_0",
    -1,
    0,
    1e308,
    10**400,
    [],
    [None],
    {},
    {"a": 1},
    [[]],
    [["1"]],
    "9" * 5000,
]


def harmed(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return {} if by is DROP else by
    value = copy.deepcopy(value)
    part = value
    for step in path[:-1]:
        part = part[step]
    if by is DROP:
        del part[path[-1]]
    else:
        part[path[-1]] = by
    return value


@pytest.mark.parametrize(("venue_name", "name"), CASES)
def test_one_harm_anywhere_gives_an_error_of_the_tree_or_a_result(venue_name: str, name: str) -> None:
    whole = good(venue_name, name)
    for path in places(whole):
        for by in ODD:
            error = failure(venue_name, name, reply_of(json.dumps(harmed(whole, path, by))))
            assert error is None or (str(error) and type(error) is not errors.FmzError), (path, by)


@settings(max_examples=150)
@given(data=st.data())
def test_several_harms_at_once(data: st.DataObject) -> None:
    venue_name, name = data.draw(st.sampled_from(CASES))
    body = good(venue_name, name)
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(places(body)))
        body = harmed(
            body,
            path,
            data.draw(st.sampled_from(ODD) | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False)),
        )
    status = data.draw(st.sampled_from([200, 200, 200, 400, 401, 418, 429, 500]))
    error = failure(venue_name, name, reply_of(json.dumps(body), status))
    assert error is not None or status == 200


@pytest.mark.parametrize(("venue_name", "name"), [case for case in CASES if case[1] not in {"place", "cancel", "raw"}])
@pytest.mark.parametrize("body", ["", "<html><b>sorry</b></html>", '{"a": [1, 2', "nonsense", "NaN"])
def test_what_is_not_json(venue_name: str, name: str, body: str) -> None:
    with pytest.raises(errors.BadReply) as caught:
        ask(venue_name, name, reply_of(body))
    assert body[:20] in str(caught.value)


@pytest.mark.parametrize(
    ("venue_name", "name", "path", "by", "words"),
    [
        ("Binance", "ticker", ("volume",), DROP, "the field 'volume' is missing"),
        ("Binance", "ticker", ("lastPrice",), [1], r"the field 'lastPrice' is not a number but \[1\]"),
        ("Binance", "ticker", ("closeTime",), "soon", "the field 'closeTime' is not a whole number but 'soon'"),
        ("Binance", "depth", ("bids", 1, 0), "x", "element 0 of level 1 of 'bids' is not a number but 'x'"),
        ("Binance", "depth", ("bids", 1, 0), True, "element 0 of level 1 of 'bids' is not a number but True"),
        ("Binance", "depth", ("asks", 0), ["5"], "level 0 of 'asks' has no element 1"),
        ("Binance", "depth", ("asks", 0), "55", "level 0 of 'asks' is not a list but '55'"),
        ("Binance", "depth", ("asks", 1, 1), "nan", "element 1 of level 1 of 'asks' is not a number but 'nan'"),
        ("Binance", "depth", ("asks",), DROP, "the field 'asks' is missing"),
        ("Binance", "exchangeInfo", ("symbols",), [{"symbol": "A"}], "the field 'baseAsset' is missing"),
        ("Binance", "exchangeInfo", ("symbols",), DROP, "the field 'symbols' is not a list but None"),
        ("Binance", "trades", (0, "m"), "yes", "the field 'm' is missing or not a boolean"),
        ("Binance", "klines", (0,), [1, "2"], "a bar has no element 2"),
        ("Binance", "order", ("side",), "HOLD", "the field 'side' is neither buy nor sell but 'HOLD'"),
        ("Binance", "account", ("balances", 0, "free"), None, "the field 'free' is not a number but None"),
        ("OKX", "ticker", ("data",), [], "the field 'data' is an empty list"),
        ("OKX", "ticker", ("data",), DROP, "the field 'data' is not a list but None"),
        ("OKX", "ticker", ("code",), DROP, "the field 'code' is missing"),
        ("OKX", "depth", ("data", 0, "ts"), "1.5", "the field 'ts' is not a whole number but '1.5'"),
        ("OKX", "instruments", ("data",), [{"instId": "A-B", "baseCcy": "A", "quoteCcy": "B", "lotSz": "1", "tickSz": ""}], "the field 'tickSz' is not a"),
        ("OKX", "account", ("data", 0, "details", 0, "availEq"), [], r"the field 'availEq' is not a number but \[\]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_the_reply_behind_it(
    venue_name: str, name: str, path: Any, by: Any, words: str
) -> None:
    body = harmed(good(venue_name, name), path, by)
    with pytest.raises(errors.BadReply, match=words) as caught:
        ask(venue_name, name, body)
    assert json.dumps(body)[:150] in str(caught.value)
    assert len(str(caught.value)) < 500
    assert caught.value.request.startswith("GET https://")


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=8))
def test_a_number_is_read_as_python_reads_it(number: Decimal) -> None:
    assert parsing.to_number(str(number), "x") == float(number)
    assert parsing.to_number(format(number, "f"), "x") == float(number)


@pytest.mark.parametrize("bad", ["1_000", "nan", "inf", "-inf", "1e999", "", " ", "0x1", True, None, [], {}, 10**400])
def test_what_is_no_number(bad: Any) -> None:
    with pytest.raises(parsing.Malformed):
        parsing.to_number(bad, "x")


@pytest.mark.parametrize("ms", [0, -1, 10**17, 2**63, 10**400, "9" * 19])
def test_a_time_of_no_age_of_ours_is_refused(ms: object) -> None:
    binance, _, _ = make_binance({"GET /api/v3/time": {"serverTime": ms}, "GET /api/v3/account": {"balances": []}})
    okx, _, _ = make_okx({"GET /api/v5/public/time": {"code": "0", "msg": "", "data": [{"ts": ms}]}})
    for venue in (binance, okx):
        with pytest.raises(errors.BadReply, match=r"time|whole number|JSON"):
            venue.assets()


@given(st.integers(1 - 2**63, 2**63 - 1))
def test_a_whole_number_is_read_from_a_number_or_its_digits(number: int) -> None:
    assert parsing.to_integer(number, "x") == parsing.to_integer(str(number), "x") == number


@pytest.mark.parametrize(
    "bad", ["1.0", "", "-", "--1", "٣", "1 ", True, 1.0, None, [], "9" * 33, "9" * 19, 2**63, 10**400]
)
def test_what_is_no_whole_number(bad: Any) -> None:
    with pytest.raises(parsing.Malformed):
        parsing.to_integer(bad, "x")


@given(st.lists(st.tuples(st.decimals(0, 10**9, places=8), st.decimals(0, 10**9, places=8)), max_size=20))
def test_the_fast_and_the_slow_way_read_the_same_book(side: list[tuple[Decimal, Decimal]]) -> None:
    raw = [[str(price), str(amount), "0"] for price, amount in side]
    fast = parsing.levels({"asks": raw}, "asks")
    slow = [parsing._level(level, "x") for level in raw]
    assert fast == slow
