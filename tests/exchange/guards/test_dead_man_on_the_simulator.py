"""The dead-man switch end to end: the strategy's process is killed, and the venue cancels its orders when the time is over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

import fmzthreads
from fmzthreads.clock import ManualClock, WallClock
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.engine.orders import Finish
from fmzthreads.simulator.market.maker import MarketSettings
from tests.helpers.exchange_room import MemoryHost
from tests.helpers.simulators import simulator

ROOT = Path(fmzthreads.__file__).resolve().parent.parent
PATIENCE_S = 60.0
COUNTDOWN_S = 120.0  # the longest that OKX takes, so that a slow machine renews it in time

SCRIPT = """
import sys
from fmzthreads import *

name, pair, base, key, secret, passphrase, amount, last = sys.argv[1:]
exchange = Exchange(
    name, pair, base=base, access_key=key, secret_key=secret, passphrase=passphrase, errors="raise", guards={"dead_man_s": 120}
)
price, amount = float(last), float(amount)
for part in (0.9, 0.91):
    exchange.Buy(round(price * part, 1), amount)
stop = {"ConditionType": ORDER_CONDITION_TYPE_SL, "SlTriggerPrice": round(price * 1.2, 1), "SlOrderPrice": -1}
exchange.CreateConditionOrder("", "buy", amount, stop)
sys.stderr.write("placed\\n")
sys.stderr.flush()
sys.stdin.read()  # until it is killed
"""

CASES = [
    ("Futures_Binance", "binance", "um", "BTC_USDT", "0.02"),
    ("Futures_Binance", "binance", "cm", "BTC_USD", "3"),
    ("Futures_OKX", "okx", "spot", "BTC_USDT", "2"),
]


@contextmanager
def standing(venue: str) -> Iterator[tuple[SimulatorServer, ManualClock]]:
    """A simulator whose clock the test moves."""
    clock = ManualClock(start=1_800_000_000)
    products = ("um", "cm") if venue == "binance" else ("swap",)
    settings = MarketSettings(levels=10, makers=1, take_chance=1)
    with simulator(venue, clock=clock, products=products, symbols=["BTC_USDT"], settings=settings) as server:
        yield server, clock


@contextmanager
def running(clock: ManualClock) -> Iterator[None]:
    """Lets the clock follow real time, so that a process's signatures are of the venue's time."""
    over, wall = threading.Event(), WallClock()

    def _run() -> None:
        last = wall.monotonic()
        while not over.wait(0.02):
            now = wall.monotonic()
            clock.advance(now - last)
            last = now

    thread = threading.Thread(target=_run, name="test clock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(PATIENCE_S)


def left_s(server: Any, product: str) -> float:
    """How long the countdown still has to go."""
    countdown = countdown_of(server, product)
    (due_ms,) = (
        [one.due_ms for one in countdown._deadlines.values()]
        if server.venue == "okx"
        else [due for _, due in countdown._due.values()]
    )
    return float(due_ms - server.exchanges[product].server_time_ms()) / 1000


def countdown_of(server: Any, product: str) -> Any:
    return server.dialect.dead_man if server.venue == "okx" else server.dialect.contracts[product].countdown


def until(holds: Callable[[], object]) -> None:
    clock = WallClock()
    end = clock.monotonic() + PATIENCE_S
    while not holds():
        assert clock.monotonic() < end, "it did not come about"
        clock.sleep(0.01)


@pytest.mark.parametrize(("name", "venue", "product", "pair", "amount"), CASES[1:])
def test_the_orders_of_a_killed_process_are_cancelled_by_the_venue(
    name: str, venue: str, product: str, pair: str, amount: str, tmp_path: Path
) -> None:
    with standing(venue) as (server, clock):
        exchange, account = server.exchanges[product], server.accounts[product]
        price = str(exchange.contracts.prices(f"{pair}.swap").mark)
        given = [name, pair, server.base_url, server.key, server.secret, server.passphrase or "", amount, price]
        surroundings = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "FMZTHREADS_HOME": str(tmp_path),
            "FMZTHREADS_NAME": "silent",
        }
        with (
            running(clock),
            subprocess.Popen(
                [sys.executable, "-c", SCRIPT, *given],
                env=surroundings,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            ) as strategy,
        ):
            assert strategy.stderr is not None
            assert strategy.stderr.readline() == "placed\n"
            placed = exchange.open_orders(account)
            assert len(placed) == 2
            os.kill(strategy.pid, signal.SIGKILL)
            assert strategy.wait(PATIENCE_S) == -signal.SIGKILL
        left = left_s(server, product)
        assert 1 < left <= COUNTDOWN_S
        clock.advance(left - 0.5)
        countdown_of(server, product).cancel_due()
        assert len(exchange.open_orders(account)) == 2
        clock.advance(0.5)
        until(lambda: not exchange.open_orders(account))
        ends = {exchange.order(account, one.instrument, one.order_id).finish for one in placed}
        assert ends == {Finish.TIMER}
        assert len(exchange.conditions.waiting(account)) == 1  # condition orders stay, which may protect a position


@pytest.mark.parametrize(("name", "venue", "product", "pair", "amount"), CASES)
def test_a_strategy_that_is_alive_keeps_its_orders_and_so_does_one_that_ends(
    name: str, venue: str, product: str, pair: str, amount: str
) -> None:
    with standing(venue) as (server, clock):
        simulated, account = server.exchanges[product], server.accounts[product]
        exchange: Any = Exchange(
            name, pair, base=server.base_url, access_key=server.key, secret_key=server.secret, passphrase=server.passphrase or "",
            host=MemoryHost(clock), errors="raise", guards={"dead_man_s": COUNTDOWN_S},
        )  # fmt: skip
        try:
            exchange.Buy(round(float(simulated.contracts.prices(f"{pair}.swap").mark) * 0.9, 1), float(amount))
            switch, countdown = exchange.guards._dead_man, countdown_of(server, product)
            for _ in range(4):
                clock.advance(COUNTDOWN_S / 3)
                switch.renew()  # what its thread does three times in each countdown
                countdown.cancel_due()
            assert len(simulated.open_orders(account)) == 1
        finally:
            exchange.close()
        clock.advance(10 * COUNTDOWN_S)
        countdown.cancel_due()
        assert len(simulated.open_orders(account)) == 1
