"""Limits: held back before, silent after."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads import errors
from fmzthreads.clock import ManualClock
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.venues.limits.counted_call import CountedCall, NoLimits
from fmzthreads.venues.limits.limiter import Limiter
from fmzthreads.venues.limits.recent_calls import RecentCalls
from fmzthreads.venues.rest.ask import Ask
from tests.helpers.venue_replies import BINANCE_INFO, NOW_S, Once, intent, make_binance, make_okx, reply_of
from tests.helpers.venue_replies import OKX_PLACED as PLACED

BOOK = {"lastUpdateId": 1, "bids": [], "asks": []}
PLACE = "POST /api/v5/trade/order"
CANCEL = "POST /api/v5/trade/cancel-order"
OKX_BOOK = {"code": "0", "msg": "", "data": [{"asks": [], "bids": [], "ts": "1"}]}


def weighed(used: int) -> Any:
    return reply_of(BOOK, headers={"X-MBX-USED-WEIGHT-1M": str(used)})


def test_the_used_weight_holds_reads_back_until_the_next_minute() -> None:
    path = "GET /api/v3/depth"
    venue, http, clock = make_binance(
        {path: [Once(weighed(5690)), Once(weighed(5695)), Once(weighed(5))], "POST /api/v3/order": {"orderId": 1}}
    )
    venue.depth("BTC_USDT")
    venue.depth("BTC_USDT")
    assert venue.limits.used(clock.now()) == 5695
    with pytest.raises(errors.RateLimited, match=r"5720 of 6000|5700 of 6000|5705") as caught:
        venue.depth("BTC_USDT", 101)
    assert caught.value.retry_after_s == pytest.approx(55.0, abs=1e-3)
    assert http.paths().count(path) == 2
    # Reads leave a part of the limit to orders.
    venue.request("POST", "/api/v3/order", "symbol=BTCUSDT")
    clock.advance(56)
    venue.depth("BTC_USDT", 101)
    assert venue.limits.used(clock.now()) == 25


def test_the_limits_are_those_that_the_venue_names() -> None:
    rows = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "SECOND", "intervalNum": 6, "limit": 100},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 1, "limit": 2},
        {"rateLimitType": "NEW_KIND", "interval": "FORTNIGHT", "intervalNum": 1, "limit": 2},
        "of another form",
    ]
    venue, http, clock = make_binance(
        {
            "GET /api/v3/exchangeInfo": {**BINANCE_INFO, "rateLimits": rows},
            "POST /api/v3/order": {"orderId": 1},
            "GET /api/v3/openOrders": [],
        }
    )
    clock.advance(1)
    venue.markets()
    assert venue.limits.limit == 1000  # a minute
    for _ in range(2):
        venue.request("POST", "/api/v3/order", "symbol=BTCUSDT")
    assert http.paths().count("POST /api/v3/order") == 2
    http.timeout_s = 1.0
    venue.orders()  # weighs 80
    with pytest.raises(errors.RateLimited, match=r"weight used at Binance to 16[01] of 100 in 6 s; nothing was sent"):
        venue.orders()


def test_a_venue_that_names_no_limits_has_none() -> None:
    venue, http, _ = make_binance(
        {"GET /api/v3/exchangeInfo": {**BINANCE_INFO, "rateLimits": []}, "GET /api/v3/openOrders": []}
    )
    venue.markets()
    for _ in range(200):
        venue.orders()
    assert http.paths().count("GET /api/v3/openOrders") == 200


def test_all_objects_of_a_process_with_one_key_count_together() -> None:
    order, clock = "POST /api/v3/order", ManualClock(NOW_S)
    pairs = [make_binance({order: {"orderId": 1}}, clock=clock)[:2] for _ in range(4)]
    for number in range(100):
        venue, _ = pairs[number % 4]
        venue.request("POST", "/api/v3/order", "symbol=BTCUSDT")
    for venue, http in pairs:
        with pytest.raises(errors.RateLimited, match="orders at Binance to 101 of 100 in 10 s; nothing was sent"):
            venue.request("POST", "/api/v3/order", "symbol=BTCUSDT")
        assert http.paths().count(order) == 25
    other, http, _ = make_binance(
        {order: {"orderId": 1}}, clock=clock, credentials=Credentials(access_key="b", secret_key="c")
    )
    other.request("POST", "/api/v3/order", "symbol=BTCUSDT")  # orders count per account, weight per address
    assert other.limits.used(clock.now()) == pairs[0][0].limits.used(clock.now()) > 0


def test_a_refused_order_is_no_order_and_a_successful_one_weighs_nothing() -> None:
    refused = reply_of({"code": -2010, "msg": "Account has insufficient balance for requested action."}, 400)
    venue, http, clock = make_binance({"POST /api/v3/order": [Once({"orderId": 1}), Once(refused)]})
    venue.limits.learn((("REQUEST_WEIGHT", 60, 1000), ("ORDERS", 10, 2)))
    venue.request("POST", "/api/v3/order", "symbol=BTCUSDT")
    before = venue.limits.used(clock.now())
    for _ in range(5):
        with pytest.raises(errors.InsufficientFunds):
            venue.request("POST", "/api/v3/order", "symbol=BTCUSDT")
    assert http.paths().count("POST /api/v3/order") == 6
    assert venue.limits.used(clock.now()) == before + 5


@pytest.mark.parametrize(
    "reply", [{"orderId": 1, "clientOrderId": "of-another"}, ({"code": -2010, "msg": "no", "clientOrderId": "x"}, 400)]
)
def test_a_reply_about_another_order_gives_nothing_back(reply: Any) -> None:
    answer = reply_of(*reply) if isinstance(reply, tuple) else reply
    venue, _, clock = make_binance({"POST /api/v3/order": answer})
    venue.limits.learn((("REQUEST_WEIGHT", 60, 1000), ("ORDERS", 10, 1)))
    with pytest.raises(errors.OutcomeUnknown):
        venue.request("POST", "/api/v3/order", "symbol=BTCUSDT&newClientOrderId=mine")
    assert venue.limits.used(clock.now()) == 2  # the call for the venue's time, and the order
    with pytest.raises(errors.RateLimited, match="orders at Binance to 2 of 1 in 10 s"):
        venue.request("POST", "/api/v3/order", "symbol=BTCUSDT&newClientOrderId=next")


def test_a_stop_ends_the_wait_for_the_signed_call_before() -> None:
    clock, held = ManualClock(100.0), threading.Lock()

    class Turns(NoLimits):
        def turn(self, ask: Ask) -> threading.Lock | None:
            return held

    def counted() -> CountedCall:
        limiter = Limiter("V", clock)
        return CountedCall(
            limiter, Turns(), Ask(path="/"), clock=clock, timeout_s=5.0, server_now=clock.now, measured=True
        )

    first = counted()
    first.begin()
    clock.stop.request()
    with pytest.raises(errors.StopRequested):
        counted().begin()
    first.end()
    assert not held.locked()


def test_the_largest_count_of_a_window_holds_when_replies_come_out_of_order() -> None:
    """Two threads: the reply that reports more is read first."""
    used = iter([500, 250])
    venue, _, clock = make_binance({"GET /api/v3/depth": lambda _seen: weighed(next(used))})
    venue.depth("BTC_USDT")
    venue.depth("BTC_USDT")
    assert venue.limits.used(clock.now()) == 505  # at least: the second was sent after the count of 500 was read


def test_a_refused_read_does_not_knock_again_at_its_own_ban() -> None:
    """The client repeats a read; while its limit or ban lasts, nothing is sent."""
    for status in (418, 429):
        hits: list[str] = []

        def refuse(seen: Any, hits: list[str] = hits, status: int = status) -> Any:
            hits.append(seen.path)
            return reply_of({"code": -1003, "msg": "no"}, status, {"Retry-After": "7"})

        venue, http, _ = make_binance({"GET /api/v3/depth": refuse})
        http.repeats = 4
        with pytest.raises(errors.RateLimited):
            venue.depth("BTC_USDT")
        assert len(hits) == 1, status


def test_a_ban_is_kept_to_without_knocking() -> None:
    path = "GET /api/v3/depth"
    ban = reply_of({"code": -1003, "msg": "Way too much request weight used; IP banned until 1770531666000."}, 418)
    venue, http, clock = make_binance({path: [Once(ban), Once(BOOK)], "GET /api/v3/account": {"balances": []}})
    with pytest.raises(errors.Banned):
        venue.depth("BTC_USDT")
    sent = len(http.seen)
    for call in (lambda: venue.depth("BTC_USDT"), venue.assets, lambda: venue.cancel("BTCUSDT,1"), venue.markets):
        with pytest.raises(errors.Banned, match="until 06:21:06 UTC"):
            call()
    assert len(http.seen) == sent
    clock.advance(120)
    venue.depth("BTC_USDT")


def test_too_many_orders_shut_only_the_door_of_orders() -> None:
    refusal = reply_of({"code": -1015, "msg": "Too many new orders; current limit is 100 orders per 10 SECOND."}, 429)
    venue, http, _ = make_binance(
        {"POST /api/v3/order": refusal, "GET /api/v3/depth": BOOK, "DELETE /api/v3/order": {"orderId": 1}}
    )
    for _ in range(3):
        with pytest.raises(errors.RateLimited):
            venue.place(intent())
    assert http.paths().count("POST /api/v3/order") == 1
    venue.depth("BTC_USDT")
    venue.cancel("BTCUSDT,1")


@given(
    limit=st.integers(1, 5),
    pauses=st.lists(st.floats(0, 3, allow_nan=False), max_size=40),
)
def test_never_more_calls_than_allowed_in_any_stretch(limit: int, pauses: list[float]) -> None:
    clock = ManualClock(0.0)
    recent = RecentCalls(clock, 2.0)
    turns = []
    for pause in pauses:
        clock.advance(pause)
        turns.append(clock.monotonic() + recent.turn("x", limit, 1e9))
    for earlier, later in zip(turns, turns[limit:], strict=False):
        assert later - earlier >= 2.0 - 1e-6
    assert turns == sorted(turns)


def test_a_turn_that_is_too_late_is_not_taken() -> None:
    clock = ManualClock(0.0)
    recent = RecentCalls(clock, 2.0)
    assert recent.turn("x", 1, 0.0) == 0
    assert recent.turn("x", 1, 0.0) == 2.0
    assert recent.turn("x", 1, 0.0) == 2.0  # the refused one took no turn
    assert recent.turn("y", 1, 0.0) == 0


def test_okx_reads_wait_for_their_turn() -> None:
    venue, http, clock = make_okx({"GET /api/v5/market/books": OKX_BOOK})
    for _ in range(40):
        venue.depth("BTC_USDT")
    late = threading.Thread(target=venue.depth, args=("BTC_USDT",))
    late.start()
    assert clock.wait_for_sleepers()
    assert http.paths().count("GET /api/v5/market/books") == 40
    clock.advance(2.2)
    late.join(60)
    assert not late.is_alive()
    assert http.paths().count("GET /api/v5/market/books") == 41


def test_okx_orders_beyond_the_limit_are_refused_and_another_symbol_is_not() -> None:
    venue, http, _ = make_okx({PLACE: PLACED})
    for _ in range(60):
        venue.place(intent())
    with pytest.raises(errors.RateLimited, match="nothing was sent") as caught:
        venue.place(intent())
    assert caught.value.retry_after_s == pytest.approx(2.05)
    assert http.paths().count(PLACE) == 60
    venue.place(intent(symbol="ETH_USDT"))


def test_an_okx_refusal_shuts_that_endpoint_only() -> None:
    limited = reply_of({"msg": "Too Many Requests", "code": "50011"}, 429)
    venue, http, clock = make_okx({PLACE: [Once(limited), Once(PLACED)], CANCEL: PLACED})
    for _ in range(2):
        with pytest.raises(errors.RateLimited):
            venue.place(intent())
    assert http.paths().count(PLACE) == 1
    venue.cancel("BTC-USDT,900001")
    clock.advance(2.0)
    venue.place(intent())


def test_an_okx_account_over_its_order_rate_places_nothing_on_any_symbol() -> None:
    over = {"code": "50061", "msg": "You've reached the maximum order rate limit for this account.", "data": []}
    venue, http, _ = make_okx({PLACE: over, CANCEL: PLACED})
    for symbol in ("BTC_USDT", "ETH_USDT"):
        with pytest.raises(errors.RateLimited):
            venue.place(intent(symbol=symbol))
    assert http.paths().count(PLACE) == 1
    venue.cancel("BTC-USDT,900001")


def test_another_base_starts_afresh() -> None:
    ban = reply_of({"code": -1003, "msg": "IP banned until 1770539999000."}, 418)
    venue, http, _ = make_binance({"GET /api/v3/depth": [Once(ban), Once(BOOK)]})
    with pytest.raises(errors.Banned):
        venue.depth("BTC_USDT")
    venue.set_base("http://127.0.0.1:9")
    venue.depth("BTC_USDT")
    assert http.base == "http://127.0.0.1:9"
    assert http.paths().count("GET /api/v3/depth") == 2


def test_a_slow_measurement_of_the_venues_clock_widens_the_margin() -> None:
    clock = ManualClock(100.0)

    def margin_s(error_s: float) -> float:
        limiter = Limiter("V", clock)
        call = CountedCall(
            limiter,
            NoLimits(),
            Ask(path="/"),
            clock=clock,
            timeout_s=5.0,
            server_now=clock.now,
            measured=True,
            error_s=error_s,
        )
        call.begin()
        (ticket,) = limiter._running.values()
        call.end()
        return ticket.claim.margin_s

    assert margin_s(0.7) == pytest.approx(margin_s(0.0) + 0.7)
