"""Contract codes, directions and leverage of an exchange object."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fmzthreads.errors import InputError, InvalidOrder, NotSupported, UnknownName, UnknownSymbol
from tests.helpers.exchange_room import make, make_contracts


def test_the_default_contract_is_set_and_a_change_of_the_pair_sets_it_again() -> None:
    exchange, _venue, _ = make_contracts(contracts=("BTC_USDT.swap", "BTC_USDT.quarter", "ETH_USDT.swap"))
    assert exchange.GetContractType() == "swap"
    chosen = exchange.SetContractType("quarter")
    assert chosen == {
        "InstrumentID": "BTCUSDT_QUARTER",
        "instrument": "BTCUSDT_QUARTER",
        "CtVal": 0.01,
        "CtValCcy": "BTC",
    }
    assert exchange.GetContractType() == "quarter"
    assert exchange.GetTicker().Symbol == "BTC_USDT.quarter"
    exchange.SetCurrency("ETH_USDT")
    assert exchange.GetContractType() == "swap"
    assert exchange.GetTicker().Symbol == "ETH_USDT.swap"


def test_without_a_contract_calls_fail_with_the_text_of_fmz_and_a_full_symbol_works() -> None:
    exchange, _, host = make_contracts(default_contract="")
    assert exchange.GetContractType() == ""
    for call in (exchange.GetTicker, exchange.GetAccount, exchange.GetPositions, exchange.GetOrders):
        assert call() is None
        assert exchange.GetLastError().endswith("symbol BTC_USDT not set contract on Futures_Fake")
    assert exchange.Buy(100, 1) is None
    assert exchange.GetTicker("ETH_USDT") is None
    assert exchange.GetLastError() == "GetTicker: symbol ETH_USDT not set contract on Futures_Fake"
    assert exchange.GetTicker("BTC_USDT.swap").Symbol == "BTC_USDT.swap"
    assert exchange.SetContractType("swap")
    assert exchange.GetTicker().Symbol == "BTC_USDT.swap"
    assert len(host.errors) == 6


@pytest.mark.parametrize("code", ["", None, 7, "a b"])
def test_what_is_no_code_changes_nothing(code: object) -> None:
    exchange, _, _ = make_contracts(errors="raise")
    with pytest.raises(InputError):
        exchange.SetContractType(code)  # type: ignore[arg-type]
    with pytest.raises(UnknownSymbol):
        exchange.SetContractType("quarter")
    assert exchange.GetContractType() == "swap"


def test_a_spot_exchange_has_neither_contracts_nor_directions() -> None:
    exchange, _, _ = make(errors="raise")
    with pytest.raises(NotSupported, match="Fake does not support contracts"):
        exchange.SetContractType("swap")
    with pytest.raises(InputError, match="SetDirection is for contracts, and BTC_USDT is a spot symbol"):
        exchange.SetDirection("buy")
    with pytest.raises(NotSupported, match="Fake does not support SetMarginLevel"):
        exchange.SetMarginLevel(5)
    assert exchange.GetContractType() == ""
    assert exchange.GetTicker().Symbol == "BTC_USDT"


@pytest.mark.parametrize(
    ("direction", "verb", "error"),
    [
        # FMZ's guide, "exchange.SetDirection": these four texts.
        ("sell", "Buy", "direction is sell, invalid order type Buy"),
        ("buy", "Sell", "direction is buy, invalid order type Sell"),
        ("closebuy", "Buy", "direction is closebuy, invalid order type Buy"),
        ("closesell", "Sell", "direction is closesell, invalid order type Sell"),
    ],
)
def test_a_verb_that_does_not_fit_the_direction_is_refused(direction: str, verb: str, error: str) -> None:
    exchange, venue, host = make_contracts()
    assert exchange.SetDirection(direction) is True
    assert getattr(exchange, verb)(100, 1) is None
    assert host.errors == [f"{verb}: {error}"]
    assert venue.placed == []
    assert exchange.GetLastError() == f"{verb}: {error}"


@pytest.mark.parametrize(
    ("direction", "verb", "kind"),
    [("buy", "Buy", 0), ("closesell", "Buy", 0), ("sell", "Sell", 1), ("closebuy", "Sell", 1)],
)
def test_a_direction_decides_what_buy_and_sell_do(direction: str, verb: str, kind: int) -> None:
    exchange, venue, host = make_contracts(errors="raise")
    venue.hold_position("BTC_USDT.swap", 5, 0)
    venue.hold_position("BTC_USDT.swap", 5, 1)
    exchange.SetDirection(direction)
    getattr(exchange, verb)(-1, 2)
    assert [(intent.side, intent.symbol, intent.amount) for intent in venue.placed] == [(direction, "BTC_USDT.swap", 2)]
    assert host.lines[0].kind == kind


def test_an_unknown_direction_is_refused_and_the_old_one_stays() -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    with pytest.raises(UnknownName, match="no direction 'long'; valid: buy, sell, closebuy, closesell"):
        exchange.SetDirection("long")
    exchange.Buy(100, 1)
    assert venue.placed[0].side == "buy"


def test_the_leverage_is_read_back() -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    assert exchange.SetMarginLevel(20) is True
    assert exchange.SetMarginLevel("BTC_USDT.swap", 10) is True
    assert venue.levels == {"BTC_USDT.swap": 10.0}
    with pytest.raises(InputError, match="at most 100, got 101; nothing was sent"):
        exchange.SetMarginLevel(101)
    assert venue.calls["set_margin_level"] == 2
    venue.set_margin_level = lambda symbol, level: 7.0  # type: ignore[method-assign]
    with pytest.raises(InvalidOrder, match=r"the leverage of BTC_USDT.swap was to be 20, and the venue has 7"):
        exchange.SetMarginLevel(20)


@pytest.mark.parametrize("args", [(), ("swap", 1, 2), (0,), (1.5,), (5, 5), ("BTC_USDT.swap", -1), (None, 5)])
def test_other_forms_of_the_leverage_are_refused(args: tuple[object, ...]) -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    with pytest.raises(InputError):
        exchange.SetMarginLevel(*args)  # type: ignore[call-overload]
    assert venue.calls["set_margin_level"] == 0


def test_a_code_that_has_rolled_is_refused_until_it_is_chosen_again() -> None:
    exchange, venue, _ = make_contracts(errors="raise", contracts=("BTC_USDT.quarter",), default_contract="")
    exchange.SetContractType("quarter")
    exchange.Buy(100, 1)
    venue.venue_names["BTC_USDT.quarter"] = "BTCUSDT_270326"
    words = "'quarter' of BTC_USDT.quarter has rolled from BTCUSDT_QUARTER to BTCUSDT_270326; nothing was sent"
    stop = {"ConditionType": 2, "SlTriggerPrice": 90, "SlOrderPrice": -1}
    for call in (
        lambda: exchange.Buy(100, 1),
        lambda: exchange.CreateOrder("BTC_USDT.quarter", "buy", 100, 1),
        lambda: exchange.CreateConditionOrder("", "sell", 1, stop),
    ):
        with pytest.raises(InputError, match=words):
            call()
    assert (len(venue.placed), len(venue.conditions)) == (1, 0)
    exchange.SetContractType("quarter")
    exchange.Buy(100, 1)
    assert len(venue.placed) == 2


@pytest.mark.parametrize("amount", [0.5, 1.5, 0.01, Decimal("2.000001")])
def test_an_amount_in_coins_is_refused_with_the_rule(amount: object) -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    words = r"the amount of BTC_USDT.swap is a number of contracts \(one is 0.01 BTC, the step is 1\), got .*nothing was sent"
    with pytest.raises(InputError, match=words):
        exchange.Buy(100, amount)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=words):
        exchange.CreateConditionOrder(
            "", "sell", amount, {"ConditionType": 2, "SlTriggerPrice": 90, "SlOrderPrice": -1}
        )  # type: ignore[arg-type]
    assert venue.placed == []
    assert venue.conditions == []


def test_set_precision_drops_decimals_of_contracts() -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    exchange.SetPrecision(2, 0)
    exchange.Buy(100, 33.7)
    assert venue.placed[0].amount == 33
