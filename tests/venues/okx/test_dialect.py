"""OKX spot: what is sent, what is read, and what becomes of refusals."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads import constants, errors
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.exchange.keys.signing import hmac_base64
from fmzthreads.exchange.venue import Venue
from tests.helpers.venue_replies import KEYS, NOW_S, Once, intent, make_okx, reply_of

ORDER = {
    "instType": "SPOT", "instId": "BTC-USDT", "tgtCcy": "", "ordId": "900001", "clOrdId": "cid1", "px": "60000", "sz": "0.5",
    "ordType": "limit", "side": "sell", "posSide": "net", "tdMode": "cash", "accFillSz": "0.2", "fillPx": "59950", "avgPx": "59950",
    "state": "partially_filled", "fee": "-1", "feeCcy": "USDT", "uTime": "1770531546100", "cTime": "1770531546000",
}  # fmt: skip
PLACE = "POST /api/v5/trade/order"
QUERY = "GET /api/v5/trade/order"
CANCEL = "POST /api/v5/trade/cancel-order"


def ok(*items: Any) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": list(items)}


def item(code: str = "0", said: str = "", order_id: str = "900001") -> dict[str, Any]:
    return {"ordId": order_id, "clOrdId": "fzabc", "tag": "", "ts": "1", "sCode": code, "sMsg": said, "subCode": ""}


def refused(code: str, said: str = "no") -> dict[str, Any]:
    return {"code": "1", "msg": "All operations failed", "data": [item(code, said, "")]}


PLACED = ok(item())


def test_it_fills_the_port() -> None:
    venue, _, _ = make_okx({})
    assert isinstance(venue, Venue)
    assert (venue.name, venue.base()) == ("OKX", "https://openapi.okx.com")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"ordType": "limit", "sz": "0.0005", "px": "60000.1", "side": "buy", "tdMode": "cash", "tgtCcy": None}),
        ({"side": "sell", "time_in_force": "IOC"}, {"ordType": "ioc", "side": "sell"}),
        ({"time_in_force": "FOK"}, {"ordType": "fok"}),
        ({"time_in_force": "GTX"}, {"ordType": "post_only", "px": "60000.1"}),
        (
            {"price": None, "amount": Decimal("100")},
            {"ordType": "market", "sz": "100", "tgtCcy": "quote_ccy", "px": None},
        ),
        ({"price": None, "side": "sell"}, {"ordType": "market", "sz": "0.0005", "tgtCcy": "base_ccy", "px": None}),
        ({"client_order_id": ""}, {"clOrdId": None}),
        (
            {"options": {"stpMode": "cancel_maker", "attachAlgoOrds": '[{"tpTriggerPx":"1"}]'}},
            {"stpMode": "cancel_maker", "attachAlgoOrds": [{"tpTriggerPx": "1"}]},
        ),
        ({"options": {"tdMode": "cross"}}, {"tdMode": "cross"}),
    ],
)
def test_what_an_order_sends(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    venue, http, _ = make_okx({PLACE: PLACED})
    assert venue.place(intent(**changes)) == "BTC-USDT,900001"
    seen = http.last(PLACE)
    assert {name: seen.json.get(name) for name in expected} == expected
    assert seen.json["instId"] == "BTC-USDT"
    assert seen.headers["Content-Type"] == "application/json"
    assert not seen.idempotent


@pytest.mark.parametrize(
    ("options", "near"),
    [
        ({"stpmode": "cancel_both"}, "'stpMode'"),
        ({"timeInForce": "ICO"}, "'IOC'"),
        ({"order_type": "ioc"}, "'ordType'"),
    ],
)
def test_an_option_that_there_is_not_is_refused_unsent(options: dict[str, str], near: str) -> None:
    venue, http, _ = make_okx({})
    with pytest.raises(errors.UnknownName, match=near):
        venue.place(intent(options=options))
    assert not any(seen.method == "POST" for seen in http.seen)


def test_an_option_that_begins_like_json_and_is_none() -> None:
    venue, http, _ = make_okx({PLACE: PLACED})
    with pytest.raises(errors.InputError, match="attachAlgoOrds"):
        venue.place(intent(options={"attachAlgoOrds": "[{"}))
    assert PLACE not in http.paths()


def test_the_signature_covers_the_request_line_and_the_body() -> None:
    venue, http, _ = make_okx({PLACE: PLACED, "GET /api/v5/account/balance": ok({"details": []})})
    venue.place(intent())
    venue.account("BTC_USDT")
    for path in (PLACE, "GET /api/v5/account/balance"):
        seen = http.last(path)
        stamp = seen.headers["OK-ACCESS-TIMESTAMP"]
        target = seen.path + ("?" + seen.parts.query if seen.parts.query else "")
        assert seen.headers["OK-ACCESS-SIGN"] == hmac_base64(
            KEYS.secret_key, f"{stamp}{seen.method}{target}{seen.body}"
        )
        assert seen.headers["OK-ACCESS-KEY"] == KEYS.access_key
        assert seen.headers["OK-ACCESS-PASSPHRASE"] == KEYS.passphrase
        assert stamp == "2026-02-08T06:19:06.000Z"
    assert http.last("GET /api/v5/account/balance").parts.query == "ccy=BTC%2CUSDT"


@pytest.mark.parametrize(
    ("method", "resource", "params", "raw", "signature"),
    [
        ("GET", "/api/v5/account/balance", "ccy=BTC", "", "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY="),
        (
            "POST",
            "/api/v5/account/set-leverage",
            "instId=BTC-USDT&lever='5'&mgnMode=isolated",
            "",
            "eCnnCgWLjlQ9XnpUkrcny3qNq3WW/81KNrDr/XR6Xv8=",
        ),
        (
            "POST",
            "/api/v5/account/set-leverage",
            "",
            '{"instId":"BTC-USDT","lever":"5","mgnMode":"isolated"}',
            "eCnnCgWLjlQ9XnpUkrcny3qNq3WW/81KNrDr/XR6Xv8=",
        ),
    ],
)
def test_signatures_that_were_computed_elsewhere(
    method: str, resource: str, params: str, raw: str, signature: str
) -> None:
    keys = Credentials(access_key="k", secret_key="22582BD0CFF14C41EDBF1AB98506286D", passphrase="p")
    venue, http, clock = make_okx({f"{method} {resource}": ok({})}, credentials=keys)
    clock.advance(0)
    start = 1607418537.715 - clock.now()  # 2020-12-08T09:08:57.715Z on the venue's clock
    http.script.answers["GET /api/v5/public/time"] = lambda _seen: ok({"ts": str(round((clock.now() + start) * 1000))})
    venue.request(method, resource, params, raw)
    seen = http.last(f"{method} {resource}")
    assert seen.headers["OK-ACCESS-TIMESTAMP"] == "2020-12-08T09:08:57.715Z"
    assert seen.headers["OK-ACCESS-SIGN"] == signature


@given(
    price=st.decimals(min_value="0.00000001", max_value="10000000", places=8),
    amount=st.decimals(min_value="0.00000001", max_value="90000000000", places=8),
)
def test_numbers_are_sent_as_exact_plain_text(price: Decimal, amount: Decimal) -> None:
    venue, http, _ = make_okx({PLACE: PLACED})
    venue.place(intent(price=price.normalize(), amount=amount.normalize()))
    body = http.last(PLACE).json
    for sent, meant in ((body["px"], price), (body["sz"], amount)):
        assert Decimal(sent) == meant
        assert re.fullmatch(r"[0-9]+(\.[0-9]+)?", sent)


@pytest.mark.parametrize("bad", ["a-b", "x" * 33, ""])
def test_client_order_ids_that_the_venue_refuses_are_not_sent(bad: str) -> None:
    venue, http, _ = make_okx({PLACE: PLACED})
    with pytest.raises(errors.InputError, match="client order ids"):
        venue.place(intent(options={"clOrdId": bad}))
    assert PLACE not in http.paths()


UNKNOWN = [
    errors.TimedOut("the deadline passed"),
    errors.ConnectionLost("gone"),
    reply_of("<html>busy</html>", 502),
    reply_of("<html>gone on</html>", 499),
    reply_of("<html>request time-out</html>", 408),
    reply_of({"code": "50001", "msg": "Service temporarily unavailable."}, 503),
    reply_of({"code": "50004", "msg": "API endpoint request timeout.", "data": []}, 400),
    reply_of({"code": "50026", "msg": "System error. Try again later", "data": []}, 500),
    reply_of({"code": "59999", "msg": "new"}, 500),
    reply_of(refused("51149", "timed out"), 500),
    reply_of('{"code":"0","da', 200),
    reply_of({"data": []}, 200),
    reply_of(ok(), 200),
    reply_of(ok({"sCode": "0", "ordId": ""}), 200),
]


@pytest.mark.parametrize("answer", UNKNOWN, ids=range(len(UNKNOWN)))
def test_an_order_whose_fate_nobody_can_say(answer: Any) -> None:
    venue, http, _ = make_okx({PLACE: answer})
    with pytest.raises(errors.OutcomeUnknown) as caught:
        venue.place(intent())
    assert caught.value.client_order_id == "fzabc"
    assert http.paths().count(PLACE) == 1


KNOWN = [
    (errors.ConnectFailed("refused"), errors.ConnectFailed),
    (reply_of({"code": "50005", "msg": "API endpoint is inactive or unavailable."}, 410), errors.VenueUnavailable),
    (reply_of("<html>forbidden</html>", 403), errors.VenueRejected),
    (refused("51008", "Order failed. Insufficient USDT balance in account"), errors.InsufficientFunds),
    (refused("51016", "Client order ID already exists."), errors.DuplicateOrder),
    (refused("51020", "Your order should meet or exceed the minimum order amount."), errors.InvalidOrder),
    (refused("51001", "Instrument ID doesn't exist."), errors.UnknownSymbol),
    (refused("51000", "Parameter sz error"), errors.VenueRejected),
    (ok(item("51008", "although the envelope says 0", "")), errors.InsufficientFunds),
    (reply_of({"msg": "Invalid Sign", "code": "50113"}, 401), errors.AuthenticationFailed),
    (reply_of({"code": "50102", "msg": "Timestamp request expired.", "data": []}, 401), errors.ClockSkew),
    (reply_of({"msg": "Too Many Requests", "code": "50011"}, 429), errors.RateLimited),
    (reply_of("<html>no</html>", 403), errors.VenueRejected),
    (refused("61234", "something new"), errors.VenueRejected),
]


@pytest.mark.parametrize(("answer", "kind"), KNOWN, ids=range(len(KNOWN)))
def test_an_order_that_was_refused(answer: Any, kind: type[errors.FmzError]) -> None:
    venue, http, _ = make_okx({PLACE: answer})
    with pytest.raises(kind) as caught:
        venue.place(intent())
    assert type(caught.value) is kind
    assert http.paths().count(PLACE) == 1


def test_a_read_with_a_refused_time_stamp_is_made_once_more_on_the_venues_clock() -> None:
    skew = reply_of({"code": "50102", "msg": "Timestamp request expired.", "data": []}, 401)
    times = [Once(ok({"ts": str(int(NOW_S * 1000))})), Once(ok({"ts": str(int((NOW_S + 90) * 1000))}))]
    venue, http, _ = make_okx({QUERY: [Once(skew), Once(ok(ORDER))], "GET /api/v5/public/time": times})
    assert venue.order("BTC-USDT,900001").Id == "BTC-USDT,900001"
    assert http.last(QUERY).headers["OK-ACCESS-TIMESTAMP"] == "2026-02-08T06:20:36.000Z"


def test_an_order_as_it_is_read() -> None:
    venue, http, _ = make_okx({QUERY: ok(ORDER)})
    order = venue.order("BTC-USDT,900001")
    assert http.last(QUERY).query == {"instId": "BTC-USDT", "ordId": "900001"}
    assert dict(order) == {
        "Info": ORDER, "Symbol": "BTC_USDT", "Id": "BTC-USDT,900001", "Time": 1770531546000, "Price": 60000.0, "Amount": 0.5,
        "DealAmount": 0.2, "AvgPrice": 59950.0, "Status": constants.ORDER_STATE_PENDING, "Type": constants.ORDER_TYPE_SELL,
        "Offset": constants.ORDER_OFFSET_OPEN, "ContractType": "", "Condition": None,
    }  # fmt: skip


def test_an_order_without_a_fill_or_a_price() -> None:
    row = {**ORDER, "px": "", "avgPx": "", "accFillSz": "0", "state": "live", "side": "buy"}
    venue, _, _ = make_okx({QUERY: ok(row)})
    order = venue.order("BTC-USDT,900001")
    assert (order.Price, order.AvgPrice, order.DealAmount, order.Type) == (0.0, 0.0, 0.0, constants.ORDER_TYPE_BUY)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("live", constants.ORDER_STATE_PENDING),
        ("filled", constants.ORDER_STATE_CLOSED),
        ("canceled", constants.ORDER_STATE_CANCELED),
        ("mmp_canceled", constants.ORDER_STATE_CANCELED),
        ("something_new", constants.ORDER_STATE_UNKNOWN),
    ],
)
def test_states(state: str, expected: int) -> None:
    venue, _, _ = make_okx({QUERY: ok({**ORDER, "state": state})})
    assert venue.order("BTC-USDT,900001").Status == expected


def test_an_order_by_its_client_id() -> None:
    venue, http, _ = make_okx({QUERY: ok(ORDER)})
    assert venue.order_by_client_id("BTC_USDT", "cid1").Id == "BTC-USDT,900001"
    assert http.last(QUERY).query == {"instId": "BTC-USDT", "clOrdId": "cid1"}
    venue, _, _ = make_okx({QUERY: {"code": "51603", "msg": "Order does not exist", "data": []}})
    with pytest.raises(errors.OrderNotFound) as caught:
        venue.order_by_client_id("BTC_USDT", "cid2")
    assert caught.value.code == "51603"


def test_cancel() -> None:
    venue, http, _ = make_okx({CANCEL: PLACED})
    venue.cancel("BTC-USDT,900001")
    assert http.last(CANCEL).json == {"instId": "BTC-USDT", "ordId": "900001"}
    assert not http.last(CANCEL).idempotent
    for code in ("51400", "51401", "51402", "51503", "51603"):
        venue, _, _ = make_okx({CANCEL: refused(code)})
        with pytest.raises(errors.OrderNotFound):
            venue.cancel("BTC-USDT,900001")
    venue, http, _ = make_okx({CANCEL: errors.TimedOut("slow")})
    with pytest.raises(errors.OutcomeUnknown, match="slow"):
        venue.cancel("BTC-USDT,900001")
    assert http.paths().count(CANCEL) == 1


def pages_of(everything: list[dict[str, Any]]) -> Any:
    """Answers as OKX pages: newest first, ``after`` means older, exclusive."""

    def answer(seen: Any) -> Any:
        found = sorted(everything, key=lambda o: -int(o["ordId"]))
        if "after" in seen.query:
            found = [o for o in found if int(o["ordId"]) < int(seen.query["after"])]
        if "begin" in seen.query:
            found = [o for o in found if int(o["cTime"]) >= int(seen.query["begin"])]
        return ok(*found[: int(seen.query["limit"])])

    return answer


def test_open_orders_of_all_pages() -> None:
    path = "GET /api/v5/trade/orders-pending"
    everything = [{**ORDER, "ordId": str(1000 + n), "cTime": str(5000 + n)} for n in range(250)]
    everything[0] |= {"instId": "ETH-USDT"}
    everything[1] |= {"instId": "XX-USDT"}
    venue, http, _ = make_okx({path: pages_of(everything)})
    found = venue.orders()
    assert [o.Time for o in found] == list(range(5000, 5250))
    assert [o.Symbol for o in found[:3]] == ["ETH_USDT", "XX_USDT", "BTC_USDT"]
    assert http.paths().count(path) == 3
    assert "instId" not in http.last(path).query
    venue.orders("BTC_USDT")
    assert http.last(path).query["instId"] == "BTC-USDT"


def test_history() -> None:
    path, pending = "GET /api/v5/trade/orders-history", "GET /api/v5/trade/orders-pending"
    now_ms = int(NOW_S * 1000)
    everything = [
        {**ORDER, "ordId": str(1000 + n), "cTime": str(now_ms - 300 + n), "state": "filled" if n % 2 else "live"}
        for n in range(300)
    ]
    ended = [o for o in everything if o["state"] == "filled"]
    # The first order that is still open when the open ones are asked for has ended when the ended ones are.
    still_open = [{**everything[1], "state": "live"}, *(o for o in everything if o["state"] == "live")]
    venue, http, _ = make_okx({path: pages_of(ended), pending: pages_of(still_open)})
    assert [o.Time for o in venue.history_orders("BTC_USDT")] == list(range(now_ms - 100, now_ms))
    assert (http.paths().count(path), http.paths().count(pending)) == (1, 2)
    found = venue.history_orders("BTC_USDT", since_ms=now_ms - 250, limit=50)
    assert [o.Time for o in found] == list(range(now_ms - 250, now_ms - 200))
    assert {o.Symbol for o in found} == {"BTC_USDT"}
    assert len(venue.history_orders("BTC_USDT", limit=150)) == 150
    whole = venue.history_orders("BTC_USDT", since_ms=now_ms - 300)
    assert [o.Time for o in whole] == list(range(now_ms - 300, now_ms))
    assert whole[1].Status == constants.ORDER_STATE_CLOSED


def test_history_of_more_than_a_week_comes_from_the_archive() -> None:
    path = "GET /api/v5/trade/orders-history-archive"
    venue, http, _ = make_okx({path: ok(), "GET /api/v5/trade/orders-pending": ok()})
    assert venue.history_orders("BTC_USDT", since_ms=int((NOW_S - 8 * 86400) * 1000)) == []
    assert http.paths().count(path) == 1


def test_bars_beyond_the_recent_ones() -> None:
    last = 3000 * 60_000

    def answer(seen: Any) -> Any:
        older_than = int(seen.query.get("after", last + 1))
        held = 1440 if "history" not in seen.path else 3001
        times = [t for t in range(last, last - held * 60_000, -60_000) if t < older_than]
        return ok(*[[str(t), "1", "2", "0.5", "1.5", "10", "15", "15", "1"] for t in times[: int(seen.query["limit"])]])

    venue, http, _ = make_okx({"GET /api/v5/market/candles": answer, "GET /api/v5/market/history-candles": answer})
    bars = venue.records("BTC_USDT", 60, 2000)
    assert list(bars.Time) == list(range(last - 1999 * 60_000, last + 1, 60_000))
    assert http.paths().count("GET /api/v5/market/candles") == 4
    assert http.paths().count("GET /api/v5/market/history-candles") == 3
    assert len(venue.records("BTC_USDT", 60)) == 300
    assert len(venue.records("BTC_USDT", 60, 5000)) == 3001


def test_trades_of_one_moment_keep_their_order() -> None:
    rows = [{"tradeId": str(n), "px": "1", "sz": "1", "side": "buy", "ts": "5"} for n in (3, 2, 1)]
    venue, _, _ = make_okx({"GET /api/v5/market/trades": ok(*rows)})
    assert [t.Id for t in venue.trades("BTC_USDT")] == ["1", "2", "3"]


def test_days_are_cut_in_utc() -> None:
    venue, http, _ = make_okx({"GET /api/v5/market/candles": ok()})
    venue.records("BTC_USDT", 86400, 1)
    assert http.last("GET /api/v5/market/candles").query["bar"] == "1Dutc"
    with pytest.raises(errors.InputError, match="28800"):
        venue.records("BTC_USDT", 28800)


def test_depth_beyond_400_levels_comes_from_the_full_book() -> None:
    book = ok({"asks": [["2", "1", "1"]], "bids": [["1", "3", "1"]], "ts": "5"})
    venue, http, _ = make_okx({"GET /api/v5/market/books": book, "GET /api/v5/market/books-full": book})
    venue.depth("BTC_USDT")
    assert http.last("GET /api/v5/market/books").query["sz"] == "100"
    deep = venue.depth("BTC_USDT", 9999)
    assert http.last("GET /api/v5/market/books-full").query["sz"] == "5000"
    assert (deep.Asks[0].Price, deep.Bids[0].Amount, deep.Time) == (2.0, 3.0, 5)


def test_account_and_assets() -> None:
    details = [
        {"ccy": "BTC", "availBal": "0.5", "availEq": "", "frozenBal": "0.1", "eq": "0.6"},
        {"ccy": "USDT", "availBal": "1", "availEq": "100", "frozenBal": "0"},
        {"ccy": "OKB", "availBal": "0", "availEq": "", "frozenBal": "0"},
    ]
    venue, _, _ = make_okx({"GET /api/v5/account/balance": ok({"totalEq": "1", "details": details})})
    account = venue.account("BTC_USDT")
    assert (account.Balance, account.FrozenBalance, account.Stocks, account.FrozenStocks) == (100.0, 0.0, 0.5, 0.1)
    assert account.Info.data[0].totalEq == "1"
    assert [(a.Currency, a.Amount, a.FrozenAmount) for a in venue.assets()] == [("BTC", 0.5, 0.1), ("USDT", 100.0, 0.0)]


def test_markets() -> None:
    venue, _, _ = make_okx({})
    markets = venue.markets()
    assert set(markets) == {"BTC_USDT", "ETH_USDT"}  # NEW-USDT is not open yet, and its row has no rules
    btc = markets["BTC_USDT"]
    assert (btc.Symbol, btc.TickSize, btc.AmountSize, btc.PricePrecision, btc.AmountPrecision) == (
        "BTC-USDT",
        0.1,
        1e-8,
        1,
        8,
    )
    assert (btc.MinQty, btc.MaxQty) == (0.00001, 9999999999.0)
    assert "MinNotional" not in btc


def test_tickers() -> None:
    row = {"last": "5", "askPx": "", "bidPx": "4", "vol24h": "", "ts": "9", "open24h": "", "high24h": "", "low24h": ""}
    rows = [{"instId": "BTC-USDT", **row}, {"instId": "ETH-USDT", **row, "last": ""}, {"instId": "XX-YY", **row}]
    venue, _, _ = make_okx({"GET /api/v5/market/tickers": ok(*rows)})
    found = venue.tickers()
    assert [(t.Symbol, t.Sell, t.High, t.Low, t.Open, t.Volume) for t in found] == [
        ("BTC_USDT", 5.0, 5.0, 4.0, 5.0, 0.0),
        ("XX_YY", 5.0, 5.0, 4.0, 5.0, 0.0),  # listed since the list was fetched, or not fetched at all
    ]


def test_unknown_symbols_name_the_nearest() -> None:
    venue, http, _ = make_okx({})
    with pytest.raises(errors.UnknownSymbol, match=r"'BTC-USDT' \(expected a spot pair such as 'BTC_USDT'"):
        venue.ticker("BTC-USDT")
    assert http.paths() == []
    with pytest.raises(errors.UnknownSymbol, match=r"'BTC_USTD'; did you mean 'BTC_USDT'"):
        venue.place(intent(symbol="BTC_USTD"))
    assert http.paths() == ["GET /api/v5/public/instruments"] * 2


def test_missing_keys_are_named() -> None:
    keys = Credentials(access_key="a", secret_key="b")
    venue, http, _ = make_okx({}, credentials=keys)
    for call in (venue.assets, lambda: venue.place(intent()), lambda: venue.request("GET", "/api/v5/account/balance")):
        with pytest.raises(errors.MissingCredentials, match="FMZ_OKX_PASSPHRASE"):
            call()
    assert set(http.paths()) <= {"GET /api/v5/public/instruments"}


def test_demo_trading() -> None:
    venue, http, _ = make_okx({"GET /api/v5/market/trades": ok(), QUERY: ok(ORDER)}, simulated=True)
    venue.trades("BTC_USDT")
    venue.order("BTC-USDT,900001")
    assert all(seen.headers["x-simulated-trading"] == "1" for seen in http.seen)
    assert venue.io("simulate", False) is True
    venue.trades("BTC_USDT")
    assert "x-simulated-trading" not in http.seen[-1].headers


def test_commands_of_its_own() -> None:
    venue, http, _ = make_okx({PLACE: PLACED})
    venue.io("tdMode", "cross")
    venue.place(intent())
    assert http.last(PLACE).json["tdMode"] == "cross"
    with pytest.raises(errors.UnknownName, match="'simulate'"):
        venue.io("simulat", True)
    with pytest.raises(errors.UnknownName, match="'cross'"):
        venue.io("tdMode", "cros")
    with pytest.raises(errors.InputError, match="one bool"):
        venue.io("simulate", "yes")


def test_an_order_has_a_lifetime_on_its_way() -> None:
    venue, http, _ = make_okx({PLACE: PLACED})
    venue.place(intent())
    assert http.last(PLACE).headers["expTime"] == str(int(NOW_S * 1000) + 5000)
    assert venue.settling_s == 6.0
    venue, http, _ = make_okx({PLACE: PLACED, CANCEL: PLACED}, order_lifetime_ms=1500)
    venue.place(intent())
    assert http.last(PLACE).headers["expTime"] == str(int(NOW_S * 1000) + 1500)
    venue.cancel("BTC-USDT,900001")
    assert "expTime" not in http.last(CANCEL).headers
    assert venue.settling_s == 2.5


@pytest.mark.parametrize("bad", [{"trade_mode": "margin"}, {"order_lifetime_ms": 0}])
def test_options_that_are_none(bad: dict[str, Any]) -> None:
    with pytest.raises(errors.InputError):
        make_okx({}, **bad)


def test_raw_calls() -> None:
    batch = {"code": "2", "msg": "", "data": [item(), item("51008", "no", "")]}
    venue, http, _ = make_okx(
        {"GET /api/v5/market/ticker": ok({"last": "1"}), "POST /api/v5/trade/batch-orders": batch}
    )
    assert venue.request("GET", "/api/v5/market/ticker", "instId='BTC-USDT'").data[0].last == "1"
    seen = http.last("GET /api/v5/market/ticker")
    assert seen.query == {"instId": "BTC-USDT"}
    assert "OK-ACCESS-SIGN" not in seen.headers
    # A batch that went through in part is an answer, not a failure.
    assert venue.request("POST", "/api/v5/trade/batch-orders", raw='[{"instId":"BTC-USDT"}]').data[1].sCode == "51008"
    assert http.last("POST /api/v5/trade/batch-orders").body == '[{"instId":"BTC-USDT"}]'


def test_raw_calls_keep_types() -> None:
    path = "POST /api/v5/account/set-leverage"
    venue, http, _ = make_okx({path: ok()})
    venue.request("POST", "/api/v5/account/set-leverage", "lever='5'&count=2&on=true&name=BTC-USDT")
    assert http.last(path).json == {"lever": "5", "count": 2, "on": True, "name": "BTC-USDT"}
    venue, _, _ = make_okx({path: errors.ConnectionLost("gone")})
    with pytest.raises(errors.OutcomeUnknown):
        venue.request("POST", "/api/v5/account/set-leverage", "lever='5'")
