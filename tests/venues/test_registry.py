"""Venues by name: what exists, and what an unknown name or option gets."""

from __future__ import annotations

import pytest

from fmzthreads import Exchange
from fmzthreads.clock import WallClock
from fmzthreads.errors import InputError, UnknownName
from fmzthreads.venues.registry import VENUES, create_venue


@pytest.mark.parametrize("name", sorted(VENUES))
def test_each_name_makes_its_venue(name: str) -> None:
    venue = create_venue(name, credentials=None, base="", clock=WallClock())
    assert venue.name == name
    venue.close()


@pytest.mark.parametrize(
    ("name", "words"), [("Binanse", "did you mean 'Binance'"), ("okx", "did you mean 'OKX'"), ("", "valid: 'Binance'")]
)
def test_an_unknown_name_gets_the_nearest(name: str, words: str) -> None:
    with pytest.raises(UnknownName, match=words):
        Exchange(name, "BTC_USDT")


@pytest.mark.parametrize(
    ("name", "option", "words"),
    [
        ("Binance", "recv_window", "did you mean 'recv_window_ms'"),
        ("OKX", "simulate", "did you mean 'simulated'"),
        ("OKX", "zzz", "valid: "),
    ],
)
def test_an_unknown_option_gets_the_nearest(name: str, option: str, words: str) -> None:
    with pytest.raises(UnknownName, match=words) as caught:
        Exchange(name, "BTC_USDT", **{option: 1})
    assert isinstance(caught.value, InputError)
