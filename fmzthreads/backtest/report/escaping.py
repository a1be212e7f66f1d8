"""What makes a strategy's texts, colours and numbers safe to stand in a page."""

from __future__ import annotations

import binascii
import html
import json
import math
import re
from typing import Any

__all__ = ["PICTURE", "chart_text", "color_of", "html_text", "is_whole", "number_of", "script_json"]

PICTURE = re.compile(r"`?(data:image/(?:png|jpeg|gif|webp);base64,([A-Za-z0-9+/=]+))`?")
"""A picture that stands in the text itself: its address, and its content."""

_LARGEST = 1e300

_COLOR = re.compile(r"#(?:[0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})|rgba?\([\d\s.,%]{1,40}\)|[a-zA-Z]{3,20}")


def html_text(value: object) -> str:
    """Any value as text within an element or a quoted attribute."""
    return html.escape(str(value), quote=True)


def chart_text(value: object, most: int = 80) -> str:
    """Any value as text within a chart, whose script reads tags and entities.

    Args:
        value: The value.
        most: The most characters; the rest is cut off.
    """
    text = str(value)
    text = text if len(text) <= most else text[: most - 1] + "…"
    return html.escape(text.replace("$", "＄"), quote=False)  # a chart's script would hand $...$ to a formula setter


def color_of(value: object) -> str | None:
    """A strategy's colour when it is one: ``#rrggbb``, ``rgb(...)``, ``rgba(...)``, or a name; None otherwise."""
    return value.strip() if isinstance(value, str) and _COLOR.fullmatch(value.strip()) else None


def number_of(value: object) -> float | None:
    """A number that can be drawn; None for anything else, such as NaN, and for numbers whose differences are infinite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return value if math.isfinite(value) and abs(value) <= _LARGEST else None
    except OverflowError:  # an int beyond the doubles
        return None


def is_whole(picture: re.Match[str]) -> bool:
    """Whether the content of a ``PICTURE`` can be decoded; a browser would complain about others on its console."""
    try:
        binascii.a2b_base64(picture[2], strict_mode=True)
    except binascii.Error:
        return False
    return True


def script_json(data: Any) -> str:
    """JSON that cannot end the script element that it stands in.

    Raises:
        ValueError: A number is infinite or NaN.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
