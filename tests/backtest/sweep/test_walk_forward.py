"""Walk-forward: spans, choices on what was seen only, and figures that are right for losers too."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.backtest.sweep.job import Job, Score
from fmzthreads.backtest.sweep.objective import Objective
from fmzthreads.backtest.sweep.pool import Workers
from fmzthreads.backtest.sweep.space import Axis, Grid
from fmzthreads.backtest.sweep.walk_forward import Span, parse_walk_forward, run_walk_forward, spans_of
from fmzthreads.errors import InputError

DAY = 86_400_000
THREADS = Workers(lambda: ThreadPoolExecutor(2), 2)


def test_lengths_are_read() -> None:
    assert parse_walk_forward("train=90d,test=30d") == (90 * DAY, 30 * DAY)
    assert parse_walk_forward("train=90d, test=30m") == (90 * DAY, 1_800_000)
    assert parse_walk_forward(" test=12h,train=2w ") == (14 * DAY, DAY // 2)
    for text in (
        "",
        "train=90d",
        "train=90d,test=30",
        "train=90d,test=0d",
        "train=1d,test=1d,x=2",
        "train=1d,train=2d",
        "xtrain=1d,test=2d",
        "train=1d,test=2dd",
    ):
        with pytest.raises(InputError, match="--walk-forward"):
            parse_walk_forward(text)


@given(st.integers(2, 400), st.integers(1, 100), st.integers(1, 60))
def test_tests_follow_each_other_and_cover_all_that_was_not_trained_on(days: int, train: int, test: int) -> None:
    if train >= days:
        with pytest.raises(InputError, match="leaves nothing"):
            spans_of(0, days, train, test)
        return
    spans = spans_of(0, days, train, test)
    assert [span.test_ms for span in spans] == [train + test * n for n in range(len(spans))]
    assert all(span.test_ms - span.train_ms == train for span in spans)
    assert [span.end_ms for span in spans[:-1]] == [span.test_ms for span in spans[1:]]
    assert spans[-1].end_ms == days


def test_the_workers_are_opened_once_for_all_steps() -> None:
    opened: list[ThreadPoolExecutor] = []

    def open_one() -> ThreadPoolExecutor:
        opened.append(ThreadPoolExecutor(2))
        return opened[-1]

    world = _world({(0, 10): {1: 0.5}, (10, 20): {1: 0.1}, (10, 30): {1: 0.2}})
    run_walk_forward(
        Grid((Axis("x", (1,)),)), [Span(0, 10, 20)], Objective("total_return"), world, Workers(open_one, 2)
    )
    assert len(opened) == 1
    with pytest.raises(RuntimeError, match="after shutdown"):
        opened[0].submit(int)


def _world(returns: dict[tuple[int, int], dict[int, float | None]]):  # type: ignore[no-untyped-def]
    def evaluate(job: Job) -> Score:
        assert job.start_ms is not None
        assert job.end_ms is not None
        value = returns[job.start_ms, job.end_ms][job.args["x"]]
        if value is None:
            return Score(job, error="no")
        return Score(job, {"total_return": value})

    return evaluate


def test_the_choice_sees_the_training_span_only() -> None:
    spans = [Span(0, 10, 15), Span(5, 15, 20)]
    world = _world(
        {(0, 10): {1: 0.5, 2: 0.1}, (10, 15): {1: -0.1, 2: 9.0}, (5, 15): {1: 0.0, 2: 0.1}, (15, 20): {1: 9.0, 2: 0.2}}
    )
    result = run_walk_forward(Grid((Axis("x", (1, 2)),)), spans, Objective("total_return"), world, THREADS)
    assert [step.chosen.job.args["x"] for step in result.steps if step.chosen] == [1, 2]
    assert result.total_return == pytest.approx(0.9 * 1.2 - 1)
    assert result.winning == 0.5
    assert result.efficiency == pytest.approx((0.1 / 10) / (0.6 / 20))


def test_only_the_combinations_that_were_drawn_are_compared() -> None:
    spans = [Span(0, 10, 15), Span(5, 15, 20)]
    ran: list[tuple[int, int | None]] = []

    def evaluate(job: Job) -> Score:
        ran.append((job.args["x"], job.start_ms))
        return Score(job, {"total_return": job.args["x"] / 10})

    grid = Grid((Axis("x", (1, 2, 3, 4)),))
    one = Workers(lambda: ThreadPoolExecutor(1), 1)
    result = run_walk_forward(grid, spans, Objective("total_return"), evaluate, one, numbers=[2, 0])
    assert ran == [(3, 0), (1, 0), (3, 5), (1, 5), (3, 10), (3, 15)]
    assert [step.chosen.job.args["x"] for step in result.steps if step.chosen] == [3, 3]
    assert result.efficiency == pytest.approx(2)


def test_losses_in_and_out_of_sample_are_no_success() -> None:
    world = _world({(0, 10): {1: -0.5}, (10, 20): {1: -0.6}})
    result = run_walk_forward(Grid((Axis("x", (1,)),)), [Span(0, 10, 20)], Objective("total_return"), world, THREADS)
    assert result.efficiency is None
    assert result.efficiency_reason == "the return in sample is not positive"
    assert result.total_return == pytest.approx(-0.6)
    assert result.winning == 0


def test_steps_without_a_choice_or_with_a_failed_run_are_told() -> None:
    spans = [Span(0, 10, 15), Span(5, 15, 20)]
    world = _world({(0, 10): {1: None}, (5, 15): {1: 0.2}, (15, 20): {1: None}})
    grid = Grid((Axis("x", (1,)),))
    result = run_walk_forward(grid, spans, Objective("total_return"), world, THREADS)
    assert result.steps[0].chosen is None
    assert result.steps[0].tried is None
    assert result.steps[1].tried is not None
    assert result.total_return == 0
    assert (result.winning, result.efficiency) == (0, None)
    nothing = run_walk_forward(grid, spans[:1], Objective("total_return"), world, THREADS)
    assert (nothing.total_return, nothing.winning) == (None, None)
    assert nothing.efficiency_reason == "no parameters could be chosen"


def test_a_return_of_nothing_is_neither_a_win_nor_a_base_for_an_efficiency() -> None:
    world = _world({(0, 10): {1: 0.0}, (10, 20): {1: 0.0}})
    result = run_walk_forward(Grid((Axis("x", (1,)),)), [Span(0, 10, 20)], Objective("total_return"), world, THREADS)
    assert (result.winning, result.total_return) == (0, 0)
    assert (result.efficiency, result.efficiency_reason) == (None, "the return in sample is not positive")
