"""A live account over real sockets: REST and the stream meet without a hole, whatever is cut, late or wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fmzthreads.constants import ORDER_STATE_CANCELED, ORDER_STATE_CLOSED
from fmzthreads.errors import AuthenticationFailed, TimedOut, UnknownSymbol
from fmzthreads.exchange.live_account import feed, rest_state
from fmzthreads.exchange.live_account.events import StreamFill
from fmzthreads.exchange.live_account.feed import AccountFeed
from fmzthreads.structures import Info, Order
from fmzthreads.tasks.events import select
from tests.helpers.account_streams import PATIENCE_S, ScriptedAccount, order, position, tell
from tests.helpers.book_feeds import LineHost
from tests.helpers.ws_server import WsServer


class Running:
    """A feed with what its callbacks got."""

    def __init__(self, source: ScriptedAccount) -> None:
        self.host = LineHost()
        self.alarms: list[str] = []
        self.seen: list[str] = []
        self.feed = AccountFeed(
            source,
            self.host,
            on_order=lambda one: self.seen.append(one["Id"]),
            on_alarm=self.alarms.append,
            pause_s=0.01,
        )

    def wait_until(self, holds: Any) -> None:
        """Waits until a condition on the view holds; looks again after each change."""
        changed = threading.Event()
        token = self.feed.add_ready_callback(changed.set)
        try:
            while not holds():
                changed.wait(0.2)  # a lost wake-up costs this much, no more
                changed.clear()
        finally:
            self.feed.remove_ready_callback(token)


@contextmanager
def running() -> Iterator[tuple[Running, ScriptedAccount, WsServer]]:
    with WsServer() as server:
        source = ScriptedAccount(server)
        run = Running(source)
        try:
            yield run, source, server
        finally:
            source.may_answer.set()
            run.feed.close(PATIENCE_S)
            assert run.feed.ended.is_set()


def ids(run: Running) -> list[str]:
    return [one.Id for one in run.feed.view.orders(None) or []]


def test_what_comes_while_rest_is_asked_is_applied_before_it_is_live() -> None:
    with running() as (run, source, server):
        source.open, source.held = [order(1)], [(position(2), 5)]
        source.may_answer.clear()
        run.feed.start()
        peer = server.peer()
        assert source.asked.acquire(timeout=PATIENCE_S)
        tell(peer, 10, order=order(1, dealt=10, status=ORDER_STATE_CLOSED), fill={"Id": "1"})
        tell(peer, 11, order=order(2))
        tell(peer, 11, position=position(3))
        assert not run.feed.live.is_set()
        run.wait_until(lambda: run.feed._connection is not None and run.feed._connection.waiting == 3)
        source.may_answer.set()
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        assert ids(run) == ["BTCUSDT,2"]
        assert [one.Amount for one in run.feed.view.positions(None, amounts_only=True) or []] == [3]
        found = run.feed.view.take()
        assert [update.Kind for update in found] == [
            "gap", "order", "position", "fill", "order", "order", "position", "live"
        ]  # fmt: skip
        assert run.seen == ["BTCUSDT,1", "BTCUSDT,2"]


def test_after_a_cut_rest_catches_up_before_it_is_live_again() -> None:
    with running() as (run, source, server):
        source.open = [order(1), order(2), order(3)]
        run.feed.start()
        peer = server.peer()
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        assert source.asked.acquire(timeout=PATIENCE_S)
        run.feed.view.take()
        source.may_answer.clear()
        # Filled in the gap, and cancelled so long ago that the venue has forgotten it.
        source.open, source.ended = [order(3, dealt=4)], {"BTCUSDT,1": order(1, dealt=10, status=ORDER_STATE_CLOSED)}
        peer.reset()
        assert source.asked.acquire(timeout=PATIENCE_S)
        assert not run.feed.live.is_set()
        assert run.feed.view.orders(None) is None
        run.host.wait_for("the account is not live, REST is used meanwhile: the connection was lost")
        source.may_answer.set()
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        run.host.wait_for("the account is live again")
        found = run.feed.view.take()
        assert [update.Kind for update in found] == ["gap", "order", "order", "order", "live"]
        ended = {update.Order.Id: (update.Order.Status, update.Order.DealAmount) for update in found[1:4]}
        assert ended == {
            "BTCUSDT,1": (ORDER_STATE_CLOSED, 10), "BTCUSDT,2": (ORDER_STATE_CANCELED, 0), "BTCUSDT,3": (0, 4)
        }  # fmt: skip
        assert ids(run) == ["BTCUSDT,3"]
        assert source.connects == 2


def test_the_fills_of_a_gap_are_told_once_with_orders_that_were_not_known() -> None:
    with running() as (run, source, server):
        source.open, source.moment_ms = [order(1)], 50_000
        run.feed.start()
        peer = server.peer()
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        assert source.asked_since == []  # nothing was missed before the first subscription
        tell(peer, 100_000, order=order(1, dealt=4), fill={"Id": "1", "Time": 100_000})
        run.wait_until(lambda: run.feed.view._times.get("BTCUSDT,1") == 100_000)
        source.fills = [
            StreamFill(order_id=f"BTCUSDT,{number}", symbol="BTC_USDT.swap", fill=Info(Id=fill, Time=100_001))
            for number, fill in ((1, "1"), (1, "2"), (5, "3"), (6, "4"))
        ]
        source.open = [order(1, dealt=7)]
        source.ended = {"BTCUSDT,5": order(5, dealt=10, status=ORDER_STATE_CLOSED, MadeBy="liquidation")}
        peer.reset()
        peer = server.peer()
        run.wait_until(lambda: source.connects == 2 and run.feed.live.is_set())
        assert source.asked_since == [(50_000, ["BTC_USDT.swap"])]  # earlier messages may be lost without a sign
        tell(peer, 100_001, order=order(1, dealt=7), fill={"Id": "2", "Time": 100_001})
        tell(peer, 100_002, order=order(1, dealt=10, status=ORDER_STATE_CLOSED), fill={"Id": "9", "Time": 100_002})
        run.wait_until(lambda: not run.feed.view.open_ids())
        told = [(update.Order.Id, update.Fill.Id) for update in run.feed.view.take() if update.Kind == "fill"]
        assert told == [("BTCUSDT,1", "1"), ("BTCUSDT,1", "2"), ("BTCUSDT,5", "3"), ("BTCUSDT,1", "9")]
        assert "BTCUSDT,5" in run.seen  # which has the alarm line of a liquidation


@pytest.mark.parametrize(("first_fill_ms", "since_ms"), [(46_000, 46_000), (39_000, 50_000), (55_000, 50_000)])
def test_a_subscription_begins_with_its_first_fill_where_the_clock_was_ahead(first_fill_ms: int, since_ms: int) -> None:
    with running() as (run, source, server):
        source.open, source.moment_ms = [order(1)], 50_000
        run.feed.start()
        peer = server.peer()
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        source.moment_ms = 47_000  # the venue has put its clock right
        tell(peer, first_fill_ms, order=order(1, dealt=4), fill={"Id": "1", "Time": first_fill_ms})
        run.wait_until(lambda: ("BTCUSDT,1", "1") in run.feed.view._fills)
        peer.reset()
        server.peer()
        run.wait_until(lambda: source.connects == 2 and run.feed.live.is_set())
        assert source.asked_since == [(since_ms, ["BTC_USDT.swap"])]


def test_many_orders_of_a_gap_are_read_from_a_list_and_only_those_it_lacks_one_by_one() -> None:
    with running() as (run, source, server):
        source.moment_ms = 50_000
        run.feed.start()
        peer = server.peer()
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        source.fills = [
            StreamFill(order_id=f"BTCUSDT,{number}", symbol="BTC_USDT.swap", fill=Info(Id=str(number), Time=100_001))
            for number in (1, *range(50_001, 50_021))
        ]
        source.fills.append(StreamFill(order_id="ETHUSDT,7", symbol="ETH_USDT.swap", fill=Info(Id="7", Time=100_001)))
        numbers = [1, *range(50_001, 50_021)]
        source.ended = {f"BTCUSDT,{one}": order(one, dealt=10, status=ORDER_STATE_CLOSED) for one in numbers}
        source.ended["ETHUSDT,7"] = order(
            7, dealt=10, status=ORDER_STATE_CLOSED, Id="ETHUSDT,7", Symbol="ETH_USDT.swap"
        )
        for outage in (1, 2):  # what was told in the first one is not asked for in the second
            peer.reset()
            peer = server.peer()
            run.wait_until(lambda gaps=outage: source.connects == gaps + 1 and run.feed.live.is_set())  # type: ignore[misc]
            assert source.lists == [("BTC_USDT.swap", 50_000)]
            assert source.single == ["BTCUSDT,1", "ETHUSDT,7"]  # made before the time of the list, and the only one
        told = [update.Order.Id for update in run.feed.view.take() if update.Kind == "fill"]
        assert told == [fill.order_id for fill in source.fills]
        assert set(run.seen) == set(source.ended)


def test_a_contract_that_has_no_list_has_its_orders_asked_for_one_by_one() -> None:
    with running() as (run, source, server):
        source.moment_ms = 50_000
        run.feed.start()
        peer = server.peer()
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        source.refused = UnknownSymbol("no market BTCUSDT_260925")
        source.ended = {f"BTCUSDT,{one}": order(one, dealt=10, status=ORDER_STATE_CLOSED) for one in range(1, 9)}
        source.fills = [
            StreamFill(order_id=one, symbol="BTCUSDT_260925", fill=Info(Id=one, Time=100_001)) for one in source.ended
        ]
        peer.reset()
        server.peer()
        run.wait_until(lambda: source.connects == 2 and run.feed.live.is_set())
        assert source.single == list(source.ended)
        assert [update.Fill.Id for update in run.feed.view.take() if update.Kind == "fill"] == source.single


def test_many_orders_that_ended_in_a_gap_are_read_from_a_list() -> None:
    with running() as (run, source, server):
        source.moment_ms = 50_000
        young = [order(number) for number in range(50_000, 50_020)]
        condition = order(50_030, Id="BTCUSDT,50030", Condition=Info(ConditionType=0))
        alone = order(50_040, Id="ETHUSDT,7", Symbol="ETH_USDT.swap")
        source.open = [order(49_999), *young, condition, alone]
        run.feed.start()
        peer = server.peer()
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        forgotten = young.pop()  # by the list and by the venue
        source.ended = {
            one.Id: Order(**{**one, "Status": ORDER_STATE_CLOSED, "DealAmount": 10.0})
            for one in source.open
            if one.Id != forgotten.Id
        }
        source.open = []
        peer.reset()
        run.wait_until(lambda: source.connects == 2 and run.feed.live.is_set())
        assert source.lists == [("BTC_USDT.swap", 50_000)]
        assert source.single == ["BTCUSDT,49999", forgotten.Id, "ETHUSDT,7", "BTCUSDT,50030"]
        told = {update.Order.Id: update.Order.Status for update in run.feed.view.take() if update.Kind == "order"}
        assert told.pop(forgotten.Id) == ORDER_STATE_CANCELED
        assert told == dict.fromkeys(source.ended, ORDER_STATE_CLOSED)
        assert set(run.seen) == {*source.ended, forgotten.Id}


def test_what_ended_in_a_gap_is_looked_at_for_alarms() -> None:
    with running() as (run, source, server):
        source.open = [order(1)]
        run.feed.start()
        peer = server.peer()
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        source.open, source.ended = [], {"BTCUSDT,1": order(1, status=ORDER_STATE_CANCELED)}
        peer.reset()
        run.wait_until(lambda: source.connects == 2 and run.feed.live.is_set())
        assert run.seen == ["BTCUSDT,1"]


def test_a_change_of_leverage_is_taken() -> None:
    with running() as (run, source, server):
        source.held = [(position(2, MarginLevel=20.0, Margin=7.0), 5)]
        run.feed.start()
        peer = server.peer()
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        tell(peer, 6, leverage=5.0)
        run.wait_until(lambda: run.feed.view.positions(None) is None)
        assert [one.MarginLevel for one in run.feed.view.positions(None, amounts_only=True) or []] == [5.0]


def test_rest_that_fails_for_a_moment_is_asked_again_over_the_same_connection() -> None:
    with running() as (run, source, server):
        source.failures = [TimedOut("no reply"), TimedOut("no reply")]
        run.feed.start()
        server.peer()
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        assert source.connects == 1
        assert run.host.lines.qsize() == 0
        assert [update.Kind for update in run.feed.view.take()] == ["gap", "live"]


def test_rest_that_goes_on_failing_is_asked_again_over_a_new_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_state, "_PAUSES_S", (0.01,))
    with running() as (run, source, server):
        source.failures = [TimedOut("no reply")] * 4
        run.feed.start()
        for _ in range(3):
            server.peer()
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        assert source.connects == 3
        assert run.host.lines.qsize() == 2  # one line for the outage, one for its end
        assert [update.Kind for update in run.feed.view.take()] == ["gap", "live"]


@pytest.mark.parametrize(("calm_s", "pauses"), [(0.0, 1), (1e9, 3)])
def test_pauses_grow_after_connections_that_did_not_last(
    calm_s: float, pauses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_CALM_S", calm_s)
    with running() as (run, source, server):
        run.feed.start()
        for connects in (2, 3, 4):
            peer = server.peer()
            run.wait_until(run.feed.live.is_set)
            peer.reset()
            run.wait_until(lambda connects=connects: source.connects == connects)  # type: ignore[misc]
        assert run.feed._failures == pauses


def test_a_refusal_of_rest_is_not_repeated() -> None:
    with running() as (run, source, server):
        source.failures = [AuthenticationFailed("the keys were refused")]
        run.feed.start()
        for _ in range(2):
            server.peer()
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        assert source.connects == 2


def test_an_ended_stream_and_a_message_that_cannot_be_read_are_gaps() -> None:
    with running() as (run, source, server):
        run.feed.start()
        peer = server.peer()
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        tell(peer, 1, ended="the listen key has expired")
        peer = server.peer()
        run.wait_until(lambda: source.connects == 2 and run.feed.live.is_set())
        tell(peer, 2, garbage=True)
        server.peer()
        run.wait_until(lambda: source.connects == 3 and run.feed.live.is_set())
        found = [(update.Kind, update.Text) for update in run.feed.view.take()]
        assert found == [
            ("gap", "the stream is not connected yet"), ("live", ""), ("gap", "the listen key has expired"), ("live", ""), ("gap", "not a message"), ("live", "")
        ]  # fmt: skip
        assert source.connects == 3


def test_select_wakes_on_a_change_and_alarms_are_told() -> None:
    with running() as (run, _source, server):
        run.feed.start()
        peer = server.peer()
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        run.feed.view.take()
        assert not run.feed.is_ready()
        before = run.feed.activity
        tell(peer, 5, alarm="margin call of BTCUSDT")
        tell(peer, 5, order=order(9))
        assert select([run.feed], timeout_ms=PATIENCE_S * 1000) == [run.feed]
        assert run.feed.activity > before
        assert run.alarms == ["margin call of BTCUSDT"]
        assert [update.Kind for update in run.feed.view.take()] == ["order"]


def test_the_stream_is_kept_alive_while_it_is_silent() -> None:
    with running() as (run, source, server):
        source.keep_alive_s = 0.01
        run.feed.start()
        server.peer()
        for _ in range(3):
            assert source.kept_alive.acquire(timeout=PATIENCE_S)
        assert source.connects == 1


def test_a_close_during_the_catch_up_ends_the_thread() -> None:
    with running() as (run, source, server):
        source.may_answer.clear()
        run.feed.start()
        server.peer()
        assert source.asked.acquire(timeout=PATIENCE_S)
        run.feed.close(0.0)
        source.may_answer.set()
        assert run.feed.clock.wait((run.feed.ended,), PATIENCE_S)
        assert run.feed.view.orders(None) is None
