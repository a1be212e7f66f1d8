"""The folder of a run: its database, its output, and which process runs in it.

A second run in the same folder is refused while the first lives, by a lock of the operating system, which a killed process cannot leave
behind. ``process.json`` tells other programs who runs there; a process that was given the same id later is not mistaken for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any, Literal

import attrs

from ...errors import InputError, OperationFailed
from ...fork import after_fork_in_child
from ...home import data_folder
from ...process_start import start_of

__all__ = ["ProcessRecord", "RunFolder", "default_folder", "give_lock_back", "run_names", "take_lock"]

State = Literal["running", "ended", "killed"]
_NAME = re.compile(r"[\w][\w.@+-]{0,99}\Z")


@attrs.frozen(kw_only=True)
class ProcessRecord:
    """Who runs, or ran, in a folder.

    Attributes:
        name: The run's name.
        file: The strategy's file.
        pid: The process's id.
        started: When the process was started, as ``process.start_of`` tells it.
        since_ms: When the run began, in milliseconds since the epoch.
        control: Where the run listens for commands: a file's name in the folder, or ``127.0.0.1:PORT``; empty for nowhere.
        token: What a client must say when ``control`` is a port.
        ended_ms: When the run ended; 0 while it runs, or after it was killed.
        code: The exit code; None while it runs, or after it was killed.
        reason: Why it ended; empty while it runs.
    """

    name: str
    file: str
    pid: int
    started: str
    since_ms: int
    control: str = ""
    token: str = attrs.field(default="", repr=False)
    ended_ms: int = 0
    code: int | None = None
    reason: str = ""

    @property
    def state(self) -> State:
        """Whether it runs, has ended, or was killed before it could say so; looked up now."""
        if self.code is not None:
            return "ended"
        return "running" if self.started and start_of(self.pid) == self.started else "killed"


def default_folder(name: str) -> Path:
    """``~/.fmzthreads/runs/NAME``, or ``runs/NAME`` in the environment's ``FMZTHREADS_HOME``.

    Raises:
        InputError: The name cannot be a folder's name everywhere.
        OperationFailed: There is no home.
    """
    if not _NAME.match(name) or name.endswith("."):
        raise InputError(f"a run cannot be called {name[:100]!r}: expected letters, digits and . _ - + @, at most 100")
    return data_folder() / "runs" / name


def run_names() -> list[str]:
    """The names of all runs that have a folder in the usual place, sorted."""
    runs = data_folder() / "runs"
    return sorted(found.parent.name for found in runs.glob("*/process.json")) if runs.is_dir() else []


class RunFolder:
    """The files of one run.

    Args:
        path: The folder; it is made by ``claim``, for its owner only.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser().absolute()
        self._lock_file: IO[bytes] | None = None
        self._record: ProcessRecord | None = None

    def __repr__(self) -> str:
        return f"<RunFolder {self.path}>"

    @property
    def database(self) -> Path:
        """The SQLite file: log, profit, chart, kvdb and cfg."""
        return self.path / "strategy.sqlite3"

    @property
    def orders(self) -> Path:
        """The SQLite file of the order log."""
        return self.path / "orders.sqlite3"

    @property
    def stdout(self) -> Path:
        """What the strategy printed."""
        return self.path / "stdout.log"

    @property
    def stderr(self) -> Path:
        """What the strategy printed to the error stream, and its traceback."""
        return self.path / "stderr.log"

    @property
    def status(self) -> Path:
        """The status bar's text at the end of the last run."""
        return self.path / "status.txt"

    # For the process that runs in it

    def claim(self, name: str, file: str | os.PathLike[str]) -> ProcessRecord:
        """Makes the folder and takes it for this process, until ``release``.

        Args:
            name: The run's name.
            file: The strategy's file.

        Raises:
            InputError: Another run lives in it; names its process.
            OperationFailed: The folder cannot be made or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock_file = _locks.take(self.path)
        except OSError as error:
            raise OperationFailed(f"the run folder {str(self.path)!r} cannot be used: {error.strerror}") from error
        if lock_file is None:
            other = self.record()
            who = f"process {other.pid}, since {_local(other.since_ms)}" if other is not None else "another process"
            raise InputError(f"a run in {str(self.path)!r} is alive ({who}): stop it first, or choose another --name")
        self._lock_file = lock_file
        pid = os.getpid()
        self._record = ProcessRecord(
            name=name, file=str(file), pid=pid, started=start_of(pid), since_ms=time.time_ns() // 1_000_000
        )
        self._write(self._record)
        return self._record

    def update(self, **changes: Any) -> None:
        """Changes fields of the record of this process's run."""
        assert self._record is not None, "claim comes first"
        self._record = attrs.evolve(self._record, **changes)
        self._write(self._record)

    def release(self, code: int, reason: str) -> None:
        """Records the end and gives the folder back; a second call, and one in a forked child, does nothing."""
        if self._lock_file is None or self._record is None or self._record.pid != os.getpid():
            return
        try:
            self.update(ended_ms=time.time_ns() // 1_000_000, code=code, reason=reason, control="", token="")
        finally:
            lock_file, self._lock_file = self._lock_file, None
            _locks.give_back(self.path, lock_file)

    def _write(self, record: ProcessRecord) -> None:
        """Replaces ``process.json`` as a whole, so that a reader never sees half of it."""
        self._replace("process.json", json.dumps(attrs.asdict(record), ensure_ascii=False, indent=1))

    def _replace(self, name: str, text: str) -> None:
        stem, _, suffix = name.partition(".")
        new = self.path / f".{stem}-{os.getpid()}.{suffix}"
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            new.replace(self.path / name)
        except OSError as error:
            raise OperationFailed(f"the run folder {str(self.path)!r} cannot be written: {error.strerror}") from error

    def taken_stop(self) -> tuple[bool, str] | None:
        """Takes the request to stop that was left for this process before it listened.

        Returns:
            Whether it is to cancel its open orders, and who asked; None if no such request lies there.
        """
        pid = os.getpid()
        try:
            left = json.loads(self._stop.read_text("utf-8"))
            self._stop.unlink()
            # One that was left for an earlier process counts no more.
            mine = (left["pid"], left["started"]) == (pid, start_of(pid))
            return (bool(left["cancel"]), str(left.get("by") or "")) if mine else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    # For everybody

    def put_away(self, *, remove: bool) -> bool:
        """Deletes the folder, in which nothing runs, or keeps it with ``.deleted`` behind its name.

        Returns:
            Whether it is gone from its place.
        """
        if not self.path.exists():
            return True
        if remove:
            shutil.rmtree(self.path, ignore_errors=True)
            return not self.path.exists()
        try:
            self.path.rename(self.path.with_name(f"{self.path.name}.deleted"))
        except OSError:
            return False
        return True

    @property
    def _stop(self) -> Path:
        return self.path / "stop.json"

    def leave_stop(self, pid: int, started: str, by: str = "", *, cancel: bool) -> None:
        """Leaves a request to stop for a process that does not listen yet; it takes it as soon as it does.

        Args:
            pid: The process's id.
            started: When it was started, as ``process.start_of`` tells it.
            by: Who asks; empty for ``fmzthreads stop``.
            cancel: Whether it is to cancel its open orders.

        Raises:
            OperationFailed: The folder cannot be written.
        """
        self._replace("stop.json", json.dumps({"pid": pid, "started": started, "by": by, "cancel": cancel}))

    def forget(self) -> None:
        """Removes the record of the run that was the last here, before a new one is started.

        Raises:
            OSError: It cannot be removed.
        """
        (self.path / "process.json").unlink(missing_ok=True)

    def record(self) -> ProcessRecord | None:
        """Who runs, or ran last, in the folder; None before the first run.

        Raises:
            OperationFailed: ``process.json`` is damaged.
        """
        try:
            values = json.loads((self.path / "process.json").read_text("utf-8"))
            return ProcessRecord(**values)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise OperationFailed(f"{str(self.path / 'process.json')!r} is damaged: {error}") from error


def _local(time_ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_ms / 1000))


