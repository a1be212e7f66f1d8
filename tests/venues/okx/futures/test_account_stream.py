"""The user stream of OKX's contracts: messages in the form of its reference, and the stream end to end on the simulated OKX."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads import constants
from fmzthreads.clock import WallClock
from fmzthreads.constants import ORDER_STATE_CANCELED, ORDER_STATE_CLOSED, ORDER_STATE_PENDING, PD_LONG, PD_SHORT
from fmzthreads.errors import BadReply, MissingCredentials
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.exchange.live_account.events import AccountAlarm, OrderChange, PositionChange, StreamEnded
from fmzthreads.structures import Info
from fmzthreads.venues.okx.futures.account_stream import _arg
from fmzthreads.venues.okx.futures.venue import FuturesOKX
from fmzthreads.venues.rest.ask import walk
from tests.helpers.exchange_room import MemoryHost
from tests.helpers.venue_replies import KEYS

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

from tests.helpers.okx_contracts import INVERSE, LINEAR, OkxContracts

D = Decimal
PATIENCE_S = 60.0
NOW_MS = 1_795_358_000_200
# "Order channel" in OKX's reference, with values of the tests.
ORDER: dict[str, Any] = {
    "instType": "SWAP", "instId": "BTC-USDT-SWAP", "ordId": "900001", "clOrdId": "fzabc", "side": "buy", "posSide": "net", "tdMode": "cross",
    "ordType": "limit", "px": "70000", "sz": "1", "state": "partially_filled", "accFillSz": "0.4", "avgPx": "70000", "fillPx": "70000",
    "fillSz": "0.4", "tradeId": "77", "fillTime": str(NOW_MS), "fillFee": "-0.14", "fillFeeCcy": "USDT", "execType": "T", "fee": "-0.14",
    "feeCcy": "USDT", "reduceOnly": "false", "category": "normal", "code": "0", "msg": "", "cTime": "1795358000150",
    "uTime": str(NOW_MS + 1),
}  # fmt: skip
POSITION: dict[str, Any] = {
    "instType": "SWAP", "instId": "BTC-USDT-SWAP", "posId": "5", "posSide": "net", "mgnMode": "cross", "pos": "-3", "availPos": "",
    "avgPx": "70000", "upl": "1.5", "lever": "7", "imr": "30", "margin": "", "uTime": str(NOW_MS), "pTime": str(NOW_MS + 40),
}  # fmt: skip
STOP: dict[str, Any] = {
    "instType": "SWAP", "instId": "BTC-USDT-SWAP", "algoId": "11", "algoClOrdId": "fzabc", "ordType": "conditional", "state": "live",
    "side": "sell", "posSide": "net", "sz": "2", "slTriggerPx": "60000", "slOrdPx": "-1", "tpTriggerPx": "", "tpOrdPx": "",
    "reduceOnly": "true", "ordIdList": [], "failCode": "", "cTime": str(NOW_MS), "uTime": str(NOW_MS),
}  # fmt: skip


def read(channel: str, *items: dict[str, Any]) -> list[Any]:
    source = FuturesOKX(credentials=KEYS).account_source(LINEAR)
    return list(
        source.read(json.dumps({"arg": {"channel": channel, "instType": "SWAP", "uid": "1"}, "data": list(items)}))
    )


def test_a_fill_has_its_price_and_fee_and_the_order_its_average() -> None:
    (change,) = read("orders", ORDER)
    assert isinstance(change, OrderChange)
    order, fill = change.order, change.fill
    assert (order.Symbol, order.Id, order.DealAmount, order.AvgPrice, order.Status, order.Type, order.Offset, order.ContractType) == (
        LINEAR, "BTC-USDT-SWAP,900001", 0.4, 70000, ORDER_STATE_PENDING, 0, 0, "swap"
    )  # fmt: skip
    assert (fill.Id, fill.Price, fill.Amount, fill.Fee, fill.FeeCurrency, fill.Maker, fill.Time) == (
        "77", D("70000"), D("0.4"), D("0.14"), "USDT", False, NOW_MS
    )  # fmt: skip
    assert change.time_ms == NOW_MS + 1


@pytest.mark.parametrize(
    ("changes", "made_by", "fills", "closes"),
    [
        ({"state": "live", "accFillSz": "0", "avgPx": "0", "fillSz": "0", "tradeId": "", "fillPx": ""}, "", False, 0),
        ({"category": "full_liquidation", "side": "sell", "reduceOnly": "true"}, "liquidation", True, 1),
        ({"category": "adl", "fillFee": ""}, "adl", True, 0),
        ({"category": "delivery", "posSide": "short"}, "delivery", True, 1),
    ],
)
def test_other_changes_of_an_order(changes: dict[str, Any], made_by: str, fills: bool, closes: int) -> None:
    (change,) = read("orders", {**ORDER, **changes})
    assert (change.order.MadeBy, change.fill is not None, change.order.Offset) == (made_by, fills, closes)
    if changes.get("fillFee") == "":
        assert change.fill.Fee == 0


def test_positions_have_leverage_and_margin_and_cross_and_isolated_ones_are_apart() -> None:
    cross, isolated = read(
        "positions", POSITION, {**POSITION, "posId": "6", "mgnMode": "isolated", "pos": "2", "margin": "9"}
    )
    assert isinstance(cross, PositionChange)
    held = cross.position
    assert (held.Symbol, held.Type, held.Amount, held.Price, held.MarginLevel, held.Margin, held.Profit) == (
        LINEAR, PD_SHORT, 3, 70000, 7, 30, 1.5
    )  # fmt: skip
    assert (cross.time_ms, cross.told_ms) == (NOW_MS, NOW_MS + 40)
    assert (isolated.position.Type, isolated.position.Margin) == (PD_LONG, 9)
    source = FuturesOKX(credentials=KEYS).account_source(LINEAR)
    assert source.position_key(held) != source.position_key(isolated.position)
    other = held.copy()
    other["Info"] = Info(posId="6")
    assert source.position_key(held) != source.position_key(other)


def test_a_condition_order_that_has_triggered_waits_for_its_child() -> None:
    for channel in ("orders-algo", "algo-advance"):
        (waiting,) = read(channel, STOP)
        assert (waiting.order.Id, waiting.order.Status, waiting.order.ChildId) == (
            "BTC-USDT-SWAP,algo11",
            ORDER_STATE_PENDING,
            "",
        )
        assert (waiting.order.Condition.SlTriggerPrice, waiting.order.Offset) == (60000, constants.ORDER_OFFSET_CLOSE)
    (triggered,) = read("orders-algo", {**STOP, "state": "effective", "ordIdList": ["77"]})
    assert (triggered.order.Status, triggered.order.ChildId) == (ORDER_STATE_PENDING, "BTC-USDT-SWAP,77")
    (refused,) = read("orders-algo", {**STOP, "state": "order_failed", "failCode": "51008"})
    assert (refused.order.Status, refused.order.Refused) == (ORDER_STATE_CANCELED, "code 51008")


def test_warnings_errors_and_what_is_of_no_concern() -> None:
    assert read("liquidation-warning", POSITION) == [AccountAlarm("margin call of BTC-USDT-SWAP: liquidation is near")]
    assert read("account", {"uTime": "1"}) == []
    source = FuturesOKX(credentials=KEYS).account_source(LINEAR)
    ended = [
        {"event": "error", "code": "60011", "msg": "Please log in"},
        {"event": "channel-conn-count-error", "channel": "orders"},
    ]
    assert [list(source.read(json.dumps(row))) for row in ended] == [
        [StreamEnded("60011 Please log in")], [StreamEnded("too many connections subscribe to the channel orders")]
    ]  # fmt: skip
    for event in ("subscribe", "channel-conn-count", "notice"):
        assert list(source.read(json.dumps({"event": event, "code": "64008"}))) == []
    for wrong in (
        "[]",
        "x",
        json.dumps({"data": []}),
        json.dumps({"arg": {"channel": "orders"}, "data": [{"ordId": "1"}]}),
    ):
        with pytest.raises(BadReply, match="a message of the user stream cannot be read"):
            source.read(wrong)
    assert [source.includes(scope) for scope in (LINEAR, INVERSE, "USDT.swap", "USD.futures", "BTC_USDT", None)] == [
        True, True, True, True, False, False
    ]  # fmt: skip
    with pytest.raises(MissingCredentials):
        FuturesOKX(credentials=Credentials(access_key="k", secret_key="s")).account_source(LINEAR)


def test_the_answer_to_a_ping_is_no_event_and_positions_are_told_only_when_they_change() -> None:
    assert list(FuturesOKX(credentials=KEYS).account_source(LINEAR).read("pong")) == []
    assert _arg("positions", "SWAP")["extraParams"] == '{"updateInterval":"0"}'
    assert "extraParams" not in _arg("orders", "SWAP")


def test_demo_trading_has_streams_of_its_own() -> None:
    for simulated, host in ((False, "ws.okx.com"), (True, "wspap.okx.com")):
        venue = FuturesOKX(credentials=KEYS, simulated=simulated)
        addresses = [line.address for line in venue.account_source(LINEAR).connect()]
        assert addresses == [f"wss://{host}/ws/v5/private", f"wss://{host}/ws/v5/business"]


# End to end


@contextmanager
def trading(*, hedge: bool = False, **keys: str) -> Iterator[tuple[OkxContracts, Any, MemoryHost]]:
    with OkxContracts(hedge=hedge) as market:
        given = {"access_key": market.key, "secret_key": market.secret, "passphrase": market.passphrase, **keys}
        venue = FuturesOKX(credentials=Credentials(**given), base=market.base_url, share_limits=False)
        host = MemoryHost(WallClock())
        exchange: Any = Exchange("Futures_OKX", "BTC_USDT", venue=venue, host=host, errors="raise")
        try:
            yield market, exchange, host
        finally:
            exchange.close()


def live(exchange: Any) -> Any:
    """Subscribes to both channels; returns the feed."""
    for channel in ("orders", "positions"):
        assert exchange.Subscribe(channel, wait_ms=PATIENCE_S * 1000)
    exchange.GetUpdates()
    (feed,) = exchange.account_feeds
    return feed


def until(holds: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    clock = WallClock()
    end = clock.monotonic() + patience_s
    while clock.monotonic() < end:
        found = holds()
        if found:
            return found
        clock.sleep(0.01)
    raise AssertionError("it did not come about")


def known(feed: Any, order_id: str) -> Any:
    """An order or condition order as the view has it."""
    return feed.view._orders.get(order_id) or feed.view._conditions.get(order_id)


def ended(feed: Any, order_id: str) -> Any:
    return until(lambda: (one := known(feed, order_id)) is not None and one.Status != ORDER_STATE_PENDING and one)


def fills(updates: list[Any]) -> list[tuple[str, str]]:
    return [(update.Order.Id, update.Fill.Id) for update in updates if update.Kind == "fill"]


def test_orders_fills_and_positions_come_from_the_stream() -> None:
    with trading() as (market, exchange, _):
        feed = live(exchange)
        resting = exchange.Buy(49_000, 2)
        market.rest(LINEAR, "sell", "50000", "1")
        market.rest(LINEAR, "sell", "50100", "1")
        order_id = exchange.Buy(-1, 2)
        assert (ended(feed, order_id).DealAmount, known(feed, order_id).AvgPrice) == (2, 50_050)
        until(lambda: exchange._core.accounts.positions(LINEAR))
        until(lambda: exchange._core.accounts.orders(LINEAR) is not None)
        counted = (
            exchange.venue.channel.http.stats["requests"] if hasattr(exchange.venue.channel.http, "stats") else None
        )
        (held,) = exchange.GetPositions()
        assert (held.Type, held.Amount, held.Price, held.MarginLevel, held.Margin > 0) == (PD_LONG, 2, 50_050, 3, True)
        assert [one.Id for one in exchange.GetOrders()] == [resting]
        assert exchange.GetOrders()[0].Foreign is False
        assert counted is None or exchange.venue.channel.http.stats["requests"] == counted
        updates = exchange.GetUpdates()
        told = [update.Fill for update in updates if update.Kind == "fill"]
        assert [(fill.Price, fill.Amount, fill.FeeCurrency, fill.Maker) for fill in told] == [
            (D(50_000), D(1), "USDT", False), (D(50_100), D(1), "USDT", False)
        ]  # fmt: skip
        by_rest = exchange.venue.fills(exchange.venue.order(order_id))
        assert [(one.Id, one.Fee) for one in by_rest] == [(one.Id, one.Fee) for one in told]
        exchange.CancelOrder(resting)
        until(lambda: exchange._core.accounts.orders(LINEAR) == [])
        market.rest(LINEAR, "buy", "50000", "9")
        closing = exchange.CreateOrder("", "closebuy", -1, 5)  # cut to the live position
        assert (ended(feed, closing).Amount, known(feed, closing).Offset) == (2, constants.ORDER_OFFSET_CLOSE)
        until(lambda: exchange._core.accounts.positions(LINEAR) == [])
        flat = [update.Position for update in exchange.GetUpdates() if update.Kind == "position"][-1]
        assert (flat.Type, flat.Amount, flat.Margin) == (PD_LONG, 0, 0)


def test_in_hedge_mode_both_directions_are_kept() -> None:
    with trading(hedge=True) as (market, exchange, _):
        live(exchange)
        for side, other in (("buy", "sell"), ("sell", "buy")):
            market.rest(LINEAR, other, "50000", "2")
            exchange.CreateOrder("", side, -1, 2)
        until(lambda: len(exchange._core.accounts.positions(LINEAR) or []) == 2)
        assert sorted((one.Type, one.Amount) for one in exchange.GetPositions()) == [(PD_LONG, 2), (PD_SHORT, 2)]


def test_a_stop_and_the_order_that_it_places_are_one() -> None:
    with trading() as (market, exchange, host):
        feed = live(exchange)
        market.rest(LINEAR, "sell", "50000", "2")
        exchange.CreateOrder("", "buy", -1, 2)
        stop = {"ConditionType": constants.ORDER_CONDITION_TYPE_SL, "SlTriggerPrice": 49_000, "SlOrderPrice": -1}
        order_id = exchange.CreateConditionOrder("", "closebuy", 2, stop)
        until(lambda: exchange._core.accounts.orders(LINEAR, conditional=True) is not None)
        assert [one.Id for one in exchange.GetConditionOrders()] == [order_id]
        assert exchange.GetOrders() == []
        market.clear()
        market.rest(LINEAR, "buy", "48900", "5")
        market.trade(LINEAR, "48950")
        done = ended(feed, order_id)
        assert (done.Status, done.DealAmount, done.AvgPrice) == (ORDER_STATE_CLOSED, 2, 48_900)
        until(lambda: exchange._core.accounts.positions(LINEAR) == [])
        assert exchange.GetConditionOrders() == []
        about = [
            update.Order for update in exchange.GetUpdates() if update.Kind == "order" and update.Order.Id == order_id
        ]
        assert [(one.Status, one.DealAmount) for one in about if one.Status != ORDER_STATE_PENDING] == [
            (ORDER_STATE_CLOSED, 2)
        ]
        assert exchange.GetOrder(done.ChildId).Foreign is False
        assert host.errors == []


def test_a_child_that_is_refused_is_an_error_line() -> None:
    with trading() as (market, exchange, host):
        feed = live(exchange)
        stop = {"ConditionType": constants.ORDER_CONDITION_TYPE_SL, "SlTriggerPrice": 51_000, "SlOrderPrice": -1}
        order_id = exchange.CreateConditionOrder("", "buy", 5_000, stop)
        market.rest(LINEAR, "sell", "51100", "9000")
        market.trade(LINEAR, "51000")
        assert ended(feed, order_id).Status == ORDER_STATE_CANCELED
        (line,) = until(lambda: list(host.errors))
        assert f"the order of the triggered condition order {order_id} of {LINEAR} was refused: code 5" in line


def test_a_liquidation_has_a_flag_and_one_alarm_line() -> None:
    with trading() as (market, exchange, host):
        live(exchange)
        exchange.SetMarginLevel(100)
        market.rest(LINEAR, "sell", "50000", "100")
        exchange.CreateOrder("", "buy", -1, 100)
        market.clear()
        market.rest(LINEAR, "buy", "40000", "1000")
        market.exchange.contracts.set_prices(LINEAR, mark=D(40_050), index=D(40_050))
        until(lambda: exchange._core.accounts.positions(LINEAR) == [])
        made = [line for line in until(lambda: list(host.errors)) if "of its own" in line]
        assert len(made) == 1
        assert "the venue made an order of its own (liquidation)" in made[0]
        flags = {
            update.Order.MadeBy for update in exchange.GetUpdates() if update.Kind == "order" and update.Order.MadeBy
        }
        assert flags == {"liquidation"}
        exchange.GetHistoryOrders(LINEAR)
        assert len([line for line in host.errors if "of its own" in line]) == 1


def test_keys_that_are_refused_are_told_once_and_it_is_never_live() -> None:
    with trading(passphrase="wrong") as (_, exchange, host):
        assert exchange.Subscribe("orders")
        (feed,) = exchange.account_feeds
        until(lambda: feed._failures >= 2)
        assert not feed.live.is_set()
        lines = [line for line in host.errors if not line.startswith("Dial")]
        (line,) = lines
        assert "refused the login of the user stream: 6" in line
        assert "wrong" not in line


@pytest.mark.parametrize("place", ["private", "business"])
def test_a_cut_of_either_connection_is_caught_up_by_rest_and_nothing_is_counted_twice(place: str) -> None:
    with trading() as (market, exchange, _):
        feed = live(exchange)
        kept = exchange.Buy(49_000, 3)
        cancelled = exchange.Buy(48_000, 1)
        stop = {"ConditionType": constants.ORDER_CONDITION_TYPE_SL, "SlTriggerPrice": 51_000, "SlOrderPrice": -1}
        triggering = exchange.CreateConditionOrder("", "buy", 1, stop)
        market.rest(LINEAR, "sell", "49000", "1")
        until(lambda: known(feed, kept) is not None and known(feed, kept).DealAmount == 1 and known(feed, triggering))
        until(lambda: exchange._core.accounts.positions(LINEAR))
        before = exchange.GetUpdates()
        market.faults.set("/ws/v5/*", ws_refuse_s=1000)
        market.faults.set(f"/ws/v5/{place}", ws_cut=1)
        # A message on that connection, which is cut instead: everything from here on happens in the gap.
        (
            exchange.Buy(10_000, 1)
            if place == "private"
            else exchange.CancelConditionOrder(
                exchange.CreateConditionOrder("", "buy", 1, {**stop, "SlTriggerPrice": 60_000})
            )
        )
        until(lambda: feed.view.gaps == 1)
        market.rest(LINEAR, "sell", "49000", "1")  # fills the resting order further
        exchange.CancelOrder(cancelled)
        market.rest(LINEAR, "sell", "50000", "2")
        within = exchange.CreateOrder("", "buy", -1, 2)  # placed and filled within the gap
        market.rest(LINEAR, "sell", "51000", "1")
        market.trade(LINEAR, "51000", "0.5")
        market.rest(LINEAR, "sell", "51000", "1")
        until(lambda: exchange.venue.condition_order(triggering)["ChildId"])
        market.faults.clear()
        assert feed.clock.wait((feed.live,), PATIENCE_S)
        venue = exchange.venue
        assert known(feed, kept).DealAmount == 2
        assert known(feed, cancelled).Status == ORDER_STATE_CANCELED
        assert known(feed, within).DealAmount == 2
        assert (known(feed, triggering).Status, known(feed, triggering).DealAmount) == (ORDER_STATE_CLOSED, 1)
        assert exchange._core.accounts.positions(LINEAR)[0].Amount == venue.positions(LINEAR)[0].Amount == 5
        assert [one.Id for one in exchange._core.accounts.orders(LINEAR)] == [one.Id for one in venue.orders(LINEAR)]
        told = fills(before) + fills(exchange.GetUpdates())
        made = {
            (fill["Info"]["instId"] + "," + fill["Info"]["ordId"], fill["Id"])
            for fill in (one.fill for one in venue._fills_since(1, ()))
        }
        assert len(told) == len(set(told))
        assert set(told) == made


def test_fills_after_a_gap_are_told_apart_by_their_bills() -> None:
    """Ids of trades are numbers within their instrument, and a trade with oneself is a fill of two orders."""
    row = {
        "instType": "SWAP",
        "tradeId": "77",
        "fillPx": "5",
        "fillSz": "1",
        "fee": "-0.1",
        "feeCcy": "USDT",
        "ts": "1",
    }
    sent = [
        {**row, "instId": "BTC-USDT-SWAP", "ordId": "1", "billId": "13"},
        {**row, "instId": "BTC-USDT-SWAP", "ordId": "2", "billId": "12"},
        {**row, "instId": "ETH-USDT-SWAP", "ordId": "3", "billId": "11"},
    ]
    venue = FuturesOKX(credentials=KEYS)
    pages = venue.dialect.fills_since("SWAP", 1, NOW_MS)
    found = list(walk(lambda _ask, read: read({"code": "0", "msg": "", "data": sent}), pages))
    venue.close()
    assert [one["Info"]["ordId"] for one in found] == ["1", "2", "3"]


def test_a_flood_of_repeated_messages_changes_nothing() -> None:
    with trading() as (market, exchange, _):
        feed = live(exchange)
        market.faults.set("/ws/v5/private", ws_flood=500)
        market.rest(LINEAR, "sell", "50000", "2")
        order_id = exchange.Buy(-1, 2)
        ended(feed, order_id)
        until(lambda: exchange._core.accounts.positions(LINEAR))
        seen = sum(connection.received for connection in feed._connection._connections)
        until(lambda: sum(connection.received for connection in feed._connection._connections) > seen + 50)
        market.faults.clear()
        updates = exchange.GetUpdates()
        assert len(fills(updates)) == 1
        assert len([update for update in updates if update.Kind == "order"]) <= 2
        assert len([update for update in updates if update.Kind == "position"]) == 1
