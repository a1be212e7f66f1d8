from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from fmzthreads.errors import InputError, UnknownName
from fmzthreads.exchange.market_rules import MarketRules, OrderBounds
from fmzthreads.exchange.order_request import OrderRequest, parse_side, prepare

RULES = MarketRules(
    symbol="BTC_USDT",
    tick=Decimal("0.01"),
    step=Decimal("0.001"),
    min_amount=Decimal("0.01"),
    max_amount=Decimal(100),
    min_notional=Decimal(5),
    max_notional=Decimal(1_000_000),
)


def intent(price, amount, side="buy", *, symbol="BTC_USDT", rules=RULES, **settings):
    request = OrderRequest(symbol=symbol, side=side, price=price, amount=amount, **settings)
    return prepare(request, lambda _: rules)[0]


def test_an_order_is_cut_to_the_market():
    made = intent(65000.129, 0.123456)
    assert (made.price, made.amount, made.side, made.time_in_force) == (
        Decimal("65000.12"),
        Decimal("0.123"),
        "buy",
        "GTC",
    )


def test_both_sides_are_cut_down():
    assert intent(100.999, 1, "sell").price == Decimal("100.99")
    assert intent(100.999, 1, "buy").price == Decimal("100.99")


def test_digits_of_the_strategy_go_before_the_market_s():
    made = intent(65000.19, 0.129, price_digits=1, amount_digits=2)
    assert (made.price, made.amount) == (Decimal("65000.1"), Decimal("0.12"))
    finer = intent(65000.123456, 0.123456, price_digits=5, amount_digits=5)
    assert (finer.price, finer.amount) == (Decimal("65000.12"), Decimal("0.123"))


def test_a_market_without_rules_takes_the_digits_alone():
    made = intent(1.23456, 2.5, rules=None, price_digits=3, amount_digits=0)
    assert (made.price, made.amount) == (Decimal("1.234"), 2)


def test_a_market_buy_is_in_quote_currency():
    made = intent(-1, 10.123456789123)
    assert (made.price, made.amount) == (None, Decimal("10.12345678"))
    with pytest.raises(InputError, match=r"value 4\.5 is below the minimum"):
        intent(-1, 4.5)


def test_a_market_sale_is_in_base_currency():
    made = intent(-1, 0.0509, "sell")
    assert (made.price, made.amount) == (None, Decimal("0.05"))


def test_a_market_buy_of_contracts_counts_contracts():
    made = intent(-1, 3.0007, "closesell", symbol="BTC_USDT.swap")
    assert (made.price, made.amount, made.side) == (None, Decimal("3"), "closesell")


@pytest.mark.parametrize("bad", [0, -2, -0.5, -1.0000001])
def test_prices_that_are_none(bad):
    with pytest.raises(InputError, match=r"price must be more than 0 \(or -1 for a market order\)"):
        intent(bad, 1)


@pytest.mark.parametrize("minus_one", [-1, -1.0, Decimal(-1)])
def test_minus_one_is_at_market(minus_one):
    assert intent(minus_one, 10).price is None


@pytest.mark.parametrize("bad", [0, -1, -0.1, 0.0])
def test_amounts_that_are_none(bad):
    with pytest.raises(InputError, match="amount must be more than 0"):
        intent(100, bad)


@pytest.mark.parametrize("bad", ["100", None, True, float("nan"), float("inf"), [1], {}])
@pytest.mark.parametrize("which", ["price", "amount"])
def test_what_is_no_number_is_refused_before_the_rules_are_asked(bad, which):
    def asked(_):
        raise AssertionError("the rules were asked")

    numbers = {"price": 100, "amount": 1, which: bad}
    with pytest.raises(InputError, match=which):
        prepare(OrderRequest(symbol="BTC_USDT", side="buy", **numbers), asked)


@pytest.mark.parametrize(
    ("price", "amount", "words"),
    [
        (0.001, 1, "price 0.001 is 0 when it is cut.*0.01"),
        (100, 0.0009, "amount 0.0009 is 0 when it is cut.*0.001"),
        (1000, 0.009, "below the minimum of BTC_USDT, 0.01"),
        (1000, 100.001, "above the maximum of BTC_USDT, 100"),
        (100, 0.049, "value 4.9 is below the minimum"),
        (100_000, 11, "value 1100000 is above the maximum"),
    ],
)
def test_what_the_market_does_not_take_is_refused(price, amount, words):
    with pytest.raises(InputError, match=words):
        intent(price, amount)


