"""``Futures_Binance`` end to end over the simulator's contracts: both families, both modes, the stream, and what the venue does by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.constants import (
    ORDER_CONDITION_TYPE_SL,
    ORDER_CONDITION_TYPE_TP,
    ORDER_STATE_CANCELED,
    ORDER_STATE_CLOSED,
    PD_LONG,
    PD_SHORT,
)
from fmzthreads.errors import InputError, InvalidOrder, OrderNotFound
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.simulator import SimulatorServer
from tests.helpers.exchange_room import MemoryHost
from tests.helpers.simulators import contract_simulator

PATIENCE_S = 60.0
SWAP = "BTC_USDT.swap"


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with contract_simulator() as running:
        yield running


@pytest.fixture
def exchange(server: SimulatorServer) -> Iterator[Any]:
    made = Exchange(
        "Futures_Binance", "BTC_USDT", base=server.base_url, access_key=server.key, secret_key=server.secret,
        host=MemoryHost(WallClock()), errors="raise",
    )  # fmt: skip
    yield made
    made.close()


def until(holds: Callable[[], Any]) -> Any:
    clock = WallClock()
    end = clock.monotonic() + PATIENCE_S
    while clock.monotonic() < end:
        found = holds()
        if found:
            return found
        clock.sleep(0.01)
    raise AssertionError("it did not come about")


def set_mark(server: SimulatorServer, factor: str, symbol: str = SWAP, product: str = "um") -> None:
    contracts = server.exchanges[product].contracts
    contracts.set_prices(symbol, mark=contracts.prices(symbol).mark * Decimal(factor))


@pytest.mark.parametrize(("pair", "amount", "margin"), [("BTC_USDT", 0.05, "Balance"), ("BTC_USD", 7, "Stocks")])
@pytest.mark.parametrize("hedge", [False, True])
def test_a_position_is_opened_and_closed_and_never_turned(
    exchange: Any, pair: str, amount: float, margin: str, hedge: bool
) -> None:
    exchange.SetCurrency(pair)
    exchange.IO("dual", hedge)
    before = exchange.GetAccount()
    assert exchange.SetMarginLevel(10)
    for opens, closes, kind in (("buy", "closebuy", PD_LONG), ("sell", "closesell", PD_SHORT)):
        opened = exchange.GetOrder(exchange.CreateOrder("", opens, -1, amount))
        assert (opened.Status, opened.DealAmount, opened.Symbol) == (ORDER_STATE_CLOSED, amount, f"{pair}.swap")
        assert opened.AvgPrice > 50_000  # of the query: the reply to the placement has none
        (held,) = exchange.GetPositions()
        assert (held.Type, held.Amount, held.MarginLevel) == (kind, amount, 10)
        closed = exchange.GetOrder(exchange.CreateOrder("", closes, -1, 100 * amount))
        assert (closed.Amount, closed.Offset) == (amount, 1)
        assert exchange.GetPositions() == []
        with pytest.raises(InputError, match="could close; nothing was sent"):
            exchange.CreateOrder("", closes, -1, amount)
    after = exchange.GetAccount()
    assert after[margin] < before[margin]  # the spread and the fees
    assert after.Equity == pytest.approx(after[margin])


def test_orders_are_changed_found_and_cancelled(exchange: Any) -> None:
    last = exchange.GetTicker().Last
    order_id = exchange.Buy(round(last * 0.9, 1), 0.02)
    assert exchange.ModifyOrder(order_id, "buy", round(last * 0.91, 1), -1) == order_id
    order = exchange.GetOrder(order_id)
    assert (order.Price, order.Amount, order.Foreign) == (round(last * 0.91, 1), 0.02, False)
    assert exchange.ModifyOrder(order_id, "buy", -1, 0.03) == order_id
    assert [(one.Id, one.Amount) for one in exchange.GetOrders()] == [(order_id, 0.03)]
    assert exchange.CancelOrder(order_id)
    assert exchange.GetOrder(order_id).Status == ORDER_STATE_CANCELED
    with pytest.raises(OrderNotFound):
        exchange.ModifyOrder(order_id, "buy", -1, 0.04)
    assert [one.Id for one in exchange.GetHistoryOrders(SWAP)] == [order_id]
    with pytest.raises(InvalidOrder):  # post-only that would take
        exchange.CreateOrder(SWAP, "buy;timeInForce=GTX", round(last * 1.01, 1), 0.02)


def test_a_stop_and_the_order_that_it_places_are_one(exchange: Any, server: SimulatorServer) -> None:
    last = exchange.GetTicker().Last
    exchange.CreateOrder(SWAP, "buy", -1, 0.05)
    stop = {"ConditionType": ORDER_CONDITION_TYPE_SL, "SlTriggerPrice": round(last * 0.95, 1), "SlOrderPrice": -1}
    profit = {"ConditionType": ORDER_CONDITION_TYPE_TP, "TpTriggerPrice": round(last * 1.1, 1), "TpOrderPrice": -1}
    first = exchange.CreateConditionOrder("", "closebuy;workingType=MARK_PRICE", 0.05, stop)
    second = exchange.CreateConditionOrder("", "closebuy", 0.05, profit)
    changed = exchange.ModifyConditionOrder(
        first, "closebuy;workingType=MARK_PRICE", -1, {**stop, "SlTriggerPrice": round(last * 0.96, 1)}
    )
    assert [one.Id for one in exchange.GetConditionOrders()] == [second, changed]
    assert exchange.GetConditionOrder(first).Status == ORDER_STATE_CANCELED
    with pytest.raises(InputError, match="wrong side"):
        exchange.CreateConditionOrder("", "closebuy", 0.05, {**stop, "SlTriggerPrice": round(last * 1.05, 1)})
    set_mark(server, "0.95")
    done = until(lambda: (one := exchange.GetConditionOrder(changed)).Status == ORDER_STATE_CLOSED and one)
    assert (done.DealAmount, done.AvgPrice > 0) == (0.05, True)
    child = exchange.GetOrder(done.ChildId)
    assert (child.DealAmount, child.AvgPrice, child.Foreign) == (0.05, done.AvgPrice, False)
    assert exchange.GetPositions() == []
    assert exchange.CancelConditionOrder(second)
    assert {one.Id for one in exchange.GetHistoryConditionOrders()} == {first, second, changed}
    fates = [(record.intent.kind, record.fate) for record in exchange._core.intents.all()]
    assert fates == [
        ("order", "placed"), ("condition", "placed"), ("condition", "placed"), ("condition", "placed"), ("cancel_condition", "cancelled"),
        ("cancel_condition", "cancelled"),
    ]  # fmt: skip


def test_a_liquidation_has_a_flag_and_an_alarm_line(exchange: Any, server: SimulatorServer) -> None:
    host = exchange._core.host
    assert exchange.Subscribe("orders", wait_ms=PATIENCE_S * 1000)
    exchange.SetMarginLevel(20)
    exchange.IO("cross", False)
    exchange.CreateOrder(SWAP, "buy", -1, 1)
    until(lambda: exchange._core.accounts.orders(SWAP) is not None)
    set_mark(server, "0.9")
    (line,) = until(lambda: list(host.errors))
    assert "the venue made an order of its own (liquidation)" in line
    made = [one for one in exchange.GetHistoryOrders(SWAP) if one.MadeBy]
    assert [(one.MadeBy, one.Foreign) for one in made] == [("liquidation", True)]
    assert until(lambda: exchange.GetPositions() == [])
    assert len(host.errors) == 1


def test_the_stream_keeps_orders_and_positions_and_catches_up_after_a_cut(
    exchange: Any, server: SimulatorServer
) -> None:
    for channel in ("orders", "positions"):
        assert exchange.Subscribe(channel, wait_ms=PATIENCE_S * 1000)
    (feed,) = exchange.account_feeds
    last = exchange.GetTicker().Last
    resting = exchange.Buy(round(last * 0.9, 1), 0.02)
    exchange.CreateOrder(SWAP, "buy", -1, 0.05)
    until(lambda: exchange._core.accounts.positions(SWAP, amounts_only=True))
    assert [one.Id for one in exchange.GetOrders()] == [resting]
    assert exchange._core.accounts.positions(SWAP) is None  # the stream does not tell of leverage and margin: read once
    (read,) = exchange.GetPositions()
    assert (read.Symbol, read.Amount, read.MarginLevel > 0, read.Margin > 0) == (SWAP, 0.05, True, True)
    (known,) = exchange._core.accounts.positions(SWAP)
    assert (known.MarginLevel, known.Margin) == (read.MarginLevel, read.Margin)
    exchange.GetUpdates()
    feed._connection.close()  # the stream is cut, and while it is, the venue goes on
    until(lambda: feed.view.gaps == 1)
    exchange.venue.cancel(resting)
    until(feed.live.is_set)
    until(lambda: exchange._core.accounts.orders(SWAP) == [])
    assert exchange.GetOrders() == []
    kinds = [update.Kind for update in exchange.GetUpdates()]
    assert kinds[0] == "gap"
    assert set(kinds[1:]) == {"live", "order"}
    exchange.CreateOrder(SWAP, "closebuy", -1, 1)
    until(lambda: exchange._core.accounts.positions(SWAP) == [])
    assert exchange.venue.positions(SWAP) == []


def test_funding_is_listed(exchange: Any, server: SimulatorServer) -> None:
    exchange.CreateOrder(SWAP, "buy", -1, 0.1)
    contracts = server.exchanges["um"].contracts
    contracts.set_funding(SWAP, Decimal("0.0001"))
    (rate,) = exchange.GetFundings(SWAP)
    assert (rate.Symbol, rate.Rate, rate.Interval) == (SWAP, 0.0001, 28_800_000)
    contracts.pay_funding(SWAP)
    (paid,) = exchange.GetFundingPayments(SWAP)
    assert (paid.Symbol, paid.Currency) == (SWAP, "USDT")
    assert paid.Amount == pytest.approx(-0.1 * 0.0001 * float(contracts.prices(SWAP).mark), rel=1e-6)


def test_a_position_after_reconciliation_is_the_sum_of_the_signed_fills(exchange: Any) -> None:
    total = Decimal(0)
    for side, amount in (("buy", 0.05), ("buy", 0.02), ("closebuy", 0.03)):
        order = exchange.GetOrder(exchange.CreateOrder(SWAP, side, -1, amount))
        dealt = sum((fill.Amount for fill in exchange.venue.fills(order)), Decimal(0))
        total += dealt if side == "buy" else -dealt
    (held,) = exchange.GetPositions()
    assert Decimal(repr(held.Amount)) == total == Decimal("0.04")
