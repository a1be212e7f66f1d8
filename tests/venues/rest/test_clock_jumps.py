"""Jumps of our clock and sleeps of the machine: no order is accepted after it was called absent, and orders do not fail for long."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from fmzthreads import errors
from fmzthreads.exchange.order_log.intents import IntentLog
from fmzthreads.exchange.order_log.lookup import LookupPlan
from fmzthreads.exchange.order_log.outcome import place_once
from fmzthreads.exchange.order_log.reconcile import ask_again
from fmzthreads.venues.rest.server_time import ServerTime, TimeSample
from tests.helpers.clocks import SettableClock
from tests.helpers.venue_replies import NOW_S, Seen, intent, make_binance, make_okx, reply_of

JUMPS_S = [-3600.0, -20.0, -0.9, 0.9, 20.0, 3600.0]
WINDOW_S = 5.0


class SleeplessClock(SettableClock):
    """Whoever would sleep on it moves it on instead."""

    def wait(self, signals: Any, timeout_s: float | None = None) -> bool:
        assert timeout_s is not None
        self.advance(max(0.0, timeout_s))
        return False


class Exchange:
    """A venue with a clock of its own, which accepts an order for as long as its stamps allow."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.clock = SleeplessClock(NOW_S)
        self.slept_s = 0.0
        self.ahead_s = 1000.0  # our time of day is far from the venue's
        self.lose = False
        self.deadline_s: float | None = None  # until when the lost order is accepted, in the venue's time
        self.before_reply: Callable[[], None] = lambda: None
        if name == "Binance":
            answers: dict[str, Any] = {
                "GET /api/v3/time": lambda _: {"serverTime": self.now_ms()},
                "POST /api/v3/order": self.binance_order,
                "GET /api/v3/order": lambda _: reply_of({"code": -2013, "msg": "Order does not exist."}, 400),
            }
            self.venue, self.http, _ = make_binance(answers, clock=self.clock)
        else:
            answers = {
                "GET /api/v5/public/time": lambda _: ok({"ts": str(self.now_ms())}),
                "POST /api/v5/trade/order": self.okx_order,
                "GET /api/v5/trade/order": {"code": "51603", "msg": "Order does not exist", "data": []},
            }
            self.venue, self.http, _ = make_okx(answers, clock=self.clock)  # type: ignore[assignment]
        self.log = IntentLog(self.clock)

    def now_s(self) -> float:
        return NOW_S + self.ahead_s + self.clock.monotonic() + self.slept_s

    def now_ms(self) -> int:
        return int(self.now_s() * 1000)

    def sleep_machine(self, seconds: float) -> None:
        """The machine sleeps: our monotonic clock stands still, the time of day and the venue go on."""
        self.slept_s += seconds
        self.clock.set_by(seconds)

    def binance_order(self, seen: Seen) -> Any:
        stamp_s = int(seen.form["timestamp"]) / 1000
        now_s = self.now_s()
        if not now_s - WINDOW_S <= stamp_s < now_s + 1.0:
            return reply_of({"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, 400)
        return self._placed(stamp_s + WINDOW_S, {"symbol": "BTCUSDT", "orderId": 5, "clientOrderId": "fzabc"})

    def okx_order(self, seen: Seen) -> Any:
        now_s = self.now_s()
        signed = datetime.fromisoformat(seen.headers["OK-ACCESS-TIMESTAMP"])
        if abs(signed.timestamp() - now_s) > 30.0:
            return reply_of({"code": "50102", "msg": "Timestamp request expired"}, 401)
        expires_s = int(seen.headers["expTime"]) / 1000
        if expires_s < now_s:
            return reply_of({"code": "50004", "msg": "Endpoint request timeout"}, 400)
        return self._placed(expires_s, ok({"ordId": "5", "clOrdId": "fzabc", "sCode": "0", "sMsg": ""}))

    def _placed(self, deadline_s: float, reply: Any) -> Any:
        if not self.lose:
            return reply
        self.deadline_s = deadline_s
        self.before_reply()
        return errors.TimedOut("no reply")

    def order(self, **plan: Any) -> str:
        return place_once(self.venue, intent(), self.log, self.clock, LookupPlan(**plan))


def ok(*rows: Any) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": list(rows)}


@pytest.fixture(params=["Binance", "OKX"])
def exchange(request: pytest.FixtureRequest) -> Exchange:
    made = Exchange(request.param)
    made.order()
    return made


def jump(exchange: Exchange, kind: str, seconds: float) -> None:
    if kind == "set":
        exchange.clock.set_by(seconds)
    elif seconds > 0:
        exchange.sleep_machine(seconds)


@pytest.mark.parametrize("kind", ["set", "sleep"])
@pytest.mark.parametrize("jump_s", JUMPS_S)
@pytest.mark.parametrize("when", ["before sending", "before the reply is missed", "while settling"])
def test_absent_is_said_only_when_the_order_can_no_longer_be_accepted(
    exchange: Exchange, jump_s: float, kind: str, when: str
) -> None:
    exchange.lose = True
    if when == "before sending":
        jump(exchange, kind, jump_s)
    elif when == "before the reply is missed":
        exchange.before_reply = lambda: jump(exchange, kind, jump_s)
    else:
        ask = exchange.venue.order_by_client_id
        left = [jump_s]

        def asked(*args: Any) -> Any:
            if left:
                jump(exchange, kind, left.pop())
            return ask(*args)

        exchange.venue.order_by_client_id = asked  # type: ignore[method-assign]
    with pytest.raises(errors.OperationFailed, match="did not arrive"):
        exchange.order()
    assert exchange.deadline_s is not None
    assert exchange.now_s() > exchange.deadline_s
    assert [record.fate for record in exchange.log.all()] == ["absent"]


@pytest.mark.parametrize("kind", ["set", "sleep"])
@pytest.mark.parametrize("jump_s", JUMPS_S)
def test_reconcile_does_not_say_absent_too_early(exchange: Exchange, jump_s: float, kind: str) -> None:
    exchange.lose = True
    with pytest.raises(errors.OutcomeUnknown):
        exchange.order(attempts=1)
    assert exchange.deadline_s is not None
    began = exchange.clock.monotonic()
    jump(exchange, kind, jump_s)
    while True:
        before = exchange.now_s()
        (record,) = ask_again(exchange.venue, exchange.log)
        if record.fate == "absent":
            break
        assert exchange.clock.monotonic() - began < WINDOW_S + 3.0  # and not for ever
        exchange.clock.advance(0.25)
    assert before > exchange.deadline_s


@pytest.mark.parametrize("kind", ["set", "sleep"])
@pytest.mark.parametrize("jump_s", JUMPS_S)
def test_the_next_order_after_a_jump_is_placed(exchange: Exchange, jump_s: float, kind: str) -> None:
    asked = len(exchange.http.seen)
    jump(exchange, kind, jump_s)
    for _ in range(3):
        assert exchange.order().endswith(",5")
    assert len(exchange.http.seen) - asked <= 4  # at most one look at the venue's clock


def test_a_step_too_small_to_be_noticed_changes_no_stamp() -> None:
    clock = SettableClock(100.0)
    asked: list[int] = []

    def ask() -> TimeSample:
        asked.append(1)
        return TimeSample(server_s=500.0, received_at=clock.monotonic(), rtt_s=0.1)

    time = ServerTime(clock, ask)
    time.ready(renew=False)
    clock.set_by(0.2)
    clock.advance(1.0)
    time.ready(renew=True)
    assert (time.now(), len(asked)) == (501.0, 1)


def test_a_slow_answer_makes_no_stamp_that_is_ahead() -> None:
    clock = SettableClock(100.0)
    time = ServerTime(clock, lambda: TimeSample(server_s=500.0, received_at=clock.monotonic(), rtt_s=4.0))
    time.measure()
    assert time.now() == 500.0  # the venue's clock may be up to 4 s further


def test_a_failed_look_after_a_jump_keeps_what_was_known_and_waits() -> None:
    clock = SettableClock(100.0)
    answers: list[Any] = [1000.0, errors.TimedOut("slow"), 2000.0]

    def ask() -> TimeSample:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return TimeSample(server_s=answer, received_at=clock.monotonic(), rtt_s=0.1)

    time = ServerTime(clock, ask)
    time.ready(renew=False)
    clock.set_by(-20.0)
    time.ready(renew=False)
    assert (time.now(), len(answers)) == (1000.0, 1)
    time.ready(renew=False)
    assert len(answers) == 1
    clock.advance(31.0)
    time.ready(renew=True)
    assert time.now() == 2000.0


def test_an_order_has_an_old_measurement_renewed_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SettableClock(100.0)
    time = ServerTime(clock, lambda: TimeSample(server_s=clock.now(), received_at=clock.monotonic(), rtt_s=0.1))
    time.ready(renew=False)
    work: list[Callable[[], None]] = []
    monkeypatch.setattr(time, "_in_background", work.append)
    clock.advance(299.0)
    time.ready(renew=False)
    assert work == []
    clock.advance(2.0)
    time.ready(renew=False)
    time.ready(renew=False)
    assert len(work) == 1
    before = time._renew_at
    work[0]()
    assert time._renew_at > before
