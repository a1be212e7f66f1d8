"""The package as a whole: what it exports, what importing it costs, what it leaves alone."""

from __future__ import annotations

import ast
import configparser
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import fmzthreads
from fmzthreads import constants, structures
from fmzthreads.errors import MissingExtra, NotBuiltYet
from fmzthreads.strategy import (
    bot_globals,
    exports,
    globals,  # noqa: A004
    not_built,
)
from tests.helpers.shared_data import ROOT

EXTRAS = [
    "Crypto",
    "ccxt",
    "cryptography",
    "httptools",
    "jinja2",
    "numpy",
    "orjson",
    "pandas",
    "rich",
    "starlette",
    "talib",
    "uvicorn",
]


def isort_key(name: str) -> tuple[int, list[Any]]:
    """The order of ruff's RUF022: constants, then classes, then the rest, numbers within names by value."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def imported_for_type_checkers() -> dict[str, str]:
    """The names that the root imports where only type checkers look, with their modules below the package."""
    body = ast.parse(Path(fmzthreads.__file__).read_text(encoding="utf-8")).body
    [block] = [node for node in body if isinstance(node, ast.If) and ast.unparse(node.test) == "_typing.TYPE_CHECKING"]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom) and node.level == 1]
    assert len(imports) == len(block.body)
    return {alias.asname or alias.name: node.module or "" for node in imports for alias in node.names}


def test_all_is_what_the_root_hands_out_sorted_and_literal() -> None:
    modules = fmzthreads._PLACES.modules
    assert modules == imported_for_type_checkers()
    assert {*modules, "__version__"} - {"run_strategy"} == set(fmzthreads.__all__)
    assert fmzthreads.__all__ == sorted(set(fmzthreads.__all__), key=isort_key)
    assert not {"Info", "info", "errors"} & set(fmzthreads.__all__), "a script has names of its own for these"
    for name, module in modules.items():
        assert getattr(fmzthreads, name) is getattr(importlib.import_module(f"fmzthreads.{module}"), name)
        assert vars(fmzthreads)[name] is getattr(fmzthreads, name), "looked up once"


def test_the_root_shows_what_is_not_imported_yet() -> None:
    code = (
        "import json, fmzthreads\n"
        "shown = dir(fmzthreads)\n"
        "rooms = [name for name in sorted(fmzthreads._ROOMS) if getattr(fmzthreads, name).__name__ != 'fmzthreads.' + name]\n"
        "from fmzthreads import *\n"
        "print(json.dumps([sorted({*fmzthreads.__all__} - {*shown}), rooms, sorted({*fmzthreads.__all__} - {*globals()})]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout) == [[], [], []]


def test_the_root_exports_all_of_fmzs_names() -> None:
    own = {structures: {"Info", "Structure", "info", "record_changes"}, not_built: {"NotBuilt"}}
    for room in (constants, structures, exports, globals, bot_globals, not_built):
        for name in set(room.__all__) - own.get(room, set()):
            assert getattr(fmzthreads, name) is getattr(room, name)
            assert name in fmzthreads.__all__


def test_the_old_name_of_gather_still_works_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="use fmzthreads.gather"):
        from fmzthreads import snapshot  # type: ignore[attr-defined]
    assert snapshot is fmzthreads.gather
    with pytest.warns(DeprecationWarning, match="use fmzthreads.gather"):
        assert fmzthreads.snapshot is fmzthreads.gather  # type: ignore[attr-defined]
    assert "snapshot" not in fmzthreads.__all__
    with pytest.raises(AttributeError, match="no attribute 'snapsht'"):
        fmzthreads.snapsht  # type: ignore[attr-defined]  # noqa: B018


def literal_all(body: list[ast.stmt]) -> list[str] | None:
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == "__all__":
            found: list[str] = ast.literal_eval(node.value)  # type: ignore[attr-defined]
            return found
    return None


def test_every_module_has_a_literal_sorted_all() -> None:
    for path in (ROOT / "fmzthreads").rglob("*.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        names = literal_all(body)
        if names is None:
            assert path.name in {"__main__.py", "_version.py"} or len(body) <= 1, f"{path} has no __all__"
        else:
            assert names == sorted(set(names), key=isort_key), path


def test_a_star_import_hides_no_builtin() -> None:
    import builtins

    assert [name for name in fmzthreads.__all__ if hasattr(builtins, name)] == []


def imports_of(code: str, *arguments: str, home: Path | None = None) -> tuple[set[str], int]:
    """Runs a script, and returns the modules that it imported and how many threads run at its end."""
    ending = "\nimport json, sys, threading\nprint(json.dumps([sorted(sys.modules), threading.active_count()]))\n"
    environment = os.environ | ({"FMZTHREADS_HOME": str(home)} if home is not None else {})
    command = [sys.executable, "-c", code + ending, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    names, threads = json.loads(done.stdout.splitlines()[-1])
    return set(names), threads


HEAVY = {"attr", "hashlib", "requests", "socket", "sqlite3", "ssl", "tenacity", "urllib3", "websocket"}
NOT_FOR_A_BACKTEST = HEAVY | {
    "asyncio", "concurrent.futures", "csv", "dataclasses", "difflib", "email", "gzip", "html", "http", "importlib.metadata", "importlib.resources",
    "inspect", "logging", "multiprocessing", "pickle", "platform", "pprint", "secrets", "select", "selectors", "subprocess", "sysconfig", "tempfile",
    "unittest", "urllib.request", "uuid", "xml", "zipfile", "zoneinfo",
}  # fmt: skip
"""Modules that a plain backtest of a CSV file needs at most at the end of a run that failed, or for what it was not asked for."""


def test_importing_imports_nothing_but_the_root_and_starts_no_thread() -> None:
    alone, _ = imports_of("")
    names, threads = imports_of("import fmzthreads")
    own = {name for name in names if name.startswith("fmzthreads.")}
    assert own == {f"fmzthreads.{name}" for name in ("_version", "exchange", "exchange.factories", "first_use", "fork")}
    assert (names - alone) & (HEAVY | set(EXTRAS)) == set()
    assert threads == 1


def test_all_names_import_no_extra_and_start_no_thread() -> None:
    names, threads = imports_of("from fmzthreads import *")
    assert names & set(EXTRAS) == set()
    assert threads == 1


def test_a_backtest_loads_no_connection_no_database_and_no_order_log(tmp_path: Path) -> None:
    bars = ["time,open,high,low,close,volume"]
    bars += [f"{1704067200000 + 60_000 * minute},1,2,1,2,3" for minute in range(60)]
    (tmp_path / "bars.csv").write_text("\n".join(bars), encoding="utf-8")
    (tmp_path / "strategy.py").write_text(
        """'''backtest
start: 2024-01-01 00:00:00
end: 2024-01-01 00:50:00
period: 1m
exchanges: [{"eid":"Binance","currency":"BTC_USDT"}]
'''
def main():
    while True:
        Log(exchange.GetTicker().Last, TA.MA(exchange.GetRecords(), 3)[-1], exchange.Buy(-1, 1))
        Sleep(60000)
