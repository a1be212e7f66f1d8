"""What a sweep looks for: the figure by which backtests are compared."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ...errors import InputError
from .job import Score

__all__ = ["Objective", "doubt_of", "parse_objective"]

_LESS_IS_BETTER = frozenset({
    "fees", "fees_of_turnover", "fees_share", "longest_drawdown", "maxDrawdown", "max_drawdown", "max_drawdown_amount", "slippage",
    "slippage_share", "ulcer", "under_water", "under_water_ms", "volatility",
})  # fmt: skip


@attrs.frozen
class Objective:
    """A figure, and which of its values is better.

    Attributes:
        figure: The name of the figure.
        largest: Whether a larger value is better.
    """

    figure: str
    largest: bool = True

    def value(self, score: Score) -> float | None:
        """The figure of a backtest; None when it failed or the figure is undefined."""
        kind, _ = score.rank(self.figure)
        return None if kind else score.figures[self.figure]

    def ranked(self, scores: Iterable[Score]) -> list[Score]:
        """The scores, the best first; of equal ones the first stays first; undefined ones follow, failed runs come last."""
        return sorted(scores, key=lambda score: score.rank(self.figure, largest=self.largest))

    def best(self, scores: Iterable[Score]) -> Score | None:
        """The best score; None when every run failed or is undefined."""
        ranked = self.ranked(scores)
        return ranked[0] if ranked and self.value(ranked[0]) is not None else None


def parse_objective(text: str) -> Objective:
    """Reads ``--objective``: ``sharpe``, or ``max_drawdown:min`` when a smaller value is better.

    Raises:
        InputError: It has another form.
    """
    figure, colon, way = text.strip().partition(":")
    if not figure or (colon and way not in {"min", "max"}):
        raise InputError(f"--objective {text!r}: expected FIGURE, FIGURE:max or FIGURE:min")
    return Objective(figure, way != "min")


def doubt_of(text: str) -> str:
    """Why an ``--objective`` may mean the opposite of what was meant; empty where it does not."""
    figure, colon, _ = text.strip().partition(":")
    if colon or figure.rpartition(".")[2] not in _LESS_IS_BETTER:
        return ""
    return f"--objective {figure} puts the largest first; {figure}:min puts the smallest first"
