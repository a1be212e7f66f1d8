"""A status text as HTML: lines with their colours, tables from back-ticked JSON, pictures that stand in the text itself."""

from __future__ import annotations

import re
from typing import Any

from ...strategy.log.render import blocks, in_language, parse_markup
from .escaping import html_text

__all__ = ["status_html"]

_PICTURE = re.compile(r"`?(data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+)`?")
_MOST_ROWS, _MOST_SPAN, _MOST_CHARACTERS = 500, 100, 1_000_000


def status_html(text: str, language: str = "en") -> str:
    """The text as HTML, all of it escaped; only pictures that it holds itself are shown, never one from elsewhere.

    Args:
        text: What ``LogStatus`` was called with.
        language: ``zh`` or ``en``, for ``[trans]zh|en[/trans]``.
    """
    if len(text) > _MOST_CHARACTERS:
        return f"<p class=note>The status has {len(text):,} characters and is not shown.</p>"
    return "".join(_block(block) for block in blocks(in_language(text, language), pictures=True))


def _block(block: Any) -> str:
    if isinstance(block, str):
        picture = _PICTURE.fullmatch(block.strip())
        if picture:
            return f"<p>{_picture(picture[1])}</p>"
        lines = [_line(one) for one in block.strip("\n").split("\n")]
        return f"<p class=status>{'<br>'.join(lines)}</p>" if any(lines) else ""
    if isinstance(block, list):
        return "".join(_block(one) for one in block if isinstance(one, (dict, list)))
    if isinstance(block, dict) and block.get("type") == "table":
        return _table(block)
    return f"<p class=status>{_cell(block)}</p>"


def _picture(source: str) -> str:
    return f'<img alt="" src="{html_text(source)}">'


def _line(text: str) -> str:
    markup = parse_markup(text)
    escaped = html_text(markup.text)
    return f'<span style="color:{markup.color}">{escaped}</span>' if markup.color else escaped


def _table(table: dict[str, Any]) -> str:
    rows, columns = _list(table.get("rows")), _list(table.get("cols"))
    title = f"<caption>{_line(str(table['title']))}</caption>" if table.get("title") else ""
    head = (
        f"<thead><tr>{''.join(f'<th{_spans(one)}>{_cell(one)}</th>' for one in columns)}</tr></thead>"
        if columns
        else ""
    )
    body = "".join(
        f"<tr>{''.join(f'<td{_spans(one)}>{_cell(one)}</td>' for one in (row if isinstance(row, list) else [row]))}</tr>"
        for row in rows[:_MOST_ROWS]
    )
    more = f"<p class=note>{len(rows) - _MOST_ROWS:,} more rows are not shown.</p>" if len(rows) > _MOST_ROWS else ""
    return f"<div class=scroll><table>{title}{head}<tbody>{body}</tbody></table></div>{more}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _spans(cell: Any) -> str:
    found = ""
    for name in ("colspan", "rowspan"):
        span = cell.get(name) if isinstance(cell, dict) else None
        if isinstance(span, int) and not isinstance(span, bool) and span > 1:
            found += f' {name}="{min(span, _MOST_SPAN)}"'
    return found


def _cell(value: Any, depth: int = 0) -> str:
    if depth > 3:
        return html_text(str(value)[:200])
    if isinstance(value, dict):
        if value.get("type") == "button":
            return f"<span class=button>{_cell(value.get('name') or value.get('cmd') or '', depth + 1)}</span>"
        if "body" in value:
            return _cell(value["body"], depth + 1)
    if isinstance(value, list):
        return " ".join(_cell(one, depth + 1) for one in value)
    if value is None:
        return ""
    text = str(value)
    picture = _PICTURE.fullmatch(text.strip())
    return _picture(picture[1]) if picture else "<br>".join(_line(one) for one in text.split("\n"))
