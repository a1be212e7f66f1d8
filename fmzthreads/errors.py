"""The errors that fmzthreads raises, as one tree.

::

    FmzError
    ├── OperationFailed          the operation failed, or its reply is unreadable; it may be repeated
    │   ├── NetworkError         no complete reply arrived
    │   │   ├── ConnectFailed    refused, unresolved, proxy or TLS failure: nothing was sent
    │   │   ├── TimedOut         the deadline passed
    │   │   └── ConnectionLost   the peer closed the connection before or within its reply
    │   ├── BadReply             not JSON, truncated, fields missing or of the wrong type
    │   │   └── ReplyTooLarge    more bytes than the limit
    │   ├── BrokenBook           a local order book has a gap, or no snapshot yet; it is being resynchronized
    │   ├── VenueUnavailable     5xx, maintenance, overload
    │   ├── RateLimited          too many requests; ``retry_after_s`` says when to retry
    │   │   └── Banned           the venue has blocked this address for a while
    │   └── ClockSkew            the request's time stamp was outside the venue's window
    ├── VenueRejected            the venue refused; repeating the same request will not help
    │   ├── AuthenticationFailed key, signature, passphrase or permission
    │   ├── InsufficientFunds
    │   ├── InvalidOrder         a filter, price, amount or order type was refused
    │   │   └── WouldTake        a post-only order would have traded at once
    │   ├── DuplicateOrder       the client order id is in use
    │   ├── OrderNotFound
    │   └── UnknownSymbol
    ├── OutcomeUnknown           the request was sent, and its outcome could not be determined
    ├── GuardRefused             a guard or the kill switch held an order back; nothing was sent
    ├── InputError               refused before anything was sent (also a ValueError)
    │   ├── UnknownName          no such exchange, method, option...; names the nearest valid ones
    │   └── MissingCredentials   names the key and the variable to set
    ├── NotSupported             the venue (or this version) does not support the call
    │   └── NotBuiltYet          FMZ has this name; fmzthreads does not yet (also an AttributeError)
    ├── MissingExtra             an optional package is absent (also an ImportError); says how to install it
    ├── TooManyHandles           more unfinished background calls than allowed (also a RuntimeError)
    ├── ConcurrentUse            used by two threads where one is allowed (also a RuntimeError); names both
    └── StopRequested            the strategy is being stopped (also a RuntimeError)

``error.request`` names the request that failed, where there was one: method and URL without its query string. It never holds secrets; and
signatures that a peer repeats in its reply are cut out of every text of an error.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from types import ModuleType
from typing import Literal

from .redaction import cut_signatures

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
    "ErrorMode",
    "FmzError",
    "GuardRefused",
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
    "short_repr",
]

_LONGEST_MESSAGE = 500
_LONGEST_NAME = 64  # the names that are compared with one that is not valid are much shorter
_CUT_AHEAD = 512  # more than any signature or listen key takes, escaped for a URL or for JSON
# At most so much is left out: keys are shorter, and the rest of what has no end is worth reading.
_UNFINISHED_WORD = re.compile(r"""[^\s"'<>,]{1,128}\Z""")
_MOST_BITS = 256  # longer integers are described: Python refuses to write those of more than 4300 digits

ErrorMode = Literal["log", "raise"]
"""What a failed call does: ``"log"`` writes an error line and returns a failure value, ``"raise"`` raises the error."""


