"""Reads bars from CSV: in blocks of bytes, without a Python object for each line. Compressed files too (gzip, zip)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, tzinfo
from itertools import compress, islice
from operator import eq
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from ....errors import InputError, excerpt
from ..fast_numpy import fast_numpy
from ..raw_series import RawSeries
from ..row_spill import RowSpill
from .layout import default_layout, is_header, layout_of
from .moments import day_of_name, is_written_date, times_of, unit_of

__all__ = ["bar_lines", "open_bytes", "read_csv"]

_BLOCK = 1 << 20
_LARGEST_EXACT = 2.0**53
_NUMBERS = ("open", "high", "low", "close", "volume", "position")
_UTF_8_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_LONGEST_LINE = 1 << 20
_SEPARATORS = (",", ";", "\t", "|")
_MAC_FOLDER = "__MACOSX/"  # what macOS puts beside the files of an archive


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file of text, unpacked when its name ends with ``.gz`` or ``.zip`` (the archive holds one file).

    Raises:
        InputError: There is no such file, it cannot be read or unpacked, or the archive holds several files.
    """
    if not path.is_file():
        raise InputError(f"there is no file of bars {str(path)!r}")
    kind = path.suffix.lower()
    try:
        if kind in {".gz", ".zip"}:
            with _unpacked(path, kind) as stream:
                yield stream
        else:
            with path.open("rb") as plain:
                yield plain
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror or error}") from error


@contextmanager
def _unpacked(path: Path, kind: str) -> Iterator[IO[bytes]]:
    import gzip  # these are loaded only by those who have packed files
    import zipfile
    import zlib

    try:
        if kind == ".gz":
            with gzip.open(path, "rb") as packed:
                yield cast("IO[bytes]", packed)  # a GzipFile reads as a file of bytes does
            return
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith(_MAC_FOLDER)]
            if len(names) != 1:
                raise InputError(f"{path} holds {len(names)} files, expected one with bars")
            with archive.open(names[0]) as member:
                yield member
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, RuntimeError, NotImplementedError) as error:
        # The last two: an archive with a password, or packed in a way that Python does not know.
        raise InputError(f"{path} cannot be unpacked: {error}") from error


def _first_line(stream: IO[bytes], path: Path) -> bytes:
    """The first line that is not blank, without a byte order mark.

    Raises:
        InputError: All lines are blank, or the file is in another encoding or has other line ends.
    """
    first = stream.readline(_LONGEST_LINE)
    if first.startswith(_UTF_16_MARKS):
        raise InputError(f"{path} is encoded in UTF-16, expected UTF-8")
    first = first.removeprefix(_UTF_8_MARK)
    while first and not first.strip():
        first = stream.readline(_LONGEST_LINE)
    if not first:
        raise InputError(f"{path} is empty, expected bars")
    if len(first) >= _LONGEST_LINE:
        raise _too_long(path)
    if b"\r" in first.rstrip(b"\r\n"):
        raise InputError(f"{path} has lines that end with CR alone, expected LF or CR LF")
    return first


def _too_long(path: Path) -> InputError:
    return InputError(f"{path} has a line of more than {_LONGEST_LINE} bytes, expected bars")


def _separator(first: str, path: Path) -> str:
    """What stands between the columns of a file, by its first line.

    Raises:
        InputError: The line has no columns.
    """
    found = max(_SEPARATORS, key=first.count)
    if not first.count(found):
        raise InputError(f"{path}: the first line is {excerpt(first, 100)!r}, expected columns separated by commas")
    return found


def _blocks(stream: IO[bytes], begun: bytes, path: Path) -> Iterator[str]:
    """The lines in blocks, without the end of the last line.

    Raises:
        InputError: A line is too long to be a bar.
    """
    rest = begun
    while True:
        chunk = stream.read(_BLOCK)
        if not chunk:
            break
        cut = chunk.rfind(b"\n")
        if cut < 0:
            rest += chunk
            if len(rest) > 2 * _LONGEST_LINE:
                raise _too_long(path)
            continue
        yield (rest + chunk[:cut]).decode("utf-8", "replace")
        rest = chunk[cut + 1 :]
    if rest.strip():
        yield rest.decode("utf-8", "replace")


