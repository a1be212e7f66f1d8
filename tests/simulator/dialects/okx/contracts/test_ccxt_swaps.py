"""ccxt's okx, unmodified, trades linear and inverse swaps against the simulator with nothing but its address changed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.helpers.okx_contracts import INVERSE, LINEAR, OkxContracts

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what ccxt warns about when it is imported is not ours
    ccxt: Any = pytest.importorskip("ccxt")

D = Decimal
SWAP, COIN = "BTC/USDT:USDT", "BTC/USD:BTC"


@pytest.fixture
def venue() -> Iterator[OkxContracts]:
    with OkxContracts() as running:
        yield running


@pytest.fixture
def client(venue: OkxContracts) -> Iterator[Any]:
    made = ccxt.okx(
        {"apiKey": venue.key, "secret": venue.secret, "password": venue.passphrase, "enableRateLimit": False}
    )
    made.urls["api"] = {"rest": venue.base_url}
    made.session.trust_env = False
    yield made
    made.session.close()


def test_markets_with_contract_sizes(client: Any) -> None:
    markets = client.load_markets()
    assert set(markets) == {"BTC/USDT", "ETH/USDT", SWAP, COIN}
    linear, inverse = markets[SWAP], markets[COIN]
    assert (linear["swap"], linear["linear"], linear["contractSize"], linear["settle"]) == (True, True, 0.01, "USDT")
    assert (inverse["inverse"], inverse["contractSize"], inverse["settle"]) == (True, 100.0, "BTC")
    assert linear["limits"]["leverage"]["max"] == 100.0
    assert (linear["precision"]["amount"], inverse["precision"]["amount"]) == (0.01, 0.1)


def test_public_data_of_swaps(venue: OkxContracts, client: Any) -> None:
    venue.rest(LINEAR, "sell", "50010", "3")
    assert client.fetch_ticker(SWAP)["last"] == 50_000.0
    assert client.fetch_order_book(SWAP)["asks"][0][:2] == [50_010.0, 3.0]
    assert set(client.fetch_tickers([SWAP, COIN])) == {SWAP, COIN}
    rate = client.fetch_funding_rate(SWAP)
    assert (rate["symbol"], rate["fundingRate"], rate["interval"]) == (SWAP, 0.0, "8h")
    assert client.fetch_mark_price(SWAP)["markPrice"] == 50_000.0
    tiers = client.fetch_market_leverage_tiers(SWAP)
    assert (tiers[0]["maxLeverage"], tiers[0]["maintenanceMarginRate"], tiers[0]["maxNotional"]) == (
        100.0,
        0.004,
        2500.0,
    )
    assert client.fetch_open_interest(SWAP)["symbol"] == SWAP
    assert client.fetch_ohlcv(SWAP, "1m", limit=1)[0][5] == 0.01  # in base
    venue.exchange.contracts.set_funding(LINEAR, D("0.0001"))
    venue.exchange.contracts.pay_funding(LINEAR)
    assert client.fetch_funding_rate_history(SWAP)[0]["fundingRate"] == 0.0001


def test_a_linear_position_from_opening_to_closing(venue: OkxContracts, client: Any) -> None:
    client.set_leverage(10, SWAP, {"marginMode": "cross"})
    assert client.fetch_leverage(SWAP)["longLeverage"] == 10
    venue.rest(LINEAR, "sell", "50000", "10")
    made = client.create_order(SWAP, "market", "buy", 10)
    done = client.fetch_order(made["id"], SWAP)
    assert (done["status"], done["filled"], done["average"], done["fee"]["cost"]) == ("closed", 10.0, 50_000.0, 2.5)
    venue.exchange.contracts.set_prices(LINEAR, mark=D(51_000))
    (position,) = client.fetch_positions([SWAP])
    assert (position["side"], position["contracts"], position["entryPrice"], position["markPrice"]) == (
        "long", 10.0, 50_000.0, 51_000.0,
    )  # fmt: skip
    assert (position["unrealizedPnl"], position["leverage"], position["marginMode"], position["hedged"]) == (
        100.0, 10.0, "cross", False,
    )  # fmt: skip
    assert position["initialMargin"] == 510.0
    balance = client.fetch_balance()
    assert (balance["USDT"]["total"], balance["USDT"]["free"]) == (10_097.5, 9587.5)
    venue.rest(LINEAR, "buy", "51000", "10")
    closing = client.create_order(SWAP, "limit", "sell", 10, 51_000, {"reduceOnly": True})
    assert client.fetch_order(closing["id"], SWAP)["reduceOnly"] is True
    assert client.fetch_positions([SWAP]) == [] or client.fetch_positions([SWAP])[0]["contracts"] == 0
    trades = client.fetch_my_trades(SWAP)
    assert [(trade["side"], trade["amount"], trade["fee"]["currency"]) for trade in trades] == [
        ("buy", 10.0, "USDT"), ("sell", 10.0, "USDT"),
    ]  # fmt: skip
    (past,) = client.fetch_positions_history([SWAP])
    assert (past["realizedPnl"], past["entryPrice"], past["info"]["direction"]) == (94.95, 50_000.0, "long")


def test_an_inverse_position_and_its_funding(venue: OkxContracts, client: Any) -> None:
    venue.rest(INVERSE, "buy", "50000", "100")
    client.create_order(COIN, "market", "sell", 100)
    venue.exchange.contracts.set_prices(INVERSE, mark=D(40_000))
    position = client.fetch_position(COIN)
    assert (position["side"], position["contracts"], position["unrealizedPnl"]) == ("short", 100.0, 0.05)
    assert position["notional"] == 0.25
    venue.exchange.contracts.set_funding(INVERSE, D("0.001"))
    venue.exchange.contracts.pay_funding(INVERSE)
    (paid,) = client.fetch_funding_history(COIN)
    assert (paid["amount"], paid["code"], paid["symbol"]) == (0.00025, "BTC", COIN)
    assert client.fetch_ledger("BTC", params={"type": "swap"})[-1]["type"] == "fee"
    closed = client.close_position(COIN)
    assert closed["info"]["instId"] == "BTC-USD-SWAP"


def test_long_and_short_apart(venue: OkxContracts, client: Any) -> None:
    assert client.fetch_position_mode()["hedged"] is False
    client.set_position_mode(True)
    assert client.fetch_position_mode()["hedged"] is True
    client.set_leverage(5, SWAP, {"marginMode": "isolated", "posSide": "long"})
    venue.rest(LINEAR, "sell", "50000", "10")
    venue.rest(LINEAR, "buy", "49990", "4")
    client.create_order(SWAP, "market", "buy", 10, None, {"hedged": True, "marginMode": "isolated"})
    client.create_order(SWAP, "market", "sell", 4, None, {"hedged": True, "marginMode": "isolated"})
    held = {position["side"]: position for position in client.fetch_positions()}
    assert (held["long"]["contracts"], held["short"]["contracts"]) == (10.0, 4.0)
    assert held["long"]["initialMargin"] == 1000.0
    client.private_post_account_position_margin_balance(
        {"instId": "BTC-USDT-SWAP", "posSide": "long", "type": "add", "amt": "50"}
    )
    assert client.fetch_positions([SWAP])[0]["symbol"] == SWAP
    assert {held["collateral"] for held in client.fetch_positions() if held["side"] == "long"} == {1050.0}


def test_stops_take_profits_and_trailing_stops(venue: OkxContracts, client: Any) -> None:
    venue.rest(LINEAR, "sell", "50000", "10")
    client.create_order(SWAP, "market", "buy", 10)
    stop = client.create_order(SWAP, "market", "sell", 10, None, {"stopLossPrice": 49_000, "reduceOnly": True})
    found = client.fetch_order(stop["id"], SWAP, {"trigger": True})
    assert (found["status"], found["stopLossPrice"], found["type"]) == ("open", 49_000.0, "conditional")
    assert {
        order["id"] for order in client.fetch_open_orders(SWAP, params={"trigger": True, "ordType": "conditional"})
    } == {stop["id"]}
    trigger = client.create_order(SWAP, "limit", "buy", 1, 51_100, {"triggerPrice": 51_000})
    trail = client.create_order(SWAP, "market", "sell", 5, None, {"trailingPercent": 5, "reduceOnly": True})
    client.cancel_order(trigger["id"], SWAP, {"trigger": True})
    client.cancel_order(trail["id"], SWAP, {"trailing": True})
    assert client.fetch_order(trail["id"], SWAP, {"trigger": True})["status"] == "canceled"
    client.edit_order(stop["id"], SWAP, "conditional", "sell", 10, None, {"stopLossPrice": 48_000, "newSlOrdPx": -1})
    venue.clear()
    venue.rest(LINEAR, "buy", "47900", "20")
    venue.trade(LINEAR, "48000")
    assert client.fetch_order(stop["id"], SWAP, {"trigger": True})["status"] == "closed"
    (done,) = [order for order in client.fetch_closed_orders(SWAP) if order["side"] == "sell"]
    assert (done["average"], done["filled"]) == (47_900.0, 10.0)


def test_the_errors_are_the_ones_that_users_of_ccxt_catch(client: Any) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(SWAP, "limit", "buy", 5000, 49_000)
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order("1", SWAP)
    with pytest.raises(ccxt.ExchangeError, match="59102"):
        client.set_leverage(125, SWAP)
    with pytest.raises(ccxt.ExchangeError, match="51169"):
        client.create_order(SWAP, "market", "sell", 1, None, {"reduceOnly": True})
