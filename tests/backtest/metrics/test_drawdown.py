from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads.backtest.metrics.curves import Curve
from fmzthreads.backtest.metrics.drawdown import drawdown_figures, drawdowns, under_water
from fmzthreads.backtest.metrics.figure import Undefined


def curve(*values: float) -> Curve:
    return Curve(list(range(0, 10 * len(values), 10)), list(values))


def test_the_deepest_share_and_the_highest_amount_may_be_two_drawdowns() -> None:
    found = drawdowns(curve(100, 80, 100, 1000, 900, 1000))
    assert found.share == pytest.approx(0.2)
    assert (found.start_ms, found.bottom_ms, found.recovery_ms) == (0, 10, 20)
    assert found.amount == 100


def test_its_length_counts_to_the_recovery() -> None:
    found = drawdowns(curve(100, 90, 95, 100, 110, 100, 111))
    assert found.longest_ms == 30
    assert (found.now_share, found.now_ms) == (0, 0)


def test_what_is_still_under_water_counts_to_the_end() -> None:
    found = drawdowns(curve(100, 110, 99, 100, 88))
    assert found.now_share == pytest.approx(0.2)
    assert found.now_ms == found.longest_ms == 30
    assert found.recovery_ms is None


def test_a_recovery_from_an_earlier_drawdown_does_not_count_for_a_deeper_one() -> None:
    found = drawdowns(curve(100, 90, 100, 50, 99))
    assert (found.start_ms, found.bottom_ms, found.recovery_ms) == (20, 30, None)


def test_it_begins_at_the_last_time_at_the_peak() -> None:
    assert drawdowns(curve(100, 100, 90)).start_ms == 10


def test_the_ulcer_index_weighs_by_time() -> None:
    found = drawdowns(Curve([0, 10, 40, 50], [100.0, 80.0, 100.0, 100.0]))
    assert found.ulcer == pytest.approx(math.sqrt(0.2**2 * 30 / 50))


def test_it_may_be_deeper_than_everything() -> None:
    assert drawdowns(curve(100, -50)).share == pytest.approx(1.5)


def test_figures_without_a_drawdown_and_without_a_curve_have_reasons() -> None:
    figures = drawdown_figures(curve(1, 2, 3))
    assert figures["max_drawdown"]["value"] == 0
    assert (
        figures["max_drawdown_start"]["reason"] == figures["max_drawdown_recovery"]["reason"] == "there was no drawdown"
    )
    assert drawdown_figures(curve(2, 1))["max_drawdown_recovery"]["reason"] == "still under water at the end"
    assert {one["reason"] for one in drawdown_figures(Undefined("none")).values()} == {"none"}


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=40))
def test_against_a_slow_search(values: list[float]) -> None:
    found = drawdowns(curve(*values))
    pairs = [(high, low) for place, high in enumerate(values) for low in values[place:]]
    assert found.share == pytest.approx(max(max(0.0, (high - low) / high) for high, low in pairs))
    assert found.amount == pytest.approx(max(max(0.0, high - low) for high, low in pairs))
    assert min(under_water(curve(*values))) == pytest.approx(-found.share)
    lengths = [0]
    for place, high in enumerate(values):
        if high == max(values[: place + 1]):
            below = next((n for n in range(place + 1, len(values)) if values[n] >= high), None)
            end = len(values) - 1 if below is None else below
            if place + 1 < len(values) and values[place + 1] < high:
                lengths.append((end - place) * 10)
    assert found.longest_ms == max(lengths)


def test_against_empyrical() -> None:
    empyrical = pytest.importorskip("empyrical")
    numpy = pytest.importorskip("numpy")
    values = [100.0, 103.0, 90.0, 95.0, 120.0, 80.0, 121.0]
    returns = numpy.array([later / earlier - 1 for earlier, later in pairwise(values)])
    assert drawdowns(curve(*values)).share == pytest.approx(-empyrical.max_drawdown(returns))
