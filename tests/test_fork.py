"""The registry of what a forked child starts anew."""

import gc
import os
import sys
from typing import Any

import pytest

from fmzthreads import fork
from tests.helpers.forked import in_fork, needs_fork


class _Counter:
    def __init__(self) -> None:
        self.resets = 0
        fork.after_fork_in_child(self.reset)

    def reset(self) -> None:
        self.resets += 1


class _Broken(_Counter):
    def reset(self) -> None:
        raise ValueError("broken")


@needs_fork
def test_each_living_object_is_reset_once_in_the_child_and_never_in_the_parent() -> None:
    first, second = _Counter(), _Counter()
    assert in_fork(lambda: [first.resets, second.resets]) == [1, 1]
    assert (first.resets, second.resets) == (0, 0)
    assert in_fork(lambda: in_fork(lambda: first.resets)) == 2  # a child of the child


@needs_fork
def test_an_object_is_not_kept_alive() -> None:
    before = len(fork._hooks)
    one = _Counter()
    assert len(fork._hooks) == before + 1
    del one
    gc.collect()
    assert len(fork._hooks) <= before


@needs_fork
def test_one_error_is_reported_and_does_not_keep_the_others_from_starting_anew() -> None:
    first, broken, last = _Counter(), _Broken(), _Counter()
    seen: list[Any] = []
    hook, sys.unraisablehook = sys.unraisablehook, seen.append
    try:
        told = in_fork(lambda: [first.resets, last.resets, [str(one.exc_value) for one in seen]])
    finally:
        sys.unraisablehook = hook
    assert told == [1, 1, ["broken"]]
    assert broken.resets == 0


def test_only_bound_methods_are_taken() -> None:
    with pytest.raises(TypeError, match="bound methods"):
        fork.after_fork_in_child(os.getpid)
