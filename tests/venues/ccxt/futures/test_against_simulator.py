"""Contracts over ccxt's own classes of Binance and OKX, end to end against the simulators, under FMZ's face: both families, both modes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.constants import ORDER_OFFSET_CLOSE, ORDER_STATE_CANCELED, ORDER_STATE_CLOSED, PD_LONG, PD_SHORT
from fmzthreads.errors import InputError, InsufficientFunds, NotSupported, OutcomeUnknown
from fmzthreads.exchange.exchange import Exchange
from tests.helpers.exchange_room import MemoryHost
from tests.helpers.simulators import contract_simulator, simulator

pytest.importorskip("ccxt", reason="needs the extra 'ccxt'")
pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")

CASES = [
    ("binanceusdm", "BTC_USDT", 0.05, "Balance", (1, "BTC")),
    ("binancecoinm", "BTC_USD", 7, "Stocks", (100, "USD")),
    ("okx", "BTC_USDT", 3, "Balance", (0.01, "BTC")),
]


@contextmanager
def exchange_at(server: Any, exchange_id: str, pair: str, **options: Any) -> Iterator[Any]:
    exchange = Exchange(
        f"Futures_ccxt:{exchange_id}", pair, base=server.base_url, access_key=server.key, secret_key=server.secret,
        passphrase=server.passphrase or "", host=MemoryHost(WallClock()), errors="raise", paced=False, **options,
    )  # fmt: skip
    yield exchange
    exchange.close()


@contextmanager
def served(exchange_id: str, *, hedge: bool = False) -> Iterator[Any]:
    made = simulator("okx", products=["swap"]) if exchange_id == "okx" else contract_simulator()
    with made as server:
        if hedge:
            native = "Futures_OKX" if exchange_id == "okx" else "Futures_Binance"
            setter: Any = Exchange(
                native, "BTC_USDT", base=server.base_url, access_key=server.key, secret_key=server.secret,
                passphrase=server.passphrase or "", host=MemoryHost(WallClock()), errors="raise",
            )  # fmt: skip
            setter.IO("dual", True)
            setter.close()
        yield server


@pytest.mark.parametrize(("exchange_id", "pair", "amount", "margin", "value"), CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize("hedge", [False, True])
def test_a_position_is_opened_and_closed_and_never_turned(
    exchange_id: str, pair: str, amount: float, margin: str, value: tuple[float, str], hedge: bool
) -> None:
    symbol = f"{pair}.swap"
    with served(exchange_id, hedge=hedge) as server, exchange_at(server, exchange_id, pair) as exchange:
        listed = exchange.SetContractType("swap")
        assert (listed.CtVal, listed.CtValCcy) == value
        before = exchange.GetAccount()
        assert (before.Equity, before.UPnL) == (before[margin], 0)
        assert exchange.SetMarginLevel(10)
        for opens, closes, kind in (("buy", "closebuy", PD_LONG), ("sell", "closesell", PD_SHORT)):
            opened = exchange.GetOrder(exchange.CreateOrder("", opens, -1, amount))
            assert (opened.Status, opened.DealAmount, opened.Symbol) == (ORDER_STATE_CLOSED, amount, symbol)
            (held,) = exchange.GetPositions()
            assert (held.Symbol, held.Type, held.Amount, held.MarginLevel) == (symbol, kind, amount, 10)
            during = exchange.GetAccount()
            assert during.UPnL == pytest.approx(held.Profit, abs=1e-3)
            closed = exchange.GetOrder(exchange.CreateOrder("", closes, -1, 100 * amount))
            assert (closed.Amount, closed.Offset) == (amount, ORDER_OFFSET_CLOSE)
            assert exchange.GetPositions() == []
            with pytest.raises(InputError, match="could close; nothing was sent"):
                exchange.CreateOrder("", closes, -1, amount)
        assert exchange.GetAccount()[margin] < before[margin]  # the spread and the fees
        assert exchange.venue.position_mode() == ("hedge" if hedge else "one_way")


@pytest.mark.parametrize(("exchange_id", "pair", "amount", "margin", "value"), CASES, ids=[case[0] for case in CASES])
def test_orders_market_data_and_what_is_not_there(
    exchange_id: str, pair: str, amount: float, margin: str, value: tuple[float, str]
) -> None:
    symbol = f"{pair}.swap"
    with served(exchange_id) as server, exchange_at(server, exchange_id, pair) as exchange:
        last = exchange.GetTicker().Last
        assert symbol in {ticker.Symbol for ticker in exchange.GetTickers()}
        assert all("." in name for name in exchange.GetMarkets())
        order_id = exchange.CreateOrder("", "buy", round(last * 0.9), amount)
        assert [order.Id for order in exchange.GetOrders()] == [order_id]
        assert [order.Id for order in exchange.GetOrders(symbol)] == [order_id]
        assert exchange.CancelAll()
        assert exchange.GetOrder(order_id).Status == ORDER_STATE_CANCELED
        assert [order.Id for order in exchange.GetHistoryOrders(symbol)] == [order_id]
        (rate,) = exchange.GetFundings(symbol)
        assert (rate.Symbol, rate.Time > 0) == (symbol, True)
        assert symbol in {one.Symbol for one in exchange.GetFundings()}
        assert exchange.GetFundingPayments() == []
        assert {asset.Currency for asset in exchange.GetAssets()} >= {"USDT" if margin == "Balance" else "BTC"}
        assert exchange.IO("cross", False)
        with pytest.raises(NotSupported, match="code 'quarter'"):
            exchange.SetContractType("quarter")
        with pytest.raises(NotSupported, match="CreateConditionOrder"):
            exchange.CreateConditionOrder(
                "", "buy", amount, {"ConditionType": 1, "TpTriggerPrice": 1, "TpOrderPrice": -1}
            )
        assert exchange.SetMarginLevel(1)
        with pytest.raises(InsufficientFunds):
            exchange.CreateOrder("", "buy", round(last * 0.9), 900 if exchange_id == "binanceusdm" else 9_000)


def test_a_stop_by_an_option_is_listed_with_the_orders_and_cancelled() -> None:
    with served("binanceusdm") as server, exchange_at(server, "binanceusdm", "BTC_USDT") as exchange:
        last = exchange.GetTicker().Last
        exchange.CreateOrder("", "buy", -1, 0.05)
        stop = exchange.CreateOrder("", f"closebuy;stopLossPrice={round(last * 0.9)}", -1, 1)
        (listed,) = exchange.GetOrders()
        assert (listed.Id, listed.Amount) == (stop, 0.05)
        assert exchange.CancelOrder(stop)
        assert exchange.GetOrders() == []


def test_an_order_without_a_reply_is_found_by_its_client_order_id() -> None:
    with served("binanceusdm") as server, exchange_at(server, "binanceusdm", "BTC_USDT") as exchange:
        price = round(exchange.GetTicker().Last * 0.9)
        server.faults.set("/fapi/v1/order", cut_reply=1)
        order_id = exchange.CreateOrder("", "buy", price, 0.05)
        assert [order.Id for order in exchange.GetOrders()] == [order_id]
        assert exchange.UnknownOrders() == []


def test_an_order_without_a_reply_and_without_an_id_stays_unknown_in_the_log() -> None:
    plain = {"client_order_ids": False}
    with served("binanceusdm") as server, exchange_at(server, "binanceusdm", "BTC_USDT", **plain) as exchange:
        price = round(exchange.GetTicker().Last * 0.9)
        server.faults.set("/fapi/v1/order", cut_reply=1)
        with pytest.raises(OutcomeUnknown):
            exchange.CreateOrder("", "buy", price, 0.05)
        assert len(exchange.UnknownOrders()) == 1
        assert len(exchange.GetOrders()) == 1  # it was sent once
