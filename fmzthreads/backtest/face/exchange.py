"""FMZ's exchange object in a backtest."""

from __future__ import annotations

from typing import Any

from ...errors import no_such_name
from ..engine.engine import BacktestEngine, ExchangeParts
from ..recorded.recorded_calls import RecordedCalls
from .custom_data import CustomDataCalls
from .go import GoCalls
from .market_calls import MarketCalls
from .settings_calls import SettingsCalls
from .trade_calls import TradeCalls

__all__ = ["BacktestExchange", "RecordedExchange", "exchanges_of"]


class BacktestExchange(MarketCalls, TradeCalls, SettingsCalls, CustomDataCalls, GoCalls):
    """An exchange whose prices come from bars, and whose orders are filled by them. Each call takes virtual time."""

    def __init__(self, engine: BacktestEngine, parts: ExchangeParts) -> None:
        super().__init__(engine, parts)
        self._data = {}

    def __repr__(self) -> str:
        """Name and symbol."""
        return f"<BacktestExchange {self._settings.eid}: {self._symbol}>"

    def __getattr__(self, name: str) -> Any:
        """Raises for a method that does not exist.

        Raises:
            UnknownName: There is no such method; names the most similar ones.
        """
        if name.startswith("_"):
            raise AttributeError(name)
        public = [word for word in dir(type(self)) if not word.startswith("_")]
        raise no_such_name("an exchange has no method", name, public)


class RecordedExchange(RecordedCalls, BacktestExchange):
    """An exchange whose order books and trades are recorded, and whose orders are matched against them."""


def exchanges_of(engine: BacktestEngine) -> list[BacktestExchange]:
    """Makes the exchange objects of an engine, in the order of its settings."""
    kind = RecordedExchange if engine.settings.real_ticks else BacktestExchange
    return [kind(engine, parts) for parts in engine.parts]
