"""Symbols, market data, account and settings of Binance's futures."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads import constants, errors
from fmzthreads.venues.binance.futures.brackets import Bracket, most_leverage
from tests.helpers.futures_replies import (
    COIN_INFO,
    FUTURES_ORDER,
    NOW_MS,
    QUARTER_MS,
    USD_INFO,
    make_futures,
    usd_symbol,
)
from tests.helpers.venue_replies import reply_of

POSITIONS, COIN_POSITIONS = "GET /fapi/v3/positionRisk", "GET /dapi/v1/positionRisk"
POSITION = {
    "symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.500", "entryPrice": "60000.0", "markPrice": "61000.0",
    "unRealizedProfit": "-500.0", "isolatedMargin": "0", "notional": "-30500.0", "positionInitialMargin": "1525.0",
}  # fmt: skip
COIN_POSITION = {
    "symbol": "BTCUSD_PERP", "positionSide": "LONG", "positionAmt": "2", "entryPrice": "37643.1", "markPrice": "38103.05",
    "unRealizedProfit": "0.00006413", "leverage": "10", "isolatedMargin": "0.00274471", "notionalValue": "0.00524892",
}  # fmt: skip


def test_markets_of_both_families_with_their_contract_values() -> None:
    venue, _, _ = make_futures({})
    markets = venue.markets()
    assert set(markets) == {
        "BTC_USDT.swap", "ETH_USDT.swap", "BTC_USDT.quarter", "BTC_USDT.next_quarter", "BTC_USD.swap", "BTC_USD.quarter"
    }  # fmt: skip
    usd, coin = markets["BTC_USDT.swap"], markets["BTC_USD.swap"]
    assert (usd.Symbol, usd.CtVal, usd.CtValCcy, usd.TickSize, usd.AmountSize, usd.MinNotional) == (
        "BTCUSDT",
        1.0,
        "BTC",
        0.1,
        0.001,
        100.0,
    )
    assert (coin.Symbol, coin.CtVal, coin.CtValCcy, coin.AmountSize) == ("BTCUSD_PERP", 100.0, "USD", 1.0)
    contract = venue.contract("BTC_USD.quarter")
    assert (contract.words, contract.margin_currency, contract.expires_ms) == ("100 USD", "BTC", QUARTER_MS)
    assert not contract.value.in_coins
    assert venue.contract("BTC_USDT.swap").expires_ms == 0
    rules = venue.rules("BTC_USDT.swap")
    assert (rules.tick, rules.step, rules.min_amount) == (Decimal("0.10"), Decimal("0.001"), Decimal("0.001"))


@pytest.mark.parametrize(
    "symbol", ["BTC_USDT", "BTC_USDT.this_week", "XRP_USDT.swap", "BTC_EUR.swap", "BTC_USD.next_quarter"]
)
def test_what_is_not_listed_is_refused(symbol: str) -> None:
    venue, _, _ = make_futures({"GET /fapi/v1/depth": reply_of({"code": -1121, "msg": "Invalid symbol."}, 400)})
    with pytest.raises(errors.UnknownSymbol):
        venue.contract(symbol)
    with pytest.raises(errors.UnknownSymbol):
        venue.depth(symbol)


def test_a_code_names_the_next_contract_after_a_delivery() -> None:
    info = copy.deepcopy(USD_INFO)
    venue, http, clock = make_futures({"GET /fapi/v1/exchangeInfo": lambda _seen: info})
    assert venue.contract("BTC_USDT.quarter").venue_symbol == "BTCUSDT_260327"
    asked = http.paths().count("GET /fapi/v1/exchangeInfo")
    assert venue.contract("BTC_USDT.quarter").venue_symbol == "BTCUSDT_260327"
    assert http.paths().count("GET /fapi/v1/exchangeInfo") == asked  # known, and not over
    clock.advance((QUARTER_MS - NOW_MS) / 1000 + 1)
    with pytest.raises(errors.UnknownSymbol):  # the venue still lists the delivered one under its code
        venue.contract("BTC_USDT.quarter")
    info["symbols"] = [
        usd_symbol("BTCUSDT"),
        usd_symbol("BTCUSDT_260626", kind="CURRENT_QUARTER", delivery_ms=QUARTER_MS * 2),
    ]
    assert venue.contract("BTC_USDT.quarter").venue_symbol == "BTCUSDT_260626"


def test_what_was_of_a_delivered_contract_is_read_by_its_code_until_another_one_has_it_and_by_its_date() -> None:
    info, asked = copy.deepcopy(USD_INFO), []
    row = {**FUTURES_ORDER, "symbol": "BTCUSDT_260327", "status": "FILLED", "time": NOW_MS, "updateTime": NOW_MS}

    def orders(seen: Any) -> list[Any]:
        asked.append(seen.query["symbol"])
        return [row] if seen.query["symbol"] == "BTCUSDT_260327" else []

    answers = {
        "GET /fapi/v1/exchangeInfo": lambda _seen: info, "GET /fapi/v1/allOrders": orders, "GET /fapi/v1/openOrders": [],
        "GET /fapi/v1/order": row, POSITIONS: [],
    }  # fmt: skip
    venue, _, clock = make_futures(answers)
    venue.markets()
    clock.advance((QUARTER_MS - NOW_MS) / 1000 + 1)
    for listed in (info["symbols"], info["symbols"][:1]):  # the list still has it for a while
        info["symbols"] = listed
        clock.advance(61)
        assert [one.Symbol for one in venue.history_orders("BTC_USDT.quarter")] == ["BTC_USDT.quarter"]
        assert venue.orders("BTC_USDT.quarter") == venue.positions("BTC_USDT.quarter") == []
        assert venue.fundings("BTC_USDT.quarter") == []  # which is not asked: the venue knows no such symbol
        assert venue.order("BTCUSDT_260327,77").Symbol == "BTC_USDT.quarter"
        with pytest.raises(errors.UnknownSymbol):  # for orders it has ended
            venue.contract("BTC_USDT.quarter")
    info["symbols"] = [
        usd_symbol("BTCUSDT"),
        usd_symbol("BTCUSDT_260626", kind="CURRENT_QUARTER", delivery_ms=QUARTER_MS * 2),
    ]
    clock.advance(61)
    asked.clear()
    assert venue.history_orders("BTC_USDT.quarter") == []
    assert set(asked) == {"BTCUSDT_260626"}
    assert [one.Symbol for one in venue.history_orders("BTC_USDT.260327")] == ["BTC_USDT.260327"]
    assert venue.fundings("BTC_USDT.260327") == []
    assert venue.order("BTCUSDT_260327,77").Symbol == "BTC_USDT.260327"
    other, _, _ = make_futures(answers)  # a process that never saw it
    assert [one.Symbol for one in other.history_orders("BTC_USDT.260327")] == ["BTC_USDT.260327"]
    with pytest.raises(errors.UnknownSymbol):
        other.history_orders("BTC_USDT.next_quarter")
    assert other.fundings("BTC_USDT.260327") == []
    with pytest.raises(errors.UnknownSymbol):
        other.fundings("BTC_USDT.next_quarter")
    venue.set_base("https://fapi.example")
    assert venue.usd.symbols.gone == {}  # another venue's contracts are others


def test_a_ticker_joins_the_day_and_the_best_prices() -> None:
    day = {
        "symbol": "BTCUSDT", "lastPrice": "60000", "openPrice": "59000", "highPrice": "61000", "lowPrice": "58000", "volume": "123.5",
        "closeTime": NOW_MS,
    }  # fmt: skip
    best = {"symbol": "BTCUSDT", "bidPrice": "59999", "askPrice": "60001", "time": NOW_MS + 5}
    coin_day, coin_best = {**day, "symbol": "BTCUSD_PERP"}, {**best, "symbol": "BTCUSD_PERP"}
    answers = {
        "GET /fapi/v1/ticker/24hr": lambda seen: day if "symbol" in seen.query else [day],
        "GET /fapi/v1/ticker/bookTicker": lambda seen: best if "symbol" in seen.query else [best],
        "GET /dapi/v1/ticker/24hr": [coin_day],
        "GET /dapi/v1/ticker/bookTicker": [coin_best],
    }
    venue, _, _ = make_futures(answers)
    for symbol in ("BTC_USDT.swap", "BTC_USD.swap"):
        ticker = venue.ticker(symbol)
        assert (ticker.Symbol, ticker.Last, ticker.Buy, ticker.Sell, ticker.Volume, ticker.Time) == (
            symbol,
            60000,
            59999,
            60001,
            123.5,
            NOW_MS + 5,
        )
    assert [(one.Symbol, one.Buy) for one in venue.tickers()] == [("BTC_USDT.swap", 59999), ("BTC_USD.swap", 59999)]


@pytest.mark.parametrize(("limit", "asked", "levels"), [(1, "5", 1), (7, "10", 7), (None, "100", 8), (5000, "1000", 8)])
def test_a_book_is_asked_in_the_venue_s_steps(limit: int | None, asked: str, levels: int) -> None:
    book = {
        "lastUpdateId": 1,
        "E": NOW_MS,
        "bids": [[str(60000 - n), "1"] for n in range(8)],
        "asks": [[str(60001 + n), "1"] for n in range(8)],
    }
    venue, http, _ = make_futures({"GET /fapi/v1/depth": book})
    depth = venue.depth("BTC_USDT.swap", limit)
    assert http.last("GET /fapi/v1/depth").query["limit"] == asked
    assert (len(depth.Bids), len(depth.Asks)) == (levels, levels)


def test_positions_of_a_symbol_and_of_a_kind() -> None:
    flat = {**POSITION, "symbol": "ETHUSDT", "positionAmt": "0"}
    quarter = {**POSITION, "symbol": "BTCUSDT_260327", "positionSide": "LONG", "positionAmt": "1"}
    venue, http, _ = make_futures({POSITIONS: [POSITION, flat, quarter], COIN_POSITIONS: [COIN_POSITION]})
    (short,) = venue.positions("BTC_USDT.swap")
    assert {name: short[name] for name in short if name != "Info"} == {
        "Symbol": "BTC_USDT.swap", "MarginLevel": 20, "Amount": 0.5, "FrozenAmount": 0.0, "Price": 60000.0, "Profit": -500.0,
        "Type": constants.PD_SHORT, "ContractType": "swap", "Margin": 1525.0,
    }  # fmt: skip
    assert http.last(POSITIONS).query["symbol"] == "BTCUSDT"
    assert [(one.Symbol, one.Type) for one in venue.positions("USDT.futures")] == [
        ("BTC_USDT.quarter", constants.PD_LONG)
    ]
    assert "symbol" not in http.last(POSITIONS).query
    (coin,) = venue.positions("USD.swap")
    assert (coin.Symbol, coin.MarginLevel, coin.Amount, coin.Margin, coin.Type) == (
        "BTC_USD.swap",
        10,
        2,
        0.00274471,
        constants.PD_LONG,
    )
    assert len(venue.positions()) == 3


def test_accounts_of_both_kinds() -> None:
    usd = {"assets": [
        {"asset": "USDT", "availableBalance": "900.5", "initialMargin": "99.5", "marginBalance": "1000", "unrealizedProfit": "-7", "updateTime": 1},
        {"asset": "USDC", "availableBalance": "0", "initialMargin": "0", "marginBalance": "0", "unrealizedProfit": "0"},
    ]}  # fmt: skip
    coin = {
        "assets": [
            {
                "asset": "BTC",
                "availableBalance": "1.5",
                "initialMargin": "0.25",
                "marginBalance": "1.7",
                "unrealizedProfit": "0.1",
            }
        ]
    }
    venue, _, _ = make_futures({"GET /fapi/v3/account": usd, "GET /dapi/v1/account": coin})
    account = venue.account("BTC_USDT.swap")
    assert [account[name] for name in ("Balance", "FrozenBalance", "Stocks", "FrozenStocks", "Equity", "UPnL")] == [
        900.5,
        99.5,
        0,
        0,
        1000,
        -7,
    ]
    account = venue.account("BTC_USD.swap")
    assert [account[name] for name in ("Balance", "FrozenBalance", "Stocks", "FrozenStocks", "Equity", "UPnL")] == [
        0,
        0,
        1.5,
        0.25,
        1.7,
        0.1,
    ]
    assert [(asset.Currency, asset.Amount) for asset in venue.margin_assets("BTC_USDT.swap")] == [("USDT", 900.5)]
    assert [asset.Currency for asset in venue.assets()] == ["USDT", "BTC"]


def test_fundings_with_their_intervals() -> None:
    row = {
        "symbol": "BTCUSDT",
        "markPrice": "1",
        "lastFundingRate": "0.0001",
        "nextFundingTime": NOW_MS + 1000,
        "time": NOW_MS,
    }
    rows = [
        row,
        {**row, "symbol": "ETHUSDT"},
        {**row, "symbol": "BTCUSDT_260327", "lastFundingRate": "", "nextFundingTime": 0},
    ]
    hours = [{"symbol": "ETHUSDT", "fundingIntervalHours": 4}]
    venue, http, clock = make_futures(
        {
            "GET /fapi/v1/premiumIndex": lambda seen: row if "symbol" in seen.query else rows,
            "GET /fapi/v1/fundingInfo": hours,
        }
    )
    found = [(one.Symbol, one.Interval, one.Rate, one.Time) for one in venue.fundings("USDT.swap")]
    assert found == [
        ("BTC_USDT.swap", 28_800_000, 0.0001, NOW_MS + 1000),
        ("ETH_USDT.swap", 14_400_000, 0.0001, NOW_MS + 1000),
    ]
    assert [one.Symbol for one in venue.fundings("BTC_USDT.swap")] == ["BTC_USDT.swap"]
    assert venue.fundings("USDT.futures") == []
    assert http.paths().count("GET /fapi/v1/fundingInfo") == 1
    clock.advance(3601)
    venue.fundings("BTC_USDT.swap")
    assert http.paths().count("GET /fapi/v1/fundingInfo") == 2


def test_funding_payments_of_both_kinds_once_each() -> None:
    row = {
        "symbol": "BTCUSDT",
        "incomeType": "FUNDING_FEE",
        "income": "-0.37",
        "asset": "USDT",
        "time": NOW_MS - 10,
        "tranId": 9,
    }

    def answer(seen: Any) -> list[dict[str, Any]]:
        return [row, {**row, "tranId": 8, "time": NOW_MS - 20}] if seen.query["incomeType"] == "FUNDING_FEE" else [row]

    venue, http, _ = make_futures({"GET /fapi/v1/income": answer})
    found = venue.funding_payments("BTC_USDT.swap")
    assert [(one.Id, one.Symbol, one.Amount, one.Currency) for one in found] == [
        ("8", "BTC_USDT.swap", -0.37, "USDT"), ("9", "BTC_USDT.swap", -0.37, "USDT")
    ]  # fmt: skip
    assert [one.Id for one in venue.funding_payments("USDT.swap", 0, 1)] == ["9"]
    assert http.last("GET /fapi/v1/income").query["incomeType"] == "SPECIAL_FUNDING_FEE"


def test_the_leverage_is_checked_against_the_brackets_and_read_back() -> None:
    brackets = [{"symbol": "BTCUSDT", "brackets": [
        {"bracket": 1, "initialLeverage": 125, "notionalCap": 50000}, {"bracket": 2, "initialLeverage": 50, "notionalCap": 1000000},
    ]}]  # fmt: skip
    held: list[dict[str, Any]] = []
    venue, http, _ = make_futures(
        {
            "GET /fapi/v1/leverageBracket": brackets, POSITIONS: lambda _seen: held,
            "POST /fapi/v1/leverage": {"leverage": 100, "symbol": "BTCUSDT"},
            "GET /fapi/v1/symbolConfig": [{"symbol": "BTCUSDT", "leverage": 100}],
        }
    )  # fmt: skip
    assert venue.set_margin_level("BTC_USDT.swap", 100) == 100
    assert http.last("POST /fapi/v1/leverage").form["leverage"] == "100"
    sent = len(http.seen)
    with pytest.raises(
        errors.InputError,
        match=r"leverage of BTC_USDT.swap is at most 125 by Binance's brackets for it, got 126; nothing was sent",
    ):
        venue.set_margin_level("BTC_USDT.swap", 126)
    held.append({**POSITION, "notional": "-60000"})
    with pytest.raises(errors.InputError, match="at most 50 by Binance's brackets for a position worth 60000, got 51"):
        venue.set_margin_level("BTC_USDT.swap", 51)
    assert not any(seen.method == "POST" for seen in http.seen[sent:])


def test_brackets() -> None:
    brackets = [Bracket(10, 50), Bracket(5, 125)]
    assert [most_leverage(brackets, held) for held in (0, 4.9, 5, 9, 10, 1e9)] == [125, 125, 50, 50, 50, 50]


def test_margin_type_and_position_mode_that_are_set_already_are_fine() -> None:
    answers = {
        "POST /fapi/v1/marginType": reply_of({"code": -4046, "msg": "No need to change margin type."}, 400),
        "POST /fapi/v1/positionSide/dual": reply_of({"code": -4059, "msg": "No need to change position side."}, 400),
        "POST /dapi/v1/marginType": reply_of(
            {"code": -4047, "msg": "Margin type cannot be changed if there exists open orders."}, 400
        ),
    }
    venue, http, _ = make_futures(answers)
    venue.set_cross("BTC_USDT.swap", False)
    assert http.last("POST /fapi/v1/marginType").form["marginType"] == "ISOLATED"
    assert venue.io("dual", True) is True
    assert http.last("POST /fapi/v1/positionSide/dual").form["dualSidePosition"] == "true"
    with pytest.raises(errors.VenueRejected, match="open orders"):
        venue.set_cross("BTC_USD.swap", True)
    for args in (("dual",), ("dual", 1), ("selfTradePreventionMode", 5)):
        with pytest.raises(errors.InputError):
            venue.io(*args)
    with pytest.raises(errors.UnknownName, match="did you mean 'dual'"):
        venue.io("duel", True)


def test_nothing_but_io_changes_the_position_mode() -> None:
    venue, http, _ = make_futures({})
    assert venue.position_mode() == "one_way"
    assert venue.position_mode() == "one_way"
    assert http.paths().count("GET /fapi/v1/positionSide/dual") == 1
    assert not any(seen.method == "POST" for seen in http.seen)


def test_limits_are_learnt_from_the_family_that_lists_all_of_them() -> None:
    venue, _, _ = make_futures({})
    venue.usd.symbols.refresh()
    venue.coin.symbols.refresh()
    assert venue.usd.limits.limit == venue.coin.limits.limit == 2400
    ask = venue.coin.product.place
    counts = [bucket.windows for bucket, _ in venue.coin.limits.counts(ask)]
    assert [window.limit for window in counts[1]] == [1200, 300]
    assert COIN_INFO["rateLimits"] == USD_INFO["rateLimits"][:1]


def test_raw_calls_go_to_the_family_of_their_path() -> None:
    venue, http, _ = make_futures({"GET /dapi/v1/ping": {}, "GET /fapi/v1/ping": {}})
    venue.request("GET", "/dapi/v1/ping")
    venue.request("GET", "/fapi/v1/ping")
    assert http.paths()[-2:] == ["GET /dapi/v1/ping", "GET /fapi/v1/ping"]
    assert venue.places_order("POST", "/dapi/v1/algoOrder")
    assert not venue.places_order("POST", "/fapi/v1/leverage")


def test_the_countdown_that_cancels_all_orders_of_a_symbol() -> None:
    path = "POST /fapi/v1/countdownCancelAll"
    venue, http, _ = make_futures({path: {"symbol": "BTCUSDT", "countdownTime": "100000"}})
    venue.cancel_all_after("BTC_USDT.swap", 100)
    assert {name: http.last(path).form[name] for name in ("symbol", "countdownTime")} == {
        "symbol": "BTCUSDT",
        "countdownTime": "100000",
    }
    venue.cancel_all_after("BTC_USDT.swap", 0)
    assert http.last(path).form["countdownTime"] == "0"
