"""Robots that come from elsewhere: a run folder that somebody copied becomes a stopped robot, with its log, profit, charts and values."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from ...errors import InputError, OperationFailed
from ...strategy.log.log_database import store_left_lines
from ...strategy.run.folder import ProcessRecord, RunFolder, give_lock_back, take_lock
from ..access import Actor
from ..store.robot_table import RobotExchange, RobotSettings
from .lives import AlreadyRuns, RobotLives
from .settings_file import SettingsFiles
from .start_orders import StartOrders
from .tables import RobotTables

__all__ = ["FoundFolder", "ImportedRobot", "MovedFolders"]

_LEFT_BEHIND = ("control.sock", "run.lock", "stop.json", ".process-*", "*.new")
_LONGEST_NUMBER = 12


@attrs.frozen(kw_only=True)
class FoundFolder:
    """A run folder among those of the robots that belongs to none: its name there, what ran in it, and why it cannot be imported now."""

    folder: str
    name: str
    problem: str = ""


@attrs.frozen(kw_only=True)
class ImportedRobot:
    """A robot that was made of a folder: its number, and what must be given again before it can start."""

    id: int
    notes: Sequence[str] = ()


class MovedFolders:
    """Imports run folders. Any thread may use it.

    Args:
        lives: The robots.
        orders: Checks settings.
        files: Reads the settings that lie in folders.
        tables: Reads their databases.
        storage: Where the robots' run folders lie.
    """

    def __init__(
        self, lives: RobotLives, orders: StartOrders, files: SettingsFiles, tables: RobotTables, storage: Path
    ) -> None:
        self._lives = lives
        self._orders = orders
        self._files = files
        self._tables = tables
        self._storage = storage
        self._lock = threading.Lock()  # one import at a time: two of the same folder would both find its number free

    def found(self, actor: Actor) -> list[FoundFolder]:
        """The run folders among those of the robots that belong to none.

        Raises:
            NotPermitted: Only owners import robots.
        """
        actor.check_owner("import robots")
        try:
            names = sorted(path.name for path in self._storage.iterdir() if path.is_dir())
        except OSError:  # there is no robot yet
            return []
        own = {str(robot.id) for robot in self._lives.table.all()}
        return [self._found(name) for name in names if name not in own and not name.startswith(".")]

    def _found(self, name: str) -> FoundFolder:
        folder = RunFolder(self._storage / name)
        shown, problem = "", ""
        try:
            record = _checked(folder)
            shown = record.name
            self._number(folder.path)
        except (InputError, OperationFailed) as error:
            problem = str(error)
        return FoundFolder(folder=name, name=shown, problem=problem)

    def adopt(self, actor: Actor, folder: str | os.PathLike[str]) -> ImportedRobot:
        """Makes a robot of a run folder. It is stopped, and keeps its settings, log, profit curve, charts, ``_G`` values and orders.

        A folder among those of the robots stays there or is renamed; one that lies elsewhere is copied. A folder whose name is a number
        becomes the robot of this number, any other one gets the next number.

        Args:
            actor: Who.
            folder: The folder's path, or its name among the robots' folders.

        Raises:
            NotPermitted: Only owners import robots.
            AlreadyRuns: A process runs in it.
            InputError: It is not a run folder, is damaged, or its number is taken.
            UnknownName: Its strategy or a template is not on this platform.
            OperationFailed: It cannot be read or copied, or the vault is locked.
        """
        actor.check_owner("import robots")
        if not str(folder).strip() or "\0" in str(folder):
            raise InputError("no folder was named")
        path = self._storage / Path(folder).expanduser()  # an absolute path stays as it is
        with self._lock:
            found = RunFolder(path)
            _checked(found)
            with _held(found):
                record = _checked(found)  # once more: it may have run meanwhile
                made = self._adopted(actor, found, record)
        self._lives.note(actor, "import robot", f"robot {made.id}", f"{record.name}, from {found.path}")
        return made

    def _adopted(self, actor: Actor, found: RunFolder, record: ProcessRecord) -> ImportedRobot:
        number = self._number(found.path)
        with contextlib.suppress(OperationFailed):  # a folder that cannot be written: its next start stores them
            store_left_lines(found.database)
        newest = self._tables.last(found.database)[0]
        self._tables.forget(found.database)  # it is about to be moved
        settings, notes = self._files.read(found.path) or self._from_record(record)
        self._check(settings)
        robot = self._lives.table.create(settings, actor.account_id, number)
        try:
            if not number:
                robot = self._lives.with_free_folder(robot)
            self._put(found.path, self._lives.run_folder(robot.id).path)
        except BaseException:  # also an interrupt: no robot may be left without its folder
            self._lives.table.withdraw(robot.id)
            raise
        self._lives.table.update(
            robot.id,
            phase="stopped",
            started_ms=record.since_ms,
            ended_ms=record.ended_ms or self._lives.now_ms(),
            code=record.code,
            reason=record.reason[:500] or "its process was killed",
            pushed_id=newest,  # what it wanted to be pushed elsewhere is not pushed again
        )
        return ImportedRobot(id=robot.id, notes=notes)

    def _number(self, path: Path) -> int:
        """The number that the folder's name asks for; 0 for the next free one."""
        name = path.name
        if not (name.isascii() and name.isdigit() and name[0] != "0" and len(name) <= _LONGEST_NUMBER):
            return 0
        if self._lives.table.is_used(int(name)):
            raise InputError(
                f"the number {name} of the folder {str(path)!r} is or was that of another robot here: rename the folder to a word, and it gets "
                "the next number"
            )
        if path.parent.resolve() != self._storage.resolve() and self._storage.joinpath(name).exists():
            raise InputError(
                f"a folder {name!r} lies among those of the robots already: rename {str(path)!r} to a word"
            )
        return int(name)

    def _from_record(self, record: ProcessRecord) -> tuple[RobotSettings, list[str]]:
        """Settings of a run that was no robot."""
        settings = RobotSettings(name=record.name, strategy_id=self._files.strategy_id(Path(record.file).name))
        return settings, ["the folder names no settings: choose exchanges and arguments before the start"]

    def _check(self, settings: RobotSettings) -> None:
        """Refuses what would be refused at the start, but for exchanges, which may have to be chosen again."""
        try:
            self._orders.check(settings)
        except InputError:
            if settings.exchanges:
                raise
            self._orders.check(attrs.evolve(settings, exchanges=(RobotExchange(pair="BTC_USDT", eid="Binance"),)))

    def _put(self, source: Path, target: Path) -> None:
        if source == target:
            return
        try:
            if source.parent.resolve() == self._storage.resolve():
                source.rename(target)
                return
            self._storage.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = target.with_name(f".import-{target.name}")
            shutil.rmtree(new, ignore_errors=True)
            try:
                shutil.copytree(source, new, ignore=shutil.ignore_patterns(*_LEFT_BEHIND))
                new.chmod(0o700)
                new.rename(target)
            finally:
                shutil.rmtree(new, ignore_errors=True)
        except (OSError, shutil.Error) as error:
            raise OperationFailed(
                f"the folder {str(source)!r} cannot be brought to {str(target)!r}: {error}"
            ) from error


