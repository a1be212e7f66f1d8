"""What every venue answers alike, whatever its wire looks like."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads import errors
from fmzthreads.exchange.contracts.port import ContractPort
from fmzthreads.exchange.market_rules import MarketRules, OrderBounds
from fmzthreads.exchange.order_request import OrderRequest, prepare
from fmzthreads.exchange.venue import BaseVenue, Venue
from fmzthreads.testing import FakeVenue
from fmzthreads.venues.rest import parsing
from tests.helpers.venue_replies import BINANCE_INFO, OKX_INSTRUMENTS, make_binance, make_okx

MAKERS = {"Binance": make_binance, "OKX": make_okx}
PORT = [name for name, _ in inspect.getmembers(Venue, inspect.isfunction) if not name.startswith("_")]


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return MAKERS[request.param]


def test_every_call_of_the_port_is_filled_and_documented(make: Callable[..., Any]) -> None:
    venue, _, _ = make({})
    for filled in (venue, FakeVenue()):
        assert isinstance(filled, Venue)
        for name in PORT:
            assert inspect.getdoc(getattr(filled, name)), name
    spot_lacks = {"positions", "fundings", "cancel_all_after", "account_source"}
    contracts = spot_lacks | {name for name in vars(ContractPort) if name in PORT}
    for name in PORT:
        own = getattr(type(venue), name) is not getattr(BaseVenue, name)
        assert own or name in contracts, name


def test_a_venue_that_leaves_a_call_out_says_so() -> None:
    class Bare(BaseVenue):
        name = "Bare"

    bare: Any = Bare()  # type: ignore[abstract]
    for call in (lambda: bare.depth("A_B"), lambda: bare.place(None), bare.assets, bare.tickers):
        with pytest.raises(errors.NotSupported, match="Bare does not support"):
            call()


def test_one_symbol_s_rules_agree_with_the_list(make: Callable[..., Any]) -> None:
    venue, _, _ = make({})
    for symbol, market in venue.markets().items():
        assert venue.rules(symbol).agrees_with(MarketRules.of(symbol, market))


@pytest.mark.parametrize("symbol", ["BTC", "BTC_USDT.swap", "A_B_C", "_USDT", "BTC_", ""])
def test_what_is_no_spot_pair_is_refused_unasked(make: Callable[..., Any], symbol: str) -> None:
    venue, http, _ = make({})
    for call in (venue.depth, venue.ticker, venue.rules, venue.trades):
        with pytest.raises(errors.UnknownSymbol, match="does not list"):
            call(symbol)
    assert not any(seen.method == "GET" and "time" not in seen.path for seen in http.seen)


def test_repeated_parameters_are_all_sent_in_order() -> None:
    venue, http, _ = make_binance({"POST /sapi/v1/asset/dust": {}, "GET /sapi/v1/x": {}})
    venue.request("POST", "/sapi/v1/asset/dust?asset=BTC&asset=ETH", "asset=TRX&asset='1'&signature=theirs")
    sent = http.last("POST /sapi/v1/asset/dust").body
    assert sent.startswith("asset=BTC&asset=ETH&asset=TRX&asset=1&recvWindow=5000&timestamp=")
    assert sent.count("signature=") == 1
    venue.request("GET", "/sapi/v1/x", "a=1&b=2&a=3&timestamp=5")
    assert http.last("GET /sapi/v1/x").parts.query.startswith("a=1&b=2&a=3&timestamp=5&recvWindow=5000&signature=")


def test_a_name_that_a_json_body_cannot_repeat_is_refused() -> None:
    venue, http, _ = make_okx({"GET /api/v5/x": {"code": "0", "data": []}})
    with pytest.raises(errors.InputError, match=r"cannot repeat a parameter, got 'a' 2 times; nothing was sent"):
        venue.request("POST", "/api/v5/x?a=1", "a=2")
    assert not any(seen.method == "POST" for seen in http.seen)
    venue.request("GET", "/api/v5/x?a=1", "a=2")
    assert http.last("GET /api/v5/x").parts.query == "a=1&a=2"


def binance_rules(*filters: dict[str, Any]) -> MarketRules:
    usual = BINANCE_INFO["symbols"][0]
    lots = [row for row in usual["filters"] if row["filterType"] in {"PRICE_FILTER", "LOT_SIZE"}]
    info = {**BINANCE_INFO, "symbols": [{**usual, "filters": [*lots, *filters]}]}
    venue, _, _ = make_binance({"GET /api/v3/exchangeInfo": info})
    return venue.rules("BTC_USDT")


NOTIONAL = {"filterType": "NOTIONAL", "minNotional": "5", "maxNotional": "9000000"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({**NOTIONAL, "applyMinToMarket": True, "applyMaxToMarket": True}, (5, 9_000_000)),
        ({**NOTIONAL, "applyMinToMarket": True, "applyMaxToMarket": False}, (5, None)),
        ({**NOTIONAL, "applyMinToMarket": False, "applyMaxToMarket": True}, (None, 9_000_000)),
        ({**NOTIONAL, "applyMinToMarket": False, "applyMaxToMarket": False}, (None, None)),
        ({"filterType": "MIN_NOTIONAL", "minNotional": "5", "applyToMarket": True}, (5, None)),
        ({"filterType": "MIN_NOTIONAL", "minNotional": "5", "applyToMarket": False}, (None, None)),
    ],
)
def test_whether_a_worth_is_limited_at_market_is_what_the_flags_say(row: dict[str, Any], expected: Any) -> None:
    rules = binance_rules(row)
    market = rules.bounds(market=True)
    assert (market.min_notional, market.max_notional) == expected
    assert rules.min_notional == 5
    assert rules.max_notional == (9_000_000 if "maxNotional" in row else None)


def test_market_lot_size_holds_for_market_orders_beside_lot_size() -> None:
    lot = {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "80.5", "stepSize": "0.00000000"}
    rules = binance_rules(lot)
    assert rules.bounds(market=True) == OrderBounds(
        step=Decimal("0.00001"), min_amount=Decimal("0.00001"), max_amount=Decimal("80.5")
    )
    assert rules.max_amount == 9000
    stricter = binance_rules({**lot, "minQty": "0.5", "stepSize": "0.1"}).bounds(market=True)
    assert (stricter.step, stricter.min_amount) == (Decimal("0.1"), Decimal("0.5"))


@pytest.mark.parametrize(
    ("side", "price", "amount", "words"),
    [
        ("buy", -1, 4, "order value 4 is below the minimum market order"),
        ("buy", -1, 10**9, ""),  # the largest worth holds for limit orders only
        ("sell", -1, 81, "amount 81 is above the maximum market order"),
        ("sell", 60000, 81, ""),
        ("sell", 120000, 81, "order value 9720000 is above the maximum of BTC_USDT"),
    ],
)
def test_a_market_order_is_judged_by_its_own_limits(side: str, price: float, amount: float, words: str) -> None:
    rules = binance_rules(
        {**NOTIONAL, "applyMinToMarket": True, "applyMaxToMarket": False},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": "80.5", "stepSize": "0"},
    )
    request = OrderRequest(symbol="BTC_USDT", side=side, price=price, amount=amount)
    if not words:
        prepare(request, lambda _symbol: rules)
        return
    with pytest.raises(errors.InputError, match=words):
        prepare(request, lambda _symbol: rules)


def test_okx_s_largest_limit_order_does_not_hold_at_market() -> None:
    row = {**OKX_INSTRUMENTS["data"][0], "maxLmtSz": "10", "maxMktSz": "1000"}
    venue, _, _ = make_okx({"GET /api/v5/public/instruments": {**OKX_INSTRUMENTS, "data": [row]}})
    rules = venue.rules("BTC_USDT")
    assert (rules.max_amount, rules.max_notional) == (10, None)
    market = rules.bounds(market=True)
    assert (market.max_amount, market.max_notional) == (None, 1000)  # it counts USDT


TEXTS = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=0, max_value=10**12).map(str),
    st.sampled_from(["1_000", "nan", "inf", "1e400", "1,2", "", " 5", "5", "-1", "0x10", "1e3"]),
)


@given(st.lists(st.lists(TEXTS, min_size=1, max_size=4), max_size=8))
def test_levels_read_the_same_with_and_without_a_fast_reader(raw: list[list[str]]) -> None:
    def read() -> Any:
        try:
            return parsing.levels({"bids": raw}, "bids")
        except parsing.Malformed as error:
            return str(error)

    fast = read()
    usual, parsing._fast_loads = parsing._fast_loads, lambda: None  # type: ignore[assignment]
    try:
        assert read() == fast
    finally:
        parsing._fast_loads = usual
