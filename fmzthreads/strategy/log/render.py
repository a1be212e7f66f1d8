"""What the arguments of Log and its kin become: text, with FMZ's markup read off its end.

The rules are those of FMZ's Python runtime: arguments are joined with one space; a status table given as a dict becomes back-ticked JSON;
an object with ``savefig`` (matplotlib) becomes a back-ticked PNG; everything else is ``str()``.
"""

from __future__ import annotations

import io
import json
import re
from typing import Any, NamedTuple
from unicodedata import east_asian_width

from ...errors import short_repr

__all__ = [
    "Markup",
    "blocks",
    "columns",
    "in_language",
    "join",
    "painted",
    "parse_markup",
    "readable",
    "without_colors",
]

_PLAIN = (str, int, float, bool, type(None))
_TAIL = re.compile(r"(?:(?P<color>#[0-9a-fA-F]{6})|(?P<flag>[@&]))\s*\Z")
_LINE_COLOR = re.compile(r"[ \t]*#[0-9a-fA-F]{6}[ \t]*$", re.MULTILINE)
_TRANS = re.compile(r"\[trans\](.*?)\[/trans\]", re.DOTALL)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_DECODER = json.JSONDecoder()
# More columns or rows than this are not for reading in a terminal; it keeps a wrong span from filling the memory.
_WIDEST_SPAN = 100


def _one(value: Any) -> str:
    if isinstance(value, _PLAIN):
        try:
            return str(value)
        except ValueError:  # an int of more digits than Python writes
            return short_repr(value)
    if isinstance(value, dict):
        if value.get("type") == "table" and value.get("cols"):
            # default=str: a cell may hold a Decimal or a numpy number; a table is for reading, so its text is enough.
            return f"`{json.dumps(value, ensure_ascii=False, default=str)}`"
        return str(value)
    save = getattr(value, "savefig", None)
    if callable(save):
        import base64  # with it a strategy that draws nothing would start later

        picture = io.BytesIO()
        save(picture, format="png")
        return f"`data:image/png;base64,{base64.b64encode(picture.getvalue()).decode('ascii')}`"
    return str(value)


def join(args: tuple[Any, ...]) -> str:
    """Renders each argument and joins them with one space; whatever an argument's ``__str__`` raises passes through."""
    return " ".join([arg if type(arg) is str else str(arg) if type(arg) is float else _one(arg) for arg in args])


class Markup(NamedTuple):
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
    if "#" not in text and "@" not in text and "&" not in text:  # most lines; far cheaper than the search
        return Markup(text)
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


def blocks(text: str, *, pictures: bool = False) -> list[Any]:
    """Splits a status text at its back-ticked blocks.

    Args:
        text: The text.
        pictures: Whether pictures stay as they were written.

    Returns:
        Text pieces as str; decoded JSON widgets as dict or list; pictures as the str ``"[image]"``, or as they were written; a block that is neither stays text.
    """
    found: list[Any] = []
    plain_from = place = 0
    while (start := text.find("`", place)) >= 0:
        block, end = _block(text, start, pictures)
        if end < 0:
            break
        if start > plain_from:
            found.append(text[plain_from:start])
        found.append(block)
        plain_from = place = end
    if plain_from < len(text):
        found.append(text[plain_from:])
    return found


def _block(text: str, start: int, pictures: bool) -> tuple[Any, int]:
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
    picture = piece.startswith("`data:image/") and not pictures
    return ("[image]" if picture else piece), (end + 1 if end >= 0 else -1)


def painted(text: str, color: str) -> str:
    """The text in a colour ``#rrggbb``, as a terminal draws it; as it is where the colour is empty."""
    if not color:
        return text
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return f"\x1b[38;2;{red};{green};{blue}m{text}\x1b[0m"


def without_colors(text: str) -> str:
    """The text without the sequences that draw colours."""
    return _ANSI.sub("", text)


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: none for colours, two for wide characters."""
    plain = without_colors(text)
    return len(plain) if plain.isascii() else sum(1 + (east_asian_width(each) in {"W", "F"}) for each in plain)


def readable(text: str, language: str = "en", *, color: bool = False) -> str:
    """A status or log text for a terminal: tables as text, pictures as ``[image]``.

    Args:
        text: The text; escape characters in it are made visible.
        language: ``zh`` or ``en``, for ``[trans]zh|en[/trans]``.
        color: Draws the colours at line ends; otherwise they are removed.
    """
    text = in_language(text.replace("\x1b", "\\x1b"), language)
    if "`" not in text:
        return _colored(text, color) if "#" in text else text
    return "\n".join(part for part in (_show(block, color).strip("\n") for block in blocks(text)) if part)


def _colored(text: str, color: bool) -> str:
    """Removes the colours at line ends, or draws each line in its own."""
    if not color:
        return _LINE_COLOR.sub("", text)
    lines = []
    for line in text.split("\n"):
        found = _LINE_COLOR.search(line)
        lines.append(line if found is None else painted(line[: found.start()], found[0].strip()))
    return "\n".join(lines)


def _show(block: Any, color: bool) -> str:
    if isinstance(block, str):
        return _colored(block, color)
    if isinstance(block, list):
        return "\n\n".join(_show(each, color) for each in block)
    if isinstance(block, dict) and block.get("type") == "table":
        return _table(block, color)
    return _cell(block, color)


def _cell(value: Any, color: bool) -> str:
    if isinstance(value, dict):
        if value.get("type") == "button":
            return f"[{value.get('name', value.get('cmd', ''))}]"
        if "body" in value:
            return _cell(value["body"], color)
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return " ".join(_cell(each, color) for each in value)
    text = " ".join(_colored(str(value), color).split("\n"))
    return "[image]" if "data:image/" in text else text


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _span(value: Any, kind: str) -> int:
    span = value.get(kind, 1) if isinstance(value, dict) else 1
    return min(max(span, 1), _WIDEST_SPAN) if isinstance(span, int) else 1


def _spread(row: Any, color: bool) -> list[str]:
    """The cells of a row; a merged cell is followed by empty ones for the columns that it covers."""
    cells: list[str] = []
    for value in _as_list(row):
        cells.append(_cell(value, color))
        cells.extend([""] * (_span(value, "colspan") - 1))
    return cells


def _table(table: dict[str, Any], color: bool) -> str:
    rows = [_spread(table.get("cols") or [], color)]
    rows += _open_rowspans(_as_list(table.get("rows") or []), color)
    width = max(map(len, rows))
    rows = [row + [""] * (width - len(row)) for row in rows]
    widths = [max(columns(row[column]) for row in rows) for column in range(width)]
    lines = [
        "  ".join(cell + " " * (size - columns(cell)) for cell, size in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * size for size in widths))
    title = str(table.get("title") or "")
    return "\n".join([title, *lines] if title else lines)


def _open_rowspans(rows: list[Any], color: bool) -> list[list[str]]:
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
            cells += _spread([value], color)
        while covered.get(len(cells), 0) > 0:
            cells.append("")
        covered = {column: left - 1 for column, left in covered.items() if left > 1}
        covered.update({column: span - 1 for column, span in starts.items() if span > 1})
        opened.append(cells)
    return opened
