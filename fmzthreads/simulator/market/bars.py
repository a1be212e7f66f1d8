"""Files of bars.

Plain CSV, and the zipped files of the Lean project's data folder.

Plain CSV has time in milliseconds since the epoch, open, high, low, close and volume, with or without a header line; with one, the
columns may stand in any order and others are ignored. The zipped files hold one CSV without a header: minute files count milliseconds
since midnight UTC of the day in their name, hour and day files say ``YYYYMMDD HH:MM``.
"""

from __future__ import annotations

import csv
import datetime
import io
import itertools
import re
import zipfile
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path

import attrs

from ...errors import InputError, nearest

__all__ = ["BarFile", "Gap", "PriceBar", "load_bars"]

_COLUMNS = ("time", "open", "high", "low", "close", "volume")
_ALIASES = {
    "timestamp": "time", "time_ms": "time", "date": "time", "datetime": "time", "open_time": "time", "opentime": "time", "ts": "time",
    "o": "open", "h": "high", "l": "low", "c": "close", "v": "volume", "vol": "volume",
}  # fmt: skip
_LARGEST = 256 * 1024 * 1024
_EARLIEST_MS = 100_000_000_000  # 1973; a smaller number is seconds, not milliseconds
_LATEST_MS = 10_000_000_000_000  # 2286; a larger one is micro- or nanoseconds
_DAY_MS = 86_400_000


@attrs.frozen(kw_only=True)
class PriceBar:
    """One bar of a file.

    Attributes:
        time_ms: When it begins, in milliseconds since the epoch (UTC).
        open: The first price.
        high: The highest.
        low: The lowest.
        close: The last.
        volume: In base; at least 0.
    """

    time_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@attrs.frozen(kw_only=True)
class Gap:
    """Bars that are missing between two others.

    Attributes:
        after_ms: When the bar before the gap begins.
        before_ms: When the bar after it begins.
        missing: How many bars would fit between them.
    """

    after_ms: int
    before_ms: int
    missing: int


@attrs.frozen(kw_only=True)
class BarFile:
    """What a file held.

    Attributes:
        path: Where it lies.
        bars: At least one, by rising time.
        period_ms: The shortest distance between two bars; 60000 when there is one only.
        gaps: Where bars are missing.
    """

    path: Path
    bars: tuple[PriceBar, ...]
    period_ms: int
    gaps: tuple[Gap, ...]

    @property
    def missing(self) -> int:
        """How many bars are missing in all gaps together."""
        return sum(gap.missing for gap in self.gaps)


def load_bars(path: str | Path) -> BarFile:
    """Reads a file of bars.

    Args:
        path: A ``.csv`` file, or a ``.zip`` with one CSV in it.

    Raises:
        InputError: The file is absent, of another kind, empty, or a value is wrong; the message names file, line and column.
    """
    path = Path(path)
    try:
        if path.suffix.lower() == ".zip":
            bars = list(_read_zip(path))
        else:
            if path.stat().st_size > _LARGEST:
                raise InputError(f"{path}: larger than {_LARGEST} bytes")
            bars = list(_read_rows(path.name, path.read_bytes(), None))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not bars:
        raise InputError(f"{path}: holds no bars")
    period = min((later.time_ms - bar.time_ms for bar, later in itertools.pairwise(bars)), default=60_000)
    return BarFile(path=path, bars=tuple(bars), period_ms=period, gaps=tuple(_gaps(bars, period)))


