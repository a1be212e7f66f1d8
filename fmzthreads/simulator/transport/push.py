"""One message of a stream, framed once and shared by its listeners."""

from __future__ import annotations

from .frames import TEXT, build_frame

__all__ = ["Push"]


class Push:
    """One message of a stream for any number of connections; framed once.

    Args:
        text: The message.
        sequenced: Whether it has a sequence number that clients check.
        before: The text before it in the combined format; empty if there is no such format.
        after: The text after it in the combined format.
        opcode: Text or binary.
    """

    __slots__ = ("_combined", "_plain", "after", "before", "opcode", "sequenced", "text")

    def __init__(
        self, text: bytes, *, sequenced: bool = False, before: bytes = b"", after: bytes = b"", opcode: int = TEXT
    ) -> None:
        self.text = text
        self.opcode = opcode
        self.sequenced = sequenced
        self.before = before
        self.after = after
        self._plain = b""
        self._combined = b""

    @property
    def plain(self) -> bytes:
        """The frame of the message by itself."""
        if not self._plain:
            self._plain = build_frame(self.opcode, self.text)
        return self._plain

    @property
    def combined(self) -> bytes:
        """The frame of the message in its envelope."""
        if not self._combined:
            self._combined = build_frame(self.opcode, self.before + self.text + self.after)
        return self._combined
