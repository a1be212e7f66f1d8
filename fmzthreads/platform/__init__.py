"""A quant platform of one's own: robots, their logs and charts, behind FMZ's extended API and pages; and a client of that API."""

from __future__ import annotations

from .client import Client

__all__ = ["Client"]
