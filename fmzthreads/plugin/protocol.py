"""The general protocol from the plugin's side: requests that are checked, methods by name, and ``error`` replies without secrets.

Source: FMZ's "General Protocol Guide". A plugin is any object with plain methods: ``GetTicker(symbol)``, ``GetDepth(symbol)``,
``GetTrades(symbol)``, ``GetRecords(symbol, period)`` with the period in seconds, ``GetAssets()``,
``CreateOrder(symbol, side, price, amount)`` with price -1 at market, ``CancelOrder(symbol, id)``, ``GetOrder(symbol, id)``,
``GetOrders(symbol)`` and ``api(path, params)``. A method with a parameter ``keys`` gets the keys of the request there.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import attrs

from ..errors import (
    ConnectFailed,
    FmzError,
    InputError,
    MissingCredentials,
    MissingExtra,
    NotSupported,
    OperationFailed,
    OutcomeUnknown,
    RateLimited,
    VenueRejected,
    VenueUnavailable,
    nearest,
    short_repr,
)
from ..exchange.keys.credentials import Credentials
from ..redaction import Secrets
from ..venues.plugin.protocol import API_PREFIX, KINDS
from .replies import WRITERS, WrongResult

__all__ = ["PluginCalls", "PluginRequest", "read_request"]

_log = logging.getLogger("fmzthreads.plugin")

_LONGEST_TEXT = 200
_LONGEST_NUMBER = 60
_LONGEST_ERROR = 300
_MOST_PERIOD_MIN = 60 * 24 * 366
_SECRET_VARIABLE = re.compile(r"FMZ_.+_(?:ACCESS_KEY|SECRET_KEY|PASSPHRASE)")

_METHODS = {
    "ticker": ("GetTicker", ("symbol",)),
    "depth": ("GetDepth", ("symbol",)),
    "trades": ("GetTrades", ("symbol",)),
    "records": ("GetRecords", ("symbol", "period")),
    "accounts": ("GetAssets", ()),
    "trade": ("CreateOrder", ("symbol", "type", "price", "amount")),
    "cancel": ("CancelOrder", ("symbol", "id")),
    "order": ("GetOrder", ("symbol", "id")),
    "orders": ("GetOrders", ("symbol",)),
}
"""The method of the plugin's object, and its parameters in order, for each method of the protocol."""

_CHANGES = frozenset({"trade", "cancel", API_PREFIX})
"""Methods that change something at the exchange, so that an accident leaves their outcome unknown."""

_DEFINITE = (VenueRejected, InputError, NotSupported, ConnectFailed, RateLimited, MissingExtra)
"""What says that nothing was done, whichever plugin raises it."""


@attrs.frozen
class PluginRequest:
    """One request of a host.

    Attributes:
        keys: The keys of the request, for the exchange behind the plugin.
        method: The protocol's name of the method.
        params: Its parameters, text or numbers.
    """

    keys: Credentials
    method: str
    params: Mapping[str, Any]


def read_request(body: bytes) -> PluginRequest:
    """Reads the body of a request; its Content-Type does not matter.

    Raises:
        InputError: It is not a JSON object with the fields of the protocol. The message shows no value, since any may be a key.
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise InputError("the request is not JSON") from None
    if not isinstance(said, dict):
        raise InputError("the request is not a JSON object")
    method, params = said.get("method"), said.get("params")
    if not isinstance(method, str) or not 0 < len(method) <= _LONGEST_TEXT or not method.isprintable():
        raise InputError("the request has no method, which must be text")
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise InputError("the params of the request must be an object")
    texts = [said.get(name, "") for name in ("access_key", "secret_key")]
    if not all(isinstance(text, str) for text in texts):
        raise InputError("access_key and secret_key of the request must be text")
    return PluginRequest(Credentials(access_key=texts[0], secret_key=texts[1]), method, params)


@attrs.frozen
class _Method:
    """A method of the plugin's object, and how its arguments are to come."""

    call: Callable[..., Any]
    exact: frozenset[str]
    """The parameters that are annotated as Decimal."""
    takes_keys: bool


