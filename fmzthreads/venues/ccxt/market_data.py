"""Market data, balances and positions of an exchange of ccxt."""

from __future__ import annotations

from typing import Any

from ...errors import FmzError, InputError, short_repr
from ...structures import Account, Asset, Depth, Funding, Position, Record, Records, Ticker, Trade
from ..rest.ask import checked_limit
from ..rest.parsing import Malformed
from . import convert
from .core import CcxtCore, within
from .objects import LoadedMarkets

__all__ = ["CcxtMarketData"]

_USUAL_LEVELS = 100
_USUAL_BARS = 500
_MOST_ROWS = 10**9


class CcxtMarketData(CcxtCore):
    """Market data, balances and positions."""

    def _now_ms(self) -> int:
        return self.calls.wire.now_ms()

    def ticker(self, symbol: str) -> Ticker:
        """``fetch_ticker``; see ``Venue.ticker``."""
        return self._about(symbol, lambda api, name: convert.ticker_of(api.fetch_ticker(name), symbol, self._now_ms()))

    def tickers(self) -> list[Ticker]:
        """``fetch_tickers`` of the spot markets; see ``Venue.tickers``."""
        self._can("fetchTickers", "GetTickers")
        loaded = self._markets()

        def _work(api: Any) -> list[Ticker]:
            rows, now_ms = list(api.fetch_tickers().values()), self._now_ms()
            return self._odd.tickers(
                rows, "symbol", loaded.table.fmz, lambda row, symbol: convert.ticker_of(row, symbol, now_ms)
            )

        return self.calls.read(_work, markets=loaded)

    def depth(self, symbol: str, limit: int | None = None) -> Depth:
        """``fetch_order_book``; a limit that the venue does not have gives its usual book, cut; see ``Venue.depth``."""
        levels = checked_limit(limit, _USUAL_LEVELS, _MOST_ROWS)

        def _work(api: Any, name: str) -> Depth:
            try:
                row = api.fetch_order_book(name, levels)
            except FmzError:
                raise
            except Exception:  # whatever ccxt's check of the limit raises
                if api.fmz_state.sent:
                    raise
                row = api.fetch_order_book(name)
            return convert.depth_of(row, api.last_json_response, self._now_ms(), levels)

        return self._about(symbol, _work)

    def trades(self, symbol: str, limit: int | None = None) -> list[Trade]:
        """``fetch_trades``; see ``Venue.trades``."""
        count = None if limit is None else checked_limit(limit, 1, _MOST_ROWS)

        def _work(api: Any, name: str) -> list[Trade]:
            return self._odd.read(api.fetch_trades(name, None, count), "a trade", "id", convert.trade_of)

        found = sorted(self._about(symbol, _work), key=lambda trade: trade["Time"])
        return found if count is None else found[-count:]

    def periods_s(self) -> tuple[int, ...]:
        """The time frames that ccxt has of the exchange; see ``Venue.periods_s``."""
        return tuple(self._periods)

    def records(self, symbol: str, period_s: int, limit: int | None = None) -> Records:
        """``fetch_ohlcv``, as often as needed, from the newest page back; see ``Venue.records``."""
        frame = self._periods.get(period_s)
        if frame is None:
            raise InputError(
                f"{self.name} has no bars of {short_repr(period_s)} s; expected one of {', '.join(map(str, self._periods))}"
            )
        wanted = None if limit is None else checked_limit(limit, 1, _MOST_ROWS)

        def _work(api: Any, name: str) -> list[Record]:
            return [convert.record_of(row) for row in _bars(api, name, frame, period_s * 1000, wanted)]

        found = self._about(symbol, _work)
        return Records(found if wanted is None else found[-wanted:])

    # Account

    def account(self, symbol: str) -> Account:
        """``fetch_balance``; see ``Venue.account``."""

        def _work(api: Any, name: str) -> Account:
            market = api.markets[name]
            more = {"type": market["type"]} if market.get("contract") else {}
            return convert.account_of(api.fetch_balance(more), market)

        return self._about(symbol, _work, signed=True)

    def assets(self) -> list[Asset]:
        """``fetch_balance``; see ``Venue.assets``."""
        loaded = self._markets()
        return convert.asset_rows(self.calls.read(lambda api: api.fetch_balance(), signed=True, markets=loaded))

    def fee_rates(self, symbol: str) -> tuple[float, float]:
        """``fetch_trading_fee``, or what ccxt knows of the market; see ``Venue.fee_rates``."""

        def _work(api: Any, name: str) -> tuple[float, float]:
            row = api.fetch_trading_fee(name) if self._has.get("fetchTradingFee") else api.markets[name]
            if row.get("maker") is None or row.get("taker") is None:
                raise Malformed("the fees are not told")
            return float(row["maker"]), float(row["taker"])

        return self._about(symbol, _work, signed=True)

    def positions(self, symbol: str | None = None) -> list[Position]:
        """``fetch_positions``; see ``Venue.positions``."""
        self._can("fetchPositions", "GetPositions")
        loaded = self._markets(contracts=True)
        names = _scope(loaded, symbol)

        def _read(row: dict[str, Any]) -> Position:
            return convert.position_of(row, self._shown_as(row["symbol"], loaded))

        def _work(api: Any) -> list[Position]:
            held = [row for row in api.fetch_positions(names) if row.get("contracts")]
            return self._odd.read(held, "a position", "symbol", _read)

        found = self.calls.read(_work, signed=True, markets=loaded)
        return [one for one in found if within(one["Symbol"], symbol)]

    def fundings(self, symbol: str | None = None) -> list[Funding]:
        """``fetch_funding_rate`` of a symbol, ``fetch_funding_rates`` of several; see ``Venue.fundings``."""
        loaded = self._markets(contracts=True)
        names = _scope(loaded, symbol)
        one = names is not None
        self._can("fetchFundingRate" if one else "fetchFundingRates", "GetFundings" if one else "GetFundings of all")

        def _read(row: dict[str, Any]) -> Funding:
            return convert.funding_of(row, self._shown_as(row["symbol"], loaded))

        def _work(api: Any) -> list[Funding]:
            rows = [api.fetch_funding_rate(names[0])] if names else list(api.fetch_funding_rates().values())
            return self._odd.read(rows, "a rate", "symbol", _read)

        found = self.calls.read(_work, markets=loaded)
        return [one for one in found if within(one["Symbol"], symbol)]


def _bars(api: Any, name: str, frame: str, period_ms: int, wanted: int | None) -> list[Any]:
    """The bars, oldest first; pages before the newest one are asked by their start."""
    rows = sorted(api.fetch_ohlcv(name, frame, None, wanted), key=lambda row: row[0])
    while wanted is not None and rows and len(rows) < wanted:
        oldest = rows[0][0]
        start = oldest - min(wanted - len(rows), _USUAL_BARS) * period_ms
        older: list[Any] = []
        while start < oldest:  # a venue may send fewer than it was asked for, from the start on
            page = api.fetch_ohlcv(name, frame, start, (oldest - start) // period_ms)
            fresh = sorted((row for row in page if start <= row[0] < oldest), key=lambda row: row[0])
            if not fresh:
                break
            older += fresh
            start = fresh[-1][0] + period_ms
        if not older:
            break
        rows = older + rows
    return rows


def _scope(loaded: LoadedMarkets, symbol: str | None) -> list[str] | None:
    """The names of a symbol in ccxt; None for all, or for a kind of contracts such as ``USDT.swap``."""
    if symbol is None or "_" not in symbol:
        return None
    return [str(loaded.table.market(symbol)["symbol"])]
