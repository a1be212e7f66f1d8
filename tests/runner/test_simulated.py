"""Which simulators a run starts, and what each of them trades."""

from __future__ import annotations

import pytest

from fmzthreads.errors import UnknownName
from fmzthreads.runner.simulated import products_of


def test_contracts_are_traded_by_the_simulator_of_their_venue() -> None:
    assert products_of(["OKX", "Futures_OKX", "Futures_Binance"]) == {"okx": ["swap"], "binance": ["um", "cm"]}
    assert products_of(["Binance", "ccxt:okx"]) == {"binance": [], "okx": []}
    with pytest.raises(UnknownName, match=r"no simulator for the exchange 'Futures_OKEX'.*did you mean 'Futures_OKX'"):
        products_of(["Futures_OKEX"])
