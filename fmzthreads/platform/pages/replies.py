"""Replies that pages give: HTML, JSON, files to keep."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from ...errors import require
from ..security.guard import CONTENT_POLICY_WITH_CHARTS

__all__ = ["download", "html", "json_reply"]


def html(text: str, *, charts: bool = False, status: int = 200) -> Any:
    """A page.

    Args:
        text: The HTML.
        charts: Whether it has charts, which set styles within the page.
        status: The status code.
    """
    headers = {"content-security-policy": CONTENT_POLICY_WITH_CHARTS} if charts else {}
    # Half a surrogate pair in a strategy's text has no bytes.
    content = text.encode("utf-8", "replace")
    return require("starlette.responses", "platform").HTMLResponse(content, status_code=status, headers=headers)


def json_reply(value: Any, status: int = 200) -> Any:
    """A value as JSON; NaN and infinities are null."""
    text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))
    content = text.encode("utf-8", "replace")
    response = require("starlette.responses", "platform").Response
    return response(content, status_code=status, media_type="application/json")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value


def download(parts: Iterable[bytes], name: str, media_type: str) -> Any:
    """A file that the browser keeps; it is sent while it is made."""
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
    response = require("starlette.responses", "platform").StreamingResponse
    return response(parts, media_type=media_type, headers=headers)
