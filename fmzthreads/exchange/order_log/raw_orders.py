"""How an order by a raw call is sent once: it is recorded before, and nothing can settle it but the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...errors import BadReply, ConnectionLost, FmzError, OutcomeUnknown, StopRequested, TimedOut
from .intents import Fate, IntentLog, RawIntent

__all__ = ["raw_intent", "send_raw_once", "why_unsettled"]

T = TypeVar("T")

_MOST_SENT = 2000  # characters of what was sent that are kept


def why_unsettled(intent: RawIntent) -> str:
    """Why a raw call stays unknown, and what the user can do."""
    return (
        f"the raw call {intent.http_method} {intent.resource} cannot be settled by asking the venue, because only its own parameters say "
        f"which order is meant; look for it at the venue, then call DismissOrder({intent.client_order_id!r})"
    )


def raw_intent(http_method: str, resource: str, sent: str, client_order_id: str) -> RawIntent:
    """The intent of a raw call; what was sent is cut to its first 2000 characters."""
    return RawIntent(
        http_method=http_method, resource=resource, sent=sent[:_MOST_SENT], client_order_id=client_order_id
    )


def send_raw_once(intent: RawIntent, log: IntentLog, send: Callable[[], T], *, exact_outcomes: bool) -> T:
    """Sends a raw call once, and records whether its outcome is known.

    Args:
        intent: The call.
        log: Records the intent before it is sent, and its fate.
        send: Sends it.
        exact_outcomes: See ``Venue``.

    Raises:
        OutcomeUnknown: It was sent and its outcome is unknown; the log keeps it until it is dismissed.
        FmzError: It failed before it was sent, or was refused.
    """
    log.begin(intent)
    key = intent.client_order_id
    fate: Fate = "unknown"  # also if anything unforeseen ends the call after it may have been sent
    detail = "the call was interrupted"
    try:
        try:
            reply = send()
        except BaseException:
            log.left(key)  # for any reason: if it was sent, then before now
            raise
        fate, detail = "placed", ""
        return reply
    except StopRequested as error:
        if exact_outcomes:
            fate, detail = "refused", f"nothing was sent: {error}"
        raise
    except OutcomeUnknown as error:
        detail = str(error)
        error.args = (f"{error.args[0]}; UnknownOrders() lists it as {key}", *error.args[1:])
        raise
    except FmzError as error:
        detail = str(error)
        if exact_outcomes or not isinstance(error, (TimedOut, ConnectionLost, BadReply)):
            fate = "refused"
            raise
        raise OutcomeUnknown(
            f"a raw call was sent and its outcome is unknown: {error}; UnknownOrders() lists it as {key}",
            request=error.request,
            code=error.code,
            status=error.status,
        ) from error
    finally:
        log.end(key, fate, detail=detail)
