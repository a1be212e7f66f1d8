"""Ctrl-C and SIGTERM, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.errors import InputError, StopRequested
from fmzthreads.strategy.globals import GetLastError, Sleep
from fmzthreads.strategy.signals import install_signal_handlers
from tests.helpers.strategy import quiet_runtime
from tests.helpers.threads import run_in_thread

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent to a process here")

HEAD = """
from fmzthreads.strategy.globals import *
from fmzthreads.strategy.signals import install_signal_handlers
from fmzthreads.errors import StopRequested
def onexit():
    print("tidying", flush=True)
    Sleep(1)
    print("tidy", flush=True)
"""


def _signalled(code: str, tmp_path: Path, *numbers: int) -> tuple[int, str, str]:
    """Runs a script, sends one signal after each line that it prints, and gives its exit code and output."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", HEAD + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FMZTHREADS_HOME": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        lines = ""
        for number in numbers:
            lines += process.stdout.readline()
            process.send_signal(number)
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, lines + out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "wait",
    [
        "Sleep(3_600_000)",
        "_C(lambda: None)",
        "while True: Sleep(0)",
        "while True: Sleep(0.01); LogStatus(1); _D(); GetLastError()",
    ],
)
def test_a_signal_stops_a_script_wherever_it_is(tmp_path: Path, number: int, wait: str) -> None:
    code = f"""
with install_signal_handlers(onexit) as stopping:
    print("ready", flush=True)
    {wait}
    print("never")
print("after", stopping.received)
"""
    status, out, err = _signalled(code, tmp_path, number)
    assert (status, err) == (0, "")
    assert [line for line in out.split("\n") if not line.startswith("  |")] == [
        "ready",
        "tidying",
        "tidy",
        f"after {int(number)}",
        "",
    ]


def test_without_with_onexit_runs_at_the_end(tmp_path: Path) -> None:
    code = """
install_signal_handlers(onexit)
print("ready", flush=True)
try:
    Sleep(3_600_000)
except StopRequested as error:
    print(error)
"""
    status, out, err = _signalled(code, tmp_path, signal.SIGINT)
    assert (status, err) == (0, "")
    assert out == "ready\nstopped by SIGINT\ntidying\ntidy\n"


def test_a_second_ctrl_c_ends_an_onexit_that_hangs(tmp_path: Path) -> None:
    code = """
def hangs():
    print("hanging", flush=True)
    while True:
        try:
            Sleep(3_600_000)
        except StopRequested:
            pass
with install_signal_handlers(hangs):
    print("ready", flush=True)
    Sleep(3_600_000)
"""
    status, _, err = _signalled(code, tmp_path, signal.SIGINT, signal.SIGINT)
    assert status in {1, -signal.SIGINT, 130}
    assert "KeyboardInterrupt" in err


def test_ctrl_c_without_handlers_is_a_keyboard_interrupt(tmp_path: Path) -> None:
    code = """
try:
    print("ready", flush=True)
    Sleep(3_600_000)
except KeyboardInterrupt:
    print("interrupted")
"""
    assert _signalled(code, tmp_path, signal.SIGINT) == (0, "ready\ninterrupted\n", "")


def test_the_block_ends_normally_and_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with quiet_runtime(ManualClock()):
        ran: list[str] = []
        with install_signal_handlers(lambda: ran.append("exit")) as stopping:
            assert signal.getsignal(signal.SIGINT) not in before
        stopping.finish()
        assert ran == ["exit"]
        assert stopping.received == 0
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_an_error_passes_and_so_does_a_stop_that_was_not_ours() -> None:
    with quiet_runtime(ManualClock()) as runtime:
        ran: list[str] = []
        with pytest.raises(ZeroDivisionError), install_signal_handlers(lambda: ran.append("one")):
            _ = 1 / 0
        runtime.stop.request("page")
        with pytest.raises(StopRequested, match="page"), install_signal_handlers(lambda: ran.append("two")):
            Sleep(1)
        assert ran == ["one", "two"]
        assert runtime.stop.is_set()
        assert runtime.stop.reason == "page"


def test_an_onexit_that_takes_too_long_is_ended_by_the_stop() -> None:
    with quiet_runtime() as runtime:
        with install_signal_handlers(lambda: Sleep(3_600_000), onexit_limit_s=0.05):
            pass
        assert "took too long" in str(GetLastError())
        assert runtime.stop.is_set()


def test_outside_the_main_thread_it_is_refused() -> None:
    error = run_in_thread(install_signal_handlers, name="worker-7").error()
    assert isinstance(error, InputError)
    assert "worker-7" in str(error)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_the_child_of_a_fork_runs_no_onexit_and_ends_at_a_signal(tmp_path: Path) -> None:
    code = """
import os, signal, sys, time
from fmzthreads.strategy.signals import install_signal_handlers

def onexit():
    print("onexit in", "the parent" if os.getpid() == parent else "a child", flush=True)

parent = os.getpid()
install_signal_handlers(onexit)
child = os.fork()
if child == 0:
    sys.exit(0)
print("ended by itself:", os.waitpid(child, 0)[1])
there, say = os.pipe()
child = os.fork()
if child == 0:
    os.write(say, b"x")
    signal.pause()
os.read(there, 1)
os.kill(child, signal.SIGTERM)
print("ended by the signal:", os.waitpid(child, 0)[1])
"""
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=False,
    )
    assert process.stdout.splitlines() == [
        "ended by itself: 0",
        f"ended by the signal: {int(signal.SIGTERM)}",
        "onexit in the parent",
    ]
    assert process.stderr == ""
