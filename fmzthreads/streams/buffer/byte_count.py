"""How much memory the messages of a buffer take."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from sys import getsizeof

__all__ = ["ByteCount", "Message", "message_bytes", "plain_bytes"]

Message = str | bytes

_SLOT = 8  # what a place in a deque costs, in bytes, beside the message itself
_PLAIN = getsizeof("") + _SLOT  # what an ASCII text costs beside its characters


def message_bytes(batch: Sequence[Message]) -> int:
    """The memory of messages with their headers and their places in the buffer."""
    return sum(map(getsizeof, batch)) + _SLOT * len(batch)


def plain_bytes(batch: Sequence[Message]) -> int:
    """The same for ASCII texts, from their lengths alone, which is several times faster."""
    return sum(map(len, batch)) + _PLAIN * len(batch)


class ByteCount:
    """The bytes of what waits, without a word from the readers who take it out.

    It keeps, for each part put in, how many messages were ever put in by then, and its bytes. A part is written off when all of it has left,
    so the sum is never too low, and too high by at most one part, which is kept near a 32nd of the limit. The owner's lock guards it.

    Args:
        limit: The most bytes that are to wait.
    """

    __slots__ = ("_part", "_parts", "_put", "total")

    def __init__(self, limit: int) -> None:
        self._put = 0
        self._part = max(limit // 32, 1)
        self._parts: deque[tuple[int, int]] = deque()
        self.total = 0

    def add(self, batch: Sequence[Message], size: int, waiting: int) -> None:
        """Notes messages that were put in.

        Args:
            batch: The messages.
            size: Their bytes.
            waiting: How many messages wait now, these included.
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
        """Writes off what has left, now that so many messages wait."""
        gone = self._put - waiting
        parts = self._parts
        while parts and parts[0][0] <= gone:
            self.total -= parts.popleft()[1]

    def oldest_part(self, waiting: int) -> int:
        """How many messages of the oldest part still wait; 0 when nothing does."""
        return self._parts[0][0] - (self._put - waiting) if self._parts else 0
