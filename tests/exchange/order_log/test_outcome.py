from __future__ import annotations

import threading
from decimal import Decimal

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.errors import (
    AuthenticationFailed,
    BadReply,
    ConnectFailed,
    ConnectionLost,
    DuplicateOrder,
    InsufficientFunds,
    OperationFailed,
    OrderNotFound,
    OutcomeUnknown,
    StopRequested,
    TimedOut,
)
from fmzthreads.exchange.order_log import IntentLog, LookupPlan, ask_again, new_client_order_id, place_once
from fmzthreads.exchange.venue import OrderIntent
from fmzthreads.testing import FakeVenue
from tests.helpers.clocks import SettableClock
from tests.helpers.exchange_room import JumpClock, run_threads


def new(client_order_id=""):
    return OrderIntent(
        symbol="BTC_USDT",
        side="buy",
        price=Decimal(100),
        amount=Decimal(1),
        client_order_id=client_order_id or new_client_order_id(),
    )


class Desk:
    def __init__(self, clock=None, **plan):
        self.clock = clock if clock is not None else JumpClock()
        self.venue = FakeVenue(clock=self.clock, settling_s=1.0)
        self.log = IntentLog(self.clock)
        self.plan = LookupPlan(**plan)
        self.intent = new()

    def place(self, **options):
        return place_once(self.venue, self.intent, self.log, self.clock, self.plan, **options)

    @property
    def record(self):
        return self.log.get(self.intent.client_order_id)


@pytest.fixture
def desk():
    return Desk()


def test_a_plain_order_asks_nothing(desk):
    order_id = desk.place()
    assert desk.venue.calls == {"place": 1}
    assert (desk.record.fate, desk.record.order_id) == ("placed", order_id)
    assert desk.record.settled_at == desk.clock.now()


@pytest.mark.parametrize("error", [None, TimedOut("late"), ConnectionLost("gone"), BadReply("<html>")])
def test_accepted_but_the_reply_is_lost(desk, error):
    desk.venue.lose_reply(error=error)
    order_id = desk.place()
    assert len(desk.venue.placed) == 1
    assert desk.venue.calls["place"] == 1
    assert desk.venue.order(order_id).Info.clientOrderId == desk.intent.client_order_id
    assert (desk.record.fate, desk.record.order_id, desk.record.detail) == ("placed", order_id, "")


def test_not_accepted_is_believed_only_after_the_venue_has_settled(desk):
    desk.venue.fail("place", OutcomeUnknown("no reply", request="POST x"))
    began = desk.clock.monotonic()
    with pytest.raises(OperationFailed, match=r"did not arrive: no reply \[POST x\]") as caught:
        desk.place()
    assert isinstance(caught.value.__cause__, OutcomeUnknown)
    assert desk.clock.monotonic() - began >= desk.venue.settling_s
    assert desk.venue.calls["place"] == 1
    assert desk.record.fate == "absent"
    assert desk.log.unknown() == []


def test_an_order_that_appears_late_is_found(desk):
    desk.venue.lose_reply()
    desk.venue.fail("order_by_client_id", *[OrderNotFound("none yet")] * 3)
    order_id = desk.place()
    assert desk.record.order_id == order_id
    assert desk.venue.calls["order_by_client_id"] == 4


def test_lookups_that_fail_are_repeated(desk):
    desk.venue.lose_reply()
    desk.venue.fail("order_by_client_id", TimedOut("late"), ConnectFailed("refused"))
    assert desk.place() == desk.record.order_id


def test_when_nobody_answers_it_is_unknown_and_bounded(desk):
    desk.venue.lose_reply()
    desk.venue.fail("order_by_client_id", TimedOut("late"), always=True)
    began = desk.clock.monotonic()
    with pytest.raises(OutcomeUnknown, match=r"outcome is unknown: .*queried 8 times.*last reply: late") as caught:
        desk.place()
    assert caught.value.client_order_id == desk.intent.client_order_id
    assert desk.venue.calls["order_by_client_id"] == desk.plan.attempts
    assert desk.clock.monotonic() - began <= desk.plan.timeout_s
    assert desk.venue.calls["place"] == 1
    assert [one.intent for one in desk.log.unknown()] == [desk.intent]


