"""What a stream needs of the place where its script runs."""

from __future__ import annotations

from typing import Protocol

from ..clock import Clock

__all__ = ["StreamHost"]


class StreamHost(Protocol):
    """What a stream needs of the place where its script runs; the package root wires it."""

    clock: Clock

    def error(self, text: str, *, source: str) -> None:
        """Writes an error line to the journal and remembers it for ``GetLastError``."""

    def warning(self, text: str, *, source: str) -> None:
        """Writes a line that warns, without it being an error."""
