"""Fits plotly's script to reports: less trace types, and none of the modules that only those need.

Most of the time that a browser needs for the script goes into trace types that no report has: maps, three dimensions. Plotly is made to work
with any choice of trace types registered ("custom bundles" in its documentation), and the script registers all of them in one list.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from .modules import reached_statements

__all__ = ["TRACE_TYPES", "fitted", "plotly_script"]

TRACE_TYPES = frozenset({"scatter", "bar", "box", "pie", "ohlc", "candlestick"})
"""The trace types that figures have; ``box`` is what candlesticks are drawn with."""

_BUILT_IN = frozenset({"scatter"})
"""Plotly registers these by itself."""

_LIST = re.compile(r"\.register\(\[((?:[\w$]+\(\),)+[\w$]+\(\))\]\)")
"""The call that registers all trace types: ``.register([a(),b(),...])``."""

_EXPORTED = re.compile(r'var [\w$]+=[\w$]+\(\([\w$,]*\)=>\{"use strict";[\w$]+\.exports=([\w$]+)\(\)\}\)')
"""A module that only hands on another one."""

_KIND, _NAME = re.compile(r'moduleType:"(\w+)"'), re.compile(r'[{,]name:"(\w+)"')

_HEAD = re.compile(
    r"\(\s*function\(root, factory\) \{[^}]*\}[^}]*\}\s*\} \(typeof self !== \"undefined\" \? self : this, \(\) => \{"
)
_BUNDLE = re.compile(r"var Plotly=\(\(\)=>\{")
_BUNDLE_END = re.compile(r"return [\w$]+\(\);?(?=\}\)\(\);)")
_STYLES = re.compile(
    r"""=(?P<head>[\w$]+\(\(\)=>\{)\(function\(\)\{if\(!document\.getElementById\("\w+"\)\)\{var ([\w$]+)=document\.createElement\("style"\);"""
    r"""\2\.id="\w+",\2\.textContent=(?:'(?:[^'\\]++|\\.)*+'|`(?:[^`\\$]++|\\.)*+`),document\.head\.appendChild\(\2\)\}\}\)\(\)(?P<tail>\}\);)"""
)
"""The module that holds the CSS of maps."""

_TAIL = re.compile(r"return Plotly;\s*\}\)\);\s*\Z")


def plotly_script() -> str | None:
    """The script that comes with the plotly package, fitted; None when the package is not installed."""
    spec = importlib.util.find_spec("plotly")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            return fitted(path.read_text("utf-8"))
    return None


def fitted(script: str) -> str:
    """The script, which registers only the trace types of reports and has only the modules that are needed then.

    A script of another form than that of plotly 6.0 to 7.1 is returned as it is: it takes the browser longer.
    """
    less = _registering_less(script)
    return _called_at_once(script if less is script else _with_less_modules(less))


def _with_less_modules(script: str) -> str:
    start = _BUNDLE.search(script)
    end = _BUNDLE_END.search(script, start.end()) if start else None
    if start is None or end is None:
        return script
    kept = reached_statements(script[start.end() : end.end()])
    if kept is None:
        return script
    return f"{script[: start.end()]}{_STYLES.sub(_without_style, kept)}{script[end.end() :]}"


def _without_style(module: re.Match[str]) -> str:
    return f"={module['head']}{module['tail']}" if ".maplibregl-" in module[0] else module[0]


def _registering_less(script: str) -> str:
    lists = list(_LIST.finditer(script))
    if len(lists) != 1:
        return script
    kept, found, start = [], set(_BUILT_IN), 0
    for call in lists[0][1].split(","):
        module, start = _module(script, call.removesuffix("()"), start)
        kind, name = _KIND.search(module), _NAME.search(module)
        if kind and name and kind[1] == "trace" and name[1] in TRACE_TYPES:
            found.add(name[1])
            kept.append(call)
        elif kind and kind[1] != "trace":
            kept.append(call)
    if found != TRACE_TYPES:
        return script
    first, last = lists[0].span(1)
    return f"{script[:first]}{','.join(kept)}{script[last:]}"


def _module(script: str, name: str, start: int) -> tuple[str, int]:
    """Returns the text of a module (empty when it is not found), and where the search for the next one starts.

    Args:
        script: The script.
        name: The module's name.
        start: From where it most likely is; modules are in the order of the list.
    """
    place = script.find(f"var {name}=", start)
    if place < 0:
        place = script.find(f"var {name}=", 0, start)
    following = max(start, place)
    while place >= 0 and (handed_on := _EXPORTED.match(script, place)):
        place = script.rfind(f"var {handed_on[1]}=", 0, place)  # what a module needs comes before it
    return ("" if place < 0 else script[place : script.find('"use strict"', place + 60)]), following


def _called_at_once(script: str) -> str:
    """Without the wrapper for other module systems: a browser reads a function that is called at once only once."""
    head, tail = _HEAD.search(script[:2000]), _TAIL.search(script, max(0, len(script) - 200))
    if head is None or tail is None:
        return script
    return f"{script[: head.start()]}(() => {{{script[head.end() : tail.start()]}}})();\n"
