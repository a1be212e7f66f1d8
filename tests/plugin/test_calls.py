"""A plugin's calls: parameters that are checked, results that are written, and errors that tell no secret."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads import errors
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.plugin.protocol import PluginCalls, PluginRequest, read_request
from tests.helpers.plugins import Counting

KEYS = Credentials(access_key="the-access-key", secret_key="the-secret-key")
TRADE = {"symbol": "BTC_USDT", "type": "buy", "price": "42000.5", "amount": "0.01"}


def ask(target: object, method: str, **params: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PluginCalls(target).answer(PluginRequest(KEYS, method, params)))
    return found


def test_results_are_written_as_the_protocol_wants_them() -> None:
    own = Counting()
    assert ask(own, "ticker", symbol="x") == {"data": {"last": 5.0, "buy": 4.5}}
    assert ask(own, "depth", symbol="x") == {
        "data": {"asks": [[2.0, 1.0], [3.0, 1.0]], "bids": [[1.5, 1.0], [1.0, 2.0]]}
    }
    assert [bar[0] for bar in ask(own, "records", symbol="x", period="5")["data"]] == [1000, 2000]
    assert ask(own, "accounts") == {"data": [{"currency": "BTC", "free": 1.0, "frozen": 2.0}]}
    assert ask(own, "trade", **TRADE) == {"data": {"id": "n-0"}}
    assert ask(own, "orders", symbol="x")["data"][0] == {
        "id": "n-0", "amount": 0.01, "type": "buy", "price": 42000.5, "status": "open"
    }  # fmt: skip
    assert ask(own, "cancel", symbol="x", id=5) == {"data": True}
    own.result = {"a": Decimal("1.5")}
    assert ask(own, "__api_/x_y/z", a=1) == {"data": {"a": 1.5}}
    assert own.seen == [
        ("GetTicker", "x"), ("GetDepth", "x"), ("GetRecords", "x", 300), ("GetAssets", "the-access-key", "the-secret-key"),
        ("CreateOrder", "BTC_USDT", "buy", 42000.5, 0.01), ("GetOrders", "x"), ("CancelOrder", "x", "5"), ("api", "/x_y/z", {"a": 1}),
    ]  # fmt: skip


def test_a_price_of_zero_or_less_is_at_market_and_decimals_come_where_they_are_annotated() -> None:
    class Exact:
        def CreateOrder(self, symbol: str, side: str, price: float, amount: Decimal) -> int:
            assert (price, amount) == (-1.0, Decimal("0.10"))
            assert isinstance(amount, Decimal)
            return 5

    for price in ("0", -1, "-3.5"):
        assert ask(Exact(), "trade", **{**TRADE, "price": price, "amount": "0.10"}) == {"data": {"id": 5}}


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("trade", {"price": "x"}), ("trade", {"price": "NaN"}), ("trade", {"price": "1_0"}), ("trade", {"price": True}),
        ("trade", {"amount": "0"}), ("trade", {"amount": -1}), ("trade", {"amount": None}), ("trade", {"amount": "1e999"}),
        ("trade", {"amount": "9" * 100}), ("trade", {"type": "hold"}), ("trade", {"type": 5}), ("trade", {"symbol": ""}),
        ("trade", {"symbol": "a\nb"}), ("trade", {"symbol": "x" * 500}), ("trade", {"symbol": ["a"]}), ("cancel", {"id": ""}),
        ("cancel", {"id": {}}), ("records", {"period": "1.5"}), ("records", {"period": 0}), ("records", {"period": "1e9"}),
        ("__api_", {}),
    ],
)  # fmt: skip
def test_a_parameter_of_the_wrong_type_or_range_calls_nothing(method: str, changes: dict[str, Any]) -> None:
    own = Counting()
    reply = ask(own, method, **{**TRADE, "id": "1", "period": "5", **changes})
    assert reply["kind"] == "VenueRejected"
    assert "must be" in reply["error"]
    assert own.seen == []


@pytest.mark.parametrize(
    ("error", "read", "changed", "exact"),
    [
        (errors.InsufficientFunds("no"), "InsufficientFunds", "InsufficientFunds", "InsufficientFunds"),
        (errors.OrderNotFound("no"), "OrderNotFound", "OrderNotFound", "OrderNotFound"),
        (errors.InputError("no"), "VenueRejected", "InvalidOrder", "InvalidOrder"),
        (errors.ConnectFailed("no"), "VenueUnavailable", "VenueUnavailable", "VenueUnavailable"),
        (errors.ClockSkew("no"), "VenueUnavailable", "OutcomeUnknown", "VenueUnavailable"),
        (errors.TimedOut("no"), "VenueUnavailable", "OutcomeUnknown", "VenueUnavailable"),
        (errors.OutcomeUnknown("no"), "OutcomeUnknown", "OutcomeUnknown", "OutcomeUnknown"),
        (errors.RateLimited("no", retry_after_s=3), "RateLimited", "RateLimited", "RateLimited"),
        (errors.MissingCredentials("no"), "AuthenticationFailed", "AuthenticationFailed", "AuthenticationFailed"),
        (KeyError("no"), "VenueRejected", "OutcomeUnknown", "OutcomeUnknown"),
        (TimeoutError("no"), "VenueRejected", "OutcomeUnknown", "OutcomeUnknown"),
    ],
)
def test_the_kind_of_an_error_says_whether_something_was_done(
    error: Exception, read: str, changed: str, exact: str
) -> None:
    own = Counting()
    own.error = error
    assert ask(own, "ticker", symbol="x")["kind"] == read
    assert ask(own, "trade", **TRADE)["kind"] == changed
    own.exact_outcomes = True
    reply = ask(own, "trade", **TRADE)
    assert reply["kind"] == exact
    assert reply.get("retry_after_s") == (3 if isinstance(error, errors.RateLimited) else None)


@pytest.mark.parametrize("result", [{}, "", {"id": None}, [1], 1.5, True, object()])
def test_an_order_that_was_placed_without_an_id_is_of_unknown_outcome(result: Any) -> None:
    own = Counting()
    own.exact_outcomes = True
    own.result = result
    assert ask(own, "trade", **TRADE)["kind"] == "OutcomeUnknown"


@pytest.mark.parametrize(
    "result", [5, "x", {}, {"Last": None}, {"Last": float("nan")}, {"Last": "x"}, {"Last": True}, [], object()]
)
def test_a_result_that_is_not_of_the_protocol_is_an_error_reply(result: Any) -> None:
    own = Counting()
    own.result = result
    assert "the plugin returned" in ask(own, "ticker", symbol="x")["error"]
    own.result = {"deep": object()}
    assert "JSON cannot hold" in ask(own, "__api_/x")["error"]


def test_no_secret_and_no_traceback_is_in_an_error_or_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FMZ_BINANCE_SECRET_KEY", "the-environment-secret")
    own = Counting()
    own.error = RuntimeError(
        "GET https://x?key=the-access-key&s=the-secret-key\nand the-environment-secret " + "x" * 1000
    )
    with caplog.at_level(logging.ERROR, "fmzthreads.plugin"):
        reply = ask(own, "ticker", symbol="x")
    for text in (reply["error"], caplog.text):
        assert "RuntimeError: GET https://x" in text
        assert "Traceback" not in text
        for secret in ("the-access-key", "the-secret-key", "the-environment-secret"):
            assert secret not in text
    assert len(reply["error"]) <= 300
    assert "\n" not in reply["error"]
    assert "plugins.py, line " in caplog.text  # where the author has to look


def test_an_error_whose_text_fails_is_an_error_reply() -> None:
    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError("rude")

    own = Counting()
    own.error = Rude()
    assert "cannot be shown" in ask(own, "ticker", symbol="x")["error"]


def test_a_method_that_the_plugin_does_not_have_says_so() -> None:
    reply = ask(Counting(), "tickr", symbol="x")
    assert reply["kind"] == "NotSupported"
    assert "did you mean 'ticker'" in reply["error"]
    assert ask(Counting(), "trades", symbol="x")["kind"] == "NotSupported"
    with pytest.raises(errors.InputError, match="none of the methods of a plugin"):
        PluginCalls(object())


@pytest.mark.parametrize(
    "body",
    [
        b"", b"x", b"[]", b"{}", b'{"method":5}', b'{"method":""}', b'{"method":"a\\n"}', b'{"method":"ticker","params":[]}',
        b'{"method":"ticker","access_key":5}', b'{"method":"ticker","secret_key":null}', b"[" * 100_000, b"\xff\xfe",
        b'{"method":"ticker","access_key":"the-secret\\nx"}',
    ],
)  # fmt: skip
def test_a_request_that_is_not_of_the_protocol_is_refused_without_its_values(body: bytes) -> None:
    with pytest.raises(errors.InputError) as caught:
        read_request(body)
    assert "the-secret" not in str(caught.value)


def test_the_nonce_and_further_fields_are_not_looked_at() -> None:
    said = read_request(b'{"access_key":"a","secret_key":"b","nonce":"5","method":"ticker","x":1}')
    assert (said.method, said.params, said.keys.access_key) == ("ticker", {}, "a")
