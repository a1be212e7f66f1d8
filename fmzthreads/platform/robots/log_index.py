"""An index beside a robot's long log, so that a filter needs not look at a million lines.

The log's own tables stay as they are. The index has segments of 64 blocks of 256 lines each: how many lines of each kind a block has, and a Bloom
filter of the runs of two, three and five bytes in its texts. A block that cannot have a word is passed over, the others are read: a wrong "perhaps"
costs a little time, and no line is ever missed. The filters of a segment are stored bit by bit (of each bit the 64 blocks side by side), so that a
search reads a few bytes of each segment. It is grown by the platform; lines that are not in it yet are simply read.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections.abc import Callable, Generator, Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import Any
from zlib import crc32

import attrs

from .log_filter import LogFilter

__all__ = ["FILE_NAME", "LogIndex"]

FILE_NAME = "log.index"
"""The index's file in a run folder; it may be deleted at any time."""

_BLOCK = 256
_BLOCKS = 64
_ROWS = _BLOCK * _BLOCKS  # of a segment; fewer lines are read faster than an index is worth
_BITS = 49_152  # of a block's filter
_KINDS = 7
_SIZES = (2, 3, 5)
_MERGED = 16  # neighbouring blocks that one query reads
_HEAD = struct.Struct("<8sqqI4x")  # of a segment: the form, its first id, the time and a checksum of its last line
_COUNTS = struct.Struct(f"<{_BLOCKS * _KINDS}H")
_FILTERS = struct.Struct(f"<{_BITS}Q")
_SEGMENT = _HEAD.size + _COUNTS.size + _FILTERS.size
_FORM = b"fmzlog 1"
_ALL = (1 << _BLOCKS) - 1

Rows = Callable[[Path, str, Sequence[Any]], list[Any]]


@attrs.frozen
class _Segment:
    """A segment: its place in the file, its ids, its last line's time and checksum, and the number of lines by block and kind."""

    place: int
    first: int
    last: int
    date: int
    sum: int
    counts: tuple[int, ...] = attrs.field(repr=False)

    def lines(self, block: int, kinds: Sequence[int]) -> int:
        """How many lines of some kinds a block has."""
        return sum(self.counts[block * _KINDS + kind] for kind in kinds if 0 <= kind < _KINDS)


class LogIndex:
    """The indexes of all robots' logs; one file in each run folder. Any thread may read, one thread grows.

    Args:
        rows: Runs a query on a robot's database.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def ranges(self, path: Path, wanted: LogFilter, low: int, high: int) -> Generator[tuple[int, int]]:
        """The ranges of ids that may have such lines, from the newest to the oldest; what is outside has none.

        Args:
            path: The robot's database.
            wanted: Which lines.
            low: The smallest id.
            high: The largest id.
        """
        begun: tuple[int, int] | None = None
        for first, last in self._unmerged(path, wanted, low, high):
            if begun is not None and last + 1 == begun[0] and begun[1] - first < _MERGED * _BLOCK:
                begun = first, begun[1]
                continue
            if begun is not None:
                yield begun
            begun = first, last
        if begun is not None:
            yield begun

    def counted(self, path: Path, kinds: Sequence[int], low: int, high: int) -> tuple[int, list[tuple[int, int]]]:
        """How many lines of some kinds the index knows of, and the ranges of ids that are left to be counted."""
        count, left, below = 0, [], high
        with self._segments(path, low, high) as (_, segments):
            for segment in segments:
                if segment.first >= low and segment.last <= below:
                    left.append((segment.last + 1, below))
                    count += sum(segment.lines(block, kinds) for block in range(_BLOCKS))
                    below = segment.first - 1
        return count, [(first, last) for first, last in [*left, (low, below)] if first <= last]

    def grow(self, path: Path, smallest: int, largest: int) -> bool:
        """Adds a segment of lines that are not in the index yet; a short log gets none.

        Args:
            path: The robot's database.
            smallest: The log's smallest id; 0 for none.
            largest: Its largest id.

        Returns:
            Whether there is more to add at once.

        Raises:
            OperationFailed: The log cannot be read.
            OSError: The index cannot be written.
        """
        if largest - smallest < _ROWS:
            return False
        with self._segments(path, smallest, largest) as (_, found):
            known = next(iter(found), None)
            size = known.place + _SEGMENT if known is not None else 0
        first = known.last + 1 if known is not None else (smallest - 1) // _ROWS * _ROWS + 1
        if largest < first + _ROWS - 1:
            return False
        rows = self._rows(path, "SELECT id, date, logType, eid, extra FROM log WHERE id BETWEEN ? AND ? ORDER BY id", (first, first + _ROWS - 1))  # fmt: skip
        if not rows or rows[-1][0] != first + _ROWS - 1:
            return False  # it was reset meanwhile
        file = path.with_name(FILE_NAME)
        if size > 2 * _SEGMENT * (
            (largest - smallest) // _ROWS + 8
        ):  # most of it is about lines that a LogReset deleted
            size = 0
        with file.open("r+b" if size and file.exists() else "wb") as index:
            index.truncate(size)  # a segment that was not written to its end
            index.seek(size)
            segment = _segment(first, rows)
            index.write(bytes(_HEAD.size) + segment[_HEAD.size :])
            index.flush()
            os.fsync(index.fileno())  # after a power failure a head means that its filters are there
            index.seek(size)
            index.write(segment[: _HEAD.size])
        return largest >= first + 2 * _ROWS - 1

    @staticmethod
    def remove(path: Path) -> None:
        """Deletes the index of a robot's database, so that it is built again."""
        with contextlib.suppress(OSError):
            path.with_name(FILE_NAME).unlink(missing_ok=True)

    # Inside

    def _unmerged(self, path: Path, wanted: LogFilter, low: int, high: int) -> Iterator[tuple[int, int]]:
        bits, below = _bits(wanted), high
        if high - low >= _ROWS and (bits or wanted.kinds):
            with self._segments(path, low, high) as (index, segments):
                for segment in segments:
                    if segment.last < below:  # lines that came after the index was grown
                        yield from _pieces(max(low, segment.last + 1), below)
                        below = segment.last
                    for block in _blocks(index, segment, wanted.kinds, bits) if index is not None else ():
                        first = segment.first + block * _BLOCK
                        if first <= below and first + _BLOCK > low:
                            yield max(low, first), min(below, first + _BLOCK - 1)
                    below = min(below, segment.first - 1)
        yield from _pieces(low, below)

    @contextlib.contextmanager
    def _segments(self, path: Path, low: int, high: int) -> Iterator[tuple[FileIO | None, Iterator[_Segment]]]:
        """The index's file, and its segments from the newest on; none if it is that of another log, whose lines are other ones."""
        try:
            index = path.with_name(FILE_NAME).open("rb", buffering=0)
        except OSError:
            yield None, iter(())
            return
        with index:
            found = _read_segments(index, low, high)
            newest = next(found, None)
            if newest is None or not self._is_of(newest, path):
                yield index, iter(())
            else:
                yield index, _chained(newest, found)

    def _is_of(self, segment: _Segment, path: Path) -> bool:
        rows = self._rows(path, "SELECT date, extra FROM log WHERE id = ?", (segment.last,))
        return bool(rows) and (rows[0][0], _sum(rows[0][1])) == (segment.date, segment.sum)


