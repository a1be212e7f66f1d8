"""The public calls of contracts ("Market Data Endpoints" in Binance's documentation of derivatives)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ....engine.candles import Candle
from ....engine.events import DepthView
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument
from ....transport.requests import Rendered
from ...rendered import BarPage, RenderedBars, RenderedBooks, join_rows
from ..market import INTERVALS
from ..parameters import BinanceParams, BinanceRefusal
from ..symbols import fixed
from .families import ContractSymbols, Family

__all__ = ["CONTRACT_INTERVALS", "ContractMarket", "day_row", "plain"]

CONTRACT_INTERVALS = {name: period for name, period in INTERVALS.items() if name != "1s"}
_DEPTH_WEIGHTS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
_200_DAYS_MS = 200 * 86_400_000


def plain(value: Decimal) -> str:
    """A number with the decimal places of its step, as Binance's futures write prices and quantities."""
    return f"{value:f}"


class ContractMarket:
    """The handlers of the public endpoints; each takes the parameters and returns the value to encode as JSON.

    Args:
        exchange: The source of the data.
        symbols: The exchange's instruments under Binance's names.
        rate_limits: The rate limits that ``exchangeInfo`` shows.
    """

    def __init__(
        self, exchange: SimulatedExchange, symbols: ContractSymbols, rate_limits: list[dict[str, Any]]
    ) -> None:
        self._exchange = exchange
        self._symbols = symbols
        self._family: Family = symbols.family
        self._rate_limits = rate_limits
        self._bars = RenderedBars(exchange, _render_bar)
        self._books = RenderedBooks(exchange, _render_book)

    # --- general ---

    def ping(self, params: BinanceParams) -> dict[str, Any]:
        """GET ping."""
        return {}

    def server_time(self, params: BinanceParams) -> dict[str, Any]:
        """GET time."""
        return {"serverTime": params.now_ms}

    def exchange_info(self, params: BinanceParams) -> dict[str, Any]:
        """GET exchangeInfo."""
        symbols = self._symbols
        row: dict[str, Any] = {
            "timezone": "UTC", "serverTime": params.now_ms, "rateLimits": self._rate_limits, "exchangeFilters": [],
            "symbols": [symbols.describe(instrument) for instrument in symbols.all()],
        }  # fmt: skip
        if not self._family.coin:
            assets = dict.fromkeys(instrument.settle for instrument in symbols.all())
            row["assets"] = [{"asset": name, "marginAvailable": True, "autoAssetExchange": "0"} for name in assets]
        return row

    def _chosen(self, params: BinanceParams, one: int, all_: int) -> tuple[list[Instrument], bool]:
        """The instruments of ``symbol`` or ``pair``, and whether the reply is an object; counts the weight."""
        if "symbol" in params:
            params.weight = one
            return [self._symbols.instrument(params.symbol())], not self._family.coin
        params.weight = all_
        if self._family.coin and "pair" in params:
            return self._symbols.of_pair(params.required("pair")), False
        return self._symbols.all(), False

    # --- book and trades ---

    def depth(self, params: BinanceParams) -> Rendered:
        """GET depth.

        Raises:
            BinanceRefusal: -4021 for a limit that is not one of the seven.
        """
        instrument = self._symbols.instrument(params.symbol())
        limit = params.integer("limit", 500)
        if limit not in _DEPTH_WEIGHTS:
            raise BinanceRefusal(-4021, f"'{limit}' is not valid depth limit.")
        params.weight = _DEPTH_WEIGHTS[limit]
        version, time_ms, levels = self._books.snapshot(instrument.id, limit)
        names = (
            f'"symbol":"{self._symbols.name(instrument.id)}","pair":"{self._symbols.pair(instrument)}",'
            if self._family.coin
            else ""
        )
        return Rendered(
            b'{"lastUpdateId":%d,%b"E":%d,"T":%d,%b}' % (version, names.encode(), params.now_ms, time_ms, levels)
        )

    def trades(self, params: BinanceParams) -> list[dict[str, Any]]:
        """GET trades and historicalTrades."""
        instrument = self._symbols.instrument(params.symbol())
        found = self._exchange.trades(instrument.id, params.limit(500, 1000), params.integer("fromId"))
        coin = self._family.coin
        return [
            {
                "id": trade.trade_id, "price": plain(trade.price), "qty": plain(trade.quantity),
                "baseQty" if coin else "quoteQty": fixed(trade.base_quantity) if coin else plain(trade.quote_quantity),
                "time": trade.time_ms, "isBuyerMaker": trade.buyer_is_maker, **({} if coin else {"isRPITrade": False}),
            }
            for trade in found
        ]  # fmt: skip

    def agg_trades(self, params: BinanceParams) -> list[dict[str, Any]]:
        """GET aggTrades; every simulated trade is its own aggregate."""
        instrument = self._symbols.instrument(params.symbol())
        from_id, start, end = params.integer("fromId"), params.time_ms("startTime"), params.time_ms("endTime")
        found = self._exchange.trades(instrument.id, params.limit(500, 1000), from_id, start, end)
        return [
            {
                "a": trade.trade_id, "p": plain(trade.price), "q": plain(trade.quantity), **({} if self._family.coin else {"nq": plain(trade.quantity)}), "f": trade.trade_id,
                "l": trade.trade_id, "T": trade.time_ms, "m": trade.buyer_is_maker,
            }
            for trade in found
        ]  # fmt: skip

    # --- bars ---

    def klines(self, params: BinanceParams) -> Rendered:
        """GET klines and continuousKlines."""
        return join_rows(self._bars.page(*self._asked_bars(params))[1])

    def klines_ahead(self, params: BinanceParams) -> Iterator[None]:
        """Makes the bars of such a call in steps."""
        return self._bars.ahead(*self._asked_bars(params))

    def _asked_bars(self, params: BinanceParams) -> BarPage:
        if "pair" in params:
            kind = params.required("contractType")
            of_pair = self._symbols.of_pair(params.required("pair"))
            instrument = next((one for one in of_pair if self._symbols.contract_type(one) == kind), None)
            if instrument is None:
                raise BinanceRefusal(-4104, "Invalid contract type.")
        else:
            instrument = self._symbols.instrument(params.symbol())
        interval = params.choice(
            "interval", CONTRACT_INTERVALS, BinanceRefusal(-1120, "Invalid interval."), required=True
        )
        start, end = params.time_ms("startTime"), params.time_ms("endTime")
        limit = params.limit(500, 1500)
        params.weight = 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10
        assert interval is not None
        if self._family.coin and start is not None:
            start, end = self._newest_of(start, end, limit, CONTRACT_INTERVALS[interval] * 1000)
        return instrument.id, CONTRACT_INTERVALS[interval], limit, start, end, 0

    def _newest_of(self, start: int, end: int | None, limit: int, period_ms: int) -> tuple[int, int]:
        """COIN-M returns the newest bars before the end of a span of at most 200 days, not the oldest after its start."""
        last = min(start + _200_DAYS_MS if end is None else end, self._exchange.server_time_ms())
        return max(start, last - last % period_ms - (limit - 1) * period_ms), last

    # --- reference prices ---

    def premium_index(self, params: BinanceParams) -> Any:
        """GET premiumIndex: mark price, index price and funding."""
        instruments, single = self._chosen(params, 1, 10)
        rows = [self._premium(params, instrument) for instrument in instruments]
        return rows[0] if single else rows

    def _premium(self, params: BinanceParams, instrument: Instrument) -> dict[str, Any]:
        prices = self._exchange.contracts.prices(instrument.id)
        perpetual = bool(prices.next_funding_ms)
        return {
            "symbol": self._symbols.name(instrument.id), **({"pair": self._symbols.pair(instrument)} if self._family.coin else {}),
            "markPrice": fixed(prices.mark), "indexPrice": fixed(prices.index), "estimatedSettlePrice": fixed(prices.index),
            "lastFundingRate": fixed(prices.funding_rate) if perpetual else "", "interestRate": "0.00010000" if perpetual else "",
            "nextFundingTime": prices.next_funding_ms, "time": prices.time_ms or params.now_ms,
        }  # fmt: skip

    def funding_rate(self, params: BinanceParams) -> list[dict[str, Any]]:
        """GET fundingRate: past payments, oldest first."""
        if self._family.coin or "symbol" in params:
            instruments = [self._symbols.instrument(params.symbol())]
        else:
            instruments = self._symbols.all()
        start, end = params.time_ms("startTime"), params.time_ms("endTime")
        limit = params.limit(100, 1000)
        rows = [
            (row.time_ms, row)
            for instrument in instruments
            for row in self._exchange.contracts.funding_history(instrument.id)
            if (start is None or row.time_ms >= start) and (end is None or row.time_ms <= end)
        ]
        rows.sort(key=lambda pair: pair[0])
        chosen = rows[:limit] if start is not None else rows[-limit:]
        more = {} if self._family.coin else {"rateType": "Regular"}
        return [
            {
                "symbol": self._symbols.name(row.instrument), "fundingTime": row.time_ms, "fundingRate": fixed(row.rate),
                "markPrice": fixed(row.mark), **more,
            }
            for _, row in chosen
        ]  # fmt: skip

    def funding_info(self, params: BinanceParams) -> list[Any]:
        """GET fundingInfo: only contracts with an adjusted interval or cap, of which there are none."""
        return []

    # --- tickers ---

    def ticker_24h(self, params: BinanceParams) -> Any:
        """GET ticker/24hr."""
        instruments, single = self._chosen(params, 1, 40)
        rows = [
            {
                "symbol": self._symbols.name(instrument.id), **({"pair": self._symbols.pair(instrument)} if self._family.coin else {}),
                **day_row(self._exchange, instrument, coin=self._family.coin),
            }
            for instrument in instruments
        ]  # fmt: skip
        return rows[0] if single else rows

    def ticker_price(self, params: BinanceParams) -> Any:
        """GET ticker/price."""
        instruments, single = self._chosen(params, 1, 2)
        rows = []
        for instrument in instruments:
            day = self._exchange.stats_24h(instrument.id)
            row: dict[str, Any] = {
                "symbol": self._symbols.name(instrument.id),
                "price": plain(day.last),
                "time": day.close_ms,
            }
            rows.append({**row, "ps": self._symbols.pair(instrument)} if self._family.coin else row)
        return rows[0] if single else rows

    def ticker_book(self, params: BinanceParams) -> Any:
        """GET ticker/bookTicker."""
        instruments, single = self._chosen(params, 2, 5)
        rows = []
        nothing = (Decimal(0), Decimal(0), 0)
        for instrument in instruments:
            book = self._exchange.depth(instrument.id, 1)
            bid, ask = (side[0] if side else nothing for side in (book.bids, book.asks))
            rows.append(
                {
                    "lastUpdateId": book.version, "symbol": self._symbols.name(instrument.id),
                    **({"pair": self._symbols.pair(instrument)} if self._family.coin else {}), "bidPrice": plain(bid[0]),
                    "bidQty": plain(bid[1]), "askPrice": plain(ask[0]), "askQty": plain(ask[1]), "time": book.time_ms,
                }
            )  # fmt: skip
        return rows[0] if single else rows

    def open_interest(self, params: BinanceParams) -> dict[str, Any]:
        """GET openInterest."""
        instrument = self._symbols.instrument(params.symbol())
        lots = self._exchange.contracts.open_interest(instrument.id)
        row = {"symbol": self._symbols.name(instrument.id), "openInterest": plain(lots), "time": params.now_ms}
        if self._family.coin:
            row.update(pair=self._symbols.pair(instrument), contractType=self._symbols.contract_type(instrument))
        return row