def _gaps(bars: list[PriceBar], period_ms: int) -> Iterator[Gap]:
    for bar, later in itertools.pairwise(bars):
        missing = -(-(later.time_ms - bar.time_ms) // period_ms) - 1
        if missing:
            yield Gap(after_ms=bar.time_ms, before_ms=later.time_ms, missing=missing)


def _read_zip(path: Path) -> Iterator[PriceBar]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            if len(names) != 1:
                raise InputError(f"{path}: a zip of bars holds one file, this one holds {len(names)}")
            if archive.getinfo(names[0]).file_size > _LARGEST:
                raise InputError(f"{path}: {names[0]} is larger than {_LARGEST} bytes")
            data = archive.read(names[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path}: not a zip file that can be read: {error}") from None
    if "quote" in names[0].lower() or "quote" in path.name.lower():
        raise InputError(f"{path}: holds quotes (bid and ask bars); give the file of trades of the same day")
    midnight = _day_in(path.name) if _day_in(path.name) is not None else _day_in(names[0])
    yield from _read_rows(f"{path.name}:{names[0]}", data, midnight)


def _day_in(name: str) -> int | None:
    """The midnight of the day that a name begins with, in milliseconds.

    None when it begins with none.
    """
    match = re.match(r"(\d{4})(\d{2})(\d{2})(?!\d)", name)
    if match is None:
        return None
    try:
        day = datetime.datetime(*(int(part) for part in match.groups()), tzinfo=datetime.UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        return None
    return int(day.timestamp()) * 1000


def _read_rows(name: str, data: bytes, midnight_ms: int | None) -> Iterator[PriceBar]:
    """Reads CSV text.

    Args:
        name: What to call the file in errors.
        data: Its bytes.
        midnight_ms: What the times are counted from when they lie within one day; None when there is no day in the name.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not text in UTF-8 (byte {error.start})") from None
    places: dict[str, int] | None = None
    previous: int | None = None
    reader = csv.reader(io.StringIO(text, newline=""))
    for line, cells in _numbered(name, reader):
        if places is None:
            header = _header(name, line, cells)
            places = header if header is not None else {column: place for place, column in enumerate(_COLUMNS)}
            if header is not None:
                continue
        bar = _bar(f"{name}, line {line}", cells, places, midnight_ms)
        if previous is not None and bar.time_ms <= previous:
            what = "the same time as" if bar.time_ms == previous else "an earlier time than"
            raise InputError(
                f"{name}, line {line}, column time: {what} the line before; bars must stand by rising time"
            )
        previous = bar.time_ms
        yield bar


def _numbered(name: str, reader: Iterable[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Lines with their numbers, without empty ones."""
    rows = enumerate(reader, 1)
    while True:
        try:
            line, cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{name}: not CSV: {error}") from None
        if any(cell.strip() for cell in cells):
            yield line, [cell.strip() for cell in cells]


def _header(name: str, line: int, cells: list[str]) -> dict[str, int] | None:
    """Where each column stands, if this line is a header.

    None if it is data.
    """
    if cells[0][:1].isdigit():
        return None
    words = [cell.lower().strip('"# ') for cell in cells]
    places: dict[str, int] = {}
    for place, word in enumerate(words):
        places.setdefault(_ALIASES.get(word, word), place)
    if "open" not in places and "close" not in places:
        return None  # no header after all: its line is refused as data, which names the cell
    for column in _COLUMNS:
        if column not in places:
            raise InputError(f"{name}, line {line}: no column {column!r}{nearest(column, words)}")
    return places


def _bar(where: str, cells: list[str], places: dict[str, int], midnight_ms: int | None) -> PriceBar:
    if max(places[column] for column in _COLUMNS) >= len(cells):
        raise InputError(f"{where}: {len(cells)} columns, expected {', '.join(_COLUMNS)}")
    time_ms = _time(where, cells[places["time"]], midnight_ms)
    open_, high, low, close, volume = (_number(where, column, cells[places[column]]) for column in _COLUMNS[1:])
    if high < max(open_, low, close):
        raise InputError(f"{where}, column high: {high} is below another price of the bar")
    if low > min(open_, close):
        raise InputError(f"{where}, column low: {low} is above another price of the bar")
    return PriceBar(time_ms=time_ms, open=open_, high=high, low=low, close=close, volume=volume)


def _number(where: str, column: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise InputError(f"{where}, column {column}: {text!r} is not a number") from None
    if not value.is_finite():
        raise InputError(f"{where}, column {column}: {text!r} is not a finite number")
    if value < 0 or (not value and column != "volume"):
        raise InputError(f"{where}, column {column}: {text} must be {'at least' if column == 'volume' else 'above'} 0")
    if abs(value.adjusted()) > 30 and value:
        raise InputError(f"{where}, column {column}: {text} is out of range")
    return value


def _time(where: str, text: str, midnight_ms: int | None) -> int:
    """A time in milliseconds since the epoch."""
    if re.fullmatch(r"\d{8} \d{2}:\d{2}", text):
        try:
            moment = datetime.datetime.strptime(text, "%Y%m%d %H:%M").replace(tzinfo=datetime.UTC)
        except ValueError as error:
            raise InputError(f"{where}, column time: {text!r}: {error}") from None
        return int(moment.timestamp()) * 1000
    if not re.fullmatch(r"[0-9]{1,18}(\.0+)?", text):
        raise InputError(f"{where}, column time: {text!r} is not a time in milliseconds since the epoch")
    value = int(text.partition(".")[0])
    if midnight_ms is not None and value < _DAY_MS:
        return midnight_ms + value
    if not _EARLIEST_MS <= value < _LATEST_MS:
        raise InputError(f"{where}, column time: {text} is not in milliseconds since the epoch")
    return value
