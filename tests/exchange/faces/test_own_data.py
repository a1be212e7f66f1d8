"""SetData and GetData of a live exchange object."""

from __future__ import annotations

import json
from typing import Any

import pytest
import responses

from fmzthreads.clock import ManualClock
from tests.helpers.exchange_room import make

NOW_MS = 1_600_000_000_000


def test_the_latest_row_whose_time_has_come_is_returned() -> None:
    exchange, _, host = make()
    rows = [[NOW_MS + 5000, "later"], [NOW_MS - 2000, "old"], [NOW_MS, {"level": 1}]]
    assert exchange.SetData("mood", rows) == len(json.dumps(rows, separators=(",", ":")))
    assert exchange.GetData("mood") == {"Time": NOW_MS, "Data": {"level": 1}}
    host.clock.advance(5)  # type: ignore[attr-defined]
    assert exchange.GetData("mood", 1000) == {"Time": NOW_MS + 5000, "Data": "later"}
    assert exchange.SetData("mood", [[NOW_MS, 7]]) == len(f"[[{NOW_MS},7]]")
    assert exchange.GetData("mood") == {"Time": NOW_MS, "Data": 7}
    row = exchange.GetData("mood")
    assert row is not None
    assert (row.Time, row.Data) == (NOW_MS, 7)
    assert exchange.GetData("none") is None
    exchange.SetData("future", [[NOW_MS + 10**9, 1]])
    assert exchange.GetData("future") is None
    assert host.errors == []


@pytest.mark.parametrize("value", [5, [5], [[1]], [["x", 1]], [[1, {1, 2}]]])
def test_wrong_rows_fail_as_other_calls_do(value: Any) -> None:
    exchange, _, host = make()
    assert exchange.SetData("x", value) is None
    assert exchange.SetData("", [[1, 2]]) is None
    assert exchange.GetData(5) is None  # type: ignore[arg-type]
    assert [text.split(":")[0] for text in host.errors] == ["SetData", "SetData", "GetData"]


@responses.activate
def test_a_url_is_asked_once_in_its_time() -> None:
    url = "http://127.0.0.1:1/series"
    answer = {"schema": ["time", "data"], "data": [[NOW_MS - 10, "a"], [NOW_MS + 20_000, "b"]]}
    responses.get(url, json=answer)
    exchange, _, host = make(clock=ManualClock(NOW_MS / 1000))
    assert exchange.GetData(url) == {"Time": NOW_MS - 10, "Data": "a"}
    host.clock.advance(30)  # type: ignore[attr-defined]
    assert exchange.GetData(url) == {"Time": NOW_MS + 20_000, "Data": "b"}
    assert len(responses.calls) == 1
    host.clock.advance(31)  # type: ignore[attr-defined]
    responses.replace(responses.GET, url, body="not a series")
    assert exchange.GetData(url) is None
    assert "not a series" in host.errors[-1]
    responses.replace(responses.GET, url, json=answer)
    assert exchange.GetData(url, 1) is not None
    host.clock.advance(4)  # type: ignore[attr-defined]
    exchange.GetData(url, 1)  # the least time is five seconds
    assert len(responses.calls) == 3
    exchange.close()
