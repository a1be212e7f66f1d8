"""One robot: its page, and what can be done to it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

from ....backtest.report.figures import chart, line
from ....backtest.report.strategy_charts import strategy_charts
from ....errors import FmzError, InputError
from ....strategy.log.render import in_language, parse_markup, without_colors
from ...security.share_links import ShareLinks
from ..live_status import LiveStatusView
from ..port import LogView, RobotView
from ..rendering import Renderer
from ..replies import download, html, json_reply
from ..site import SitePage, redirect
from ..visit import Form, PageVisit

__all__ = ["LOG_KINDS", "LogChoice", "RobotPages", "log_rows", "shown_charts", "status_part"]

LOG_KINDS = ("Buy", "Sell", "Cancel", "Error", "Profit", "Log", "Restart")
"""The kinds of log lines, by FMZ's numbers."""

_COLUMNS = 900
_PAGE, _MOST_PAGE = 200, 1000
_LONGEST_TEXT = 5000
_EXPORT = ("id", "time_ms", "kind", "exchange", "symbol", "price", "amount", "order_id", "text")


class LogChoice:
    """Which lines of a log are wanted, as the page's filter says.

    Args:
        query: ``kinds`` (numbers with commas), ``exchange`` and ``word``.

    Raises:
        InputError: A kind is not a number from 0 to 6.
    """

    def __init__(self, query: Form) -> None:
        texts = [text for text in query.text("kinds").split(",") if text]
        if any(text not in {"0", "1", "2", "3", "4", "5", "6"} for text in texts):
            raise InputError(f"kinds is {query.text('kinds')[:40]!r}, expected numbers from 0 to 6 with commas")
        self.kinds = tuple(sorted({int(text) for text in texts}))
        self.exchange = query.text("exchange")[:200]
        self.word = query.text("word")[:200]


