"""The methods of the extended API that concern one robot.

Source: FMZ's user guide, "Extended API Interface".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from ...errors import InputError, OperationFailed, OutcomeUnknown
from ..access import Actor
from ..robots.lives import AlreadyRuns
from ..service import Platform
from .lists import robot_row
from .robot_logs import robot_logs
from .robot_settings import settings_of

__all__ = ["ROBOT_METHODS"]

_RUNNING, _STOPPING = 1, 2
_NODE_AWAY, _NOT_COMPILED, _ALREADY_RUNS = -2, -3, -4


def get_robot_detail(platform: Platform, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
    """The result of ``GetRobotDetail``."""
    detail = platform.reader.detail(actor, args["robotId"])
    settings, summary = detail.settings, detail.summary
    accounts = {one.id: one for one in platform.exchanges.all()}
    by_pid = [one for one in settings.exchanges if one.pid]
    pids = [one.pid or -number for number, one in enumerate(settings.exchanges, 1)]
    eids = {str(one.pid): accounts[one.pid].eid for one in by_pid if one.pid in accounts}
    labels = {str(one.pid): accounts[one.pid].label for one in by_pid if one.pid in accounts}
    owner = next((one for one in platform.accounts.all() if one.id == detail.owner_id), None)
    row = robot_row(platform, summary)
    own = [list(arg) for arg in settings.args]
    changed = next((one.changed_ms for one in platform.strategies.all() if one.id == summary.strategy_id), 0)
    robot = {
        **row,
        "charged": 0, "consumed": 0, "favorite": {"added": False, "type": "R"}, "hits": 0, "is_deleted": False,
        "is_manager": actor.role == "owner", "pexchanges": eids,
        "phash": {pid: hashlib.md5(f"{pid}{eid}".encode(), usedforsecurity=False).hexdigest() for pid, eid in eids.items()},
        "plabels": labels, "priority": 0, "robot_args": json.dumps(own), "strategy_args": _declared(platform, summary.strategy_id),
        "strategy_exchange_pairs": json.dumps([settings.period_s, pids, [one.pair for one in settings.exchanges]]),
        "strategy_last_modified": changed, "uid": str(detail.owner_id), "username": owner.name if owner else "",
    }  # fmt: skip
    return {"robot": robot}


def _declared(platform: Platform, strategy_id: int) -> str:
    try:
        rows = platform.strategies.parameters(strategy_id)
    except InputError:  # also UnknownName: the file is gone or broken
        return "[]"
    return json.dumps(
        [[row.name, row.label, row.description, None if row.kind == "encrypted" else row.default] for row in rows]
    )


def new_robot(platform: Platform, actor: Actor, args: dict[str, Any]) -> int:
    """The result of ``NewRobot``: the new robot's number, or a negative status code."""
    actor.check_owner("make robots")
    settings, metas = settings_of(args["settings"] or {})
    if platform.strategies.get(settings.strategy_id).kind == "broken":
        return _NOT_COMPILED
    return platform.lives.create(actor, settings, metas or ())


def restart_robot(platform: Platform, actor: Actor, args: dict[str, Any]) -> int:
    """The result of ``RestartRobot``: a status code."""
    robot = platform.lives.table.get(args["robotId"], with_args=True)
    settings = metas = None
    if args["settings"]:
        settings, metas = settings_of(args["settings"], robot.settings)
    elif any(not one.pid for one in robot.settings.exchanges):
        raise InputError("the keys of exchanges by eid are not stored: RestartRobot needs the settings with exchanges")
    if metas is not None and not metas:
        metas = []
    try:
        platform.lives.start(actor, robot.id, settings, metas)
    except AlreadyRuns:
        return _ALREADY_RUNS
    except OutcomeUnknown:
        return _RUNNING  # the node has the order and has not answered: the robot may run; its state shows it
    except OperationFailed:
        if platform.lives.table.get(robot.id).phase == "failed" and not platform.lives.is_reachable(robot.id):
            return _NODE_AWAY
        raise
    return _RUNNING


def stop_robot(platform: Platform, actor: Actor, args: dict[str, Any]) -> int:
    """The result of ``StopRobot``: a status code; that of a robot that does not run is the one it has."""
    actor.check_operates(args["robotId"], "stop")
    try:
        platform.lives.stop(actor, args["robotId"])
    except InputError:
        return platform.reader.state(actor, args["robotId"]).status  # raises if there is no such robot
    return _STOPPING


def command_robot(platform: Platform, actor: Actor, args: dict[str, Any]) -> bool:
    """The result of ``CommandRobot``."""
    return platform.lives.command(actor, args["robotId"], args["cmd"])


def delete_robot(platform: Platform, actor: Actor, args: dict[str, Any]) -> int:
    """The result of ``DeleteRobot``: 0, -1 for a robot that runs or is not there, -2 when logs remain on a node that is away."""
    try:
        gone = platform.lives.delete(actor, args["robotId"], remove_logs=args["removeLog"])
    except InputError:  # also UnknownName
        return -1
    return 0 if gone else -2


ROBOT_METHODS: dict[str, Callable[[Platform, Actor, dict[str, Any]], Any]] = {
    "GetRobotDetail": get_robot_detail, "GetRobotLogs": robot_logs, "NewRobot": new_robot, "RestartRobot": restart_robot,
    "StopRobot": stop_robot, "CommandRobot": command_robot, "DeleteRobot": delete_robot,
}  # fmt: skip
"""The methods by name."""
