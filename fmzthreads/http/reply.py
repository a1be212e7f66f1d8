"""A complete HTTP reply."""

from __future__ import annotations

import codecs
import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn

from ..errors import BadReply, excerpt, short_repr

__all__ = ["Headers", "Reply", "join_values", "retry_after_s"]

# Codecs of Python that are no charsets of HTTP; what they make of undecodable bytes differs between versions of Python.
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([^\s\"';,]+)", re.IGNORECASE)


def join_values(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The values of header lines by lower-case name, those of a repeated name joined by ``", "``."""
    by_name: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        by_name[key] = f"{by_name[key]}, {value}" if key in by_name else value
    return by_name


def canonical(name: str) -> str:
    """A header name with its words capitalised, as FMZ's platform gives it: ``content-type`` is ``Content-Type``."""
    return "-".join(map(str.capitalize, name.split("-")))


class Headers(Mapping[str, str]):
    """The header lines of a reply: a read-only mapping with case-insensitive names.

    A name that occurs several times gives its values joined by ``", "``; ``get_all`` gives them apart.

    Args:
        pairs: Names and values in the order in which they came.
        by_name: The result of ``join_values``, if already known.
    """

    __slots__ = ("_by_name", "_pairs")

    def __init__(self, pairs: Iterable[tuple[str, str]] = (), by_name: dict[str, str] | None = None) -> None:
        self._pairs = tuple(pairs)
        self._by_name = join_values(self._pairs) if by_name is None else by_name

    def __getitem__(self, name: str) -> str:
        return self._by_name[name.lower()]

    def __iter__(self) -> Iterator[str]:
        seen = set()
        for name, _ in self._pairs:
            if name.lower() not in seen:
                seen.add(name.lower())
                yield name

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._by_name

    def __repr__(self) -> str:
        return f"Headers({', '.join(self)})"  # names only: values may be cookies or tokens

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Names and values in the order in which they came."""
        return self._pairs

    def get_all(self, name: str) -> list[str]:
        """All values of one name, in order; empty if absent."""
        key = name.lower()
        return [value for other, value in self._pairs if other.lower() == key]

    def lists(self) -> dict[str, list[str]]:
        """Every name in its usual spelling, such as ``Content-Type``, with the list of its values."""
        return {canonical(name): self.get_all(name) for name in self}


class Reply:
    """A complete reply of any status. Its text is decoded on access.

    Attributes:
        status: The HTTP status code.
        headers: Its header lines, by case-insensitive name.
        body: The body, joined and decompressed.
        request: The request that it answers, as ``redact`` names it.
        elapsed_s: Seconds from the moment before the request was written until the reply was complete.
        reason: The reason phrase of the status line.
        coding: The compression of ``body`` if it could not be decompressed here, else empty.
        reusable: Whether the connection may be used for another request.
    """

    __slots__ = ("_text", "body", "coding", "elapsed_s", "headers", "reason", "request", "reusable", "status")

    def __init__(
        self,
        status: int,
        headers: Headers,
        body: bytes,
        request: str = "",
        elapsed_s: float = 0.0,
        reason: str = "",
        reusable: bool = False,
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.request = request
        self.elapsed_s = elapsed_s
        self.reason = reason
        self.coding = ""
        self.reusable = reusable
        self._text: str | None = None

    def __repr__(self) -> str:
        return f"<Reply {self.status} of {len(self.body)} bytes to {self.request}>"

    @property
    def text(self) -> str:
        """The body as text, in the charset of its Content-Type, else UTF-8; undecodable bytes become U+FFFD."""
        if self._text is None:
            self._text = self.decode()
        return self._text

    def decode(self, charset: str = "") -> str:
        """The body as text in another charset; if empty or unknown, in the reply's own."""
        for name in (charset, self._named_charset()):
            if name:
                try:
                    if codecs.lookup(name).name not in _NO_CHARSETS:
                        return self.body.decode(name, "replace")
                except (LookupError, ValueError):
                    continue  # no such charset, or one that cannot decode this even with replacements: the next guess
        return self.body.decode("utf-8", "replace")

    def _named_charset(self) -> str:
        found = _CHARSET.search(self.headers.get("content-type", ""))
        return found.group(1) if found else ""

    def json(self) -> Any:
        """The body, read as JSON (by orjson where it is installed, which is several times faster). A byte order mark is skipped.

        Raises:
            BadReply: It is empty, HTML or otherwise not JSON; the message contains its first 200 characters.
        """
        body = self.body
        try:
            if body[:1] not in _JSON_STARTS or body[1:2] == b"\0":
                body = _as_utf8(body)
            return _json_reader()(body)
        except (ValueError, RecursionError) as error:
            cause = error
        bare = body.lstrip()
        if self.coding:
            what = f"a body compressed as {short_repr(self.coding)}, which cannot be decompressed here,"
        elif not bare:
            what = "an empty reply"
        elif bare.startswith(b"<"):
            what = "HTML or XML"
        else:
            what = f"a body that is not JSON ({type(cause).__name__})"
        raise BadReply(
            f"expected JSON, got {what} with HTTP status {self.status}: {excerpt(self.text)}",
            request=self.request,
            status=self.status,
        ) from None  # the parser's error contains the whole document


_JSON_STARTS = (b"{", b"[")


def _as_utf8(body: bytes) -> bytes:
    """The JSON text in UTF-8 without a byte order mark, the only form that orjson reads."""
    encoding = json.detect_encoding(body)
    if encoding == "utf-8":
        return body
    return body.decode(encoding).encode()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _plain_json(body: bytes) -> Any:
    return json.loads(body, parse_constant=_refuse_constant)


@functools.cache
def _json_reader() -> Callable[[bytes], Any]:
    """Orjson's reader if it is installed, otherwise the standard library's; imported at the first use."""
    try:
        import orjson
    except ImportError:
        return _plain_json
    return orjson.loads


def retry_after_s(reply: Reply) -> float | None:
    """The reply's ``Retry-After`` in seconds; None if absent or not whole seconds."""
    header = reply.headers.get("Retry-After", "").strip()
    return float(header) if header.isascii() and header.isdigit() and len(header) < 8 else None
