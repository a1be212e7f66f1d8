"""OKX's instrument types, and what differs between them ("Trade", "tdMode" in OKX's API guide)."""

from __future__ import annotations

import attrs

from ....engine.instruments import Instrument, Kind

__all__ = ["INST_TYPES", "Product", "product_of"]

INST_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS")
"""The names that a call may give; of some the simulator has no instruments."""


@attrs.frozen(kw_only=True)
class Product:
    """One instrument type.

    Attributes:
        inst_type: Its name.
        trade_modes: What ``tdMode`` an order may have.
        fee_group: The group of its fees in ``trade-fee``.
        lever: The ``lever`` of an instrument that has no tiers.
    """

    inst_type: str
    trade_modes: tuple[str, ...]
    fee_group: str
    lever: str = ""

    @property
    def contracts(self) -> bool:
        """Whether quantities are contracts, and positions are held."""
        return self.inst_type != "SPOT"


_SPOT = Product(inst_type="SPOT", trade_modes=("cash",), fee_group="12", lever="10")
_SWAP = Product(inst_type="SWAP", trade_modes=("cross", "isolated"), fee_group="4")


def product_of(instrument: Instrument) -> Product:
    """The instrument type of an instrument."""
    return _SPOT if instrument.kind is Kind.SPOT else _SWAP
