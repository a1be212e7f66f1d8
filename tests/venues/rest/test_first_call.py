"""What the first calls cost: one symbol's rules are asked for alone, beside the first call, and an order after it waits for nothing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.errors import UnknownSymbol
from fmzthreads.exchange.exchange import Exchange
from tests.helpers.exchange_room import MemoryHost, run_threads
from tests.helpers.http_faults import FaultServer, Peer
from tests.helpers.venue_replies import BINANCE_INFO, OKX_INSTRUMENTS, narrowed

BOOK = {"bids": [["4", "1"]], "asks": [["5", "1"]]}
PATIENCE_S = 60.0


class Venue:
    """Both venues' few endpoints; what is named in ``held`` is answered when the test says so."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.held = ""
        self.go_on = threading.Event()
        self.refuse_orders = False

    def __call__(self, peer: Peer) -> None:
        while (seen := peer.request()) is not None:
            self.targets.append(f"{seen.method} {seen.target}")
            if self.held and self.held in seen.target:
                self.go_on.wait(PATIENCE_S)
            status, body = self.answer(seen.method, seen.target)
            peer.reply(json.dumps(body).encode(), status=status)

    def answer(self, method: str, target: str) -> tuple[str, Any]:
        path, _, query = target.partition("?")
        asked = dict(part.split("=", 1) for part in query.split("&") if part)
        if path == "/api/v3/exchangeInfo":
            return "200 OK", narrowed(BINANCE_INFO, "symbols", "symbol", asked.get("symbol"))
        if path == "/api/v5/public/instruments":
            return "200 OK", narrowed(OKX_INSTRUMENTS, "data", "instId", asked.get("instId"))
        now_ms = int(time.time() * 1000)
        if path == "/api/v5/market/books":
            return "200 OK", {"code": "0", "data": [{**BOOK, "ts": str(now_ms)}]}
        if path == "/api/v5/public/time":
            return "200 OK", {"code": "0", "data": [{"ts": str(now_ms)}]}
        if path == "/api/v5/trade/order":
            return "200 OK", {"code": "0", "data": [{"ordId": "7", "sCode": "0"}]}
        if (method, path) == ("POST", "/api/v3/order") and self.refuse_orders:
            return "400 Bad Request", {"code": -1013, "msg": "Filter failure: LOT_SIZE"}
        return "200 OK", {**BOOK, "lastUpdateId": 1, "serverTime": now_ms, "orderId": 7}

    def count(self, part: str) -> int:
        return sum(part in target for target in self.targets)


@contextmanager
def room(name: str, venue: Venue, pair: str = "BTC_USDT") -> Iterator[tuple[Exchange[Any], MemoryHost]]:
    host = MemoryHost(WallClock())
    with FaultServer(venue) as server:
        exchange: Exchange[Any] = Exchange(
            name, pair, access_key="k", secret_key="s", passphrase="p", base=server.base, host=host
        )
        with exchange:
            yield exchange, host


def until(condition: Any) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never came"
        threading.Event().wait(0.002)


BOTH = [
    ("Binance", "/api/v3/depth", "/api/v3/exchangeInfo?symbol=BTCUSDT", "/api/v3/time", "POST /api/v3/order"),
    (
        "OKX",
        "/api/v5/market/books",
        "/api/v5/public/instruments?instType=SPOT&instId=BTC-USDT",
        "/api/v5/public/time",
        "POST /api/v5/trade/order",
    ),
]


@pytest.mark.parametrize(("name", "depth", "rules", "clock", "order"), BOTH)
def test_a_first_depth_waits_for_nothing_but_itself_and_a_first_order_adds_no_request(
    name: str, depth: str, rules: str, clock: str, order: str
) -> None:
    venue = Venue()
    venue.held = rules.partition("?")[0]
    with room(name, venue) as (exchange, host):
        assert exchange.GetDepth().Asks[0].Price == 5.0  # answered although no rules were
        until(lambda: venue.count(rules) == 1)
        venue.go_on.set()
        until(lambda: venue.count(clock) == 1)
        assert exchange.Buy(4, 10) is not None, host.errors
        assert exchange.Sell(5, 10) is not None, host.errors
        counts = {part: venue.count(part) for part in (depth, rules, clock, order)}
        assert counts == {depth: 1, rules: 1, clock: 1, order: 2}
        assert len(venue.targets) == 5, venue.targets


