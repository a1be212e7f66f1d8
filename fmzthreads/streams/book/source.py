"""What a venue provides so that ``BookFeed`` can keep one of its books."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import attrs

from ..buffer.buffer import Message
from .rules import BookRule, BookUpdate

__all__ = ["BookSource", "OtherUnread", "SourceReady", "SourceRefused"]


@attrs.frozen
class SourceReady:
    """The venue confirmed the subscription: no later update is missing on this connection."""


@attrs.frozen
class SourceRefused:
    """The venue refused the subscription.

    Attributes:
        why: The venue's text.
    """

    why: str


@attrs.frozen
class OtherUnread:
    """A message that does not concern the book could not be read; passed to ``on_other``.

    Attributes:
        why: What is wrong with it.
    """

    why: str


class BookSource(Protocol):
    """Where the updates of one book come from; made by a venue's adapter. Only the feed's thread calls its methods."""

    name: str
    """The name used in the journal, such as ``Binance BTC_USDT``."""

    rule: BookRule
    """The order in which updates follow one another."""

    address: str
    """The address that ``Dial`` connects to."""

    options: Mapping[str, object]
    """``Dial``'s options; the payload subscribes."""

    def read(self, message: Message) -> Iterable[object]:
        """Parses a message: any number of ``BookUpdate``, ``SourceReady``, ``SourceRefused``; anything else goes to ``on_other``.

        Raises BadReply when the message cannot be read and may have been an update of the book; ``OtherUnread`` stands for any other.
        """

    def snapshot(self) -> BookUpdate | None:
        """Fetches a snapshot outside the stream; None where the stream sends it.

        Raises from the error tree.
        """

    def renew(self) -> tuple[str, ...]:
        """Messages that make the stream send a new snapshot; empty where ``snapshot`` fetches it."""
