"""A sweep gives the same result for any number of workers, goes on from its journal, and ranks failures last."""

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fmzthreads.backtest.sweep.heat_map import write_heat_maps
from fmzthreads.backtest.sweep.job import WORKER_DIED, Job, Score
from fmzthreads.backtest.sweep.journal import SweepJournal
from fmzthreads.backtest.sweep.objective import Objective, parse_objective
from fmzthreads.backtest.sweep.pool import Workers
from fmzthreads.backtest.sweep.search import run_search
from fmzthreads.backtest.sweep.space import Axis, Grid
from fmzthreads.backtest.sweep.sweep import run_jobs
from fmzthreads.backtest.sweep.table import StreamedCsv, best_table, neighbour_values, write_csv
from fmzthreads.errors import InputError, MissingExtra, OperationFailed

GRID = Grid((Axis("a", (1, 2, 3)), Axis("b", (0.5, 1.5))))


def threads(count: int) -> Workers:
    return Workers(lambda: ThreadPoolExecutor(count), count)


def evaluate(job: Job) -> Score:
    a, b = job.args["a"], job.args["b"]
    if (a, b) == (2, 0.5):
        return Score(job, error="ZeroDivisionError: x")
    return Score(job, {"sharpe": None if a == 1 else a * b, "profit": a - b})


def jobs() -> list[Job]:
    return [Job(GRID[n]) for n in range(len(GRID))]


def test_the_result_does_not_depend_on_the_workers() -> None:
    results = [run_jobs(jobs(), evaluate, threads(count)) for count in (1, 4)]
    assert results[0] == results[1] == [evaluate(job) for job in jobs()]


def test_a_sweep_goes_on_from_its_journal(tmp_path: Path) -> None:
    ran: list[str] = []

    def noted(job: Job) -> Score:
        ran.append(job.key)
        return evaluate(job)

    path = tmp_path / "journal.jsonl"
    with SweepJournal(path, {}) as journal:
        run_jobs(jobs()[:4], noted, threads(1), journal=journal)
    seen: list[Score] = []
    with SweepJournal(path, {}) as journal:
        scores = run_jobs(jobs(), noted, threads(1), journal=journal, on_score=seen.append)
    assert scores == [evaluate(job) for job in jobs()]
    assert ran == [job.key for job in jobs()]  # none twice
    assert [score.job for score in seen] == jobs()
    assert len(path.read_bytes().splitlines()) == 1 + len(GRID)


def test_a_job_that_is_there_twice_is_run_once() -> None:
    ran: list[str] = []

    def noted(job: Job) -> Score:
        ran.append(job.key)
        return evaluate(job)

    assert len(run_jobs(jobs() * 2, noted, threads(2))) == 2 * len(GRID)
    assert len(ran) == len(GRID)


def test_failed_and_undefined_runs_rank_last() -> None:
    scores = run_jobs(jobs(), evaluate, threads(2))
    ranked = Objective("sharpe").ranked(scores)
    assert [score.job.args for score in ranked[:3]] == [{"a": 3, "b": 1.5}, {"a": 2, "b": 1.5}, {"a": 3, "b": 0.5}]
    assert [score.figures.get("sharpe") for score in ranked[3:5]] == [None, None]
    assert ranked[-1].error
    assert Objective("sharpe", largest=False).ranked(scores)[0].job.args == {"a": 3, "b": 0.5}
    assert Objective("sharpe").best(scores) == ranked[0]
    assert Objective("sharpe", largest=False).best(scores) == ranked[2]
    one, same = Score(Job({"a": 1}), {"sharpe": 2.0}), Score(Job({"a": 2}), {"sharpe": 2.0})
    assert Objective("sharpe").ranked([one, same]) == [one, same]
    assert Objective("sharpe").best([same, one]) is same  # of equal ones the first
    assert Objective("sharpe").value(one) == 2.0
    assert Objective("sharpe").best(scores[:2]) is None
    assert Objective("sharpe").best([]) is None
    for value in ("nan", "inf", "-inf"):
        undefined = Score(Job({}), {"sharpe": float(value), "profit": 1.0})
        assert Objective("sharpe").best([undefined]) is None
        assert undefined.figures == {"sharpe": None, "profit": 1.0}  # as a journal keeps it


