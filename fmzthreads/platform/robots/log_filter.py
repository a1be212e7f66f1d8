"""Which lines of a log are wanted."""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["EVERYTHING", "LogFilter"]


@attrs.frozen(kw_only=True)
class LogFilter:
    """Which lines of a log are wanted.

    Attributes:
        kinds: FMZ's log types; empty for all.
        label: The exchange's label; empty for all.
        word: A text that stands in the line, in any case; empty for all.
    """

    kinds: tuple[int, ...] = ()
    label: str = ""
    word: str = ""

    def condition(self) -> tuple[str, list[Any]]:
        """The SQL condition, empty for all, and its parameters."""
        parts: list[str] = []
        params: list[Any] = []
        if self.kinds:
            parts.append(f"logType IN ({','.join('?' * len(self.kinds))})")
            params += self.kinds
        if self.label:
            parts.append("eid = ?")
            params.append(self.label)
        if self.word:
            parts.append("extra LIKE ? ESCAPE '!'")
            params.append(f"%{self.word.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%")
        return " AND ".join(parts), params


EVERYTHING = LogFilter()
"""All lines."""
