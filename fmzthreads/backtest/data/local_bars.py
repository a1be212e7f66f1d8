"""Bars from the user's own files and tables, as a source for the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...errors import InputError, nearest
from ..config.settings import ExchangeSettings, MarketDetail
from ..config.task import DataFacts
from ..failures import NoData
from .aggregate import aggregated, cut_out
from .bars import BarSeries
from .raw_series import RawSeries
from .scaling import guessed_detail, scaled

__all__ = ["LocalBars", "facts_of"]


def facts_of(series: Mapping[str, RawSeries]) -> DataFacts:
    """What bars say about settings that leave it open: the shortest period, the first and the last moment that all series have."""
    filled = [rows for rows in series.values() if len(rows)]
    if not filled:
        return DataFacts()
    shortest = min(rows.period_ms() for rows in filled)
    return DataFacts(
        period_ms=shortest,
        first_ms=max(rows.time[0] for rows in filled),
        end_ms=min(rows.time[-1] + rows.period_ms() for rows in filled),
    )


class LocalBars:
    """Bars that are in memory.

    Args:
        series: The bars by name: ``EID/SYMBOL``, ``SYMBOL``, or empty for the only exchange's own symbol. They are emptied as they are used.
        exchanges: The exchanges of the backtest; their details say how the bars are scaled.
    """

    def __init__(self, series: Mapping[str, RawSeries], exchanges: Sequence[ExchangeSettings]) -> None:
        self._raw = dict(series)
        self._exchanges = {exchange.eid: exchange for exchange in exchanges}
        self._periods = {name: rows.period_ms() for name, rows in series.items()}
        self._scaled: dict[str, BarSeries] = {}

    def bars(self, eid: str, symbol: str, period_ms: int, from_ms: int, to_ms: int, *, fill: bool = False) -> BarSeries:
        """The bars of a symbol; see ``BarSource.bars``.

        Raises:
            NoData: There are none, or the symbol is not known.
            InputError: The bars have a longer period, or one that does not divide ``period_ms``.
        """
        name = self._name(eid, symbol)
        whole = self._series(name, eid, symbol)
        own = self._periods[name]
        found = cut_out(whole, from_ms, to_ms)
        if not len(found):
            raise NoData(
                f"symbol {symbol} not found on {eid}: its bars go from {whole.time[0]} to {whole.time[-1]} ms,"
                f" asked for {from_ms} to {to_ms}"
            )
        if own == period_ms:
            return found
        if period_ms % own:
            if fill:
                raise NoData(f"no bars of {period_ms // 1000} s: {symbol} of {eid} has bars of {own // 1000} s")
            raise InputError(
                f"the bars of {symbol} on {eid} have a period of {own // 1000} s, which does not divide the base period of"
                f" {period_ms // 1000} s; set basePeriod (--base-period) to {own // 1000}"
            )
        return aggregated(found, period_ms)

    def custom(self, eid: str, name: str, from_ms: int, to_ms: int) -> list[tuple[int, object]] | None:
        """None: files of bars hold no series for ``GetData``."""
        return None

    def symbols(self, eid: str) -> list[str]:
        """The symbols of an exchange that there are bars of."""
        exchange = self._exchanges.get(eid)
        found = [name.partition("/")[2] for name in self._raw if name.startswith(f"{eid}/")]
        found += [name for name in self._raw if name and "/" not in name]
        if "" in self._raw and exchange is not None:
            found.append(exchange.currency)
        return found

    def _name(self, eid: str, symbol: str) -> str:
        for name in (f"{eid}/{symbol}", symbol):
            if name in self._raw:
                return name
        exchange = self._exchanges.get(eid)
        if "" in self._raw and exchange is not None and len(self._exchanges) == 1:
            pair, _, contract = symbol.partition(".")
            if pair == exchange.currency and contract not in {"funding", "index"}:
                return ""
        names = [name or "(without a name)" for name in self._raw]
        raise NoData(f"symbol {symbol} not found on {eid}{nearest(f'{eid}/{symbol}', names)}")

    def _series(self, name: str, eid: str, symbol: str) -> BarSeries:
        found = self._scaled.get(name)
        if found is None:
            raw = self._raw[name]
            if not len(raw):
                raise NoData(f"symbol {symbol} not found on {eid}: {raw.where} has no bars")
            found = self._scaled[name] = scaled(raw, self._detail(eid, symbol, raw))
        return found

    def _detail(self, eid: str, symbol: str, raw: RawSeries) -> MarketDetail:
        exchange = self._exchanges.get(eid)
        detail = exchange.details.get(symbol) if exchange is not None else None
        return detail if detail is not None else guessed_detail(raw, symbol)
