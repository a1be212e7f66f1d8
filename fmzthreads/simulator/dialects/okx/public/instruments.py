"""OKX v5's instruments ("Public Data", "Get instruments" in OKX's API guide)."""

from __future__ import annotations

from typing import Any

from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument, Kind
from ...base import InstrumentNames
from ...fields import plain_decimal
from ..parameters import OkxParams, OkxRefusal
from .products import INST_TYPES, contract_type, family_of, inst_id, product_of

__all__ = ["Instruments", "instrument_code"]

_NO_INSTRUMENT = "Instrument ID, Instrument ID code or Spread ID doesn't exist."
# The venue's codes on 2026-04-26 for the instruments that are simulated by default.
_CODES = {
    "BTC-USDT": 3, "ETH-USDT": 4, "BTC-USDT-SWAP": 10459, "ETH-USDT-SWAP": 10461, "BTC-USD-SWAP": 10458,
}  # fmt: skip


def instrument_code(name: str) -> int:
    """The numeric code of an instrument: the venue's own if known, else a constant invented one."""
    known = _CODES.get(name)
    return known if known is not None else 1_000_000 + sum(ord(c) * 131**i for i, c in enumerate(name)) % 900_000_007


def _unknown() -> OkxRefusal:
    return OkxRefusal("51001", _NO_INSTRUMENT)


class Instruments(InstrumentNames):
    """The exchange's instruments under OKX's names."""

    def __init__(self, exchange: SimulatedExchange) -> None:
        super().__init__(exchange, inst_id, _unknown)
        self._exchange = exchange
        self._by_code = {instrument_code(self.name(instrument.id)): instrument for instrument in self.all()}
        self.has_contracts = any(instrument.terms is not None for instrument in self.all())
        """Whether there are contracts, which need an account in another mode than Spot."""

    def by_code(self, code: int) -> Instrument | None:
        """The instrument of an ``instIdCode``; None if not found."""
        return self._by_code.get(code)

    def of_type(self, inst_type: str | None, family: str | None = None) -> list[Instrument]:
        """The instruments of a type and family; None for all. Delivered ones are left out."""
        return [
            instrument
            for instrument in self.all()
            if inst_type in {None, product_of(instrument).inst_type}
            and family in {None, family_of(instrument)}
            and (instrument.terms is None or not self._exchange.contracts.closed(instrument.id))
        ]

    def listed(self, params: OkxParams) -> list[Instrument]:
        """The instruments that a query of type, family (or the retired ``uly``) and name chooses.

        Raises:
            OkxRefusal: 50014 without a type, 51000 for an unknown one, 51001 for an unknown name.
        """
        kind = params.choice("instType", INST_TYPES, required=True)
        family = params.optional("instFamily") or params.optional("uly")
        name = params.optional("instId")
        if name is None or not self.of_type(kind):
            return self.of_type(kind, family)
        chosen = self.instrument(name)
        if product_of(chosen).inst_type != kind:
            raise OkxRefusal("51015", "Instrument ID doesn't match instrument type.")
        return [chosen]

    def describe(self, instrument: Instrument) -> dict[str, Any]:
        """One row of ``public/instruments``."""
        name, product = self.name(instrument.id), product_of(instrument)
        size = f"{instrument.max_quantity:.16f}"
        row: dict[str, Any] = dict.fromkeys(_EMPTY_FIELDS, "")
        row.update(
            instType=product.inst_type,
            instId=name,
            instIdCode=instrument_code(name),
            tickSz=plain_decimal(instrument.tick),
            lotSz=plain_decimal(instrument.step),
            minSz=plain_decimal(instrument.min_quantity),
            state="live",
            listTime="1548133413000",
            category="1",
            groupId=product.fee_group,
            instCategory="1",
            ruleType="normal",
            futureSettlement=False,
            upcChg=[],
            maxLmtSz=plain_decimal(instrument.max_quantity),
            maxLmtAmt="20000000",
            maxTwapSz=size,
            maxIcebergSz=size,
            maxTriggerSz=size,
        )
        row.update(_of_contract(instrument) if product.contracts else _of_spot(instrument))
        return row


def _of_spot(instrument: Instrument) -> dict[str, Any]:
    return {
        "baseCcy": instrument.base,
        "quoteCcy": instrument.quote,
        "lever": "10",
        "tradeQuoteCcyList": [instrument.quote],
        "maxMktSz": "1000000",
        "maxMktAmt": "1000000",
        "maxStopSz": "1000000",
    }


def _of_contract(instrument: Instrument) -> dict[str, Any]:
    terms = instrument.terms
    assert terms is not None  # of a contract
    most = plain_decimal(instrument.max_market_quantity)
    return {
        "alias": instrument.id.rpartition(".")[2] if terms.expiry_ms else "",
        "baseCcy": "",
        "quoteCcy": "",
        "uly": family_of(instrument),
        "instFamily": family_of(instrument),
        "settleCcy": instrument.settle,
        "ctVal": plain_decimal(instrument.contract_value),
        "ctMult": "1",
        "ctValCcy": instrument.quote if instrument.kind is Kind.INVERSE else instrument.base,
        "ctType": contract_type(instrument),
        "lever": str(terms.max_leverage),
        "expTime": str(terms.expiry_ms) if terms.expiry_ms else "",
        "tradeQuoteCcyList": [],
        "maxMktSz": most,
        "maxMktAmt": "",
        "maxStopSz": most,
        "posLmtAmt": "250000",
        "posLmtPct": "30",
    }


# The fields that are empty unless the product fills them.
_EMPTY_FIELDS = (
    "alias", "auctionEndTime", "category", "contTdSwTime", "ctMult", "ctType", "ctVal", "ctValCcy", "expTime", "floatPxLmtPct",
    "freq", "initPxLmtPct", "instFamily", "longPosRemainingQuota", "maxPlatOILmt", "maxPxLmtPct", "method", "openType", "optType",
    "posLmtAmt", "posLmtPct", "preMktSwTime", "rpiMinLevel", "rpiMinPxBand", "seriesId", "settleCcy", "shortPosRemainingQuota",
    "stk", "uly",
)  # fmt: skip
