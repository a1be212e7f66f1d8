"""FMZ's number helpers against the vectors of its public Python engine."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from numbers import Integral
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads import (
    _D,
    _G,
    _N,
    EventLoop,
    Handle,
    LogProfit,
    LogProfitReset,
    LogReset,
    SharedContext,
    Sleep,
    Task,
    TaskQueue,
    _CDelay,
    _Cross,
)
from fmzthreads.clock import ManualClock
from fmzthreads.errors import InputError
from fmzthreads.strategy.numbers import is_refused
from fmzthreads.tasks.binding import put

from ..helpers.strategy import quiet_runtime


@pytest.mark.parametrize(
    ("num", "precision", "expected"),
    [
        (0.29, 2, 0.29),  # a float just below 0.29: without the addition it would become 0.28
        (1.15, 2, 1.15),
        (1.239, 2, 1.23),
        (-1.239, 2, -1.23),
        (-1.15, 2, -1.14),  # the addition's price
        (123.7, 0, 123.0),
        (3.1415926, 4, 3.1415),
        (1300, -3, 1000),
        (-1300, -3, -2000),
        (1359.9, -2, 1300.0),
        (0, 4, 0.0),
        (Decimal("1.23456"), 2, 1.23),
        (1.5, 2.0, 1.5),
        (1e300, 4, 1e300),
    ],
)
def test_n_vectors(num: float, precision: int, expected: float) -> None:
    assert _N(num, precision) == expected


def test_n_types_and_default() -> None:
    assert _N(1.234567) == 1.2345
    assert isinstance(_N(123, 0), float)
    assert isinstance(_N(1300, -3), int)
    assert isinstance(_N(1300.0, -3), float)


@pytest.mark.parametrize("num", [None, "1.5", math.nan, math.inf, [1], b"1"])
def test_n_refuses_what_is_no_number(num: object) -> None:
    with pytest.raises(InputError, match="_N"):
        _N(num)  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", [1.5, "2", None, math.nan, 400])
def test_n_refuses_a_precision_that_makes_no_sense(precision: object) -> None:
    with pytest.raises(InputError, match="_N"):
        _N(1.5, precision)  # type: ignore[arg-type]


@given(st.decimals(min_value=0, max_value=100_000, places=4), st.integers(0, 4))
def test_n_keeps_what_a_decimal_cut_keeps(exact: Decimal, places: int) -> None:
    step = Decimal(1).scaleb(-places)
    assert _N(float(exact), places) == float((exact // step) * step)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 2, 3, 4, 5, 6, 8, 8, 9], [2, 3, 4, 5, 6, 7, 7, 7, 7], 3),
        ([2, 3, 4, 5, 6, 7, 7, 7, 7], [1, 2, 3, 4, 5, 6, 8, 8, 9], -3),
        ([1, 2, 3], [3, 2, 1], 1),
        ([5, 6], [1, 2], 2),  # always above: no crossing is looked for
        ([1, 2], [1, 2], 0),
        ([1, 5, 5], [1, 2, 3], 2),
        ([5, None, 5], [1, 1, 1], 1),
        ([5, 5, 5], [1, 1, None], 0),
        ([5.0, 5.0, math.nan], [1, 1, 1], 0),
        ([5.0, math.nan, 5.0], [1, 1, 1], 1),
        ([], [], 0),
    ],
)
def test_cross_vectors(first: list[float], second: list[float], expected: int) -> None:
    result = _Cross(first, second)
    assert result == expected
    assert type(result) is int


def test_cross_refuses_two_lengths() -> None:
    with pytest.raises(InputError, match="2 and 3"):
        _Cross([1, 2], [1, 2, 3])


@pytest.mark.parametrize("value", [None, False, 0, 0.0, -0.0, Decimal(0)])
def test_c_refuses(value: object) -> None:
    assert is_refused(value)


@pytest.mark.parametrize("value", ["", [], {}, (), True, 1, -1, 1e-9, math.nan, "0", object(), [0]])
def test_c_accepts(value: object) -> None:
    assert not is_refused(value)


def test_helpers_take_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    assert _Cross(numpy.array([1.0, 3.0]), numpy.array([2.0, 2.0])) == 1
    assert _N(numpy.float64(1.23456), 2) == 1.23
    assert is_refused(numpy.float64(0))
    assert not is_refused(numpy.array([0.0, 0.0]))


NUMBERS = [Decimal(3), Fraction(6, 2), "int64", "uint8", "float32", "float64"]


@pytest.fixture(params=NUMBERS, ids=str)
def three(request: pytest.FixtureRequest) -> Any:
    if not isinstance(request.param, str):
        return request.param
    return getattr(pytest.importorskip("numpy"), request.param)(3)


def test_any_number_counts_wherever_a_number_is_taken(three: Any) -> None:
    with quiet_runtime() as runtime:
        began = runtime.clock.monotonic()
        Sleep(three)
        assert runtime.clock.monotonic() - began >= 0.0029
        assert _D(three) == _D(3)
        assert _N(1.23456, three) == 1.234
        assert _N(three, 1) == 3.0
        _CDelay(three)
        assert runtime.retry_pause_ms == 3
        LogProfit(three, "&")
        assert [point.value for point in runtime.journal.profits()] == [3.0]
        LogReset(three)
        LogProfitReset(three)
        assert Handle(lambda: 7, clock=runtime.clock).wait(-1) == (None, False)
        handle = Handle(lambda: 7, clock=runtime.clock)
        handle.run()
        assert handle.wait(three) == (7, True)
        assert Task(param="GetDepth", timeout_ms=three).timeout_ms == 3
        queue = TaskQueue([], [], max_pending=three, gate_timeout_ms=three)
        assert len(queue.run(three)) == 0
        assert SharedContext().wait_for_change("x", 0, -1) is None
        _G("level", {"last": three, "all": [three]})
        assert _G("level") == {"last": 3, "all": [3]}
        assert isinstance(_G("level")["last"], int) == isinstance(three, Integral)


def test_flags_and_shortest_digits_of_numpy_are_kept() -> None:
    numpy = pytest.importorskip("numpy")
    with quiet_runtime():
        _G("x", [numpy.bool_(True), numpy.float32(1.1), Decimal("0.1"), Fraction(1, 4)])
        assert _G("x") == [True, 1.1, 0.1, 0.25]
        _G(numpy.int64(5), 1)
        assert _G("5") == 1
        with pytest.raises(InputError, match="cannot be kept as JSON"):
            _G("x", numpy.float32("nan"))
        with pytest.raises(InputError, match="cannot be kept as JSON"):
            _G("x", numpy.array([1.0, 2.0]))


def test_indexes_of_numpy_are_places() -> None:
    numpy = pytest.importorskip("numpy")
    target: list[Any] = [0, 0]
    put(target, numpy.int64(1), "x")
    assert target == [0, "x"]
    task = Task(exchange=numpy.int64(0), ret=numpy.int64(1), param="GetDepth")
    assert (task.exchange, task.ret) == (0, 1)
    assert type(task.exchange) is int


@pytest.mark.parametrize("text", ["3", b"3", True, None, math.nan])
def test_text_is_no_number_anywhere(text: Any) -> None:
    with quiet_runtime(ManualClock()) as runtime:
        for call in (Sleep, LogProfit, LogReset, LogProfitReset, _CDelay, _N):
            with pytest.raises(InputError):
                call(text)
        if text is not None:
            with pytest.raises(InputError):
                _D(text)
            with pytest.raises(InputError):
                EventLoop(text)
            with pytest.raises(InputError):
                Handle(lambda: 7, clock=runtime.clock).wait(text)
            with pytest.raises(InputError):
                Task(param="GetDepth", timeout_ms=text)
            with pytest.raises(InputError):
                TaskQueue([], [], max_pending=text)
