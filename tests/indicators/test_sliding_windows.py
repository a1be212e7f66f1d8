"""Windows that slide: the numbers of a whole computation to the last bit, though most are taken from other windows."""

import random
import struct
from typing import Any

import pytest

from fmzthreads.indicators import recurrences, sliding_windows
from fmzthreads.indicators.growing import GrowingSeries
from fmzthreads.indicators.ta import Indicators
from tests.indicators.test_known_window import CALLS, Market, _counting, plain

MEANS = sliding_windows.Indicator("MA", ("Close",), recurrences.ma)


def bits(result: Any) -> Any:
    """A result with each float as its bytes, so that 0.0 and -0.0 differ."""
    if isinstance(result, list):
        return [bits(value) for value in result]
    return struct.pack("<d", result) if isinstance(result, float) else result


@pytest.fixture
def near_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks and tidying so near that short windows meet many."""
    monkeypatch.setattr(sliding_windows, "MARK", 4)
    monkeypatch.setattr(sliding_windows, "_SHORT", 8)
    monkeypatch.setattr(sliding_windows, "_TIDIED_AFTER", 20)
    monkeypatch.setattr(sliding_windows, "_PATHS", 5)


@pytest.mark.usefixtures("near_marks")
@pytest.mark.parametrize("seed", range(14))
def test_any_windows_of_a_sliding_list(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(sliding_windows, "_HOPELESS", rng.choice([-16, -(10**9)]))
    period_ms = rng.choice([60_000, 60_000, 60_000, 180_000])
    market = Market(rng, 220 * period_ms // 60_000, period_ms)
    ta, cap, held = Indicators(), rng.choice([40, 60, 90]), []
    calls = rng.sample(CALLS, 5)
    for _ in range(200):
        window = market.window(rng.choice([30, 60, 60, 60, 150]) * period_ms / 60_000, cap)
        held = [*held[-5:], window]
        if rng.random() < 0.02:
            window[rng.randrange(len(window))].Close = 50.0
        if rng.random() < 0.05:
            cap = max(30, cap + rng.choice([-5, 5]))
        if rng.random() < 0.1:
            window = rng.choice(held)
        for name, args in calls if rng.random() < 0.8 else rng.sample(CALLS, 2):
            assert bits(getattr(ta, name)(window, *args)) == bits(plain(name, window, args)), (name, args)


def test_a_window_that_has_slid_costs_a_few_steps() -> None:
    market, series = Market(random.Random(2), 700), GrowingSeries()
    for _ in range(400):
        series.lines(MEANS, (5,), market.window(60, 300), numbers=False)
    (history,) = series.windows._sliding.values()
    steps: list[int] = []
    (paths,) = history._paths.values()
    advance = paths._indicator.advance

    def counted(params: Any, columns: Any, begin: int, end: int, state: Any, outs: Any) -> Any:
        steps.append(end - begin)
        return advance(params, columns, begin, end, state, outs)

    paths._indicator = sliding_windows.Indicator("MA", ("Close",), counted)
    for _ in range(200):
        window = market.window(60, 300)
        assert series.lines(MEANS, (5,), window, numbers=False) == [plain("MA", window, (5,))]
    assert sum(steps) < 200 * 100  # of 300 bars each, if they were computed as a whole


def test_paths_that_do_not_meet_are_given_up() -> None:
    seen: list[tuple[int, int]] = []

    def advance(params: Any, columns: Any, begin: int, end: int, state: Any, outs: Any) -> Any:
        seen.append((begin, end))
        start = columns[0][0] if state is None else state
        outs[0].extend([start] * (end - begin))
        return start

    series, market = GrowingSeries(), Market(random.Random(3), 400)
    indicator = sliding_windows.Indicator("X", ("Time",), advance)
    for _ in range(200):
        window = market.window(60, 100)
        (line,) = series.lines(indicator, (), window, numbers=False)
        assert line == [window[0].Time] * len(window)
    (history,) = series.windows._sliding.values()
    (paths,) = history._paths.values()
    assert paths._luck <= sliding_windows._HOPELESS
    assert seen[-2:] == [(0, 99), (99, 100)]


def test_little_is_remembered() -> None:
    market, series = Market(random.Random(3), 3000), GrowingSeries()
    indicator = _counting([])
    for _ in range(2900):
        series.lines(MEANS, (5,), market.window(60, 200), numbers=False)
    (history,) = series.windows._sliding.values()
    (paths,) = history._paths.values()
    assert len(paths._paths) <= sliding_windows._PATHS
    assert len(paths._marks) < 60
    ((values, _),) = history._columns._lists.values()
    assert len(values) < 1400
    for params in range(400):
        series.lines(indicator, (params,), market.window(1, 200 - params % 50), numbers=False)
    assert len(series.windows._known) <= 256
