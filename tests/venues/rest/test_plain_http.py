"""Keys go to another machine only by TLS, unless the user writes down that they may go without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import responses

from fmzthreads.errors import FmzError, InputError
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.venues.binance.venue import Binance
from fmzthreads.venues.okx.venue import OKX
from tests.helpers.exchange_room import MemoryHost
from tests.helpers.venue_replies import BINANCE_INFO, KEYS

VENUES: list[Callable[..., Any]] = [Binance, OKX]
OTHERS = [
    "http://api.example.com",
    "HTTP://api.example.com",
    "http://10.0.0.1:8080",
    "http://localhost.evil.com",
    "http://127.0.0.1.evil.com",
    "http://evil.localhost",
    "http://[::2]",
    "http://128.0.0.1",
    "http://0.0.0.0",
]
LOOPBACK = [
    "http://127.0.0.1:1",
    "http://127.8.9.1",
    "http://[::1]:1",
    "http://localhost:1",
    "http://LOCALHOST",
    "https://api.example.com",
]


@pytest.mark.parametrize("base", OTHERS)
@pytest.mark.parametrize("make", VENUES)
def test_a_base_without_encryption_is_refused_with_keys(make: Callable[..., Any], base: str) -> None:
    with pytest.raises(InputError, match="allow_plain_http"):
        make(credentials=KEYS, base=base)
    venue = make(credentials=KEYS)
    before = venue.base()
    with pytest.raises(InputError, match="allow_plain_http"):
        venue.set_base(base)
    assert venue.base() == before
    make(base=base).set_base(base)  # without keys nothing can be read on the way that is not public


@pytest.mark.parametrize("base", LOOPBACK)
@pytest.mark.parametrize("make", VENUES)
def test_the_loopback_and_tls_need_no_option(make: Callable[..., Any], base: str) -> None:
    make(credentials=KEYS, base=base).set_base(base)


@pytest.mark.parametrize("make", VENUES)
def test_the_option_allows_it_and_is_told_of_once(make: Callable[..., Any]) -> None:
    venue = make(credentials=KEYS, base=OTHERS[0], allow_plain_http=True)
    told: list[str] = []
    venue.warn_with(told.append)
    venue.set_base(OTHERS[0])
    assert len(told) == 1
    assert "without encryption" in told[0]
    assert "the-key" not in told[0]
    venue.set_base(OTHERS[2])
    assert len(told) == 2
    with pytest.raises(InputError, match="True or False"):
        make(credentials=KEYS, allow_plain_http="no")


def test_set_base_and_io_of_an_exchange_refuse_it_and_change_nothing() -> None:
    host = MemoryHost()
    exchange = Exchange("Binance", "BTC_USDT", venue=Binance(credentials=KEYS), host=host)
    assert exchange.SetBase(OTHERS[0]) is None
    assert exchange.IO("base", OTHERS[0]) is None
    assert exchange.GetBase() == "https://api.binance.com"
    assert [text for text in host.errors if "not encrypted" in text] == host.errors
    assert len(host.errors) == 2


@responses.activate
def test_a_signed_call_of_a_full_url_is_refused_and_a_public_one_is_sent() -> None:
    url = "http://api.example.com/api/v3/exchangeInfo"
    responses.get(url, json=BINANCE_INFO)
    responses.get("https://api.binance.com/api/v3/time", json={"serverTime": 1_770_531_546_000})
    venue = Binance(credentials=KEYS)
    with pytest.raises(InputError, match="not encrypted"):
        venue.request("GET", "http://api.example.com/api/v3/account")
    venue.request("GET", url)
    assert [call.request.url for call in responses.calls if "example" in str(call.request.url)] == [url]


@responses.activate
@pytest.mark.parametrize("place", ["http://api.binance.com/x", "https://evil.example.com/x", "//evil.example.com/x"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_a_venue_is_not_followed(place: str, status: int) -> None:
    responses.get("https://api.binance.com/api/v3/time", json={"serverTime": 1_770_531_546_000})
    responses.get("https://api.binance.com/api/v3/account", status=status, headers={"Location": place})
    venue = Binance(credentials=KEYS)
    with pytest.raises(FmzError):
        venue.assets()
    assert {str(call.request.url).partition("?")[0] for call in responses.calls} == {
        "https://api.binance.com/api/v3/time",
        "https://api.binance.com/api/v3/account",
    }
