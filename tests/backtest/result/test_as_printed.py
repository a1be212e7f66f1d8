"""``as_printed`` gives what reading the printed JSON would give, without printing it."""

from __future__ import annotations

import enum
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.backtest.result.join import as_printed, to_json
from fmzthreads.structures import Structure


class _Side(enum.IntEnum):
    BUY = 1


class _Name(str):
    def __str__(self) -> str:
        return "another text"


class _Row(Structure):
    pass


_LEAVES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text()
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


def _same(value: Any) -> None:
    whole = {"result": {"value": value}, "metrics": {"value": value}}
    found, expected = as_printed(whole), json.loads(to_json(whole))
    assert repr(found) == repr(expected)  # repr tells 1 from 1.0 and from True


@given(_VALUES)
def test_it_equals_the_json_read_back(value: Any) -> None:
    _same(value)


@pytest.mark.parametrize(
    "value",
    [
        _Side.BUY,
        _Name("a text"),
        _Row({"Price": 1.0}),
        -0.0,
        2.0**53,
        2.0**53 + 2,
        float("nan"),
        (1, 2),
        {_Side.BUY: 1},
    ],
)
def test_values_of_derived_types_become_plain(value: Any) -> None:
    _same(value)
    found = as_printed({"result": {"value": value}})["result"]["value"]
    assert type(found) in {int, str, dict, float, list, type(None)}
