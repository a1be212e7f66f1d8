"""A sweep whose files change while it runs ends, instead of comparing backtests of two strategies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmzthreads.backtest.sweep.evaluate import BacktestEvaluation
from fmzthreads.backtest.sweep.identity import SameFiles
from fmzthreads.backtest.sweep.job import Job, Score
from fmzthreads.backtest.sweep.pool import SweepStopped
from fmzthreads.cli import main
from tests.backtest.sweep.test_optimize import words


def test_files_are_compared_with_what_they_were(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    files = SameFiles.of([one, two, one])
    assert len(files.digests) == 2
    files.check()
    two.write_text("22")
    with pytest.raises(SweepStopped, match="two is not what it was when the sweep began"):
        files.check()
    two.write_text("2")
    files.check()
    one.unlink()
    with pytest.raises(SweepStopped, match="one cannot be read where a backtest runs"):
        files.check()


@pytest.mark.parametrize("name", ["cross.py", "bars.csv", "helper.py", "lib.py", "c.json"])
@pytest.mark.parametrize("when", ["before", "within"])
def test_a_sweep_ends_when_a_file_of_it_changes(
    files: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    when: str,
) -> None:
    folder = files[0].parent
    files[0].write_text(files[0].read_text().replace("def main", "import helper\ndef main"))
    (folder / "helper.py").write_text("x = 1\n")
    (folder / "lib.py").write_text("ext.x = 1\n")
    (folder / "c.json").write_text("{}")
    out, calls = tmp_path / "out", []
    real = BacktestEvaluation._score

    def changing(self: BacktestEvaluation, job: Job) -> Score:
        calls.append(job)
        if when == "within" and len(calls) == 4:
            with (folder / name).open("a") as file:
                file.write("\n")
        score = real(self, job)
        if when == "before" and len(calls) == 3:
            (folder / name).unlink()
        return score

    monkeypatch.setattr(BacktestEvaluation, "_score", changing)
    more = ("--template", str(folder / "lib.py"), "--config", str(folder / "c.json"))
    assert main(words(files, out, "--executor", "here", *more)) == 2
    told = capsys.readouterr().err
    assert f"{folder / name} " in told
    assert ("is not what it was" if when == "within" else "cannot be read") in told
    # Nothing that the changed file may have been part of is kept.
    assert (out / "journal.jsonl").read_bytes().count(b"\n") <= 1 + (3 if when == "within" else 2)
    assert len(calls) == (4 if when == "within" else 3)
