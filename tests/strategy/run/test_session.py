"""How a run ends: normally, by exit, by an error, by a stop that is heeded or not; and what onexit may do then."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.clock import Waker
from fmzthreads.strategy.globals import _C
from fmzthreads.strategy.namespace import strategy_names
from fmzthreads.strategy.program.loader import Program, load
from fmzthreads.strategy.program.reading import read_source
from fmzthreads.strategy.run.enforcer import _in_a_call_of_ours
from fmzthreads.strategy.run.session import RunOutcome, Session, _signals
from fmzthreads.strategy.runtime import Runtime, bound

Say = Callable[..., None]


class Run:
    """One run of a strategy's text, whose calls of ``say`` are kept."""

    def __init__(self, tmp_path: Path, text: str, **session: Any) -> None:
        self.path = tmp_path / "bot.py"
        self.path.write_text(text)
        self.said: list[Any] = []
        self.runtime = Runtime(name="bot", console=False, database=tmp_path / "bot.sqlite3")
        self.session = Session(self.runtime, **session)
        self.ready = Waker()
        self.api: dict[str, Any] = {}

    def load(self) -> Program:
        api = {
            **strategy_names([]),
            "say": self.said.append,
            "ready": self.ready.wake,
            "stop": self.runtime.stop.request,
            **self.api,
        }
        return load(read_source(self.path), {}, [], api)

    def run(self, *, signals: bool = False) -> RunOutcome:
        with bound(self.runtime):
            try:
                return self.session.run(self.load, [self.path], signals=signals)
            finally:
                self.runtime.close()


ONEXIT = "\ndef onexit():\n    say('onexit')\n"


@pytest.mark.parametrize(
    ("body", "code", "reason", "said"),
    [
        ("say('main')", 0, "ended", ["main", "onexit"]),
        ("exit()", 0, "ended by exit()", ["onexit"]),
        ("sys.exit(3)", 3, "ended by exit(3)", ["onexit"]),
        ("sys.exit(-1)", 255, "ended by exit(-1)", ["onexit"]),
        ("sys.exit(259)", 3, "ended by exit(259)", ["onexit"]),
        ("sys.exit('why')", 1, "ended by exit: why", ["onexit"]),
        ("Panic('why')", 1, "ended by exit(1)", ["onexit"]),
        ("1 / 0", 1, "ZeroDivisionError: division by zero (bot.py, line 2)", []),
        ("raise StopError('mine')", 1, "fmzthreads.errors.StopRequested: mine (bot.py, line 2)", []),
        ("stop('asked'); Sleep(1)", 0, "asked", ["onexit"]),
        ("raise KeyboardInterrupt", 130, "interrupted", ["onexit"]),
    ],
)
def test_an_end_has_a_code_and_a_reason(body: str, code: int, reason: str, said: list[str], tmp_path: Path) -> None:
    run = Run(tmp_path, f"def main():\n    {body}\n{ONEXIT}")
    outcome = run.run()
    assert (outcome.code, outcome.reason) == (code, reason)
    assert run.said == said
    assert bool(outcome.traceback) == ("bot.py" in reason)
    if outcome.traceback:
        assert [line.text for line in run.runtime.journal.lines("error")] == [outcome.traceback]


def test_onexit_does_not_run_when_main_had_not_begun(tmp_path: Path) -> None:
    run = Run(tmp_path, f"def init():\n    exit()\ndef main():\n    say('main')\n{ONEXIT}")
    assert run.run().code == 0
    assert run.said == []


def test_an_onexit_that_fails_is_the_reason_unless_main_failed(tmp_path: Path) -> None:
    run = Run(tmp_path, "def main(): pass\ndef onexit():\n    return {}['x']\n")
    outcome = run.run()
    assert (outcome.code, outcome.reason) == (1, "onexit: KeyError: 'x' (bot.py, line 3)")


def test_an_onexit_that_fails_leaves_the_code_of_an_exit(tmp_path: Path) -> None:
    run = Run(tmp_path, "def main(): exit(3)\ndef onexit():\n    return {}['x']\n")
    outcome = run.run()
    assert (outcome.code, outcome.reason) == (3, "ended by exit(3)")
    assert any("KeyError" in line.text for line in run.runtime.journal.lines("error"))


def test_ctrl_c_within_onexit_is_an_interrupted_run(tmp_path: Path) -> None:
    run = Run(tmp_path, "def main(): pass\ndef onexit():\n    raise KeyboardInterrupt\n")
    outcome = run.run()
    assert (outcome.code, outcome.reason) == (130, "interrupted")


def test_onexit_may_wait_after_a_stop_and_main_may_not(tmp_path: Path) -> None:
    text = "def main():\n    stop('asked')\n    try:\n        Sleep(1)\n    except StopError:\n        say('main is stopped')\n    Sleep(1)\n\ndef onexit():\n    Sleep(1)\n    say('slept')\n"
    run = Run(tmp_path, text)
    assert run.run().reason == "asked"
    assert run.said == ["main is stopped", "slept"]