def read_csv(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    zone: tzinfo = UTC,
    checked: bool = True,
    in_memory: int | None = None,
) -> dict[str, RawSeries]:
    """Reads the series of a file, by name; a file without a column ``series`` has one with an empty name.

    The rows of long files go to a temporary file; see ``RowSpill``.

    Args:
        path: The file.
        columns: Which column is what, where the first line does not say it.
        zone: The time zone of written times that name none.
        checked: Whether bars out of order or with impossible prices are refused.
        in_memory: How many rows stay in memory; None for 1,000,000.

    Raises:
        InputError: The file cannot be read, or a line is not a bar; names the line.
        OperationFailed: The temporary file of many rows cannot be written.
    """
    with open_bytes(path) as stream, RowSpill(in_memory) as spill:
        first = _first_line(stream, path)
        form = _form_of(first, path, columns)
        reader = _Reader(path, form, zone, columns)
        for block in _blocks(stream, b"" if form.headed else first, path):
            reader.take(block)
            spill.take(reader.series)
        for name, stored in spill.finish(reader.series).items():
            reader.series[name].stored = stored
    for series in reader.series.values() if checked else ():
        series.check()
    return reader.series


class _Form(NamedTuple):
    """How a file is written.

    Attributes:
        layout: The number of the column of each role.
        width: How many columns there are.
        separator: What stands between them.
        headed: Whether the first line has names.
    """

    layout: Mapping[str, int]
    width: int
    separator: str
    headed: bool


def _form_of(first: bytes, path: Path, columns: Mapping[str, str] | None) -> _Form:
    """How a file is written, by its first line.

    Raises:
        InputError: A column is missing.
    """
    line = first.decode("utf-8", "replace").strip("\r\n ")
    separator = _separator(line, path)
    names = line.split(separator)
    headed = is_header(names) or bool(columns and not _is_number(names[0]))
    width = len(names)
    shown = names if headed else [str(place) for place in range(width)]
    layout = layout_of(shown, str(path), columns) if headed or columns else default_layout(width, str(path))
    return _Form(layout, width, separator, headed)


