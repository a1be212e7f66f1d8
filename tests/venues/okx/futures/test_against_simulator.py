"""Futures_OKX against the simulated OKX, over real sockets: every call of the port for contracts, in both position modes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads import constants, errors
from fmzthreads.exchange.contracts.intents import ConditionIntent, ConditionTerms, ModifyIntent
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.exchange.venue import OrderIntent, Venue
from fmzthreads.venues.okx.futures.venue import FuturesOKX

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

from tests.helpers.okx_contracts import INVERSE, LINEAR, OkxContracts

D = Decimal
_IDS = (f"fz{number}" for number in itertools.count(1))
SL, TP, OCO, GENERIC = (
    constants.ORDER_CONDITION_TYPE_SL,
    constants.ORDER_CONDITION_TYPE_TP,
    constants.ORDER_CONDITION_TYPE_OCO,
    constants.ORDER_CONDITION_TYPE_GENERIC,
)


@contextmanager
def room(*, hedge: bool = False, **options: Any) -> Iterator[tuple[OkxContracts, FuturesOKX]]:
    with OkxContracts(hedge=hedge) as market:
        keys = Credentials(access_key=market.key, secret_key=market.secret, passphrase=market.passphrase)
        venue = FuturesOKX(credentials=keys, base=market.base_url, share_limits=False, **options)
        try:
            yield market, venue
        finally:
            venue.close()


@pytest.fixture
def both() -> Iterator[tuple[OkxContracts, FuturesOKX]]:
    with room() as made:
        yield made


def intent(side: Any = "buy", amount: str = "2", price: str | None = None, **changes: Any) -> OrderIntent:
    given: dict[str, Any] = {
        "symbol": LINEAR, "side": side, "amount": D(amount), "price": None if price is None else D(price), "client_order_id": next(_IDS),
    }  # fmt: skip
    return OrderIntent(**{**given, **changes})


def condition(side: Any, terms: ConditionTerms, **changes: Any) -> ConditionIntent:
    given: dict[str, Any] = {
        "symbol": LINEAR, "side": side, "amount": D(2), "terms": terms, "client_order_id": next(_IDS),
    }  # fmt: skip
    return ConditionIntent(**{**given, **changes})


def opened(market: OkxContracts, venue: FuturesOKX, side: str = "buy", amount: str = "2", symbol: str = LINEAR) -> str:
    """A position at 50,000."""
    market.rest(symbol, "sell" if side == "buy" else "buy", "50000", amount)
    return venue.place(intent(side, amount, symbol=symbol))


def held(venue: FuturesOKX, symbol: str | None = None) -> list[tuple[str, int, float]]:
    return [(one["Symbol"], one["Type"], one["Amount"]) for one in venue.positions(symbol)]


def test_markets_and_contracts(both: tuple[OkxContracts, FuturesOKX]) -> None:
    _, venue = both
    assert isinstance(venue, Venue)
    markets = venue.markets()
    assert {LINEAR, INVERSE} <= set(markets)
    linear, inverse = venue.contract(LINEAR), venue.contract(INVERSE)
    assert (linear.venue_symbol, linear.value_currency, linear.margin_currency) == ("BTC-USDT-SWAP", "BTC", "USDT")
    assert (inverse.venue_symbol, inverse.value_currency, inverse.margin_currency) == ("BTC-USD-SWAP", "USD", "BTC")
    assert (linear.expires_ms, linear.value.in_coins, inverse.value.in_coins) == (0, True, False)
    assert venue.rules(LINEAR).symbol == LINEAR
    assert {ticker["Symbol"] for ticker in venue.tickers()} == {LINEAR, INVERSE}
    assert venue.ticker(LINEAR)["Last"] == 50_000
    assert venue.records(LINEAR, 60, 2)
    for wrong in ("BTC_USDT", "BTC_USDT.", "DOGE_USDT.swap", "BTC_USDT.quarter"):
        with pytest.raises(errors.UnknownSymbol, match="does not list"):
            venue.contract(wrong)


def test_fundings_and_fees(both: tuple[OkxContracts, FuturesOKX]) -> None:
    market, venue = both
    market.exchange.contracts.set_funding(LINEAR, D("0.001"))
    (one,) = venue.fundings(LINEAR)
    assert (one["Symbol"], one["Rate"], one["Interval"]) == (LINEAR, 0.001, 8 * 3_600_000)
    assert {one["Symbol"] for one in venue.fundings()} == {LINEAR, INVERSE}
    assert [one["Symbol"] for one in venue.fundings("USD.swap")] == [INVERSE]
    assert venue.fundings("BTC_USDT.200626") == []  # delivered: OKX refuses the name
    maker, taker = venue.fee_rates(LINEAR)
    assert 0 <= maker <= taker


@pytest.mark.parametrize("symbol", [LINEAR, INVERSE])
def test_one_way_positions_open_and_only_close(both: tuple[OkxContracts, FuturesOKX], symbol: str) -> None:
    market, venue = both
    assert venue.position_mode() == "one_way"
    order_id = opened(market, venue, symbol=symbol)
    order = venue.order(order_id)
    assert (order["Symbol"], order["Status"], order["DealAmount"], order["AvgPrice"]) == (
        symbol, constants.ORDER_STATE_CLOSED, 2, 50_000,
    )  # fmt: skip
    assert order["Offset"] == constants.ORDER_OFFSET_OPEN
    assert held(venue) == [(symbol, constants.PD_LONG, 2)]
    account = venue.account(symbol)
    assert account["Equity"] > 0
    assert (account["Stocks"] > 0) is (symbol == INVERSE)
    assert (account["Balance"] > 0) is (symbol == LINEAR)
    fills = venue.fills(order)
    assert (sum(fill["Amount"] for fill in fills), fills[0]["FeeCurrency"]) == (
        2,
        "USDT" if symbol == LINEAR else "BTC",
    )
    market.rest(symbol, "buy", "50000", "5")
    closing = venue.order(venue.place(intent("closebuy", "2", symbol=symbol)))
    assert closing["Offset"] == constants.ORDER_OFFSET_CLOSE
    assert held(venue) == []
    with pytest.raises(errors.VenueRejected):
        venue.place(intent("closebuy", "1", symbol=symbol))  # nothing to close: refused, never opened
    assert held(venue) == []


def test_hedge_mode_has_both_sides() -> None:
    with room(hedge=True) as (market, venue):
        assert venue.position_mode() == "hedge"
        opened(market, venue, "buy", "2")
        opened(market, venue, "sell", "3")
        assert sorted(held(venue, LINEAR)) == [(LINEAR, constants.PD_LONG, 2), (LINEAR, constants.PD_SHORT, 3)]
        market.rest(LINEAR, "sell", "50000", "1")
        order = venue.order(venue.place(intent("closesell", "1")))
        assert (order["Type"], order["Offset"]) == (constants.ORDER_TYPE_BUY, constants.ORDER_OFFSET_CLOSE)
        assert sorted(held(venue, "USDT.swap")) == [(LINEAR, constants.PD_LONG, 2), (LINEAR, constants.PD_SHORT, 2)]
        assert held(venue, "USD.swap") == []


def test_a_mode_changed_outside_is_read_again_after_the_refusal(both: tuple[OkxContracts, FuturesOKX]) -> None:
    market, venue = both
    assert venue.position_mode() == "one_way"
    market.exchange.contracts.set_hedge(market.account, True)
    with pytest.raises(errors.VenueRejected, match="position mode was changed outside"):
        venue.place(intent("buy", "1"))
    assert venue.position_mode() == "hedge"
    opened(market, venue)
    assert held(venue) == [(LINEAR, constants.PD_LONG, 2)]


def test_the_position_mode_is_set_only_by_its_command(both: tuple[OkxContracts, FuturesOKX]) -> None:
    _, venue = both
    assert venue.io("dual", True) is True
    assert venue.position_mode() == "hedge"
    with pytest.raises(errors.InputError):
        venue.io("dual", "yes")


@pytest.mark.parametrize("option", ["posSide", "reduceOnly"])
def test_a_closing_order_cannot_be_made_an_opening_one(both: tuple[OkxContracts, FuturesOKX], option: str) -> None:
    _, venue = both
    with pytest.raises(errors.InputError, match="closebuy sets posSide and reduceOnly itself; nothing was sent"):
        venue.place(intent("closebuy", options={option: "false"}))


def test_margin_mode_and_leverage(both: tuple[OkxContracts, FuturesOKX]) -> None:
    market, venue = both
    assert venue.set_margin_level(LINEAR, 7) == 7
    venue.set_cross(LINEAR, False)
    assert venue.set_margin_level(LINEAR, 9) == 9
    opened(market, venue)
    (position,) = venue.positions(LINEAR)
    assert (position["MarginLevel"], position["Info"]["mgnMode"]) == (9, "isolated")
    assert position["Margin"] > 0
    with pytest.raises(errors.InputError, match=r"at most \d+ at Futures_OKX, got 1000; nothing was sent"):
        venue.set_margin_level(LINEAR, 1000)
    with pytest.raises(errors.UnknownName, match="margin mode"):
        FuturesOKX(margin_mode="crossed")


@pytest.mark.parametrize("hedge", [False, True])
@pytest.mark.parametrize("crossed", [False, True])
def test_what_closes_goes_in_the_margin_mode_of_its_position(hedge: bool, crossed: bool) -> None:
    with room(hedge=hedge) as (market, venue):
        venue.set_cross(LINEAR, crossed)
        opened(market, venue, amount="5")
        venue.set_cross(LINEAR, not crossed)  # of what is opened from now on
        stop = ConditionTerms(kind=SL, sl_trigger=D(40_000))
        placed = venue.place_condition(condition("closebuy", stop, amount=D(1)))
        mode = "cross" if crossed else "isolated"
        assert venue.condition_order(placed)["Info"]["tdMode"] == mode
        other = venue.place_condition(condition("sell", ConditionTerms(kind=SL, sl_trigger=D(40_000)), amount=D(1)))
        assert venue.condition_order(other)["Info"]["tdMode"] != mode  # one that may open is sent as it was asked for
        market.rest(LINEAR, "buy", "49990", "5")
        closing = intent("closebuy", "3")
        closed = venue.order(venue.place(closing))
        assert (closed["DealAmount"], closed["Info"]["tdMode"]) == (3, mode)
        assert venue.order_by_client_id(LINEAR, closing.client_order_id)["Id"] == closed["Id"]
        assert held(venue, LINEAR) == [(LINEAR, constants.PD_LONG, 2)]
        with pytest.raises(errors.InvalidOrder, match="51169"):
            venue.place(intent("closesell", "1"))  # there is none in either mode
        assert held(venue, LINEAR) == [(LINEAR, constants.PD_LONG, 2)]


def test_orders_are_listed_changed_and_cancelled(both: tuple[OkxContracts, FuturesOKX]) -> None:
    _, venue = both
    first = intent("buy", "2", "40000")
    ids = [venue.place(first), venue.place(intent("buy", "1", "40000", symbol=INVERSE))]
    assert [order["Id"] for order in venue.orders()] == ids
    assert [order["Id"] for order in venue.orders("USD.swap")] == ids[1:]
    assert [order["ContractType"] for order in venue.orders(LINEAR)] == ["swap"]
    assert venue.order_by_client_id(LINEAR, first.client_order_id)["Id"] == ids[0]
    change = ModifyIntent(
        order_id=ids[0], symbol=LINEAR, side="buy", price=D(41_000), amount=None, client_order_id=next(_IDS)
    )
    assert venue.modify(change) == ids[0]
    changed = venue.order(ids[0])
    assert (changed["Price"], changed["Amount"], venue.client_id_of(changed)) == (41_000, 2, first.client_order_id)
    for order_id in ids:
        venue.cancel(order_id)
    assert venue.orders() == []
    assert [order["Status"] for order in venue.history_orders(LINEAR)] == [constants.ORDER_STATE_CANCELED]
    with pytest.raises(errors.OrderNotFound):
        venue.modify(change)
    with pytest.raises(errors.OrderNotFound):
        venue.order("BTC-USDT-SWAP,1")


def test_a_stop_triggers_and_is_one_order_with_its_child(both: tuple[OkxContracts, FuturesOKX]) -> None:
    market, venue = both
    opened(market, venue)
    stop = condition("closebuy", ConditionTerms(kind=SL, sl_trigger=D(49_000)))
    order_id = venue.place_condition(stop)
    (waiting,) = venue.condition_orders()
    assert (waiting["Id"], waiting["Status"], waiting["Offset"]) == (
        order_id, constants.ORDER_STATE_PENDING, constants.ORDER_OFFSET_CLOSE,
    )  # fmt: skip
    assert (waiting["Condition"]["ConditionType"], waiting["Condition"]["SlTriggerPrice"]) == (SL, 49_000)
    assert waiting["Condition"]["SlOrderPrice"] == -1
    assert venue.client_id_of(waiting) == stop.client_order_id
    change = ModifyIntent(
        order_id=order_id, symbol=LINEAR, side="closebuy", price=None, amount=D(1), client_order_id=next(_IDS),
        terms=ConditionTerms(kind=SL, sl_trigger=D(48_500), sl_price=D(48_000)),
    )  # fmt: skip
    assert venue.modify_condition(change) == order_id
    changed = venue.condition_order(order_id)
    assert (changed["Amount"], changed["Condition"]["SlTriggerPrice"], changed["Condition"]["SlOrderPrice"]) == (
        1,
        48_500,
        48_000,
    )
    market.clear()
    market.trade(LINEAR, "48400")
    market.rest(LINEAR, "buy", "48300", "5")
    by_id = venue.condition_by_client_id(LINEAR, stop.client_order_id)
    assert by_id["Id"] == order_id == venue.order(order_id)["Id"]
    assert by_id.get("ChildId")
    child = venue.order(by_id["ChildId"])
    assert by_id["Status"] == child["Status"]  # triggered is not filled
    assert by_id["DealAmount"] == child["DealAmount"]
    assert venue.condition_orders() == []
    assert [order["Id"] for order in venue.history_condition_orders(LINEAR)] == [order_id]


def test_two_prices_go_as_oco_and_others_by_their_kind(both: tuple[OkxContracts, FuturesOKX]) -> None:
    market, venue = both
    opened(market, venue, amount="6")
    two = ConditionTerms(kind=OCO, tp_trigger=D(60_000), tp_price=D(60_100), sl_trigger=D(40_000))
    trail = condition(
        "closebuy", ConditionTerms(kind=GENERIC), options={"ordType": "move_order_stop", "callbackRatio": "0.05"}
    )
    plain = condition("closebuy", ConditionTerms(kind=GENERIC, sl_trigger=D(45_000), sl_price=D(44_900)))
    ids = [venue.place_condition(one) for one in (condition("closebuy", two), trail, plain)]
    found = {order["Id"]: order for order in venue.condition_orders(LINEAR)}
    assert [found[one]["Info"]["ordType"] for one in ids] == ["oco", "move_order_stop", "trigger"]
    assert found[ids[0]]["Condition"]["ConditionType"] == OCO
    assert found[ids[0]]["Condition"]["TpOrderPrice"] == 60_100
    assert found[ids[2]]["Condition"]["SlTriggerPrice"] == 45_000
    for one in ids:
        venue.cancel(one)  # at the door of condition orders
    assert venue.condition_orders() == []
    states = {order["Status"] for order in venue.history_condition_orders(LINEAR)}
    assert states == {constants.ORDER_STATE_CANCELED}
    with pytest.raises(errors.OrderNotFound):
        venue.cancel_condition(ids[0])
    reached = condition("closebuy", ConditionTerms(kind=SL, sl_trigger=D(51_000)))
    with pytest.raises(errors.VenueRejected, match="code 51"):  # refused: the outcome is known
        venue.place_condition(reached)
    with pytest.raises(errors.InputError, match="needs a trigger price, or the option 'ordType'"):
        venue.place_condition(condition("closebuy", ConditionTerms(kind=GENERIC)))


def test_liquidations_are_the_venues_own_orders_and_funding_is_listed(both: tuple[OkxContracts, FuturesOKX]) -> None:
    market, venue = both
    venue.set_margin_level(LINEAR, 100)
    opened(market, venue, amount="100")
    contracts = market.exchange.contracts
    contracts.set_funding(LINEAR, D("0.001"))
    contracts.pay_funding(LINEAR)
    (payment,) = venue.funding_payments()
    assert (payment["Symbol"], payment["Currency"], payment["Amount"]) == (LINEAR, "USDT", -50)
    assert venue.funding_payments("USD.swap") == []
    market.clear()
    market.rest(LINEAR, "buy", "40000", "1000")
    contracts.set_prices(LINEAR, mark=D(40_050), index=D(40_050))
    made = [order.get("MadeBy") for order in venue.history_orders(LINEAR)]
    assert "liquidation" in made


def test_all_orders_are_cancelled_after_a_while_unless_told_again(both: tuple[OkxContracts, FuturesOKX]) -> None:
    _, venue = both
    venue.cancel_all_after(LINEAR, 60)
    venue.cancel_all_after(LINEAR, 0)
    for wrong in (5, 121):
        with pytest.raises(errors.InputError, match="takes 10 to 120 s"):
            venue.cancel_all_after(LINEAR, wrong)
