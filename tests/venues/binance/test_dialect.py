"""Binance spot: what is sent, what is read, and what becomes of refusals."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads import constants, errors
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.exchange.keys.signing import hmac_hex
from fmzthreads.exchange.venue import Venue
from tests.helpers.venue_replies import KEYS, NOW_S, Once, intent, make_binance, reply_of

ORDER = {
    "symbol": "BTCUSDT", "orderId": 77, "orderListId": -1, "clientOrderId": "cid1", "price": "60000.00000000",
    "origQty": "0.50000000", "executedQty": "0.20000000", "cummulativeQuoteQty": "11990.00000000", "status": "PARTIALLY_FILLED",
    "timeInForce": "GTC", "type": "LIMIT", "side": "SELL", "stopPrice": "0.00000000", "icebergQty": "0.00000000",
    "time": 1770531546000, "updateTime": 1770531546100, "isWorking": True, "origQuoteOrderQty": "0.00000000",
}  # fmt: skip
PLACE = "POST /api/v3/order"
QUERY = "GET /api/v3/order"


def test_it_fills_the_port() -> None:
    venue, _, _ = make_binance({})
    assert isinstance(venue, Venue)
    assert venue.name == "Binance"
    assert venue.base() == "https://api.binance.com"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.0005", "price": "60000.1", "side": "BUY"}),
        ({"side": "sell", "time_in_force": "IOC"}, {"type": "LIMIT", "timeInForce": "IOC", "side": "SELL"}),
        ({"time_in_force": "FOK"}, {"type": "LIMIT", "timeInForce": "FOK"}),
        ({"time_in_force": "GTX"}, {"type": "LIMIT_MAKER", "timeInForce": None, "price": "60000.1"}),
        (
            {"price": None, "amount": Decimal("100")},
            {"type": "MARKET", "quoteOrderQty": "100", "quantity": None, "price": None, "timeInForce": None},
        ),
        (
            {"price": None, "side": "sell"},
            {"type": "MARKET", "quantity": "0.0005", "quoteOrderQty": None, "timeInForce": None},
        ),
        ({"client_order_id": ""}, {"newClientOrderId": None}),
        ({"options": {"icebergQty": "0.0001"}}, {"icebergQty": "0.0001", "timeInForce": "GTC"}),
        (
            {"options": {"type": "STOP_LOSS", "stopPrice": "59000"}},
            {"type": "STOP_LOSS", "stopPrice": "59000", "price": None, "timeInForce": None},
        ),
        ({"options": {"type": "LIMIT_MAKER"}}, {"type": "LIMIT_MAKER", "timeInForce": None, "price": "60000.1"}),
        ({"options": {"type": "STOP_LOSS_LIMIT", "stopPrice": "1"}}, {"timeInForce": "GTC", "price": "60000.1"}),
        ({"options": {"newClientOrderId": "mine"}}, {"newClientOrderId": "mine"}),
    ],
)
def test_what_an_order_sends(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    own = expected.get("newClientOrderId", "fzabc")
    venue, http, _ = make_binance({PLACE: {"symbol": "BTCUSDT", "orderId": 28, "clientOrderId": own}})
    assert venue.place(intent(**changes)) == "BTCUSDT,28"
    seen = http.last(PLACE)
    assert {name: seen.form.get(name) for name in expected} == expected
    assert seen.form["symbol"] == "BTCUSDT"
    assert not seen.idempotent
    assert seen.query == {}


@pytest.mark.parametrize("name", ["timeinforce", "recvWindow", "timestamp", "symbol", "note"])
def test_an_option_that_there_is_not_is_refused_unsent(name: str) -> None:
    venue, http, _ = make_binance({})
    with pytest.raises(errors.UnknownName, match=name):
        venue.place(intent(options={name: "1"}))
    assert not any(seen.method == "POST" for seen in http.seen)


def test_the_signature_covers_the_bytes_that_travel() -> None:
    venue, http, _ = make_binance({PLACE: {"orderId": 1}, "DELETE /api/v3/order": {"orderId": 1}})
    venue.place(intent(options={"strategyId": "a b&c=ü"}))
    venue.cancel("BTCUSDT,1")
    for path, text in ((PLACE, http.last(PLACE).body), ("", http.last("DELETE /api/v3/order").parts.query)):
        signed, _, signature = text.rpartition("&signature=")
        assert hmac_hex(KEYS.secret_key, signed) == signature, path
    assert "strategyId=a%20b%26c%3D%C3%BC" in http.last(PLACE).body
    assert http.last(PLACE).headers["X-MBX-APIKEY"] == KEYS.access_key


@pytest.mark.parametrize("status", [200, 403, 502])
def test_a_key_that_is_echoed_is_not_shown(status: int) -> None:
    page = f"<html>refused: X-MBX-APIKEY {KEYS.access_key} {KEYS.secret_key}</html>"
    venue, _, _ = make_binance({PLACE: reply_of(page, status), "GET /api/v3/account": reply_of(page, status)})
    for call in (venue.assets, lambda: venue.place(intent())):
        with pytest.raises(errors.FmzError, match="refused") as caught:
            call()
        assert "***" in str(caught.value)
        for error in (caught.value, caught.value.__cause__):
            assert KEYS.access_key not in str(error)
            assert KEYS.secret_key not in str(error)


def test_the_signature_of_the_venues_own_example() -> None:
    # Key, payload and signature as printed in Binance's documents (signed request examples).
    keys = Credentials(access_key="k", secret_key="NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j")
    venue, http, _ = make_binance({PLACE: {"orderId": 1}}, credentials=keys)
    venue.request(
        "POST",
        "/api/v3/order",
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
    )
    assert http.last(PLACE).body.endswith(
        "&timestamp=1499827319559&signature=c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    )


@given(
    price=st.decimals(min_value="0.00000001", max_value="10000000", places=8),
    amount=st.decimals(min_value="0.00000001", max_value="90000000000", places=8),
)
def test_numbers_are_sent_exactly_and_plainly(price: Decimal, amount: Decimal) -> None:
    venue, http, _ = make_binance({PLACE: {"orderId": 1}})
    venue.place(intent(price=price.normalize(), amount=amount.normalize()))
    form = http.last(PLACE).form
    for sent, meant in ((form["price"], price), (form["quantity"], amount)):
        assert Decimal(sent) == meant
        # The venue's own pattern for numbers.
        assert re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,20})?", sent)


@pytest.mark.parametrize("side", ["closebuy", "closesell"])
def test_sides_of_contracts_are_refused_before_anything_is_sent(side: Any) -> None:
    venue, http, _ = make_binance({})
    with pytest.raises(errors.InputError, match="for contracts"):
        venue.place(intent(side=side))
    assert PLACE not in http.paths()


@pytest.mark.parametrize("bad", ["a b", "x" * 37, "ü", ""])
def test_client_order_ids_that_the_venue_refuses_are_not_sent(bad: str) -> None:
    venue, http, _ = make_binance({PLACE: {"orderId": 1}})
    with pytest.raises(errors.InputError, match="client order ids"):
        venue.place(intent(options={"newClientOrderId": bad}))
    assert PLACE not in http.paths()


UNKNOWN = [
    errors.TimedOut("the deadline passed"),
    errors.ConnectionLost("gone"),
    reply_of("<html>busy</html>", 502),
    reply_of("<html>request time-out</html>", 408),
    reply_of({"code": -1007, "msg": "Timeout waiting for response from backend server."}, 504),
    reply_of({"code": -1006, "msg": "An unexpected response was received from the message bus."}, 400),
    reply_of({"code": -1000, "msg": "An unknown error occurred while processing the request."}, 400),
    reply_of('{"symbol":"BTCUSDT","orde', 200),
    reply_of({"symbol": "BTCUSDT"}, 200),
    reply_of([], 200),
    reply_of("", 302),
]


@pytest.mark.parametrize("answer", UNKNOWN, ids=range(len(UNKNOWN)))
def test_an_order_whose_fate_nobody_can_say(answer: Any) -> None:
    venue, http, _ = make_binance({PLACE: answer})
    with pytest.raises(errors.OutcomeUnknown) as caught:
        venue.place(intent())
    assert caught.value.client_order_id == "fzabc"
    assert caught.value.__cause__ is not None
    assert http.paths().count(PLACE) == 1


KNOWN = [
    (errors.ConnectFailed("refused"), errors.ConnectFailed),
    (errors.StopRequested("stop"), errors.StopRequested),
    (reply_of({"code": -1008, "msg": "Server is currently overloaded with other requests."}, 503), errors.VenueUnavailable),
    (reply_of({"code": -2010, "msg": "Account has insufficient balance for requested action."}, 400), errors.InsufficientFunds),
    (reply_of({"code": -2010, "msg": "Order would immediately match and take."}, 400), errors.WouldTake),
    (reply_of({"code": -2010, "msg": "Duplicate order sent."}, 400), errors.DuplicateOrder),
    (reply_of({"code": -2010, "msg": "This action is disabled on this account."}, 400), errors.AuthenticationFailed),
    (reply_of({"code": -1013, "msg": "Filter failure: NOTIONAL"}, 400), errors.InvalidOrder),
    (reply_of({"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, 400), errors.ClockSkew),
    (reply_of({"code": -1015, "msg": "Too many new orders; current limit is 100 orders per 10 SECOND."}, 429), errors.RateLimited),
    (reply_of("<html>forbidden</html>", 403), errors.VenueRejected),
    (reply_of({"code": -9999, "msg": "something new"}, 400), errors.VenueRejected),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "kind"), KNOWN, ids=range(len(KNOWN)))
def test_an_order_that_was_refused(answer: Any, kind: type[errors.FmzError]) -> None:
    venue, http, _ = make_binance({PLACE: answer})
    with pytest.raises(kind) as caught:
        venue.place(intent())
    assert type(caught.value) is kind
    assert http.paths().count(PLACE) == 1


def test_a_preparation_that_fails_is_not_an_unknown_order() -> None:
    venue, http, _ = make_binance({"GET /api/v3/time": errors.TimedOut("slow")})
    with pytest.raises(errors.TimedOut):
        venue.place(intent())
    assert PLACE not in http.paths()


def test_a_refused_time_stamp_of_an_order_is_measured_but_the_order_not_repeated() -> None:
    skew = reply_of({"code": -1021, "msg": "Timestamp"}, 400)
    times = [Once({"serverTime": int(NOW_S * 1000)}), Once({"serverTime": int((NOW_S + 7) * 1000)})]
    venue, http, _ = make_binance({PLACE: [Once(skew), Once({"orderId": 5})], "GET /api/v3/time": times})
    with pytest.raises(errors.ClockSkew):
        venue.place(intent())
    assert http.paths().count(PLACE) == 1
    assert venue.place(intent()) == "BTCUSDT,5"
    assert int(http.last(PLACE).form["timestamp"]) == int((NOW_S + 7) * 1000)
    assert http.paths().count("GET /api/v3/time") == 2


def test_a_skew_whose_measurement_fails_is_still_a_skew() -> None:
    skew = reply_of({"code": -1021, "msg": "Timestamp"}, 400)
    venue, _, _ = make_binance(
        {PLACE: skew, "GET /api/v3/time": [Once({"serverTime": int(NOW_S * 1000)}), Once(errors.TimedOut("slow"))]}
    )
    with pytest.raises(errors.ClockSkew):
        venue.place(intent())


def test_a_read_with_a_refused_time_stamp_is_made_once_more_on_the_venues_clock() -> None:
    def order(seen: Any) -> Any:
        late = int(seen.query["timestamp"]) - (NOW_S + 12) * 1000
        return ORDER if abs(late) < 1000 else reply_of({"code": -1021, "msg": "Timestamp"}, 400)

    times = [Once({"serverTime": int(NOW_S * 1000)}), Once({"serverTime": int((NOW_S + 12) * 1000)})]
    venue, http, _ = make_binance({QUERY: order, "GET /api/v3/time": times})
    assert venue.order("BTCUSDT,77").Id == "BTCUSDT,77"
    assert http.paths().count(QUERY) == 2


def test_a_read_with_a_time_stamp_refused_twice_gives_up() -> None:
    venue, http, _ = make_binance({QUERY: reply_of({"code": -1021, "msg": "Timestamp"}, 400)})
    with pytest.raises(errors.ClockSkew):
        venue.order("BTCUSDT,77")
    assert http.paths().count(QUERY) == 2


def test_the_venues_clock_is_used_from_the_first_signed_call() -> None:
    venue, http, clock = make_binance(
        {QUERY: ORDER, "GET /api/v3/time": lambda _seen: {"serverTime": int((clock.now() - 3600) * 1000)}}
    )
    venue.order("BTCUSDT,77")
    assert int(http.last(QUERY).query["timestamp"]) == int((NOW_S - 3600) * 1000)
    assert http.paths().count("GET /api/v3/time") == 1


def test_an_order_as_it_is_read() -> None:
    venue, http, _ = make_binance({QUERY: ORDER})
    order = venue.order("BTCUSDT,77")
    assert http.last(QUERY).query["orderId"] == "77"
    assert dict(order) == {
        "Info": ORDER, "Symbol": "BTC_USDT", "Id": "BTCUSDT,77", "Time": 1770531546000, "Price": 60000.0, "Amount": 0.5,
        "DealAmount": 0.2, "AvgPrice": 59950.0, "Status": constants.ORDER_STATE_PENDING, "Type": constants.ORDER_TYPE_SELL,
        "Offset": constants.ORDER_OFFSET_OPEN, "ContractType": "", "Condition": None,
    }  # fmt: skip
    assert order.Info.isWorking is True


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("NEW", constants.ORDER_STATE_PENDING),
        ("PENDING_NEW", constants.ORDER_STATE_PENDING),
        ("FILLED", constants.ORDER_STATE_CLOSED),
        ("CANCELED", constants.ORDER_STATE_CANCELED),
        ("EXPIRED", constants.ORDER_STATE_CANCELED),
        ("EXPIRED_IN_MATCH", constants.ORDER_STATE_CANCELED),
        ("REJECTED", constants.ORDER_STATE_CANCELED),
        ("SOMETHING_NEW", constants.ORDER_STATE_UNKNOWN),
    ],
)
def test_states(status: str, state: int) -> None:
    venue, _, _ = make_binance({QUERY: {**ORDER, "status": status}})
    assert venue.order("BTCUSDT,77").Status == state


def test_a_value_that_the_venue_no_longer_knows_is_not_an_average() -> None:
    venue, _, _ = make_binance({QUERY: {**ORDER, "cummulativeQuoteQty": "-1.00000000"}})
    assert venue.order("BTCUSDT,77").AvgPrice == 0


def test_a_market_buy_that_has_not_been_filled_shows_what_it_may_spend() -> None:
    row = {
        **ORDER,
        "type": "MARKET",
        "side": "BUY",
        "origQty": "0.00000000",
        "executedQty": "0.00000000",
        "origQuoteOrderQty": "25.50000000",
    }
    venue, _, _ = make_binance({QUERY: row})
    assert venue.order("BTCUSDT,77").Amount == 25.5


def test_an_order_by_its_client_id() -> None:
    venue, http, _ = make_binance({QUERY: ORDER})
    assert venue.order_by_client_id("BTC_USDT", "cid1").Id == "BTCUSDT,77"
    assert http.last(QUERY).query["origClientOrderId"] == "cid1"
    venue, _, _ = make_binance({QUERY: reply_of({"code": -2013, "msg": "Order does not exist."}, 400)})
    with pytest.raises(errors.OrderNotFound) as caught:
        venue.order_by_client_id("BTC_USDT", "cid2")
    assert (caught.value.code, caught.value.status) == ("-2013", 400)
    assert caught.value.request == "GET https://api.binance.com/api/v3/order"


def test_cancel() -> None:
    path = "DELETE /api/v3/order"
    venue, http, _ = make_binance({path: {"symbol": "BTCUSDT", "orderId": 77, "status": "CANCELED"}})
    venue.cancel("BTCUSDT,77")
    assert (http.last(path).query["symbol"], http.last(path).query["orderId"]) == ("BTCUSDT", "77")
    assert not http.last(path).idempotent
    venue, http, _ = make_binance({path: {"orderListId": 4, "orders": [{"orderId": 77}, {"orderId": 78}]}})
    venue.cancel("BTCUSDT,77")
    venue, http, _ = make_binance({path: reply_of({"code": -2011, "msg": "Unknown order sent."}, 400)})
    with pytest.raises(errors.OrderNotFound):
        venue.cancel("BTCUSDT,77")
    venue, http, _ = make_binance({path: errors.ConnectionLost("gone")})
    with pytest.raises(errors.OutcomeUnknown, match="gone"):
        venue.cancel("BTCUSDT,77")
    assert http.paths().count(path) == 1


@pytest.mark.parametrize("bad", ["", "77", "BTCUSDT,", ",77", "BTCUSDT,7 7", "BTCUSDT,&x=1"])
def test_ids_of_another_form_are_refused_before_anything_is_sent(bad: str) -> None:
    venue, http, _ = make_binance({})
    for call in (venue.cancel, venue.order):
        with pytest.raises(errors.InputError, match="form"):
            call(bad)
    assert http.seen == []


def test_open_orders() -> None:
    path = "GET /api/v3/openOrders"
    other = {**ORDER, "symbol": "ETHUSDT", "orderId": 5, "time": 1}
    fresh = {**ORDER, "symbol": "NEWUSDT", "orderId": 6, "time": 2}
    venue, http, _ = make_binance({path: [ORDER, other, fresh]})
    found = venue.orders()
    assert [(o.Id, o.Symbol) for o in found] == [
        ("ETHUSDT,5", "ETH_USDT"),
        ("NEWUSDT,6", "NEWUSDT"),
        ("BTCUSDT,77", "BTC_USDT"),
    ]
    assert "symbol" not in http.last(path).query
    venue, http, _ = make_binance({path: [ORDER]})
    assert [o.Symbol for o in venue.orders("BTC_USDT")] == ["BTC_USDT"]
    assert http.last(path).query["symbol"] == "BTCUSDT"


def test_history_from_a_moment_on_goes_page_by_page() -> None:
    path = "GET /api/v3/allOrders"
    everything = [{**ORDER, "orderId": 1000 + n, "time": 5000 + n} for n in range(2300)]

    def answer(seen: Any) -> Any:
        low = int(seen.query.get("orderId", 0))
        start = int(seen.query.get("startTime", 0))
        return [o for o in everything if o["orderId"] >= low and o["time"] >= start][: int(seen.query["limit"])]

    venue, http, _ = make_binance({path: answer})
    found = venue.history_orders("BTC_USDT", since_ms=5100, limit=1500)
    assert [o.Time for o in found] == list(range(5100, 6600))
    assert http.paths().count(path) == 2
    venue, http, _ = make_binance({path: answer})
    assert len(venue.history_orders("BTC_USDT", since_ms=5100)) == 500
    assert http.paths().count(path) == 1
    with pytest.raises(errors.InputError):
        venue.history_orders("BTC_USDT", since_ms=-1)


def test_bars_beyond_one_request() -> None:
    path = "GET /api/v3/klines"

    def answer(seen: Any) -> Any:
        end = int(seen.query.get("endTime", 2500 * 60_000))
        count = int(seen.query["limit"])
        opened = [t for t in range(0, 2501 * 60_000, 60_000) if t <= end][-count:]
        return [[t, "1", "2", "0.5", "1.5", "10", t + 59_999, "15", 3, "5", "7", "0"] for t in opened]

    venue, http, _ = make_binance({path: answer})
    bars = venue.records("BTC_USDT", 60, 2200)
    assert list(bars.Time) == list(range(301 * 60_000, 2501 * 60_000, 60_000))
    assert http.paths().count(path) == 3
    assert len(venue.records("BTC_USDT", 60, 9000)) == 2501
    assert len(venue.records("BTC_USDT", 60)) == 1000
    with pytest.raises(errors.InputError, match="expected one of 1, 60, 180"):
        venue.records("BTC_USDT", 61)


@pytest.mark.parametrize(
    ("limit", "sent", "weight"),
    [(None, "100", 5), (20, "20", 5), (101, "101", 25), (1000, "1000", 50), (9999, "5000", 250)],
)
def test_depth_limits_and_their_weight(limit: int | None, sent: str, weight: int) -> None:
    weights: list[int] = []
    venue, http, clock = make_binance({"GET /api/v3/depth": {"lastUpdateId": 1, "bids": [], "asks": []}})
    venue.markets()
    http.before = lambda _seen: weights.append(venue.limits.used(clock.now()) - before)
    before = venue.limits.used(clock.now())
    book = venue.depth("BTC_USDT", limit)
    assert http.last("GET /api/v3/depth").query["limit"] == sent
    assert weights == [weight]
    assert book.Time == int(clock.now() * 1000)


@pytest.mark.parametrize("bad", [0, -1, True, 1.5, "5"])
def test_limits_that_are_none(bad: Any) -> None:
    venue, http, _ = make_binance({})
    with pytest.raises(errors.InputError, match="limit"):
        venue.depth("BTC_USDT", bad)
    assert "GET /api/v3/depth" not in http.paths()


def test_account_and_assets() -> None:
    balances = [
        {"asset": "BTC", "free": "0.50000000", "locked": "0.10000000"},
        {"asset": "USDT", "free": "100.00000000", "locked": "0.00000000"},
        {"asset": "BNB", "free": "0.00000000", "locked": "0.00000000"},
    ]
    reply = {"makerCommission": 10, "balances": balances, "uid": 3}
    venue, http, _ = make_binance({"GET /api/v3/account": reply})
    account = venue.account("BTC_USDT")
    assert (account.Balance, account.FrozenBalance, account.Stocks, account.FrozenStocks) == (100.0, 0.0, 0.5, 0.1)
    assert account.Info.uid == 3
    assert http.last("GET /api/v3/account").query["omitZeroBalances"] == "true"
    empty = venue.account("ETH_USDT")
    assert (empty.Stocks, empty.FrozenStocks) == (0.0, 0.0)
    assert [(a.Currency, a.Amount, a.FrozenAmount) for a in venue.assets()] == [("BTC", 0.5, 0.1), ("USDT", 100.0, 0.0)]


def test_markets() -> None:
    venue, _, _ = make_binance({})
    markets = venue.markets()
    assert set(markets) == {"BTC_USDT", "ETH_USDT"}  # OLDUSDT is in BREAK
    btc = markets["BTC_USDT"]
    assert (btc.Symbol, btc.BaseAsset, btc.QuoteAsset) == ("BTCUSDT", "BTC", "USDT")
    assert (btc.TickSize, btc.AmountSize, btc.PricePrecision, btc.AmountPrecision) == (0.01, 0.00001, 2, 5)
    assert (btc.MinQty, btc.MaxQty, btc.MinNotional, btc.MaxNotional) == (0.00001, 9000.0, 5.0, 9000000.0)
    assert "CtVal" not in btc


def test_tickers_leave_out_what_is_not_listed() -> None:
    row = {"lastPrice": "5", "askPrice": "6", "bidPrice": "4", "volume": "1", "closeTime": 9}
    venue, _, _ = make_binance(
        {"GET /api/v3/ticker/24hr": [{"symbol": s, **row} for s in ("BTCUSDT", "OLDUSDT", "NOBODY")]}
    )
    found = venue.tickers()
    assert [t.Symbol for t in found] == ["BTC_USDT"]
    # FMZ's rule for missing 24 h values.
    assert (found[0].High, found[0].Low, found[0].Open) == (6.0, 4.0, 5.0)


def test_unknown_symbols_name_the_nearest() -> None:
    path = "GET /api/v3/ticker/24hr"
    venue, http, _ = make_binance({path: reply_of({"code": -1121, "msg": "Invalid symbol."}, 400)})
    for _ in range(3):
        with pytest.raises(errors.UnknownSymbol, match=r"'BTX_USDT'; did you mean 'BTC_USDT'"):
            venue.ticker("BTX_USDT")
    with pytest.raises(errors.UnknownSymbol, match=r"BTXUSDT"):
        venue.order("BTXUSDT,1")
    assert http.paths() == [path, "GET /api/v3/exchangeInfo"]  # the list names the nearest, and answers the rest


def test_missing_keys_are_named() -> None:
    venue, http, _ = make_binance({}, credentials=Credentials())
    for call in (venue.assets, lambda: venue.place(intent()), lambda: venue.request("GET", "/api/v3/account")):
        with pytest.raises(errors.MissingCredentials, match="FMZ_BINANCE_ACCESS_KEY"):
            call()
    assert set(http.paths()) <= {"GET /api/v3/exchangeInfo"}


def test_what_futures_have_is_not_supported_here() -> None:
    venue, _, _ = make_binance({})
    for call in (venue.positions, venue.fundings):
        with pytest.raises(errors.NotSupported, match="Binance"):
            call()


@pytest.mark.parametrize(
    ("resource", "signed"),
    [
        ("/api/v3/ticker/price", False),
        ("api/v3/depth", False),
        ("/api/v3/account", True),
        ("/api/v3/rateLimit/order", True),
        ("/sapi/v1/capital/config/getall", True),
        ("https://api1.binance.com/api/v3/klines", False),
        ("https://api1.binance.com/api/v3/openOrders", True),
    ],
)
def test_raw_calls_are_signed_where_they_must_be(resource: str, signed: bool) -> None:
    path = "/" + resource.split("/", 3)[3] if "://" in resource else "/" + resource.lstrip("/")
    venue, http, _ = make_binance({f"GET {path}": {"a": {"b": 1}}})
    assert venue.request("get", resource, "symbol=BTCUSDT&limit='5'").a.b == 1
    seen = http.last(f"GET {path}")
    assert ("signature" in seen.query, "X-MBX-APIKEY" in seen.headers) == (signed, signed)
    assert (seen.query["symbol"], seen.query["limit"]) == ("BTCUSDT", "5")
    assert seen.request.url.startswith("https://api1.binance.com/" if "://" in resource else "https://api.binance.com/")
    assert seen.idempotent


def test_raw_bodies_and_other_methods() -> None:
    venue, http, _ = make_binance({PLACE: {"ok": True}})
    venue.request("POST", "/api/v3/order", "symbol=BTCUSDT", raw="side=BUY")
    seen = http.last(PLACE)
    query, _, signature = seen.parts.query.rpartition("&signature=")
    assert hmac_hex(KEYS.secret_key, query + "side=BUY") == signature
    assert seen.body == "side=BUY"
    assert not seen.idempotent
    with pytest.raises(errors.InputError, match="'FETCH'"):
        venue.request("FETCH", "/api/v3/order")
    venue, _, _ = make_binance({PLACE: errors.TimedOut("slow")})
    with pytest.raises(errors.OutcomeUnknown) as caught:
        venue.request("POST", "/api/v3/order", "newClientOrderId=abc")
    assert caught.value.client_order_id == "abc"


def test_a_negative_code_in_a_good_reply_is_a_refusal() -> None:
    venue, _, _ = make_binance({"GET /api/v3/ticker/24hr": {"code": -1121, "msg": "Invalid symbol."}})
    with pytest.raises(errors.UnknownSymbol):
        venue.ticker("BTC_USDT")


def test_commands_of_its_own() -> None:
    venue, http, _ = make_binance({PLACE: {"orderId": 1}})
    venue.place(intent())
    assert "selfTradePreventionMode" not in http.last(PLACE).form
    assert venue.io("selfTradePreventionMode", "EXPIRE_BOTH") is True
    venue.place(intent())
    assert http.last(PLACE).form["selfTradePreventionMode"] == "EXPIRE_BOTH"
    with pytest.raises(errors.UnknownName, match="'EXPIRE_MAKER'"):
        venue.io("selfTradePreventionMode", "EXPIRE_MAKERS")
    with pytest.raises(errors.UnknownName, match="'simulate'"):
        venue.io("simulate", True)
    with pytest.raises(errors.InputError):
        venue.io("selfTradePreventionMode")


def test_no_error_holds_a_secret() -> None:
    venue, _, _ = make_binance(
        {QUERY: reply_of({"code": -1022, "msg": "Signature for this request is not valid."}, 400)}
    )
    with pytest.raises(errors.AuthenticationFailed) as caught:
        venue.order("BTCUSDT,77")
    shown = f"{caught.value!r} {caught.value} {caught.value.request} {venue!r}"
    assert KEYS.secret_key not in shown
    assert KEYS.access_key not in shown
    assert "signature=" not in shown
