"""``ModifyOrder``: recorded before it is sent, never repeated, and settled by what the order then is."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmzthreads.errors import InputError, OperationFailed, OrderNotFound, OutcomeUnknown, TimedOut
from fmzthreads.exchange.order_log import LookupPlan, ModifyIntent, ModifyNeverArrived, OrderFile
from tests.helpers.exchange_room import JumpClock, MemoryHost, make_contracts

ENDED = 2**22 + 1  # above the largest id of a process on Linux


def test_price_and_amount_are_changed_and_minus_one_leaves_them() -> None:
    exchange, venue, host = make_contracts(errors="raise")
    order_id = exchange.Buy(99, 5)
    assert exchange.ModifyOrder(order_id, "buy", 98.019, -1, "why") == order_id
    assert exchange.ModifyOrder(order_id, 'buy;{"priceMatch":"QUEUE_20"}', -1, 4) == order_id
    order = exchange.GetOrder(order_id)
    assert (order.Price, order.Amount) == (98.01, 4)
    assert venue.modified[1].options == {"priceMatch": "QUEUE_20"}
    assert [record.fate for record in exchange._core.intents.all()] == ["placed", "modified", "modified"]
    assert host.lines[1].tail == (f"change of {order_id}", "why")
    assert venue.calls["order"] == 1  # the change of an own order asks nothing beforehand


@pytest.mark.parametrize(
    ("price", "amount", "words"),
    [
        (-1, -1, "neither price nor amount of .* is to be changed"),
        (0, 3, r"price must be more than 0 \(or -1 to leave it as it is\), got 0"),
        (-5, 3, "price must be more than 0"),
        (98, 0, "amount must be more than 0"),
        (98, -3, "amount must be more than 0"),
        (98, 0.5, "is a number of contracts"),
        (98, 1e9, "amount"),
        (0.001, 3, "price must be more than 0"),
    ],
)
def test_a_change_that_cannot_be_is_refused(price: float, amount: float, words: str) -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    order_id = exchange.Buy(99, 5)
    with pytest.raises(InputError, match=words):
        exchange.ModifyOrder(order_id, "buy", price, amount)
    assert venue.calls["modify"] == 0


def test_a_lost_reply_is_settled_by_the_order() -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    order_id = exchange.Buy(99, 5)
    venue.lose_reply("modify")
    assert exchange.ModifyOrder(order_id, "buy", 98, 4) == order_id
    assert venue.calls["modify"] == 1
    venue.fail("modify", OutcomeUnknown("lost on the way"))
    venue.settling_s = 0.0
    with pytest.raises(ModifyNeverArrived, match=r"the change did not arrive.*was still unchanged"):
        exchange.ModifyOrder(order_id, "buy", 97, 4)
    assert [record.fate for record in exchange._core.intents.all()] == ["placed", "modified", "absent"]
    venue.fail("modify", OutcomeUnknown("lost on the way"))
    venue.cancel(order_id)
    with pytest.raises(OrderNotFound, match="has ended; it was not changed"):
        exchange.ModifyOrder(order_id, "buy", 96, 4)
    assert venue.calls["modify"] == 3


def test_an_outcome_that_stays_unknown_is_listed_and_reconciled() -> None:
    exchange, venue, _ = make_contracts(errors="raise", lookup=LookupPlan(attempts=1))
    order_id = exchange.Buy(99, 5)
    venue.lose_reply("modify")
    venue.fail("order", TimedOut("slow"))
    with pytest.raises(OutcomeUnknown, match=f"a change of {order_id} was sent and its outcome is unknown"):
        exchange.ModifyOrder(order_id, "buy", 98, -1)
    (record,) = exchange.UnknownOrders()
    assert (record.is_modify, record.intent.kind, record.fate) == (True, "modify", "unknown")
    (settled,) = exchange.Reconcile()
    assert (settled.fate, settled.order_id) == ("modified", order_id)
    assert exchange.UnknownOrders() == []


def test_a_change_is_a_row_before_it_is_sent_and_another_process_settles_it(tmp_path: Path) -> None:
    host = MemoryHost()
    host.order_log = OrderFile(tmp_path / "orders.sqlite", "s", host.clock, pid=2**22 + 1)
    exchange, venue, _ = make_contracts(errors="raise", host=host, durability="process", lookup=LookupPlan(attempts=1))
    order_id = exchange.Buy(99, 5)
    stop = {"ConditionType": 2, "SlTriggerPrice": 90, "SlOrderPrice": 89}
    condition_id = exchange.CreateConditionOrder("", "closebuy;workingType=MARK_PRICE", 2, stop)
    assert exchange.CancelConditionOrder(condition_id)
    venue.lose_reply("modify")
    venue.fail("order", TimedOut("slow"))
    with pytest.raises(OutcomeUnknown):
        exchange.ModifyOrder(order_id, 'buy;{"a":"b"}', 98, 4)
    venue.lose_reply("place_condition")
    venue.fail("condition_by_client_id", TimedOut("slow"))
    with pytest.raises(OutcomeUnknown):
        exchange.CreateConditionOrder("", "closebuy;workingType=MARK_PRICE", 2, stop)
    host.order_log.close()

    later = OrderFile(tmp_path / "orders.sqlite", "s", host.clock)
    changed, placed = (stored.record for stored in later.left_open("Futures_Fake"))
    assert isinstance(changed.intent, ModifyIntent)
    own = [record.intent for record in exchange._core.intents.unknown()]
    assert [changed.intent, placed.intent] == own
    exchange2, venue2, _ = make_contracts(errors="raise", host=_with(host, later), durability="process")
    exchange2._core.orders._venue = exchange2._core.orders._earlier._venue = venue  # type: ignore[union-attr]
    found = {record.intent.kind: record.fate for record in exchange2.Reconcile()}
    assert found == {"modify": "modified", "condition": "placed"}
    assert later.left_open("Futures_Fake") == []
    assert later.recorded([condition_id], conditional=True) == {condition_id}
    assert later.recorded([condition_id]) == set()
    later.close()
    assert venue2


def test_a_change_of_an_earlier_run_holds_orders_back_until_its_order_tells(tmp_path: Path) -> None:
    plan = LookupPlan(attempts=1)
    host = MemoryHost(JumpClock())
    host.order_log = OrderFile(tmp_path / "orders.sqlite", "s", host.clock, pid=ENDED)
    exchange, venue, _ = make_contracts(errors="raise", host=host, durability="process")
    order_id = exchange.Buy(99, 5)
    exchange._core.orders._plan = plan
    venue.lose_reply("modify")
    venue.fail("order", TimedOut("slow"), always=True)
    with pytest.raises(OutcomeUnknown):
        exchange.ModifyOrder(order_id, "buy", 98, 4)
    host.order_log.close()

    later = OrderFile(tmp_path / "orders.sqlite", "s", host.clock)
    exchange2, _, _ = make_contracts(errors="raise", host=_with(host, later), durability="process")
    desk = exchange2._core.orders
    desk._venue = desk._earlier._venue = venue  # type: ignore[union-attr]
    desk._earlier._plan = plan  # type: ignore[union-attr]
    # A venue that cannot find client order ids tells of a change all the same: by the order's id.
    venue.finds_client_ids = False
    reads: list[str] = []
    left_open = later.left_open
    later.left_open = lambda account, symbol=None: reads.append(account) or left_open(account, symbol)  # type: ignore[method-assign,func-returns-value]
    for _ in range(2):
        with pytest.raises(OperationFailed, match=r"a change of an earlier run .* is not settled"):
            exchange2.Buy(99, 1)
    venue.heal("order")
    assert exchange2.Buy(99, 1)
    assert exchange2.Buy(99, 1)
    assert len(reads) == 3  # once nothing is left, the file is not read for each order
    later.close()


def _with(host: MemoryHost, file: OrderFile) -> MemoryHost:
    again = MemoryHost(host.clock)
    again.order_log = file
    return again
