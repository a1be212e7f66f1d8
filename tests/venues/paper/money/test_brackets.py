"""Brackets of contracts: what each size allows and needs, and rows that are not valid."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.errors import InputError
from fmzthreads.venues.paper.money.brackets import MarginBrackets
from fmzthreads.venues.paper.settings import paper_of

ROWS: list[dict[str, Any]] = [
    {"notionalCap": 50_000, "maintMarginRatio": "0.004", "initialLeverage": 125},
    {"notionalCap": 250_000, "maintMarginRatio": "0.005", "initialLeverage": 100},
    {"maintMarginRatio": "0.01", "initialLeverage": 50},
]


def test_the_maintenance_margin_grows_without_steps() -> None:
    brackets = MarginBrackets.of_binance(ROWS[::-1], "here")
    for cap in (Decimal(50_000), Decimal(250_000)):
        assert brackets.maintenance(Decimal(1), cap) == pytest.approx(
            brackets.maintenance(Decimal(1), cap + Decimal("1e-9"))
        )
    assert brackets.maintenance(Decimal(1), Decimal(50_000)) == 200
    assert brackets.maintenance(Decimal(1), Decimal(1_000_000)) == 10_000 - 1300  # by the ratios: 50 + 1250
    assert [brackets.largest(Decimal(level)) for level in (125, 101, 100, 50, 126)] == [
        50_000,
        50_000,
        250_000,
        None,
        0,
    ]


def test_given_deductions_are_taken_as_they_are() -> None:
    rows = [ROWS[0] | {"cum": 0}, ROWS[1] | {"cum": 7}]
    assert MarginBrackets.of_binance(rows, "here").maintenance(Decimal(1), Decimal(100_000)) == 493


def test_brackets_in_json() -> None:
    brackets = MarginBrackets.of_binance(ROWS, "here")
    assert MarginBrackets.of_plain(brackets.plain(), by_contracts=False) == brackets


@pytest.mark.parametrize(
    "rows",
    [
        5,
        [],
        [5],
        [{"notionalCap": 1}],
        [{"notionalCap": "x", "maintMarginRatio": 0.1, "initialLeverage": 1}],
        [{"maintMarginRatio": 1, "initialLeverage": 1}],
        [{"maintMarginRatio": 0.1, "initialLeverage": 0.5}],
        [ROWS[0] | {"maintMarginRatio": 0.1}, ROWS[1]],
        [ROWS[0] | {"initialLeverage": 20}, ROWS[1]],
        [ROWS[2], ROWS[2]],
        [ROWS[0] | {"cum": 0}, ROWS[1]],
    ],
)
def test_rows_that_are_not_valid(rows: Any) -> None:
    with pytest.raises(InputError, match="brackets"):
        paper_of({"brackets": {"BTC_USDT.swap": rows}})


def test_brackets_are_a_table() -> None:
    with pytest.raises(InputError, match="brackets is 5"):
        paper_of({"brackets": 5})
