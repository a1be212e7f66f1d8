"""Many live books, of several exchange objects, at a venue that keeps its limits of connections and messages: nothing is ever refused."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.simulator import SimulatorServer
from fmzthreads.streams import Connection, Dial
from fmzthreads.streams.sharing import connect_turns
from fmzthreads.streams.sharing.connect_turns import OKX_LIMITS
from fmzthreads.venues.binance import streams as binance_stream
from fmzthreads.venues.okx import streams as okx_stream
from tests.helpers.exchange_room import MemoryHost

LONG_S = 60.0
_REFUSED = re.compile(r"HTTP 429|(?<!:)\b(1008|60014)\b")  # not the number of a port


@pytest.fixture(autouse=True)
def _no_stream_is_left() -> Iterator[None]:
    yield  # the rules of a symbol may still be on their way
    left = [thread.name for thread in threading.enumerate() if not thread.name.startswith("rules of")]
    assert not [name for name in left if name.startswith(("shared", "book", "Dial"))]


class Market:
    """A simulated venue with many symbols, and two exchange objects in one runtime, which share the books out."""

    def __init__(self, name: str, count: int) -> None:
        self.symbols = [f"C{number:02d}_USDT" for number in range(count)]
        self.server = SimulatorServer(name.lower(), seed=3, step_s=0.5, symbols=[f"{one}=100" for one in self.symbols])
        self.name = name
        self.host = MemoryHost(WallClock())
        self.accepted: list[str] = []
        self.refused: list[int] = []
        self.arrived = threading.Condition()

    def __enter__(self) -> Market:
        self.server.start()
        enter = self.server.site.enter

        def counted(request: Any, connection: Any) -> Any:
            session = enter(request, connection)
            with self.arrived:
                status = getattr(session, "status", None)
                if status is None:
                    self.accepted.append(request.target)
                else:
                    self.refused.append(status)
                self.arrived.notify_all()
            return session

        self.server.site.enter = counted  # type: ignore[method-assign]
        self.base = self.server.base_url.replace("127.0.0.1", "localhost")
        self.exchanges = [Exchange(self.name, self.symbols[0], base=self.base, host=self.host) for _ in range(2)]
        return self

    def __exit__(self, *_: object) -> None:
        for exchange in self.exchanges:
            exchange.close()
        self.server.stop()

    def subscribe_all(self) -> None:
        for number, symbol in enumerate(self.symbols):
            assert self.exchanges[number % 2].Subscribe("depth", symbol) is True

    def wait_all_live(self) -> None:
        for exchange in self.exchanges:
            for live in list(exchange._core.live._books.values()):
                assert self.host.clock.wait((live.feed.book.live,), LONG_S), (live.feed.stats, self.host.errors[-5:])

    def gaps(self) -> int:
        return sum(row["Gaps"] > 0 for exchange in self.exchanges for row in exchange.Subscriptions())


@pytest.mark.parametrize("name", ["Binance", "OKX"])
def test_many_books_start_and_come_back_after_an_outage_without_a_refusal(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (binance_stream, okx_stream):
        monkeypatch.setattr(module, "_WATCH", {**module._WATCH, "interval": 100})
    with Market(name, 30) as market:
        market.subscribe_all()
        market.wait_all_live()
        assert len(market.accepted) == 1, "one connection for all books of both exchange objects"
        market.server.faults.set("*", ws_refuse_s=3600)
        market.server.faults.set("*", ws_cut=1)
        while market.gaps() < 30 or not any("HTTP 503" in line for line in market.host.errors):
            market.host.clock.sleep(0.01)
        market.server.faults.set("*", ws_cut=0, ws_refuse_s=0)
        market.wait_all_live()
        assert len(market.accepted) == 2
        assert market.refused == [], "nothing but the outage itself"
        assert not [line for line in market.host.errors if _REFUSED.search(line)]


def test_books_and_dials_of_one_process_take_turns_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connect_turns._KNOWN_HOSTS, ".localhost", OKX_LIMITS)
    with Market("OKX", 3) as market:
        address = f"{market.base.replace('http', 'ws', 1)}/ws/v5/public"
        clients: list[Connection] = []

        def dial() -> None:
            client = Dial(address, errors="raise", host=market.host, reconnect=True, interval=1)
            assert isinstance(client, Connection)
            clients.append(client)

        threads = [threading.Thread(target=dial) for _ in range(6)]
        for thread in threads:
            thread.start()
        market.subscribe_all()
        for thread in threads:
            thread.join(LONG_S)
        market.wait_all_live()
        assert len(clients) == 6
        assert market.refused == [], "OKX allows three connections a second"
        assert len(market.accepted) == 7
        for client in clients:
            client.close()
