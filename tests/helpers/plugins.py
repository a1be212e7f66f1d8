"""Plugins in processes of their own, and one of a test's own that counts what it is asked to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Counting", "PluginProcess", "plugin_process"]


class Counting:
    """An exchange in memory; every method counts."""

    exact_outcomes = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.orders: dict[str, dict[str, Any]] = {}
        self.error: BaseException | None = None
        self.seen: list[tuple[Any, ...]] = []
        self.result: Any = None

    def _call(self, *said: Any) -> None:
        with self._lock:
            self.seen.append(said)
        if self.error is not None:
            raise self.error

    def GetTicker(self, symbol: str) -> Any:
        self._call("GetTicker", symbol)
        return self.result if self.result is not None else {"Last": 5, "Buy": "4.5"}

    def GetDepth(self, symbol: str) -> Any:
        self._call("GetDepth", symbol)
        return {"asks": [[3, 1], (2, "1")], "Bids": [{"Price": 1, "Amount": 2}, {"Price": 1.5, "Amount": 1}]}

    def GetRecords(self, symbol: str, period: int) -> Any:
        self._call("GetRecords", symbol, period)
        return [[2000, 1, 1, 1, 1, 1], {"Time": 1000, "Open": 1, "High": 1, "Low": 1, "Close": 1, "Volume": 1}]

    def GetAssets(self, keys: Any) -> Any:
        self._call("GetAssets", keys.access_key, keys.secret_key)
        return [{"Currency": "BTC", "Amount": 1, "FrozenAmount": 2}]

    def CreateOrder(self, symbol: str, side: str, price: float, amount: float) -> Any:
        self._call("CreateOrder", symbol, side, price, amount)
        with self._lock:
            number = f"n-{len(self.orders)}"
            self.orders[number] = {"id": number, "amount": amount, "price": price, "status": 0, "type": side}
        return self.result if self.result is not None else number

    def CancelOrder(self, symbol: str, id: str) -> Any:
        self._call("CancelOrder", symbol, id)
        return True

    def GetOrders(self, symbol: str) -> Any:
        self._call("GetOrders", symbol)
        return list(self.orders.values())

    def api(self, path: str, params: dict[str, Any]) -> Any:
        self._call("api", path, params)
        return self.result


class PluginProcess:
    """A plugin by the command that a user types.

    Attributes:
        address: Its service address.
        port: Its port.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said, process.stderr.read() if process.stderr else ""
        found = json.loads(said)
        self.address, self.port = found["address"], found["port"]

    def kill(self) -> None:
        """Ends it by SIGKILL."""
        self.process.kill()
        self.process.wait()


@contextmanager
def plugin_process(*words: str, cwd: Any = None, **environ: str) -> Iterator[PluginProcess]:
    """Starts a plugin, and kills it at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fmzthreads", "plugin", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=cwd, env={**os.environ, **environ}, start_new_session=True,
    )  # fmt: skip
    with process:
        try:
            yield PluginProcess(process)
        finally:
            process.kill()
