"""The errors that fmzthreads raises, as one tree.

::

    FmzError
    ├── OperationFailed          it did not happen (or we cannot read what came back); it may be repeated
    │   ├── NetworkError         no complete reply came
    │   │   ├── ConnectFailed    refused, unresolved, proxy or TLS failure: nothing was sent
    │   │   ├── TimedOut         the deadline passed
    │   │   └── ConnectionLost   the peer went away before or within its reply
    │   ├── BadReply             not JSON, cut, fields missing or of the wrong type
    │   │   └── ReplyTooLarge    more bytes than the limit
    │   ├── BrokenBook           a local order book has a gap, or no snapshot yet; a new one is on its way
    │   ├── VenueUnavailable     5xx, maintenance, overload
    │   ├── RateLimited          too many requests; ``retry_after_s`` says when to come back
    │   │   └── Banned           the venue has shut the door for a while
    │   └── ClockSkew            our time stamp was outside the venue's window
    ├── VenueRejected            the venue said no; repeating the same request will not help
    │   ├── AuthenticationFailed key, signature, passphrase or permission
    │   ├── InsufficientFunds
    │   ├── InvalidOrder         a filter, price, amount or order type was refused
    │   │   └── WouldTake        a post-only order would have traded at once
    │   ├── DuplicateOrder       the client order id is in use
    │   ├── OrderNotFound
    │   └── UnknownSymbol
    ├── OutcomeUnknown           it was sent and nobody can say whether it was done
    ├── InputError               refused before anything was sent (also a ValueError)
    │   ├── UnknownName          no such exchange, method, option...; names the nearest valid ones
    │   └── MissingCredentials   names the key and the variable to set
    ├── NotSupported             this venue cannot do that
    │   └── NotBuiltYet          FMZ has this name; fmzthreads does not yet (also an AttributeError)
    ├── MissingExtra             an optional package is absent (also an ImportError); says how to install it
    ├── TooManyHandles           more unfinished background calls than allowed (also a RuntimeError)
    ├── ConcurrentUse            two threads where only one may be (also a RuntimeError); names both
    └── StopRequested            the strategy is being stopped (also a RuntimeError)

Every error may carry the request that it came from, as ``error.request``: method, URL without its query string, venue. Secrets are
never part of it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from types import ModuleType

__all__ = [
    "AuthenticationFailed",
    "BadReply",
    "Banned",
    "BrokenBook",
    "ClockSkew",
    "ConcurrentUse",
    "ConnectFailed",
    "ConnectionLost",
    "DuplicateOrder",
    "FmzError",
    "InputError",
    "InsufficientFunds",
    "InvalidOrder",
    "MissingCredentials",
    "MissingExtra",
    "MissingField",
    "NetworkError",
    "NotBuiltYet",
    "NotSupported",
    "OperationFailed",
    "OrderNotFound",
    "OutcomeUnknown",
    "RateLimited",
    "ReplyTooLarge",
    "StopRequested",
    "TimedOut",
    "TooManyHandles",
    "UnknownName",
    "UnknownSymbol",
    "VenueRejected",
    "VenueUnavailable",
    "WouldTake",
    "excerpt",
    "nearest",
    "no_such_name",
    "require",
]


class FmzError(Exception):
    """The root of the tree.

    Attributes:
        request: What was being asked, such as ``"GET https://api.example.com/api/v3/time"``; the query string, headers and body are
            left out because they may hold keys and signatures. Empty when no request was involved.
        code: The venue's own error code as text, empty when there is none.
        status: The HTTP status, 0 when no complete reply came.
    """

    def __init__(self, message: str, *, request: str = "", code: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.request = request
        self.code = code
        self.status = status

    def __str__(self) -> str:
        """The message, with the request behind it where there is one."""
        message = str(self.args[0]) if self.args else ""
        return f"{message} [{self.request}]" if self.request else message


class OperationFailed(FmzError):
    """It did not happen, or its reply cannot be read; repeating it may help."""


class NetworkError(OperationFailed):
    """No complete reply came."""


class ConnectFailed(NetworkError):
    """The connection could not be made; nothing was sent."""


class TimedOut(NetworkError, TimeoutError):
    """The deadline passed before the reply was complete."""


class ConnectionLost(NetworkError):
    """The peer went away before or within its reply; the request may have been received."""


class BadReply(OperationFailed):
    """A reply came that cannot be understood: not JSON, cut, or with fields missing or of the wrong type."""


class ReplyTooLarge(BadReply):
    """A reply was longer than the limit and was refused."""


class BrokenBook(OperationFailed):
    """A local order book cannot be trusted: an update is missing or wrong, or its first snapshot has not come yet."""


class VenueUnavailable(OperationFailed):
    """The venue answered that it cannot serve now: 5xx, maintenance, overload."""


class RateLimited(OperationFailed):
    """Too many requests.

    Attributes:
        retry_after_s: Seconds to wait before the next request; None when the venue did not say.
    """

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, request: str = "", code: str = "", status: int = 0
    ) -> None:
        super().__init__(message, request=request, code=code, status=status)
        self.retry_after_s = retry_after_s


class Banned(RateLimited):
    """The venue refuses everything from this address for a while."""


class ClockSkew(OperationFailed):
    """Our time stamp was outside the venue's window."""


