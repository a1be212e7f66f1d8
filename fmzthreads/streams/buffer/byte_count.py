"""Measures the memory of a buffer's messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from sys import getsizeof

__all__ = ["ByteCount", "Message", "message_bytes", "plain_bytes"]

Message = str | bytes

_SLOT = 8  # the bytes of a place in a deque, besides the message itself
_PLAIN = getsizeof("") + _SLOT  # the bytes of an ASCII text besides its characters


def message_bytes(batch: Sequence[Message]) -> int:
    """The memory of messages, their object headers and places in the buffer included."""
    return sum(map(getsizeof, batch)) + _SLOT * len(batch)


def plain_bytes(batch: Sequence[Message]) -> int:
    """``message_bytes`` for ASCII texts, from their lengths: several times faster."""
    return sum(map(len, batch)) + _PLAIN * len(batch)


class ByteCount:
    """Counts the bytes of waiting messages; readers need not report what they take.

    For each part put in it keeps the number of messages ever put in, and the bytes of the part. A part is subtracted when all of it has
    been read, so the sum is never too low, and too high by at most one part, about a 32nd of the limit. The owner's lock guards it.

    Args:
        limit: The maximum number of waiting bytes.
    """

    __slots__ = ("_part", "_parts", "_put", "total")

    def __init__(self, limit: int) -> None:
        self._put = 0
        self._part = max(limit // 32, 1)
        self._parts: deque[tuple[int, int]] = deque()
        self.total = 0

    def add(self, batch: Sequence[Message], size: int, waiting: int) -> None:
        """Adds messages that were put in.

        Args:
            batch: The messages.
            size: Their bytes.
            waiting: The number of messages waiting now, these included.
        """
        count = len(batch)
        if size <= self._part or count == 1:
            self._put += count
            self._parts.append((self._put, size))
        else:
            step = max(1, count * self._part // size)
            for start in range(0, count, step):
                part = batch[start : start + step]
                self._put += len(part)
                self._parts.append((self._put, message_bytes(part)))
        self.total += size
        if len(self._parts) > 1024:
            self.settle(waiting)

    def settle(self, waiting: int) -> None:
        """Subtracts the parts that were read, given the number of messages waiting now."""
        gone = self._put - waiting
        parts = self._parts
        while parts and parts[0][0] <= gone:
            self.total -= parts.popleft()[1]

    def oldest_part(self, waiting: int) -> int:
        """The number of messages of the oldest part that still wait."""
        return self._parts[0][0] - (self._put - waiting) if self._parts else 0
