"""Passes the messages of a shared connection on to the books that they are about."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..buffer.byte_count import Message
from ..stats import BufferStats
from .line import SharedLine
from .wire import StreamWire

__all__ = ["Distributor"]

Lines = Mapping[str, tuple[SharedLine, ...]]


class Distributor:
    """Takes the messages of one connection, in the thread that reads it; nothing is parsed here but the key.

    Args:
        wire: Tells the key of a message.
        lines: Returns the lines by key.
        on_answer: Called with a message that has no key.
        on_end: Called when the connection has ended.

    Attributes:
        received: The number of messages that arrived.
    """

    def __init__(
        self,
        wire: StreamWire,
        lines: Callable[[], Lines],
        on_answer: Callable[[Message], None],
        on_end: Callable[[], None],
    ) -> None:
        self._key_of = wire.key_of
        self._lines = lines
        self._on_answer = on_answer
        self._on_end = on_end
        self.received = 0

    def push(self, batch: list[Message], plain: bool = False) -> None:
        """Passes messages on; those of one book stay in order."""
        self.received += len(batch)
        if len(batch) == 1:  # the usual case, without the lists below
            key = self._key_of(batch[0])
            if key is not None:
                for line in self._lines().get(key, ()):
                    line.buffer.push(batch, plain)
                return
        parts: dict[str, list[Message]] = {}
        for message in batch:
            key = self._key_of(message)
            if key is None:
                self._pass_on(parts, plain)  # an answer must not overtake what came before it
                self._on_answer(message)
            elif key in parts:
                parts[key].append(message)
            else:
                parts[key] = [message]
        self._pass_on(parts, plain)

    def _pass_on(self, parts: dict[str, list[Message]], plain: bool) -> None:
        lines = self._lines()
        for key, part in parts.items():
            for line in lines.get(key, ()):  # a book that was left a moment ago has none
                line.buffer.push(part, plain)
        parts.clear()

    def lose(self) -> None:
        """Does nothing: the owner reconnects by itself, after ``on_end``."""

    def finish(self) -> None:
        """Notes that the connection has ended."""
        self._on_end()

    def close(self) -> None:
        """Same as ``finish``."""
        self._on_end()

    def is_blocked(self) -> bool:
        """Always False: a full buffer drops its oldest messages, which its book notices as a gap."""
        return False

    def stats(self) -> BufferStats:
        """Everything that arrived counts as delivered: the lines have counters of their own."""
        return BufferStats(self.received, self.received, 0, 0, 0, 0, 0)

    def left_behind(self) -> None:
        """Does nothing: the owner has ended in the child."""
