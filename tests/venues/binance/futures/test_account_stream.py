"""The user stream of Binance's futures: events in the form of its documents, and the stream end to end."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.constants import ORDER_STATE_CLOSED, ORDER_STATE_PENDING, PD_LONG, PD_SHORT
from fmzthreads.errors import BadReply, MissingCredentials
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.exchange.live_account.events import AccountAlarm, OrderChange, PositionChange, StreamEnded
from tests.helpers.exchange_room import MemoryHost
from tests.helpers.futures_replies import FUTURES_ORDER, NOW_MS, make_futures
from tests.helpers.ws_server import WsServer

PATIENCE_S = 60.0
# "Event: Order Update" and "Event: Balance and Position Update" in Binance's documents of USDⓈ-M, with values of the tests.
ORDER_EVENT: dict[str, Any] = {
    "e": "ORDER_TRADE_UPDATE", "E": NOW_MS + 8, "T": NOW_MS + 7,
    "o": {
        "s": "BTCUSDT", "c": "fzabc", "S": "SELL", "o": "LIMIT", "f": "GTC", "q": "0.010", "p": "60000.1", "ap": "60000.5", "sp": "0",
        "x": "TRADE", "X": "PARTIALLY_FILLED", "i": 8886774, "l": "0.004", "z": "0.006", "L": "60001", "N": "USDT", "n": "0.12",
        "T": NOW_MS + 7, "t": 55, "b": "0", "a": "9.91", "m": True, "R": True, "wt": "CONTRACT_PRICE", "ot": "LIMIT", "ps": "BOTH",
        "cp": False, "pP": False, "si": 0, "ss": 0, "rp": "0.5", "V": "EXPIRE_TAKER", "pm": "NONE", "gtd": 0, "er": "0",
    },
}  # fmt: skip
POSITION_EVENT: dict[str, Any] = {
    "e": "ACCOUNT_UPDATE", "E": NOW_MS + 8, "T": NOW_MS + 7,
    "a": {"m": "ORDER", "B": [{"a": "USDT", "wb": "1", "cw": "1", "bc": "0"}], "P": [
        {"s": "BTCUSDT", "pa": "-0.5", "ep": "60000", "bep": "60000", "cr": "1", "up": "-3.5", "mt": "cross", "iw": "0", "ps": "BOTH"},
    ]},
}  # fmt: skip
POSITION_ROW: dict[str, Any] = {
    "symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.5", "entryPrice": "60000", "unRealizedProfit": "-3.5",
    "notional": "-30000", "isolatedMargin": "0", "positionInitialMargin": "1500", "updateTime": NOW_MS + 7,
}  # fmt: skip
ALGO_EVENT: dict[str, Any] = {
    "e": "ALGO_UPDATE", "T": NOW_MS + 7, "E": NOW_MS + 8,
    "o": {
        "caid": "fzabc", "aid": 2148719, "at": "CONDITIONAL", "o": "STOP_MARKET", "s": "BTCUSDT", "S": "SELL", "ps": "BOTH", "f": "GTC",
        "q": "0.01", "X": "NEW", "ai": "", "ap": "0.00000", "aq": "0.00000", "act": "0", "tp": "58000", "p": "0", "V": "EXPIRE_MAKER",
        "wt": "CONTRACT_PRICE", "pm": "NONE", "cp": False, "pP": False, "R": True, "tt": 0, "gtd": 0, "rm": "",
    },
}  # fmt: skip


def read(event: dict[str, Any], *, hedge: bool = False, symbol: str = "BTC_USDT.swap") -> list[Any]:
    venue, _, _ = make_futures(
        {"GET /fapi/v1/positionSide/dual": {"dualSidePosition": hedge}}, stream_base="ws://127.0.0.1:1"
    )
    return list(venue.account_source(symbol).read(json.dumps(event)))


def test_a_fill_has_its_price_and_fee_and_the_order_its_average() -> None:
    (change,) = read(ORDER_EVENT)
    assert isinstance(change, OrderChange)
    order, fill = change.order, change.fill
    assert (order.Symbol, order.Id, order.DealAmount, order.AvgPrice, order.Status, order.Type, order.Offset, order.ContractType) == (
        "BTC_USDT.swap", "BTCUSDT,8886774", 0.006, 60000.5, ORDER_STATE_PENDING, 1, 1, "swap"
    )  # fmt: skip
    assert (fill.Id, fill.Price, fill.Amount, fill.Fee, fill.FeeCurrency, fill.Maker, fill.Time) == (
        "55", Decimal("60001"), Decimal("0.004"), Decimal("0.12"), "USDT", True, NOW_MS + 7
    )  # fmt: skip
    assert change.time_ms == NOW_MS + 7


@pytest.mark.parametrize(
    ("changes", "made_by", "fills"),
    [
        ({"x": "NEW", "X": "NEW", "l": "0", "t": 0}, "", False),
        ({"x": "CALCULATED", "c": "autoclose-1596542005017000006"}, "liquidation", True),
        ({"x": "NEW", "X": "NEW", "l": "0", "c": "adl_autoclose"}, "adl", False),
        ({"n": None, "N": None, "c": "delivery_autoclose-1"}, "delivery", True),
        ({"x": "AMENDMENT", "l": "0", "M": 3}, "", False),
    ],
)
def test_other_changes_of_an_order(changes: dict[str, Any], made_by: str, fills: bool) -> None:
    (change,) = read({**ORDER_EVENT, "o": {**ORDER_EVENT["o"], **changes}})
    assert (change.order.MadeBy, change.fill is not None) == (made_by, fills)
    if changes.get("n", "") is None:
        assert (change.fill.Fee, change.fill.FeeCurrency) == (Decimal(0), "")


def test_in_one_way_mode_a_short_one_is_no_long_one_any_more() -> None:
    short, flat = read(POSITION_EVENT)
    assert isinstance(short, PositionChange)
    assert (short.position.Type, short.position.Amount, short.position.Price, short.position.Profit) == (
        PD_SHORT,
        0.5,
        60000,
        -3.5,
    )
    assert (flat.position.Type, flat.position.Amount, flat.position.Profit) == (PD_LONG, 0, 0)


def test_in_hedge_mode_the_row_of_the_other_mode_is_left_out() -> None:
    base = POSITION_EVENT["a"]["P"][0]
    found = [{**base, "pa": "0"}, {**base, "ps": "LONG", "pa": "20"}, {**base, "ps": "SHORT", "pa": "-10"}]
    for order in (found, found[::-1]):
        changes = read({**POSITION_EVENT, "a": {**POSITION_EVENT["a"], "P": order}}, hedge=True)
        held = {change.position.Type: change.position.Amount for change in changes}
        assert (len(changes), held) == (2, {PD_LONG: 20, PD_SHORT: 10})


def test_a_condition_order_from_new_to_its_child() -> None:
    (waiting,) = read(ALGO_EVENT)
    assert (waiting.order.Id, waiting.order.Status, waiting.order.ChildId) == (
        "BTCUSDT,algo2148719",
        ORDER_STATE_PENDING,
        "",
    )
    assert (waiting.order.Condition.SlTriggerPrice, waiting.order.Amount) == (58000, 0.01)
    (triggered,) = read({**ALGO_EVENT, "o": {**ALGO_EVENT["o"], "X": "TRIGGERED", "ai": "77", "tt": NOW_MS}})
    assert (triggered.order.Status, triggered.order.ChildId) == (ORDER_STATE_PENDING, "BTCUSDT,77")
    (refused,) = read({**ALGO_EVENT, "o": {**ALGO_EVENT["o"], "X": "REJECTED", "rm": "Margin is insufficient."}})
    assert refused.order.Refused == "Margin is insufficient."


def test_margin_calls_ends_and_what_is_of_no_concern() -> None:
    (alarm,) = read({"e": "MARGIN_CALL", "E": 1, "cw": "3", "p": [{"s": "BTCUSDT"}, {"s": "ETHUSDT"}]})
    assert alarm == AccountAlarm("margin call of BTCUSDT, ETHUSDT: liquidation is near")
    (ended,) = read({"e": "listenKeyExpired", "E": 1, "listenKey": "k"})
    assert ended == StreamEnded("the listen key has expired")
    for kind in ("TRADE_LITE", "ACCOUNT_CONFIG_UPDATE", "STRATEGY_UPDATE", "SOMETHING_NEW"):
        assert read({"e": kind, "E": 1, "T": 1}) == []


@pytest.mark.parametrize(
    "event",
    [{"e": "ORDER_TRADE_UPDATE", "T": 1}, {"e": "ACCOUNT_UPDATE", "a": {}}, {**ALGO_EVENT, "o": {"s": "BTCUSDT"}}],
)
def test_what_cannot_be_read_is_a_gap(event: dict[str, Any]) -> None:
    with pytest.raises(BadReply, match="a message of the user stream cannot be read"):
        read(event)


def test_the_addresses_of_both_families() -> None:
    answers = {"POST /fapi/v1/listenKey": {"listenKey": "k1"}, "POST /dapi/v1/listenKey": {"listenKey": "k2"}}
    venue, http, _ = make_futures(answers)
    assert venue.account_source("BTC_USDT.swap").connect()[0].address == "wss://fstream.binance.com/private/ws/k1"
    assert venue.account_source("BTC_USD.swap").connect()[0].address == "wss://dstream.binance.com/ws/k2"
    seen = http.last("POST /fapi/v1/listenKey")
    assert (seen.form, seen.query, seen.request.headers["X-MBX-APIKEY"]) == ({}, {}, "the-key")
    source = venue.account_source("BTC_USDT.swap")
    assert [source.includes(scope) for scope in ("BTC_USDT.swap", "USDT.futures", "USD.swap", "BTC_USD.swap", None)] == [
        True, True, False, False, False
    ]  # fmt: skip
    without, _, _ = make_futures({}, credentials=Credentials())
    with pytest.raises(MissingCredentials):
        without.account_source("BTC_USDT.swap")


def test_end_to_end_a_cut_is_caught_up_by_rest() -> None:
    missed = {
        "symbol": "BTCUSDT", "id": 56, "orderId": 8886774, "side": "SELL", "price": "60002", "qty": "0.004", "commission": "0.13",
        "commissionAsset": "USDT", "time": NOW_MS + 9, "maker": True,
    }  # fmt: skip
    told = {**missed, "id": 55, "time": NOW_MS + 7}
    rest: dict[str, Any] = {
        "trades": [told, missed],
        "orders": [{**FUTURES_ORDER, "orderId": 8886774, "side": "SELL"}],
        "positions": [],
    }
    with WsServer() as server:
        clock = WallClock()
        answers = {
            "POST /fapi/v1/listenKey": {"listenKey": "k1"},
            "GET /fapi/v1/openOrders": lambda _seen: rest["orders"],
            "GET /fapi/v1/openAlgoOrders": [],
            "GET /fapi/v1/userTrades": lambda _seen: rest["trades"],
            "GET /fapi/v3/positionRisk": lambda _seen: rest["positions"],
            "GET /fapi/v1/order": {
                **FUTURES_ORDER,
                "orderId": 8886774,
                "side": "SELL",
                "status": "FILLED",
                "executedQty": "0.010",
            },
        }
        base = f"ws://127.0.0.1:{server.port}"
        venue, http, _ = make_futures(answers, clock=clock, stream_base=base, coin_stream_base=base)
        exchange: Any = Exchange("Futures_Binance", "BTC_USDT", venue=venue, host=MemoryHost(clock), errors="raise")
        try:
            assert exchange.Subscribe("orders", wait_ms=PATIENCE_S * 1000)
            assert exchange.Subscribe("positions")
            peer = server.peer()
            assert peer.target == "/private/ws/k1"
            rest["positions"] = [POSITION_ROW]
            peer.text(json.dumps(ORDER_EVENT), json.dumps(POSITION_EVENT))
            while not exchange.GetPositions():
                clock.sleep(0.005)
            # Of leverage and margin the stream tells nothing: they are read once.
            assert [(one.Amount, one.MarginLevel, one.Margin) for one in exchange.GetPositions()] == [(0.5, 20, 1500)]
            (order,) = exchange.GetOrders()
            assert (order.DealAmount, order.Time) == (0.006, NOW_MS - 1000)
            assert exchange.GetPositions()[0].Amount == 0.5
            asked = http.paths()
            assert [asked.count(f"GET /fapi/{path}") for path in ("v3/positionRisk", "v1/openOrders")] == [2, 1]
            rest["orders"], rest["positions"] = [], []
            peer.reset()
            server.peer()
            (feed,) = exchange.account_feeds
            while feed.view.gaps < 1 or not feed.live.is_set():
                clock.sleep(0.005)
            assert (exchange.GetOrders(), exchange.GetPositions()) == ([], [])
            updates = exchange.GetUpdates()
            assert [update.Kind for update in updates] == [
                "gap", "order", "live", "fill", "order", "position", "gap", "order", "position", "fill", "live"
            ]  # fmt: skip
            assert updates[7].Order.Status == ORDER_STATE_CLOSED
            assert [(updates[at].Fill.Id, updates[at].Fill.Fee) for at in (3, 9)] == [
                ("55", Decimal("0.12")), ("56", Decimal("0.13"))
            ]  # fmt: skip
            asked = http.last("GET /fapi/v1/userTrades").query
            assert asked["symbol"] == "BTCUSDT"
        finally:
            exchange.close()
