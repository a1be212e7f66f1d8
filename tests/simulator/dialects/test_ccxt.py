"""An unmodified third-party client works against the simulator with nothing but its addresses changed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from fmzthreads.simulator import SimulatorServer
from tests.helpers.simulators import simulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what ccxt warns about when it is imported is not ours
    ccxt: Any = pytest.importorskip("ccxt")

SYMBOL = "BTC/USDT"


def _loopback(value: Any, base: str) -> Any:
    """Every address in ccxt's table, moved to the loopback with its path kept."""
    if isinstance(value, dict):
        return {key: _loopback(entry, base) for key, entry in value.items()}
    return base + "/" + value.split("//", 1)[1].split("/", 1)[1] if "/" in value.split("//", 1)[-1] else base


def binance_client(server: SimulatorServer, **changes: Any) -> Any:
    client = ccxt.binance({"apiKey": server.key, "secret": server.secret, "enableRateLimit": False, **changes})
    client.urls["api"] = _loopback(client.urls["api"], server.base_url)
    client.session.trust_env = False
    return client


def okx_client(server: SimulatorServer, **changes: Any) -> Any:
    client = ccxt.okx(
        {
            "apiKey": server.key,
            "secret": server.secret,
            "password": server.passphrase,
            "enableRateLimit": False,
            **changes,
        }
    )
    client.urls["api"] = {"rest": server.base_url}
    client.session.trust_env = False
    return client


MAKERS = {"binance": binance_client, "okx": okx_client}


@pytest.fixture(scope="module", params=["binance", "okx"])
def server(request: pytest.FixtureRequest) -> Iterator[SimulatorServer]:
    with simulator(request.param) as running:
        yield running


@pytest.fixture
def client(server: SimulatorServer) -> Iterator[Any]:
    made = MAKERS[server.venue](server)
    yield made
    made.session.close()


def best(client: Any) -> tuple[float, float]:
    book = client.fetch_order_book(SYMBOL, 5)
    return book["bids"][0][0], book["asks"][0][0]


def test_markets_are_loaded_with_keys_and_default_options(client: Any) -> None:
    markets = client.load_markets()
    assert set(markets) == {"BTC/USDT", "ETH/USDT"}
    market = markets[SYMBOL]
    assert market["spot"]
    assert market["active"]
    assert market["precision"]["price"] in {0.01, 0.1}
    assert market["limits"]["amount"]["min"] == 0.00001


def test_public_data(client: Any, server: SimulatorServer) -> None:
    book = client.fetch_order_book(SYMBOL, 20)
    assert len(book["bids"]) == len(book["asks"]) == 20
    assert book["bids"][0][0] < book["asks"][0][0]
    assert [level[0] for level in book["bids"]] == sorted((level[0] for level in book["bids"]), reverse=True)

    ticker = client.fetch_ticker(SYMBOL)
    assert (ticker["bid"], ticker["ask"]) == (book["bids"][0][0], book["asks"][0][0])
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert set(client.fetch_tickers()) == {"BTC/USDT", "ETH/USDT"}

    trades = client.fetch_trades(SYMBOL, limit=5)
    assert [trade["timestamp"] for trade in trades] == sorted(trade["timestamp"] for trade in trades)
    assert {trade["side"] for trade in trades} <= {"buy", "sell"}
    assert trades[-1]["price"] == ticker["last"]

    now = server.exchange.server_time_ms()
    assert abs(client.fetch_time() - now) < 5000


@pytest.mark.parametrize("timeframe", ["1m", "1h", "1d"])
def test_bars(client: Any, timeframe: str) -> None:
    bars = client.fetch_ohlcv(SYMBOL, timeframe, limit=10)
    assert len(bars) == 10
    step_ms = client.parse_timeframe(timeframe) * 1000
    assert [b[0] for b in bars] == [bars[0][0] + step_ms * i for i in range(10)]
    assert all(volume > 0 for *_, volume in bars[:-1])  # the last may have just begun
    for _, opened, high, low, close, _ in bars:
        assert low <= min(opened, close) <= max(opened, close) <= high
    since = bars[2][0]
    assert client.fetch_ohlcv(SYMBOL, timeframe, since=since, limit=3)[0][0] == since


def test_a_resting_order_from_birth_to_cancel(client: Any) -> None:
    bid, _ = best(client)
    before = client.fetch_balance()["USDT"]
    price = round(bid * 0.97, 1)
    made = client.create_order(SYMBOL, "limit", "buy", 0.01, price)
    found = client.fetch_order(made["id"], SYMBOL)
    assert (found["status"], found["side"], found["type"], found["price"], found["amount"], found["filled"]) == (
        "open", "buy", "limit", price, 0.01, 0.0,
    )  # fmt: skip
    assert made["id"] in {order["id"] for order in client.fetch_open_orders(SYMBOL)}
    frozen = client.fetch_balance()["USDT"]
    assert frozen["used"] - before["used"] == pytest.approx(0.01 * price)
    assert frozen["total"] == before["total"]

    cancelled = client.cancel_order(made["id"], SYMBOL)
    assert cancelled["id"] == made["id"]
    assert client.fetch_order(made["id"], SYMBOL)["status"] == "canceled"
    assert made["id"] not in {order["id"] for order in client.fetch_open_orders(SYMBOL)}
    assert client.fetch_balance()["USDT"] == before
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order(made["id"], SYMBOL)


