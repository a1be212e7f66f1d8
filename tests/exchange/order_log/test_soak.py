"""A few seconds of the soak of orders, with one ``kill -9``: takes longer than other tests, because processes trade in real time."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

SWAP = "BTC_USDT.swap"
SOAK = Path(__file__).resolve().parents[3] / "benchmarks" / "soak_orders.py"


@pytest.fixture
def soak_orders(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("soak_orders", SOAK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "soak_orders", module)
    monkeypatch.syspath_prepend(str(SOAK.parent))  # a file that lies beside it
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it counts sockets and memory in /proc")
@pytest.mark.timeout(400)
def test_both_sides_agree_after_a_kill(soak_orders: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert soak_orders.soak(8.0, 1, kills=(0.5,), stops=False, lost_frames=0.0), capsys.readouterr().out
    out = capsys.readouterr().out
    assert "agreed" in out
    assert "DISAGREED" not in out


class Account:
    """An account at a venue whose books agree with themselves."""

    def __init__(self, positions: dict[str, Decimal]) -> None:
        self.held = positions

    def positions(self, account: Any) -> list[Any]:
        return [SimpleNamespace(instrument=name, quantity=amount) for name, amount in self.held.items()]


def made_book(soak: Any, positions: dict[str, Decimal]) -> Any:
    book = soak.VenueBook.__new__(soak.VenueBook)
    book.name, book.product, book.contracts, book.account = "Futures_Binance", "um", True, None
    book.exchange = SimpleNamespace(contracts=Account(positions))
    book.server = SimpleNamespace(exchange=None, state=lambda: {"contracts": {"um": {"reconciled": True}}})
    book.orders = {"1": ("a", Decimal(1)), "2": ("b", Decimal(0)), "3": ("b", Decimal(2))}
    book.conditions, book.children, book.forced = {"7": "s"}, {"7": "8"}, {"5": Decimal(1)}
    fill = sys.modules["soak_orders_books"].Fill
    book.fills = {fill("1", "t1", Decimal(10), Decimal(1)), fill("8", "t2", Decimal(10), Decimal(3))}
    book.moments = {("1", "t1"): 100.0, ("8", "t2"): 100.0, ("5", "t3"): 101.0, ("1", "t0"): 50.0}
    book.signed, book.funding = Counter({SWAP: Decimal(4)}), [Decimal("-0.5")]
    return book


def logged(soak: Any, *fills: tuple[str, str, int]) -> Any:
    rows = [
        ("Futures_Binance:k", "order", "a", "placed", "X,1"), ("Futures_Binance:k", "order", "b", "placed", "X,2"),
        ("Futures_Binance:k", "order", "c", "placed", "X,9"), ("Futures_Binance:k", "order", "d", "sending", ""),
        ("Futures_Binance:k", "condition", "s", "placed", "X,algo7"),
    ]  # fmt: skip
    books = sys.modules["soak_orders_books"]
    made = [
        ("Futures_Binance:k", books.Fill(order, trade, Decimal(10), Decimal(amount))) for order, trade, amount in fills
    ]
    return books.OurLog(rows, made)


EXPECTED = {
    "orders at the venue": 3,
    "condition orders at the venue": 1,
    "triggered at the venue": 1,
    "fills at the venue": 2,
    "forced orders at the venue": 1,
    "funding payments at the venue": 1,
    "known there only": 1,
    "known here only": 1,
    "under another client id": 0,
    "client ids used twice": 1,
    "not settled": 1,
    "filled amounts that differ": 1,
    "fills known there only": 0,
    "fills known here only": 0,
    "forced orders that differ": 0,
    "positions that differ": 0,
    "funding that differs": 0,
    "balances that differ": 0,
}


def test_a_disagreement_is_seen(soak_orders: Any) -> None:
    """The comparison itself: an order that only one side knows, a wrong fill, an id used twice, a row that is not settled."""
    reading = sys.modules["soak_orders_books"].OurReading
    read = reading(
        filled={"1": 1.0, "2": 0.0, "3": 2.5}, forced={"5": 1.0}, signed={SWAP: Decimal(4)}, positions={SWAP: Decimal(4)}, funding=[-0.5]
    )  # fmt: skip
    book, log = made_book(soak_orders, {SWAP: Decimal(4)}), logged(soak_orders, ("1", "t1", 1), ("7", "t2", 3))
    assert soak_orders.compare(book, log, read) == EXPECTED
    other = made_book(soak_orders, {SWAP: Decimal(5)})
    log = logged(soak_orders, ("1", "t1", 2))
    assert soak_orders.compare(other, log, reading(filled=read.filled)) == {
        **EXPECTED,
        "fills known there only": 2,
        "fills known here only": 1,
        "forced orders that differ": 1,
        "positions that differ": 1,
        "funding that differs": 1,
    }


def test_a_fill_that_was_not_told_or_told_twice_is_seen(soak_orders: Any) -> None:
    book, run = made_book(soak_orders, {}), soak_orders.Run()
    name = book.name
    run.report = {"live_at": {name: 90.0}, "told": {name: [["1", "t1"], ["8", "t2"], ["5", "t3"]]}}
    assert soak_orders.told(run, [book]) == (0, 0)
    run.report["told"][name] = [["1", "t1"], ["1", "t1"], ["9", "t9"], ["1", "t0"]]
    assert soak_orders.told(run, [book]) == (2, 2)
    assert soak_orders.told(soak_orders.Run(), [book]) == (4, 0)
