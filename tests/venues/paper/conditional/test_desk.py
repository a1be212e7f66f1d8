"""Condition orders on paper: what triggers them, what they place, and what outlives the process."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.constants import (
    ORDER_CONDITION_TYPE_GENERIC as GENERIC,
)
from fmzthreads.constants import (
    ORDER_CONDITION_TYPE_OCO as OCO,
)
from fmzthreads.constants import (
    ORDER_CONDITION_TYPE_SL as SL,
)
from fmzthreads.constants import (
    ORDER_CONDITION_TYPE_TP as TP,
)
from fmzthreads.errors import DuplicateOrder, InvalidOrder, NotSupported, OperationFailed, OrderNotFound
from fmzthreads.exchange.contracts.intents import ConditionTerms, ModifyIntent
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.venues.paper.conditional.reader import ConditionReader, Triggers
from tests.helpers.exchange_room import MemoryHost, run_threads
from tests.helpers.paper_rooms import INVERSE, LINEAR, ContractRoom, SpotRoom


def quiet(room: Any) -> None:
    """A first look, which sees what rests; trades after it count one by one."""
    room.trade((100.5, 1))


def test_a_stop_waits_triggers_and_is_then_filled() -> None:
    room = SpotRoom()
    stop = room.condition("sell", 2, SL, sl_trigger=95.0)
    waiting = room.venue.condition_order(stop)
    assert (waiting.Status, waiting.Amount, waiting.Condition.SlTriggerPrice, waiting.Condition.SlOrderPrice) == (
        0,
        2,
        95,
        -1,
    )
    assert [one.Id for one in room.venue.condition_orders()] == [stop]
    assert room.venue.history_condition_orders("BTC_USDT") == []
    assert room.money() == (1000, 0, 10, 0)  # nothing is held before it triggers
    quiet(room)
    room.trade((95.1, 1))
    assert room.venue.condition_order(stop).Status == 0
    room.trade((95.0, 1))
    done = room.venue.condition_order(stop)
    assert (done.Status, done.DealAmount, done.AvgPrice) == (1, 2, 99.5)  # against the book, not at the trigger
    assert room.venue.order(done.ChildId).DealAmount == 2
    assert room.venue.client_id_of(room.venue.order(done.ChildId)) == room.venue.client_id_of(done)
    assert room.venue.condition_orders() == []
    assert [one.Id for one in room.venue.history_condition_orders("BTC_USDT")] == [stop]
    assert room.venue.look() is False


def test_triggered_is_not_filled() -> None:
    room = SpotRoom()
    stop = room.condition("sell", 2, SL, sl_trigger=95.0, sl_price=104.0)
    quiet(room)
    room.trade((94, 1))
    order = room.venue.condition_order(stop)
    assert (order.Status, order.DealAmount) == (0, 0)
    assert room.venue.condition_orders() == []  # it waits no longer
    assert room.money() == (1000, 0, 8, 2)
    with pytest.raises(OrderNotFound):
        room.venue.cancel_condition(stop)
    room.venue.cancel(order.ChildId)
    assert room.venue.condition_order(stop).Status == 2


@pytest.mark.parametrize(
    ("side", "kind", "prices", "misses", "meets"),
    [
        ("sell", SL, {"sl_trigger": 95.0}, 95.1, 95.0),
        ("buy", SL, {"sl_trigger": 105.0}, 104.9, 105.0),
        ("sell", TP, {"tp_trigger": 105.0}, 104.9, 105.0),
        ("buy", TP, {"tp_trigger": 95.0}, 95.1, 95.0),
        ("sell", OCO, {"sl_trigger": 95.0, "tp_trigger": 105.0}, 96, 95.0),
        ("sell", OCO, {"sl_trigger": 95.0, "tp_trigger": 105.0}, 104, 105.0),
        ("sell", GENERIC, {"sl_trigger": 105.0}, 104.9, 105.0),  # from either side, as OKX's trigger orders
        ("sell", GENERIC, {"sl_trigger": 95.0}, 95.1, 95.0),
    ],
)
def test_sides_of_triggers(side: str, kind: int, prices: dict[str, float], misses: float, meets: float) -> None:
    room = SpotRoom()
    order_id = room.condition(side, 5.0 if side == "buy" else 1, kind, **prices)
    quiet(room)
    room.trade((misses, 1))
    assert not room.venue.condition_order(order_id).ChildId
    room.trade((meets, 1))
    assert room.venue.condition_order(order_id).ChildId


def test_each_trade_between_two_looks_counts() -> None:
    room = SpotRoom()
    stop = room.condition("sell", 1, SL, sl_trigger=95.0)
    quiet(room)
    room.trade((94, 1), (100.5, 1))  # gone again before anybody looked
    assert room.venue.condition_order(stop).Status == 1


def test_a_trade_from_before_it_was_placed_does_not_trigger_it() -> None:
    room = SpotRoom()
    room.condition("sell", 1, SL, sl_trigger=90.0)
    quiet(room)
    stop = room.condition("sell", 1, SL, sl_trigger=95.0)
    room.trade((94, 1), (100.5, 1))  # made before or after it was placed: nobody can tell
    assert room.venue.condition_order(stop).Status == 0
    room.trade((94, 1), (100.5, 1))
    assert room.venue.condition_order(stop).Status == 1


def test_one_leg_of_an_oco_ends_the_other() -> None:
    room = SpotRoom()
    both = room.condition("sell", 1, OCO, tp_trigger=105.0, tp_price=105.0, sl_trigger=95.0)
    quiet(room)
    room.trade((105, 1))
    child = room.venue.order(room.venue.condition_order(both).ChildId)
    assert (child.Price, child.Status) == (105, 0)
    room.trade((90, 1))  # the stop went with its partner
    assert len(room.venue.history_orders("BTC_USDT")) == 1


def test_a_trailing_stop_follows_the_price() -> None:
    room = SpotRoom(name="OKX")
    stop = room.condition(
        "sell", 1, GENERIC, options={"ordType": "move_order_stop", "callbackRatio": "0.1", "activePx": "110"}
    )
    quiet(room)
    room.trade((98, 1), (89, 1))  # down before it is active
    assert room.venue.condition_order(stop).Status == 0
    room.trade((110, 1), (120, 1), (108.1, 1))
    assert room.venue.condition_order(stop).Status == 0
    room.trade((108, 1))
    assert room.venue.condition_order(stop).Status == 1


def test_what_a_trail_has_seen_outlives_the_process(tmp_path: Path) -> None:
    room = SpotRoom(tmp_path, name="Binance")
    stop = room.condition("sell", 1, GENERIC, options={"type": "TRAILING_STOP_MARKET", "callbackRate": "10"})
    quiet(room)
    room.trade((120, 1))
    room.venue.close()
    room = SpotRoom(tmp_path, name="Binance")
    quiet(room)  # 100.5 is more than a tenth below 120
    assert room.venue.condition_order(stop).Status == 1
    room.venue.close()


def test_a_gap_is_judged_by_the_first_price_after_it(tmp_path: Path) -> None:
    room = SpotRoom(tmp_path)
    hit, kept = room.condition("sell", 1, SL, sl_trigger=95.0), room.condition("sell", 1, SL, sl_trigger=80.0)
    quiet(room)
    room.venue.close()
    room = SpotRoom(tmp_path)
    room.trade((70, 1), (90, 1))  # 70 was seen by nobody
    assert room.venue.condition_order(hit).Status == 1
    assert room.venue.condition_order(kept).Status == 0
    assert [one.Id for one in room.venue.condition_orders()] == [kept]
    assert room.condition("sell", 1, SL, sl_trigger=60.0, client_id="next") == "BTC_USDT,algo3"
    room.venue.close()


def test_one_that_had_triggered_when_the_process_ended_still_places_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = SpotRoom(tmp_path)
    stop = room.condition("sell", 1, SL, sl_trigger=95.0)
    quiet(room)

    def away(*_: object) -> None:
        raise OperationFailed("away")

    monkeypatch.setattr(room.venue.book, "place_child", away)
    room.trade((94, 1))
    assert (room.venue.condition_order(stop).Status, room.venue.condition_order(stop).ChildId) == (0, "")
    assert room.told == ["resting paper orders of BTC_USDT cannot be matched; it is tried again: away"]
    with pytest.raises(OrderNotFound):
        room.venue.cancel_condition(stop)  # it has triggered
    room.venue.close()
    room = SpotRoom(tmp_path)
    quiet(room)  # the price is back, and it has triggered all the same
    assert room.venue.condition_order(stop).Status == 1
    room.venue.close()


def test_a_child_that_is_refused_is_told_and_shown() -> None:
    room = SpotRoom()
    stop = room.condition("sell", 11, SL, sl_trigger=95.0)  # more than there is
    quiet(room)
    room.trade((94, 1))
    order = room.venue.condition_order(stop)
    assert (order.Status, order.ChildId) == (2, "")
    assert order.Refused.startswith("insufficient balance: the order needs 11 BTC")
    assert room.told == [f"the order of the triggered condition order {stop} was refused: {order.Refused}"]
    room.trade((93, 1))
    assert len(room.told) == 1
    assert room.venue.condition_orders() == []
    assert [one.Refused for one in room.venue.history_condition_orders("BTC_USDT")] == [order.Refused]


def test_a_client_order_id_is_taken_once_and_found() -> None:
    room = SpotRoom()
    stop = room.condition("sell", 1, SL, sl_trigger=95.0, client_id="mine")
    with pytest.raises(DuplicateOrder):
        room.condition("sell", 1, SL, sl_trigger=95.0, client_id="mine")
    assert room.venue.condition_by_client_id("BTC_USDT", "mine").Id == stop
    for missing in (
        lambda: room.venue.condition_by_client_id("BTC_USDT", "other"),
        lambda: room.venue.condition_order("BTC_USDT,algo9"),
    ):
        with pytest.raises(OrderNotFound):
            missing()


def test_cancelled_ones_never_trigger() -> None:
    room = SpotRoom(latency_ms=20)
    stop = room.condition("sell", 1, SL, sl_trigger=95.0)
    quiet(room)
    room.venue.cancel(stop)  # at either door
    assert room.clock.slept == [0.02, 0.02]
    room.trade((94, 1))
    assert room.venue.condition_order(stop).Status == 2
    assert room.venue.history_orders("BTC_USDT") == []
    with pytest.raises(OrderNotFound):
        room.venue.cancel_condition(stop)


def test_a_cancel_and_a_trigger_at_the_same_moment_leave_one_of_them() -> None:
    for _ in range(20):
        room = SpotRoom()
        stop = room.condition("sell", 1, SL, sl_trigger=95.0)
        quiet(room)
        room.market.public_trades["BTC_USDT"].append(
            room.market.public_trades["BTC_USDT"][-1].copy() | {"Id": "hit", "Price": 94.0, "Time": 50}
        )
        cancelled: list[bool] = []

        def act(index: int, room: SpotRoom = room, stop: str = stop, cancelled: list[bool] = cancelled) -> None:
            if index:
                room.venue.look()
                return
            try:
                room.venue.cancel_condition(stop)
                cancelled.append(True)
            except OrderNotFound:
                pass

        run_threads(3, act)
        order = room.venue.condition_order(stop)
        assert (order.Status == 2) is bool(cancelled)
        assert len(room.venue.history_orders("BTC_USDT")) == (0 if cancelled else 1)


def test_lists_and_their_limits() -> None:
    room = SpotRoom()
    ids = []
    for trigger in (90.0, 91.0, 92.0):
        ids.append(room.condition("sell", 1, SL, sl_trigger=trigger))
        room.clock.advance(1)
    assert [one.Id for one in room.venue.condition_orders("BTC_USDT")] == ids
    assert room.venue.condition_orders("ETH_USDT") == []
    for one in ids:
        room.venue.cancel_condition(one)
    past = room.venue.history_condition_orders
    assert [one.Id for one in past("BTC_USDT")] == ids
    assert [one.Id for one in past("BTC_USDT", 0, 1)] == ids[2:]
    assert [one.Id for one in past("BTC_USDT", past("BTC_USDT")[1].Time, 1)] == ids[1:2]
    assert past("ETH_USDT") == []
    with pytest.raises(ValueError, match="since and limit"):
        past("BTC_USDT", -1)


# Changes


def test_okx_changes_one_in_place_and_keeps_what_is_not_named() -> None:
    room = SpotRoom(name="OKX")
    assert room.venue.replaces_conditions is False
    both = room.condition("sell", 1, OCO, tp_trigger=105.0, tp_price=104.0, sl_trigger=95.0)
    assert room.change(both, "sell", amount=2, terms=ConditionTerms(kind=SL, sl_trigger=Decimal(97))) == both
    condition = room.venue.condition_order(both).Condition
    assert (condition.SlTriggerPrice, condition.TpTriggerPrice, condition.TpOrderPrice) == (97, 105, 104)
    assert room.venue.condition_order(both).Amount == 2
    with pytest.raises(InvalidOrder, match="SL trigger price cannot be higher than the last price"):
        room.change(both, "sell", terms=ConditionTerms(kind=SL, sl_trigger=Decimal(101)))
    quiet(room)
    room.trade((97, 1))
    assert room.venue.condition_order(both).DealAmount == 2
    with pytest.raises(OrderNotFound, match="code 51503"):
        room.change(both, "sell", amount=1, terms=ConditionTerms(kind=SL, sl_trigger=Decimal(90)))


def test_a_change_goes_by_what_another_thread_has_made_of_it() -> None:
    room = SpotRoom(name="OKX")
    both = room.condition("sell", 1, OCO, tp_trigger=105.0, sl_trigger=95.0)
    desk = room.venue.conditions
    reader = ConditionReader(room.venue.ways, lambda source: Decimal(100))
    turns = []

    def read(terms: ConditionTerms, options: Mapping[str, str]) -> Triggers:
        turns.append(terms)
        if len(turns) == 1:  # another change comes between
            room.change(both, "sell", terms=ConditionTerms(kind=TP, tp_trigger=Decimal(110)))
        return reader.read(terms, "sell", options)

    intent = ModifyIntent(
        order_id=both,
        symbol="BTC_USDT",
        side="sell",
        price=None,
        amount=None,
        client_order_id="m",
        terms=ConditionTerms(kind=SL, sl_trigger=Decimal(90)),
    )
    desk.change(intent, read)
    condition = room.venue.condition_order(both).Condition
    assert (condition.SlTriggerPrice, condition.TpTriggerPrice) == (90, 110)
    assert len(turns) == 2


def test_a_trade_from_before_a_change_does_not_trigger_it() -> None:
    room = SpotRoom(name="OKX")
    stop = room.condition("sell", 1, SL, sl_trigger=90.0)
    quiet(room)
    room.market.public_trades["BTC_USDT"] += [
        room.market.public_trades["BTC_USDT"][0] | {"Id": name, "Price": price, "Time": 1}
        for name, price in (("low", 94.0), ("back", 100.5))
    ]
    room.change(stop, "sell", terms=ConditionTerms(kind=SL, sl_trigger=Decimal(95)))
    room.venue.look()
    assert room.venue.condition_order(stop).Status == 0
    room.trade((94, 1), (100.5, 1))
    assert room.venue.condition_order(stop).Status == 1


def test_a_change_cannot_make_another_kind_of_it() -> None:
    room = SpotRoom(name="OKX")
    stop = room.condition("sell", 1, SL, sl_trigger=95.0)
    with pytest.raises(InvalidOrder, match="of the kind SL; a change cannot make it TP"):
        room.change(stop, "sell", terms=ConditionTerms(kind=TP, tp_trigger=Decimal(105)))
    trail = room.condition("sell", 1, GENERIC, options={"ordType": "move_order_stop", "callbackRatio": "0.1"})
    for side, order_id in (("sell", trail), ("buy", stop)):
        with pytest.raises(InvalidOrder, match="code 51506"):
            room.change(order_id, side, terms=ConditionTerms(kind=SL, sl_trigger=Decimal(90)))


def test_a_trigger_order_of_okx_gets_another_price() -> None:
    room = SpotRoom(name="OKX")
    order_id = room.condition("sell", 1, GENERIC, sl_trigger=95.0)
    room.change(order_id, "sell", terms=ConditionTerms(kind=GENERIC, sl_trigger=Decimal(105)))
    quiet(room)
    room.trade((94, 1))
    assert room.venue.condition_order(order_id).Status == 0
    room.trade((105, 1))
    assert room.venue.condition_order(order_id).Status == 1


def test_binance_replaces_them() -> None:
    room = SpotRoom(name="Binance")
    assert room.venue.replaces_conditions is True
    stop = room.condition("sell", 1, SL, sl_trigger=95.0)
    with pytest.raises(NotSupported):
        room.change(stop, "sell", terms=ConditionTerms(kind=SL, sl_trigger=Decimal(90)))


# Contracts


def test_a_stop_of_a_contract_closes_what_is_left_and_goes_before_a_resting_order() -> None:
    room = ContractRoom(name="Futures_Binance")
    room.place(LINEAR, "buy", 10)
    first, profit = room.place(LINEAR, "closebuy", 2, 150), room.place(LINEAR, "closebuy", 6, 150)
    part, stop = room.condition("closebuy", 3, SL, sl_trigger=95.0), room.condition("closebuy", 20, SL, sl_trigger=90.0)
    room.trade((100, 1))
    room.market.show(LINEAR, 94)
    room.trade((95, 1))
    assert room.venue.condition_order(part).DealAmount == 3
    assert (room.venue.order(first).Status, room.venue.order(profit).Status) == (
        0,
        2,
    )  # the newer one could have opened
    room.market.show(LINEAR, 89)
    room.trade((90, 1))
    order = room.venue.condition_order(stop)
    assert (order.Status, order.DealAmount, order.Offset) == (1, 7, 1)
    assert room.venue.order(first).Status == 2
    assert room.venue.positions() == []


def test_a_resting_order_that_still_closes_what_is_left_stays() -> None:
    room = ContractRoom()
    room.place(LINEAR, "buy", 10)
    profit = room.place(LINEAR, "closebuy", 5, 150)
    room.condition("closebuy", 5, SL, sl_trigger=90.0)
    room.trade((100, 1))
    room.trade((90, 1))
    assert room.venue.order(profit).Status == 0
    assert room.venue.positions()[0].Amount == 5


@pytest.mark.parametrize(("name", "code"), [("Futures_Binance", "-2022"), ("Futures_OKX", "51169")])
def test_a_stop_without_a_position_is_refused_in_the_venues_words(name: str, code: str) -> None:
    room = ContractRoom(name=name)
    stop = room.condition("closesell", 1, SL, sl_trigger=110.0)
    room.trade((100, 1))
    room.trade((111, 1))
    assert f"code {code}" in room.venue.condition_order(stop).Refused


@pytest.mark.parametrize(
    ("name", "options"),
    [("Futures_Binance", {"workingType": "MARK_PRICE"}), ("Futures_OKX", {"slTriggerPxType": "mark"})],
)
def test_a_trigger_by_the_mark_price_leaves_the_last_one_alone(name: str, options: dict[str, str]) -> None:
    room = ContractRoom(name=name)
    room.place(INVERSE, "buy", 1)
    stop = room.condition("closebuy", 1, SL, sl_trigger=90.0, options=options, symbol=INVERSE)
    room.symbol = INVERSE
    room.trade((100, 1))
    room.trade((80, 1))
    assert room.venue.condition_order(stop).Status == 0
    room.market.marks[INVERSE] = 90.0
    room.venue.look()
    assert room.venue.condition_order(stop).Status == 1


def test_a_stop_of_binances_futures_by_create_order() -> None:
    room = ContractRoom(name="Futures_Binance")
    room.place(LINEAR, "buy", 3)
    trail = room.place(
        LINEAR, "closebuy", 3, options={"type": "TRAILING_STOP_MARKET", "callbackRate": "5", "activationPrice": "110"}
    )
    stop = room.place(LINEAR, "closebuy", 1, 94, options={"type": "STOP", "stopPrice": "95"})
    assert [one.Id for one in room.venue.condition_orders()] == [trail, stop]
    assert room.venue.order(stop).Condition.SlOrderPrice == 94
    room.trade((100, 1))
    room.trade((95, 1))
    assert room.venue.order(room.venue.order(stop).ChildId).Price == 94


def test_two_venues_of_one_account_place_one_order(tmp_path: Path) -> None:
    first, second = SpotRoom(tmp_path), SpotRoom(tmp_path)
    stop = first.condition("sell", 1, SL, sl_trigger=95.0)
    for room in (first, second):
        quiet(room)
    for room in (first, second):
        room.market.public_trades["BTC_USDT"][0] |= {"Id": "hit", "Price": 94.0, "Time": 50}
    run_threads(2, lambda index: (first, second)[index].venue.look() and None)
    assert second.venue.condition_order(stop).Status == 1
    assert len(first.venue.history_orders("BTC_USDT")) == 1
    first.venue.close()
    second.venue.close()


def test_one_that_cannot_be_stored_has_not_happened(tmp_path: Path) -> None:
    room = SpotRoom(tmp_path)
    kept = room.condition("sell", 1, SL, sl_trigger=95.0)
    room.venue.book.store._database.execute("ALTER TABLE conditions RENAME TO gone")
    with pytest.raises(OperationFailed):
        room.condition("sell", 1, SL, sl_trigger=90.0)
    with pytest.raises(OperationFailed):
        room.venue.cancel_condition(kept)
    room.venue.book.store._database.execute("ALTER TABLE gone RENAME TO conditions")
    assert [one.Id for one in room.venue.condition_orders()] == [kept]
    room.venue.close()


def test_through_the_exchange_object_a_refused_child_is_an_error_line() -> None:
    room = SpotRoom()
    host = MemoryHost(room.clock)
    exchange: Any = Exchange("Fake", "BTC_USDT", venue=room.venue, host=host)
    stop = exchange.CreateConditionOrder(
        "", "sell", 11, {"ConditionType": SL, "SlTriggerPrice": 95, "SlOrderPrice": -1}, "why"
    )
    kept = exchange.CreateConditionOrder("", "sell", 1, {"ConditionType": SL, "SlTriggerPrice": 90, "SlOrderPrice": 89})
    assert [line.tail for line in host.lines] == [("condition SL", "why"), ("condition SL",)]
    quiet(room)
    room.trade((94, 1))
    assert host.errors == []
    assert [one.Id for one in exchange.GetConditionOrders()] == [kept]
    for _ in range(2):
        (past,) = exchange.GetHistoryConditionOrders()
        assert (past.Id, past.Status, past.Foreign) == (stop, 2, False)
    assert len(host.errors) == 1
    assert "the order of the triggered condition order" in host.errors[0]
    assert (
        exchange.CreateConditionOrder("", "sell", 1, {"ConditionType": SL, "SlTriggerPrice": 101, "SlOrderPrice": -1})
        is None
    )
    room.trade((90, 1))
    done = exchange.GetConditionOrder(kept)
    assert done.Status == 1
    assert [one.Foreign for one in exchange.GetHistoryOrders()] == [
        False
    ]  # it has the condition order's client order id
