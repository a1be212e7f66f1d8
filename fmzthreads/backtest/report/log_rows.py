"""The log's rows as the page's script takes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...strategy.log.render import in_language, parse_markup, without_colors
from .escaping import PICTURE, is_whole

__all__ = ["KINDS", "log_rows"]

KINDS = ("Buy", "Sell", "Cancel", "Error", "Profit", "Log", "Restart")
"""The kinds of rows, by FMZ's numbers."""

_MOST_ROWS, _MOST_CHARACTERS = 5000, 2000
_LONGEST_PICTURE = 200_000


def log_rows(
    rows: Sequence[Sequence[Any]], exchanges: Sequence[str], *, most_characters: int = 1_500_000
) -> dict[str, Any]:
    """The newest rows, newest last: time, kind, exchange, order, price, amount, text, symbol, direction, colour, pictures.

    Args:
        rows: The result's ``RuntimeLogs``.
        exchanges: The names of the exchanges.
        most_characters: The most characters that all texts together may have.

    Returns:
        ``rows``, ``kinds``, and how many rows there are in ``total``.
    """
    kept: list[list[Any]] = []
    budget = most_characters
    for row in reversed(rows[-_MOST_ROWS:]):
        _, time_ms, kind, exchange, order_id, price, amount, text, symbol, direction = row
        words, pictures = _without_pictures(str(text), budget // 2)
        markup = parse_markup(in_language(words, "en"))
        shown = without_colors(markup.text)[:_MOST_CHARACTERS]
        budget -= len(shown) + sum(map(len, pictures)) + 60
        if budget < 0:
            break
        name = exchanges[exchange - 1] if 0 < exchange <= len(exchanges) else ""
        kept.append(
            [time_ms, kind, name, order_id or "", price, amount, shown, str(symbol), str(direction)[:200], markup.color]
            + ([pictures] if pictures else [])
        )
    kept.reverse()
    return {"rows": kept, "kinds": KINDS, "total": len(rows)}


def _without_pictures(text: str, most: int) -> tuple[str, list[str]]:
    """The text without its pictures, and those of them that may be shown; of the others the text tells.

    Args:
        text: The text.
        most: The most characters that its pictures may have together.
    """
    if "data:image/" not in text:
        return text, []
    pictures: list[str] = []

    def _taken(found: re.Match[str]) -> str:
        source = found[1]
        if len(source) <= _LONGEST_PICTURE and not is_whole(found):
            return found[0]
        if len(source) > _LONGEST_PICTURE or len(source) + sum(map(len, pictures)) > most:
            return "[picture]"
        pictures.append(source)
        return ""

    return PICTURE.sub(_taken, text).strip(), pictures
