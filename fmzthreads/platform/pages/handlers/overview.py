"""Everything at a glance: robots by group, profit, holdings, nodes, alarms, and the switch that stops all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from ..port import PageService, RobotView
from ..rendering import Renderer
from ..replies import html
from ..site import SitePage, redirect
from ..visit import PageVisit

__all__ = ["OverviewPages"]


@attrs.frozen
class GroupOfRobots:
    """Robots of one group, with the sum of their profits; the name is empty for those of none."""

    name: str
    robots: Sequence[RobotView]
    profit: float


class OverviewPages:
    """The first page.

    Args:
        renderer: Makes HTML.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def pages(self) -> list[SitePage]:
        """The pages."""
        return [
            SitePage("/", self._overview),
            SitePage("/stop-all", self._stop_all, "operator", "POST"),
            SitePage("/alarms/{alarm:int}/dismiss", self._dismiss, "operator", "POST"),
        ]

    def _overview(self, visit: PageVisit) -> Any:
        template = "overview_part.html" if visit.query.has("part") else "overview.html"
        return html(self._renderer.page(visit, template, **overview_facts(visit.service)))

    def _stop_all(self, visit: PageVisit) -> Any:
        visit.service.stop_all(cancel=visit.form.has("cancel"))
        return redirect("/?said=stopping")

    def _dismiss(self, visit: PageVisit) -> Any:
        visit.service.dismiss_alarm(visit.params["alarm"])
        return redirect("/")


def overview_facts(service: PageService) -> dict[str, Any]:
    """What the overview shows, read now."""
    robots = service.robots()
    names = list(dict.fromkeys([*service.groups(), *(one.group for one in robots if one.group)]))
    groups = []
    for name in (*names, ""):
        some = [one for one in robots if one.group == name]
        if some:
            groups.append(GroupOfRobots(name, some, sum(one.profit or 0.0 for one in some)))
    return {
        "groups": groups,
        "robots": robots,
        "profit": sum(one.profit or 0.0 for one in robots),
        "running": sum(one.status in (1, 2) for one in robots),
        "positions": service.positions(),
        "worth": service.worth(),
        "nodes": service.nodes(),
        "alarms": service.alarms(),
    }
