"""The routes of the pages."""

from __future__ import annotations

from typing import Any

from ..service import Platform

__all__ = ["page_routes"]


def page_routes(platform: Platform) -> list[Any]:
    """The routes of the pages, for a starlette application (Any: starlette is an extra).

    Args:
        platform: What they show.
    """
    return []
