"""Parameters, refusals and signatures of Binance spot's REST interface (fact sheet 1.2, 1.3, 1.5)."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from ..base import WireRequest

if TYPE_CHECKING:
    from ...engine.accounts import TradingAccount

__all__ = ["BinanceCall", "BinanceRefusal", "Params", "check_signature", "malformed", "signed_payload"]

_NUMBER = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_INTEGER = r"^[0-9]{1,20}$"
_CLIENT_ID = r"^[a-zA-Z0-9-_]{1,36}$"
_SYMBOL = r"^[A-Z0-9-_.]{1,20}$"
_SIGNATURE = re.compile(r"(?:^|&)signature=([^&]*)")
_LONG_MAX = 2**63 - 1
# Time stamps from here on are microseconds (as milliseconds they would lie beyond the year 5000).
_MICROSECONDS_FROM = 100_000_000_000_000


class BinanceRefusal(Exception):
    """A refusal, with the exchange's code and text and the HTTP status that it comes with.

    Args:
        code: The exchange's negative code.
        msg: Its text.
        status: The HTTP status.
        data: What ``cancelReplace`` adds; None for nothing.
        headers: Further headers of the reply.
    """

    def __init__(
        self, code: int, msg: str, status: int = 400, data: Any = None, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.data = data
        self.headers = headers

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        body: dict[str, Any] = {"code": self.code, "msg": self.msg}
        if self.data is not None:
            body["data"] = self.data
        return body


def malformed(name: str) -> BinanceRefusal:
    """-1102 for a parameter."""
    return BinanceRefusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def _illegal(name: str, legal: str) -> BinanceRefusal:
    return BinanceRefusal(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def _pairs(text: str) -> dict[str, str]:
    """The names and values of a query string or form body.

    Raises:
        BinanceRefusal: -1101 when a name comes twice.
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


