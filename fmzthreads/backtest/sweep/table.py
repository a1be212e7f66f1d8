"""The scores of a sweep as a text table and as a CSV file, and how they compare with their neighbours."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import OperationFailed
from .job import Score
from .objective import Objective
from .space import Grid

__all__ = ["StreamedCsv", "best_table", "neighbour_values", "write_csv"]


class StreamedCsv:
    """The CSV file of a sweep while it runs: a row for each score as it comes, in the order in which they come.

    Args:
        path: The file; what it held is replaced. Its folder is made.
        grid: Names the columns of the parameters.

    Raises:
        OperationFailed: It cannot be written.
    """

    def __init__(self, path: Path, grid: Grid) -> None:
        self._path = path
        self._names = [axis.name for axis in grid.axes]
        self._figures: set[str] = set()
        self._order: list[str] = []
        self.scores: list[Score] = []
        """The scores so far."""
        self._write([])

    def add(self, score: Score) -> None:
        """Adds a row; a score with further figures has the file written anew, with their columns.

        Raises:
            OperationFailed: It cannot be written, such as when the disk is full.
        """
        self.scores.append(score)
        if self._figures.issuperset(score.figures):
            self._write([score])
            return
        self._figures.update(score.figures)
        self._order = sorted(self._figures)
        self._write(self.scores, anew=True)

    def _write(self, scores: Sequence[Score], *, anew: bool = False) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if anew or len(self.scores) == 0:
                _write_rows(self._path, self._names, self._order, scores)
                return
            with self._path.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(_row(score, self._names, self._order) for score in scores)
        except OSError as error:
            raise OperationFailed(f"the table {self._path} cannot be written: {error.strerror}") from error


def write_csv(path: str | os.PathLike[str], grid: Grid, scores: Sequence[Score]) -> None:
    """Writes all scores, a row each; an undefined figure is an empty field.

    Args:
        path: The file; it is replaced as a whole.
        grid: Names the columns of the parameters.
        scores: The rows, in their order.

    Raises:
        OperationFailed: It cannot be written, such as when the disk is full.
    """
    figures = sorted({name for score in scores for name in score.figures})
    try:
        _write_rows(Path(path), [axis.name for axis in grid.axes], figures, scores)
    except OSError as error:
        raise OperationFailed(f"the table {path} cannot be written: {error.strerror}") from error


def _write_rows(path: Path, names: Sequence[str], figures: Sequence[str], scores: Sequence[Score]) -> None:
    new = path.with_name(path.name + ".new")
    with new.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([*names, "start", "end", *figures, "error"])
        rows.writerows(_row(score, names, figures) for score in scores)
    new.replace(path)


def _row(score: Score, names: Sequence[str], figures: Sequence[str]) -> list[str]:
    values = [_text(score.figures.get(name)) for name in figures]
    args = [_text(score.job.args[name]) for name in names]
    return [*args, _text(score.job.start_ms), _text(score.job.end_ms), *values, score.error]


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
    errors = [""]
    for score in objective.ranked(scores)[:most]:
        values = [] if score.error else [_short(score.figures.get(name)) for name in columns]
        rows.append([*(str(score.job.args[name]) for name in names), *values])
        errors.append(score.error)
    widths = [max(len(row[n]) for row in rows if n < len(row)) for n in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=False)) for row in rows]
    return "\n".join(f"{line}  {error}".rstrip() for line, error in zip(lines, errors, strict=True))


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
