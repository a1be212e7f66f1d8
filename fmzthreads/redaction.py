"""Cuts keys and signatures out of texts: registered secrets, signatures that this process made, and what stands where a signature does.

A server that repeats the request in its reply brings the signature into errors and logs. It may come whole or cut off, in capitals, escaped for
a URL, for JSON or for HTML. ``remember_signature`` notes what was signed, for a fraction of a microsecond; ``cut_signatures`` looks for it,
and for parameters and headers by their names (``signature=...``, ``"sign": "..."``, ``OK-ACCESS-SIGN``).
"""

from __future__ import annotations

import json
import re
import sys
import threading
from collections import deque
from collections.abc import Callable
from functools import cache, partial
from urllib.parse import quote, quote_plus

from .fork import after_fork_in_child

__all__ = ["Secrets", "cut_signatures", "remember_signature"]

# An echo comes with the reply. So many signatures are those of the last seconds, and of minutes for most.
_MOST = 2_048
# Signatures are found by pieces of so many letters and digits, taken at every _STEP characters. A shorter rest, as of a text that is cut off,
# is of no use to anybody.
_PIECE, _STEP = 10, 5
_RUN = re.compile(r"[A-Za-z0-9]{10,}")
# What may stand for one of the other characters of base64: itself, escaped for a URL (also twice), for JSON, or for HTML; a space for "+".
_OTHER = r"(?:%(?:25)*2[bBfFdD]|%(?:25)*3[dD]|%(?:25)*5[fF]|\\+u00(?:2[bBfFdD]|3[dD]|5[fF])|&#(?:x[0-9a-fA-F]{2}|\d{2});|&\w{3,6};|\\+/|[-+/=_ ])"
_LONGEST_OTHER = 12

_VALUE = r"(?:%(?:25)?[0-9A-Fa-f]{2}|\\+[/u]|[A-Za-z0-9+/=_.~-])"
_NAMED = (
    r"(?<![A-Za-z])((?:(?:[a-z-]*access-(?:sign|key|passphrase)|x-mbx-apikey)(?:\\*[\"'])?\s*[:=]\s*(?:\\*[\"'])?"
    r"|(?:signature|sign|listenkey|passphrase|api[_-]?key)(?:=|%(?:25)*3d|\\*[\"']\s*:\s*)(?:\\*[\"'])?))("
    + _VALUE
    + r"{8,})"
)
_HIDDEN = "***"


# Compiled when first used: that takes 2 ms, and most starts have nothing to cut out.
@cache
def _other_here() -> re.Pattern[str]:
    return re.compile(_OTHER)


@cache
def _other_before() -> re.Pattern[str]:
    return re.compile(_OTHER + r"\Z")


@cache
def _named() -> re.Pattern[str]:
    return re.compile(_NAMED, re.IGNORECASE)