class PluginCalls:
    """Calls the methods of a plugin's object; any number of threads at once.

    Args:
        target: The object. Its attribute ``exact_outcomes``, if true, says that every error of ``CreateOrder`` and ``CancelOrder`` but
            OutcomeUnknown means that nothing was done. Without it only a refusal (``VenueRejected`` and its kinds, ``InputError``,
            ``NotSupported``, ``ConnectFailed``, ``RateLimited``) means that; anything else leaves the outcome open.

    Raises:
        InputError: The object has none of the methods.
    """

    def __init__(self, target: object) -> None:
        self._exact_outcomes = bool(getattr(target, "exact_outcomes", False))
        self._methods: dict[str, _Method] = {}
        for name, (own, _) in {**_METHODS, API_PREFIX: ("api", ())}.items():
            call = getattr(target, own, None)
            if callable(call):
                self._methods[name] = _inspected(call)
        if not self._methods:
            names = ", ".join(own for own, _ in _METHODS.values())
            raise InputError(f"{type(target).__name__} has none of the methods of a plugin: {names}, api")
        self._secrets = Secrets()
        for variable, value in os.environ.items():
            if _SECRET_VARIABLE.fullmatch(variable):
                self._secrets.add(value)

    def hide(self, secret: str) -> None:
        """Has a secret cut out of every error reply and log line."""
        self._secrets.add(secret)

    def answer(self, request: PluginRequest) -> bytes:
        """Makes a call; returns the reply, with ``data``, or with ``error`` and its ``kind``. Never raises an Exception."""
        name = API_PREFIX if request.method.startswith(API_PREFIX) else request.method
        sent = False
        try:
            method = self._methods.get(name)
            if method is None:
                known = [*self._methods]
                raise NotSupported(f"this plugin does not support the method {short_repr(name)}{nearest(name, known)}")
            arguments = _arguments(request, name, method.exact)
            sent = True
            result = method.call(*arguments, **({"keys": request.keys} if method.takes_keys else {}))
            return _json({"data": WRITERS[name](result)})
        except Exception as error:  # whatever the plugin's own method raises becomes an error reply
            return self.refusal(error, request.keys, name if sent else "")

    def refusal(self, error: Exception, keys: Credentials, name: str = "") -> bytes:
        """The error reply of an exception.

        Args:
            error: What was raised.
            keys: The keys of the request, which are cut out.
            name: The method that was called; empty if none was.
        """
        kind = self._kind(error, name)
        text = (
            str(error.args[0])
            if isinstance(error, FmzError) and error.args
            else f"{type(error).__name__}: {_text_of(error)}"
        )
        if not isinstance(error, FmzError):
            where = _place_of(error)
            _log.error("%s failed: %s%s", name or "a call", self._clean(text, keys), where)
        reply: dict[str, Any] = {"error": self._clean(text, keys), "kind": kind}
        if isinstance(error, RateLimited) and error.retry_after_s is not None:
            reply["retry_after_s"] = error.retry_after_s
        return _json(reply)

    def _kind(self, error: Exception, name: str) -> str:
        """The kind that tells a host of fmzthreads what the error means."""
        told = (
            self._exact_outcomes
            and isinstance(error, FmzError)
            and not isinstance(error, (OutcomeUnknown, WrongResult))
        )
        if name in _CHANGES and not told and not isinstance(error, _DEFINITE):
            return OutcomeUnknown.__name__
        if isinstance(error, MissingCredentials):
            return "AuthenticationFailed"
        for kind in type(error).__mro__:
            if kind.__name__ in KINDS and KINDS[kind.__name__] is kind:
                return kind.__name__
        if isinstance(error, OperationFailed):
            return VenueUnavailable.__name__
        return "InvalidOrder" if isinstance(error, InputError) and name == "trade" else VenueRejected.__name__

    def _clean(self, text: str, keys: Credentials) -> str:
        """One short line without keys and signatures."""
        cut = self._secrets.cut(keys.cut_out(text))
        line = " ".join(cut.split()) or "failed without a text"
        return line if len(line) <= _LONGEST_ERROR else f"{line[: _LONGEST_ERROR - 3]}..."


def _json(reply: dict[str, Any]) -> bytes:
    try:
        return json.dumps(reply, allow_nan=False, default=_plain, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise WrongResult(f"the plugin returned something that JSON cannot hold: {error}") from None


def _plain(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"a value of the type {type(value).__name__}")


def _text_of(error: Exception) -> str:
    try:
        return str(error)
    except Exception:  # an error's own __str__ may raise
        return "(its text cannot be shown)"


def _place_of(error: Exception) -> str:
    """The last file and line of an error, for the log of the plugin's author."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" ({Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno})"


def _inspected(call: Callable[..., Any]) -> _Method:
    try:
        parameters = inspect.signature(call).parameters
    except (TypeError, ValueError):  # a callable without a signature, such as one written in C
        parameters = inspect.signature(lambda: None).parameters
    exact = frozenset(
        name for name, one in parameters.items() if one.annotation in {Decimal, "Decimal", "decimal.Decimal"}
    )
    return _Method(call, exact, "keys" in parameters)


def _arguments(request: PluginRequest, name: str, exact: frozenset[str]) -> tuple[Any, ...]:
    """The arguments of a method, checked and converted.

    Raises:
        InputError: One is missing or is not of its type.
    """
    if name == API_PREFIX:
        path = request.method.removeprefix(API_PREFIX)
        if not path:
            raise InputError(f"the method {API_PREFIX} must be followed by a path")
        return path, dict(request.params)
    return tuple(_argument(one, request.params.get(one), exact) for one in _METHODS[name][1])


def _argument(name: str, value: Any, exact: frozenset[str]) -> Any:
    if name in {"price", "amount", "period"}:
        number = _number(name, value)
        if name == "period":
            if not 1 <= number <= _MOST_PERIOD_MIN or number % 1:
                raise InputError(f"the parameter 'period' must be a whole number of minutes, got {short_repr(value)}")
            return int(number) * 60
        if name == "amount" and number <= 0:
            raise InputError(f"the parameter 'amount' must be above 0, got {short_repr(value)}")
        if name == "price" and number <= 0:
            number = Decimal(-1)
        return number if name in exact else float(number)
    text = str(value) if type(value) is int and name == "id" else value
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST_TEXT or not text.isprintable():
        raise InputError(
            f"the parameter {name!r} must be text of 1 to {_LONGEST_TEXT} characters, got {short_repr(value)}"
        )
    if name == "type":
        side = text.lower()
        if side not in {"buy", "sell"}:
            raise InputError(f"the parameter 'type' must be buy or sell, got {short_repr(value)}")
        return side
    return text


def _number(name: str, value: Any) -> Decimal:
    """A number from a JSON number or a text."""
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)) or len(str(value)) > _LONGEST_NUMBER:
            raise InvalidOperation
        number = Decimal(str(value).strip())
        if not number.is_finite() or not -60 < number.adjusted() < 60 or "_" in str(value):
            raise InvalidOperation
    except (InvalidOperation, ValueError):
        raise InputError(f"the parameter {name!r} must be a number, got {short_repr(value)}") from None
    return number
