"""The buttons of a status bar, and the commands that press them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..strategy.log.render import blocks

__all__ = ["button_commands"]


def button_commands(status: str) -> list[str]:
    """The commands of all buttons in a status text, with what stands on them.

    Args:
        status: The text, with its back-ticked tables.

    Returns:
        ``"pause (Pause)"``; ``"amount:VALUE (Amount)"`` for a button that asks for one value, ``"open:{JSON} (Open)"`` for several.
    """
    found = []
    for button in _buttons(blocks(status)):
        if button.get("disabled"):
            continue
        value = ":VALUE" if button.get("input") else ":{JSON}" if button.get("group") else ""
        found.append(f"{button.get('cmd', '')}{value} ({button.get('name', '')})")
    return found


def _buttons(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.get("type") == "button":
            yield value
            return
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _buttons(one)