class FmzError(Exception):
    """The base class of all errors of fmzthreads.

    Attributes:
        request: The request that failed, such as ``"GET https://api.example.com/api/v3/time"``. Query string, headers and body are left
            out because they may hold keys and signatures. Empty where no request was involved.
        code: The venue's error code as text; may be empty.
        status: The HTTP status; 0 where no complete reply arrived.
    """

    def __init__(self, message: str, *, request: str = "", code: str = "", status: int = 0) -> None:
        super().__init__(cut_signatures(message) if isinstance(message, str) else message)
        self.request = cut_signatures(request) if request else request
        self.code = cut_signatures(code) if isinstance(code, str) else code
        self.status = status

    def __str__(self) -> str:
        """The message, followed by the request where there is one; at most 500 characters."""
        message = str(self.args[0]) if self.args else ""
        end = f" [{self.request}]" if self.request else ""
        if len(message) + len(end) > _LONGEST_MESSAGE:
            end = _cut(end, _LONGEST_MESSAGE // 3)
            message = _cut(message, _LONGEST_MESSAGE - len(end))
        return _encodable(message + end)


class OperationFailed(FmzError):
    """The operation failed, or its reply cannot be read; it may be repeated."""


class NetworkError(OperationFailed):
    """No complete reply arrived."""


class ConnectFailed(NetworkError):
    """The connection could not be made; nothing was sent."""


class TimedOut(NetworkError, TimeoutError):
    """The deadline passed before the reply was complete."""


class ConnectionLost(NetworkError):
    """The peer closed the connection before or within its reply; the request may have been received."""


class BadReply(OperationFailed):
    """The reply cannot be read: not JSON, truncated, or with missing or wrong fields."""


class ReplyTooLarge(BadReply):
    """The reply is longer than the limit."""


class BrokenBook(OperationFailed):
    """The local order book has a gap or a wrong update, or no snapshot yet."""


class VenueUnavailable(OperationFailed):
    """The venue replied that it cannot serve now: 5xx, maintenance, overload."""


class RateLimited(OperationFailed):
    """Too many requests.

    Attributes:
        retry_after_s: Seconds to wait before the next request; None where the venue did not say.
    """

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, request: str = "", code: str = "", status: int = 0
    ) -> None:
        super().__init__(message, request=request, code=code, status=status)
        self.retry_after_s = retry_after_s


class Banned(RateLimited):
    """The venue refuses all requests from this address for a while."""


class ClockSkew(OperationFailed):
    """The request's time stamp was outside the venue's window."""


class VenueRejected(FmzError):
    """The venue understood the request and refused it."""


class AuthenticationFailed(VenueRejected):
    """A key, signature, passphrase or permission was refused."""


class InsufficientFunds(VenueRejected):
    """The balance does not cover the order."""


class InvalidOrder(VenueRejected):
    """The venue refused the order's price, amount or type, or a filter did."""


class WouldTake(InvalidOrder):
    """A post-only order would have traded at once."""


class DuplicateOrder(VenueRejected):
    """The client order id is in use already."""


class OrderNotFound(VenueRejected):
    """The venue does not know the order, or no longer does."""


class UnknownSymbol(VenueRejected):
    """The venue does not trade this symbol."""


class OutcomeUnknown(FmzError):
    """The request was sent, and neither a reply nor a query told its outcome.

    Attributes:
        client_order_id: The id under which the order may exist at the venue; empty for other requests.
    """

    def __init__(
        self, message: str, *, client_order_id: str = "", request: str = "", code: str = "", status: int = 0
    ) -> None:
        super().__init__(message, request=request, code=code, status=status)
        self.client_order_id = client_order_id


class GuardRefused(FmzError):
    """A guard or the kill switch held an order back; nothing was sent.

    Attributes:
        guard: The guard, as ``Guards`` names it, or ``kill_switch``.
    """

    def __init__(self, message: str, *, guard: str = "", request: str = "", code: str = "", status: int = 0) -> None:
        super().__init__(message, request=request, code=code, status=status)
        self.guard = guard


class InputError(FmzError, ValueError):
    """An argument is not valid; nothing was sent."""


class UnknownName(InputError, AttributeError):
    """There is no exchange, method, option or field of that name."""


class MissingCredentials(InputError):
    """A key is missing; the message names the variable to set."""


class NotSupported(FmzError, NotImplementedError):
    """The venue, or this version of fmzthreads, does not support the call."""


class NotBuiltYet(NotSupported, AttributeError):
    """FMZ has an exchange, method or function of this name; fmzthreads does not have it yet."""


class MissingExtra(FmzError, ImportError):
    """An optional package is not installed; the message says how to install it."""


class TooManyHandles(FmzError, RuntimeError):
    """Too many background calls have not ended."""


class ConcurrentUse(FmzError, RuntimeError):
    """Two threads used what only one may use; the message names both."""


class StopRequested(FmzError, RuntimeError):
    """The strategy is being stopped; do not catch it."""


class MissingField(KeyError, AttributeError):
    """A structure has no such field; both a KeyError and an AttributeError."""

    def __str__(self) -> str:
        """The message without the quotes that KeyError puts around it."""
        return str(self.args[0]) if self.args else ""


