"""Names of exchanges for contracts over ccxt, and what is known of ccxt's classes."""

from __future__ import annotations

import inspect
import sys

import pytest

from fmzthreads import Exchange, errors
from fmzthreads.clock import ManualClock
from fmzthreads.venues.ccxt.client_ids import CLIENT_IDS, venue_client_id
from fmzthreads.venues.ccxt.futures.names import CLOSING, FUTURES, HEDGED, ID_ASKED, ID_SENT, ONE_WAY, fmz_name
from fmzthreads.venues.registry import create_venue


def test_what_is_known_of_the_exchanges_fits_together() -> None:
    assert all(name.startswith("Futures_") for name in FUTURES)
    assert ID_ASKED <= ID_SENT <= CLIENT_IDS
    assert not ONE_WAY & HEDGED.keys()
    assert HEDGED.keys() <= CLOSING
    assert fmz_name("bybit") == "Futures_Bybit"
    assert fmz_name("xt") == "Futures_ccxt:xt"


def test_a_long_client_order_id_is_shortened_for_gate() -> None:
    own = f"fz{'a' * 32}"
    short = venue_client_id("gate", own)
    assert (len(short), short) == (26, venue_client_id("gate", own))  # "t-" comes before it, and 28 is the most
    assert venue_client_id("gate", f"fz{'b' * 20}") == f"fz{'b' * 20}"


class TestWithCcxt:
    @pytest.fixture(autouse=True)
    def needs_ccxt(self) -> None:
        pytest.importorskip("ccxt", reason="needs the extra 'ccxt'")

    @pytest.mark.parametrize("name", [*sorted(FUTURES), "Futures_ccxt:xt"])
    def test_each_name_makes_its_venue(self, name: str) -> None:
        venue = create_venue(name, credentials=None, base="", clock=ManualClock())
        assert venue.name == name
        assert (venue.contracts_only, venue.default_contract) == (True, "swap")
        venue.close()

    def test_unknown_names_and_options(self) -> None:
        with pytest.raises(errors.UnknownName, match="did you mean 'bybit'"):
            Exchange("Futures_ccxt:bybitt", "BTC_USDT")
        with pytest.raises(errors.UnknownName, match="no option 'pased'; did you mean 'paced'"):
            Exchange("Futures_Bybit", "BTC_USDT", pased=True)
        with pytest.raises(errors.NotBuiltYet, match="such as Futures_Binance"):
            Exchange("Futures_", "BTC_USDT")

    @pytest.mark.parametrize("exchange_id", sorted(CLOSING))
    def test_ccxt_passes_reduce_only_on(self, exchange_id: str) -> None:
        ccxt = pytest.importorskip("ccxt")
        if exchange_id not in ccxt.exchanges:
            pytest.skip(f"this ccxt has no {exchange_id}")
        kinds = getattr(ccxt, exchange_id).__mro__[:3]
        source = "".join(
            inspect.getsource(sys.modules[one.__module__]) for one in kinds if "base" not in one.__module__
        )
        assert "'reduceOnly'" in source
        if HEDGED.get(exchange_id, {}).get("hedged"):
            assert "'hedged', False" in source or "'createOrder', 'hedged'" in source


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(errors.MissingExtra, match=r"fmzthreads\[ccxt\]"):
        Exchange("Futures_Bybit", "BTC_USDT")
