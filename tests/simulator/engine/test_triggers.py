"""Trigger orders and pairs: when they begin to work, what ends the other one, and what they hold back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.simulator.engine.accounts import TradingAccount
from fmzthreads.simulator.engine.exchange import SimulatedExchange
from fmzthreads.simulator.engine.orders import Finish, NewOrder, OrderView, State, TimeInForce
from fmzthreads.simulator.engine.reasons import Reason, Rejected

BTC = "BTC_USDT"
D = Decimal


class Venue:
    """An exchange with a user and a counterparty, and a last price of 100."""

    def __init__(self) -> None:
        self.exchange = SimulatedExchange(clock=ManualClock(1_800_000_000))
        self.user = self.exchange.create_account("user", balances={"USDT": D(1000), "BTC": D(10)})
        self.other = self.exchange.create_account("other", balances={"USDT": D(1_000_000), "BTC": D(1000)})
        self.trade("100")

    def place(self, side: str, account: TradingAccount | None = None, **more: Any) -> OrderView:
        order: Any = {"instrument": BTC, "side": side, "quantity": D(1), **more}
        return self.exchange.place(account or self.user, NewOrder(**order))

    def trade(self, price: str, quantity: str = "1") -> None:
        """A trade of the counterparty with itself, which moves the last price."""
        for side in ("sell", "buy"):
            self.place(side, self.other, price=D(price), quantity=D(quantity))

    def pair(self, side: str, at_once: str, trigger: str, *, stop_limit: str | None = None, quantity: str = "1") -> Any:
        rising = side == "buy"
        plain: Any = {"instrument": BTC, "side": side, "quantity": D(quantity)}
        limit = NewOrder(**plain, price=D(at_once), time_in_force=TimeInForce.POST_ONLY, client_id="a")
        kind: Any = {"price": D(stop_limit)} if stop_limit is not None else {"type": "market"}
        stop = NewOrder(**plain, trigger_price=D(trigger), trigger_rising=rising, client_id="b", **kind)
        return self.exchange.lists.place(self.user, (stop, limit), "pair")

    def order(self, order: OrderView) -> OrderView:
        return self.exchange.order(self.user, BTC, order.order_id)

    def frozen(self, asset: str) -> Decimal:
        return self.exchange.balances(self.user)[asset].frozen


@pytest.fixture
def venue() -> Venue:
    return Venue()


def test_a_stop_waits_and_begins_when_the_price_is_reached(venue: Venue) -> None:
    stop = venue.place("sell", price=D(89), trigger_price=D(90))
    assert (stop.state, stop.working_ms, venue.frozen("BTC")) == (State.NEW, -1, D(1))
    assert venue.exchange.depth(BTC).asks == ()
    venue.trade("91")
    assert venue.order(stop).working_ms == -1
    venue.trade("90")
    begun = venue.order(stop)
    assert (begun.state, begun.working_ms > 0) == (State.NEW, True)
    assert [level[0] for level in venue.exchange.depth(BTC).asks] == [D(89)]


def test_a_market_stop_trades_when_it_begins(venue: Venue) -> None:
    venue.place("buy", venue.other, price=D(80), quantity=D(5))
    stop = venue.place("sell", type="market", trigger_price=D(90))
    venue.trade("90")
    done = venue.order(stop)
    assert (done.state, done.average_price, venue.frozen("BTC")) == (State.FILLED, D(80), D(0))


def test_one_trigger_sets_off_the_next(venue: Venue) -> None:
    venue.place("buy", venue.other, price=D(80), quantity=D(1))
    venue.place("buy", venue.other, price=D(70), quantity=D(1))
    stops = [venue.place("sell", type="market", trigger_price=D(price)) for price in (90, 80)]
    venue.trade("90")
    assert [venue.order(stop).average_price for stop in stops] == [D(80), D(70)]


@pytest.mark.parametrize(("rising", "price"), [(True, "100"), (True, "99"), (False, "100"), (False, "101")])
def test_a_trigger_that_is_reached_already_is_refused(venue: Venue, rising: bool, price: str) -> None:
    with pytest.raises(Rejected) as caught:
        venue.place("sell", price=D(95), trigger_price=D(price), trigger_rising=rising)
    assert caught.value.reason is Reason.WOULD_TRIGGER
    assert venue.frozen("BTC") == 0


def test_a_market_buy_that_has_become_too_dear_expires(venue: Venue) -> None:
    stop = venue.place("buy", type="market", quantity=D(9), trigger_price=D(110), trigger_rising=True)
    assert venue.frozen("USDT") == D(990)
    venue.trade("110", "0.1")
    venue.place("sell", venue.other, price=D(200), quantity=D(20))
    assert venue.order(stop).state is State.EXPIRED  # there was nothing to buy
    dear = venue.place("buy", type="market", quantity=D(8), trigger_price=D(120), trigger_rising=True)
    venue.place("sell", venue.other, price=D(120), quantity=D("0.1"))
    venue.place("buy", venue.other, price=D(120), quantity=D("0.1"))
    gone = venue.order(dear)
    assert (gone.state, gone.finish, venue.frozen("USDT")) == (State.EXPIRED, Finish.SYSTEM, D(0))


def test_a_waiting_order_can_be_cancelled_and_not_amended(venue: Venue) -> None:
    stop = venue.place("sell", price=D(89), trigger_price=D(90))
    with pytest.raises(Rejected) as caught:
        venue.exchange.amend(venue.user, BTC, stop.order_id, quantity=D("0.5"))
    assert caught.value.reason is Reason.BAD_COMBINATION
    assert venue.exchange.cancel(venue.user, BTC, stop.order_id).state is State.CANCELED
    venue.trade("90")
    assert (venue.order(stop).state, venue.frozen("BTC")) == (State.CANCELED, D(0))


# --- pairs ---


def test_a_pair_holds_back_once_what_both_need(venue: Venue) -> None:
    venue.pair("sell", "120", "90", quantity="10")
    assert venue.frozen("BTC") == D(10)
    venue.exchange.cancel_all(venue.user)
    venue.pair("buy", "80", "110", stop_limit="115", quantity="8")
    assert venue.frozen("USDT") == D(920)
    with pytest.raises(Rejected) as caught:
        venue.pair("buy", "80", "110", stop_limit="115", quantity="8")
    assert caught.value.reason is Reason.DUPLICATE_CLIENT_ID


def test_a_pair_that_cannot_be_paid_changes_nothing(venue: Venue) -> None:
    with pytest.raises(Rejected) as caught:
        venue.pair("buy", "80", "110", stop_limit="115", quantity="9")
    assert caught.value.reason is Reason.INSUFFICIENT_FUNDS
    assert (venue.frozen("USDT"), venue.exchange.open_orders(venue.user), venue.exchange.lists.all(venue.user)) == (
        0,
        [],
        [],
    )


@pytest.mark.parametrize("quantity", ["0.3", "1"])
def test_a_fill_of_one_ends_the_other(venue: Venue, quantity: str) -> None:
    pair = venue.pair("sell", "120", "90")
    venue.place("buy", venue.other, price=D(120), quantity=D(quantity))
    limit, stop = (venue.order(order) for order in pair.orders)
    assert limit.filled == D(quantity)
    assert (stop.state, stop.finish) == (State.EXPIRED, Finish.LINKED)
    assert venue.frozen("BTC") == 1 - D(quantity)
    assert venue.exchange.lists.find(venue.user, pair.list_id).done is (quantity == "1")


def test_a_trigger_ends_the_other_and_uses_what_it_held(venue: Venue) -> None:
    venue.place("buy", venue.other, price=D(80), quantity=D(20))
    pair = venue.pair("sell", "120", "90", quantity="10")
    venue.trade("90")
    limit, stop = (venue.order(order) for order in pair.orders)
    assert (limit.state, limit.finish, stop.state, stop.filled) == (State.EXPIRED, Finish.LINKED, State.FILLED, D(10))
    assert venue.frozen("BTC") == 0
    assert venue.exchange.lists.find(venue.user, None, "pair").done


@pytest.mark.parametrize("leg", [0, 1])
def test_cancelling_one_cancels_both(venue: Venue, leg: int) -> None:
    pair = venue.pair("buy", "80", "110", stop_limit="115")
    venue.exchange.cancel(venue.user, BTC, pair.orders[leg].order_id)
    assert [venue.order(order).state for order in pair.orders] == [State.CANCELED] * 2
    assert venue.frozen("USDT") == 0
    with pytest.raises(Rejected):
        venue.exchange.lists.cancel(venue.user, pair.list_id)


def test_money_is_conserved_over_pairs(venue: Venue) -> None:
    supply = venue.exchange.supply()
    for price in ("90", "110", "95"):
        venue.pair("sell", "130", "85")
        venue.place("buy", venue.other, price=D(84), quantity=D(2))
        venue.trade(price)
        venue.trade("85")
        venue.trade("100")
    assert venue.exchange.supply() == supply
    assert (venue.frozen("BTC"), venue.frozen("USDT")) == (0, 0)
