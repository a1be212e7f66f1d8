"""Which requests a shared connection sends, and for which books."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fmzthreads.streams.sharing.subscription_plan import SubscriptionPlan
from fmzthreads.venues.binance.streams import BINANCE_WIRE
from fmzthreads.venues.okx.streams import OKX_WIRE

NAMES = [f"C{number:02d}" for number in range(60)]


def sent(plan: SubscriptionPlan) -> list[tuple[str, list[str]]]:
    """All requests that are left, as their kind and the names in them."""
    found = []
    while (text := plan.next()) is not None:
        request: dict[str, Any] = json.loads(text)
        if "op" in request:
            kind, names = request["op"], [arg["instId"] for arg in request["args"] if arg["channel"] == "books"]
        else:
            names = [name.partition("@")[0].upper() for name in request["params"] if "@depth" in name]
            kind = request["method"].lower()
        found.append((kind, names))
    assert plan.is_done
    return found


@pytest.mark.parametrize("wire", [BINANCE_WIRE, OKX_WIRE])
def test_many_books_take_few_requests(wire: Any) -> None:
    plan = SubscriptionPlan(wire)
    plan.begin(NAMES)
    assert sent(plan) == [("subscribe", NAMES[:50]), ("subscribe", NAMES[50:])]
    plan.begin(NAMES[:2])
    assert sent(plan) == [("subscribe", NAMES[:2])], "a new connection is asked for everything again"


def test_a_book_starts_over_as_its_venue_requires() -> None:
    okx, binance = SubscriptionPlan(OKX_WIRE), SubscriptionPlan(BINANCE_WIRE)
    for plan in (okx, binance):
        plan.join("A")
        assert sent(plan) == [("subscribe", ["A"])]
        plan.join("A")
    assert sent(okx) == [("unsubscribe", ["A"]), ("subscribe", ["A"])]
    assert sent(binance) == [("subscribe", ["A"])], "its updates go on for those that have it already"


def test_a_book_that_leaves_and_comes_back() -> None:
    for wire, again in (
        (OKX_WIRE, [("unsubscribe", ["A"]), ("subscribe", ["A"])]),
        (BINANCE_WIRE, [("subscribe", ["A"])]),
    ):
        plan = SubscriptionPlan(wire)
        plan.join("A")
        plan.leave("A")
        assert sent(plan) == [], "it was never asked for"
        plan.join("A")
        sent(plan)
        plan.leave("A")
        plan.join("A")
        assert sent(plan) == again
        plan.leave("A")
        assert sent(plan) == [("unsubscribe", ["A"])]
        plan.leave("A")
        assert sent(plan) == []
        plan.join("A")
        assert sent(plan) == [("subscribe", ["A"])]


def test_a_refused_request_for_several_books_is_made_one_by_one() -> None:
    plan = SubscriptionPlan(BINANCE_WIRE)
    plan.begin(["A", "B", "C"])
    sent(plan)
    assert plan.refused(1) == ()
    plan.leave("B")
    assert sent(plan) == [("unsubscribe", ["B"]), ("subscribe", ["A"]), ("subscribe", ["C"])]
    assert plan.refused(3) == ("A",)
    assert plan.refused(3) == (), "each answer counts once"
    assert plan.confirmed(4) == ("C",)
    assert plan.confirmed(4) == plan.confirmed(None) == plan.confirmed(2) == ()
    plan.leave("A")
    assert sent(plan) == [], "what was refused need not be ended"


def test_answers_of_a_connection_before_are_not_of_this_one() -> None:
    plan = SubscriptionPlan(BINANCE_WIRE)
    plan.begin(["A"])
    sent(plan)
    plan.begin(["A"])
    sent(plan)
    assert plan.confirmed(1) == ()
    assert plan.confirmed(2) == ("A",)


def test_requests_without_an_answer_are_not_kept_for_ever() -> None:
    plan = SubscriptionPlan(OKX_WIRE)
    for _ in range(1000):
        plan.join("A")
        sent(plan)
    assert len(plan._asked) == 64
