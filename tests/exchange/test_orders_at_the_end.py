"""Orders that are under way when an exchange object is closed, or when the process ends: each is named."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.exchange.venue import OrderIntent
from tests.helpers.exchange_room import make
from tests.helpers.threads import PATIENCE_S, run_in_thread

ROOT = Path(__file__).resolve().parents[2]

HANGS = """
import threading
from fmzthreads.exchange import state
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.strategy.runtime import current
from fmzthreads.tasks import pool
from fmzthreads.testing import FakeVenue
state._EXIT_GRACE_S = pool._EXIT_GRACE_S = 0.2

class Hangs(FakeVenue):
    def place(self, intent):
        begun.release()
        threading.Event().wait()

begun = threading.Semaphore(0)
exchange = Exchange("Fake", "BTC_USDT", venue=Hangs(), host=current())
"""


class _Held:
    """Orders wait while they are being sent, and arrive when the test says so."""

    def __init__(self, **options: Any) -> None:
        self.exchange, self.venue, self.host = make(clock=WallClock(), **options)
        self.begun = threading.Semaphore(0)
        self.release = threading.Event()
        self._place = self.venue.place
        self.venue.place = self.place  # type: ignore[method-assign]

    def place(self, intent: OrderIntent) -> str:
        self.begun.release()
        assert self.release.wait(PATIENCE_S)
        return self._place(intent)

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.begun.acquire(timeout=PATIENCE_S)


def test_close_names_orders_of_the_pool_and_of_other_threads() -> None:
    held = _Held()
    order = held.exchange.Go("Buy", 100, 1)
    other = run_in_thread(held.exchange.CreateOrder, "ETH_USDT", "sell", 200, 1)
    held.wait_for(2)
    assert held.exchange.UnknownOrders() == [], "threads are working on them"
    held.exchange.close(0.01)
    (line,) = held.host.errors
    records = held.exchange.UnknownOrders()
    assert [record.fate for record in records] == ["sending"] * 2
    assert all(record.detail == "still under way when the exchange object was closed" for record in records)
    for record in records:
        intent = record.intent
        assert f"{intent.client_order_id} ({intent.side} {intent.symbol})" in line
    assert held.exchange.GetLastError() == line
    held.release.set()
    assert order.wait().value
    assert other.result()
    assert held.exchange.UnknownOrders() == [], "their outcome became known"


def test_close_waits_for_the_orders_of_other_threads() -> None:
    held = _Held()
    order = run_in_thread(held.exchange.Buy, 100, 1)
    held.wait_for(1)
    closing = run_in_thread(held.exchange.close, PATIENCE_S)
    held.release.set()
    closing.result()
    assert order.result()
    assert held.host.errors == []


def test_reconcile_does_not_call_an_order_absent_that_may_still_be_sent() -> None:
    held = _Held()
    held.venue.settling_s = 0.0
    order = run_in_thread(held.exchange.Buy, 100, 1)
    held.wait_for(1)
    held.exchange.close(0.01)
    (record,) = held.exchange.Reconcile()
    assert record.fate == "sending"
    held.release.set()
    assert order.result()


def test_many_orders_take_several_lines() -> None:
    held = _Held(max_workers=8)
    for _ in range(8):
        held.exchange.Go("Buy", 100, 1)
    held.wait_for(8)
    held.exchange.close(0.01)
    assert len(held.host.errors) == 2
    assert all(len(line) <= 500 for line in held.host.errors)
    named = re.findall(r"(\w+) \(buy BTC_USDT\)", " ".join(held.host.errors))
    assert named == [record.intent.client_order_id for record in held.exchange.UnknownOrders()]
    held.release.set()


@pytest.mark.parametrize(
    "start",
    [
        'exchange.Go("Buy", 100, 1)',
        "threading.Thread(target=exchange.Buy, args=(100, 1), daemon=True).start()",
    ],
)
def test_a_process_that_ends_names_what_is_under_way(tmp_path: Path, start: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{HANGS}\n{start}\nbegun.acquire()\nprint('end of the script')"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "FMZTHREADS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert done.stderr == ""
    first, line = done.stdout.splitlines()
    assert first == "end of the script"
    assert re.search(
        r"ERROR Fake: orders: still under way when the process ended, outcome unknown: \w{20,} \(buy BTC_USDT\)$", line
    )
