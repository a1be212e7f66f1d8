"""Tools to test strategies: a venue in memory, and a manual clock."""

from __future__ import annotations

from ..clock import ManualClock
from .fake_venue import FakeVenue
from .scripting import Hold

__all__ = ["FakeVenue", "Hold", "ManualClock"]
