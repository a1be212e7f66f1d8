"""Carries requests to a dialect and replies back over HTTP, and breaks what the faults say is to break."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from ..dialects.base import Dialect, WireReply, WireRequest
from ..faults import FaultPlan, Faults
from .listener import Message, Scope, ServingThread

__all__ = ["RestApp"]

_log = logging.getLogger(__name__)
_MAX_BODY = 1 << 20

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class RestApp:
    """The ASGI application of one dialect.

    Args:
        dialect: Who answers.
        faults: What is to go wrong.
    """

    def __init__(self, dialect: Dialect, faults: Faults) -> None:
        self._dialect = dialect
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        body = await _read_body(receive)
        if body is None:
            return
        if len(body) > _MAX_BODY:
            await _send(send, WireReply(413, b"Payload Too Large", content_type="text/plain"))
            return
        request = _request(scope, body)
        plan = self._faults.plan(request.path, places_order=self._dialect.places_order(request))
        wire: ServingThread = scope["state"]["wire"]
        alive = await wire.pause(plan.delay_s / 2)
        reply = await self._answer(request, plan, wire) if alive and not plan.refuse else None
        if reply is None or not await wire.pause(plan.delay_s / 2):
            wire.drop(scope, reset=True)
        elif plan.lose_order_reply or (plan.cut_reply and reply.body):
            if plan.cut_reply:
                await _send(send, reply, cut_at=len(reply.body) // 2)
            wire.drop(scope, reset=False)
        else:
            await _send(send, reply)
            return
        await _until_gone(receive)

    async def _answer(self, request: WireRequest, plan: FaultPlan, wire: ServingThread) -> WireReply | None:
        """What the dialect says; None when the server is stopped meanwhile."""
        if plan.status:
            return self._dialect.refuse(request, plan.status, plan.retry_after_s)
        if plan.hang is not None and not await wire.released(plan.hang):
            return None
        try:
            return self._dialect.handle(request)
        except Exception:  # a mistake in the simulator must reach the client as what it is, a server error, and the log
            _log.exception("the simulator failed on %s %s", request.method, request.path)
            return self._dialect.refuse(request, 500, 0)


def _request(scope: Scope, body: bytes) -> WireRequest:
    return WireRequest(
        method=scope["method"],
        path=scope["path"],
        raw_path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        body=body,
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        client=scope["client"][0] if scope["client"] else "",
    )


async def _read_body(receive: Receive) -> bytes | None:
    """The body, or a first piece of it that is too long already; None when the client has gone."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += bytes(message.get("body", b""))
        if not message.get("more_body", False) or len(body) > _MAX_BODY:
            return body


async def _send(send: Send, reply: WireReply, *, cut_at: int | None = None) -> None:
    """Sends a reply, or only so many bytes of its body while its header promises them all."""
    headers = [
        (b"content-type", reply.content_type.encode("latin-1")),
        (b"content-length", str(len(reply.body)).encode()),
        *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if cut_at is None:
        await send({"type": "http.response.body", "body": reply.body})
    else:
        await send({"type": "http.response.body", "body": reply.body[:cut_at], "more_body": True})


async def _until_gone(receive: Receive) -> None:
    """Waits until the server has noticed that the connection is closed, so that it does not answer in our place."""
    while (await receive())["type"] != "http.disconnect":
        pass
