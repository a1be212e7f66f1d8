"""After reconciliation the fills in the order log add up to what the venue says was filled, on both venues."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

from fmzthreads.errors import InputError
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.strategy.runtime import Runtime, use
from tests.helpers.crash import NAMES
from tests.helpers.simulators import simulator


class Trader:
    def __init__(self, server: Any, path: Path) -> None:
        self.server, self.path = server, path
        self.exchange: Any = Exchange(
            NAMES[server.venue],
            "BTC_USDT",
            access_key=server.key,
            secret_key=server.secret,
            passphrase=server.passphrase,
            base=server.base_url,
            errors="raise",
        )
        self.book = self.exchange.GetDepth()

    def fills(self) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path.with_name("orders.sqlite3"))) as connection:
            return connection.execute("SELECT * FROM fills ORDER BY order_id, trade_id").fetchall()


@pytest.fixture(params=["binance", "okx"])
def trader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trader]:
    path = tmp_path / "strategy.sqlite3"
    with simulator(request.param) as server:
        runtime = Runtime(name="fills", console=False, database=path)
        with use(runtime):
            made = Trader(server, path)
            try:
                yield made
            finally:
                made.exchange.close()
                runtime.close()


def test_the_sum_of_the_fills_is_what_was_filled_and_each_is_kept_once(trader: Trader) -> None:
    exchange, asks = trader.exchange, trader.book.Asks
    amount = round(sum(level.Amount for level in asks[:3]), 5)  # several levels: several fills
    taken = exchange.Buy(round(asks[3].Price * 1.001, 1), amount)
    resting = exchange.Buy(round(trader.book.Bids[0].Price * 0.9, 1), 0.01)
    first, second = exchange.Reconcile(fills=True)
    assert (first.order_id, second.order_id) == (taken, resting)
    assert float(first.deal_amount) == exchange.GetOrder(taken).DealAmount > 0
    assert (second.status, second.deal_amount, second.detail) == (0, Decimal(0), "")
    stored = trader.fills()
    assert len(stored) > 1
    assert sum(Decimal(row[5]) for row in stored) == first.deal_amount
    assert {row[2] for row in stored} == {taken}
    found = trader.server.exchange.fills(trader.server.account, None)
    assert sorted((Decimal(row[4]), Decimal(row[5]), Decimal(row[6]), row[7]) for row in stored) == sorted(
        (fill.price, fill.quantity, fill.fee, fill.fee_asset) for fill in found
    )
    # The same again gives the same rows; the order that has ended is not asked about any more.
    assert [record.order_id for record in exchange.Reconcile(fills=True)] == [resting]
    exchange.CancelOrder(resting)
    assert [record.status for record in exchange.Go("Reconcile", True).wait().value] == [2]
    assert exchange.Reconcile(fills=True) == []
    assert trader.fills() == stored


def test_fills_that_do_not_add_up_are_told_and_not_stored(trader: Trader) -> None:
    exchange = trader.exchange
    exchange.Buy(round(trader.book.Asks[0].Price * 1.01, 1), 0.001)
    read = exchange.venue.fills
    exchange.venue.fills = lambda order: read(order)[1:]
    (record,) = exchange.Reconcile(fills=True)
    assert "add up to 0" in record.detail
    assert record.deal_amount is None
    assert trader.fills() == []
    exchange.venue.fills = lambda order: read(order) * 2  # a page that overlaps the one before
    (record,) = exchange.Reconcile(fills=True)
    assert (record.deal_amount, record.detail) == (Decimal("0.001"), "")


def test_without_an_order_log_there_are_no_fills(trader: Trader) -> None:
    server = trader.server
    exchange: Any = Exchange(NAMES[server.venue], "BTC_USDT", base=server.base_url, errors="raise", durability="memory")
    with pytest.raises(InputError, match="durability='memory'"):
        exchange.Reconcile(fills=True)
    assert exchange.Reconcile() == []
