"""A message of the stream that was lost without a sign is found by a comparison with REST, and nothing else is taken for one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.constants import ORDER_STATE_CANCELED, ORDER_STATE_CLOSED
from fmzthreads.errors import TimedOut
from fmzthreads.exchange.live_account import rest_state
from fmzthreads.exchange.live_account.check import AccountCheck, CheckTimes
from fmzthreads.exchange.live_account.events import AccountSnapshot, OrderChange, PositionChange, StreamFill
from fmzthreads.exchange.live_account.feed import AccountFeed
from fmzthreads.exchange.live_account.view import AccountView
from fmzthreads.structures import Condition, Info
from tests.helpers.account_streams import PATIENCE_S, ScriptedAccount, order, position
from tests.helpers.book_feeds import LineHost
from tests.helpers.ws_server import WsServer

EVERY_S, SETTLE_S = 60.0, 5.0
SWAP = "BTC_USDT.swap"


class Compared:
    """A view and a scripted REST, with a check on a clock of the test's."""

    def __init__(self) -> None:
        self.clock = ManualClock(1_600_000_000)
        self.view = AccountView(self.clock)
        self.rest = ScriptedAccount(None)  # type: ignore[arg-type]  # nothing is connected
        self.view.catch_up(AccountSnapshot(orders=[order(1)], conditions=[], positions=[(position(2), 5)]), [])
        self.view.set_live()
        self.rest.open, self.rest.held = [order(1)], [(position(2), 5)]
        self.agreed: list[int] = []
        self.lost = threading.Event()
        self.since_ms = 700
        self.check = AccountCheck(
            self.rest,
            self.view,
            self.clock,
            CheckTimes(every_s=EVERY_S, settle_s=SETTLE_S),
            since_ms=lambda: self.since_ms,
            on_agreed=self.agreed.append,
            on_lost=self.lost.set,
        )

    def ask(self) -> None:
        """Lets the time of a comparison come; returns when REST has answered and the stream has its time."""
        assert self.clock.wait_for_sleepers()
        self.clock.advance(EVERY_S)
        assert self.rest.asked.acquire(timeout=PATIENCE_S)
        assert self.clock.wait_for_sleepers()

    def judge(self) -> str:
        """Lets the stream's time end; returns what is missing."""
        self.clock.advance(SETTLE_S)
        agreed = len(self.agreed)
        while not self.lost.wait(0.01):
            if len(self.agreed) > agreed or self.clock.wait_for_sleepers(timeout_s=0.01):
                break
        return self.check.missing

    def compare(self) -> str:
        self.ask()
        return self.judge()


@contextmanager
def compared() -> Iterator[Compared]:
    run = Compared()
    run.check.start()
    try:
        yield run
    finally:
        run.check.end()
        run.check.join(PATIENCE_S)


def a_fill(number: int, fill: str) -> StreamFill:
    return StreamFill(order_id=f"BTCUSDT,{number}", symbol=SWAP, fill=Info(Id=fill, Time=800))


def test_an_account_that_agrees_with_rest_stays_live() -> None:
    with compared() as run:
        run.view.expect("BTCUSDT,9", SWAP)  # cancelled at once, and the stream told nothing of it
        assert run.view.orders(None) is None
        assert run.compare() == ""
        assert run.agreed == [1000]
        assert run.rest.asked_since == [(700, [SWAP])]
        assert [one.Id for one in run.view.orders(None) or []] == ["BTCUSDT,1"]
        assert run.compare() == ""  # and again


def _placed(rest: ScriptedAccount) -> None:
    rest.open.append(order(2))


def _cancelled(rest: ScriptedAccount) -> None:
    rest.open, rest.ended = [], {"BTCUSDT,1": order(1, status=ORDER_STATE_CANCELED)}


def _forgotten(rest: ScriptedAccount) -> None:
    rest.open = []


def _filled_in_part(rest: ScriptedAccount) -> None:
    rest.open = [order(1, dealt=3)]


def _changed(rest: ScriptedAccount) -> None:
    rest.open = [order(1, Price=101.0)]


def _filled(rest: ScriptedAccount) -> None:
    rest.fills = [a_fill(7, "70")]


def _closed(rest: ScriptedAccount) -> None:
    rest.held = []


def _grown(rest: ScriptedAccount) -> None:
    rest.held = [(position(3), 6)]


def _opened(rest: ScriptedAccount) -> None:
    rest.held.append((position(3, 1), 6))


@pytest.mark.parametrize(
    ("loses", "what"),
    [
        (_placed, "a change of the order BTCUSDT,2"),
        (_cancelled, "a change of the order BTCUSDT,1"),
        (_forgotten, "a change of the order BTCUSDT,1"),
        (_filled_in_part, "a change of the order BTCUSDT,1"),
        (_changed, "a change of the order BTCUSDT,1"),
        (_filled, "the fill 70 of the order BTCUSDT,7"),
        (_closed, "a change of the position ('BTC_USDT.swap', 0)"),
        (_grown, "a change of the position ('BTC_USDT.swap', 0)"),
        (_opened, "a change of the position ('BTC_USDT.swap', 1)"),
    ],
)
def test_a_lost_message_is_missed(loses: Any, what: str) -> None:
    with compared() as run:
        loses(run.rest)
        assert run.compare() == f"the stream did not tell of {what}"
        assert run.lost.is_set()
        assert run.agreed == []


