"""Each guard holds back what is beyond its limit before anything is recorded or sent, and lets the rest pass."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.constants import ORDER_CONDITION_TYPE_SL
from fmzthreads.errors import (
    GuardRefused,
    InputError,
    InsufficientFunds,
    InvalidOrder,
    NotSupported,
    OperationFailed,
    OutcomeUnknown,
    UnknownName,
)
from fmzthreads.exchange.contracts.intents import ConditionIntent, ConditionTerms, ModifyIntent
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.guards.daily_loss import DailyLoss, DayFile
from fmzthreads.exchange.guards.kill_switch import KillSwitch
from fmzthreads.exchange.guards.prices import GuardPrices
from fmzthreads.exchange.guards.settings import Guards, RefusalBreaker, guards_of
from fmzthreads.exchange.guards.sizes import SizeJudge
from fmzthreads.exchange.order_log import OrderFile
from fmzthreads.structures import Account
from fmzthreads.testing import FakeVenue
from tests.helpers.exchange_room import JumpClock, MemoryHost, make, make_contracts, run_threads

# The fake venue's book of BTC_USDT: asks 60000.01 to 60000.05 with 1 each, bids 59999.99 down to 59999.95.


def guarded(errors: str = "raise", clock: Any = None, **limits: Any) -> Any:
    exchange, venue, host = make(errors=errors, clock=clock, guards=Guards(**limits))
    venue.list_pair("BTC_USDT", price=60000.0)
    return exchange, venue, host


def refusal(call: Callable[[], Any], guard: str) -> str:
    with pytest.raises(GuardRefused) as caught:
        call()
    assert caught.value.guard == guard
    assert "nothing was sent" in str(caught.value)
    return str(caught.value)


def test_a_refusal_is_a_failure_with_one_line_and_nothing_is_recorded() -> None:
    exchange, venue, host = guarded("log", max_order_amount=2)
    assert exchange.Buy(60000, 2.5) is None
    assert exchange.GetLastError() == (
        "Buy: the guard max_order_amount holds: the amount 2.5 of BTC_USDT is above the limit 2; nothing was sent"
    )
    assert len(host.errors) == 1
    assert exchange.stats["intents"] == 0
    assert venue.placed == []
    assert exchange.Buy(60000, 2) is not None


@pytest.mark.parametrize(
    ("limits", "order", "passes"),
    [
        ({"max_order_amount": 2}, ("buy", 60000, 2), True),
        ({"max_order_amount": 2}, ("sell", 60000, 2.0001), False),
        ({"max_order_amount": {"BTC_USDT": 2}}, ("buy", 60000, 3), False),
        ({"max_order_amount": {"ETH_USDT": 2}}, ("buy", 60000, 3), True),
        # a market buy is given in quote currency: 60000.01 buys at most 1
        ({"max_order_amount": 1}, ("buy", -1, 60000.01), True),
        ({"max_order_amount": 1}, ("buy", -1, 60001), False),
        ({"max_order_amount": 1}, ("sell", -1, 1.5), False),
        ({"max_order_value": 60000}, ("buy", 59000, 1), True),
        ({"max_order_value": 60001}, ("buy", 60000, 1), True),
        ({"max_order_value": 60000}, ("buy", 60001, 1), False),
        ({"max_order_value": 60000}, ("sell", 6, 1.01), False),  # it would be sold at the bids
        ({"max_order_value": 1000}, ("buy", -1, 1001), False),
        ({"max_order_value": 1000}, ("buy", -1, 1000), True),
        ({"max_order_value": 60000}, ("sell", -1, 1), True),
        ({"max_order_value": 60000}, ("sell", -1, 1.1), False),
        ({"price_band": 0.1}, ("buy", 66000, 1), True),
        ({"price_band": 0.1}, ("buy", 66000, 100), True),  # what the book holds is no matter of a limit order
        ({"price_band": 0.1}, ("buy", 66001, 1), False),
        ({"price_band": 0.1}, ("sell", 53999, 1), False),
        ({"price_band": 0.1}, ("sell", 54000, 1), True),
        ({"price_band": 0.1}, ("sell", -1, 5), True),
        ({"price_band": 0.1}, ("sell", -1, 5.1), False),  # the book has 5
        ({"price_band": 0.1}, ("buy", -1, 300000), True),
        ({"price_band": 0.1}, ("buy", -1, 300001), False),
        ({"price_band": 0.0000005}, ("sell", -1, 4.5), False),  # of the five levels four are within the band
        ({"price_band": 0.0000005}, ("sell", -1, 3), True),
    ],
)
def test_sizes_and_prices(limits: dict[str, Any], order: tuple[str, float, float], passes: bool) -> None:
    exchange, venue, _ = guarded(**limits)
    side, price, amount = order
    if passes:
        assert exchange.CreateOrder("", side, price, amount)
        assert len(venue.placed) == 1
    else:
        refusal(lambda: exchange.CreateOrder("", side, price, amount), next(iter(limits)))
        assert venue.placed == []


def test_options_that_replace_the_size_are_refused_where_sizes_are_judged() -> None:
    exchange, venue, _ = guarded(max_order_amount=1)
    refusal(lambda: exchange.CreateOrder("", 'buy;{"quantity": 100}', 60000, 1), "side options")
    assert exchange.CreateOrder("", "buy;timeInForce=IOC", 60000, 1)
    assert len(venue.placed) == 1


def test_an_order_that_cannot_be_judged_is_refused() -> None:
    exchange, venue, _ = guarded(price_band=0.1)
    venue.fail("depth", OperationFailed("no book"))
    assert "no book" in refusal(lambda: exchange.Buy(60000, 1), "book")
    venue.set_book("BTC_USDT", asks=[], bids=[(59999.99, 1.0)])
    assert "no asks" in refusal(lambda: exchange.Buy(60000, 1), "book")


def test_a_book_is_fetched_once_a_second_at_most() -> None:
    clock = JumpClock()
    exchange, venue, _ = guarded(clock=clock, price_band=0.1)
    for _ in range(3):
        exchange.Buy(60000, 1)
    assert venue.calls["depth"] == 1
    clock.advance(1.5)
    exchange.Buy(60000, 1)
    assert venue.calls["depth"] == 2


def test_orders_a_minute_is_a_sliding_window() -> None:
    clock = JumpClock()
    exchange, venue, _ = guarded(clock=clock, orders_per_minute=2)
    exchange.Buy(60000, 1)
    clock.advance(40)
    exchange.Buy(60000, 1)
    assert "may be sent in 20.0 s" in refusal(lambda: exchange.Buy(60000, 1), "orders_per_minute")
    clock.advance(20)
    exchange.Buy(60000, 1)
    refusal(lambda: exchange.Buy(60000, 1), "orders_per_minute")
    assert len(venue.placed) == 3
    assert exchange.guards.stats["orders_last_minute"] == 2
    clock.advance(60)
    assert exchange.guards.stats["orders_last_minute"] == 0


def test_64_threads_never_get_one_order_too_many() -> None:
    exchange, venue, _ = guarded("log", orders_per_minute=20)
    run_threads(64, lambda _: exchange.Buy(60000, 0.01) and None)
    assert len(venue.placed) == 20


# The position


def test_the_position_counts_what_is_held_what_is_open_and_what_is_under_way() -> None:
    exchange, venue, _ = guarded(max_position=1002)  # 1000 are held
    first = exchange.Buy(60000, 1)
    exchange.Buy(60000, 1)
    assert "1003" in refusal(lambda: exchange.Buy(60000, 1), "max_position")
    exchange.CancelOrder(first)
    exchange.Buy(60000, 1)
    refusal(lambda: exchange.Buy(60000, 1), "max_position")
    assert exchange.Sell(60000, 100)  # it can only shrink
    venue.holdings["BTC"] = 900.0
    assert exchange.Buy(60000, 100)
    refusal(lambda: exchange.Buy(60000, 1), "max_position")


def test_64_threads_never_get_one_position_too_large() -> None:
    exchange, venue, _ = guarded("log", max_position=1010)
    run_threads(64, lambda _: exchange.Buy(60000, 1) and None)
    assert len(venue.placed) == 10


def test_a_refused_order_gives_its_reservation_back_and_an_unknown_one_keeps_it() -> None:
    exchange, venue, _ = guarded(clock=JumpClock(), max_position=1001)
    venue.fail("place", InsufficientFunds("no"))
    with pytest.raises(InsufficientFunds):
        exchange.Buy(60000, 1)
    venue.lose_reply("place")
    venue.fail("order_by_client_id", OperationFailed("cannot be asked"), always=True)
    with pytest.raises(OutcomeUnknown):
        exchange.Buy(60000, 1)
    refusal(lambda: exchange.Buy(60000, 1), "max_position")
    venue.heal()
    (record,) = exchange.Reconcile()
    exchange.CancelOrder(record.order_id)
    assert exchange.Buy(60000, 1)  # once its outcome is known, the next reading covers it


def test_what_a_refused_order_reserved_is_free_without_another_reading() -> None:
    exchange, venue, _ = guarded(max_position=1001)
    venue.fail("place", InsufficientFunds("no"))
    with pytest.raises(InsufficientFunds):
        exchange.Buy(60000, 1)
    assert exchange.Buy(60000, 1)
    assert venue.calls["account"] == 1


def test_a_position_that_cannot_be_read_lets_no_order_pass() -> None:
    exchange, venue, _ = guarded(max_position=2000)
    venue.fail("account", OperationFailed("no balances"))
    assert "no balances" in refusal(lambda: exchange.Buy(60000, 1), "max_position")
    assert exchange.Buy(60000, 1)


def test_the_rate_gives_the_reservation_back() -> None:
    clock = JumpClock()
    exchange, _, _ = guarded(clock=clock, max_position=1002, orders_per_minute=1)
    exchange.Buy(60000, 1)
    refusal(lambda: exchange.Buy(60000, 1), "orders_per_minute")
    clock.advance(60)
    assert exchange.Buy(60000, 1)


# The loss of the day


def test_the_daily_loss_holds_back_what_does_not_reduce_until_the_next_day() -> None:
    clock = JumpClock(86_400.0 * 19_000)
    exchange, venue, _ = guarded(clock=clock, max_daily_loss=1000)
    exchange.Buy(60000, 1)
    venue.holdings["USDT"] -= 999
    clock.advance(11)
    exchange.Buy(60000, 1)
    venue.holdings["USDT"] -= 1
    clock.advance(11)
    assert "1000" in refusal(lambda: exchange.Buy(60000, 1), "max_daily_loss")
    assert exchange.Sell(60000, 1)
    venue.holdings["USDT"] += 500  # reached is reached
    clock.advance(11)
    refusal(lambda: exchange.Buy(60000, 1), "max_daily_loss")
    assert exchange.guards.stats["daily_loss"] == {"USDT": Decimal(1000)}
    clock.advance(86_400)
    assert exchange.Buy(60000, 1)


def test_the_daily_loss_outlives_the_process(tmp_path: Path) -> None:
    clock = JumpClock(86_400.0 * 19_000)
    venue = FakeVenue(clock=clock)

    def _process() -> Any:
        host = MemoryHost(clock)
        host.kill_switch = KillSwitch(clock, tmp_path / "killed.json")
        return Exchange("Fake", "BTC_USDT", venue=venue, host=host, errors="raise", guards={"max_daily_loss": 1000})

    _process().Buy(90, 1)
    venue.holdings["USDT"] -= 1000
    refusal(lambda: _process().Buy(90, 1), "max_daily_loss")
    venue.holdings["USDT"] += 1000
    refusal(lambda: _process().Buy(90, 1), "max_daily_loss")
    assert (tmp_path / "guards.sqlite3").exists()
    clock.advance(86_400)
    assert _process().Buy(90, 1)


def test_the_daily_loss_counts_falling_prices() -> None:
    clock = JumpClock(86_400.0 * 19_000)
    exchange, venue, _ = guarded(clock=clock, max_daily_loss=1000)
    exchange.Buy(60000, 1)
    venue.set_book("BTC_USDT", asks=[(59999.1, 1.0)], bids=[(59998.9, 1.0)])  # 1000 coins lose 1 each
    clock.advance(11)
    refusal(lambda: exchange.Buy(59990, 1), "max_daily_loss")


def loss_after(exchange: Any, venue: Any, before: dict[str, float], after: dict[str, float]) -> dict[str, Decimal]:
    """The losses when the account's fields have changed."""
    clock = JumpClock(86_400.0 * 19_000)
    limits = Guards(max_daily_loss=Decimal(10**9))
    fields = {"Info": {}, "Balance": 0.0, "FrozenBalance": 0.0, "Stocks": 0.0, "FrozenStocks": 0.0}
    watch = DailyLoss(
        Decimal(10**9), venue, GuardPrices(venue, exchange._core.live, clock, 1.0), clock, limits.loss_age_s, None
    )
    for now in (before, after):
        venue.account = lambda symbol, now=now: Account({**fields, **now})
        watch.check(exchange._core.settings.symbol)
        clock.advance(11)
    return watch.losses


