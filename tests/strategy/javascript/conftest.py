"""A JavaScript strategy over FMZ's names of a quiet runtime, and over an exchange of the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.strategy.namespace import strategy_names
from fmzthreads.strategy.program.reading import read_source
from fmzthreads.strategy.program.templates import Template
from fmzthreads.strategy.runtime import Runtime, use
from fmzthreads.strategy.store import Store


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    runtime = Runtime(ManualClock(), console=False, store=Store(), name="js")
    with use(runtime):
        yield runtime
    runtime.close()


Load = Callable[..., Any]


@pytest.fixture
def load(tmp_path: Path, runtime: Runtime) -> Load:
    """Returns what loads a strategy's text: ``load(code, args=..., templates={name: code}, exchanges=..., **options)``."""
    from fmzthreads.strategy.javascript.program import load_javascript

    def _load(
        code: str,
        args: Mapping[str, Any] | None = None,
        templates: Mapping[str, str] | None = None,
        exchanges: tuple[Any, ...] = (),
        api: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        def source(name: str, text: str) -> Any:
            path = tmp_path / name
            path.write_text(text, encoding="utf-8")
            return read_source(path)

        libraries = [Template(source(f"{name}.js", text), {"scale": 2}) for name, text in (templates or {}).items()]
        names = {**strategy_names(exchanges), **(api or {})}
        return load_javascript(source("bot.js", code), args or {}, libraries, names, **options)

    return _load


@pytest.fixture
def logged(load: Load, runtime: Runtime) -> Callable[..., list[str]]:
    """Returns what runs the body of a ``main`` and returns the lines that it logged."""

    def _logged(body: str, **more: Any) -> list[str]:
        load(f"function main() {{\n{body}\n}}", **more).call("main")
        return [line.text for line in runtime.journal.lines()]

    return _logged
