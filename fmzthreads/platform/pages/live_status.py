"""A robot's status bar as HTML: tables in tabs, and buttons that send commands.

Source: FMZ's API reference, "LogStatus" (buttons with ``input`` and ``group``), and its user guide, "Interactive controls".
"""

from __future__ import annotations

import json
import re
from itertools import count
from typing import Any

from ...backtest.report.escaping import html_text
from ...backtest.report.status import StatusView
from ...strategy.log.render import in_language, parse_markup

__all__ = ["LiveStatusView"]

_CLASS = re.compile(r"\b(?:btn-)?(primary|danger|warning|success|info|default)\b")
_FIELD_KEYS = (
    "type",
    "name",
    "label",
    "description",
    "default",
    "defValue",
    "options",
    "multiple",
    "filter",
    "group",
    "settings",
)
_MOST_FIELDS = 60


class LiveStatusView(StatusView):
    """Makes HTML of the status text of a robot.

    Args:
        language: ``zh`` or ``en``.
        may_command: Whether buttons can be pressed.
    """

    def __init__(self, language: str, *, may_command: bool) -> None:
        super().__init__(language)
        self._may_command = may_command
        self._tabs = count()

    def several(self, found: list[Any]) -> str:
        """Tables of a list become tabs, each with its title."""
        tables = [one for one in found if isinstance(one, dict) and one.get("type") == "table"]
        if len(tables) < 2 or len(tables) < len(found):
            return super().several(found)
        group = f"tabs-{next(self._tabs)}"
        heads, bodies = [], []
        for place, table in enumerate(tables):
            title = parse_markup(in_language(str(table.get("title") or place + 1), self.language)).text
            chosen, hidden = ("true", "") if place == 0 else ("false", " hidden")
            heads.append(
                f'<button type="button" role="tab" id="{group}-tab-{place}" aria-controls="{group}-{place}" aria-selected="{chosen}"'
                f' tabindex="{0 if place == 0 else -1}">{html_text(title)}</button>'
            )
            bodies.append(
                f'<div role="tabpanel" id="{group}-{place}" aria-labelledby="{group}-tab-{place}"{hidden}>{self.table(table, titled=False)}</div>'
            )
        return f'<div class="tabs" data-tabs><div role="tablist">{"".join(heads)}</div>{"".join(bodies)}</div>'

    def button(self, value: dict[str, Any], depth: int) -> str:
        """A button that sends its command; one with fields asks for their values first."""
        name = in_language(str(value.get("name") or value.get("cmd") or ""), self.language)[:200]
        found = _CLASS.search(str(value.get("class") or ""))
        style = found[1] if found else "default"
        attributes = f' title="{html_text(str(value["description"])[:500])}"' if value.get("description") else ""
        if value.get("disabled") or not self._may_command:
            attributes += " disabled"
        fields = _fields(value)
        if fields:
            attributes += f' data-fields="{html_text(json.dumps(fields, ensure_ascii=False, default=str))}"'
            attributes += ' data-grouped="yes"' if isinstance(value.get("group"), list) else ""
        command = html_text(str(value.get("cmd") or "")[:2000])
        return f'<button type="button" class="small tone-{style}" data-command="{command}"{attributes}>{html_text(name)}</button>'


def _fields(button: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields that a button asks for, with the names that the page's script knows."""
    group = button.get("group")
    rows = group if isinstance(group, list) else [button["input"]] if isinstance(button.get("input"), dict) else []
    found = []
    for row in rows[:_MOST_FIELDS]:
        if not isinstance(row, dict):
            continue
        field = {key: row[key] for key in _FIELD_KEYS if key in row}
        settings = field.get("settings")
        settings = settings if isinstance(settings, dict) else {}
        options = settings.get("options", field.get("options"))
        default = field.get("default", field.get("defValue"))
        if options is None and field.get("type") == "selected" and isinstance(default, str):
            options, default = default.split("|"), 0
        found.append({
            "type": str(field.get("type") or "string"), "name": str(field.get("name") or ""), "label": str(field.get("label") or ""),
            "description": str(field.get("description") or ""), "default": default, "options": _options(options),
            "multiple": bool(settings.get("multiple", field.get("multiple"))), "filter": str(field.get("filter") or ""),
            "min": settings.get("min"), "max": settings.get("max"), "step": settings.get("step"),
            "required": bool(settings.get("required")), "disabled": bool(settings.get("disabled")),
        })  # fmt: skip
    return found


def _options(options: Any) -> list[dict[str, Any]]:
    """Options as ``{"name", "value"}``; an option without a value of its own stands for its index."""
    found = []
    for place, option in enumerate(options if isinstance(options, list) else ()):
        if isinstance(option, dict):
            name = str(option.get("name", option.get("text", "")))
            found.append({"name": name, "value": option.get("value", place)})
        else:
            found.append({"name": str(option), "value": place})
    return found
