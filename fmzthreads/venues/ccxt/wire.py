"""ccxt's requests over our HTTP client: deadlines, proxies, certificates, pace and time are ours.

ccxt builds and signs a request and reads its reply. In between stands ``fetch``, which is replaced here, as are ``throttle`` (which sleeps
without regard to other threads) and the functions that tell the time.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import attrs

from ...clock import Clock
from ...deadline import Deadline
from ...errors import BadReply, ConnectFailed, RateLimited, StopRequested
from ...fork import after_fork_in_child
from ...http.client import HttpClient, HttpRequest
from ...http.reply import Reply
from ...redaction import remember_signature
from ..rest.server_time import ServerTime
from .pace import CallPace

__all__ = ["CallState", "Wire", "wired"]

_FIRST_ERROR = 400
_FIRST_REDIRECT = 300
_SIGNATURES = ("sign", "signature", "jwt", "authorization")


@attrs.define
class CallState:
    """What became of the requests of one call; a call may need several.

    Attributes:
        deadline: When the whole call must be done.
        safe: Whether the call changes nothing at the venue.
        sent: How many requests were sent, or may have been.
        changed: Whether a request other than a GET was sent, or may have been.
        accepted: Whether the venue accepted such a request.
        reply: The last reply.
    """

    deadline: Deadline
    safe: bool
    sent: int = 0
    changed: bool = False
    accepted: bool = False
    reply: Reply | None = None


class Wire:
    """What all ccxt objects of one venue share.

    Args:
        venue: The venue's name, for messages.
        clock: Our clock.
        http: Sends the requests.
        ordered: Whether private requests must reach the venue one after the other, because it wants growing numbers (nonces).
    """

    def __init__(self, venue: str, clock: Clock, http: HttpClient, *, ordered: bool) -> None:
        self.venue = venue
        """The venue's name, for messages."""
        self._clock = clock
        self._http = http
        self.ordered = ordered
        self.time: ServerTime | None = None
        """The venue's time; None to use our own."""
        self.pace = CallPace(clock)
        self._set_up()
        self._last_ms = 0
        after_fork_in_child(self._set_up)

    def _set_up(self) -> None:
        """Makes the locks; also in the child of a fork."""
        self.turn = threading.RLock()
        """Held from the making of a nonce until its reply is there."""
        self._lock = threading.Lock()  # guards _last_ms

    def now_ms(self) -> int:
        """The venue's time of day, in ms; for nonces never the same number twice."""
        now_ms = self.time.now_ms() if self.time is not None else int(self._clock.now() * 1000)
        if self.ordered:
            with self._lock:
                now_ms = self._last_ms = max(now_ms, self._last_ms + 1)
        return now_ms

    def wait(self, state: CallState, cost_s: float) -> None:
        """Waits for the call's turn; an order does not wait, but counts.

        Raises:
            RateLimited: The turn comes after the call's deadline; nothing was sent.
        """
        if not state.safe:
            self.pace.turn(cost_s, None)
            return
        left_s = state.deadline.remaining()
        wait_s = self.pace.turn(cost_s, left_s)
        if left_s is not None and wait_s > left_s:
            raise RateLimited(
                f"{self.venue} allows the next call in {wait_s:.1f} s, after the time-out; nothing was sent",
                retry_after_s=wait_s,
            )
        if wait_s > 0:
            self._clock.sleep(wait_s)

    def send(
        self, state: CallState, url: str, method: str, headers: Mapping[str, object] | None, body: object
    ) -> Reply:
        """Sends one request, once, and notes in ``state`` how far it got."""
        fields = {name: str(value) for name, value in (headers or {}).items() if value is not None}
        for name, value in fields.items():
            if any(word in name.lower() for word in _SIGNATURES):
                remember_signature(value)
        data = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else None
        request = HttpRequest(method, url, fields, data)
        state.deadline.check("preparing a request")
        left_s = state.deadline.remaining()
        changes = method != "GET"
        state.sent += 1
        changed, state.changed = state.changed, state.changed or changes
        try:
            reply = self._http.call(
                lambda: request,
                lambda found: found,
                idempotent=state.safe,
                timeout_ms=None if left_s is None else max(1.0, left_s * 1000),
            )
        except (ConnectFailed, StopRequested):
            state.sent -= 1
            state.changed = changed
            raise
        state.reply = reply
        if _FIRST_REDIRECT <= reply.status < _FIRST_ERROR:
            raise BadReply(
                f"{self.venue} redirects with status {reply.status}", request=reply.request, status=reply.status
            )
        return reply


def wired(base: Any, wire: Wire) -> Any:
    """A subclass of one of ccxt's exchanges whose requests go over ``wire``; each object serves one call at a time."""

    class Wired(base):  # type: ignore[misc]
        """An exchange of ccxt over our HTTP client."""

        fmz_state: CallState

        def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            """Sends a request by our HTTP client, and returns the parsed reply as ccxt does."""
            state = self.fmz_state
            reply = wire.send(state, url, method, {**self.headers, **(headers or {})}, body)
            result = self._understand(reply, url, method, headers or {}, body)
            state.accepted = state.accepted or method != "GET"
            return result

        def _understand(self, reply: Reply, url: str, method: str, headers: Any, body: Any) -> Any:
            text = reply.text.strip()
            found = self.parse_json(text)
            self.last_http_response, self.last_json_response = text, found
            self.last_response_headers = reply.headers
            about = (reply.status, reply.reason, url, method, reply.headers, text)
            handled = self.handle_errors(*about, found, headers, body)
            if reply.status >= _FIRST_ERROR:
                if not handled:
                    self.handle_http_status_code(reply.status, reply.reason, url.partition("?")[0], method, text)
                raise _errors(base).ExchangeError(f"{self.id} {method} {reply.status} {text[:200]}")
            return found if found is not None else text

        def fetch2(self, path: str, api: Any, *more: Any, **named: Any) -> Any:
            """Signs and sends a request; where nonces must grow, one at a time."""
            # A private request holds the turn from its nonce to its reply.
            if wire.ordered and "public" not in (api if isinstance(api, str) else " ".join(map(str, api))):
                with wire.turn:
                    return super().fetch2(path, api, *more, **named)
            return super().fetch2(path, api, *more, **named)

        def throttle(self, cost: Any = None) -> None:
            """Waits as long as ccxt's ``rateLimit`` asks, by our clock."""
            wire.wait(self.fmz_state, self.rateLimit * (1 if cost is None else float(cost)) / 1000)

        def sleep(self, milliseconds: float) -> None:
            """Sleeps by our clock, so that a stop ends it."""
            wire._clock.sleep(milliseconds / 1000)

        def milliseconds(self) -> int:
            """The venue's time in ms, which requests are signed with."""
            return wire.now_ms()

        def seconds(self) -> int:
            """The same in seconds."""
            return wire.now_ms() // 1000

        def microseconds(self) -> int:
            """The same in microseconds."""
            return wire.now_ms() * 1000

    Wired.__name__ = base.__name__
    return Wired


def _errors(base: Any) -> Any:
    from importlib import import_module

    return import_module("ccxt.base.errors")
