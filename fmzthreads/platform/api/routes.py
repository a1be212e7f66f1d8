"""The routes of the extended API."""

from __future__ import annotations

import json
import math
from typing import Any

from ...errors import require
from ..service import Platform
from .extended import MOST_BODY, ExtendedApi
from .lists import symbols

__all__ = ["api_routes", "finite"]


def finite(value: Any) -> Any:
    """A value of JSON with null in place of numbers that JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    return [finite(one) for one in value] if isinstance(value, (list, tuple)) else value


def api_routes(platform: Platform) -> list[Any]:
    """The routes, for a starlette application (Any: starlette is an extra).

    Args:
        platform: What they serve.

    Raises:
        MissingExtra: starlette is not installed.
    """
    routing = require("starlette.routing", "platform")
    responses = require("starlette.responses", "platform")
    run_in_thread = require("starlette.concurrency", "platform").run_in_threadpool
    api = ExtendedApi(platform)

    async def call(request: Any) -> Any:
        """Answers one call of the extended API."""
        body = b""
        if request.method == "POST":
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BODY:
                    return responses.JSONResponse({"code": 5, "data": None}, status_code=413)
        address = request.client.host if request.client else ""
        reply = await run_in_thread(api.answer, request.url.query, body, address)
        # ensure_ascii: a lone surrogate of a badly decoded text must not break the reply.
        try:
            text = json.dumps(reply, allow_nan=False)
        except ValueError:  # an infinite price in a log
            text = json.dumps(finite(reply))
        return responses.Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})

    async def symbol_list(request: Any) -> Any:
        """Lists the symbols that charts know."""
        return responses.JSONResponse(symbols())

    return [
        routing.Route("/api/v1", call, methods=["GET", "POST"]),
        routing.Route("/chart/symbols.json", symbol_list, methods=["GET"]),
    ]
