"""A simulated exchange in its own process.

It does not share the interpreter lock with the client.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import FmzError, InputError, excerpt

__all__ = ["SimulatorProcess"]

_START_S = 60.0
_STOP_S = 5.0
_CALL_S = 10.0


def _environment() -> dict[str, str]:
    """This process's environment, with this package's folder in PYTHONPATH."""
    here = str(Path(__file__).resolve().parents[3])
    there = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{there}" if there else here}


class SimulatorProcess:
    """One venue in its own process; a context manager.

    The process ends with this one, even if this one is killed.

    Args:
        venue: ``binance`` or ``okx``.
        seed: The market's seed; the same seed repeats the market.
        data: A file of bars that the first symbol's price follows.
        speed: Bars of ``data`` per second; None for 1.
        data_origin_ms: The start time of the replay; None for that of the first bar.
        symbols: The pairs to trade, such as ``SOL_USDT=150`` (see ``SimulatorServer``); None for BTC_USDT and ETH_USDT.
        products: What to trade besides spot (see ``SimulatorServer``); None for nothing.
        balances: The account's initial balances; None for the server's default.
        faults: The initial faults, by name, as for ``Faults.set``.
        rate_scale: The factor for the venue's request limits; 0 switches them off.
        weight_window_s: The length of Binance's window of request weight, in whole seconds.
        port: The port; 0 for one that is free.
        checksums: Whether OKX's books contain real checksums.
        deviation: The standard deviation from the common price, as a fraction of the price; None for the default.

    Attributes:
        venue: As given.
        base_url: The base URL for REST calls; empty before the start.
        key: The API key.
        secret: The API secret.
        passphrase: The passphrase that OKX requires; empty for Binance.
        symbols: The traded pairs of spot.
        contract_stream_urls: As of ``SimulatorServer``.
        pid: The process's id; 0 before the start.
    """

    def __init__(
        self,
        venue: str = "binance",
        *,
        seed: int = 0,
        data: str | Path | None = None,
        speed: float | None = None,
        data_origin_ms: int | None = None,
        symbols: Iterable[str] | None = None,
        products: Iterable[str] | None = None,
        balances: Mapping[str, Decimal] | None = None,
        faults: Mapping[str, bool | int | float] | None = None,
        rate_scale: float = 1.0,
        weight_window_s: int = 60,
        port: int = 0,
        checksums: bool = False,
        deviation: float | None = None,
    ) -> None:
        self.venue = venue
        self.base_url = self.key = self.secret = self.passphrase = ""
        self.symbols: tuple[str, ...] = ()
        self.contract_stream_urls: dict[str, str] = {}
        self.pid = 0
        self._process: subprocess.Popen[str] | None = None
        self._drain: threading.Thread | None = None
        self._command = [
            sys.executable, "-m", "fmzthreads.simulator", "--until-stdin-closes", "--venue", venue, "--seed", str(seed),
            "--port", str(port), "--rate-scale", repr(rate_scale), "--weight-window-s", str(weight_window_s),
        ]  # fmt: skip
        if data is not None:
            self._command += ["--data", str(data)]
        if speed is not None:
            self._command += ["--speed", repr(speed)]
        if data_origin_ms is not None:
            self._command += ["--data-origin-ms", str(data_origin_ms)]
        if checksums:
            self._command.append("--checksums")
        if deviation is not None:
            self._command += ["--deviation", repr(deviation)]
        for symbol in symbols or ():
            self._command += ["--symbol", symbol]
        for product in products or ():
            self._command += ["--product", product]
        for asset, amount in (balances or {}).items():
            self._command += ["--balance", f"{asset}={amount}"]
        for name, value in (faults or {}).items():
            self._command += ["--fault", f"{name}={str(value).lower()}"]

    def __repr__(self) -> str:
        return f"SimulatorProcess({self.venue!r}, {self.base_url!r}, pid={self.pid})"

    @property
    def stream_url(self) -> str:
        """The base URL for websockets.

        Empty before the start.
        """
        return "ws" + self.base_url.removeprefix("http") if self.base_url else ""

    # --- life ---

    def start(self) -> SimulatorProcess:
        """Starts the process and waits until it listens; returns itself.

        Raises:
            FmzError: It ended, or printed nothing within a minute; the message contains its output.
        """
        if self._process is not None:
            raise FmzError(f"{self!r} is already running")
        process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,  # Ctrl-C is meant for the program that uses it, which may still need to cancel its orders
        )  # fmt: skip
        self._process = process
        watchdog = threading.Timer(_START_S, process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                self._fail(process)
            self._read(json.loads(line))
        except BaseException:  # if the start fails, also by Ctrl-C, the process must not stay behind
            self.stop()
            raise
        finally:
            watchdog.cancel()
            watchdog.join()
        # A full pipe would block the process.
        self._drain = threading.Thread(
            target=_forward, args=(process.stderr or (),), name=f"{self.venue}-stderr", daemon=True
        )
        self._drain.start()
        return self

    def _fail(self, process: subprocess.Popen[str]) -> None:
        process.wait()
        assert process.stderr is not None
        said = process.stderr.read().strip().splitlines()
        error = InputError if process.returncode == 2 else FmzError
        raise error(f"the simulator of {self.venue} did not start: {excerpt(said[-1]) if said else process.returncode}")

    def _read(self, said: dict[str, Any]) -> None:
        self.base_url, self.key = said["base_url"], said["key"]
        self.secret, self.passphrase = said["secret"], said["passphrase"]
        self.symbols, self.pid = tuple(said["symbols"]), said["pid"]
        self.contract_stream_urls = said.get("contract_stream_urls", {})

    def stop(self) -> None:
        """Ends the process and waits for it; a second call has no effect."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._drain is not None:
            self._drain.join()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> SimulatorProcess:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- the simulator's own interface ---

    def state(self) -> dict[str, Any]:
        """Balances, open orders and sums of fills and fees, for reconciliation.

        Raises:
            FmzError: The process does not answer.
        """
        return self._call("GET", "/_simulator/state")

    def set_faults(self, path: str = "*", **faults: bool | int | float) -> dict[str, Any]:
        """Switches faults on or off, as ``Faults.set``; returns the active ones.

        Raises:
            InputError: The fault is unknown, or the value is not valid.
            FmzError: The process does not answer.
        """
        return self._call("POST", "/_simulator/faults", {"path": path, **faults})

    def clear_faults(self) -> dict[str, Any]:
        """Switches all faults off and releases hanging requests.

        Raises:
            FmzError: The process does not answer.
        """
        return self._call("DELETE", "/_simulator/faults")

    def set_contract(self, instrument: str, **changes: bool | int | str) -> dict[str, Any]:
        """Changes a contract; returns mark and index price and funding of all contracts.

        Args:
            instrument: The contract, such as ``BTC_USDT.swap``.
            changes: ``mark``, ``index``, ``funding_rate``, ``next_funding_ms``, ``pay_funding``, ``insurance``, ``deleverage`` and
                ``deliver``, as for ``POST /_simulator/contracts``; prices, rates and amounts as text.

        Raises:
            InputError: There is no such contract, or a value does not fit.
            FmzError: The process does not answer.
        """
        return self._call("POST", "/_simulator/contracts", {"instrument": instrument, **changes})

    def refuse_connections(self, seconds: float) -> None:
        """Closes the port for a while; connections are refused meanwhile.

        Raises:
            InputError: The number is not valid.
            FmzError: The process does not answer.
        """
        self._call("POST", "/_simulator/refuse", {"seconds": seconds})

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        address = urllib.parse.urlsplit(self.base_url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_CALL_S)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            reply = connection.getresponse()
            data: dict[str, Any] = json.loads(reply.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FmzError(f"{self!r} does not answer: {error}", request=f"{method} {self.base_url}{path}") from error
        finally:
            connection.close()
        if reply.status != 200:
            raise InputError(str(data.get("error", data)))
        return data


def _forward(pipe: Iterable[str]) -> None:
    """Forwards the process's standard error until it ends."""
    for line in pipe:
        sys.stderr.write(line)
