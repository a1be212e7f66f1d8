"""The headers of a strategy file: texts at module level that begin with ``backtest`` or ``config``.

Source: FMZ's user guide, "Strategy" (the saved backtest settings: one ``key: value`` a line, JSON values on one line).
"""

from __future__ import annotations

import json
from typing import Any

from ...errors import InputError, short_repr
from .source import Source

__all__ = ["backtest_header", "config_header", "header_arguments", "header_exchanges", "json_setting", "settings_lines"]


def _block(source: Source, word: str) -> tuple[int, str]:
    """The line and the text of the header that begins with a word; 0 and empty without one."""
    for line, text in source.texts():
        first, _, rest = text.lstrip().partition("\n")
        if first.strip() == word:
            return line, rest
    return 0, ""


def backtest_header(source: Source) -> dict[str, str]:
    """The settings of the ``backtest`` header by key, as texts; empty without a header.

    Every line that contains a colon is split at its first one; other lines are ignored, and of two equal keys the later one counts.
    """
    return settings_lines(_block(source, "backtest")[1])


def settings_lines(text: str) -> dict[str, str]:
    """The keys and values of a header's lines, as texts.

    Args:
        text: The header without its first line. Every line that contains a colon is split at its first one; other lines are ignored.
    """
    found = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found[key.strip()] = value.strip()
    return found


def config_header(source: Source) -> tuple[int, Any] | None:
    """The declaration of the parameters in the ``config`` header: its line, and the decoded JSON; None without one.

    Raises:
        InputError: It is not JSON; names the line.
    """
    line, text = _block(source, "config")
    if not line:
        return None
    try:
        return line, json.loads(text)
    except ValueError as error:
        raise InputError(f"{source.path}: the config header at line {line} is not JSON: {error}") from None


def header_arguments(source: Source) -> list[list[Any]]:
    """The saved arguments of the ``backtest`` header: rows ``[name, value]`` or ``[name, value, template]``.

    Raises:
        InputError: ``args`` is not a JSON list of such rows.
    """
    rows = _json(source, "args")
    for row in rows:
        if not isinstance(row, list) or len(row) not in {2, 3} or not isinstance(row[0], str):
            raise InputError(
                f"{source.path}: the header's args has the row {row!r}, expected [name, value] or [name, value, template]"
            )
    return rows


def header_exchanges(source: Source) -> list[tuple[str, str]]:
    """The exchanges of the ``backtest`` header: FMZ's id and the pair of each.

    Raises:
        InputError: ``exchanges`` is not a JSON list of objects with ``eid``.
    """
    found = []
    for row in _json(source, "exchanges"):
        if not isinstance(row, dict) or not isinstance(row.get("eid"), str):
            raise InputError(
                f'{source.path}: the header\'s exchanges has {row!r}, expected {{"eid": ..., "currency": ...}}'
            )
        pair = str(row.get("currency") or "BTC_USDT")
        found.append((row["eid"], pair if "_" in pair else f"{pair}_USD"))
    return found


def json_setting(lines: str, key: str, value: str) -> Any:
    """Decodes the JSON of a setting; what is not complete at the end of its line goes on in the next ones.

    Args:
        lines: The header's lines.
        key: The setting's key.
        value: Its value, up to the end of the line.

    Raises:
        ValueError: It is not JSON.
    """
    start = lines.find(value)
    while start >= 0 and not lines[:start].rstrip(" \t").endswith(f"{key}:"):
        start = lines.find(value, start + 1)
    whole = lines[start:] if start >= 0 else value
    found, end = json.JSONDecoder().raw_decode(whole)
    rest = whole[end:].partition("\n")[0].strip()
    if rest:
        raise ValueError(f"unexpected {rest!r} after it")
    return found


def _json(source: Source, key: str) -> list[Any]:
    lines = _block(source, "backtest")[1]
    text = settings_lines(lines).get(key, "")
    if not text:
        return []
    try:
        value = json_setting(lines, key, text)
    except ValueError as error:
        raise InputError(f"{source.path}: the header's {key} is not JSON ({error}): {short_repr(text)}") from None
    if not isinstance(value, list):
        raise InputError(f"{source.path}: the header's {key} is {value!r}, expected a list")
    return value
