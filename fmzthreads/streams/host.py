"""What a stream needs from its surroundings: a clock and a journal."""

from __future__ import annotations

from typing import Protocol

from ..clock import Clock

__all__ = ["StreamHost"]


class StreamHost(Protocol):
    """The clock and the journal of a stream; a strategy's runtime is one."""

    clock: Clock

    def error(self, text: str, *, source: str) -> None:
        """Writes an error line to the journal and remembers it for ``GetLastError``."""

    def warning(self, text: str, *, source: str) -> None:
        """Writes a warning line, which ``GetLastError`` does not return."""
