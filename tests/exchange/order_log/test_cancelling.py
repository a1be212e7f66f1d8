"""A cancel is sent once; when its reply is lost, the state of the order tells."""

from __future__ import annotations

from typing import Any

import pytest

from fmzthreads.constants import ORDER_STATE_CANCELED, ORDER_STATE_PENDING
from fmzthreads.errors import ConnectFailed, OperationFailed, OrderNotFound, OutcomeUnknown, StopRequested, TimedOut
from fmzthreads.testing import FakeVenue
from tests.helpers.exchange_room import JumpClock, make


class Counter:
    def __init__(self) -> None:
        clock = JumpClock()
        self.exchange: Any
        self.exchange, self.venue, self.host = make(errors="raise", clock=clock)
        self.clock = clock
        self.order_id = self.exchange.Buy(99, 1)

    @property
    def fate(self) -> str:
        found = [record for record in self.exchange._core.intents.all() if record.is_cancel]
        assert found[-1].intent.symbol == "BTC_USDT"
        assert found[-1].intent.order_id == self.order_id
        return str(found[-1].fate)


@pytest.fixture
def counter() -> Counter:
    return Counter()


def test_a_cancel_that_is_accepted(counter: Counter) -> None:
    assert counter.exchange.CancelOrder(counter.order_id, "why")
    assert counter.fate == "cancelled"
    assert counter.venue.calls["order"] == 0
    assert counter.host.lines[-1].tail == ("why",)


@pytest.mark.parametrize("error", [None, TimedOut("late")])
def test_a_lost_reply_is_settled_by_the_state_of_the_order(counter: Counter, error: Any) -> None:
    counter.venue.lose_reply("cancel", error=error)
    assert counter.exchange.CancelOrder(counter.order_id)
    assert counter.venue.calls["cancel"] == 1
    assert counter.venue.calls["order"] == 1
    assert counter.fate == "cancelled"


def test_an_order_that_stays_open_was_not_cancelled(counter: Counter) -> None:
    counter.venue.fail("cancel", OutcomeUnknown("lost"))
    began = counter.clock.monotonic()
    with pytest.raises(OperationFailed, match=r"the cancel did not arrive: lost.*still open 1 s later"):
        counter.exchange.CancelOrder(counter.order_id)
    assert counter.clock.monotonic() - began >= counter.venue.settling_s
    assert counter.fate == "absent"
    assert counter.venue.calls["cancel"] == 1
    assert counter.exchange.CancelOrder(counter.order_id)  # now it may be tried again


def test_an_order_that_was_filled_meanwhile(counter: Counter) -> None:
    counter.venue.fail("cancel", OutcomeUnknown("lost"))
    counter.venue.fill(counter.order_id)
    with pytest.raises(OrderNotFound, match="was filled"):
        counter.exchange.CancelOrder(counter.order_id)
    assert counter.fate == "refused"


def test_a_state_that_is_not_known_settles_nothing(counter: Counter) -> None:
    counter.venue.fail("cancel", OutcomeUnknown("lost"))
    counter.venue._orders[counter.order_id].Status = 3
    with pytest.raises(OutcomeUnknown, match="state that is not known"):
        counter.exchange.CancelOrder(counter.order_id)


def test_what_nobody_can_tell_is_unknown_until_it_is_asked_again(counter: Counter) -> None:
    counter.venue.lose_reply("cancel")
    counter.venue.fail("order", TimedOut("late"), always=True)
    with pytest.raises(OutcomeUnknown, match=r"a cancel of .* was sent and its outcome is unknown.*queried 8 times"):
        counter.exchange.CancelOrder(counter.order_id)
    (record,) = counter.exchange.UnknownOrders()
    assert record.is_cancel
    assert [again.fate for again in counter.exchange.Reconcile()] == ["unknown"]
    counter.venue.heal("order")
    assert [again.fate for again in counter.exchange.Reconcile()] == ["cancelled"]
    assert counter.exchange.UnknownOrders() == []
    assert counter.venue.calls["cancel"] == 1


@pytest.mark.parametrize(("filled", "state"), [(True, "refused"), (False, "absent")])
def test_asked_again_an_order_that_was_not_cancelled(counter: Counter, filled: bool, state: str) -> None:
    counter.venue.fail("cancel", OutcomeUnknown("lost"))
    counter.venue.fail("order", TimedOut("late"), always=True)
    with pytest.raises(OutcomeUnknown):
        counter.exchange.CancelOrder(counter.order_id)
    counter.venue.heal("order")
    if filled:
        counter.venue.fill(counter.order_id)
    counter.clock.advance(2)
    assert [again.fate for again in counter.exchange.Reconcile()] == [state]


@pytest.mark.parametrize("error", [ConnectFailed("refused"), OrderNotFound("unknown order")])
def test_a_definite_no_is_passed_on(counter: Counter, error: Exception) -> None:
    counter.venue.fail("cancel", error)
    with pytest.raises(type(error)):
        counter.exchange.CancelOrder(counter.order_id)
    assert counter.fate == "refused"
    assert counter.venue.calls["order"] == 0


def test_a_stop_while_it_is_asked_leaves_it_unknown(counter: Counter) -> None:
    counter.venue.lose_reply("cancel")
    counter.venue.fail("order", StopRequested("stop"))
    with pytest.raises(StopRequested):
        counter.exchange.CancelOrder(counter.order_id)
    assert counter.fate == "unknown"
    assert counter.venue.order(counter.order_id).Status == ORDER_STATE_CANCELED


def test_a_venue_with_exact_outcomes_tells_that_nothing_was_sent() -> None:
    counter = Counter()
    counter.venue.exact_outcomes = True
    for error in (TimedOut("before it was sent"), StopRequested("stop")):
        counter.venue.fail("cancel", error)
        with pytest.raises(type(error)):
            counter.exchange.CancelOrder(counter.order_id)
        assert counter.fate == "refused"
    assert counter.venue.order(counter.order_id).Status == ORDER_STATE_PENDING


def test_the_fmz_form_of_a_lost_cancel_is_false() -> None:
    exchange, venue, host = make(clock=JumpClock())
    order_id = exchange.Buy(99, 1)
    venue.fail("cancel", OutcomeUnknown("lost"))
    assert exchange.CancelOrder(order_id) is False
    assert "still open" in host.errors[-1]
    assert isinstance(venue, FakeVenue)
