"""What an enforced stop leaves behind in the interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
