"""The folder of strategy files: looking them up by number, reading, writing, deleting."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from pathlib import Path
from typing import Literal

import attrs

from ...database import Database
from ...errors import FmzError, InputError, OperationFailed, UnknownName
from ...strategy.program.parameters import Parameter, declared
from ...strategy.program.reading import read_source
from ..access import Actor
from .versions import Versions

__all__ = ["StrategyFile", "StrategyFolder", "StrategyKind", "mark_of"]

StrategyKind = Literal["strategy", "template", "script", "broken"]

_NAME = re.compile(r"[^\W_][\w .()@+-]{0,95}\.(?:py|js)\Z")
_JAVASCRIPT_MAIN = re.compile(r"\bfunction\s+main\s*\(|\bmain\s*=[^=]")
_MOST_BYTES = 2 * 1024 * 1024


@attrs.frozen(kw_only=True)
class StrategyFile:
    """A strategy, template or plain script.

    Attributes:
        id: Its number; stays the same for the file's name.
        file: The file's name in the folder.
        language: ``Python`` or ``JavaScript``.
        kind: ``strategy``, ``template`` (no ``main``), ``script`` (calls its ``main`` itself), or ``broken`` (see ``error``).
        bytes: Its size.
        created_ms: When the platform first saw it.
        changed_ms: When it was changed last.
        error: Why it cannot be read; empty if it can.
    """

    id: int
    file: str
    language: str
    kind: StrategyKind
    bytes: int
    created_ms: int
    changed_ms: int
    error: str = ""

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.file.rpartition(".")[0]


class StrategyFolder:
    """The strategies. Any thread may use it.

    Args:
        path: The folder; made if it is not there.
        database: The platform's file, which numbers the files.
    """

    def __init__(self, path: Path, database: Database) -> None:
        self.path = path
        self._database = database
        self.versions = Versions(path)
        """Their history."""
        self._lock = threading.Lock()  # guards _seen, and that one file is written at a time
        self._seen: dict[str, tuple[tuple[int, int], StrategyKind, str]] = {}
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise OperationFailed(f"the strategies' folder {str(path)!r} cannot be made: {error.strerror}") from error

    def all(self) -> list[StrategyFile]:
        """All files, by name; one that is new gets a number."""
        names = sorted(
            entry.name for entry in self.path.iterdir() if _NAME.match(entry.name) and entry.is_file() and not entry.is_symlink()
        )  # fmt: skip
        known = {file: (number, created) for number, file, created in self._rows()}
        new = [name for name in names if name not in known]
        if new:
            now = time.time_ns() // 1_000_000
            statement = "INSERT INTO strategies (file, created_ms) VALUES (?, ?) ON CONFLICT DO NOTHING"
            self._database.execute_all([(statement, (name, now)) for name in new])
            known = {file: (number, created) for number, file, created in self._rows()}
        found = [self._described(known[name][0], name, known[name][1]) for name in names if name in known]
        return [one for one in found if one is not None]

    def get(self, strategy_id: int) -> StrategyFile:
        """One file.

        Raises:
            UnknownName: There is no such strategy, or its file is gone.
        """
        rows = self._database.execute("SELECT file, created_ms FROM strategies WHERE id = ?", (strategy_id,))
        described = self._described(strategy_id, *rows[0]) if rows else None
        if described is None:
            raise UnknownName(f"no strategy {strategy_id}{f': its file {rows[0][0]!r} is gone' if rows else ''}")
        return described

    def find(self, file: str) -> StrategyFile:
        """The strategy of a file's name.

        Raises:
            UnknownName: There is no such file.
        """
        for one in self.all():
            if one.file == file:
                return one
        raise UnknownName(f"no strategy file {file[:100]!r}")

    def file_path(self, strategy_id: int) -> Path:
        """Where a strategy's file lies.

        Raises:
            UnknownName: There is no such strategy.
        """
        return self.path / self.get(strategy_id).file

    def text(self, strategy_id: int) -> str:
        """The text of a strategy.

        Raises:
            UnknownName: There is no such strategy.
            InputError: It cannot be read.
        """
        return _read(self.file_path(strategy_id))

    def parameters(self, strategy_id: int) -> list[Parameter]:
        """The parameters that a strategy or template declares, in order.

        Raises:
            UnknownName: There is no such strategy.
            InputError: The file or its declaration is not valid.
        """
        return declared(read_source(self.file_path(strategy_id)))

    def write(self, actor: Actor, file: str, text: str, subject: str = "", base: str = "") -> StrategyFile:
        """Writes a file, new or not, and records the version.

        Args:
            actor: Who.
            file: The file's name: letters, digits, spaces and ``. _ ( ) @ + -``, ending with ``.py`` or ``.js``.
            text: Its text.
            subject: What to say about the version.
            base: The ``mark_of`` the text that was edited; empty to write in any case.

        Raises:
            NotPermitted: Only owners write.
            InputError: The name is not valid, the text is too long, or the file has been changed since.
            OperationFailed: It cannot be written; the former file is as it was.
        """
        actor.check_owner("write strategies: a strategy is code that runs on this machine")
        self._check_name(file)
        data = text.encode("utf-8", "replace")
        if len(data) > _MOST_BYTES:
            raise InputError(f"the text has {len(data)} bytes, expected at most {_MOST_BYTES}")
        path = self.path / file
        new = self.path / f".{file}.new"
        with self._lock:
            if path.is_symlink():
                raise InputError(f"{file!r} is a link: it is not written")
            if base and path.exists() and mark_of(_read(path)) != base:
                raise InputError(
                    f"{file} was changed since you opened it, in another tab or by somebody else: compare the versions; saving again replaces it"
                )
            try:
                new.write_bytes(data)
                new.replace(path)
            except OSError as error:
                raise OperationFailed(f"{str(path)!r} cannot be written: {error.strerror}") from error
        self.versions.save(file, actor.name, subject)
        return self.find(file)

    def delete(self, actor: Actor, strategy_id: int) -> None:
        """Deletes a file; its versions stay.

        Raises:
            NotPermitted: Only owners delete.
            UnknownName: There is no such strategy.
        """
        actor.check_owner("delete strategies")
        file = self.get(strategy_id).file
        (self.path / file).unlink(missing_ok=True)
        self.versions.save(file, actor.name, f"deleted {file}")

    def _rows(self) -> list[tuple[int, str, int]]:
        return [
            (row[0], row[1], row[2]) for row in self._database.execute("SELECT id, file, created_ms FROM strategies")
        ]

    @staticmethod
    def _check_name(file: str) -> None:
        if not _NAME.match(file) or os.sep in file:
            raise InputError(
                f"a strategy file cannot be called {file[:100]!r}: expected letters, digits, spaces and . _ ( ) @ + -, ending with .py or .js"
            )

    def _described(self, number: int, file: str, created_ms: int) -> StrategyFile | None:
        path = self.path / file
        try:
            facts = path.lstat()
        except OSError:
            return None
        stamp = (facts.st_mtime_ns, facts.st_size)
        with self._lock:
            seen = self._seen.get(file)
        if seen is None or seen[0] != stamp:
            seen = (stamp, *_kind(path))
            with self._lock:
                self._seen[file] = seen
        language = "JavaScript" if file.endswith(".js") else "Python"
        return StrategyFile(
            id=number, file=file, language=language, kind=seen[1], bytes=facts.st_size, created_ms=created_ms,
            changed_ms=facts.st_mtime_ns // 1_000_000, error=seen[2],
        )  # fmt: skip


def mark_of(text: str) -> str:
    """What tells the text of a file from others."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def _read(path: Path) -> str:
    try:
        return read_source(path).text
    except InputError:
        return path.read_text("utf-8", "replace")  # to be looked at and mended


def _kind(path: Path) -> tuple[StrategyKind, str]:
    try:
        source = read_source(path)
        _ = source.code  # the syntax
        if path.suffix == ".js":
            return ("strategy" if _JAVASCRIPT_MAIN.search(source.text) else "template"), ""
        if source.is_strategy:
            return "strategy", ""
        return ("template" if "ext." in source.text else "script"), ""
    except (FmzError, OSError, RecursionError, ValueError) as error:
        return "broken", str(error)