def test_the_first_value_of_a_day_is_the_one_that_counts(tmp_path: Path) -> None:
    first, second = DayFile(tmp_path / "guards.sqlite3"), DayFile(tmp_path / "guards.sqlite3")
    first.add("mine", 1, "cash:USDT", Decimal(1000))
    second.add("mine", 1, "cash:USDT", Decimal(900))  # another process came a moment later
    first.add("other", 1, "cash:USDT", Decimal(5))
    assert second.read("mine", 1) == {"cash:USDT": Decimal(1000)}
    assert second.read("mine", 2) == {}


def test_what_orders_have_frozen_is_no_loss() -> None:
    exchange, venue, _ = guarded()
    venue.set_book("BTC_USDT", asks=[(101.0, 1.0)], bids=[(99.0, 1.0)])
    cash = loss_after(exchange, venue, {"Balance": 1000.0}, {"Balance": 300.0, "FrozenBalance": 690.0})
    assert cash == {"USDT": Decimal(10)}
    coins = loss_after(exchange, venue, {"Stocks": 5.0}, {"Stocks": 1.0, "FrozenStocks": 3.0})
    assert coins == {"USDT": Decimal(100)}


def test_the_loss_of_contracts_is_that_of_the_equity() -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    whole = {"Balance": 500.0, "FrozenBalance": 400.0, "UPnL": 100.0}
    assert loss_after(exchange, venue, {**whole, "Equity": 1000.0}, {**whole, "Equity": 930.0}) == {"USDT": Decimal(70)}
    assert loss_after(exchange, venue, whole, {**whole, "FrozenBalance": 380.0, "UPnL": 90.0}) == {"USDT": Decimal(30)}
    exchange, venue, _ = make_contracts(errors="raise", currency="BTC_USD", contracts=("BTC_USD.swap",))
    venue.set_book("BTC_USD.swap", asks=[(101.0, 1.0)], bids=[(99.0, 1.0)])
    assert loss_after(exchange, venue, {"Equity": 2.0}, {"Equity": 1.5}) == {"USD": Decimal(50)}


