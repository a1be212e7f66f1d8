"""Requests that nobody would send on purpose: never a defect, never a secret, never a robot started twice."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from fmzthreads.platform.api.arguments import SIGNATURES
from fmzthreads.platform.api.extended import ExtendedApi
from fmzthreads.platform.api.verification import signature
from fmzthreads.platform.nodes.node import ProcessLook
from tests.helpers.platforms import fake_platform, owner_of, robot_settings

NASTY: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3, 99, 2**31, 2**63, -(2**70), 1.5, 1e308, "", "1", "abc", "../../etc/passwd", "<script>alert(1)</script>",
    "' OR 1=1 --", "%s%n", "\0", "\ud800", "你好", "a" * 5000, [], {}, [[]], [1, [2, [3]]], {"pid": 1}, {"a": {"b": []}}, "id:1,2", "name asc",
    "0,1,2", "{}", "[]", "`table`", "${7*7}", "\r\nX: y", "-0", "٣",
]  # fmt: skip
SETTINGS = (
    "name",
    "args",
    "strategy",
    "period",
    "node",
    "exchanges",
    "group",
    "appid",
    "source",
    "code",
    "language",
    "other",
)
EXCHANGE = {
    "eid": "Binance",
    "pair": "BTC_USDT",
    "label": "x",
    "meta": {"AccessKey": "access-of-fuzz-55", "SecretKey": "secret-of-fuzz-55"},
}


class Fuzz:
    """Makes requests by a seed."""

    def __init__(self, seed: int, access_key: str, secret: str) -> None:
        self.random = random.Random(seed)
        self.access_key, self.secret = access_key, secret
        self.nonce = time.time_ns() // 1_000_000 + 1_000_000  # ahead of the nonces of direct calls, which are the time

    def value(self) -> Any:
        return self.random.choice(NASTY)

    def settings(self) -> Any:
        if self.random.random() < 0.1:
            return self.value()
        good: dict[str, Any] = {
            "name": "fuzzed",
            "strategy": 1,
            "args": [["amount", 1]],
            "exchanges": [{"pid": 1, "pair": "BTC_USDT"}],
        }
        if self.random.random() < 0.3:
            good["exchanges"] = [dict(EXCHANGE)]
        for _ in range(self.random.choice((0, 0, 1, 2))):
            good[self.random.choice(SETTINGS)] = self.value()
        if self.random.random() < 0.2:
            good.pop(self.random.choice(list(good)))
        return good

    def args(self, method: str) -> Any:
        params = SIGNATURES.get(method, ())
        values: list[Any] = []
        for param in params:
            if param.type == "object":
                values.append(self.settings())
            elif self.random.random() < 0.75:
                values.append({"int": self.random.choice((0, 1, 2, 3, 5, 50)), "text": "", "bool": True}[param.type])
            else:
                values.append(self.value())
        if self.random.random() < 0.15:
            values = values[: self.random.randrange(len(values) + 1)]
        if self.random.random() < 0.1:
            values.append(self.value())
        if self.random.random() < 0.3:
            return {param.name: value for param, value in zip(params, values, strict=False)}
        return values if self.random.random() < 0.95 else self.value()

    def request(self) -> tuple[str, bytes]:
        method = self.random.choice([*SIGNATURES, "NewRobot", "RestartRobot", "Nothing", "__init__", ""])
        text = json.dumps(self.args(method))
        if self.random.random() < 0.05:
            text = text[: self.random.randrange(len(text) + 1)]
        self.nonce += 1
        fields = {
            "version": "1.0",
            "access_key": self.access_key,
            "method": method,
            "args": text,
            "nonce": str(self.nonce),
        }
        if self.random.random() < 0.15:
            fields[self.random.choice(list(fields))] = str(self.value())
        if self.random.random() < 0.8:
            fields["sign"] = signature(
                fields["version"], fields["method"], fields["args"], fields["nonce"], self.secret
            )
        elif self.random.random() < 0.5:
            fields["secret_key"] = self.random.choice([self.secret, "wrong", ""])
        data = urlencode(fields, errors="surrogatepass").encode()
        if self.random.random() < 0.05:
            data = bytearray(data)
            for _ in range(3):
                data[self.random.randrange(len(data))] = self.random.randrange(256)
            data = bytes(data)
        if self.random.random() < 0.2:
            return data.decode("latin-1"), quote(str(self.value()), errors="replace").encode()
        return "", data


def fuzz(tmp_path: Path, count: int, seed: int) -> None:
    with fake_platform(tmp_path) as (platform, node):
        key, secret = platform.api_keys.create(1, permissions="*,!PluginRun")  # that one starts processes
        platform.lives.create(owner_of(platform), robot_settings(platform))
        api, made = ExtendedApi(platform), Fuzz(seed, key.access_key, secret)
        secrets = (secret, "secret-of-tests-1", "access-of-tests-1", "secret-of-fuzz-55", "Traceback", str(tmp_path))
        codes: set[int] = set()
        for number in range(count):
            query, body = made.request()
            reply = api.answer(query, body, "127.0.0.1")
            text = json.dumps(reply, allow_nan=False)
            assert set(reply) == {"code", "data"}
            assert reply["code"] in {0, 1, 2, 3, 4, 5}, (query, body)
            assert not any(word in text for word in secrets), (query, body, text)
            codes.add(reply["code"])
            if number % 20 == 0:
                for handle in list(node.looks)[-5:]:  # some end, so that others can be started
                    node.looks[handle] = ProcessLook(alive=False, code=made.random.choice((0, 1, None)))
                platform.watcher.look_round()
                for robot in platform.lives.table.all()[:-5]:  # few, so that a round stays short
                    if robot.phase not in {"starting", "running", "stopping"}:
                        platform.lives.delete(owner_of(platform), robot.id)
        assert node.started_twice == []
        assert len(node.orders) > count // 200, "many requests were good ones"
        assert codes >= {0, 1, 2, 3, 4, 5}


def test_some_hundred_requests(tmp_path: Path) -> None:
    fuzz(tmp_path, 300, 1)


@pytest.mark.stress
@pytest.mark.timeout(3000)
def test_a_hundred_thousand_requests(tmp_path: Path) -> None:
    fuzz(tmp_path, 100_000, 2)
