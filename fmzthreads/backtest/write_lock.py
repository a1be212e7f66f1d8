"""Files that one process at a time writes to."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from ..errors import OperationFailed

__all__ = ["lock_for_writing"]


def lock_for_writing(file: IO[bytes], path: Path, writer: str) -> None:
    """Locks a file for this process, until it is closed or the process ends.

    Args:
        file: The open file.
        path: Its path, for the error.
        writer: What else may be writing, for the error, such as ``sweep``.

    Raises:
        OperationFailed: Another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such locks; two writers are then the user's business
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OperationFailed(f"another {writer} writes to {path}") from error
