"""``fmzthreads optimize FILE``: many backtests of one strategy, over the values of its parameters."""

from __future__ import annotations

import argparse
import ast
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import InputError, UnknownName, nearest
from ...strategy.program.javascript_source import JavaScriptSource
from ...strategy.program.reading import read_source
from ..command import add_input_options, inputs_of, interruptible, warn
from ..inputs import BacktestInputs, ReadyBacktest, bound_arguments, merged_task
from ..script_run import is_script
from .evaluate import BacktestEvaluation
from .heat_map import write_heat_maps
from .identity import SameFiles, files_of_sweep, sweep_identity
from .job import Job, Score
from .journal import SweepJournal
from .objective import Objective, doubt_of, parse_objective
from .pool import workers_of
from .search import run_search
from .space import Grid, parse_axis
from .sweep import run_jobs
from .table import StreamedCsv, best_table, write_csv
from .walk_forward import WalkForward, parse_walk_forward, run_walk_forward, spans_of

__all__ = ["add_parser", "run"]

_DESCRIPTION = """\
Runs a strategy's backtest for many values of its parameters and ranks the results. Finished backtests are kept in a journal in the --out folder: the same
command after a kill goes on from there. The result does not depend on the number of workers."""
_FIGURES = ("total_return", "sharpe", "max_drawdown", "win_rate", "round_trips")


def add_parser(commands: Any) -> None:
    """Adds the command to the program's parser."""
    parser = commands.add_parser(
        "optimize", help="backtests over the values of a strategy's parameters", description=_DESCRIPTION
    )
    add_input_options(parser)
    add = parser.add_argument
    add(
        "--grid",
        action="append",
        default=[],
        metavar="NAME=FIRST:LAST:STEP",
        help="a parameter's values, or NAME=A,B,C",
    )
    add("--objective", default="sharpe", metavar="FIGURE[:min]", help="what they are ranked by (default sharpe)")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--random", type=int, metavar="N", help="only N combinations, drawn by chance")
    way.add_argument("--search", type=int, metavar="N", help="N combinations, each chosen by what was found (optuna)")
    add("--walk-forward", metavar="train=90d,test=30d", help="choose on one stretch of time, try on the next")
    add("--executor", default="processes", metavar="WHERE", help="processes, here (this one), or dask://HOST:PORT")
    add("--workers", type=int, default=0, metavar="N", help="how many processes (default: one a core)")
    add(
        "--out",
        type=Path,
        default=None,
        metavar="DIR",
        help="the folder of journal, table and heat maps (default: FILE.sweep)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Runs the sweep and returns the exit code: 0, or 1 when every backtest failed.

    Raises:
        FmzError: Something is not valid; nothing was run.
    """
    inputs = inputs_of(args)
    grid = Grid(tuple(parse_axis(text) for text in args.grid))
    if not grid.axes:
        raise InputError("--grid NAME=FIRST:LAST:STEP is missing: there is nothing to choose from")
    objective = parse_objective(args.objective)
    if doubt := doubt_of(args.objective):
        warn(doubt)
    ready = _checked(inputs, grid)
    _check_counts(args)
    out: Path = args.out or inputs.file.with_suffix(".sweep")
    workers = workers_of(args.executor, args.workers)
    everywhere = inputs.absolute()
    evaluate = BacktestEvaluation(everywhere, SameFiles.of(files_of_sweep(everywhere, ready)))
    with SweepJournal(out / "journal.jsonl", sweep_identity(inputs, ready, grid)) as journal:
        progress = _Progress(len(journal.scores), objective, StreamedCsv(out / "sweep.csv", grid))
        try:
            with interruptible():
                scores, walk = _run(args, ready, grid, objective, evaluate, workers, journal, progress)
        except KeyboardInterrupt:
            progress.interrupted(out)
            return 130
    progress.end()
    _check_objective(scores, objective)
    write_csv(out / "sweep.csv", grid, scores)
    if walk is None:
        _write_maps(out / "heat_maps.html", inputs.file.name, grid, scores, objective)
        print(best_table(grid, scores, objective, _FIGURES))
    else:
        print(_walk_text(walk, grid, objective))
    failed = sum(bool(score.error) for score in scores)
    print(f"\n{len(scores)} backtests, {failed} failed; table: {out / 'sweep.csv'}")
    return 1 if scores and failed == len(scores) else 0


def _run(
    args: argparse.Namespace,
    ready: ReadyBacktest,
    grid: Grid,
    objective: Objective,
    evaluate: BacktestEvaluation,
    workers: Any,
    journal: SweepJournal,
    progress: Callable[[Score], None],
) -> tuple[list[Score], WalkForward | None]:
    seed = args.seed or 0
    numbers = grid.sample(args.random, seed) if args.random else range(len(grid))
    if args.walk_forward:
        train_ms, test_ms = parse_walk_forward(args.walk_forward)
        spans = spans_of(ready.settings.start_ms, ready.settings.end_ms, train_ms, test_ms)
        scores: list[Score] = []

        def _note(score: Score) -> None:
            scores.append(score)
            progress(score)

        walk = run_walk_forward(
            grid, spans, objective, evaluate, workers, numbers=numbers, journal=journal, on_score=_note
        )
        return sorted(scores, key=lambda score: score.job.key), walk
    if args.search:
        found = run_search(
            grid, args.search, objective, evaluate, workers, seed=seed, journal=journal, on_score=progress
        )
        return found, None
    jobs = [Job(grid[number]) for number in numbers]
    return run_jobs(jobs, evaluate, workers, journal=journal, on_score=progress), None


def _checked(inputs: BacktestInputs, grid: Grid) -> ReadyBacktest:
    """Checks everything with the first combination, before any worker is started."""
    if is_script(read_source(inputs.file)):
        raise InputError(f"{inputs.file} is a plain script: only strategies with a main of their own can be swept")
    ready = ReadyBacktest.of(inputs)
    bound_arguments(ready.strategy, merged_task(ready.strategy, inputs)[0], inputs, grid[0])
    if not isinstance(ready.strategy, JavaScriptSource):
        _warn_of_names(inputs.file, ready, grid)
    return ready


def _warn_of_names(file: Path, ready: ReadyBacktest, grid: Grid) -> None:
    """Warns of parameters that change nothing."""
    trees = [source.tree for source in (ready.strategy, *(one.source for one in ready.templates))]
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    replaced = {name for tree in trees for statement in tree.body for name in _replaced_by(statement)}
    for axis in grid.axes:
        if axis.name not in used:
            warn(f"--grid {axis.name}: {file} never uses a variable of this name")
        elif axis.name in replaced:
            warn(
                f"--grid {axis.name} changes nothing: {file} gives {axis.name} a value itself, which goes before; leave that line out"
            )


def _replaced_by(statement: ast.stmt) -> set[str]:
    """The names that a statement of a file gives another value than they had."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = [statement.target]
    else:
        return set()
    value = statement.value
    read = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)} if value is not None else set()
    return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)} - read


