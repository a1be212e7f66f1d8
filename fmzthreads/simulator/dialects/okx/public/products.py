"""OKX's instrument types, and what differs between them ("Trade", "tdMode" in OKX's API guide)."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs

from ....engine.instruments import Instrument, Kind

__all__ = ["INST_TYPES", "Product", "contract_type", "family_of", "inst_id", "product_of"]

INST_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS")
"""The names that a call may give; of some the simulator has no instruments."""


@attrs.frozen(kw_only=True)
class Product:
    """One instrument type.

    Attributes:
        inst_type: Its name.
        trade_modes: What ``tdMode`` an order may have.
        fee_group: The group of its fees in ``trade-fee``.
    """

    inst_type: str
    trade_modes: tuple[str, ...]
    fee_group: str

    @property
    def contracts(self) -> bool:
        """Whether quantities are contracts, and positions are held."""
        return self.inst_type != "SPOT"


_SPOT = Product(inst_type="SPOT", trade_modes=("cash",), fee_group="12")
_SWAP = Product(inst_type="SWAP", trade_modes=("cross", "isolated"), fee_group="4")
_FUTURES = Product(inst_type="FUTURES", trade_modes=("cross", "isolated"), fee_group="5")


def product_of(instrument: Instrument) -> Product:
    """The instrument type of an instrument."""
    if instrument.terms is None:
        return _SPOT
    return _FUTURES if instrument.terms.expiry_ms else _SWAP


def family_of(instrument: Instrument) -> str:
    """The instrument family, which is also the index that it follows, such as ``BTC-USDT``."""
    return f"{instrument.base}-{instrument.quote}"


def inst_id(instrument: Instrument) -> str:
    """OKX's name of an instrument: ``BTC-USDT``, ``BTC-USDT-SWAP`` or ``BTC-USDT-261225``."""
    family, terms = family_of(instrument), instrument.terms
    if terms is None:
        return family
    if not terms.expiry_ms:
        return f"{family}-SWAP"
    return f"{family}-{datetime.fromtimestamp(terms.expiry_ms / 1000, UTC):%y%m%d}"


def contract_type(instrument: Instrument) -> str:
    """``linear`` or ``inverse``; empty for spot."""
    return {Kind.SPOT: "", Kind.LINEAR: "linear", Kind.INVERSE: "inverse"}[instrument.kind]