def test_what_the_stream_tells_a_little_later_is_not_lost() -> None:
    with compared() as run:
        run.rest.open = [order(1, dealt=3), order(2)]
        run.rest.fills = [a_fill(1, "11")]
        run.rest.held = [(position(3), 6)]
        run.ask()
        run.view.apply(OrderChange(order=order(1, dealt=3), time_ms=900, fill=Info(Id="11")))
        run.view.apply(OrderChange(order=order(2), time_ms=900))
        run.view.apply(PositionChange(position=position(3), time_ms=900))
        assert run.judge() == ""
        assert run.agreed == [1000]


def test_what_the_stream_has_told_in_advance_of_rest_is_not_lost() -> None:
    with compared() as run:
        assert run.clock.wait_for_sleepers()
        run.clock.advance(EVERY_S - SETTLE_S / 2)
        run.view.apply(OrderChange(order=order(1, Price=102.0), time_ms=900))  # REST still has the old price
        run.view.apply(OrderChange(order=order(3), time_ms=900))  # and not this order
        run.rest.ended = {"BTCUSDT,3": order(3)}
        run.view.apply(PositionChange(position=position(4), time_ms=900))  # nor this size
        run.clock.advance(SETTLE_S / 2)
        assert run.rest.asked.acquire(timeout=PATIENCE_S)
        assert run.clock.wait_for_sleepers()
        assert run.judge() == ""


def test_what_rest_tells_late_is_not_lost() -> None:
    with compared() as run:
        run.rest.open = [order(1), order(2), order(3, dealt=3)]
        run.view.apply(OrderChange(order=order(1, dealt=10, status=ORDER_STATE_CLOSED), time_ms=900))
        run.view.apply(OrderChange(order=order(2, status=ORDER_STATE_CANCELED), time_ms=900))
        run.view.apply(OrderChange(order=order(3, dealt=5), time_ms=900))
        run.view.apply(PositionChange(position=position(5), time_ms=900))
        run.clock.advance(1.0)
        assert run.compare() == ""


def test_a_condition_order_that_has_triggered_unseen_is_missed_and_caught_up() -> None:
    waiting = Condition(ConditionType=1)
    stop = order(8, Condition=waiting)
    with compared() as run:
        run.view.apply(OrderChange(order=stop, time_ms=100))
        run.rest.ended = {"BTCUSDT,8": order(8, Condition=waiting, ChildId="BTCUSDT,9")}
        assert "BTCUSDT,8" in run.compare()
        state = run.rest.ended["BTCUSDT,8"]
        run.view.catch_up(run.rest.snapshot(), [state.copy()])
        assert run.view.orders(None, conditional=True) == []


def test_a_triggered_condition_order_is_not_asked_of_rest() -> None:
    with compared() as run:
        run.view.apply(
            OrderChange(order=order(8, Condition=Condition(ConditionType=1), ChildId="BTCUSDT,9"), time_ms=1)
        )
        assert run.compare() == ""


def test_a_fill_whose_order_the_venue_does_not_know_is_missed_once() -> None:
    with compared() as run:
        run.view.take_fill(a_fill(7, "70"), None)
        run.rest.fills = [a_fill(7, "70")]
        assert run.compare() == ""


def test_rest_that_fails_leaves_it_live_and_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_state, "_PAUSES_S", ())
    with compared() as run:
        run.rest.failures = [TimedOut("no reply")]
        assert run.compare() == ""
        assert run.agreed == []
        assert run.compare() == ""
        assert run.agreed == [1000]


def test_a_check_that_has_ended_judges_nothing() -> None:
    with compared() as run:
        run.rest.open = []
        run.ask()
        run.check.end()
        run.check.join(PATIENCE_S)
        assert not run.lost.is_set()


def test_a_bug_of_a_source_is_said() -> None:
    with compared() as run:
        run.rest.now_ms = lambda: 1 // 0  # type: ignore[method-assign]
        assert run.clock.wait_for_sleepers()
        run.clock.advance(EVERY_S)
        assert run.lost.wait(PATIENCE_S)
        assert run.check.missing.startswith("the comparison with REST failed: ZeroDivisionError")


def test_the_feed_starts_over_and_tells_of_the_lost_fill() -> None:
    """The whole way: the connection stays open and says nothing; the comparison ends it, and REST tells of the fill."""
    host = LineHost()
    with WsServer() as server:
        source = ScriptedAccount(server)
        source.open = [order(1)]
        feed = AccountFeed(
            source,
            host,
            on_order=lambda one: None,
            on_alarm=lambda text: None,
            pause_s=0.01,
            check=CheckTimes(every_s=0.02, settle_s=0.0),
        )
        try:
            feed.start()
            server.peer()
            assert feed.clock.wait((feed.live,), PATIENCE_S)
            source.fills = [a_fill(1, "11")]
            source.ended = {"BTCUSDT,1": order(1, dealt=10, status=ORDER_STATE_CLOSED)}
            source.open = []
            server.peer()
            host.wait_for("the account is not live, REST is used meanwhile: the stream did not tell of ")
            host.wait_for("the account is live again")
            assert feed.clock.wait((feed.live,), PATIENCE_S)
            assert feed.view.gaps == 1
            told = feed.view.take()
            assert [(one.Fill.Id, one.Order.Id) for one in told if one.Kind == "fill"] == [("11", "BTCUSDT,1")]
            assert feed.view.orders(None) == []
            check = feed._check
            assert check is not None
        finally:
            feed.close(PATIENCE_S)
        assert not check._thread.is_alive()
