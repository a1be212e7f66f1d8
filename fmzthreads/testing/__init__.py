"""Tools to test strategies: a venue in memory, and a manual clock."""

from __future__ import annotations

from ..clock import ManualClock
from .contract_venue import FakeContractVenue
from .fake_venue import FakeVenue
from .scripting import Hold

__all__ = ["FakeContractVenue", "FakeVenue", "Hold", "ManualClock"]