def test_what_is_exactly_at_a_limit_is_taken():
    assert intent(500, 0.01).amount == Decimal("0.01")
    assert intent(100, 0.05).amount == Decimal("0.05")
    assert intent(100, 100).amount == 100
    assert intent(10_000, 100).amount == 100


def test_options_leave_the_limits_to_the_venue():
    assert intent(100, 0.001, "buy;type=STOP_LOSS").amount == Decimal("0.001")


@pytest.mark.parametrize("huge", [10**31, 1e300, 10**400, Decimal("1e999999"), Decimal("-1e99999999")])
def test_numbers_beyond_all_measure_are_refused(huge):
    for price, amount in ((huge, 1), (100, huge)):
        with pytest.raises(InputError, match="at most 1e\\+30"):
            intent(price, amount)


def test_a_rate_is_divided_out():
    made = intent(700.07, 1, rate=Decimal(7))
    assert made.price == Decimal("100.01")
    odd = intent(33.33 * 7.13, 1, rate=Decimal("7.13"))
    assert odd.price == Decimal("33.33")


def test_pairs_of_options():
    made = intent(100, 1, "buy;timeInForce=IOC&stpMode=cancel_maker&note=a%20b")
    assert made.time_in_force == "IOC"
    assert dict(made.options) == {"stpMode": "cancel_maker", "note": "a b"}


def test_json_options_keep_every_digit():
    text = 'sell; {"timeInForce":"FOK","price":0.10000000000000000001,"reduceOnly":true,"n":5,"list":[{"px":1.10}],"x":null}'
    made = intent(100, 1, text)
    assert (made.side, made.time_in_force) == ("sell", "FOK")
    assert dict(made.options) == {
        "price": "0.10000000000000000001",
        "reduceOnly": "true",
        "n": "5",
        "list": '[{"px":1.10}]',
        "x": "null",
    }


def test_a_time_in_force_of_the_venue_s_own_stays_an_option():
    made = intent(100, 1, "buy;timeInForce=GTD&goodTillDate=1")
    assert made.time_in_force == "GTC"
    assert dict(made.options) == {"timeInForce": "GTD", "goodTillDate": "1"}


@pytest.mark.parametrize("name", ["newClientOrderId", "clOrdId"])
def test_a_client_order_id_of_the_strategy_is_the_intent_s(name):
    made, own = prepare(OrderRequest(symbol="BTC_USDT", side=f"buy;{name}=mine1", price=100, amount=1), lambda _: RULES)
    assert (made.client_order_id, own, dict(made.options)) == ("mine1", False, {})


def test_client_order_ids_differ_and_fit_every_venue():
    ids = {intent(100, 1).client_order_id for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(one) == 32 and one.isascii() and one.isalnum() for one in ids)


@pytest.mark.parametrize("side", ["hold", "Buy", "", "closebuy", "BUY"])
def test_sides_that_a_spot_market_does_not_have(side):
    with pytest.raises(UnknownName, match="'buy'"):
        parse_side(side)


def test_sides_of_contracts():
    assert parse_side("closebuy", spot=False) == ("closebuy", {})
    with pytest.raises(UnknownName, match="closesell"):
        parse_side("closesel", spot=False)


@pytest.mark.parametrize("side", [None, 1, b"buy"])
def test_a_side_is_text(side):
    with pytest.raises(InputError, match="side must be text"):
        parse_side(side)


@pytest.mark.parametrize("rest", ["{", '{"a":', "{1}", "type", "a=1&b"])
def test_options_in_neither_form(rest):
    with pytest.raises(InputError, match="options of a side"):
        parse_side(f"buy;{rest}")


def test_options_cannot_be_changed_later():
    made = intent(100, 1, "buy;a=1")
    with pytest.raises(TypeError):
        made.options["a"] = "2"  # type: ignore[index]


def test_a_market_order_is_cut_and_judged_by_the_bounds_of_market_orders():
    at_market = OrderBounds(
        step=Decimal("0.1"), min_amount=Decimal("0.2"), max_amount=Decimal(3), min_notional=Decimal(50)
    )
    rules = attrs.evolve(RULES, at_market=at_market)
    assert intent(-1, 1.2345, "sell", rules=rules).amount == Decimal("1.2")
    assert intent(100, 1.2345, "sell", rules=rules).amount == Decimal("1.234")
    assert intent(100, 5, rules=rules).amount == 5
    for amount, side in ((4, "sell"), (0.1, "sell"), (49, "buy")):
        with pytest.raises(InputError, match="market order"):
            intent(-1, amount, side, rules=rules)
