"""FMZ's general protocol, as the side of the strategy speaks it: one POST for each call, and the meaning of an ``error`` reply.

Source: FMZ's documents "General Protocol Guide" (topics 10527 and 1052 of its community) and the plugins published for it.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ...clock import Clock
from ...errors import (
    AuthenticationFailed,
    BadReply,
    Banned,
    DuplicateOrder,
    FmzError,
    InsufficientFunds,
    InvalidOrder,
    NotSupported,
    OrderNotFound,
    OutcomeUnknown,
    RateLimited,
    UnknownSymbol,
    VenueRejected,
    VenueUnavailable,
    WouldTake,
    excerpt,
)
from ...exchange.keys.credentials import Credentials
from ...fork import after_fork_in_child
from ...http.client import HttpRequest
from ...http.reply import Reply, retry_after_s
from ..limits.counted_call import NoLimits
from ..limits.limiter import Limiter
from ..rest.ask import Ask
from ..rest.parsing import Malformed, mapping
from ..rest.server_time import ServerTime

__all__ = ["API_PREFIX", "DEFAULT_BASE", "KINDS", "PluginAsk", "PluginData", "PluginProtocol", "error_of"]

API_PREFIX = "__api_"
"""What stands before the path in the method of a raw call."""

DEFAULT_BASE = "http://127.0.0.1:6666"

KINDS: dict[str, type[FmzError]] = {
    kind.__name__: kind
    for kind in (
        AuthenticationFailed, Banned, DuplicateOrder, InsufficientFunds, InvalidOrder, NotSupported, OrderNotFound,
        OutcomeUnknown, RateLimited, UnknownSymbol, VenueRejected, VenueUnavailable, WouldTake,
    )
}  # fmt: skip
_LONGEST_PAUSE_S = 3600.0  # a plugin may ask for a pause, but not shut its exchange for days by a slip
_LONGEST_KIND = 40

# A plugin that gives no kind answers a lost reply of its exchange in the words of its HTTP library.
_LEAVES_OPEN = re.compile(
    r"time[ -]?d? ?-?out|deadline exceeded|\bEOF\b|connection|broken pipe|socket|network|unreachable|unknown|\b50[0-9]\b|gateway"
    r"|unavailable|internal (?:server )?error|panic|nil pointer|traceback|exception",
    re.IGNORECASE,
)


@attrs.frozen(kw_only=True)
class PluginAsk(Ask):
    """One call of the general protocol.

    Attributes:
        call: The protocol's name of the method.
        fields: Its parameters; all are text.
        repeatable: Whether it changes nothing at the exchange, so that it may be sent again.
    """

    path: str = "/"
    method: str = "POST"
    call: str
    fields: Mapping[str, str] = attrs.field(factory=dict)
    repeatable: bool = True

    @property
    def safe(self) -> bool:
        """Whether it may be sent again: the HTTP method is POST for every call, and says nothing."""
        return self.repeatable


@attrs.frozen
class PluginData:
    """The content of a successful reply.

    Attributes:
        data: What the call asked for.
        raw: The exchange's own reply where the plugin passes it on; None where it does not.
    """

    data: Any
    raw: Any = None


class _Nonce:
    """Unix times in nanoseconds, each larger than the one before; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _last
        self._last = 0
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()

    def next(self, clock: Clock) -> int:
        """The clock's time in nanoseconds, or one more than the last number if that is higher."""
        with self._lock:
            self._last = max(self._last + 1, int(clock.now() * 1_000_000_000))
            return self._last


