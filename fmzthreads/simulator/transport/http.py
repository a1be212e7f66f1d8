"""Serves a dialect over HTTP and injects faults."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

from ..faults import FaultPlan, Faults
from .listener import Message, Scope, ServingThread
from .requests import WireReply, WireRequest, http_date

__all__ = ["RestApp"]

_log = logging.getLogger(__name__)
_MAX_BODY = 1 << 20

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Answerer(Protocol):
    """Answers the requests of one exchange."""

    def now_ms(self) -> int:
        """The exchange's time, in milliseconds since the epoch."""

    def steps(self, request: WireRequest) -> Iterator[None]:
        """Makes what the answer to a request needs, in steps of about two milliseconds."""

    def handle(self, request: WireRequest) -> WireReply:
        """Answers a request; a refusal is also returned as a reply."""

    def places_order(self, request: WireRequest) -> bool:
        """Whether a request places an order."""

    def refuse(self, request: WireRequest, status: int, retry_after_s: int) -> WireReply:
        """Renders an injected refusal: 500, 503, 429 or 418."""


class RestApp:
    """The ASGI application of one dialect.

    Args:
        dialect: Answers the requests.
        faults: The faults to inject.
    """

    def __init__(self, dialect: Answerer, faults: Faults) -> None:
        self._dialect = dialect
        self._faults = faults
        self._date = (0, b"")  # the last second for which the Date header was rendered, and its text

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        body = await _read_body(receive)
        if body is None:
            return
        if len(body) > _MAX_BODY:
            await self._send(send, WireReply(413, b"Payload Too Large", content_type="text/plain"))
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
                await self._send(send, reply, cut_at=len(reply.body) // 2)
            wire.drop(scope, reset=False)
        else:
            await self._send(send, reply)
            return
        await _until_gone(receive)

    async def _answer(self, request: WireRequest, plan: FaultPlan, wire: ServingThread) -> WireReply | None:
        """The dialect's reply; None if the server is stopped meanwhile."""
        if plan.status:
            return self._dialect.refuse(request, plan.status, plan.retry_after_s)
        if plan.hang is not None and not await wire.released(plan.hang):
            return None
        try:
            for _ in self._dialect.steps(request):
                await asyncio.sleep(0)  # others are served between two steps
            return self._dialect.handle(request)
        except Exception:  # a defect of the simulator must reach the client as a server error, and the log
            _log.exception("the simulator failed to answer %s %s", request.method, request.path)
            return self._dialect.refuse(request, 500, 0)

    def _date_header(self) -> bytes:
        second = self._dialect.now_ms() // 1000
        if second != self._date[0]:
            self._date = (second, http_date(second * 1000).encode())
        return self._date[1]

    async def _send(self, send: Send, reply: WireReply, *, cut_at: int | None = None) -> None:
        """Sends a reply, or only a part of its body with the full Content-Length."""
        headers = [
            (b"date", self._date_header()),
            (b"content-type", reply.content_type.encode("latin-1")),
            (b"content-length", str(len(reply.body)).encode()),
            *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers),
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if cut_at is None:
            await send({"type": "http.response.body", "body": reply.body})
        else:
            await send({"type": "http.response.body", "body": reply.body[:cut_at], "more_body": True})


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
    """The body, or its first part if that is already too long; None if the client disconnected."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += bytes(message.get("body", b""))
        if not message.get("more_body", False) or len(body) > _MAX_BODY:
            return body


async def _until_gone(receive: Receive) -> None:
    """Waits until uvicorn has noticed the closed connection, so that it sends no reply itself."""
    while (await receive())["type"] != "http.disconnect":
        pass
