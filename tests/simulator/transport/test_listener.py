"""The simulator's port: what is being accepted when it closes."""

from __future__ import annotations

import gc
import socket
import sys
import warnings
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

from fmzthreads.simulator import SimulatorServer


@pytest.mark.parametrize("closing", ["stop", "refuse"])
def test_connections_that_are_being_accepted_are_closed_with_the_port(
    closing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[str] = []
    server = SimulatorServer("binance", moving=False).start()
    for _ in range(10):
        clients = []
        for _ in range(8):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", server.port))
            clients.append(client)
        if closing == "stop":
            server.stop()
            server = SimulatorServer("binance", moving=False).start()
        else:
            server.refuse_connections()
            server.refuse_connections(False)
        for client in clients:
            client.close()
    server.stop()

    def _unraisable(seen: Any) -> None:
        left.append(str(seen.exc_value))

    monkeypatch.setattr(sys, "unraisablehook", _unraisable)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()
    assert left == []
