"""A small file of fixed-size records that processes of one user share, with a lock.

Its content is worth only as long as the longest window, so whatever is wrong with it (damaged, cut short, deleted, of another version or
from before the last start of the machine), it is replaced by an empty one. Where it cannot be used at all, its process counts alone and says so once.
Records are read and written with system calls and not mapped into memory: a process dies when a mapped file is cut short.
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from ...clock import Waker, WallClock
from ...errors import excerpt
from ...fork import after_fork_in_child

if TYPE_CHECKING:
    import fcntl as _fcntl
else:
    try:
        import fcntl as _fcntl
    except ImportError:  # Windows
        _fcntl = None

__all__ = ["RECORDS", "RECORD_BYTES", "SharedFile"]

_log = logging.getLogger("fmzthreads.limits")

RECORD_BYTES = 512
RECORDS = 1024
_MAGIC = b"fmzlim1\n"
_HEAD_BYTES = RECORD_BYTES
_SIZE = _HEAD_BYTES + RECORDS * RECORD_BYTES

# A holder needs microseconds, or a turn of a busy processor; one that is suspended must not hold up an order.
_LOCK_WAIT_S = 0.5
_RETRY_S = 5.0  # after a failure the file is left alone for so long
_LOOK_S = 1.0  # how often it is checked that the path still names the open file


def _boot() -> bytes:
    """16 bytes that change with every start of the machine, and the monotonic clock with it; zeros where there are none."""
    try:
        return hashlib.blake2b(Path("/proc/sys/kernel/random/boot_id").read_bytes(), digest_size=16).digest()
    except OSError:
        return bytes(16)


class SharedFile:
    """Records that processes of one user share. Its methods are called by one thread at a time.

    Args:
        path: The file; it and its folder are made at the first use, readable by their owner only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1
        self._inode = (0, 0)
        self._not_before = 0.0
        self._look_at = 0.0
        self._warned = False
        after_fork_in_child(self._after_fork)

    def _after_fork(self) -> None:
        # The lock belongs to the open file, which the child shares: it opens its own.
        self.close()
        self._not_before = 0.0

    def close(self) -> None:
        """Closes the file; the next use opens it again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                os.close(fd)
            except OSError:
                pass  # closed already: nothing is lost

    def __del__(self) -> None:
        self.close()

    def lock(self) -> bool:
        """Locks the file for this process.

        Returns:
            Whether the records can be used until ``unlock``; False to go on alone.
        """
        now = _CLOCK.monotonic()
        if now < self._not_before:
            return False
        try:
            if self._fd >= 0 and now >= self._look_at:
                self._look(now)
            if self._fd < 0:
                self._open(now)
            self._acquire(now)
        except (OSError, ValueError) as error:
            self._give_up(error)
            return False
        return True

    def unlock(self) -> None:
        """Releases the lock."""
        try:
            _fcntl.flock(self._fd, _fcntl.LOCK_UN)
        except (OSError, ValueError) as error:
            self._give_up(error)

    def read(self, number: int, count: int = 1) -> bytes:
        """Reads records; zeros where the file is damaged, which is then replaced by an empty one."""
        size = count * RECORD_BYTES
        try:
            data = os.pread(self._fd, size, _HEAD_BYTES + number * RECORD_BYTES)
            if len(data) == size:
                return data
            self._begin_anew()
        except OSError as error:
            self._give_up(error)
        return bytes(size)

    def write(self, number: int, data: bytes) -> None:
        """Writes one record."""
        if self._fd < 0:
            return  # given up since the lock
        try:
            os.pwrite(self._fd, data, _HEAD_BYTES + number * RECORD_BYTES)
        except OSError as error:
            self._give_up(error)

    def _acquire(self, now: float) -> None:
        pause_s = 0.000_05
        while True:
            try:
                _fcntl.flock(self._fd, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if _CLOCK.monotonic() - now > _LOCK_WAIT_S:
                    raise OSError("another process holds its lock") from None
            Waker().sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.002)

    def _look(self, now: float) -> None:
        """Closes the file if its path names another one, or none, or if it was cut short or overwritten."""
        self._look_at = now + _LOOK_S
        try:
            found = self.path.stat()
            same = (found.st_dev, found.st_ino) == self._inode and found.st_size == _SIZE
        except FileNotFoundError:
            same = False
        if not same or os.pread(self._fd, len(self._head()), 0) != self._head():
            self.close()

    def _open(self, now: float) -> None:
        if _fcntl is None:
            raise OSError("this system has no file locks that end with their process")
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        self._acquire(now)
        try:
            found = os.fstat(self._fd)
            self._inode = (found.st_dev, found.st_ino)
            self._look_at = now + _LOOK_S
            if found.st_size != _SIZE or os.pread(self._fd, len(self._head()), 0) != self._head():
                self._begin_anew()
        finally:
            _fcntl.flock(self._fd, _fcntl.LOCK_UN)

    @staticmethod
    def _head() -> bytes:
        return _MAGIC + struct.pack("<2I", RECORDS, RECORD_BYTES) + _BOOT

    def _begin_anew(self) -> None:
        os.ftruncate(self._fd, 0)
        os.ftruncate(self._fd, _SIZE)
        os.pwrite(self._fd, self._head(), 0)

    def _give_up(self, error: Exception) -> None:
        self.close()
        self._not_before = _CLOCK.monotonic() + _RETRY_S
        if not self._warned:
            self._warned = True
            _log.warning(
                "rate limits are not shared with other processes: %s: %s; this process counts alone",
                self.path,
                excerpt(str(getattr(error, "strerror", None) or error)),
            )


_BOOT = _boot()
_CLOCK = WallClock()  # a lock is waited for in real time, and regardless of a stop
