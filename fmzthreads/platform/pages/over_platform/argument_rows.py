"""The arguments of a form, as rows with the template that each is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["argument_rows"]


def argument_rows(args: Mapping[str, Any], templates: Sequence[str]) -> tuple[tuple[Any, ...], ...]:
    """Rows ``(name, value)``, or ``(name, value, template)``.

    Args:
        args: The values by name, those of a template by ``TEMPLATE.NAME``.
        templates: The files of the templates.
    """
    names = {file.rpartition(".")[0] for file in templates}
    rows: list[tuple[Any, ...]] = []
    for key, value in args.items():
        template, _, name = key.rpartition(".")
        rows.append((name, value, template) if template in names else (key, value))
    return tuple(rows)