""",
        encoding="utf-8",
    )
    words = ["backtest", str(tmp_path / "strategy.py"), "--bars", str(tmp_path / "bars.csv")]
    alone, _ = imports_of("")
    names, _ = imports_of(
        "import sys, fmzthreads.cli\nassert fmzthreads.cli.main(sys.argv[1:]) == 0", *words, home=tmp_path
    )
    assert (names - alone) & NOT_FOR_A_BACKTEST == set()
    assert {name.partition(".")[0] for name in names - alone} - sys.stdlib_module_names == {"fmzthreads"}
    rooms = {".".join(name.split(".")[:3]) for name in names if name.startswith("fmzthreads.")}
    live = {
        f"fmzthreads.{name}" for name in ("http", "net", "streams", "venues", "exchange.exchange", "exchange.order_log")
    }
    assert rooms & live == set()


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


def test_the_lowest_versions_that_are_tested_are_those_that_are_promised() -> None:
    setup, tox = configparser.ConfigParser(), configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    tox.read(ROOT / "tox.ini")
    promised = dict(re.findall(r"([\w-]+)>=([\d.]+)", setup["options"]["install_requires"]))
    tested = dict(re.findall(r"([\w-]+)==([\d.]+)", tox["testenv:lowest"]["deps"]))
    assert {name: f"{version}.0.0".split(".")[:3] for name, version in promised.items()} == {
        name: f"{version}.0.0".split(".")[:3] for name, version in tested.items()
    }


def test_an_installed_copy_is_whole_outside_the_checkout(tmp_path: Path) -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    code = (
        "import importlib.util, json, pathlib, sys, fmzthreads\n"
        "folder = pathlib.Path(fmzthreads.__file__).parent\n"
        "missing = [name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]\n"
        "print(json.dumps([missing, (folder / 'py.typed').is_file(), (folder.parent / 'setup.cfg').is_file()]))\n"
    )
    command = [sys.executable, "-c", code, *config["options"]["packages"].split()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    missing, typed, editable = json.loads(done.stdout)
    assert typed
    assert missing in ([], ["fmzthreads.examples"] if editable else [])  # an editable copy has them beside the package


@pytest.mark.parametrize("name", not_built.__all__)
def test_what_fmz_has_and_we_do_not_says_so_when_it_is_used(name: str) -> None:
    place = getattr(not_built, name)
    if name in {"NotBuilt", "talib"}:
        return
    for use in (place, lambda: place.MA, lambda: place[0]):
        with pytest.raises(NotBuiltYet, match=f"{name}.*FMZ has it; fmzthreads does not yet"):
            use()
    assert not place, "a script may ask whether it is there"
    assert "does not yet" in repr(place)


def test_talib_is_the_real_one_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "talib", None)
    with pytest.raises(MissingExtra, match=r"talib.SMA: TA-Lib is not installed.*pip install TA-Lib"):
        not_built.talib.SMA([1.0])
    real = ModuleType("talib")
    real.SMA = lambda values: values  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "talib", real)
    assert not_built.talib.SMA([1.0]) == [1.0]
    with pytest.raises(AttributeError):
        not_built.talib.NO_SUCH  # noqa: B018
