"""Paper trading through the exchange object: against a simulated exchange, without keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

from fmzthreads.constants import ORDER_CONDITION_TYPE_SL
from fmzthreads.errors import InputError, InvalidOrder, UnknownName
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.simulator.market.maker import MarketSettings
from fmzthreads.strategy.runtime import Runtime, use
from fmzthreads.testing import FakeVenue
from tests.helpers.simulators import simulator

PAPER = {"balances": {"USDT": 100_000, "BTC": 1}, "latency_ms": 0}


@pytest.fixture(params=["Binance", "OKX"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_orders_are_filled_against_the_venues_book_and_no_key_is_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    monkeypatch.setenv(f"FMZ_{name.upper()}_ACCESS_KEY", "a live key that is too secret")
    with simulator(name.lower()) as server:
        runtime = Runtime(name="on paper", console=False)
        with use(runtime):
            exchange: Any = Exchange(
                name, "BTC_USDT", base=server.base_url, access_key="live", errors="raise", paper=PAPER
            )
            ask = exchange.GetDepth().Asks[0]
            order = exchange.GetOrder(exchange.Buy(ask.Price, min(ask.Amount, 0.01)))
            assert order.Status == 1
            assert order.AvgPrice == ask.Price
            assert not order.Foreign
            resting = exchange.Buy(round(ask.Price * 0.7, 1), 0.01)
            assert [one.Id for one in exchange.GetOrders()] == [resting]
            account = exchange.GetAccount()
            assert account.Stocks == pytest.approx(1 + order.DealAmount * 0.999)
            assert account.FrozenBalance == pytest.approx(round(ask.Price * 0.7, 1) * 0.01)
            assert exchange.CancelOrder(resting)
            with pytest.raises(Exception, match="insufficient balance"):
                exchange.Sell(-1, 50)
            records = exchange.Reconcile(True)
            assert {record.status for record in records} == {1, 2}
            exchange.close()
            assert server.exchange.open_orders(server.exchange.account_by_key(server.key)) == []
            assert not any("live" in line.text for line in runtime.journal.lines())
        runtime.close()
    assert list(tmp_path.glob(f"*/paper-{name}.sqlite3"))


def test_contracts_of_a_futures_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    with (
        simulator("binance", products=("spot", "um", "cm")) as server,
        use(Runtime(name="on paper", console=False)),
        Exchange("Futures_Binance", "BTC_USDT", base=server.base_url, errors="raise", paper=PAPER) as exchange,
    ):
        exchange.SetMarginLevel(20)
        exchange.SetDirection("buy")
        exchange.Buy(-1, 0.05)
        exchange.CreateOrder("BTC_USD.swap", "sell", -1, 10)
        (long,) = exchange.GetPositions("USDT.swap")
        (short,) = exchange.GetPositions("USD.swap")
        assert (long.Amount, long.Type, long.MarginLevel) == (0.05, 0, 20)
        assert (short.Amount, short.Type) == (10, 1)
        account = exchange.GetAccount()
        assert account.FrozenBalance == pytest.approx(long.Price * 0.05 / 20)
        exchange.CreateOrder("BTC_USDT.swap", "closebuy", -1, 5)  # cut to the position
        assert exchange.GetPositions("USDT.swap") == []
        with pytest.raises(InputError, match="no long position"):
            exchange.CreateOrder("BTC_USDT.swap", "closebuy", -1, 0.01)


@pytest.mark.parametrize(
    ("name", "products", "option"),
    [
        ("Futures_Binance", ("um", "cm"), '{"workingType":"MARK_PRICE"}'),
        ("Futures_OKX", ("spot", "swap"), '{"slTriggerPxType":"mark"}'),
        ("Futures_OKX", ("spot", "swap"), '{"slTriggerPxType":"index"}'),
    ],
)
@pytest.mark.parametrize("symbol", ["BTC_USDT.swap", "BTC_USD.swap"])
def test_the_venues_own_mark_prices_and_tiers(
    name: str, products: tuple[str, ...], option: str, symbol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    settings = MarketSettings(levels=10, makers=1, take_chance=1)
    with (
        simulator(name[8:].lower(), symbols=["BTC_USDT"], products=products, settings=settings) as server,
        use(Runtime(name="on paper", console=False)),
        Exchange(name, symbol.partition(".")[0], base=server.base_url, errors="raise", paper=PAPER) as made,
    ):
        exchange: Any = made
        exchange.SetContractType("swap")
        exchange.IO("cross", False)
        with pytest.raises(InputError, match="by its brackets"):
            exchange.SetMarginLevel(201)
        exchange.SetMarginLevel(10)
        exchange.SetDirection("buy")
        exchange.Buy(-1, 1)
        last = exchange.GetTicker().Last
        stop = {"ConditionType": ORDER_CONDITION_TYPE_SL, "SlTriggerPrice": round(last * 0.7, 1), "SlOrderPrice": -1}
        with pytest.raises(InvalidOrder, match=r"refused: .*(code -2021|SL trigger price)"):
            exchange.CreateConditionOrder(
                symbol, f"closebuy;{option}", 1, {**stop, "SlTriggerPrice": round(last * 2, 1)}
            )
        order_id = exchange.CreateConditionOrder(symbol, f"closebuy;{option}", 1, stop)
        exchange.venue.look()
        (position,) = exchange.GetPositions()
        assert position.Info.marginMode == "isolated"
        assert position.Info.markPrice == pytest.approx(last, rel=0.05)
        assert 0 < position.Info.liquidationPrice < last * 0.95
        assert position.Info.maintenanceMargin > 0
        assert exchange.GetConditionOrder(order_id).Status == 0


def test_the_environment_turns_it_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    monkeypatch.setenv("FMZTHREADS_PAPER", "1")
    with use(Runtime(name="on paper", console=False)):
        with Exchange("Binance", "BTC_USDT", access_key="k", secret_key="s", base="http://127.0.0.1:9") as exchange:
            assert exchange.GetAccount().Balance == 10_000
            assert exchange.venue.account_id().startswith("paper:Binance:")
        with Exchange("Binance", "BTC_USDT", base="http://127.0.0.1:9", paper=False) as exchange:
            assert exchange.GetAccount() is None


def test_what_is_not_valid() -> None:
    with pytest.raises(UnknownName, match="did you mean 'balances'"):
        Exchange("Binance", "BTC_USDT", paper={"balance": {}})
    with pytest.raises(InputError, match="paper"):
        Exchange("Fake", "BTC_USDT", venue=FakeVenue(), paper=True)