class RobotPages:
    """The pages of robots that are there; new ones are made elsewhere.

    Args:
        renderer: Makes HTML.
        links: The share links.
    """

    def __init__(self, renderer: Renderer, links: ShareLinks) -> None:
        self._renderer = renderer
        self._links = links

    def pages(self) -> list[SitePage]:
        """The pages."""
        base = "/robots/{robot:int}"
        return [
            SitePage(base, self._robot),
            SitePage(f"{base}/log.json", self._log),
            SitePage(f"{base}/log.csv", self._log_csv),
            SitePage(f"{base}/charts.json", self._charts),
            SitePage(f"{base}/facts", self._facts),
            SitePage(f"{base}/orders", self._orders),
            SitePage(f"{base}/output", self._output),
            SitePage(f"{base}/stop", self._stop, "operator", "POST"),
            SitePage(f"{base}/kill", self._kill, "operator", "POST"),
            SitePage(f"{base}/restart", self._restart, "operator", "POST"),
            SitePage(f"{base}/command", self._command, "operator", "POST"),
            SitePage(f"{base}/delete", self._delete, "owner", "POST"),
            SitePage(f"{base}/share", self._share, "owner", "POST"),
            SitePage(f"{base}/share/{{number:int}}/end", self._unshare, "owner", "POST"),
        ]

    def _robot(self, visit: PageVisit) -> Any:
        robot = visit.service.robot(visit.params["robot"])
        owns = visit.person.role == "owner"
        text = self._renderer.page(
            visit,
            "robots/robot.html",
            **robot_facts(visit, robot, self._renderer),
            settings=visit.service.robot_settings(robot.id),
            may_operate=visit.person.role != "reader",
            links=self._links.of(robot.id) if owns else [],
            base=f"/robots/{robot.id}",
            is_shared=False,
        )
        return html(text, charts=True)

    def _facts(self, visit: PageVisit) -> Any:
        """The part of the page that changes: state, stages, orders, positions."""
        robot = visit.service.robot(visit.params["robot"])
        facts = robot_facts(visit, robot, self._renderer)
        text = self._renderer.page(
            visit, "robots/facts.html", **facts, base=f"/robots/{robot.id}", may_operate=visit.person.role != "reader"
        )
        return html(text)

    def _orders(self, visit: PageVisit) -> Any:
        robot = visit.service.robot(visit.params["robot"])
        return html(self._renderer.page(visit, "robots/orders.html", **robot_facts(visit, robot, self._renderer)))

    def _log(self, visit: PageVisit) -> Any:
        return json_reply(log_page(visit, visit.params["robot"]))

    def _log_csv(self, visit: PageVisit) -> Any:
        robot = visit.service.robot(visit.params["robot"])
        choice = LogChoice(visit.query)
        return download(_csv(visit, robot.id, choice), f"{robot.name}-log.csv", "text/csv; charset=utf-8")

    def _charts(self, visit: PageVisit) -> Any:
        return json_reply(shown_charts(visit, visit.params["robot"]))

    def _output(self, visit: PageVisit) -> Any:
        stream = "stderr" if visit.query.text("stream") == "stderr" else "stdout"
        text = visit.service.output(visit.params["robot"], stream)
        return html(self._renderer.page(visit, "robots/output.html", text=text))

    def _stop(self, visit: PageVisit) -> Any:
        visit.service.stop_robot(visit.params["robot"], cancel=visit.form.has("cancel"))
        return redirect(f"/robots/{visit.params['robot']}?said=stopping")

    def _kill(self, visit: PageVisit) -> Any:
        visit.service.kill_robot(visit.params["robot"])
        return redirect(f"/robots/{visit.params['robot']}?said=killed")

    def _restart(self, visit: PageVisit) -> Any:
        visit.service.restart_robot(visit.params["robot"])
        return redirect(f"/robots/{visit.params['robot']}?said=started")

    def _command(self, visit: PageVisit) -> Any:
        taken = visit.service.command(visit.params["robot"], visit.form.text("command"))
        if visit.form.has("script"):
            return json_reply({"accepted": taken})
        return redirect(f"/robots/{visit.params['robot']}?said={'sent' if taken else 'refused'}")

    def _delete(self, visit: PageVisit) -> Any:
        visit.service.delete_robot(visit.params["robot"], remove_log=visit.form.has("remove_log"))
        return redirect("/?said=deleted")

    def _share(self, visit: PageVisit) -> Any:
        robot = visit.service.robot(visit.params["robot"])
        try:
            days = float(visit.form.text("days"))
        except ValueError:
            days = math.nan
        token = self._links.make(robot.id, visit.person.name, days)
        return html(self._renderer.page(visit, "robots/link.html", robot=robot, path=f"/shared/{token}", days=days))

    def _unshare(self, visit: PageVisit) -> Any:
        robot = visit.params["robot"]
        self._links.remove(visit.params["number"], robot)
        return redirect(f"/robots/{robot}#share")


def robot_facts(visit: PageVisit, robot: RobotView, renderer: Renderer) -> dict[str, Any]:
    """What the page of a robot shows besides its log and charts."""
    service = visit.service
    may = visit.actor is not None and visit.actor.role != "reader"
    return {
        "robot": robot,
        "status_html": renderer.markup(status_part(visit, robot.id, may_command=may)),
        "orders": service.orders(robot.id),
        "positions": service.positions(robot.id),
        "worth": service.worth(robot.id),
        "kinds": LOG_KINDS,
        "stages": stages_of(robot),
    }


def stages_of(robot: RobotView) -> list[tuple[str, str, tuple[int, int] | None]]:
    """The stages of a stop, each with ``done``, ``now`` or ``later``, and how many of how many; empty when no stop was asked for."""
    if not robot.stage:
        return []
    cancelling = ["orders cancelled"] if robot.cancels or robot.orders or robot.stage == "orders cancelled" else []
    names = ["asked", *cancelling, "onexit", "ended"]
    place = names.index(robot.stage) if robot.stage in names else 0
    if robot.stage == "ended":
        place = len(names)
    counts = (robot.cancelled, robot.orders) if robot.orders else None
    return [
        (name, "done" if n < place else "now" if n == place else "later", counts if name in cancelling else None)
        for n, name in enumerate(names)
    ]


