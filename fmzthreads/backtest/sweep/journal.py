"""The journal of a sweep: an append-only file with one line for each finished backtest.

The first line says which sweep it belongs to. A sweep that was killed goes on from its journal; a last line that was cut off by the kill is dropped.
There is one writer: a second sweep over the same file is refused while the first lives.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ...errors import InputError, OperationFailed
from ..write_lock import lock_for_writing
from .job import Job, Score

__all__ = ["SweepJournal"]

_FORMAT = 1


class SweepJournal:
    """The finished backtests of one sweep, on disk.

    Args:
        path: The file; it is created with its folders.
        sweep: What the results depend on, as JSON: hashes of strategy and data, settings. An existing file must say the same.

    Raises:
        InputError: The file belongs to another sweep (names what differs), or is no journal.
        OperationFailed: Another process writes to it, or it cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str], sweep: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.scores: dict[str, Score] = {}
        """The finished backtests by key."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self.path.open("a+b")
        except OSError as error:
            raise OperationFailed(f"the journal {self.path} cannot be opened: {error.strerror}") from error
        try:
            lock_for_writing(self._file, self.path, "sweep")
            self._begin(json.loads(json.dumps(sweep)))
        except BaseException:  # whatever it was, no file stays open
            self._file.close()
            raise

    def __enter__(self) -> SweepJournal:
        """The journal."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file."""
        self.close()

    def close(self) -> None:
        """Closes the file; other processes may write to it then."""
        self._file.close()

    def add(self, score: Score) -> None:
        """Writes a finished backtest; it is on disk when this returns.

        Raises:
            OperationFailed: It cannot be written, as when the disk is full.
        """
        job = score.job
        row: dict[str, Any] = {
            "args": dict(job.args),
            "start": job.start_ms,
            "end": job.end_ms,
            "figures": dict(score.figures),
        }
        if score.error:
            row["error"] = score.error
        self._write(row)
        self.scores[job.key] = score

    def _write(self, row: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(row, separators=(",", ":"), allow_nan=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OperationFailed(f"the journal {self.path} cannot be written: {error.strerror}") from error

    def _begin(self, sweep: dict[str, Any]) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):  # the write of the last line was cut off
            self._file.truncate(len(whole))
        lines = whole.splitlines()
        if not lines:
            self._write({"format": _FORMAT, "sweep": sweep})
            return
        head = self._decoded(1, lines[0])
        if head.get("format") != _FORMAT or not isinstance(head.get("sweep"), dict):
            raise InputError(f"{self.path} is not the journal of a sweep; name another folder with --out")
        differing = sorted(key for key in {*head["sweep"], *sweep} if head["sweep"].get(key) != sweep.get(key))
        if differing:
            raise InputError(
                f"{self.path} belongs to another sweep: {', '.join(differing)} differ; name another folder with --out, or delete it"
            )
        for number, line in enumerate(lines[1:], 2):
            row = self._decoded(number, line)
            try:
                job = Job(row["args"], row["start"], row["end"])
                self.scores[job.key] = Score(job, row["figures"], row.get("error", ""))
            except (KeyError, AttributeError, TypeError):
                raise InputError(f"{self.path}, line {number}: not a finished backtest") from None

    def _decoded(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{self.path}, line {number}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise InputError(f"{self.path}, line {number}: expected an object, got {type(row).__name__}")
        return row
