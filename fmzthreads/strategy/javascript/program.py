"""Loads a JavaScript strategy: its templates first, with one shared ``$``, then the strategy; and calls its functions.

Source: FMZ's user guide, "Strategy" and "Template Library": an error that is not caught calls ``onerror`` where there is one.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..program.source import Source
from ..program.templates import Template
from ..runtime import current
from .bridge import Context, SharedHandles
from .calls import ENDS
from .errors import JavaScriptError
from .threads import MakeContext, ScriptThreads
from .values import plain
from .worker import JavaScriptThread

__all__ = ["JavaScriptProgram", "load_javascript"]


_AFTER_TEMPLATE = "if (typeof destroy === 'function') __fmz_destroy(destroy); if (typeof init === 'function') init();"


class JavaScriptProgram:
    """A loaded JavaScript strategy, in a thread of its own.

    Attributes:
        source: The strategy's file.
        files: The files whose lines are the strategy's own.
    """

    def __init__(
        self,
        source: Source,
        files: tuple[Path, ...],
        make: MakeContext,
        log_error: Callable[[str], Any] | None = None,
    ) -> None:
        self.source = source
        self.files = files
        self.namespace: dict[str, Any] = {}
        self._thread = JavaScriptThread("fmzthreads script")
        self._threads = ScriptThreads(make, log_error)
        self._context: Context = self._thread.do(lambda: make(self._threads.serve(), {}))

    def function(self, name: str) -> Callable[[], Any] | None:
        """A function of the strategy, such as ``init``; None when it has none."""
        if not self._do(lambda: self._context.has(name)):
            return None
        return lambda: self.call(name)

    def call(self, name: str) -> None:
        """Calls ``init``, ``main`` or ``onexit``, if the strategy has it; and the templates' ``destroy`` after ``onexit``, or after an error of ``main``.

        Raises:
            JavaScriptError: An error that the strategy did not catch, after its ``onerror``.
            BaseException: The strategy is ended (a stop, the end of the data).
        """
        try:
            if self._do(lambda: self._context.has(name)):
                self._do(lambda: self._context.call(name))
        except JavaScriptError as error:
            self._on_error(str(error))
            if name == "main":
                self._destroy()
            raise
        finally:
            if name == "main":
                self._threads.end()
        if name == "onexit":
            self._destroy()

    def _destroy(self) -> None:
        """Calls the templates' ``destroy`` at the end of a strategy; what fails there is an error line, and the others are called."""
        for text in self._do(self._context.destroy):
            current().error(text, source="destroy")

    def execute(self, run: Callable[[Context], None]) -> None:
        """Runs something in the context."""
        self._do(lambda: run(self._context))

    def _do(self, call: Callable[[], Any]) -> Any:
        try:
            return self._thread.do(call, self._context.given_up)
        except RuntimeError:
            end = self._context.end
            if self._context.given_up.is_set() and end is not None:
                raise end from None
            raise

    def _on_error(self, text: str) -> None:
        if self._do(lambda: self._context.has("onerror")):
            with contextlib.suppress(JavaScriptError, *ENDS):  # the first error is the one that counts
                self._do(lambda: self._context.call("onerror", text))


def load_javascript(
    source: Source,
    args: Mapping[str, Any],
    templates: Iterable[Template],
    api: Mapping[str, Any],
    *,
    virtual: bool = False,
    seed: int = 0,
    now_ms: Callable[[], float] | None = None,
    memory_bytes: int = 0,
) -> JavaScriptProgram:
    """Executes the templates (and their ``init``), then the strategy file; ``init`` and ``main`` of the strategy are left to the caller.

    Args:
        source: The strategy.
        args: The values of its parameters; they are globals.
        templates: The template libraries, in the order in which they are loaded.
        api: FMZ's names as a Python strategy has them.
        virtual: Whether dates and chance are the strategy's own, as in a backtest.
        seed: Of ``Math.random`` when ``virtual``.
        now_ms: The strategy's time when ``virtual``.
        memory_bytes: The most memory that each context may use; 0 for no limit.

    Raises:
        InputError: The file has a syntax error, or no function ``main``.
        MissingExtra: The engine is not installed.
        JavaScriptError: The files raise an error while they are executed.
    """
    _ = source.code  # the syntax; a template's was checked when it was found
    templates = list(templates)

    objects = SharedHandles()

    def _make(threads: Callable[..., Any], own: Mapping[str, Any]) -> Context:
        names = api if virtual else {**api, **own}
        return Context(
            names, threads=threads, handles=objects, virtual=virtual, seed=seed, now_ms=now_ms, memory_bytes=memory_bytes,
        )  # fmt: skip

    files = (source.path, *(template.source.path for template in templates))
    program = JavaScriptProgram(source, files, _make, api["LogError"] if virtual else None)

    def _run(context: Context) -> None:
        for template in templates:
            values = "".join(f"var {name} = {json.dumps(plain(value))};" for name, value in template.values.items())
            code = template.source.text
            context.run_inside(template.source.path, values, code, _AFTER_TEMPLATE)
        context.set(args)
        context.run(source.path, source.text)
        if not context.has("main"):
            raise InputError(f"{source.path}: no function main")

    program.execute(_run)
    return program
