"""ccxt's errors in terms of ours: every class of its hierarchy, and what a reply to an order leaves open."""

from __future__ import annotations

from typing import Any

import pytest

from fmzthreads import errors
from fmzthreads.errors import FmzError
from fmzthreads.http.reply import Headers, Reply
from fmzthreads.venues.ccxt.errors import ERRORS, is_refusal, ours_of

ccxt = pytest.importorskip("ccxt", reason="needs the extra 'ccxt'")
from ccxt.base import errors as theirs  # noqa: E402

CLASSES = sorted(
    name for name, found in vars(theirs).items() if isinstance(found, type) and issubclass(found, theirs.BaseError)
)


def reply(status: int = 400, **headers: str) -> Reply:
    return Reply(
        status, Headers(tuple((k.replace("_", "-"), v) for k, v in headers.items())), b"{}", "POST https://x/order"
    )


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_of_ccxt_has_one_of_ours(name: str) -> None:
    assert issubclass(ERRORS[name], FmzError)
    found = ours_of(getattr(theirs, name)("said so"), "ccxt:x", reply(), sent=True)
    assert isinstance(found, ERRORS[name])
    assert "said so" in str(found)
    assert found.request == "POST https://x/order"
    unsent = ours_of(getattr(theirs, name)("said so"), "ccxt:x", None, sent=False)
    assert "nothing was sent" in str(unsent)


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_is_read_at_least_as_closely_as_its_base(name: str) -> None:
    # What ccxt calls "may be repeated" (OperationFailed) is never told to a strategy as a refusal.
    kind = getattr(theirs, name)
    assert issubclass(kind, theirs.OperationFailed) == issubclass(ERRORS[name], errors.OperationFailed) or name in {
        "BaseError", "UnsubscribeError", "ExchangeClosedByUser",
    }  # fmt: skip


def test_a_class_of_a_later_ccxt_is_read_as_its_base() -> None:
    later: Any = type("LaterError", (theirs.InsufficientFunds,), {"__module__": "ccxt.base.errors"})
    assert isinstance(ours_of(later("x"), "ccxt:x", reply(), sent=True), errors.InsufficientFunds)


def test_what_is_no_error_of_ccxt() -> None:
    found = ours_of(KeyError("price"), "ccxt:x", reply(200), sent=True)
    assert isinstance(found, errors.BadReply)
    assert "KeyError" in str(found)
    assert type(ours_of(TypeError("x"), "ccxt:x", None, sent=False)) is errors.OperationFailed


def test_what_ccxt_refuses_itself_is_an_argument_of_ours() -> None:
    for name in ("InvalidOrder", "BadRequest", "ArgumentsRequired"):
        assert isinstance(ours_of(getattr(theirs, name)("x"), "ccxt:x", None, sent=False), errors.InputError)
    assert isinstance(ours_of(theirs.BadSymbol("x"), "ccxt:x", None, sent=False), errors.UnknownSymbol)


def test_when_a_limit_ends() -> None:
    limited = ours_of(theirs.RateLimitExceeded("x"), "ccxt:x", reply(429, retry_after="7"), sent=True)
    assert isinstance(limited, errors.RateLimited)
    assert limited.retry_after_s == 7
    assert isinstance(ours_of(theirs.DDoSProtection("x"), "ccxt:x", reply(418), sent=True), errors.Banned)


@pytest.mark.parametrize("text", ["Duplicate order sent.", "Client order ID already exists."])
def test_a_second_order_of_one_client_order_id(text: str) -> None:
    assert isinstance(ours_of(theirs.InvalidOrder(text), "ccxt:x", reply(), sent=True), errors.DuplicateOrder)


def test_margin_that_is_not_enough_is_told_apart() -> None:
    found = ours_of(
        theirs.OperationRejected('{"code":-2019,"msg":"Margin is insufficient."}'), "ccxt:x", reply(), sent=True
    )
    assert isinstance(found, errors.InsufficientFunds)


@pytest.mark.parametrize(
    ("name", "status", "certain"),
    [
        ("InsufficientFunds", 400, True),
        ("InvalidOrder", 200, True),
        ("RateLimitExceeded", 429, True),
        ("InvalidNonce", 400, True),
        ("ExchangeError", 200, True),
        ("ExchangeError", 502, False),
        ("InsufficientFunds", 503, False),
        ("ExchangeError", 408, False),
        ("OperationFailed", 400, False),
        ("RequestTimeout", 200, False),
        ("ExchangeNotAvailable", 503, False),
        ("BadResponse", 200, False),
        ("NullResponse", 200, False),
        ("NetworkError", 200, False),
    ],
)
def test_which_replies_say_that_nothing_was_done(name: str, status: int, certain: bool) -> None:
    assert is_refusal(ours_of(getattr(theirs, name)("x"), "ccxt:x", reply(status), sent=True)) is certain
