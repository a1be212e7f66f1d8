"""Which column of a table of bars is what, by the names in its first line or as the user says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ....errors import InputError

__all__ = ["ROLES", "default_layout", "is_header", "layout_of"]

ROLES = ("time", "open", "high", "low", "close", "volume", "position", "series")
"""What a column can be; the last three may be absent."""

_NAMES = {
    "time": "time", "timestamp": "time", "date": "time", "datetime": "time", "open_time": "time", "opentime": "time", "ts": "time", "t": "time",
    "unix": "time", "ts_event": "time", "start": "time",
    "open": "open", "o": "open", "high": "high", "h": "high", "low": "low", "l": "low", "close": "close", "c": "close",
    "vol": "volume", "volume": "volume", "v": "volume", "amount": "volume",
    "position": "position", "open_interest": "position", "openinterest": "position", "oi": "position",
    "series": "series", "symbol": "series",
}  # fmt: skip
_NEEDED = ("time", "open", "high", "low", "close")
_BINANCE_COLUMNS = 12


def is_header(fields: Sequence[str]) -> bool:
    """Whether a first line has names rather than values."""
    return any(_NAMES.get(_word(field)) in _NEEDED for field in fields)


def _word(field: str) -> str:
    return field.strip().strip("\"'\ufeff").lower().replace(" ", "_")


def layout_of(names: Sequence[str], where: str, given: Mapping[str, str] | None = None) -> dict[str, int]:
    """The number of the column of each role.

    Args:
        names: The names of the columns.
        where: Where they came from, for messages.
        given: The name, or the number from 0, of the column for some roles; goes before what the names say.

    Raises:
        InputError: A role that is needed has no column, or a given column does not exist.
    """
    found: dict[str, int] = {}
    for place, name in enumerate(names):
        role = _NAMES.get(_word(name))
        if role is not None:
            found.setdefault(role, place)
    for role, wanted in (given or {}).items():
        if role not in ROLES:
            raise InputError(f"{where}: {role!r} is no column of bars; expected {', '.join(ROLES)}")
        words = [_word(name) for name in names]
        if _word(wanted) in words:
            found[role] = words.index(_word(wanted))
        elif wanted.isdigit() and int(wanted) < len(names):
            found[role] = int(wanted)
        else:
            raise InputError(f"{where}: there is no column {wanted!r} for {role}; there are {', '.join(names)}")
    missing = [role for role in _NEEDED if role not in found]
    if missing:
        raise InputError(f"{where}: no column for {', '.join(missing)}; the columns are {', '.join(names)}")
    return found


def default_layout(width: int, where: str) -> dict[str, int]:
    """The layout of a table without names: time, open, high, low, close, volume, open interest; twelve columns are Binance's kline files.

    Raises:
        InputError: There are fewer than five columns.
    """
    if width < len(_NEEDED):
        raise InputError(f"{where}: {width} columns, expected at least time, open, high, low, close")
    most = 6 if width >= _BINANCE_COLUMNS else min(width, 7)
    return {role: place for place, role in enumerate(ROLES[:most])}
