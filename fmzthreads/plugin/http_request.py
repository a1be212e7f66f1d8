"""What a plugin's server takes of HTTP: calls by POST, with a body of a known length, from programs only."""

from __future__ import annotations

from ..serve.request_reader import BadRequest, RequestHead, RequestLimits

__all__ = ["LIMITS", "check_call"]

# Hosts keep a connection for a minute: it is the host that ends it.
LIMITS = RequestLimits(idle_s=75.0)


def check_call(head: RequestHead) -> None:
    """Checks the head of a request.

    Raises:
        BadRequest: It is not a POST with a body of a known length, or comes from a browser.
    """
    if head.method != "POST":
        raise BadRequest("405 Method Not Allowed", "a plugin of the general protocol is called by POST")
    # Browsers send these; a page that somebody opens on this machine must not trade by a plugin on its loopback.
    if head.header("origin") is not None or head.header("sec-fetch-site") is not None:
        raise BadRequest("403 Forbidden", "a plugin does not answer browsers")
    if head.header("transfer-encoding") is not None or head.header("content-length") is None:
        raise BadRequest("411 Length Required", "the request needs a Content-Length")
