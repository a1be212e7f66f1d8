"""The methods of the extended API that list things: the account, nodes, exchanges, strategies, groups and robots.

Source of all shapes: FMZ's user guide, "Extended API Interface". What this platform does not have (prices, rents, forks) is given as zero or empty.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import attrs

from ...errors import InputError
from ..access import Actor
from ..robots.views import RobotSummary
from ..service import Platform
from ..store.exchange_accounts import meta_fields, venue_ids
from ..strategies.folder import StrategyFile

__all__ = ["LIST_METHODS", "symbols"]

T = TypeVar("T")

_LANGUAGES = {"JavaScript": 0, "Python": 1}
_PAIRS = ("BTC_USDT", "ETH_USDT")  # those that every venue here has; a robot may use any pair of its exchange


def _date(ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ms / 1000))


def _page(rows: Sequence[T], offset: int, limit: int) -> list[T]:
    start = max(0, offset)
    return list(rows[start : start + limit] if limit > 0 else rows[start:])


def get_account(platform: Platform, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
    """The result of ``GetAccount``."""
    account = platform.accounts.get(actor.account_id)
    alive = sum(one.state.alive for one in platform.reader.all(actor))
    return {
        "balance": 0, "concurrent": alive, "consumed": 0, "email": account.email, "openai": False, "settings": "{}",
        "sns": {"wechat": False}, "uid": str(account.id), "username": account.name,
    }  # fmt: skip


def get_node_list(platform: Platform, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
    """The result of ``GetNodeList``."""
    nodes = platform.nodes()
    rows = [
        {
            "build": one.facts.version, "city": "", "created": _date(one.row.created_ms), "date": _date(one.row.created_ms), "forward": "",
            "guid": f"node-{one.row.id}", "host": one.facts.host, "id": one.row.id, "ip": "", "is_owner": True, "loaded": one.robots,
            "name": one.row.name, "online": one.facts.online, "os": one.facts.os, "peer": "", "public": 0, "region": "", "tunnel": False,
            "version": one.facts.version, "wd": 1,
        }
        for one in nodes
    ]  # fmt: skip
    return {"all": len(rows), "nodes": _page(rows, args["offset"], args["limit"])}


def delete_node(platform: Platform, actor: Actor, args: dict[str, Any]) -> bool:
    """The result of ``DeleteNode``."""
    actor.check_owner("delete nodes")
    platform.remove_node(actor, args["nid"])
    return True


def get_exchange_list(platform: Platform, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
    """The result of ``GetExchangeList``: the venues, with the fields of their forms."""
    found = []
    for number, eid in enumerate(venue_ids(), 1):
        row: dict[str, Any] = {
            "category": _category(eid), "eid": eid, "id": number, "logo": "", "name": eid, "priority": 0, "website": "",
        }  # fmt: skip
        if not args["isSummary"]:
            row["meta"] = json.dumps([attrs.asdict(field) for field in meta_fields(eid)])
            row["stocks"] = ",".join(_PAIRS)
        found.append(row)
    return {"exchanges": found}


def get_platform_list(platform: Platform, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
    """The result of ``GetPlatformList``: the accounts at exchanges; ``id`` is the ``pid``."""
    actor.check_owner("list the accounts at exchanges")
    rows = [
        {
            "category": _category(one.eid), "date": _date(one.created_ms), "eid": one.eid, "id": one.id, "label": one.label, "logo": "",
            "name": one.eid, "stocks": list(_PAIRS), "website": "",
        }
        for one in platform.exchanges.all()
    ]  # fmt: skip
    return {"all": len(rows), "platforms": _page(rows, args["offset"], args["limit"])}


def _category(eid: str) -> str:
    return "CUSTOM" if eid == "Exchange" else "FUTURES" if eid.startswith("Futures_") else "CRYPTO"


def get_strategy_list(platform: Platform, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
    """The result of ``GetStrategyList``."""
    account = platform.accounts.get(actor.account_id)
    # Strategies of others (official, rented, on the square) do not exist here.
    found = platform.strategies.all() if args["strategyType"] in {-1, 0, -3, -6} else []
    if args["category"] not in {-1, 0, 20, 21}:
        found = []
    seen = platform.reader.strategies_seen(actor)
    found = [
        one
        for one in found
        if (seen is None or one.id in seen)
        and (args["category"] == -1 or (20 if one.kind == "template" else 0) == args["category"])
        and (args["language"] == -1 or _LANGUAGES[one.language] == args["language"])
        and _named(args["kw"], one.id, one.file)
    ]
    keys: dict[str, Callable[[StrategyFile], Any]] = {
        "name": lambda one: one.name.lower(), "last_modified": lambda one: one.changed_ms, "date": lambda one: one.created_ms,
    }  # fmt: skip
    found = _ordered(found, args["orderBy"], keys)
    rows = [
        {
            "category": 20 if one.kind == "template" else 0, "date": _date(one.created_ms), "description": one.error, "forked": 0, "hits": 0,
            "id": one.id, "is_buy": False, "is_owner": True, "language": _LANGUAGES[one.language], "last_modified": _date(one.changed_ms),
            "name": one.name, "profile": {"avatar": "", "nickname": account.name, "uid": str(account.id)}, "public": 0, "tags": "",
            "uid": str(account.id), "username": account.name,
        }
        for one in found
    ]  # fmt: skip
    return {"all": len(rows), "strategies": _page(rows, args["offset"], args["length"])}


def get_robot_group_list(platform: Platform, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
    """The result of ``GetRobotGroupList``."""
    return {"items": [{"id": one.id, "name": one.name} for one in platform.groups.all()]}


def get_robot_list(platform: Platform, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
    """The result of ``GetRobotList``."""
    everything = platform.reader.all(actor)
    wanted, group = args["customStatus"], args["groupId"]
    found = [
        one
        for one in everything
        if (wanted in {-1, -2} or one.state.status == wanted)
        and (not args["appId"] or one.app_id == args["appId"])
        and _named(args["kw"], one.id, one.name)
        and group in {-1, one.group_id}
        and args["strategyId"] in {0, one.strategy_id}
    ]
    keys: dict[str, Callable[[RobotSummary], Any]] = {
        "name": lambda one: one.name.lower(), "status": lambda one: one.state.status, "node": lambda one: one.node_id,
        "profit": lambda one: one.profit if one.profit is not None else float("-inf"), "date": lambda one: one.created_ms,
        "refresh": lambda one: one.last_ms, "start_time": lambda one: one.started_ms, "strategy_name": lambda one: one.strategy_file.lower(),
    }  # fmt: skip
    order = "start_time" if wanted == -2 and not args["orderBy"] else args["orderBy"]
    found = _ordered(found, order, keys)
    concurrent = sum(one.state.alive for one in everything)
    rows = [robot_row(platform, one) for one in _page(found, args["offset"], args["length"])]
    return {"all": len(found), "concurrent": concurrent, "robots": rows}


def robot_row(platform: Platform, one: RobotSummary) -> dict[str, Any]:
    """A robot as ``GetRobotList`` tells it."""
    row = {
        "charge_time": 0, "date": _date(one.created_ms), "end_time": _date(one.ended_ms) if one.ended_ms else "", "fixed_id": -1, "id": one.id,
        "is_sandbox": 0, "name": one.name, "node_guid": f"node-{one.node_id}", "node_id": one.node_id, "node_public": 0,
        "profit": one.profit or 0, "public": 0, "refresh": one.state.read_ms,
        "start_time": _date(one.started_ms) if one.started_ms else "", "status": one.state.status, "strategy_id": one.strategy_id,
        "strategy_isowner": True, "strategy_language": 0 if one.strategy_file.endswith(".js") else 1,
        "strategy_name": one.strategy_file.rpartition(".")[0], "strategy_public": 0, "uid": "", "wd": int(bool(one.state.alarm)),
    }  # fmt: skip
    return {**row, "group_id": one.group_id} if one.group_id else row


def _named(words: str, number: int, name: str) -> bool:
    """Whether ``kw`` names something: all its words stand in the name, or ``id:1,2`` has its number."""
    words = words.strip()
    if words.startswith("id:"):
        return str(number) in {word.strip() for word in words[3:].split(",")}
    return all(word.lower() in name.lower() for word in words.split())


def _ordered(rows: Sequence[T], order: str, keys: dict[str, Callable[[T], Any]]) -> list[T]:
    word, _, direction = order.strip().partition(" ")
    if not word:
        return list(rows)
    if word not in keys or direction.strip() not in {"", "asc", "desc"}:
        raise InputError(f"orderBy is {order[:60]!r}, expected one of {', '.join(keys)}, also with ' asc' behind it")
    return sorted(rows, key=keys[word], reverse=direction.strip() != "asc")


def symbols() -> dict[str, list[str]]:
    """What ``GET /chart/symbols.json`` answers: pairs by the venue's id."""
    return {eid: list(_PAIRS) for eid in venue_ids()}


LIST_METHODS: dict[str, Callable[[Platform, Actor, dict[str, Any]], Any]] = {
    "GetAccount": get_account, "GetNodeList": get_node_list, "DeleteNode": delete_node, "GetExchangeList": get_exchange_list,
    "GetPlatformList": get_platform_list, "GetStrategyList": get_strategy_list, "GetRobotGroupList": get_robot_group_list,
    "GetRobotList": get_robot_list,
}  # fmt: skip
"""The methods by name."""
