"""Binance's refusals, mapped to the error tree.

Codes and texts as published in Binance's spot API documents (errors). Codes are stable while texts vary, so texts are used only where
one code covers many reasons (-1010, -1013, -2010, -2011, -2038). A code that is not listed is mapped by its HTTP status.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ...errors import (
    AuthenticationFailed,
    BadReply,
    Banned,
    ClockSkew,
    DuplicateOrder,
    FmzError,
    InsufficientFunds,
    InvalidOrder,
    OrderNotFound,
    RateLimited,
    UnknownSymbol,
    VenueRejected,
    VenueUnavailable,
    WouldTake,
    excerpt,
    short_repr,
)
from ...http.reply import Reply, retry_after_s

__all__ = ["BY_CODE", "BY_TEXT", "OUTCOME_KNOWN", "refusal"]

BY_CODE: dict[int, type[FmzError]] = {
    -1000: VenueUnavailable,  # an unknown error
    -1001: VenueUnavailable,  # internal error, please try again
    -1002: AuthenticationFailed,
    -1003: RateLimited,
    -1006: VenueUnavailable,  # unexpected response, execution status unknown
    -1007: VenueUnavailable,  # backend timeout, execution status unknown
    -1008: VenueUnavailable,  # overloaded
    -1010: VenueRejected,  # a text of the matching engine
    -1013: InvalidOrder,  # a filter
    -1014: InvalidOrder,
    -1015: RateLimited,  # too many orders
    -1016: VenueRejected,  # no longer available
    -1020: VenueRejected,  # not supported
    -1021: ClockSkew,
    -1022: AuthenticationFailed,  # signature
    -1034: RateLimited,  # too many connections
    -1100: VenueRejected,
    -1101: VenueRejected,
    -1102: VenueRejected,
    -1103: VenueRejected,
    -1104: VenueRejected,
    -1105: VenueRejected,
    -1106: VenueRejected,
    -1108: VenueRejected,
    -1111: InvalidOrder,  # too much precision
    -1112: InvalidOrder,  # no orders on the book
    -1114: InvalidOrder,
    -1115: InvalidOrder,
    -1116: InvalidOrder,
    -1117: InvalidOrder,
    -1118: InvalidOrder,
    -1119: InvalidOrder,
    -1120: VenueRejected,  # interval
    -1121: UnknownSymbol,
    -1122: VenueRejected,
    -1125: VenueRejected,
    -1127: VenueRejected,
    -1128: VenueRejected,
    -1130: VenueRejected,
    -1134: InvalidOrder,
    -1135: VenueRejected,
    -1145: VenueRejected,
    -1151: VenueRejected,
    -1193: AuthenticationFailed,
    -1194: VenueRejected,
    -1210: InvalidOrder,
    -1211: InvalidOrder,
    -1220: VenueRejected,
    -2010: InvalidOrder,
    -2011: OrderNotFound,
    -2013: OrderNotFound,
    -2014: AuthenticationFailed,
    -2015: AuthenticationFailed,
    -2016: VenueRejected,
    -2021: VenueRejected,
    -2022: VenueRejected,
    -2026: OrderNotFound,  # archived
    -2028: AuthenticationFailed,
    -2035: VenueRejected,
    -2036: VenueRejected,
    -2038: InvalidOrder,
    -2039: OrderNotFound,
    -2042: VenueRejected,
    -2043: VenueRejected,
}

_ENGINE_CODES = frozenset({-1010, -1013, -2010, -2011, -2038})

BY_TEXT: tuple[tuple[str, type[FmzError]], ...] = (
    ("insufficient balance", InsufficientFunds),
    ("duplicate order sent", DuplicateOrder),
    ("would immediately match and take", WouldTake),
    ("unknown order sent", OrderNotFound),
    ("check origclordid and orderid", OrderNotFound),
    ("cancel restrictions", VenueRejected),
    ("would change no state", VenueRejected),
    ("market is closed", VenueRejected),
    ("action is disabled on this account", AuthenticationFailed),
    ("may not place or cancel orders", AuthenticationFailed),
    ("not permitted for this account", AuthenticationFailed),
    ("restricted for this account", AuthenticationFailed),
    ("trading is not enabled", AuthenticationFailed),
)
"""Parts of the engine's texts, in lower case, for codes with many reasons; the first match counts."""

OUTCOME_KNOWN = frozenset({"-1008"})
"""Codes with a 5xx status that still mean that nothing was done; any other 5xx leaves the outcome open."""

_BY_STATUS: dict[int, type[FmzError]] = {401: AuthenticationFailed, 418: Banned, 429: RateLimited}

_BANNED_UNTIL = re.compile(r"banned until (\d{12,14})")

_LEAST_BAN_S = 120.0  # bans last from two minutes to three days
_ORDER_WINDOW_S = 10.0
_WEIGHT_WINDOW_S = 60.0


def refusal(
    reply: Reply, server_now_s: float, own_codes: Mapping[int, type[FmzError]] = MappingProxyType({})
) -> FmzError:
    """The error for a refusing reply.

    Args:
        reply: A reply with a status other than 2xx, or with a negative ``code``.
        server_now_s: The venue's time of day, to compute how long a ban or a window lasts.
        own_codes: What a product's own codes mean, or codes that mean something else there.
    """
    code, said = _code_and_text(reply)
    kind = own_codes.get(code) or _kind(code, said, reply.status)
    message = (
        f"Binance refused: {said} (code {short_repr(code, 20)})"
        if code
        else f"Binance answered HTTP {reply.status}: {said}"
    )
    shown = short_repr(code, 20) if code else ""
    if issubclass(kind, RateLimited):
        return kind(
            message,
            retry_after_s=_retry_after(reply, kind, code, said, server_now_s),
            request=reply.request,
            code=shown,
            status=reply.status,
        )
    return kind(message, request=reply.request, code=shown, status=reply.status)


def _code_and_text(reply: Reply) -> tuple[int, str]:
    try:
        body: Any = reply.json()
    except BadReply:
        return 0, excerpt(reply.text)
    if isinstance(body, dict):
        code, said = body.get("code"), body.get("msg")
        if type(code) is int:
            return code, excerpt(said) if isinstance(said, str) else ""
    return 0, excerpt(reply.text)


def _kind(code: int, said: str, status: int) -> type[FmzError]:
    if status == 418 or (code == -1003 and "banned until" in said):
        return Banned
    if status == 429 and code in {0, -2021}:
        return RateLimited
    if code in _ENGINE_CODES:
        lowered = said.lower()
        for part, kind in BY_TEXT:
            if part in lowered:
                return kind
    known = BY_CODE.get(code)
    if known is not None:
        return known
    if status >= 500:
        return VenueUnavailable
    if 200 <= status < 400 and code == 0:
        return BadReply
    return _BY_STATUS.get(status, VenueRejected)


def _retry_after(reply: Reply, kind: type[FmzError], code: int, said: str, server_now_s: float) -> float:
    """Seconds until requests are accepted again: by header, by text, else by window length."""
    found = _BANNED_UNTIL.search(said)
    if found:
        return max(0.0, int(found.group(1)) / 1000 - server_now_s)
    told_s = retry_after_s(reply)
    if told_s is not None:
        return told_s
    if kind is Banned:
        return _LEAST_BAN_S
    window_s = _ORDER_WINDOW_S if code == -1015 else _WEIGHT_WINDOW_S
    return window_s - math.fmod(server_now_s, window_s)
