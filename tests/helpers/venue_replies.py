"""Replies as Binance and OKX send them, and a stand-in for the HTTP client that hands them out."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fmzthreads.clock import ManualClock
from fmzthreads.errors import FmzError
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.exchange.venue import OrderIntent
from fmzthreads.http.client import HttpRequest
from fmzthreads.http.reply import Headers, Reply
from fmzthreads.http.url import redact
from fmzthreads.venues.binance.venue import Binance
from fmzthreads.venues.okx.venue import OKX

__all__ = [
    "BINANCE_INFO",
    "KEYS",
    "NOW_S",
    "OKX_INSTRUMENTS",
    "OKX_PLACED",
    "Once",
    "Script",
    "ScriptedHttp",
    "Seen",
    "intent",
    "make_binance",
    "make_okx",
    "narrowed",
    "reply_of",
]

KEYS = Credentials(access_key="the-key", secret_key="the-secret", passphrase="the-phrase")
NOW_S = 1_770_531_546.0


def _binance_symbol(base: str, quote: str, tick: str, step: str, status: str = "TRADING") -> dict[str, Any]:
    return {
        "symbol": base + quote,
        "status": status,
        "baseAsset": base,
        "quoteAsset": quote,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "isSpotTradingAllowed": True,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000.00000000", "stepSize": step},
            {
                "filterType": "NOTIONAL",
                "minNotional": "5.00000000",
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
            },
        ],
    }


BINANCE_INFO: dict[str, Any] = {
    "timezone": "UTC",
    "serverTime": int(NOW_S * 1000),
    "rateLimits": [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    ],
    "exchangeFilters": [],
    "symbols": [
        _binance_symbol("BTC", "USDT", "0.01000000", "0.00001000"),
        _binance_symbol("ETH", "USDT", "0.01000000", "0.00010000"),
        _binance_symbol("OLD", "USDT", "0.01000000", "0.00010000", "BREAK"),
    ],
}


def _okx_instrument(inst: str, tick: str, lot: str, least: str, state: str = "live") -> dict[str, Any]:
    base, quote = inst.split("-")
    return {
        "instType": "SPOT", "instId": inst, "state": state, "baseCcy": base, "quoteCcy": quote, "tickSz": tick, "lotSz": lot,
        "minSz": least, "maxLmtSz": "9999999999", "maxMktSz": "1000000", "instIdCode": 3, "ctVal": "", "settleCcy": "",
    }  # fmt: skip


OKX_INSTRUMENTS: dict[str, Any] = {
    "code": "0",
    "msg": "",
    "data": [
        _okx_instrument("BTC-USDT", "0.1", "0.00000001", "0.00001"),
        _okx_instrument("ETH-USDT", "0.01", "0.000001", "0.0001"),
        {"instType": "SPOT", "instId": "NEW-USDT", "state": "preopen", "listTime": "1795358000000"},
    ],
}


OKX_PLACED: dict[str, Any] = {
    "code": "0",
    "msg": "",
    "data": [{"ordId": "900001", "clOrdId": "fzabc", "tag": "", "ts": "1", "sCode": "0", "sMsg": "", "subCode": ""}],
}


def reply_of(
    body: Any, status: int = 200, headers: Mapping[str, str] | None = None, request: str = "GET https://x/y"
) -> Reply:
    """A reply with a JSON body, or with a body given as text."""
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Reply(status, Headers((headers or {}).items()), raw, request)


class Seen:
    """A request as it was sent, taken apart."""

    def __init__(self, request: HttpRequest, idempotent: bool) -> None:
        self.request = request
        self.idempotent = idempotent
        self.method = request.method
        self.parts = urlsplit(request.url)
        self.path = self.parts.path
        self.body = (request.body or b"").decode()
        self.headers = dict(request.headers)
        self.query = dict(parse_qsl(self.parts.query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body, keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def intent(**changes: Any) -> OrderIntent:
    """A small limit buy, with changes."""
    given_: dict[str, Any] = {
        "symbol": "BTC_USDT",
        "side": "buy",
        "price": Decimal("60000.10"),
        "amount": Decimal("0.00050"),
        "client_order_id": "fzabc",
        **changes,
    }
    return OrderIntent(**given_)


Answer = Any  # a JSON body, a Reply, an exception to raise, or a function of Seen that gives one of these


class Script:
    """What is answered on which path; a list of answers is given out one by one, its last for ever."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers: dict[str, Answer] = dict(answers)

    def answer(self, seen: Seen) -> Any:
        found = self.answers[f"{seen.method} {seen.path}"]
        if isinstance(found, list) and found and isinstance(found[0], Once):
            found = found[0].body if len(found) == 1 else found.pop(0).body
        if callable(found):
            found = found(seen)
        return found


