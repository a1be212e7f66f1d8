"""The statements of a bundle that are reached from those that run at once; the others are left out.

A bundle is one function of statements. Nearly all of them only say what runs later: a module that waits for its first call, a function, a
name. Such a statement is needed when a statement that is needed has one of its names in it, be it in a text or as a property: what is kept is
more than what runs, never less.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

__all__ = ["reached_statements"]

_PLAIN = (
    r"""[^"'`/{}]++|"(?:[^"\\]++|\\.)*+"|'(?:[^'\\]++|\\.)*+'"""
    r"|(?:(?<=[(,=:\[!&|?{};+\-*%~^<>\n])|(?<=return))/(?![*/])(?:[^/\\\[\n]++|\\.|\[(?:[^\]\\\n]++|\\.)*+\])++/"  # a pattern
    r"|/\*.*?\*/|/"
)
"""Text without braces: code, texts, patterns, comments, divisions."""

_TO_BRACE = re.compile(rf"(?:{_PLAIN})*+([`{{}}])", re.DOTALL)
_TO_DEEP_BRACE = re.compile(rf"(?:{_PLAIN}|\{{(?:{_PLAIN})*+\}})*+([`{{}}])", re.DOTALL)
"""Steps over blocks that have no block in them."""

_TEMPLATE = re.compile(r"(?:[^`\\$]++|\\.|\$(?!\{))*+(`|\$\{)", re.DOTALL)
_END = re.compile(r"\)*;")
_WORD = re.compile(r"[\w$]+")

_WAITING = re.compile(r"([\w$]+)=\([\w$,]+\)=>\(\)=>")
"""A helper whose result runs when it is called: ``W=(e,t)=>()=>...``."""

_LONGEST_HELPER = 2000

_MODULE = re.compile(r"var ([\w$]+(?:,[\w$]+)*)=([\w$]+)\((?:\([\w$,]*\)|[\w$]+)=>\{")
_FUNCTION = re.compile(r"(?:async )?function\*? ?([\w$]+)\(")
_NAMES = re.compile(r"var ([\w$]+(?:=\{\})?(?:,[\w$]+(?:=\{\})?)*);")
_EXPORTS = re.compile(r"[\w$]+\(([\w$]+),\{")
"""What a module hands on: ``Fp(names,{one:()=>...});``."""


@attrs.define
class _Statement:
    """A part of the bundle.

    Attributes:
        text: Its text.
        names: What it declares.
        is_idle: Whether it runs nothing by itself.
    """

    text: str
    names: list[str]
    is_idle: bool


def reached_statements(bundle: str) -> str | None:
    """The bundle without what is never reached; None where its form is not understood.

    Args:
        bundle: What stands between the braces of the bundle's function.
    """
    parts = _parts(bundle)
    if not parts:
        return None
    helpers: set[str] = set()
    statements = [one for part in parts for one in _statements(part, helpers)]
    by_name: dict[str, list[_Statement]] = {}
    for one in statements:
        for name in one.names:
            by_name.setdefault(name, []).append(one)
    kept, waiting = set(), [one for one in statements if not one.is_idle]
    while waiting:
        one = waiting.pop()
        if id(one) not in kept:
            kept.add(id(one))
            for word in set(_WORD.findall(one.text)):
                waiting += by_name.pop(word, ())
    return "".join(one.text for one in statements if id(one) in kept)


def _parts(bundle: str) -> list[str]:
    """The bundle cut after each outer block that ends a statement; empty where blocks do not match."""
    found, start, place = [], 0, 0
    open_templates: list[bool] = []  # for each open brace, whether it stands in a template
    while token := (_TO_DEEP_BRACE if open_templates else _TO_BRACE).match(bundle, place):
        place, brace = token.end(), token[1]
        if brace == "{":
            open_templates.append(False)
            continue
        if brace == "}" and not open_templates:
            return []
        if brace == "`" or open_templates.pop():
            rest = _TEMPLATE.match(bundle, place)
            if rest is None:
                return []
            place = rest.end()
            if rest[1] == "${":
                open_templates.append(True)
        elif not open_templates:
            end = _END.match(bundle, place)
            if end:
                place = end.end()
            elif not _FUNCTION.match(bundle, start) or bundle[place : place + 1] in {")", ",", "="}:
                continue
            found.append(bundle[start:place])
            start = place
    return [] if open_templates else [*found, bundle[start:]]


def _statements(part: str, helpers: set[str]) -> Iterator[_Statement]:
    """The statements of a part: what has no block stands before the last one.

    Args:
        part: The part.
        helpers: The names of the helpers that make modules; those that the part declares are added.
    """
    brace = part.find("{")
    cut = part.rfind(";", 0, brace) + 1 if brace > 0 else 0
    while names := _NAMES.match(part):
        yield _Statement(names[0], _WORD.findall(names[1]), is_idle=True)
        part, cut = part[names.end() :], cut - names.end()
    if cut > 0:
        helpers.update(_WAITING.findall(part[:cut]))
        yield _Statement(part[:cut], [], is_idle=False)
        part = part[cut:]
    if not part:
        return
    module = _MODULE.match(part)
    if module and module[2] in helpers and part.endswith("});"):
        yield _Statement(part, module[1].split(",")[-1:], is_idle=True)
    elif function := _FUNCTION.match(part):
        yield _Statement(part, [function[1]], is_idle=True)
    elif exports := _EXPORTS.match(part):
        yield _Statement(part, [exports[1]], is_idle=True)
    else:
        if len(part) < _LONGEST_HELPER:
            helpers.update(_WAITING.findall(part))
        yield _Statement(part, [], is_idle=False)
