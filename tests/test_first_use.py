"""Names whose modules are imported at their first use: from many threads at once, and in a process that forks meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from fmzthreads.first_use import FirstUse
from fmzthreads.fork import around_fork
from tests.helpers.forked import in_fork, needs_fork

THREADS = 16


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package whose module ``slow`` waits, while it is imported, until the test lets it end."""
    gates = ModuleType("first_use_gates")
    gates.begun, gates.ended = threading.Event(), threading.Event()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "first_use_gates", gates)
    folder = tmp_path / "first_use_sample"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "quick.py").write_text("Quick = object()\n")
    (folder / "slow.py").write_text(
        "import first_use_gates as gates\ngates.begun.set()\nassert gates.ended.wait(60)\nSlow = sum(range(2_000_000))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("first_use_sample", "first_use_sample.quick", "first_use_sample.slow"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "first_use_sample"


def test_a_module_is_imported_at_the_first_use_of_a_name(package: str) -> None:
    names = FirstUse(package, {"quick": "Quick", "slow": "Slow Other"})
    assert names.modules == {"Quick": "quick", "Slow": "slow", "Other": "slow"}
    assert "first_use_sample.quick" not in sys.modules
    assert names.value("Quick") is sys.modules["first_use_sample.quick"].Quick
    assert "first_use_sample.slow" not in sys.modules
    with pytest.raises(KeyError):
        names.value("quick")


class _AtTheFork:
    """Calls a function when a fork has begun; one that was made earlier calls it earlier."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        around_fork(self.before, self.after, self.after)

    def before(self) -> None:
        self._call()

    def after(self) -> None:
        pass


@needs_fork
def test_a_fork_waits_for_an_import_of_another_thread(package: str) -> None:
    gates = sys.modules["first_use_gates"]
    lets_it_end = _AtTheFork(gates.ended.set)
    names = FirstUse(package, {"slow": "Slow"})
    found: list[object] = []
    importing = threading.Thread(target=lambda: found.append(names.value("Slow")))
    importing.start()
    assert gates.begun.wait(60)
    # Were the child's import to wait for that of a thread that it does not have, it would never end.
    assert in_fork(lambda: names.value("Slow") is sys.modules["first_use_sample.slow"].Slow)
    importing.join(60)
    assert found == [names.value("Slow")]
    del lets_it_end


def test_many_threads_may_use_the_root_first() -> None:
    code = f"""
import sys, threading
import fmzthreads
start, found = threading.Barrier({THREADS}), []
def look(number):
    names = fmzthreads.__all__[number:] + fmzthreads.__all__[:number]
    start.wait()
    found.append({{name: id(getattr(fmzthreads, name)) for name in names}})
threads = [threading.Thread(target=look, args=(number * 7,)) for number in range({THREADS})]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert len(found) == {THREADS} and all(one == found[0] for one in found)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
