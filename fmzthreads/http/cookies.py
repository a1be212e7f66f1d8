"""Cookies of a reply, read as browsers do (RFC 6265, section 5.2).

The standard library rejects cookies that servers send: ``Partitioned``, values that are JSON, names with brackets.
"""

from __future__ import annotations

import re

from .reply import Reply

__all__ = ["read_cookies"]

_ESCAPED = re.compile(r"\\(?:([0-3][0-7]{2})|(.))")


def read_cookies(reply: Reply) -> list[dict[str, str]]:
    """The cookies that a reply sets, in order.

    Returns:
        Dicts with ``Name``, ``Value`` and the attributes that were set, such as ``Path``, ``MaxAge`` and ``Httponly``; an attribute
        without a value is ``"True"``.
    """
    found = (_read_cookie(line) for line in reply.headers.get_all("set-cookie"))
    return [cookie for cookie in found if cookie["Name"]]


def _read_cookie(line: str) -> dict[str, str]:
    first, *attributes = line.split(";")
    name, _, value = first.partition("=")
    cookie = {"Name": name.strip(), "Value": _unquoted(value.strip())}
    for attribute in attributes:
        key, _, content = attribute.partition("=")
        key = key.strip().title().replace("-", "")
        if key and key not in {"Name", "Value"}:
            cookie[key] = _unquoted(content.strip()) or "True"
    return cookie


def _unquoted(value: str) -> str:
    """The text within quotes, unescaped (RFC 2109); any other value unchanged."""
    if len(value) < 2 or not (value[0] == value[-1] == '"'):
        return value
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)) if found[1] else found[2], value[1:-1])
