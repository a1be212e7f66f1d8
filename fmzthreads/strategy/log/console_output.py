"""Printing from a thread that may hang without holding a lock that the rest of the process needs."""

from __future__ import annotations

import os
import select
import threading
from typing import Any

__all__ = ["print_text"]

# POSIX: a pipe that is said to be writable takes so many bytes without blocking.
_CHUNK = 512 if not hasattr(select, "PIPE_BUF") else select.PIPE_BUF


def print_text(stream: Any, text: str, *, is_own: bool) -> None:
    """Prints text and waits until it is written; a character that the stream cannot show is shown by its code.

    The process's own stdout and stderr are written through their file descriptors: a thread that waited in ``stream.write`` would hold the
    stream's lock, and the interpreter could not end.

    Args:
        stream: Where to print.
        text: What to print, with its line ends.
        is_own: Whether it is the process's own stdout or stderr, not a replacement.

    Raises:
        OSError: It is closed on the other side, or the disk is full; in the main thread also: it was not read for a second.
        ValueError: It is closed on this side.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    data = text.encode(encoding, "backslashreplace")
    if is_own and os.name == "posix":
        number = stream.fileno()
        _wait_until_writable(number)
        stream.flush()  # what the script has printed stands before; it fits unless it was more than a chunk
        _write_all(number, data)
    else:
        print(data.decode(encoding), file=stream, flush=True, end="")


def _wait_until_writable(number: int) -> None:
    """Waits until a write does not block; in the main thread, which writes only when the interpreter is ending, for a second at most."""
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    longest_ms = 1000 if threading.current_thread() is threading.main_thread() else None
    if not poll.poll(longest_ms):
        raise TimeoutError("the reader of stdout or stderr has stopped reading")


def _write_all(number: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        _wait_until_writable(number)
        try:
            left = left[os.write(number, left[:_CHUNK]) :]
        except BlockingIOError:
            continue  # somebody has set the descriptor to non-blocking
