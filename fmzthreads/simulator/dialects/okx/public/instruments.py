"""OKX v5's instruments ("Public Data", "Get instruments" in OKX's API guide)."""

from __future__ import annotations

from typing import Any

from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument
from ...base import InstrumentNames
from ...fields import plain_decimal
from ..parameters import OkxRefusal

__all__ = ["Instruments", "instrument_code"]

_NO_INSTRUMENT = "Instrument ID, Instrument ID code or Spread ID doesn't exist."
# The venue's codes on 2026-04-26 for the pairs that are simulated by default.
_CODES = {"BTC-USDT": 3, "ETH-USDT": 4}


def instrument_code(inst_id: str) -> int:
    """The numeric code of an instrument: the venue's own if known, else a constant invented one."""
    known = _CODES.get(inst_id)
    return known if known is not None else 1_000_000 + sum(ord(c) * 131**i for i, c in enumerate(inst_id)) % 900_000_007


def _unknown() -> OkxRefusal:
    return OkxRefusal("51001", _NO_INSTRUMENT)


class Instruments(InstrumentNames):
    """The exchange's instruments under OKX's names."""

    def __init__(self, exchange: SimulatedExchange) -> None:
        super().__init__(exchange, lambda instrument: f"{instrument.base}-{instrument.quote}", _unknown)
        self._by_code = {instrument_code(self.name(instrument.id)): instrument for instrument in self.all()}

    def by_code(self, code: int) -> Instrument | None:
        """The instrument of an ``instIdCode``; None if not found."""
        return self._by_code.get(code)

    def describe(self, instrument: Instrument) -> dict[str, Any]:
        """One row of ``public/instruments``."""
        name = self.name(instrument.id)
        size = f"{instrument.max_quantity:.16f}"
        row: dict[str, Any] = dict.fromkeys(_EMPTY_FIELDS, "")
        row.update(
            instType="SPOT",
            instId=name,
            instIdCode=instrument_code(name),
            baseCcy=instrument.base,
            quoteCcy=instrument.quote,
            tickSz=plain_decimal(instrument.tick),
            lotSz=plain_decimal(instrument.step),
            minSz=plain_decimal(instrument.min_quantity),
            state="live",
            lever="10",
            listTime="1548133413000",
            category="1",
            groupId="12",
            instCategory="1",
            ruleType="normal",
            futureSettlement=False,
            tradeQuoteCcyList=[instrument.quote],
            upcChg=[],
            maxLmtSz=plain_decimal(instrument.max_quantity),
            maxMktSz="1000000",
            maxLmtAmt="20000000",
            maxMktAmt="1000000",
            maxTwapSz=size,
            maxIcebergSz=size,
            maxTriggerSz=size,
            maxStopSz="1000000",
        )
        return row


# The fields of a spot row that are always empty.
_EMPTY_FIELDS = (
    "alias", "auctionEndTime", "category", "contTdSwTime", "ctMult", "ctType", "ctVal", "ctValCcy", "expTime", "floatPxLmtPct",
    "freq", "initPxLmtPct", "instFamily", "longPosRemainingQuota", "maxPlatOILmt", "maxPxLmtPct", "method", "openType", "optType",
    "posLmtAmt", "posLmtPct", "preMktSwTime", "rpiMinLevel", "rpiMinPxBand", "seriesId", "settleCcy", "shortPosRemainingQuota",
    "stk", "uly",
)  # fmt: skip