def _chained(newest: _Segment, others: Iterator[_Segment]) -> Iterator[_Segment]:
    yield newest
    yield from others


def _read_segments(index: FileIO, low: int, high: int) -> Iterator[_Segment]:
    """The segments that have ids of a range, the newest first; each must end where the one after it begins."""
    size = index.seek(0, 2)
    after = None
    for place in range((size // _SEGMENT - 1) * _SEGMENT, -1, -_SEGMENT):
        index.seek(place)
        text = index.read(_HEAD.size + _COUNTS.size)
        form, first, date, number = _HEAD.unpack_from(text)
        last = first + _ROWS - 1
        if form != _FORM or last < low or (after is not None and last + 1 != after):
            return
        after = first
        if last <= high:
            yield _Segment(place, first, last, date, number, _COUNTS.unpack_from(text, _HEAD.size))


def _blocks(index: FileIO, segment: _Segment, kinds: Sequence[int], bits: Sequence[int]) -> Iterator[int]:
    """The blocks of a segment that may have what is wanted, the newest first."""
    possible = _ALL
    for bit in bits:
        index.seek(segment.place + _HEAD.size + _COUNTS.size + bit * 8)
        possible &= int.from_bytes(index.read(8), "little")
        if not possible:
            return
    for block in range(_BLOCKS - 1, -1, -1):
        if possible >> block & 1 and (not kinds or segment.lines(block, kinds)):
            yield block


def _pieces(low: int, high: int) -> Iterator[tuple[int, int]]:
    """A range in pieces from the newest on, so that a page that is full soon reads few of them."""
    for top in range(high, low - 1, -_ROWS):
        yield max(low, top - _ROWS + 1), top


def _bits(wanted: LogFilter) -> list[int]:
    """The bits that a block's filter must have; none when nothing can be told from it."""
    grams = {_label_gram(wanted.label)} if wanted.label else set()
    word = wanted.word.encode("utf-8", "replace").lower()  # bytes: only ASCII is folded, as by LIKE
    size = max((size for size in _SIZES if size <= len(word)), default=0)
    if size and b"\0" not in word:  # the zero byte stands between two texts
        grams |= {word[place : place + size] for place in range(len(word) - size + 1)}
    return sorted(_places(grams))


def _segment(first: int, rows: list[Any]) -> bytes:
    counts, filters = [0] * (_BLOCKS * _KINDS), [0] * _BITS
    by_block: list[list[Any]] = [[] for _ in range(_BLOCKS)]
    for row in rows:  # ids that are missing at the beginning were deleted
        by_block[(row[0] - first) // _BLOCK].append(row)
        if 0 <= row[2] < _KINDS:
            counts[(row[0] - first) // _BLOCK * _KINDS + row[2]] += 1
    for block, some in enumerate(by_block):
        mask = 1 << block
        for bit in _bits_of(some):
            filters[bit] |= mask
    head = _HEAD.pack(_FORM, first, rows[-1][1], _sum(rows[-1][4]))
    return head + _COUNTS.pack(*counts) + _FILTERS.pack(*filters)


def _bits_of(rows: list[Any]) -> set[int]:
    """The bits of a block's filter."""
    text = b"\0".join([str(row[4]).encode("utf-8", "replace") for row in rows]).lower()
    grams = {_label_gram(str(label)) for label in {row[3] for row in rows}}
    for size in _SIZES:
        grams |= set(map(bytes, set(zip(*(text[place:] for place in range(size)), strict=False))))
    return _places(grams)


def _places(grams: set[bytes]) -> set[int]:
    """Two bits for each run of bytes."""
    sums = {crc32(gram) for gram in grams}
    return {number % _BITS for number in sums} | {number * 2_654_435_761 % 4_294_967_296 % _BITS for number in sums}


def _label_gram(label: str) -> bytes:
    return b"\0label:" + label.encode("utf-8", "replace")


def _sum(text: Any) -> int:
    return crc32(json.dumps(text).encode())
