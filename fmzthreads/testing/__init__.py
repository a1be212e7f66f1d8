"""What strategies are tested with: a venue in memory, and a clock that is turned by hand."""

from __future__ import annotations

from ..clock import ManualClock
from .fake_venue import FakeVenue
from .scripting import Hold

__all__ = ["FakeVenue", "Hold", "ManualClock"]
