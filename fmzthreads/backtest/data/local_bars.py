"""Bars from the user's own files and tables, as a source for the engine."""

from __future__ import annotations

import contextlib
import threading
from array import array
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from ...errors import FmzError, InputError, OperationFailed, nearest
from ...fork import after_fork_in_child
from ...structures.value_objects import evolve
from ..config.details import detail_of
from ..config.settings import ExchangeSettings, MarketDetail
from ..config.task import DataFacts
from ..failures import NoData
from ..recorded.recording import Recording
from .aggregate import aggregated, cut_out
from .bars import BarSeries
from .raw_series import PRICES, RawSeries
from .scaling import guessed_detail, market_of_decimals, scaled

__all__ = ["GivenSeries", "LocalBars", "exchange_for", "facts_of", "recorded_detail"]

GivenSeries = RawSeries | Recording
"""Bars, or recorded order books."""

_Decimals = tuple[int | None, int | None]


def facts_of(series: Mapping[str, GivenSeries]) -> DataFacts:
    """What bars say about settings that leave it open: the shortest period, the first and the last moment that all series have."""
    filled = [rows for rows in series.values() if isinstance(rows, RawSeries) and len(rows)]
    recorded = [rows for rows in series.values() if isinstance(rows, Recording)]
    if not filled and not recorded:
        return DataFacts()
    return DataFacts(
        period_ms=min((rows.period_ms() for rows in filled), default=None),
        first_ms=max([*(rows.time[0] for rows in filled), *(rows.first_ms for rows in recorded)]),
        end_ms=min([
            *(rows.time[-1] + rows.period_ms() for rows in filled),
            *(rows.end_ms + 1 for rows in recorded),
        ]),
    )  # fmt: skip


