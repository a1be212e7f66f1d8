"""What the arguments of Log and its kin become: text, with FMZ's markup read off its end.

The rules are those of FMZ's Python runtime: arguments are joined with one space; a status table given as a dict becomes back-ticked JSON;
an object with ``savefig`` (matplotlib) becomes a back-ticked PNG; everything else is ``str()``.
"""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

import attrs

__all__ = ["Markup", "blocks", "in_language", "join", "parse_markup", "readable"]

_PLAIN = (str, int, float, bool, type(None))
_TAIL = re.compile(r"(?:(?P<color>#[0-9a-fA-F]{6})|(?P<flag>[@&]))\s*\Z")
_LINE_COLOR = re.compile(r"[ \t]*#[0-9a-fA-F]{6}[ \t]*$", re.MULTILINE)
_TRANS = re.compile(r"\[trans\](.*?)\[/trans\]", re.DOTALL)
_DECODER = json.JSONDecoder()
# More columns or rows than this are not for reading in a terminal; it keeps a wrong span from filling the memory.
_WIDEST_SPAN = 100


def _one(value: Any) -> str:
    if isinstance(value, _PLAIN):
        return str(value)
    if isinstance(value, dict):
        if value.get("type") == "table" and value.get("cols"):
            # default=str: a cell may hold a Decimal or a numpy number; a table is for reading, so its text is enough.
            return f"`{json.dumps(value, ensure_ascii=False, default=str)}`"
        return str(value)
    save = getattr(value, "savefig", None)
    if callable(save):
        picture = io.BytesIO()
        save(picture, format="png")
        return f"`data:image/png;base64,{base64.b64encode(picture.getvalue()).decode('ascii')}`"
    return str(value)


def join(args: tuple[Any, ...]) -> str:
    """Renders each argument and joins them with one space; whatever an argument's ``__str__`` raises passes through."""
    return " ".join(map(_one, args))


@attrs.frozen
class Markup:
    """A line's text with the markup at its end taken off.

    Attributes:
        text: The text before the markup.
        color: ``#rrggbb`` in the case it was given in; empty for none.
        push: Whether ``@`` asked for a push message.
        private: Whether ``&`` hides the line from others.
    """

    text: str
    color: str = ""
    push: bool = False
    private: bool = False


def parse_markup(text: str) -> Markup:
    """Takes a trailing ``#rrggbb``, ``@`` and ``&`` off a line, each at most once, in any order (FMZ writes the colour first)."""
    color, flags = "", ""
    while (found := _TAIL.search(text)) is not None:
        if found["color"]:
            if color:
                break
            color = found["color"]
        elif found["flag"] in flags:
            break
        else:
            flags += found["flag"]
        text = text[: found.start()].rstrip()
    return Markup(text, color, "@" in flags, "&" in flags)


def in_language(text: str, language: str) -> str:
    """Resolves ``[trans]zh|en[/trans]``: the first part for ``zh``, the second for any other language; a lone part serves both."""

    def _pick(found: re.Match[str]) -> str:
        first, bar, second = found[1].partition("|")
        return first if language == "zh" or not bar else second

    return _TRANS.sub(_pick, text) if "[trans]" in text else text


def blocks(text: str) -> list[Any]:
    """Splits a status text at its back-ticked blocks.

    Returns:
        Text pieces as str; decoded JSON widgets as dict or list; pictures as the str ``"[image]"``; a block that is neither stays text.
    """
    found: list[Any] = []
    plain_from = place = 0
    while (start := text.find("`", place)) >= 0:
        block, end = _block(text, start)
        if end < 0:
            break
        if start > plain_from:
            found.append(text[plain_from:start])
        found.append(block)
        plain_from = place = end
    if plain_from < len(text):
        found.append(text[plain_from:])
    return found


def _block(text: str, start: int) -> tuple[Any, int]:
    """Reads the block whose opening back-tick is at ``start``; gives it and where the text goes on, or -1 when it is not closed.

    JSON is decoded to find its end, because a cell may hold a picture, which has back-ticks of its own.
    """
    if text[start + 1 : start + 2] in {"{", "["}:
        try:
            widget, end = _DECODER.raw_decode(text, start + 1)
        except (ValueError, RecursionError):
            pass  # only looks like JSON: shown as it was written
        else:
            if text[end : end + 1] == "`":
                return widget, end + 1
    end = text.find("`", start + 1)
    piece = text[start : end + 1]
    return ("[image]" if piece.startswith("`data:image/") else piece), (end + 1 if end >= 0 else -1)


def readable(text: str, language: str = "en") -> str:
    """A status or log text for a terminal: tables as text, pictures as ``[image]``, colours at line ends taken off."""
    text = in_language(text, language)
    if "`" not in text:
        return _LINE_COLOR.sub("", text) if "#" in text else text
    return "\n".join(part for part in (_show(block).strip("\n") for block in blocks(text)) if part)


def _show(block: Any) -> str:
    if isinstance(block, str):
        return _LINE_COLOR.sub("", block)
    if isinstance(block, list):
        return "\n\n".join(_show(each) for each in block)
    if isinstance(block, dict) and block.get("type") == "table":
        return _table(block)
    return _cell(block)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        if value.get("type") == "button":
            return f"[{value.get('name', value.get('cmd', ''))}]"
        if "body" in value:
            return _cell(value["body"])
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return " ".join(map(_cell, value))
    text = " ".join(_LINE_COLOR.sub("", str(value)).split("\n"))
    return "[image]" if "data:image/" in text else text


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _span(value: Any, kind: str) -> int:
    span = value.get(kind, 1) if isinstance(value, dict) else 1
    return min(max(span, 1), _WIDEST_SPAN) if isinstance(span, int) else 1


def _spread(row: Any) -> list[str]:
    """The cells of a row; a merged cell is followed by empty ones for the columns that it covers."""
    cells: list[str] = []
    for value in _as_list(row):
        cells.append(_cell(value))
        cells.extend([""] * (_span(value, "colspan") - 1))
    return cells


def _table(table: dict[str, Any]) -> str:
    rows = [_spread(table.get("cols") or [])]
    rows += _open_rowspans(_as_list(table.get("rows") or []))
    width = max(map(len, rows))
    rows = [row + [""] * (width - len(row)) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(width)]
    lines = ["  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * size for size in widths))
    title = str(table.get("title") or "")
    return "\n".join([title, *lines] if title else lines)


def _open_rowspans(rows: list[Any]) -> list[list[str]]:
    """Rows with an empty cell put back where a cell above covers it (such rows leave the covered cell out)."""
    covered: dict[int, int] = {}  # column -> how many further rows it is covered for
    opened: list[list[str]] = []
    for row in rows:
        cells: list[str] = []
        starts: dict[int, int] = {}
        for value in _as_list(row):
            while covered.get(len(cells), 0) > 0:
                cells.append("")
            starts[len(cells)] = _span(value, "rowspan")
            cells += _spread([value])
        while covered.get(len(cells), 0) > 0:
            cells.append("")
        covered = {column: left - 1 for column, left in covered.items() if left > 1}
        covered.update({column: span - 1 for column, span in starts.items() if span > 1})
        opened.append(cells)
    return opened
