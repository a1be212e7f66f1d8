"""How values cross between Python and JavaScript; ``prelude.js`` is the other side."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ...structures import Structure

__all__ = ["given", "plain", "result_text"]

# Larger whole numbers are not exact in JavaScript; they cross as texts, so that ids keep their digits.
_EXACT = 2**53
_INT32 = 2**31
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_LONG_NUMBER = re.compile(r"(?<![\w.\"])-?\d{16,}(?![\w.\"])")


def given(value: Any) -> Any:
    r"""An argument as it came from JavaScript, in Python's types.

    Args:
        value: A number, a boolean, None, or a text; texts that begin with ``\x01`` hold JSON, bytes or a large whole number.
    """
    if isinstance(value, float):
        return (
            int(value)
            if value.is_integer() and abs(value) <= _EXACT and (value or math.copysign(1, value) > 0)
            else value
        )
    if not isinstance(value, str) or not value.startswith("\x01"):
        return value
    kind, rest = value[1:2], value[2:]
    if kind == "j":
        return json.loads(rest)
    if kind == "b":
        return str(json.loads(rest)).encode("latin-1")
    if kind == "i":
        return int(rest)
    return rest


def plain(value: Any) -> Any:
    """A value as JSON can hold it: what is not finite becomes null, large whole numbers and decimals become texts."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy's arrays and numbers
        return plain(value.tolist())
    return str(value)


def result_text(value: Any) -> Any:
    """A result for JavaScript: numbers, booleans and None as they are, else a text with its kind before it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        # The engine's binding would cut a larger int to 32 bits.
        return value if abs(value) < _INT32 else float(value) if abs(value) <= _EXACT else f"s{value}"
    if isinstance(value, str):
        # Lone surrogates do not cross as text; as JSON they do.
        return f"s{value}" if value.isascii() or _is_well_formed(value) else f"j{json.dumps(value)}"
    if isinstance(value, (bytes, bytearray)):
        return f"b{value.decode('latin-1')}"
    try:
        text = _encode(value)
    except (TypeError, ValueError):
        return f"j{json.dumps(plain(value), separators=(',', ':'))}"
    if not _is_ours(value) and _LONG_NUMBER.search(text):
        return f"j{json.dumps(plain(value), separators=(',', ':'))}"
    return f"j{text}"


def _is_ours(value: Any) -> bool:
    """Whether these are our structures without a venue's reply in them, whose whole numbers are never that large."""
    if isinstance(value, list):
        return not value or (isinstance(value[0], Structure) and "Info" not in value[0])
    return isinstance(value, Structure) and "Info" not in value


def _is_well_formed(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