class _Signatures:
    """The newest signatures, and an index of their pieces, which is made when a text is searched."""

    def __init__(self) -> None:
        # Only this is touched when something is signed: appending to a deque needs no lock.
        self.new: deque[str] = deque(maxlen=_MOST)
        self._lock = threading.Lock()  # guards the fields below
        self._known: deque[str] = deque()
        self._pieces: dict[str, tuple[str, int]] = {}
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()

    def _index_new(self) -> None:
        while self.new:
            try:
                signature = self.new.popleft()
            except IndexError:
                return  # another thread has taken it
            self._known.append(signature)
            for place, piece in _pieces_of(signature):
                self._pieces[piece] = (signature, place)
            if len(self._known) > _MOST:
                oldest = self._known.popleft()
                for _, piece in _pieces_of(oldest):
                    if self._pieces.get(piece, ("", 0))[0] == oldest:
                        del self._pieces[piece]

    def keep(self, key: str) -> None:
        """Has the parts of a key found for ever; those of letters only, or of digits only, may be ordinary words and numbers."""
        with self._lock:
            for place, piece in _pieces_of(key, 1):
                if not piece.isalpha() and not piece.isdigit():
                    self._pieces[piece] = (key, place)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where signatures stand in a text, from left to right."""
        if _RUN.search(text) is None:
            return []
        with self._lock:
            if self.new:
                self._index_new()
            pieces = self._pieces
            if not pieces:
                return []
            found: list[tuple[int, int]] = []
            end = 0
            for run in _RUN.finditer(text):
                place, last = max(run.start(), end), run.end() - _PIECE
                while place <= last:
                    hit = pieces.get(text[place : place + _PIECE].lower())
                    if hit is None:
                        place += 1
                        continue
                    start, end = _extent(text, place, *hit)
                    found.append((start, end))
                    place = end
            return found


def _pieces_of(signature: str, step: int = _STEP) -> list[tuple[int, str]]:
    """Pieces of letters and digits in lower case, with their places; a run that is shorter than two steps more gives its beginning only."""
    folded = signature.lower()
    return [
        (place, folded[place : place + _PIECE])
        for run in _RUN.finditer(folded)
        for place in range(run.start(), run.end() - _PIECE + 1, step)
    ]


def _extent(text: str, place: int, signature: str, at: int) -> tuple[int, int]:
    """How far a text agrees with a signature to both sides of a place where it does."""
    start, index = place, at
    while index > 0 and start > 0:
        wanted = signature[index - 1]
        if wanted.isalnum():
            if text[start - 1].lower() != wanted.lower():
                break
            start -= 1
        else:
            other = _other_before().search(text, max(0, start - _LONGEST_OTHER), start)
            if other is None:
                break
            start = other.start()
        index -= 1
    end, index = place + _PIECE, at + _PIECE
    while index < len(signature) and end < len(text):
        wanted = signature[index]
        if wanted.isalnum():
            if text[end].lower() != wanted.lower():
                break
            end += 1
        else:
            here = _other_here().match(text, end)
            if here is None:
                break
            end = here.end()
        index += 1
    return start, end


_signatures = _Signatures()


def remember_signature(signature: str) -> str:
    """Has a signature, a listen key or the like cut out of texts from now on; the newest 2048 are remembered.

    Args:
        signature: In hex or base64, as it is sent.

    Returns:
        The signature.
    """
    _signatures.new.append(signature)
    return signature


def cut_signatures(text: str) -> str:
    """A text with ``***`` in place of signatures, and of values that stand after the name of a signature or key.

    Args:
        text: Any text; also with a signature that is cut off, in capitals, or escaped.
    """
    if len(text) < _PIECE:
        return text
    spans = _signatures.spans(text)
    if spans:
        parts, done = [], 0
        for start, end in spans:
            if start < done:
                continue
            parts += [text[done:start], _HIDDEN]
            done = end
        text = "".join([*parts, text[done:]])
    # These look-ups tell most texts in which _NAMED finds nothing; the search itself costs as much as the rest of a log line.
    if "=" in text or ":" in text or "%" in text:
        folded = text.lower()
        if "key" in folded or "sign" in folded or "passphrase" in folded:
            return _named().sub(rf"\1{_HIDDEN}", text)
    return text


# A shorter secret would also match inside ordinary words and numbers, and make lines unreadable.
_SHORTEST = 4
# Of a key of so many characters, a part that is cut off is cut out too, in the texts of the whole process.
_SHORTEST_KEY = 20


class Secrets:
    """A set of secrets to remove from texts, also as escaped in URLs and in JSON, and parts of those that are as long as keys.

    Any thread may use it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _forms; _replace is set as a whole and called without it
        self._forms: set[str] = set()
        self._replace: Callable[[str], str] = str
        self._shortest = sys.maxsize  # of the forms
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()

    def cut(self, text: str) -> str:
        """Returns a text with ``***`` in place of each secret, and of signatures (see ``cut_signatures``)."""
        return cut_signatures(text if len(text) < self._shortest else self._replace(text))

    def add(self, secret: str) -> bool:
        """Adds a secret.

        Returns:
            Whether it was added; False for one of fewer than four characters.
        """
        if len(secret) < _SHORTEST:
            return False
        if len(secret) >= _SHORTEST_KEY:
            _signatures.keep(secret)
        with self._lock:
            safe = secret.encode("utf-8", "replace").decode("utf-8")  # quote() refuses lone surrogates
            self._forms |= {secret, quote(safe, safe=""), quote(safe), quote_plus(safe), repr(secret)[1:-1]}
            self._forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
            # The longest first, so that a secret that begins with another is cut whole.
            alternatives = sorted(self._forms, key=len, reverse=True)
            self._replace = partial(re.compile("|".join(map(re.escape, alternatives))).sub, "***")
            self._shortest = len(alternatives[-1])  # last, because a text between is looked through all the same
        return True

    def __repr__(self) -> str:
        """The number of forms, without their texts."""
        return f"Secrets({len(self._forms)} forms)"