class PluginProtocol:
    """The wire of the general protocol.

    Args:
        clock: Gives the nonce.
    """

    name = "Exchange"
    default_base = DEFAULT_BASE
    needs_passphrase = False
    time_ask: Ask = PluginAsk(call="time")  # never sent, since nothing is signed

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._nonce = _Nonce()

    def counted_at(self, base: str) -> str:
        """The base URL itself."""
        return base

    def limits(self, limiter: Limiter, account: str) -> NoLimits:
        """None: the general protocol has no request limits; the plugin may refuse a call."""
        return NoLimits()

    def build(self, ask: Ask, url: str, keys: Credentials, time: ServerTime) -> HttpRequest:
        """One POST to the service address, with the keys in its body."""
        assert isinstance(ask, PluginAsk)
        body = {
            "access_key": keys.access_key,
            "secret_key": keys.secret_key,
            "nonce": self._nonce.next(self._clock),
            "method": ask.call,
            "params": dict(ask.fields),
        }
        return HttpRequest(
            method="POST",
            url=url.rstrip("/"),
            headers={"Content-Type": "application/json"},
            body=json.dumps(body, separators=(",", ":")).encode(),
        )

    def payload(self, reply: Reply, server_now: Callable[[], float]) -> PluginData:
        """The ``data`` and ``raw`` of a reply; raises what an ``error`` means, and for a reply that is not of the protocol."""
        try:
            body = mapping(reply.json(), "the reply")
        except (BadReply, Malformed) as error:
            if not 200 <= reply.status < 300:
                raise _refused_by_status(reply) from None
            if isinstance(error, BadReply):
                raise
            raise BadReply(f"{error}: {excerpt(reply.text)}", request=reply.request, status=reply.status) from None
        if body.get("error") not in (None, "", False):
            raise error_of(body, reply)
        if not 200 <= reply.status < 300:
            raise _refused_by_status(reply)
        if "data" not in body:
            raise BadReply(
                f"the reply has neither 'data' nor 'error': {excerpt(reply.text)}",
                request=reply.request,
                status=reply.status,
            )
        return PluginData(body["data"], body.get("raw"))

    def order_row(self, body: Any) -> None:
        """None: the protocol has no client order ids; the reader of an order compares its number."""
        return

    def read_time(self, payload: Any) -> float:
        """Never called: the protocol has no call for the time.

        Raises:
            Malformed: Always.
        """
        raise Malformed("the general protocol has no time")

    def outcome_unknown(self, error: VenueUnavailable) -> bool:
        """True unless the plugin itself gave the kind of the error, which says that nothing was done."""
        return error.code != "VenueUnavailable"

    def shuts(self, ask: Ask, error: RateLimited) -> str:
        """A refusal is about calls of the same method."""
        return ask.door


def error_of(body: dict[str, Any], reply: Reply) -> FmzError:
    """The error that a reply with ``error`` means.

    A plugin of ours gives the kind of the error beside its text. Another plugin's text that speaks of a lost connection, of a time-out or
    of an accident leaves open what was done; any other text is a refusal.

    Args:
        body: The reply.
        reply: For its status and request.
    """
    said = body["error"]
    text = excerpt(said if isinstance(said, str) else json.dumps(said)) or "an error without a text"
    kind = body.get("kind")
    message = f"the plugin replied: {text}"
    known = KINDS.get(kind) if isinstance(kind, str) and len(kind) <= _LONGEST_KIND else None
    if known is None:
        known = VenueUnavailable if reply.status >= 500 or _LEAVES_OPEN.search(text) else VenueRejected
        return known(message, request=reply.request, code="error", status=reply.status)
    code = known.__name__
    if issubclass(known, RateLimited):
        return known(
            message,
            retry_after_s=_pause(body.get("retry_after_s")),
            request=reply.request,
            code=code,
            status=reply.status,
        )
    return known(message, request=reply.request, code=code, status=reply.status)


def _pause(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LONGEST_PAUSE_S:
        return None
    return float(value)


def _refused_by_status(reply: Reply) -> FmzError:
    """The error of a reply that is not of the protocol: no plugin at this path, or a server on the way."""
    text = f"the plugin's address replied with HTTP status {reply.status}: {excerpt(reply.text)}"
    if reply.status == 429:
        return RateLimited(text, retry_after_s=retry_after_s(reply), request=reply.request, status=reply.status)
    if reply.status in {401, 403}:
        return AuthenticationFailed(text, request=reply.request, status=reply.status)
    kind = VenueUnavailable if reply.status >= 500 else VenueRejected
    return kind(text, request=reply.request, status=reply.status)
