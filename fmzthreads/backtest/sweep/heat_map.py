"""A page with the heat maps of a sweep: the objective over each pair of parameters, alone and averaged with its neighbours."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from ...errors import OperationFailed
from .job import Score
from .objective import Objective
from .space import Grid
from .table import neighbour_values

__all__ = ["write_heat_maps"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --paper: #fff; --line: #d5dae3; --none: #eceff4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8f0; --paper: #12161d; --line: #333c4a; --none: #222936; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto; max-width: 76rem; padding: 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; font-variant-numeric: tabular-nums; }
td, th { border: 1px solid var(--line); padding: .25rem .5rem; text-align: right; font-weight: normal; }
th { text-align: center; }
td.none { background: var(--none); }
td.value { color: #1c2330; }
td.best { outline: 3px solid currentcolor; outline-offset: -3px; font-weight: bold; }
"""


def write_heat_maps(
    path: str | os.PathLike[str], title: str, grid: Grid, scores: Mapping[int, Score], objective: Objective
) -> None:
    """Writes the page; it loads nothing from anywhere.

    Args:
        path: The file; it is replaced as a whole.
        title: The heading, such as the strategy's name.
        grid: The combinations.
        scores: The scores by number of the combination; those that were not run are left blank.
        objective: What is shown.

    Raises:
        OperationFailed: It cannot be written, such as when the disk is full.
    """
    values = {number: objective.value(score) for number, score in scores.items()}
    means = neighbour_values(grid, values)
    axes = [n for n, axis in enumerate(grid.axes) if len(axis.values) > 1] or list(range(min(1, len(grid.axes))))
    pairs: list[tuple[int, int | None]] = [*itertools.combinations(axes, 2)] or [(axis, None) for axis in axes]
    way = "largest" if objective.largest else "smallest"
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>",
        f"<p>{escape(objective.figure)}, the {way} is best; {len(scores):,} of {len(grid):,} combinations.",
        " Where a cell stands for several combinations of the other parameters, it shows the best of them.",
        " A dash stands for a run that failed or whose figure is undefined.</p>",
    ]
    for row, column in pairs:
        for name, shown in (("", values), (", averaged with its neighbours", means)):
            parts.append(_map(grid, shown, row, column, f"{objective.figure}{name}", largest=objective.largest))
    new = Path(path).with_name(Path(path).name + ".new")
    try:
        new.write_text("".join(parts), encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise OperationFailed(f"the heat maps {path} cannot be written: {error.strerror}") from error


def _map(
    grid: Grid, values: Mapping[int, float | None], row: int, column: int | None, name: str, *, largest: bool
) -> str:
    cells: dict[tuple[int, int], list[float | None]] = {}
    for number, value in values.items():
        places = grid.places(number)
        cells.setdefault((places[row], places[column] if column is not None else 0), []).append(value)
    choose = max if largest else min
    shown = {
        place: choose((value for value in found if value is not None), default=None) for place, found in cells.items()
    }
    known = [value for value in shown.values() if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    best = choose(known, default=None)
    rows = grid.axes[row]
    columns = grid.axes[column].values if column is not None else ("",)
    heading = f"{escape(rows.name)}" + (f" \\ {escape(grid.axes[column].name)}" if column is not None else "")
    lines = [
        f"<h2>{escape(name)}</h2><div class=scroll><table><tr><th>{heading}</th>",
        *(f"<th>{escape(str(value))}</th>" for value in columns),
        "</tr>",
    ]
    for place, value in enumerate(rows.values):
        lines.append(f"<tr><th>{escape(str(value))}</th>")
        lines += [_cell(shown, (place, other), low, high, best, largest=largest) for other in range(len(columns))]
        lines.append("</tr>")
    return "".join((*lines, "</table></div>"))


def _cell(
    shown: Mapping[tuple[int, int], float | None],
    place: tuple[int, int],
    low: float,
    high: float,
    best: float | None,
    *,
    largest: bool,
) -> str:
    if place not in shown:
        return "<td class=none></td>"
    value = shown[place]
    if value is None:
        return "<td class=none>–</td>"
    share = (value - low) / (high - low) if high > low else 0.5
    return (
        f"<td class='value{' best' if value == best else ''}' style='background:{_colour(share if largest else 1 - share)}'>"
        f"{value:.4g}</td>"
    )


# From poor to good; told apart also by people who do not see red and green alike.
_SCALE: Sequence[tuple[int, int, int]] = ((247, 170, 120), (250, 243, 221), (120, 190, 235))


def _colour(share: float) -> str:
    place = share * (len(_SCALE) - 1)
    n = min(int(place), len(_SCALE) - 2)
    red, green, blue = (round(a + (b - a) * (place - n)) for a, b in zip(_SCALE[n], _SCALE[n + 1], strict=True))
    return f"rgb({red},{green},{blue})"
