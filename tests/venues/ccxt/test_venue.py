"""Exchanges of ccxt behind FMZ's face: many threads, lost replies, keys, forks, and what is not there. (What all venues do alike is in test_against_simulator.)"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads import Exchange, errors
from fmzthreads.clock import ManualClock, WallClock
from fmzthreads.deadline import Deadline
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.exchange.order_log import new_client_order_id
from fmzthreads.exchange.venue import OrderIntent
from fmzthreads.http.client import HttpClient, HttpOptions, RetryPolicy
from fmzthreads.venues.ccxt.client_ids import BY_CLIENT_ID, CLIENT_IDS, venue_client_id
from fmzthreads.venues.ccxt.orders import order_call
from fmzthreads.venues.ccxt.pace import CallPace
from fmzthreads.venues.ccxt.venue import CcxtVenue
from fmzthreads.venues.ccxt.wire import CallState, Wire
from fmzthreads.venues.registry import create_venue, venue_factory
from tests.helpers.forked import in_fork, needs_fork

ccxt = pytest.importorskip("ccxt", reason="needs the extra 'ccxt'")
pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")

from fmzthreads.simulator import SimulatorServer  # noqa: E402

ORDERS = {"binance": "/api/v3/order", "okx": "/api/v5/trade/batch-orders"}


@pytest.fixture(params=["binance", "okx"])
def server(request: pytest.FixtureRequest) -> Iterator[SimulatorServer]:
    with SimulatorServer(request.param, seed=11, moving=False, rate_scale=0.0) as server:
        server.ccxt_id = request.param  # type: ignore[attr-defined]
        yield server


def make(server: Any, **options: Any) -> CcxtVenue:
    keys = Credentials(access_key=server.key, secret_key=server.secret, passphrase=server.passphrase or "")
    options = {"paced": False, "options": HttpOptions(timeout_ms=60_000), **options}
    return CcxtVenue(server.ccxt_id, credentials=keys, base=server.base_url, **options)


def buy(price: str | None = "50000", **changes: Any) -> OrderIntent:
    given: dict[str, Any] = {
        "symbol": "BTC_USDT", "side": "buy", "price": None if price is None else Decimal(price), "amount": Decimal("0.001"),
        "client_order_id": new_client_order_id(), **changes,
    }  # fmt: skip
    return OrderIntent(**given)


def test_thirty_two_threads_at_once(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    venue = make(server)
    loads = []
    load = venue._objects._load

    def counted(*given: Any) -> Any:
        loads.append(given)
        return load(*given)

    monkeypatch.setattr(venue._objects, "_load", counted)
    barrier = threading.Barrier(32)

    def work(number: int) -> tuple[str, float, int]:
        barrier.wait()
        order_id = venue.place(buy(str(50000 + number)))
        assert venue.depth("BTC_USDT", 5).Asks[0].Price > venue.ticker("BTC_USDT").Buy
        assert "buy" in str(venue.last_reply().text).lower() or venue.last_reply() is not None  # type: ignore[union-attr]
        order = venue.order(order_id)
        venue.cancel(order_id)
        return order.Id, order.Price, order.Status

    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(work, range(32)))
    assert [price for _, price, _ in found] == [50000 + n for n in range(32)]  # nobody got another thread's reply
    assert len({order_id for order_id, _, _ in found}) == 32
    assert venue.orders() == []
    assert len(venue._objects._idle) <= 32
    assert len(loads) == 1
    first = venue._objects.loaded
    assert first is not None
    assert all(
        api.markets is first.owner.markets for api, _ in venue._objects._idle if api.markets
    )  # loaded once, shared
    venue.close()


def test_an_order_whose_reply_is_lost_is_sent_once_and_found(server: Any) -> None:
    exchange = Exchange(
        f"ccxt:{server.ccxt_id}", "BTC_USDT", access_key=server.key, secret_key=server.secret,
        passphrase=server.passphrase or "", base=server.base_url, errors="raise", paced=False,
    )  # fmt: skip
    exchange.GetAccount()
    server.faults.set(ORDERS[server.ccxt_id], cut_reply=1)
    order_id = exchange.Buy(50000, 0.001)
    assert [order.Id for order in exchange.GetOrders()] == [order_id]
    assert exchange.CancelOrder(order_id)
    exchange.close()


def test_an_order_that_hangs_is_unknown_at_the_deadline_and_found_later(server: Any) -> None:
    venue = make(server)
    venue.rules("BTC_USDT")
    venue.assets()
    venue.set_timeout(1500)
    server.faults.set(ORDERS[server.ccxt_id], hang=1)
    intent = buy()
    with pytest.raises(errors.OutcomeUnknown, match="outcome is unknown"):
        venue.place(intent)
    venue.set_timeout(60_000)
    server.faults.clear()
    order = venue.order_by_client_id("BTC_USDT", intent.client_order_id)
    assert order.Price == 50000
    venue.close()


@pytest.mark.parametrize("server", ["binance"], indirect=True)
def test_keys_never_reach_an_error(server: Any) -> None:
    venue = make(server, options=HttpOptions(timeout_ms=60_000, retry=RetryPolicy(retries=0)))
    other = CcxtVenue(
        "binance", credentials=Credentials(access_key=server.key, secret_key="wrong" * 8), base=server.base_url
    )
    for fault in ({"error_5xx": 1}, {"cut_reply": 1}, {"refuse": 1}):
        venue.rules("BTC_USDT")
        server.faults.set(ORDERS["binance"], **fault)
        with pytest.raises(errors.OutcomeUnknown) as caught:
            venue.place(buy())
        error: BaseException | None = caught.value
        while error is not None:
            for secret in (server.key, server.secret, "signature="):
                assert secret not in str(error)
                assert secret not in str(getattr(error, "request", ""))
            error = error.__cause__
    with pytest.raises(errors.AuthenticationFailed) as refused:
        other.assets()
    assert server.key not in str(refused.value)


@pytest.mark.parametrize("server", ["okx"], indirect=True)
def test_a_condition_order_is_read_and_cancelled_with_trigger(server: Any) -> None:
    venue = make(server)
    venue.rules("BTC_USDT")
    loaded = venue._objects.loaded
    assert loaded is not None
    call = order_call("ccxt:okx", buy(options={"triggerPrice": "40000"}), "BTC/USDT", loaded.owner, "id")
    assert call.trigger
    assert not order_call("ccxt:okx", buy(), "BTC/USDT", loaded.owner, "id").trigger
    for run in (venue.order, venue.cancel):
        with pytest.raises(errors.FmzError):  # the simulator has no such orders
            run("BTC/USDT,trigger:9")  # type: ignore[operator]
        reply = venue.last_reply()
        assert reply is not None
        assert "algo" in reply.request
    venue.close()


@pytest.mark.parametrize("server", ["binance"], indirect=True)
def test_exact_digits_are_sent(server: Any) -> None:
    venue = make(server)
    venue.rules("BTC_USDT")
    sent: list[tuple[Any, ...]] = []

    class Taker:
        def create_order(self, *given: Any) -> None:
            sent.append(given)

        def create_market_buy_order_with_cost(self, *given: Any) -> None:
            sent.append(given)

    loaded = venue._objects.loaded
    assert loaded is not None
    long = Decimal("12345678901.123456789012")  # more digits than a float holds
    order_call("x", buy(amount=long), "BTC/USDT", loaded.owner, "").run(Taker())
    order_call("x", buy(amount=Decimal("0.1")), "BTC/USDT", loaded.owner, "").run(Taker())
    order_call("x", buy(price=None, amount=Decimal(500)), "BTC/USDT", loaded.owner, "").run(Taker())
    assert sent[0][3] == "12345678901.123456789012"
    assert sent[1][3:5] == (0.1, 50000.0)
    assert sent[2][:2] == ("BTC/USDT", 500.0)
    venue.close()


@pytest.mark.parametrize("server", ["binance"], indirect=True)
def test_what_ccxt_does_not_vouch_for_is_refused_before_anything_is_sent(server: Any) -> None:
    venue = make(server)
    venue.rules("BTC_USDT")
    before = venue.last_reply()
    loaded = venue._objects.loaded
    assert loaded is not None
    loaded.owner.features["spot"]["createOrder"]["timeInForce"]["PO"] = False
    with pytest.raises(errors.NotSupported, match="nothing was sent"):
        venue.place(buy(time_in_force="GTX"))
    with pytest.raises(errors.InputError, match="is for contracts"):
        venue.place(buy(side="closebuy"))
    with pytest.raises(errors.NotSupported, match="another host"):
        venue.request("GET", "https://example.com/api/v3/account")
    with pytest.raises(errors.InputError, match="no endpoint"):
        venue.request("GET", "/api/v3/nothing/like/this")
    with pytest.raises(errors.NotSupported, match="body"):
        venue.request("POST", "/api/v3/order", "", "{}")
    with pytest.raises(errors.InputError, match="cannot repeat"):
        venue.request("POST", "/api/v3/order?a=1", "a=2")
    with pytest.raises(errors.NotSupported, match="Subscribe"):
        venue.book_source("BTC_USDT")
    assert venue.last_reply() is before
    venue.close()


@pytest.mark.parametrize("server", ["binance"], indirect=True)
def test_without_keys_only_public_calls(server: Any) -> None:
    venue = CcxtVenue("binance", base=server.base_url)
    assert venue.ticker("BTC_USDT").Last > 0
    assert venue.account_id() == ""
    for call in (venue.assets, lambda: venue.place(buy()), lambda: venue.request("GET", "/api/v3/account")):
        with pytest.raises(errors.MissingCredentials):
            call()
    with pytest.raises(errors.InputError, match="not encrypted"):
        CcxtVenue("binance", credentials=Credentials(access_key="a" * 8, secret_key="b" * 8), base="http://192.0.2.1")
    venue.close()


@needs_fork
@pytest.mark.parametrize("server", ["binance"], indirect=True)
def test_a_forked_child_starts_anew(server: Any) -> None:
    venue = make(server, one_at_a_time=True)
    venue.assets()
    with venue.calls.wire.turn:  # held by this thread; in the child it is a new one
        taken = threading.Thread(target=lambda: None)
        taken.start()
        taken.join()
        assert in_fork(lambda: ThreadPoolExecutor(1).submit(lambda: len(venue.assets())).result(30)) == 3
    assert venue.assets()
    venue.close()


@pytest.mark.parametrize("server", ["binance"], indirect=True)
def test_private_requests_go_one_after_the_other_where_nonces_grow(server: Any) -> None:
    venue = make(server, one_at_a_time=True)
    venue.assets()
    stamps = [venue.calls.wire.now_ms() for _ in range(50)]
    assert len(set(stamps)) == 50
    assert stamps == sorted(stamps)
    with venue.calls.wire.turn, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(venue.assets)
        assert venue.depth("BTC_USDT").Asks  # a public call does not wait
        with pytest.raises(TimeoutError):
            waiting.result(0.2)
        venue.calls.wire.turn.release()
        try:
            assert waiting.result(30)
        finally:
            venue.calls.wire.turn.acquire()
    venue.close()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(errors.MissingExtra, match=r"fmzthreads\[ccxt\]"):
        Exchange("ccxt:kraken", "BTC_USDT")


def test_names_of_exchanges() -> None:
    with pytest.raises(errors.UnknownName, match="did you mean 'kraken'"):
        Exchange("ccxt:krakn", "BTC_USDT")
    with pytest.raises(errors.UnknownName, match="has no option 'pased'; did you mean 'paced'"):
        create_venue("ccxt:kraken", credentials=None, base="", clock=ManualClock(), pased=True)
    venue = venue_factory("ccxt:kraken")(credentials=None, base="", clock=ManualClock())
    assert (venue.name, venue.base()) == ("ccxt:kraken", "https://api.kraken.com")


def test_a_pace_is_kept_by_all_together() -> None:
    clock = ManualClock()
    pace = CallPace(clock, burst_s=1.0)
    clock.advance(100)
    waits = [pace.turn(0.5, None) for _ in range(5)]
    assert waits == [0, 0, 0, 0.5, 1.0]  # a second's worth at once, then the average
    assert pace.turn(0.5, 1.0) == 1.5  # too late: not reserved
    assert pace.turn(0.5, None) == 1.5
    clock.advance(100)
    assert pace.turn(0.5, 0.0) == 0


@pytest.mark.parametrize("name", sorted(CLIENT_IDS))
def test_ccxt_passes_client_order_ids_on_where_we_send_them(name: str) -> None:
    if name not in ccxt.exchanges:
        pytest.skip(f"this ccxt has no {name}")
    module = inspect.getsource(sys.modules[getattr(ccxt, name).__mro__[0].__module__])
    bases = "".join(inspect.getsource(sys.modules[one.__module__]) for one in getattr(ccxt, name).__mro__[1:3])
    assert "clientOrderId" in module + bases
    if name in BY_CLIENT_ID:
        names = ("fetch_order", "fetch_order_request", "fetch_spot_order", "fetch_contract_order")
        sources = [inspect.getsource(found) for one in names if (found := getattr(getattr(ccxt, name), one, None))]
        assert any("clientOrderId" in source for source in sources)


def test_the_form_of_a_client_order_id_is_the_venue_s_and_always_the_same() -> None:
    ours = new_client_order_id()
    assert venue_client_id("binance", ours) == ours
    assert venue_client_id("kraken", ours) == venue_client_id("kraken", ours) != ours
    assert len(venue_client_id("kraken", ours)) == 36
    assert venue_client_id("hyperliquid", ours).startswith("0x")
    assert int(venue_client_id("bitfinex", ours)) < 2**45
    assert venue_client_id("kraken", "my-own-id") == "my-own-id"


@pytest.mark.parametrize("server", ["binance"], indirect=True)
def test_an_order_that_was_accepted_is_unknown_whatever_is_raised_afterwards(server: Any) -> None:
    venue = make(server)
    venue.rules("BTC_USDT")
    loaded = venue._objects.loaded

    def accepted_and_then(error: Exception) -> Any:
        def work(api: Any) -> None:
            api.create_order("BTC/USDT", "limit", "buy", 0.001, 50000.0)
            raise error

        return work

    for error in (ccxt.InvalidOrder("x"), ccxt.InsufficientFunds("x"), KeyError("id"), ccxt.InvalidNonce("x")):
        with pytest.raises(errors.OutcomeUnknown):
            venue.calls.send_once(accepted_and_then(error), "id", markets=loaded)
    assert len(venue.orders()) == 4
    venue.close()


@pytest.mark.parametrize("server", ["binance"], indirect=True)
def test_what_fails_before_anything_is_sent_is_certain(server: Any) -> None:
    venue = make(server)
    venue.rules("BTC_USDT")

    def fails(_api: Any) -> None:
        raise KeyError("x")

    with pytest.raises(errors.OperationFailed, match="ccxt could not go on"):
        venue.calls.send_once(fails)
    venue.close()


def test_a_read_waits_for_its_turn_and_an_order_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    wire = Wire("ccxt:x", clock, HttpClient(clock=clock), ordered=False)
    read = CallState(Deadline(clock, 2.0), safe=True)
    order = CallState(Deadline(clock, 2.0), safe=False)
    for _ in range(12):
        wire.wait(order, 1.0)  # at once, but counted
    with pytest.raises(errors.RateLimited, match="nothing was sent") as caught:
        wire.wait(read, 1.0)
    assert caught.value.retry_after_s == 11.0
    slept: list[float] = []
    monkeypatch.setattr(clock, "sleep", slept.append)
    wire.wait(CallState(Deadline(clock, 60.0), safe=True), 1.0)
    assert slept == [11.0]


@pytest.mark.parametrize("server", ["okx"], indirect=True)
def test_a_condition_order_is_looked_for_by_its_client_id_too(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    venue = make(server)
    asked: list[Any] = []
    kind = venue._objects._class

    def find(self: Any, wanted: str, name: str, more: dict[str, Any]) -> dict[str, Any]:
        asked.append(more)
        if not more:
            raise ccxt.OrderNotFound("x")
        return {"id": "9", "symbol": name, "side": "buy", "status": "open", "clientOrderId": wanted, "info": {}}

    monkeypatch.setattr(kind, "fetch_order_with_client_order_id", find)
    found = venue.order_by_client_id("BTC_USDT", new_client_order_id())
    assert found.Id == "BTC/USDT,trigger:9"
    assert asked == [{}, {"trigger": True}]
    venue.close()


@pytest.mark.parametrize("server", ["binance"], indirect=True)
def test_a_lost_order_stays_unknown_where_the_venue_cannot_tell(server: Any) -> None:
    mute = make(server, client_order_ids=False)
    with pytest.raises(errors.NotSupported):
        mute.order_by_client_id("BTC_USDT", new_client_order_id())
    mute.place(buy())
    exchange = Exchange("x", "BTC_USDT", venue=mute, errors="raise")
    server.faults.set(ORDERS["binance"], cut_reply=1)
    with pytest.raises(errors.OutcomeUnknown):
        exchange.Buy(50000, 0.001)
    assert len(exchange.UnknownOrders()) == 1
    assert len(exchange.GetOrders()) == 2  # never sent again
    exchange.close()


def test_fees_and_fills(server: Any) -> None:
    venue = make(server)
    sold = venue.place(buy(price=None, side="sell", amount=Decimal("0.01")))
    order = venue.order(sold)
    fills = venue.fills(order)
    assert sum(fill.Amount for fill in fills) == Decimal("0.01")
    maker, taker = venue.fee_rates("BTC_USDT")
    assert 0 <= maker <= taker < 0.01
    venue.close()


@pytest.mark.parametrize("server", ["binance"], indirect=True)
def test_keys_that_a_reply_repeats_are_cut_out(server: Any) -> None:
    venue = make(server)

    def repeats(_api: Any) -> None:
        raise ccxt.BadRequest(f"no such key {server.key} with {server.secret}")

    with pytest.raises(errors.InputError, match="no such key") as caught:
        venue.calls.send_once(repeats)
    assert server.key not in str(caught.value)
    assert server.secret not in str(caught.value)
    assert server.key not in repr(caught.value)
    venue.close()


@pytest.mark.parametrize("server", ["binance"], indirect=True)
def test_a_ban_is_not_knocked_at(server: Any) -> None:
    venue = make(server)
    venue.rules("BTC_USDT")
    venue.assets()
    server.faults.set("*", ban_418_s=60)
    with pytest.raises(errors.Banned) as caught:
        venue.depth("BTC_USDT")
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s > 50
    server.faults.clear()
    for call in (lambda: venue.depth("BTC_USDT"), lambda: venue.place(buy())):
        with pytest.raises(errors.Banned, match="nothing was sent"):
            call()
    venue.close()


@pytest.mark.parametrize("server", ["binance"], indirect=True)
def test_a_stop_before_an_order_is_sent_is_no_unknown_order(server: Any) -> None:
    clock = WallClock()
    venue = make(server, clock=clock)
    venue.rules("BTC_USDT")
    venue.assets()
    clock.stop.request("enough")
    with pytest.raises(errors.StopRequested):
        venue.place(buy())
    venue.close()


@pytest.mark.parametrize("server", ["binance"], indirect=True)
def test_another_base_has_its_own_markets_objects_and_time(server: Any) -> None:
    venue = make(server)
    assert venue.assets()
    with SimulatorServer("binance", seed=12, moving=False, rate_scale=0.0, symbols=["SOL_USDT=150"]) as other:
        venue.set_base(other.base_url)
        assert venue.base() == other.base_url
        assert venue._objects.loaded is None
        assert not venue.calls.time.known  # type: ignore[union-attr]
        assert set(venue.markets()) == {"SOL_USDT"}
        with pytest.raises(errors.UnknownSymbol):
            venue.ticker("BTC_USDT")
        assert venue.last_reply().request.split()[1].startswith(other.base_url)  # type: ignore[union-attr]
    venue.close()


@pytest.mark.parametrize("server", ["binance"], indirect=True)
def test_an_object_that_was_lent_before_the_base_changed_is_not_used_again(server: Any) -> None:
    venue = make(server)

    def moves(api: Any) -> Any:
        venue.set_base("https://elsewhere.example")
        return api

    old = venue.calls.with_object(moves)
    assert venue.calls.with_object(lambda api: api) is not old
    venue.close()


@pytest.mark.parametrize("server", ["binance"], indirect=True)
def test_a_contract_is_closed_by_an_order_that_only_reduces(server: Any) -> None:
    venue = make(server)
    venue.rules("BTC_USDT")
    loaded = venue._objects.loaded
    assert loaded is not None
    spot = loaded.owner.markets["BTC/USDT"]
    swap = {
        **spot,
        "symbol": "BTC/USDT:USDT",
        "spot": False,
        "swap": True,
        "contract": True,
        "type": "swap",
        "linear": True,
        "subType": "linear",
    }
    loaded.owner.markets["BTC/USDT:USDT"] = swap
    sent: list[Any] = []

    class Taker:
        def create_order(self, *given: Any) -> None:
            sent.append(given)

    for side, wire_side, reduces in (("closebuy", "sell", True), ("closesell", "buy", True), ("buy", "buy", False)):
        intent = buy(symbol="BTC_USDT.swap", side=side, time_in_force="GTX")
        order_call("ccxt:binance", intent, "BTC/USDT:USDT", loaded.owner, "id").run(Taker())
        *_, given_side, _, _, params = sent[-1]
        assert given_side == wire_side
        assert params.get("reduceOnly", False) is reduces
        assert params["postOnly"] is True
        assert params["clientOrderId"] == "id"
    venue.close()


@pytest.mark.parametrize("server", ["binance"], indirect=True)
def test_a_reply_about_another_order_is_not_believed(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    venue = make(server, options=HttpOptions(timeout_ms=60_000, retry=RetryPolicy(retries=0)))
    order_id = venue.place(buy())
    kind = venue._objects._class
    usual = kind.fetch_order

    def other(self: Any, *given: Any) -> Any:
        return {**usual(self, *given), "id": "77", "clientOrderId": "another"}

    found = venue.order(order_id)
    assert found.Id == order_id
    monkeypatch.setattr(kind, "fetch_order", other)
    monkeypatch.setattr(kind, "fetchOrder", other)
    with pytest.raises(errors.BadReply, match="about order"):
        venue.order(order_id)
    with pytest.raises(errors.BadReply, match="about order"):
        venue.order_by_client_id("BTC_USDT", str(found.Info["clientOrderId"]))
    venue.close()
