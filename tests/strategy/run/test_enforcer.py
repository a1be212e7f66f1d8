"""What an enforced stop leaves behind in the interpreter."""

from __future__ import annotations

import inspect
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import fmzthreads
from fmzthreads.clock import Stop
from fmzthreads.errors import StopRequested
from fmzthreads.strategy.run.enforcer import Enforcer, _in_a_call_of_ours

PACKAGE = Path(fmzthreads.__file__).parent

by_signal = pytest.mark.skipif(
    not hasattr(signal, "SIGURG") or threading.current_thread() is not threading.main_thread(),
    reason="needs SIGURG and the main thread",
)

# CPython 3.11 hangs in traced code while it looks for an asynchronous exception that is not there.
_SCRIPT = """
import sys
import threading
import time

from fmzthreads.clock import Stop
from fmzthreads.strategy.run.enforcer import Enforcer

swallowed = []

def run(stopped):
    stop = Stop()
    enforcer = Enforcer(stop, lambda: swallowed.append("given up"), soft_s=0.001, hard_s=0.001, limit_s=90)
    try:
        with enforcer.watching():
            if stopped:
                stop.request("enough")
                while len(swallowed) < 3:
                    try:
                        time.sleep(0.0001)
                    except BaseException as error:
                        swallowed.append(type(error).__name__)
    except BaseException as error:  # it came between two rounds
        swallowed.append(type(error).__name__)

thread = threading.Thread(target=run, args=(sys.argv[1] == "stopped",))
thread.start()
thread.join()

def traced():
    return sum(number for number in range(1000))

sys.settrace(lambda *about: None)
print(traced(), *swallowed)
sys.settrace(None)
"""


@pytest.mark.parametrize("how", ["untouched", "stopped"])
def test_nothing_waits_in_the_interpreter_after_a_run_in_another_thread(how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, how], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stderr == ""
    total, *swallowed = done.stdout.split()
    assert total == "499500"
    assert set(swallowed) == ({"_StoppedAnywhere"} if how == "stopped" else set())


def frame_of(*files: Path | str) -> FrameType:
    """The frame of code in the last file, which code in the file before it has called, and so on."""
    names: dict[str, object] = {"sys": sys}
    exec(compile("def call0(): return sys._getframe()", str(files[-1]), "exec"), names)
    for depth, file in enumerate(reversed(files[:-1]), 1):
        exec(compile(f"def call{depth}(): return call{depth - 1}()", str(file), "exec"), names)
    frame: FrameType = names[f"call{len(files) - 1}"]()  # type: ignore[operator]
    return frame


RUN, LOADER = PACKAGE / "strategy" / "run" / "session.py", PACKAGE / "strategy" / "program" / "loader.py"


@pytest.mark.parametrize(
    ("files", "ours"),
    [
        ((RUN, LOADER, "/home/x/grid.py"), False),
        ((RUN, LOADER, "/home/x/grid.py", "/usr/lib/json/decoder.py"), False),
        ((RUN, LOADER, "/home/x/grid.py", PACKAGE / "exchange" / "exchange.py"), True),
        ((RUN, LOADER, "/home/x/grid.py", PACKAGE / "exchange" / "exchange.py", "/usr/lib/socket.py"), True),
        ((RUN, LOADER, PACKAGE / "examples" / "grid.py"), False),
        ((PACKAGE / "cli.py", RUN, LOADER, "/home/x/grid.py"), False),
    ],
)
def test_what_is_a_call_of_ours(files: tuple[Path | str, ...], ours: bool) -> None:
    assert _in_a_call_of_ours(frame_of(*files)) is ours


@by_signal
def test_the_handler_is_there_within_the_block_only() -> None:
    former = signal.getsignal(signal.SIGURG)
    stop = Stop()
    enforcer = Enforcer(stop, lambda: None)
    with enforcer.watching():
        assert signal.getsignal(signal.SIGURG) == enforcer._interrupt
        with pytest.raises(StopRequested):
            enforcer._interrupt(signal.SIGURG, frame_of("/home/x/grid.py"))
        enforcer._interrupt(signal.SIGURG, frame_of(PACKAGE / "exchange" / "exchange.py"))  # it ends by itself
        enforcer._hard = True
        with pytest.raises(StopRequested):
            enforcer._interrupt(signal.SIGURG, frame_of(PACKAGE / "exchange" / "exchange.py"))
    assert signal.getsignal(signal.SIGURG) == former
    enforcer._interrupt(signal.SIGURG, frame_of("/home/x/grid.py"))  # one that comes late does nothing


@by_signal
def test_an_interrupt_at_the_very_end_of_the_block_leaves_nothing_behind() -> None:
    former, tracer = signal.getsignal(signal.SIGURG), sys.gettrace()
    enforcer = Enforcer(Stop(), lambda: None)
    lines, first = inspect.getsourcelines(inspect.unwrap(Enforcer.watching))
    last = first + next(place for place, line in enumerate(lines) if "self._active = False" in line)

    def interrupting(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_name == "watching" and event == "line" and frame.f_lineno == last:
            enforcer._interrupt(signal.SIGURG, frame)
        return interrupting

    try:
        with pytest.raises(StopRequested), enforcer.watching():
            sys.settrace(interrupting)
    finally:
        sys.settrace(tracer)
    assert signal.getsignal(signal.SIGURG) == former
    enforcer._interrupt(signal.SIGURG, frame_of("/home/x/grid.py"))
    assert "fmzthreads-enforcer" not in [thread.name for thread in threading.enumerate()]


@by_signal
def test_a_strategy_that_swallows_every_stop_is_given_up() -> None:
    stop, given_up, seen = Stop(), threading.Event(), []
    enforcer = Enforcer(stop, given_up.set, soft_s=0.0, hard_s=0.001, limit_s=0.05)
    with suppress(StopRequested), enforcer.watching():
        stop.request("enough")
        end = time.monotonic() + 60
        while not given_up.is_set() and time.monotonic() < end:
            try:
                time.sleep(0.001)
            except StopRequested as error:
                seen.append(str(error))
    assert given_up.wait(60)
    assert set(seen) <= {"enough"}
