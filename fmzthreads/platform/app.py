"""The ASGI application: the extended API and the pages, over one platform."""

from __future__ import annotations

from typing import Any

from ..errors import require
from .api.routes import api_routes
from .pages.routes import page_routes
from .security.guard import RequestGuard
from .service import Platform

__all__ = ["make_app"]


def make_app(platform: Platform) -> Any:
    """The application (Any: starlette is an extra).

    Args:
        platform: What it serves; the caller starts and closes it.

    Raises:
        MissingExtra: The extra ``platform`` is not installed.
    """
    routing = require("starlette.routing", "platform")
    applications = require("starlette.applications", "platform")
    responses = require("starlette.responses", "platform")

    async def healthz(request: Any) -> Any:
        """Says that the process answers; needs no login."""
        return responses.JSONResponse({"ok": True})

    routes = [routing.Route("/healthz", healthz), *api_routes(platform), *page_routes(platform)]
    app = applications.Starlette(routes=routes)
    app.add_middleware(RequestGuard, names=platform.settings.get("allowed_hosts", []))
    app.state.platform = platform
    return app
