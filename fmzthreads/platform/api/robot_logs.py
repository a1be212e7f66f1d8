"""``GetRobotLogs``: pages of a robot's log, profit curve and chart, with its status bar.

Source: FMZ's user guide, "Extended API Interface", ``GetRobotLogs``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import InputError
from ..access import Actor
from ..robots.tables import LogFilter, TablePage
from ..robots.views import RobotSummary
from ..service import Platform

__all__ = ["robot_logs"]


def robot_logs(platform: Platform, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
    """The result of ``GetRobotLogs``.

    Args:
        platform: The platform.
        actor: Who asks.
        args: The arguments by FMZ's names.

    Raises:
        FmzError: There is no such robot, or its database cannot be read.
    """
    robot_id = args["robotId"]
    summary = platform.reader.summary(actor, robot_id)
    wanted = LogFilter(kinds=_kinds(args["logTypes"]), label=args["logExchange"], word=args["logKeyword"])
    page = {
        "min_id": args["logMinId"], "max_id": args["logMaxId"], "offset": args["logOffset"], "limit": args["logLimit"],
    }  # fmt: skip
    log = platform.reader.log(actor, robot_id, **page, wanted=wanted)
    path = platform.lives.run_folder(robot_id).database
    tables = platform.tables
    profit = tables.profit(
        path,
        min_id=args["profitMinId"],
        max_id=args["profitMaxId"],
        offset=args["profitOffset"],
        limit=args["profitLimit"],
    )
    chart = tables.chart(
        path, min_id=args["chartMinId"], max_id=args["chartMaxId"], offset=args["chartOffset"], limit=args["chartLimit"],
        update_base_id=args["chartUpdateBaseId"], update_ms=args["chartUpdateDate"],
    )  # fmt: skip
    status = _cut(platform.reader.status_text(actor, robot_id), args["summaryLimit"])
    return {
        "chart": tables.chart_config(path),
        "chartTime": max((row.changed_ms for row in chart.rows), default=0),
        "logs": [
            _table(log, [_log_row(row) for row in log.rows]),
            _table(profit, [[row.id, row.profit, row.time_ms] for row in profit.rows]),
            _table(chart, [[row.id, row.series, row.data] for row in chart.rows]),
        ],
        **_facts(summary),
        "summary": status,
    }


def _log_row(row: Any) -> list[Any]:
    return [
        row.id,
        row.kind,
        row.label,
        row.order_id,
        row.price,
        row.amount,
        row.text,
        row.time_ms,
        row.symbol,
        row.direction,
    ]


def _table(page: TablePage, rows: Sequence[Any]) -> dict[str, Any]:
    return {"Total": page.total, "Max": page.largest, "Min": page.smallest, "Arr": rows}


def _facts(summary: RobotSummary) -> dict[str, Any]:
    return {
        "node_id": summary.node_id,
        "online": summary.state.reachable,
        "refresh": summary.state.read_ms,
        "status": summary.state.status,
        "updateTime": summary.last_ms,
        "wd": int(bool(summary.state.alarm)),
    }


def _kinds(text: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word in {"0", "1", "2", "3", "4", "5", "6"} for word in words):
        raise InputError(f"logTypes is {text[:60]!r}, expected numbers 0 to 6 with commas between")
    return tuple(sorted({int(word) for word in words}))


def _cut(text: str, limit: int) -> str:
    """At most so many bytes of a text, without half a character at the end; all of it for a negative limit."""
    if limit < 0:
        return text
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
