"""OKX v5's public calls for contracts: mark and index prices, funding, tiers ("Public Data" in OKX's API guide)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument, Kind
from ...fields import plain_decimal
from ..parameters import OkxParams, OkxRefusal
from .instruments import Instruments
from .market import OkxMarket
from .products import INST_TYPES, family_of, product_of

__all__ = ["ContractData"]

_MARK_TYPES = tuple(kind for kind in INST_TYPES if kind != "SPOT")
_MOST_FAMILIES = 5
_MOST_RATE = Decimal("0.00375")
"""The largest funding rate that a row names; the simulator's own rates are not cut to it."""


class ContractData:
    """The handlers of contracts' public data; each takes the query and the time, and returns the rows of ``data``.

    Args:
        exchange: The exchange.
        instruments: Its instruments under OKX's names.
        market: Knows last prices and the statistics of the day.
    """

    def __init__(self, exchange: SimulatedExchange, instruments: Instruments, market: OkxMarket) -> None:
        self._exchange = exchange
        self._instruments = instruments
        self._market = market

    # --- prices ---

    def mark(self, instrument: Instrument) -> Decimal:
        """The mark price; the last price before the first one."""
        return self._exchange.contracts.prices(instrument.id).mark or self._market.last(instrument)

    def index(self, instrument: Instrument) -> Decimal:
        """The index price; the last price before the first one, and of spot."""
        if instrument.terms is None:
            return self._market.last(instrument)
        return self._exchange.contracts.prices(instrument.id).index or self._market.last(instrument)

    def mark_price(self, params: OkxParams) -> list[Any]:
        """GET public/mark-price; a name alone is enough, as clients send it."""
        if params.optional("instType") is None and (name := params.optional("instId")) is not None:
            return [self.describe_mark(self._contract(name), params.now_ms)]
        if params.choice("instType", _MARK_TYPES, required=True) == "MARGIN":
            return []
        return [self.describe_mark(instrument, params.now_ms) for instrument in self._instruments.listed(params)]

    def _contract(self, name: str) -> Instrument:
        found = self._instruments.instrument(name)
        if not product_of(found).contracts:
            raise OkxRefusal("51000", "Parameter instId error", 400)
        return found

    def describe_mark(self, instrument: Instrument, now_ms: int) -> dict[str, str]:
        """One row of public/mark-price."""
        return {
            "instType": product_of(instrument).inst_type,
            "instId": self._instruments.name(instrument.id),
            "markPx": plain_decimal(self.mark(instrument)),
            "ts": str(now_ms),
        }

    def index_tickers(self, params: OkxParams) -> list[Any]:
        """GET market/index-tickers: by index, or all of a quote currency."""
        name, quote = params.optional("instId"), params.optional("quoteCcy")
        if name is None and quote is None:
            raise OkxRefusal("50015", "Either parameter quoteCcy or instId is required", 400)
        rows = [
            self.describe_index(instrument, params.now_ms)
            for index, instrument in self.indexes().items()
            if name in {None, index} and quote in {None, instrument.quote}
        ]
        if name is not None and not rows:
            raise OkxRefusal("51014", "Index doesn't exist.")
        return rows

    def indexes(self) -> dict[str, Instrument]:
        """An instrument of each index; a contract, where there is one."""
        found: dict[str, Instrument] = {}
        for instrument in self._instruments.all():
            index = family_of(instrument)
            if index not in found or found[index].terms is None:
                found[index] = instrument
        return found

    def describe_index(self, instrument: Instrument, now_ms: int) -> dict[str, str]:
        """One row of market/index-tickers."""
        day = self._exchange.stats_24h(instrument.id)
        return {
            "instId": family_of(instrument),
            "idxPx": plain_decimal(self.index(instrument)),
            "high24h": plain_decimal(day.high),
            "low24h": plain_decimal(day.low),
            "open24h": plain_decimal(day.open),
            "sodUtc0": plain_decimal(day.open),
            "sodUtc8": plain_decimal(day.open),
            "ts": str(now_ms),
        }

    def open_interest(self, params: OkxParams) -> list[Any]:
        """GET public/open-interest: the positions of all accounts."""
        kind = params.choice("instType", ("SWAP", "FUTURES", "OPTION"), required=True)
        if kind == "OPTION":
            return []
        return [self.describe_interest(instrument, params.now_ms) for instrument in self._instruments.listed(params)]

    def describe_interest(self, instrument: Instrument, now_ms: int) -> dict[str, str]:
        """One row of public/open-interest."""
        size = self._exchange.contracts.open_interest(instrument.id)
        value, mark = size * instrument.contract_value, self.mark(instrument)
        inverse = instrument.kind is Kind.INVERSE
        coins = value / mark if inverse and mark else value
        return {
            "instType": product_of(instrument).inst_type,
            "instId": self._instruments.name(instrument.id),
            "oi": plain_decimal(size),
            "oiCcy": plain_decimal(coins.quantize(_COINS)),
            "oiUsd": plain_decimal((value if inverse else value * mark).quantize(_COINS)),
            "ts": str(now_ms),
        }

    # --- funding ---

    def funding_rate(self, params: OkxParams) -> list[Any]:
        """GET public/funding-rate."""
        name = params.required("instId")
        if name == "ANY":
            return [self.describe_funding(swap, params.now_ms) for swap in self._instruments.of_type("SWAP")]
        return [self.describe_funding(self._perpetual(name), params.now_ms)]

    def _perpetual(self, name: str) -> Instrument:
        found = self._instruments.instrument(name)
        if product_of(found).inst_type != "SWAP":
            raise OkxRefusal("51000", "Parameter instId error", 400)
        return found

    def describe_funding(self, instrument: Instrument, now_ms: int) -> dict[str, str]:
        """One row of public/funding-rate."""
        prices, terms = self._exchange.contracts.prices(instrument.id), instrument.terms
        assert terms is not None  # of a perpetual contract
        interval_ms = terms.funding_interval_s * 1000
        past = self._exchange.contracts.funding_history(instrument.id)
        premium = (prices.mark - prices.index) / prices.index if prices.index else Decimal(0)
        return {
            "instType": "SWAP",
            "instId": self._instruments.name(instrument.id),
            "method": "current_period",
            "formulaType": "withRate",
            "fundingRate": plain_decimal(prices.funding_rate),
            "fundingTime": str(prices.next_funding_ms),
            "nextFundingRate": "",
            "nextFundingTime": str(prices.next_funding_ms + interval_ms),
            "prevFundingTime": str(prices.next_funding_ms - interval_ms),
            "minFundingRate": plain_decimal(-_MOST_RATE),
            "maxFundingRate": plain_decimal(_MOST_RATE),
            "interestRate": "0.0001",
            "impactValue": "20000",
            "settState": "settled",
            "settFundingRate": plain_decimal(past[-1].rate) if past else "0",
            "premium": plain_decimal(premium.quantize(_RATES)),
            "ts": str(now_ms),
        }

    def funding_rate_history(self, params: OkxParams) -> list[Any]:
        """GET public/funding-rate-history: newest first, pages by funding time."""
        instrument = self._perpetual(params.required("instId"))
        after, before, limit = params.integer("after"), params.integer("before"), params.limit(400, 400)
        found = [
            row
            for row in self._exchange.contracts.funding_history(instrument.id)
            if (after is None or row.time_ms < after) and (before is None or row.time_ms > before)
        ]
        return [
            {
                "instType": "SWAP",
                "instId": self._instruments.name(instrument.id),
                "formulaType": "withRate",
                "fundingRate": plain_decimal(row.rate),
                "realizedRate": plain_decimal(row.rate),
                "fundingTime": str(row.time_ms),
                "method": "current_period",
            }
            for row in reversed(found[-limit:])
        ]

    # --- tiers ---

    def position_tiers(self, params: OkxParams) -> list[Any]:
        """GET public/position-tiers: the same for cross and isolated margin."""
        kind = params.choice("instType", ("MARGIN", "SWAP", "FUTURES", "OPTION"), required=True)
        params.choice("tdMode", ("cross", "isolated"), required=True)
        text = params.optional("instFamily") or params.optional("uly")
        if kind in {"MARGIN", "OPTION"}:
            return []
        if text is None:
            raise params.absent("instFamily")
        families = text.split(",")
        if len(families) > _MOST_FAMILIES:
            raise params.invalid("instFamily")
        chosen = [instrument for family in families for instrument in self._instruments.of_type(kind, family)[:1]]
        if not chosen:
            raise OkxRefusal("51000", "Parameter instFamily error", 400)
        number = params.optional("tier")
        return [row for instrument in chosen for row in _tier_rows(instrument) if number in {None, row["tier"]}]


def _tier_rows(instrument: Instrument) -> list[dict[str, str]]:
    terms = instrument.terms
    assert terms is not None  # of a contract
    rows = []
    for number, tier in enumerate(terms.tiers, 1):
        smallest = tier.floor + instrument.step if number > 1 else tier.floor
        rows.append(
            {
                "uly": family_of(instrument),
                "instFamily": family_of(instrument),
                "instId": "",
                "tier": str(number),
                "minSz": plain_decimal(smallest),
                "maxSz": plain_decimal(tier.cap),
                "mmr": plain_decimal(tier.maintenance_rate),
                "imr": plain_decimal((Decimal(1) / tier.max_leverage).quantize(_RATES)),
                "maxLever": str(tier.max_leverage),
                "optMgnFactor": "0",
                "quoteMaxLoan": "",
                "baseMaxLoan": "",
            }
        )
    return rows


_RATES = Decimal("0.0000000001")
_COINS = Decimal("0.00000001")
