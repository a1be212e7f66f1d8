"""An order by a plugin whose process was killed: told once, since nobody can say what became of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fmzthreads import Exchange, errors
from fmzthreads.strategy.runtime import Runtime, use
from tests.helpers.plugin_peers import http, peer

BUYS = """
import sys
from fmzthreads import Exchange
from fmzthreads.strategy.runtime import Runtime, use
with use(Runtime(name="killed", console=False)):
    exchange = Exchange("Exchange", "BTC_USDT", base=sys.argv[1], access_key="the-access-key", secret_key="the-secret-key")
    exchange.SetTimeout(100_000)
    exchange.Buy(5, 1)
"""


def buy_and_be_killed(url: str, arrived: Any) -> None:
    """A process that is killed while it waits for the reply to its order."""
    with subprocess.Popen(
        [sys.executable, "-c", BUYS, url], env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    ) as process:
        try:
            assert arrived.wait(60)
        finally:
            process.kill()


def test_the_first_order_after_a_crash_is_refused_once_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    answers = {"trade": None, "orders": http({"data": []})}
    with peer(lambda body: answers[body["method"]]) as other:
        buy_and_be_killed(other.url, other.arrived)
        answers["trade"] = http({"data": {"id": 7}})
        for first_after in (True, False):
            runtime = Runtime(name="killed", console=False)
            with use(runtime):
                exchange: Any = Exchange(
                    "Exchange",
                    "BTC_USDT",
                    base=other.url,
                    access_key="the-access-key",
                    secret_key="the-secret-key",
                    errors="raise",
                )
                if first_after:
                    with pytest.raises(
                        errors.OperationFailed,
                        match=r"nothing was sent: an order of an earlier run .* compare GetOrders",
                    ) as told:
                        exchange.Buy(5, 1)
                    assert "Reconcile" not in str(told.value)
                assert exchange.Buy(5, 1) == "BTC_USDT,7"
                (left,) = exchange.UnknownOrders(all_runs=True)
                assert left.fate == "unknown"
                assert [record.fate for record in exchange.Reconcile()] == ["unknown"]
                exchange.close()
                runtime.close()
        assert len(other.calls("trade")) == 3
