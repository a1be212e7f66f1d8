import collections.abc
import importlib.metadata
import importlib.util
import os
import random
import sys
import threading
import time
import types
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.backtest.modules.imports import simulated_modules, strategy_builtins, with_simulated
from fmzthreads.backtest.modules.own_modules import OwnModules
from tests.backtest.modules.test_time_module import HandClock


def execute(text: str, clock: HandClock, *, folder: Path | None = None, warn: Any = None) -> dict[str, Any]:
    modules = simulated_modules(clock, UTC, 5)
    own = strategy_builtins(modules, warn if warn is not None else lambda text: None, beside=OwnModules(folder))
    namespace: dict[str, Any] = {"__builtins__": own}
    exec(text, namespace)
    return namespace


def test_every_form_of_import_gets_the_simulated_module() -> None:
    clock = HandClock(5000)
    found = execute(
        "import time, time as t\nfrom time import sleep, time as now\nfrom datetime import datetime\n"
        "sleep(2); a = now(); b = time.time(); c = t.monotonic()\n"
        "def later():\n    import time\n    return time.time()\nd = later()\ne = datetime.now().second\n",
        clock,
    )
    assert [found[name] for name in "abcde"] == [7.0, 7.0, 2.0, 7.0, 7]
    assert sys.modules["time"] is time
    assert found["time"] is not time


def test_importlib_hands_out_the_simulated_modules() -> None:
    clock = HandClock(5000)
    found = execute(
        "import importlib, importlib as il\nfrom importlib import import_module, util\nimport importlib.util\nimport importlib.metadata as metadata\n"
        "a = importlib.import_module('time').time()\nb = import_module('datetime').datetime.now().second\nc = il.import_module('os.path')\n"
        "d = importlib.util.find_spec('json').name\ne = il.__import__('time').time()\nf = import_module('.abc', 'collections')\ng = metadata.version\nh = util",
        clock,
    )
    assert [found[name] for name in "abde"] == [5.0, 5, "json", 5.0]
    assert found["c"] is os.path
    assert found["f"] is collections.abc
    assert found["g"] is importlib.metadata.version
    assert found["h"] is importlib.util
    assert importlib.import_module("time") is time


def test_generators_without_a_seed_of_their_own_can_be_repeated() -> None:
    text = "import random\nfrom random import Random\nrandom.seed(3)\na = [random.random()]\nrandom.seed()\na += [random.random(), Random().random()]\na += [Random().random(), Random(5).random(), isinstance(Random(), random.Random)]"
    first, second = (execute(text, HandClock())["a"] for _ in range(2))
    assert first == second
    assert len(set(first[:4])) == 4
    assert first[0] == random.Random(3).random()
    assert first[4:] == [random.Random(5).random(), True]


def test_random_numbers_are_the_runs_own() -> None:
    state = random.getstate()
    text = "import random\nfrom random import randint\na = [random.random(), randint(1, 1000), random.choice('abc')]"
    first, second = (execute(text, HandClock())["a"] for _ in range(2))
    assert first == second
    assert random.getstate() == state


def test_waits_of_events_move_the_clock() -> None:
    clock = HandClock(0)
    found = execute(
        "import threading\ne = threading.Event()\na = e.wait(30)\ne.set()\nb = e.wait(30)\nc = threading.Condition()\n"
        "with c:\n    d = c.wait(10)\n",
        clock,
    )
    assert (found["a"], found["b"], found["d"], clock.now_ms) == (False, True, False, 40_000)
    assert isinstance(found["e"], threading.Event)


def test_a_wait_that_nothing_can_end_ends_the_backtest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    with pytest.raises(EOFError):
        execute("import threading\nthreading.Event().wait()", HandClock())


def test_an_event_that_another_thread_sets_is_waited_for() -> None:
    found = execute(
        "import threading\ne = threading.Event()\nt = threading.Thread(target=e.set)\nt.start()\na = e.wait()\nt.join()",
        HandClock(),
    )
    assert found["a"] is True


def test_modules_beside_the_strategy_go_by_its_clock_and_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "beside_strategy.py").write_text("import time\ncount = 0\ndef now():\n    return time.time()\n")
    clock = HandClock(9000)
    text = "import beside_strategy as mine\nfrom beside_strategy import now\nmine.count += 1\na = (now(), mine.count)"
    assert execute(text, clock, folder=tmp_path)["a"] == (9.0, 1)
    assert execute(text, clock, folder=tmp_path)["a"] == (9.0, 1)
    assert "beside_strategy" not in sys.modules
    (tmp_path / "bad.py").write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        execute("import bad", clock, folder=tmp_path)


