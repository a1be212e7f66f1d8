"""``G``: a call's result into its place, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fmzthreads.errors import InputError
from fmzthreads.structures import Ticker
from fmzthreads.tasks.binding import G, container, put
from fmzthreads.tasks.pool import CallPool
from fmzthreads.tasks.shared_context import SharedContext

from ..helpers.tasks import Held
from ..helpers.threads import PATIENCE_S


@pytest.fixture
def pool() -> Iterator[CallPool]:
    made = CallPool("p", max_workers=2)
    yield made
    assert made.shutdown(PATIENCE_S)


def test_g_calls_a_function(pool: CallPool) -> None:
    seen: list[Any] = []
    context = object()
    assert G(pool.start(lambda: 3), context, lambda value, ctx: seen.append((value, ctx))).run()
    assert seen == [(3, context)]


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ({}, "depth"),
        ([0, 0], 1),
        ([], 2),
        (SimpleNamespace(), "depth"),
        (Ticker(), "Last"),
        (SharedContext(), "depth"),
        ({}, 5),
    ],
)
def test_g_assigns(pool: CallPool, target: Any, place: Any) -> None:
    assert G(pool.start(lambda: "v"), target, place).run(PATIENCE_S * 1000)
    assert (getattr(target, place) if isinstance(target, SimpleNamespace) else target[place]) == "v"


def test_g_assigns_nothing_on_a_time_out_and_may_be_repeated(pool: CallPool) -> None:
    call = Held("v")
    info: list[dict[str, Any]] = [{"depth": "old"}]
    g = G(pool.start(call), info[0], "depth")
    assert not g.run(1)
    assert not g.run(-1)
    assert info == [{"depth": "old"}]
    call.go.set()
    assert g.run(timeout_ms=PATIENCE_S * 1000)
    assert info == [{"depth": "v"}]
    assert not g.run(), "the result was taken"


def test_g_assigns_nothing_for_a_failure(pool: CallPool) -> None:
    info = {"depth": "old"}
    g = G(pool.start(lambda: 1 // 0), info, "depth")
    assert not g.run()
    assert info == {"depth": "old"}
    assert isinstance(g.handle.error, ZeroDivisionError)


@pytest.mark.parametrize(
    ("target", "place", "named"),
    [
        ([], "x", "'x'"),
        ([1], -2, "-2"),
        ([], 99_999, "too far"),
        (object(), "x", "'x'"),
        (SimpleNamespace(), 5, "5"),
        ([], True, "True"),
    ],
)
def test_unsuitable_places_are_refused(target: Any, place: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        put(target, place, "v")


def test_containers_are_made_when_absent() -> None:
    context: dict[Any, Any] = {1: None}
    assert container(context, 0) is context[0]
    assert container(context, 1) == {}
    thing = SimpleNamespace(a={"x": 1})
    assert container(thing, "a") == {"x": 1}
    assert container(thing, "b") is thing.b
    with pytest.raises(InputError, match="cannot store results for exchange 0"):
        container(thing, 0)
