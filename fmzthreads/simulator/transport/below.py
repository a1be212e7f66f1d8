"""Serves an application below a path of its server, as a gateway does."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from ...errors import InputError
from .listener import App, Message, Scope

__all__ = ["BelowPath", "check_below", "inner_path"]

_BELOW = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


def check_below(path: str) -> str:
    """A path below which something is served; empty for the root.

    Raises:
        InputError: It is neither empty nor like ``/gateway/v1``.
    """
    if not _BELOW.fullmatch(path):
        raise InputError(f"path must be empty or like '/gateway', without a slash at its end, got {path!r}")
    return path


def inner_path(path: str, below: str) -> str | None:
    """What is left of a path below another; None if it lies elsewhere."""
    if not below:
        return path
    return path[len(below) :] if path.startswith(f"{below}/") else None


class BelowPath:
    """An ASGI application that knows only the rest of the path; what is signed (``raw_path``) stays whole.

    Args:
        app: The application.
        below: The path below which it lies.
    """

    def __init__(self, app: App, below: str) -> None:
        self._app = app
        self._below = below

    async def __call__(
        self,
        scope: Scope,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Serves one request, or answers 404 to one of another path."""
        path = inner_path(scope["path"], self._below)
        if path is not None:
            await self._app({**scope, "path": path}, receive, send)
            return
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