def package(folder: Path) -> None:
    for name, text in (
        ("helpers/__init__.py", "from .orders import stamp\nfrom . import state\n__all__ = ['orders', 'late']\n"),
        (
            "helpers/orders.py",
            "import time\nfrom . import state\nfrom .state import count\ndef stamp():\n    return time.time() + count\n",
        ),
        (
            "helpers/state.py",
            (
                "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom typing import ClassVar\nfrom . import orders\n"
                "@dataclass\nclass Point:\n    kind: ClassVar[int] = 3\n    x: int = 4\ncount = 7\n"
            ),
        ),
        ("helpers/late.py", "x = 5\n"),
        ("helpers/deep/__init__.py", "from ..state import count\n"),
        ("plain/mod.py", "y = 6\n"),
        ("plain/sub/inner.py", "from ..mod import y\nz = y + 1\n"),
        ("json/mod.py", ""),  # a folder goes after a module of Python's
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_packages_beside_the_strategy_go_by_its_clock_and_are_its_own(tmp_path: Path) -> None:
    package(tmp_path)
    (tmp_path / "helpers/state.py").write_text(
        (tmp_path / "helpers/state.py").read_text().replace("from . import orders\n", "")
    )
    text = (
        "import helpers.orders\nimport helpers.orders as ho\nfrom helpers import orders, state\nfrom helpers import *\nimport helpers.deep\n"
        "import plain.mod, plain.sub.inner as inner\nfrom plain import mod\nimport json, importlib\n"
        "a = [helpers.orders.stamp(), ho is orders, repr(state.Point()), late.x, helpers.deep.count, mod.y, inner.z, plain.sub.inner.y]\n"
        "a += [json.dumps(1), importlib.import_module('helpers.late').x, importlib.import_module('.late', 'helpers').x]\n"
        "a += [helpers.__package__, orders.__package__, helpers.orders.__name__]\nstate.count += 1\nb = state.count\n"
    )
    for _ in range(2):  # a second backtest has modules of its own
        found = execute(text, HandClock(9000), folder=tmp_path)
        assert found["a"] == [
            16.0,
            True,
            "Point(x=4)",
            5,
            7,
            6,
            7,
            6,
            "1",
            5,
            5,
            "helpers",
            "helpers",
            "helpers.orders",
        ]
        assert found["b"] == 8
    assert not {"helpers", "helpers.state", "plain", "plain.mod"} & set(sys.modules)


def test_modules_of_a_package_may_import_each_other(tmp_path: Path) -> None:
    package(tmp_path)
    (tmp_path / "helpers/orders.py").write_text("from . import state\ndef stamp():\n    return state.count\n")
    assert execute("import helpers\na = helpers.stamp()", HandClock(), folder=tmp_path)["a"] == 7


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import helpers.nothing", "No module named 'helpers.nothing'"),
        ("from helpers import nothing", "cannot import name 'nothing' from 'helpers'"),
        ("import helpers.late.x", "No module named 'helpers.late.x'"),
        ("import plain.nothing", "No module named 'plain.nothing'"),
        ("import helpers.far", "attempted relative import beyond top-level package"),
    ],
)
def test_modules_that_a_package_does_not_have(tmp_path: Path, text: str, error: str) -> None:
    package(tmp_path)
    (tmp_path / "helpers/state.py").write_text("count = 7\n")
    (tmp_path / "helpers/far.py").write_text("from ..helpers import state\n")
    with pytest.raises(ImportError, match=error):
        execute(text, HandClock(), folder=tmp_path)


def test_a_module_that_fails_can_be_imported_again(tmp_path: Path) -> None:
    package(tmp_path)
    (tmp_path / "helpers/late.py").write_text("1 / 0\n")
    text = "a = 0\nimport helpers\nfor _ in range(2):\n    try:\n        import helpers.late\n    except ZeroDivisionError:\n        a += 1\nb = hasattr(helpers, 'late')"
    found = execute(text, HandClock(), folder=tmp_path)
    assert (found["a"], found["b"]) == (2, False)


def test_modules_of_one_name_that_are_executed_at_once_in_two_backtests(tmp_path: Path) -> None:
    text = "from __future__ import annotations\nimport waiting\nfrom dataclasses import dataclass\nwaiting.turn()\n@dataclass\nclass A:\n    x: int = 3\n"
    (tmp_path / "held.py").write_text(text)
    both, after = threading.Barrier(2, timeout=60), threading.Event()
    found: list[Any] = []

    def run(first: bool) -> None:
        waiting = types.ModuleType("waiting")

        def turn() -> None:
            both.wait()
            if not first:
                assert after.wait(60)

        vars(waiting)["turn"] = turn
        beside = OwnModules(tmp_path)
        own = strategy_builtins({"waiting": waiting}, lambda text: None, beside=beside)
        namespace: dict[str, Any] = {"__builtins__": own}
        exec("import held\na = held.A().x", namespace)
        found.append(namespace["a"])
        if first:
            after.set()  # the other one goes on after this one's module has been executed

    threads = [threading.Thread(target=run, args=(first,)) for first in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [3, 3]
    assert "held" not in sys.modules


def test_what_does_not_go_by_the_clock_is_named_once() -> None:
    warnings: list[str] = []
    execute("import asyncio\nimport asyncio\nfrom asyncio import sleep", HandClock(), warn=warnings.append)
    assert warnings == ["asyncio goes by real time in a backtest; use Sleep or time.sleep"]


def test_a_script_gets_the_simulated_modules_for_those_it_has_imported() -> None:
    clock = HandClock(3000)
    namespace: dict[str, Any] = {"__name__": "x"}
    exec(
        "import time, json\nfrom time import sleep as pause, time as now\nfrom datetime import datetime\nx = 5",
        namespace,
    )
    json_module = namespace["json"]
    with_simulated(namespace, simulated_modules(clock, UTC, 0))
    namespace["pause"](2)
    assert (namespace["now"](), namespace["time"].time(), namespace["datetime"].now().second) == (5.0, 5.0, 5)
    assert namespace["json"] is json_module
    assert (namespace["x"], namespace["__name__"]) == (5, "x")
