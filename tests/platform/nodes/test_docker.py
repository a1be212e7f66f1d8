"""Containers through Docker's API: against a daemon whose replies are those of Docker's Engine API.

The replies are the documented forms of https://docs.docker.com/reference/api/engine/version/v1.43/.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fmzthreads.errors import InputError, OperationFailed, OutcomeUnknown
from fmzthreads.platform.nodes.docker import DockerNode
from fmzthreads.platform.nodes.node import StartOrder
from fmzthreads.strategy.run.folder import RunFolder

docker: Any = pytest.importorskip("docker")


class Daemon:
    """A daemon with containers that do what the test says."""

    def __init__(self) -> None:
        self.containers: dict[str, dict[str, Any]] = {}
        self.stdin = b""
        self.printed = b""
        self.options = ["name=seccomp,profile=default"]
        self.stdin_came = threading.Event()
        self.fail: dict[str, int] = {}
        self.url = ""

    def state(self, name: str, **state: Any) -> None:
        usual = {"Status": "exited", "Running": False, "OOMKilled": False, "ExitCode": 0, "Error": "", "Pid": 0}
        self.containers[name]["State"] = {**usual, **state}

    def answer(self, method: str, words: list[str], query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
        """The status and the value of a reply."""
        action = words[-1]
        if action in self.fail:
            return self.fail[action], {"message": "as told"}
        if words[0] != "containers":
            return 200, {
                "version": {"ApiVersion": "1.43", "Version": "27.0"},
                "info": {
                    "Name": "host",
                    "OSType": "linux",
                    "Architecture": "x86_64",
                    "ServerVersion": "27.0",
                    "SecurityOptions": self.options,
                },
            }[action]
        if action == "create":
            return self.create(query["name"][0], body)
        if words[1] not in self.containers:
            return 404, {"message": f"No such container: {words[1]}"}
        return self.of_container(method, words[1], action, query)

    def create(self, name: str, body: bytes) -> tuple[int, Any]:
        if name in self.containers:
            return 409, {"message": "Conflict. The container name is already in use"}
        self.containers[name] = {"Id": name, "Config": json.loads(body)}
        self.state(name, Status="created")
        return 201, {"Id": name, "Warnings": []}

    def of_container(self, method: str, name: str, action: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        state = self.containers[name]["State"]
        if action == "json":
            return 200, {"Id": name, "State": state, "Config": {"Tty": False}}
        if action == "logs":
            return 200, self.printed
        if action == "start":
            self.state(name, Status="running", Running=True, Pid=7)
        elif action == "kill":
            if not state["Running"]:
                return 409, {"message": "is not running"}
            self.state(name, ExitCode=137 if query["signal"][0] == "SIGKILL" else 143)
        elif method == "DELETE":
            if state["Running"]:
                return 409, {"message": "cannot remove a running container"}
            del self.containers[name]
        return 204, None


class Handler(BaseHTTPRequestHandler):
    """Answers for the daemon of its server."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def handle_call(self) -> None:
        daemon: Daemon = self.server.daemon  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        words = [word for word in parts.path.split("/") if word and not word.startswith("v1.")]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if words[-1] == "attach":
            self.hijacked(daemon)
            return
        status, value = daemon.answer(self.command, words, parse_qs(parts.query), body)
        data = b"" if value is None else value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def hijacked(self, daemon: Daemon) -> None:
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "tcp")
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        while part := self.connection.recv(65536):
            daemon.stdin += part
        daemon.stdin_came.set()

    do_GET = do_POST = do_DELETE = handle_call


@contextmanager
def serving(daemon: Daemon) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon = daemon  # type: ignore[attr-defined]
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    daemon.url = f"tcp://127.0.0.1:{server.server_address[1]}"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    made = Daemon()
    with serving(made):
        yield made


@pytest.fixture
def node(daemon: Daemon) -> Iterator[DockerNode]:
    made = DockerNode({"url": daemon.url, "memory_mb": 256})
    yield made
    made.close()


