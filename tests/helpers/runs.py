"""Runs strategies by the command that a user types, in a home of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["environment", "fmzthreads", "started", "wait_for_line"]

_COMMAND = [sys.executable, "-m", "fmzthreads"]


def environment(home: Path) -> dict[str, str]:
    """The environment of a user whose runs lie in ``home``, and who has no keys."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FMZ_")}
    return {**kept, "FMZTHREADS_HOME": str(home), "NO_COLOR": "1"}


def fmzthreads(
    *words: str, home: Path, timeout_s: float = 100.0, more: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, with further variables of the environment."""
    return subprocess.run(
        [*_COMMAND, *words],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        cwd=home,
        env={**environment(home), **(more or {})},
    )


@contextmanager
def started(*words: str, home: Path) -> Iterator[subprocess.Popen[str]]:
    """Starts a command in a session of its own, and kills it at the end if it still runs."""
    process = subprocess.Popen(
        [*_COMMAND, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=home,
        env=environment(home), start_new_session=True,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_line(process: subprocess.Popen[str], words: str) -> str:
    """Reads stdout until a line has these words, and returns it.

    Raises:
        AssertionError: The process ended before.
    """
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if words in line:
            return line
    assert process.stderr is not None
    raise AssertionError(f"no line with {words!r} in {''.join(seen)!r}; stderr: {process.stderr.read()!r}")