def test_something_is_done_before_onexit_where_asked(tmp_path: Path) -> None:
    said: list[str] = []
    run = Run(tmp_path, f"def main(): pass\n{ONEXIT}", before_onexit=lambda: said.append(f"before {run.said}"))
    run.run()
    assert said == ["before []"]
    assert run.said == ["onexit"]


def test_an_onexit_that_does_not_end_is_ended_by_force_and_is_a_failure(tmp_path: Path) -> None:
    ended: list[RunOutcome] = []

    def end(outcome: RunOutcome) -> None:
        ended.append(outcome)
        run.ready.wake()  # the process would have ended

    text = "def main(): pass\ndef onexit():\n    while not over():\n        time.sleep(0.01)\n"
    run = Run(tmp_path, text, exit=end, onexit_limit_s=0.05)
    run.api["over"] = lambda: bool(ended)
    run.run()
    assert [(one.code, one.reason) for one in ended] == [(1, "ended; onexit was ended by force")]


SWALLOWS = "def main():\n    ready()\n    while not done:\n        try:\n            while not done:\n                try:\n                    Sleep(5)\n                except:\n                    pass\n        except:\n            pass\ndone = []\n"


@pytest.mark.parametrize("body", ["    while True: pass\n", "    while True:\n        time.sleep(0.01)\n"])
def test_a_strategy_that_makes_no_calls_is_interrupted_in_any_thread(body: str, tmp_path: Path) -> None:
    run = Run(tmp_path, f"def main():\n    ready()\n{body}{ONEXIT}", patience=(0.01, 0.02, 60.0))
    found: list[RunOutcome] = []
    thread = threading.Thread(target=lambda: found.append(run.run()))
    thread.start()
    run.ready.sleep()
    run.runtime.stop.request("asked")
    thread.join(60)
    assert [(one.code, one.reason) for one in found] == [(0, "asked")]
    assert run.said == ["onexit"]


def test_a_strategy_that_swallows_everything_is_given_up_after_onexit_in_another_thread(tmp_path: Path) -> None:
    ended: list[RunOutcome] = []
    over = Waker()

    def end(outcome: RunOutcome) -> None:
        ended.append(outcome)
        over.wake()

    text = SWALLOWS + "import threading\ndef onexit():\n    Sleep(1)\n    say(threading.current_thread().name)\n"
    run = Run(tmp_path, text, exit=end, patience=(0.01, 60.0, 0.3))
    thread = threading.Thread(target=run.run)
    thread.start()
    run.ready.sleep()
    run.runtime.stop.request("asked")
    assert over.sleep(60)
    assert [(one.code, one.reason) for one in ended] == [(1, "asked; the strategy was ended by force")]
    assert run.said == ["fmzthreads-enforcer"]
    assert "ended by force" in run.runtime.journal.lines("error")[0].text
    done = run.session._program
    assert done is not None
    done.namespace["done"].append(1)  # the process would have ended
    thread.join(60)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_in_the_main_thread_a_sleep_of_python_s_own_is_interrupted(tmp_path: Path) -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("runs in the main thread")
    former = signal.getsignal(signal.SIGURG)
    run = Run(tmp_path, f"def main():\n    stop('asked')\n    time.sleep(600)\n{ONEXIT}", patience=(0.01, 60.0, 120.0))
    began = time.monotonic()
    outcome = run.run()
    assert (outcome.code, outcome.reason, run.said) == (0, "asked", ["onexit"])
    assert time.monotonic() - began < 60
    assert signal.getsignal(signal.SIGURG) is former


def test_a_call_of_ours_is_told_from_the_strategy_s_own_code() -> None:
    assert _in_a_call_of_ours(sys._getframe()) is False
    assert _C(lambda: _in_a_call_of_ours(sys._getframe())) is True


in_main_thread = pytest.mark.skipif(
    sys.platform == "win32" or threading.current_thread() is not threading.main_thread(),
    reason="needs POSIX signals in the main thread",
)


@in_main_thread
@pytest.mark.parametrize(
    ("end", "code", "said"),
    [("pass", 130, ["onexit"]), ("raise ValueError('mine')", 1, []), ("exit(3)", 3, ["onexit"])],
)
def test_a_signal_gives_its_code_to_a_run_that_ends_by_it_only(
    end: str, code: int, said: list[str], tmp_path: Path
) -> None:
    text = (
        "import os, signal\ndef main():\n    os.kill(os.getpid(), signal.SIGTERM)\n    try:\n        Sleep(600000)\n"
        f"    except StopError:\n        {end}\n{ONEXIT}"
    )
    former = signal.getsignal(signal.SIGTERM)
    run = Run(tmp_path, text)
    assert run.run(signals=True).code == code
    assert run.said == said
    assert signal.getsignal(signal.SIGTERM) is former


@in_main_thread
def test_the_end_of_the_terminal_stops_a_run_unless_it_is_ignored() -> None:
    former = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
        assert set(_signals()) == {signal.SIGINT, signal.SIGTERM}
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert set(_signals()) == {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    finally:
        signal.signal(signal.SIGHUP, former)