def bar_lines(path: Path, columns: Mapping[str, str] | None = None) -> Iterator[tuple[int, str]]:
    """The lines that are bars, in their order: the number of each, and the name of its series.

    Args:
        path: The file.
        columns: Which column is what, where the first line does not say it.

    Raises:
        InputError: The file cannot be read.
    """
    with open_bytes(path) as stream:
        form = _form_of(_first_line(stream, path), path, columns)
    place, skipped = form.layout.get("series"), not form.headed
    with open_bytes(path) as stream:
        for number, line in enumerate(stream, 1):
            text = line.decode("utf-8-sig", "replace").strip()
            if text and skipped:
                yield number, "" if place is None else text.replace('"', "").split(form.separator)[place]
            skipped = skipped or bool(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class _Reader:
    """Puts the fields of blocks into columns."""

    def __init__(self, path: Path, form: _Form, zone: tzinfo, columns: Mapping[str, str] | None) -> None:
        self._path = path
        self._columns = columns
        self._layout = form.layout
        self._width = form.width
        self._zone = zone
        self._separator = form.separator
        self._dated = False  # whether times are dates of digits alone
        self._midnight_ms: int | None = None  # what times count from, once the first one was seen
        self.series: dict[str, RawSeries] = {}

    def take(self, block: str) -> None:
        """Adds the lines of a block."""
        if "\r" in block:
            block = block.replace("\r", "")
        if '"' in block:
            block = block.replace('"', "")
        block = block.strip("\n")
        if self._separator != ",":
            block = self._with_commas(block)
        if not block:
            return
        if not self.series:
            first = block.partition("\n")[0].split(",")
            self._see_first(first)
        elif self._midnight_ms is None and not self._dated and self._take_numbers(block):
            return
        fields = block.replace("\n", ",").split(",")
        if len(fields) != self._width * (block.count("\n") + 1):
            filled = "\n".join(line for line in block.split("\n") if line.strip())
            if filled != block:  # there are blank lines
                self.take(filled)
                return
            self._complain(block)
        place = self._layout.get("series")
        if place is None:
            self._add("", fields, None)
            return
        names = fields[place :: self._width]
        if names.count(names[0]) == len(names):
            self._add(names[0], fields, None)
            return
        for name in dict.fromkeys(names):
            self._add(name, fields, [eq(name, other) for other in names])

    def _with_commas(self, block: str) -> str:
        """A block whose columns are separated by commas.

        Raises:
            InputError: There are commas in it.
        """
        if "," in block:
            line = next(line for line in block.split("\n") if "," in line)
            raise InputError(
                f"{self._path}, line {self._line(line)}: {excerpt(line, 100)}: a comma between columns separated by"
                f" {self._separator!r}; expected numbers with a decimal point"
            )
        return block.replace(self._separator, ",")

    def _see_first(self, fields: list[str]) -> None:
        """Learns from the first line how times are written."""
        if self._layout["time"] < len(fields):
            first = fields[self._layout["time"]]
            self._midnight_ms = day_of_name(self._path.name, first)
            self._dated = is_written_date(first.strip())

    def _take_numbers(self, block: str) -> bool:
        """Adds a block of numbers of one known series with NumPy, where it is installed; False when the block is something else."""
        lines, width, place = block.count("\n") + 1, self._width, self._layout.get("series")
        name = ""
        if place is not None:
            name = block.partition(",")[0]
            if place != 0 or block.count(f"\n{name},") != lines - 1:
                return False
            block, width = block.replace(f"\n{name},", ",")[len(name) + 1 :], width - 1
        series = self.series.get(name)
        numpy = fast_numpy(len(block)) if series is not None else None
        if series is None or numpy is None:
            return False
        try:
            values = numpy.fromstring(block.replace("\n", ","), dtype="float64", sep=",")
        except (ValueError, DeprecationWarning):  # something that is not a number: the plain way names it
            return False
        shift = 0 if place is None else 1
        if len(values) != lines * width or not values[self._layout["time"] - shift] < _LARGEST_EXACT:
            return False
        rows = values.reshape(lines, width)
        for role, column in self._layout.items():
            if role == "time":
                times = rows[:, column - shift]
                series.time.frombytes(_milliseconds(numpy, times).tobytes())
            elif role != "series":
                getattr(series, role).frombytes(rows[:, column - shift].tobytes())
        if "volume" not in self._layout:
            series.volume.extend([0.0] * lines)
        return True

    def _add(self, name: str, fields: list[str], mask: list[bool] | None) -> None:
        series = self.series.get(name)
        if series is None:
            where = f"{self._path}, {name}" if name else str(self._path)
            series = RawSeries(
                name=name,
                where=where,
                place=lambda row: f"line {self._line_of(name, row)}",
            )
            self.series[name] = series
        try:
            for role, column in self._layout.items():
                if role == "series":
                    continue
                values = fields[column :: self._width]
                if mask is not None:
                    values = list(compress(values, mask))
                if role == "time" and self._midnight_ms is not None:
                    series.time.extend(self._midnight_ms + int(value) for value in values)
                elif role == "time":
                    series.time.extend(times_of(values, self._zone))
                else:
                    numbers: array[float] = getattr(series, role)
                    if series.decimals is None and role in {"close", "volume"}:
                        self._decimals(series, fields, mask)
                    numbers.extend(map(float, values))
        except (ValueError, InputError) as error:
            self._complain(
                "\n".join(",".join(fields[i : i + self._width]) for i in range(0, len(fields), self._width)), error
            )
        if "volume" not in self._layout:
            series.volume.extend([0.0] * (len(series.time) - len(series.volume)))

    def _decimals(self, series: RawSeries, fields: list[str], mask: list[bool] | None) -> None:
        """Notes how many decimals prices and volumes have, by the first block."""
        found = []
        for roles in (("open", "high", "low", "close"), ("volume",)):
            most = 0
            for role in roles:
                if role in self._layout:
                    values = fields[self._layout[role] :: self._width][:_SAMPLE]
                    if mask is not None:
                        values = list(compress(values, mask))
                    most = max([most, *(len(value.rstrip("0").partition(".")[2]) for value in values if "." in value)])
            found.append(min(most, 9))
        series.decimals = (found[0], found[1])

    def _complain(self, block: str, error: Exception | None = None) -> None:
        """Finds the line that is not a bar.

        Raises:
            InputError: Always.
        """
        for text in block.split("\n"):
            fields = text.split(",")
            what = "" if len(fields) == self._width else f"{len(fields)} columns, expected {self._width}"
            for role, column in self._layout.items():
                if not what and role in _NUMBERS and not _is_number(fields[column]):
                    what = f"{role} is {fields[column][:40]!r}, expected a number"
                elif not what and role == "time":
                    try:
                        times_of([fields[column]], self._zone)
                    except InputError as wrong:
                        what = str(wrong)
            if what:
                raise InputError(f"{self._path}, line {self._line(text)}: {what}: {excerpt(text, 100)}")
        raise InputError(f"{self._path}: {error}")

    def _line_of(self, name: str, row: int) -> int:
        """The number of the line of a series' row, counted from 0; reads the file again."""
        lines = (number for number, found in bar_lines(self._path, self._columns) if found == name)
        return next(islice(lines, row, None), 0)

    def _line(self, text: str) -> int:
        """The number of the first line with this text."""
        wanted, separator = text.encode().strip(), self._separator.encode()
        with open_bytes(self._path) as stream:
            for number, line in enumerate(stream, 1):
                plain = line.strip().replace(b'"', b"")
                if wanted in {plain, plain.replace(separator, b",")}:
                    return number
        return 0


_SAMPLE = 2000


def _milliseconds(numpy: Any, times: Any) -> Any:
    unit = unit_of(float(times[0]))
    return (times // round(1 / unit) if unit < 1 else numpy.rint(times * unit)).astype("int64")
