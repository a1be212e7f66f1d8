"""Reads a JavaScript strategy: its headers, and what is wrong with a file of another language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from types import CodeType
from typing import Any, NoReturn

from ...errors import InputError, MissingExtra
from .source import Source

__all__ = ["JavaScriptSource", "engine"]

# Texts, which re compiles when they are first used: a strategy in Python does not need them.
_IMPORT = r"\bimport(?=\s*\()"
_ONLY_IN_MODULES = "import.meta only valid in module code"

_COMMENT = r"(?s)/\*(.*?)\*/"
_TYPED = r"(?m)^\s*(?:interface\s+\w+\s*\{|type\s+\w+\s*=|enum\s+\w+\s*\{)|\b(?:let|const|var)\s+\w+\s*:\s*[A-Za-z]|\bas\s+(?:any|number|string|const)\b"


def engine() -> Any:
    """The module of the JavaScript engine.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import quickjs
    except ImportError as error:
        raise MissingExtra(
            "strategies in JavaScript need quickjs-ng; install it with: python -m pip install 'fmzthreads[js]'"
        ) from error
    return quickjs


class JavaScriptSource(Source):
    """The text of one strategy or template file in JavaScript."""

    @cached_property
    def tree(self) -> NoReturn:
        """Not for JavaScript.

        Raises:
            InputError: Always.
        """
        raise InputError(f"{self.path} is JavaScript, expected Python")

    @property
    def is_strategy(self) -> bool:
        """True: there are no plain scripts in JavaScript."""
        return True

    @cached_property
    def code(self) -> CodeType:
        """Checks the syntax; the compiled form is the engine's own.

        Raises:
            InputError: A syntax error, or ``import(...)``; names line and column. TypeScript is named as such.
            MissingExtra: The engine is not installed.
        """
        error = _error_of(self.text)
        if error:
            raise self._wrong(error)
        self._refuse_imports()
        return compile("", str(self.path), "exec")

    @property
    def docstring(self) -> str:
        """The first comment."""
        return next((text for _, text in self.texts()), "")

    def texts(self) -> Iterator[tuple[int, str]]:
        """The text of every block comment, with its line: headers stand in them."""
        for found in re.finditer(_COMMENT, self.text):
            yield self.text.count("\n", 0, found.start()) + 1, found.group(1)

    def _refuse_imports(self) -> None:
        """Raises for ``import(...)``, whose promise would never settle.

        The engine tells it from the same letters in a text, a comment, or as a method's name: ``import.meta`` in its place is an error of its own.
        """
        for found in re.finditer(_IMPORT, self.text):
            if _ONLY_IN_MODULES in _error_of(f"{self.text[: found.end()]}.meta{self.text[found.end() :]}"):
                line = self.text.count("\n", 0, found.start()) + 1
                column = found.start() - self.text.rfind("\n", 0, found.start())
                raise InputError(
                    f"{self.path}, line {line}, column {column}: import(...) is not there: a strategy is one file, with templates beside it"
                )

    def _wrong(self, text: str) -> InputError:
        message, _, rest = text.partition("\n")
        place = re.search(r"<input>:(\d+):(\d+)", rest)
        line, column = (int(place[1]), int(place[2])) if place else (0, 0)
        if line == 1:
            column = max(1, column - len("(function(){"))
        lines = self.text.split("\n")
        shown = lines[line - 1].strip()[:120] if 0 < line <= len(lines) else ""
        if re.search(_TYPED, self.text):
            message = f"this is TypeScript; only plain JavaScript runs ({message})"
        return InputError(f"{self.path}, line {line}, column {column}: {message}: {shown}")


def _error_of(text: str) -> str:
    """The error of a text's syntax; empty if it is valid. It is compiled as the body of a function that is never called."""
    quickjs = engine()
    try:
        quickjs.Context().eval(f"(function(){{{text}\n}})")
    except quickjs.JSException as error:
        return str(error)
    return ""
