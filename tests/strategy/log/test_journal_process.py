"""The journal of a whole process: its end, its death, and terminals and files that take nothing."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and terminals")
HEAD = "import os, sys, time\nfrom fmzthreads import *\nfrom fmzthreads.strategy.runtime import Runtime, current, use\n"


def _start(code: str, *args: object, **options: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "FMZTHREADS_HOME": str(options.pop("home", os.devnull))}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", HEAD + code, *map(str, args)]
    return subprocess.Popen(command, text=True, stderr=subprocess.PIPE, env=environment, **options)  # type: ignore[call-overload, no-any-return]


def _run(code: str, *args: object) -> tuple[int, str, str]:
    with _start(code, *args, stdout=subprocess.PIPE) as process:
        try:
            out, err = process.communicate(timeout=100)
        finally:
            process.kill()
    return process.returncode, out, err


def _stored(path: Path) -> list[str]:
    raw = sqlite3.connect(path)
    try:
        return [row[0] for row in raw.execute("SELECT extra FROM log ORDER BY id")]
    finally:
        raw.close()


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("pass", 0),
        ("sys.exit(3)", 3),
        ("raise ValueError('end')", 1),
        ("raise KeyboardInterrupt", 130),
        ("runtime.close(); Log('after close')", 0),
        ("import atexit; atexit.register(runtime.journal.log, 'at the end')", 0),
        ("import signal; signal.raise_signal(signal.SIGINT)", 130),
    ],
)
def test_everything_is_written_at_a_normal_end(tmp_path: Path, end: str, code: int) -> None:
    script = f"""
runtime = Runtime(database=sys.argv[1], name="t")
with use(runtime):
    for n in range(3000): Log("line", n)
    {end}
"""
    status, out, _ = _run(script, tmp_path / "x.sqlite3")
    assert status in {code, -signal.SIGINT if code == 130 else code}
    expected = [f"line {n}" for n in range(3000)]
    stored = _stored(tmp_path / "x.sqlite3")
    assert stored[:3000] == expected
    assert [line[20:] for line in out.splitlines()[:3000]] == expected
    assert len(stored) == len(out.splitlines()) == 3000 + ("after close" in end or "at the end" in end)


def test_a_thread_that_logs_until_the_end_loses_nothing(tmp_path: Path) -> None:
    script = """
import threading
runtime = Runtime(database=sys.argv[1], name="t", console=False)
def work(t):
    for n in range(500): runtime.journal.log(t, n)
for t in range(4): threading.Thread(target=work, args=(t,)).start()
"""
    status, _, err = _run(script, tmp_path / "x.sqlite3")
    assert (status, err) == (0, "")
    assert len(_stored(tmp_path / "x.sqlite3")) == 2000


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_of_multiprocessing_writes_its_lines(tmp_path: Path, method: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        HEAD
        + f"""
import multiprocessing
def work(path):
    Runtime(database=path, name="child", console=False).journal.log("from the child")
if __name__ == "__main__":
    runtime = Runtime(database=sys.argv[1], name="t", console=False)
    runtime.journal.log("before")
    child = multiprocessing.get_context({method!r}).Process(target=work, args=(sys.argv[1],))
    child.start(); child.join()
    runtime.journal.log("after")
""",
        encoding="utf-8",
    )
    path = tmp_path / "x.sqlite3"
    command = [sys.executable, "-W", "ignore::DeprecationWarning", str(script), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(_stored(path)) == ["after", "before", "from the child"]


@posix
def test_a_kill_loses_at_most_what_is_younger_than_50_ms(tmp_path: Path) -> None:
    script = """
runtime = Runtime(database=sys.argv[1], name="t", console=False)
said = 0
for n in range(10**9):
    runtime.journal.log(n, time.monotonic_ns())
    time.sleep(0.0002)
    if n - said >= 500:
        said = n
        os.write(1, b"%d\\n" % time.monotonic_ns())
