"""Imports point one way: from each part of the package to parts that stand before it, and never in a circle."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import fmzthreads

ROOT = Path(fmzthreads.__file__).resolve().parent

ORDER = (
    # words that everybody uses, and time
    "fork", "first_use", "redaction", "_version", "errors", "arguments", "constants", "structures", "clock", "deadline",
    # where files lie
    "home",
    # a SQLite file
    "database",
    # which process is which
    "process_start",
    # handles, pools, queues; they know no exchange
    "tasks",
    # connections, then HTTP and websockets over them
    "net", "http", "streams",
    # small servers on this machine
    "serve",
    # the port of an exchange and FMZ's face over it, then the exchanges themselves
    "exchange", "venues",
    # FMZ's TA; the data of charts
    "indicators", "charts",
    # where a strategy lives
    "strategy",
    # exchanges on the loopback, and what tests need; runs of strategies, and the demo
    "simulator", "testing", "runner", "demo",
    # runs over historical data
    "backtest",
    # an exchange of one's own, served to hosts
    "plugin",
    # robots behind FMZ's extended API, with pages
    "platform",
    # the command line and the root, which hands out the names of the others
    "cli", "__main__", "",
)  # fmt: skip
"""The parts of the package. Each one imports only from parts before it."""

SIMULATOR_NEEDS = {"clock", "errors"}
"""What the simulator may import of the rest of the package."""

SIMULATOR_ORDER = (
    # the matching, which knows neither networks nor names of exchanges; chance prices over it
    "engine", "market",
    # what goes wrong on purpose, the sockets, and what each exchange says over them
    "faults", "transport", "dialects",
    # switching the faults while it runs, and recordings played instead of a market
    "control", "replay",
)  # fmt: skip
"""The folders of the simulator, its faults and their control. Each one imports, of these, only from those before it."""


def modules() -> dict[str, Path]:
    """The files by dotted name without the package's own; the root is the empty name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, text: str, known: dict[str, Path], *, package: bool) -> Iterator[str]:
    """The modules of ours that a file imports anywhere in it, also within functions and for types only."""
    here = name.split(".") if name else []
    if not package:
        here = here[:-1]
    for node in ast.walk(ast.parse(text)):
        wanted: list[str] = []
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            stem = ".".join([*(["fmzthreads"] if node.level else []), *base, *([node.module] if node.module else [])])
            wanted = [f"{stem}.{alias.name}" for alias in node.names]
        for full in wanted:
            first, _, rest = full.partition(".")
            if first != "fmzthreads":
                continue
            while rest and rest not in known:  # a name within a module
                rest = rest.rpartition(".")[0]
            if rest != name:
                yield rest


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    known = modules()
    found: dict[str, set[str]] = defaultdict(set)
    for name, path in known.items():
        found[name] |= set(imports(name, path.read_text("utf-8"), known, package=path.name == "__init__.py"))
    return dict(found)


def room(name: str) -> str:
    return name.partition(".")[0]


def test_every_part_of_the_package_has_its_place_in_the_order(graph: dict[str, set[str]]) -> None:
    assert {room(name) for name in graph} == set(ORDER)
    assert sum(len(targets) for targets in graph.values()) > 500  # the walk sees imports


def test_imports_point_only_to_parts_that_stand_before(graph: dict[str, set[str]]) -> None:
    wrong = [
        f"{name or 'the root'} imports {target or 'the root'}"
        for name, targets in graph.items()
        for target in targets
        if ORDER.index(room(target)) > ORDER.index(room(name))
    ]
    assert wrong == []


def test_no_two_files_import_each_other_by_any_way(graph: dict[str, set[str]]) -> None:
    done: set[str] = set()

    def follow(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for target in sorted(graph[name]):
                follow(target, (*path, name))
            done.add(name)

    for name in sorted(graph):
        follow(name, ())


def test_the_simulator_needs_only_time_and_errors(graph: dict[str, set[str]]) -> None:
    needs = {room(target) for name, targets in graph.items() if room(name) == "simulator" for target in targets}
    assert needs - {"simulator"} == SIMULATOR_NEEDS


def test_the_simulators_folders_import_only_from_those_before(graph: dict[str, set[str]]) -> None:
    wrong = []
    for name, targets in graph.items():
        here = name.split(".")[1:2]
        if room(name) != "simulator" or not here or here[0] not in SIMULATOR_ORDER:
            continue
        allowed = set(SIMULATOR_ORDER[: SIMULATOR_ORDER.index(here[0]) + 1])
        inside = [target for target in targets if room(target) == "simulator"]
        wrong += [
            f"{name} imports {target}" for target in inside if target.split(".")[1:2] not in [[a] for a in allowed]
        ]
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "text", "package", "found"),
    [
        ("net.dial", "from ..errors import FmzError", False, {"errors"}),
        ("net", "from .dial import connect", True, {"net.dial"}),
        ("net.dial", "def late():\n    from .. import clock", False, {"clock"}),
        ("net.dial", "import fmzthreads.tasks.queue", False, {"tasks.queue"}),
        ("net.dial", "from fmzthreads import Exchange", False, {""}),
        ("net.dial", "import socket", False, set()),
    ],
)
def test_imports_of_all_forms_are_seen(name: str, text: str, package: bool, found: set[str]) -> None:
    assert set(imports(name, text, modules(), package=package)) == found
