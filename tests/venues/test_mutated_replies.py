"""Every field of every reply of the venues, wrong in every way: documented errors or readable results come out, at once."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest

from fmzthreads.errors import FmzError
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.http.reply import Reply
from fmzthreads.venues.binance.venue import Binance
from fmzthreads.venues.okx.venue import OKX
from tests.helpers.exchange_room import JumpClock, MemoryHost
from tests.helpers.mutations import mutated
from tests.helpers.venue_replies import NOW_S, make_binance, make_okx
from tests.helpers.watchdog import at_once

pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

from fmzthreads.simulator import SimulatorServer

VENUES: Mapping[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "binance": (Binance, make_binance),
    "okx": (OKX, make_okx),
}
SAMPLE = 100  # mutations of each venue in the ordinary run

# All that one exchange object may ask; the ids are those of the orders in the recorded replies.
Calls = list[tuple[str, Callable[[Exchange[Any]], Any]]]


def _calls(order_id: str, price: float) -> Calls:
    return [
        ("GetTicker", lambda exchange: exchange.GetTicker()),
        ("GetTickers", lambda exchange: exchange.GetTickers()),
        ("GetDepth", lambda exchange: exchange.GetDepth()),
        ("GetTrades", lambda exchange: exchange.GetTrades()),
        ("GetRecords", lambda exchange: exchange.GetRecords(60, 5)),
        ("GetRecords of trades", lambda exchange: exchange.GetRecords(7)),
        ("GetMarkets", lambda exchange: exchange.GetMarkets()),
        ("GetAccount", lambda exchange: exchange.GetAccount()),
        ("GetAssets", lambda exchange: exchange.GetAssets()),
        ("Buy", lambda exchange: exchange.Buy(price, 0.01)),
        ("GetOrder", lambda exchange: exchange.GetOrder(order_id)),
        ("GetOrders", lambda exchange: exchange.GetOrders()),
        ("GetHistoryOrders", lambda exchange: exchange.GetHistoryOrders()),
        ("GetMinPrice", lambda exchange: exchange.GetMinPrice()),
        ("CancelOrder", lambda exchange: exchange.CancelOrder(order_id)),
    ]


class _Recorded:
    """What the simulated exchange replies to each call, by method and path."""

    def __init__(self, name: str) -> None:
        self.made, self.make = VENUES[name]
        self.bodies: dict[str, Any] = {}
        self.used: dict[str, list[str]] = {}  # the paths that each call asks
        with SimulatorServer(name, seed=3, moving=False) as server:
            keys = Credentials(access_key=server.key, secret_key=server.secret, passphrase=server.passphrase)
            venue = self.made(credentials=keys, base=server.base_url)
            self._listen(venue)
            exchange: Exchange[Any] = Exchange(name, "BTC_USDT", venue=venue, host=MemoryHost(), errors="raise")
            self.price = round(exchange.GetTicker().Last * 0.8, 2)  # rests, within the price filter
            self.order_id = exchange.Buy(self.price, 0.01)
            for call, run in _calls(self.order_id, self.price):
                self._now: list[str] = []
                run(exchange)
                self.used[call] = self._now
            exchange.close()
            for (
                thread
            ) in threading.enumerate():  # that fetch rules in the background: the server outlives their connections
                if thread.name.startswith(("rules of", "server time")):
                    thread.join(30.0)

    def _listen(self, venue: Any) -> None:
        real = venue.channel.http.call
        self._now = []

        def _call(build: Any, parse: Any, **more: Any) -> Any:
            def _parse(reply: Reply) -> Any:
                method, _, url = reply.request.partition(" ")
                name = f"{method} /{url.partition('://')[2].partition('/')[2]}"
                self.bodies[name] = json.loads(reply.text)
                self._now.append(name)
                return parse(reply)

            return real(build, _parse, **more)

        venue.channel.http.call = _call

    def cases(self) -> list[tuple[str, str, str, str]]:
        """Call, path, what is wrong, and the reply."""
        return [
            (call, path, what, body)
            for call, paths in self.used.items()
            for path in dict.fromkeys(paths)
            for what, body in mutated(self.bodies[path])
        ]


@pytest.fixture(scope="module", params=list(VENUES))
def recorded(request: pytest.FixtureRequest) -> _Recorded:
    return _Recorded(request.param)


def _check(recorded: _Recorded, case: tuple[str, str, str, str]) -> None:
    call, path, what, body = case
    venue, _, clock = recorded.make({**recorded.bodies, path: body}, clock=JumpClock(NOW_S))
    place = venue.dialect.place
    # The recorded placement repeats the id of another order.
    venue.dialect.place = lambda *order: attrs.evolve(found := place(*order), ask=attrs.evolve(found.ask, about=None))
    host = MemoryHost(clock)
    exchange: Exchange[Any] = Exchange("x", "BTC_USDT", venue=venue, host=host, errors="raise")
    run = dict(_calls(recorded.order_id, recorded.price))[call]
    told = f"{call}: {path}: {what}"
    try:
        at_once(lambda: run(exchange), told)
    except FmzError as error:
        message = str(error)
    else:
        message = "-"
    message.encode()
    assert 0 < len(message) <= 500, told
    for line in [*host.errors, *host.warnings]:
        assert len(line) < 600, told


def test_some_wrong_replies(recorded: _Recorded) -> None:
    cases = recorded.cases()
    for case in random.Random(8).sample(cases, min(SAMPLE, len(cases))):
        _check(recorded, case)


@pytest.mark.stress
@pytest.mark.timeout(900)
def test_every_wrong_reply(recorded: _Recorded) -> None:
    for case in recorded.cases():
        _check(recorded, case)
