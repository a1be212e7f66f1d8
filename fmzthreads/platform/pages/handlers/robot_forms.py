"""Making a robot, and changing one: the form of strategy, exchanges, arguments and the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ....errors import FmzError, InputError
from ..parameter_fields import FieldGroup, field_groups, typed_arguments
from ..port import PageService
from ..rendering import Renderer
from ..replies import html
from ..site import SitePage, redirect
from ..visit import Form, PageVisit

__all__ = ["RobotForms", "strategy_fields", "typed_by_strategy"]

_MOST_EXCHANGES = 20
RESTARTS = ("never", "failed", "always")


class RobotForms:
    """The forms of robots.

    Args:
        renderer: Makes HTML.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def pages(self) -> list[SitePage]:
        """The pages."""
        return [
            SitePage("/robots/new", self._ask, "owner"),
            SitePage("/robots/new", self._create, "owner", "POST"),
            SitePage("/robots/import", self._ask_folder, "owner"),
            SitePage("/robots/import", self._import, "owner", "POST"),
            SitePage("/robots/{robot:int}/settings", self._edit, "operator"),
            SitePage("/robots/{robot:int}/settings", self._change, "operator", "POST"),
        ]

    def _ask(self, visit: PageVisit) -> Any:
        strategy = visit.query.text("strategy")
        settings = {
            "name": strategy.rpartition(".")[0],
            "strategy": strategy,
            "templates": visit.query.many("template"),
        }
        return self._form(visit, settings, "")

    def _create(self, visit: PageVisit) -> Any:
        settings = _plain_settings(visit.form)
        try:
            settings["args"] = typed_by_strategy(visit.service, settings["strategy"], settings["templates"], visit.form)
            robot = visit.service.create_robot(settings)
        except FmzError as error:
            return self._form(visit, settings, str(error), status=400)
        return redirect(f"/robots/{robot}?said=started")

    def _ask_folder(self, visit: PageVisit) -> Any:
        return self._import_page(visit)

    def _import(self, visit: PageVisit) -> Any:
        folder = visit.form.text("folder").strip()
        try:
            robot, notes = visit.service.import_robot(folder)
        except FmzError as error:
            return self._import_page(visit, folder=folder, problem=str(error), status=400)
        return self._import_page(visit, robot=robot, notes=notes)

    def _import_page(
        self, visit: PageVisit, *, folder: str = "", problem: str = "", robot: int = 0, notes: Sequence[str] = (), status: int = 200
    ) -> Any:  # fmt: skip
        text = self._renderer.page(
            visit, "robots/import.html", folders=visit.service.found_folders(), folder=folder, problem=problem, robot=robot,
            notes=notes,
        )  # fmt: skip
        return html(text, status=status)

    def _edit(self, visit: PageVisit) -> Any:
        robot = visit.service.robot(visit.params["robot"])
        visit.person.check_operates(robot.id, "change")
        settings = dict(visit.service.robot_settings(robot.id))
        return self._form(visit, settings, "", robot_id=robot.id)

    def _change(self, visit: PageVisit) -> Any:
        robot_id = visit.params["robot"]
        stored = dict(visit.service.robot_settings(robot_id))
        owns = visit.person.role == "owner"
        settings = {**stored, **(_plain_settings(visit.form) if owns else {}), "strategy": stored["strategy"]}
        try:
            settings["args"] = typed_by_strategy(visit.service, settings["strategy"], settings["templates"], visit.form)
            visit.service.update_robot(robot_id, settings)
            if visit.form.has("start"):
                visit.service.restart_robot(robot_id)
        except FmzError as error:
            return self._form(visit, settings, str(error), robot_id=robot_id, status=400)
        return redirect(f"/robots/{robot_id}?said={'started' if visit.form.has('start') else 'saved'}")

    def _form(
        self, visit: PageVisit, settings: Mapping[str, Any], problem: str, *, robot_id: int = 0, status: int = 200
    ) -> Any:
        service = visit.service
        strategies = service.strategies()
        groups: list[FieldGroup] = []
        broken = ""
        strategy = str(settings.get("strategy") or "")
        if strategy:
            try:
                groups = strategy_fields(
                    service, strategy, settings.get("templates") or [], settings.get("args") or {}, visit.language
                )
            except FmzError as error:
                broken = str(error)
        text = self._renderer.page(
            visit,
            "robots/form.html",
            robot_id=robot_id,
            settings={
                "name": "", "strategy": "", "templates": [], "exchanges": [], "period_s": 60, "node": 0, "group": "", "restart": "never",
                **settings,
            },
            problem=problem or broken,
            groups=groups,
            strategies=[one for one in strategies if one.kind == "strategy"],
            templates=[one for one in strategies if one.kind == "template"],
            accounts=service.exchanges(),
            nodes=service.nodes(),
            robot_groups=service.groups(),
            restarts=RESTARTS,
            may_all=visit.person.role == "owner",
        )  # fmt: skip
        return html(text, status=status)


def strategy_fields(
    service: PageService, strategy: str, templates: Sequence[str], values: Mapping[str, Any], language: str
) -> list[FieldGroup]:
    """The fields of a strategy's parameters and of those of its templates.

    Raises:
        FmzError: A declaration cannot be read.
    """
    groups = field_groups(service.parameters(strategy), values, language)
    for template in templates:
        name = template.rpartition(".")[0]
        for group in field_groups(service.parameters(template), values, language, template=name):
            groups.append(FieldGroup(f"{name}: {group.title}" if group.title else name, group.fields))
    return groups


def typed_by_strategy(service: PageService, strategy: str, templates: Sequence[str], form: Form) -> dict[str, Any]:
    """The arguments that were typed, for a strategy and its templates.

    Raises:
        FmzError: A declaration cannot be read, or a value is not valid.
    """
    if not strategy:
        raise InputError("choose a strategy first")
    found = typed_arguments(service.parameters(strategy), form)
    for template in templates:
        found |= typed_arguments(service.parameters(template), form, template=template.rpartition(".")[0])
    return found


def _plain_settings(form: Form) -> dict[str, Any]:
    """What was typed besides the arguments."""
    pairs = zip(form.many("exchange"), form.many("pair"), strict=False)
    exchanges = [
        {"id": int(account), "pair": pair.strip().upper()}
        for account, pair in pairs
        if account.isascii() and account.isdigit() and pair.strip()
    ]
    restart = form.text("restart", "never")
    return {
        "name": form.text("name").strip(),
        "strategy": form.text("strategy"),
        "templates": form.many("template"),
        "exchanges": exchanges[:_MOST_EXCHANGES],
        "period_s": form.number("period_s", 60) or 60,
        "node": form.number("node"),
        "group": form.text("group").strip(),
        "restart": restart if restart in RESTARTS else "never",
    }
