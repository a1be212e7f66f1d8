"""A run's manifest, and ``--repeat``, which gives the same bytes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.backtest_runs import command, write_bars

STRATEGY = """
import helper
def main():
    names = {'a', 'b', 'c', 'd'}
    while True:
        t = exchange.GetTicker()
        if random.random() < 0.2:
            exchange.Buy(-1, size)
        Log(sorted(names), t.Last, UUID(), helper.twice(size), ext.third(9))
        LogProfit(exchange.GetAccount().Balance)
        Sleep(300000)
"""


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    strategy = tmp_path / "s.py"
    strategy.write_text(STRATEGY)
    (tmp_path / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    (tmp_path / "lib.py").write_text("def third(x):\n    return x / 3\next.third = third\n")
    (tmp_path / "c.json").write_text('{"period": "5m", "seed": 4}')
    out = tmp_path / "out"
    code, whole, err = command(
        capsys, strategy, "--bars", write_bars(tmp_path / "bars.csv"), "--template", tmp_path / "lib.py", "--config", tmp_path / "c.json",
        "--arg", "size=20", "--end", "2024-01-01 02:00:00", "--out", out,
    )  # fmt: skip
    assert code == 0, err
    assert json.loads((out / "result.json").read_text()) == whole
    assert (out / "report.html").read_text().startswith("<!")
    return out


def test_what_a_manifest_says(run: Path, tmp_path: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    assert sorted(Path(name).name for name in manifest["files"]) == [
        "bars.csv",
        "c.json",
        "helper.py",
        "lib.py",
        "s.py",
    ]
    assert (manifest["seed"], manifest["args"]) == (4, {"size": 20})
    assert manifest["ended"]["reason"] == "end"
    assert manifest["task"]["Options"]["Period"] == 300_000
    assert all(len(digest) == 64 for digest in manifest["files"].values())


def test_repeat_gives_the_same_bytes_whatever_the_hash_seed(run: Path) -> None:
    for seed in ("1", "77"):
        words = [sys.executable, "-m", "fmzthreads", "backtest", "--repeat", str(run), "--json"]
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": f"XYZ{seed[0]}"},
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == (run / "result.json").read_text()
        assert "the same bytes as the stored run" in done.stderr


def test_a_run_that_moved_to_another_place(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("s.py", "helper.py", "lib.py", "c.json", "bars.csv"):
        shutil.move(tmp_path / name, other / name)
    shutil.move(run / "manifest.json", other / "manifest.json")
    code, _, err = command(capsys, "--repeat", other)
    assert code == 0, err
    (other / "helper.py").unlink()
    code, _, err = command(capsys, "--repeat", other)
    assert code == 2
    assert "helper.py, which is neither there nor in" in err


def test_a_run_with_a_package_that_moved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, other = tmp_path / "first", tmp_path / "other"
    (first / "helpers" / "deep").mkdir(parents=True)
    (first / "s.py").write_text(
        "from helpers.deep import part\ndef main():\n    Log(part(8), exchange.GetTicker().Last)\n"
    )
    (first / "helpers" / "__init__.py").write_text("half = 0.5\n")
    (first / "helpers" / "deep" / "__init__.py").write_text("from .. import half\ndef part(x):\n    return half * x\n")
    write_bars(first / "bars.csv")
    words = [
        "--exchange",
        '{"eid":"Binance","currency":"BTC_USDT"}',
        "--bars",
        first / "bars.csv",
        "--out",
        first / "run",
    ]
    code, _, err = command(capsys, first / "s.py", *words)
    assert code == 0, err
    shutil.move(first / "run" / "manifest.json", first / "manifest.json")
    first.rename(other)
    code, _, err = command(capsys, "--repeat", other)
    assert code == 0, err
    (other / "helpers" / "deep" / "__init__.py").write_text("def part(x):\n    return x\n")
    code, _, err = command(capsys, "--repeat", other)
    assert code == 2
    assert f"changed since: {other / 'helpers' / 'deep' / '__init__.py'}" in err


@pytest.mark.parametrize("out", ["run", "runs/first"])
def test_a_project_that_moved_as_a_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str) -> None:
    first, other = tmp_path / "first", tmp_path / "elsewhere" / "other"
    (first / "data").mkdir(parents=True)
    (first / "s.py").write_text("from helper import half\ndef main():\n    Log(half, exchange.GetTicker().Last)\n")
    (first / "helper.py").write_text("half = 0.5\n")
    bars = write_bars(first / "data" / "bars.csv")
    words = ["--exchange", '{"eid":"Binance","currency":"BTC_USDT"}', "--bars", bars, "--out", first / out]
    code, _, err = command(capsys, first / "s.py", *words)
    assert code == 0, err
    other.parent.mkdir()
    first.rename(other)
    code, _, err = command(capsys, "--repeat", other / out)
    assert code == 0, err
    (other / "helper.py").write_text("half = 0.25\n")
    code, _, err = command(capsys, "--repeat", other / out)
    assert (code, f"changed since: {other / 'helper.py'}" in err) == (2, True)


def test_what_changed_since_is_named(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bars = tmp_path / "bars.csv"
    bars.write_text(bars.read_text() + "\n")
    code, whole, err = command(capsys, "--repeat", run)
    assert (code, whole) == (2, None)
    assert f"changed since: {bars}" in err


def test_a_result_that_differs_is_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "result_sha256": "0" * 64, "fmzthreads": "0.0.1"}))
    code, _, err = command(capsys, "--repeat", path)
    assert code == 1
    assert "the result differs from the stored run (made by fmzthreads 0.0.1, this is" in err


def test_what_is_no_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text, message in (
        (None, "cannot read the manifest"),
        ("{", "is not JSON"),
        ("{}", "format is None, expected 1"),
    ):
        if text is not None:
            (tmp_path / "manifest.json").write_text(text)
        code, _, err = command(capsys, "--repeat", tmp_path)
        assert code == 2
        assert message in err
    code, _, err = command(capsys, tmp_path / "s.py", "--repeat", tmp_path)
    assert (code, "give no FILE with it" in err) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        ("--start", "2024-01-01"),
        ("--seed", "0"),
        ("--bars", "x.csv"),
        ("--arg", "size=3"),
        ("--data-server", "http://x"),
    ],
)
def test_what_is_repeated_cannot_be_changed(
    run: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, str]
) -> None:
    code, whole, err = command(capsys, "--repeat", run, *words)
    assert (code, whole) == (2, None)
    assert f"it cannot be changed by {words[0]}" in err


def test_a_run_that_was_interrupted_cannot_be_had_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "result_sha256": "0" * 64, "ended": {"reason": "interrupted", "text": ""}}))
    code, _, err = command(capsys, "--repeat", path)
    assert code == 1
    assert "the result differs from the stored run; that one was interrupted, this one ran to its end" in err
