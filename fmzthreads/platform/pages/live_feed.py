"""What is new about a robot since the last look."""

from __future__ import annotations

import json

import attrs

from ...errors import AuthenticationFailed
from .handlers.robots import log_rows, status_part
from .port import RobotView
from .visit import PageVisit

__all__ = ["LiveFeed", "News"]

_MOST_LINES = 500
_CHECK_EVERY = 4
"""After how many looks a session is looked up again: one that was ended, or has other rights now, sees nothing more."""


@attrs.frozen
class News:
    """One event: its kind, its JSON, and an id where it can be resumed from."""

    event: str
    data: str
    id: str = ""


class LiveFeed:
    """Looks at one robot for one reader.

    Args:
        visit: Whose page it is.
        robot_id: The robot.
        after: The id of the last log line that the reader has.
    """

    def __init__(self, visit: PageVisit, robot_id: int, after: int) -> None:
        self._visit = visit
        self._robot_id = robot_id
        self._after = after
        self._status = ""
        self._state: tuple[object, ...] = ()
        self._changed = ""
        self._looks = 0
        self.is_behind = False
        """Whether more lines wait than one look takes."""

    def look(self) -> list[News]:
        """Everything that is new.

        Raises:
            AuthenticationFailed: The session has ended meanwhile, or its account has another role or other robots.
            FmzError: The robot cannot be read.
        """
        self._looks += 1
        if self._looks % _CHECK_EVERY == 0 and not self._visit.may_go_on():
            raise AuthenticationFailed("the session has ended, or has other rights now")
        service = self._visit.service
        news = []
        lines = service.log_after(self._robot_id, self._after, most=_MOST_LINES)
        self.is_behind = len(lines) == _MOST_LINES
        if lines:
            self._after = lines[-1].id
            news.append(News("log", _json(log_rows(lines, self._visit.language)), str(self._after)))
        robot = service.robot(self._robot_id)
        state = _state_of(robot)
        if state != self._state:
            self._state = state
            news.append(News("state", _json(list(state))))
        may = self._visit.actor is not None and self._visit.actor.role != "reader"
        status = status_part(self._visit, self._robot_id, may_command=may)
        if status != self._status:
            self._status = status
            news.append(News("status", _json(status)))
        changed = f"{robot.profit}-{service.chart_mark(self._robot_id)}"
        if changed != self._changed:
            self._changed = changed
            news.append(News("charts", _json(changed)))
        return news


def _state_of(robot: RobotView) -> tuple[object, ...]:
    return robot.status, robot.stage, robot.reason, robot.since_ms


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode("utf-8")