def test_the_deadline_holds_though_each_answer_is_slow():
    desk = Desk(attempts=1000, timeout_s=10.0)
    desk.venue.lose_reply()
    desk.venue.delay("order_by_client_id", 3.0)
    desk.venue.fail("order_by_client_id", TimedOut("late"), always=True)
    began = desk.clock.monotonic()
    with pytest.raises(OutcomeUnknown):
        desk.place()
    assert 10.0 <= desk.clock.monotonic() - began <= 10.0 + 2 * 3.0 + 2.0


def test_no_such_order_early_and_silence_later_is_unknown(desk):
    desk.venue.fail("place", OutcomeUnknown("no reply"))
    desk.venue.fail("order_by_client_id", OrderNotFound("none"), OrderNotFound("none"))
    desk.venue.fail("order_by_client_id", TimedOut("late"), always=True)
    with pytest.raises(OutcomeUnknown):
        desk.place()
    assert desk.record.fate == "unknown"


def test_few_questions_still_reach_past_the_settling_time():
    desk = Desk(attempts=2)
    desk.venue.settling_s = 6.0
    desk.venue.fail("place", OutcomeUnknown("no reply"))
    with pytest.raises(OperationFailed):
        desk.place()
    assert desk.venue.calls["order_by_client_id"] == 2


@pytest.mark.parametrize("settling_s", [0.0, 0.05, 1.0, 6.0, 14.0, 60.0])
def test_any_settling_time_is_waited_for(settling_s):
    desk = Desk()
    desk.venue.settling_s = settling_s
    desk.venue.fail("place", OutcomeUnknown("no reply"))
    with pytest.raises(OperationFailed):
        desk.place()
    assert desk.record.fate == "absent"


def test_a_lookup_that_is_forbidden_is_not_repeated(desk):
    desk.venue.lose_reply()
    desk.venue.fail("order_by_client_id", AuthenticationFailed("no permission"), always=True)
    with pytest.raises(OutcomeUnknown):
        desk.place()
    assert desk.venue.calls["order_by_client_id"] == 1


@pytest.mark.parametrize("error", [InsufficientFunds("poor"), ConnectFailed("refused")])
def test_a_definite_no_is_passed_on_at_once(desk, error):
    desk.venue.fail("place", error)
    with pytest.raises(type(error)):
        desk.place()
    assert desk.venue.calls == {"place": 1}
    assert (desk.record.fate, desk.record.detail) == ("refused", str(error))


def test_an_adapter_that_is_exact_is_taken_at_its_word(desk):
    desk.venue.exact_outcomes = True
    desk.venue.fail("place", TimedOut("the clock could not be asked; nothing was sent"))
    with pytest.raises(TimedOut):
        desk.place()
    assert desk.venue.calls == {"place": 1}
    assert desk.record.fate == "refused"


def test_duplicate_of_an_id_of_ours_means_that_it_arrived(desk):
    desk.venue.lose_reply(error=DuplicateOrder("in use"))
    assert desk.place() == desk.record.order_id
    assert desk.record.fate == "placed"


def test_duplicate_of_the_strategy_s_own_id_is_a_refusal(desk):
    desk.venue.fail("place", DuplicateOrder("in use"))
    with pytest.raises(DuplicateOrder):
        desk.place(own_client_id=False)
    assert desk.record.fate == "refused"
    assert desk.venue.calls == {"place": 1}


def test_an_id_that_is_under_way_is_not_sent_again(desk):
    hold = desk.venue.hold("place")
    thread = threading.Thread(target=desk.place)
    thread.start()
    assert hold.wait_for_call()
    with pytest.raises(DuplicateOrder, match="in flight"):
        desk.place()
    hold.release()
    thread.join(30)
    assert desk.venue.calls["place"] == 1
    assert desk.record.fate == "placed"


@pytest.mark.parametrize("error", [KeyError("a fault of the adapter"), KeyboardInterrupt(), SystemExit()])
def test_whatever_ends_the_call_the_log_says_unknown(desk, error):
    def broken(intent):
        raise error

    desk.venue.place = broken
    with pytest.raises(type(error)):
        desk.place()
    assert desk.record.fate == "unknown"


