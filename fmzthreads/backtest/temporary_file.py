"""Temporary files without a name, and what is said when their disk is full."""

from __future__ import annotations

from typing import IO

from ..errors import OperationFailed

__all__ = ["temporary_file", "write_all"]


def temporary_file() -> IO[bytes]:
    """Opens a file that is gone when it is closed, or when the process ends in whatever way.

    It lies in the folder for temporary files: that of the variable TMPDIR, else the system's.

    Raises:
        OperationFailed: It cannot be made.
    """
    import tempfile  # most backtests need none

    try:
        return tempfile.TemporaryFile(buffering=0)
    except OSError as error:
        raise _failed(error) from error


def write_all(file: IO[bytes], values: bytes | bytearray | memoryview) -> None:
    """Writes all of some bytes where the file stands.

    Raises:
        OperationFailed: They cannot be written, such as when the disk is full; names the folder.
    """
    left = memoryview(values).cast("B")
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise _failed(error) from error


def _failed(error: OSError) -> OperationFailed:
    import tempfile

    try:
        folder = tempfile.gettempdir()
    except OSError:  # no folder at all can be written to, as the error itself says
        folder = "any folder"
    return OperationFailed(
        f"cannot write a temporary file in {folder}: {error.strerror or error};"
        " long data are kept there: set the variable TMPDIR to a folder on a disk with more space"
    )
