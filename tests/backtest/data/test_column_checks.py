"""Questions about whole columns: the same answers with and without numpy."""

from array import array
from typing import Any

import pytest

from fmzthreads.backtest.data import column_checks, column_parts
from fmzthreads.backtest.data.column_checks import has_even_steps, is_nowhere_above


@pytest.fixture(params=["numpy", "plain"], autouse=True)
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways, in parts of two numbers."""
    numpy: Any = pytest.importorskip("numpy") if request.param == "numpy" else None
    monkeypatch.setattr(column_checks, "fast_numpy", lambda count: numpy)
    monkeypatch.setattr(column_parts, "PART", 2)


@pytest.mark.parametrize(
    ("times", "even"),
    [([], False), ([5], True), ([5, 8, 11, 14, 17], True), ([5, 8, 11, 15, 17], False), ([5, 8, 12], False), ([5, 5, 11], False)],
)  # fmt: skip
def test_even_steps(times: list[int], even: bool) -> None:
    assert has_even_steps(array("q", times), 3) is even


@pytest.mark.parametrize("kind", ["q", "d"])
def test_nowhere_above(kind: str) -> None:
    def column(*values: float) -> Any:
        return array(kind, [int(value) if kind == "q" else value / 2 for value in values])

    assert is_nowhere_above(column(1, -2, 3), column(1, 5, 3))
    assert not is_nowhere_above(column(1, -2, 4), column(1, 5, 3))
    assert not is_nowhere_above(column(1, -2, 3), column(1, -3, 3))
    assert is_nowhere_above(column(), column())