def test_objectives_are_read() -> None:
    assert parse_objective("sharpe") == Objective("sharpe")
    assert parse_objective("max_drawdown:min") == Objective("max_drawdown", largest=False)
    assert parse_objective("sharpe:max") == Objective("sharpe")
    for text in ("", ":min", "sharpe:most"):
        with pytest.raises(InputError, match="expected FIGURE"):
            parse_objective(text)


def test_the_table_and_the_file_show_every_score(tmp_path: Path) -> None:
    scores = run_jobs(jobs(), evaluate, threads(2))
    write_csv(tmp_path / "sweep.csv", GRID, scores)
    with (tmp_path / "sweep.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["a"], row["b"]) for row in rows] == [(str(job.args["a"]), str(job.args["b"])) for job in jobs()]
    assert [row["sharpe"] for row in rows] == ["", "", "", "3.0", "1.5", "4.5"]
    assert rows[2]["error"] == "ZeroDivisionError: x"
    lines = best_table(GRID, scores, Objective("sharpe"), ["profit"], most=6).splitlines()
    assert lines[0].split() == ["a", "b", "sharpe", "profit"]
    assert lines[1].split() == ["3", "1.5", "4.5", "1.5"]
    assert lines[4].split() == ["1", "0.5", "–", "0.5"]
    assert lines[6].split() == ["2", "0.5", "ZeroDivisionError:", "x"]


def test_the_file_grows_with_each_score(tmp_path: Path) -> None:
    path = tmp_path / "new" / "sweep.csv"
    table = StreamedCsv(path, GRID)
    assert (
        path.read_text() == "a,b,start,end,error\n".replace("\n", "\r\n") or path.read_text() == "a,b,start,end,error\n"
    )
    one, failed, more = (
        Score(Job({"a": 1, "b": 0.5}), {"sharpe": 1.5}),
        Score(Job({"a": 2, "b": 0.5}), error='line one\n"two", three'),
        Score(Job({"a": 3, "b": 0.5}, 10, 20), {"profit": 2.0}),
    )
    for count, score in enumerate((one, failed, more), 1):
        table.add(score)
        with path.open(newline="", encoding="utf-8") as file:
            assert len(list(csv.DictReader(file))) == count
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["a"], row["start"], row["sharpe"], row["profit"]) for row in rows] == [
        ("1", "", "1.5", ""),
        ("2", "", "", ""),
        ("3", "10", "", "2.0"),
    ]
    assert rows[1]["error"] == failed.error
    (tmp_path / "file").touch()
    with pytest.raises(OperationFailed, match="cannot be written"):
        StreamedCsv(tmp_path / "file" / "sweep.csv", GRID)


def test_long_errors_do_not_widen_the_table() -> None:
    scores = [Score(Job({"a": 1, "b": 0.5}), {"sharpe": 1.5}), Score(Job({"a": 2, "b": 0.5}), error="x" * 300)]
    lines = best_table(GRID, scores, Objective("sharpe"), []).splitlines()
    assert lines[:2] == ["a    b  sharpe", "1  0.5     1.5"]
    assert lines[2] == f"2  0.5  {'x' * 300}"


def test_a_worker_that_died_says_nothing_of_the_backtest_and_is_tried_again(tmp_path: Path) -> None:
    path, tries = tmp_path / "journal.jsonl", []

    def dies_once(job: Job) -> Score:
        tries.append(job)
        return Score(job, error=WORKER_DIED) if len(tries) == 1 else Score(job, {"sharpe": 1.0})

    for error in (WORKER_DIED, "", ""):
        with SweepJournal(path, {}) as journal:
            [score] = run_jobs([Job({"a": 1})], dies_once, threads(1), journal=journal)
        assert score.error == error
    assert len(tries) == 2


def test_a_peak_alone_is_worth_less_than_a_plateau() -> None:
    grid = Grid((Axis("x", tuple(range(6))),))
    means = neighbour_values(grid, {0: 0.0, 1: 9.0, 2: 0.0, 3: 6.0, 4: 6.0, 5: None})
    assert means == {0: 4.5, 1: 3.0, 2: 5.0, 3: 4.0, 4: 6.0, 5: None}


