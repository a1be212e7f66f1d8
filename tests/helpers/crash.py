"""Runs a strategy's order or cancel in a process of its own that kills itself (SIGKILL) at a chosen step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import fmzthreads

ROOT = Path(fmzthreads.__file__).resolve().parent.parent

NAMES = {"binance": "Binance", "okx": "OKX"}

SCRIPT = """
import os, signal, sys
from fmzthreads import *
from fmzthreads.exchange.order_log import OrderFile
from fmzthreads.http.connection import HttpConnection
from fmzthreads.venues.rest.venue import RestVenue

step, what, price, order_id = sys.argv[1:]  # the order's id goes to stderr, the journal to stdout

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def dies_before(owner, name, when=lambda *args: True):
    before = getattr(owner, name)
    def dying(*args, **options):
        if when(*args):
            die()
        return before(*args, **options)
    setattr(owner, name, dying)

def dies_after(owner, name):
    before = getattr(owner, name)
    def dying(*args, **options):
        before(*args, **options)
        die()
    setattr(owner, name, dying)

exchange = Exchange(os.environ["VENUE"], "BTC_USDT", errors="raise")
exchange.GetDepth()
exchange.GetOrders()
if step == "before the row":
    dies_before(OrderFile, "begin")
elif step == "before the first byte":
    dies_after(OrderFile, "begin")
elif step == "after the last byte":
    dies_before(HttpConnection, "_read", lambda self, method, *_: method != "GET")
elif step == "after the reply":
    dies_after(RestVenue, "place" if what == "order" else "cancel")
if what == "order":
    sys.stderr.write(exchange.Buy(float(price), 0.01))
else:
    exchange.CancelOrder(order_id)
"""


def environment(server: Any, home: Path, **more: str) -> dict[str, str]:
    """The surroundings of a strategy that trades at a simulator."""
    name = NAMES[server.venue].upper()
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "FMZTHREADS_HOME": str(home),
        "FMZTHREADS_NAME": "crashing",
        "VENUE": NAMES[server.venue],
        f"FMZ_{name}_BASE": server.base_url,
        f"FMZ_{name}_ACCESS_KEY": server.key,
        f"FMZ_{name}_SECRET_KEY": server.secret,
        f"FMZ_{name}_PASSPHRASE": server.passphrase or "",
        **more,
    }


def run_until_killed(
    server: Any, home: Path, step: str, what: str = "order", *, price: float = 0.0, order_id: str = ""
) -> str:
    """Runs the script; it must have killed itself, unless the step is empty. Returns the order's id."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, step, what, str(price), order_id],
        env=environment(server, home),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == (-signal.SIGKILL if step else 0), done.stderr
    return done.stderr.strip()
