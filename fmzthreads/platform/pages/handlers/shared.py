"""A robot as a share link shows it: read-only, without exchanges, arguments, orders and private lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from ....errors import UnknownName
from ...security.share_links import ShareLinks
from ..port import PageService
from ..rendering import Renderer
from ..replies import html, json_reply
from ..site import SitePage
from ..visit import PageVisit
from .robots import LOG_KINDS, log_rows, shown_charts, status_part

__all__ = ["SharedPages"]

_LINES = 200


class SharedPages:
    """The page of a share link.

    Args:
        renderer: Makes HTML.
        links: The share links.
        service_for_robot: The platform, as a link to one robot shows it.
    """

    def __init__(self, renderer: Renderer, links: ShareLinks, service_for_robot: Callable[[int], PageService]) -> None:
        self._renderer = renderer
        self._links = links
        self._service_for_robot = service_for_robot

    def pages(self) -> list[SitePage]:
        """The pages."""
        return [
            SitePage("/shared/{token}", self._robot, "anybody"),
            SitePage("/shared/{token}/log.json", self._log, "anybody"),
            SitePage("/shared/{token}/charts.json", self._charts, "anybody"),
        ]

    def _opened(self, visit: PageVisit) -> tuple[PageVisit, int]:
        robot = self._links.robot_of(visit.params["token"])
        if robot is None:
            raise UnknownName("this link has ended, or never was")
        return attrs.evolve(visit, service=self._service_for_robot(robot), actor=None), robot

    def _robot(self, visit: PageVisit) -> Any:
        seen, robot_id = self._opened(visit)
        text = self._renderer.page(
            seen,
            "robots/shared.html",
            robot=seen.service.robot(robot_id),
            status_html=self._renderer.markup(status_part(seen, robot_id, may_command=False)),
            kinds=LOG_KINDS,
            base=f"/shared/{visit.params['token']}",
        )
        return html(text, charts=True)

    def _log(self, visit: PageVisit) -> Any:
        seen, robot_id = self._opened(visit)
        lines = seen.service.log(robot_id, before=visit.query.number("before"), most=_LINES)
        shown = [one for one in lines if not one.is_private]
        return json_reply(
            {"rows": log_rows(shown, seen.language), "more": len(lines) == _LINES, "next": lines[-1].id if lines else 0}
        )

    def _charts(self, visit: PageVisit) -> Any:
        seen, robot_id = self._opened(visit)
        return json_reply(shown_charts(seen, robot_id))
