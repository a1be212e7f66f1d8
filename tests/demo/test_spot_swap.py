"""The demo between a spot market and a contract: sizes, both directions, a leg that fails, the audit of both accounts, and the command."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.demo.audit import audit, sent_twice
from fmzthreads.demo.market_pairs import BASE, QUOTE, DemoAccount, market_pair, set_funding
from fmzthreads.demo.scripts import load_example
from fmzthreads.demo.simulators import simulators
from fmzthreads.errors import InputError
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.simulator import SimulatorServer
from fmzthreads.strategy.runtime import Runtime, use
from fmzthreads.structures import Market
from tests.helpers.simulators import contract_simulator

pytest.importorskip("uvicorn", reason="the demo runs against the simulator, which needs the extra server")

PAIR = f"{BASE}_{QUOTE}"
SWAP = f"{PAIR}.swap"
PATIENCE_MS = 60_000


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with contract_simulator("um") as running:
        yield running


@pytest.fixture
def bot(server: SimulatorServer, tmp_path: Path) -> Iterator[Any]:
    """The bot over a market that stands still, with the accounts read."""
    example = load_example("hedge_two_markets")
    with use(Runtime(WallClock(), console=False, name="demo", database=tmp_path / "strategy.sqlite3")):
        exchanges = [
            Exchange(name, PAIR, access_key=server.key, secret_key=server.secret, base=server.base_url)
            for name in ("Binance", "Futures_Binance")
        ]
        made = example.SwapHedgeBot(exchanges, streams=False)
        made.timeout_ms = PATIENCE_MS
        assert made.start()
        made.books = made.both("GetDepth")
        yield made
        for exchange in exchanges:
            exchange.close()


def plan(bot: Any, buy: int, sell: int, amount: float = 0.02) -> Any:
    """A hedge at prices that both books pay."""
    mark = bot.mark()
    return load_example("hedge_two_exchanges").Plan(buy, sell, round(mark * 1.01, 1), round(mark * 0.99, 1), amount)


def held(server: SimulatorServer, product: str) -> dict[str, Decimal]:
    """What the account of a product holds, in the form of the audit."""
    state = server.state()
    if product == "spot":
        return {name: Decimal(one["free"]) + Decimal(one["frozen"]) for name, one in state["balances"].items()}
    found = {name: Decimal(amount) for name, amount in state["contracts"][product]["wallets"].items()}
    found.update({one["instrument"]: Decimal(one["quantity"]) for one in state["contracts"][product]["positions"]})
    return found


def test_it_hedges_in_both_directions_and_leaves_less_than_a_lot_of_spot(bot: Any, server: SimulatorServer) -> None:
    begin = {product: held(server, product) for product in ("spot", "um")}
    for buy, sell, position in ((0, 1, -0.02), (1, 0, 0.0), (1, 0, 0.02), (0, 1, 0.0)):
        bot.hedge(plan(bot, buy, sell))
        assert bot.sure
        assert bot.position == pytest.approx(position, abs=1e-12)
        assert abs(bot.exposure()) <= bot.lots[0]
    assert (bot.hedges, bot.failures, bot.sent) == (4, [], [4, 4])
    contracts = server.exchanges["um"].contracts
    bot.hedge(plan(bot, 0, 1))
    contracts.set_funding(SWAP, Decimal("0.001"))
    contracts.pay_funding(SWAP)
    for exchange, product in zip(bot.exchanges, ("spot", "um"), strict=True):
        found = audit(exchange, BASE, QUOTE, begin[product], held(server, product))
        assert set(found.differences.values()) == {"0"}, found
        assert found.fills >= 5
        assert found.fees > 0
        assert (found.funding > 0) == (product == "um")
        symbol = PAIR if product == "spot" else SWAP
        assert sent_twice(exchange, symbol, round(WallClock().now() * 1000), 5) == []
        (line,) = sent_twice(exchange, symbol, round(WallClock().now() * 1000), 4)
        assert line == f"{exchange.GetName()} has 5 orders, but only 4 were sent"
    assert server.state()["contracts"]["um"]["reconciled"]


def test_the_profit_of_the_contract_is_what_its_wallet_and_position_gained(bot: Any, server: SimulatorServer) -> None:
    before = held(server, "um")
    bot.hedge(plan(bot, 1, 0))
    (position,) = server.state()["contracts"]["um"]["positions"]
    unrealised = Decimal(position["quantity"]) * (Decimal(repr(bot.mark())) - Decimal(position["entry_price"]))
    gained = held(server, "um")[QUOTE] - before[QUOTE] + unrealised
    assert bot.profits()[1] == pytest.approx(float(gained), abs=1e-6)


@pytest.mark.parametrize("path", ["/fapi/v1/order", "/api/v3/order"])
def test_a_leg_that_is_refused_is_made_up_for_at_once(path: str, bot: Any, server: SimulatorServer) -> None:
    server.faults.set(path, refuse=True)
    bot.hedge(plan(bot, 0, 1))
    server.faults.clear()
    bot.finish(patience_ms=PATIENCE_MS)
    assert len(bot.failures) >= 1
    assert abs(bot.exposure()) < bot.lot
    assert server.state()["contracts"]["um"]["reconciled"]
    assert server.state()["reconciled"]


def test_less_than_the_contract_takes_is_evened_out_on_spot(bot: Any) -> None:
    assert bot.min_notionals[1] > bot.min_notionals[0]
    amount = 0.0012  # above a step of the contract, below its smallest value
    assert bot.lot < amount < bot.min_notionals[1] / bot.mark()
    bot.send([(0, "buy", round(bot.mark() * 1.01, 2), amount)])
    bot.read_accounts()
    assert bot.worth(bot.exposure())
    assert bot.cheapest("sell", bot.exposure()) == 0
    assert bot.repair("by hand")
    assert bot.sent == [2, 0]


def contract_market(value: float, step: float) -> Market:
    return Market(
        Symbol=SWAP, BaseAsset=BASE, QuoteAsset=QUOTE, AmountSize=step, MinNotional=0.0, CtVal=value, CtValCcy=BASE
    )


def test_amounts_of_contracts_that_are_not_coins_are_converted(bot: Any) -> None:
    spot_market = bot.exchanges[0].GetMarkets()[PAIR]
    bot.learn([spot_market, contract_market(0.01, 0.1)])  # 0.001 coins a step
    assert bot.lot == pytest.approx(0.001)
    assert bot.units(1, 0.0209999, 60_000.0) == 2.0
    assert bot.units(1, 0.021, 60_000.0) == 2.1
    assert bot.coins(-2.1) == pytest.approx(-0.021)
    bought, sold = bot.amounts(plan(bot, 0, 1, 0.0215))
    assert sold == pytest.approx(0.021)
    assert bought * (1 - bot.coin_fees[0]) == pytest.approx(sold, abs=bot.lots[0])


def test_what_was_left_over_is_traded_along_on_spot(bot: Any) -> None:
    bot.accounts = [copy.copy(account) for account in bot.accounts]  # those of the beginning are the same objects
    bot.accounts[0].coins += 0.0003
    assert bot.exposure() == pytest.approx(0.0003)
    bought, sold = bot.amounts(plan(bot, 1, 0))
    assert (bought, sold) == (pytest.approx(0.02), pytest.approx(0.0203))
    bought, sold = bot.amounts(plan(bot, 0, 1))
    assert (bought * 0.999, sold) == (pytest.approx(0.0197, abs=bot.lots[0]), pytest.approx(0.02))


def test_the_swap_pays_its_fee_in_money_and_spot_in_coins(bot: Any) -> None:
    assert bot.coin_fees == [0.001, 0.0]
    assert bot.fees == [0.001, 0.0005]


def test_what_closes_the_position_needs_no_margin(bot: Any) -> None:
    bot.accounts[1].free_money = 0.0
    bot.position = -0.5
    assert bot.room(1, "buy", 60_000.0) == pytest.approx(0.5)
    assert bot.room(1, "sell", 60_000.0) == 0.0


class Ledger:
    """A futures account that answers from lists."""

    def __init__(self, trades: list[dict[str, Any]], payments: list[dict[str, Any]] | None) -> None:
        self.trades, self.payments = trades, payments

    def GetName(self) -> str:
        return "Futures_Binance"

    def GetLastError(self) -> str:
        return ""

    def GetHistoryOrders(self, *args: Any) -> Any:
        return None

    def IO(self, command: str, *args: Any) -> Any:
        return self.payments if "income" in args[1] else self.trades


TRADES = [
    {"side": "SELL", "qty": "0.02", "realizedPnl": "0", "commission": "0.6", "commissionAsset": QUOTE, "id": 1},
    {"side": "BUY", "qty": "0.005", "realizedPnl": "1.5", "commission": "0.15", "commissionAsset": QUOTE, "id": 2},
]
PAYMENTS = [{"asset": QUOTE, "income": "0.25"}, {"asset": QUOTE, "income": "-0.05"}]


def test_the_books_of_a_contract_are_fills_fees_and_funding() -> None:
    begin, end = {QUOTE: Decimal(1000)}, {QUOTE: Decimal("1000.95"), SWAP: Decimal("-0.015")}
    found = audit(Ledger(TRADES, PAYMENTS), BASE, QUOTE, begin, end)
    assert found.differences == {SWAP: "0", QUOTE: "0"}
    assert (found.fills, found.fees, found.funding) == (2, pytest.approx(0.75), pytest.approx(0.2))
    wrong = audit(Ledger(TRADES, PAYMENTS[:1]), BASE, QUOTE, begin, {**end, SWAP: Decimal("-0.014")})
    assert wrong.differences == {SWAP: "0.001", QUOTE: "-0.05"}


@pytest.mark.parametrize("payments", [None, PAYMENTS * 500], ids=["no list", "a list that may go on"])
def test_a_list_of_funding_that_may_not_be_whole_is_not_believed(payments: Any) -> None:
    with pytest.raises(LookupError, match="Futures_Binance returned no whole list of funding payments"):
        audit(Ledger(TRADES, payments), BASE, QUOTE, {}, {})


def test_without_a_list_of_orders_nothing_is_said_to_be_sent_once() -> None:
    with pytest.raises(LookupError, match="no list of orders"):
        sent_twice(Ledger([], []), SWAP, 0, 1)


def test_an_id_that_two_orders_have_is_named() -> None:
    class Twice(Ledger):
        def GetHistoryOrders(self, *args: Any) -> Any:
            from fmzthreads.structures import Order, info

            return [Order(Id=str(number), Info=info({"clientOrderId": "mine"})) for number in (1, 2)]

    assert sent_twice(Twice([], []), SWAP, 0, 2) == ["Futures_Binance has 2 orders with the client order id mine"]


def test_the_pair_is_named_by_its_options() -> None:
    assert market_pair("spot-spot", None).names == ("Binance", "OKX")
    assert market_pair("spot-swap", None).names == ("Binance", "Futures_Binance")
    assert market_pair("spot-swap", "OKX").names == ("OKX", "Futures_Binance")
    with pytest.raises(InputError, match="--spot OKX requires --pair spot-swap"):
        market_pair("spot-spot", "OKX")


@pytest.mark.parametrize(
    ("names", "count", "words"),
    [
        (("Binance", "Futures_Binance"), 2, r"given 2 times, expected once \(one file drives both\)$"),
        (("OKX", "Futures_Binance"), 3, r"expected once \(one file drives both\) or twice \(one each\)$"),
    ],
)
def test_more_files_than_simulators_are_refused(names: tuple[str, ...], count: int, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words), simulators(names, seed=1, data=[tmp_path / "bars.csv"] * count):
        pytest.fail("it was started")


class RecordingProcess:
    """Notes what is set at a simulator."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def state(self) -> dict[str, Any]:
        return {"time_ms": 1_000_000}

    def set_contract(self, instrument: str, **changes: Any) -> None:
        self.calls.append((instrument, changes))


