"""The fast path of ``MA`` over growing records: the numbers of a whole computation, and lists of the caller's own."""

import random
from typing import Any

import pytest

from fmzthreads.errors import InputError
from fmzthreads.indicators import growing_means
from fmzthreads.indicators.lines import IndicatorLine
from fmzthreads.indicators.ta import Indicators
from fmzthreads.structures.growing import GrowingRecords
from tests.indicators.test_known_window import Market, plain


@pytest.fixture(autouse=True)
def few_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches of a few bars, so that their borders are met."""
    monkeypatch.setattr(growing_means, "_AHEAD", 5)


@pytest.mark.parametrize("seed", range(10))
def test_any_windows_and_results(seed: int) -> None:
    rng = random.Random(seed)
    markets = [
        Market(rng, 120, rng.choice([60_000, 60_000, 180_000]), tick_by_tick=rng.random() < 0.3) for _ in range(2)
    ]
    ta, windows, results = Indicators(), [], []
    cap = rng.choice([1000, 1000, 30])
    for _ in range(110):
        market = markets[rng.random() < 0.2]
        window = market.window(rng.choice([0, 20, 61, 61, 130]), cap)
        windows.append(window)
        if rng.random() < 0.04 and len(window) > 3:
            window[rng.choice([-1, -2, 0])].Close = float(rng.randrange(50, 150))
        if rng.random() < 0.1:
            window = rng.choice(windows)
        for period in rng.sample([1, 3, 8], 2):
            name = rng.choice(["MA", "SMA"])
            line = getattr(ta, name)(window, period)
            assert line == plain(name, window, (period,))
            if rng.random() < 0.1:
                rng.choice([lambda line: line.append(1.0), list.clear, lambda line: list.pop(line) if line else 0])(
                    line
                )
            elif rng.random() < 0.3:
                results.append((line, list(line)))
            if rng.random() < 0.3:
                results = results[-3:]
    assert all(line == values for line, values in results)


def test_a_list_that_was_dropped_is_given_out_again() -> None:
    market, ta = Market(random.Random(1), 100), Indicators()
    ta.MA(market.window(1200), 3)
    places = set()
    for _ in range(40):
        line = ta.MA(market.window(60), 3)
        places.add(id(line))
    assert len(places) == 2


def test_two_lists_take_turns_also_after_a_bar_that_was_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    market, ta = Market(random.Random(1), 100), Indicators()
    for _ in range(5):
        line = ta.MA(market.window(60), 3)
    made = []
    monkeypatch.setattr(growing_means, "IndicatorLine", lambda *args: made.append(args) or IndicatorLine(*args))
    for place in range(40):
        window = market.window(120 if place % 7 == 3 else 60)
        line = ta.MA(window, 3)  # the one before is held until here
        assert line == ta.SMA(window, 3) == plain("MA", window, (3,))
    assert all(args[1] is not ta._means._last[3].steps[4] for args in made)


def test_means_ahead_are_not_shown_and_not_computed_where_bars_may_change() -> None:
    market, ta = Market(random.Random(1), 100, 180_000, tick_by_tick=True), Indicators()
    for _ in range(30):
        window = market.window(60)
        assert len(ta.MA(window, 2)) == len(window)
    (known,) = ta._means._last.values()
    assert len(known.steps[4]) <= market.bars.get(1000).closed


@pytest.mark.parametrize("period", [True, 0, -1, 2.5, "3", None])
def test_a_bad_period_is_refused_whatever_is_known(period: Any) -> None:
    market, ta = Market(random.Random(1), 100), Indicators()
    for _ in range(3):
        window = market.window(600)
        ta.MA(window, 1)
    assert type(window) is GrowingRecords
    with pytest.raises(InputError, match=r"TA\.MA: period"):
        ta.MA(window, period)


def test_each_name_and_period_is_reported() -> None:
    seen: set[tuple[str, str]] = set()
    market, ta = Market(random.Random(1), 100), Indicators(lambda name, params: seen.add((name, params)))
    for _ in range(5):
        window = market.window(300)
        ta.MA(window, 3), ta.SMA(window, 3), ta.MA(window, 4)
    assert seen == {("MA", "3"), ("SMA", "3"), ("MA", "4")}
