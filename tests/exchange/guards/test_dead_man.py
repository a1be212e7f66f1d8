"""The dead-man switch: set before the first order, renewed, ended with the exchange object."""

from __future__ import annotations

import gc
import threading
from typing import Any, Literal

import pytest

from fmzthreads.errors import GuardRefused, InputError, OperationFailed
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.guards import dead_man
from fmzthreads.exchange.guards.dead_man import DeadManSwitch
from fmzthreads.testing import FakeVenue
from fmzthreads.venues.binance.futures.venue import FuturesBinance
from fmzthreads.venues.okx.futures.venue import FuturesOKX
from tests.helpers.exchange_room import MemoryHost, run_threads
from tests.helpers.venue_replies import make_okx


class Venue(FakeVenue):
    """A fake venue with a countdown, which remembers each call of it."""

    def __init__(self, dead_man: Literal["symbol", "account"] = "symbol") -> None:
        super().__init__(pairs=("BTC_USDT", "ETH_USDT"))
        self.dead_man: Literal["", "symbol", "account"] = dead_man
        self.calls_after: list[tuple[str, float]] = []
        self.renewed = threading.Event()
        self.failure: Exception | None = None

    def cancel_all_after(self, symbol: str, timeout_s: float) -> None:
        if self.failure is not None:
            raise self.failure
        self.calls_after.append((symbol, timeout_s))
        if len(self.calls_after) > 2:
            self.renewed.set()


def guarded(venue: Venue, seconds: float) -> Any:
    return Exchange("Fake", "BTC_USDT", venue=venue, host=MemoryHost(), errors="raise", guards={"dead_man_s": seconds})


def test_it_is_set_before_the_first_order_of_a_symbol_and_ended_by_close() -> None:
    venue = Venue()
    exchange = guarded(venue, 1000)
    exchange.Buy(90, 1)
    exchange.Buy(90, 1)
    exchange.CreateOrder("ETH_USDT", "buy", 90, 1)
    assert venue.calls_after == [("BTC_USDT", 1000.0), ("ETH_USDT", 1000.0)]
    exchange.close()
    assert sorted(venue.calls_after[2:]) == [("BTC_USDT", 0), ("ETH_USDT", 0)]


def test_no_order_leaves_when_it_cannot_be_set() -> None:
    venue = Venue()
    exchange = guarded(venue, 1000)
    venue.failure = OperationFailed("not now")
    with pytest.raises(GuardRefused, match="not now"):
        exchange.Buy(90, 1)
    assert venue.placed == []
    venue.failure = None
    exchange.Buy(90, 1)
    exchange.close()


def test_it_is_set_once_by_many_threads_and_of_an_account_once_for_all_symbols() -> None:
    venue = Venue("account")
    exchange = guarded(venue, 1000)
    symbols = ("BTC_USDT", "ETH_USDT")
    run_threads(16, lambda index: exchange.CreateOrder(symbols[index % 2], "buy", 90, 1) and None)
    assert len(venue.calls_after) == 1
    exchange.close()


def test_it_is_renewed_until_the_object_is_gone_and_a_failure_is_told_once() -> None:
    venue = Venue()
    told: list[str] = []
    switch = DeadManSwitch(venue, 0.003, told.append)
    switch.cover("BTC_USDT")
    assert venue.renewed.wait(60)
    thread = switch._thread
    assert thread is not None
    venue.failure = OperationFailed("offline")
    switch.renew()
    switch.renew()
    assert len(told) == 1
    assert "offline" in told[0]
    venue.failure = None
    switch.renew()
    del switch
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()


def test_it_is_renewed_three_times_in_its_time_and_each_failure_after_a_success_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(dead_man, "_renew", lambda _switch, _beat, pause_s: pauses.append(pause_s))
    venue, told = Venue(), list[str]()
    switch = DeadManSwitch(venue, 60, told.append)
    switch.cover("BTC_USDT")
    assert switch._thread is not None
    switch._thread.join(60)
    assert pauses == [20]
    for failures in (1, 2):
        venue.failure = OperationFailed("offline")
        switch.renew()
        switch.renew()
        assert len(told) == failures
        venue.failure = None
        switch.renew()
    switch.close()


def test_the_thread_ends_with_the_object_and_not_at_its_next_turn() -> None:
    switch = DeadManSwitch(Venue(), 3000, str)
    switch.cover("BTC_USDT")
    thread = switch._thread
    assert thread is not None
    del switch
    gc.collect()
    thread.join(60)  # its next turn would be after 1000 s
    assert not thread.is_alive()


def test_okx_counts_down_for_the_account() -> None:
    venue, http, _ = make_okx(
        {
            "POST /api/v5/trade/cancel-all-after": {
                "code": "0",
                "msg": "",
                "data": [{"triggerTime": "1", "tag": "", "ts": "1"}],
            }
        }
    )
    assert venue.dead_man == "account"
    venue.cancel_all_after("BTC_USDT", 59.5)
    venue.cancel_all_after("BTC_USDT", 0)
    sent = [seen.json for seen in http.seen if seen.path.endswith("cancel-all-after")]
    assert sent == [{"timeOut": "60"}, {"timeOut": "0"}]
    for seconds in (5, 121):
        with pytest.raises(InputError, match="10 to 120 s"):
            venue.cancel_all_after("BTC_USDT", seconds)


def test_binances_futures_count_down_for_a_symbol() -> None:
    venue = FuturesBinance()
    seen: list[tuple[str, float]] = []
    for family in (venue.usd, venue.coin):
        family.cancel_all_after = lambda symbol, timeout_s: seen.append((symbol, timeout_s))  # type: ignore[method-assign]
    assert venue.dead_man == "symbol"
    assert FuturesOKX.dead_man == "account"
    exchange: Any = Exchange("Fake", "BTC_USDT.swap", venue=venue, host=MemoryHost(), guards={"dead_man_s": 60})
    exchange.guards._dead_man.cover("BTC_USD.swap")
    exchange.guards.close()
    assert seen == [("BTC_USD.swap", 60.0), ("BTC_USD.swap", 0)]
