"""OKX's channels of contracts, public and private, and orders by websocket."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.helpers.okx_contracts import INVERSE, LINEAR, OkxContracts
from tests.helpers.simulators import OkxCaller, free_session
from tests.helpers.ws_clients import Socket, open_socket
from tests.simulator.dialects.okx.contracts.test_trading import USD_SWAP, USDT_SWAP, caller, order, same
from tests.simulator.dialects.okx.test_streams import PRIVATE, PUBLIC, log_in, subscribe

D = Decimal


@pytest.fixture
def venue() -> Iterator[OkxContracts]:
    with OkxContracts() as running:
        yield running


@pytest.fixture
def call(venue: OkxContracts) -> Iterator[OkxCaller]:
    with free_session() as session:
        yield caller(venue, session)


@pytest.fixture
def public(venue: OkxContracts) -> Iterator[Socket]:
    with open_socket(venue, PUBLIC) as client:  # type: ignore[arg-type]  # it has what is needed of a server
        yield client


@pytest.fixture
def private(venue: OkxContracts) -> Iterator[Socket]:
    with open_socket(venue, PRIVATE) as client:  # type: ignore[arg-type]  # it has what is needed of a server
        log_in(client, venue)  # type: ignore[arg-type]  # likewise
        yield client


def join(client: Socket, **arg: str) -> None:
    """Subscribes to a private channel and reads its acknowledgements."""
    assert subscribe(client, **arg)["event"] == "subscribe"
    if arg["channel"] != "liquidation-orders":
        assert client.read()["event"] == "channel-conn-count"


@pytest.mark.parametrize(
    ("channel", "name", "expected"),
    [
        ("mark-price", USDT_SWAP, {"instType": "SWAP", "instId": USDT_SWAP, "markPx": "50000"}),
        ("funding-rate", USD_SWAP, {"instId": USD_SWAP, "fundingRate": "0", "settFundingRate": "0"}),
        ("index-tickers", "BTC-USDT", {"instId": "BTC-USDT", "idxPx": "50000"}),
        ("price-limit", USDT_SWAP, {"buyLmt": "52500", "sellLmt": "47500", "enabled": True}),
        ("open-interest", USDT_SWAP, {"instId": USDT_SWAP, "oi": "0", "oiCcy": "0"}),
        ("tickers", USDT_SWAP, {"instType": "SWAP", "last": "50000"}),
    ],
)
def test_public_channels_send_the_present_state_at_once(
    public: Socket, channel: str, name: str, expected: dict[str, Any]
) -> None:
    arg = {"channel": channel, "instId": name}
    assert subscribe(public, **arg)["arg"] == arg
    message = public.read()
    assert message["arg"] == arg
    assert {field: message["data"][0][field] for field in expected} == expected


@pytest.mark.parametrize(
    ("channel", "name"), [("mark-price", "BTC-USDT"), ("funding-rate", "BTC-USDT"), ("index-tickers", "DOGE-USD")]
)
def test_what_has_no_such_channel(public: Socket, channel: str, name: str) -> None:
    answer = subscribe(public, channel=channel, instId=name)
    assert (answer["event"], answer["code"]) == ("error", "60018")


def test_a_mark_price_is_sent_when_it_changes(venue: OkxContracts, public: Socket) -> None:
    subscribe(public, channel="mark-price", instId=USDT_SWAP)
    public.read()
    venue.exchange.contracts.set_prices(LINEAR, mark=D("50123.4"))
    assert public.read()["data"][0]["markPx"] == "50123.4"


def test_orders_and_positions_of_a_swap(venue: OkxContracts, call: OkxCaller, private: Socket) -> None:
    join(private, channel="orders", instType="SWAP")
    venue.rest(LINEAR, "sell", "50000", "10")
    placed = order(call, sz="10")
    live, filled = private.read()["data"][0], private.read()["data"][0]
    same(
        live,
        state="live",
        ordId=placed["ordId"],
        posSide="net",
        tdMode="cross",
        notionalUsd="5250",
        fillPnl="0",
        avgPx="0",
    )
    same(
        filled, state="filled", fillPx="50000", fillSz="10", fillFee="-2.5", fillFeeCcy="USDT", execType="T", fillMarkPx="50000",
        fillIdxPx="50000", fillNotionalUsd="5000", category="normal",
    )  # fmt: skip
    spot = {"instId": "BTC-USDT", "tdMode": "cash", "ordType": "limit", "px": "49000", "sz": "0.01"}
    order(call, **spot)  # not of this instrument type
    venue.rest(LINEAR, "buy", "50100", "10")
    call.signed("POST", "trade/close-position", {"instId": USDT_SWAP, "mgnMode": "cross"})
    closing = [private.read()["data"][0] for _ in range(2)]
    same(closing[1], state="filled", fillPnl="10", reduceOnly="true", instId=USDT_SWAP)


def test_the_positions_channel(venue: OkxContracts, call: OkxCaller, private: Socket) -> None:
    arg = {"channel": "positions", "instType": "ANY", "instId": USDT_SWAP, "extraParams": '{"updateInterval": "0"}'}
    join(private, **arg)
    first = private.read()
    assert (first["eventType"], first["data"], first["curPage"], first["lastPage"]) == ("snapshot", [], 1, True)
    assert first["arg"] == {**arg, "uid": str(venue.account.uid)}
    venue.rest(LINEAR, "sell", "50000", "10")
    order(call, sz="10")
    opened = private.read()
    assert opened["eventType"] == "event_update"
    same(opened["data"][0], pos="10", avgPx="50000", instId=USDT_SWAP, mgnMode="cross", lever="3")
    assert int(opened["data"][0]["pTime"]) > 10**12
    venue.rest(LINEAR, "buy", "49990", "10")
    order(call, side="sell", sz="10")
    closed = private.read()["data"][0]
    same(closed, pos="0", posId=opened["data"][0]["posId"])


def test_balances_and_positions_together(venue: OkxContracts, call: OkxCaller, private: Socket) -> None:
    join(private, channel="balance_and_position")
    snapshot = private.read()["data"][0]
    assert (snapshot["eventType"], snapshot["posData"]) == ("snapshot", [])
    venue.rest(LINEAR, "sell", "50000", "10")
    order(call, sz="10")
    filled = private.read()["data"][0]
    assert (filled["eventType"], filled["balData"][0]["cashBal"], len(filled["trades"])) == ("filled", "9997.5", 1)
    same(filled["posData"][0], pos="10", instId=USDT_SWAP, posSide="net", avgPx="50000")
    venue.exchange.contracts.set_funding(LINEAR, D("0.001"))
    venue.exchange.contracts.pay_funding(LINEAR)
    paid = private.read()["data"][0]
    assert (paid["eventType"], paid["balData"][0]["cashBal"]) == ("funding_fee", "9992.5")


def test_a_warning_before_a_liquidation_and_the_liquidation(
    venue: OkxContracts, call: OkxCaller, private: Socket, public: Socket
) -> None:
    venue.exchange.contracts.fund_insurance("BTC", D(100))
    call.signed("POST", "account/set-leverage", {"instId": USD_SWAP, "lever": "20", "mgnMode": "isolated"})
    venue.rest(INVERSE, "sell", "50000", "100")
    order(call, instId=USD_SWAP, sz="100", tdMode="isolated")
    join(private, channel="liquidation-warning", instType="ANY")
    join(public, channel="liquidation-orders", instType="SWAP")
    venue.exchange.contracts.set_prices(INVERSE, mark=D(47_850))
    warned = private.read()
    assert warned["arg"] == {"channel": "liquidation-warning", "instType": "ANY", "uid": str(venue.account.uid)}
    same(warned["data"][0], instId=USD_SWAP, pos="100", mgnMode="isolated", markPx="47850", lever="20", ccy="BTC")
    assert 1 < D(warned["data"][0]["mgnRatio"]) < D("1.25")
    venue.exchange.contracts.set_prices(INVERSE, mark=D(47_700))
    told = public.read()["data"][0]
    assert (told["instId"], told["instFamily"], told["instType"]) == (USD_SWAP, "BTC-USD", "SWAP")
    same(told["details"][0], side="sell", posSide="long", sz="100")


def test_orders_by_websocket(venue: OkxContracts, private: Socket) -> None:
    arg = {"instIdCode": 10459, "tdMode": "cross", "side": "buy", "ordType": "limit", "px": "49000", "sz": "1"}
    private.send({"id": "1", "op": "batch-orders", "args": [arg, {**arg, "sz": "999999"}]})
    answer = private.read()
    assert (answer["code"], [row["sCode"] for row in answer["data"]]) == ("2", ["0", "51008"])
    assert answer["data"][1]["subCode"] == "1001"
    order_id = answer["data"][0]["ordId"]
    private.send({"id": "2", "op": "amend-order", "args": [{"instIdCode": 10459, "ordId": order_id, "newSz": "2"}]})
    assert private.read()["data"][0]["sCode"] == "0"
    (open_order,) = venue.exchange.open_orders(venue.account, LINEAR)
    assert open_order.quantity == 2
    private.send({"id": "3", "op": "cancel-order", "args": [{"instIdCode": 10459, "ordId": order_id}]})
    assert private.read()["code"] == "0"
    assert venue.exchange.open_orders(venue.account) == []
