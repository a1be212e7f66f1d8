"""What a venue provides so that several books can share one connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import attrs

from ..book.source import BookSource
from ..buffer.byte_count import Message
from .connect_turns import StreamLimits

__all__ = ["SharedSource", "StreamWire", "WireAnswer"]


@attrs.frozen(kw_only=True)
class WireAnswer:
    """A venue's answer to a request.

    Attributes:
        number: The number of the request; None if the answer does not say.
        refused: Whether the request, or the part of it about ``key``, was refused.
        key: The book that the answer is about; None if it is about the whole request.
    """

    number: int | None
    refused: bool
    key: str | None = None


class StreamWire(Protocol):
    """The requests and answers on a venue's stream, and how its messages name their book."""

    limits: StreamLimits
    """What the venue allows."""

    most_books: int
    """How many books one connection carries at most."""

    most_at_once: int
    """How many books one request names at most."""

    restarts: bool
    """Whether a book starts over by ending its subscription and making it again; False if it starts over by a snapshot outside."""

    def key_of(self, message: Message) -> str | None:
        """The key of the book that a message is about; None for any other message. Called for each message, so it must be quick."""

    def answer(self, message: Message) -> WireAnswer | None:
        """Reads a message without a key as the answer to a request; None if it is not one."""

    def subscribe(self, number: int, keys: Sequence[str]) -> str:
        """The request to subscribe to books."""

    def unsubscribe(self, number: int, keys: Sequence[str]) -> str:
        """The request to end the subscriptions of books."""


@runtime_checkable
class SharedSource(BookSource, Protocol):
    """A source whose book may share a connection with others that have the same address, options and wire."""

    key: str
    """The name of the book in messages."""

    wire: StreamWire
    """How subscriptions are requested."""
