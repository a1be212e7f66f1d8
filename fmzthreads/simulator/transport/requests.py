"""HTTP requests and replies, and the JSON encoder of replies."""

from __future__ import annotations

import email.utils
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = ["HeaderRows", "Rendered", "WireReply", "WireRequest", "encode_json", "http_date", "json_reply"]

HeaderRows: TypeAlias = tuple[tuple[str, str], ...]


class Rendered(bytes):
    """JSON text that is ready to be sent."""

    __slots__ = ()


@dataclass(frozen=True)
class WireRequest:
    """One HTTP request; all parts that a signature covers are kept as received.

    Attributes:
        method: Upper case.
        path: The path, percent-decoded.
        raw_path: The path as on the request line.
        query: The query string as on the request line, without the question mark.
        body: The body as received.
        headers: By lower-case name; the last value of a repeated name.
        client: The client's IP address, for limits per IP.
    """

    method: str
    path: str
    raw_path: str
    query: str
    body: bytes
    headers: Mapping[str, str]
    client: str

    @property
    def target(self) -> str:
        """Path and query as on the request line."""
        return f"{self.raw_path}?{self.query}" if self.query else self.raw_path


@dataclass(frozen=True)
class WireReply:
    """One HTTP reply.

    Attributes:
        status: The HTTP status.
        body: The bytes of the body.
        headers: Further headers; Content-Type, Content-Length and Date are added by the server.
        content_type: The type of the body.
    """

    status: int
    body: bytes
    headers: HeaderRows = field(default=())
    content_type: str = "application/json;charset=UTF-8"


def _fastest_encoder() -> Callable[[Any], bytes]:
    """Orjson if it is installed, else the standard library's encoder."""
    try:
        dumps: Callable[[Any], bytes] = importlib.import_module("orjson").dumps
    except ImportError:
        encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
        return lambda value: encode(value).encode()
    return dumps


_dumps = _fastest_encoder()


def encode_json(value: Any) -> bytes:
    """Returns a value as JSON without spaces; already rendered text is returned unchanged.

    Args:
        value: Any JSON value (therefore Any), or ``Rendered``.

    Raises:
        TypeError: The value cannot be encoded as JSON.
    """
    return value if isinstance(value, Rendered) else _dumps(value)


def json_reply(status: int, data: Any, headers: HeaderRows = ()) -> WireReply:
    """Creates a reply with a JSON body (Any: any JSON value)."""
    return WireReply(status, encode_json(data), headers)


def http_date(time_ms: int) -> str:
    """A time in the format of the ``Date`` header (RFC 9110, 5.6.7)."""
    return email.utils.formatdate(time_ms // 1000, usegmt=True)
