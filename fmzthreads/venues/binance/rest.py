"""Binance's REST dialect, after its public documents: how a request is built and signed, what its limits are, what its replies mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from ...clock import Clock
from ...errors import InputError, RateLimited, UnknownName, VenueUnavailable, nearest
from ...exchange.credentials import Credentials
from ...exchange.signing import encode_query, hmac_hex
from ...http.client import HttpOptions, HttpRequest
from ...http.reply import Reply
from ..rest.channel import Ask
from ..rest.rate_limits import WeightWindow
from ..rest.stream_home import StreamHome
from ..rest.symbols import Listing
from .refusals import OUTCOME_KNOWN, refusal
from .replies import read_listings, read_server_time, read_weight_limit

__all__ = ["BinanceRest"]

T = TypeVar("T")

_STP_MODES = ("EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "NONE")


class BinanceRest(StreamHome):
    """How Binance is spoken to: its signature, limits and refusals; ``Binance`` adds the calls and describes the arguments."""

    name = "Binance"
    default_base = "https://api.binance.com"
    time_ask = Ask(method="GET", path="/api/v3/time")

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        base: str = "",
        clock: Clock | None = None,
        options: HttpOptions | None = None,
        recv_window_ms: int = 5000,
        stream_base: str = "",
    ) -> None:
        if not 1 <= recv_window_ms <= 60_000:
            raise InputError(f"recv_window_ms must be 1 to 60000, got {recv_window_ms!r}")
        super().__init__(credentials=credentials, base=base, clock=clock, options=options, stream_base=stream_base)
        self._recv_window_ms = recv_window_ms
        self._self_trade_prevention: str | None = None  # None: the symbol's own default
        self._weights = WeightWindow(self.name, self._time.now, limit=6000)
        self.settling_s = recv_window_ms / 1000 + 1.0
        """Seconds after which "no such order" can be believed of an order whose reply was lost."""

    def _build(self, ask: Ask) -> HttpRequest:
        params = dict(ask.params)
        headers = {}
        body = ask.raw.encode()
        if ask.signed:
            params.setdefault("recvWindow", self._recv_window_ms)
            params.setdefault("timestamp", self._time.now_ms())
            headers["X-MBX-APIKEY"] = self._credentials.access_key
        query = encode_query(params)
        if ask.signed:
            signature = hmac_hex(self._credentials.secret_key, query.encode() + body)
            query += f"&signature={signature}"
        url = self._url(ask.path)
        if ask.method in {"POST", "PUT"} and not body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            return HttpRequest(method=ask.method, url=url, headers=headers, body=query.encode())
        if body:
            is_json = ask.raw.lstrip()[:1] in {"{", "["}
            headers["Content-Type"] = "application/json" if is_json else "application/x-www-form-urlencoded"
        return HttpRequest(
            method=ask.method, url=f"{url}?{query}" if query else url, headers=headers, body=body or None
        )

    def _payload(self, reply: Reply) -> Any:
        if not 200 <= reply.status < 300:
            raise refusal(reply, self._time.now())
        payload = reply.json()
        if isinstance(payload, dict):
            code = payload.get("code")
            if type(code) is int and code < 0:
                raise refusal(reply, self._time.now())
        return payload

    @contextmanager
    def _admit(self, ask: Ask) -> Iterator[Callable[[Reply], None]]:
        self._doors.check(ask.door)
        with self._weights.admit(ask.weight, hold=ask.patient) as weighed:

            def _heard(reply: Reply) -> None:
                used = reply.headers.get("X-MBX-USED-WEIGHT-1M", "")
                if used.isascii() and used.isdigit():
                    weighed(int(used))

            yield _heard

    def _shut(self, ask: Ask, error: RateLimited) -> None:
        # -1015 counts orders of the account; everything else counts requests of the address.
        self._doors.shut("orders" if error.code == "-1015" else "", error)

    def _outcome_unknown(self, error: VenueUnavailable) -> bool:
        return error.code not in OUTCOME_KNOWN

    def _read_time(self, payload: Any) -> float:
        return read_server_time(payload)

    def _fetch_listings(self) -> list[Listing]:
        def _read(payload: Any) -> list[Listing]:
            listings = read_listings(payload)
            self._weights.limit = read_weight_limit(payload) or self._weights.limit
            return listings

        return self._call(Ask(method="GET", path="/api/v3/exchangeInfo", weight=20), _read)

    def set_base(self, url: str) -> None:
        """Sends all further requests to another base URL; symbols, clock offset and limits are learnt anew there.

        Args:
            url: Such as ``"http://127.0.0.1:8080"``; empty for ``https://api.binance.com``.

        Raises:
            InputError: It is not an http or https URL.
        """
        super().set_base(url)
        self._weights.forget()

    def _get(self, path: str, params: Mapping[str, object], read: Callable[[Any], T], *, weight: int) -> T:
        return self._call(Ask(method="GET", path=path, params=params, weight=weight), read)

    def _get_signed(self, path: str, params: Mapping[str, object], read: Callable[[Any], T], *, weight: int) -> T:
        return self._call(Ask(method="GET", path=path, params=params, signed=True, weight=weight), read)

    def io(self, command: str, *args: object) -> bool:
        """Binance's own commands of ``exchange.IO``.

        Args:
            command: ``selfTradePreventionMode``: what becomes of further orders that would trade with one's own.
            args: EXPIRE_TAKER, EXPIRE_MAKER, EXPIRE_BOTH or NONE.

        Raises:
            UnknownName: There is no such command, or no such mode.
            InputError: It was not given one text.
        """
        if command != "selfTradePreventionMode":
            valid = ("api", "base", "currency", "quota", "rate", "selfTradePreventionMode")
            raise UnknownName(f"Binance has no IO command {command!r}{nearest(str(command), valid)}")
        if len(args) != 1 or not isinstance(args[0], str):
            raise InputError(f"IO({command!r}) of Binance takes one text, got {args!r}")
        if args[0] not in _STP_MODES:
            raise UnknownName(f"no selfTradePreventionMode {args[0]!r}{nearest(args[0], _STP_MODES)}")
        self._self_trade_prevention = args[0]
        return True
