"""What the REST protocols of raw venues share: no known limits, errors by status, JSON bodies."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import attrs

from ...errors import (
    AuthenticationFailed,
    BadReply,
    ClockSkew,
    FmzError,
    RateLimited,
    VenueRejected,
    VenueUnavailable,
    excerpt,
)
from ...exchange.keys.credentials import Credentials
from ...http.client import HttpRequest
from ...http.reply import Reply, retry_after_s
from ..limits.counted_call import NoLimits
from ..limits.limiter import Limiter
from ..rest.ask import Ask
from ..rest.order_calls import OrderCalls
from ..rest.parsing import Malformed
from ..rest.server_time import ServerTime

__all__ = ["RawAsk", "RawProtocol", "json_body", "refused", "target_of"]


_SPOKEN = frozenset({200, 400, 401, 403, 429, 500})  # statuses with which a venue itself explains a refusal
_LEAVES_OPEN = re.compile(r"internal|timeout|system|unavailable|(?:500|503|504|10000)\Z", re.IGNORECASE)  # codes

# The contracts of HTX have numbers as codes for this.
_SAYS_OPEN = re.compile(r"system (?:is )?busy|system error|internal (?:server )?error|timed? ?out", re.IGNORECASE)


@attrs.frozen(kw_only=True)
class RawAsk(Ask):
    """A raw call.

    Attributes:
        reads: Whether it changes nothing at the venue although it is not a GET.
    """

    reads: bool = False

    @property
    def safe(self) -> bool:
        """Whether it may be repeated."""
        return self.reads or self.method == "GET"


class RawProtocol:
    """The protocol of one raw venue; a subclass signs, and reads the venue's error form."""

    name: str = ""
    default_base: str = ""
    needs_passphrase: bool = False
    time_ask: Ask | None = None
    refuses_with_500: bool = False
    """Whether a status of 500 with a code of the venue is a refusal."""

    order_calls: OrderCalls
    """The endpoints that place orders."""

    def counted_at(self, base: str) -> str:
        """The base URL itself."""
        return base

    def limits(self, limiter: Limiter, account: str) -> NoLimits:
        """None: what a raw call costs is not known, and the venue refuses what is too much."""
        return NoLimits()

    def is_signed(self, method: str, path: str) -> bool:
        """Whether a call to a path (from the root) is signed."""
        raise NotImplementedError

    def is_read(self, method: str, path: str) -> bool:
        """Whether a call changes nothing, and may be repeated."""
        return method == "GET"

    def build(self, ask: Ask, url: str, keys: Credentials, time: ServerTime) -> HttpRequest:
        """The request, signed if the ask says so."""
        raise NotImplementedError

    def refusal_of(self, body: Any) -> tuple[str, str] | None:
        """Code and text of the error that a reply's JSON reports; None for success."""
        raise NotImplementedError

    def payload(self, reply: Reply, server_now: Callable[[], float]) -> Any:
        """The JSON of a successful reply; raises for a status other than 2xx, and for the venue's own errors."""
        good = 200 <= reply.status < 300
        try:
            body = reply.json()
        except BadReply:
            if good:
                raise
            raise refused(self.name, reply, "", excerpt(reply.text)) from None
        found = self.refusal_of(body)
        if found is not None:
            raise refused(self.name, reply, *found, certain=self.refuses_with_500)
        if not good:
            raise refused(self.name, reply, "", excerpt(reply.text))
        return body

    def order_row(self, body: Any) -> Any:
        """None: a raw call is not known to be about one order."""
        return None

    def read_time(self, payload: Any) -> float:
        """Never called where there is no ``time_ask``."""
        raise Malformed(f"{self.name} has no time")

    def outcome_unknown(self, error: VenueUnavailable) -> bool:
        """True: a server error leaves open what was done."""
        return True

    def shuts(self, ask: Ask, error: RateLimited) -> str:
        """Too many requests of any kind block all."""
        return ""


def refused(name: str, reply: Reply, code: str, text: str, *, certain: bool = False) -> FmzError:
    """The error of a refusal, by status, code and text.

    Args:
        name: The venue's name.
        reply: The reply.
        code: The venue's code; empty if a server on the way answered.
        text: The venue's text.
        certain: Whether a status of 500 with a code is a refusal as well.
    """
    message = f"{name} replied with HTTP status {reply.status}{f', code {code}' if code else ''}: {text or 'no text'}"
    where: dict[str, Any] = {"request": reply.request, "code": code, "status": reply.status}
    said = f"{code} {text}".lower()
    # First: what a server on the way writes into such a page says nothing about what was done.
    if (reply.status >= 500 and not (certain and code)) or (
        code and (_LEAVES_OPEN.search(code) or _SAYS_OPEN.search(text))
    ):
        return VenueUnavailable(message, **where)
    if reply.status not in _SPOKEN:
        return VenueRejected(message, **where)
    if reply.status == 429 or "ratelimit" in said or "rate limit" in said or "too many request" in said:
        return RateLimited(message, retry_after_s=retry_after_s(reply), **where)
    if "timestamp" in said or "expired" in said or "nonce" in said:
        return ClockSkew(message, **where)
    if reply.status in {401, 403} or "signature" in said or "apikey" in said or "api key" in said or "api-key" in said:
        return AuthenticationFailed(message, **where)
    return VenueRejected(message, **where)


def json_body(ask: Ask) -> str:
    """The body of a call whose parameters travel as JSON."""
    if ask.raw:
        return ask.raw
    return json.dumps(dict(ask.params), separators=(",", ":")) if ask.params else ""


def target_of(url: str) -> str:
    """The path of a URL, with its query string."""
    parts = urlsplit(url)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