def status_part(visit: PageVisit, robot_id: int, *, may_command: bool) -> str:
    """The status bar as HTML."""
    view = LiveStatusView(visit.language, may_command=may_command)
    return view.html(visit.service.status_text(robot_id))


def log_page(visit: PageVisit, robot_id: int) -> dict[str, Any]:
    """Lines of the log as the page's script takes them."""
    choice = LogChoice(visit.query)
    most = min(visit.query.number("most", _PAGE), _MOST_PAGE)
    lines = visit.service.log(
        robot_id,
        before=visit.query.number("before"),
        kinds=choice.kinds,
        exchange=choice.exchange,
        word=choice.word,
        most=most,
    )
    return {"rows": log_rows(lines, visit.language), "more": len(lines) == most}


def log_rows(lines: Sequence[LogView], language: str) -> list[list[Any]]:
    """Lines as rows: id, time, kind, exchange, order, price, amount, text, symbol, colour, whether it was pushed."""
    found = []
    for one in lines:
        markup = parse_markup(in_language(one.text, language))
        text = without_colors(markup.text)[:_LONGEST_TEXT]
        color = one.color or markup.color
        found.append([
            one.id, one.time_ms, one.kind, one.exchange, one.order_id, one.price, one.amount, text, one.symbol, color, one.push,
        ])  # fmt: skip
    return found


def shown_charts(visit: PageVisit, robot_id: int) -> dict[str, Any]:
    """The strategy's charts and the profit curve, as the page's script takes them; empty when nothing changed since."""
    drawn = visit.service.chart(robot_id)
    profits = visit.service.profits(robot_id)
    mark = f"{drawn.get('changed', 0)}-{profits[-1][0] if profits else 0}-{len(profits)}"
    if visit.query.text("since") == mark:
        return {"since": mark, "figures": None}
    figures = strategy_charts(drawn, _COLUMNS)
    if len(profits) > 1:
        times, values = [one[0] for one in profits], [one[1] for one in profits]
        curve = line(
            visit.say("Profit"), times, values, _COLUMNS, color="@accent", fill="tozeroy", fillcolor="@accent-faint"
        )
        figures.insert(0, chart("profit", [curve], height=260))
        figures[0]["title"] = visit.say("Profit")
    return {"since": mark, "figures": figures}


def _csv(visit: PageVisit, robot_id: int, choice: LogChoice) -> Iterator[bytes]:
    """All chosen lines, oldest first, as a table that other programs read.

    Raises:
        FmzError: The log cannot be read. What fails later, when the reply has begun, is its last row.
    """

    def _page(after: int) -> Sequence[LogView]:
        return visit.service.log_after(
            robot_id, after, kinds=choice.kinds, exchange=choice.exchange, word=choice.word, most=_MOST_PAGE
        )

    def _rest(lines: Sequence[LogView]) -> Iterator[bytes]:
        yield _row(_EXPORT)
        try:
            while lines:
                yield b"".join(_row(_exported(one)) for one in lines)
                lines = _page(lines[-1].id)
        except FmzError as error:
            yield _row(["" for _ in _EXPORT[1:]] + [f"the log cannot be read further: {error}"])

    return _rest(_page(0))


def _exported(one: LogView) -> Sequence[Any]:
    kind = LOG_KINDS[one.kind] if 0 <= one.kind < len(LOG_KINDS) else one.kind
    return one.id, one.time_ms, kind, one.exchange, one.symbol, one.price, one.amount, one.order_id, one.text


def _row(values: Sequence[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([_not_a_formula(value) for value in values])
    return text.getvalue().encode("utf-8", "replace")


def _not_a_formula(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value
