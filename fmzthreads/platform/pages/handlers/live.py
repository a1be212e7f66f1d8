"""A robot as it runs, by server-sent events: its log, its status bar, its state, and that its charts have changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs

from ....errors import AuthenticationFailed, FmzError, require
from ..live_feed import LiveFeed
from ..site import SitePage
from ..visit import PageVisit

__all__ = ["LivePages"]

_LOOK_S = 0.5


class LivePages:
    """The stream of events of a robot.

    A ``log`` event's id is that of its last line: a browser that was cut off asks for what came after, so that no line is lost.

    Args:
        is_closing: Whether the platform is going to end; streams then end too.
        look_s: How often a robot is looked at, in seconds.
    """

    def __init__(self, is_closing: Callable[[], bool], look_s: float = _LOOK_S) -> None:
        self._is_closing = is_closing
        self._look_s = look_s

    def pages(self) -> list[SitePage]:
        """The pages."""
        return [SitePage("/robots/{robot:int}/live", self._live)]

    def _live(self, visit: PageVisit) -> Any:
        return self.stream(visit, visit.params["robot"])

    def stream(self, visit: PageVisit, robot_id: int) -> Any:
        """The stream of a robot that the visitor may see.

        Raises:
            UnknownName: There is no such robot.
            MissingExtra: The extra ``platform`` is not installed.
        """
        visit.service.robot(robot_id)  # refuses before the stream begins
        given = visit.last_event if visit.last_event.isdigit() else visit.query.text("after")
        after = int(given) if given.isascii() and given.isdigit() and len(given) < 16 else 0
        response = require("sse_starlette", "platform").EventSourceResponse
        return response(
            self._events(LiveFeed(visit, robot_id, after)), ping=15, sep="\n", headers={"cache-control": "no-store"}
        )

    async def _events(self, feed: LiveFeed) -> AsyncIterator[dict[str, Any]]:
        in_thread = require("starlette.concurrency", "platform").run_in_threadpool
        while not self._is_closing():
            try:
                news = await in_thread(feed.look)
            except AuthenticationFailed:
                return
            except FmzError as error:
                yield {"event": "problem", "data": json.dumps(str(error), ensure_ascii=False)}
                await asyncio.sleep(10 * self._look_s)
                continue
            for one in news:
                yield {key: value for key, value in attrs.asdict(one).items() if value != ""}
            if not feed.is_behind:
                await asyncio.sleep(self._look_s)
