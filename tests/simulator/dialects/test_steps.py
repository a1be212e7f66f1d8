"""A call that has much to make lets others be served between its steps."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fmzthreads.simulator import SimulatorServer
from tests.helpers.simulators import BinanceCaller, free_session, simulator
from tests.helpers.threads import run_in_thread
from tests.helpers.ws_clients import PATIENCE_S, open_socket


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with simulator("binance") as started:
        yield started


@pytest.fixture
def done(server: SimulatorServer, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Has klines take steps until the event is set."""
    dialect, done = server.site.dialect, threading.Event()
    ahead = dialect.ahead

    def _until_done(route: Any, begin: Any) -> Iterator[None]:
        while route.path.endswith("klines") and not done.wait(0.001):
            yield
        yield from ahead(route, begin)

    monkeypatch.setattr(dialect, "ahead", _until_done)
    return done


def test_others_are_served_over_http_between_two_steps(server: SimulatorServer, done: threading.Event) -> None:
    with free_session() as session, free_session() as other:
        bars = run_in_thread(lambda: BinanceCaller(server, session).public("klines", symbol="BTCUSDT", interval="1m"))
        assert BinanceCaller(server, other).public("ping").status_code == 200
        done.set()
        assert len(bars.result(PATIENCE_S).json()) == 500


def test_others_are_served_on_one_websocket_between_two_steps(server: SimulatorServer, done: threading.Event) -> None:
    with open_socket(server, "/ws-api/v3") as client:
        client.send({"id": "bars", "method": "klines", "params": {"symbol": "BTCUSDT", "interval": "1m"}})
        client.send({"id": "ping", "method": "ping"})
        assert client.read()["id"] == "ping"
        done.set()
        answer = client.read()
        assert (answer["id"], answer["status"], len(answer["result"])) == ("bars", 200, 500)


def test_a_refused_call_has_nothing_made_for_it(server: SimulatorServer) -> None:
    with free_session() as session, open_socket(server, "/ws-api/v3") as client:
        wrong = BinanceCaller(server, session).public("klines", symbol="BTCUSDT", interval="7m")
        assert (wrong.status_code, wrong.json()["code"]) == (400, -1120)
        wrong = BinanceCaller(server, session).signed("GET", "allOrders", symbol="BTCUSDT", secret="wrong")
        assert (wrong.status_code, wrong.json()["code"]) == (400, -1022)
        client.send({"id": 1, "method": "klines", "params": {"symbol": "BTCUSDT", "interval": "7m"}})
        answer = client.read()
        assert (answer["id"], answer["error"]["code"]) == (1, -1120)
