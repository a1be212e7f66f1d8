"""Finds out when a file that a sweep depends on is not what it was when the sweep began."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import attrs

from .pool import SweepStopped

__all__ = ["SameFiles", "file_digest"]


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@attrs.frozen
class SameFiles:
    """What the files of a sweep held when it began.

    Attributes:
        digests: The SHA-256 of each file by its path.
    """

    digests: tuple[tuple[Path, str], ...] = ()

    @classmethod
    def of(cls, paths: Iterable[Path]) -> SameFiles:
        """Reads the files."""
        return cls(tuple((path, file_digest(path)) for path in dict.fromkeys(paths)))

    def check(self) -> None:
        """Compares the files with what they were. A file is read again only when its time or size is another one.

        Raises:
            SweepStopped: One is not what it was, or is not there.
        """
        for path, digest in self.digests:
            try:
                facts = path.stat()
                found = _known_digest(path, facts.st_mtime_ns, facts.st_size, facts.st_ino)
            except OSError as error:
                raise SweepStopped(
                    f"{path} cannot be read where a backtest runs ({error.strerror}): the sweep ends here"
                ) from None
            if found != digest:
                raise SweepStopped(
                    f"{path} is not what it was when the sweep began: it was changed, or a worker has another file of this name;"
                    " what was finished before is in the journal, and what is changed is swept with another --out"
                )


@lru_cache(maxsize=1024)
def _known_digest(path: Path, modified_ns: int, size: int, inode: int) -> str:
    del modified_ns, size, inode  # part of the key
    return file_digest(path)
