"""The instruments that a subscription asks for ("instType", "instFamily", "instId" in OKX's API guide)."""

from __future__ import annotations

from collections.abc import Hashable

import attrs

from ....engine.exchange import SimulatedExchange
from ..public.products import product_of

__all__ = ["InstrumentChoice"]


@attrs.frozen
class InstrumentChoice:
    """What the arguments of a subscription choose.

    Attributes:
        exchange: The exchange.
        inst_type: The instrument type, or ``ANY``.
        family: ``instFamily``; None for all.
        instrument: The id of the only instrument; None for all.
    """

    exchange: SimulatedExchange = attrs.field(eq=False, repr=False)
    inst_type: str = "ANY"
    family: str | None = None
    instrument: str | None = None

    @property
    def key(self) -> Hashable:
        """The same for subscriptions that choose the same."""
        return (self.inst_type, self.family, self.instrument)

    def includes(self, instrument: str) -> bool:
        """Whether an instrument is one of them."""
        if self.instrument not in {None, instrument}:
            return False
        found = self.exchange.instrument(instrument)
        return self.inst_type in {"ANY", product_of(found).inst_type} and self.family in {
            None,
            f"{found.base}-{found.quote}",
        }
