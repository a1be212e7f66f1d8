"""Runs a call that must end by itself."""

from __future__ import annotations

import faulthandler
import signal
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LONGEST_CPU_S = 30.0


def at_once(call: Callable[[], T], what: str) -> T:
    """Runs a call that must not compute for long; the process ends with a traceback of all threads if it does.

    A loop inside the interpreter (a power with a huge exponent) cannot be interrupted by another thread, so that nothing gentler works.
    What counts is processor time, since a busy machine makes any call late; one that waits is ended by the time limit of the test.

    Args:
        call: The call.
        what: What it is; written before, so that the traceback's reader knows.
    """
    faulthandler.register(
        signal.SIGPROF, all_threads=True, chain=True
    )  # then ended by the signal, as without a handler
    signal.setitimer(signal.ITIMER_PROF, LONGEST_CPU_S)
    try:
        return call()
    except Exception as error:
        error.add_note(what)
        raise
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.unregister(signal.SIGPROF)
