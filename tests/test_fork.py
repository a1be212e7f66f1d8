"""The registry of what a forked child starts anew."""

import ast
import gc
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import fmzthreads
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


# Classes with a lock and without a method for forks, and why they need none.
NEED_NONE = {
    "Waker": "made for one wait of one thread",
    "Signal": "its owner makes another one, or only its own thread waits for it",
    "TlsStream": "a stream's connection ends in the child, which writes nothing to it",
    "FrameWriter": "as TlsStream",
    "WebSocketLink": "as TlsStream",
    "StreamReader": "ended in the child through the set of living readers",
    "MessagePace": "as TlsStream: a connection that has ended is not written to",
    "MessageBuffer": "ended by its reader",
    "ReadyCallbacks": "made anew by its buffer or book",
    "Gate": "made for the calls of one run, whose threads are the parent's",
    "Turn": "one run, whose thread is the parent's",
    "Handle": "ended by its pool",
    "PluginServer": "serves in threads of the parent",
    "RunLog": "one backtest, whose thread is the parent's",
    "ScriptThreads": "the threads of one JavaScript strategy, which are the parent's",
    "SharedObject": "as ScriptThreads",
    "LocalServer": "serves in threads of the parent",
    "SpilledRows": "as RunLog",
    "AccountLines": "as TlsStream: its feed has ended in the child",
    "OwnerLock": "as RunLog",
    "_Exposure": "made anew by PositionLimit",
}


def test_every_class_with_a_lock_starts_anew_in_the_child_or_says_why_it_need_not() -> None:
    root = Path(fmzthreads.__file__).parent
    lacking = set()
    for path in root.rglob("*.py"):
        inside = path.relative_to(root).parts
        if "simulator" in inside:  # an exchange in its own process, which nobody forks
            continue
        if (
            "platform" in inside and path.name != "client.py"
        ):  # a server in its own process, which starts others by exec
            continue
        text = path.read_text("utf-8")
        if "threading" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                body = ast.unparse(node)
                makes_lock = any(f"threading.{kind}()" in body for kind in ("Lock", "RLock", "Condition"))
                if makes_lock and "after_fork_in_child(" not in body and "around_fork(" not in body:
                    lacking.add(node.name)
    assert lacking == set(NEED_NONE)
