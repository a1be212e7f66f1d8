"""Orders by raw calls: recorded before they are sent, listed while their outcome is unknown, and settled by the user alone."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fmzthreads import errors
from fmzthreads.errors import InputError, OperationFailed, OrderNotFound, OutcomeUnknown, StopRequested, TimedOut
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.exchange.order_log import OrderFile, RawIntent
from fmzthreads.strategy.runtime import Runtime, use
from fmzthreads.testing import FakeVenue
from tests.helpers.crash import ROOT
from tests.helpers.exchange_room import JumpClock, MemoryHost, make
from tests.helpers.http_faults import FaultServer, Peer

ENDED = 2**22 + 1  # above the largest id of a process on Linux
CALL = ("api", "POST", "/api/v3/order", "symbol=BTCUSDT&side=BUY&quantity='1'")


class Strategy:
    """Exchange objects of one strategy's processes, over a venue in memory."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "orders.sqlite3"
        self.clock = JumpClock()
        self.venue = FakeVenue(clock=self.clock)
        self.files: list[OrderFile] = []

    def process(self, *, pid: int | None = None, errors: Any = "raise") -> tuple[Any, MemoryHost]:
        host = MemoryHost(self.clock)
        host.order_log = OrderFile(self.path, "mine", self.clock, pid=pid)
        self.files.append(host.order_log)
        return Exchange("Fake", "BTC_USDT", errors=errors, host=host, venue=self.venue, durability="process"), host

    def rows(self) -> list[tuple[Any, ...]]:
        for file in self.files:
            file.flush()
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute("SELECT kind, symbol, fate, options FROM intents ORDER BY id").fetchall()

    def close(self) -> None:
        for file in self.files:
            file.close()


@pytest.fixture
def strategy(tmp_path: Path) -> Any:
    made = Strategy(tmp_path)
    yield made
    made.close()


def test_a_raw_order_is_a_row_before_it_is_sent(strategy: Strategy) -> None:
    exchange, _ = strategy.process()
    seen: list[Any] = []
    request = strategy.venue.request
    strategy.venue.request = lambda *args: (seen.extend(strategy.rows()), request(*args))[1]  # type: ignore[method-assign]
    exchange.IO(*CALL, '{"a":1}')
    ((kind, symbol, fate, options),) = seen
    assert (kind, symbol, fate) == ("raw", "", "sending")
    assert json.loads(options) == {
        "method": "POST",
        "resource": "/api/v3/order",
        "sent": "symbol=BTCUSDT&side=BUY&quantity='1' {\"a\":1}",
    }
    assert [row[2] for row in strategy.rows()] == ["placed"]
    assert exchange.UnknownOrders() == []


def test_other_raw_calls_are_not_recorded(strategy: Strategy) -> None:
    exchange, _ = strategy.process()
    exchange.IO("api", "GET", "/api/v3/order", "a=1")
    exchange.IO("api", "POST", "/api/v3/userDataStream")
    assert not strategy.path.exists()


def test_an_unknown_outcome_is_listed_until_it_is_dismissed(strategy: Strategy) -> None:
    exchange, _ = strategy.process()
    strategy.venue.lose_reply("request")
    with pytest.raises(OutcomeUnknown, match=r"UnknownOrders\(\) lists it as fz"):
        exchange.IO(*CALL)
    (record,) = exchange.UnknownOrders()
    key = record.intent.client_order_id
    assert (record.is_raw, record.is_cancel, record.fate) == (True, False, "unknown")
    assert isinstance(record.intent, RawIntent)
    assert (record.intent.http_method, record.intent.resource) == ("POST", "/api/v3/order")
    (again,) = exchange.Reconcile()
    assert again.fate == "unknown"
    assert "cannot be settled by asking the venue" in again.detail
    assert f"DismissOrder('{key}')" in again.detail
    assert strategy.venue.calls["order_by_client_id"] == 0
    assert exchange.DismissOrder(key) is True
    assert exchange.UnknownOrders() == exchange.Reconcile() == []
    assert [row[2] for row in strategy.rows()] == ["dismissed"]
    with pytest.raises(OrderNotFound, match="is unknown; UnknownOrders"):
        exchange.DismissOrder(key)


@pytest.mark.parametrize(
    ("error", "exact", "fate"),
    [
        (TimedOut("late"), False, "unknown"),
        (errors.ConnectionLost("cut"), False, "unknown"),
        (errors.BadReply("odd"), False, "unknown"),
        (TimedOut("late"), True, "refused"),
        (errors.ConnectFailed("refused"), False, "refused"),
        (errors.InsufficientFunds("no"), False, "refused"),
        (StopRequested("stop"), True, "refused"),
        (StopRequested("stop"), False, "unknown"),
        (KeyboardInterrupt(), True, "unknown"),
    ],
)
def test_each_end_of_a_raw_order(strategy: Strategy, error: BaseException, exact: bool, fate: str) -> None:
    exchange, _ = strategy.process()

    def fail(*_: Any) -> Any:
        raise error

    strategy.venue.request = fail  # type: ignore[method-assign]
    strategy.venue.exact_outcomes = exact
    with pytest.raises(OutcomeUnknown if fate == "unknown" and isinstance(error, OperationFailed) else type(error)):
        exchange.IO(*CALL)
    assert [row[2] for row in strategy.rows()] == [fate]
    assert len(exchange.UnknownOrders()) == (fate == "unknown")


