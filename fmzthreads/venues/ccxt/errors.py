"""The errors of ccxt in terms of ours."""

from __future__ import annotations

import re
from typing import Any

from ... import errors as ours
from ...errors import FmzError, RateLimited
from ...http.reply import Reply, retry_after_s

__all__ = ["ERRORS", "is_refusal", "ours_of"]

ERRORS: dict[str, type[FmzError]] = {
    "BaseError": ours.OperationFailed,
    "ExchangeError": ours.VenueRejected,
    "AuthenticationError": ours.AuthenticationFailed,
    "PermissionDenied": ours.AuthenticationFailed,
    "AccountNotEnabled": ours.AuthenticationFailed,
    "AccountSuspended": ours.AuthenticationFailed,
    "ArgumentsRequired": ours.VenueRejected,
    "BadRequest": ours.VenueRejected,
    "BadSymbol": ours.UnknownSymbol,
    "OperationRejected": ours.VenueRejected,
    "NoChange": ours.VenueRejected,
    "MarginModeAlreadySet": ours.VenueRejected,
    "MarketClosed": ours.VenueRejected,
    "ManualInteractionNeeded": ours.VenueRejected,
    "RestrictedLocation": ours.VenueRejected,
    "InsufficientFunds": ours.InsufficientFunds,
    "InvalidAddress": ours.VenueRejected,
    "AddressPending": ours.VenueRejected,
    "InvalidOrder": ours.InvalidOrder,
    "OrderNotFound": ours.OrderNotFound,
    "OrderNotCached": ours.OrderNotFound,
    "OrderImmediatelyFillable": ours.WouldTake,
    "OrderNotFillable": ours.InvalidOrder,
    "DuplicateOrderId": ours.DuplicateOrder,
    "ContractUnavailable": ours.InvalidOrder,
    "NotSupported": ours.NotSupported,
    "InvalidProxySettings": ours.InputError,
    "ExchangeClosedByUser": ours.OperationFailed,
    "OperationFailed": ours.OperationFailed,
    "NetworkError": ours.NetworkError,
    "DDoSProtection": ours.RateLimited,
    "RateLimitExceeded": ours.RateLimited,
    "ExchangeNotAvailable": ours.VenueUnavailable,
    "OnMaintenance": ours.VenueUnavailable,
    "InvalidNonce": ours.ClockSkew,
    "ChecksumError": ours.BadReply,
    "RequestTimeout": ours.TimedOut,
    "BadResponse": ours.BadReply,
    "NullResponse": ours.BadReply,
    "CancelPending": ours.OperationFailed,
    "UnsubscribeError": ours.OperationFailed,
}
"""Our class for each of ccxt's, by name; a class that a later ccxt adds is read as its nearest base."""

_GENERAL = frozenset({ours.VenueRejected, ours.OperationFailed, ours.NetworkError})
_DUPLICATE = re.compile(r"duplicate|client.{0,10}id already", re.IGNORECASE)
_NO_MARGIN = re.compile(r"margin is insufficient|insufficient margin", re.IGNORECASE)
_BANNED = 418
_SERVER_ERRORS = 500
# Statuses below 500 of which a server on the way may be the author, after it has forwarded the request.
_NOBODY_KNOWS = frozenset({408, 499})


def ours_of(error: BaseException, venue: str, reply: Reply | None, *, sent: bool) -> FmzError:
    """Our error for one that ccxt raised, or that its code raised by accident.

    Args:
        error: What was raised.
        venue: The venue's name, for the message.
        reply: The last reply; None if there was none.
        sent: Whether a request was sent.
    """
    name = _known_name(error)
    status = reply.status if reply is not None else 0
    request = reply.request if reply is not None else ""
    text = f"{venue}: {error}" if name else f"{venue}: ccxt could not go on: {type(error).__name__}: {error}"
    if not name:
        kind: type[FmzError] = ours.BadReply if sent else ours.OperationFailed
        return kind(text, request=request, status=status)
    kind = ERRORS[name]
    if not sent:
        return _before_sending(kind)(f"{text}; nothing was sent")
    if issubclass(kind, RateLimited):
        kind = ours.Banned if status == _BANNED else kind
        return kind(
            text,
            retry_after_s=retry_after_s(reply) if reply is not None else None,
            request=request,
            code=name,
            status=status,
        )
    if kind is ours.InvalidOrder and _DUPLICATE.search(text):
        kind = ours.DuplicateOrder  # of Binance and OKX, for two, ccxt says only that the order is not valid
    if kind in {ours.VenueRejected, ours.InvalidOrder} and _NO_MARGIN.search(text):
        kind = ours.InsufficientFunds  # Binance's for contracts, of which ccxt says only that they were rejected
    if kind in _GENERAL and status >= _SERVER_ERRORS:
        kind = ours.VenueUnavailable  # ccxt's general error for a status that it does not know
    return kind(text, request=request, code=name, status=status)


def _known_name(error: BaseException) -> str:
    """The name of the error's nearest class that is in the table; empty if it is not one of ccxt's."""
    classes = [one for one in type(error).__mro__ if one.__module__.startswith("ccxt.")]
    return next((one.__name__ for one in classes if one.__name__ in ERRORS), "")


def _before_sending(kind: type[FmzError]) -> type[FmzError]:
    """The class of a refusal by ccxt itself: an argument is wrong unless the class says more."""
    if kind in {ours.VenueRejected, ours.InvalidOrder, ours.InsufficientFunds}:
        return ours.InputError
    if kind is ours.AuthenticationFailed:
        return ours.MissingCredentials
    return kind


def is_refusal(error: FmzError) -> bool:
    """Whether the reply to an order says that nothing was done.

    Args:
        error: Our error for the reply (not for reading what an accepted order was answered with).
    """
    if error.status >= _SERVER_ERRORS or error.status in _NOBODY_KNOWS:
        return False
    kinds: tuple[Any, ...] = (ours.VenueRejected, ours.RateLimited, ours.ClockSkew, ours.NotSupported)
    return isinstance(error, kinds)
