"""The waiting messages of a buffer, and the losses between them; not thread-safe by itself."""

from __future__ import annotations

from collections import deque

from .byte_count import ByteCount, Message, message_bytes

__all__ = ["Backlog"]


class _Segment:
    """A run of messages, and the number of losses to report after it.

    A new segment begins after a loss; under the policy ``block`` also after each quarter of qsize, so that readers take the lock often
    enough to wake a waiting producer.
    """

    __slots__ = ("items", "losses")

    def __init__(self) -> None:
        self.items: deque[Message] = deque()
        self.losses = 0


class Backlog:
    """A FIFO of messages and losses with limits on number and memory.

    The owner's lock guards every call. Only ``popleft`` of ``head`` also happens without it. A length read under the lock can therefore be
    too high, never too low, which is harmless: room is underestimated, and a reader that finds nothing tries again.

    Args:
        qsize: The maximum number of messages.
        qbytes: The maximum memory of the messages, in bytes. One message is always kept, however large.
        longest: The maximum number of messages of a segment.

    Attributes:
        head: The oldest messages, up to the first loss.
        even: Whether ``head`` is the only segment and no loss waits to be reported.
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
        """Adds a loss after everything that waits now."""
        self.even = False
        self._tail.losses += 1

    # -- taking out ------------------------------------------------------------------------------------------------------------

    def take(self) -> tuple[bool, Message | None]:
        """Takes the oldest message unless a loss comes first; and whether there was one."""
        while True:
            try:
                return True, self.head.popleft()
            except IndexError:
                if self.even or self._segments[0].losses or len(self._segments) == 1:
                    return False, None
                self._next()

    def take_loss(self) -> bool:
        """Takes the next loss; whether there was one. Only after ``take`` found no message."""
        head = self._segments[0]
        if not head.losses:
            return False
        head.losses -= 1
        if not head.losses:
            self._next()
        return True

    def _next(self) -> None:
        """Drops an emptied segment if another follows."""
        if len(self._segments) > 1:
            self._segments.popleft()
        self.mend()

    def mend(self) -> None:
        """Recomputes ``head`` and ``even``; also after a change that a fork interrupted in another thread."""
        self.head = self._segments[0].items
        self.even = len(self._segments) == 1 and not self._tail.losses

    def drop(self, count: int) -> int:
        """Drops the oldest messages and returns their number. Losses between them are still reported."""
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
            # Merge two emptied segments, so that they do not pile up when the script never reads.
            first = self._segments.popleft()
            self._segments[0].losses += first.losses
        self.mend()
        return max(count, 0) - max(left, 0)

    # -- room --------------------------------------------------------------------------------------------------------------------

    def count(self) -> int:
        """The number of waiting messages."""
        return len(self.head) if self.even else sum(len(segment.items) for segment in self._segments)

    def losses(self) -> int:
        """The number of losses not reported yet."""
        return sum(segment.losses for segment in self._segments)

    def bytes(self) -> int:
        """The memory of the waiting messages; slightly too high at most (see ``ByteCount``)."""
        self._byte_count.settle(self.count())
        return self._byte_count.total

    def fits(self, count: int, size: int) -> bool:
        """Whether this many messages and bytes fit."""
        waiting = self.count()
        if waiting + count > self._qsize:
            return False
        byte_count = self._byte_count
        if byte_count.total + size <= self._qbytes:
            return True
        byte_count.settle(waiting)
        return byte_count.total + size <= self._qbytes or (not byte_count.total and count == 1)

    def is_half_empty(self) -> bool:
        """Whether at most half of both limits is used."""
        return self.count() * 2 <= self._qsize and self._byte_count.total * 2 <= self._qbytes

    def room_for(self, batch: list[Message]) -> int:
        """How many messages of the batch fit; at least one if no message waits."""
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
        """Drops the oldest messages until the batch fits, or the newest part of a batch that is too large.

        Returns:
            The part of the batch to put in, and the number of dropped messages, those of the batch included.
        """
        dropped = 0
        if len(batch) > self._qsize or size > self._qbytes:
            kept = self._newest_that_fit(batch)
            if len(kept) < len(batch):
                dropped += self.drop(self.count())  # all of these are older than the dropped part of the batch
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
