"""Parameters and refusals of Binance's calls ("General API Information" in Binance's spot documentation)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from ...transport.requests import HeaderRows, WireRequest
from ..fields import Fields, VenueRefusal

__all__ = ["BinanceParams", "BinanceRefusal", "malformed", "read_pairs", "wants_microseconds"]

_CLIENT_ID = r"^[a-zA-Z0-9-_]{1,36}$"
_SYMBOL = r"^[A-Z0-9-_.]{1,20}$"
_LONG_MAX = 2**63 - 1
# Time stamps from this value on are microseconds (as milliseconds they would be after the year 5000).
_MICROSECONDS_FROM = 100_000_000_000_000


class BinanceRefusal(VenueRefusal):
    """A refusal with Binance's negative code and its text.

    Args:
        code: The code.
        msg: Its text.
        status: The HTTP status.
        data: The extra data of ``cancelReplace``; None for none.
        headers: Further headers of the reply.
    """

    def __init__(
        self, code: int | str, msg: str, status: int = 400, data: Any = None, headers: HeaderRows = ()
    ) -> None:
        super().__init__(code, msg, status, headers)
        self.data = data

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        body: dict[str, Any] = {"code": self.code, "msg": self.msg}
        if self.data is not None:
            body["data"] = self.data
        return body


def malformed(name: str) -> BinanceRefusal:
    """The refusal -1102 of a parameter."""
    return BinanceRefusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def read_pairs(text: str) -> dict[str, str]:
    """The names and values of a query string or form body.

    Raises:
        BinanceRefusal: -1101 if a name is repeated.
    """
    found: dict[str, str] = {}
    for part in text.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        name = unquote_plus(name)
        if name in found:
            raise BinanceRefusal(-1101, "Duplicate values for a parameter detected.")
        found[name] = unquote_plus(value)
    return found


class BinanceParams(Fields):
    """The parameters of one call, with its weight and time unit.

    Parameters that were read are remembered, so that ``finish`` can refuse the others, as the exchange does.

    Args:
        values: The parameters.
        now_ms: The exchange's time when the call arrived.
        microseconds: Whether times in the answer are in microseconds.
        weight: The weight of the call.

    Attributes:
        weight: The weight of the call; handlers set it if it depends on parameters or on success.
        accepted: Set when an order was accepted, even if the call as a whole is refused later.
    """

    number = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
    digits = r"^[0-9]{1,20}$"

    def __init__(self, values: Mapping[str, str], now_ms: int, *, microseconds: bool = False, weight: int = 1) -> None:
        self._values = values
        self._read: set[str] = set()
        self.now_ms = now_ms
        self.microseconds = microseconds
        self.weight = weight
        self.accepted = False

    @classmethod
    def of_request(cls, request: WireRequest, now_ms: int, weight: int = 1) -> BinanceParams:
        """The parameters of an HTTP call, from query and body; the query takes precedence.

        Raises:
            BinanceRefusal: -1101 if a name is repeated within the query or the body, -1194 for an unknown time unit.
        """
        body = request.body.decode("utf-8", "replace")
        values = read_pairs(body) if "=" in body else {}
        values.update(read_pairs(request.query))
        unit = request.headers.get("x-mbx-time-unit")
        return cls(values, now_ms, microseconds=wants_microseconds(unit), weight=weight)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def time(self, time_ms: int) -> int:
        """A time in the caller's unit."""
        return time_ms * 1000 if self.microseconds else time_ms

    # --- refusals ---

    def absent(self, name: str) -> BinanceRefusal:
        """-1102."""
        return malformed(name)

    def malformed(self, name: str, legal: str) -> BinanceRefusal:
        """-1100."""
        return BinanceRefusal(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")

    def invalid(self, name: str) -> BinanceRefusal:
        """-1130."""
        return BinanceRefusal(-1130, f"Data sent for parameter '{name}' is not valid.")

    # --- values ---

    def optional(self, name: str) -> str | None:
        """A parameter's text; None if not sent.

        Raises:
            BinanceRefusal: -1105 if it is empty.
        """
        self._read.add(name)
        value = self._values.get(name)
        if value == "":
            raise BinanceRefusal(-1105, f"Parameter '{name}' was empty.")
        return value

    def required(self, name: str) -> str:
        """A parameter's text.

        Raises:
            BinanceRefusal: -1102 if it was not sent or is empty.
        """
        self._read.add(name)
        value = self._values.get(name)
        if not value:
            raise malformed(name)
        return value

    def integer(self, name: str, default: int | None = None) -> int | None:
        """A whole number from 0 up; ``default`` if not sent.

        Raises:
            BinanceRefusal: -1100 if it is not a whole number, -1105 if empty, -1108 if it does not fit 64 bits.
        """
        number = super().integer(name, default)
        if number is not None and number > _LONG_MAX:
            raise BinanceRefusal(-1108, f"Parameter '{name}' overflowed.")
        return number

    def time_ms(self, name: str) -> int | None:
        """A time in milliseconds, also if sent in microseconds; None if not sent."""
        value = self.integer(name)
        if value is None or value < _MICROSECONDS_FROM:
            return value
        return value // 1000

    def client_id(self, name: str) -> str | None:
        """A client order id; None if not sent.

        Raises:
            BinanceRefusal: -1100 if its characters or length are not allowed.
        """
        return self.matching(name, _CLIENT_ID)

    def symbol(self, name: str = "symbol") -> str:
        """A symbol in valid characters; whether it exists is checked by the caller.

        Raises:
            BinanceRefusal: -1102 if missing, -1100 if it has characters that are not allowed in symbols.
        """
        value = self.required(name)
        if not re.fullmatch(_SYMBOL, value, re.ASCII):
            raise self.malformed(name, _SYMBOL)
        return value

    def symbols(self, name: str = "symbols") -> list[str] | None:
        """A JSON array of symbols; None if not sent.

        Raises:
            BinanceRefusal: -1100 if it is not such an array, -1151 if a symbol is repeated.
        """
        text = self.optional(name)
        if text is None:
            return None
        legal = r'^\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\]$'
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            raise self.malformed(name, legal) from None
        if not isinstance(values, list) or not values or not all(isinstance(v, str) and v for v in values):
            raise self.malformed(name, legal)
        if len(set(values)) < len(values):
            raise BinanceRefusal(-1151, "Symbol is present multiple times in the list.")
        return values

    def allow(self, *names: str) -> None:
        """Marks parameters as read that the simulator accepts but ignores."""
        self._read.update(names)

    def finish(self) -> None:
        """Refuses parameters that the handler did not read.

        Raises:
            BinanceRefusal: -1101 if more were sent than the endpoint has, else -1104.
        """
        unread = self._values.keys() - self._read
        if not unread:
            return
        sent, known = len(self._values), len(self._read)
        if sent > known:
            raise BinanceRefusal(-1101, f"Too many parameters; expected '{known}' and received '{sent}'.")
        read = sent - len(unread)
        raise BinanceRefusal(
            -1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."
        )


def wants_microseconds(unit: str | None) -> bool:
    """Whether X-MBX-TIME-UNIT or ``timeUnit`` means microseconds; None means milliseconds.

    Raises:
        BinanceRefusal: -1194 if it is neither.
    """
    if unit is None:
        return False
    if unit.upper() not in {"MICROSECOND", "MILLISECOND"}:
        raise BinanceRefusal(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")
    return unit.upper() == "MICROSECOND"
