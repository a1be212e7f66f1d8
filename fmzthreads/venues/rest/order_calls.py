"""Which raw calls of a venue place orders: a table of its endpoints."""

from __future__ import annotations

import re

from .ask import public_path

__all__ = ["OrderCalls", "looks_like_an_order"]

_WORD = re.compile(r"order|trade|position", re.IGNORECASE)
_NOT_PLACING = re.compile(
    r"cancel|delete|test|query|quer|history|hist|info|detail|list|limit|amend|stop|leverage|mode|precheck",
    re.IGNORECASE,
)


class OrderCalls:
    """The endpoints of a venue that place orders, also those that close positions at market or convert.

    Args:
        paths: Paths from the root, as regular expressions.
        method: Their HTTP method.
    """

    def __init__(self, *paths: str, method: str = "POST") -> None:
        self._paths = re.compile(f"(?:/.*)?(?:{'|'.join(paths)})")  # a gateway may have a path of its own before
        self._method = method

    def includes(self, method: str, resource: str) -> bool:
        """Whether a call places an order.

        Args:
            method: The HTTP method.
            resource: The path, or a full URL, with or without a query string.
        """
        path = public_path(resource.partition("?")[0]).rstrip("/")
        return method.upper() == self._method and self._paths.fullmatch(path) is not None


def looks_like_an_order(method: str, resource: str) -> bool:
    """Whether a call to a venue without a table may place an order: a POST whose path has such a word and no other meaning."""
    path = public_path(resource.partition("?")[0])
    return method.upper() == "POST" and _WORD.search(path) is not None and _NOT_PLACING.search(path) is None