def test_the_heat_map_escapes_and_marks_the_best(tmp_path: Path) -> None:
    scores = dict(enumerate(run_jobs(jobs(), evaluate, threads(2))))
    write_heat_maps(tmp_path / "map.html", "<script>alert(1)</script>", GRID, scores, Objective("sharpe"))
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("<table>") == 2
    assert page.count("value best") == 2
    assert ">4.5</td>" in page
    assert page.count("–</td>") == 6  # two undefined and one failed run on each map
    one = Grid((Axis("a", (1, 2)),))
    write_heat_maps(tmp_path / "one.html", "one", one, {1: Score(Job({"a": 2}), {"sharpe": 1.0})}, Objective("sharpe"))
    assert "class=none></td>" in (tmp_path / "one.html").read_text(encoding="utf-8")


def test_a_heat_map_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "map.html").mkdir()
    with pytest.raises(OperationFailed, match=r"the heat maps .*map\.html cannot be written"):
        write_heat_maps(tmp_path / "map.html", "x", GRID, {}, Objective("sharpe"))


def test_a_search_takes_the_same_way_for_any_number_of_workers(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    grid = Grid((Axis("x", tuple(range(40))), Axis("kind", ("p", "q"))))

    def hill(job: Job) -> Score:
        if job.args["x"] == 5:
            return Score(job, error="no")
        return Score(job, {"y": -((job.args["x"] - 31) ** 2) - (job.args["kind"] == "q")})

    objective = Objective("y")
    first = run_search(grid, 40, objective, hill, threads(1), seed=3)
    assert first == run_search(grid, 40, objective, hill, threads(4), seed=3)
    best = objective.best(first)
    assert best is not None
    assert abs(best.job.args["x"] - 31) <= 2
    ran: list[str] = []

    def noted(job: Job) -> Score:
        ran.append(job.key)
        return hill(job)

    with SweepJournal(tmp_path / "j.jsonl", {}) as journal:
        run_search(grid, 16, objective, noted, threads(2), seed=3, journal=journal)
    before = len(ran)
    with SweepJournal(tmp_path / "j.jsonl", {}) as journal:
        assert run_search(grid, 40, objective, noted, threads(2), seed=3, journal=journal) == first
    assert len(ran) == len(set(ran)) == len(first)
    assert before < len(ran)


@pytest.mark.parametrize(("size", "trials", "expected"), [(16, 16, 16), (16, 11, 11), (5, 20, 5), (1, 3, 1)])
def test_a_search_tries_as_many_combinations_as_it_is_asked_for(size: int, trials: int, expected: int) -> None:
    pytest.importorskip("optuna")
    grid = Grid((Axis("x", tuple(range(size))),))
    opened: list[ThreadPoolExecutor] = []

    def open_one() -> ThreadPoolExecutor:
        opened.append(ThreadPoolExecutor(2))
        return opened[-1]

    found = run_search(
        grid,
        trials,
        Objective("y"),
        lambda job: Score(job, {"y": -abs(job.args["x"] - 4.0)}),
        Workers(open_one, 2),
    )
    assert len({score.job.key for score in found}) == len(found) == expected
    assert len(opened) == 1


def test_a_longer_search_begins_as_a_shorter_one() -> None:
    pytest.importorskip("optuna")
    grid = Grid((Axis("x", tuple(range(30))), Axis("y", tuple(range(30)))))

    def hill(job: Job) -> Score:
        return Score(job, {"z": -((job.args["x"] - 11) ** 2) - (job.args["y"] - 7) ** 2})

    whole = run_search(grid, 60, Objective("z"), hill, threads(2))
    for trials in (1, 7, 13, 29, 52):
        assert run_search(grid, trials, Objective("z"), hill, threads(3)) == whole[:trials]


def test_a_search_that_asks_for_nothing_new_goes_on_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    optuna = pytest.importorskip("optuna")

    class Settled(optuna.samplers.RandomSampler):  # type: ignore[misc]
        def sample_independent(self, *_: object) -> int:
            return 3

    monkeypatch.setattr(optuna.samplers, "TPESampler", lambda **_: Settled())
    grid = Grid((Axis("x", tuple(range(30))),))
    tried = []
    for seed in (1, 1, 2):
        found = run_search(grid, 12, Objective("z"), lambda job: Score(job, {"z": 1.0}), threads(1), seed=seed)
        tried.append([score.job.args["x"] for score in found])
    assert tried[0] == tried[1] != tried[2]
    assert tried[0][0] == tried[2][0] == 3
    assert len(set(tried[0])) == len(tried[0]) == 12


def test_a_search_without_optuna_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtra, match=r"fmzthreads\[search\]"):
        run_search(GRID, 4, Objective("sharpe"), evaluate, threads(1))
