"""The counts of all limits at one address, in memory and, when shared, in a file."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

import attrs

from .shared_file import RECORDS, SharedFile
from .windows import CELLS, LimitWindow

__all__ = ["BLOCKED_UNTIL", "IS_BAN", "Bucket", "LimitTable"]

_RECORD = struct.Struct(f"<{CELLS}Q")
_KEY = struct.Struct("<2Q")
_PROBES = 8  # records that a bucket may lie in
_STAMP = 2
BLOCKED_UNTIL = 3
"""The cell with the end of a block, in milliseconds of the monotonic clock; 0 for none."""
IS_BAN = 4
"""The cell that is 1 if the block is a ban."""
_MOST_KEPT = 2048


@attrs.frozen(eq=False)
class Bucket:
    """What is counted and blocked together, such as all orders of an account.

    Attributes:
        door: The name of its group, for blocks; empty for all requests.
        windows: Its limits; none for a bucket that can only be blocked.
        key: What identifies it in a file; does not reveal the account.
    """

    door: str
    windows: tuple[LimitWindow, ...]
    key: tuple[int, int]

    @classmethod
    def of(cls, account: str, door: str, windows: Sequence[LimitWindow]) -> Bucket:
        """A bucket.

        Args:
            account: The access key of a limit per account; empty for a limit per address.
            door: The name of its group.
            windows: Its limits.
        """
        digest = hashlib.blake2b(f"{account}\n{door}".encode(), digest_size=16, person=b"fmzthreads-limit").digest()
        high, low = _KEY.unpack(digest)
        return cls(door, tuple(windows), (high, low | 1))  # never zero, which means an empty record


class LimitTable:
    """Cells of buckets; used between ``begin`` and ``end`` by one thread at a time.

    Args:
        file: Where the cells are shared with other processes; None to keep them in memory only.
    """

    def __init__(self, file: SharedFile | None) -> None:
        self._file = file
        self._live = False
        self._kept: dict[tuple[int, int], list[int]] = {}
        self._places: dict[tuple[int, int], int] = {}
        self._raw: dict[tuple[int, int], bytes] = {}  # the records that the kept cells were read from or written to

    @property
    def shared(self) -> bool:
        """Whether there is a file."""
        return self._file is not None

    def begin(self) -> None:
        """Locks the file; without it the cells last seen are used."""
        self._live = self._file is not None and self._file.lock()

    def end(self) -> None:
        """Releases the file."""
        if self._live and self._file is not None:
            self._live = False
            self._file.unlock()

    def load(self, bucket: Bucket) -> list[int]:
        """The cells of a bucket; a list that may be changed and saved."""
        key = bucket.key
        cells = self._from_file(key) if self._live else self._kept.get(key) or _empty(key)
        if len(self._kept) >= _MOST_KEPT and key not in self._kept:
            self._forget_oldest()
        self._kept[key] = cells
        return cells

    def last_seen(self, bucket: Bucket) -> list[int]:
        """The cells as this process saw them last, without a look at the file; not to be changed."""
        return self._kept.get(bucket.key) or _empty(bucket.key)

    def save(self, bucket: Bucket, cells: list[int], mono_ms: int) -> None:
        """Keeps changed cells.

        Args:
            bucket: Their bucket.
            cells: The list from ``load``, changed.
            mono_ms: The monotonic clock, in milliseconds, to find records that are no longer used.
        """
        cells[_STAMP] = mono_ms
        if self._live and self._file is not None:
            raw = self._raw[bucket.key] = _RECORD.pack(*cells)
            self._file.write(self._places[bucket.key], raw)

    def _from_file(self, key: tuple[int, int]) -> list[int]:
        assert self._file is not None
        place = self._places.get(key)
        if place is not None:
            raw = self._file.read(place)
            if raw == self._raw.get(key):
                return self._kept[key]  # unchanged since it was read
            cells = _RECORD.unpack(raw)
            if cells[:2] == key:
                self._raw[key] = raw
                return list(cells)
        return self._find(self._file, key)

    def _find(self, file: SharedFile, key: tuple[int, int]) -> list[int]:
        """The record of a key, or in place of the one that was unused for longest, an empty one."""
        start = key[1] % (RECORDS - _PROBES + 1)
        data = file.read(start, _PROBES)
        found = [_RECORD.unpack_from(data, number * _RECORD.size) for number in range(_PROBES)]
        for number, cells in enumerate(found):
            if cells[:2] == key:
                self._places[key] = start + number
                self._raw[key] = data[number * _RECORD.size : (number + 1) * _RECORD.size]
                return list(cells)
        oldest = min(range(_PROBES), key=lambda number: found[number][_STAMP] if any(found[number][:2]) else -1)
        self._places[key] = start + oldest
        cells_of_none = _empty(key)
        raw = self._raw[key] = _RECORD.pack(*cells_of_none)
        file.write(start + oldest, raw)  # so that it is found at once the next time
        return cells_of_none

    def _forget_oldest(self) -> None:
        oldest = sorted(self._kept, key=lambda key: self._kept[key][_STAMP])[: _MOST_KEPT // 2]
        for key in oldest:
            del self._kept[key]
            self._places.pop(key, None)
            self._raw.pop(key, None)


def _empty(key: tuple[int, int]) -> list[int]:
    return [*key, *([0] * (CELLS - 2))]
