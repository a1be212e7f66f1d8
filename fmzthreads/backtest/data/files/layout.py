"""Which column of a table of bars is what, by the names in its first line or as the user says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ....errors import InputError

__all__ = ["ROLES", "default_layout", "is_header", "layout_of", "roles_of"]

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


def roles_of(
    names: Sequence[str], given: Mapping[str, str] | None = None, where: str = "the bars", *, partly: bool = False
) -> dict[str, int]:
    """The number of the column of each role that there is a column for.

    Args:
        names: The names of the columns.
        given: The name, or the number from 0, of the column for some roles; goes before what the names say.
        where: Where they came from, for messages.
        partly: Whether these are some of the columns only, so that a given one may be missing, and names may be there twice.

    Raises:
        InputError: A role has two columns of one name, or a given column does not exist.
    """
    found: dict[str, int] = {}
    for place, name in enumerate(names):
        role = _NAMES.get(_word(name))
        if role is not None and found.setdefault(role, place) != place and name == names[found[role]] and not partly:
            raise InputError(f"{where}: two columns are called {name!r}, expected one for {role}")
    for role, wanted in (given or {}).items():
        if role not in ROLES:
            raise InputError(f"{where}: {role!r} is no column of bars; expected {', '.join(ROLES)}")
        words, text = [_word(name) for name in names], str(wanted)
        if _word(text) in words:
            found[role] = words.index(_word(text))
        elif text.isdigit() and int(text) < len(names):
            found[role] = int(text)
        elif not partly:
            raise InputError(f"{where}: there is no column {wanted!r} for {role}; there are {', '.join(names)}")
    return found


def layout_of(names: Sequence[str], where: str, given: Mapping[str, str] | None = None) -> dict[str, int]:
    """The number of the column of each role.

    Args:
        names: The names of the columns.
        where: Where they came from, for messages.
        given: The name, or the number from 0, of the column for some roles; goes before what the names say.

    Raises:
        InputError: A role that is needed has no column or two of one name, or a given column does not exist.
    """
    found = roles_of(names, given, where)
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
