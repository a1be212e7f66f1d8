"""A few seconds of the soak of orders, with one ``kill -9``: takes longer than other tests, because processes trade in real time."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

SOAK = Path(__file__).resolve().parents[3] / "benchmarks" / "soak_orders.py"


@pytest.fixture
def soak_orders(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("soak_orders", SOAK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "soak_orders", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it counts sockets and memory in /proc")
@pytest.mark.timeout(180)
def test_both_sides_agree_after_a_kill(soak_orders: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert soak_orders.soak(8.0, 1, kills=(0.5,)), capsys.readouterr().out
    out = capsys.readouterr().out
    assert "agreed" in out
    assert "DISAGREED" not in out


def test_a_disagreement_is_seen(soak_orders: Any) -> None:
    """The comparison itself: an order that only one side knows, a wrong fill, an id used twice, a row that is not settled."""

    class Server:
        def state(self) -> dict[str, Any]:
            return {"reconciled": True}

    book = soak_orders.VenueBook.__new__(soak_orders.VenueBook)
    book.server = Server()
    book.orders = {1: ("a", soak_orders.Decimal(1)), 2: ("b", soak_orders.Decimal(0)), 3: ("b", soak_orders.Decimal(2))}
    rows = [("a", "placed", "X,1"), ("b", "placed", "X,2"), ("c", "placed", "X,9"), ("d", "sending", "")]
    found = soak_orders.compare(book, rows, {"1": 1.0, "2": 0.0, "3": 2.5})
    assert found == {
        "orders at the venue": 3,
        "known there only": 1,
        "known here only": 1,
        "under another client id": 0,
        "client ids used twice": 1,
        "not settled": 1,
        "filled amounts that differ": 1,
        "balances that differ": 0,
    }