def _check_counts(args: argparse.Namespace) -> None:
    for name in ("random", "search"):
        count = getattr(args, name)
        if count is not None and count < 1:
            raise InputError(f"--{name} is {count}, expected 1 or more")
    if args.search and args.walk_forward:
        raise InputError("--search and --walk-forward exclude each other: use --random to compare fewer combinations")


def _check_objective(scores: list[Score], objective: Objective) -> None:
    known = sorted({name for score in scores for name in score.figures})
    if known and objective.figure not in known:
        raise UnknownName(f"--objective: no figure {objective.figure!r}{nearest(objective.figure, known)}")


def _write_maps(path: Path, title: str, grid: Grid, scores: list[Score], objective: Objective) -> None:
    numbers = ((grid.number_of(score.job.args), score) for score in scores)
    found = {number: score for number, score in numbers if number is not None}
    write_heat_maps(path, title, grid, found, objective)


def _walk_text(walk: WalkForward, grid: Grid, objective: Objective) -> str:
    lines = []
    for step in walk.steps:
        when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(step.span.test_ms / 1000))
        if step.chosen is None or step.tried is None:
            lines.append(f"{when}  no parameters could be chosen")
            continue
        args = " ".join(f"{axis.name}={step.chosen.job.args[axis.name]}" for axis in grid.axes)
        inside, outside = objective.value(step.chosen), step.tried.figures.get("total_return")
        shown = step.tried.error or ("–" if outside is None else f"{outside:+.2%}")
        lines.append(f"{when}  {args}  {objective.figure} in sample {inside:.4g}, return out of sample {shown}")
    total = "–" if walk.total_return is None else f"{walk.total_return:+.2%}"
    efficiency = f"– ({walk.efficiency_reason})" if walk.efficiency is None else f"{walk.efficiency:.3f}"
    winning = "–" if walk.winning is None else f"{walk.winning:.0%}"
    lines += ["", f"return out of sample {total}, efficiency {efficiency}, winning steps {winning}"]
    return "\n".join(lines)


class _Progress:
    """What is shown of finished backtests while a sweep runs: a row of the table each, and on a terminal their number and the best one.

    Args:
        known: How many are in the journal.
        objective: What they are ranked by.
        table: The table.
    """

    def __init__(self, known: int, objective: Objective, table: StreamedCsv) -> None:
        self._shown = sys.stderr.isatty()
        self._objective = objective
        self._table = table
        self._best: Score | None = None
        if known:
            print(f"fmzthreads: {known} finished backtests are in the journal", file=sys.stderr)

    def __call__(self, score: Score) -> None:
        self._table.add(score)
        if not score.error:  # runs have figures of the same names: an unknown one is reported at the first run
            _check_objective([score], self._objective)
        self._best = self._objective.best([score] if self._best is None else [self._best, score])
        if self._shown:
            best = (
                "" if self._best is None else f", best {self._objective.figure} {self._objective.value(self._best):.6g}"
            )
            print(f"\r{len(self._table.scores)} backtests{best}\x1b[K", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Ends the line."""
        if self._shown and self._table.scores:
            print(file=sys.stderr)

    def interrupted(self, out: Path) -> None:
        """Says after Ctrl-C what there is."""
        self.end()
        count = len(self._table.scores)
        print(
            f"fmzthreads: interrupted; {count} finished backtests are in {out}, and the same command goes on from there",
            file=sys.stderr,
        )
