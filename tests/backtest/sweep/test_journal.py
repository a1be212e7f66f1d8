"""The journal of a sweep: what is finished survives a kill, and another sweep's file is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fmzthreads.backtest.sweep.job import Job, Score
from fmzthreads.backtest.sweep.journal import SweepJournal
from fmzthreads.errors import InputError, OperationFailed

SWEEP = {"strategy": "abc", "axes": [["fast", [1, 2]]]}


def _scores() -> list[Score]:
    return [
        Score(Job({"fast": 1, "mode": "a"}), {"sharpe": 1.25, "profit": None}),
        Score(Job({"fast": 2.5}, 10, 20), {}, "ValueError: x"),
    ]


def test_what_was_finished_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "a" / "journal.jsonl"
    with SweepJournal(path, SWEEP) as journal:
        assert not journal.scores
        for count, score in enumerate(_scores(), 1):
            journal.add(score)
            assert list(journal.scores.values()) == _scores()[:count]
            assert path.read_bytes().count(b"\n") == 1 + count  # not only when the file is closed
    with SweepJournal(path, SWEEP) as journal:
        assert list(journal.scores.values()) == _scores()


def test_each_line_is_on_the_disk_before_the_next_backtest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced = tmp_path / "journal.jsonl", []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(path.stat().st_size))
    with SweepJournal(path, SWEEP) as journal:
        for score in _scores():
            journal.add(score)
    lines = path.read_bytes().splitlines(keepends=True)
    assert synced == [sum(map(len, lines[:count])) for count in (1, 2, 3)]


def test_a_line_that_was_cut_off_is_dropped_and_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    first, second = _scores()
    with SweepJournal(path, SWEEP) as journal:
        journal.add(first)
        journal.add(second)
    whole = path.read_bytes()
    for size in range(whole.rfind(b"\n", 0, -1) + 1, len(whole)):
        path.write_bytes(whole[:size])
        with SweepJournal(path, SWEEP) as journal:
            assert list(journal.scores.values()) == [first]
            journal.add(second)
        assert path.read_bytes() == whole
    for size in range(whole.find(b"\n") + 1):  # killed within the first line
        path.write_bytes(whole[:size])
        with SweepJournal(path, SWEEP) as journal:
            assert not journal.scores
            journal.add(first)
            journal.add(second)
        assert path.read_bytes() == whole


def test_another_sweeps_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with SweepJournal(path, SWEEP) as journal:
        journal.add(_scores()[0])
    before = path.read_bytes()
    with pytest.raises(InputError, match="another sweep: data, strategy differ"):
        SweepJournal(path, {**SWEEP, "strategy": "other", "data": 1})
    assert path.read_bytes() == before
    other = tmp_path / "notes.txt"
    for content, said in (
        (b"hello\n", "line 1: not JSON"),
        (b"[]\n", "expected an object"),
        (b"{}\n", "is not the journal"),
    ):
        other.write_bytes(content)
        with pytest.raises(InputError, match=said):
            SweepJournal(other, SWEEP)
        assert other.read_bytes() == content


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with SweepJournal(path, SWEEP) as journal:
        journal.add(_scores()[0])
    path.write_bytes(path.read_bytes() + b'{"args": 3}\n')
    with pytest.raises(InputError, match="line 3: not a finished backtest"):
        SweepJournal(path, SWEEP)


def test_no_damage_of_one_byte_gives_other_figures(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with SweepJournal(path, SWEEP) as journal:
        for score in _scores():
            journal.add(score)
    whole = path.read_bytes()
    for place in range(len(whole)):
        for byte in {whole[place] ^ 1, 0x0D, 0x0A, 0x00} - {whole[place]}:
            damaged = whole[:place] + bytes([byte]) + whole[place + 1 :]
            path.write_bytes(damaged)
            try:
                with SweepJournal(path, SWEEP) as journal:
                    found = list(journal.scores.values())
            except InputError:
                assert path.read_bytes() == damaged
            else:  # in the checksum of the first line, or in the end of the last one, whose backtest is run again
                assert found in (_scores(), _scores()[:1])


def test_a_line_that_was_taken_out_is_run_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with SweepJournal(path, SWEEP) as journal:
        for score in _scores():
            journal.add(score)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    with SweepJournal(path, SWEEP) as journal:
        assert list(journal.scores.values()) == _scores()[1:]


def test_what_is_cut_off_is_only_dropped_from_a_journal_of_this_sweep(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"notes without an end of line")
    with pytest.raises(InputError, match="is not the journal of a sweep"):
        SweepJournal(path, SWEEP)
    assert path.read_bytes() == b"notes without an end of line"
    path.unlink()
    with SweepJournal(path, SWEEP) as journal:
        journal.add(_scores()[0])
    before = path.read_bytes() + b'{"args":'
    path.write_bytes(before)
    with pytest.raises(InputError, match="another sweep"):
        SweepJournal(path, {**SWEEP, "strategy": "other"})
    assert path.read_bytes() == before


def test_the_journal_of_another_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"format":1,"sweep":{}}\n')
    with pytest.raises(InputError, match="is of another version of fmzthreads"):
        SweepJournal(path, SWEEP)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")
def test_two_writers_are_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    code = f"""
import sys
from fmzthreads.backtest.sweep.journal import SweepJournal
journal = SweepJournal({str(path)!r}, {SWEEP!r})
print("open", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"open"
        with pytest.raises(OperationFailed, match="another sweep writes"):
            SweepJournal(path, SWEEP)
        process.kill()
    SweepJournal(path, SWEEP).close()
