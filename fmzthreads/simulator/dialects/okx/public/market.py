"""OKX v5's public calls for spot ("Public Data" and "Order Book Trading" in OKX's API guide)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ....engine.candles import MONTH_S, Candle
from ....engine.conditional.conditions import TriggerPrice
from ....engine.events import DepthView, TradeView
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument, Kind
from ....transport.requests import Rendered, encode_json
from ...fields import plain_decimal
from ...rendered import BarPage, RenderedBars, RenderedBooks, join_rows
from ..parameters import OkxParams
from .instruments import Instruments
from .products import product_of

__all__ = ["BARS", "OkxMarket"]

_HOUR, _DAY, _WEEK = 3600, 86_400, 604_800
_UTC8_S = 28_800
# Bars of six hours and more begin by the clock of UTC+8, unless their name ends in utc.
_LONG = {
    "6H": 6 * _HOUR, "12H": 12 * _HOUR, "1D": _DAY, "2D": 2 * _DAY, "3D": 3 * _DAY, "1W": _WEEK, "1M": MONTH_S, "3M": 3 * MONTH_S,
}  # fmt: skip
BARS: dict[str, tuple[int, int]] = {
    **{name: (seconds, 0) for name, seconds in {
        "1s": 1, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1H": _HOUR, "2H": 2 * _HOUR, "4H": 4 * _HOUR,
    }.items()},
    **{name: (seconds, _UTC8_S) for name, seconds in _LONG.items()},
    **{f"{name}utc": (seconds, 0) for name, seconds in _LONG.items()},
}  # fmt: skip
"""Length in seconds and offset from UTC in seconds, by name."""

_RECENT_BARS = 1440
# The price limits of orders, as a deviation from the last price in both directions.
_PRICE_BAND = Decimal("0.05")


class OkxMarket:
    """The handlers of the public endpoints; each takes the query and the time, and returns the rows of ``data``."""

    def __init__(self, exchange: SimulatedExchange, instruments: Instruments) -> None:
        self._exchange = exchange
        self._instruments = instruments
        self._bars: dict[str, RenderedBars] = {}
        self._books = RenderedBooks(exchange, lambda depth: encode_json(_levels(depth))[1:-1])

    def server_time(self, params: OkxParams) -> list[Any]:
        """GET public/time."""
        return [{"ts": str(params.now_ms)}]

    def instruments(self, params: OkxParams) -> list[Any]:
        """GET public/instruments and account/instruments; empty for types that are not simulated."""
        return [self._instruments.describe(instrument) for instrument in self._instruments.listed(params)]

    def ticker(self, params: OkxParams) -> list[Any]:
        """GET market/ticker."""
        return [self.describe_ticker(self._instruments.instrument(params.required("instId")), params.now_ms)]

    def tickers(self, params: OkxParams) -> list[Any]:
        """GET market/tickers."""
        kind = params.choice("instType", ("SPOT", "SWAP", "FUTURES", "OPTION", "EVENTS"), required=True)
        chosen = self._instruments.of_type(kind, params.optional("instFamily") or params.optional("uly"))
        return [self.describe_ticker(instrument, params.now_ms) for instrument in chosen]

    def describe_ticker(self, instrument: Instrument, now_ms: int) -> dict[str, str]:
        """One ticker."""
        day = self._exchange.stats_24h(instrument.id)
        return {
            "instType": product_of(instrument).inst_type,
            "instId": self._instruments.name(instrument.id),
            "last": plain_decimal(day.last),
            "lastSz": plain_decimal(day.last_quantity),
            "askPx": plain_decimal(day.ask) if day.ask else "",
            "askSz": plain_decimal(day.ask_quantity) if day.ask else "",
            "bidPx": plain_decimal(day.bid) if day.bid else "",
            "bidSz": plain_decimal(day.bid_quantity) if day.bid else "",
            "open24h": plain_decimal(day.open),
            "high24h": plain_decimal(day.high),
            "low24h": plain_decimal(day.low),
            "volCcy24h": plain_decimal(_volumes(instrument, day.volume, day.quote_volume)[0]),
            "vol24h": plain_decimal(day.volume),
            "sodUtc0": plain_decimal(self._day_open(instrument, 0) or day.open),
            "sodUtc8": plain_decimal(self._day_open(instrument, _UTC8_S) or day.open),
            "ts": str(now_ms),
        }

    def _day_open(self, instrument: Instrument, offset_s: int) -> Decimal | None:
        """The price at the start of the current day."""
        bars = self._exchange.bars(instrument.id, _DAY, 1, offset_s=offset_s)
        return bars[-1].open if bars else None

    def books(self, params: OkxParams) -> Rendered:
        """GET market/books."""
        instrument = self._instruments.instrument(params.required("instId"))
        version, time_ms, levels = self._books.snapshot(instrument.id, params.limit(1, 400, "sz"))
        return Rendered(b'[{%b,"ts":"%d","seqId":%d}]' % (levels, time_ms, version))

    def book(self, instrument: Instrument, size: int) -> dict[str, Any]:
        """A snapshot of a book, in the format of market/books."""
        depth = self._exchange.depth(instrument.id, size)
        return {**_levels(depth), "ts": str(depth.time_ms), "seqId": depth.version}

    def books_full(self, params: OkxParams) -> list[Any]:
        """GET market/books-full: three items a level, and no sequence number."""
        instrument = self._instruments.instrument(params.required("instId"))
        depth = self._exchange.depth(instrument.id, params.limit(1, 5000, "sz"))
        return [
            {
                "asks": [[plain_decimal(price), plain_decimal(left), str(count)] for price, left, count in depth.asks],
                "bids": [[plain_decimal(price), plain_decimal(left), str(count)] for price, left, count in depth.bids],
                "ts": str(depth.time_ms),
            }
        ]

    def trades(self, params: OkxParams) -> list[Any]:
        """GET market/trades: newest first."""
        instrument = self._instruments.instrument(params.required("instId"))
        rows = self._exchange.trades(instrument.id, params.limit(100, 500))
        return [self.trade(instrument, trade) for trade in reversed(rows)]

    def history_trades(self, params: OkxParams) -> list[Any]:
        """GET market/history-trades: pages by trade id (type 1) or by time (type 2), newest first."""
        instrument = self._instruments.instrument(params.required("instId"))
        by_time = params.choice("type", ("1", "2")) == "2"
        after, before = params.integer("after"), params.integer("before")
        limit = params.limit(100, 100)
        if after is None:
            rows = self._exchange.trades(instrument.id, limit)
        elif by_time:
            rows = self._exchange.trades(instrument.id, limit, end_ms=after - 1)
        else:
            rows = self._exchange.trades(instrument.id, limit, from_id=max(1, after - limit))
        found = [
            trade
            for trade in rows
            if (after is None or (trade.time_ms if by_time else trade.trade_id) < after)
            and (before is None or (trade.time_ms if by_time else trade.trade_id) > before)
        ]
        return [self.trade(instrument, trade) for trade in reversed(found)]

    def trade(self, instrument: Instrument, trade: TradeView) -> dict[str, str]:
        """One public trade."""
        return {
            "instId": self._instruments.name(instrument.id),
            "tradeId": str(trade.trade_id),
            "px": plain_decimal(trade.price),
            "sz": plain_decimal(trade.quantity),
            "side": "sell" if trade.buyer_is_maker else "buy",
            "source": "0",
            "ts": str(trade.time_ms),
        }

    def candles(self, params: OkxParams) -> Rendered:
        """GET market/candles: newest first, among the last 1440 bars."""
        return self._candles(params, recent=True)

    def history_candles(self, params: OkxParams) -> Rendered:
        """GET market/history-candles: newest first."""
        return self._candles(params, recent=False)

    def candles_ahead(self, params: OkxParams) -> Iterator[None]:
        """Makes the bars of market/candles in steps."""
        page = self._asked_bars(params, recent=True)
        return self._bars_of(page[0]).ahead(*page)

    def history_candles_ahead(self, params: OkxParams) -> Iterator[None]:
        """Makes the bars of market/history-candles in steps."""
        page = self._asked_bars(params, recent=False)
        return self._bars_of(page[0]).ahead(*page)

    def _bars_of(self, instrument: str) -> RenderedBars:
        """The rendered bars of one instrument, whose volumes are its own."""
        found = self._bars.get(instrument)
        if found is None:
            traded = self._exchange.instrument(instrument)
            found = RenderedBars(self._exchange, lambda bar: encode_json(self.describe_candle(traded, bar)))
            self._bars[instrument] = found
        return found

    def _asked_bars(self, params: OkxParams, *, recent: bool) -> BarPage:
        instrument = self._instruments.instrument(params.required("instId"))
        name = params.optional("bar") or "1m"
        if name not in BARS or (recent and name == "1s"):
            raise params.invalid("bar")
        period_s, offset_s = BARS[name]
        after = params.integer("after")
        end_ms = after - 1 if after is not None else None
        return instrument.id, period_s, params.limit(100, 300), None, end_ms, offset_s

    def _candles(self, params: OkxParams, *, recent: bool) -> Rendered:
        page = self._asked_bars(params, recent=recent)
        period_s, before = page[1], params.integer("before")
        opens, rows = self._bars_of(page[0]).page(*page)
        oldest_ms = params.now_ms - period_s * 1000 * _RECENT_BARS if recent else 0
        newer_ms = max(oldest_ms, before if before is not None else 0)
        return join_rows(rows[: bisect_right(opens, newer_ms) - 1 - len(rows) : -1] if opens else ())

    @staticmethod
    def describe_candle(instrument: Instrument, bar: Candle) -> list[str]:
        """One bar."""
        volumes = _volumes(instrument, bar.volume, bar.quote_volume)
        numbers = (bar.open, bar.high, bar.low, bar.close, bar.volume, *volumes)
        return [str(bar.open_ms), *(plain_decimal(number) for number in numbers), "1" if bar.closed else "0"]

    def price_limit(self, params: OkxParams) -> list[Any]:
        """GET public/price-limit."""
        return [self.describe_limit(self._instruments.instrument(params.required("instId")), params.now_ms)]

    def describe_limit(self, instrument: Instrument, now_ms: int) -> dict[str, Any]:
        """One row of public/price-limit."""
        band = self.price_band(instrument)
        return {
            "instType": product_of(instrument).inst_type,
            "instId": self._instruments.name(instrument.id),
            "buyLmt": plain_decimal(band[1]) if band else "",
            "sellLmt": plain_decimal(band[0]) if band else "",
            "ts": str(now_ms),
            "enabled": band is not None,
        }

    def price_band(self, instrument: Instrument) -> tuple[Decimal, Decimal] | None:
        """The lowest price for sells and the highest for buys; None before the first trade."""
        last = self._exchange.trades(instrument.id, 1)
        if not last:
            return None
        tick = instrument.tick
        low, high = last[-1].price * (1 - _PRICE_BAND), last[-1].price * (1 + _PRICE_BAND)
        return low - low % tick, high - high % tick

    def status(self, params: OkxParams) -> list[Any]:
        """GET system/status: no maintenance is planned."""
        return []

    def price_now(self, instrument: Instrument, source: TriggerPrice) -> Decimal:
        """The last, mark or index price; 0 before the first trade."""
        return self._exchange.conditions.price(instrument.id, source)

    def last(self, instrument: Instrument) -> Decimal:
        """The last price; 0 before the first trade."""
        rows = self._exchange.trades(instrument.id, 1)
        return rows[-1].price if rows else Decimal(0)


def _levels(depth: DepthView) -> dict[str, list[list[str]]]:
    """Both sides of a book: price, size, a field that is always 0, number of orders."""
    return {
        name: [[plain_decimal(price), plain_decimal(left), "0", str(count)] for price, left, count in side]
        for name, side in (("asks", depth.asks), ("bids", depth.bids))
    }


def _volumes(instrument: Instrument, volume: Decimal, quote_volume: Decimal) -> tuple[Decimal, Decimal]:
    """``volCcy`` and ``volCcyQuote``: for spot both are in quote, for contracts the first is in base.

    The engine counts what is traded in an inverse contract in coins.
    """
    if instrument.kind is Kind.SPOT:
        return quote_volume, quote_volume
    value = volume * instrument.contract_value
    return (quote_volume, value) if instrument.kind is Kind.INVERSE else (value, quote_volume)
