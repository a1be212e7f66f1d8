"""Binance spot's public calls ("Market Data endpoints" in Binance's spot documentation)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from ...engine.candles import MONTH_S, Candle, DayStats
from ...engine.events import DepthView, TradeView
from ...engine.exchange import SimulatedExchange
from ...engine.instruments import Instrument
from ...transport.requests import Rendered
from ..rendered import BarPage, RenderedBars, RenderedBooks, join_rows
from .parameters import BinanceParams, BinanceRefusal
from .symbols import AVERAGE_MINUTES, Symbols, fixed

__all__ = ["INTERVALS", "BinanceMarket", "day_changes"]

INTERVALS = {
    "1s": 1, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "2h": 7200, "4h": 14400, "6h": 21600,
    "8h": 28800, "12h": 43200, "1d": 86400, "3d": 259200, "1w": 604800, "1M": MONTH_S,
}  # fmt: skip
_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))
_TIME_ZONE = re.compile(r"([+-]?)(\d{1,2})(?::(\d\d))?", re.ASCII)
_STATUSES = ("TRADING", "HALT", "BREAK")
_ZERO = Decimal(0)


class BinanceMarket:
    """The handlers of the public endpoints; each takes the parameters and returns the value to encode as JSON.

    Args:
        exchange: The source of the data.
        symbols: The exchange's instruments under Binance's names.
        rate_limits: The rate limits that ``exchangeInfo`` shows.
    """

    def __init__(self, exchange: SimulatedExchange, symbols: Symbols, rate_limits: list[dict[str, Any]]) -> None:
        self._exchange = exchange
        self._symbols = symbols
        self._rate_limits = rate_limits
        self._bars = RenderedBars(exchange, lambda bar: _render_bar(bar, 1))
        self._micro_bars = RenderedBars(exchange, lambda bar: _render_bar(bar, 1000))
        self._books = RenderedBooks(exchange, _render_book)

    # --- general ---

    def ping(self, params: BinanceParams) -> dict[str, Any]:
        """GET /api/v3/ping."""
        params.finish()
        return {}

    def server_time(self, params: BinanceParams) -> dict[str, Any]:
        """GET /api/v3/time."""
        params.finish()
        return {"serverTime": params.time(params.now_ms)}

    def exchange_info(self, params: BinanceParams) -> dict[str, Any]:
        """GET /api/v3/exchangeInfo."""
        chosen = sum(name in params for name in ("symbol", "symbols", "permissions"))
        if chosen > 1 or ("symbolStatus" in params and ("symbol" in params or "symbols" in params)):
            raise BinanceRefusal(-1128, "Combination of optional parameters invalid.")
        instruments = self._named(params) or self._symbols.all()
        permissions = params.optional("permissions")
        if permissions is not None and "SPOT" not in re.findall(r"[A-Z_0-9]+", permissions):
            instruments = []
        if not self._trading(params):
            instruments = []
        sets = params.flag("showPermissionSets", True)
        params.finish()
        return {
            "timezone": "UTC",
            "serverTime": params.time(params.now_ms),
            "rateLimits": self._rate_limits,
            "exchangeFilters": [],
            "sors": [
                {"baseAsset": instrument.base, "symbols": [self._symbols.name(instrument.id)]}
                for instrument in instruments
            ],
            "symbols": [self._symbols.describe(instrument, permission_sets=sets) for instrument in instruments],
        }

    def _named(self, params: BinanceParams) -> list[Instrument]:
        """The instruments of ``symbol`` or ``symbols``; empty if neither was sent."""
        if "symbol" in params:
            return [self._symbols.instrument(params.symbol())]
        params.allow("symbol")
        return [self._symbols.instrument(symbol) for symbol in params.symbols() or ()]

    @staticmethod
    def _trading(params: BinanceParams) -> bool:
        """Whether a filter by status includes trading symbols; here all symbols trade."""
        status = params.choice("symbolStatus", _STATUSES, BinanceRefusal(-1122, "Invalid symbolStatus."))
        return status in {None, "TRADING"}

    def _one(self, params: BinanceParams) -> Instrument:
        """The instrument of an endpoint that needs one, with its ``symbolStatus``."""
        instrument = self._symbols.instrument(params.symbol())
        if not self._trading(params):
            raise BinanceRefusal(-1220, "The symbol's status does not match the requested symbolStatus.")
        return instrument

    # --- book and trades ---

    def depth(self, params: BinanceParams) -> Rendered:
        """GET /api/v3/depth."""
        instrument = self._one(params)
        limit = params.limit(100, 5000)
        params.finish()
        params.weight = next(weight for most, weight in _DEPTH_WEIGHTS if limit <= most)
        version, _, levels = self._books.snapshot(instrument.id, limit)
        return Rendered(b'{"lastUpdateId":%d,%b}' % (version, levels))

    def trades(self, params: BinanceParams) -> list[dict[str, Any]]:
        """GET /api/v3/trades and /api/v3/historicalTrades."""
        instrument = self._symbols.instrument(params.symbol())
        from_id = params.integer("fromId")
        limit = params.limit(500, 1000)
        params.finish()
        return [
            {
                "id": trade.trade_id,
                "price": fixed(trade.price),
                "qty": fixed(trade.quantity),
                "quoteQty": fixed(trade.quote_quantity),
                "time": params.time(trade.time_ms),
                "isBuyerMaker": trade.buyer_is_maker,
                "isBestMatch": True,
            }
            for trade in self._exchange.trades(instrument.id, limit, from_id)
        ]

    def agg_trades(self, params: BinanceParams) -> list[dict[str, Any]]:
        """GET /api/v3/aggTrades; every simulated trade is its own aggregate, so both ids are the same."""
        instrument = self._symbols.instrument(params.symbol())
        from_id, start, end = (
            params.integer("fromId"),
            params.time_ms("startTime"),
            params.time_ms("endTime"),
        )
        limit = params.limit(500, 1000)
        params.finish()
        if from_id is not None and (start is not None or end is not None):
            raise BinanceRefusal(-1128, "Combination of optional parameters invalid.")
        return [self._agg_trade(params, t) for t in self._exchange.trades(instrument.id, limit, from_id, start, end)]

    @staticmethod
    def _agg_trade(params: BinanceParams, trade: TradeView) -> dict[str, Any]:
        return {
            "a": trade.trade_id,
            "p": fixed(trade.price),
            "q": fixed(trade.quantity),
            "f": trade.trade_id,
            "l": trade.trade_id,
            "T": params.time(trade.time_ms),
            "m": trade.buyer_is_maker,
            "M": True,
        }

    # --- bars ---

    def klines(self, params: BinanceParams) -> Rendered:
        """GET /api/v3/klines and /api/v3/uiKlines."""
        pages, page = self._asked_bars(params)
        return join_rows(pages.page(*page)[1])

    def klines_ahead(self, params: BinanceParams) -> Iterator[None]:
        """Makes the bars of such a call in steps."""
        pages, page = self._asked_bars(params)
        return pages.ahead(*page)

    def _asked_bars(self, params: BinanceParams) -> tuple[RenderedBars, BarPage]:
        instrument = self._symbols.instrument(params.symbol())
        interval = params.choice("interval", INTERVALS, BinanceRefusal(-1120, "Invalid interval."), required=True)
        start, end = params.time_ms("startTime"), params.time_ms("endTime")
        offset_s = _offset_s(params.optional("timeZone"))
        limit = params.limit(500, 1000)
        params.finish()
        assert interval is not None
        pages = self._micro_bars if params.microseconds else self._bars
        return pages, (instrument.id, INTERVALS[interval], limit, start, end, offset_s)

    # --- tickers ---

    def average(self, instrument: Instrument) -> Decimal | None:
        """The average price of the last minutes, else the last price; None before the first trade."""
        average = self._exchange.average_price(instrument.id, AVERAGE_MINUTES)
        if average is not None:
            return average
        last = self._exchange.trades(instrument.id, 1)
        return last[-1].price if last else None

    def avg_price(self, params: BinanceParams) -> dict[str, Any]:
        """GET /api/v3/avgPrice."""
        instrument = self._symbols.instrument(params.symbol())
        params.finish()
        last = self._exchange.trades(instrument.id, 1)
        return {
            "mins": AVERAGE_MINUTES,
            "price": fixed(self.average(instrument) or _ZERO),
            "closeTime": params.time(last[-1].time_ms if last else params.now_ms),
        }

    def _tickers(self, params: BinanceParams, one: int, many: int) -> tuple[list[Instrument], bool]:
        """The requested instruments of a ticker call, and whether it is a single one; counts the weight.

        Raises:
            BinanceRefusal: -1128 if both ``symbol`` and ``symbols`` were sent.
        """
        if "symbol" in params and "symbols" in params:
            raise BinanceRefusal(-1128, "Combination of optional parameters invalid.")
        single = "symbol" in params
        instruments = self._named(params)
        params.weight = one if single else many
        if not self._trading(params):
            if single:
                raise BinanceRefusal(-1220, "The symbol's status does not match the requested symbolStatus.")
            return [], False
        return instruments or self._symbols.all(), single

    def ticker_24h(self, params: BinanceParams) -> Any:
        """GET /api/v3/ticker/24hr."""
        # By the number of requested symbols; all of them cost the most.
        instruments, single = self._tickers(params, 2, 2 if "symbols" in params else 80)
        shape = params.choice(
            "type", ("FULL", "MINI"), BinanceRefusal(-1130, "Data sent for parameter 'type' is not valid.")
        )
        params.finish()
        rows = [self._day(params, instrument, shape != "MINI") for instrument in instruments]
        return rows[0] if single else rows

    def _day(self, params: BinanceParams, instrument: Instrument, full: bool) -> dict[str, Any]:
        day = self._exchange.stats_24h(instrument.id)
        row: dict[str, Any] = {"symbol": self._symbols.name(instrument.id)}
        if full:
            row.update(day_changes(day))
        row.update(
            openPrice=fixed(day.open),
            highPrice=fixed(day.high),
            lowPrice=fixed(day.low),
            lastPrice=fixed(day.last),
            volume=fixed(day.volume),
            quoteVolume=fixed(day.quote_volume),
            openTime=params.time(day.open_ms),
            closeTime=params.time(day.close_ms),
            firstId=day.first_id,
            lastId=day.last_id,
            count=day.trades,
        )
        return row

    def ticker_price(self, params: BinanceParams) -> Any:
        """GET /api/v3/ticker/price."""
        instruments, single = self._tickers(params, 2, 4)
        params.finish()
        rows = [
            {
                "symbol": self._symbols.name(instrument.id),
                "price": fixed(self._exchange.stats_24h(instrument.id).last),
            }
            for instrument in instruments
        ]
        return rows[0] if single else rows

    def ticker_book(self, params: BinanceParams) -> Any:
        """GET /api/v3/ticker/bookTicker."""
        instruments, single = self._tickers(params, 2, 4)
        params.finish()
        rows = []
        for instrument in instruments:
            book = self._exchange.depth(instrument.id, 1)
            bid, ask = (side[0] if side else (_ZERO, _ZERO, 0) for side in (book.bids, book.asks))
            rows.append(
                {
                    "symbol": self._symbols.name(instrument.id),
                    "bidPrice": fixed(bid[0]),
                    "bidQty": fixed(bid[1]),
                    "askPrice": fixed(ask[0]),
                    "askQty": fixed(ask[1]),
                }
            )
        return rows[0] if single else rows


def _render_bar(bar: Candle, scale: int) -> bytes:
    """One kline; ``scale`` is 1 for milliseconds and 1000 for microseconds."""
    return (
        f'[{bar.open_ms * scale},"{bar.open:.8f}","{bar.high:.8f}","{bar.low:.8f}","{bar.close:.8f}","{bar.volume:.8f}",'
        f'{(bar.close_ms + 1) * scale - 1},"{bar.quote_volume:.8f}",{bar.trades},"{bar.taker_buy_volume:.8f}",'
        f'"{bar.taker_buy_quote_volume:.8f}","0"]'
    ).encode()


def _render_book(book: DepthView) -> bytes:
    """Bids and asks of a depth snapshot."""
    bids, asks = (
        ",".join(f'["{price:.8f}","{quantity:.8f}"]' for price, quantity, _ in side) for side in (book.bids, book.asks)
    )
    return f'"bids":[{bids}],"asks":[{asks}]'.encode()


def day_changes(day: DayStats) -> dict[str, str]:
    """The fields of a FULL ticker that a MINI one lacks."""
    change = day.last - day.open
    percent = change / day.open * 100 if day.open else _ZERO
    weighted = day.quote_volume / day.volume if day.volume else day.last
    return {
        "priceChange": fixed(change),
        "priceChangePercent": f"{percent.quantize(Decimal('0.001'), ROUND_HALF_UP):f}",
        "weightedAvgPrice": fixed(weighted),
        "prevClosePrice": fixed(day.open),
        "lastQty": fixed(day.last_quantity),
        "bidPrice": fixed(day.bid),
        "bidQty": fixed(day.bid_quantity),
        "askPrice": fixed(day.ask),
        "askQty": fixed(day.ask_quantity),
    }


def _offset_s(zone: str | None) -> int:
    """The UTC offset in seconds of a time zone such as ``-1:00``, ``05:45`` or ``8``.

    Raises:
        BinanceRefusal: -1130 if it is malformed, or outside -12:00 to +14:00.
    """
    if zone is None:
        return 0
    match = _TIME_ZONE.fullmatch(zone)
    if match is not None:
        sign, hours, minutes = match.groups()
        offset_s = (int(hours) * 60 + int(minutes or 0)) * 60 * (-1 if sign == "-" else 1)
        if int(minutes or 0) < 60 and -12 * 3600 <= offset_s <= 14 * 3600:
            return offset_s
    raise BinanceRefusal(-1130, "Data sent for parameter 'timeZone' is not valid.")
