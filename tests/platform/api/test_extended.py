"""Calls of the extended API: verification, arguments, codes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from fmzthreads.platform.access import Actor
from fmzthreads.platform.api.arguments import SIGNATURES
from fmzthreads.platform.api.extended import ExtendedApi
from fmzthreads.platform.api.verification import signature
from fmzthreads.platform.nodes.node import ProcessLook
from fmzthreads.platform.service import Platform
from fmzthreads.platform.store.api_keys import ApiKey
from tests.helpers.platforms import FakeNode, fake_platform, owner_of, robot_settings


class Caller:
    """Calls the API of a platform."""

    def __init__(self, platform: Platform, node: FakeNode) -> None:
        self.platform, self.node = platform, node
        self.api = ExtendedApi(platform)
        self.key, self.secret = platform.api_keys.create(1)
        self.nonce = time.time_ns() // 1_000_000
        self.owner: Actor = owner_of(platform)

    def fields(self, method: str, args: Any = None, **changes: str) -> dict[str, str]:
        self.nonce += 1
        text = args if isinstance(args, str) else "" if args is None else json.dumps(args)
        fields = {
            "version": "1.0",
            "access_key": self.key.access_key,
            "method": method,
            "args": text,
            "nonce": str(self.nonce),
        }
        fields |= {name: value for name, value in changes.items() if name != "sign"}
        sign = signature(fields["version"], fields["method"], fields["args"], fields["nonce"], self.secret)
        return {**fields, "sign": changes.get("sign", sign)}

    def send(self, fields: dict[str, str], *, get: bool = False, address: str = "127.0.0.1") -> dict[str, Any]:
        text = urlencode(fields)
        return self.api.answer(text, b"", address) if get else self.api.answer("", text.encode(), address)

    def call(self, method: str, *args: Any) -> Any:
        reply = self.send(self.fields(method, list(args)))
        assert reply["code"] == 0, reply
        assert reply["data"]["error"] is None, reply
        return reply["data"]["result"]

    def error(self, method: str, args: Any) -> str:
        reply = self.send(self.fields(method, args))
        assert reply["code"] == 0, reply
        assert reply["data"]["result"] is None
        return str(reply["data"]["error"])

    def direct(self, method: str, args: Any, body: bytes = b"", **changes: str) -> dict[str, Any]:
        fields = {
            "access_key": self.key.access_key,
            "secret_key": self.secret,
            "method": method,
            "args": json.dumps(args),
        }
        return self.api.answer(urlencode({**fields, **changes}), body, "127.0.0.1")


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[Caller]:
    with fake_platform(tmp_path) as (platform, node):
        yield Caller(platform, node)


def test_the_signature_is_the_md5_of_the_guides_form() -> None:
    assert signature("1.0", "GetNodeList", "[]", "1700000000000", "secret") == "08645ad224e9180eca64496ac92f2d32"


@pytest.mark.parametrize("get", [False, True])
def test_post_and_get_are_the_same_and_the_version_is_signed_as_sent(caller: Caller, get: bool) -> None:
    for version in ("1.0", "2.7", ""):
        reply = caller.send(caller.fields("GetAccount", "[]", version=version), get=get)
        assert reply["data"]["result"]["username"] == "owner"


def test_each_code_says_what_was_wrong(caller: Caller) -> None:
    assert caller.send(caller.fields("GetAccount", [], access_key="nobody"))["code"] == 1
    assert caller.send(caller.fields("GetAccount", [], sign="0" * 32))["code"] == 2
    wrong = caller.fields("GetAccount", [])
    assert caller.send({**wrong, "args": "[1]"})["code"] == 2, "the arguments are signed as sent"
    assert caller.send(caller.fields("Nothing", []))["code"] == 4
    assert caller.send(caller.fields("answer", []))["code"] == 4
    for args in ("{", "7", '"text"', "[NaN]", "null", '["\\ud800"]', "[" * 100 + "]" * 100, "[" * 100_000):
        assert caller.send(caller.fields("GetAccount", args)) == {"code": 5, "data": None}
    assert caller.api.answer("", b"", "127.0.0.1") == {"code": 1, "data": None}
    caller.platform.api_keys.change(caller.key.id, disabled=True)
    assert caller.send(caller.fields("GetAccount", []))["code"] == 1


def test_the_key_of_a_disabled_account_is_code_1(caller: Caller) -> None:
    reader = caller.platform.accounts.create("reader", "a password of tests", "reader")
    caller.key, caller.secret = caller.platform.api_keys.create(reader.id)
    assert caller.send(caller.fields("GetAccount", []))["code"] == 0
    caller.platform.accounts.change(reader.id, disabled=True)
    assert caller.send(caller.fields("GetAccount", []))["code"] == 1


def test_the_body_beside_a_signed_call_is_not_a_command(caller: Caller) -> None:
    """Nothing signs it."""
    robot = caller.platform.lives.create(caller.owner, robot_settings(caller.platform))
    query = urlencode(caller.fields("CommandRobot", [robot, ""]))
    assert caller.api.answer(query, b"sell everything", "127.0.0.1")["code"] == 0
    assert caller.node.asked[-1][1] == {"command": ""}


def test_a_nonce_is_taken_once_and_lies_within_an_hour(caller: Caller) -> None:
    fields = caller.fields("GetAccount", [])
    assert caller.send(fields)["code"] == 0
    assert caller.send(fields)["code"] == 3, "the same request again"
    now = time.time_ns() // 1_000_000
    for nonce in (now - 3_700_000, now + 3_700_000, "x", "", "-5", "1e12", "9" * 30):
        assert caller.send(caller.fields("GetAccount", [], nonce=str(nonce)))["code"] == 3, nonce
    ahead = caller.fields("GetAccount", [], nonce=str(now + 1_000_000))
    assert caller.send(ahead)["code"] == 0
    assert caller.send(caller.fields("GetAccount", []))["code"] == 3, "smaller than the last one"


def test_a_refused_signature_takes_no_nonce(caller: Caller) -> None:
    fields = caller.fields("GetAccount", [])
    assert caller.send({**fields, "sign": "0" * 32})["code"] == 2
    assert caller.send(fields)["code"] == 0


@pytest.mark.parametrize(
    ("permissions", "allowed", "refused"),
    [
        ("", {"GetAccount", "StopRobot"}, set()),
        ("*", {"GetAccount", "StopRobot"}, set()),
        ("*,!StopRobot", {"GetAccount"}, {"StopRobot"}),
        ("GetAccount, GetNodeList", {"GetAccount", "GetNodeList"}, {"StopRobot"}),
        ("!GetAccount", {"GetNodeList"}, {"GetAccount"}),
        ("read,write", set(), {"GetAccount"}),
        ("!StopRobot !DeleteRobot", {"GetAccount"}, {"StopRobot", "DeleteRobot"}),
        ("*;!StopRobot\n!DeleteRobot", {"GetAccount"}, {"StopRobot", "DeleteRobot"}),
        ("！StopRobot，！DeleteRobot、!NewRobot", {"GetAccount"}, {"StopRobot", "DeleteRobot", "NewRobot"}),
        ("*,!stoprobot", {"GetAccount"}, {"StopRobot"}),
        ("GetAccount,!GetAccount", set(), {"GetAccount", "GetNodeList"}),
    ],
)
def test_a_key_may_call_what_its_list_says(permissions: str, allowed: set[str], refused: set[str]) -> None:
    key = ApiKey(
        id=1, account_id=1, label="", access_key="", permissions=permissions, addresses="", disabled=False, created_ms=0, used_ms=0
    )  # fmt: skip
    assert {name for name in allowed | refused if key.allows(name)} == allowed


def test_a_method_that_the_key_may_not_call_is_code_4(caller: Caller) -> None:
    caller.platform.api_keys.change(caller.key.id, permissions="*,!GetNodeList")
    assert caller.send(caller.fields("GetAccount", []))["code"] == 0
    assert caller.send(caller.fields("GetNodeList", [])) == {"code": 4, "data": None}


def test_the_key_of_who_sees_some_robots_lists_their_strategies(caller: Caller) -> None:
    platform = caller.platform
    platform.strategies.write(owner_of(platform), "other.py", "def main():\n    pass\n")
    robot = platform.lives.create(owner_of(platform), robot_settings(platform))
    second = platform.accounts.create("second", "a password of tests")
    platform.database.execute("UPDATE api_keys SET account_id = ? WHERE id = ?", (second.id, caller.key.id))
    names = lambda: {one["name"] for one in caller.call("GetStrategyList")["strategies"]}  # noqa: E731
    assert names() == {"waits", "other"}
    platform.accounts.change(second.id, role="reader", robots=frozenset({robot}))
    assert names() == {"waits"}
    platform.accounts.change(second.id, robots=frozenset())
    assert names() == set()


def test_another_address_is_code_7(caller: Caller) -> None:
    caller.platform.api_keys.change(caller.key.id, addresses="192.0.2.0/24, 2001:db8::1")
    assert caller.send(caller.fields("GetAccount", []), address="192.0.2.9")["code"] == 0
    assert caller.send(caller.fields("GetAccount", []), address="::ffff:192.0.2.9")["code"] == 0
    assert caller.send(caller.fields("GetAccount", []), address="2001:db8::1")["code"] == 0
    assert caller.send(caller.fields("GetAccount", []), address="198.51.100.1")["code"] == 7
    assert caller.send(caller.fields("GetAccount", []), address="")["code"] == 7


def test_arguments_by_name_take_any_case_and_underscores(caller: Caller) -> None:
    reply = caller.send(caller.fields("GetRobotDetail", {"ROBOT_id": 1}))
    assert reply["data"]["error"] == "no robot 1"
    assert "no parameter 'robot'" in caller.error("GetRobotDetail", {"robot": 1})
    assert "given twice" in caller.error("GetRobotDetail", {"robotId": 1, "robot_id": 1})
    assert caller.error("StopRobot", {}) == "Params number mismatch for StopRobot: expected 1, got 0"
    assert caller.error("StopRobot", []) == "Params number mismatch for StopRobot: expected 1, got 0"
    assert caller.error("StopRobot", [1, 2]) == "Params number mismatch for StopRobot: expected 1, got 2"
    assert "expected a whole number" in caller.error("StopRobot", ["abc"])
    assert "expected a whole number" in caller.error("StopRobot", [True])
    assert caller.error("GetRobotDetail", ["7"]) == "no robot 7", "numbers may be texts"


def test_absent_arguments_are_none(caller: Caller) -> None:
    fields = caller.fields("GetNodeList", "")
    assert caller.send(fields)["data"]["result"]["all"] == 1
    text = urlencode({name: value for name, value in caller.fields("GetNodeList", "").items() if name != "args"})
    assert caller.api.answer("", text.encode(), "127.0.0.1")["code"] == 0


def test_a_single_text_of_get_robot_list_is_the_app_id(caller: Caller) -> None:
    for name in ("mine", "other"):
        caller.platform.lives.create(caller.owner, robot_settings(caller.platform, name=name, app_id=name))
    assert [row["name"] for row in caller.call("GetRobotList", "mine")["robots"]] == ["mine"]
    assert caller.call("GetRobotList")["all"] == 2


def test_direct_calls_of_one_second_collide_but_commands_do_not(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fmzthreads.platform.api.extended as module

    now_ms = time.time_ns() // 1_000_000
    real = module.verified
    monkeypatch.setattr(
        module, "verified", lambda platform, fields, address: real(platform, fields, address, lambda: now_ms)
    )
    assert caller.direct("GetAccount", [])["code"] == 0
    assert caller.direct("GetAccount", [])["code"] == 3
    robot = caller.platform.lives.create(caller.owner, robot_settings(caller.platform))
    for _ in range(3):
        assert caller.direct("CommandRobot", [robot, "go"])["data"]["result"] is True
    now_ms += 1000
    assert caller.direct("GetAccount", [])["code"] == 0
    assert caller.direct("GetAccount", [], secret_key="wrong") == {"code": 1, "data": None}
    assert caller.direct("GetAccount", [], access_key="wrong") == {"code": 1, "data": None}


@pytest.mark.parametrize("body", ['{"action": "buy"}', "plain text", "a=b&c=d", "你好"])
def test_the_body_of_a_webhook_is_the_command(caller: Caller, body: str) -> None:
    robot = caller.platform.lives.create(caller.owner, robot_settings(caller.platform))
    for args in ([robot, ""], [robot], {"robotId": robot}, {"robot_id": robot, "cmd": ""}):
        assert caller.direct("CommandRobot", args, body.encode())["data"]["result"] is True
        assert caller.node.asked[-1][1] == {"command": body}
    caller.direct("CommandRobot", [robot, "given"], body.encode())
    assert caller.node.asked[-1][1] == {"command": "given"}


def test_an_account_that_may_not_is_code_4(caller: Caller) -> None:
    robot = caller.platform.lives.create(caller.owner, robot_settings(caller.platform))
    reader = caller.platform.accounts.create("reader", "a password of tests", "reader", frozenset({robot}))
    caller.key, caller.secret = caller.platform.api_keys.create(reader.id)
    assert caller.call("GetRobotDetail", robot)["robot"]["id"] == robot
    for method, args in (("StopRobot", [robot]), ("CommandRobot", [robot, "x"]), ("NewRobot", [{"name": "a", "strategy": 1}]),
                         ("DeleteRobot", [robot]), ("PluginRun", [{"source": ""}]), ("DeleteNode", [1]), ("GetPlatformList", [])):  # fmt: skip
        assert caller.send(caller.fields(method, args)) == {"code": 4, "data": None}, method
    other = caller.platform.lives.create(caller.owner, robot_settings(caller.platform))
    assert caller.send(caller.fields("GetRobotDetail", [other]))["code"] == 4


def test_a_defect_is_code_6_without_a_traceback(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret-of-tests-1")

    monkeypatch.setattr(caller.platform.groups, "all", broken)
    assert caller.send(caller.fields("GetRobotGroupList", [])) == {"code": 6, "data": None}


def test_every_method_of_the_guide_is_there(caller: Caller) -> None:
    assert set(SIGNATURES) == set(caller.api._methods)
    assert len(SIGNATURES) == 16


def test_the_lists_have_the_guides_fields(caller: Caller) -> None:
    node = caller.call("GetNodeList")["nodes"][0]
    assert {"id", "name", "loaded", "online", "public", "wd", "guid"} <= set(node)
    exchange = caller.call("GetExchangeList", False)["exchanges"][0]
    assert {field["name"] for field in json.loads(exchange["meta"])} >= {"AccessKey", "SecretKey"}
    assert "meta" not in caller.call("GetExchangeList", True)["exchanges"][0]
    row = caller.call("GetPlatformList")["platforms"][0]
    assert (row["id"], row["eid"], row["label"]) == (1, "Binance", "first")
    strategy = caller.call("GetStrategyList", 0, 10, -1, -1, -1, "")["strategies"][0]
    assert (strategy["name"], strategy["language"], strategy["category"]) == ("waits", 1, 0)
    assert caller.call("GetStrategyList", 0, 10, -1, 20, -1, "")["strategies"] == []
    assert caller.call("GetStrategyList", 0, 10, -1, -1, -1, "id:1")["all"] == 1
    assert caller.error("GetStrategyList", [0, 10, -1, -1, -1, "", -1, "nothing"]).startswith("orderBy")
    group = caller.platform.groups.create("mine")
    assert caller.call("GetRobotGroupList") == {"items": [{"id": group.id, "name": "mine"}]}


def test_a_robots_life_over_the_api(caller: Caller) -> None:
    settings = {
        "name": "one",
        "strategy": 1,
        "args": [["amount", 7]],
        "period": 300,
        "exchanges": [{"pid": 1, "pair": "ETH_USDT"}],
    }
    robot = caller.call("NewRobot", settings)
    assert robot > 0
    order = caller.node.orders[0]
    assert order.config["args"] == {"amount": 7}
    assert order.config["exchanges"] == [
        {"name": "Binance", "currency": "ETH_USDT", "label": "first", "period": 300, "access_key": "access-of-tests-1",
         "secret_key": "secret-of-tests-1"}
    ]  # fmt: skip
    assert caller.call("RestartRobot", robot) == -4
    assert len(caller.node.orders) == 1, "never started twice"
    assert caller.call("GetRobotList")["robots"][0]["status"] == 1
    assert caller.call("DeleteRobot", robot) == -1
    assert caller.call("StopRobot", robot) == 2
    assert caller.node.asked[-1][1] == {"stop": True, "cancel": False, "by": "owner through the extended API"}
    caller.node.looks["100 fake"] = ProcessLook(alive=False, code=0, reason="stopped")
    caller.platform.watcher.look_round()
    assert caller.call("GetRobotList")["robots"][0]["status"] == 4
    assert caller.call("StopRobot", robot) == 4
    assert caller.call("CommandRobot", robot, "x") is False
    assert caller.call("RestartRobot", robot, {"name": "two", "args": [["amount", 9]]}) == 1
    assert caller.node.orders[1].config["args"] == {"amount": 9}
    detail = caller.call("GetRobotDetail", robot)["robot"]
    assert detail["name"] == "two"
    assert json.loads(detail["strategy_exchange_pairs"]) == [300, [1], ["ETH_USDT"]]
    assert detail["pexchanges"] == {"1": "Binance"}
    assert "secret-of-tests-1" not in json.dumps(detail)
    caller.node.looks["101 fake"] = ProcessLook(alive=False, code=1, reason="ValueError")
    assert caller.call("DeleteRobot", robot, True) == 0
    assert caller.call("DeleteRobot", robot) == -1
    assert caller.error("GetRobotDetail", [robot]) == f"no robot {robot}"


def test_exchanges_by_eid_are_not_stored_and_needed_again(caller: Caller) -> None:
    meta = {"AccessKey": "access-by-eid-77", "SecretKey": "secret-by-eid-77"}
    exchanges = [{"eid": "OKX", "label": "mine", "pair": "BTC_USDT", "meta": {**meta, "Passphrase": "phrase-77"}}]
    robot = caller.call("NewRobot", {"name": "one", "strategy": 1, "exchanges": exchanges, "args": []})
    row = caller.node.orders[0].config["exchanges"][0]
    assert (row["name"], row["access_key"], row["passphrase"]) == ("OKX", "access-by-eid-77", "phrase-77")
    for path in (caller.platform.folder / "platform.sqlite3", caller.platform.folder / "platform.sqlite3-wal"):
        assert b"by-eid-77" not in path.read_bytes()
    caller.node.looks["100 fake"] = ProcessLook(alive=False, code=0)
    caller.platform.watcher.look_round()
    assert "not stored" in caller.error("RestartRobot", [robot])
    assert "first one has it" in caller.error(
        "RestartRobot", [robot, {"exchanges": [*exchanges, {"pid": 1, "pair": "BTC_USDT"}]}]
    )
    assert caller.call("RestartRobot", robot, {"exchanges": exchanges}) == 1


def test_a_robot_whose_account_is_gone_is_restarted_with_its_exchanges_by_eid(caller: Caller) -> None:
    """FMZ's guide: the settings of RestartRobot replace the exchanges; those by eid bring their keys along."""
    robot = caller.call("NewRobot", {"name": "one", "strategy": 1, "exchanges": [{"pid": 1, "pair": "BTC_USDT"}]})
    caller.node.looks["100 fake"] = ProcessLook(alive=False, code=0)
    caller.platform.watcher.look_round()
    caller.platform.exchanges.delete(1)
    gone = "there is no exchange account 1 (any more): give the robot's exchanges by the pid of another account, or by eid and meta"
    assert caller.error("RestartRobot", [robot]) == gone
    assert caller.error("RestartRobot", [robot, {"name": "two"}]) == gone
    stored = caller.platform.lives.table.get(robot)
    assert (stored.name, stored.phase, stored.reason) == ("one", "exited", ""), (
        "nothing was changed, and nothing was started"
    )
    assert caller.error("RestartRobot", [robot, {"exchanges": [{"pid": 1, "pair": "BTC_USDT"}]}]) == gone
    assert len(caller.node.orders) == 1
    meta = {"AccessKey": "access-by-eid-88", "SecretKey": "secret-by-eid-88"}
    exchanges = [{"eid": "Binance", "label": "mine", "pair": "ETH_USDT", "meta": meta}]
    assert caller.call("RestartRobot", robot, {"exchanges": exchanges}) == 1
    row = caller.node.orders[1].config["exchanges"][0]
    assert (row["name"], row["currency"], row["access_key"]) == ("Binance", "ETH_USDT", "access-by-eid-88")
    detail = caller.call("GetRobotDetail", robot)["robot"]
    assert json.loads(detail["strategy_exchange_pairs"])[2] == ["ETH_USDT"]
    assert detail["pexchanges"] == {}
    caller.node.looks["101 fake"] = ProcessLook(alive=False, code=0)
    caller.platform.watcher.look_round()
    other = caller.platform.exchanges.create("Binance", "second", {"AccessKey": "a" * 12, "SecretKey": "b" * 12}).id
    assert caller.call("RestartRobot", robot, {"exchanges": [{"pid": other, "pair": "BTC_USDT"}]}) == 1
    assert caller.node.orders[2].config["exchanges"][0]["label"] == "second"
    assert caller.call("GetRobotDetail", robot)["robot"]["pexchanges"] == {str(other): "Binance"}


