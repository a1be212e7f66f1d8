"""Runs a function in a forked child and returns what it returned."""

from __future__ import annotations

import faulthandler
import json
import os
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import pytest

__all__ = ["in_fork", "needs_fork"]

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

_LONGEST_S = 60.0


def in_fork(run: Callable[[], Any], timeout_s: float = _LONGEST_S) -> Any:
    """Forks, calls ``run`` in the child, and returns its result, which JSON must be able to carry.

    Args:
        run: Called in the child.
        timeout_s: After this the child is killed and the test fails.

    Raises:
        AssertionError: The child raised, hung, or died.
    """
    ours, theirs = os.pipe()
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
        child = os.fork()
    if child == 0:
        faulthandler.register(signal.SIGUSR1)  # tells where a child hangs (its timer is not made for forks)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(timeout_s) + 30)  # should the parent die first
        _run_in_child(run, theirs)
    os.close(theirs)
    try:
        told = _read_all(ours, child, timeout_s)
    finally:
        os.close(ours)
        os.waitpid(child, 0)
    assert told, "the child died without a result"
    verdict, value = json.loads(told)
    assert verdict == "result", value
    return value


def _run_in_child(run: Callable[[], Any], pipe: int) -> None:
    try:
        try:
            told = json.dumps(["result", run()])
        except BaseException:  # handed to the parent, which raises it
            told = json.dumps(["error", traceback.format_exc()])
        os.write(pipe, told.encode())
    finally:
        os._exit(0)


def _read_all(pipe: int, child: int, timeout_s: float) -> bytes:
    parts = []
    while True:
        if not select.select([pipe], [], [], timeout_s)[0]:
            os.kill(child, signal.SIGUSR1)
            time.sleep(0.5)  # for the traceback; this test has failed already
            os.kill(child, signal.SIGKILL)
            raise AssertionError(f"the child gave no result within {timeout_s:g} s")
        piece = os.read(pipe, 65536)
        if not piece:
            return b"".join(parts)
        parts.append(piece)
