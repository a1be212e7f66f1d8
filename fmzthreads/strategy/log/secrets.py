"""Removes keys and passwords from texts."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, quote_plus

from ...fork import after_fork_in_child

__all__ = ["Secrets"]

# A shorter one would also match inside ordinary words and numbers, and make lines unreadable.
_SHORTEST = 4


class Secrets:
    """A set of secrets to remove from texts, also as escaped in URLs and in JSON.

    Any thread may use it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _forms; cut is replaced as a whole and called without it
        self._forms: set[str] = set()
        self.cut: Callable[[str], str] = str
        """Returns a text with ``***`` in place of each secret."""
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock."""
        self._lock = threading.Lock()

    def add(self, secret: str) -> bool:
        """Adds a secret.

        Returns:
            Whether it was added; False for one of fewer than four characters.
        """
        if len(secret) < _SHORTEST:
            return False
        with self._lock:
            safe = secret.encode("utf-8", "replace").decode("utf-8")  # quote() refuses lone surrogates
            self._forms |= {secret, quote(safe, safe=""), quote(safe), quote_plus(safe), repr(secret)[1:-1]}
            self._forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
            # The longest first, so that a secret that begins with another is cut whole.
            alternatives = sorted(self._forms, key=len, reverse=True)
            self.cut = partial(re.compile("|".join(map(re.escape, alternatives))).sub, "***")
        return True

    def __repr__(self) -> str:
        """The number of forms, without their texts."""
        return f"Secrets({len(self._forms)} forms)"
