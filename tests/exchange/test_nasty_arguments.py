"""Whatever is passed to a method of an exchange, only documented errors come out, at once, with a message that can be read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from fmzthreads.errors import FmzError
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.testing import FakeContractVenue, FakeVenue
from tests.helpers.exchange_room import MemoryHost
from tests.helpers.nasty_values import NASTY
from tests.helpers.watchdog import at_once

GOOD: dict[str, tuple[Any, ...]] = {
    "GetTicker": ("BTC_USDT",),
    "GetDepth": ("BTC_USDT", 5),
    "GetTrades": ("BTC_USDT",),
    "GetRecords": ("BTC_USDT", 60, 10),
    "Unsubscribe": ("depth", "BTC_USDT"),
    "Subscribe": ("depth", "BTC_USDT", 5000, 0),
    "GetPositions": ("BTC_USDT",),
    "GetFundings": ("BTC_USDT",),
    "Buy": (99.0, 0.1, "note"),
    "Sell": (101.0, 0.1, "note"),
    "CreateOrder": ("BTC_USDT", "buy", 99.0, 0.1, "note"),
    "CancelOrder": ("BTC_USDT,1", "note"),
    "GetOrder": ("BTC_USDT,1",),
    "GetOrders": ("BTC_USDT",),
    "GetHistoryOrders": ("BTC_USDT", 0, 5),
    "Log": (0, 1.0, 2.0, "note"),
    "SetCurrency": ("BTC_USDT",),
    "SetPrecision": (2, 3),
    "SetRate": (1.0,),
    "SetMaxBarLen": (100,),
    "SetBase": ("https://example.com",),
    "SetProxy": ("http://127.0.0.1:1",),
    "SetTimeout": (1000,),
    "warm": (1,),
}
CONTRACTS: dict[str, tuple[Any, ...]] = {
    "SetContractType": ("swap",),
    "SetDirection": ("buy",),
    "SetMarginLevel": ("BTC_USDT.swap", 5),
    "GetFundingPayments": ("BTC_USDT.swap", 0, 5),
    "ModifyOrder": ("BTCUSDT,1", "buy", 99.0, 1),
    "CancelAll": ("BTC_USDT.swap",),
    "CreateConditionOrder": (
        "BTC_USDT.swap",
        "sell",
        1,
        {"ConditionType": 2, "SlTriggerPrice": 90, "SlOrderPrice": -1},
    ),
    "ModifyConditionOrder": ("BTCUSDT,1", "sell", 1, {"ConditionType": 2, "SlTriggerPrice": 90, "SlOrderPrice": -1}),
    "CancelConditionOrder": ("BTCUSDT,1", "note"),
    "GetConditionOrder": ("BTCUSDT,1",),
    "GetConditionOrders": ("USDT.swap",),
    "GetHistoryConditionOrders": ("BTC_USDT.swap", 0, 5),
}
IO: list[tuple[Any, ...]] = [
    ("rate", "GetTicker", 10, "1s", "delay"),
    ("quota", "GetTicker", 10, "1d", "delay"),
    ("currency", "BTC_USDT"),
    ("base", "https://example.com"),
    ("api", "GET", "/x", "a=1", ""),
]


def _made(**options: Any) -> Exchange[Any]:
    given: dict[str, Any] = {"name": "Fake", "currency": "BTC_USDT", "errors": "raise", **options}
    return Exchange(venue=FakeVenue(), host=MemoryHost(), **given)


def _only_documented(call: Callable[[], Any], what: str) -> None:
    """Runs a call; anything but a result or an error of the tree fails the test."""
    try:
        at_once(call, what)
    except FmzError as error:
        text = str(error)
        assert 0 < len(text) <= 500, f"{what}: a message of {len(text)} characters"
        text.encode()  # it can be written to a file


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("method", [*GOOD, "IO", "Go", "init"])
def test_only_documented_errors_at_once(method: str, name: str) -> None:
    value = NASTY[name]
    if method == "init":
        for keyword in ("currency", "period", "errors", "max_workers", "label"):
            _only_documented(
                lambda keyword=keyword: _made(**{"label": "x", keyword: value}), f"Exchange({keyword}={name})"
            )
        return
    forms = [(name_, *rest) for name_, *rest in IO] if method == "IO" else [GOOD.get(method, ("GetTicker",))]
    for good in forms:
        for place in range(len(good)):
            exchange = _made()
            args = [*good]
            args[place] = value
            call = partial(exchange.Go, value) if method == "Go" else partial(getattr(exchange, method), *args)
            _only_documented(call, f"{method} with {name} as argument {place}")
            exchange.close(0)


@pytest.mark.parametrize("name", NASTY)
def test_only_documented_errors_at_once_with_contracts(name: str) -> None:
    value = NASTY[name]
    for method, good in CONTRACTS.items():
        exchange = Exchange("Futures_Fake", "BTC_USDT", venue=FakeContractVenue(), host=MemoryHost(), errors="raise")
        for place in range(len(good)):
            args = [*good]
            args[place] = value
            _only_documented(partial(getattr(exchange, method), *args), f"{method} with {name} as argument {place}")
        exchange.close(0)