class Once:
    """One of several answers in a row."""

    def __init__(self, body: Answer) -> None:
        self.body = body


class ScriptedHttp:
    """Stands in for ``HttpClient``: the same call, without a network. Idempotent calls are repeated, without a pause, if ``repeats`` says so."""

    def __init__(self, script: Script, base: str, before: Callable[[Seen], None] | None = None) -> None:
        self.script = script
        self.base = base
        self.seen: list[Seen] = []
        self.before = before
        self.timeout_s = 10.0
        self.repeats = 0
        self._here = threading.local()
        self._lock = threading.Lock()

    def call(self, build: Any, parse: Any, *, idempotent: bool, timeout_ms: float | None = None) -> Any:
        for left in reversed(range(self.repeats + 1)):
            try:
                return self._attempt(build, parse, idempotent)
            except FmzError:
                if not (idempotent and left):
                    raise
        raise AssertionError

    def _attempt(self, build: Any, parse: Any, idempotent: bool) -> Any:
        seen = Seen(build(), idempotent)
        with self._lock:
            self.seen.append(seen)
            answer = self.script.answer(seen)
        if self.before is not None:
            self.before(seen)
        if isinstance(answer, BaseException):
            raise copy.copy(answer)
        request = redact(seen.method, seen.request.url)
        if isinstance(answer, Reply):
            reply = Reply(answer.status, answer.headers, answer.body, request)
        else:
            reply = reply_of(answer, request=request)
        self._here.reply = reply
        return parse(reply)

    def last_reply(self) -> Reply | None:
        return getattr(self._here, "reply", None)

    def set_base(self, url: str) -> None:
        self.base = url

    def set_timeout(self, timeout_ms: float) -> None:
        self.timeout_ms = timeout_ms
        self.timeout_s = timeout_ms / 1000

    def set_proxy(self, text: str) -> None:
        self.proxy = text

    def stream_options(self) -> dict[str, object]:
        return {}

    def warm(self, url: str = "") -> None:
        self.warmed = True

    def close(self) -> None:
        self.closed = True

    def paths(self) -> list[str]:
        return [f"{seen.method} {seen.path}" for seen in self.seen]

    def last(self, path: str) -> Seen:
        return [seen for seen in self.seen if f"{seen.method} {seen.path}" == path][-1]


def narrowed(body: dict[str, Any], rows: str, field: str, name: str | None) -> Any:
    """A list of symbols as it is answered when one of them is asked for."""
    if name is None:
        return body
    found = [row for row in body[rows] if row[field] == name]
    if found:
        return {**body, rows: found}
    if rows == "symbols":
        return reply_of({"code": -1121, "msg": "Invalid symbol."}, 400)
    return {"code": "51001", "msg": "Instrument ID, Instrument ID code, or Spread ID doesn't exist.", "data": []}


def make_binance(answers: Mapping[str, Answer], **options: Any) -> tuple[Binance, ScriptedHttp, ManualClock]:
    """A Binance adapter over scripted answers; time and symbols are there unless given. ``limited=False``: Binance publishes no limits."""
    clock = options.pop("clock", None) or ManualClock(NOW_S)
    info = BINANCE_INFO if options.pop("limited", True) else {**BINANCE_INFO, "rateLimits": []}
    venue = Binance(credentials=options.pop("credentials", KEYS), clock=clock, **options)
    script = Script(
        {
            "GET /api/v3/exchangeInfo": lambda seen: narrowed(info, "symbols", "symbol", seen.query.get("symbol")),
            "GET /api/v3/time": lambda _seen: {"serverTime": int(clock.now() * 1000)},
            **answers,
        }
    )
    http = ScriptedHttp(script, venue.base())
    venue.channel.http = http  # type: ignore[assignment]
    if not info["rateLimits"]:
        venue.limits.learn(())
    return venue, http, clock


def make_okx(answers: Mapping[str, Answer], **options: Any) -> tuple[OKX, ScriptedHttp, ManualClock]:
    """An OKX adapter over scripted answers; time and symbols are there unless given."""
    clock = options.pop("clock", None) or ManualClock(NOW_S)
    venue = OKX(credentials=options.pop("credentials", KEYS), clock=clock, **options)
    script = Script(
        {
            "GET /api/v5/public/instruments": lambda seen: narrowed(
                OKX_INSTRUMENTS, "data", "instId", seen.query.get("instId")
            ),
            "GET /api/v5/public/time": lambda _seen: {
                "code": "0",
                "msg": "",
                "data": [{"ts": str(int(clock.now() * 1000))}],
            },
            **answers,
        }
    )
    http = ScriptedHttp(script, venue.base())
    venue.channel.http = http  # type: ignore[assignment]
    return venue, http, clock