def test_a_condition_order_that_waits_counts_towards_the_position() -> None:
    exchange: Any
    exchange, venue, host = make_contracts(errors="raise", guards={"max_position": 10})
    elsewhere: Any = Exchange("Futures_Fake", "BTC_USDT", venue=venue, host=host, errors="raise")
    stop = {"ConditionType": ORDER_CONDITION_TYPE_SL, "SlTriggerPrice": 200, "SlOrderPrice": -1}
    elsewhere.CreateConditionOrder("", "buy", 6, stop)
    refusal(lambda: exchange.CreateOrder("", "buy", 50, 5), "max_position")
    assert exchange.CreateOrder("", "buy", 50, 4)


def test_a_short_position_that_is_opened_counts_as_well() -> None:
    exchange: Any
    exchange, *_ = make_contracts(errors="raise", guards={"max_position": 10})
    refusal(lambda: exchange.CreateOrder("", "sell", 50, 11), "max_position")
    assert exchange.CreateOrder("", "sell", 50, 10)
    refusal(lambda: exchange.CreateOrder("", "sell", 50, 1), "max_position")
    assert exchange.CreateOrder("", "buy", 50, 10)


def test_a_market_buy_adds_what_its_quote_currency_buys_where_the_position_alone_is_guarded() -> None:
    exchange, venue, _ = guarded(max_position=1002)  # 1000 are held
    assert "1003" in refusal(lambda: exchange.Buy(-1, 180000.03), "max_position")
    assert exchange.Buy(-1, 120000)
    assert len(venue.placed) == 1


