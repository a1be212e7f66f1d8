"""Orders of Binance's futures: what is sent in both modes and families, and what is read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fmzthreads import constants, errors
from fmzthreads.exchange.contracts.intents import ModifyIntent
from fmzthreads.exchange.venue import Venue
from fmzthreads.venues.binance.futures.venue import FuturesBinance
from tests.helpers.futures_replies import FUTURES_ORDER, NOW_MS, futures_intent, make_futures
from tests.helpers.venue_replies import reply_of

PLACE, COIN_PLACE = "POST /fapi/v1/order", "POST /dapi/v1/order"
QUERY = "GET /fapi/v1/order"
HEDGE = {"GET /fapi/v1/positionSide/dual": {"dualSidePosition": True}}
COIN = {"symbol": "BTC_USD.swap", "amount": Decimal(3)}


def _placed(name: str = "BTCUSDT") -> dict[str, Any]:
    return {"symbol": name, "orderId": 28, "clientOrderId": "fzabc"}


@pytest.mark.parametrize(
    ("base", "usd", "coin"),
    [
        ("", "https://fapi.binance.com", "https://dapi.binance.com"),
        ("https://demo-fapi.binance.com", "https://demo-fapi.binance.com", "https://demo-dapi.binance.com"),
        ("https://testnet.binancefuture.com", "https://testnet.binancefuture.com", "https://testnet.binancefuture.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_it_fills_the_port_and_one_base_gives_both(base: str, usd: str, coin: str) -> None:
    venue = FuturesBinance(base=base)
    assert isinstance(venue, Venue)
    assert (venue.name, venue.base(), venue.coin.base()) == ("Futures_Binance", usd, coin)
    assert venue.usd.channel.limiter is venue.coin.channel.limiter  # both families share one limit
    venue.set_base("https://demo-fapi.binance.com")
    assert venue.coin.base() == "https://demo-dapi.binance.com"
    assert venue.usd.channel.limiter is venue.coin.channel.limiter


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {},
            {
                "side": "BUY",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": "0.01",
                "price": "60000.1",
                "reduceOnly": None,
            },
        ),
        (
            {"side": "sell", "price": None},
            {"side": "SELL", "type": "MARKET", "price": None, "timeInForce": None, "quantity": "0.01"},
        ),
        ({"side": "closebuy"}, {"side": "SELL", "reduceOnly": "true", "positionSide": None}),
        ({"side": "closesell"}, {"side": "BUY", "reduceOnly": "true", "positionSide": None}),
        ({"time_in_force": "GTX"}, {"type": "LIMIT", "timeInForce": "GTX"}),
        ({"options": {"priceMatch": "QUEUE_5"}}, {"priceMatch": "QUEUE_5", "price": None}),
        (
            {"options": {"selfTradePreventionMode": "NONE"}},
            {"selfTradePreventionMode": "NONE", "newOrderRespType": "ACK"},
        ),
    ],
)
def test_what_an_order_sends_in_one_way_mode(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    venue, http, _ = make_futures({PLACE: _placed()})
    assert venue.place(futures_intent(**changes)) == "BTCUSDT,28"
    seen = http.last(PLACE)
    assert {name: seen.form.get(name) for name in expected} == expected
    assert seen.form["newClientOrderId"] == "fzabc"
    assert not seen.idempotent


@pytest.mark.parametrize(
    ("side", "sent", "position"),
    [("buy", "BUY", "LONG"), ("sell", "SELL", "SHORT"), ("closebuy", "SELL", "LONG"), ("closesell", "BUY", "SHORT")],
)
def test_in_hedge_mode_the_position_side_says_what_is_meant(side: str, sent: str, position: str) -> None:
    venue, http, _ = make_futures({**HEDGE, PLACE: _placed(), COIN_PLACE: _placed("BTCUSD_PERP")})
    venue.place(futures_intent(side=side))
    venue.place(futures_intent(side=side, **COIN))
    for path in (PLACE, COIN_PLACE):
        form = http.last(path).form
        assert (form["side"], form["positionSide"], form.get("reduceOnly")) == (sent, position, None)
    assert http.paths().count("GET /fapi/v1/positionSide/dual") == 1  # read once, for both families


def test_a_coin_margined_order_counts_contracts() -> None:
    venue, http, _ = make_futures({COIN_PLACE: _placed("BTCUSD_PERP")})
    assert venue.place(futures_intent(**COIN)) == "BTCUSD_PERP,28"
    assert http.last(COIN_PLACE).form["quantity"] == "3"


@pytest.mark.parametrize("option", ["reduceOnly", "positionSide"])
def test_a_closing_order_cannot_be_made_an_opening_one(option: str) -> None:
    venue, http, _ = make_futures({})
    with pytest.raises(errors.InputError, match="closebuy sets positionSide and reduceOnly itself; nothing was sent"):
        venue.place(futures_intent(side="closebuy", options={option: "false"}))
    with pytest.raises(errors.UnknownName, match="stopPrise"):
        venue.place(futures_intent(options={"stopPrise": "1"}))
    assert PLACE not in http.paths()


def test_a_mode_that_was_changed_outside_is_read_again_after_the_refusal() -> None:
    refused = reply_of({"code": -4061, "msg": "Order's position side does not match user's setting."}, 400)
    replies, modes = iter([refused, _placed()]), iter([False, True])
    answers = {
        PLACE: lambda _seen: next(replies),
        "GET /fapi/v1/positionSide/dual": lambda _seen: {"dualSidePosition": next(modes)},
    }
    venue, http, _ = make_futures(answers)
    with pytest.raises(errors.InvalidOrder, match=r"position mode was changed outside, and is read again"):
        venue.place(futures_intent())
    venue.place(futures_intent())
    assert http.last(PLACE).form["positionSide"] == "LONG"


def test_an_order_is_read_with_its_average_price_and_its_contract() -> None:
    venue, _, _ = make_futures({QUERY: FUTURES_ORDER})
    order = venue.order("BTCUSDT,77")
    assert {name: order[name] for name in order if name != "Info"} == {
        "Symbol": "BTC_USDT.swap", "Id": "BTCUSDT,77", "Time": NOW_MS - 1000, "Price": 60000.1, "Amount": 0.01, "DealAmount": 0.005,
        "AvgPrice": 59990.5, "Status": constants.ORDER_STATE_PENDING, "Type": constants.ORDER_TYPE_BUY,
        "Offset": constants.ORDER_OFFSET_OPEN, "ContractType": "swap", "Condition": None,
    }  # fmt: skip
    assert order.MadeBy == ""
    assert venue.client_id_of(order) == "fzabc"


@pytest.mark.parametrize(
    ("changes", "offset"),
    [
        ({"reduceOnly": True, "side": "SELL"}, constants.ORDER_OFFSET_CLOSE),
        ({"positionSide": "LONG", "side": "SELL"}, constants.ORDER_OFFSET_CLOSE),
        ({"positionSide": "LONG", "side": "BUY"}, constants.ORDER_OFFSET_OPEN),
        ({"positionSide": "SHORT", "side": "BUY"}, constants.ORDER_OFFSET_CLOSE),
        ({"positionSide": "SHORT", "side": "SELL"}, constants.ORDER_OFFSET_OPEN),
        ({"closePosition": True}, constants.ORDER_OFFSET_CLOSE),
    ],
)
def test_the_offset_of_an_order(changes: dict[str, Any], offset: int) -> None:
    venue, _, _ = make_futures({QUERY: {**FUTURES_ORDER, **changes}})
    assert venue.order("BTCUSDT,77").Offset == offset


@pytest.mark.parametrize(
    ("client_id", "why"),
    [
        ("autoclose-1596542005017000006", "liquidation"), ("adl_autoclose", "adl"), ("settlement_autoclose-1", "settlement"),
        ("delivery_autoclose-1", "delivery"), ("delivery-1", "delivery"), ("my-autoclose-1", ""),
    ],
)  # fmt: skip
def test_orders_that_the_venue_makes_have_a_flag(client_id: str, why: str) -> None:
    venue, _, _ = make_futures({"GET /fapi/v1/openOrders": [{**FUTURES_ORDER, "clientOrderId": client_id}]})
    (order,) = venue.orders("BTC_USDT.swap")
    assert order.MadeBy == why
    assert ("MadeBy" in order) is bool(why)


def test_open_orders_of_a_kind_are_filtered_and_weigh_more() -> None:
    rows = [
        FUTURES_ORDER,
        {**FUTURES_ORDER, "symbol": "BTCUSDT_260327", "orderId": 78},
        {**FUTURES_ORDER, "symbol": "ETHUSDT", "orderId": 79},
    ]
    venue, http, _ = make_futures({"GET /fapi/v1/openOrders": rows, "GET /dapi/v1/openOrders": []})
    assert [order.Symbol for order in venue.orders("USDT.swap")] == ["BTC_USDT.swap", "ETH_USDT.swap"]
    assert [order.Symbol for order in venue.orders("USDT.futures")] == ["BTC_USDT.quarter"]
    assert venue.orders("USD.swap") == []
    assert len(venue.orders()) == 3
    assert all("symbol" not in seen.query for seen in http.seen if seen.path.endswith("openOrders"))


def test_a_change_sends_price_and_amount_both() -> None:
    venue, http, _ = make_futures({QUERY: FUTURES_ORDER, "PUT /fapi/v1/order": {"orderId": 77, "symbol": "BTCUSDT"}})
    change = ModifyIntent(
        order_id="BTCUSDT,77",
        symbol="BTC_USDT.swap",
        side="buy",
        price=Decimal("59000"),
        amount=None,
        client_order_id="c",
    )
    assert venue.modify(change) == "BTCUSDT,77"
    sent = http.last("PUT /fapi/v1/order").form
    assert {name: sent[name] for name in ("symbol", "orderId", "side", "quantity", "price")} == {
        "symbol": "BTCUSDT", "orderId": "77", "side": "BUY", "quantity": "0.01", "price": "59000"
    }  # fmt: skip


def test_a_change_of_an_ended_order_is_not_sent() -> None:
    venue, http, _ = make_futures({QUERY: {**FUTURES_ORDER, "status": "FILLED"}})
    change = ModifyIntent(
        order_id="BTCUSDT,77", symbol="BTC_USDT.swap", side="buy", price=None, amount=Decimal("1"), client_order_id="c"
    )
    with pytest.raises(errors.OrderNotFound, match="has ended; nothing was sent"):
        venue.modify(change)
    assert "PUT /fapi/v1/order" not in http.paths()


@pytest.mark.parametrize("code", [-1000, -1007])
def test_a_lost_placement_is_unknown(code: int) -> None:
    venue, _, _ = make_futures({PLACE: reply_of({"code": code, "msg": "Unknown error"}, 503)})
    with pytest.raises(errors.OutcomeUnknown):
        venue.place(futures_intent())


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-2019, errors.InsufficientFunds), (-2021, errors.InvalidOrder), (-2022, errors.InvalidOrder), (-4164, errors.InvalidOrder),
        (-4178, errors.InvalidOrder), (-4116, errors.DuplicateOrder), (-5022, errors.WouldTake), (-5021, errors.InvalidOrder),
        (-4120, errors.InvalidOrder), (-4131, errors.InvalidOrder), (-4014, errors.InvalidOrder), (-5028, errors.ClockSkew),
        (-1003, errors.RateLimited), (-1121, errors.UnknownSymbol), (-4400, errors.VenueRejected), (-2015, errors.AuthenticationFailed),
    ],
)  # fmt: skip
def test_codes_of_futures(code: int, kind: type[errors.FmzError]) -> None:
    venue, _, _ = make_futures({PLACE: reply_of({"code": code, "msg": "no"}, 429 if code == -1003 else 400)})
    with pytest.raises(kind) as caught:
        venue.place(futures_intent())
    assert type(caught.value) is kind
    assert caught.value.code == str(code)


def test_history_is_asked_week_by_week() -> None:
    week = 7 * 86_400_000
    asked: list[tuple[int, int]] = []

    def answer(seen: Any) -> list[dict[str, Any]]:
        start, end = int(seen.query["startTime"]), int(seen.query["endTime"])
        asked.append((start, end))
        times = (NOW_MS - 20 * 86_400_000, NOW_MS - 1000)
        return [{**FUTURES_ORDER, "orderId": t, "time": t} for t in times if start <= t <= end]

    venue, http, _ = make_futures({"GET /fapi/v1/allOrders": answer})
    found = venue.history_orders("BTC_USDT.swap", NOW_MS - 30 * 86_400_000)
    assert [order.Time for order in found] == [NOW_MS - 20 * 86_400_000, NOW_MS - 1000]
    assert all(end - start < week for start, end in asked)
    assert [start for start, _ in asked[1:]] == [end + 1 for _, end in asked[:-1]]  # no millisecond is left out
    assert asked[-1][1] >= NOW_MS
    assert len(venue.history_orders("BTC_USDT.swap", NOW_MS - 30 * 86_400_000, 1)) == 1
    assert http.seen


def test_fills_of_an_order_are_asked_for_all_weeks_since_it_was_made() -> None:
    row = {
        "id": 5,
        "price": "60000",
        "qty": "0.01",
        "commission": "0.24",
        "commissionAsset": "USDT",
        "time": NOW_MS,
        "maker": True,
    }

    def answer(seen: Any) -> list[dict[str, Any]]:
        start, end = int(seen.query["startTime"]), int(seen.query["endTime"])
        times = {5: NOW_MS - 15 * 86_400_000, 6: NOW_MS - 1000}
        rows = [{**row, "id": number, "time": at} for number, at in times.items() if start <= at <= end]
        return [{**one, "commission": "", "commissionAsset": ""} if one["id"] == 6 else one for one in rows]

    venue, _, _ = make_futures(
        {"GET /fapi/v1/userTrades": answer, QUERY: {**FUTURES_ORDER, "time": NOW_MS - 16 * 86_400_000}}
    )
    fills = venue.fills(venue.order("BTCUSDT,77"))
    assert [(fill.Id, fill.Fee, fill.Maker) for fill in fills] == [
        ("5", Decimal("0.24"), True),
        ("6", Decimal(0), True),
    ]
