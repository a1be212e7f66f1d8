"""What runs on the workers of a Dask cluster: the task that starts a robot and waits for it, and the functions that look at it.

Only the standard library and this package are needed there. The functions are called by ``Client.run``, beside the worker's tasks, so that a
worker that is busy answers too.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs

from ...errors import InputError, OperationFailed
from ...home import data_folder
from ...process_start import start_of
from ...strategy.log.log_database import store_left_lines
from ...strategy.run.control import ask
from ...strategy.run.folder import RunFolder
from .local import own_environment

__all__ = ["RobotParcel", "ask_robot", "end_robot", "remove_robot", "robot_news", "run_robot"]

TABLES = {
    "log": "id, date, logType, eid, orderId, price, amount, extra, contractType, direction, color, push, private, source",
    "profit": "id, profit, date",
    "chart": "id, seriesIndex, data, date",
    "push": "id, date, extra",
    "holding": "id, date, data",
}
"""The tables that are streamed home, with their columns."""
MOST_ROWS = 2000
"""The most rows of a table in one reply."""

_KEY = re.compile(r"[\w-]{1,120}\Z")


@attrs.frozen(kw_only=True)
class RobotParcel:
    """A robot as it is sent to a worker.

    Attributes:
        key: The name under which it is found.
        file: The strategy file's name.
        files: The texts of the strategy, its declaration and its templates by name.
        templates: The names of the templates, in order.
        config: The settings of ``fmzthreads run``; hold keys.
    """

    key: str
    file: str
    files: dict[str, str] = attrs.field(repr=False)
    templates: tuple[str, ...]
    config: dict[str, Any] = attrs.field(repr=False)


def _folder(key: str) -> Path:
    if not _KEY.match(key):
        raise InputError(f"{key[:60]!r} is not a robot's key")
    return data_folder() / "dask" / key


def run_robot(parcel: RobotParcel) -> int:
    """Starts the robot's process and waits for its end; a task that is run a second time, after its worker was lost, starts nothing.

    Args:
        parcel: The robot.

    Returns:
        The exit code.

    Raises:
        OperationFailed: It was started before.
    """
    folder = _folder(parcel.key)
    (folder / "code").mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.close(os.open(folder / "started", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise OperationFailed(f"{parcel.key} was started before: it is not started again") from None
    with contextlib.suppress(ImportError, ValueError):
        distributed: Any = importlib.import_module("distributed")
        distributed.secede()  # the worker's thread is free for other tasks while this one waits
    for name, text in parcel.files.items():
        (folder / "code" / Path(name).name).write_text(text, "utf-8")
    run = folder / "run"
    run.mkdir(exist_ok=True, mode=0o700)
    templates = [str(folder / "code" / Path(name).name) for name in parcel.templates]
    config = {**parcel.config, "folder": str(run), "templates": templates}
    with (run / "process.log").open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 (no shell)
            [sys.executable, "-m", "fmzthreads", "run", str(folder / "code" / Path(parcel.file).name), "--config", "-"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=run,
            env=own_environment(),
            start_new_session=True,
        )
        (folder / "process").write_text(f"{process.pid} {start_of(process.pid)}", "utf-8")
        process.communicate(json.dumps(config).encode())
    (folder / "code.txt").write_text(str(process.returncode), "ascii")
    return process.returncode


def robot_news(key: str, after: dict[str, int]) -> dict[str, Any]:
    """What is new of a robot.

    Args:
        key: The robot.
        after: By table the id after which rows are wanted.

    Returns:
        ``alive`` (None before the start), ``code``, ``reason``, ``rows`` by table, ``smallest`` id by table, ``chart`` (the configuration),
        ``status`` (the last one, after the end), ``output`` (the end of ``process.log``).
    """
    folder = _folder(key)
    run = RunFolder(folder / "run")
    news: dict[str, Any] = {
        "alive": None,
        "code": None,
        "reason": "",
        "rows": {},
        "smallest": {},
        "chart": "",
        "status": "",
        "output": "",
    }
    if not (folder / "started").exists():
        return news
    # Before the rows are read, so that those of an ended robot are its last ones.
    news["alive"] = _living(folder) is not None or not (folder / "process").exists()
    record = run.record()
    if not news["alive"]:
        news |= {"reason": "killed"}
        with contextlib.suppress(OSError, ValueError):
            code = int((folder / "code.txt").read_text("ascii"))
            news |= {"code": code, "reason": ""} if code >= 0 else {"reason": f"killed by {signal.Signals(-code).name}"}
        if record is not None and record.code is not None:
            news |= {"code": record.code, "reason": record.reason}
        with contextlib.suppress(OSError):
            news["status"] = run.status.read_text("utf-8", "replace")
        with contextlib.suppress(OSError):
            news["output"] = (run.path / "process.log").read_text("utf-8", "replace")[-8192:]
        with contextlib.suppress(OperationFailed):  # a damaged database: what can be read of it is
            store_left_lines(run.database)
    _read_tables(run.database, after, news)
    return news


def _read_tables(path: Path, after: dict[str, int], news: dict[str, Any]) -> None:
    if not path.exists():
        return
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=2.0)
    try:
        for table, columns in TABLES.items():
            with contextlib.suppress(sqlite3.OperationalError):  # no such table yet
                query = f"SELECT {columns} FROM {table} WHERE id > ? ORDER BY id LIMIT {MOST_ROWS}"  # noqa: S608
                news["rows"][table] = connection.execute(query, (after.get(table, 0),)).fetchall()
                news["smallest"][table] = connection.execute(f"SELECT MIN(id) FROM {table}").fetchone()[0] or 0  # noqa: S608
        with contextlib.suppress(sqlite3.OperationalError):
            rows = connection.execute("SELECT v FROM cfg WHERE k = 'chart'").fetchall()
            news["chart"] = rows[0][0] if rows else ""
    finally:
        connection.close()


def ask_robot(key: str, request: dict[str, Any]) -> dict[str, Any]:
    """Sends a request to the strategy; the reply has ``error`` when it does not answer."""
    run = RunFolder(_folder(key) / "run")
    try:
        record = run.record()
        if record is None or record.state != "running":
            return {"error": "the robot does not run"}
        return ask(run.path, record, request)
    except OperationFailed as error:
        return {"error": str(error)}


def end_robot(key: str, kill: bool) -> None:
    """Sends SIGTERM to the robot's process, or SIGKILL to it and what it started."""
    pid = _living(_folder(key))
    if pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL) if kill else os.kill(pid, signal.SIGTERM)


def remove_robot(key: str) -> None:
    """Removes the robot's folder, unless it lives."""
    import shutil

    folder = _folder(key)
    if _living(folder) is None:
        shutil.rmtree(folder, ignore_errors=True)


def _living(folder: Path) -> int | None:
    """The robot's process, if it lives."""
    try:
        pid, _, started = (folder / "process").read_text("utf-8").partition(" ")
    except OSError:
        return None
    return int(pid) if started and start_of(int(pid)) == started else None
