"""The scores of a sweep as a text table and as a CSV file, and how they compare with their neighbours."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .job import Score
from .objective import Objective
from .space import Grid

__all__ = ["best_table", "neighbour_values", "write_csv"]


def write_csv(path: str | os.PathLike[str], grid: Grid, scores: Sequence[Score]) -> None:
    """Writes all scores, a row each; an undefined figure is an empty field.

    Args:
        path: The file; it is replaced as a whole.
        grid: Names the columns of the parameters.
        scores: The rows, in their order.
    """
    names = [axis.name for axis in grid.axes]
    figures = sorted({name for score in scores for name in score.figures})
    path = Path(path)
    new = path.with_name(path.name + ".new")
    with new.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([*names, "start", "end", *figures, "error"])
        for score in scores:
            values = [_text(score.figures.get(name)) for name in figures]
            args = [_text(score.job.args[name]) for name in names]
            rows.writerow([*args, _text(score.job.start_ms), _text(score.job.end_ms), *values, score.error])
    new.replace(path)


def _text(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def best_table(
    grid: Grid, scores: Sequence[Score], objective: Objective, figures: Sequence[str], most: int = 10
) -> str:
    """The best scores as a table for a terminal.

    Args:
        grid: Names the columns of the parameters.
        scores: All scores.
        objective: What they are ranked by; its figure is the first column after the parameters.
        figures: Further columns.
        most: The number of rows.
    """
    names = [axis.name for axis in grid.axes]
    columns = list(dict.fromkeys((objective.figure, *figures)))
    rows = [[*names, *columns]]
    for score in objective.ranked(scores)[:most]:
        values = [score.error] if score.error else [_short(score.figures.get(name)) for name in columns]
        rows.append([*(str(score.job.args[name]) for name in names), *values])
    widths = [max(len(row[n]) for row in rows if n < len(row)) for n in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows
    )


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"


def neighbour_values(grid: Grid, values: Mapping[int, float | None]) -> dict[int, float | None]:
    """The mean of each combination's value and those of its neighbours in the grid.

    A peak whose neighbours are poor is mostly chance; a plateau is worth more.

    Args:
        grid: The combinations.
        values: The value of each combination by number; None for one that failed or is undefined.

    Returns:
        The means by number; None for a combination that has no value itself. Neighbours without a value are left out.
    """
    means: dict[int, float | None] = {}
    for number, value in values.items():
        if value is None:
            means[number] = None
            continue
        found = [values.get(other) for other in grid.neighbours(number)]
        known = [value, *(other for other in found if other is not None)]
        means[number] = sum(known) / len(known)
    return means
