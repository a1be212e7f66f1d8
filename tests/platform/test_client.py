"""The client against a served platform, and against replies that go wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import responses

from fmzthreads.errors import (
    AuthenticationFailed,
    BadReply,
    ClockSkew,
    InputError,
    OperationFailed,
    OutcomeUnknown,
    UnknownName,
    VenueRejected,
)
from fmzthreads.http.client import HttpOptions
from fmzthreads.platform import Client
from tests.helpers.platforms import FakeNode, fake_platform, served

URL = "http://platform.test/api/v1"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Client, FakeNode]]:
    with fake_platform(tmp_path) as (platform, node), served(platform) as url:
        key, secret = platform.api_keys.create(1)
        with Client(url, key.access_key, secret) as client:
            yield client, node


def test_every_call_over_http(pair: tuple[Client, FakeNode]) -> None:
    client, _ = pair
    assert client.GetAccount()["username"] == "owner"
    assert client.GetNodeList()["nodes"][0]["name"] == "this machine"
    assert client.GetExchangeList(True)["exchanges"]
    assert client.GetPlatformList()["platforms"][0]["id"] == 1
    assert client.GetStrategyList()["strategies"][0]["name"] == "waits"
    assert client.GetStrategyList(orderBy="name asc")["all"] == 1
    assert client.GetRobotGroupList() == []
    settings = {"name": "你好", "strategy": 1, "args": [["amount", 1]], "exchanges": [{"pid": 1, "pair": "BTC_USDT"}]}
    robot = client.NewRobot(settings)
    assert client.GetRobotList()["robots"][0]["name"] == "你好"
    assert client.GetRobotDetail(robot)["id"] == robot
    assert client.GetRobotLogs(robot, logTypes="3", summaryLimit=10)["logs"][0] == {
        "Total": 0,
        "Max": 0,
        "Min": 0,
        "Arr": [],
    }
    assert client.CommandRobot(robot, "go") is True
    assert client.RestartRobot(robot) == -4
    assert client.RestartRobot(robot, settings) == -4
    assert client.StopRobot(robot) == 2
    assert client.DeleteRobot(robot) == -1
    with pytest.raises(VenueRejected, match="this machine cannot be deleted"):
        client.DeleteNode(1)
    with pytest.raises(VenueRejected, match="no robot 99"):
        client.GetRobotDetail(99)
    value, ok = client.Go("GetAccount").wait()
    assert ok
    assert value["username"] == "owner"
    with pytest.raises(UnknownName, match="GetAcount"):
        client.Go("GetAcount")


def test_many_threads_and_one_key(pair: tuple[Client, FakeNode]) -> None:
    """Their nonces overtake each other; a call that was refused for it was not made, and is sent again."""
    client, _ = pair
    handles = [client.Go("GetAccount") for _ in range(40)]
    assert [handle.wait()[0]["username"] for handle in handles] == ["owner"] * 40
    robots = [
        client.Go("NewRobot", {"name": str(n), "strategy": 1, "exchanges": [{"pid": 1, "pair": "BTC_USDT"}]})
        for n in range(10)
    ]
    numbers = [handle.wait()[0] for handle in robots]
    assert sorted(numbers) == sorted(set(numbers))
    assert client.GetRobotList()["all"] == 10


def test_wrong_keys(pair: tuple[Client, FakeNode]) -> None:
    client, _ = pair
    for access, secret, text in (("nobody", "x", "code 1"), (client._access_key, "wrong", "code 2")):
        with Client(client._url, access, secret) as wrong, pytest.raises(AuthenticationFailed, match=text):
            wrong.GetAccount()
    with pytest.raises(InputError):
        Client(URL, "", "x")


def test_symbols_and_health(pair: tuple[Client, FakeNode]) -> None:
    import requests

    base = pair[0]._url.removesuffix("/api/v1")
    assert "BTC_USDT" in requests.get(f"{base}/chart/symbols.json", timeout=60).json()["Binance"]
    assert requests.get(f"{base}/healthz", timeout=60).json() == {"ok": True}
    assert requests.post(f"{base}/api/v1", data=b"x" * (9 * 2**20), timeout=60).status_code == 413


def _client() -> Client:
    options = HttpOptions(timeout_ms=60_000.0)
    return Client("http://platform.test", "the-access-key", "the-secret-key", options=options)


@pytest.mark.parametrize(
    ("status", "body", "read_error", "write_error"),
    [
        (200, '{"code": 4, "data": null}', AuthenticationFailed, AuthenticationFailed),
        (200, '{"code": 7, "data": null}', AuthenticationFailed, AuthenticationFailed),
        (200, '{"code": 5, "data": null}', VenueRejected, VenueRejected),
        (200, '{"code": 6, "data": null}', OperationFailed, OutcomeUnknown),
        (502, "<html>", OperationFailed, OutcomeUnknown),
        (200, "<html>", BadReply, OutcomeUnknown),
        (200, '{"code": true}', BadReply, OutcomeUnknown),
        (200, '{"code": 0, "data": null}', BadReply, OutcomeUnknown),
        (200, '{"code": 0, "data": {"result": null, "error": "no"}}', VenueRejected, VenueRejected),
    ],
)
def test_what_a_reply_means(status: int, body: str, read_error: type[Exception], write_error: type[Exception]) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock, _client() as client:
        mock.post(URL, body=body, status=status)
        with pytest.raises(read_error) as read:
            client.GetAccount()
        mock.calls.reset()
        with pytest.raises(write_error) as write:
            client.StopRobot(1)
        assert len(mock.calls) == 1, "what changes something is sent once"
    for caught in (read, write):
        assert "the-secret-key" not in str(caught.value)


def test_a_refused_nonce_is_tried_again_with_a_greater_one() -> None:
    nonces: list[int] = []

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        nonces.append(
            int(
                parse_qs(request.body)["nonce"][0]
                if isinstance(request.body, str)
                else parse_qs(request.body.decode())["nonce"][0]
            )
        )
        reply = {"code": 0, "data": {"result": 2, "error": None}} if len(nonces) == 3 else {"code": 3, "data": None}
        return 200, {}, json.dumps(reply)

    with responses.RequestsMock() as mock, _client() as client:
        mock.add_callback(responses.POST, URL, answer)
        assert client.StopRobot(1) == 2
        assert nonces == sorted(set(nonces))
        nonces.clear()
        mock.replace(responses.POST, URL, body='{"code": 3, "data": null}')
        with pytest.raises(ClockSkew, match="code 3"):
            client.StopRobot(1)


def test_nonces_of_threads_are_all_different() -> None:
    with _client() as client:
        seen: list[str] = []
        lock = threading.Lock()

        def make() -> None:
            for _ in range(200):
                body = client._request("GetAccount", "[]").body
                assert body is not None
                with lock:
                    seen.append(parse_qs(bytes(body).decode())["nonce"][0])

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(set(seen)) == len(seen) == 800
    assert "secret" not in repr(client)