def test_the_whole_list_is_for_those_who_want_all() -> None:
    venue = Venue()
    with room("Binance", venue) as (exchange, _):
        assert set(exchange.GetMarkets()) == {"BTC_USDT", "ETH_USDT"}
        assert venue.targets == ["GET /api/v3/exchangeInfo"]


def test_a_refused_order_has_the_rules_fetched_before_the_next_one() -> None:
    venue = Venue()
    with room("Binance", venue) as (exchange, host):
        venue.refuse_orders = True
        assert exchange.Buy(4, 10) is None
        assert "LOT_SIZE" in host.errors[0]
        venue.refuse_orders = False
        assert exchange.Buy(4, 10) is not None
        assert venue.count("exchangeInfo?symbol=BTCUSDT") == 2


@pytest.mark.parametrize(("name", "depth", "rules", "clock", "order"), BOTH)
def test_first_orders_of_many_threads_ask_for_the_rules_and_the_time_once(
    name: str, depth: str, rules: str, clock: str, order: str
) -> None:
    venue = Venue()
    placed: list[Any] = []
    with room(name, venue) as (exchange, _):

        def work(index: int) -> None:
            if index % 2:
                exchange.GetDepth()
            placed.append(exchange.Buy(4, 10))

        run_threads(64, work)
        assert len(placed) == 64
        assert (venue.count(rules), venue.count(clock), venue.count(depth)) == (1, 1, 32)
        assert venue.count(order) == sum(one is not None for one in placed) > 0  # the rest was refused by OKX's limit


def test_a_strategy_that_repeats_a_refused_order_does_not_fetch_the_rules_each_time() -> None:
    venue = Venue()
    with room("Binance", venue) as (exchange, _):
        venue.refuse_orders = True
        for _ in range(20):
            assert exchange.Buy(4, 10) is None
        assert venue.count("POST") == 20
        assert venue.count("exchangeInfo") <= 1 + 1 + PATIENCE_S / 5


@pytest.mark.parametrize("what", ["status", "row", "text"])
def test_no_order_is_sent_without_rules(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    venue = Venue()
    usual = venue.answer

    def _answer(method: str, target: str) -> tuple[str, Any]:
        if "exchangeInfo" not in target:
            return usual(method, target)
        if what == "status":
            return "400 Bad Request", {"code": -1000, "msg": "no"}
        return "200 OK", {"symbols": [{"symbol": "BTCUSDT"}]} if what == "row" else "odd"

    monkeypatch.setattr(venue, "answer", _answer)
    with room("Binance", venue) as (exchange, host):
        assert exchange.GetDepth() is not None
        for _ in range(3):
            assert exchange.Buy(4, 10) is None
            assert exchange.Sell(-1, 10) is None
        assert venue.count("POST") == 0
        assert len(host.errors) == 6


def test_a_name_that_belongs_to_another_symbol_is_found_out_before_an_order() -> None:
    """BTCU_SDT would be Binance's BTCUSDT as well."""
    venue = Venue()
    with room("Binance", venue, "BTCU_SDT") as (exchange, host):
        assert exchange.Buy(4, 10) is None
        assert "does not list 'BTCU_SDT'" in host.errors[0]
        assert venue.count("POST") == 0
        assert exchange.GetDepth() is None  # known by now
        with pytest.raises(UnknownSymbol):
            exchange.venue.rules("BTCU_SDT")


READS: tuple[Callable[[Exchange[None]], object], ...] = (
    lambda exchange: exchange.GetDepth(),
    lambda exchange: exchange.GetTicker(),
    lambda exchange: exchange.GetTrades(),
    lambda exchange: exchange.GetRecords(60, 5),
    lambda exchange: exchange.GetOrders("BTCU_SDT"),
    lambda exchange: exchange.GetHistoryOrders(),
    lambda exchange: exchange.Subscribe("depth"),
)


@pytest.mark.parametrize("read", READS)
def test_the_first_read_of_a_name_that_belongs_to_another_symbol_answers_nothing(
    read: Callable[[Exchange[None]], object],
) -> None:
    venue = Venue()
    with room("Binance", venue, "BTCU_SDT") as (exchange, host):
        assert read(exchange) is None
        assert "does not list 'BTCU_SDT'" in host.errors[0]
        assert venue.count("depth") == venue.count("klines") == venue.count("Trades") == venue.count("ticker") == 0