def day_row(exchange: SimulatedExchange, instrument: Instrument, *, coin: bool) -> dict[str, Any]:
    """The statistics of 24 hours."""
    day = exchange.stats_24h(instrument.id)
    change = day.last - day.open
    percent = change / day.open * 100 if day.open else Decimal(0)
    if coin:  # contracts times their face value by coins
        face = day.volume * instrument.contract_value
        weighted = face / day.quote_volume if day.quote_volume else day.last
    else:
        weighted = day.quote_volume / day.volume if day.volume else day.last
    return {
        "priceChange": plain(change), "priceChangePercent": f"{percent:.3f}", "weightedAvgPrice": f"{weighted:.4f}",
        "lastPrice": plain(day.last), "lastQty": plain(day.last_quantity), "openPrice": plain(day.open), "highPrice": plain(day.high),
        "lowPrice": plain(day.low), "volume": plain(day.volume), "baseVolume" if coin else "quoteVolume": fixed(day.quote_volume),
        "openTime": day.open_ms, "closeTime": day.close_ms, "firstId": day.first_id, "lastId": day.last_id, "count": day.trades,
    }  # fmt: skip


def _render_bar(bar: Candle) -> bytes:
    """One kline."""
    return (
        f'[{bar.open_ms},"{bar.open:f}","{bar.high:f}","{bar.low:f}","{bar.close:f}","{bar.volume:f}",{bar.close_ms},'
        f'"{bar.quote_volume:.8f}",{bar.trades},"{bar.taker_buy_volume:f}","{bar.taker_buy_quote_volume:.8f}","0"]'
    ).encode()


def _render_book(book: DepthView) -> bytes:
    """Bids and asks of a depth snapshot."""
    bids, asks = (
        ",".join(f'["{price:f}","{quantity:f}"]' for price, quantity, _ in side) for side in (book.bids, book.asks)
    )
    return f'"bids":[{bids}],"asks":[{asks}]'.encode()
