"""What triggers a condition order, read from its condition and its venue's options."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.constants import ORDER_CONDITION_TYPE_GENERIC as GENERIC
from fmzthreads.constants import ORDER_CONDITION_TYPE_OCO as OCO
from fmzthreads.constants import ORDER_CONDITION_TYPE_SL as SL
from fmzthreads.constants import ORDER_CONDITION_TYPE_TP as TP
from fmzthreads.errors import FmzError, InputError, InvalidOrder, NotSupported
from fmzthreads.exchange.contracts.intents import ConditionTerms
from fmzthreads.venues.paper.conditional.condition import PaperTrail, TriggerLeg
from fmzthreads.venues.paper.conditional.reader import ConditionReader, Triggers
from fmzthreads.venues.paper.venue_ways import ways_of

PRICES = {"last": Decimal(100), "mark": Decimal(101), "index": Decimal(102)}


def read(name: str, kind: int, side: str, options: dict[str, str] | None = None, **prices: float) -> Triggers:
    exact: dict[str, Any] = {field: Decimal(str(price)) for field, price in prices.items()}
    reader = ConditionReader(ways_of(name), lambda source: PRICES[source])
    return reader.read(ConditionTerms(kind=kind, **exact), side, options or {})


def test_binances_types() -> None:
    found = read("Futures_Binance", SL, "sell", {"type": "STOP", "stopPrice": "90"}, sl_trigger=95, sl_price=89)
    assert found.legs == (TriggerLeg(trigger=Decimal(90), rising=False, price=Decimal(89)),)
    found = read(
        "Futures_Binance", GENERIC, "buy", {"type": "TAKE_PROFIT_MARKET", "workingType": "MARK_PRICE"}, tp_trigger=90
    )
    assert found.legs == (TriggerLeg(trigger=Decimal(90), rising=False, source="mark"),)
    assert found.terms == ConditionTerms(kind=GENERIC, tp_trigger=Decimal(90))
    options = {"type": "TRAILING_STOP_MARKET", "callbackRate": "0.5", "activatePrice": "110"}
    found = read("Futures_Binance", TP, "sell", options, tp_trigger=105)
    assert found.trail == PaperTrail(rising=False, ratio=Decimal("0.005"), active=Decimal(110), best=Decimal(100))
    assert found.legs == ()


def test_okxs_types() -> None:
    both = {"tp_trigger": 110, "sl_trigger": 90, "tp_price": 111}
    found = read("Futures_OKX", GENERIC, "sell", {"tpTriggerPxType": "mark", "slTriggerPxType": "index"}, **both)
    assert found.legs == (
        TriggerLeg(trigger=Decimal(110), rising=True, source="mark", price=Decimal(111)),
        TriggerLeg(trigger=Decimal(90), rising=False, source="index"),
    )
    found = read("Futures_OKX", GENERIC, "buy", {"triggerPxType": "mark"}, tp_trigger=100.5, tp_price=99)
    assert found.legs == (TriggerLeg(trigger=Decimal("100.5"), rising=False, source="mark", price=Decimal(99)),)
    found = read("OKX", GENERIC, "buy", {"ordType": "move_order_stop", "callbackSpread": "2"})
    assert found.trail == PaperTrail(rising=True, spread=Decimal(2), best=Decimal(100))


@pytest.mark.parametrize(
    ("name", "kind", "side", "options", "prices", "error", "words"),
    [
        ("Futures_Binance", OCO, "sell", {}, {"tp_trigger": 110, "sl_trigger": 90}, NotSupported, "no OCO condition orders"),
        ("Futures_Binance", GENERIC, "sell", {}, {"sl_trigger": 90}, InputError, "needs the option 'type'"),
        ("Futures_Binance", SL, "sell", {"type": "LIMIT"}, {"sl_trigger": 90}, InputError, "the option type is one of"),
        ("Futures_Binance", SL, "sell", {"ordType": "oco"}, {"sl_trigger": 90}, NotSupported, "the option 'ordType'"),
        ("Futures_Binance", SL, "sell", {"type": "STOP"}, {"sl_trigger": 90}, InputError, "needs a price"),
        ("Futures_Binance", GENERIC, "sell", {"type": "STOP_MARKET"}, {}, InputError, "needs a trigger price"),
        ("Futures_Binance", SL, "sell", {}, {"sl_trigger": 100}, InvalidOrder, "immediately trigger. .code -2021."),
        ("Futures_Binance", SL, "sell", {"workingType": "INDEX"}, {"sl_trigger": 90}, InputError, "workingType is one of"),
        ("Futures_Binance", SL, "sell", {"type": "TRAILING_STOP_MARKET"}, {}, InputError, "needs the option 'callbackRate'"),
        ("Futures_Binance", SL, "sell", {"type": "TRAILING_STOP_MARKET", "callbackRate": "21"}, {}, InputError, "0.1 to 20"),
        ("Futures_Binance", SL, "sell", {"type": "TRAILING_STOP_MARKET", "callbackRate": "x"}, {}, InputError, "above 0"),
        ("Binance", TP, "buy", {}, {"tp_trigger": 100}, InvalidOrder, "code -2010"),
        ("Futures_OKX", SL, "buy", {"slTriggerPxType": "mark"}, {"sl_trigger": 101}, InvalidOrder, "SL trigger price cannot be lower than the mark price .code 51278."),
        ("Futures_OKX", TP, "buy", {}, {"tp_trigger": 100}, InvalidOrder, "code 51277"),
        ("Futures_OKX", TP, "sell", {}, {"tp_trigger": 100}, InvalidOrder, "code 51279"),
        ("Futures_OKX", SL, "sell", {}, {"sl_trigger": 100}, InvalidOrder, "code 51280"),
        ("Futures_OKX", GENERIC, "sell", {}, {"sl_trigger": 100}, InvalidOrder, "code 51000"),
        ("Futures_OKX", GENERIC, "sell", {}, {}, InputError, "needs a trigger price"),
        ("Futures_OKX", GENERIC, "sell", {"ordType": "chase"}, {}, InputError, "ordType is one of"),
        ("Futures_OKX", GENERIC, "sell", {"ordType": "move_order_stop"}, {}, InputError, "callbackRatio"),
        ("Futures_OKX", GENERIC, "sell", {"ordType": "move_order_stop", "callbackRatio": "1"}, {}, InputError, "below 1"),
        ("Fake", SL, "sell", {"type": "STOP"}, {"sl_trigger": 90}, NotSupported, "it knows none"),
        ("Fake", SL, "sell", {}, {"sl_trigger": 100}, InvalidOrder, "would trigger at once"),
    ],
)  # fmt: skip
def test_refusals(
    name: str,
    kind: int,
    side: str,
    options: dict[str, str],
    prices: dict[str, float],
    error: type[FmzError],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        read(name, kind, side, options, **prices)


def test_a_trail_measures_from_the_best_price_alone() -> None:
    trail = PaperTrail(rising=True, ratio=Decimal("0.1"))
    assert not trail.reached(Decimal(1))  # nothing seen yet
    trail = trail.after(Decimal(100))
    assert trail.after(Decimal(105)) is trail
    assert trail.after(Decimal(90)).best == 90
    assert trail.reached(Decimal(110))
    assert not trail.reached(Decimal("109.99"))
    falling = PaperTrail(rising=False, spread=Decimal(5), active=Decimal(100), best=Decimal(99))
    assert not falling.reached(Decimal(1))
    assert falling.after(Decimal(100)).reached(Decimal(95))
