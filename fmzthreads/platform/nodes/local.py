"""This machine as a node: a robot is a process in a session of its own, which neither waits for the platform nor ends with it."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from ..._version import __version__
from ...errors import OperationFailed
from ...process_start import start_of
from ...strategy.run.control import ask
from ...strategy.run.folder import ProcessRecord, RunFolder
from .node import NodeFacts, ProcessLook, StartOrder

__all__ = ["MEMORY", "OUTPUT", "LocalNode", "last_words", "own_environment"]

MEMORY = {"MALLOC_ARENA_MAX": "2"}
"""How robots get their memory: glibc has up to 8 heaps a core, and a thread keeps what it has freed in its own (mallopt(3), M_ARENA_MAX). A robot
has many threads, of which one runs at a time: two heaps serve them as well."""

OUTPUT = "process.log"
"""What a robot's process prints before and after the strategy: the interpreter's words, and why a run was refused."""

_LONGEST_OUTPUT = 1_000_000
_MOST_ENDED = 256


class LocalNode:
    """This machine.

    Args:
        environment: The environment of the robots; None for the platform's.
    """

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        self._environment = environment
        self._lock = threading.Lock()  # guards _children
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, order: StartOrder) -> str:
        """Starts ``fmzthreads run``; its settings go through a pipe, so that no file, argument or variable holds a key.

        Raises:
            OperationFailed: The folder cannot be written, or no process can be made.
        """
        command = [sys.executable, "-m", "fmzthreads", "run", str(order.file), "--config", "-"]
        config = {**order.config, "folder": str(order.folder), "templates": [str(path) for path in order.templates]}
        try:
            order.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            output = order.folder / OUTPUT
            too_long = output.exists() and output.stat().st_size > _LONGEST_OUTPUT
            descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if too_long else os.O_APPEND), 0o600)
            with os.fdopen(descriptor, "wb") as file:
                process = subprocess.Popen(  # noqa: S603 (no shell)
                    command,
                    stdin=subprocess.PIPE,
                    stdout=file,
                    stderr=file,
                    cwd=order.folder,
                    env=own_environment(self._environment),
                    start_new_session=True,
                    close_fds=True,
                )
        except OSError as error:
            raise OperationFailed(
                f"robot {order.robot_id} cannot be started in {str(order.folder)!r}: {error.strerror or error}"
            ) from error
        handle = f"{process.pid} {start_of(process.pid)}"
        with self._lock:
            # Those that ended keep why they did for later looks, but not for ever.
            ended = [key for key, child in self._children.items() if child.returncode is not None]
            for key in ended[:-_MOST_ENDED]:
                del self._children[key]
            self._children[handle] = process
        threading.Thread(
            target=_hand_over, args=(process, json.dumps(config).encode()), name="fmzthreads-robot-start", daemon=True
        ).start()
        return handle

    def look(self, handle: str, folder: RunFolder) -> ProcessLook:
        """Looks at the process, and at who runs in the folder.

        Raises:
            OperationFailed: ``process.json`` is damaged.
        """
        pid, started = _parts(handle)
        with self._lock:
            child = self._children.get(handle)
        if started and start_of(pid) == started:
            return ProcessLook(alive=True, memory_mb=_memory_mb(pid))
        # Only now: one that ends between the two would be noted as ended, never looked at again, and stay a zombie.
        returned = child.poll() if child is not None else None
        record = folder.record()
        if record is not None and record.state == "running":
            return ProcessLook(alive=True, memory_mb=_memory_mb(record.pid))
        if record is not None and record.code is not None and record.pid == pid:
            return ProcessLook(alive=False, code=record.code, reason=record.reason)
        if returned is not None and returned >= 0:
            return ProcessLook(alive=False, code=returned, reason=last_words(folder.path / OUTPUT))
        reason = f"killed by {_signal_name(-returned)}" if returned is not None else "killed"
        return ProcessLook(alive=False, reason=reason)

    def ask(self, handle: str, folder: RunFolder, request: dict[str, Any]) -> dict[str, Any]:
        """Asks the run in the folder. A stop is left there for a process that does not listen yet: it counts even if the platform ends meanwhile.

        Raises:
            OperationFailed: Nothing runs there, or it does not answer (yet).
        """
        record = folder.record()
        if request.get("stop") and (record is None or record.state != "running" or not record.control):
            pid, started = _parts(handle)
            if started and start_of(pid) == started:
                folder.leave_stop(pid, started, str(request.get("by") or ""), cancel=bool(request.get("cancel")))
                record = folder.record()  # it may have begun to listen just before the request was left
        if record is None or record.state != "running":
            raise OperationFailed("the robot does not run")
        return ask(folder.path, record, request)

    def end(self, handle: str, folder: RunFolder, *, kill: bool) -> None:
        """Sends SIGTERM to the process, or SIGKILL to it and to what it started."""
        for pid in self._living(handle, folder):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if kill and os.name == "posix":
                    group = os.getpgid(pid)
                    # Its own session's group, never the platform's: one that was started by hand may be in another's.
                    os.killpg(group, signal.SIGKILL) if group == pid else os.kill(pid, signal.SIGKILL)
                else:
                    os.kill(pid, signal.SIGTERM)

    def discard(self, handle: str) -> None:
        """Forgets the process."""
        with self._lock:
            child = self._children.pop(handle, None)
        if child is not None:
            child.poll()

    def facts(self) -> NodeFacts:
        """This machine."""
        return NodeFacts(online=True, host=socket.gethostname(), os=f"{platform.system()}/{platform.machine()}", version=__version__)  # fmt: skip

    def close(self) -> None:
        """Does nothing: the robots go on."""

    @staticmethod
    def _living(handle: str, folder: RunFolder) -> list[int]:
        pid, started = _parts(handle)
        found = [pid] if started and start_of(pid) == started else []
        record: ProcessRecord | None = None
        with contextlib.suppress(OperationFailed):
            record = folder.record()
        if record is not None and record.state == "running" and record.pid not in found:
            found.append(record.pid)
        return found


def _hand_over(process: subprocess.Popen[bytes], config: bytes) -> None:
    """Writes the settings; a child that ended before has its reason in its output."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.write(config)
    with contextlib.suppress(OSError):
        process.stdin.close()


def own_environment(given: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of a robot's process, in which this very package is found, and ``MEMORY`` unless it is given.

    Args:
        given: What it is made of; None for this process's.
    """
    base = {**MEMORY, **(os.environ if given is None else given)}
    here = str(Path(__file__).resolve().parents[3])
    there = base.get("PYTHONPATH", "")
    return {**base, "PYTHONPATH": f"{here}{os.pathsep}{there}" if there else here}


def _parts(handle: str) -> tuple[int, str]:
    pid, _, started = handle.partition(" ")
    return (int(pid), started) if pid.isdigit() else (0, "")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_words(output: Path) -> str:
    """The last line that a robot's process printed, or an empty text."""
    try:
        with output.open("rb") as file:
            file.seek(max(0, output.stat().st_size - 4096))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].removeprefix("fmzthreads: ")[:500] if lines else ""


def _memory_mb(pid: int) -> float:
    """The resident memory; 0 where the system has no /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, ValueError, IndexError):
        return 0.0
