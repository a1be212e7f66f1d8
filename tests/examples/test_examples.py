"""Every example runs to its end against the simulators, by the command a user would type."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.shared_data import ROOT

pytest.importorskip("uvicorn", reason="the examples run against the simulator, which needs the extra server")
pytestmark = pytest.mark.example

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

# What each example must have said, and how long it is told to run where it takes seconds.
EXPECTED: dict[str, tuple[list[str], list[str]]] = {
    "plain_script": ([], ["best bid", "is open: True", "cancelled: True"]),
    "go_and_wait": (
        [],
        ["balance", r"a result is given once: WaitResult\(value=None, ok=False\)", "failed: None True", "best ask"],
    ),
    "produce_and_work": ([], [r"turn 0 best spread", r"turn 4 best spread"]),
    "hedge_two_exchanges": (["4"], ["both exchanges answer", r"hedges \d+ profit -?\d"]),
    "two_streams": (
        [],
        [r"polling saw [1-9]\d* messages", r"the event loop saw [1-9]\d* messages", r"OKX \d+ received, 0 dropped"],
    ),
    "event_driven": (["5"], [r"looks [1-9]\d* trades \d+ waits without an event \d+\n"]),
    "signed_stream": (
        [],
        ["OKX order .* is live and it is ours: True", "Binance order .* is CANCELED and it is ours: True"],
    ),
    "stale_guard": (
        ["4"],
        [r"looks with a price [1-9]\d* .*confirmed by REST [1-9]\d* refused 0", "losses 0 state open"],
    ),
    "market_maker": (["4"], [r"inventory -?\d.*open orders 0"]),
}


def sandbox(script: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fmzthreads", "sandbox", str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd=cwd)


def test_every_example_is_expected_to_say_something() -> None:
    assert {path.stem for path in EXAMPLES} == set(EXPECTED)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path: Path, tmp_path: Path) -> None:
    arguments, patterns = EXPECTED[path.stem]
    done = sandbox(path, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for pattern in patterns:
        assert re.search(pattern, done.stdout), f"{pattern!r} is not in:\n{done.stdout}"
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir()), "an example left something behind"


def test_an_example_s_exit_code_is_passed_on(tmp_path: Path) -> None:
    script = tmp_path / "fails.py"
    script.write_text("import sys\nsys.exit(7)\n")
    assert sandbox(script, cwd=tmp_path).returncode == 7


def test_a_script_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = sandbox(Path("no_such_script.py"), cwd=tmp_path)
    assert done.returncode == 2
    assert "no_such_script.py" in done.stderr