def test_funding_is_due_once_after_half_of_the_time() -> None:
    process: Any = RecordingProcess()
    set_funding([DemoAccount("Binance", process, "", {}), DemoAccount("Futures_Binance", process, "um", {})], 20)
    assert process.calls == [(SWAP, {"funding_rate": "0.0001", "next_funding_ms": 1_010_000})]


def demo(*arguments: str, cwd: Path) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "fmzthreads", "demo", "--pair", "spot-swap", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, cwd=cwd)
    assert len(done.stdout.splitlines()) == 1, done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.example
@pytest.mark.parametrize(
    ("spot", "options"),
    [
        ("Binance", ["--seconds", "60", "--hedges", "2"]),
        ("OKX", ["--seconds", "8", "--rest", "--fault", "binance:lose_order_reply=0.3"]),
    ],
)
def test_the_command_hedges_and_both_books_agree(spot: str, options: list[str], tmp_path: Path) -> None:
    code, summary = demo("--spot", spot, *options, cwd=tmp_path)
    assert code == 0, summary
    assert summary["ok"]
    assert summary["problems"] == []
    assert abs(summary["exposure"]) <= summary["lot"] == pytest.approx(0.001)
    assert list(summary["differences"]) == [spot, "Futures_Binance"]
    assert list(summary["funding"]) == ["Futures_Binance"]
    assert "--hedges" not in options or 1 <= summary["hedges"] <= 2


@pytest.mark.example
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--spot", "OKX"], "--spot OKX requires --pair spot-swap"),
        (["--pair", "spot-swap", "--spot", "Kraken"], "Kraken"),
        (["--pair", "spot-swap", "--fault", "okx:hang=true"], "okx"),
    ],
)
def test_options_that_do_not_fit_are_named(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fmzthreads", "demo", *arguments],
        capture_output=True, text=True, timeout=110, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
