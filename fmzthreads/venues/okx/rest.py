"""OKX's REST dialect, after its v5 API reference: how a request is built and signed, what its limits are, what its replies mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ...clock import Clock
from ...errors import BadReply, InputError, RateLimited, UnknownName, VenueUnavailable, nearest
from ...exchange.credentials import Credentials
from ...exchange.signing import encode_query, hmac_base64, iso_timestamp
from ...http.client import HttpOptions, HttpRequest
from ...http.reply import Reply
from ..rest.channel import Ask
from ..rest.parsing import bad_reply
from ..rest.rate_limits import RecentCalls
from ..rest.stream_home import StreamHome
from ..rest.symbols import Listing
from .refusals import LIMIT_WINDOW_S, OUTCOME_KNOWN, refusal
from .replies import read_listings, read_server_time

__all__ = ["OKXRest"]

T = TypeVar("T")

# A little longer than the venue's window, because requests do not arrive as evenly as they are sent.
_COUNTED_S = LIMIT_WINDOW_S * 1.05
_LONGEST_WAIT_S = 5.0

_TRADE_MODES = ("cash", "cross", "isolated", "spot_isolated")


class OKXRest(StreamHome):
    """How OKX is spoken to: its signature, limits and refusals; ``OKX`` adds the calls and describes the arguments."""

    name = "OKX"
    default_base = "https://openapi.okx.com"
    needs_passphrase = True
    time_ask = Ask(method="GET", path="/api/v5/public/time", door="public/time", limit=10)

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        base: str = "",
        clock: Clock | None = None,
        options: HttpOptions | None = None,
        simulated: bool = False,
        trade_mode: str = "cash",
        order_lifetime_ms: int = 5000,
        stream_base: str = "",
    ) -> None:
        if not 1 <= order_lifetime_ms <= 60_000:
            raise InputError(f"order_lifetime_ms must be 1 to 60000, got {order_lifetime_ms!r}")
        super().__init__(credentials=credentials, base=base, clock=clock, options=options, stream_base=stream_base)
        self._simulated = simulated
        self._trade_mode = _checked_mode(trade_mode)
        self._order_lifetime_ms = order_lifetime_ms
        self._recent = RecentCalls(self._clock, _COUNTED_S)
        self.settling_s = order_lifetime_ms / 1000 + 1.0
        """Seconds after which "no such order" can be believed of an order whose reply was lost."""

    def _build(self, ask: Ask) -> HttpRequest:
        in_query = ask.method == "GET" or bool(ask.raw)
        query = encode_query(ask.params) if in_query else ""
        body = ask.raw
        if not body and ask.method != "GET":
            body = json.dumps(dict(ask.params), separators=(",", ":"))
        url = self._url(ask.path) + (f"?{query}" if query else "")
        headers = {"Content-Type": "application/json"} if body else {}
        if self._simulated:
            headers["x-simulated-trading"] = "1"
        if ask.signed:
            # Exactly what stands on the request line.
            target = urlsplit(url)
            path = f"{target.path}?{target.query}" if target.query else target.path
            timestamp = iso_timestamp(self._time.now())
            keys = self._credentials
            headers["OK-ACCESS-KEY"] = keys.access_key
            headers["OK-ACCESS-SIGN"] = hmac_base64(keys.secret_key, f"{timestamp}{ask.method}{path}{body}")
            headers["OK-ACCESS-TIMESTAMP"] = timestamp
            headers["OK-ACCESS-PASSPHRASE"] = keys.passphrase
            if ask.path == "/api/v5/trade/order" and ask.method == "POST":
                headers["expTime"] = str(self._time.now_ms() + self._order_lifetime_ms)
        return HttpRequest(method=ask.method, url=url, headers=headers, body=body.encode() if body else None)

    def _payload(self, reply: Reply) -> Any:
        good = 200 <= reply.status < 300
        try:
            body = reply.json()
        except BadReply:
            if good:
                raise
            raise refusal(reply, None) from None
        code = body.get("code") if isinstance(body, dict) else None
        if good and type(code) not in {str, int}:
            raise bad_reply(reply, "the field 'code' is missing or not a text")
        if not good or str(code) not in {"0", "2"} or _single_refused(body):
            raise refusal(reply, body)
        return body

    @contextmanager
    def _admit(self, ask: Ask) -> Iterator[Callable[[Reply], None]]:
        self._doors.check(ask.door, ask.door.partition(":")[0])
        if ask.limit:
            longest_s = _LONGEST_WAIT_S if ask.patient else 0.0
            wait_s = self._recent.turn(ask.door, ask.limit, longest_s)
            if wait_s > longest_s:
                raise RateLimited(
                    f"more than {ask.limit} calls of {ask.door} in {LIMIT_WINDOW_S:g} s; nothing was sent, "
                    f"the next may go in {wait_s:.2f} s",
                    retry_after_s=wait_s,
                )
            if wait_s > 0:
                self._clock.sleep(wait_s)
        yield lambda _reply: None

    def _shut(self, ask: Ask, error: RateLimited) -> None:
        # 50061 counts the orders of the whole account, 50011 the calls of one endpoint; without a code it is the edge of OKX's network.
        if error.code == "50061":
            self._doors.shut(ask.door.partition(":")[0], error)
        else:
            self._doors.shut(ask.door if error.code else "", error)

    def _outcome_unknown(self, error: VenueUnavailable) -> bool:
        return error.code not in OUTCOME_KNOWN

    def _read_time(self, payload: Any) -> float:
        return read_server_time(payload)

    def _fetch_listings(self) -> list[Listing]:
        return self._public("public/instruments", {"instType": "SPOT"}, read_listings, limit=20)

    def _public(self, endpoint: str, params: Mapping[str, object], read: Callable[[Any], T], *, limit: int) -> T:
        return self._call(
            Ask(method="GET", path=f"/api/v5/{endpoint}", params=params, door=endpoint, limit=limit), read
        )

    def _private(self, endpoint: str, params: Mapping[str, object], read: Callable[[Any], T], *, limit: int) -> T:
        ask = Ask(method="GET", path=f"/api/v5/{endpoint}", params=params, signed=True, door=endpoint, limit=limit)
        return self._call(ask, read)

    def set_base(self, url: str) -> None:
        """Sends all further requests to another base URL; symbols, clock offset and limits are learnt anew there.

        Args:
            url: Such as ``"http://127.0.0.1:8080"``; empty for ``https://openapi.okx.com``.

        Raises:
            InputError: It is not an http or https URL.
        """
        super().set_base(url)
        self._recent.forget()

    def io(self, command: str, *args: object) -> bool:
        """OKX's own commands of ``exchange.IO``.

        Args:
            command: ``simulate`` (True sends further calls to demo trading, False to real trading; symbols are learnt anew there) or
                ``tdMode`` (the ``trade_mode`` of further orders).
            args: Its one argument.

        Raises:
            UnknownName: There is no such command, or no such mode.
            InputError: It was not given one argument of its kind.
        """
        kind: type = {"simulate": bool, "tdMode": str}.get(command, object)
        if kind is object:
            valid = ("api", "base", "currency", "quota", "rate", "simulate", "tdMode")
            raise UnknownName(f"OKX has no IO command {command!r}{nearest(str(command), valid)}")
        if len(args) != 1 or not isinstance(args[0], kind):
            raise InputError(f"IO({command!r}) of OKX takes one {kind.__name__}, got {args!r}")
        if command == "tdMode":
            self._trade_mode = _checked_mode(str(args[0]))
        else:
            self._simulated = bool(args[0])
            self._symbols.forget()
        return True


def _checked_mode(mode: str) -> str:
    if mode not in _TRADE_MODES:
        raise UnknownName(f"unknown trade_mode {mode!r}{nearest(mode, _TRADE_MODES)}")
    return mode


def _single_refused(body: dict[str, Any]) -> bool:
    """Whether the only item was refused although the envelope does not say so: an item's own code goes before the envelope's."""
    items = body.get("data")
    if not isinstance(items, list) or len(items) != 1 or not isinstance(items[0], dict):
        return False
    code = items[0].get("sCode")
    return code is not None and str(code) not in {"", "0"}