def order(tmp_path: Path) -> StartOrder:
    config = {
        "name": "robot-7",
        "exchanges": [{"name": "Binance", "secret_key": "secret-of-tests"}],
        "open_files": 99,
        "memory_mb": 5,
    }
    (tmp_path / "code").mkdir(exist_ok=True)
    (tmp_path / "code" / "a.py").write_text("def main(): pass\n", "utf-8")
    return StartOrder(
        robot_id=7, name="seven", folder=tmp_path / "storage" / "7", file=tmp_path / "code" / "a.py", config=config
    )


def test_a_container_gets_its_keys_through_standard_input_only(
    daemon: Daemon, node: DockerNode, tmp_path: Path
) -> None:
    asked = order(tmp_path)
    handle = node.start(asked)
    assert daemon.stdin_came.wait(60)
    config = json.loads(daemon.stdin)
    assert config["exchanges"][0]["secret_key"] == "secret-of-tests"
    assert config["folder"] == "/robot"
    made = daemon.containers[handle]["Config"]
    assert "secret-of-tests" not in json.dumps(made)
    assert made["Cmd"] == ["run", "/strategies/a.py", "--config", "-"]
    assert made["OpenStdin"]
    assert made["StdinOnce"]
    assert made["StopSignal"] == "SIGTERM"
    assert made["Healthcheck"]["Test"] == ["NONE"], "the image's is the platform's"
    assert set(made["HostConfig"]["Tmpfs"]) == {"/tmp", "/data"}, "no volume of the image stays behind"
    host = made["HostConfig"]
    assert host["Binds"] == [f"{asked.folder}:/robot:rw", f"{asked.file.parent}:/strategies:ro"]
    assert (host["Memory"], host["ReadonlyRootfs"], host["CapDrop"]) == (256 * 2**20, True, ["ALL"])
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 99, "Hard": 99}]


def test_how_a_container_ends(daemon: Daemon, node: DockerNode, tmp_path: Path) -> None:
    asked = order(tmp_path)
    handle, folder = node.start(asked), RunFolder(asked.folder)
    assert node.look(handle, folder).alive is True
    assert node.look("", folder).alive is True, "a later platform finds it by the folder"
    for state, code, reason in (
        ({"ExitCode": 1}, 1, ""), ({"ExitCode": 137}, None, "killed by SIGKILL"), ({"ExitCode": 143}, None, "killed by SIGTERM"),
        ({"OOMKilled": True, "ExitCode": 137}, None, "killed: out of the container's memory"),
    ):  # fmt: skip
        daemon.state(handle, **state)
        look = node.look(handle, folder)
        assert (look.alive, look.code, look.reason) == (False, code, reason)
    daemon.state(handle, ExitCode=1)
    folder.claim("robot-7", asked.file)
    folder.release(1, "ValueError: no")
    assert node.look(handle, folder).reason == "ValueError: no"
    node.discard(handle)
    assert daemon.containers == {}
    (asked.folder / "process.json").unlink()
    assert node.look(handle, folder).reason == "the container is gone"


def test_a_run_that_is_refused_leaves_its_last_words(daemon: Daemon, node: DockerNode, tmp_path: Path) -> None:
    asked = order(tmp_path)
    folder = RunFolder(asked.folder)
    folder.claim("robot-7", asked.file)
    folder.release(0, "main returned")
    handle = node.start(asked)
    text = b"a warning\nfmzthreads: no exchange 'Binanze'\n"
    daemon.printed = (
        b"\x02\0\0\0" + len(text).to_bytes(4, "big") + text
    )  # the frame of the attach documentation: stream, length, bytes
    daemon.state(handle, ExitCode=2)
    look = node.look(handle, folder)
    assert (look.alive, look.code, look.reason) == (False, 2, "no exchange 'Binanze'"), "not what an earlier run noted"
    assert (asked.folder / "process.log").read_bytes() == text
    daemon.fail["logs"] = 501  # a driver that cannot be read
    assert node.look(handle, folder).reason == ""


