"""Parameters and refusals of OKX v5's calls ("Overview" and "Error Code" in OKX's API guide)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from ...transport.requests import WireRequest
from ..fields import Fields, VenueRefusal

__all__ = ["Item", "ItemRefusal", "OkxParams", "OkxRefusal", "PostedFields", "client_id", "parse_body"]

_CLIENT_ID = r"[A-Za-z0-9]{1,32}"


class OkxRefusal(VenueRefusal):
    """A request refused as a whole.

    Args:
        code: The exchange's code as text.
        msg: Its text.
        status: The HTTP status; 200 for most refusals.
        gateway: Whether the refusal comes from the gateway (credentials, rate limits), whose replies have no ``data``.
    """

    def __init__(self, code: int | str, msg: str, status: int = 200, *, gateway: bool = False) -> None:
        super().__init__(code, msg, status)
        self.gateway = gateway

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        if self.gateway:
            return {"msg": self.msg, "code": self.code}
        return {"code": self.code, "msg": self.msg, "data": []}


class ItemRefusal(VenueRefusal):
    """The refusal of one order of a request: ``sCode``, ``sMsg`` and ``subCode`` of its row."""

    def __init__(self, code: int | str, msg: str, sub_code: str = "") -> None:
        super().__init__(code, msg, 200)
        self.sub_code = sub_code


class OkxParams(Fields):
    """The parameters of a call: a GET's query or a POST's objects.

    Args:
        values: The query parameters (empty ones count as absent), or the fields of a posted object that is not an order.
        now_ms: The exchange's time when the call arrived.
        items: The objects of a posted body, one for each order.
        expires: The header ``expTime``, or the field of a websocket message; None if absent.
    """

    def __init__(
        self,
        values: Mapping[str, str],
        now_ms: int,
        items: list[dict[str, Any]] | None = None,
        expires: str | None = None,
    ) -> None:
        self._values = values
        self.now_ms = now_ms
        self.items = items if items is not None else []
        self.expires = expires

    @classmethod
    def of_query(cls, query: str, now_ms: int) -> OkxParams:
        """The parameters of a GET."""
        values = {}
        for part in query.split("&"):
            name, _, value = part.partition("=")
            if value:
                values[unquote_plus(name)] = unquote_plus(value)
        return cls(values, now_ms)

    def absent(self, name: str) -> OkxRefusal:
        """50014."""
        return OkxRefusal("50014", f"Parameter {name} can not be empty.", 400)

    def malformed(self, name: str, legal: str) -> OkxRefusal:
        """51000."""
        return self.invalid(name)

    def invalid(self, name: str) -> OkxRefusal:
        """51000."""
        return OkxRefusal("51000", f"Parameter {name} error", 400)

    def optional(self, name: str) -> str | None:
        """A parameter's text; None if absent or empty."""
        return self._values.get(name)


class _JsonFields(Fields):
    """The fields of a posted object; ``""`` and null count as absent."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def optional(self, name: str) -> str | None:
        """A field as text, also if sent as a number or a boolean; None if absent.

        Raises:
            VenueRefusal: 51000 if it is a list or an object.
        """
        value = self._fields.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (dict, list)):
            raise self.invalid(name)
        return str(value)

    def present(self, name: str) -> bool:
        """Whether a field has a value; an empty list or object counts as absent."""
        return self._fields.get(name) not in (None, "", [], {})


class PostedFields(_JsonFields):
    """The fields of a posted object that is refused as a whole."""

    def absent(self, name: str) -> OkxRefusal:
        """50014."""
        return OkxRefusal("50014", f"Parameter {name} can not be empty.", 400)

    def malformed(self, name: str, legal: str) -> OkxRefusal:
        """51000."""
        return self.invalid(name)

    def invalid(self, name: str) -> OkxRefusal:
        """51000."""
        return OkxRefusal("51000", f"Parameter {name} error", 400)


class Item(_JsonFields):
    """The fields of one order, cancellation or change in a posted body."""

    def absent(self, name: str) -> ItemRefusal:
        """50014."""
        return ItemRefusal("50014", f"Parameter {name} can not be empty.")

    def malformed(self, name: str, legal: str) -> ItemRefusal:
        """51000."""
        return self.invalid(name)

    def invalid(self, name: str) -> ItemRefusal:
        """51000."""
        return ItemRefusal("51000", f"Parameter {name} error")

    def objects(self, name: str) -> list[Item]:
        """A field that is a list of objects; empty if absent.

        Raises:
            ItemRefusal: 51000 if it is not one.
        """
        value = self._fields.get(name)
        if value in (None, "", [], {}):
            return []
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise self.invalid(name)
        return [Item(row) for row in value]


def client_id(item: Item) -> str | None:
    """A new order's ``clOrdId``; None if absent.

    Raises:
        ItemRefusal: 51000 if its characters or length are not allowed.
    """
    return item.matching("clOrdId", _CLIENT_ID)


def parse_body(request: WireRequest) -> Any:
    """The JSON of a posted body (Any: an object or an array).

    Raises:
        OkxRefusal: 50000 if it is empty, 50002 if it is not JSON.
    """
    if not request.body.strip():
        raise OkxRefusal("50000", "Body for POST request cannot be empty.", 400)
    try:
        # Numbers are kept as text, so that 0.1 stays exactly 0.1.
        return json.loads(request.body, parse_float=str, parse_int=str, parse_constant=_refuse_constant)
    except ValueError:
        raise OkxRefusal("50002", "JSON syntax error", 400) from None


def _refuse_constant(word: str) -> None:
    raise ValueError(word)