class LocalBars:
    """Bars that are in memory, and recorded order books.

    Args:
        series: They by name: ``EID/SYMBOL``, ``SYMBOL``, or empty for the only exchange's own symbol. Bars are emptied as they are used.
        exchanges: The exchanges of the backtest; their details say how the bars are scaled.
    """

    def __init__(self, series: Mapping[str, GivenSeries], exchanges: Sequence[ExchangeSettings]) -> None:
        self._raw = {name: rows for name, rows in series.items() if isinstance(rows, RawSeries)}
        self._recordings = {name: rows for name, rows in series.items() if isinstance(rows, Recording)}
        self._exchanges = tuple(exchanges)
        self._periods = {name: rows.period_ms() for name, rows in self._raw.items()}
        self._scaled: dict[tuple[str, _Decimals], BarSeries | FmzError] = {}
        self._scaling: tuple[str, _Decimals] | None = (
            None  # whose columns are being scaled, and so hold numbers of both kinds
        )
        self._start_anew()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards that a series is scaled once, where backtests in threads share it
        self._give_up("the process was forked")  # its parent goes on with it

    def _give_up(self, why: str) -> None:
        """Refuses from now on the bars that were being scaled, if there are any: it is not known how far that went."""
        if self._scaling is not None:
            where = self._raw[self._scaling[0]].where
            self._scaled[self._scaling] = OperationFailed(f"{why} while the bars of {where} were scaled")
            self._scaling = None

    def bars(self, eid: str, symbol: str, period_ms: int, from_ms: int, to_ms: int, *, fill: bool = False) -> BarSeries:
        """The bars of a symbol; see ``BarSource.bars``.

        Raises:
            NoData: There are none, or the symbol is not known.
            InputError: The bars have a longer period, or one that does not divide ``period_ms``.
        """
        name = self._name(eid, symbol)
        whole = self._series(name, eid, symbol)
        if not name:
            whole = evolve(whole, unnamed=True)
        own = self._periods[name]
        found = cut_out(whole, from_ms, to_ms)
        if not len(found):
            raise NoData(
                f"symbol {symbol} not found on {eid}: its bars go from {whole.time[0]} to {whole.time[-1]} ms,"
                f" asked for {from_ms} to {to_ms}"
            )
        if own == period_ms or symbol.endswith(".funding"):
            return found  # a row of a funding series is a payment, whatever the base period
        if period_ms % own:
            if fill:
                raise NoData(f"no bars of {period_ms // 1000} s: {symbol} of {eid} has bars of {own // 1000} s")
            raise InputError(
                f"the bars of {symbol} on {eid} have a period of {own // 1000} s, which does not divide the base period of"
                f" {period_ms // 1000} s; set basePeriod (--base-period) to {own // 1000}"
            )
        return aggregated(found, period_ms)

    def ticks(self, eid: str, symbol: str, from_ms: int, to_ms: int) -> tuple[Recording, MarketDetail]:
        """The recorded order books of a symbol, and the market; see ``TickSource.ticks``.

        Raises:
            NoData: There are none, or the symbol is not known.
        """
        recording = self._recordings[self._name_among(self._recordings, eid, symbol)]
        if recording.end_ms < from_ms or recording.first_ms >= to_ms:
            raise NoData(
                f"symbol {symbol} not found on {eid}: its ticks go from {recording.first_ms} to {recording.end_ms} ms,"
                f" asked for {from_ms} to {to_ms}"
            )
        exchange = exchange_for(self._exchanges, eid, symbol)
        detail = exchange.details.get(symbol) if exchange is not None else None
        if detail is None:
            detail = recorded_detail(recording, symbol)
            detail = detail if recording.detail else self._with_rates(detail, eid)
        return recording, detail

    def custom(self, eid: str, name: str, from_ms: int, to_ms: int) -> list[tuple[int, object]] | None:
        """None: files of bars hold no series for ``GetData``."""
        return None

    def symbols(self, eid: str) -> list[str]:
        """The symbols of an exchange that there are bars of."""
        exchange = exchange_for(self._exchanges, eid)
        found = [name.partition("/")[2] for name in self._raw if name.startswith(f"{eid}/")]
        found += [name for name in self._raw if name and "/" not in name]
        if "" in self._raw and exchange is not None:
            found.append(exchange.currency)
        return found

    def _name(self, eid: str, symbol: str) -> str:
        return self._name_among(self._raw, eid, symbol)

    def _name_among(self, series: Mapping[str, GivenSeries], eid: str, symbol: str) -> str:
        for name in (f"{eid}/{symbol}", symbol):
            if name in series:
                return name
        if "" in series and {exchange.eid for exchange in self._exchanges} == {eid}:
            pair, _, contract = symbol.partition(".")
            if {exchange.currency for exchange in self._exchanges} == {pair} and contract not in {"funding", "index"}:
                return ""
        names = [name or "(without a name)" for name in series]
        raise NoData(f"symbol {symbol} not found on {eid}{nearest(f'{eid}/{symbol}', names)}")

    def _series(self, name: str, eid: str, symbol: str) -> BarSeries:
        decimals = self._decimals(eid, symbol)
        with self._lock:
            self._give_up("Ctrl-C or a stop came")
            found = self._scaled.get((name, decimals))
            if found is None:
                raw = self._raw[name]
                if not len(raw):
                    raise NoData(f"symbol {symbol} not found on {eid}: {raw.where} has no bars")
                if len(self._all_decimals(name)) > 1:
                    raw = _copied(raw)
                try:
                    self._scaling = (name, decimals)
                    found = scaled(raw, self._detail(eid, symbol, guessed_detail(raw, symbol)))
                except FmzError as error:
                    # Its columns are not whole any more: it is raised again whenever they are asked for.
                    found = error.with_traceback(None)
                self._scaled[name, decimals] = found
                self._scaling = None
        if isinstance(found, FmzError):
            raise found
        # Another contract, or the same one at another exchange, may have been the first one to use these bars.
        detail = self._detail(eid, symbol, found.detail)
        return found if detail == found.detail else evolve(found, detail=detail)

    def _decimals(self, eid: str, symbol: str) -> _Decimals:
        """The decimals of prices and amounts that the settings give a symbol; None for those of the data."""
        exchange = exchange_for(self._exchanges, eid, symbol)
        if exchange is None:
            return None, None
        detail = exchange.details.get(symbol)
        if detail is not None:
            return detail.quote_precision, detail.base_precision
        return exchange.quote_precision, exchange.base_precision

    def _all_decimals(self, name: str) -> set[_Decimals]:
        """The decimals with which the exchanges use a series."""
        found = set()
        for exchange in self._exchanges:
            for symbol in {exchange.currency, *exchange.details}:
                with contextlib.suppress(NoData):
                    if self._name(exchange.eid, symbol) == name:
                        found.add(self._decimals(exchange.eid, symbol))
        return found

    def _detail(self, eid: str, symbol: str, guessed: MarketDetail) -> MarketDetail:
        """The market of a symbol: that of the settings, else one with the decimals of the data."""
        exchange = exchange_for(self._exchanges, eid, symbol)
        detail = exchange.details.get(symbol) if exchange is not None else None
        if detail is not None:
            return detail
        prices, amounts = self._decimals(eid, symbol)
        known = market_of_decimals(
            symbol,
            guessed.quote_precision if prices is None else prices,
            guessed.base_precision if amounts is None else amounts,
        )
        return self._with_rates(known, eid)

    def _with_rates(self, detail: MarketDetail, eid: str) -> MarketDetail:
        """A market that names the funding and index series of its pair, where there are bars of them."""
        pair, _, contract = detail.symbol.partition(".")
        if contract in {"", "funding", "index"}:
            return detail
        funding, index = (
            series if f"{eid}/{series}" in self._raw or series in self._raw else ""
            for series in (f"{pair}.funding", f"{pair}.index")
        )
        return evolve(detail, symbol_funding=funding, symbol_index=index)


def exchange_for(exchanges: Sequence[ExchangeSettings], eid: str, symbol: str = "") -> ExchangeSettings | None:
    """The exchange whose settings hold for a symbol; None where none has the id.

    Several may have one id: first comes one whose details describe the symbol, then one with its pair.
    """
    own = [exchange for exchange in exchanges if exchange.eid == eid]
    described = (exchange for exchange in own if symbol in exchange.details)
    of_pair = (exchange for exchange in own if exchange.currency == symbol.partition(".")[0])
    return next(chain(described, of_pair, own), None)


def _copied(raw: RawSeries) -> RawSeries:
    """Bars whose columns may be changed without those of the series."""
    columns: dict[str, Any] = {name: array("d", getattr(raw, name)) for name in (*PRICES, "volume", "position")}
    return evolve(raw, stored=None, time=array("q", raw.time), **columns)


def recorded_detail(recording: Recording, symbol: str) -> MarketDetail:
    """The market of recorded books that no setting describes: what they say themselves, else as many decimals as they show."""
    if recording.detail:
        return detail_of(recording.detail, symbol, f"{recording.where}: detail")
    return market_of_decimals(symbol, *recording.decimals)
