"""The journal of a sweep: an append-only file with one line for each finished backtest.

The first line says which sweep it belongs to, and each line ends with a checksum. A sweep that was killed goes on from its journal; a last line that was
cut off by the kill is dropped. A line that is damaged in another way is refused: a wrong figure could choose the wrong parameters.
There is one writer: a second sweep over the same file is refused while the first lives.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ...errors import InputError, OperationFailed
from ..write_lock import lock_for_writing
from .job import Job, Score

__all__ = ["SweepJournal"]

_FORMAT = 2
_BEGINNING = b'{"format":'
_CHECKSUM = b',"crc32":"'


class SweepJournal:
    """The finished backtests of one sweep, on disk.

    Args:
        path: The file; it is created with its folders.
        sweep: What the results depend on, as JSON: hashes of strategy and data, settings. An existing file must say the same.

    Raises:
        InputError: The file belongs to another sweep (names what differs), is no journal, or is damaged.
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
        text = json.dumps(row, separators=(",", ":"), allow_nan=False).encode()[:-1]
        try:
            self._file.write(text + _CHECKSUM + _checksum(text) + b'"}\n')
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OperationFailed(f"the journal {self.path} cannot be written: {error.strerror}") from error

    def _begin(self, sweep: dict[str, Any]) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        lines = whole.split(b"\n")[:-1]
        if not lines:
            if not (content.startswith(_BEGINNING) or _BEGINNING.startswith(content)):
                raise self._no_journal()
            self._file.truncate(0)
            self._write({"format": _FORMAT, "sweep": sweep})
            return
        self._check_head(self._decoded(1, lines[0]), sweep)
        for number, line in enumerate(lines[1:], 2):
            row = self._decoded(number, line)
            if not _is_sound(line):
                raise InputError(
                    f"{self.path}, line {number}: not a finished backtest, or damaged; delete the line, and its backtest is run again"
                )
            job = Job(row["args"], row["start"], row["end"])
            self.scores[job.key] = Score(job, row["figures"], row.get("error", ""))
        if len(whole) < len(content):  # the write of the last line was cut off
            self._file.truncate(len(whole))

    def _check_head(self, head: dict[str, Any], sweep: dict[str, Any]) -> None:
        if not isinstance(head.get("sweep"), dict) or "format" not in head:
            raise self._no_journal()
        if head["format"] != _FORMAT:
            raise InputError(
                f"{self.path} is of another version of fmzthreads; name another folder with --out, or delete it"
            )
        differing = sorted(key for key in {*head["sweep"], *sweep} if head["sweep"].get(key) != sweep.get(key))
        if differing:
            raise InputError(
                f"{self.path} belongs to another sweep: {', '.join(differing)} differ; name another folder with --out, or delete it"
            )

    def _no_journal(self) -> InputError:
        return InputError(f"{self.path} is not the journal of a sweep; name another folder with --out")

    def _decoded(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{self.path}, line {number}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise InputError(f"{self.path}, line {number}: expected an object, got {type(row).__name__}")
        return row


def _checksum(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)


def _is_sound(line: bytes) -> bool:
    """Whether a line is as it was written."""
    text, mark, end = line.rpartition(_CHECKSUM)
    return bool(mark) and end == _checksum(text) + b'"}'
