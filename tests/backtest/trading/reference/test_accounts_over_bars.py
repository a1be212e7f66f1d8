"""The plain accounts against the engine's own feed: sleeps of any length over bars of all shapes, with holes, settled late."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backtest.trading.reference.feed_pair import FeedPair, Rows
from tests.backtest.trading.reference.pair import Kind
from tests.backtest.trading.reference.test_plain_account import NEAR, SIDES, SPOT_SIDES, VOLUMES, WIDE, steps_of

LENGTHS = st.one_of(st.integers(1, 200), st.integers(1, 90_000), st.integers(1, 40).map(lambda n: n * 60_000))
RATES = st.dictionaries(
    st.one_of(st.integers(1, 60).map(lambda n: n * 60_000), st.integers(1, 3_600_000)),
    st.sampled_from(["0.0003", "-0.0007", "0.05"]),
    max_size=5,
).map(lambda rows: dict(sorted(rows.items())))


@st.composite
def bars(draw: st.DrawFn, *, wide: bool, first: int = 0) -> Rows:
    """Up to 25 bars in tenths, each from where the one before ended, or with a jump."""
    most, price, place = (200 if wide else 12), 1000, first
    rows: Rows = []
    for _ in range(draw(st.integers(1, 25))):
        price = max(300, price + draw(st.sampled_from([0, 0, 0, -7, 7])))
        close = max(300, price + draw(st.integers(-most, most)))
        up, down = draw(st.sampled_from([0, 0, 3, 8])), draw(st.sampled_from([0, 0, 3, 8]))
        volume = draw(st.sampled_from([0.0, 1.0, 7.0, 8.4, 20.0]))
        rows.append(
            (price / 10, (max(price, close) + up) / 10, (min(price, close) - down) / 10, close / 10, volume, place)
        )
        price, place = close, place + draw(st.sampled_from([1, 1, 1, 1, 2, 5]))
    return rows


def over_bars(wide: bool, sides: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    prices = WIDE if wide else NEAR
    sleep = st.tuples(st.just("sleep"), LENGTHS)
    no_ticks = steps_of(prices, sides).map(lambda steps: [s for s in steps if s[0] not in {"tick", "mark", "edge"}])
    mixed = st.lists(sleep, min_size=2, max_size=12).flatmap(
        lambda sleeps: no_ticks.flatmap(lambda steps: st.permutations([*sleeps, *steps]))
    )
    return st.tuples(
        st.tuples(bars(wide=wide), bars(wide=wide)),
        st.integers(0, 2).flatmap(lambda first: bars(wide=wide, first=first)),
        st.sampled_from([60_000, 300_000]),
        mixed,
    )


def agree(kind: Kind, rates: dict[int, str], found: Any) -> None:
    rows, mark, period_ms, steps = found
    pair = FeedPair(kind, rows, mark, period_ms, rates)
    for step in [*steps, ("compare",)]:
        pair.run(step)
    if kind.volume is None:  # the bars may be over before everything could be closed by parts
        pair.flatten()


@pytest.mark.parametrize("coin", [False, True], ids=["usdt", "coin"])
@settings(max_examples=50)
@given(
    net=st.booleans(),
    tiers=st.sampled_from(["even", "jumping"]),
    marked=st.booleans(),
    volume=st.sampled_from(VOLUMES),
    rates=RATES,
    found=over_bars(True, SIDES),
)
def test_accounts_that_are_liquidated(
    coin: bool, net: bool, tiers: str, marked: bool, volume: Any, rates: dict[int, str], found: Any
) -> None:
    agree(Kind(coin=coin, net=net, tiers=tiers, marked=marked, volume=volume), rates, found)


@pytest.mark.parametrize("coin", [False, True], ids=["usdt", "coin"])
@settings(max_examples=50)
@given(net=st.booleans(), volume=st.sampled_from(VOLUMES), rates=RATES, found=over_bars(False, SIDES))
def test_futures_accounts(coin: bool, net: bool, volume: Any, rates: dict[int, str], found: Any) -> None:
    agree(Kind(coin=coin, net=net, volume=volume), rates, found)


@settings(max_examples=50)
@given(volume=st.sampled_from(VOLUMES), found=over_bars(False, SPOT_SIDES))
def test_spot_accounts(volume: Any, found: Any) -> None:
    agree(Kind(spot=True, volume=volume, maker="-0.0001", taker="0.002"), {}, found)
