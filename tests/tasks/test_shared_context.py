"""The shared context: copies of one moment, ages, versions, and waiting for a change."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.errors import InputError, MissingField, StopRequested
from fmzthreads.tasks.shared_context import SharedContext

from ..helpers.threads import PATIENCE_S, race


def test_it_is_a_dict_and_an_object() -> None:
    context = SharedContext({"a": 1}, clock=ManualClock())
    context["b"] = 2
    context.c = 3
    assert (context.a, context["b"], context["c"]) == (1, 2, 3)
    assert dict(context) == {"a": 1, "b": 2, "c": 3}
    assert context == {"a": 1, "b": 2, "c": 3}
    assert len(context) == 3
    assert "a" in context
    assert context.get("z") is None
    assert context.setdefault("a", 9) == 1
    assert context.pop("a") == 1
    assert context.pop("a", None) is None
    del context.b
    assert list(context) == ["c"]
    assert repr(context) == "SharedContext({'c': 3})"


def test_what_is_missing_is_named() -> None:
    context = SharedContext({"depth": 1})
    with pytest.raises(KeyError, match="did you mean 'depth'"):
        context["dpeth"]
    with pytest.raises(AttributeError, match="depht"):
        _ = context.depht
    with pytest.raises(MissingField):
        del context["x"]
    with pytest.raises(MissingField):
        context.pop("x")
    with pytest.raises(InputError, match="method of SharedContext"):
        context.age = 5
    with pytest.raises(InputError, match="child"):
        context["x"] = SharedContext()


def test_children_share_the_tree() -> None:
    context = SharedContext()
    child = context.child(0)
    assert context.child(0) is child is context[0]
    child["depth"] = "d"
    assert context.snapshot() == {0: {"depth": "d"}}
    assert context.snapshot((0, "depth"), (1, "depth"), 0) == {(0, "depth"): "d", (1, "depth"): None, 0: {"depth": "d"}}
    assert context.version((0, "depth")) == child.version("depth") == context.version(0) == context.version() > 0
    assert context.version((1, "depth")) == 0
    context[0] = "replaced"
    version = context.version(0)
    child["depth"] = "an orphan's"
    assert context.version(0) == version


def test_age_and_version() -> None:
    clock = ManualClock()
    context = SharedContext(clock=clock)
    assert context.age("x") == context.age((0, "x")) == float("inf")
    context["x"] = 1
    first = context.version("x")
    clock.advance(2.5)
    assert context.age("x") == 2.5
    context["x"] = 1
    assert context.age("x") == 0
    assert context.version("x") > first
    del context["x"]
    assert context.version("x") > first + 1


def test_a_deep_copy_is_nobodys_else() -> None:
    context = SharedContext({"x": [1]})
    shallow, deep = context.snapshot("x"), context.snapshot("x", deep=True)
    context["x"].append(2)
    assert shallow == {"x": [1, 2]}
    assert deep == {"x": [1]}


def test_waiting_for_a_change() -> None:
    clock = ManualClock()
    context = SharedContext(clock=clock)
    assert context.wait_for_change("x", timeout_ms=-1) is None
    context["x"] = 1
    version = context.version("x")
    assert context.wait_for_change("x", 0) == version
    assert context.wait_for_change(["y", "x"], 0) == version
    assert context.wait_for_change("x", version, -1) is None

    def turn() -> None:
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        context["other"] = 1
        clock.advance(1)

    assert race(lambda: context.wait_for_change("x", version, 1000), turn)[0] is None
    assert context._root.waiters == {}
    with pytest.raises(InputError, match="empty list"):
        context.wait_for_change([])
    clock.stop.request()
    with pytest.raises(StopRequested):
        context.wait_for_change("x", context.version("x"))


@pytest.mark.parametrize("key", ["x", ["y", "x"], (0, "x"), (0, 1, "x")], ids=str)
def test_no_change_is_missed(key: Any) -> None:
    path = key if isinstance(key, tuple) else ("x",)
    for _ in range(50):
        context = SharedContext()

        def write(context: SharedContext = context) -> None:
            for number in range(20):
                node = context
                for step in path[:-1]:
                    node = node.child(step)
                node[path[-1]] = number

        def follow(context: SharedContext = context) -> list[Any]:
            version, seen = 0, []
            while not seen or seen[-1] != 19:
                changed = context.wait_for_change(key, version, PATIENCE_S * 1000)
                assert changed is not None, "a change was missed"
                assert changed > version
                version = changed
                seen.append(context.snapshot(path if len(path) > 1 else path[0]).popitem()[1])
            return seen

        seen = race(write, follow)[1]
        numbers = [number for number in seen if number is not None]
        assert numbers == sorted(numbers)
        assert context._root.waiters == {}


def test_a_copy_is_of_one_moment() -> None:
    context = SharedContext({"a": 0, "b": 0})
    inner = context.child(0)
    ended = threading.Event()

    def write() -> None:
        for number in range(3000):
            context.update(a=number, b=number)
            inner.update(c=number, d=number)
        ended.set()

    def read() -> int:
        copies = 0
        while not ended.is_set() or not copies:
            copy = context.snapshot()
            assert copy["a"] == copy["b"]
            assert copy[0].get("c") == copy[0].get("d")
            assert copy[0].get("c", -1) in {copy["a"], copy["a"] - 1}
            copies += 1
        return copies

    assert race(write, read)[1] > 0
