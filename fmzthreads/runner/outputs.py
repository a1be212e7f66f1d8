"""Where a run's output goes: what the strategy prints, into files of the run folder too; events as lines of JSON."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import attrs

from ..fork import ForkHold, around_fork, keep_for_ever
from ..strategy.log.lines import Entry, Line, ProfitPoint, StatusText

__all__ = ["JsonSink", "RotatingFile", "Tee", "json_line"]

_MOST_BYTES = 10_000_000


class RotatingFile:
    """A text file that is set aside as ``NAME.1`` when it has grown to 10 MB; only the newest two parts are kept.

    Args:
        path: The file; text is added at its end.
        most_bytes: When it is set aside.
    """

    def __init__(self, path: Path, most_bytes: int = _MOST_BYTES) -> None:
        self._path = path
        self._most = most_bytes
        self._lock = threading.Lock()  # guards the file and its size
        self._file = path.open("a", encoding="utf-8", errors="backslashreplace")
        self._size = self._file.tell()
        self._hold = ForkHold(self._lock)
        around_fork(self._before_fork, self._in_parent, self._start_anew)

    def _before_fork(self) -> None:
        self._hold.take()

    def _in_parent(self) -> None:
        self._hold.release()

    def _start_anew(self) -> None:
        """In the child of a fork: a lock of its own, and a file of its own if another thread was in the middle of writing to it."""
        was_at_rest = self._hold.is_held
        self._lock = threading.Lock()
        self._hold = ForkHold(self._lock)
        if not was_at_rest:
            keep_for_ever(self._file)  # its destructor would write what the parent's thread had not written yet
            self._file = self._path.open("a", encoding="utf-8", errors="backslashreplace")

    def write(self, text: str) -> None:
        """Adds text; a full disk loses it."""
        with self._lock:
            if self._file.closed:
                return
            try:
                self._file.write(text)
                self._file.flush()
                self._size += len(text)
                if self._size >= self._most:
                    self._file.close()
                    self._path.replace(self._path.with_name(self._path.name + ".1"))
                    self._file = self._path.open("a", encoding="utf-8", errors="backslashreplace")
                    self._size = 0
            except OSError:
                pass  # a copy of the output must not end the strategy

    def close(self) -> None:
        """Closes the file; later text is dropped."""
        with self._lock:
            self._file.close()


class Tee(io.TextIOBase):
    """A standard stream whose text goes into a file too, or only there.

    Args:
        stream: The stream that it replaces.
        file: The copy.
        forward: Takes the text in place of ``stream``; None for ``stream`` itself.
    """

    def __init__(self, stream: TextIO, file: RotatingFile, forward: Callable[[str], object] | None = None) -> None:
        self._stream = stream
        self._copy = file
        self._forward = forward

    def write(self, text: str) -> int:
        """Writes text to both; a closed terminal loses it."""
        self._copy.write(text)
        try:
            if self._forward is not None:
                self._forward(text)
            else:
                self._stream.write(text)
        except (OSError, ValueError):
            pass  # the terminal or pipe is gone; the copy in the run folder has the text
        return len(text)

    def flush(self) -> None:
        """Flushes the stream."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            pass  # as in write

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._forward is None and self._stream.isatty()

    def fileno(self) -> int:
        """The stream's descriptor."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """True."""
        return True

    @property
    def buffer(self) -> Any:
        """The stream's binary layer; what is written there is not copied."""
        return self._stream.buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute in typeshed
        """The stream's encoding."""
        return self._stream.encoding or "utf-8"


def json_line(event: dict[str, Any]) -> str:
    """One event as a line of JSON."""
    return json.dumps(event, ensure_ascii=False, default=str) + "\n"


class JsonSink:
    """Writes each entry of a journal as one line of JSON: ``{"type": "log", ...}``, ``profit``, ``status``.

    Args:
        write: Takes each line.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def write(self, batch: Sequence[Entry]) -> None:
        """Writes the entries."""
        for entry in batch:
            if isinstance(entry, Line):
                row = {
                    key: value
                    for key, value in attrs.asdict(entry).items()
                    if value is not None and value is not False and value != ""
                }
                self._write(json_line({"type": "log", **row}))
            elif isinstance(entry, ProfitPoint):
                self._write(json_line({"type": "profit", "time_ms": entry.time_ms, "value": entry.value}))
            elif isinstance(entry, StatusText):
                self._write(json_line({"type": "status", "text": entry.text}))

    def close(self) -> None:
        """Does nothing: the lines are written."""
