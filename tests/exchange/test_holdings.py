"""What account calls leave for those who watch a strategy."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.constants import PD_LONG, PD_SHORT
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.holdings import HoldingsSample, SeenHoldings
from fmzthreads.structures import Account, Position, Record
from fmzthreads.testing.fake_venue import FakeVenue
from tests.helpers.exchange_room import MemoryHost, make


class Later:
    """Keeps what is to be called later."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, seconds: float, function: Callable[[], None]) -> None:
        self.calls.append((seconds, function))


class Watched:
    """An exchange object whose host has holdings, with the samples that they made."""

    def __init__(self, currency: str = "BTC_USDT") -> None:
        self.clock = ManualClock(1_600_000_000)
        self.later, self.samples = Later(), list[HoldingsSample]()
        self.host = MemoryHost(self.clock)
        self.holdings = self.host.holdings = SeenHoldings(self.clock, self.samples.append, call_later=self.later)
        self.venue = FakeVenue(clock=self.clock)
        self.exchange: Exchange[None] = Exchange("Fake", currency, venue=self.venue, host=self.host)

    def held(self) -> dict[str, tuple[float, str, float | None]]:
        return {one.currency: (one.amount, one.quote, one.price) for one in self.holdings.sample().money}


class Key:
    """The account of an exchange object, for calls that are made by hand."""

    money_account = "Fake:1"


def test_an_account_is_kept_with_the_last_price_that_was_seen() -> None:
    one = Watched()
    assert one.held() == {}
    one.exchange.GetAccount()
    assert one.held() == {"USDT": (1_000_000.0, "", None), "BTC": (1000.0, "USDT", None)}
    asked = dict(one.venue.calls)
    ticker = one.exchange.GetTicker()
    assert ticker is not None
    assert one.held()["BTC"] == (1000.0, "USDT", ticker.Last)
    one.exchange.SetRate(7)
    one.exchange.GetDepth()
    depth = one.venue.depth("BTC_USDT")
    assert one.held()["BTC"] == (1000.0, "USDT", depth.Bids[0].Price), "in the venue's currency"
    assert one.venue.calls["account"] == asked["account"], "nothing more is asked"


def test_prices_of_bars_count_too() -> None:
    one = Watched()
    one.exchange.GetAccount()
    one.exchange.SetRate(7)
    one.venue.bars["BTC_USDT", 60] = [Record(Time=0, Open=1.0, High=3.0, Low=1.0, Close=2.5, Volume=1.0)]
    bars = one.exchange.GetRecords()
    assert bars
    price = one.held()["BTC"][2]
    assert price is not None
    assert price * 7 == pytest.approx(bars[-1].Close)


def test_a_host_without_holdings_keeps_nothing() -> None:
    exchange, _, host = make()
    assert host.holdings is None
    assert exchange.GetAccount() is not None


def test_one_sample_a_minute_is_made_outside_the_call() -> None:
    one = Watched()
    for _ in range(5):
        one.exchange.GetAccount()
    assert [seconds for seconds, _ in one.later.calls] == [1.0], "calls that are made together are one sample"
    assert one.samples == []
    one.later.calls[0][1]()
    assert len(one.samples) == 1
    one.clock.advance(20)
    one.exchange.GetAccount()
    one.exchange.GetAccount()
    assert [seconds for seconds, _ in one.later.calls] == [1.0, 40.0]
    one.later.calls[1][1]()
    one.clock.advance(600)
    one.exchange.GetAccount()
    assert one.later.calls[2][0] == 1.0
    one.holdings.flush()
    one.later.calls[2][1]()
    assert len(one.samples) == 3, "what was handed over at the end is not handed over again"
    one.holdings.flush()
    assert len(one.samples) == 3
    assert one.samples[-1].time_ms == 1_600_000_620_000
    assert {money.time_ms for money in one.samples[-1].money} == {1_600_000_620_000}


def test_what_is_read_while_a_sample_is_made_is_in_the_next_one() -> None:
    clock, later = ManualClock(1_600_000_000), Later()
    samples: list[HoldingsSample] = []
    inside = threading.Event()

    def _put(sample: HoldingsSample) -> None:
        samples.append(sample)
        if len(samples) == 1:
            holdings.see_account(Key(), "BTC_USDT", Account(Balance=2.0))
            inside.set()

    holdings = SeenHoldings(clock, _put, call_later=later)
    holdings.see_account(Key(), "BTC_USDT", Account(Balance=1.0))
    later.calls.pop()[1]()
    assert inside.is_set()
    later.calls.pop()[1]()
    assert [sample.money[0].amount for sample in samples] == [1.0, 2.0]


def test_wallets_of_an_account() -> None:
    holdings = SeenHoldings(ManualClock(1_600_000_000), print, call_later=Later())
    holdings.see_account(Key(), "BTC_USDT", Account(Balance=1.0, FrozenBalance=2.0, Stocks=3.0, FrozenStocks=4.0))
    holdings.see_account(Key(), "ETH_USDT", Account(Balance=1.5, FrozenBalance=0.0, Stocks=8.0))
    holdings.see_account(Key(), "BTC_USDT.swap", Account(Balance=10.0, FrozenBalance=5.0, Equity=17.0, UPnL=2.0))
    holdings.see_account(Key(), "BTC_USDC.swap", Account(Balance=10.0, FrozenBalance=5.0, UPnL=-1.0))
    holdings.see_account(Key(), "ETH_USD.swap", Account(Stocks=2.0, Equity=2.5))
    holdings.see_price("ETH_USD.swap", 3000.0)
    found = {(one.wallet, one.currency): (one.amount, one.quote, one.price) for one in holdings.sample().money}
    assert found == {
        ("spot", "USDT"): (1.5, "", None), ("spot", "BTC"): (7.0, "USDT", None), ("spot", "ETH"): (8.0, "USDT", None),
        ("futures", "USDT"): (17.0, "", None), ("futures", "USDC"): (14.0, "", None), ("futures", "ETH"): (2.5, "USD", 3000.0),
    }  # fmt: skip


def test_positions_are_those_of_the_last_look() -> None:
    clock = ManualClock(1_600_000_000)
    holdings = SeenHoldings(clock, print, call_later=Later())
    both = [
        Position(Symbol="BTC_USDT.swap", Amount=2.0, Type=PD_LONG, Price=100.0, Profit=5.0),
        Position(Symbol="BTC_USDT.swap", Amount=3.0, Type=PD_SHORT, Price=101.0, Profit=-5.0),
    ]
    holdings.see_positions(Key(), "USDT.swap", both)
    assert [(one.amount, one.profit) for one in holdings.sample().positions] == [(2.0, 5.0), (-3.0, -5.0)]
    clock.advance(1)
    holdings.see_positions(Key(), "BTC_USDT.swap", both[:1])
    assert [one.amount for one in holdings.sample().positions] == [2.0]
    clock.advance(1)
    holdings.see_positions(Key(), "ETH_USDT.swap", [])
    assert [one.amount for one in holdings.sample().positions] == [2.0], "another symbol says nothing about it"
    clock.advance(1)
    holdings.see_positions(Key(), "USDT.swap", [])
    assert holdings.sample().positions == ()


def test_a_timer_makes_the_sample_without_anybody_waiting() -> None:
    made = threading.Event()
    holdings = SeenHoldings(ManualClock(1_600_000_000), lambda sample: made.set())
    holdings.see_account(Key(), "BTC_USDT", Account(Balance=1.0))
    assert made.wait(100)
