"""The calls of USDⓈ-M and COIN-M by hand: answers, refusals and what both families share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from fmzthreads.errors import UnknownName
from fmzthreads.simulator import SimulatorServer
from tests.helpers.simulators import ContractCaller, contract_simulator, free_session

SYMBOLS = {"um": "BTCUSDT", "cm": "BTCUSD_PERP"}
SWAPS = {"um": "BTC_USDT.swap", "cm": "BTC_USD.swap"}
AMOUNTS = {"um": "0.01", "cm": "10"}


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with contract_simulator() as running:
        yield running


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with free_session() as made:
        yield made


@pytest.fixture(params=["um", "cm"])
def caller(server: SimulatorServer, session: requests.Session, request: pytest.FixtureRequest) -> ContractCaller:
    return ContractCaller(server, session, request.param)


def code(reply: requests.Response) -> int:
    assert reply.status_code == 400, reply.text
    return int(reply.json()["code"])


def order(caller: ContractCaller, **params: Any) -> requests.Response:
    defaults = {"symbol": SYMBOLS[caller.product], "side": "BUY", "type": "MARKET", "quantity": AMOUNTS[caller.product]}
    if params.get("type") == "LIMIT":
        defaults["timeInForce"] = "GTC"
    return caller.signed("POST", "order", **{**defaults, **params})


def far(server: SimulatorServer, caller: ContractCaller, part: str = "0.97") -> str:
    price = server.exchanges[caller.product].contracts.prices(SWAPS[caller.product]).mark * Decimal(part)
    return f"{price:.1f}"


def algo(caller: ContractCaller, server: SimulatorServer, **params: Any) -> requests.Response:
    defaults = {
        "algoType": "CONDITIONAL", "symbol": SYMBOLS[caller.product], "side": "SELL", "type": "STOP_MARKET",
        "quantity": AMOUNTS[caller.product], "triggerPrice": far(server, caller), "workingType": "MARK_PRICE",
    }  # fmt: skip
    return caller.signed("POST", "algoOrder", **{**defaults, **params})


def test_the_answer_to_an_order_has_no_average_price_and_a_query_has_one(caller: ContractCaller) -> None:
    placed = order(caller, newOrderRespType="RESULT", newClientOrderId="my.id:/1").json()
    assert (placed["status"], placed["clientOrderId"], placed["positionSide"]) == ("FILLED", "my.id:/1", "BOTH")
    assert not {"avgPrice", "cumQuote", "cumBase"} & set(placed)
    assert ("pair" in placed) == (caller.product == "cm")
    asked = caller.signed("GET", "order", symbol=SYMBOLS[caller.product], orderId=placed["orderId"]).json()
    assert Decimal(asked["avgPrice"]) > 50_000
    assert ("cumBase" in asked, "cumQuote" in asked) == (caller.product == "cm", caller.product == "um")
    acknowledged = order(caller).json()
    assert (acknowledged["status"], Decimal(acknowledged["executedQty"])) == ("NEW", 0)


REFUSED: list[tuple[dict[str, Any], int]] = [
    ({"type": "STOP_MARKET", "stopPrice": "50000"}, -4120),
    ({"type": "LIMIT_MAKER"}, -1116),
    ({"side": "buy"}, -1117),
    ({"symbol": "NOPE"}, -1121),
    ({"positionSide": "UP"}, -4060),
    ({"positionSide": "LONG"}, -4061),
    ({"reduceOnly": "true"}, -2022),
    ({"type": "LIMIT", "price": "60000.05"}, -4014),
    ({"type": "LIMIT", "price": "90000"}, -4016),
    ({"type": "LIMIT", "price": "10000", "side": "SELL"}, -4024),
    ({"type": "LIMIT"}, -1102),
    ({"quantity": "100000000"}, -4005),
    ({"quantity": "0.0001"}, -4004),
    ({"newOrderRespType": "FULL"}, -1136),
    ({"newClientOrderId": "no spaces"}, -1100),
]


def test_refusals(caller: ContractCaller) -> None:
    for params, expected in REFUSED:
        assert (params, code(order(caller, **params))) == (params, expected)


def test_orders_beyond_the_margin_the_minimum_or_a_maker_only_price(
    server: SimulatorServer, caller: ContractCaller
) -> None:
    if caller.product == "um":
        assert code(order(caller, quantity="0.001")) == -4164
    assert code(order(caller, type="LIMIT", timeInForce="GTX", price=far(server, caller, "1.02"))) == -5022
    caller.signed("POST", "leverage", symbol=SYMBOLS[caller.product], leverage=1)
    most = {"um": "100", "cm": "60000"}[caller.product]
    assert code(order(caller, type="LIMIT", quantity=most, price=far(server, caller))) == -2019


def test_leverage_margin_type_and_brackets(caller: ContractCaller) -> None:
    symbol = SYMBOLS[caller.product]
    assert caller.signed("POST", "leverage", symbol=symbol, leverage=10).json()["leverage"] == 10
    assert code(caller.signed("POST", "leverage", symbol=symbol, leverage=126)) == -4028
    assert code(caller.signed("POST", "marginType", symbol=symbol, marginType="CROSSED")) == -4046
    assert caller.signed("POST", "marginType", symbol=symbol, marginType="ISOLATED").json()["code"] == 200
    order(caller)
    assert code(caller.signed("POST", "marginType", symbol=symbol, marginType="CROSSED")) == -4048
    amount = {"um": "5", "cm": "0.001"}[caller.product]
    moved = caller.signed("POST", "positionMargin", symbol=symbol, amount=amount, type=1).json()
    assert (moved["code"], moved["type"]) == (200, 1)
    version = "v2" if caller.product == "cm" else "v1"
    brackets = caller.signed("GET", "leverageBracket", version=version, symbol=symbol).json()[0]["brackets"]
    assert brackets[0]["maintMarginRatio"] == 0.004
    assert isinstance(brackets[0]["qtyCap" if caller.product == "cm" else "notionalCap"], int)


def test_the_position_mode_is_one_for_both_families(server: SimulatorServer, session: requests.Session) -> None:
    um, cm = (ContractCaller(server, session, product) for product in ("um", "cm"))
    assert code(um.signed("POST", "positionSide/dual", dualSidePosition="false")) == -4059
    waiting = order(cm, type="LIMIT", price=far(server, cm)).json()
    assert code(um.signed("POST", "positionSide/dual", dualSidePosition="true")) == -4067
    cm.signed("DELETE", "order", symbol="BTCUSD_PERP", orderId=waiting["orderId"])
    order(um)
    assert code(cm.signed("POST", "positionSide/dual", dualSidePosition="true")) == -4068
    order(um, side="SELL", reduceOnly="true")
    assert cm.signed("POST", "positionSide/dual", dualSidePosition="true").json()["code"] == 200
    assert [c.signed("GET", "positionSide/dual").json()["dualSidePosition"] for c in (um, cm)] == [True, True]
    assert code(order(um)) == -4061
    assert order(um, positionSide="SHORT", side="SELL").status_code == 200
    assert code(order(um, positionSide="LONG", reduceOnly="true")) == -1106
    assert code(order(um, positionSide="LONG", side="SELL")) == -2022


def test_a_conditional_order_and_its_child_share_the_client_id(server: SimulatorServer, caller: ContractCaller) -> None:
    symbol, exchange = SYMBOLS[caller.product], server.exchanges[caller.product]
    order(caller)
    placed = algo(caller, server, clientAlgoId="stop-1", reduceOnly="true").json()
    assert (placed["algoStatus"], placed["orderType"], placed["reduceOnly"]) == ("NEW", "STOP_MARKET", True)
    assert caller.signed("GET", "openOrders", symbol=symbol).json() == []
    assert caller.signed("DELETE", "allOpenOrders", symbol=symbol).json()["code"] == 200
    assert len(caller.signed("GET", "openAlgoOrders", symbol=symbol).json()) == 1
    exchange.contracts.set_prices(SWAPS[caller.product], mark=Decimal(far(server, caller, "0.96")))
    done = caller.signed("GET", "algoOrder", clientAlgoId="stop-1").json()
    child = caller.signed("GET", "order", symbol=symbol, origClientOrderId="stop-1").json()
    assert (done["algoStatus"], done["actualOrderId"]) == ("FINISHED", str(child["orderId"]))
    assert (child["status"], child["origType"], child["reduceOnly"]) == ("FILLED", "STOP_MARKET", True)
    assert code(caller.signed("DELETE", "algoOrder", algoId=placed["algoId"])) == -2011


def test_conditional_orders_that_would_fire_or_do_not_fit_are_refused(
    server: SimulatorServer, caller: ContractCaller
) -> None:
    assert code(algo(caller, server, triggerPrice=far(server, caller, "1.02"))) == -2021
    assert code(algo(caller, server, type="LIMIT")) == -1116
    assert code(algo(caller, server, closePosition="true")) == -4137
    assert code(algo(caller, server, triggerPrice=None)) == -1102
    assert code(algo(caller, server, workingType="LAST")) == -4031
    assert code(algo(caller, server, type="TRAILING_STOP_MARKET", callbackRate="25")) == -2007
    kept = algo(caller, server, closePosition="true", quantity=None).json()
    assert (kept["closePosition"], Decimal(kept["quantity"])) == (True, 0)
    cancelled = caller.signed("DELETE", "algoOrder", algoId=kept["algoId"]).json()
    assert (cancelled["code"], cancelled["msg"]) == ("200", "success")


def test_a_batch_answers_for_each_order(server: SimulatorServer, caller: ContractCaller) -> None:
    good = {
        "symbol": SYMBOLS[caller.product], "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": AMOUNTS[caller.product],
        "price": far(server, caller),
    }  # fmt: skip
    rows = caller.signed("POST", "batchOrders", batchOrders=json.dumps([good, {**good, "type": "STOP_MARKET"}])).json()
    assert (rows[0]["status"], rows[1]["code"]) == ("NEW", -4120)
    assert code(caller.signed("POST", "batchOrders", batchOrders=json.dumps([good] * 6))) == -4082
    ids = json.dumps([rows[0]["orderId"], 1])
    gone = caller.signed("DELETE", "batchOrders", symbol=SYMBOLS[caller.product], orderIdList=ids).json()
    assert (gone[0]["status"], gone[1]["code"]) == ("CANCELED", -2011)


def test_a_change_needs_price_and_quantity_and_may_cancel(server: SimulatorServer, caller: ContractCaller) -> None:
    symbol = SYMBOLS[caller.product]
    placed = order(caller, type="LIMIT", price=far(server, caller), timeInForce="GTX").json()
    change = {"symbol": symbol, "orderId": placed["orderId"], "side": "BUY", "quantity": AMOUNTS[caller.product]}
    assert code(caller.signed("PUT", "order", **change)) == -1102
    same = caller.signed("PUT", "order", **change, price=far(server, caller))
    assert code(same) == (-5027 if caller.product == "um" else -4197)
    moved = caller.signed("PUT", "order", **change, price=far(server, caller, "0.96"), modifyId=7).json()
    assert (Decimal(moved["price"]), moved["modifyId"]) == (Decimal(far(server, caller, "0.96")), 7)
    crossed = caller.signed("PUT", "order", **change, price=far(server, caller, "1.02")).json()
    assert crossed["status"] == "CANCELED"


def test_a_liquidation_appears_as_an_order_that_the_venue_made(server: SimulatorServer, caller: ContractCaller) -> None:
    symbol, exchange = SYMBOLS[caller.product], server.exchanges[caller.product]
    caller.signed("POST", "marginType", symbol=symbol, marginType="ISOLATED")
    caller.signed("POST", "leverage", symbol=symbol, leverage=50)
    order(caller)
    exchange.contracts.set_prices(SWAPS[caller.product], mark=Decimal(far(server, caller, "0.9")))
    forced = caller.signed("GET", "forceOrders", symbol=symbol).json()
    assert [row["clientOrderId"][:10] for row in forced] == ["autoclose-"]
    assert (forced[0]["timeInForce"], forced[0]["side"]) == ("IOC", "SELL")
    assert caller.signed("GET", "forceOrders", symbol=symbol, autoCloseType="ADL").json() == []
    kinds = [row["incomeType"] for row in caller.signed("GET", "income", symbol=symbol).json()]
    assert "REALIZED_PNL" in kinds


def test_positions_balances_and_funding(server: SimulatorServer, caller: ContractCaller) -> None:
    symbol, contracts = SYMBOLS[caller.product], server.exchanges[caller.product].contracts
    order(caller)
    version = "v3" if caller.product == "um" else "v1"
    risk = [r for r in caller.signed("GET", "positionRisk", version=version).json() if r["symbol"] == symbol]
    assert Decimal(risk[0]["positionAmt"]) == Decimal(AMOUNTS[caller.product])
    assert ("leverage" in risk[0]) == (caller.product == "cm")
    contracts.set_funding(SWAPS[caller.product], Decimal("0.001"))
    contracts.pay_funding(SWAPS[caller.product])
    paid = caller.signed("GET", "income", incomeType="FUNDING_FEE").json()
    assert Decimal(paid[0]["income"]) < 0
    assert isinstance(paid[0]["tranId"], str if caller.product == "cm" else int)
    rates = caller.public("fundingRate", symbol=symbol).json()
    assert (rates[0]["fundingRate"], Decimal(rates[0]["markPrice"]) > 0) == ("0.00100000", True)
    account = caller.signed("GET", "account", version=version).json()
    asset = account["assets"][0]
    assert Decimal(asset["walletBalance"]) + Decimal(asset["unrealizedProfit"]) == Decimal(asset["marginBalance"])
    assert ("totalWalletBalance" in account) == (caller.product == "um")
    balances = caller.signed("GET", "balance", version=version).json()
    assert ("withdrawAvailable" in balances[0]) == (caller.product == "cm")


def test_public_answers_have_the_shape_of_their_family(caller: ContractCaller) -> None:
    symbol, coin = SYMBOLS[caller.product], caller.product == "cm"
    info = caller.public("exchangeInfo").json()
    row = info["symbols"][0]
    assert ("contractStatus" in row, "status" in row, row.get("contractSize")) == (
        coin,
        not coin,
        100 if coin else None,
    )
    assert "STOP_MARKET" in row["orderTypes"]
    book = caller.public("depth", symbol=symbol, limit=5).json()
    assert (len(book["bids"]), book["T"] > 0, "pair" in book) == (5, True, coin)
    assert code(caller.public("depth", symbol=symbol, limit=7)) == -4021
    for path in ("premiumIndex", "ticker/24hr", "ticker/bookTicker", "ticker/price"):
        assert isinstance(caller.public(path, symbol=symbol).json(), list) is coin
    assert ("baseQty" in caller.public("trades", symbol=symbol).json()[0]) is coin
    pair = {"pair": symbol.partition("_")[0], "contractType": "PERPETUAL", "interval": "1m", "limit": 2}
    assert len(caller.public("continuousKlines", **pair).json()) == 2


def test_coin_margined_bars_are_the_newest_of_their_span(server: SimulatorServer, session: requests.Session) -> None:
    um, cm = (ContractCaller(server, session, product) for product in ("um", "cm"))
    end = server.exchange.server_time_ms() // 3_600_000 * 3_600_000
    start = end - 10 * 3_600_000
    asked = {"interval": "1h", "startTime": start, "endTime": end, "limit": 3}
    opens = [[row[0] for row in c.public("klines", symbol=SYMBOLS[c.product], **asked).json()] for c in (um, cm)]
    assert opens[0] == [start + n * 3_600_000 for n in range(3)]
    assert opens[1] == [end - n * 3_600_000 for n in (2, 1, 0)]


def test_the_countdown_cancels_ordinary_orders_only(server: SimulatorServer, caller: ContractCaller) -> None:
    from fmzthreads.simulator.dialects.binance.contracts.product_list import BinanceProducts

    symbol = SYMBOLS[caller.product]
    order(caller, type="LIMIT", price=far(server, caller))
    algo(caller, server)
    armed = caller.signed("POST", "countdownCancelAll", symbol=symbol, countdownTime=1).json()
    assert armed == {"symbol": symbol, "countdownTime": "1"}
    assert isinstance(server.dialect, BinanceProducts)
    gone = server.dialect.contracts[caller.product].countdown
    while caller.signed("GET", "openOrders", symbol=symbol).json():
        gone.cancel_due()
    assert len(caller.signed("GET", "openAlgoOrders", symbol=symbol).json()) == 1


def test_both_families_share_one_limit_of_orders(session: requests.Session) -> None:
    with contract_simulator(rate_scale=0.02) as server:
        um, cm = (ContractCaller(server, session, product) for product in ("um", "cm"))
        placed = [order(c, type="LIMIT", price=far(server, c)) for c in (um, cm, um, cm)]
        assert [int(reply.headers["X-MBX-ORDER-COUNT-1M"]) for reply in placed] == [1, 2, 3, 4]
        assert {row["rateLimitType"] for row in um.public("exchangeInfo").json()["rateLimits"]} == {
            "REQUEST_WEIGHT",
            "ORDERS",
        }


def test_only_known_products_are_simulated() -> None:
    with pytest.raises(UnknownName, match="um"):
        SimulatorServer("binance", products=("umm",))
    with pytest.raises(UnknownName, match="okx"):
        SimulatorServer("okx", products=("um",))
