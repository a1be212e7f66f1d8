"""A Dask cluster as a node: a robot is a long task on a worker, and its log is streamed home.

The task is published on the scheduler, so that it goes on without the platform and a later one finds it. A thread asks the workers for news
twice a second and writes the rows into the run folder here, under their own ids; so nothing comes twice, and nothing is left out.
Source: Dask's documentation, "Publish Datasets" and ``Client.run`` (https://distributed.dask.org).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...clock import Waker
from ...database import Database
from ...errors import InputError, OperationFailed, OutcomeUnknown, require
from ...strategy.log.log_database import SCHEMA
from ...strategy.run.folder import RunFolder
from .dask_worker import MOST_ROWS, TABLES, RobotParcel, ask_robot, end_robot, remove_robot, robot_news, run_robot
from .node import NodeFacts, ProcessLook, StartOrder

__all__ = ["DaskNode"]

_SETTINGS = ("scheduler", "tls_ca", "tls_cert", "tls_key")
_PAUSE_S = 0.5
_TIMEOUT_S = 10.0
_OLD_S = 30.0  # news that are older mean that the worker is away


class DaskNode:
    """The workers of a cluster.

    Args:
        settings: ``scheduler`` (``tcp://host:port`` or ``tls://host:port``); for TLS ``tls_ca``, ``tls_cert`` and ``tls_key``, files in PEM.
        pause_s: How long the streaming thread sleeps between two rounds, in seconds.

    Raises:
        InputError: A setting is not known, or there is no scheduler.
        MissingExtra: ``distributed`` is not installed.
    """

    def __init__(self, settings: Mapping[str, Any], pause_s: float = _PAUSE_S) -> None:
        for name in settings:
            if name not in _SETTINGS:
                raise InputError(f"a Dask node has no setting {name!r}; it has {', '.join(_SETTINGS)}")
        if not settings.get("scheduler"):
            raise InputError("a Dask node needs the address of its scheduler, such as tcp://host:8786")
        self._distributed: Any = require("distributed", "dask")
        self._settings = dict(settings)
        self._pause_s = pause_s
        self._connecting = threading.Lock()  # held while a client is made; taken before _lock
        self._lock = threading.Lock()  # guards the fields below
        self._client: Any = None
        self._followed: dict[str, _Follower] = {}
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._bell = Waker()

    def start(self, order: StartOrder) -> str:
        """Submits the task to the worker with the fewest of ours.

        Raises:
            OperationFailed: The scheduler does not answer, or has no worker; nothing was started.
            OutcomeUnknown: It may have been started.
        """
        client = self._connected()
        digest = hashlib.sha256(os.fsencode(order.folder.parent)).hexdigest()[:8]
        key = f"fmzthreads-{digest}-robot-{order.robot_id}-{time.time_ns() // 1_000_000}"
        address = self._least_busy(client)
        handle = f"{key} {address}"
        self._follow(handle, RunFolder(order.folder))
        try:
            future = client.submit(
                run_robot,
                _parcel(order, key),
                key=key,
                workers=[address],
                allow_other_workers=False,
                retries=0,
                pure=False,
            )
            # Kept by the scheduler, also when this client is gone.
            client.publish_dataset(**{key: future})
        except Exception as error:  # distributed raises errors of many kinds, of its transport too
            raise OutcomeUnknown(
                f"robot {order.robot_id} may have been started on {address}: {_words(error)}"
            ) from error
        return handle

    def look(self, handle: str, folder: RunFolder) -> ProcessLook:
        """What the streaming thread saw last; unknown when that is old."""
        follower = self._follow(handle, folder)
        return (
            follower.look() if follower is not None else ProcessLook(alive=None, reason="the task's key is not known")
        )

    def ask(self, handle: str, folder: RunFolder, request: dict[str, Any]) -> dict[str, Any]:
        """Asks the strategy through its worker.

        Raises:
            OperationFailed: It does not run, or its worker is away.
        """
        reply = self._call(handle, ask_robot, _key(handle), request)
        if "error" in reply:
            raise OperationFailed(str(reply["error"]))
        return dict(reply)

    def end(self, handle: str, folder: RunFolder, *, kill: bool) -> None:
        """Sends a signal to the robot's process on its worker.

        Raises:
            OperationFailed: Its worker is away.
        """
        self._call(handle, end_robot, _key(handle), kill)

    def discard(self, handle: str) -> None:
        """Removes the task from the scheduler and the folder from its worker.

        Raises:
            OperationFailed: The scheduler or the worker is away.
        """
        if not handle:
            return
        with self._lock:
            follower = self._followed.pop(handle, None)
        if follower is not None:
            follower.close()
        self._call(handle, remove_robot, _key(handle))
        with contextlib.suppress(KeyError):
            self._connected().unpublish_dataset(_key(handle))

    def facts(self) -> NodeFacts:
        """The cluster."""
        try:
            workers = self._workers(self._connected())
        except OperationFailed as error:
            return NodeFacts(online=False, reason=str(error))
        return NodeFacts(
            online=bool(workers), host=str(self._settings["scheduler"]), os=f"{len(workers)} workers",
            version=f"Dask {self._distributed.__version__}", reason="" if workers else "the scheduler has no workers",
        )  # fmt: skip

    def close(self) -> None:
        """Ends the streaming; the robots go on."""
        self._end.set()
        self._bell.wake()
        with self._lock:
            thread, client = self._thread, self._client
            followers = list(self._followed.values())
            self._client = None
            self._followed.clear()
        if thread is not None:
            thread.join(60.0)
        for follower in followers:
            follower.close()
        if client is not None:
            client.close(timeout=_TIMEOUT_S)

    # Inside

    def _connected(self) -> Any:
        """The client; made by one thread at a time, so that none closes what another has just begun to use."""
        with self._connecting:
            with self._lock:
                if self._client is not None and self._client.status in {"running", "connecting"}:
                    return self._client
            return self._connect()

    def _connect(self) -> Any:
        tls = {name: self._settings.get(name) for name in ("tls_ca", "tls_cert", "tls_key")}
        security = None
        if tls["tls_ca"]:
            security = self._distributed.Security(
                tls_ca_file=tls["tls_ca"],
                tls_client_cert=tls["tls_cert"],
                tls_client_key=tls["tls_key"],
                require_encryption=True,
            )
        try:
            made = self._distributed.Client(
                self._settings["scheduler"],
                timeout=_TIMEOUT_S,
                set_as_default=False,
                security=security,
                name="fmzthreads-platform",
            )
        except Exception as error:  # distributed raises errors of many kinds, of its transport too
            raise OperationFailed(
                f"the scheduler {self._settings['scheduler']} does not answer: {_words(error)}"
            ) from error
        with self._lock:
            old, self._client = self._client, made
        if old is not None:
            with contextlib.suppress(Exception):  # it is broken, which is why there is a new one
                old.close(timeout=1)
        return made

    @staticmethod
    def _workers(client: Any) -> dict[str, Any]:
        """The addresses of all workers, with their threads.

        Raises:
            OperationFailed: The scheduler does not answer.
        """
        try:
            workers: dict[str, Any] = client.nthreads()
        except Exception as error:  # distributed raises errors of many kinds, of its transport too
            raise OperationFailed(f"the scheduler does not answer: {_words(error)}") from error
        return workers

    def _least_busy(self, client: Any) -> str:
        workers = list(self._workers(client))
        if not workers:
            raise OperationFailed(f"the scheduler {self._settings['scheduler']} has no workers")
        with self._lock:
            used = [handle.partition(" ")[2] for handle, follower in self._followed.items() if follower.look().alive]
        return min(workers, key=lambda address: (used.count(address), address))

    def _call(self, handle: str, function: Any, *args: Any) -> Any:
        """Runs a function on the worker of a handle, beside its tasks.

        Raises:
            OperationFailed: The worker is away.
        """
        client = self._connected()
        wanted = handle.partition(" ")[2]
        workers = list(self._workers(client))
        # A worker that was restarted has another port; what the robot left lies on the same machine.
        found = wanted if wanted in workers else next((one for one in workers if _host(one) == _host(wanted)), "")
        if not found:
            raise OperationFailed(f"the worker {wanted} is away")
        try:
            return client.run(function, *args, workers=[found])[found]
        except Exception as error:  # distributed raises errors of many kinds, and those of the function
            raise OperationFailed(f"the worker {found} does not answer: {_words(error)}") from error

    def _follow(self, handle: str, folder: RunFolder) -> _Follower | None:
        if not handle or self._end.is_set():
            return None
        with self._lock:
            follower = self._followed.get(handle)
            if follower is None:
                follower = self._followed[handle] = _Follower(handle, folder)
            if self._thread is None:
                self._thread = threading.Thread(target=self._stream, name="fmzthreads-dask", daemon=True)
                self._thread.start()
        return follower

    def _stream(self) -> None:
        while not self._end.is_set():
            with self._lock:
                followers = list(self._followed.values())
            for follower in followers:
                try:
                    while not self._end.is_set() and not follower.is_over:
                        if not follower.take(
                            self._call(follower.handle, robot_news, _key(follower.handle), follower.after())
                        ):
                            break
                except OperationFailed as error:
                    follower.failed(str(error))
            self._bell.sleep(self._pause_s)


class _Follower:
    """Writes what comes from a worker into the run folder here.

    Args:
        handle: The robot's task and worker.
        folder: Its run folder here.
    """

    def __init__(self, handle: str, folder: RunFolder) -> None:
        self.handle = handle
        self.is_over = False
        self._folder = folder
        self._database = Database(folder.database, SCHEMA, durable=False)
        self._lock = threading.Lock()  # guards _look, _seen_at and _problem
        self._look = ProcessLook(alive=True)  # it was submitted just before
        self._seen_at = time.monotonic()  # real time: how long a real worker has been silent
        self._problem = ""
        self._after: dict[str, int] | None = None  # of the streaming thread
        self._base: dict[str, int] = {}
        self._chart = ""

    def look(self) -> ProcessLook:
        """What was seen last; unknown when that is old."""
        with self._lock:
            if self._look.alive and time.monotonic() - self._seen_at > _OLD_S:
                return ProcessLook(alive=None, reason=self._problem or "no news from the worker")
            return self._look

    def failed(self, problem: str) -> None:
        """Notes why there are no news."""
        with self._lock:
            self._problem = problem

    def after(self) -> dict[str, int]:
        """By table, up to which id of the worker's rows are here."""
        if self._after is None:
            self._base, self._after = self._where_it_began()
        return self._after

    def _where_it_began(self) -> tuple[dict[str, int], dict[str, int]]:
        """The rows of earlier runs stay: those of this one come after them, and a later platform finds where it left off."""
        mark = self._folder.path / "streamed.json"
        with contextlib.suppress(OSError, ValueError):
            kept = json.loads(mark.read_text("ascii"))
            if kept.get("handle") == self.handle:
                # A table that an earlier version did not stream begins with what is here now.
                base = {table: int(kept["base"].get(table, self._largest(table))) for table in TABLES}
                return base, {table: max(0, self._largest(table) - base[table]) for table in TABLES}
        base = {table: self._largest(table) for table in TABLES}
        self._folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = mark.with_name("streamed.new")
        try:
            new.write_text(json.dumps({"handle": self.handle, "base": base}), "ascii")
            new.replace(mark)
        except OSError as error:
            raise OperationFailed(
                f"the run folder {str(self._folder.path)!r} cannot be written: {error.strerror}"
            ) from error
        return base, dict.fromkeys(TABLES, 0)

    def _largest(self, table: str) -> int:
        return int(self._database.execute(f"SELECT COALESCE(MAX(id), 0) FROM {table}")[0][0])  # noqa: S608

    def take(self, news: dict[str, Any]) -> bool:
        """Writes news; returns whether there are more at once.

        Raises:
            OperationFailed: They cannot be written: the next round asks for them again.
        """
        assert self._after is not None
        statements: list[tuple[str, Any]] = []
        newest = dict(self._after)
        for table, columns in TABLES.items():
            rows = news["rows"].get(table, [])
            marks = ",".join("?" * len(columns.split(",")))
            for row in rows:
                values = [row[0] + self._base[table], *row[1:]]
                statements.append((f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})", values))  # noqa: S608
            if rows:
                newest[table] = rows[-1][0]
            smallest = news["smallest"].get(table, 0)
            if smallest > 1:
                statements.append((f"DELETE FROM {table} WHERE id < ?", (smallest + self._base[table],)))  # noqa: S608
        if news["chart"] and news["chart"] != self._chart:
            statements.append(("INSERT OR REPLACE INTO cfg (k, v) VALUES ('chart', ?)", (news["chart"],)))
        if statements:
            self._database.execute_all(statements)
        self._after, self._chart = newest, news["chart"]
        more = any(len(rows) >= MOST_ROWS for rows in news["rows"].values())
        ended = news["alive"] is False and not more
        if ended:
            self._keep_last_words(news)
        with self._lock:
            alive = news["alive"] is not False or more  # not over before its last line is here
            self._look = ProcessLook(alive=alive, code=news["code"], reason=str(news["reason"]))
            self._seen_at, self._problem = time.monotonic(), ""
        self.is_over = ended
        return more

    def _keep_last_words(self, news: dict[str, Any]) -> None:
        for path, text in ((self._folder.status, news["status"]), (self._folder.path / "process.log", news["output"])):
            if text:
                with contextlib.suppress(OSError):  # a full disk; the log itself is here
                    Path(path).write_text(text, "utf-8", "replace")

    def close(self) -> None:
        """Closes the database."""
        self._database.close()


def _parcel(order: StartOrder, key: str) -> RobotParcel:
    files = {}
    for path in (order.file, *order.templates):
        for one in (path, path.with_suffix(".json")):
            if one.is_file():
                files[one.name] = one.read_text("utf-8", "replace")
    templates = tuple(path.name for path in order.templates)
    return RobotParcel(key=key, file=order.file.name, files=files, templates=templates, config=dict(order.config))


def _key(handle: str) -> str:
    return handle.partition(" ")[0]


def _host(address: str) -> str:
    return address.partition("://")[2].rpartition(":")[0]


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:300]}"
