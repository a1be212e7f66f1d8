"""The merged state of a live account: nothing is told twice, nothing goes back, and each gap has its mark."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads.clock import ManualClock
from fmzthreads.constants import ORDER_STATE_CANCELED, ORDER_STATE_CLOSED, ORDER_STATE_PENDING, PD_SHORT
from fmzthreads.exchange.live_account import view as view_module
from fmzthreads.exchange.live_account.events import AccountSnapshot, OrderChange, PositionChange, StreamFill
from fmzthreads.exchange.live_account.view import AccountView
from fmzthreads.structures import Condition, Info, Order, Position
from tests.helpers.account_streams import order, position


def snapshot(
    *orders: Order, conditions: tuple[Order, ...] = (), positions: tuple[tuple[Position, int], ...] = ()
) -> AccountSnapshot:
    return AccountSnapshot(orders=list(orders), conditions=list(conditions), positions=list(positions))


def live(*orders: Order, positions: tuple[tuple[Position, int], ...] = ()) -> AccountView:
    view = AccountView(ManualClock(1_600_000_000))
    view.catch_up(snapshot(*orders, positions=positions), [])
    view.set_live()
    view.take()
    return view


def kinds(view: AccountView) -> list[str]:
    return [update.Kind for update in view.take()]


def test_nothing_is_answered_before_it_is_live_and_after_a_loss() -> None:
    view = AccountView(ManualClock(1_600_000_000))
    view.lose("not connected yet")
    view.lose("still not")
    assert (view.orders(None), view.positions(None)) == (None, None)
    view.catch_up(snapshot(order(), positions=((position(2), 5),)), [])
    assert view.orders(None) is None
    view.set_live()
    assert [one.Id for one in view.orders(None) or []] == ["BTCUSDT,1"]
    assert [one.Amount for one in view.positions("USDT.swap") or []] == [2]
    assert view.positions("USD.swap") == []
    view.lose("cut")
    view.lose("cut again")
    assert view.orders(None) is None
    assert view.gaps == 1
    found = view.take()
    assert [update.Kind for update in found] == ["gap", "order", "position", "live", "gap"]
    assert [update.Seq for update in found] == [1, 2, 3, 4, 5]
    assert (found[0].Text, found[4].Text) == ("not connected yet", "cut")


def test_what_is_returned_is_a_copy() -> None:
    view = live(order(), positions=((position(1), 5),))
    (view.orders(None) or [])[0]["Status"] = 99
    (view.positions(None) or [])[0]["Amount"] = 99
    assert (view.orders(None) or [])[0].Status == ORDER_STATE_PENDING
    assert (view.positions(None) or [])[0].Amount == 1


def test_a_message_of_before_the_snapshot_takes_nothing_back() -> None:
    view = live(order(dealt=5))
    assert not view.apply(OrderChange(order=order(dealt=3), time_ms=50, fill=Info(Id="3")))
    assert view.apply(OrderChange(order=order(dealt=7), time_ms=60, fill=Info(Id="4")))
    assert not view.apply(OrderChange(order=order(dealt=7), time_ms=55))
    assert view.apply(OrderChange(order=order(dealt=7, status=ORDER_STATE_CANCELED), time_ms=70))
    assert not view.apply(OrderChange(order=order(dealt=7), time_ms=80))
    assert kinds(view) == ["fill", "order", "order"]
    assert view.orders(None) == []


def test_an_order_that_ended_in_the_gap_is_told_once() -> None:
    view = live(order(1), order(2))
    view.lose("cut")
    assert [one.Id for one in view.open_ids()] == ["BTCUSDT,1", "BTCUSDT,2"]
    view.catch_up(snapshot(order(2)), [order(1, dealt=10, status=ORDER_STATE_CLOSED)])
    view.set_live()
    late = OrderChange(order=order(1, dealt=4), time_ms=1, fill=Info(Id="1"))
    assert not view.apply(late)  # the order is further already; its fill was not told of
    assert not view.apply(late)
    found = view.take()
    assert [(update.Kind, update.Order and update.Order.Id) for update in found] == [
        ("gap", None), ("order", "BTCUSDT,1"), ("live", None), ("fill", "BTCUSDT,1")
    ]  # fmt: skip
    assert [update.Order.DealAmount for update in (found[1], found[3])] == [10, 10]


def test_of_orders_that_have_ended_only_the_last_are_kept_and_no_fill_is_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(view_module, "_MOST_ENDED", 3)
    monkeypatch.setattr(view_module, "_SLACK", 3)
    view = live(order(100))
    for number in range(1, 21):
        ended = order(number, dealt=10, status=ORDER_STATE_CLOSED)
        view.apply(OrderChange(order=ended, time_ms=number, fill=Info(Id=str(number))))
    known = [number for number in range(1, 101) if view.knows(f"BTCUSDT,{number}")]
    assert known[-4:] == [18, 19, 20, 100]  # what is open stays, and so do the last that ended
    assert len(known) <= 7
    view.take()
    again = order(1, dealt=10, status=ORDER_STATE_CLOSED)
    view.apply(OrderChange(order=again, time_ms=1, fill=Info(Id="1")))
    assert "fill" not in kinds(view)
    assert [one.Id for one in view.orders(None) or []] == ["BTCUSDT,100"]


def test_an_own_order_must_be_told_of_before_the_view_answers_again() -> None:
    view = live()
    view.expect("BTCUSDT,1")
    assert (view.orders(None), view.positions(None)) == (None, None)
    view.apply(OrderChange(order=order(1), time_ms=1))
    assert len(view.orders(None) or []) == 1
    view.await_change("BTCUSDT,1")
    assert view.orders(None) is None
    view.apply(OrderChange(order=order(1, status=ORDER_STATE_CANCELED), time_ms=2))
    assert view.orders(None) == []
    view.await_change("BTCUSDT,1")  # it has ended: nothing more will come
    view.expect("BTCUSDT,1")  # it was told of before the reply to its placement
    assert view.orders(None) == []
    view.expect("BTCUSDT,2")
    view.lose("cut")
    view.catch_up(snapshot(), [])
    view.renounce(view.expected())
    view.set_live()
    assert view.orders(None) == []


def test_positions_go_forward_only_and_keep_what_the_stream_leaves_out() -> None:
    view = live(positions=((position(2, MarginLevel=20.0, Margin=7.0), 50),))
    assert not view.apply(PositionChange(position=position(1), time_ms=49))
    assert view.apply(PositionChange(position=position(3), time_ms=50))
    assert view.positions(None) is None  # another amount has another margin
    (held,) = view.positions(None, amounts_only=True) or []
    assert (held.Amount, held.MarginLevel) == (3, 20.0)
    assert not view.apply(PositionChange(position=position(0, PD_SHORT), time_ms=60))
    assert view.apply(PositionChange(position=position(0), time_ms=60))
    assert not view.apply(PositionChange(position=position(0), time_ms=61))
    assert view.positions(None) == []
    assert kinds(view) == ["position", "position"]


def test_a_position_that_was_closed_in_the_gap_is_told_as_flat() -> None:
    view = live(positions=((position(2), 50), (position(4, PD_SHORT), 50)))
    view.lose("cut")
    view.catch_up(snapshot(positions=((position(4, PD_SHORT), 50),)), [])
    view.set_live()
    assert [(one.Type, one.Amount) for one in view.positions(None) or []] == [(PD_SHORT, 4)]
    assert [(u.Kind, u.Position and u.Position.Amount) for u in view.take()] == [
        ("gap", None),
        ("position", 0),
        ("live", None),
    ]


def test_a_condition_order_and_its_child_are_one() -> None:
    terms = Condition(ConditionType=2, TpTriggerPrice=0.0, TpOrderPrice=0.0, SlTriggerPrice=90.0, SlOrderPrice=-1.0)
    for child_first in (False, True):
        view = live()
        waiting = order(7, Id="BTCUSDT,algo7", Condition=terms)
        view.apply(OrderChange(order=waiting.copy(), time_ms=1))
        assert [one.Id for one in view.orders(None, conditional=True) or []] == ["BTCUSDT,algo7"]
        assert view.orders(None) == []
        triggered = OrderChange(order=Order({**waiting, "ChildId": "BTCUSDT,9"}), time_ms=2)
        filled = OrderChange(order=order(9, dealt=10, status=ORDER_STATE_CLOSED), time_ms=3)
        for change in (filled, triggered) if child_first else (triggered, filled):
            view.apply(change)
        parent = view._conditions["BTCUSDT,algo7"]
        assert (parent.DealAmount, parent.Status, parent.ChildId) == (10, ORDER_STATE_CLOSED, "BTCUSDT,9")
        assert view.orders(None, conditional=True) == []


def test_a_fill_is_told_once_whatever_the_order_of_the_messages() -> None:
    view = live()
    steps = [
        OrderChange(order=order(1), time_ms=1),
        OrderChange(order=order(1, dealt=4), time_ms=2, fill=Info(Id="7", Time=2)),
        OrderChange(order=order(1, dealt=10, status=ORDER_STATE_CLOSED), time_ms=3, fill=Info(Id="8", Time=3)),
    ]
    for number in (2, 0, 1, 2, 1, 0):
        view.apply(
            OrderChange(order=steps[number].order.copy(), time_ms=steps[number].time_ms, fill=steps[number].fill)
        )
    view.take_fill(StreamFill(order_id="BTCUSDT,1", symbol="BTC_USDT.swap", fill=Info(Id="7", Time=2)), None)
    view.take_fill(StreamFill(order_id="BTCUSDT,1", symbol="BTC_USDT.swap", fill=Info(Id="9", Time=3)), None)
    found = view.take()
    assert [update.Fill.Id for update in found if update.Kind == "fill"] == ["8", "7", "9"]
    assert [update.Order.DealAmount for update in found if update.Kind == "order"] == [10]
    assert view.orders(None) == []


def test_a_fill_that_the_first_snapshot_has_counted_is_never_told() -> None:
    view = live(order(1, dealt=5))
    counted = OrderChange(order=order(1, dealt=5), time_ms=9, fill=Info(Id="3", Time=9))
    assert not view.apply(counted)
    view.take_fill(StreamFill(order_id="BTCUSDT,1", symbol="BTC_USDT.swap", fill=Info(Id="3", Time=9)), None)
    assert view.take() == []


def test_an_order_that_was_placed_and_filled_in_the_gap_is_told_with_its_fill() -> None:
    view = live()
    missed = StreamFill(order_id="BTCUSDT,4", symbol="BTC_USDT.swap", fill=Info(Id="3", Time=9))
    view.take_fill(missed, None)  # of an order that the venue does not know any more
    assert kinds(view) == []
    view.take_fill(missed, order(4, dealt=10, status=ORDER_STATE_CLOSED))
    view.take_fill(missed, None)
    assert kinds(view) == ["order", "fill"]
    assert view.knows("BTCUSDT,4")
    assert view.symbols() == ["BTC_USDT.swap"]


def test_a_repeated_message_is_no_change() -> None:
    view = live(order(1))
    assert not view.apply(OrderChange(order=order(1, Info=Info(uTime="2")), time_ms=2))
    assert view.apply(OrderChange(order=order(1, Price=99.0), time_ms=3))
    assert not view.apply(OrderChange(order=order(1), time_ms=2))
    assert view.apply(PositionChange(position=position(2), time_ms=1))
    assert not view.apply(PositionChange(position=position(2, Profit=5.0), time_ms=2))
    assert [one.Profit for one in view.positions(None, amounts_only=True) or []] == [5.0]
    assert kinds(view) == ["order", "position"]


def test_an_order_that_was_placed_while_rest_was_asked_stays_expected() -> None:
    view = live()
    view.lose("cut")
    mark = view.expected()
    view.expect("BTCUSDT,1", "ETH_USDT.swap")  # after the snapshot's list of open orders was made
    view.catch_up(snapshot(), [])
    view.renounce(mark)
    view.set_live()
    assert view.orders(None) is None
    view.apply(OrderChange(order=order(1), time_ms=1))
    assert len(view.orders(None) or []) == 1
    assert view.symbols() == ["BTC_USDT.swap", "ETH_USDT.swap"]


def test_leverage_and_margin_that_the_stream_does_not_tell_are_read_once_for_each_amount() -> None:
    view = live()
    view.apply(PositionChange(position=position(2), time_ms=1))
    assert view.positions(None) is None
    assert view.positions("ETH_USDT.swap") == []
    assert len(view.positions(None, amounts_only=True) or []) == 1
    view.learn([position(3, MarginLevel=20.0, Margin=7.0)])  # of another moment
    assert view.positions(None) is None
    view.learn([position(2, MarginLevel=20.0, Margin=7.0)])
    view.learn([position(2, MarginLevel=30.0, Margin=8.0)])  # known already
    assert [(one.MarginLevel, one.Margin) for one in view.positions(None) or []] == [(20.0, 7.0)]
    view.apply(PositionChange(position=position(2, Profit=5.0), time_ms=2))
    assert [(one.Amount, one.MarginLevel, one.Margin) for one in view.positions(None) or []] == [(2, 20.0, 7.0)]
    view.apply(PositionChange(position=position(3), time_ms=2))
    assert view.positions(None) is None
    view.apply(PositionChange(position=position(3, Profit=5.0), time_ms=2))
    assert view.positions(None) is None
    view.learn([position(3, MarginLevel=20.0, Margin=10.5)])
    assert [(one.Amount, one.MarginLevel, one.Margin) for one in view.positions(None) or []] == [(3, 20.0, 10.5)]
    view.apply(PositionChange(position=position(4, Margin=14.0), time_ms=2))  # of an isolated one Binance tells it
    assert [(one.Amount, one.MarginLevel, one.Margin) for one in view.positions(None) or []] == [(4, 20.0, 14.0)]
    view.apply(PositionChange(position=position(4, Margin=24.0), time_ms=2))  # margin was added to it
    assert [one.Margin for one in view.positions(None) or []] == [24.0]
    view.apply(PositionChange(position=position(3, Margin=24.0), time_ms=2))
    view.set_leverage("BTC_USDT.swap", 5.0)
    assert view.positions(None) is None
    assert [(one.MarginLevel, one.Margin) for one in view.positions(None, amounts_only=True) or []] == [(5.0, 0.0)]
    view.learn([position(3, MarginLevel=5.0, Margin=60.0)])
    assert [(one.MarginLevel, one.Margin) for one in view.positions(None) or []] == [(5.0, 60.0)]
    view.apply(PositionChange(position=position(0), time_ms=3))
    assert view.positions(None) == []
    view.apply(PositionChange(position=position(1), time_ms=4))
    assert view.positions(None) is None  # opened again: its margin is another one


def test_positions_that_a_venue_keeps_apart_are_apart_and_a_flat_one_keeps_its_direction() -> None:
    view = AccountView(ManualClock(1_600_000_000), lambda one: one["Info"]["posId"])
    cross, isolated = position(2, PD_SHORT, Info=Info(posId="1")), position(3, PD_SHORT, Info=Info(posId="2"))
    view.catch_up(snapshot(positions=((cross, 5), (isolated, 5))), [])
    view.set_live()
    assert sorted(one.Amount for one in view.positions(None) or []) == [2, 3]
    view.apply(PositionChange(position=position(0, Info=Info(posId="1")), time_ms=6))
    assert [one.Amount for one in view.positions(None) or []] == [3]
    assert (view.take()[-1].Position.Type, view.waiting) == (PD_SHORT, 0)


def test_messages_about_one_millisecond_go_by_when_the_venue_told_so() -> None:
    view = live()
    assert view.apply(PositionChange(position=position(1), time_ms=5, told_ms=6))
    assert view.apply(PositionChange(position=position(2), time_ms=5, told_ms=7))
    assert not view.apply(PositionChange(position=position(1), time_ms=5, told_ms=6))
    assert [one.Amount for one in view.positions(None, amounts_only=True) or []] == [2]


def test_the_condition_order_itself_is_told_of_what_its_child_does() -> None:
    view = live()
    terms = Condition(ConditionType=2, TpTriggerPrice=0.0, TpOrderPrice=0.0, SlTriggerPrice=90.0, SlOrderPrice=-1.0)
    view.apply(OrderChange(order=order(7, Id="BTCUSDT,algo7", Condition=terms, ChildId="BTCUSDT,9"), time_ms=1))
    view.apply(OrderChange(order=order(9, dealt=10, status=ORDER_STATE_CLOSED), time_ms=2, fill=Info(Id="1", Time=2)))
    found = [(update.Kind, update.Order.Id, update.Order.Status) for update in view.take()]
    assert found == [
        ("order", "BTCUSDT,algo7", ORDER_STATE_PENDING), ("fill", "BTCUSDT,9", ORDER_STATE_CLOSED),
        ("order", "BTCUSDT,9", ORDER_STATE_CLOSED), ("order", "BTCUSDT,algo7", ORDER_STATE_CLOSED),
    ]  # fmt: skip


def test_updates_that_nobody_fetches_are_dropped_with_a_mark() -> None:
    view = live()
    for number in range(10_001):
        view.apply(PositionChange(position=position(1 + number % 2), time_ms=number))
    found = view.take()
    assert found[0].Kind == "gap"
    assert "were not fetched" in found[0].Text
    assert len(found) < 10_000
    assert view.positions(None, amounts_only=True)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 6), st.data())
def test_wherever_the_snapshot_falls_the_end_is_the_venue_s(fills: int, data: Any) -> None:
    """The stream tells of each fill in order; REST is asked at any moment, and its reply is applied before any of them is read."""
    steps = [
        order(1, dealt=float(n), status=ORDER_STATE_CLOSED if n == fills else ORDER_STATE_PENDING)
        for n in range(fills + 1)
    ]
    seen = data.draw(st.integers(0, len(steps) - 1))
    view = AccountView(ManualClock(1_600_000_000))
    view.lose("new")
    known = [steps[seen]] if steps[seen].Status == ORDER_STATE_PENDING else []
    view.catch_up(snapshot(*(one.copy() for one in known)), [])
    for moment, step in enumerate(steps):
        view.apply(OrderChange(order=step.copy(), time_ms=100 + moment, fill=Info(Id=str(moment)) if moment else None))
    view.set_live()
    assert view._orders["BTCUSDT,1"].Status == steps[-1].Status
    assert view._orders["BTCUSDT,1"].DealAmount == steps[-1].DealAmount
    told = [update.Fill.Id for update in view.take() if update.Kind == "fill"]
    assert len(told) == len(set(told))
    assert told == sorted(told, key=int)
