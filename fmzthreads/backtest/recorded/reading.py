"""Reads recorded order books and trades: JSON lines, or an answer of FMZ's data protocol.

Source of the protocol's form: FMZ's user guide, "Custom Data Source" (the schema ``time, asks, bids, trades, close, vol``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from ...errors import InputError, short_repr
from .recording import Level, PublicTrade, Recording

__all__ = ["is_recording", "read_recordings", "recording_of_answer"]

_LINES, _WHOLE = frozenset({".jsonl", ".ndjson"}), frozenset({".json"})
_KEYS = frozenset({"time", "asks", "bids", "trades", "close", "vol", "volume", "series"})
_SAMPLE = 500


def is_recording(path: Path) -> bool:
    """Whether a file's name is that of a recording: ``.jsonl``, ``.ndjson`` or ``.json``, perhaps with ``.gz``."""
    return _suffix(path) in _LINES | _WHOLE


def _suffix(path: Path) -> str:
    name = path.name.lower()
    return Path(name[:-3] if name.endswith(".gz") else name).suffix


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if not path.is_file():
        raise InputError(f"there is no file of recorded books {str(path)!r}")
    import gzip  # loaded only by those who read recordings

    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
        yield cast("IO[bytes]", stream)


def read_recordings(path: Path) -> dict[str, Recording]:
    """Reads the recordings of a file, by name; a file without ``series`` has one with an empty name.

    Each line of ``.jsonl`` is an object: ``time`` in milliseconds, ``asks`` and ``bids`` as lists of ``[price, amount]`` from the best price on (absent:
    as in the line before), ``trades`` since the line before as lists of ``[time, side, price, amount]`` (side 0: the taker bought, 1: sold), ``close`` (the last
    price) and ``vol``. A file ``.json`` is one answer of FMZ's data protocol, with whole numbers scaled by the decimals of its ``detail``.

    Raises:
        InputError: The file cannot be read, or a line is no tick; names the line.
    """
    with _opened(path) as stream:
        try:
            if _suffix(path) in _WHOLE:
                return {"": recording_of_answer(json.load(stream), str(path))}
            found = _read_lines(path, stream)
        except (OSError, EOFError) as error:
            raise InputError(f"cannot read {path}: {error}") from None
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} is not JSON: {error}") from None
    if not found:
        raise InputError(f"{path} is empty, expected recorded books")
    return found


def _read_lines(path: Path, stream: IO[bytes]) -> dict[str, Recording]:
    found: dict[str, Recording] = {}
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict) or not row.keys() <= _KEYS or "time" not in row:
                raise InputError(
                    f"expected an object with time, asks, bids, trades, close, vol, series; got {short_repr(row)}"
                )
            name = str(row.get("series", ""))
            recording = found.get(name)
            if recording is None:
                recording = found[name] = Recording(name, f"{path}, {name}" if name else str(path))
            _add(recording, row)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise InputError(f"{path}, line {number}: {error}") from None
    for recording in found.values():
        recording.close()
    return found


def _add(recording: Recording, row: Mapping[str, Any], price_unit: float = 1.0, amount_unit: float = 1.0) -> None:
    asks, bids = _levels(row, "asks", price_unit, amount_unit), _levels(row, "bids", price_unit, amount_unit)
    time_ms = int(row["time"])
    trades = [
        PublicTrade(int(when) or time_ms, _side(side), float(price) / price_unit, float(amount) / amount_unit)
        for when, side, price, amount in row.get("trades") or ()
    ]
    close, volume = row.get("close"), row.get("vol", row.get("volume"))
    recording.add(
        time_ms,
        asks,
        bids,
        trades,
        float(close) / price_unit if close else None,
        float(volume) / amount_unit if volume is not None and not trades else None,
    )
    if recording.count <= _SAMPLE:
        levels = [*(asks or ()), *(bids or ()), *((trade.price, trade.amount) for trade in trades)]
        prices = [*(price for price, _ in levels), *([float(close) / price_unit] if close else [])]
        recording.decimals = (
            max([recording.decimals[0], *map(_places, prices)]),
            max([recording.decimals[1], *(_places(amount) for _, amount in levels)]),
        )


def _levels(row: Mapping[str, Any], key: str, price_unit: float, amount_unit: float) -> list[Level] | None:
    given = row.get(key)
    if given is None:
        return None
    if not isinstance(given, list):
        raise InputError(f"{key} is {short_repr(given)}, expected a list of [price, amount]")
    return [(float(price) / price_unit, float(amount) / amount_unit) for price, amount in given]


def _side(side: Any) -> int:
    if side in (0, "0", "buy"):
        return 0
    if side in (1, "1", "sell"):
        return 1
    raise InputError(f"the side of a trade is {short_repr(side)}, expected 0 (the taker bought) or 1 (sold)")


def _places(value: float) -> int:
    """The decimals of a number, at most 9."""
    text = f"{value:.9f}".rstrip("0")
    return len(text.partition(".")[2])


def recording_of_answer(answer: Any, where: str) -> Recording:
    """The recording in an answer of FMZ's data protocol.

    Args:
        answer: The decoded JSON: ``detail``, ``schema``, ``data``.
        where: Where it came from, for messages.

    Raises:
        InputError: It is not in this form.
    """
    if not isinstance(answer, Mapping) or not isinstance(answer.get("schema"), list):
        raise InputError(f"{where}: expected an object with detail, schema and data, got {short_repr(answer)}")
    schema = [str(name) for name in answer["schema"]]
    if "time" not in schema or not {"asks", "bids"} & set(schema):
        raise InputError(f"{where}: the schema is {schema}, expected time, asks, bids, trades, close, vol")
    detail = answer.get("detail")
    if not isinstance(detail, Mapping):
        raise InputError(f"{where}: detail is {short_repr(detail)}, expected the market's details")
    recording = Recording("", where)
    recording.detail = dict(detail)
    price_unit, amount_unit = (10.0 ** int(detail.get(key, 8)) for key in ("quotePrecision", "basePrecision"))
    for number, row in enumerate(answer.get("data") or ()):
        try:
            _add(recording, dict(zip(schema, _row(row), strict=True)), price_unit, amount_unit)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise InputError(f"{where}: row {number}: {error}") from None
    recording.close()
    return recording


def _row(row: Any) -> Sequence[Any]:
    if not isinstance(row, list):
        raise InputError(f"got {short_repr(row)}, expected a list")
    return row
