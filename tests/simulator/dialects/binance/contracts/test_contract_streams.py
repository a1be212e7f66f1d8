"""Market streams and user data of contracts, as a client sees them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.engine.orders import NewOrder
from tests.helpers.simulators import ContractCaller, contract_simulator, free_session
from tests.helpers.ws_clients import DeltaBook, Socket, open_socket

SYMBOLS = {"um": "BTCUSDT", "cm": "BTCUSD_PERP"}
SWAPS = {"um": "BTC_USDT.swap", "cm": "BTC_USD.swap"}
AMOUNTS = {"um": "0.01", "cm": "10"}
BOTH = pytest.mark.parametrize("product", ["um", "cm"])


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with contract_simulator() as running:
        yield running


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with free_session() as made:
        yield made


def path(product: str, route: str, kind: str = "ws") -> str:
    return f"/fstream/{route}/{kind}" if product == "um" else f"/dstream/{kind}"


def trade(server: SimulatorServer, product: str, side: Any = "buy") -> None:
    order = NewOrder(instrument=SWAPS[product], side=side, type="market", quantity=Decimal(AMOUNTS[product]))
    server.exchanges[product].place(server.accounts[product], order)


def user_socket(server: SimulatorServer, session: requests.Session, product: str) -> tuple[str, str]:
    caller = ContractCaller(server, session, product)
    url = f"{caller.base}{caller.prefix}listenKey"
    key = session.post(url, headers={"X-MBX-APIKEY": server.key}, timeout=60).json()["listenKey"]
    return key, f"{path(product, 'private')}/{key}"


def of_kind(client: Socket, kind: str) -> Any:
    return client.until(lambda event: event.get("e") == kind)


@BOTH
def test_trades_and_best_prices(server: SimulatorServer, product: str) -> None:
    name, stream_type = SYMBOLS[product].lower(), 1 if product == "um" else 2
    with (
        open_socket(server, f"{path(product, 'market')}/{name}@aggTrade") as trades,
        open_socket(server, f"{path(product, 'public')}/{name}@bookTicker") as tops,
    ):
        trade(server, product)
        event, top = of_kind(trades, "aggTrade"), of_kind(tops, "bookTicker")
    assert (event["s"], event["st"], Decimal(event["q"])) == (SYMBOLS[product], stream_type, Decimal(AMOUNTS[product]))
    assert ("nq" in event) is (product == "um")
    assert (top["ps"], Decimal(top["b"]) < Decimal(top["a"])) == (SYMBOLS[product].partition("_")[0], True)


@BOTH
def test_a_book_follows_from_the_snapshot_and_the_chain_of_events(
    server: SimulatorServer, session: requests.Session, product: str
) -> None:
    caller = ContractCaller(server, session, product)
    with open_socket(server, f"{path(product, 'public')}/{SYMBOLS[product].lower()}@depth@100ms") as client:
        snapshot = caller.public("depth", symbol=SYMBOLS[product], limit=1000).json()
        book, last = DeltaBook(snapshot["bids"], snapshot["asks"]), snapshot["lastUpdateId"]
        for _ in range(3):
            trade(server, product)
            event = of_kind(client, "depthUpdate")
            if event["u"] < last:
                continue
            assert event["pu"] <= last <= event["u"]
            book.apply(event["b"], event["a"])
            last = event["u"]
    exchange = server.exchanges[product]
    now = exchange.depth(SWAPS[product], 1000)
    assert now.version == last
    assert book.levels()[0] == [(price, quantity) for price, quantity, _ in now.bids]


def test_a_stream_at_the_wrong_address_is_acknowledged_and_silent(server: SimulatorServer) -> None:
    with open_socket(server, "/fstream/market/ws") as client:
        names = ["btcusdt@depth@100ms", "btcusdt@aggTrade"]
        assert client.ask({"method": "SUBSCRIBE", "params": names, "id": 1}) == {"result": None, "id": 1}
        trade(server, "um")
        assert client.read()["e"] == "aggTrade"
        assert client.silent()


@BOTH
def test_mark_prices_bars_and_days(server: SimulatorServer, product: str) -> None:
    name = SYMBOLS[product].lower()
    streams = f"{name}@markPrice@1s/{name}@kline_1m/{name}@miniTicker"
    with open_socket(server, f"{path(product, 'market', 'stream')}?streams={streams}") as client:
        seen: dict[str, Any] = {}
        while len(seen) < 3:
            message = client.read()
            seen[message["stream"]] = message["data"]
    mark = seen[f"{name}@markPrice@1s"]
    assert Decimal(mark["p"]) == server.exchanges[product].contracts.prices(SWAPS[product]).mark
    assert ("ap" in mark, mark["T"] > 0) == (product == "um", True)
    assert seen[f"{name}@kline_1m"]["k"]["s"] == SYMBOLS[product]
    assert seen[f"{name}@miniTicker"]["e"] == "24hrMiniTicker"


@BOTH
def test_orders_and_positions_of_the_user(server: SimulatorServer, session: requests.Session, product: str) -> None:
    caller, contracts = ContractCaller(server, session, product), server.exchanges[product].contracts
    _, address = user_socket(server, session, product)
    with open_socket(server, address) as client:
        caller.signed(
            "POST", "order", symbol=SYMBOLS[product], side="BUY", type="MARKET", quantity=AMOUNTS[product], newClientOrderId="mine"
        )  # fmt: skip
        new, filled = of_kind(client, "ORDER_TRADE_UPDATE"), of_kind(client, "ORDER_TRADE_UPDATE")
        account = of_kind(client, "ACCOUNT_UPDATE")
        contracts.set_funding(SWAPS[product], Decimal("0.001"))
        contracts.pay_funding(SWAPS[product])
        funding = of_kind(client, "ACCOUNT_UPDATE")
        caller.signed("POST", "leverage", symbol=SYMBOLS[product], leverage=7)
        config = of_kind(client, "ACCOUNT_CONFIG_UPDATE")
    assert (new["o"]["x"], new["o"]["X"], new["o"]["c"]) == ("NEW", "NEW", "mine")
    done = filled["o"]
    assert (done["x"], done["X"], Decimal(done["z"]), done["ps"]) == (
        "TRADE",
        "FILLED",
        Decimal(AMOUNTS[product]),
        "BOTH",
    )
    assert ("ma" in done, "i" in filled) == (product == "cm", product == "cm")
    held = account["a"]["P"][0]
    assert (account["a"]["m"], Decimal(held["pa"]), held["mt"]) == ("ORDER", Decimal(AMOUNTS[product]), "cross")
    wallet = account["a"]["B"][0]
    assert funding["a"]["m"] == "FUNDING_FEE"
    assert Decimal(funding["a"]["B"][0]["wb"]) == Decimal(wallet["wb"]) + Decimal(funding["a"]["B"][0]["bc"])
    assert (funding["a"]["S"], funding["a"]["P"]) == (SYMBOLS[product], [])
    assert config["ac"] == {"s": SYMBOLS[product], "l": 7}


@BOTH
def test_a_conditional_order_is_told_until_its_child_has_ended(
    server: SimulatorServer, session: requests.Session, product: str
) -> None:
    caller, contracts = ContractCaller(server, session, product), server.exchanges[product].contracts
    mark = contracts.prices(SWAPS[product]).mark
    trade(server, product)
    _, address = user_socket(server, session, product)
    with open_socket(server, address) as client:
        caller.signed(
            "POST", "algoOrder", algoType="CONDITIONAL", symbol=SYMBOLS[product], side="SELL", type="STOP_MARKET", closePosition="true",
            triggerPrice=f"{mark * Decimal('0.98'):.1f}", workingType="MARK_PRICE", clientAlgoId="stop",
        )  # fmt: skip
        assert of_kind(client, "ALGO_UPDATE")["o"]["X"] == "NEW"
        contracts.set_prices(SWAPS[product], mark=mark * Decimal("0.97"))
        child = client.until(lambda event: event.get("o", {}).get("x") == "TRADE")
        ended = client.until(lambda event: event["e"] == "ALGO_UPDATE" and event["o"]["X"] == "FINISHED")
    assert (child["o"]["c"], child["o"]["ot"], child["o"]["cp"]) == ("stop", "STOP_MARKET", True)
    assert (ended["o"]["ai"], ended["o"]["act"]) == (str(child["o"]["i"]), "MARKET")


@BOTH
def test_a_liquidation_comes_as_a_margin_call_and_an_order_of_the_venue(
    server: SimulatorServer, session: requests.Session, product: str
) -> None:
    contracts, account = server.exchanges[product].contracts, server.accounts[product]
    contracts.set_isolated(account, SWAPS[product], True)
    contracts.set_leverage(account, SWAPS[product], 50)
    trade(server, product)
    price = contracts.position(account, SWAPS[product]).liquidation_price
    _, address = user_socket(server, session, product)
    with (
        open_socket(server, address) as client,
        open_socket(server, f"{path(product, 'market')}/{SYMBOLS[product].lower()}@forceOrder") as public,
    ):
        contracts.set_prices(SWAPS[product], mark=(price * Decimal("1.0005")).quantize(Decimal("1e-8")))
        called = of_kind(client, "MARGIN_CALL")
        contracts.set_prices(SWAPS[product], mark=(price * Decimal("0.999")).quantize(Decimal("1e-8")))
        order = client.until(lambda event: event.get("o", {}).get("c", "").startswith("autoclose-"))
        executed = client.until(lambda event: event.get("o", {}).get("x") == "CALCULATED")
        seen = of_kind(public, "forceOrder")["o"]
    assert called["p"][0]["mt"] == "ISOLATED"
    assert (order["o"]["f"], order["o"]["S"]) == ("IOC", "SELL")
    assert executed["o"]["i"] == order["o"]["i"]
    assert (seen["s"], seen["S"]) == (SYMBOLS[product], "SELL")


@BOTH
def test_a_listen_key_is_one_for_the_account_until_it_is_closed(
    server: SimulatorServer, session: requests.Session, product: str
) -> None:
    caller = ContractCaller(server, session, product)
    url, headers = f"{caller.base}{caller.prefix}listenKey", {"X-MBX-APIKEY": server.key}
    key, address = user_socket(server, session, product)
    assert user_socket(server, session, product)[0] == key
    assert session.put(url, headers=headers, timeout=60).json() == {"listenKey": key}
    with open_socket(server, address) as client:
        assert session.delete(url, headers=headers, timeout=60).json() == {}
        trade(server, product)
        assert client.silent()
    gone = session.put(url, headers=headers, timeout=60)
    assert (gone.status_code, gone.json()["code"]) == (400, -1125)
