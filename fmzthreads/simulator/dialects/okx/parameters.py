"""Parameters, refusals, envelopes and signatures of OKX v5's REST interface (fact sheet 1.2 to 1.5)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_plus

from ..base import WireReply, WireRequest, json_reply

__all__ = [
    "Item",
    "ItemError",
    "OkxRefusal",
    "Query",
    "check_signature",
    "client_id",
    "envelope",
    "parse_body",
    "parse_timestamp_ms",
    "timestamp_text",
]

_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)
_CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class OkxRefusal(Exception):
    """A request refused as a whole.

    Args:
        code: The exchange's code as text.
        msg: Its text.
        status: The HTTP status; 200 for most refusals of business.
        gateway: Whether the refusal comes from the gate (credentials, rates), whose replies carry no ``data``.
    """

    def __init__(self, code: str, msg: str, status: int = 200, *, gateway: bool = False) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.gateway = gateway

    def reply(self) -> WireReply:
        """The refusal as it travels."""
        if self.gateway:
            return json_reply(self.status, {"msg": self.msg, "code": self.code})
        return json_reply(self.status, {"code": self.code, "msg": self.msg, "data": []})

    @classmethod
    def empty(cls, name: str) -> OkxRefusal:
        """50014 for a parameter."""
        return cls("50014", f"Parameter {name} can not be empty.", 400)

    @classmethod
    def wrong(cls, name: str) -> OkxRefusal:
        """51000 for a parameter."""
        return cls("51000", f"Parameter {name} error", 400)


class ItemError(Exception):
    """One order of a request refused, with the item's ``sCode``, ``sMsg`` and ``subCode``."""

    def __init__(self, code: str, msg: str, sub_code: str = "") -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.sub_code = sub_code


def envelope(data: list[Any], code: str = "0", msg: str = "") -> dict[str, Any]:
    """The outer shape of every answer."""
    return {"code": code, "msg": msg, "data": data}


class Query:
    """The query parameters of a GET; empty ones count as absent."""

    def __init__(self, request: WireRequest) -> None:
        self._values: dict[str, str] = {}
        for part in request.query.split("&"):
            name, _, value = part.partition("=")
            if value:
                self._values[unquote_plus(name)] = unquote_plus(value)

    def optional(self, name: str) -> str | None:
        """A parameter's text; None when absent or empty."""
        return self._values.get(name)

    def required(self, name: str) -> str:
        """A parameter's text.

        Raises:
            OkxRefusal: 50014 when it is absent or empty.
        """
        value = self._values.get(name)
        if value is None:
            raise OkxRefusal.empty(name)
        return value

    def integer(self, name: str) -> int | None:
        """A whole number from 0 up; None when absent.

        Raises:
            OkxRefusal: 51000 when it is none.
        """
        value = self._values.get(name)
        if value is None:
            return None
        if not re.fullmatch(r"[0-9]{1,19}", value, re.ASCII):
            raise OkxRefusal.wrong(name)
        return int(value)

    def limit(self, default: int, most: int, name: str = "limit") -> int:
        """A count of rows, from 1 up, cut to ``most``.

        Raises:
            OkxRefusal: 51000 when it is not a whole number or 0.
        """
        value = self.integer(name)
        if value is None:
            return default
        if value < 1:
            raise OkxRefusal.wrong(name)
        return min(value, most)

    def choice(self, name: str, valid: Iterable[str], *, required: bool = False) -> str | None:
        """One of a few words; None when absent.

        Raises:
            OkxRefusal: 51000 when it is another word, 50014 when it is absent and ``required``.
        """
        value = self.required(name) if required else self._values.get(name)
        if value is not None and value not in valid:
            raise OkxRefusal.wrong(name)
        return value


class Item:
    """The fields of one order, cancellation or change in a posted body; ``""`` and null count as absent."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def text(self, name: str) -> str | None:
        """A field as text, also when it was sent as a number or a boolean; None when absent.

        Raises:
            ItemError: 51000 when it is a list or an object.
        """
        value = self._fields.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (dict, list)):
            raise ItemError("51000", f"Parameter {name} error")
        return str(value)

    def present(self, name: str) -> bool:
        """Whether a field holds anything at all; an empty list or object counts as absent."""
        return self._fields.get(name) not in (None, "", [], {})

    def required(self, name: str) -> str:
        """A field as text.

        Raises:
            ItemError: 50014 when absent.
        """
        value = self.text(name)
        if value is None:
            raise ItemError("50014", f"Parameter {name} can not be empty.")
        return value

    def choice(self, name: str, valid: Iterable[str], *, required: bool = False) -> str | None:
        """One of a few words; None when absent.

        Raises:
            ItemError: 51000 when it is another word, 50014 when it is absent and ``required``.
        """
        value = self.required(name) if required else self.text(name)
        if value is not None and value not in valid:
            raise ItemError("51000", f"Parameter {name} error")
        return value

    def decimal(self, name: str) -> Decimal | None:
        """An exact decimal; None when absent.

        Raises:
            ItemError: 51000 when it is not a plain decimal.
        """
        value = self.text(name)
        if value is None:
            return None
        if not _NUMBER.fullmatch(value):
            raise ItemError("51000", f"Parameter {name} error")
        return Decimal(value)

    def flag(self, name: str) -> bool:
        """A boolean, sent as such or as text; False when absent.

        Raises:
            ItemError: 51000 when it is another word.
        """
        return self.choice(name, ("true", "false")) == "true"


def client_id(item: Item) -> str | None:
    """A new order's ``clOrdId``; None when absent.

    Raises:
        ItemError: 51000 when it has characters or a length that are not allowed.
    """
    value = item.text("clOrdId")
    if value is not None and not _CLIENT_ID.fullmatch(value):
        raise ItemError("51000", "Parameter clOrdId error")
    return value


def parse_body(request: WireRequest) -> Any:
    """The JSON of a posted body (Any: an object or an array, as the endpoint has it).

    Raises:
        OkxRefusal: 50000 when it is empty, 50002 when it is not JSON.
    """
    if not request.body.strip():
        raise OkxRefusal("50000", "Body for POST request cannot be empty.", 400)
    try:
        # Numbers are kept as they were written, so that 0.1 stays exactly 0.1.
        return json.loads(request.body, parse_float=str, parse_int=str, parse_constant=_refuse_constant)
    except ValueError:
        raise OkxRefusal("50002", "JSON syntax error", 400) from None


def _refuse_constant(word: str) -> None:
    raise ValueError(word)


def parse_timestamp_ms(text: str) -> int | None:
    """A time stamp such as ``2020-12-08T09:08:57.715Z`` in milliseconds; None when it is no such text."""
    if not _TIMESTAMP.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    passed = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1000 + passed.microseconds // 1000


def timestamp_text(time_ms: int) -> str:
    """A moment the way that ``OK-ACCESS-TIMESTAMP`` has it."""
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"


def check_signature(request: WireRequest, secret: str) -> None:
    """Verifies ``OK-ACCESS-SIGN`` over time stamp, method, target and body as they travelled.

    Raises:
        OkxRefusal: 50113 when it is wrong.
    """
    headers = request.headers
    head = f"{headers.get('ok-access-timestamp', '')}{request.method}{request.target}"
    digest = hmac.new(secret.encode(), head.encode("latin-1", "replace") + request.body, hashlib.sha256).digest()
    given = headers.get("ok-access-sign", "").encode("utf-8", "replace")
    if not hmac.compare_digest(base64.b64encode(digest), given):
        raise OkxRefusal("50113", "Invalid Sign", 401, gateway=True)
