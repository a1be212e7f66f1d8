"""A request, and its encoding as bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs

from ..errors import InputError
from ..net.inflate import ACCEPTED_CODINGS
from .url import redact

__all__ = ["HeadWriter", "HttpRequest"]

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS: Final = frozenset({"content-length", "transfer-encoding", "connection"})
_HAS_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_MOST_SHAPES: Final = 64


@attrs.frozen
class HttpRequest:
    """A complete request: signed, encoded, ready to send.

    Attributes:
        method: The HTTP method, in capitals.
        url: The complete URL; already percent-encoded.
        headers: The header lines. Host, Accept, Accept-Encoding and User-Agent are added where they are missing; Content-Length,
            Transfer-Encoding and Connection are always made by the connection.
        body: The body; None for a request without one.
        close: Whether to close the connection after the reply; sends ``Connection: close``.
    """

    method: str
    url: str
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes | None = attrs.field(default=None, repr=False)
    close: bool = False

    def __repr__(self) -> str:
        return f"<HttpRequest {redact(self.method, self.url)}>"


class HeadWriter:
    """Builds the head of requests; each thread has its own.

    Args:
        user_agent: The User-Agent of requests without their own.
    """

    def __init__(self, user_agent: str) -> None:
        self._defaults = {"Accept": "*/*", "Accept-Encoding": ACCEPTED_CODINGS, "User-Agent": user_agent}
        # Header names of a request -> (those to write, the lines to add, whether Host is among them). A strategy uses a few such
        # combinations over and over.
        self._shapes: dict[tuple[str, ...], tuple[tuple[str, ...], str, bool]] = {}

    def head(
        self, method: str, target: str, host: str, headers: Mapping[str, str], body: bytes | None, extra: str = ""
    ) -> bytes:
        """The bytes before the body.

        Args:
            method: The HTTP method.
            target: The target of the request line.
            host: The Host header's value, unless ``headers`` contains one.
            headers: The request's header lines.
            body: The body, for its length.
            extra: Further complete lines, each with its line end.

        Raises:
            InputError: The method, a header name or a header value is malformed.
        """
        key = tuple(headers)
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shape(key)
        names, added, has_host = shape
        lines = [f"{method} {target} HTTP/1.1"]
        if not has_host:
            lines.append(f"Host: {host}")
        lines.extend([f"{name}: {headers[name]}" for name in names])
        text = "\r\n".join(lines)
        # A line break within a value would start another header (or request).
        if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1 or "\x00" in text:
            raise InputError("a header value contains a line break or a zero byte")
        if body is not None:
            length = f"Content-Length: {len(body)}\r\n"
        else:
            length = "Content-Length: 0\r\n" if method in _HAS_BODY else ""
        try:
            return f"{text}\r\n{added}{extra}{length}\r\n".encode("latin-1")
        except UnicodeEncodeError:
            raise InputError("a header value contains a character outside Latin-1") from None

    def _shape(self, key: tuple[str, ...]) -> tuple[tuple[str, ...], str, bool]:
        for name in key:
            if not isinstance(name, str) or not _TOKEN.fullmatch(name):
                raise InputError(f"a header name may hold only letters, digits and -, got {str(name)[:60]!r}")
        present = {name.lower() for name in key}
        added = "".join(f"{name}: {value}\r\n" for name, value in self._defaults.items() if name.lower() not in present)
        shape = (tuple(name for name in key if name.lower() not in _OURS), added, "host" in present)
        if len(self._shapes) >= _MOST_SHAPES:
            self._shapes.clear()
        self._shapes[key] = shape
        return shape