def test_a_condition_order_is_judged_at_the_highest_of_its_prices_also_after_a_change() -> None:
    exchange, venue, _ = guarded()
    judge = SizeJudge(Guards(), venue, GuardPrices(venue, exchange._core.live, JumpClock(), 1.0))
    terms = ConditionTerms(kind=0, tp_trigger=Decimal(70000), sl_trigger=Decimal(50000), sl_price=Decimal(49000))
    given: dict[str, Any] = {"symbol": "BTC_USDT", "side": "sell", "client_order_id": "a", "terms": terms}
    placed = judge.condition(ConditionIntent(amount=Decimal(1), **given))
    changed = judge.change(ModifyIntent(order_id="1", price=None, amount=Decimal(1), **given))
    assert (placed.price, changed.price) == (70000, 70000)


def test_an_order_whose_outcome_is_unknown_keeps_its_place_until_it_is_settled() -> None:
    clock = JumpClock()
    exchange, venue, _ = guarded(clock=clock, max_position=1005, position_age_s=1)
    venue.fail("place", OutcomeUnknown("no reply"))
    venue.fail("order_by_client_id", OperationFailed("away"), always=True)
    with pytest.raises(OutcomeUnknown):
        exchange.Buy(60000, 3)  # 1000 are held
    clock.advance(1000)
    refusal(lambda: exchange.Buy(60000, 3), "max_position")
    venue.heal("order_by_client_id")
    assert [record.fate for record in exchange.Reconcile()] == ["absent"]
    assert exchange.Buy(60000, 3)


