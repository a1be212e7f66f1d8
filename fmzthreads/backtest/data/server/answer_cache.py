"""Answers of data servers on disk, so that a backtest that runs again asks nothing."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import tempfile
import zlib
from pathlib import Path

__all__ = ["AnswerCache"]


class AnswerCache:
    """Answers by URL, one packed file each. Several processes may use one folder: files are written whole or not at all.

    Args:
        folder: Where they are kept; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def _path(self, url: str) -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f"{hashlib.sha256(url.encode()).hexdigest()}.json.gz"

    def get(self, url: str) -> bytes | None:
        """The answer to a URL; None when it is not there or cannot be read."""
        path = self._path(url)
        if path is None:
            return None
        try:
            return gzip.decompress(path.read_bytes())
        except (OSError, EOFError, zlib.error):  # not there, or a file that something else damaged: it is asked again
            return None

    def put(self, url: str, body: bytes) -> None:
        """Keeps an answer; a folder that cannot be written to keeps none."""
        path = self._path(url)
        if path is None:
            return
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
            try:
                with os.fdopen(number, "wb") as file:
                    file.write(gzip.compress(body, 6, mtime=0))
                Path(name).replace(path)
            except BaseException:  # whatever it was, such as a full disk or Ctrl-C, nothing is left behind
                Path(name).unlink(missing_ok=True)
                raise
