"""A small soak of the limits: takes longer than other tests, because windows pass in real time."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

SOAK = Path(__file__).resolve().parents[3] / "benchmarks" / "soak_limits.py"


@pytest.fixture
def soak_limits(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("soak_limits", SOAK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "soak_limits", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.timeout(180)
@pytest.mark.parametrize("venue", ["binance", "okx"])
def test_two_processes_with_one_key_are_never_refused(soak_limits: Any, venue: str) -> None:
    # How much is used depends on the machine; that nothing is refused does not.
    good, row = soak_limits.soak(venue, 2, 2, threads=16, windows=1, least=0)
    assert good, row


@pytest.mark.stress
@pytest.mark.timeout(600)
@pytest.mark.parametrize("venue", ["binance", "okx"])
@pytest.mark.parametrize(("processes", "objects"), [(1, 1), (1, 4), (4, 1), (4, 4)])
def test_no_shape_is_ever_refused(soak_limits: Any, venue: str, processes: int, objects: int) -> None:
    good, row = soak_limits.soak(venue, processes, objects, threads=64, windows=3)
    assert good, row


def test_a_refusal_is_seen(soak_limits: Any) -> None:
    """The watch itself: refusals, weights and calls by window."""

    class Server:
        venue = "binance"

    class Answer:
        def __init__(self, status: int, used: str = "") -> None:
            self.status, self.body = status, b""
            self.headers = (("X-MBX-USED-WEIGHT", used),) if used else ()

    watch = soak_limits.Watch(Server())
    for at, used in ((6.0, "3000"), (11.9, "6000"), (12.0, "10"), (17.0, "3000")):
        watch.take("GET", "/api/v3/depth", Answer(200, used), at)
    for _ in range(50):
        watch.take("POST", "/api/v3/order", Answer(200), 10.0)
    watch.take("GET", "/api/v3/depth", Answer(429), 13.0)
    watch.take("GET", "/api/v3/depth", Answer(418), 13.0)
    assert watch.refused == 2
    assert watch.used("weight", 5.0, 18.0) == pytest.approx(0.75)
    assert watch.used("weight", 7.0, 18.0) == pytest.approx(0.5)
    assert watch.used("weight", 7.0, 11.0) == 0.0
    assert watch.used("orders", 10.0, 20.0) == pytest.approx(0.5)