class _Locks:
    """Locks of files, for one process each. A record lock belongs to the process: a forked child does not have it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # guards _held
        # By folder and process, because a record lock does not exclude its own process. The files are held here, because one that is closed,
        # also by the garbage collector, gives its lock back.
        self._held: dict[tuple[Path, int], IO[bytes]] = {}
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a guard of its own. The parent's files stay open here, which keeps no lock."""
        self._guard = threading.Lock()

    def take(self, folder: Path) -> IO[bytes] | None:
        """Locks the folder's lock file and returns it; None when another run has it.

        Raises:
            OSError: The file cannot be made.
        """
        key = (folder.resolve(), os.getpid())
        with self._guard:
            if key in self._held:  # before the file is opened: closing it again would give this process's lock back
                return None
            file = (folder / "run.lock").open("a+b")
            try:
                _lock(file)
            except OSError:
                file.close()
                return None
            self._held[key] = file
            return file

    def give_back(self, folder: Path, file: IO[bytes]) -> None:
        """Unlocks and closes the file."""
        with self._guard:
            self._held.pop((folder.resolve(), os.getpid()), None)
            with contextlib.suppress(OSError):
                file.close()


_locks = _Locks()


def take_lock(folder: Path) -> IO[bytes] | None:
    """Takes a folder for this process, until the lock is given back or the process ends.

    Args:
        folder: The folder, which is there.

    Returns:
        The lock; None when another process, or this one, has it.

    Raises:
        OSError: The lock file cannot be made.
    """
    return _locks.take(folder)


def give_lock_back(folder: Path, lock: IO[bytes]) -> None:
    """Gives back what ``take_lock`` returned."""
    _locks.give_back(folder, lock)


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
