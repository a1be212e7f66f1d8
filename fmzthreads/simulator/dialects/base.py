"""Requests and replies as the dialects see them.

A dialect is a plain synchronous object: it is given a ``WireRequest`` and answers with a ``WireReply``. It works in memory and takes well under a
millisecond, so it runs in the event loop itself; what waits (latency, hangs) and what breaks (cut and lost replies) is done around it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Dialect", "WireReply", "WireRequest", "json_reply", "plain_decimal"]

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True)
class WireRequest:
    """One HTTP request, with everything that a signature is made of kept as it travelled.

    Attributes:
        method: Upper case.
        path: The path, percent-decoded.
        raw_path: The path as it stood on the request line.
        query: The query string as it stood on the request line, without the question mark.
        body: The body as it travelled.
        headers: By lower-case name; of a repeated name the last.
        client: The address that the request came from; what limits per IP are counted by.
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
    """One HTTP answer.

    Attributes:
        status: The HTTP status.
        body: The bytes of the body.
        headers: Further headers; Content-Type and Content-Length come by themselves.
        content_type: Of the body.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = field(default=())
    content_type: str = "application/json;charset=UTF-8"


class Dialect(Protocol):
    """What an exchange's REST interface is to the server."""

    name: str

    def handle(self, request: WireRequest) -> WireReply:
        """Answers a request; every refusal is a reply too."""

    def places_order(self, request: WireRequest) -> bool:
        """Whether the request places an order."""

    def refuse(self, request: WireRequest, status: int, retry_after_s: int) -> WireReply:
        """This exchange's own words for a refusal that is being played: 503, 429 or 418."""


def json_reply(status: int, data: Any, headers: tuple[tuple[str, str], ...] = ()) -> WireReply:
    """A reply with a JSON body (Any: whatever JSON can hold)."""
    return WireReply(status, _JSON.encode(data).encode(), headers)


def plain_decimal(value: Any) -> str:
    """A Decimal as text without exponent and without trailing zeros (``0.10`` is ``"0.1"``, ``1E+2`` is ``"100"``)."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
