"""A status text as HTML: lines with their colours, tables from back-ticked JSON, pictures that stand in the text itself."""

from __future__ import annotations

from typing import Any

from ...strategy.log.render import blocks, in_language, parse_markup
from .escaping import PICTURE, html_text, is_whole

__all__ = ["StatusView", "status_html"]

_SCROLLED = 20
"""Of more rows than these, a table with ``scroll: "auto"`` scrolls (FMZ's guide, "Status bar")."""

_MOST_ROWS, _MOST_SPAN, _MOST_CHARACTERS = 500, 100, 1_000_000


def status_html(text: str, language: str = "en") -> str:
    """The text as HTML, all of it escaped; only pictures that it holds itself are shown, never one from elsewhere.

    Args:
        text: What ``LogStatus`` was called with.
        language: ``zh`` or ``en``, for ``[trans]zh|en[/trans]``.
    """
    return StatusView(language).html(text)


class StatusView:
    """Makes HTML of status texts; a page with buttons that can be pressed, or with tabs, overrides how those look.

    Args:
        language: ``zh`` or ``en``, for ``[trans]zh|en[/trans]``.
    """

    def __init__(self, language: str = "en") -> None:
        self.language = language

    def html(self, text: str) -> str:
        """The text as HTML, all of it escaped."""
        if len(text) > _MOST_CHARACTERS:
            return f"<p class=note>The status has {len(text):,} characters and is not shown.</p>"
        return "".join(self.block(block) for block in blocks(in_language(text, self.language), pictures=True))

    def block(self, block: Any) -> str:
        """One block: lines of text, a table, a list of tables, a picture or a button."""
        if isinstance(block, str):
            picture = PICTURE.fullmatch(block.strip())
            if picture and is_whole(picture):
                return f"<p>{_picture(picture[1])}</p>"
            lines = [_line(one) for one in block.strip("\n").split("\n")]
            return f"<p class=status>{'<br>'.join(lines)}</p>" if any(lines) else ""
        if isinstance(block, list):
            return self.several([one for one in block if isinstance(one, (dict, list))])
        if isinstance(block, dict) and block.get("type") == "table":
            return self.table(block)
        return f"<p class=status>{self.cell(block)}</p>"

    def several(self, found: list[Any]) -> str:
        """The blocks of a list, one below the other."""
        return "".join(self.block(one) for one in found)

    def button(self, value: dict[str, Any], depth: int) -> str:
        """A button, as a picture of one."""
        return f"<span class=button>{self.cell(value.get('name') or value.get('cmd') or '', depth + 1)}</span>"

    def table(self, table: dict[str, Any], *, titled: bool = True) -> str:
        """A table, with its title unless that stands elsewhere."""
        rows, columns = _list(table.get("rows")), _list(table.get("cols"))
        title = f"<caption>{_line(str(table['title']))}</caption>" if titled and table.get("title") else ""
        head = (
            f"<thead><tr>{''.join(f'<th{_spans(one)}>{self.cell(one)}</th>' for one in columns)}</tr></thead>"
            if columns
            else ""
        )
        body = "".join(
            f"<tr>{''.join(f'<td{_spans(one)}>{self.cell(one)}</td>' for one in (row if isinstance(row, list) else [row]))}</tr>"
            for row in rows[:_MOST_ROWS]
        )
        more = (
            f"<p class=note>{len(rows) - _MOST_ROWS:,} more rows are not shown.</p>" if len(rows) > _MOST_ROWS else ""
        )
        frame = '"scroll tall"' if table.get("scroll") == "auto" and len(rows) > _SCROLLED else "scroll"
        return f"<div class={frame}><table>{title}{head}<tbody>{body}</tbody></table></div>{more}"

    def cell(self, value: Any, depth: int = 0) -> str:
        """A cell: text, a button, a picture, or several of them."""
        if depth > 3:
            return html_text(str(value)[:200])
        if isinstance(value, dict):
            if value.get("type") == "button":
                return self.button(value, depth)
            if "body" in value:
                return self.cell(value["body"], depth + 1)
        if isinstance(value, list):
            return " ".join(self.cell(one, depth + 1) for one in value)
        if value is None:
            return ""
        text = str(value)
        picture = PICTURE.fullmatch(text.strip())
        return (
            _picture(picture[1])
            if picture and is_whole(picture)
            else "<br>".join(_line(one) for one in text.split("\n"))
        )


def _picture(source: str) -> str:
    return f'<img alt="" src="{html_text(source)}">'


def _line(text: str) -> str:
    markup = parse_markup(text)
    escaped = html_text(markup.text)
    # Mixed with the text's own colour, so that a strategy's yellow can be read on white, and its black on black.
    return (
        f'<span style="color:color-mix(in srgb,{markup.color} 70%,currentcolor)">{escaped}</span>'
        if markup.color
        else escaped
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _spans(cell: Any) -> str:
    found = ""
    for name in ("colspan", "rowspan"):
        span = cell.get(name) if isinstance(cell, dict) else None
        if isinstance(span, int) and not isinstance(span, bool) and span > 1:
            found += f' {name}="{min(span, _MOST_SPAN)}"'
    return found
