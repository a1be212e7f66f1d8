"""Orders that are being sent now: what they are called, and whose they are after a fork."""

from __future__ import annotations

import time
from decimal import Decimal

import attrs

from fmzthreads.exchange.order_log.intents import RawIntent
from fmzthreads.exchange.order_log.under_way import OrdersUnderWay, words_of
from fmzthreads.exchange.venue import OrderIntent
from tests.helpers.forked import in_fork, needs_fork
from tests.helpers.threads import PATIENCE_S, run_in_thread

ORDER = OrderIntent(symbol="BTC_USDT", side="buy", price=Decimal(1), amount=Decimal(1), client_order_id="a")
RAW = RawIntent(http_method="POST", resource="/api/v3/order", sent="side=BUY", client_order_id="b")


def test_an_order_is_named_by_its_side_and_symbol_and_a_raw_one_by_its_call() -> None:
    assert [words_of(ORDER), words_of(RAW)] == ["buy BTC_USDT", "POST /api/v3/order"]


def test_orders_with_the_same_id_are_under_way_until_the_last_ends() -> None:
    orders, twin = OrdersUnderWay(), attrs.evolve(ORDER)
    with orders.sending(ORDER):
        with orders.sending(twin):
            assert orders.includes("a")
        assert orders.includes("a")
        assert not orders.includes("b")
    assert not orders.includes("a")


def test_what_is_given_up_is_not_waited_for() -> None:
    orders = OrdersUnderWay()
    with orders.sending(ORDER), orders.sending(RAW):
        assert not orders.wait(0.0)
        assert orders.give_up() == [ORDER, RAW]
        assert orders.wait(60.0)


def test_who_waits_is_woken_when_orders_are_given_up() -> None:
    orders = OrdersUnderWay()
    with orders.sending(ORDER):
        waiting = run_in_thread(orders.wait, 10 * PATIENCE_S)
        end = time.monotonic() + PATIENCE_S
        while not orders._changed._waiters and time.monotonic() < end:  # type: ignore[attr-defined]
            time.sleep(0.001)
        orders.give_up()
        assert waiting.result() is True


@needs_fork
def test_orders_of_the_parents_threads_are_not_those_of_a_forked_child() -> None:
    orders = OrdersUnderWay()

    def child() -> bool:
        return orders.includes("a") or not orders.wait(10.0)

    with orders.sending(ORDER), orders._changed:  # as another thread of the parent may have it
        assert in_fork(child) is False
