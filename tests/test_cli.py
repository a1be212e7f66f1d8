"""The command line as a whole: what holds for every command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(os.name != "posix", reason="closed pipes are told differently elsewhere")
def test_a_reader_that_has_ended_is_no_error(tmp_path: Path) -> None:
    bars = tmp_path / "bars.csv"
    bars.write_text("time,open,high,low,close,volume\n1700000000000,1,2,1,2,3\n1700000060000,1,2,1,2,3\n", "utf-8")
    reading, writing = os.pipe()
    os.close(reading)
    try:
        found = subprocess.run(
            [sys.executable, "-m", "fmzthreads", "data", "check", str(bars)],
            stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert "Traceback" not in found.stderr
    assert found.returncode == 141, found.stderr
