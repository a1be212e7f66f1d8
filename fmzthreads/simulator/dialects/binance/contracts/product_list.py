"""Binance's products on one address: spot, USDⓈ-M and COIN-M, told apart by the path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ....engine.exchange import SimulatedExchange
from ....faults import Faults
from ....transport.requests import WireReply, WireRequest
from ..limits import CONTRACT_LIMITS, BinanceLimits
from ..rest import BinanceRest, SimulatedBinance
from .families import COIN_M, USD_M
from .rest import SimulatedContracts

__all__ = ["BinanceProducts", "contract_dialects"]

_FAMILIES = {family.name: family for family in (USD_M, COIN_M)}


def contract_dialects(
    exchanges: Mapping[str, SimulatedExchange], faults: Faults, *, rate_scale: float, weight_window_s: int
) -> dict[str, SimulatedContracts]:
    """The dialects of the contract families, which share their limits and the position mode.

    Args:
        exchanges: The exchange of each family, by ``um`` and ``cm``.
        faults: The faults.
        rate_scale: All limits are multiplied by it; 0 switches them off.
        weight_window_s: The length of the window of request weight, in seconds.
    """
    together: Sequence[SimulatedExchange] = tuple(exchanges.values())
    if not together:
        return {}
    limits = BinanceLimits(
        together, lambda: together[0].server_time_ms() + faults.clock_offset_ms(), rate_scale, weight_window_s, CONTRACT_LIMITS
    )  # fmt: skip
    return {
        name: SimulatedContracts(exchange, faults, _FAMILIES[name], together, limits=limits, rate_scale=rate_scale)
        for name, exchange in exchanges.items()
    }


class BinanceProducts:
    """Answers the calls of all products: each by the dialect that its path begins with, the rest by spot's.

    Args:
        spot: Spot's dialect.
        contracts: The dialects of contracts, by ``um`` and ``cm``.
    """

    def __init__(self, spot: SimulatedBinance, contracts: Mapping[str, SimulatedContracts]) -> None:
        self.spot = spot
        self.contracts = dict(contracts)
        self._by_prefix = {dialect.family.prefix: dialect for dialect in self.contracts.values()}

    def of(self, request: WireRequest) -> BinanceRest:
        """The dialect that answers a request."""
        head = "/" + request.path.lstrip("/").partition("/")[0]
        return self._by_prefix.get(head, self.spot)

    def now_ms(self) -> int:
        """The exchange's time."""
        return self.spot.now_ms()

    def steps(self, request: WireRequest) -> Iterator[None]:
        """Makes what the answer needs, in steps."""
        return self.of(request).steps(request)

    def handle(self, request: WireRequest) -> WireReply:
        """Answers a request."""
        return self.of(request).handle(request)

    def places_order(self, request: WireRequest) -> bool:
        """Whether a request places an order."""
        return self.of(request).places_order(request)

    def refuse(self, request: WireRequest, status: int, retry_after_s: int) -> WireReply:
        """Renders an injected refusal."""
        return self.of(request).refuse(request, status, retry_after_s)
