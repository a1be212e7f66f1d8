"""Limits: held back before, silent after."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads import errors
from fmzthreads.clock import ManualClock
from fmzthreads.http.reply import Reply
from fmzthreads.venues.rest.ask import Ask
from fmzthreads.venues.rest.rate_limits import Doors, RecentCalls, WeightWindow
from tests.helpers.venue_replies import OKX_PLACED as PLACED
from tests.helpers.venue_replies import Once, intent, make_binance, make_okx, reply_of

BOOK = {"lastUpdateId": 1, "bids": [], "asks": []}
PLACE = "POST /api/v5/trade/order"
CANCEL = "POST /api/v5/trade/cancel-order"
OKX_BOOK = {"code": "0", "msg": "", "data": [{"asks": [], "bids": [], "ts": "1"}]}


def weighed(used: int) -> Any:
    return reply_of(BOOK, headers={"X-MBX-USED-WEIGHT-1M": str(used)})


def test_a_shut_door_says_until_when_and_opens_by_itself() -> None:
    clock = ManualClock(1000.0)
    doors = Doors("V", clock)
    doors.check("orders")
    doors.shut("orders", errors.RateLimited("slow down", retry_after_s=5, code="-1015"))
    doors.check("reads")
    with pytest.raises(
        errors.RateLimited, match=r"until 00:16:45 UTC \(5\.0 s from now\); nothing was sent; its reply was: slow down"
    ) as caught:
        doors.check("orders")
    assert (caught.value.retry_after_s, caught.value.code) == (5.0, "-1015")
    doors.shut("orders", errors.RateLimited("shorter", retry_after_s=1))
    clock.advance(4)
    with pytest.raises(errors.RateLimited):
        doors.check("orders")
    clock.advance(1)
    doors.check("orders")
    doors.shut("", errors.Banned("out", retry_after_s=100))
    with pytest.raises(errors.Banned):
        doors.check()
    doors.open_all()
    doors.check()


def test_the_used_weight_holds_reads_back_until_the_next_minute() -> None:
    path = "GET /api/v3/depth"
    venue, http, clock = make_binance(
        {path: [Once(weighed(5690)), Once(weighed(5695)), Once(weighed(5))], "POST /api/v3/order": {"orderId": 1}}
    )
    venue.depth("BTC_USDT")
    venue.depth("BTC_USDT")
    assert venue.weights.used == 5695
    with pytest.raises(errors.RateLimited, match=r"5720 of 6000|5700 of 6000|5705") as caught:
        venue.depth("BTC_USDT", 101)
    assert caught.value.retry_after_s == pytest.approx(54.0)
    assert http.paths().count(path) == 2
    # An order is never held back by our own count.
    venue.request("POST", "/api/v3/order", "symbol=BTCUSDT")
    clock.advance(54)
    venue.depth("BTC_USDT", 101)
    assert venue.weights.used == 5


def test_the_limit_is_the_one_that_the_venue_names() -> None:
    info = {
        "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 100}],
        "symbols": [],
    }
    venue, _, _ = make_binance({"GET /api/v3/exchangeInfo": info})
    venue.markets()
    assert venue.weights.limit == 100
    with pytest.raises(errors.RateLimited, match="of 100 in 60 s"):
        venue.weights.enter(weighing(96))


def weighing(weight: int, *, patient: bool = True) -> Ask:
    return Ask(path="/", weight=weight, patient=patient)


def using(weight: int) -> Reply:
    return reply_of({}, headers={"used": str(weight)})


def test_what_is_under_way_counts() -> None:
    window = WeightWindow("V", lambda: 30.0, header="used", limit=100, share=1.0)
    tickets = [window.enter(weighing(50)), window.enter(weighing(50))]
    with pytest.raises(errors.RateLimited):
        window.enter(weighing(1))
    tickets.append(window.enter(weighing(1, patient=False)))
    for ticket in tickets:
        window.leave(ticket)
    window.leave(window.enter(weighing(100)))


def test_a_count_of_an_older_window_or_request_is_not_taken() -> None:
    now = [59.0]
    window = WeightWindow("V", lambda: now[0], header="used", limit=100)
    early = window.enter(weighing(1))
    now[0] = 60.5
    window.heard(early, using(95))
    assert window.used == 0
    first, second = window.enter(weighing(1)), window.enter(weighing(1))
    window.heard(second, using(20))
    window.heard(first, using(10))
    assert window.used == 20


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
    late.join(10)
    assert not late.is_alive()
    assert http.paths().count("GET /api/v5/market/books") == 41


def test_okx_orders_beyond_the_limit_are_refused_and_another_symbol_is_not() -> None:
    venue, http, _ = make_okx({PLACE: PLACED})
    for _ in range(60):
        venue.place(intent())
    with pytest.raises(errors.RateLimited, match="nothing was sent") as caught:
        venue.place(intent())
    assert caught.value.retry_after_s == pytest.approx(2.1)
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
