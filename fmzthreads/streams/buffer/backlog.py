"""What waits in a message buffer, and where the losses lie between it: the structure alone, without threads."""

from __future__ import annotations

from collections import deque

from .byte_count import ByteCount, Message, message_bytes

__all__ = ["Backlog"]


class _Segment:
    """A part of what waits, and how many losses are to be reported behind it.

    A new one begins behind a loss; and under the policy ``block`` also after every quarter of qsize, so that readers pass by the lock often
    enough to wake a producer that waits.
    """

    __slots__ = ("items", "losses")

    def __init__(self) -> None:
        self.items: deque[Message] = deque()
        self.losses = 0


class Backlog:
    """A FIFO of messages and losses with two bounds.

    The owner's lock guards every call. Only ``popleft`` of ``head`` also happens without it; that can make a length found under the lock too
    high, never too low, which is harmless: room is underestimated, and a reader that finds nothing looks again.

    Args:
        qsize: The most messages.
        qbytes: The most bytes of memory that they take. One message is always kept, however large.
        longest: The most messages of a segment.

    Attributes:
        head: The oldest messages, up to the first loss.
        even: Whether ``head`` is all there is: no loss waits to be told.
    """

    __slots__ = ("_byte_count", "_longest", "_qbytes", "_qsize", "_segments", "_tail", "even", "head")

    def __init__(self, qsize: int, qbytes: int, longest: int) -> None:
        self._qsize = qsize
        self._qbytes = qbytes
        self._longest = longest
        self._byte_count = ByteCount(qbytes)
        self._tail = _Segment()
        self._segments: deque[_Segment] = deque([self._tail])
        self.head = self._tail.items
        self.even = True

    # -- putting in ------------------------------------------------------------------------------------------------------------

    def put(self, batch: list[Message], size: int) -> None:
        """Appends messages that take ``size`` bytes."""
        tail = self._tail
        items = tail.items
        if tail.losses or len(items) >= self._longest:
            tail = self._tail = _Segment()
            items = tail.items
            self._segments.append(tail)
            self.even = False
        items.extend(batch)
        self._byte_count.add(batch, size, len(items) if self.even else self.count())

    def put_loss(self) -> None:
        """A loss lies behind everything that waits now."""
        self.even = False
        self._tail.losses += 1

    # -- taking out ------------------------------------------------------------------------------------------------------------

    def take(self) -> tuple[bool, Message | None]:
        """The oldest message that no loss lies before, and whether there is one."""
        while True:
            try:
                return True, self.head.popleft()
            except IndexError:
                if self.even or self._segments[0].losses or len(self._segments) == 1:
                    return False, None
                self._next()

    def take_loss(self) -> bool:
        """Takes the loss that comes next; whether there was one. Only when ``take`` found nothing."""
        head = self._segments[0]
        if not head.losses:
            return False
        head.losses -= 1
        if not head.losses:
            self._next()
        return True

    def _next(self) -> None:
        """Leaves an emptied segment behind, when another follows."""
        if len(self._segments) > 1:
            self._segments.popleft()
        self.mend()

    def mend(self) -> None:
        """Says what the segments are; also where a change of them was broken off, as by a fork in another thread."""
        self.head = self._segments[0].items
        self.even = len(self._segments) == 1 and not self._tail.losses

    def drop(self, count: int) -> int:
        """Drops the oldest messages; how many there were. A loss between them is still told."""
        left = count
        for segment in self._segments:
            while left > 0:
                try:
                    segment.items.popleft()
                except IndexError:
                    break
                left -= 1
            if left <= 0:
                break
        while len(self._segments) > 1 and not self._segments[0].items and not self._segments[1].items:
            # Two emptied segments become one, so that a script that never reads does not collect them.
            first = self._segments.popleft()
            self._segments[0].losses += first.losses
        self.mend()
        return max(count, 0) - max(left, 0)

    # -- room --------------------------------------------------------------------------------------------------------------------

    def count(self) -> int:
        """How many messages wait."""
        return len(self.head) if self.even else sum(len(segment.items) for segment in self._segments)

    def losses(self) -> int:
        """How many losses wait to be told."""
        return sum(segment.losses for segment in self._segments)

    def bytes(self) -> int:
        """The memory of what waits; too high by a part of it at most (see ``ByteCount``)."""
        self._byte_count.settle(self.count())
        return self._byte_count.total

    def fits(self, count: int, size: int) -> bool:
        """Whether so many messages of so many bytes fit."""
        waiting = self.count()
        if waiting + count > self._qsize:
            return False
        byte_count = self._byte_count
        if byte_count.total + size <= self._qbytes:
            return True
        byte_count.settle(waiting)
        return byte_count.total + size <= self._qbytes or (not byte_count.total and count == 1)

    def is_half_empty(self) -> bool:
        """Whether no more than half of both bounds is taken."""
        return self.count() * 2 <= self._qsize and self._byte_count.total * 2 <= self._qbytes

    def room_for(self, batch: list[Message]) -> int:
        """How many of the batch fit, from its start; one always fits when nothing waits."""
        waiting = self.count()
        most = min(len(batch), self._qsize - waiting)
        left = self._qbytes - self.bytes()
        if most > 0 and message_bytes(batch[:most]) <= left:
            return most
        for index in range(most):
            left -= message_bytes(batch[index : index + 1])
            if left < 0:
                return index if waiting or index else 1
        return max(most, 0)

    def make_room(self, batch: list[Message], size: int) -> tuple[list[Message], int]:
        """Drops the oldest until the batch fits, or the newest of it when it is too large for an empty buffer.

        Returns:
            What of the batch is to be put in, and how many messages were dropped, those of the batch included.
        """
        dropped = 0
        if len(batch) > self._qsize or size > self._qbytes:
            kept = self._newest_that_fit(batch)
            if len(kept) < len(batch):
                dropped += self.drop(self.count())  # all of these are older than the part of the batch that goes
            dropped += len(batch) - len(kept)
            batch = kept
            size = message_bytes(batch)
        dropped += self.drop(self.count() + len(batch) - self._qsize)
        byte_count = self._byte_count
        byte_count.settle(self.count())
        while byte_count.total and byte_count.total + size > self._qbytes:
            dropped += self.drop(byte_count.oldest_part(self.count()))
            byte_count.settle(self.count())
        return batch, dropped

    def _newest_that_fit(self, batch: list[Message]) -> list[Message]:
        left = self._qbytes
        index = len(batch)
        lowest = max(0, len(batch) - self._qsize)
        while index > lowest:
            left -= message_bytes(batch[index - 1 : index])
            if left < 0 and index < len(batch):
                break
            index -= 1
            if left < 0:
                break
        return batch[index:]