def test_settings_that_are_not_valid_start_nothing(caller: Caller) -> None:
    good: dict[str, Any] = {"name": "one", "strategy": 1, "exchanges": [{"pid": 1, "pair": "BTC_USDT"}]}
    wrong: list[dict[str, Any]] = [
        {}, {"strategy": 99}, {"name": ""}, {"name": 7}, {"exchanges": []}, {"exchanges": [{"pid": 9, "pair": "BTC_USDT"}]},
        {"exchanges": [{"pid": 1, "pair": "BTC"}]}, {"exchanges": "x"}, {"args": [["a"]]}, {"args": {}}, {"period": "x"}, {"unknown": 1},
        {"exchanges": [{"eid": "Nowhere", "pair": "BTC_USDT", "meta": {}}]}, {"node": 77}, {"strategy": "../../etc/passwd"}, {"appid": "a\nb"},
    ]  # fmt: skip
    for change in wrong:
        settings = {**good, **change} if change else {}
        assert caller.error("NewRobot", [settings]), change
    assert caller.node.orders == []
    assert caller.platform.lives.table.all() == []


def test_a_strategy_that_cannot_be_read_is_minus_3(caller: Caller) -> None:
    (caller.platform.strategies.path / "broken.py").write_text("def main(:", "utf-8")
    number = caller.platform.strategies.find("broken.py").id
    assert (
        caller.call("NewRobot", {"name": "one", "strategy": number, "exchanges": [{"pid": 1, "pair": "BTC_USDT"}]})
        == -3
    )
