"""Every example runs to its end against the simulators, by the command a user would type."""

from __future__ import annotations

import os
import re
import signal
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


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_prints_one_line_and_gives_130(tmp_path: Path) -> None:
    script = tmp_path / "waits.py"
    script.write_text("from fmzthreads import *\nprint('ready', flush=True)\nSleep(600_000)\n")
    command = [sys.executable, "-m", "fmzthreads", "sandbox", str(script)]
    # A session of its own, so that the signal reaches the command and the script, as from a terminal, and not the tests.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=100)
    assert process.returncode == 130
    assert (out + err).splitlines() == ["interrupted"]


def test_the_traceback_of_a_script_begins_in_the_script(tmp_path: Path) -> None:
    script = tmp_path / "fails.py"
    script.write_text("import sys\nprint(sys.argv[1:], sys.path[0], __name__, __file__)\n1 / 0\n")
    done = sandbox(script, "a", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == f"['a'] {tmp_path} __main__ {script}\n"
    assert "ZeroDivisionError" in done.stderr
    assert "runpy" not in done.stderr
    assert "script_runner" not in done.stderr


FAULTS = {
    "latency": ["latency_ms=120", "jitter_ms=80"],
    "5xx": ["error_5xx=0.2"],
    "lost replies": ["lose_order_reply=0.5"],
}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("fault", FAULTS)
def test_example_under_faults(path: Path, fault: str, tmp_path: Path) -> None:
    arguments, _ = EXPECTED[path.stem]
    options = [word for text in FAULTS[fault] for word in ("--fault", text)]
    command = [sys.executable, "-m", "fmzthreads", "sandbox", *options, str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, cwd=tmp_path)
    assert "Traceback" not in done.stderr, done.stderr
    # One that gives up says why in one line; most go on.
    assert done.returncode == 0 or re.fullmatch(r"no \w+.*: .+\n", done.stderr), (done.returncode, done.stderr)
    assert done.stdout.strip(), "it says what it saw"