"""
    ages_ms = []
    for number in range(3):
        path = tmp_path / f"{number}.sqlite3"
        process = _start(script, path, stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        killed_ns = time.monotonic_ns()
        process.kill()
        process.communicate(timeout=60)
        rows = [row.split() for row in _stored(path)]
        assert [int(row[0]) for row in rows] == list(range(len(rows)))
        ages_ms.append((killed_ns - int(rows[-1][1])) / 1e6)
    assert min(ages_ms) < 50  # the least of three: another program may have had the processor


@posix
@pytest.mark.parametrize("kind", ["pipe", "pty", "stopped pty"])
def test_a_terminal_that_is_not_read_stops_nothing(tmp_path: Path, kind: str) -> None:
    script = """
runtime = Runtime(database=sys.argv[1], name="t")
with use(runtime):
    for n in range(5000): Log("line", n, "x" * 100)
    LogStatus("status " * 100)
    runtime.journal.flush(0.2)
    open(sys.argv[2], "w").close()
    {end}
"""
    if kind == "pipe":
        ours, theirs = os.pipe()
    else:
        ours, theirs = os.openpty()
        if kind == "stopped pty":
            import termios

            termios.tcflow(theirs, termios.TCOOFF)
    try:
        ends = (("pass", 0), ("time.sleep(3600)", -signal.SIGINT))
        for end, code in (
            ends if kind == "pipe" else ends[:1]
        ):  # each takes the 3 s that the end of a process waits for such a sink
            path, done = tmp_path / f"{code}.sqlite3", tmp_path / f"done{code}"
            with _start(script.format(end=end), path, done, stdout=theirs) as process:
                try:
                    while code and not done.exists():
                        assert process.poll() is None
                        time.sleep(0.01)
                    if code:
                        process.send_signal(signal.SIGINT)
                    err = process.communicate(timeout=60)[1]
                finally:
                    process.kill()
            assert process.returncode == code, err
            assert "did not take" in err
            assert len([text for text in _stored(path) if text.startswith("line")]) == 5000
    finally:
        if kind == "stopped pty":
            termios.tcflow(theirs, termios.TCOON)
        os.close(ours)
        os.close(theirs)


@posix
def test_a_pipe_whose_reader_has_gone_stops_nothing(tmp_path: Path) -> None:
    script = """
with use(Runtime(database=sys.argv[1], name="t")):
    sys.stdin.readline()
    for n in range(1000):
        Log("line", n)
    current().flush()
"""
    process = _start(script, tmp_path / "x.sqlite3", stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    err = process.communicate("\n", timeout=60)[1]
    assert process.returncode == 0, err
    assert err.count("BrokenPipeError") == 1
    assert len([text for text in _stored(tmp_path / "x.sqlite3") if text.startswith("line")]) == 1000


def test_prints_stand_before_later_lines(tmp_path: Path) -> None:
    status, out, err = _run("print('printed'); Log('logged'); current().flush(); print('printed later')")
    assert (status, err) == (0, "")
    assert [line[-13:] for line in out.splitlines()] == ["printed", out.splitlines()[1][-13:], "printed later"]
    assert out.splitlines()[1].endswith("logged")


@posix
def test_two_runs_with_one_file_write_side_by_side(tmp_path: Path) -> None:
    script = """
runtime = Runtime(database=sys.argv[1], name="t", console=False)
for n in range(2000):
    runtime.journal.log(sys.argv[2], n)
    runtime.store.put(sys.argv[2], n) if n % 100 == 0 else None
"""
    path = tmp_path / "x.sqlite3"
    processes = [_start(script, path, name, stdout=subprocess.PIPE) for name in "ab"]
    for process in processes:
        told = process.communicate(timeout=100)[1]  # on a busy machine the other one may hold the file for a moment
        assert process.returncode == 0
        assert all("database is locked" in line or "works again; 0 lines" in line for line in told.splitlines()), told
    stored = _stored(path)
    for name in "ab":
        assert [text for text in stored if text.startswith(name)] == [f"{name} {n}" for n in range(2000)]
