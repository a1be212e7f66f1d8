"""OKX's refusals, mapped to the error tree.

Codes as published in OKX's v5 API reference (error codes, REST). An item's ``sCode`` takes precedence over the envelope's ``code``. A code
that is
not listed is mapped by its HTTP status.
"""

from __future__ import annotations

from typing import Any

from ...errors import (
    AuthenticationFailed,
    BadReply,
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
    excerpt,
)
from ...http.reply import Reply, retry_after_s

__all__ = ["BY_CODE", "OUTCOME_KNOWN", "refusal"]


def _table(**kinds: tuple[type[FmzError], str]) -> dict[str, type[FmzError]]:
    return {code: kind for kind, codes in kinds.values() for code in codes.split()}


BY_CODE: dict[str, type[FmzError]] = _table(
    unavailable=(VenueUnavailable, "50001 50004 50005 50026 51054 51149 51412"),
    limited=(RateLimited, "50011 50013 50061"),
    skewed=(ClockSkew, "50102"),
    keys=(
        AuthenticationFailed,
        (
            "50007 50008 50027 50030 50035 50100 50101 50103 50104 50105 50106 50107 50108 50109 50110 50111 50112 50113 50114 50119 50120 "
            "54109 59113"
        ),
    ),
    funds=(InsufficientFunds, "51008 51119 51127 51131"),
    orders=(
        InvalidOrder,
        (
            "50036 50037 51004 51005 51006 51007 51020 51025 51112 51116 51120 51121 51137 51138 51150 51169 51170 51201 51202 51203 51204 "
            "51500 51506 51511 51513 54051"
        ),
    ),
    duplicates=(DuplicateOrder, "51011 51016"),
    missing=(OrderNotFound, "51400 51401 51402 51405 51503 51603"),
    symbols=(UnknownSymbol, "51001 51021"),
    other=(
        VenueRejected,
        (
            "50000 50002 50006 50014 50015 50016 50024 50025 50038 50115 51000 51002 51003 51010 51015 51022 51023 51027 51028 51111 51403 "
            "51404 51406 51407 51408 51409 51410 51413 51501 54008 59000 59101 59102 59105 59107 59300 59301"
        ),
    ),
)

OUTCOME_KNOWN = frozenset({"50005"})
"""Codes of an unavailable venue that mean that nothing was done (such as an unknown endpoint). Any other (50001, 50004, 50026, 51054,
51149, a 5xx without a code) leaves open whether an order was accepted: the reference does not say that it was not."""

_BY_STATUS: dict[int, type[FmzError]] = {401: AuthenticationFailed, 429: RateLimited}

LIMIT_WINDOW_S = 2.0
"""How long requests are blocked after a limit: OKX's windows have 2 s, and its replies have no Retry-After."""


def refusal(reply: Reply, body: Any) -> FmzError:
    """The error for a refusing reply.

    Args:
        reply: The reply.
        body: Its JSON; None if it is not JSON.
    """
    code, said = _code_and_text(body)
    kind = BY_CODE.get(code) or _by_status(code, reply.status)
    if code:
        message = f"OKX refused: {said or 'no reason given'} (code {code})"
    else:
        message = f"OKX answered HTTP {reply.status}: {excerpt(reply.text)}"
    if issubclass(kind, RateLimited):
        return kind(message, retry_after_s=_retry_after(reply), request=reply.request, code=code, status=reply.status)
    return kind(message, request=reply.request, code=code, status=reply.status)


def _code_and_text(body: Any) -> tuple[str, str]:
    if not isinstance(body, dict):
        return "", ""
    items = body.get("data")
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            code = _code(item.get("sCode"))
            if code not in {"", "0"}:
                return code, _words(item.get("sMsg"))
    code = _code(body.get("code"))
    return ("" if code == "0" else code), _words(body.get("msg"))


def _code(value: Any) -> str:
    return str(value)[:20] if type(value) in {str, int} else ""


def _words(value: Any) -> str:
    return excerpt(value) if isinstance(value, str) else ""


def _by_status(code: str, status: int) -> type[FmzError]:
    if status >= 500:
        return VenueUnavailable
    if 200 <= status < 400 and not code:
        return BadReply
    return _BY_STATUS.get(status, VenueRejected)


def _retry_after(reply: Reply) -> float:
    told_s = retry_after_s(reply)
    return told_s if told_s is not None else LIMIT_WINDOW_S
