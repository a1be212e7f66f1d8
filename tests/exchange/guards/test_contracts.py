"""Guards and the kill switch on a futures exchange, in one-way mode, where the venue shows no offset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

from fmzthreads.constants import ORDER_CONDITION_TYPE_SL
from fmzthreads.errors import GuardRefused
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.guards.reduce_only import is_reduce_only
from fmzthreads.strategy.runtime import Runtime, use
from fmzthreads.structures import Order
from tests.helpers.simulators import simulator


def test_closing_orders_do_not_count_and_protective_ones_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    with (
        simulator("binance", products=("spot", "um", "cm")) as server,
        use(Runtime(name="guarded", console=False)),
        Exchange(
            "Futures_Binance",
            "BTC_USDT",
            base=server.base_url,
            access_key=server.key,
            secret_key=server.secret,
            errors="raise",
            guards={"max_position": 0.2, "max_order_value": 8000, "position_age_s": 0.000001},
        ) as made,
    ):
        exchange: Any = made
        price = exchange.GetTicker().Last
        low, high = round(price * 0.9, 1), round(price * 1.1, 1)
        exchange.CreateOrder("", "buy", -1, 0.1)
        exchange.CreateOrder("", "closebuy", high, 0.1)  # a sale, which cannot open a short position
        exchange.CreateOrder("", "sell", high, 0.11)
        with pytest.raises(GuardRefused, match="max_order_value"):
            exchange.CreateOrder("", "buy", low, 0.15)
        exchange.CreateOrder("", "buy", low, 0.06)
        with pytest.raises(GuardRefused, match="max_position"):
            exchange.CreateOrder("", "buy", low, 0.06)
        stop = {"ConditionType": ORDER_CONDITION_TYPE_SL, "SlTriggerPrice": round(price * 0.8, 1), "SlOrderPrice": -1}
        protective = exchange.CreateConditionOrder("", "closebuy", 0.1, stop)
        exchange.CreateConditionOrder("", "sell", 0.01, stop)
        report = exchange.Kill()
        assert (report.cancelled, report.kept, report.failed) == (4, 1, ())
        assert [order.Id for order in exchange.GetConditionOrders()] == [protective]
        assert exchange.GetOrders() == []
        with pytest.raises(GuardRefused, match="kill switch"):
            exchange.CreateConditionOrder("", "closebuy", 0.1, stop)
        report = exchange.Kill(protective=True)
        assert (report.cancelled, report.kept) == (1, 0)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"Offset": 1}, True),
        ({"Offset": 0}, False),
        ({"Offset": 0, "Info": {"reduceOnly": True}}, True),
        ({"Offset": 0, "Info": {"reduceOnly": "true"}}, True),
        ({"Offset": 0, "Info": {"reduceOnly": "false", "closePosition": False}}, False),
        ({"Offset": 0, "Info": {"closePosition": True}}, True),
    ],
)
def test_what_can_only_reduce(fields: dict[str, Any], expected: bool) -> None:
    assert is_reduce_only(Order(fields)) is expected