class Params:
    """The parameters of one request, from query and body together; on the same name in both the query wins.

    What was read is remembered, so that ``finish`` can refuse what nobody asked for, as the exchange does.

    Raises:
        BinanceRefusal: -1101 when a name comes twice within the query or the body.
    """

    def __init__(self, request: WireRequest) -> None:
        body = request.body.decode("utf-8", "replace")
        values = _pairs(body) if "=" in body else {}
        values.update(_pairs(request.query))
        self._values = values
        self._read: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def optional(self, name: str) -> str | None:
        """A parameter's text; None when it was not sent.

        Raises:
            BinanceRefusal: -1105 when it was sent empty.
        """
        self._read.add(name)
        value = self._values.get(name)
        if value == "":
            raise BinanceRefusal(-1105, f"Parameter '{name}' was empty.")
        return value

    def required(self, name: str) -> str:
        """A parameter's text.

        Raises:
            BinanceRefusal: -1102 when it was not sent or is empty.
        """
        self._read.add(name)
        value = self._values.get(name)
        if not value:
            raise malformed(name)
        return value

    def _number(self, name: str, value: str | None) -> Decimal | None:
        if value is None:
            return None
        if not re.fullmatch(_NUMBER[1:-1], value, re.ASCII):
            raise _illegal(name, _NUMBER)
        return Decimal(value)

    def decimal(self, name: str) -> Decimal | None:
        """An exact decimal; None when it was not sent.

        Raises:
            BinanceRefusal: -1100 when it is not a plain decimal (signs, exponents and words are not), -1105 when empty.
        """
        return self._number(name, self.optional(name))

    def integer(self, name: str, default: int | None = None) -> int | None:
        """A whole number from 0 up; ``default`` when it was not sent.

        Raises:
            BinanceRefusal: -1100 when it is not one, -1105 when empty, -1108 when it does not fit 64 bits.
        """
        value = self.optional(name)
        if value is None:
            return default
        if not re.fullmatch(_INTEGER[1:-1], value, re.ASCII):
            raise _illegal(name, _INTEGER)
        number = int(value)
        if number > _LONG_MAX:
            raise BinanceRefusal(-1108, f"Parameter '{name}' overflowed.")
        return number

    def limit(self, default: int, most: int) -> int:
        """The parameter ``limit``: ``default`` when not sent, cut to ``most``.

        Raises:
            BinanceRefusal: -1100 when it is not a whole number, -1130 when it is 0.
        """
        value = self.integer("limit", default) or 0
        if value < 1:
            raise BinanceRefusal(-1130, "Data sent for parameter 'limit' is not valid.")
        return min(value, most)

    def time_ms(self, name: str) -> int | None:
        """A moment in milliseconds, also when it was sent in microseconds; None when it was not sent."""
        value = self.integer(name)
        if value is None or value < _MICROSECONDS_FROM:
            return value
        return value // 1000

    def choice(self, name: str, valid: Iterable[str], error: BinanceRefusal, *, required: bool = False) -> str | None:
        """One of a few words.

        Raises:
            BinanceRefusal: ``error`` when it is another word; -1102 when it is missing and ``required``.
        """
        value = self.required(name) if required else self.optional(name)
        if value is not None and value not in valid:
            raise error
        return value

    def flag(self, name: str, default: bool) -> bool:
        """``true`` or ``false``.

        Raises:
            BinanceRefusal: -1130 when it is neither.
        """
        value = self.optional(name)
        if value is None:
            return default
        if value.lower() not in {"true", "false"}:
            raise BinanceRefusal(-1130, f"Data sent for parameter '{name}' is not valid.")
        return value.lower() == "true"

    def client_id(self, name: str) -> str | None:
        """A client order id; None when it was not sent.

        Raises:
            BinanceRefusal: -1100 when it has characters or a length that are not allowed.
        """
        value = self.optional(name)
        if value is not None and not re.fullmatch(_CLIENT_ID[1:-1], value, re.ASCII):
            raise _illegal(name, _CLIENT_ID)
        return value

    def symbol(self, name: str = "symbol") -> str:
        """A symbol that is written as symbols are; whether it exists is the caller's to find out.

        Raises:
            BinanceRefusal: -1102 when missing, -1100 when it has characters that no symbol has.
        """
        value = self.required(name)
        if not re.fullmatch(_SYMBOL[1:-1], value, re.ASCII):
            raise _illegal(name, _SYMBOL)
        return value

    def symbols(self, name: str = "symbols") -> list[str] | None:
        """A JSON array of symbols; None when it was not sent.

        Raises:
            BinanceRefusal: -1100 when it is no such array, -1151 when a symbol is in it twice.
        """
        text = self.optional(name)
        if text is None:
            return None
        legal = r'^\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\]$'
        try:
            values = json.loads(text)
        except ValueError:
            raise _illegal(name, legal) from None
        if not isinstance(values, list) or not values or not all(isinstance(v, str) and v for v in values):
            raise _illegal(name, legal)
        if len(set(values)) < len(values):
            raise BinanceRefusal(-1151, "Symbol is present multiple times in the list.")
        return values

    def allow(self, *names: str) -> None:
        """Counts parameters as read that the simulator accepts and needs nothing of."""
        self._read.update(names)

    def finish(self) -> None:
        """Refuses parameters that nobody read.

        Raises:
            BinanceRefusal: -1101 when more were sent than the endpoint knows, -1104 otherwise.
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


def signed_payload(request: WireRequest) -> tuple[str, bytes]:
    """The signature of a request, and the very bytes that it must have been made over.

    Query and body follow each other without anything between, as they travelled, with ``signature=...`` cut out.

    Raises:
        BinanceRefusal: -1102 when there is no signature.
    """
    body = request.body.decode("latin-1")
    parts, signature = [], None
    for text in (request.query, body):
        match = _SIGNATURE.search(text)
        if match is None or signature is not None:
            parts.append(text)
        else:
            signature = unquote_plus(match.group(1))
            parts.append((text[: match.start()] + text[match.end() :]).removeprefix("&"))
    if not signature:
        raise malformed("signature")
    return signature, "".join(parts).encode("latin-1")


def check_signature(request: WireRequest, secret: str) -> None:
    """Verifies an HMAC-SHA256 signature; the case of its hex digits does not matter.

    Raises:
        BinanceRefusal: -1022 when it is wrong, -1102 when there is none.
    """
    signature, payload = signed_payload(request)
    expected = hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.lower().encode("utf-8", "replace")):
        raise BinanceRefusal(-1022, "Signature for this request is not valid.")


@dataclass
class BinanceCall:
    """One call of an endpoint.

    Attributes:
        params: Its parameters.
        account: Whose key signed it; None on public endpoints.
        now_ms: The exchange's time when it came in.
        microseconds: Whether times in the answer are to be microseconds.
        weight: What it counts towards the limit; handlers set it where it depends on parameters or on success.
        accepted: Set when an order was taken, also when the call as a whole is refused afterwards.
    """

    params: Params
    account: TradingAccount | None
    now_ms: int
    microseconds: bool = False
    weight: int = 1
    accepted: bool = False

    def time(self, time_ms: int) -> int:
        """A moment in the unit that the caller asked for."""
        return time_ms * 1000 if self.microseconds else time_ms

    @property
    def owner(self) -> TradingAccount:
        """The account of a signed call."""
        if self.account is None:
            raise malformed("signature")
        return self.account