def test_coins_that_orders_have_frozen_are_held_too() -> None:
    exchange, venue, _ = guarded(max_position=10)
    fields = {"Info": {}, "Balance": 1e6, "FrozenBalance": 0.0, "Stocks": 4.0, "FrozenStocks": 5.0}
    venue.account = lambda symbol: Account(fields)
    refusal(lambda: exchange.Buy(60000, 1.5), "max_position")
    assert exchange.Buy(60000, 1)


# The breaker


def test_the_breaker_stops_one_side_after_refusals_of_one_kind() -> None:
    clock = JumpClock()
    exchange, venue, host = guarded(
        clock=clock, breaker=RefusalBreaker(refusals=3, seconds=10, pause_s=30), orders_per_minute=100
    )
    for error in (InsufficientFunds, InvalidOrder, InsufficientFunds, InvalidOrder, InsufficientFunds):
        venue.fail("place", error("no", code="-2010"))
        with pytest.raises(error):
            exchange.Buy(60000, 1)
    assert host.warnings == [
        "the guard breaker stops buy orders of BTC_USDT for 30 s: 3 refusals InsufficientFunds -2010 within 10 s; last: no"
    ]
    refusal(lambda: exchange.Buy(60000, 1), "breaker")
    assert exchange.guards.stats["stopped_sides"] == ["buy BTC_USDT"]
    assert exchange.Sell(60000, 1)
    clock.advance(29.5)
    assert "another 0.5 s" in refusal(lambda: exchange.Buy(60000, 1), "breaker")
    clock.advance(0.5)
    assert exchange.Buy(60000, 1)


def test_the_breaker_forgets_old_refusals_and_can_be_released() -> None:
    clock = JumpClock()
    exchange, venue, _ = guarded(clock=clock, breaker={"refusals": 2, "seconds": 10, "pause_s": 1000})
    for _ in range(3):
        venue.fail("place", InsufficientFunds("no"))
        with pytest.raises(InsufficientFunds):
            exchange.Buy(60000, 1)
        clock.advance(11)
    for _ in range(2):
        venue.fail("place", InsufficientFunds("no"))
        with pytest.raises(InsufficientFunds):
            exchange.Buy(60000, 1)
    refusal(lambda: exchange.Buy(60000, 1), "breaker")
    exchange.guards.release()
    assert exchange.Buy(60000, 1)


def refused(exchange: Any, venue: FakeVenue) -> None:
    venue.fail("place", InsufficientFunds("no"))
    with pytest.raises(InsufficientFunds):
        exchange.Buy(60000, 1)


def test_refusals_count_up_to_the_very_end_of_their_time() -> None:
    clock = JumpClock()
    exchange, venue, _ = guarded(clock=clock, breaker={"refusals": 2, "seconds": 10, "pause_s": 1000})
    refused(exchange, venue)
    clock.advance(10)
    refused(exchange, venue)
    refusal(lambda: exchange.Buy(60000, 1), "breaker")


def test_what_stopped_a_side_does_not_count_again() -> None:
    clock = JumpClock()
    exchange, venue, _ = guarded(clock=clock, breaker={"refusals": 2, "seconds": 1000, "pause_s": 10})
    refused(exchange, venue)
    refused(exchange, venue)
    clock.advance(10)
    assert exchange.guards.stats["stopped_sides"] == []
    refused(exchange, venue)
    assert exchange.Buy(60000, 1)  # one refusal after the pause is not two
    exchange.guards.release()  # which forgets that one
    refused(exchange, venue)
    assert exchange.Buy(60000, 1)


