"""Containers as a node: a robot is a container of one image, made and watched through Docker's API (the package ``docker``).

The run folder is mounted from this machine, so that the log is read here as of any robot, and a robot is commanded through its socket in the
folder. The settings, with the keys, go through the container's standard input: neither its environment nor its command shows them.
Source: Docker's Engine API (https://docs.docker.com/reference/api/engine/).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import FmzError, InputError, OperationFailed, OutcomeUnknown, require
from ...strategy.run.control import ask
from ...strategy.run.folder import ProcessRecord, RunFolder
from .local import MEMORY, OUTPUT, last_words
from .node import NodeFacts, ProcessLook, StartOrder

__all__ = ["DockerNode"]

IMAGE = "fmzthreads"
"""The image that the project's Dockerfile builds."""

_SETTINGS = ("url", "image", "network", "memory_mb")
_TIMEOUT_S = 15
_INSIDE, _STRATEGIES = "/robot", "/strategies"
_LAST_LINES = 200


class DockerNode:
    """Containers on the machine whose daemon is asked.

    Args:
        settings: ``url`` of the daemon (empty for the environment's, or the usual socket), ``image``, ``network`` (empty for Docker's usual
            one), ``memory_mb`` (of a container; 0 for no limit).
        client: The API's client; None for one of the package.

    Raises:
        InputError: A setting is not known.
        MissingExtra: The package ``docker`` is not installed.
        OperationFailed: The daemon does not answer.
    """

    def __init__(self, settings: Mapping[str, Any], client: Any = None) -> None:
        for name in settings:
            if name not in _SETTINGS:
                raise InputError(f"a container node has no setting {name!r}; it has {', '.join(_SETTINGS)}")
        self._image = str(settings.get("image") or IMAGE)
        self._network = str(settings.get("network") or "")
        self._memory_mb = int(settings.get("memory_mb") or 0)
        docker = require("docker", "docker")
        self._errors: Any = require("docker.errors", "docker")
        # What goes wrong on the way to the daemon: the package lets errors of requests through.
        self._away: tuple[type[Exception], ...] = (require("requests.exceptions", "docker").RequestException, OSError)
        try:
            url = str(settings.get("url") or "") or os.environ.get("DOCKER_HOST")
            self._client: Any = client or docker.APIClient(base_url=url, version="auto", timeout=_TIMEOUT_S)
        except (self._errors.DockerException, *self._away) as error:
            raise OperationFailed(f"the Docker daemon does not answer: {_words(error)}") from error

    def start(self, order: StartOrder) -> str:
        """Makes a container and starts it; of two that start one robot, only one gets its name.

        Raises:
            OperationFailed: It was not started.
            OutcomeUnknown: It may have been started.
        """
        name = _container_name(order.folder)
        order.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._remove_ended(name)
            made = self._client.create_container(**self._description(order, name))
            # The name is this start's. What an earlier run noted at its end must not be taken for the end of this one.
            RunFolder(order.folder).forget()
        except (self._errors.DockerException, *self._away) as error:
            raise OperationFailed(f"no container for robot {order.robot_id}: {_words(error)}") from error
        stdin = None
        try:
            stdin = self._client.attach_socket(made["Id"], params={"stdin": 1, "stream": 1})
            self._client.start(made["Id"])
            _send_all(stdin, json.dumps(_config(order)).encode())
        except (self._errors.DockerException, *self._away) as error:
            # One that runs without its settings ends for want of them, which the look at it tells.
            if stdin is None or not self._runs(name):
                raise self._not_started(name, order, error) from error
        finally:
            _let_go(stdin)
        return name

    def _runs(self, name: str) -> bool:
        try:
            return bool(self._client.inspect_container(name)["State"]["Running"])
        except (self._errors.DockerException, *self._away):
            return False

    def _not_started(self, name: str, order: StartOrder, error: Exception) -> FmzError:
        """What a failure between making and starting means; the container is removed unless it runs."""
        try:
            if not self._client.inspect_container(name)["State"]["Running"]:
                self._client.remove_container(name)
                return OperationFailed(f"the container of robot {order.robot_id} was not started: {_words(error)}")
        except (self._errors.DockerException, *self._away):
            pass  # the daemon is away: the state is unknown
        return OutcomeUnknown(f"the container of robot {order.robot_id} may have been started: {_words(error)}")

    def _description(self, order: StartOrder, name: str) -> dict[str, Any]:
        folder = order.file.parent
        limits: list[Any] = []
        files = order.config.get("open_files")
        if files:
            types = require("docker.types", "docker")
            limits = [types.Ulimit(name="nofile", soft=files, hard=files)]
        host = self._client.create_host_config(
            binds={
                str(order.folder): {"bind": _INSIDE, "mode": "rw"},
                str(folder): {"bind": _STRATEGIES, "mode": "ro"},
            },
            mem_limit=f"{self._memory_mb}m" if self._memory_mb else None,
            ulimits=limits or None,
            read_only=True,
            # In place of the image's volume, of which each robot would otherwise leave one behind.
            tmpfs={"/tmp": "size=64m", "/data": "size=1m"},  # noqa: S108 (within the container)
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            network_mode=self._network or None,
            init=True,
        )
        return {
            "image": self._image,
            "name": name,
            "command": ["run", f"{_STRATEGIES}/{order.file.name}", "--config", "-"],
            "labels": {"fmzthreads.robot": str(order.robot_id)},
            "environment": {"FMZTHREADS_HOME": _INSIDE, **MEMORY},
            "working_dir": _INSIDE,
            "user": self._user(),
            "stdin_open": True,
            "detach": False,  # then the daemon closes standard input after its first client
            "stop_signal": "SIGTERM",
            "healthcheck": {"test": ["NONE"]},  # the image's asks the platform's port, which a robot does not have
            "host_config": host,
        }

    def _user(self) -> str | None:
        """Who owns the run folder, as the container sees it: a daemon without root maps its own user to 0."""
        if os.name != "posix":
            return None
        options = self._client.info().get("SecurityOptions") or ()
        return "0:0" if "name=rootless" in options else f"{os.getuid()}:{os.getgid()}"

    def look(self, handle: str, folder: RunFolder) -> ProcessLook:
        """Looks at the container."""
        try:
            state = self._client.inspect_container(handle or _container_name(folder.path))["State"]
        except self._errors.NotFound:
            return self._ended(folder, None, "the container is gone")
        except (self._errors.DockerException, *self._away) as error:
            return ProcessLook(alive=None, reason=f"the Docker daemon does not answer: {_words(error)}")
        if state.get("Running") or state.get("Status") in {"paused", "restarting"}:
            return ProcessLook(alive=True)
        code = state.get("ExitCode")
        if state.get("Status") == "created":  # its exit code, 0, tells nothing
            return ProcessLook(alive=False, reason=str(state.get("Error") or "the container was made, but not started"))
        if state.get("OOMKilled") and code == 137:  # else another process in it was killed
            return ProcessLook(alive=False, reason="killed: out of the container's memory")
        if code in {137, 143}:  # by a signal, which leaves no exit code of its own
            return self._ended(folder, None, f"killed by {'SIGKILL' if code == 137 else 'SIGTERM'}")
        reason = str(state.get("Error") or "")
        if not reason and code and _noted(folder) is None:
            reason = self._last_words(handle or _container_name(folder.path), folder)
        return self._ended(folder, code if isinstance(code, int) else None, reason)

    def _last_words(self, name: str, folder: RunFolder) -> str:
        """What a run printed that was refused before it claimed its folder; it is kept there, as on this machine."""
        with contextlib.suppress(self._errors.DockerException, *self._away):  # the daemon's logs may be kept elsewhere
            printed = self._client.logs(name, tail=_LAST_LINES)
            descriptor = os.open(folder.path / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(printed)
            return last_words(folder.path / OUTPUT)
        return ""

    @staticmethod
    def _ended(folder: RunFolder, code: int | None, reason: str) -> ProcessLook:
        """What the run itself noted goes before what the daemon knows."""
        record = _noted(folder)
        if record is not None:
            return ProcessLook(alive=False, code=record.code, reason=record.reason)
        return ProcessLook(alive=False, code=code, reason=reason)

    def ask(self, handle: str, folder: RunFolder, request: dict[str, Any]) -> dict[str, Any]:
        """Asks through the socket in the run folder.

        Raises:
            OperationFailed: It does not run, or does not answer.
        """
        record = folder.record()
        if record is None or record.code is not None:
            raise OperationFailed("the robot does not run")
        return ask(folder.path, record, request)

    def end(self, handle: str, folder: RunFolder, *, kill: bool) -> None:
        """Sends a signal to the container's first process.

        Raises:
            OperationFailed: The daemon does not answer.
        """
        try:
            self._client.kill(handle or _container_name(folder.path), signal="SIGKILL" if kill else "SIGTERM")
        except self._errors.APIError as error:
            if error.status_code not in {404, 409}:  # gone, or not running
                raise OperationFailed(f"the Docker daemon refused: {_words(error)}") from error
        except self._away as error:
            raise OperationFailed(f"the Docker daemon does not answer: {_words(error)}") from error

    def discard(self, handle: str) -> None:
        """Removes the container, which has ended.

        Raises:
            OperationFailed: The daemon does not answer.
        """
        if not handle:
            return
        try:
            self._remove_ended(handle)
        except (self._errors.DockerException, *self._away) as error:
            raise OperationFailed(f"the container cannot be removed: {_words(error)}") from error

    def _remove_ended(self, name: str) -> None:
        try:
            self._client.remove_container(name, v=True, force=False)  # one that runs is refused
        except self._errors.NotFound:
            pass

    def facts(self) -> NodeFacts:
        """What the daemon says of itself."""
        try:
            info = self._client.info()
        except (self._errors.DockerException, *self._away) as error:
            return NodeFacts(online=False, reason=f"the Docker daemon does not answer: {_words(error)}")
        return NodeFacts(
            online=True, host=str(info.get("Name", "")), os=f"{info.get('OSType', '')}/{info.get('Architecture', '')}",
            version=f"Docker {info.get('ServerVersion', '')}",
        )  # fmt: skip

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()


def _noted(folder: RunFolder) -> ProcessRecord | None:
    """What the run noted at its end; None if it did not come to that."""
    record = folder.record()
    return record if record is not None and record.code is not None else None


def _container_name(folder: Path) -> str:
    """One name for each run folder, so that a later platform finds the container, and none is made twice."""
    digest = hashlib.sha256(os.fsencode(folder.parent)).hexdigest()[:8]
    return f"fmzthreads-{digest}-robot-{folder.name}"


def _config(order: StartOrder) -> dict[str, Any]:
    inside = {"folder": _INSIDE, "templates": [f"{_STRATEGIES}/{path.name}" for path in order.templates]}
    # The run itself keeps to the robot's limit of memory, as on this machine; the node's is a limit of the container.
    return {**order.config, **inside, "open_files": 0}  # the container has that limit


def _send_all(stream: Any, data: bytes) -> None:
    """Writes to the hijacked connection and ends it."""
    connection: socket.socket = getattr(stream, "_sock", stream)
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def _let_go(stream: Any) -> None:
    """Closes the hijacked connection; the package keeps the response on it."""
    if stream is None:
        return
    connection = getattr(stream, "_sock", stream)
    for one in (getattr(stream, "_response", None), stream, connection):
        if one is not None:
            with contextlib.suppress(OSError, ValueError):  # it is broken, or closed by the one before
                one.close()


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:300]}"
