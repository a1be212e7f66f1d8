"""One row that cannot be read costs that row, with one warning; the symbol that was asked for is read strictly."""

from __future__ import annotations

from typing import Any

import pytest

from fmzthreads import errors
from fmzthreads.exchange.venue import Venue
from tests.helpers.venue_replies import BINANCE_INFO, OKX_INSTRUMENTS, make_binance, make_okx
from tests.venues.binance.test_dialect import ORDER as BINANCE_ORDER
from tests.venues.okx.test_dialect import ORDER as OKX_ORDER
from tests.venues.rest.test_parsing import BINANCE_TICKER, OKX_TICKER, ok


def with_row(body: dict[str, Any], field: str, row: Any) -> dict[str, Any]:
    return {**body, field: [*body[field], row]}


OKX_BALANCE = {"ccy": "BTC", "availBal": "1", "availEq": "", "frozenBal": "0"}
BINANCE_BALANCE = {"asset": "BTC", "free": "1", "locked": "0"}
ORDERS = {"BTCUSDT,77", "BTC-USDT,1"}
CASES: dict[str, tuple[Any, str, Any, Any, Any]] = {
    "a symbol with a null asset": (
        make_binance,
        "GET /api/v3/exchangeInfo",
        with_row(BINANCE_INFO, "symbols", {"symbol": "X", "status": "TRADING", "baseAsset": None}),
        lambda v: set(v.markets()),
        {"BTC_USDT", "ETH_USDT"},
    ),
    "an instrument that is a number": (
        make_okx,
        "GET /api/v5/public/instruments",
        with_row(OKX_INSTRUMENTS, "data", 5),
        lambda v: set(v.markets()),
        {"BTC_USDT", "ETH_USDT"},
    ),
    "an odd ticker": (
        make_binance,
        "GET /api/v3/ticker/24hr",
        [BINANCE_TICKER, {**BINANCE_TICKER, "symbol": "ETHUSDT", "volume": "many"}],
        lambda v: [one.Symbol for one in v.tickers()],
        ["BTC_USDT"],
    ),
    "an odd ticker of OKX": (
        make_okx,
        "GET /api/v5/market/tickers",
        ok(OKX_TICKER, {**OKX_TICKER, "instId": "ETH-USDT", "ts": None}),
        lambda v: [one.Symbol for one in v.tickers()],
        ["BTC_USDT"],
    ),
    "a balance without a name": (
        make_okx,
        "GET /api/v5/account/balance",
        ok({"details": [OKX_BALANCE, {**OKX_BALANCE, "ccy": ""}]}),
        lambda v: [one.Currency for one in v.assets()],
        ["BTC"],
    ),
    "a balance without a number": (
        make_binance,
        "GET /api/v3/account",
        {"balances": [BINANCE_BALANCE, {"asset": "X", "free": "", "locked": "0"}]},
        lambda v: [one.Currency for one in v.assets()],
        ["BTC"],
    ),
    "an odd order": (
        make_binance,
        "GET /api/v3/openOrders",
        [BINANCE_ORDER, {**BINANCE_ORDER, "orderId": 78, "side": "HOLD"}],
        lambda v: [one.Id for one in v.orders("BTC_USDT")],
        ["BTCUSDT,77"],
    ),
    "an odd order of OKX": (
        make_okx,
        "GET /api/v5/trade/orders-pending",
        ok(OKX_ORDER, {**OKX_ORDER, "ordId": "2", "sz": {}}),
        lambda v: len(v.orders()),
        1,
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_it_costs_itself_and_warns_once(what: str) -> None:
    make, path, body, call, expected = CASES[what]
    venue, _, _ = make({path: body})
    warnings: list[str] = []
    venue.warn_with(warnings.append)
    for _ in range(3):
        assert call(venue) == expected
    assert len(warnings) == 1
    assert "cannot be read; it was skipped" in warnings[0]


def test_a_filter_that_is_new_costs_nothing() -> None:
    odd = [{"filterType": "FUTURE_RULE", "x": {}}, {"filterType": None}, 5]
    symbols = [{**row, "filters": [*row["filters"], *odd]} for row in BINANCE_INFO["symbols"]]
    venue, _, _ = make_binance({"GET /api/v3/exchangeInfo": {**BINANCE_INFO, "symbols": symbols}})
    warnings: list[str] = []
    venue.warn_with(warnings.append)
    assert venue.markets()["BTC_USDT"].TickSize == 0.01
    assert venue.rules("BTC_USDT").tick is not None
    assert warnings == []


@pytest.mark.parametrize(
    "limits", [None, 5, {}, [5], [None], [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE"}]]
)
def test_limits_of_another_form_cost_no_symbol(limits: Any) -> None:
    venue, _, _ = make_binance({"GET /api/v3/exchangeInfo": {**BINANCE_INFO, "rateLimits": limits}})
    assert venue.rules("BTC_USDT").tick is not None
    assert set(venue.markets()) == {"BTC_USDT", "ETH_USDT"}


def test_a_list_of_which_nothing_can_be_read_is_an_error() -> None:
    venue, _, _ = make_binance({"GET /api/v3/account": {"balances": [{"coin": "BTC"}, {"coin": "ETH"}]}})
    with pytest.raises(errors.BadReply, match="the field 'asset' is missing"):
        venue.assets()


def test_warnings_of_one_kind_end() -> None:
    balances = [BINANCE_BALANCE, *({"asset": f"X{n}", "free": None} for n in range(500))]
    venue, _, _ = make_binance({"GET /api/v3/account": {"balances": balances}})
    warnings: list[str] = []
    venue.warn_with(warnings.append)
    assert [one.Currency for one in venue.assets()] == ["BTC"]
    assert len(warnings) == 10


def strict_calls() -> list[tuple[Any, str, Any, Any]]:
    def account(v: Venue) -> Any:
        return v.account("BTC_USDT")

    broken = {**BINANCE_INFO["symbols"][0], "filters": None}
    return [
        (make_okx, "GET /api/v5/account/balance", ok({"details": [{**OKX_BALANCE, "availBal": "?"}, OKX_BALANCE]}), account),
        (make_binance, "GET /api/v3/exchangeInfo", {"symbols": [broken]}, lambda v: v.rules("BTC_USDT")),
        (make_binance, "GET /api/v3/ticker/24hr", {**BINANCE_TICKER, "volume": "?"}, lambda v: v.ticker("BTC_USDT")),
        (make_binance, "GET /api/v3/order", {**BINANCE_ORDER, "side": "?"}, lambda v: v.order("BTCUSDT,77")),
    ]  # fmt: skip


@pytest.mark.parametrize("case", range(4))
def test_what_was_asked_for_is_strict(case: int) -> None:
    make, path, body, call = strict_calls()[case]
    venue, _, _ = make({path: body})
    with pytest.raises(errors.BadReply):
        call(venue)


@pytest.mark.parametrize("zero", ["0", "0.00000000", ""])
def test_zero_is_no_price(zero: str) -> None:
    empty_side = {**BINANCE_TICKER, "askPrice": zero}
    untraded = {**BINANCE_TICKER, "symbol": "ETHUSDT"}
    for field in ("lastPrice", "askPrice", "bidPrice", "openPrice", "highPrice", "lowPrice"):
        untraded[field] = zero
    bodies = {"BTCUSDT": empty_side, "ETHUSDT": untraded}

    def answer(seen: Any) -> Any:
        return bodies[seen.query["symbol"]] if seen.query else list(bodies.values())

    venue, _, _ = make_binance({"GET /api/v3/ticker/24hr": answer})
    assert (venue.ticker("BTC_USDT").Sell, venue.ticker("BTC_USDT").Buy) == (5.0, 4.0)
    prices = ("Last", "Buy", "Sell", "Open", "High", "Low")
    assert [venue.ticker("ETH_USDT")[field] for field in prices] == [None] * 6
    assert [one.Symbol for one in venue.tickers()] == ["BTC_USDT"]
    rows = {"last": zero, "askPx": zero, "bidPx": zero, "open24h": zero, "high24h": zero, "low24h": zero}
    okx, _, _ = make_okx({"GET /api/v5/market/ticker": ok({**OKX_TICKER, **rows})})
    assert [okx.ticker("BTC_USDT")[field] for field in prices] == [None] * 6
