"""The engine and an account by the documented rules, written apart from it, agree on every fill, fee, payment and liquidation."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.trading.reference.pair import SECOND, STEP, Kind, Pair
from tests.backtest.trading.reference.plain_account import PlainFutures
from tests.backtest.trading.reference.plain_desk import UNIT, ZERO

SIDES = st.sampled_from(["buy", "sell", "buy", "sell", "closebuy", "closesell"])
SPOT_SIDES = st.sampled_from(["buy", "sell"])
WIDE = st.integers(600, 1500).map(lambda tenth: Fraction(tenth, 10))
FEW = st.sampled_from([Fraction(tenth, 10) for tenth in (990, 999, 1000, 1001, 1010)])  # so that prices meet
NEAR = st.one_of(st.integers(970, 1030).map(lambda tenth: Fraction(tenth, 10)), FEW)
ORDER_PRICES = st.one_of(st.none(), st.integers(900, 1100).map(lambda tenth: Fraction(tenth, 10)), NEAR)
AMOUNTS = st.one_of(
    st.integers(1, 40).map(lambda n: Fraction(n, 8)), st.integers(1, 5000).map(lambda n: Fraction(n, 1000))
)
PLACE = st.integers(0, 1)
IDS = st.integers(1, 12)
RATES: st.SearchStrategy[dict[int, str]] = st.one_of(
    st.just({}),
    st.dictionaries(
        st.one_of(st.integers(3, 30).map(lambda n: n * SECOND), st.integers(3, 60).map(lambda n: n * SECOND // 2 + 1)),
        st.sampled_from(["0.0003", "-0.0007", "0.05", "-0.05"]),
        max_size=8,
    ).map(lambda rows: dict(sorted(rows.items()))),
)


def steps_of(prices: st.SearchStrategy[Fraction], sides: st.SearchStrategy[str]) -> st.SearchStrategy[list[Any]]:
    terms = (st.integers(0, 2), sides, prices, ORDER_PRICES, prices, ORDER_PRICES, AMOUNTS)
    edge = (
        st.sampled_from([Fraction(30), Fraction(300)]),
        st.sampled_from([ZERO, Fraction(1, UNIT), -Fraction(1, UNIT), STEP, -STEP]),
    )
    return st.lists(
        st.one_of(
            st.tuples(st.just("tick"), PLACE, prices),
            st.tuples(st.just("tick"), PLACE, prices, prices, prices),
            st.tuples(st.just("mark"), prices),
            st.tuples(st.just("edge"), PLACE, *edge),
            st.tuples(st.just("place"), PLACE, sides, ORDER_PRICES, AMOUNTS),
            st.tuples(st.just("place"), PLACE, sides, ORDER_PRICES, AMOUNTS),
            st.tuples(st.just("modify"), IDS, sides, ORDER_PRICES, AMOUNTS),
            st.tuples(st.just("condition"), PLACE, *terms),
            st.tuples(st.just("modify_condition"), IDS, *terms),
            st.tuples(st.just("cancel_condition"), IDS),
            st.tuples(st.just("cancel"), IDS),
            st.tuples(st.just("level"), PLACE, st.sampled_from([1, 3, 7, 20])),
            st.tuples(st.just("compare")),
        ),
        max_size=30,
    )


VOLUMES: tuple[tuple[str, str | None] | None, ...] = (
    None,
    ("0.5", None),
    ("0.013", None),
    ("1", "0"),
    ("0.4", "0.013"),
)


def agree(kind: Kind, rates: dict[int, str], steps: list[Any]) -> None:
    pair = Pair(kind, rates)
    for step in [*steps, ("compare",)]:
        pair.run(step)
    pair.flatten()


@pytest.mark.parametrize("marked", [False, True], ids=["last", "mark"])
@pytest.mark.parametrize("tiers", ["even", "jumping"])
@pytest.mark.parametrize("coin", [False, True], ids=["usdt", "coin"])
@given(rates=RATES, net=st.booleans(), volume=st.sampled_from(VOLUMES), steps=steps_of(WIDE, SIDES))
def test_accounts_that_are_liquidated(
    coin: bool, tiers: str, marked: bool, rates: dict[int, str], net: bool, volume: Any, steps: list[Any]
) -> None:
    agree(Kind(coin=coin, tiers=tiers, marked=marked, net=net, volume=volume), rates, steps)


@pytest.mark.parametrize("net", [False, True], ids=["hedge", "net"])
@pytest.mark.parametrize("coin", [False, True], ids=["usdt", "coin"])
@given(
    rates=RATES,
    volume=st.sampled_from(VOLUMES),
    fees=st.sampled_from([("0.0002", "0.0005", "0"), ("-0.0001", "0.0007", "0.3"), ("0.003", "0.001", "0")]),
    multiple=st.sampled_from([None, "0.01", "10"]),
    steps=steps_of(NEAR, SIDES),
)
def test_futures_accounts(
    coin: bool, net: bool, rates: dict[int, str], volume: Any, fees: Any, multiple: Any, steps: list[Any]
) -> None:
    maker, taker, least = fees
    agree(
        Kind(coin=coin, net=net, volume=volume, multiple=multiple, maker=maker, taker=taker, fee_min=least),
        rates,
        steps,
    )


@pytest.mark.parametrize("volume", VOLUMES, ids=str)
@given(
    fees=st.sampled_from([("0.001", "0.002"), ("-0.0001", "0.0007"), ("0.003", "0.001")]),
    steps=steps_of(NEAR, SPOT_SIDES),
)
def test_spot_accounts(volume: Any, fees: Any, steps: list[Any]) -> None:
    agree(Kind(spot=True, volume=volume, maker=fees[0], taker=fees[1]), {}, steps)


def amounts(pair: Pair) -> list[tuple[str, str, float]]:
    """Symbol, side and price of what was liquidated."""
    ids = [row[2] for row in pair.rows.orders if row[5] == "liquidation" and row[0] != 2]
    return [(o.detail.symbol, o.side, o.average / UNIT) for o in pair.desk._orders if o.id in ids]


def test_the_best_profit_is_closed_first() -> None:
    """Not the first position, the highest or lowest price, the largest or smallest amount, value or margin."""
    pair = Pair(Kind(tiers="even"))
    btc, eth = pair.names
    for step in (
        ("place", 0, "buy", None, Fraction(3)),  # 23.1 each down: -69.3
        ("place", 0, "sell", None, Fraction(1)),  # +22.9
        ("place", 1, "buy", None, Fraction(1, 2)),  # 10 up: +4.95
        ("place", 1, "sell", None, Fraction(1)),  # -10.1
        ("tick", 1, Fraction(110)),
        ("tick", 0, Fraction(77)),
        ("compare",),
    ):
        pair.run(step)
    assert amounts(pair) == [
        (btc, "closesell", 77),
        (eth, "closebuy", 110),
        (eth, "closesell", 110),
        (btc, "closebuy", 77),
    ]


def test_all_that_is_paid_in_one_millisecond_comes_before_a_liquidation() -> None:
    """A tick at the event's time ruins the account; both contracts have paid before, not only the first."""
    pair = Pair(Kind(tiers="even"), {4000: "0.0003"})
    pair.run(("place", 0, "buy", None, Fraction(1, 8)))
    pair.run(("place", 1, "buy", None, Fraction(3, 2)))
    pair.tick(pair.names[0], Fraction(100))
    pair.tick(pair.names[1], Fraction(60))
    pair.run(("compare",))
    assert isinstance(pair.plain, PlainFutures)
    assert pair.plain.funding["USDT"] == -Fraction(100) * Fraction("1.0003") * Fraction("0.0003") * Fraction(13, 8)
    assert len(amounts(pair)) == 2