def test_an_order_that_takes(client: Any) -> None:
    _, ask = best(client)
    before = client.fetch_balance()
    made = client.create_order(SYMBOL, "limit", "buy", 0.002, round(ask * 1.02, 1))
    order = client.fetch_order(made["id"], SYMBOL)
    assert (order["status"], order["filled"], order["remaining"]) == ("closed", 0.002, 0.0)
    assert order["average"] >= ask
    after = client.fetch_balance()
    trades = [trade for trade in client.fetch_my_trades(SYMBOL) if trade["order"] == made["id"]]
    assert sum(trade["amount"] for trade in trades) == pytest.approx(0.002)
    assert {trade["takerOrMaker"] for trade in trades} == {"taker"}
    fees = sum(trade["fee"]["cost"] for trade in trades)
    assert fees == pytest.approx(0.002 * 0.001)
    assert {trade["fee"]["currency"] for trade in trades} == {"BTC"}
    assert after["BTC"]["total"] - before["BTC"]["total"] == pytest.approx(0.002 - fees)
    assert before["USDT"]["total"] - after["USDT"]["total"] == pytest.approx(order["cost"])


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_market_orders(client: Any, side: str) -> None:
    made = client.create_order(SYMBOL, "market", side, 0.003)
    order = client.fetch_order(made["id"], SYMBOL)
    assert (order["status"], order["type"], order["side"], order["filled"]) == ("closed", "market", side, 0.003)
    assert made["id"] in {o["id"] for o in client.fetch_closed_orders(SYMBOL)}


def test_a_market_order_by_cost(client: Any) -> None:
    made = client.create_market_buy_order_with_cost(SYMBOL, 200)
    order = client.fetch_order(made["id"], SYMBOL)
    assert order["status"] == "closed"
    assert 199 < order["cost"] <= 200


def test_what_an_ioc_order_leaves_is_cancelled(client: Any) -> None:
    bid, ask = best(client)
    made = client.create_order(SYMBOL, "limit", "buy", 0.01, round(bid - 20, 1), {"timeInForce": "IOC"})
    order = client.fetch_order(made["id"], SYMBOL)
    assert (order["status"], order["filled"]) == ({"binance": "expired", "okx": "canceled"}[client.id], 0.0)
    assert order["timeInForce"] == "IOC"
    taken = client.create_order(SYMBOL, "limit", "buy", 0.001, round(ask + 20, 1), {"timeInForce": "IOC"})
    assert client.fetch_order(taken["id"], SYMBOL)["status"] == "closed"


def test_post_only_orders(client: Any) -> None:
    bid, ask = best(client)
    made = client.create_order(SYMBOL, "limit", "buy", 0.001, round(bid - 20, 1), {"postOnly": True})
    order = client.fetch_order(made["id"], SYMBOL)
    assert order["status"] == "open"
    assert order["postOnly"]
    client.cancel_order(made["id"], SYMBOL)
    if client.id == "binance":
        with pytest.raises(ccxt.OrderImmediatelyFillable):
            client.create_order(SYMBOL, "limit", "buy", 0.001, round(ask + 20, 1), {"postOnly": True})
    else:
        crossing = client.create_order(SYMBOL, "limit", "buy", 0.001, round(ask + 20, 1), {"postOnly": True})
        assert client.fetch_order(crossing["id"], SYMBOL)["status"] == "canceled"


def test_cancelling_all(client: Any) -> None:
    bid, _ = best(client)
    ids = {client.create_order(SYMBOL, "limit", "buy", 0.001, round(bid * 0.98 - i, 1))["id"] for i in range(3)}
    assert ids <= {order["id"] for order in client.fetch_open_orders(SYMBOL)}
    if client.id == "binance":
        client.cancel_all_orders(SYMBOL)
    else:
        client.cancel_orders(list(ids), SYMBOL)
    assert client.fetch_open_orders(SYMBOL) == []


def test_the_errors_are_the_ones_that_users_of_ccxt_catch(client: Any) -> None:
    bid, _ = best(client)
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(SYMBOL, "limit", "buy", 50, bid)
    with pytest.raises(ccxt.OrderNotFound):
        client.fetch_order("1", SYMBOL)
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order("1", SYMBOL)
    # Binance: below the least notional, which ccxt takes for a bad request; OKX: below the least amount.
    with pytest.raises(ccxt.BadRequest if client.id == "binance" else ccxt.InvalidOrder):
        client.create_order(
            SYMBOL, "limit", "buy", 0.00001 if client.id == "binance" else 0.000005, round(bid * 0.9, 1)
        )


