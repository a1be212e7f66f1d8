"""The package as a whole: what it exports, what importing it costs, what it leaves alone."""

from __future__ import annotations

import configparser
import json
import subprocess
import sys

import fmzthreads
from fmzthreads import constants, structures
from fmzthreads.strategy import (
    exports,
    globals,  # noqa: A004
)
from tests.helpers.shared_data import ROOT

EXTRAS = ["ccxt", "httptools", "jinja2", "numpy", "orjson", "pandas", "rich", "starlette", "talib", "uvicorn"]


def test_the_root_exports_exactly_what_its_rooms_do_and_names_each_once() -> None:
    assert len(fmzthreads.__all__) == len(set(fmzthreads.__all__))
    for room in (constants, structures, exports, globals):
        for name in room.__all__:
            assert getattr(fmzthreads, name) is getattr(room, name)
    for name in fmzthreads.__all__:
        assert hasattr(fmzthreads, name), name


def test_a_star_import_hides_no_builtin() -> None:
    import builtins

    assert [name for name in fmzthreads.__all__ if hasattr(builtins, name)] == []


def test_importing_imports_no_extra_and_starts_no_thread() -> None:
    code = (
        "import json, sys, threading\n"
        "import fmzthreads\n"
        f"print(json.dumps([[name for name in {EXTRAS!r} if name in sys.modules], threading.active_count()]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout) == [[], 1]


def test_every_package_is_installed() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "fmzthreads").rglob("*.py")
        if "__pycache__" not in path.parts
    }
    assert listed == {*found, "fmzthreads.examples"}
