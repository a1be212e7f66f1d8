"""Template libraries: files that are loaded before the strategy and export functions on the shared ``ext``.

Source: FMZ's user guide, "Template Library".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError, UnknownName, nearest
from ...structures.value_objects import ValueObject, field
from .header import header_arguments
from .parameters import bind
from .reading import read_source
from .source import Source

__all__ = ["Ext", "Template", "read_templates"]


class Ext:
    """The object ``ext`` on which templates export; one for the strategy and all its templates."""

    def __getattr__(self, name: str) -> Any:
        """Raises for what no template exported.

        Raises:
            UnknownName: No template exported that name; names those that were (also an AttributeError).
        """
        if name.startswith("__"):
            raise AttributeError(name)
        exported = [word for word in vars(self) if not word.startswith("_")]
        if exported:
            raise UnknownName(f"no template exported ext.{name}{nearest(name, exported)}")
        raise UnknownName(f"no template exported ext.{name}: no template is loaded (--template FILE)")

    def __repr__(self) -> str:
        """What was exported."""
        return f"<ext: {', '.join(vars(self)) or 'nothing exported'}>"


class Template(ValueObject):
    """A template file and the values of its parameters."""

    source: Source
    values: dict[str, Any] = field(repr=False)


def read_templates(
    files: Iterable[str | Path], given: Mapping[str, Mapping[str, Any]], strategy: Source
) -> list[Template]:
    """Reads template files and binds their parameters.

    Args:
        files: The files, in the order in which they are loaded.
        given: Arguments by template (the file's name without ending), then by name.
        strategy: The strategy, whose backtest header may hold arguments of templates.

    Raises:
        InputError: A file cannot be read or parsed, two have the same name, or an argument is not valid.
        UnknownName: An argument is for a template that is not loaded.
    """
    sources: list[Source] = []
    for file in files:
        source = read_source(file)
        if any(source.name == other.name for other in sources):
            raise InputError(f"two templates are called {source.name!r}: {source.path} cannot be told from the other")
        sources.append(source)
    for name in given:
        if all(name != source.name for source in sources):
            raise UnknownName(
                f"an argument is for the template {name!r}{nearest(name, (s.name for s in sources)) or '; none is loaded'}"
            )
    saved: dict[str, dict[str, Any]] = {}
    for row in header_arguments(strategy):
        if len(row) == 3:
            saved.setdefault(str(row[2]), {})[row[0]] = row[1]
    return [
        Template(source, bind(source, {**saved.get(source.name, {}), **given.get(source.name, {})}))
        for source in sources
        if source.code
    ]
