"""Reads and compiles a strategy file: encodings, line ends, other languages, and Python 2.

Source: FMZ's user guide, "Strategy" (a ``#!python3`` line is ignored; only Python 3 runs).
"""

from __future__ import annotations

import ast
import codecs
import io
import linecache
import tokenize
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import CodeType

from ...errors import InputError, nearest
from ...structures.value_objects import ValueObject
from .python2 import old_module, old_syntax

__all__ = ["Source", "main_is_left_to_the_host", "read_file"]

_OTHER_LANGUAGES = {
    ".ts": "TypeScript", ".rs": "Rust", ".cpp": "C++", ".cc": "C++", ".pine": "Pine", ".mylang": "MyLanguage",
}  # fmt: skip
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class Source(ValueObject):
    """The text of one strategy or template file.

    Attributes:
        path: The file.
        text: Its text; every line ends with a line feed.
    """

    path: Path
    text: str

    @property
    def name(self) -> str:
        """The file's name without folder and ending."""
        return self.path.stem

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree.

        Raises:
            InputError: The text is not Python 3; names the line and, for Python 2, what to change.
        """
        try:
            tree = ast.parse(self.text, str(self.path))
        except SyntaxError as error:
            raise self._not_python(error) from None
        except (ValueError, RecursionError, MemoryError) as error:  # a null byte, or nesting beyond the parser's limit
            raise InputError(f"{self.path}: not Python: {type(error).__name__}: {error}") from None
        found = old_module(tree)
        if found is not None:
            line, what = found
            raise InputError(f"{self.path}, line {line}: {what}. {_ONLY_PYTHON_3}")
        return tree

    @cached_property
    def code(self) -> CodeType:
        """The compiled file; its lines are shown in tracebacks as they are now, even if the file changes later.

        Raises:
            InputError: As ``tree``.
        """
        tree = self.tree
        lines = self.text.splitlines(keepends=True)
        linecache.cache[str(self.path)] = (len(self.text), None, lines, str(self.path))
        try:
            return compile(tree, str(self.path), "exec", dont_inherit=True)
        except SyntaxError as error:  # "return" outside a function and its like are found only here
            raise self._not_python(error) from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{self.path}: not Python: {type(error).__name__}: {error}") from None

    @property
    def is_strategy(self) -> bool:
        """Whether it is an FMZ strategy rather than a plain script; see ``main_is_left_to_the_host``.

        Raises:
            InputError: As ``tree``.
        """
        return main_is_left_to_the_host(self.tree)

    @property
    def docstring(self) -> str:
        """The text of the module's docstring; empty without one."""
        return ast.get_docstring(self.tree, clean=False) or ""

    def texts(self) -> Iterator[tuple[int, str]]:
        """Every text that stands alone as a statement at module level, with its line: docstring-like headers."""
        for node in self.tree.body:
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                yield node.lineno, node.value.value

    def _not_python(self, error: SyntaxError) -> InputError:
        number = error.lineno or 0
        lines = self.text.split("\n")
        line = lines[number - 1] if 0 < number <= len(lines) else ""
        where = f"{self.path}, line {number}"
        old = old_syntax(error, line)
        if old:
            return InputError(f"{where}: {old}. {_ONLY_PYTHON_3}: {line.strip()[:120]}")
        return InputError(f"{where}: {error.msg}: {line.strip()[:120]}")


_ONLY_PYTHON_3 = "Strategies run on Python 3"


def read_file(path: str | Path, kind: type[Source] | None = None) -> Source:
    """Reads a strategy file of one language.

    The encoding is that of the byte order mark or the coding line, else UTF-8, else GB 18030. Line ends of all systems become line feeds.

    Args:
        path: The file.
        kind: The class of its language; None for Python.

    Raises:
        InputError: There is no such file, it is in a language that does not run, or its bytes are not text.
    """
    path = Path(path)
    language = _OTHER_LANGUAGES.get(path.suffix.lower())
    if language is not None:
        raise InputError(f"{path} is {language}; only strategies in Python and JavaScript run")
    if not path.is_file():
        near = ""
        if path.parent.is_dir():
            near = nearest(path.name, (found.name for ending in ("*.py", "*.js") for found in path.parent.glob(ending)))
        raise InputError(f"no strategy file {str(path)!r}{near}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the strategy file {str(path)!r}: {error.strerror}") from error
    return (kind or Source)(path.resolve(), _decoded(path, data).replace("\r\n", "\n").replace("\r", "\n"))


def _decoded(path: Path, data: bytes) -> str:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _decode(path, data, encoding)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError as error:
        if "unknown encoding" in str(error):
            raise InputError(f"{path}: {error}") from None
        encoding = "utf-8"  # not UTF-8 in its first two lines, and no coding line
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding not in {"utf-8", "utf-8-sig"}:
            raise _bad_text(path, data, encoding, error.start) from None
        first = error.start
    try:
        return data.decode("gb18030")  # what editors on Chinese systems wrote
    except UnicodeDecodeError:
        raise _bad_text(path, data, "UTF-8 or GB 18030", first) from None


def _decode(path: Path, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _bad_text(path, data, encoding, error.start) from None


def _bad_text(path: Path, data: bytes, encoding: str, place: int) -> InputError:
    line = data.count(b"\n", 0, place) + 1
    return InputError(f"{path}, line {line}: byte 0x{data[place]:02x} is not {encoding} text")


def main_is_left_to_the_host(tree: ast.Module) -> bool:
    """Whether the file defines ``main`` at module level and does not call it: then it is an FMZ strategy, else a plain script.

    A call counts when module-level code makes it, directly or through functions of the file, and also when ``main`` is given to a call
    (``Thread(target=main)``).
    """
    functions: dict[str, ast.AST] = {}
    used: set[str] = set()
    assigned = False
    for node in _at_module_level(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions[node.name] = node
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == "main":
            assigned = True
        elif isinstance(node, ast.Call):
            used |= _called_by(node)
    if "main" not in functions and not assigned:
        return False
    done: set[str] = set()
    while used - done:
        name = (used - done).pop()
        done.add(name)
        if name == "main":
            return False
        if name in functions:
            for node in ast.walk(functions[name]):
                if isinstance(node, ast.Call):
                    used |= _called_by(node)
    return True


def _called_by(call: ast.Call) -> set[str]:
    """The names that a call calls or is given."""
    given = [call.func, *call.args, *(keyword.value for keyword in call.keywords)]
    return {node.id for node in given if isinstance(node, ast.Name)}


def _at_module_level(tree: ast.Module) -> Iterator[ast.AST]:
    """All nodes outside functions and classes; the functions themselves, not their bodies."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(node))
