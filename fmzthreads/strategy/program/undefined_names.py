"""The global names that a strategy reads and that nothing defines."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Container, Iterator
from pathlib import Path

__all__ = ["undefined_names"]

# With these a file may define names that its text does not show.
_HIDDEN_DEFINITIONS = {"exec", "globals", "setattr", "vars"}


def undefined_names(text: str, path: Path, namespace: Container[str]) -> dict[str, int]:
    """Returns the names that a file reads as globals, and that neither it, its host nor Python defines, with the line of each.

    Args:
        text: The file's text, which is valid Python.
        path: The file, for messages of the compiler.
        namespace: Its globals after it was executed.

    Returns:
        The names and the first line of each, in the order of the lines; none for a file that may define names by ``exec``,
        ``globals()``, ``vars()`` or ``setattr``.
    """
    read: set[str] = set()
    written: set[str] = set()
    for table in _tables(symtable.symtable(text, str(path), "exec")):
        for symbol in table.get_symbols():
            name = symbol.get_name()
            at_top = table.get_type() == "module" or symbol.is_global()
            if symbol.is_assigned() or symbol.is_imported():
                if at_top:
                    written.add(name)
            elif symbol.is_referenced() and at_top:
                read.add(name)
    if read & _HIDDEN_DEFINITIONS:
        return {}
    missing = {name for name in read - written if name not in namespace and not hasattr(builtins, name)}
    if not missing:
        return {}
    lines: dict[str, int] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and node.id in missing and isinstance(node.ctx, ast.Load):
            lines[node.id] = min(node.lineno, lines.get(node.id, node.lineno))
    return dict(sorted(lines.items(), key=lambda item: (item[1], item[0])))


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _tables(child)