# Changes and condition orders


class ChangingVenue(FakeVenue):
    """A fake venue that also changes orders, and takes condition orders."""

    def modify(self, intent: ModifyIntent) -> str:
        if intent.amount is not None:
            self._orders[intent.order_id]["Amount"] = float(intent.amount)
        return intent.order_id

    def place_condition(self, intent: ConditionIntent) -> str:
        return "BTCUSDT,c1"


def changing(**limits: Any) -> Any:
    host = MemoryHost()
    venue = ChangingVenue(clock=host.clock)
    exchange: Any = Exchange("Fake", "BTC_USDT", venue=venue, host=host, errors="raise", guards=limits)
    venue.list_pair("BTC_USDT", price=60000.0)
    return exchange, venue


def change(exchange: Any, order_id: str, price: float | None = None, amount: float | None = None) -> str:
    orders = exchange._core.orders
    return str(
        orders.modify(
            ModifyIntent(
                order_id=order_id,
                symbol="BTC_USDT",
                side="buy",
                price=None if price is None else Decimal(str(price)),
                amount=None if amount is None else Decimal(str(amount)),
                client_order_id=orders.new_id(),
            )
        )
    )


def test_a_change_passes_the_same_guards() -> None:
    exchange, venue = changing(max_order_amount=2, max_order_value=100000, price_band=0.5, max_position=1003)
    order_id = exchange.Buy(60000, 1)
    refusal(lambda: change(exchange, order_id, amount=2.5), "max_order_amount")
    refusal(lambda: change(exchange, order_id, amount=1.7), "max_order_value")
    refusal(lambda: change(exchange, order_id, price=95000), "price_band")
    change(exchange, order_id, amount=1.5)
    exchange.Buy(50000, 1.5)  # the position may be 1003 now
    refusal(lambda: change(exchange, order_id, amount=1.6), "max_position")
    change(exchange, order_id, amount=1.4)
    venue.fail("order", OperationFailed("cannot be read"))
    assert "cannot be read" in refusal(lambda: change(exchange, order_id, amount=1), "change")


def test_a_condition_order_is_judged_by_its_amount_and_highest_price() -> None:
    exchange, _ = changing(max_order_amount=2, max_order_value=100000, price_band=0.01)
    orders = exchange._core.orders

    def _place(amount: str, trigger: str) -> str:
        terms = ConditionTerms(kind=2, sl_trigger=Decimal(trigger))
        intent = ConditionIntent(
            symbol="BTC_USDT", side="buy", amount=Decimal(amount), terms=terms, client_order_id=orders.new_id()
        )
        return str(orders.place(intent, own_client_id=True))

    assert _place("1", "90000")  # its trigger is far from the book by its nature
    refusal(lambda: _place("2.1", "40000"), "max_order_amount")
    refusal(lambda: _place("1.2", "90000"), "max_order_value")


def test_a_change_of_a_condition_is_judged_by_its_new_prices() -> None:
    exchange, venue = changing(max_order_value=100000)
    order_id = exchange.Buy(40000, 1)
    venue.condition_order = venue.order
    venue.modify_condition = lambda intent: intent.order_id
    orders = exchange._core.orders

    def _change(trigger: str) -> str:
        terms = ConditionTerms(kind=2, sl_trigger=Decimal(trigger))
        return str(
            orders.modify(
                ModifyIntent(
                    order_id=order_id, symbol="BTC_USDT", side="buy", price=None, amount=None, client_order_id=orders.new_id(), terms=terms
                )
            )
        )  # fmt: skip

    assert _change("100000")
    refusal(lambda: _change("100001"), "max_order_value")


def test_a_change_without_a_price_is_judged_by_that_of_the_order() -> None:
    exchange, _ = changing(max_order_value=100000)
    order_id = exchange.Buy(30000, 1)
    change(exchange, order_id, amount=3.3)  # at the book's price it would be worth 198000
    refusal(lambda: change(exchange, order_id, amount=3.4), "max_order_value")


def test_a_change_is_not_read_where_no_size_is_judged() -> None:
    exchange, venue = changing(orders_per_minute=10)
    order_id = exchange.Buy(60000, 1)
    change(exchange, order_id, amount=1.5)
    assert venue.calls["order"] == 0


