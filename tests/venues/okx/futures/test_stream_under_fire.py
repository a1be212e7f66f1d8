"""The user stream of OKX's contracts while messages are repeated, late and out of order, and connections are cut: at the end all agrees."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from fmzthreads import constants
from fmzthreads.errors import FmzError
from fmzthreads.exchange.live_account.check import CheckTimes

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

from tests.helpers.okx_contracts import LINEAR, OkxContracts
from tests.venues.okx.futures.test_account_stream import fills, known, live, trading, until

STOP = {"ConditionType": constants.ORDER_CONDITION_TYPE_SL, "SlTriggerPrice": 60_000, "SlOrderPrice": -1}

# A comparison, the new connection and the catch-up after it take some thirty requests; on a busy machine that is a minute, and it may take two of them.
LONG_S = 300.0


class Shaken:
    """Hands messages on late, in another order and more than once, also those of a connection that was lost meanwhile.

    Attributes:
        on: Whether it still does; what it has kept comes with the next message.
    """

    def __init__(self, read: Callable[[str | bytes], Iterable[object]], rng: random.Random) -> None:
        self._read = read
        self._rng = rng
        self._kept: list[str | bytes] = []
        self.on = True

    def read(self, message: str | bytes) -> list[object]:
        chance = self._rng.random() if self.on else 1.0
        if chance < 0.3 and len(self._kept) < 6:
            self._kept.append(message)
            return []
        messages = [message]
        if chance < 0.7 or not self.on:
            late, self._kept = self._kept, []
            self._rng.shuffle(late)
            messages += late
        if chance < 0.5:
            messages += messages
        return [event for one in messages for event in self._read(one)]


def act(exchange: Any, market: OkxContracts, rng: random.Random, step: int) -> None:
    """One thing that a strategy does, or that happens to its orders."""
    choice = rng.randrange(6)
    if choice == 0:
        exchange.CreateOrder("", "buy", 49_000 - rng.randrange(50), rng.randrange(1, 4))
    elif choice == 1:
        market.rest(LINEAR, "sell", "50000", "1")
        exchange.CreateOrder("", "buy", -1, 1)
    elif choice == 2:
        market.rest(LINEAR, "buy", "50000", "1")
        exchange.CreateOrder("", rng.choice(("closebuy", "sell")), -1, 1)
    elif choice == 3:
        for order in exchange.venue.orders(LINEAR)[:2]:
            exchange.CancelOrder(order.Id)
    elif choice == 4:
        exchange.CreateConditionOrder("", "buy", 1, {**STOP, "SlTriggerPrice": 51_000 + step % 7 * 100})
    else:
        market.rest(LINEAR, "sell", "48960", "2")  # fills what rests below
        market.clear()


def trigger(market: OkxContracts) -> None:
    """Reaches the triggers of the condition orders, with a market for what they place."""
    market.rest(LINEAR, "sell", "51800", "200")
    market.trade(LINEAR, "51700")
    market.clear()
    market.trade(LINEAR, "50000")


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("seed", "steps"), [(1, 40), *(pytest.param(seed, 400, marks=pytest.mark.stress) for seed in range(2, 7))]
)
def test_at_the_end_the_stream_and_the_venue_agree(seed: int, steps: int) -> None:
    rng = random.Random(seed)
    with trading() as (market, exchange, host):
        market.exchange.deposit(market.account, "USDT", Decimal(10) ** 7)
        feed = live(exchange)
        feed._pause_s = 0.0001  # it doubles with each connection that is cut within 20 s, and all of them are
        # A message of a lost connection that comes after the catch-up may tell of an order whose end was never told: a comparison finds it.
        feed._check_times = CheckTimes(every_s=5.0, settle_s=2.0)
        shaken = Shaken(feed.source.read, rng)
        feed.source.read = shaken.read
        updates: list[Any] = []
        for step in range(steps):
            if step % 20 == 10:
                market.faults.set(rng.choice(("/ws/v5/private", "/ws/v5/business")), ws_cut=1)
            with suppress(FmzError):  # refusals of the venue, which the market's moves bring about
                act(exchange, market, rng, step)
            if step % 25 == 24:
                trigger(market)
            updates += exchange.GetUpdates()
        market.faults.clear()
        shaken.on = False
        assert feed.clock.wait((feed.live,), LONG_S)

        looks = count()

        def _settled() -> bool:
            if (
                next(looks) % 50 == 0
            ):  # messages, with which late ones come; the view answers only once they were told of
                exchange.CancelOrder(exchange.CreateOrder("", "buy", 10_000, 1))
                exchange.CancelConditionOrder(
                    exchange.CreateConditionOrder("", "buy", 1, {**STOP, "SlTriggerPrice": 90_000})
                )
            view, venue = feed.view, exchange.venue
            if view.orders(LINEAR) is None or view.positions(LINEAR) is None:
                return False
            return bool(
                [(one.Id, one.DealAmount) for one in view.orders(LINEAR)]
                == [(one.Id, one.DealAmount) for one in venue.orders(LINEAR)]
                and [one.Id for one in view.orders(LINEAR, conditional=True)]
                == [one.Id for one in venue.condition_orders(LINEAR)]
                and [(one.Type, one.Amount) for one in view.positions(LINEAR)]
                == [(one.Type, one.Amount) for one in venue.positions(LINEAR)]
            )

        until(_settled, LONG_S)
        updates += exchange.GetUpdates()
        venue = exchange.venue
        made = {(one.order_id, one.fill["Id"]): one.fill["Amount"] for one in venue._fills_since(1, ())}
        told = fills(updates)
        assert len(told) == len(set(told))
        assert set(told) == set(made)
        for order_id in {order_id for order_id, _ in made}:
            by_fills = sum((amount for (one, _), amount in made.items() if one == order_id), Decimal(0))
            assert Decimal(repr(known(feed, order_id).DealAmount)) == by_fills
        triggered = [one for one in feed.view._conditions.values() if one.get("ChildId")]
        assert {(one.Id, one.Status, one.DealAmount) for one in triggered} == {
            (one.Id, one.Status, one.DealAmount) for one in map(venue.condition_order, [one.Id for one in triggered])
        }
        assert feed.view.gaps > 0
        assert not [line for line in host.errors if "the feed failed" in line]
