"""What tells a Python 2 file from a Python 3 file, and what to change in it."""

from __future__ import annotations

import ast
import importlib.util
import re

__all__ = ["hint_for_name", "old_module", "old_syntax"]

_MODULES = {
    "urllib2": "urllib.request",
    "urlparse": "urllib.parse",
    "httplib": "http.client",
    "ConfigParser": "configparser",
    "Queue": "queue",
    "StringIO": "io",
    "cStringIO": "io",
    "cPickle": "pickle",
    "commands": "subprocess",
    "thread": "_thread",
    "Tkinter": "tkinter",
    "HTMLParser": "html.parser",
    "md5": "hashlib",
    "sha": "hashlib",
    "cookielib": "http.cookiejar",
    "__builtin__": "builtins",
}

_NAMES = {
    "unicode": "str",
    "basestring": "str",
    "long": "int",
    "raw_input": "input",
    "unichr": "chr",
    "reload": "importlib.reload",
    "execfile": "exec(open(path).read())",
    "cmp": "(a > b) - (a < b)",
    "reduce": "functools.reduce",
}

# A pattern of the line at which Python 3's parser stopped, and what it was in Python 2. They are compiled when a line is looked at.
_LINES = (
    (r"^\s*print\b(?!\s*\()|[;:]\s*print\b(?!\s*\()", "the print statement of Python 2: write print(...)"),
    (r"\bexcept\b[^:]*,\s*\w+\s*:", "an except clause of Python 2: write except ERROR as NAME:"),
    (r"^\s*raise\s+[\w.]+\s*,", "a raise statement of Python 2: write raise ERROR(TEXT)"),
    (r"^\s*exec\b(?!\s*\()", "the exec statement of Python 2: write exec(...)"),
    (r"<>", "the operator <> of Python 2: write !="),
    (r"`[^`]*`", "back-ticks of Python 2: write repr(...)"),
    (r"\b[uU][rR]['\"]", "a ur'...' text of Python 2: write r'...'"),
    (r"\b0[0-7]+\b", "an octal number of Python 2: write 0o..."),
    (r"\b\d+[lL]\b", "a long number of Python 2: leave out the L"),
    (r"\bdef\s+\w+\s*\([^)]*\(|\blambda\s*\(", "a tuple among the parameters, as in Python 2: unpack it inside"),
)  # fmt: skip


def old_syntax(error: SyntaxError, line: str) -> str:
    """Names what of Python 2 stands in the line at which the parser stopped; empty when nothing does."""
    if isinstance(error, TabError):
        return "tabs and spaces are mixed, which only Python 2 accepts: indent with spaces"
    code = line.partition("#")[0]
    for pattern, what in _LINES:
        if re.search(pattern, code):
            return what
    return ""


def old_module(tree: ast.Module) -> tuple[int, str] | None:
    """Finds the first import of a module that only Python 2 has, outside ``try`` and ``if``.

    Returns:
        The line and what to change; None without such an import.
    """
    for node in tree.body:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        for name in names:
            new = _MODULES.get(name)
            if new is not None and importlib.util.find_spec(name) is None:
                return node.lineno, f"{name} is a module of Python 2: use {new}"
    return None


def hint_for_name(name: str) -> str:
    """What to write instead of a built-in name that only Python 2 has; empty for every other name."""
    new = _NAMES.get(name)
    return f"{name} is a name of Python 2: use {new}" if new else ""