def nearest(name: object, valid: Iterable[str], *, most: int = 3) -> str:
    """Returns the end of an error message: the valid names most similar to ``name``.

    Args:
        name: The name that was given.
        valid: The valid names.
        most: The most names to suggest.

    Returns:
        ``"; did you mean 'a' or 'b'?"``; ``"; valid: 'a', 'b', ..."`` where no name is similar; ``""`` where no name is valid.
    """
    import difflib  # only errors need it

    names = sorted(set(valid))
    by_fold: dict[str, str] = {}
    for candidate in names:
        by_fold.setdefault(candidate.casefold(), candidate)
    alike = [by_fold[c] for c in difflib.get_close_matches(_folded(name), list(by_fold), n=most, cutoff=0.6)]
    if alike:
        return "; did you mean " + " or ".join(repr(a) for a in alike) + "?"
    if names:
        shown = ", ".join(repr(n) for n in names[:12])
        return f"; valid: {shown}{', ...' if len(names) > 12 else ''}"
    return ""


def no_such_name(message: str, name: object, valid: Iterable[str], planned: Iterable[str] = ()) -> FmzError:
    """Returns the error for a name that is not valid.

    Args:
        message: The beginning of the message, such as ``"an exchange has no method"``; the name follows.
        name: The name that was given.
        valid: The valid names.
        planned: FMZ's names that fmzthreads does not have yet. For one of these, or a misspelt one, no valid name is suggested.

    Returns:
        ``NotBuiltYet`` for a planned name, else ``UnknownName`` with the most similar names.
    """
    import difflib  # only errors need it

    valid, planned = set(valid), set(planned)
    if isinstance(name, str) and str.__str__(name) in planned:
        return NotBuiltYet(f"FMZ has {str.__str__(name)}; fmzthreads does not yet")
    by_fold = {candidate.casefold(): candidate for candidate in planned | valid}
    alike = difflib.get_close_matches(_folded(name), list(by_fold), n=1, cutoff=0.6)
    if alike and by_fold[alike[0]] in planned - valid:
        meant = by_fold[alike[0]]
        return NotBuiltYet(f"{message} {short_repr(name)}; did you mean {meant!r}? FMZ has it; fmzthreads does not yet")
    return UnknownName(f"{message} {short_repr(name)}{nearest(name, valid)}")


def _folded(name: object) -> str:
    """The beginning of a name in lower case; empty for what is not text."""
    return str.casefold(str.__getitem__(name, slice(_LONGEST_NAME))) if isinstance(name, str) else ""


def _encodable(text: str) -> str:
    """The text with unpaired surrogates written as escapes, so that any file and terminal takes it."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def short_repr(value: object, most: int = 100) -> str:
    """Returns the repr of any value for an error message.

    It has at most ``most`` characters on one line. A value whose own ``__repr__`` fails is named by its type, a long integer by its length.
    """
    try:
        text = _repr_of(value, most)
    except Exception:  # whatever a foreign __repr__ raises: the message is about the value, not about its repr
        text = f"<{type(value).__name__} without a repr>"
    if not text.isprintable():
        text = _encodable(" ".join(text.split()))
    return _cut(text, most)


def _repr_of(value: object, most: int) -> str:
    # The methods of the base types are called by name, because those of a subclass may do anything.
    if isinstance(value, str):
        return str.__repr__(str.__getitem__(value, slice(most)))
    if isinstance(value, (bytes, bytearray)):
        return repr(bytes(value[:most]))
    if isinstance(value, int) and int.bit_length(value) > _MOST_BITS:
        return f"<{type(value).__name__} of {int.bit_length(value)} bits>"
    if type(value) in _CONTAINERS:
        import reprlib  # only errors need it

        return reprlib.repr(value)
    return str(repr(value))


_CONTAINERS = frozenset({dict, frozenset, list, set, tuple})


def excerpt(text: str | bytes, limit: int = 200) -> str:
    """Returns the first ``limit`` characters of a reply on one line, for an error message.

    Signatures and what stands after the name of a key are cut out first. A word that goes on after the limit is left out: it may be a key
    of which only a part would be there, and a later search for whole keys would not find it.
    """
    if isinstance(text, bytes):
        text = text[: (limit + _CUT_AHEAD) * 4].decode("utf-8", "replace")
    text = cut_signatures(text[: limit + _CUT_AHEAD])
    if len(text) > limit:
        text = _UNFINISHED_WORD.sub("", text[: limit + 1])[:limit]
    return _encodable(" ".join(text.split()))


def require(module: str, extra: str) -> ModuleType:
    """Imports an optional package.

    Args:
        module: The module to import, such as ``"starlette.applications"``.
        extra: The extra of fmzthreads that installs it.

    Raises:
        MissingExtra: It is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"this needs the package {module.partition('.')[0]!r}, which is not installed; "
            f'install it with: python -m pip install "fmzthreads[{extra}]"'
        ) from error
