"""The summary: its percentiles, what makes it good, and what it says."""

from __future__ import annotations

import json

import attrs
import pytest

from fmzthreads.demo.summary import Spread, Summary, percentile


def make(**changes: object) -> Summary:
    summary = Summary(
        base="BTC",
        quote="USDT",
        seconds=20.0,
        loops=10,
        calls=40,
        pair_over_slower=Spread.of([1.0, 1.1, 1.2]),
        start_skew_ms=Spread.of([0.1]),
        leg_ms={"Binance": Spread.of([2.0]), "OKX": Spread.of([3.0])},
        hedges=2,
        failed_legs=[],
        fees={"Binance": 1.5, "OKX": 0.5},
        profit={"Binance": -3.0, "OKX": 4.0},
        exposure=0.000004,
        lot=0.00001,
        differences={"Binance": {"BTC": "0", "USDT": "0"}, "OKX": {"BTC": "0", "USDT": "0"}},
        problems=[],
    )
    return attrs.evolve(summary, **changes)


@pytest.mark.parametrize(
    ("values", "fraction", "expected"),
    [
        ([], 0.5, 0.0),
        ([7.0], 0.99, 7.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        (range(1, 101), 0.99, 99),
        (range(1, 101), 1.0, 100),
        ([1, 2], 0.0, 1),
    ],
)
def test_percentiles_are_by_nearest_rank(values: list[float], fraction: float, expected: float) -> None:
    assert percentile(values, fraction) == expected


def test_a_good_run_is_hedged_and_reconciled() -> None:
    summary = make()
    assert summary.ok
    text = "\n".join(summary.lines())
    assert "all books agree" in text
    assert "together +2.0000" in text
    assert json.loads(summary.to_json())["profit_sum"] == 1.0
    assert json.loads(summary.to_json())["ok"] is True


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exposure": -0.00002}, "NOT hedged"),
        ({"differences": {"OKX": {"USDT": "0.01"}}}, "THE BOOKS DO NOT AGREE"),
        ({"problems": ["OKX gave no list"]}, "OKX gave no list"),
    ],
)
def test_a_bad_run_says_what_is_wrong(changes: dict[str, object], words: str) -> None:
    summary = make(**changes)
    assert not summary.ok
    assert words in "\n".join(summary.lines())
    assert json.loads(summary.to_json())["ok"] is False


def test_failed_legs_are_listed_with_their_repair_up_to_twenty() -> None:
    leg = {"exchange": "OKX", "leg": "buy 0.02", "why": "timed out", "repair": "sell 0.02 on Binance"}
    lines = make(failed_legs=[leg] * 22).lines()
    assert sum("repaired by: sell 0.02 on Binance" in line for line in lines) == 20
    assert any("and 2 more" in line for line in lines)