def test_contracts_are_judged_by_their_number_and_by_what_they_stand_for() -> None:
    exchange: Any
    exchange, venue, _ = make_contracts(errors="raise", guards={"max_order_value": 600})
    exchange.CreateOrder("", "buy", 50, 1200)  # 0.01 each
    refusal(lambda: exchange.CreateOrder("", "buy", 50, 1201), "max_order_value")
    exchange, venue, _ = make_contracts(errors="raise", guards={"max_order_amount": 7})
    exchange.CreateOrder("", "buy", -1, 7)  # at market it is no amount of money either
    refusal(lambda: exchange.CreateOrder("", "buy", -1, 8), "max_order_amount")
    assert len(venue.placed) == 1


def test_what_was_reserved_for_an_order_that_was_not_recorded_is_given_back(tmp_path: Path) -> None:
    host = MemoryHost()
    (tmp_path / "orders").mkdir()  # a folder in the file's place: nothing can be stored
    host.order_log = OrderFile(tmp_path / "orders", "mine", host.clock)
    venue = FakeVenue(clock=host.clock)
    venue.list_pair("BTC_USDT", price=60000.0)
    exchange: Any = Exchange(
        "Fake", "BTC_USDT", venue=venue, host=host, errors="raise", durability="process", guards={"max_position": 1001}
    )
    for _ in range(3):
        with pytest.raises(OperationFailed, match="nothing was sent"):
            exchange.Buy(60000, 1)
    assert venue.placed == []
    host.order_log.close()


def test_the_breaker_counts_refusals_alone() -> None:
    exchange, venue, host = guarded(breaker={"refusals": 2, "seconds": 10, "pause_s": 30})
    for _ in range(4):
        venue.fail("place", OperationFailed("away"))
        with pytest.raises(OperationFailed):
            exchange.Buy(60000, 1)
    assert host.warnings == []
    assert exchange.Buy(60000, 1)


def test_release_without_a_breaker_does_nothing() -> None:
    exchange, _, _ = guarded(orders_per_minute=1)
    exchange.guards.release()
    assert exchange.guards.stats == {"orders_last_minute": 0, "stopped_sides": [], "daily_loss": {}}


# Raw calls, and what is not valid


def test_raw_orders_pass_only_where_their_size_is_not_judged() -> None:
    exchange, venue, _ = guarded(max_order_amount=1)
    refusal(lambda: exchange.IO("api", "POST", "/api/v3/order", "quantity=5"), "raw_orders")
    assert venue.requests == []
    exchange.IO("api", "GET", "/api/v3/order")
    exchange, venue, _ = guarded(orders_per_minute=1)
    exchange.IO("api", "POST", "/api/v3/order", "quantity=5")
    refusal(lambda: exchange.IO("api", "POST", "/api/v3/order", "quantity=5"), "orders_per_minute")
    exchange, venue, _ = guarded(max_daily_loss=100)
    refusal(lambda: exchange.IO("api", "POST", "/api/v3/order", "quantity=5"), "raw_orders")
    exchange, venue, _ = guarded(max_order_amount=1, raw_orders=True)
    exchange.IO("api", "POST", "/api/v3/order", "quantity=5")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"max_order_amount": 0}, "max_order_amount must be more than 0"),
        ({"max_position": {"BTC_USDT": -1}}, "max_position"),
        ({"max_order_value": "1000"}, "max_order_value"),
        ({"orders_per_minute": 0.5}, "orders_per_minute"),
        ({"breaker": {"refusals": 0}}, "refusals"),
        ({"breaker": 5}, "breaker"),
        ({"loss_age_s": 0}, "loss_age_s"),
    ],
)
def test_a_limit_that_is_not_valid(table: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        guards_of(table)


def test_an_unknown_guard_is_named() -> None:
    with pytest.raises(UnknownName, match="did you mean 'max_order_value'"):
        guards_of({"max_order_valu": 1})
    with pytest.raises(UnknownName, match="did you mean 'refusals'"):
        guards_of({"breaker": {"refusal": 1}})
    with pytest.raises(InputError, match="guards must be"):
        guards_of(5)


# The dead-man switch


def test_a_venue_without_a_dead_man_switch_says_so() -> None:
    with pytest.raises(NotSupported, match="no dead-man switch"):
        guarded(dead_man_s=60)