def test_filters_are_named(server: SimulatorServer) -> None:
    client = MAKERS[server.venue](server)
    client.load_markets()
    bid, _ = best(client)
    # Without the client's own rounding and limits, so that the simulator's answer is what is seen.
    client.amount_to_precision = lambda _symbol, amount: str(amount)
    client.price_to_precision = lambda _symbol, price: str(price)
    with pytest.raises(ccxt.InvalidOrder):
        client.create_order(SYMBOL, "limit", "buy", "0.000001" if client.id == "binance" else "0.000009", bid)
    if client.id == "binance":
        with pytest.raises(ccxt.InvalidOrder, match="PRICE_FILTER"):
            client.create_order(SYMBOL, "limit", "buy", 0.001, "59000.001")
    client.session.close()


@pytest.mark.parametrize("wrong", ["apiKey", "secret"])
def test_a_wrong_key_or_secret(server: SimulatorServer, wrong: str) -> None:
    value = {"apiKey": "k" * 64, "secret": "s" * 64}[wrong]
    client = MAKERS[server.venue](server)
    setattr(client, wrong, value)
    with pytest.raises(ccxt.AuthenticationError):
        client.fetch_balance()
    client.session.close()


def test_a_wrong_passphrase() -> None:
    with simulator("okx") as server:
        client = okx_client(server, password="wrong")
        with pytest.raises(ccxt.AuthenticationError):
            client.fetch_balance()
        client.session.close()


def test_a_clock_that_is_off(server: SimulatorServer) -> None:
    client = MAKERS[server.venue](server)
    client.load_markets()
    client.fetch_balance()
    server.faults.set(clock_offset_ms=120_000)
    try:
        with pytest.raises(ccxt.InvalidNonce):
            client.fetch_balance()
        client.load_time_difference()
        assert -125_000 < client.options["timeDifference"] < -115_000
    finally:
        server.faults.clear()
        client.session.close()


def test_rate_limits() -> None:
    with simulator("binance", rate_scale=0.01) as server:
        client = binance_client(server)
        with pytest.raises(ccxt.DDoSProtection):
            for _ in range(100):
                client.fetch_order_book(SYMBOL)
        client.session.close()
    with simulator("okx", rate_scale=0.1) as server:
        client = okx_client(server)
        with pytest.raises(ccxt.RateLimitExceeded):
            for _ in range(100):
                client.fetch_ticker(SYMBOL)
        client.session.close()


def test_faults_reach_the_client(server: SimulatorServer) -> None:
    client = MAKERS[server.venue](server)
    client.load_markets()
    for fault, error in (
        ("error_5xx", ccxt.OperationFailed if server.venue == "binance" else ccxt.OnMaintenance),
        ("rate_limit_429", ccxt.DDoSProtection if server.venue == "binance" else ccxt.RateLimitExceeded),
        ("cut_reply", ccxt.NetworkError),
        ("refuse", ccxt.NetworkError),
    ):
        server.faults.set(**{fault: 1})
        with pytest.raises(error):
            client.fetch_order_book(SYMBOL)
        client.fetch_order_book(SYMBOL)
    client.session.close()


def test_an_order_whose_reply_is_lost_is_there_all_the_same(server: SimulatorServer) -> None:
    client = MAKERS[server.venue](server)
    client.load_markets()
    bid, _ = best(client)
    own_id = f"lost{server.exchange.server_time_ms()}"
    server.faults.set(lose_order_reply=1)
    with pytest.raises(ccxt.NetworkError):
        client.create_order(SYMBOL, "limit", "buy", 0.001, round(bid * 0.98, 1), {"clientOrderId": own_id})
    found = [order for order in client.fetch_open_orders(SYMBOL) if order["clientOrderId"] == own_id]
    assert len(found) == 1
    client.cancel_order(found[0]["id"], SYMBOL)
    client.session.close()


def test_a_post_only_order_that_rests_and_is_hit_pays_the_maker_fee(client: Any, server: SimulatorServer) -> None:
    bid, ask = best(client)
    price = round((bid + ask) / 2, 1)
    made = client.create_order(SYMBOL, "limit", "sell", 0.001, price, {"postOnly": True})
    taker = server.exchange.create_account(f"taker-{made['id']}", balances={"USDT": 1000})
    from decimal import Decimal

    from fmzthreads.simulator.engine.orders import NewOrder, TimeInForce

    server.exchange.place(
        taker,
        NewOrder(
            instrument="BTC_USDT", side="buy", price=Decimal(str(price)), quantity=Decimal("0.001"), time_in_force=TimeInForce.IOC
        ),
    )  # fmt: skip
    order = client.fetch_order(made["id"], SYMBOL)
    assert (order["status"], order["filled"]) == ("closed", 0.001)
    trade = next(t for t in client.fetch_my_trades(SYMBOL) if t["order"] == made["id"])
    rate = {"binance": 0.001, "okx": 0.0008}[client.id]
    assert trade["takerOrMaker"] == "maker"
    assert trade["fee"]["cost"] == pytest.approx(price * 0.001 * rate)
    assert trade["fee"]["currency"] == "USDT"
    assert server.state()["reconciled"]
