"""Reads recordings of websockets line by line, without copying them.

Two formats are supported. One message per line, gzip-compressed: local nanoseconds, a space, the frame. And the text format with a time on each
line: ``URL <-> time`` for an opening, ``URL <- time: text`` for sent messages, ``time: frame`` for received ones; binary
frames are written as Python bytes literals. Files of REST calls have ``URL -> time: JSON``.
"""

from __future__ import annotations

import ast
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import attrs

from ...errors import InputError

__all__ = ["Answer", "Frame", "read_answers", "read_frames"]

_GZIP = b"\x1f\x8b"
_RECEIVED = re.compile(r"(\d{9,11}(?:\.\d+)?): ")
_CALL = re.compile(r"(https?://\S+) -> (\d{9,11}(?:\.\d+)?): ")
_SENT = re.compile(r"\S+ <-{1,2}>? ")
_SNAPSHOT = '{"lastUpdateId"'  # the line of a REST call among the frames: on a stream, depth comes as depthUpdate
_LONGEST = 64 * 1024 * 1024


@attrs.frozen
class Frame:
    """One received message.

    Attributes:
        time_ns: When, in nanoseconds since the epoch, by the recorder's clock.
        data: Text, or bytes.
    """

    time_ns: int
    data: str | bytes


@attrs.frozen
class Answer:
    """One recorded REST call.

    Attributes:
        path: Its path; empty if only the answer was recorded.
        query: Its query string.
        body: The answer.
    """

    path: str
    query: str
    body: str


def _lines(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Numbered lines, and whether the file has the gzip format.

    Raises:
        InputError: The file cannot be read, or a line is longer than 64 MiB.
    """
    number = 0
    try:
        with path.open("rb") as raw:
            packed = raw.peek(2)[:2] == _GZIP
            plain: gzip.GzipFile | IO[bytes] = gzip.GzipFile(fileobj=raw) if packed else raw
            while line := plain.readline(_LONGEST):
                number += 1
                if len(line) >= _LONGEST:
                    raise InputError(f"{path}, line {number}: the line is longer than {_LONGEST} bytes")
                yield number, line.decode().rstrip("\r\n"), packed
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"cannot read {path} after line {number}: {error}") from None


def read_frames(path: str | Path) -> Iterator[Frame]:
    """The messages of a recording, in order of arrival.

    Raises:
        InputError: The file cannot be read, or a line has neither format; the message names the line.
    """
    path = Path(path)
    for number, line, packed in _lines(path):
        frame = _packed_frame(path, number, line) if packed else _text_frame(path, number, line)
        if frame is not None:
            yield frame


def _packed_frame(path: Path, number: int, line: str) -> Frame | None:
    time, _, data = line.partition(" ")
    if not (time.isascii() and time.isdigit()) or not data:
        raise InputError(f"{path}, line {number}: expected nanoseconds, a space and a frame")
    return None if data.startswith(_SNAPSHOT) else Frame(int(time), data)


def _text_frame(path: Path, number: int, line: str) -> Frame | None:
    found = _RECEIVED.match(line)
    if found is None:
        # Openings, sent messages, REST calls and the recorder's own settings are not received messages.
        if not line or _SENT.match(line) or _CALL.match(line) or line.startswith("configuration: "):
            return None
        raise InputError(f"{path}, line {number}: expected 'time: frame' or an event of the connection")
    data: str | bytes = line[found.end() :]
    if isinstance(data, str) and data[:2] in {"b'", 'b"'}:
        try:
            data = ast.literal_eval(data)
        except (ValueError, SyntaxError):
            raise InputError(f"{path}, line {number}: malformed bytes literal") from None
    return Frame(_nanoseconds(found[1]), data)


def _nanoseconds(text: str) -> int:
    """Nanoseconds from seconds as text, without float rounding."""
    seconds, _, fraction = text.partition(".")
    return int(seconds) * 1_000_000_000 + int(f"{fraction:0<9}"[:9])


def read_answers(path: str | Path) -> Iterator[Answer]:
    """The REST calls of a recording.

    Raises:
        InputError: The file cannot be read.
    """
    for _, line, packed in _lines(Path(path)):
        if packed:
            data = line.partition(" ")[2]
            if data.startswith(_SNAPSHOT):
                yield Answer("", "", data)
            continue
        found = _CALL.match(line)
        if found is not None:
            address = urlsplit(found[1])
            yield Answer(address.path, address.query, line[found.end() :])
