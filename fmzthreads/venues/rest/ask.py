"""Requests before they are signed, readers of their replies, and paged lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import attrs

from ...errors import InputError, short_repr

__all__ = ["Ask", "Page", "Pages", "Params", "VenueQuery", "checked_limit", "public_path", "walk"]

T = TypeVar("T")

Params = Sequence[tuple[str, object]]
"""Parameters in the order of sending; names may repeat, None values are left out."""


@attrs.frozen(kw_only=True)
class Ask:
    """One request, before it is signed.

    Attributes:
        path: Its path from the root, or a full URL.
        method: The HTTP method.
        params: Its parameters.
        raw: A literal body; empty for none.
        signed: Whether it must be signed.
        door: Its group, which is counted and blocked together: ``"orders"``, or an endpoint of the venue.
        weight: Its request weight, in the venue's own unit.
        limit: How many calls of its group are allowed in the venue's window; 0 for no such limit.
        patient: Whether it may wait for as long as its time-out allows to stay within a limit, and leaves a part of the limit to others. An
            order may not: it goes before all patient requests, waits for at most a second, and is then refused.
        about: The field in which the reply repeats the id of the one order that is meant, and that id; None for no such order.
        market: Whether it asks for public market data, which may have a base URL of its own.
    """

    path: str
    method: str = "GET"
    params: Params = ()
    raw: str = ""
    signed: bool = False
    door: str = ""
    weight: int = 1
    limit: int = 0
    patient: bool = True
    about: tuple[str, str] | None = None
    market: bool = False

    @property
    def safe(self) -> bool:
        """Whether it changes nothing at the venue, so it may be repeated."""
        return self.method == "GET"

    def of(
        self, *params: tuple[str, object], door: str = "", weight: int = 0, about: tuple[str, str] | None = None
    ) -> Ask:
        """The same endpoint with parameters; product tables hold endpoints without parameters.

        Args:
            params: The parameters.
            door: Another group; empty to keep its own.
            weight: Another weight; 0 to keep its own.
            about: The order that is meant; see the attribute.
        """
        return Ask(
            path=self.path,
            method=self.method,
            params=params,
            signed=self.signed,
            door=door or self.door,
            weight=weight or self.weight,
            limit=self.limit,
            patient=self.patient,
            about=about,
            market=self.market,
        )


@attrs.frozen
class VenueQuery(Generic[T]):
    """A request and the reader of its reply.

    Attributes:
        ask: The request.
        read: Converts the payload; raises ``Malformed``.
    """

    ask: Ask
    read: Callable[[Any], T]


@attrs.frozen
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        items: The readable rows, as structures.
        count: How many rows the venue sent, unreadable ones included: a page with fewer than were asked for is the last.
    """

    items: list[T]
    count: int


@attrs.frozen(kw_only=True)
class Pages(Generic[T]):
    """A list that is fetched in pages.

    Attributes:
        first: The request of the first page.
        read: Reads a page.
        key: Returns what tells a row from all others of the list, to drop duplicates.
        size: The rows of a full page; a shorter one is the last. 0 if the venue sends short pages before the end.
        onward: Returns the request of the next page, given the last page's rows and the number found so far; None after the last page.
        most: The maximum number of rows; None for all.
    """

    first: Ask
    read: Callable[[Any], Page[T]]
    key: Callable[[T], object]
    size: int
    onward: Callable[[list[T], int], Ask | None]
    most: int | None = None


def walk(call: Callable[[Ask, Callable[[Any], Page[T]]], Page[T]], pages: Pages[T]) -> Iterator[T]:
    """The rows of all pages without duplicates; ends at a page with nothing new.

    Args:
        call: Makes a request and reads its reply.
        pages: The list.
    """
    seen: set[object] = set()
    ask: Ask | None = pages.first
    while ask is not None:
        page = call(ask, pages.read)
        fresh: list[T] = []
        for item in page.items:
            key = pages.key(item)
            if key not in seen:
                seen.add(key)
                fresh.append(item)
        yield from fresh
        if not fresh or page.count < pages.size or (pages.most is not None and len(seen) >= pages.most):
            return
        ask = pages.onward(page.items, len(seen))


def checked_limit(limit: int | None, default: int, most: int) -> int:
    """The number of items to request.

    Args:
        limit: The requested number; None for the default; reduced to ``most`` if larger.
        default: The number to use for None.
        most: The venue's maximum.

    Raises:
        InputError: It is not a whole number above 0.
    """
    if limit is None:
        return default
    if isinstance(limit, bool) or not isinstance(limit, int) or limit <= 0:
        raise InputError(f"limit must be a whole number above 0, got {short_repr(limit)}")
    return min(limit, most)


def public_path(path: str) -> str:
    """The path of a path or a full URL, from the root."""
    return urlsplit(path).path if "://" in path else "/" + path.lstrip("/")