def test_one_that_was_made_and_not_started_has_failed(daemon: Daemon, node: DockerNode, tmp_path: Path) -> None:
    asked = order(tmp_path)
    handle = node.start(asked)
    daemon.state(handle, Status="created")
    look = node.look(handle, RunFolder(asked.folder))
    assert (look.alive, look.code, look.reason) == (False, None, "the container was made, but not started")


def test_a_run_outlives_another_process_of_its_container(daemon: Daemon, node: DockerNode, tmp_path: Path) -> None:
    asked = order(tmp_path)
    handle, folder = node.start(asked), RunFolder(asked.folder)
    folder.claim("robot-7", asked.file)
    folder.release(0, "main returned")
    daemon.state(handle, OOMKilled=True)
    assert (node.look(handle, folder).code, node.look(handle, folder).reason) == (0, "main returned")


def test_the_robots_limit_of_memory_is_its_own(daemon: Daemon, node: DockerNode, tmp_path: Path) -> None:
    node.start(order(tmp_path))
    assert daemon.stdin_came.wait(60)
    config = json.loads(daemon.stdin)
    assert (config["memory_mb"], config["open_files"]) == (5, 0)


@pytest.mark.skipif(os.name != "posix", reason="users have no numbers here")
def test_a_daemon_without_root_sees_the_folders_owner_as_root(daemon: Daemon, node: DockerNode, tmp_path: Path) -> None:
    handle = node.start(order(tmp_path))
    assert daemon.containers[handle]["Config"]["User"] == f"{os.getuid()}:{os.getgid()}"
    daemon.state(handle)
    daemon.options.append("name=rootless")
    assert daemon.containers[node.start(order(tmp_path))]["Config"]["User"] == "0:0"


def test_signals(daemon: Daemon, node: DockerNode, tmp_path: Path) -> None:
    asked = order(tmp_path)
    handle, folder = node.start(asked), RunFolder(asked.folder)
    node.end(handle, folder, kill=False)
    assert node.look(handle, folder).reason == "killed by SIGTERM"
    node.end(handle, folder, kill=True)  # it has ended: nothing happens
    daemon.fail["kill"] = 500
    with pytest.raises(OperationFailed, match="refused"):
        node.end(handle, folder, kill=True)


def test_none_is_made_twice(daemon: Daemon, node: DockerNode, tmp_path: Path) -> None:
    asked = order(tmp_path)
    handle = node.start(asked)
    with pytest.raises(OperationFailed, match="cannot remove a running container"):
        node.start(asked)
    assert list(daemon.containers) == [handle]
    daemon.state(handle, ExitCode=0)
    assert node.start(asked) == handle, "one that has ended makes room"


def test_a_start_that_fails_leaves_nothing_and_one_in_doubt_says_so(
    daemon: Daemon, node: DockerNode, tmp_path: Path
) -> None:
    daemon.fail["start"] = 500
    with pytest.raises(OperationFailed, match="was not started"):
        node.start(order(tmp_path))
    assert daemon.containers == {}
    daemon.fail["json"] = 500
    with pytest.raises(OutcomeUnknown, match="may have been started"):
        node.start(order(tmp_path))
    daemon.fail = {"create": 500}
    with pytest.raises(OperationFailed, match="no container for robot 7"):
        node.start(order(tmp_path))


def test_a_daemon_that_is_away(daemon: Daemon, node: DockerNode, tmp_path: Path) -> None:
    assert node.facts().version == "Docker 27.0"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        away = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(OperationFailed, match="does not answer"):
            DockerNode({"url": away})
        gone = DockerNode({}, client=docker.APIClient(base_url=away, version="1.43", timeout=5))
        assert gone.look("x", RunFolder(tmp_path)).alive is None
        assert not gone.facts().online
        with pytest.raises(OperationFailed):
            gone.end("x", RunFolder(tmp_path), kill=True)
        gone.close()
    with pytest.raises(InputError, match="no setting 'other'"):
        DockerNode({"other": 1})
    with pytest.raises(OperationFailed, match="does not run"):
        node.ask("x", RunFolder(tmp_path), {"state": True})
