"""Where calls go: another base for all of them, another one for market data, under another path and port."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads import Exchange
from fmzthreads.errors import Banned, InputError, NotSupported, RateLimited
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.http.client import HttpOptions, RetryPolicy
from fmzthreads.venues.binance.venue import Binance
from fmzthreads.venues.ccxt.venue import CcxtVenue
from fmzthreads.venues.okx.venue import OKX
from fmzthreads.venues.raw.htx import HTX

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

from fmzthreads.simulator import SimulatorServer
from tests.helpers.exchange_room import MemoryHost
from tests.helpers.http_faults import FaultServer, answering
from tests.helpers.simulators import free_session, simulator
from tests.helpers.ws_clients import wait_until

VENUES = {"binance": Binance, "okx": OKX}
FMZ = {"binance": "Binance", "okx": "OKX"}
DEPTH = {
    "binance": ("/api/v3/depth", "symbol=BTCUSDT&limit=5"),
    "okx": ("/api/v5/market/books", "instId=BTC-USDT&sz=5"),
}
PATIENT = HttpOptions(timeout_ms=60_000, connect_timeout_ms=30_000)
ONCE = HttpOptions(timeout_ms=60_000, retry=RetryPolicy(retries=0))


def trade(venue: str, server: SimulatorServer, **options: Any) -> Exchange[Any]:
    keys = Credentials(access_key=server.key, secret_key=server.secret, passphrase=server.passphrase)
    options.setdefault("options", PATIENT)
    made = VENUES[venue](credentials=keys, base=server.base_url, **options)
    return Exchange(FMZ[venue], "BTC_USDT", venue=made, errors="raise", host=MemoryHost(made.channel.clock))


@pytest.fixture(params=("binance", "okx"))
def venue(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def servers(venue: str) -> Iterator[tuple[SimulatorServer, SimulatorServer]]:
    """Two exchanges of one venue; the second lies below a path of its server, and its prices are others."""
    with simulator(venue, seed=1) as first, simulator(venue, seed=2, path="/gateway/v2") as second:
        funds = {"USDT": Decimal(50_000), "BTC": Decimal(1)}
        second.exchange.create_account("twin", first.key, first.secret, first.passphrase, funds)
        yield first, second


Servers = tuple[SimulatorServer, SimulatorServer]


def best(server: SimulatorServer) -> float:
    return float(server.exchange.depth("BTC_USDT", 1).bids[0][0])


def test_io_base_moves_everything_to_an_exchange_below_a_path(venue: str, servers: Servers) -> None:
    first, second = servers
    with trade(venue, first) as exchange:
        assert exchange.GetDepth().Bids[0].Price == best(first)
        assert exchange.GetAccount().Balance == 1_000_000
        assert exchange.IO("base", second.base_url + "/") == second.base_url
        assert second.base_url.endswith(f":{second.port}/gateway/v2")
        assert exchange.GetDepth().Bids[0].Price == best(second) != best(first)
        assert exchange.GetAccount().Balance == 50_000
        order_id = exchange.Buy(round(best(second) * 0.9, 1), 0.01)
        assert exchange.GetOrder(order_id).Amount == 0.01
        path, params = DEPTH[venue]
        assert exchange.IO("api", "GET", path, params)
        if venue == "okx":
            assert len(exchange.IO("api", "GET", "/api/v5/trade/orders-pending", "instType=SPOT")["data"]) == 1
        else:
            assert len(exchange.IO("api", "GET", "/api/v3/openOrders", "symbol=BTCUSDT")) == 1
        assert not first.account.open
        assert exchange.CancelOrder(order_id)


def test_io_base_takes_the_live_book_along(venue: str, servers: Servers) -> None:
    first, second = servers
    with trade(venue, first) as exchange:
        assert exchange.Subscribe("depth", max_age_ms=60_000, wait_ms=60_000)
        assert exchange.GetDepth().Bids[0].Price == best(first)
        exchange.IO("base", second.base_url)
        assert exchange.Subscribe("depth", max_age_ms=60_000, wait_ms=60_000)
        found = exchange.GetDepth()
        assert found.Info["Live"]
        assert found.Bids[0].Price == best(second)


def test_io_mbase_moves_market_data_only(venue: str, servers: Servers) -> None:
    first, second = servers
    with trade(venue, first) as exchange:
        assert exchange.IO("mbase", second.base_url) == second.base_url
        assert exchange.GetBase() == first.base_url
        assert exchange.GetDepth().Bids[0].Price == exchange.GetTicker().Buy == best(second) != best(first)
        assert exchange.GetRecords(60, 3)
        assert exchange.GetTrades()
        path, params = DEPTH[venue]
        raw = exchange.IO("api", "GET", path, params)
        book = raw["data"][0] if venue == "okx" else raw
        assert float(book["bids"][0][0]) == best(second)
        # what moves money, and the rules that orders are held to, stay
        assert exchange.GetAccount().Balance == 1_000_000
        order_id = exchange.Buy(round(best(first) * 0.9, 1), 0.01)
        assert list(first.account.open)
        assert exchange.CancelOrder(order_id)
        assert exchange.Subscribe("depth", max_age_ms=60_000, wait_ms=60_000)
        assert exchange.GetDepth().Info["Live"]
        assert exchange.GetDepth().Bids[0].Price == best(second)
        # another base for the rest leaves it as it is
        exchange.SetBase(first.base_url)
        assert exchange.GetTicker().Buy == best(second)
        # and back
        assert exchange.IO("mbase", "") == first.base_url
        assert exchange.Subscribe("depth", max_age_ms=60_000, wait_ms=60_000)
        assert exchange.GetDepth().Bids[0].Price == best(first)


def test_no_key_goes_to_the_base_of_market_data(venue: str, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = servers
    seen: list[Any] = []
    handle = second.dialect.handle
    monkeypatch.setattr(second.dialect, "handle", lambda request: (seen.append(request), handle(request))[1])
    with trade(venue, first) as exchange:
        exchange.IO("mbase", second.base_url)
        exchange.GetTicker()
        exchange.GetRecords()
        exchange.GetMarkets()
        exchange.GetAccount()
        exchange.Buy(round(best(first) * 0.9, 1), 0.01)
        path, params = DEPTH[venue]
        exchange.IO("api", "GET", path, params)
    assert len(seen) == 3
    for request in seen:
        assert first.key not in str((request.headers, request.query))
        assert "signature" not in request.query


def test_a_ban_from_market_data_holds_no_order(venue: str, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmzthreads.venues.okx.refusals.LIMIT_WINDOW_S", 60.0)  # not over before the next line
    first, second = servers
    with trade(venue, first, options=ONCE) as exchange:
        exchange.GetAccount()
        exchange.IO("mbase", second.base_url)
        second.faults.set(**({"ban_418_s": 60.0} if venue == "binance" else {"rate_limit_429": 1.0}))
        with pytest.raises((Banned, RateLimited)):
            exchange.GetTicker()
        with pytest.raises((Banned, RateLimited), match="nothing was sent"):
            exchange.GetTicker()
        assert exchange.Buy(round(best(first) * 0.9, 1), 0.01)
        # another base has no such ban
        exchange.IO("mbase", "")
        assert exchange.GetTicker()


def test_a_wrong_base_of_market_data_changes_nothing(venue: str, servers: Servers) -> None:
    first, second = servers
    with trade(venue, first) as exchange:
        for bad in ("ftp://x", "x", None, 5, "http://127.0.0.1:1?a=b"):
            with pytest.raises(InputError):
                exchange.IO("mbase", bad)
        with pytest.raises(InputError, match="takes \\(url\\)"):
            exchange.IO("mbase")
        assert exchange.GetDepth().Bids[0].Price == best(first)
        # the path of an API is removed with a warning, as from a base
        assert exchange.IO("mbase", second.base_url + "/api/v3") == second.base_url
        assert exchange.GetDepth().Bids[0].Price == best(second)


def test_warm_opens_both(venue: str, servers: Servers) -> None:
    first, second = servers
    with trade(venue, first) as exchange:
        exchange.IO("mbase", second.base_url)
        assert (first.connections, second.connections) == (0, 0)
        exchange.warm(1)
        wait_until(lambda: second.connections == 1)


def test_raw_venues_have_a_base_of_market_data() -> None:
    with (
        FaultServer(answering(b'{"status":"ok","tick":2}')) as public,
        FaultServer(answering(b'{"status":"ok","data":1700000000000}')) as private,
    ):
        venue = HTX(credentials=Credentials(access_key="k" * 8, secret_key="s" * 8), base=private.base)
        venue.set_market_base(public.base)
        assert venue.request("GET", "/market/detail/merged", "symbol=btcusdt")["tick"] == 2
        assert venue.request("POST", "/v1/order/orders/place", "symbol=btcusdt")["data"]
        venue.close()
        assert [seen.target.partition("?")[0] for seen in public.seen] == ["/market/detail/merged"]
        assert [seen.target.partition("?")[0] for seen in private.seen] == [
            "/v1/common/timestamp",
            "/v1/order/orders/place",
        ]


def test_a_venue_without_one_says_so() -> None:
    pytest.importorskip("ccxt", reason="needs the extra 'ccxt'")
    with pytest.raises(NotSupported, match="IO\\('mbase'\\)"):
        CcxtVenue("binance", base="http://127.0.0.1:1").set_market_base("http://127.0.0.1:2")


@pytest.mark.parametrize("bad", ["/", "gateway", "/a/", "/a//b", "/a?b"])
def test_the_simulator_takes_only_a_path(bad: str) -> None:
    with pytest.raises(InputError, match="path must be empty or like"):
        SimulatorServer("binance", path=bad)


def test_other_paths_of_the_simulator_are_not_found() -> None:
    with simulator("binance", path="/gateway") as server, free_session() as session:
        root = server.base_url.removesuffix("/gateway")
        assert session.get(f"{server.base_url}/api/v3/ping", timeout=60).status_code == 200
        assert session.get(f"{root}/api/v3/ping", timeout=60).status_code == 404
        assert session.get(f"{root}/gatewayX/api/v3/ping", timeout=60).status_code == 404
