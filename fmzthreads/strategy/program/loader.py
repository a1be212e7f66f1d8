"""Loads a strategy: its templates first, one shared ``ext``, own globals for each file, the API in them before a line runs.

It does not depend on how the strategy is run (live, simulated, in a backtest): the caller passes the API in.

Source: FMZ's user guide, "Strategy" and "Template Library"; the order of the steps is that of FMZ's Python backtest package.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from ...errors import InputError
from ...structures.value_objects import ValueObject, field
from .source import Source, main_is_left_to_the_host
from .templates import Ext, Template

__all__ = ["Program", "load", "usual_names"]


class _Exit:
    """``exit`` and ``quit`` of a strategy: they end it, and leave the process's standard input open."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, code: Any = None) -> NoReturn:
        """Ends the strategy."""
        raise SystemExit(code)

    def __repr__(self) -> str:
        return f"{self._name}() ends the strategy"


def usual_names() -> dict[str, Any]:
    """What FMZ's strategies use without an import: the usual modules, ``null``, ``NaN`` (None too), ``true``, ``false``, ``xrange``, ``exit``."""
    import copy
    import datetime
    import json
    import math
    import os
    import random
    import re
    import sys
    import time
    import traceback

    modules = (copy, datetime, json, math, os, random, re, sys, time, traceback)
    return {
        **{module.__name__: module for module in modules},
        "null": None,
        "NaN": None,
        "true": True,
        "false": False,
        "xrange": range,
        "exit": _Exit("exit"),
        "quit": _Exit("quit"),
    }


class Program(ValueObject):
    """A loaded strategy.

    Attributes:
        source: The strategy's file.
        namespace: Its globals.
        files: The files whose lines are the strategy's own: its file, and those of its templates.
    """

    source: Source
    namespace: dict[str, Any] = field(repr=False)
    files: tuple[Path, ...]

    def function(self, name: str) -> Callable[[], Any] | None:
        """A function of the strategy, such as ``init``; None when it has none that can be called."""
        found = self.namespace.get(name)
        return found if callable(found) else None

    def call(self, name: str) -> None:
        """Calls ``init``, ``main`` or ``onexit``, if the strategy has it."""
        function = self.function(name)
        if function is not None:
            function()


def load(
    source: Source,
    args: Mapping[str, Any],
    templates: Iterable[Template],
    api: Mapping[str, Any],
    *,
    namespace: dict[str, Any] | None = None,
) -> Program:
    """Executes the templates (and their ``init``), then the strategy file; ``init`` and ``main`` of the strategy are left to the caller.

    Args:
        source: The strategy.
        args: The values of its parameters; they are globals of the strategy's file.
        templates: The template libraries, in the order in which they are loaded.
        api: FMZ's names, ``exchange`` and ``exchanges`` among them; each file gets a copy.
        namespace: The dict that becomes the strategy's globals; None for a new one.

    Raises:
        InputError: A file is not Python 3, or the strategy leaves no ``main`` to be called.
        Exception: Whatever the files raise while they are executed.
    """
    code = source.code
    if not main_is_left_to_the_host(source.tree):
        raise InputError(f"{source.path}: no function main, or the file calls it itself: it is a plain script")
    ext = Ext()
    files = [source.path]
    for template in templates:
        files.append(template.source.path)
        unit = _namespace(template.source, template.values, api, ext)
        exec(template.source.code, unit)  # noqa: S102 (the file that the user named)
        init = unit.get("init")
        if callable(init):
            init()
    own = namespace if namespace is not None else {}
    own |= _namespace(source, args, api, ext)
    exec(code, own)  # noqa: S102 (the file that the user named)
    if not callable(own.get("main")):
        raise InputError(f"{source.path}: main is {own.get('main')!r}, expected a function")
    return Program(source, own, tuple(files))


def _namespace(source: Source, values: Mapping[str, Any], api: Mapping[str, Any], ext: Ext) -> dict[str, Any]:
    return {
        "__name__": "__main__",
        "__file__": str(source.path),
        "__builtins__": builtins,
        **usual_names(),
        **api,
        "ext": ext,
        **values,
    }