def _checked(folder: RunFolder) -> ProcessRecord:
    """Who ran in the folder.

    Raises:
        InputError: It is not a whole run folder, or a process runs in it.
        OperationFailed: ``process.json`` is damaged.
    """
    path = folder.path
    if path.is_symlink() or not path.is_dir():
        raise InputError(f"{str(path)!r} is not a folder")
    record = folder.record()
    if record is None or not folder.database.is_file():
        raise InputError(f"{str(path)!r} is not a run folder: expected process.json and {folder.database.name} in it")
    if record.state == "running":
        raise AlreadyRuns(
            f"process {record.pid} runs in {str(path)!r}, or in the folder that it is a copy of: stop it first"
        )
    for parent, folders, files in os.walk(path):
        for name in (*folders, *files):
            if Path(parent, name).is_symlink():
                raise InputError(f"{str(Path(parent, name))!r} is a symbolic link: a run folder has none")
    return record


@contextlib.contextmanager
def _held(folder: RunFolder) -> Iterator[None]:
    """Takes the folder, so that no run begins in it meanwhile.

    Raises:
        AlreadyRuns: A run has it.
    """
    try:
        lock = take_lock(folder.path)
    except OSError as error:
        if error.errno not in {errno.EROFS, errno.EACCES, errno.EPERM}:
            raise OperationFailed(f"the folder {str(folder.path)!r} cannot be used: {error.strerror}") from error
        yield  # where nothing can be written, nothing runs
        return
    if lock is None:
        raise AlreadyRuns(f"a run lives in {str(folder.path)!r}: stop it first")
    try:
        yield
    finally:
        give_lock_back(folder.path, lock)
