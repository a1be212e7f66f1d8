"""The fast path of ``MA`` over windows that slide: the numbers of a whole computation to the last bit."""

import random
from typing import Any

import pytest

from fmzthreads.indicators import sliding_means
from fmzthreads.indicators.sliding_means import SlidingMeans
from fmzthreads.indicators.ta import Indicators
from tests.indicators.test_known_window import Market, plain
from tests.indicators.test_sliding_windows import bits


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Borders so near that short windows meet many."""
    for name, value in {"_AHEAD": 7, "_CHUNK": 2, "_LONG": 6, "_PATHS": 3, "_TIDIED_AFTER": 20}.items():
        monkeypatch.setattr(sliding_means, name, value)


@pytest.mark.usefixtures("near")
@pytest.mark.parametrize("seed", range(10))
def test_any_windows_of_a_sliding_list(seed: int) -> None:
    rng = random.Random(seed)
    period_ms = rng.choice([60_000, 60_000, 180_000])
    market = Market(rng, 220 * period_ms // 60_000, period_ms)
    ta, cap, held, results = Indicators(), rng.choice([12, 40, 90]), [], []
    for _ in range(200):
        window = market.window(rng.choice([30, 60, 60, 60, 150, 900]) * period_ms / 60_000, cap)
        held = [*held[-5:], window]
        if rng.random() < 0.02:
            window[rng.randrange(len(window))].Close = rng.choice([50.0, 50])
        if rng.random() < 0.05:
            cap = max(8, cap + rng.choice([-5, 5]))
        if rng.random() < 0.1:
            window = rng.choice(held)
        for period in rng.sample([1, 3, 5, 11, 50], 3):
            name = rng.choice(["MA", "SMA"])
            line = getattr(ta, name)(window, period)
            assert bits(line) == bits(plain(name, window, (period,))), (name, period)
            if rng.random() < 0.1:
                rng.choice([list.clear, list.pop, lambda line: line.append(1.0), lambda line: line.reverse()])(line)
            elif rng.random() < 0.2:
                results = [*results[-5:], (line, bits(line))]
        assert all(bits(line) == values for line, values in results)  # what is held stays as it was


class Closes:
    """A history of closes alone."""

    def __init__(self, closes: list[Any]) -> None:
        self.closes = closes

    def values(self, field: str, begin: int, end: int) -> list[Any]:
        """Some of them."""
        return self.closes[begin:end]

    def final_until(self, number: int, most: int) -> int:
        """All are final."""
        return min(len(self.closes), most)


def test_sums_of_zero_have_the_sign_of_a_whole_computation() -> None:
    closes = [1.0, -1.0, 0.0, -0.0] * 30
    means = SlidingMeans(4, Closes(closes), 0)  # type: ignore[arg-type]
    for first in range(60):
        line = means.line(first, 50, 0.0)
        assert line is not None
        total = 0.0
        for close in closes[first : first + 4]:
            total += close
        expected = [total / 4]
        for new, old in zip([*closes[first + 4 : first + 50], 0.0], closes[first:], strict=False):
            total += new - old
            expected.append(total / 4)
        assert bits(line[3:]) == bits(expected)


def test_closes_that_are_not_floats_are_left_to_others() -> None:
    assert SlidingMeans(2, Closes([1.0, 2, 3.0]), 0).line(0, 3, 4.0) is None  # type: ignore[arg-type]
    means = SlidingMeans(2, Closes([1.0, 2.0, 3.0]), 1)  # type: ignore[arg-type]
    assert means.line(1, 2, 4) is None
    assert means.line(1, 1, 4.0) is None  # too short
    assert means.line(0, 3, 4.0) is None  # an older window
    assert means.line(1, 2, 4.0) == [None, 2.5, 3.5]


def test_few_computations_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    market, ta = Market(random.Random(3), 1500), Indicators()
    for _ in range(1400):
        ta.MA(market.window(60, 300), 20)
    (known,) = ta._means._last.values()
    sliding = known.sliding
    assert sliding is not None
    assert 0 < len(sliding._paths) <= sliding_means._PATHS
    chunks: list[int] = []
    go_on = SlidingMeans._go_on
    monkeypatch.setattr(SlidingMeans, "_go_on", lambda *args: chunks.append(args[3] - len(args[2])) or go_on(*args))
    for _ in range(80):
        window = market.window(60, 300)
        assert bits(ta.MA(window, 20)) == bits(plain("MA", window, (20,)))
    assert sum(chunks) < 80 * 150  # of 300 bars each, if they were computed as a whole


def test_a_window_may_be_followed_by_a_shorter_one_from_the_same_bar() -> None:
    closes = [float(number * number) for number in range(9)]
    means = SlidingMeans(2, Closes(closes), 1)  # type: ignore[arg-type]
    assert means.line(1, 6, 7.0) == [None, 2.5, 6.5, 12.5, 20.5, 30.5, 21.5]
    assert means.line(1, 4, 7.0) == [None, 2.5, 6.5, 12.5, 11.5]
    assert means.line(1, 5, 8.0) == [None, 2.5, 6.5, 12.5, 20.5, 16.5]


def test_a_dropped_list_is_moved_on(monkeypatch: pytest.MonkeyPatch) -> None:
    market, ta = Market(random.Random(3), 1500), Indicators()
    for _ in range(1200):
        ta.MA(market.window(60, 300), 20)
    calls: list[str] = []

    def counted(name: str) -> None:
        method = getattr(SlidingMeans, name)
        monkeypatch.setattr(SlidingMeans, name, lambda *args: calls.append(name) or method(*args))

    for name in ("_final", "_copies", "_moves"):
        counted(name)
    line = None
    for place in range(200):
        window = market.window(0.1 if place % 2 else 60, 300)  # a bar after the other, each of them looked at twice
        line = ta.MA(window, 20)  # the one before is held until here
        assert bits(line) == bits(plain("MA", window, (20,)))
    assert calls.count("_final") == 100
    assert calls.count("_copies") < 100  # of 200
    del line
    calls.clear()
    for place in range(40):
        window = market.window(0 if place else 60, 300)
        assert bits(ta.MA(window, 20)) == bits(plain("MA", window, (20,)))
    assert calls.count("_moves") <= 2  # of a bar that has not changed, only the last value is written