def test_a_later_process_lists_it_and_can_dismiss_it(strategy: Strategy) -> None:
    first, _ = strategy.process(pid=ENDED)
    strategy.venue.lose_reply("request")
    with pytest.raises(OutcomeUnknown):
        first.IO(*CALL)
    strategy.rows()
    second, host = strategy.process(errors="log")
    (record,) = second.UnknownOrders(all_runs=True)
    assert record.is_raw
    assert record.run
    (again,) = second.Reconcile()
    assert "cannot be settled" in again.detail
    assert second.Buy(99, 1)  # the process that sent it was told; it is of no known symbol
    assert second.DismissOrder("fznothing") is None
    assert "no order with client order id 'fznothing' is unknown" in host.errors[-1]
    assert second.DismissOrder(record.intent.client_order_id) is True
    assert second.UnknownOrders(all_runs=True) == []
    third, _ = strategy.process()
    assert third.UnknownOrders(all_runs=True) == []


def test_the_first_order_after_a_crash_is_refused_once(strategy: Strategy) -> None:
    first, _ = strategy.process(pid=ENDED)

    def killed(*_: Any) -> Any:
        raise KeyboardInterrupt

    strategy.venue.request = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        first.IO(*CALL)
    strategy.files[0].close()  # nothing is written later, over what is made here
    with closing(sqlite3.connect(strategy.path)) as connection, connection:
        connection.execute("UPDATE intents SET fate = 'sending'")  # as after kill -9
    strategy.files.clear()
    second, _ = strategy.process()
    with pytest.raises(
        OperationFailed, match=r"nothing was sent: an order .* for an unknown symbol .*DismissOrder\('fz"
    ) as told:
        second.Buy(99, 1)
    assert "Reconcile() asks again" not in str(told.value)
    assert second.Buy(99, 1)
    assert len(second.UnknownOrders(all_runs=True)) == 1


def test_what_may_still_be_sent_is_not_dismissed(strategy: Strategy) -> None:
    exchange, _ = strategy.process()

    def closes(*_: Any) -> Any:
        exchange.name_orders_under_way("when the test said so")
        (record,) = exchange.UnknownOrders()
        assert record.fate == "sending"
        with pytest.raises(InputError, match="may still be sent"):
            exchange.DismissOrder(record.intent.client_order_id)
        return {}

    strategy.venue.request = closes  # type: ignore[method-assign]
    exchange.IO(*CALL)
    assert exchange.UnknownOrders() == []


def test_one_that_is_under_way_at_the_end_is_named() -> None:
    exchange, venue, host = make()
    venue.request = lambda *_: exchange.name_orders_under_way("at the end")
    exchange.IO(*CALL)
    assert "(POST /api/v3/order)" in host.errors[0]


@pytest.mark.parametrize("bad", ["", None, 5])
def test_dismissing_nothing(bad: Any) -> None:
    exchange, _, host = make()
    assert exchange.DismissOrder(bad) is None
    assert len(host.errors) == 1


def test_an_order_of_a_venue_that_never_tells_can_be_dismissed() -> None:
    exchange, venue, _ = make(clock=JumpClock())
    venue.finds_client_ids = False
    venue.fail("place", OutcomeUnknown("lost"))
    venue.fail("order_by_client_id", errors.NotSupported("never"), always=True)
    assert exchange.Buy(99, 1) is None
    (record,) = exchange.UnknownOrders()
    assert exchange.DismissOrder(record.intent.client_order_id) is True
    assert exchange.UnknownOrders() == []


def test_neither_keys_nor_users_reach_the_row(strategy: Strategy) -> None:
    exchange, host = strategy.process()
    exchange._core.credentials = Credentials(access_key="the-access-key", secret_key="the-secret-key")
    exchange.IO(
        "api", "POST", "https://me:word@gate.example/api/v3/order?k=the-access-key", "x=the-secret-key" + "y" * 3000
    )
    ((_, _, _, options),) = strategy.rows()
    call = json.loads(options)
    assert call["resource"] == "https://gate.example/api/v3/order"
    assert "the-" not in options
    assert len(call["sent"]) == 2000
    assert host.errors == []


def test_no_raw_order_without_its_row(strategy: Strategy) -> None:
    exchange, _ = strategy.process()
    strategy.path.write_bytes(b"not a database, but longer than its head is" * 100)
    with pytest.raises(OperationFailed, match="nothing was sent, because the order could not be stored first"):
        exchange.IO(*CALL)
    assert strategy.venue.calls["request"] == 0


KILLED = """
import os, signal, sys
from fmzthreads import *
exchange = Exchange("Binance", "BTC_USDT", access_key="k" * 64, secret_key="s" * 64, base=sys.argv[1])
exchange.SetTimeout(100_000)
exchange.IO("api", "POST", "/fapi/v1/order", "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=1")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_process_that_is_killed_while_it_waits_leaves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    posted = threading.Event()

    def answer(peer: Peer) -> None:
        while (seen := peer.request()) is not None:
            if seen.method == "POST":
                posted.set()
                peer.hang()
                return
            peer.reply(b'{"serverTime":1700000000000}')

    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    with FaultServer(answer) as server:
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "FMZTHREADS_NAME": "raw-killed"}
        with subprocess.Popen([sys.executable, "-c", KILLED, server.base], env=environ) as process:
            assert posted.wait(60)
            process.kill()
        runtime = Runtime(name="raw-killed", console=False)
        with use(runtime):
            exchange: Any = Exchange("Binance", "BTC_USDT", access_key="k" * 64, secret_key="s" * 64, base=server.base)
            (record,) = exchange.UnknownOrders(all_runs=True)
            assert (record.is_raw, record.intent.resource) == (True, "/fapi/v1/order")
            assert "quantity=1" in record.intent.sent
            assert [again.fate for again in exchange.Reconcile()] == ["unknown"]
            assert exchange.DismissOrder(record.intent.client_order_id)
            assert exchange.UnknownOrders(all_runs=True) == []
            exchange.close()
            runtime.close()