def test_a_stop_while_asking_leaves_it_unknown():
    desk = Desk(ManualClock())
    desk.venue.lose_reply()
    desk.venue.fail("order_by_client_id", TimedOut("late"), always=True)
    ended = []

    def work():
        with pytest.raises(StopRequested):
            desk.place()
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    assert desk.clock.wait_for_sleepers(1)
    desk.clock.stop.request()
    thread.join(30)
    assert ended == [True]
    assert desk.record.fate == "unknown"
    assert "lost" in desk.record.detail


def test_the_log_forgets_the_settled_and_never_the_unknown():
    log = IntentLog(JumpClock(), keep=3)
    unknown = [new() for _ in range(5)]
    for intent in unknown:
        log.begin(intent)
        log.end(intent.client_order_id, "unknown")
    for _ in range(10):
        intent = new()
        log.begin(intent)
        log.end(intent.client_order_id, "placed", order_id="X,1")
    assert [one.intent for one in log.unknown()] == unknown
    assert len(log.all()) == 8
    assert log.end("no such id", "placed") is None
    assert log.get("no such id") is None


def test_thousands_of_orders_with_every_kind_of_loss():
    """Whatever happens on the way, the venue holds exactly the orders that were reported as placed or unknown, each once."""
    clock = JumpClock()
    venue = FakeVenue(clock=clock, settling_s=0.0)
    log = IntentLog(clock, keep=10_000)
    plan = LookupPlan(attempts=3)
    outcomes = []

    def work(index):
        for turn in range(100):
            kind = (index * 7 + turn) % 5
            if kind == 1:
                venue.lose_reply()
            elif kind == 2:
                venue.fail("place", OutcomeUnknown("no reply"))
            elif kind == 3:
                venue.fail("place", InsufficientFunds("poor"))
            elif kind == 4:
                venue.lose_reply()
                venue.fail("order_by_client_id", *[TimedOut("late")] * 3)
            intent = new()
            try:
                order_id = place_once(venue, intent, log, clock, plan)
                outcomes.append((intent.client_order_id, "placed", order_id))
            except OutcomeUnknown:
                outcomes.append((intent.client_order_id, "unknown", ""))
            except (OperationFailed, InsufficientFunds):
                outcomes.append((intent.client_order_id, "none", ""))

    run_threads(8, work)
    assert len(outcomes) == 800
    accepted = {intent.client_order_id for intent in venue.placed}
    assert len(accepted) == len(venue.placed)
    by_fate = {fate: {key for key, found, _ in outcomes if found == fate} for fate in ("placed", "unknown", "none")}
    assert all(by_fate.values())
    assert by_fate["placed"] <= accepted
    assert not by_fate["none"] & accepted
    assert accepted <= by_fate["placed"] | by_fate["unknown"]
    assert {one.intent.client_order_id for one in log.unknown()} == by_fate["unknown"]
    for key, fate, order_id in outcomes:
        if fate == "placed":
            assert venue.order(order_id).Info.clientOrderId == key


# -- jumps of the wall clock


@pytest.mark.parametrize("jump_s", [-3600.0, -20.0, -0.9, 0.9, 20.0, 3600.0])
def test_the_age_of_an_unknown_order_is_measured_by_the_monotonic_clock(jump_s):
    clock = SettableClock(1_750_000_000.0)
    desk = Desk(clock)
    desk.venue.place = lambda intent: (_ for _ in ()).throw(OutcomeUnknown("no reply"))
    desk.plan = LookupPlan(attempts=1)
    with pytest.raises(OutcomeUnknown):
        desk.place()
    clock.set_by(jump_s)
    clock.advance(0.5)
    assert [record.fate for record in ask_again(desk.venue, desk.log)] == ["unknown"]  # it may be in transit
    clock.advance(0.6)
    assert [record.fate for record in ask_again(desk.venue, desk.log)] == ["absent"]


def test_an_order_of_an_earlier_time_is_young_when_the_log_is_made():
    clock = SettableClock(1_750_000_000.0)
    log = IntentLog(clock)
    assert log.gone_s("of another run") == 0.0
    clock.advance(5.0)
    log.begin(new("abc"))
    assert (log.gone_s("of another run"), log.gone_s("abc")) == (5.0, 0.0)
    clock.advance(1.0)
    log.left("abc")
    clock.advance(0.25)
    assert log.gone_s("abc") == 0.25