class VenueRejected(FmzError):
    """The venue understood the request and said no."""


class AuthenticationFailed(VenueRejected):
    """A key, signature, passphrase or permission was refused."""


class InsufficientFunds(VenueRejected):
    """The account cannot pay for the order."""


class InvalidOrder(VenueRejected):
    """The venue refused the order's price, amount, type or one of its filters."""


class WouldTake(InvalidOrder):
    """A post-only order would have traded at once."""


class DuplicateOrder(VenueRejected):
    """The client order id is in use already."""


class OrderNotFound(VenueRejected):
    """The venue knows no such order (or no longer)."""


class UnknownSymbol(VenueRejected):
    """The venue does not trade this symbol."""


class OutcomeUnknown(FmzError):
    """The request was sent, no reply came, and asking the venue did not settle whether it was done.

    Attributes:
        client_order_id: The id under which the order may exist at the venue; empty when it was not an order.
    """

    def __init__(
        self, message: str, *, client_order_id: str = "", request: str = "", code: str = "", status: int = 0
    ) -> None:
        super().__init__(message, request=request, code=code, status=status)
        self.client_order_id = client_order_id


class InputError(FmzError, ValueError):
    """An argument was refused before anything was sent; the message names it, its value and what was expected."""


class UnknownName(InputError, AttributeError):
    """There is no such exchange, method, option or field; the message names the nearest valid ones."""


class MissingCredentials(InputError):
    """A key is needed and was not given; the message names the variable to set."""


class NotSupported(FmzError, NotImplementedError):
    """This venue (or build) cannot do that; the message names both."""


class NotBuiltYet(NotSupported, AttributeError):
    """FMZ has an exchange, method or function of this name; fmzthreads does not have it yet."""


class MissingExtra(FmzError, ImportError):
    """An optional package is absent; the message holds the line that installs it."""


class TooManyHandles(FmzError, RuntimeError):
    """More unfinished background calls than allowed."""


class ConcurrentUse(FmzError, RuntimeError):
    """Two threads are where only one may be; the message names both."""


class StopRequested(FmzError, RuntimeError):
    """The strategy is being stopped; let it pass."""


class MissingField(KeyError, AttributeError):
    """A structure has no such field: a KeyError by index, an AttributeError by attribute."""

    def __str__(self) -> str:
        """The message without the quotes that KeyError puts around it."""
        return str(self.args[0]) if self.args else ""


def nearest(name: str, valid: Iterable[str], *, most: int = 3) -> str:
    """Words for an error message: the valid names that look like ``name``.

    Args:
        name: What was given.
        valid: What would have been right.
        most: How many to name at the most.

    Returns:
        ``"; did you mean 'a' or 'b'?"``, or ``"; valid: 'a', 'b', ..."`` when nothing looks alike, or ``""`` when nothing is valid.
    """
    import difflib  # only errors need it

    names = sorted(set(valid))
    by_fold: dict[str, str] = {}
    for candidate in names:
        by_fold.setdefault(candidate.casefold(), candidate)
    alike = [by_fold[c] for c in difflib.get_close_matches(str(name).casefold(), list(by_fold), n=most, cutoff=0.6)]
    if alike:
        return "; did you mean " + " or ".join(repr(a) for a in alike) + "?"
    if names:
        shown = ", ".join(repr(n) for n in names[:12])
        return f"; valid: {shown}{', ...' if len(names) > 12 else ''}"
    return ""


def no_such_name(message: str, name: str, valid: Iterable[str], planned: Iterable[str] = ()) -> FmzError:
    """Returns the error for a name that is not valid.

    Args:
        message: What has no such name, such as ``"an exchange has no method"``; the name follows.
        name: What was given.
        valid: The valid names.
        planned: FMZ's names that fmzthreads does not have yet. None of the valid names is suggested for one of these, or for a slip of
            the pen of one.

    Returns:
        ``NotBuiltYet`` for a planned name, else ``UnknownName`` with the most similar names.
    """
    import difflib  # only errors need it

    valid, planned = set(valid), set(planned)
    if name in planned:
        return NotBuiltYet(f"FMZ has {name}; fmzthreads does not yet")
    by_fold = {candidate.casefold(): candidate for candidate in planned | valid}
    alike = difflib.get_close_matches(str(name).casefold(), list(by_fold), n=1, cutoff=0.6)
    if alike and by_fold[alike[0]] in planned - valid:
        meant = by_fold[alike[0]]
        return NotBuiltYet(f"{message} {name!r}; did you mean {meant!r}? FMZ has it; fmzthreads does not yet")
    return UnknownName(f"{message} {name!r}{nearest(name, valid)}")


def excerpt(text: str | bytes, limit: int = 200) -> str:
    """The first ``limit`` characters of a reply, on one line, for an error message."""
    if isinstance(text, bytes):
        text = text[: limit * 4].decode("utf-8", "replace")
    return " ".join(text[:limit].split())


def require(module: str, extra: str) -> ModuleType:
    """Imports an optional package.

    Args:
        module: The module to import, such as ``"starlette.applications"``.
        extra: The extra of fmzthreads that brings it.

    Raises:
        MissingExtra: It is not installed; the message holds the line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"this needs the package {module.partition('.')[0]!r}, which is not installed; "
            f'install it with: python -m pip install "fmzthreads[{extra}]"'
        ) from error
