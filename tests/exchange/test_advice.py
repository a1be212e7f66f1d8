"""What an exchange object says of arguments that are valid and probably mean something else; and numbers of any kind."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from fmzthreads.constants import LOG_TYPE_BUY
from fmzthreads.errors import InputError, UnknownName
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.settings import split_base
from fmzthreads.structures import Record
from fmzthreads.testing import FakeVenue
from tests.helpers.exchange_room import MemoryHost, make

T0 = 1_600_000_020_000


@pytest.mark.parametrize(
    ("url", "base", "path"),
    [
        ("https://api.binance.com/api/v3", "https://api.binance.com", "/api/v3"),
        ("https://api.binance.com/api/v3/", "https://api.binance.com", "/api/v3/"),
        ("https://www.okx.com/api/v5", "https://www.okx.com", "/api/v5"),
        ("https://api.binance.com/api", "https://api.binance.com", "/api"),
        ("https://fapi.binance.com/fapi/v1", "https://fapi.binance.com", "/fapi/v1"),
        ("http://127.0.0.1:8080/gateway/api/v3", "http://127.0.0.1:8080/gateway", "/api/v3"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", ""),
        ("http://127.0.0.1:8080/gateway", "http://127.0.0.1:8080/gateway", ""),
        ("https://api.binance.com/", "https://api.binance.com/", ""),
        ("https://api", "https://api", ""),
        ("https://api/v3", "https://api/v3", ""),
        ("", "", ""),
    ],
)
def test_a_base_and_the_api_path_that_it_ends_in(url: str, base: str, path: str) -> None:
    assert split_base(url) == (base, path)


@pytest.mark.parametrize("form", ["IO", "SetBase"])
def test_an_api_path_is_removed_from_a_base_with_a_warning(form: str) -> None:
    exchange, _, host = make()
    url = "https://user:word@api.binance.com/api/v3"
    found = exchange.IO("base", url) if form == "IO" else exchange.SetBase(url)
    assert found == exchange.GetBase() == "https://user:word@api.binance.com"
    assert host.warnings == [
        "SetBase: a base URL has no API path; '/api/v3' was removed, and calls go to api.binance.com"
    ]
    exchange.SetBase("https://api.binance.com")
    assert len(host.warnings) == 1
    assert host.errors == []


@pytest.mark.parametrize("place", ["argument", "environment"])
def test_an_api_path_is_removed_from_the_first_base_too(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    bases = []

    def factory(name: str, *, base: str, **_: Any) -> FakeVenue:
        bases.append(base)
        return FakeVenue(name)

    monkeypatch.setattr(Exchange, "venue_factory", staticmethod(factory))
    monkeypatch.setenv("FMZ_FAKE_BASE", "http://127.0.0.1:7/api/v5" if place == "environment" else "http://other")
    host = MemoryHost()
    Exchange("Fake", "BTC_USDT", base="" if place == "environment" else "http://127.0.0.1:7/api/v5", host=host)
    assert bases == ["http://127.0.0.1:7"]
    assert host.warnings == ["a base URL has no API path; '/api/v5' was removed from the one of Fake"]


def test_a_period_in_milliseconds_gets_one_warning() -> None:
    exchange, venue, host = make()
    venue.native_periods_s = (60, 60_000)
    for _ in range(2):
        exchange.GetRecords(60_000)
    exchange.GetRecords("ETH_USDT", 60_000, 3)
    assert host.warnings == ["GetRecords: the period is in seconds; 60000 s are 16.67 hours. For bars of 60 s pass 60"]


@pytest.mark.parametrize("period", [60, 300, 3600, 86_400, 604_800, 1000, 7000, 61_000])
def test_other_periods_get_none(period: int) -> None:
    exchange, _, host = make()
    exchange.GetRecords(period)
    assert host.warnings == []


def test_the_default_period_in_milliseconds_gets_the_warning_too() -> None:
    exchange, _, host = make(period=3_600_000)
    exchange.GetRecords()
    assert len(host.warnings) == 1
    assert "pass 3600" in host.warnings[0]


def test_a_field_of_the_result_of_wait_says_where_it_is() -> None:
    exchange, _, _ = make()
    result = exchange.Go("GetDepth").wait()
    with pytest.raises(UnknownName, match=r"wait\(\) returns \(value, ok\), which has no 'Bids'.*value\.Bids"):
        getattr(result, "Bids")  # noqa: B009
    assert not hasattr(result, "_nothing")
    depth, ok = result
    assert ok
    assert depth.Bids


def numbers_of(value: int) -> list[Any]:
    numpy = pytest.importorskip("numpy")
    return [Decimal(value), Fraction(value), numpy.int64(value), numpy.float32(value), numpy.float64(value)]


def test_every_kind_of_number_counts_wherever_a_number_is_taken() -> None:
    exchange, venue, host = make(errors="raise")
    venue.bars["BTC_USDT", 60] = [
        Record(Time=T0 + 60_000 * n, Open=1.0, High=1.0, Low=1.0, Close=1.0, Volume=1.0) for n in range(5)
    ]
    for two in numbers_of(2):
        assert len(exchange.GetRecords("BTC_USDT", 30 * two, two)) == 2
        assert len(exchange.GetDepth("BTC_USDT", two).Asks) == 2
        assert len(exchange.GetHistoryOrders("BTC_USDT", two, two)) < 3
        assert exchange.SetRate(two) == 2.0
        assert exchange.SetTimeout(two) is True
        exchange.SetRate(1)
        exchange.SetPrecision(two, two)
        exchange.SetMaxBarLen(two)
        assert exchange.IO("rate", "GetTicker", 50 * two, "1s") is True
        exchange.Log(LOG_TYPE_BUY, two, two)
        assert exchange.Buy(50 * two, two)
    assert [(line.price, line.amount) for line in host.lines] == [(2.0, 2.0), (100.0, 2.0)] * 5
    assert Exchange("Fake", "BTC_USDT", venue=venue, host=host, period=Fraction(60), max_workers=2).GetPeriod() == 60


@pytest.mark.parametrize("text", ["2", "", b"2", True, None])
def test_text_never_counts_as_a_number(text: Any) -> None:
    exchange, _, host = make(errors="raise")
    calls: list[Any] = [
        lambda: exchange.GetDepth("BTC_USDT", text if text is not None else "None"),
        lambda: exchange.GetRecords("BTC_USDT", 60, text if text is not None else "None"),
        lambda: exchange.GetHistoryOrders("BTC_USDT", text if text is not None else "None"),
        lambda: exchange.SetRate(text),
        lambda: exchange.SetTimeout(text),
        lambda: exchange.SetPrecision(text, 2),
        lambda: exchange.SetMaxBarLen(text),
        lambda: exchange.Log(LOG_TYPE_BUY, text, 1),
        lambda: exchange.Buy(100, text),
        lambda: exchange.Subscribe("depth", max_age_ms=text if text is not None else "None"),
    ]
    for call in calls:
        with pytest.raises(InputError):
            call()
    assert host.lines == []
